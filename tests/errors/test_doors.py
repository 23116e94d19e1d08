"""Every argument of everything public gets every wrong value: an error with its name, or a result."""

import contextlib
import dataclasses
import importlib
import inspect
import io
import re
import warnings

import numpy as np
import pytest
import xarray

import ranvier as rv
from ranvier.model import INPUT
from tests.errors.wrong_values import NEVER, NOT_FOR_USERS, WRONG, everything_public
from tests.errors.wrong_values import ureg as units

CELL = rv.neurons.LeakyIntegrateAndFire()
SOURCE, TARGET = rv.Population(2, CELL, name="source"), rv.Population(2, CELL, name="target")
SPIKES = rv.analysis.from_trains([[1.0, 5.0, 9.0, 14.0], [2.0, 6.0, 7.0, 118.0]], duration=200.0)
SERIES = xarray.DataArray(np.sin(np.arange(100.0)), dims="time", coords={"time": np.arange(100.0)})
RULE = rv.connect.all_to_all()
PREPARED = rv.prepare(rv.Population(1, rv.neurons.Passive(), current=1.0, name="cell"), dt=0.1)
TRACE = xarray.DataArray(np.zeros((10, 1)), dims=("time", "neuron"), coords={"time": 0.5 * np.arange(10.0)})


class Reached(Exception):
    """The arguments were taken, and the work would begin."""


GOOD = {  # arguments that make a valid call; where there are others, those are given one by one too
    "Adaptive": {},
    "Event": {"threshold": lambda y, t: y, "reset": lambda y, t, happened: y},
    "Network": {},
    "PoissonInput": {"target": TARGET, "synapse": rv.synapses.Delta(), "rate": 5.0},
    "Population": {"n": 2, "model": CELL},
    "plasticity.PostsynapticSTDP": {"high": 1.0},
    "Projection": {"source": SOURCE, "target": TARGET, "synapse": rv.synapses.ExponentialCurrent(), "connect": RULE},
    "Record": {"part": "cells", "variables": "V"},
    "SplitEuler": {},
    "Until": {"condition": lambda now: True},
    "cite": {"what": CELL},
    "compare_methods": {"network": CELL, "duration": 1.0},
    "describe": {"model": CELL},
    "lognormal": {"median": 1.0, "sigma": 1.0},
    "normal": {"mean": 0.0, "sd": 1.0},
    "odeint": {"f": lambda y, t, *args: -y, "y0": np.ones(2), "t": [0.0, 0.1]},
    "open_store": {"path": "nowhere.zarr"},
    "explain": {"network": CELL},
    "plan_memory": {"network": CELL},
    "fit": {"sim": PREPARED, "data": TRACE, "parameters": ["cell.leak"]},
    "fitting.CMAES": {},
    "fitting.Gradient": {},
    "fitting.LevenbergMarquardt": {},
    **{
        f"surrogates.{kind}": {}
        for kind in ("ArcTangent", "FastSigmoid", "Gaussian", "MultiGaussian", "SpikeTimes", "StraightThrough", "Triangle")
    },
    "losses.Coincidence": {},
    "losses.Features": {"names": ["spike_count"], "start": 1.0, "stop": 5.0},
    "losses.Rate": {},
    "losses.SpikeTimes": {},
    "losses.VanRossum": {},
    "losses.Voltage": {},
    "prepare": {"network": CELL},
    "recordable": {"part": CELL},
    "resume": {"store": "nowhere.zarr"},
    "simulate": {"network": CELL, "duration": 1.0},
    "uniform": {"low": 0.0, "high": 1.0},
    "latin_hypercube": {"bounds": {"exc.tau": (1.0, 2.0)}, "n": 2},
    "sobol": {"bounds": {"exc.tau": (1.0, 2.0)}, "n": 2},
    "sweep": {"network": CELL, "sets": {"seed": [1]}, "duration": 1.0},
    "zipped": {"values": {"exc.tau": [1.0, 2.0]}},
    "connect.all_to_all": {"by": "source"},
    "connect.by_cluster": {"inside": 1.0, "outside": 0.5, "clusters": 2, "sources": 4},
    "connect.clustered": {"probability": 0.1, "clusters": 2, "ratio": 2.0},
    "connect.scale_free": {"edges_each": 1},
    "connect.small_world": {"neighbours": 2, "rewired": 0.1},
    "connect.symmetric_pairs": {"probability": 0.1},
    "connect.topographic": {"degree": 2, "spread": 0.1},
    "connect.by_distance": {"function": lambda d: d, "source_positions": [0.0, 1.0]},
    "connect.distance_dependent": {"probability": lambda d: 0.5, "source_positions": [0.0, 1.0]},
    "connect.edge_list": {"pre": [0, 1], "post": [1, 0]},
    "connect.exponential": {"length": 1.0},
    "connect.fanout": {"targets": [[0], [1]]},
    "connect.fixed_in_degree": {"degree": 1},
    "connect.fixed_out_degree": {"degree": 1, "by": "source"},
    "connect.fixed_total_number": {"number": 1},
    "connect.from_file": {"path": "nowhere.csv"},
    "connect.gaussian": {"sd": 1.0},
    "connect.matrix": {"entries": [[0, 1], [1, 0]]},
    "connect.pairwise_bernoulli": {"probability": 0.5, "by": "source"},
    "models.antennal_lobe": {},
    "models.brunel": {"scale": 0.01},
    "models.coba": {"scale": 0.05},
    "models.cobahh": {"scale": 0.05},
    "models.clustered": {"scale": 0.05},
    "models.cuba": {"scale": 0.05},
    "models.grid_cells": {"side": 8},
    "models.stellate_cells": {"n": 2},
    "models.diehl_cook": {"images": np.eye(4), "neurons": 3},
    "models.distal_reward": {},
    "models.dynamic_random_network": {"scale": 0.1},
    "models.feedforward": {},
    "models.inhibitory_balance": {"scale": 0.02},
    "models.wang": {"scale": 0.02},
    "models.homeostatic_growth": {"scale": 0.1},
    "models.izhikevich": {},
    "models.microcircuit": {"scale": 0.01},
    "models.song_miller_abbott": {},
    "models.synfire_chain": {"groups": 1},
    "models.vogels_abbott": {"scale": 0.05},
    "neurons.SpikeTimes": {"times": [1.0]},
    "plasticity.weight_after": {"rule": rv.plasticity.PairSTDP(high=1.0), "arrivals": [1.0], "spikes": [2.0]},
    "stimuli.PublishedSampling": {"values": [1.0], "every": 1.0},
    "stimuli.Sampled": {"values": [1.0], "every": 1.0},
    "stimuli.Scaled": {"factor": 1.0, "stimulus": rv.stimuli.Constant(1.0)},
    "stimuli.Function": {"function": lambda t: t},
    "stimuli.Steps": {"times": [1.0], "values": [1.0]},
    "stimuli.Product": {"first": rv.stimuli.Constant(1.0), "second": rv.stimuli.Constant(1.0)},
    "stimuli.Sum": {"first": rv.stimuli.Constant(1.0), "second": rv.stimuli.Constant(1.0)},
    "stimuli.as_stimulus": {"current": 1.0},
    "analysis.coefficient_of_variation": {"spikes": SPIKES},
    "analysis.correlated_trains": {"rate": 10.0, "correlation": 0.1, "duration": 20.0},
    "analysis.correlation": {"spikes": SPIKES, "bin_width": 2.0},
    "analysis.correlogram": {"spikes": SPIKES},
    "analysis.cv2": {"spikes": SPIKES},
    "analysis.fano_factor": {"spikes": SPIKES, "window": 5.0},
    "analysis.from_times": {"times": [1.0], "neurons": [0], "duration": 20.0},
    "analysis.from_trains": {"trains": [[1.0]], "duration": 20.0},
    "analysis.gamma_trains": {"rate": 10.0, "shape": 2.0, "duration": 20.0},
    "analysis.intervals": {"spikes": SPIKES},
    "analysis.jittered_trains": {"spikes": SPIKES, "spread": 1.0},
    "analysis.local_variation": {"spikes": SPIKES},
    "analysis.poisson_trains": {"rate": 10.0, "duration": 20.0},
    "analysis.power_spectrum": {"values": SERIES},
    "analysis.psth": {"spikes": SPIKES, "events": [100.0]},
    "analysis.rate_over_time": {"spikes": SPIKES},
    "analysis.regular_trains": {"rate": 10.0, "duration": 20.0},
    "analysis.spike_counts": {"spikes": SPIKES, "bin_width": 2.0},
    "analysis.steady_rate": {"spikes": SPIKES},
    "analysis.synchrony": {"spikes": SPIKES},
    "neurons.from_equations": {
        "equations": "dV/dt = (E - V) / tau + I / C : mV (unless refractory)",
        "threshold": "V > E",
        "reset": "V = E",
        "refractory": 2.0,
        "parameters": {"E": "-65 mV", "tau": 20 * units.ms, "C": "200 pF"},
    },
    "synapses.from_equations": {
        "equations": "dg/dt = -g / tau : nS\nI = g * (E - V) : pA",
        "on_pre": "g += w",
        "parameters": {"E": "0 mV", "tau": 5 * units.ms},
    },
    "analysis.van_rossum_distance": {"spikes": SPIKES, "tau": 5.0},
    "analysis.victor_purpura_distance": {"spikes": SPIKES, "cost": 1.0},
}
DISTRIBUTIONS = {"normal": ("mean", "sd", "low", "high"), "uniform": ("low", "high"), "lognormal": ("median",)}
UNITS = {"mass (pint)", "mass (quantities)", "masses"}
MAY_BE = {  # arguments that take what others must not
    ("odeint", "args"): set(NEVER),
    ("odeint", "y0"): set(NEVER),  # complex states are states
    ("connect.fanout", "targets"): {"ragged"},
    ("analysis.from_trains", "trains"): {"ragged"},
    ("stimuli.as_stimulus", "what"): set(NEVER),
    ("stimuli.as_stimulus", "current"): UNITS,  # whose unit is known where they are attached
    ("neurons.InhomogeneousPoissonSource", "rate"): UNITS,
    **{(name, argument): UNITS for name, arguments in DISTRIBUTIONS.items() for argument in arguments},
}
PUBLIC = {name: thing for name, thing in everything_public().items() if name not in NOT_FOR_USERS}


def is_model(thing):
    return inspect.isclass(thing) and issubclass(thing, rv.Model)


def arguments(thing):
    """The names that a call takes, and for each those by which an error may call it."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    names = {p.name: {p.name} for p in inspect.signature(thing).parameters.values() if p.kind in kinds}
    if is_model(thing):
        for field in dataclasses.fields(thing):
            alias = getattr(field.metadata.get("parameter"), "alias", None)
            if alias:
                names[field.name] |= {alias}
    return names


def takes_input(thing, argument):
    """Whether an argument is in the input's unit, which is known where the model is attached."""
    field = is_model(thing) and thing.__dataclass_fields__.get(argument)
    return bool(field) and "parameter" in field.metadata and field.metadata["parameter"].unit == INPUT


def cases():
    for name, thing in PUBLIC.items():
        for argument, words in arguments(thing).items():
            yield pytest.param(name, thing, argument, words, id=f"{name}-{argument}")


def outcome(thing, arguments):
    """What a call does: its error, or None."""
    parts = (SOURCE,) if thing is rv.Network else ()
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            thing(*parts, **arguments)
        except Reached:
            return None
        except rv.StoreError as error:
            return None if "There is no store" in str(error) else error
        except Exception as error:
            return error
    return None


@pytest.fixture(autouse=True)
def nothing_runs(monkeypatch, tmp_path):
    """Where work would begin after the checks, it does not."""
    monkeypatch.chdir(tmp_path)

    def reached(*args, **kwargs):
        raise Reached

    monkeypatch.setattr(importlib.import_module("ranvier.simulation"), "found_or_prepared", reached)
    monkeypatch.setattr(importlib.import_module("ranvier.simulation").Simulation, "__init__", reached)
    monkeypatch.setattr(importlib.import_module("ranvier.fitting.fit"), "searched", reached)
    for library in ("numpy", "jax"):
        driver = importlib.import_module(f"ranvier.odeint.{library}_driver")
        monkeypatch.setattr(driver, "integrate", reached)
        monkeypatch.setattr(driver, "integrate_adaptively", reached)


def test_everything_public_is_in_the_table():
    missing = [name for name, thing in PUBLIC.items() if arguments(thing) and not is_model(thing) and name not in GOOD]
    assert not missing, f"say in GOOD how {missing} are called, or in NOT_FOR_USERS why they are not"


@pytest.mark.parametrize(("name", "thing"), [(n, t) for n, t in PUBLIC.items() if n in GOOD or is_model(t)])
def test_the_good_calls_are_good(name, thing):
    error = outcome(thing, GOOD.get(name, {}))
    assert error is None or (name == "connect.from_file" and isinstance(error, OSError)), error


@pytest.mark.parametrize(("name", "thing", "argument", "words"), list(cases()))
def test_wrong_values(name, thing, argument, words):
    raw, unnamed, accepted = [], [], []
    may_be = UNITS if takes_input(thing, argument) else MAY_BE.get((name, argument), set())
    for label, value in WRONG.items():
        error = outcome(thing, {**GOOD.get(name, {}), argument: value})
        if error is None:
            if label in NEVER and label not in may_be:
                accepted.append(label)
        elif not isinstance(error, rv.RanvierError):
            raw.append(f"{label}: {type(error).__name__}: {str(error)[:100]}")
        elif not any(re.search(rf"\b{word}\b", str(error)) for word in words):
            unnamed.append(f"{label}: {error}")
    assert not raw, f"raw errors: {raw}"
    assert not unnamed, f"errors without a name: {unnamed}"
    assert not accepted, f"accepted: {accepted}"
