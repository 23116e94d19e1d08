"""Synapse models, one family a file."""

from ranvier.synapses.base import Presynaptic as Presynaptic
from ranvier.synapses.base import SynapseModel as SynapseModel
from ranvier.synapses.delta import Delta as Delta
from ranvier.synapses.exponential import ExponentialConductance as ExponentialConductance
from ranvier.synapses.exponential import ExponentialCurrent as ExponentialCurrent
from ranvier.synapses.gap_junction import GapJunction as GapJunction
from ranvier.synapses.kinetic import Cholinergic as Cholinergic
from ranvier.synapses.kinetic import GradedGABA as GradedGABA
