"""Runs of a neuron model in the engine."""

from __future__ import annotations

import warnings
from typing import Any

import jax
import numpy as np

from ranvier.integrators import Euler, EulerMaruyama
from ranvier.network import loop
from ranvier.network.spec import Population
from ranvier.neurons.base import NeuronModel
from ranvier.simulate import simulate
from ranvier.testing.common import check_close, check_finite, require, varied

DT = 0.01
DURATION = 0.2


def run(population: Any, **options: Any) -> Any:
    """A short run that records nothing; the final state is what is looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a period of the model's that is no multiple of this dt
        return simulate(population, duration=DURATION, dt=DT, **{"record": [], "integrator": Euler(), **options})


def check_runs(model: NeuronModel, name: str, sizes: tuple[int, ...]) -> None:
    """It runs, in these numbers and in threes; other values compile nothing new; permuting its neurons permutes the result.

    Of a model that draws random numbers the last is not asked: each number belongs to a place in the population.
    """
    integrator = EulerMaruyama() if model.noisy else Euler()
    for n in sizes:
        state = run(Population(n, model), integrator=integrator).state.neurons
        check_finite(state, f"{name}, {n} neurons, after {DURATION} ms: ")
    many, _ = varied(model, 3)
    current = np.array([1.0, 2.0, 3.0]) if model.takes_input and model.takes_current else None
    first = run(Population(3, many, current=current), integrator=integrator)
    check_finite(first.state.neurons, f"{name}, 3 neurons, after {DURATION} ms: ")
    compiled = loop.compilations
    order = np.array([2, 0, 1])
    other = run(Population(3, _permuted(many, order), current=None if current is None else current[order]), integrator=integrator)
    require(loop.compilations == compiled, f"{name}: running again with other values of the parameters compiled the step anew.")
    if model.noisy or model.fires_by_hazard:
        return
    for part, variables in first.state.neurons.items():
        check_close({v: x[order] for v, x in variables.items()}, other.state.neurons[part], f"{name}, permuting the neurons: ", rtol=1e-9)


def _permuted(model: Any, order: np.ndarray) -> Any:
    return jax.tree.map(lambda x: x[order] if np.shape(x) == (len(order),) else x, model)
