"""Runs of a network with many sets of numbers: `rv.sweep`."""

from ranvier.sweeps.run import SweepProgress as SweepProgress
from ranvier.sweeps.run import sweep as sweep
from ranvier.sweeps.sets import Sets as Sets
from ranvier.sweeps.sets import latin_hypercube as latin_hypercube
from ranvier.sweeps.sets import sobol as sobol
from ranvier.sweeps.sets import zipped as zipped
from ranvier.sweeps.workers import SweepStopped as SweepStopped
