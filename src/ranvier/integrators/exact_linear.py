"""Exact integration of linear equations between spikes."""

from dataclasses import dataclass
from typing import Any

from ranvier.integrators.base import Integrator, State


@dataclass(frozen=True)
class ExactLinear(Integrator):
    """Linear models advanced exactly: `y ← P y + R u + c`, with `P = exp(A·dt)`.

    The matrix `A` of a neuron and the linear synapses that reach it is read from their
    equations, operation by operation: which terms there are never depends on the
    parameters' values, and gradients pass through `P`. There is no error of the step but
    rounding: spikes act at the ends of steps, and a current is taken at the
    start of a step and held over it. What is not linear is refused by name.

    Source: Rotter & Diesmann 1999, Biol Cybern 81:381.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> cell = rv.neurons.Passive(capacitance=1.0, leak=0.1, rest=-65.0)
        >>> run = rv.simulate(cell, current=1.0, duration=20.0, dt=5.0, integrator=ExactLinear())
        >>> bool(np.allclose(run.V.values[:, 0], -55 - 10 * np.exp(-run.V.time.values / 10), rtol=0, atol=1e-12))
        True
    """

    order = 1  # where a current changes in time; else there is no error to have an order
    holds_current = True
    needs = ("exact_step",)
    by_name = True

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        return system.exact_step(state, t), memory
