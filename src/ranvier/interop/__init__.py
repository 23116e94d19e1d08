"""Other programs' data, in and out."""

from ranvier.interop import psst as psst
from ranvier.interop.formats import export as export
