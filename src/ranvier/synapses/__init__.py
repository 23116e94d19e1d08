"""Synapse models, one family a file."""

import typing as _typing

from ranvier.listing import listed as _listed
from ranvier.listing import on_first_use as _on_first_use
from ranvier.synapses.alpha import AlphaConductance as AlphaConductance
from ranvier.synapses.alpha import AlphaCurrent as AlphaCurrent
from ranvier.synapses.base import Presynaptic as Presynaptic
from ranvier.synapses.base import SynapseModel as SynapseModel
from ranvier.synapses.delta import Delta as Delta
from ranvier.synapses.double_exponential import DoubleExponentialConductance as DoubleExponentialConductance
from ranvier.synapses.double_exponential import DoubleExponentialCurrent as DoubleExponentialCurrent
from ranvier.synapses.exponential import ExponentialConductance as ExponentialConductance
from ranvier.synapses.exponential import ExponentialCurrent as ExponentialCurrent
from ranvier.synapses.gap_junction import GapJunction as GapJunction
from ranvier.synapses.graded_current import GradedCurrent as GradedCurrent
from ranvier.synapses.kinetic import Cholinergic as Cholinergic
from ranvier.synapses.kinetic import GradedGABA as GradedGABA
from ranvier.synapses.nmda import NMDA as NMDA
from ranvier.synapses.nmda import SaturatingNMDA as SaturatingNMDA
from ranvier.synapses.release import VesicleRelease as VesicleRelease
from ranvier.synapses.short_term_plasticity import ShortTermPlasticity as ShortTermPlasticity
from ranvier.synapses.short_term_plasticity import TsodyksMarkram as TsodyksMarkram
from ranvier.synapses.step_current import StepCurrent as StepCurrent

if _typing.TYPE_CHECKING:
    from ranvier.equations.synapse import from_equations as from_equations


def __dir__() -> list[str]:
    return _listed(globals(), "from_equations")


__getattr__ = _on_first_use(__name__, {"from_equations": "ranvier.equations.synapse"})
