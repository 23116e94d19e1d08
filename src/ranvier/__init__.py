"""Ranvier simulates networks of biological neurons."""

import importlib
from typing import TYPE_CHECKING, Any

from ranvier import channels as channels
from ranvier import connect as connect
from ranvier import models as models
from ranvier import neurons as neurons
from ranvier import plasticity as plasticity
from ranvier import random as random
from ranvier import stimuli as stimuli
from ranvier import synapses as synapses
from ranvier.channels.base import IonChannel as IonChannel
from ranvier.channels.base import IonPool as IonPool
from ranvier.describe import describe as describe
from ranvier.errors import ParameterError as ParameterError
from ranvier.errors import RanvierError as RanvierError
from ranvier.errors import SimulationDiverged as SimulationDiverged
from ranvier.errors import StoreError as StoreError
from ranvier.errors import UnitError as UnitError
from ranvier.errors import UnknownNameError as UnknownNameError
from ranvier.errors import UnsupportedError as UnsupportedError
from ranvier.integrators import AdamsBashforth2 as AdamsBashforth2
from ranvier.integrators import AdamsBashforth4 as AdamsBashforth4
from ranvier.integrators import Euler as Euler
from ranvier.integrators import EulerMaruyama as EulerMaruyama
from ranvier.integrators import ExactLinear as ExactLinear
from ranvier.integrators import ExponentialEuler as ExponentialEuler
from ranvier.integrators import Heun as Heun
from ranvier.integrators import Integrator as Integrator
from ranvier.integrators import Midpoint as Midpoint
from ranvier.integrators import Milstein as Milstein
from ranvier.integrators import Ralston as Ralston
from ranvier.integrators import RungeKutta4 as RungeKutta4
from ranvier.integrators import SplitEuler as SplitEuler
from ranvier.integrators import StochasticHeun as StochasticHeun
from ranvier.integrators import ThreeEighths as ThreeEighths
from ranvier.model import Model as Model
from ranvier.model import PerNeuron as PerNeuron
from ranvier.model import component as component
from ranvier.model import parameter as parameter
from ranvier.network import Network as Network
from ranvier.network import PoissonInput as PoissonInput
from ranvier.network import Population as Population
from ranvier.network import Projection as Projection
from ranvier.network import SimulationState as SimulationState
from ranvier.neurons.base import NeuronModel as NeuronModel
from ranvier.neurons.conductance_based import ConductanceBasedNeuron as ConductanceBasedNeuron
from ranvier.odeint import Adaptive as Adaptive
from ranvier.odeint import Event as Event
from ranvier.odeint import odeint as odeint
from ranvier.plasticity import PlasticityRule as PlasticityRule
from ranvier.plasticity import StructuralRule as StructuralRule
from ranvier.random import lognormal as lognormal
from ranvier.random import normal as normal
from ranvier.random import uniform as uniform
from ranvier.record import Record as Record
from ranvier.result import Result as Result
from ranvier.simulate import recordable as recordable
from ranvier.simulate import simulate as simulate
from ranvier.stimuli.base import Stimulus as Stimulus
from ranvier.synapses.base import SynapseModel as SynapseModel
from ranvier.until import Moment as Moment
from ranvier.until import Until as Until

if TYPE_CHECKING:
    from ranvier import analysis as analysis
    from ranvier import fitting as fitting
    from ranvier import infer as infer
    from ranvier import interop as interop
    from ranvier import lab as lab
    from ranvier import losses as losses
    from ranvier import plot as plot
    from ranvier import surrogates as surrogates
    from ranvier import testing as testing
    from ranvier import torch as torch
    from ranvier.citing import cite as cite
    from ranvier.fitting.fit import fit as fit
    from ranvier.methods import compare_methods as compare_methods
    from ranvier.simulation import Simulation as Simulation
    from ranvier.simulation import explain as explain
    from ranvier.simulation import prepare as prepare
    from ranvier.store.reader import open_store as open_store
    from ranvier.store.resume import resume as resume
    from ranvier.sweeps import latin_hypercube as latin_hypercube
    from ranvier.sweeps import sobol as sobol
    from ranvier.sweeps import sweep as sweep
    from ranvier.sweeps import zipped as zipped
    from ranvier.versions import show_versions as show_versions

# On first use, so that importing Ranvier stays quick.
_MODULES_ON_FIRST_USE = ("analysis", "fitting", "infer", "interop", "lab", "losses", "plot", "surrogates", "testing", "torch")
_FUNCTIONS_ON_FIRST_USE = {
    "Simulation": "ranvier.simulation",
    "cite": "ranvier.citing",
    "compare_methods": "ranvier.methods",
    "explain": "ranvier.simulation",
    "fit": "ranvier.fitting.fit",
    "latin_hypercube": "ranvier.sweeps",
    "open_store": "ranvier.store.reader",
    "prepare": "ranvier.simulation",
    "resume": "ranvier.store.resume",
    "show_versions": "ranvier.versions",
    "sobol": "ranvier.sweeps",
    "sweep": "ranvier.sweeps",
    "zipped": "ranvier.sweeps",
}

_MODULES = ("channels", "connect", "models", "neurons", "plasticity", "random", "stimuli", "synapses")

# Of what is loaded on first use only the engine is in it: with the rest `from ranvier import *` would load PyTorch.
_names = [name for name, value in globals().items() if name[0] != "_" and not isinstance(value, type(importlib))]
__all__ = ["Simulation", "explain", "prepare", *_MODULES, *(name for name in _names if name not in ("Any", "TYPE_CHECKING"))]


def __dir__() -> list[str]:
    return sorted([*__all__, *_MODULES_ON_FIRST_USE, *_FUNCTIONS_ON_FIRST_USE, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _MODULES_ON_FIRST_USE:
        return importlib.import_module(f"ranvier.{name}")
    if name in _FUNCTIONS_ON_FIRST_USE:
        return getattr(importlib.import_module(_FUNCTIONS_ON_FIRST_USE[name]), name)
    if name == "__version__":
        from ranvier.versions import own_version

        return own_version()
    if name[0] == "_":
        raise AttributeError(f"module 'ranvier' has no attribute {name!r}.")
    from ranvier.synonyms import elsewhere

    raise AttributeError(f"module 'ranvier' has no attribute {name!r}.{elsewhere(name, {place: globals()[place] for place in _MODULES})}")
