"""PSST's files (Mohanta & Assisi 2019): state vectors, in and out, and the folders that its Day 5 saves."""

from ranvier.interop.psst.saved_run import SavedRun as SavedRun
from ranvier.interop.psst.saved_run import load_run as load_run
from ranvier.interop.psst.vector import NOT_YET as NOT_YET
from ranvier.interop.psst.vector import Segment as Segment
from ranvier.interop.psst.vector import from_vector as from_vector
from ranvier.interop.psst.vector import layout as layout
from ranvier.interop.psst.vector import to_vector as to_vector
