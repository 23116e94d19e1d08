"""Euler's method, one variable before the others."""

from dataclasses import dataclass
from typing import Any

import jax

from ranvier import doors
from ranvier.integrators.base import Integrator, State


@dataclass(frozen=True)
class SplitEuler(Integrator):
    """One variable first, in several equal parts of the step; then all others, in one part, from where it is now. First order.

    With the default values it is the scheme of the program that Izhikevich published in 2003
    (IEEE Trans Neural Netw 14:1569), for `rv.neurons.Izhikevich2003` and `dt=1.0`: two half
    steps for the potential, then one step for the recovery. Currents are those of the start
    of the step.

    Attributes:
        first: the name of that variable, in every population and projection that has it.
        parts: how many equal parts its step has.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.Izhikevich2003(), current=10.0, duration=500.0, dt=1.0, integrator=rv.SplitEuler())
        >>> run.spikes.counts
        array([10])
    """

    order = 1
    holds_current = True
    by_name = True

    first: str = "V"
    parts: int = 2

    def __post_init__(self) -> None:
        doors.text(self.first, "SplitEuler.first")
        object.__setattr__(self, "parts", doors.count(self.parts, "SplitEuler.parts", low=1))

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)

        def move(state: State, length: Any, own: bool) -> State:
            rates = system.rate(state, t)
            return jax.tree_util.tree_map_with_path(
                lambda path, x, rate: x + length * rate if self._is_first(path) == own else x, state, rates
            )

        for _ in range(self.parts):
            state = move(state, h / self.parts, own=True)
        return move(state, h, own=False), memory

    def _is_first(self, path: Any) -> bool:
        return bool(path) and getattr(path[-1], "key", None) == self.first
