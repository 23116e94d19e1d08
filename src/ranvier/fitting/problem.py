"""A fit before it is searched: the loss as a function of a place in the space."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import SimulationDiverged
from ranvier.fitting.search import Space
from ranvier.losses.base import Loss, Target, seen_of
from ranvier.network.state import SimulationState
from ranvier.simulation import Simulation
from ranvier.surrogates import Surrogate

FORWARD_UP_TO = 16
"""So many numbers are differentiated forwards, all in one run that keeps nothing; more are differentiated backwards."""


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What is made small.

    Attributes:
        prepared: the network, as the user prepared it.
        sim: the same, with the records that the loss asks for.
        space: what is searched.
        loss, target: how far a run is from the data.
        part: the population that the loss is of.
        state: where runs begin.
        function: the network as a function, of the steps that the data ask for.
        surrogate: what stands in for the derivative of spikes, if anything.
    """

    prepared: Simulation
    sim: Simulation
    space: Space
    loss: Loss
    target: Target
    part: str
    state: SimulationState
    function: Callable[..., Any]
    surrogate: Surrogate | None

    @classmethod
    def of(
        cls,
        sim: Simulation,
        space: Space,
        loss: Loss,
        target: Target,
        part: str,
        state: SimulationState,
        surrogate: Surrogate | None,
        **how: Any,
    ) -> Problem:
        """A problem; `how` is for `sim.function`."""
        recording = copy.copy(sim)
        recording.records = list(target.records)
        function = recording.function(target.steps, surrogate=surrogate, **how)
        return cls(sim, recording, space, loss, target, part, state, function, surrogate)

    @property
    def by_run(self) -> bool:
        """Whether a parameter is given to runs only, as it decides in which step something happens."""
        return any(s.setting for s in self.space.searched)

    def seen(self, values: dict[str, Any]) -> Any:
        """What the run shows, with parameters by path."""
        return self.function(values, self.state)[1][self.part]

    def loss_of(self, values: dict[str, Any], numbers: dict[str, Any]) -> Any:
        """The loss with parameters by path."""
        return self.loss.value(self.seen(values), numbers)

    def value_and_slope(self, u: Any, numbers: dict[str, Any]) -> tuple[Any, Any]:
        """The loss at a place, and its gradient."""
        of = lambda u: self.loss_of(self.space.values(u), numbers)
        if self.space.size > FORWARD_UP_TO:
            return jax.value_and_grad(of)(u)
        push = lambda towards: jax.jvp(of, (u,), (towards,))
        value, slope = jax.vmap(push, out_axes=(None, 0))(jnp.eye(self.space.size, dtype=u.dtype))
        return value, slope

    def residuals_and_slopes(self, u: Any, numbers: dict[str, Any]) -> tuple[Any, Any]:
        """What the loss sums up the squares of at a place, and its derivatives, `[size, residuals]`."""
        of = lambda u: self.loss.residuals(self.seen(self.space.values(u)), numbers)
        push = lambda towards: jax.jvp(of, (u,), (towards,))
        return jax.vmap(push, out_axes=(None, 0))(jnp.eye(self.space.size, dtype=u.dtype))

    @functools.cached_property
    def losses(self) -> Callable[[np.ndarray], np.ndarray]:
        """The losses at several places, `[places, size]`: infinite where a run goes wrong."""
        if self.by_run:
            return lambda places: np.array([self._by_run(self.space.numbers(u)) for u in places])
        if self.loss.on_host:
            seen = jax.jit(jax.vmap(lambda u: self.seen(self.space.values(u))))

            def on_host(places: np.ndarray) -> np.ndarray:
                shown = jax.tree.map(np.asarray, seen(places))
                return _finite([self.loss.value({v: x[i] for v, x in shown.items()}, self.target.numbers) for i in range(len(places))])

            return on_host
        batch = jax.jit(jax.vmap(lambda u, numbers: self.loss_of(self.space.values(u), numbers), in_axes=(0, None)))
        return lambda places: _finite(batch(places, self.target.numbers))

    @functools.cached_property
    def _compare(self) -> Callable[..., Any]:
        return self.loss.value if self.loss.on_host else jax.jit(self.loss.value)

    def _by_run(self, values: dict[str, Any]) -> float:
        given = in_whole_steps(self.space, values, self.sim.dt)
        try:
            run = self.sim.run(self.target.steps * self.sim.dt, parameters=given, initial=self.state)
        except SimulationDiverged:
            return np.inf
        return float(_finite(self._compare(seen_of(run, self.part, self.target), self.target.numbers)))


def in_whole_steps(space: Space, values: dict[str, Any], dt: float) -> dict[str, Any]:
    """Parameters whose durations are whole steps, as a run takes them."""
    rounded = lambda value: np.rint(value / dt) * dt if isinstance(value, np.ndarray) else round(value / dt) * dt
    return {s.path: rounded(values[s.path]) if s.setting and s.unit == "ms" else values[s.path] for s in space.searched}


def _finite(losses: Any) -> np.ndarray:
    losses = np.asarray(losses, float)
    return np.where(np.isfinite(losses), losses, np.inf)
