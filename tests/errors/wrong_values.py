"""What users pass by mistake, and everything public that it can be passed to."""

import datetime
import decimal
import inspect
import pathlib

import numpy as np
import pint
import quantities

import ranvier as rv

ureg = pint.UnitRegistry()


class Surprise:
    """An object whose every conversion fails."""

    def __float__(self):
        raise RuntimeError("no")

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")


NEVER = {  # no argument of anything public may be one of these
    "complex": 1.0 + 2.0j,
    "nan": float("nan"),
    "object": object(),
    "surprise": Surprise(),
    "mass (pint)": 1.0 * ureg.kg,
    "mass (quantities)": 1.0 * quantities.kg,
    "masses": [1.0 * ureg.kg, 2.0 * ureg.kg],
    "complex array": np.array([1.0 + 1.0j, 2.0]),
    "nan array": np.array([1.0, np.nan]),
    "masked array": np.ma.masked_array([1.0, 2.0], [True, False]),
    "masked": np.ma.masked,
    "strings": np.array(["a", "b"]),
    "objects": np.array([object(), None], dtype=object),
    "ragged": [[1.0], [1.0, 2.0]],
    "module": np,
    "ellipsis": ...,
    "set": {1.0, 2.0},
    "generator": (x for x in ()),
    "decimal": decimal.Decimal("1.5"),
    "timedelta": datetime.timedelta(milliseconds=5),
    "numpy timedelta": np.timedelta64(5, "ms"),
    "bytes": b"exc",
    "random generator": np.random.default_rng(1),
}
SOMETIMES = {  # these are right for some
    "none": None,
    "true": True,
    "flags": [True, False],
    "numpy flag": np.True_,
    "word": "no such word",
    "empty word": "",
    "digits": "5",
    "half": 0.5,
    "minus one": -1,
    "minus half": -0.5,
    "zero": 0,
    "infinite": float("inf"),
    "minus infinite": -float("inf"),
    "huge": 1e300,
    "tiny": 5e-324,
    "2^63": 2**63,
    "2^64": 2**64,
    "10^400": 10**400,
    "empty": [],
    "numbers": [1.0, 2.0],
    "three numbers": np.ones(3),
    "table": np.ones((2, 2)),
    "block": np.ones((2, 2, 2)),
    "dict": {"V": 1.0},
    "dict of numbers": {1: 2},
    "function": lambda *args: 1.0,
    "class": int,
    "model class": rv.neurons.HodgkinHuxley,
    "neuron": rv.neurons.HodgkinHuxley(),
    "channel": rv.channels.Leak(),
    "synapse": rv.synapses.Delta(),
    "stimulus": rv.stimuli.Constant(1.0),
    "integrator": rv.RungeKutta4(),
    "rule": rv.connect.all_to_all(),
    "population": rv.Population(2, rv.neurons.HodgkinHuxley()),
    "distribution": rv.normal(0.0, 1.0),
    "path": pathlib.Path("nowhere"),
    "range": range(3),
    "nested": [[[1.0]]],
    "a time": 5.0 * ureg.ms,
}
WRONG = {**NEVER, **SOMETIMES}

SPACES = (
    "",
    "analysis",
    "channels",
    "connect",
    "fitting",
    "losses",
    "models",
    "neurons",
    "plasticity",
    "random",
    "stimuli",
    "surrogates",
    "synapses",
)
NOT_FOR_USERS = {
    "Chunk": "made by a run",
    "Integrator": "a base class without arguments",
    "Model": "a base class",
    "Moment": "made by a run",
    "Result": "made by a run",
    "Simulation": "made by prepare",
    "SimulationState": "made by a run",
    "component": "declares a field, in a class body",
    "plasticity.Change": "made by a rule, of numbers that may be traced",
    "plasticity.Rewiring": "made by a rule, and checked where the engine takes it",
    "plasticity.Synapses": "made by the engine",
    "plasticity.LowPass": "made by a rule, of numbers that may be traced",
    "plasticity.Trace": "made by a rule, of numbers that may be traced",
    "parameter": "declares a field, in a class body",
    "channels.ratio_to_expm1": "called inside equations, with traced arrays",
    "channels.relax": "called inside equations",
    "channels.sigmoid": "called inside equations",
    "channels.steady": "called inside equations",
    "connect.Capacity": "made by the engine",
    "connect.ConnectionRule": "a base class without arguments",
    "connect.Edges": "made by a rule",
    "connect.EventEdges": "made by the engine",
    "connect.Part": "made by the engine",
    "connect.RowRule": "a base class without arguments",
    "connect.Rows": "made by a rule",
    "connect.assemble": "called by the engine",
    "connect.capacity_for": "called by the engine",
    "fitting.Fit": "made by fit",
    "fitting.FitProgress": "made by a fit",
    "fitting.Found": "made by a method",
    "fitting.Method": "a base class without arguments",
    "fitting.Problem": "made by a fit",
    "losses.Loss": "a base class without arguments",
    "losses.Sum": "made by adding losses",
    "losses.Target": "made by a loss",
    "losses.Window": "made by a fit",
    "neurons.Inputs": "made by the engine",
    "neurons.crossed_upward": "called inside equations",
    "neurons.reached": "called inside equations",
    "random.Distribution": "a base class without arguments",
    "random.Draws": "made by a key",
    "random.Key": "made by the engine",
    "random.LogNormal": "made by lognormal",
    "random.NativeWords": "arithmetic",
    "random.Normal": "made by normal",
    "random.Uniform": "made by uniform",
    "random.normal_table": "a table",
    "random.threefry2x32": "arithmetic",
    "random.words_for": "arithmetic",
    "surrogates.Surrogate": "a base class without arguments",
    "synapses.Presynaptic": "made by the engine",
}


def everything_public():
    """Every class and function that a user can call, by name; each once."""
    found, seen = {}, set()
    for space in SPACES:
        module = getattr(rv, space) if space else rv
        for name in sorted(dir(module)):
            thing = getattr(module, name)
            if name[0] == "_" or not callable(thing) or not getattr(thing, "__module__", "").startswith("ranvier") or id(thing) in seen:
                continue
            if inspect.isclass(thing) and issubclass(thing, BaseException):
                continue
            seen.add(id(thing))
            found[f"{space}.{name}" if space else name] = thing
    return found
