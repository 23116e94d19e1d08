"""The engine's run, of which one row is kept for each spike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.network.spike_times.flow import Cells, of_current, of_drive
from ranvier.network.spike_times.wiring import NEVER, Numbers, Wiring, seen
from ranvier.network.step import Stepper
from ranvier.network.working import StepState

HALVINGS = 52  # of a step, in which a crossing is looked for: to the last bit

Slopes = dict[str, jax.Array]
"""Derivatives of V and of the currents by a neuron's own numbers, with its spikes where they are, since its last reset:
`decay` `[n]`, `rate` and `current_by_rate` `[n, receptors]`, and `last`, by the time of its last spike, `[n]`."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Spikes:
    """The spikes of a run, a row for each of a neuron's, `[n, most]`.

    Attributes:
        count: how many each neuron has, `[n]`.
        step: counted from the start of the run, int32; `NEVER` where there is none.
        within: the time from the start of the step to the crossing (ms).
        speed: dV/dt at the crossing; NaN where there is none, since the potential was above the threshold before.
        slopes: those of V at the crossing.
        lost: the first step with a spike that was one too many for its neuron, and is not here.
    """

    count: jax.Array
    step: jax.Array
    within: jax.Array
    speed: jax.Array
    slopes: Slopes
    lost: jax.Array


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Carry:
    k: jax.Array
    state: StepState
    free: jax.Array
    slopes: Slopes
    count: jax.Array
    step: jax.Array
    rows: jax.Array
    lost: jax.Array


def simulate(
    make: Callable[[], Stepper],
    entered: StepState,
    numbers: Numbers,
    wiring: Wiring,
    steps: int,
    dt: float,
    most: int,
    free: jax.Array,
    derivatives: bool,
) -> tuple[Spikes, StepState]:
    """Runs so many steps.

    Args:
        make: makes what takes a step.
        entered: the state to begin with.
        free: from which step on each neuron is not refractory, int32 `[n]`.
        most: of how many spikes of each neuron rows are kept.
        derivatives: whether the slopes are, too.
    """
    cells, n, receptors = numbers.cells, wiring.n, wiring.receptors
    decay, rate, whole = cells.decay[:, None], cells.rate, jnp.full(n, dt)
    step = jnp.asarray(dt)
    keep = jnp.exp(-cells.decay * dt)
    gains, keep_currents = of_current(decay, rate, step), jnp.exp(-rate * dt)
    by_decay = jax.jvp(lambda a: of_current(a, rate, step), (decay,), (jnp.ones_like(decay),))[1]
    by_rate = jax.jvp(lambda r: of_current(decay, r, step), (rate,), (jnp.ones_like(rate),))[1]
    drive_by_decay = cells.drive * jax.jvp(lambda a: of_drive(a, whole), (cells.decay,), (jnp.ones(n),))[1]
    gain = cells.gain[:, None]
    width = 1 + receptors + (2 + 2 * receptors if derivatives else 0)

    def released(slopes: Slopes, V: jax.Array, currents: jax.Array, now: jax.Array) -> Slopes:
        return {**slopes, "last": jnp.where(now, -cells.speed(V, currents), slopes["last"])}

    def advance(slopes: Slopes, V: jax.Array, currents: jax.Array, waits: jax.Array, spiked: jax.Array) -> Slopes:
        moved = {
            "decay": keep * (slopes["decay"] - dt * V) + drive_by_decay + cells.gain * (by_decay * currents).sum(-1),
            "rate": keep[:, None] * slopes["rate"] + gain * (gains * slopes["current_by_rate"] + by_rate * currents),
            "last": keep * slopes["last"],
        }
        still = waits | spiked
        moved = {name: jnp.where(still if x.ndim == 1 else still[:, None], 0.0, x) for name, x in moved.items()}
        return {**moved, "current_by_rate": keep_currents * (slopes["current_by_rate"] - dt * currents)}

    def one_step(carry: _Carry) -> _Carry:
        stepper = make()
        V, currents = seen(stepper, carry.state, wiring.own, receptors)
        slopes, waits = carry.slopes, carry.k < carry.free
        if derivatives:
            slopes = released(slopes, V, currents, (carry.k == carry.free) & (carry.count > 0))
        after, spiked = stepper.step(carry.state)
        parts = [V[:, None], currents]
        if derivatives:
            parts += [slopes["decay"][:, None], slopes["last"][:, None], slopes["rate"], slopes["current_by_rate"]]

        def note(noted: Any) -> Any:
            step, rows, count, lost = noted
            lost = jnp.minimum(lost, jnp.where(jnp.any(spiked & (count >= most)), carry.k, NEVER).astype(jnp.int32))
            which = jnp.where(spiked, count, most)
            neuron = jnp.arange(n)
            step = step.at[neuron, which].set(carry.k, mode="drop")
            rows = rows.at[neuron, which].set(jnp.concatenate(parts, -1), mode="drop")
            return step, rows, jnp.minimum(count + spiked, most), lost

        noted = (carry.step, carry.rows, carry.count, carry.lost)
        step, rows, count, lost = jax.lax.cond(jnp.any(spiked), note, lambda noted: noted, noted)
        free = jnp.where(spiked, carry.k + 1 + wiring.refractory, carry.free)
        if derivatives:
            slopes = advance(slopes, V, currents, waits, spiked)
        return _Carry(carry.k + 1, after, free, slopes, count, step, rows, lost)

    nothing = {
        "decay": jnp.zeros(n),
        "last": jnp.zeros(n),
        "rate": jnp.zeros((n, receptors)),
        "current_by_rate": jnp.zeros((n, receptors)),
    }
    begin = _Carry(
        jnp.int32(0),
        entered,
        free,
        nothing if derivatives else {},
        jnp.zeros(n, jnp.int32),
        jnp.full((n, most), NEVER, jnp.int32),
        jnp.zeros((n, most, width)),
        jnp.int32(NEVER),
    )
    end = jax.lax.while_loop(lambda c: c.k < steps, one_step, begin)
    return _located(end, numbers, dt, receptors, derivatives), end.state


def _located(end: _Carry, numbers: Numbers, dt: float, receptors: int, derivatives: bool) -> Spikes:
    """The crossings within their steps, and the slopes there."""
    cells, rows = numbers.cells.per_spike(), end.rows
    threshold = numbers.threshold[:, None]
    V, currents = rows[..., 0], rows[..., 1 : 1 + receptors]

    def halve(_: Any, ends: Any) -> Any:
        low, high = ends
        middle = (low + high) / 2
        above = cells.potential(V, currents, middle) >= threshold
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    whole = jnp.full(V.shape, dt)
    within = jax.lax.fori_loop(0, HALVINGS, halve, (jnp.zeros_like(V), whole))[1]
    given = jnp.isinf(threshold)
    within = jnp.where(given, 0.0, within)
    if not derivatives:
        return Spikes(end.count, end.step, within, V, {}, end.lost)
    crossing = cells.potential(V, currents, within)
    speed = cells.speed(crossing, cells.currents(currents, within))
    speed = jnp.where(given, 1.0, jnp.where(threshold <= V, jnp.nan, speed))
    decay, last, rate, of_currents = rows[..., 1 + receptors], rows[..., 2 + receptors], *jnp.split(rows[..., 3 + receptors :], 2, -1)
    return Spikes(end.count, end.step, within, speed, _slopes(cells, V, currents, within, decay, last, rate, of_currents), end.lost)


def _slopes(
    cells: Cells,
    V: jax.Array,
    currents: jax.Array,
    s: jax.Array,
    decay: jax.Array,
    last: jax.Array,
    rate: jax.Array,
    of_currents: jax.Array,
) -> Slopes:
    """Those of V a time `s` after the start of the step, where they are given."""
    keep, one = jnp.exp(-cells.decay * s), lambda x: jnp.ones_like(x)
    a, later = jnp.broadcast_to(cells.decay, s.shape), s[..., None]
    rates = jnp.broadcast_to(cells.rate, currents.shape)
    by_decay = jax.jvp(lambda a: cells._replace(decay=a).potential(V, currents, s), (a,), (one(a),))[1]
    by_rate = jax.jvp(lambda r: of_current(a[..., None], r, later), (rates,), (one(rates),))[1]
    gains = of_current(a[..., None], rates, later)
    return {
        "decay": keep * decay + by_decay,
        "last": keep * last,
        "rate": keep[..., None] * rate + cells.gain[..., None] * (gains * of_currents + by_rate * currents),
    }
