"""Finds every class of a kind in the package, so that a new file is tested without being named anywhere."""

import importlib
import inspect
import pkgutil

import jax.numpy as jnp
import numpy as np
import scipy.sparse

import ranvier as rv
from ranvier.connect import ConnectionRule

DENSE = np.arange(49.0).reshape(7, 7) % 3
REPEATS = [{"autapses": a, "multapses": m} for a in (True, False) for m in (True, False)]
OPTIONAL = ("torch", "tensorflow", "triton", "sklearn", "pandas", "dask", "ray", "mpi4py", "neo")

# What cannot be made without arguments, and with which it is tested.
ARGUMENTS = {
    "Constant": [{"amplitude": 2.0}, {"amplitude": np.array([1.0, 2.0, 3.0])}],
    "Function": [{"function": jnp.cos}],
    "Scaled": [{"factor": 2.0, "stimulus": rv.stimuli.SquarePulse(1.0, start=5, stop=25)}],
    "Sum": [{"first": rv.stimuli.Ramp(), "second": rv.stimuli.Constant(1.0)}],
    "Product": [{"first": rv.stimuli.Sine(), "second": rv.stimuli.Ramp()}],
    "Steps": [{"times": [10.0, 20.0], "values": [1.0, 3.0]}],
    "Sampled": [{"values": [1.0, 3.0, 2.0], "every": 0.5}, {"values": np.arange(12.0).reshape(4, 3), "every": 0.07}],
    "PublishedSampling": [{"values": [1.0, 3.0, 2.0], "every": 0.01}],
    "PairSTDP": [{"high": 2.0}, {"high": 2.0, "potentiation_exponent": 1.0, "depression_exponent": 0.4, "nearest": True}],
    "PostsynapticSTDP": [{"high": 2.0}],
    "RewardModulatedSTDP": [{"high": 2.0, "reward": rv.plasticity.Modulator(baseline=0.5)}],
    "RMaxSTDP": [{"low": 0.0, "high": 2.0, "softness": 5.0, "reward": rv.plasticity.Modulator(baseline=1e-3)}],
    "Some": [
        {"rule": rv.connect.all_to_all(), "sources": np.array([0, 2, 5]), "targets": np.array([1, 2, 6]), "own": None, "total": (7, 7)}
    ],
    "SpikeTimes": [{"times": [0.05, 0.1]}],
    "AllToAll": [{"autapses": True}, {"autapses": False}],
    "AllBySource": [{"autapses": a, "stored": True} for a in (True, False)],
    "BernoulliBySource": [{"probability": p, "autapses": a, "stored": True} for p in (0.0, 0.3, 1.0) for a in (True, False)],
    "OutDegreeBySource": [{"degree": 3, "stored": True, **options} for options in REPEATS],
    "PairwiseBernoulli": [{"probability": p, "autapses": a} for p in (0.0, 0.3, 1.0) for a in (True, False)],
    "FixedInDegree": [{"degree": 3, **options} for options in REPEATS],
    "FixedOutDegree": [{"degree": 3, **options} for options in REPEATS],
    "FixedTotalNumber": [{"number": n, **options} for n in (0, 11, 30) for options in REPEATS],
    "PairwiseProbability": [
        {"probability": np.linspace(0, 1, 49).reshape(7, 7), "autapses": True},
        {"probability": lambda pre, post: 0.5 * (pre < post), "autapses": False},
    ],
    "InDegrees": [{"degrees": np.array([3, 0, 1, 5, 2, 2, 6]), **options} for options in REPEATS],
    "SymmetricPairs": [{"probability": p} for p in (0.0, 0.4, 1.0)],
    "SmallWorld": [{"neighbours": k, "rewired": p} for k in (0, 4, 6) for p in (0.0, 0.5, 1.0)],
    "ScaleFree": [{"edges_each": m, "hubs": hubs} for m in (1, 3) for hubs in ("senders", "receivers", "both")],
    "Topographic": [
        {"degree": 3, "spread": 0.2, "dimensions": 1, "periodic": p, "autapses": a} for p in (True, False) for a in (True, False)
    ],
    "Clustered": [{"probability": 0.4, "clusters": 3, "ratio": r, "autapses": a} for r in (0.0, 1.0, 2.0) for a in (True, False)],
    "DistanceDependent": [{**vars(rv.connect.distance_dependent(rv.connect.gaussian(2.0), np.arange(7.0), autapses=False))}],
    "EdgeList": [{**vars(rv.connect.edge_list([6, 0, 6, 3], [1, 1, 1, 0], [1.0, 2.0, 3.0, 4.0], [0.1, 0.2, 0.3, 0.4]))}],
    "Matrix": [
        {"entries": (np.arange(49).reshape(7, 7) % 3).astype(float)},
        {"entries": scipy.sparse.random_array((7, 7), density=0.3, rng=1)},
    ],
}

# Neither published by anyone nor needing to be: they combine, or only carry, what the user gives.
UNPUBLISHED = {"ConductanceBased", "FixedWeights", "SpikeTimes"}


def modules():
    """Every module of the package but those that are made of an optional library that is not installed."""
    for module in pkgutil.walk_packages(rv.__path__, "ranvier."):
        if module.name.endswith(".__main__"):
            continue
        try:
            yield importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            if error.name not in OPTIONAL:
                raise


def classes(base):
    """The classes of a kind that can be used: all but its bases, whose docstrings begin with "Base of"."""
    found = {}
    for module in modules():
        for value in vars(module).values():
            if not inspect.isclass(value) or not issubclass(value, base) or value is base or value.__module__ != module.__name__:
                continue
            if not (inspect.getdoc(value) or "").startswith("Base of") and not value.__name__.startswith("_"):
                found[value.__name__] = value
    return [found[name] for name in sorted(found)]


def examples(base):
    """An instance of each class, with its defaults or with each of its `ARGUMENTS`."""
    for cls in classes(base):
        given = ARGUMENTS.get(cls.__name__, [{}])
        for i, arguments in enumerate(given):
            yield cls, arguments, cls.__name__ if len(given) == 1 else f"{cls.__name__}-{i}"


KINDS = {
    "channel": rv.IonChannel,
    "pool": rv.IonPool,
    "neuron": rv.NeuronModel,
    "synapse": rv.SynapseModel,
    "stimulus": rv.Stimulus,
    "integrator": rv.Integrator,
    "rule": ConnectionRule,
}
