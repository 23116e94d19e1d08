"""A fit before it is searched: the loss as a function of a place in the space."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import SimulationDiverged, UnsupportedError
from ranvier.fitting.search import Space
from ranvier.losses.base import Loss, Target, seen_of
from ranvier.network.scan import ALL
from ranvier.network.state import SimulationState
from ranvier.record.record import Record
from ranvier.simulation import Simulation
from ranvier.surrogates import SpikeDerivative, SpikeTimes

FORWARD_UP_TO = 16
"""So many numbers are differentiated forwards, all in one run that keeps nothing; more are differentiated backwards."""


@dataclasses.dataclass(frozen=True, eq=False)
class Compared:
    """One loss of a fit.

    Attributes:
        factor: by how much it counts.
        loss, target: how far a run is from the data.
        part: the population that it is of.
    """

    factor: float
    loss: Loss
    target: Target
    part: str

    def seen(self, recorded: Any) -> Any:
        """What it sees of what a run shows of all parts."""
        own = recorded[self.part]
        return {**own, "spikes": own["spikes"][: self.target.steps]} if "spikes" in own else own


@dataclasses.dataclass(frozen=True, eq=False)
class Problem:
    """What is made small.

    Attributes:
        prepared: the network, as the user prepared it.
        sim: the same, with the records that the losses ask for.
        space: what is searched.
        terms: the losses.
        state: where runs begin.
        steps: how many steps the data ask for.
        function: the network as a function, of so many steps.
        surrogate: what stands in for the derivative of spikes, if anything.
    """

    prepared: Simulation
    sim: Simulation
    space: Space
    terms: tuple[Compared, ...]
    state: SimulationState
    steps: int
    function: Callable[..., Any]
    surrogate: SpikeDerivative | None

    @classmethod
    def of(
        cls,
        sim: Simulation,
        space: Space,
        terms: tuple[Compared, ...],
        state: SimulationState,
        surrogate: SpikeDerivative | None,
        **how: Any,
    ) -> Problem:
        """A problem; `how` is for `sim.function`."""
        recording, steps = copy.copy(sim), max(term.target.steps for term in terms)
        recording.records = records_of(terms)
        if space.size <= FORWARD_UP_TO:
            how["gradient_memory"] = ALL  # forwards it keeps none, and computes nothing twice
        function = recording.function(steps, surrogate=surrogate, **how)
        return cls(sim, recording, space, terms, state, steps, function, surrogate)

    @property
    def numbers(self) -> list[Any]:
        """The data's numbers, which `loss_of` and what is made of it take."""
        return [term.target.numbers for term in self.terms]

    @property
    def bytes(self) -> int:
        """How much memory what one place shows takes, with its derivatives where they are computed forwards."""
        rows = sum(
            -(-self.steps // (r.every_steps or 1)) * self.sim.drawn.populations[str(r.part)].n * len(r.names) for r in self.sim.recorded
        )
        spikes = self.steps * sum(p.n for p in self.sim.drawn.populations.values())
        return (spikes + rows * np.dtype(self.sim._dtype).itemsize) * (1 if self.backwards else 1 + self.space.size)

    @property
    def by_run(self) -> bool:
        """Whether a parameter is given to runs only, as it decides in which step something happens."""
        return any(s.setting for s in self.space.searched)

    @property
    def on_host(self) -> bool:
        """Whether a loss is for NumPy arrays."""
        return any(term.loss.on_host for term in self.terms)

    @property
    def backwards(self) -> bool:
        """Whether the gradient is computed backwards: where there are many numbers, or where there is no other way."""
        return self.space.size > FORWARD_UP_TO or self.exact_times

    @property
    def exact_times(self) -> bool:
        """Whether it sees exact spike times, whose derivatives are computed backwards, once."""
        return isinstance(self.surrogate, SpikeTimes)

    @property
    def mean_square(self) -> bool:
        """Whether all is a sum of squares."""
        return all(term.loss.mean_square for term in self.terms)

    @property
    def points(self) -> int:
        """How many values are compared, of the losses that count."""
        return sum(term.target.points for term in self.terms if term.factor > 0)

    def seen(self, values: dict[str, Any]) -> Any:
        """What the run shows, with parameters by path."""
        return self.function(values, self.state)[1]

    def total(self, recorded: Any, numbers: list[Any]) -> Any:
        """The loss of what a run shows."""
        each = [term.factor * term.loss.value(term.seen(recorded), own) for term, own in zip(self.terms, numbers, strict=True)]
        return sum(each[1:], each[0])

    def loss_of(self, values: dict[str, Any], numbers: list[Any]) -> Any:
        """The loss with parameters by path."""
        return self.total(self.seen(values), numbers)

    def residuals_of(self, values: dict[str, Any], numbers: list[Any]) -> Any:
        """What the loss sums up the squares of, with parameters by path."""
        recorded = self.seen(values)
        return jnp.concatenate(
            [np.sqrt(term.factor) * term.loss.residuals(term.seen(recorded), own) for term, own in zip(self.terms, numbers, strict=True)]
        )

    def value_and_slope(self, u: Any, numbers: list[Any]) -> tuple[Any, Any]:
        """The loss at a place, and its gradient."""
        of = lambda u: self.loss_of(self.space.values(u), numbers)
        if self.backwards:
            return jax.value_and_grad(of)(u)
        push = lambda towards: jax.jvp(of, (u,), (towards,))
        value, slope = jax.vmap(push, out_axes=(None, 0))(jnp.eye(self.space.size, dtype=u.dtype))
        return value, slope

    def residuals_and_slopes(self, u: Any, numbers: list[Any]) -> tuple[Any, Any]:
        """What the loss sums up the squares of at a place, and its derivatives, `[size, residuals]`."""
        of = lambda u: self.residuals_of(self.space.values(u), numbers)
        if self.exact_times:
            found, back = jax.vjp(of, u)
            return found, jax.vmap(lambda one: back(one)[0])(jnp.eye(found.shape[0], dtype=found.dtype)).T
        push = lambda towards: jax.jvp(of, (u,), (towards,))
        return jax.vmap(push, out_axes=(None, 0))(jnp.eye(self.space.size, dtype=u.dtype))

    @functools.cached_property
    def losses(self) -> Callable[[np.ndarray], np.ndarray]:
        """The losses at several places, `[places, size]`: infinite where a run goes wrong."""
        if self.by_run:
            return lambda places: np.array([self._by_run(self.space.numbers(u)) for u in places])
        if self.on_host:
            seen = jax.jit(jax.vmap(lambda u: self.seen(self.space.values(u))))

            def on_host(places: np.ndarray) -> np.ndarray:
                shown = jax.tree.map(np.asarray, seen(places))
                return _finite([self.total(jax.tree.map(lambda x, i=i: x[i], shown), self.numbers) for i in range(len(places))])

            return on_host
        batch = jax.jit(jax.vmap(lambda u, numbers: self.loss_of(self.space.values(u), numbers), in_axes=(0, None)))
        return lambda places: _finite(batch(places, self.numbers))

    @functools.cached_property
    def _compare(self) -> Callable[..., Any]:
        return self.total if self.on_host else jax.jit(self.total)

    def _by_run(self, values: dict[str, Any]) -> float:
        given = in_whole_steps(self.space, values, self.sim.dt)
        try:
            run = self.sim.run(self.steps * self.sim.dt, parameters=given, initial=self.state)
        except SimulationDiverged:
            return np.inf
        recorded = {term.part: seen_of(run, term.part, term.target) for term in self.terms}
        return float(_finite(self._compare(recorded, self.numbers)))


def records_of(terms: Sequence[Compared]) -> list[Record]:
    """What the losses ask to be recorded, each once.

    Raises:
        UnsupportedError: two ask for the same at different intervals.
    """
    found: dict[Any, Record] = {}
    for record in (record for term in terms for record in term.target.records):
        key = (record.part, *record.names)
        if found.setdefault(key, record).every_steps != record.every_steps:
            raise UnsupportedError(
                f"Two losses compare {' and '.join(record.names)} of {record.part}, with data at different intervals. "
                "Give both data at the same times."
            )
    return list(found.values())


def in_whole_steps(space: Space, values: dict[str, Any], dt: float) -> dict[str, Any]:
    """Parameters whose durations are whole steps, as a run takes them."""
    rounded = lambda value: np.rint(value / dt) * dt if isinstance(value, np.ndarray) else round(value / dt) * dt
    return {s.path: rounded(values[s.path]) if s.setting and s.unit == "ms" else values[s.path] for s in space.searched}


def _finite(losses: Any) -> np.ndarray:
    losses = np.asarray(losses, float)
    return np.where(np.isfinite(losses), losses, np.inf)
