"""From spike to spike backwards: what each spike's time is worth, and with that the gradient.

Of a spike at `t` with `V(t) = threshold` the time moves by `(d threshold − dV) / V̇`. So a spike whose time is worth `g` is a source
of the adjoint of V, of strength `−g / V̇`; before it, both adjoints follow the equations transposed, to the end of the
refractory period of the spike before. A spike's time is worth what the user's loss says, what the reset at another time does to
the neuron's next spike, and what its arrivals at other times do to theirs.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ranvier.network.spike_times.flow import Cells, of_current, of_drive
from ranvier.network.spike_times.forward import Spikes
from ranvier.network.spike_times.wiring import Numbers, Wiring


class _Known(NamedTuple):
    """What is known of later spikes: `strength`, `g / V̇`, and the adjoints of the currents at the end of the spike's step."""

    strength: jax.Array
    currents: jax.Array


class _Adjoint(NamedTuple):
    """Of V and the currents at the end of a step, for some neurons, and whether V moves then."""

    V: jax.Array
    currents: jax.Array
    moves: jax.Array


def gradient(spikes: Spikes, numbers: Numbers, wiring: Wiring, free: jax.Array, dt: float, worth: jax.Array) -> Numbers:
    """The gradient by all numbers.

    Args:
        spikes: with their slopes.
        free: as of `simulate`.
        worth: the derivative of the loss by each spike's time, `[n, most]`.
    """
    cells, (n, most), edges = numbers.cells, spikes.step.shape, len(wiring.post)
    is_spike = jnp.arange(most)[None] < spikes.count[:, None]
    post, receptor, delay, out = (jnp.asarray(x) for x in (wiring.post, wiring.receptor, wiring.delay, wiring.out))

    def before(neuron: jax.Array, at: jax.Array, known: _Known) -> _Adjoint:
        """The adjoints at the end of step `at − 1`, when the state is that at which step `at` begins."""
        own = spikes.step[neuron]
        following = (own < at[..., None]).sum(-1)
        last = jnp.take_along_axis(own, jnp.maximum(following - 1, 0)[..., None], -1)[..., 0]
        released = jnp.where(following > 0, last + 1 + wiring.refractory[neuron], free[neuron])
        there = following < spikes.count[neuron]
        j = jnp.minimum(following, most - 1)
        begin = jnp.maximum(at, released)
        step = jnp.where(there, spikes.step[neuron, j], begin)
        until = (step - begin) * dt + jnp.where(there, spikes.within[neuron, j], 0.0)
        own_cells = cells.at(neuron)
        source = jnp.where(there, -known.strength[neuron, j], 0.0)
        of_V = source * jnp.exp(-own_cells.decay * until)
        gain = of_current(own_cells.decay[..., None], own_cells.rate, until[..., None])
        later = jnp.exp(-own_cells.rate * ((step + 1 - begin) * dt)[..., None])
        held = jnp.exp(-own_cells.rate * ((begin - at) * dt)[..., None])
        passed = jnp.where(there[..., None], known.currents[neuron, j], 0.0)
        of_currents = held * ((source * own_cells.gain)[..., None] * gain + later * passed)
        return _Adjoint(of_V, of_currents, at > released)

    order = jnp.argsort(spikes.step.ravel(), stable=True)

    def one(i: Any, carry: Any) -> Any:
        known, by_weight, by_delay = carry
        place = order[spikes.count.sum() - 1 - i]
        neuron, j = place // most, place % most
        ends = spikes.step[neuron, j] + 1
        own = before(neuron, ends, known)
        # The next spike of its own.
        nxt = jnp.minimum(j + 1, most - 1)
        value = worth[neuron, j]
        value = value - jnp.where(j + 1 < spikes.count[neuron], known.strength[neuron, nxt] * spikes.slopes["last"][neuron, nxt], 0.0)
        if edges:
            edge = out[neuron]
            some, e = edge < edges, jnp.minimum(edge, edges - 1)
            target, which = post[e], receptor[e]
            adjoint = before(target, ends + delay[e], known)
            arrives = jnp.take_along_axis(adjoint.currents, which[:, None], -1)[:, 0]
            rate = cells.rate[target, which]
            moved = numbers.weight[e] * (arrives * rate - jnp.where(adjoint.moves, adjoint.V * cells.gain[target], 0.0))
            moved = jnp.where(some, moved, 0.0)
            value = value + moved.sum()
            by_weight = by_weight.at[edge].add(jnp.where(some, arrives, 0.0), mode="drop")
            by_delay = by_delay.at[edge].add(moved, mode="drop")
        strength = jnp.where(value == 0, 0.0, value / spikes.speed[neuron, j])
        known = _Known(known.strength.at[neuron, j].set(strength), known.currents.at[neuron, j].set(own.currents))
        return known, by_weight, by_delay

    nothing = _Known(jnp.zeros((n, most)), jnp.zeros((n, most, wiring.receptors)))
    begin = (nothing, jnp.zeros(edges), jnp.zeros(edges))
    known, by_weight, by_delay = jax.lax.fori_loop(0, spikes.count.sum(), one, begin)
    start = before(jnp.arange(n), jnp.zeros(n, jnp.int32), known)

    # With all spikes where they are, a neuron's potential depends on its own numbers alone.
    strength = jnp.where(is_spike, known.strength, 0.0)
    first = jnp.arange(most)[None] == 0
    previous = jnp.concatenate([jnp.zeros((n, 1), jnp.int32), spikes.step[:, :-1]], 1)
    released = jnp.where(first, free[:, None], previous + 1 + wiring.refractory[:, None])
    since = jnp.where(is_spike, (spikes.step - released) * dt + spikes.within, 0.0)
    keep, driven = jnp.exp(-cells.decay[:, None] * since), of_drive(cells.decay[:, None], since)
    begins = jnp.where(first, numbers.V[:, None], numbers.reset[:, None])
    threshold = jnp.where(jnp.isinf(numbers.threshold), 0.0, numbers.threshold)[:, None]
    by_gain = (threshold - begins * keep - cells.drive[:, None] * driven) / cells.gain[:, None]
    total = lambda slope: -jnp.where(strength == 0, 0.0, strength * slope).sum(1)
    by_rate = -jnp.where((strength == 0)[..., None], 0.0, strength[..., None] * spikes.slopes["rate"]).sum(1)
    return Numbers(
        threshold=strength.sum(1),
        reset=total(jnp.where(first, 0.0, keep)),
        cells=Cells(total(spikes.slopes["decay"]), total(driven), total(by_gain), by_rate),
        weight=by_weight,
        delay=by_delay,
        V=start.V,
        currents=start.currents,
    )
