"""Ranvier simulates networks of biological neurons.

Everything is loaded when it is first used: importing Ranvier takes no longer than importing JAX.
"""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ranvier import analysis as analysis
    from ranvier import channels as channels
    from ranvier import connect as connect
    from ranvier import devices as devices
    from ranvier import fitting as fitting
    from ranvier import infer as infer
    from ranvier import interop as interop
    from ranvier import lab as lab
    from ranvier import losses as losses
    from ranvier import models as models
    from ranvier import neurons as neurons
    from ranvier import plasticity as plasticity
    from ranvier import plot as plot
    from ranvier import random as random
    from ranvier import stimuli as stimuli
    from ranvier import surrogates as surrogates
    from ranvier import synapses as synapses
    from ranvier import testing as testing
    from ranvier import torch as torch
    from ranvier.channels.base import IonChannel as IonChannel
    from ranvier.channels.base import IonPool as IonPool
    from ranvier.citing import cite as cite
    from ranvier.describe import describe as describe
    from ranvier.errors import ParameterError as ParameterError
    from ranvier.errors import RanvierError as RanvierError
    from ranvier.errors import SimulationDiverged as SimulationDiverged
    from ranvier.errors import StoreError as StoreError
    from ranvier.errors import UnitError as UnitError
    from ranvier.errors import UnknownNameError as UnknownNameError
    from ranvier.errors import UnsupportedError as UnsupportedError
    from ranvier.fitting.fit import fit as fit
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
    from ranvier.memory_plan import plan_memory as plan_memory
    from ranvier.methods import compare_methods as compare_methods
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
    from ranvier.simulation import Simulation as Simulation
    from ranvier.simulation import explain as explain
    from ranvier.simulation import prepare as prepare
    from ranvier.stimuli.base import Stimulus as Stimulus
    from ranvier.store.reader import open_store as open_store
    from ranvier.store.resume import resume as resume
    from ranvier.sweeps import latin_hypercube as latin_hypercube
    from ranvier.sweeps import sobol as sobol
    from ranvier.sweeps import sweep as sweep
    from ranvier.sweeps import zipped as zipped
    from ranvier.synapses.base import SynapseModel as SynapseModel
    from ranvier.until import Moment as Moment
    from ranvier.until import Until as Until
    from ranvier.versions import show_versions as show_versions
    from ranvier.watch import Chunk as Chunk

_MODULES = ("channels", "connect", "models", "neurons", "plasticity", "random", "stimuli", "synapses")
_OTHER_MODULES = ("analysis", "devices", "fitting", "infer", "interop", "lab", "losses", "plot", "surrogates", "testing", "torch")

_FROM = {
    "ranvier.channels.base": (
        "IonChannel",
        "IonPool",
    ),
    "ranvier.citing": ("cite",),
    "ranvier.describe": ("describe",),
    "ranvier.errors": (
        "ParameterError",
        "RanvierError",
        "SimulationDiverged",
        "StoreError",
        "UnitError",
        "UnknownNameError",
        "UnsupportedError",
    ),
    "ranvier.fitting.fit": ("fit",),
    "ranvier.integrators": (
        "AdamsBashforth2",
        "AdamsBashforth4",
        "Euler",
        "EulerMaruyama",
        "ExactLinear",
        "ExponentialEuler",
        "Heun",
        "Integrator",
        "Midpoint",
        "Milstein",
        "Ralston",
        "RungeKutta4",
        "SplitEuler",
        "StochasticHeun",
        "ThreeEighths",
    ),
    "ranvier.memory_plan": ("plan_memory",),
    "ranvier.methods": ("compare_methods",),
    "ranvier.model": (
        "Model",
        "PerNeuron",
        "component",
        "parameter",
    ),
    "ranvier.network": (
        "Network",
        "PoissonInput",
        "Population",
        "Projection",
        "SimulationState",
    ),
    "ranvier.neurons.base": ("NeuronModel",),
    "ranvier.neurons.conductance_based": ("ConductanceBasedNeuron",),
    "ranvier.odeint": (
        "Adaptive",
        "Event",
        "odeint",
    ),
    "ranvier.plasticity": ("PlasticityRule", "StructuralRule"),
    "ranvier.random": (
        "lognormal",
        "normal",
        "uniform",
    ),
    "ranvier.record": ("Record",),
    "ranvier.result": ("Result",),
    "ranvier.simulate": (
        "recordable",
        "simulate",
    ),
    "ranvier.simulation": (
        "Simulation",
        "explain",
        "prepare",
    ),
    "ranvier.stimuli.base": ("Stimulus",),
    "ranvier.store.reader": ("open_store",),
    "ranvier.store.resume": ("resume",),
    "ranvier.sweeps": (
        "latin_hypercube",
        "sobol",
        "sweep",
        "zipped",
    ),
    "ranvier.synapses.base": ("SynapseModel",),
    "ranvier.until": (
        "Moment",
        "Until",
    ),
    "ranvier.versions": ("show_versions",),
    "ranvier.watch": ("Chunk",),
}
_WHERE = {name: module for module, names in _FROM.items() for name in names}

# Of what else there is only the engine is in `from ranvier import *`: the rest would load PyTorch.
_EXTRA = (
    "cite",
    "compare_methods",
    "fit",
    "latin_hypercube",
    "open_store",
    "plan_memory",
    "resume",
    "show_versions",
    "sobol",
    "sweep",
    "zipped",
)
__all__ = [*_MODULES, *sorted(name for name in _WHERE if name not in _EXTRA)]


class _Ranvier(ModuleType):
    def __setattr__(self, name: str, value: Any) -> None:
        # Some functions have the name of their module (`simulate`), which Python puts here when it has loaded that.
        if isinstance(value, ModuleType) and _WHERE.get(name) == value.__name__:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Ranvier


def __dir__() -> list[str]:
    return sorted([*__all__, *_OTHER_MODULES, *_EXTRA, "__version__"])


def __getattr__(name: str) -> Any:
    if name in _MODULES or name in _OTHER_MODULES:
        return importlib.import_module(f"ranvier.{name}")
    if name in _WHERE:
        value = globals()[name] = getattr(importlib.import_module(_WHERE[name]), name)
        return value
    if name == "__version__":
        from ranvier.versions import own_version

        return own_version()
    if name[0] == "_" or importlib.util.find_spec(f"ranvier.{name}"):  # Python asks for `doors` so before it looks for doors.py
        raise AttributeError(f"module 'ranvier' has no attribute {name!r}.")
    from ranvier.synonyms import elsewhere

    places = {place: importlib.import_module(f"ranvier.{place}") for place in _MODULES}
    raise AttributeError(f"module 'ranvier' has no attribute {name!r}.{elsewhere(name, places)}")
