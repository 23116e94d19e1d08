"""Neuron models, one published family a file."""

import typing as _typing

from ranvier.listing import listed as _listed
from ranvier.listing import on_first_use as _on_first_use
from ranvier.neurons.adaptive_exponential import AdaptiveExponentialIntegrateAndFire as AdaptiveExponentialIntegrateAndFire
from ranvier.neurons.adaptive_threshold import AdaptiveThresholdIntegrateAndFire as AdaptiveThresholdIntegrateAndFire
from ranvier.neurons.base import Inputs as Inputs
from ranvier.neurons.base import NeuronModel as NeuronModel
from ranvier.neurons.base import crossed_upward as crossed_upward
from ranvier.neurons.base import reached as reached
from ranvier.neurons.bazhenov import BazhenovNeuron as BazhenovNeuron
from ranvier.neurons.bazhenov import LocalNeuron as LocalNeuron
from ranvier.neurons.bazhenov import ProjectionNeuron as ProjectionNeuron
from ranvier.neurons.conductance_based import ConductanceBased as ConductanceBased
from ranvier.neurons.conductance_based import ConductanceBasedNeuron as ConductanceBasedNeuron
from ranvier.neurons.conductance_based import Passive as Passive
from ranvier.neurons.connor_stevens import ConnorStevens as ConnorStevens
from ranvier.neurons.escape_noise import EscapeNoiseIntegrateAndFire as EscapeNoiseIntegrateAndFire
from ranvier.neurons.exponential import ExponentialIntegrateAndFire as ExponentialIntegrateAndFire
from ranvier.neurons.fitzhugh_nagumo import FitzHughNagumo as FitzHughNagumo
from ranvier.neurons.generalized import GeneralizedIntegrateAndFire as GeneralizedIntegrateAndFire
from ranvier.neurons.generalized import SpikeTriggeredCurrent as SpikeTriggeredCurrent
from ranvier.neurons.generalized import SpikeTriggeredThreshold as SpikeTriggeredThreshold
from ranvier.neurons.hindmarsh_rose import HindmarshRose as HindmarshRose
from ranvier.neurons.hodgkin_huxley import HodgkinHuxley as HodgkinHuxley
from ranvier.neurons.integrate_and_fire import LeakyIntegrateAndFire as LeakyIntegrateAndFire
from ranvier.neurons.izhikevich import Izhikevich2003 as Izhikevich2003
from ranvier.neurons.izhikevich import Izhikevich2007 as Izhikevich2007
from ranvier.neurons.morris_lecar import MorrisLecar as MorrisLecar
from ranvier.neurons.noisy import NoisyIntegrateAndFire as NoisyIntegrateAndFire
from ranvier.neurons.pinsky_rinzel import PinskyRinzel as PinskyRinzel
from ranvier.neurons.quadratic import QuadraticIntegrateAndFire as QuadraticIntegrateAndFire
from ranvier.neurons.sources import InhomogeneousPoissonSource as InhomogeneousPoissonSource
from ranvier.neurons.sources import PoissonSource as PoissonSource
from ranvier.neurons.sources import SpikeSource as SpikeSource
from ranvier.neurons.sources import SpikeTimes as SpikeTimes
from ranvier.neurons.stellate import Stellate as Stellate
from ranvier.neurons.threshold_linear import ThresholdLinearRate as ThresholdLinearRate
from ranvier.neurons.traub_miles import TraubMiles as TraubMiles
from ranvier.neurons.wang_buzsaki import WangBuzsaki as WangBuzsaki

if _typing.TYPE_CHECKING:
    from ranvier.equations.neuron import from_equations as from_equations


def __dir__() -> list[str]:
    return _listed(globals(), "from_equations")


__getattr__ = _on_first_use(__name__, {"from_equations": "ranvier.equations.neuron"})
