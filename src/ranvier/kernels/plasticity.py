"""Weights that change at events: where a spike arrives, and where a target fires.

Weights stand in the order of delivery, so the first is one pass over stretches
of memory, together with the delivery itself. The second goes through an index
by target (`ranvier.kernels.incoming`), each edge a place of its own in memory.

What these two kernels do in one pass is what most rules ask for: the change is
a sum of products of a value of the source and a value of the target (traces,
filtered voltages, whatever the caller keeps), times a power of the weight's
distance from somewhere, within bounds. `ranvier.kernels.due_edges` is for all
other rules.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch
from ranvier.kernels.deliver_events import (
    DelayedEdges,
    SpikeHistory,
    StretchesDue,
    _check_history,
    _deliver_events,
    _has_amplitudes,
    _onto,
    _row,
    events_of,
    stretches_due,
)
from ranvier.kernels.incoming import Incoming

MOST_TRACES = 4
"""of either side; with more, the reference is taken"""

_EVENTS_AT_ONCE = 256  # of the references


class WeightChange(NamedTuple):
    """`weight ← weight + |weight − origin|^exponent · Σ gain[s, t] · pre_s · post_t`, kept within `[low, high]`.

    `pre_0` and `post_0` are 1, so that `gain[0, 0]` is a constant change, and `gain[s, 0]` one by the source's value alone.
    All are numbers that may be traced.

    Attributes:
        gain: `[1 + traces of the source, 1 + traces of the target]`.
        low, high: the bounds; infinite ones are none.
        origin, exponent: 0 for a change that does not depend on the weight. With exponent 1, `origin=0` is a change in
            proportion to the weight, `origin=high` one in proportion to what is left to the upper bound.

    Example:
        >>> depression = WeightChange(jnp.array([[0.0, -0.0105]]), low=0.0, high=1.0)       # additive: by −0.0105 · post trace
        >>> soft = WeightChange(jnp.array([[0.0], [0.01]]), high=1.0, origin=1.0, exponent=1.0)   # 0.01 · (1 − w) · pre trace
    """

    gain: Any
    low: Any = -jnp.inf
    high: Any = jnp.inf
    origin: Any = 0.0
    exponent: Any = 0.0


def deliver_and_learn(
    history: SpikeHistory,
    step: jax.Array,
    edges: DelayedEdges,
    weights: jax.Array,
    accumulator: jax.Array,
    change: WeightChange | None = None,
    pre: jax.Array | None = None,
    post: jax.Array | None = None,
    offset: jax.Array | int = 0,
) -> tuple[jax.Array, jax.Array]:
    """`deliver_events`, and then each edge that has delivered changes its weight: what a rule does on a presynaptic spike.

    The delivery is with the weight before the change, the same bits as `deliver_events` gives. A change is
    made for each arriving spike whatever its amplitude.

    Args:
        history, step, edges, accumulator, offset: as for `deliver_events`.
        weights: `[edges]`, in the order of `edges`; updated in place where XLA can.
        change: by how much. None: not at all here; the weights are handed on to what changes them next, as `change_where_due`,
            which can then work in place. (After `deliver_events` XLA would copy all weights first.)
        pre: values of the sources, `[traces, slots, n]`, with as many slots as the history: row `k % slots` are those of
            step `k`, so an edge of delay *D* finds those of step `step − D`, as the source was when it spiked.
        post: values of the targets now, `[traces, targets]`. Edges onto a target beyond them are skipped.

    Returns:
        The new accumulator and the new weights. The native version rounds each product and each sum, added from the left, and
        gives the same bits on every machine and any number of threads; in the reference XLA may round a product and a sum
        once, and the two differ by at most 4 eps times the sum of the terms' sizes and the weight's. Where the exponent is neither
        0 nor 1, powers may differ by 4 units in their last place beside that.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> import numpy as np
        >>> from ranvier.kernels import empty_history, note_spikes, sort_edges
        >>> edges, _ = sort_edges(np.array([0, 0]), np.array([0, 1]), 1, 1, 2)
        >>> post = np.array([[0.0, 1.0]])                                        # target 1 fired just now
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(1, slots=2), jnp.array([True]), 1.0, jnp.int64(7))
        ...     change = WeightChange(jnp.array([[0.0, -0.1]]), low=0.0)
        ...     arrived, weights = deliver_and_learn(
        ...         history, jnp.int64(8), edges, jnp.array([0.5, 0.5]), jnp.zeros(2), change, jnp.zeros((0, 2, 1)), post
        ...     )
        >>> arrived.tolist(), weights.tolist()
        ([0.5, 0.5], [0.5, 0.4])
    """
    where = "deliver_and_learn"
    history = SpikeHistory(*(jnp.asarray(x) for x in history))
    delays, segments, target, bounds = (jnp.asarray(x) for x in (edges.delays, edges.segments, edges.target, edges.bounds))
    n = _check_history(history, where)
    weights, accumulator = jnp.asarray(weights), jnp.asarray(accumulator)
    if (
        {delays.dtype, target.dtype} != {jnp.dtype(jnp.int32)}
        or segments.dtype not in (jnp.int32, jnp.int64)
        or segments.shape[1:] != (n, delays.shape[0] + 1)
        or bounds.shape != (segments.shape[0] + 1,)
    ):
        raise ParameterError(f"{where}: the edges must be those of sort_edges, from {n} sources; see deliver_events.")
    dtype = accumulator.dtype
    if weights.shape != target.shape or weights.dtype != dtype or accumulator.ndim != 1 or history.amplitude.dtype != dtype:
        raise ParameterError(
            f"{where}: weights must be [{target.shape[0]}], one an edge, and weights, accumulator [n] and history of one type, not "
            f"{weights.dtype} {list(weights.shape)}, {dtype} {list(accumulator.shape)} and {history.amplitude.dtype}."
        )
    change = WeightChange(jnp.zeros((1, 1))) if change is None else change
    pre = jnp.zeros((0, *history.source.shape)) if pre is None else pre
    post = jnp.zeros((0, accumulator.shape[0])) if post is None else post
    learning = _learning(where, change, pre, post, history.source.shape, None, dtype)
    step, offset = dispatch.as_step(step, where), dispatch.as_step(offset, f"{where}: offset")
    return _arrive(*history, step, delays, segments, target, bounds.astype(jnp.int64), *learning, offset, weights, accumulator)


def learn_at_targets(
    fired: jax.Array,
    step: jax.Array,
    incoming: Incoming,
    bounds: jax.Array,
    weights: jax.Array,
    change: WeightChange,
    pre: jax.Array,
    post: jax.Array,
) -> jax.Array:
    """Change the weights of all edges onto the targets that fired: what a rule does on a postsynaptic event.

    Args:
        fired: where an event is, bool `[targets]`.
        step: int64 scalar.
        incoming: of `index_by_target`.
        bounds: of the edges: targets of different blocks may be taken by different threads.
        weights: `[edges]` in the order of delivery; updated in place where XLA can.
        change: by how much.
        pre: values of the sources, `[traces, slots, n]`, row `k % slots` those of step `k`. Of an edge of delay *D* those of
            step `step − D` count, as they arrive now. Slots must exceed the longest delay.
        post: values of the targets now, `[traces, targets]`.

    Returns:
        The new weights, as equal native and reference as those of `deliver_and_learn`.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> import numpy as np
        >>> from ranvier.kernels import index_by_target, sort_edges
        >>> edges, _ = sort_edges(np.array([0, 1]), np.array([0, 1]), np.array([0, 1]), 2, 2)
        >>> pre = np.array([[[0.8, 0.9], [0.7, 0.6]]])                           # of the steps 8 and 7
        >>> with jax.enable_x64(True):
        ...     learn_at_targets(
        ...         jnp.array([True, True]), jnp.int64(8), index_by_target(edges, 2), edges.bounds,
        ...         jnp.zeros(2), WeightChange(jnp.array([[0.0], [0.5]])), pre, jnp.zeros((0, 2)),
        ...     ).tolist()
        [0.4, 0.3]
    """
    where = "learn_at_targets"
    fired, weights, bounds = jnp.asarray(fired), jnp.asarray(weights), jnp.asarray(bounds)
    rows, position, lag = (jnp.asarray(x) for x in incoming)
    targets = fired.shape[0] if fired.ndim == 1 else -1
    if fired.dtype != jnp.bool_ or rows.shape != (targets + 1,) or position.ndim != 1 or lag.shape != position.shape or bounds.ndim != 1:
        raise ParameterError(
            f"{where}: fired must be bool [targets], rows [targets + 1], position and lag [edges], bounds [blocks + 1], not {fired.dtype} "
            f"{list(fired.shape)}, {list(rows.shape)}, {list(position.shape)}, {list(lag.shape)} and {list(bounds.shape)}."
        )
    if {position.dtype, lag.dtype} != {jnp.dtype(jnp.int32)} or weights.ndim != 1 or not jnp.issubdtype(weights.dtype, jnp.floating):
        raise ParameterError(
            f"{where}: position and lag must be int32, weights real numbers [edges], not {position.dtype}, {lag.dtype} and "
            f"{weights.dtype} {list(weights.shape)}."
        )
    learning = _learning(where, change, pre, post, None, targets, weights.dtype)
    step = dispatch.as_step(step, where)
    return _fire(fired, step, rows.astype(jnp.int64), position, lag, bounds.astype(jnp.int64), *learning, weights)


def _learning(where, change, pre, post, of_history, targets, dtype):
    """The operands that say how weights change: traces of both sides, gain, and the four limits."""
    pre, post, gain = jnp.asarray(pre, dtype), jnp.asarray(post, dtype), jnp.asarray(change.gain, dtype)
    if pre.ndim != 3 or pre.shape[1] == 0 or (of_history is not None and pre.shape[1:] != of_history):
        wanted = "[traces, slots, n]" if of_history is None else f"[traces, {of_history[0]}, {of_history[1]}], as the history,"
        raise ParameterError(f"{where}: values of the sources must be {wanted} not {list(pre.shape)}.")
    if post.ndim != 2 or (targets is not None and post.shape[1] != targets):
        raise ParameterError(
            f"{where}: values of the targets must be [traces, {'targets' if targets is None else targets}], not {list(post.shape)}."
        )
    if gain.shape != (1 + pre.shape[0], 1 + post.shape[0]):
        raise ParameterError(
            f"{where}: with {pre.shape[0]} values of a source and {post.shape[0]} of a target the gain must be "
            f"[{1 + pre.shape[0]}, {1 + post.shape[0]}], not {list(gain.shape)}."
        )
    limits = jnp.stack([jnp.asarray(x, dtype) for x in (change.low, change.high, change.origin, change.exponent)])
    return pre, post, gain, limits


def _fits(pre, post, weights):
    return weights.dtype.name in dispatch.FLOATS and max(pre.shape[0], post.shape[0]) <= MOST_TRACES


@jax.custom_jvp
def power(distance: jax.Array, exponent: jax.Array) -> jax.Array:
    """`distance^exponent`, exact for 0 and 1, where it has a derivative by the exponent too.

    Args:
        distance: at least 0.
        exponent: at least 0, one number.

    Example:
        >>> power(jnp.array([0.0, 2.0]), jnp.array(0.0)).tolist(), jax.grad(power, argnums=1)(jnp.array(1.0), jnp.array(0.0)).tolist()
        ([1.0, 1.0], 0.0)
    """
    return _raised(distance, exponent)


def _raised(distance, exponent):
    safe = jnp.where((exponent == 0) | (exponent == 1), 1.0, distance)  # so that derivatives stay finite where no power is taken
    return jnp.where(exponent == 0, 1.0, jnp.where(exponent == 1, distance, safe**exponent))


@power.defjvp
def _power_derivative(primals, tangents):
    distance, exponent = primals
    result, by_distance = jax.jvp(lambda x: _raised(x, exponent), (distance,), (tangents[0],))
    by_exponent = jnp.where(distance > 0, result * jnp.log(jnp.where(distance > 0, distance, 1.0)), 0.0)
    return result, by_distance + by_exponent * tangents[1]


def _changed(weight, by, limits):
    low, high, origin, exponent = (limits[i] for i in range(4))
    new = weight + power(jnp.abs(weight - origin), exponent) * by
    new = jnp.where(new < low, low, new)
    return jnp.where(new > high, high, new)


def _weighted(gain, values):
    """`gain[0] + Σ gain[s] · values[s − 1]`, added from the left; `values` `[traces, …]`, `gain` `[1 + traces, …]`, broadcast."""
    total = jnp.broadcast_to(gain[0], jnp.broadcast_shapes(gain.shape[1:], values.shape[1:]))
    for s in range(values.shape[0]):
        total = total + gain[s + 1] * values[s]
    return total


def _columns(gain, n):
    """A gain `[1 + pre, 1 + post]` as one that is broadcast with `[…, n]`."""
    return jnp.broadcast_to(gain[..., None], (*gain.shape, n))


# where spikes arrive


@jax.custom_jvp
def _arrive(*operands):
    pre, post, weights = operands[8], operands[9], operands[-2]
    if not _fits(pre, post, weights):
        return _arrive_reference(*operands)[::-1]
    last = len(operands)
    advance = dispatch.updating(functools.partial(dispatch.choose, _arrive_native, _arrive_reference), last - 2, last - 1)
    new_weights, accumulator = advance(*operands)
    return accumulator, new_weights


def _arrive_native(*operands):
    segments, weights, accumulator = operands[5], operands[-2], operands[-1]
    results = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (weights, accumulator))
    kernel = f"deliver_and_learn_{dispatch.FLOATS[weights.dtype.name]}_{ {4: 's32', 8: 's64'}[segments.dtype.itemsize] }"
    last = len(operands)
    return dispatch.native_call(kernel, results, *operands, aliases={last - 2: 0, last - 1: 1})


def _arrive_reference(
    source, amplitude, count, step, delays, segments, target, bounds, pre, post, gain, limits, offset, weights, accumulator
):
    slots, n_acc, edges, targets = source.shape[0], accumulator.shape[0], target.shape[0], post.shape[1]
    if 0 in (*source.shape, edges, *segments.shape[:2], *delays.shape, n_acc, targets):
        return weights, accumulator
    due = stretches_due(source, count, step, delays, segments, edges)
    row = _row(step - delays, slots)
    strength = amplitude[row].ravel() if _has_amplitudes(source, amplitude) else None

    def some(carry):
        first, weights, out = carry
        edge, stretch, inside = events_of(due, first, _EVENTS_AT_ONCE)
        onto = _onto(target[edge], due.block(stretch), bounds, offset, inside & (target[edge] < targets), n_acc)
        weight = weights[edge]
        arriving = weight if strength is None else jax.lax.optimization_barrier(weight * strength[stretch % strength.shape[0]])
        at_target = post[:, jnp.clip(target[edge], 0, targets - 1)]
        at_source = pre[:, row[due.delay(stretch)], due.source[stretch]]
        by = _weighted(jnp.stack([_weighted(_columns(gain[:, t], edge.shape[0]), at_source) for t in range(gain.shape[1])]), at_target)
        place = jnp.where(onto < n_acc, edge, edges)
        return (
            first + _EVENTS_AT_ONCE,
            weights.at[place].set(_changed(weight, by, limits), mode="drop"),
            out.at[onto].add(arriving, mode="drop"),
        )

    _, weights, out = jax.lax.while_loop(lambda carry: carry[0] < due.end[-1], some, (jnp.int64(0), weights, accumulator))
    return weights, out


def _arrive_everywhere(source, count, step, delays, segments, target, bounds, offset, n_acc, pre, post, gain, limits, weights):
    """The new weights by one expression over all edges, in plain JAX that can be transposed."""
    edges, targets = target.shape[0], post.shape[1]
    if 0 in (source.shape[1], edges, segments.shape[0], delays.shape[0], targets):
        return weights
    spiked, row, who, block, valid = each_edge(source, count, step, delays, segments, target, targets)
    due = spiked & (_onto(target, block, bounds, offset, valid, n_acc) < n_acc)
    at_target, at_source = post[:, jnp.clip(target, 0, targets - 1)], pre[:, row, who]
    by = _weighted(jnp.stack([_weighted(_columns(gain[:, t], edges), at_source) for t in range(gain.shape[1])]), at_target)
    return jnp.where(due, _changed(weights, by, limits), weights)


def each_edge(source, count, step, delays, segments, target, targets):
    """For every edge: whether its spike arrives now, the row of its source's values, its source, its block, and whether it is an edge."""
    slots, n = source.shape
    edges, blocks, n_delays = target.shape[0], segments.shape[0], delays.shape[0]
    noted = jnp.arange(n, dtype=jnp.int32)[None] < count[:, None]
    spiked = jnp.zeros((slots, n), bool).at[jnp.arange(slots)[:, None], jnp.where(noted, source, n)].set(True, mode="drop")
    stretch = dispatch.place_among(segments[:, :, 1:].ravel(), jnp.arange(edges, dtype=segments.dtype), side="right")
    valid = stretch < blocks * n * n_delays
    block, who, d = jnp.where(valid, stretch // (n * n_delays), 0), stretch // n_delays % n, stretch % n_delays
    valid &= (delays[d] >= 0) & (delays[d] < slots) & (target < targets)
    row = _row(step - delays, slots)[d]
    return spiked[row, who] & valid, row, who, block, valid


@_arrive.defjvp
def _arrive_derivative(primals, tangents):
    source, amplitude, count, *where, pre, post, gain, limits, offset, weights, accumulator = primals
    *_, pre_dot, post_dot, gain_dot, limits_dot, _, weights_dot, accumulator_dot = tangents
    most = jnp.zeros(3)  # of what is delivered only the derivative is taken
    deliver = lambda amplitude, weights, into: _deliver_events(most, source, amplitude, count, *where, weights[None], offset, into)
    learn = functools.partial(_arrive_everywhere, source, count, *where, offset, accumulator.shape[0])
    _, delivered = jax.jvp(deliver, (amplitude, weights, accumulator), (tangents[1], weights_dot, accumulator_dot))
    _, learnt = jax.jvp(learn, (pre, post, gain, limits, weights), (pre_dot, post_dot, gain_dot, limits_dot, weights_dot))
    return _arrive(*primals), (delivered, learnt)


# where targets fire


@jax.custom_jvp
def _fire(*operands):
    pre, post, weights = operands[6], operands[7], operands[-1]
    if not _fits(pre, post, weights):
        return _fire_reference(*operands)[0]
    last = len(operands) - 1
    return dispatch.updating(functools.partial(dispatch.choose, _fire_native, _fire_reference), last)(*operands)[0]


def _fire_native(*operands):
    weights = operands[-1]
    result = (jax.ShapeDtypeStruct(weights.shape, weights.dtype),)
    return dispatch.native_call(
        f"learn_at_targets_{dispatch.FLOATS[weights.dtype.name]}", result, *operands, aliases={len(operands) - 1: 0}
    )


def _fire_reference(fired, step, rows, position, lag, bounds, pre, post, gain, limits, weights):
    places, entries, ring = weights.shape[0], position.shape[0], pre.shape[1] * pre.shape[2]
    if 0 in (places, entries, fired.shape[0], ring):
        return (weights,)
    begin, end = (jnp.clip(rows[i : rows.shape[0] - 1 + i], 0, entries) for i in (0, 1))
    length = jnp.where(fired & _inside(bounds, fired.shape[0]), jnp.maximum(end - begin, 0), 0)
    due = StretchesDue(begin, length, jnp.cumsum(length), jnp.arange(fired.shape[0]), 1, fired.shape[0])

    def some(carry):
        first, weights = carry
        k, j, inside = events_of(due, first, _EVENTS_AT_ONCE)
        new, place = _changes_at_targets(k, j, inside, step, position, lag, pre, post, gain, limits, weights)
        return first + _EVENTS_AT_ONCE, weights.at[place].set(new, mode="drop")

    return (jax.lax.while_loop(lambda carry: carry[0] < due.end[-1], some, (jnp.int64(0), weights))[1],)


def _inside(bounds, targets):
    """Whether a target is in any block."""
    target = jnp.arange(targets)[:, None]
    return jnp.any((target >= bounds[None, :-1]) & (target < bounds[None, 1:]), axis=1)


def _changes_at_targets(k, j, valid, step, position, lag, pre, post, gain, limits, weights):
    """The new weights of the index's entries `k`, which belong to the targets `j`, and their places."""
    _, slots, n = pre.shape
    at = jnp.mod(step, slots) * n - lag[k]
    at = jnp.where(at < 0, at + slots * n, at)
    valid &= (at >= 0) & (at < slots * n) & (position[k] >= 0) & (position[k] < weights.shape[0])
    at_source = pre.reshape(pre.shape[0], slots * n)[:, jnp.clip(at, 0, slots * n - 1)]
    at_target = post[:, j]
    by = _weighted(jnp.stack([_weighted(_columns(gain[s], k.shape[0]), at_target) for s in range(gain.shape[0])]), at_source)
    place = jnp.where(valid, position[k], weights.shape[0])
    return _changed(weights[jnp.where(valid, position[k], 0)], by, limits), place


def _fire_everywhere(fired, step, rows, position, lag, bounds, pre, post, gain, limits, weights):
    """The same by one expression over all entries of the index, in plain JAX that can be transposed."""
    entries, targets = position.shape[0], fired.shape[0]
    if 0 in (weights.shape[0], entries, targets, pre.shape[2]):
        return weights
    k = jnp.arange(entries)
    j = jnp.clip(dispatch.place_among(rows, k, side="right") - 1, 0, targets - 1)
    valid = (k >= rows[j]) & (k < rows[j + 1]) & (fired & _inside(bounds, targets))[j]
    new, place = _changes_at_targets(k, j, valid, step, position, lag, pre, post, gain, limits, weights)
    return weights.at[place].add(new - weights[jnp.clip(place, 0, weights.shape[0] - 1)], mode="drop")


@_fire.defjvp
def _fire_derivative(primals, tangents):
    *where, pre, post, gain, limits, weights = primals
    learn = functools.partial(_fire_everywhere, *where)
    _, learnt = jax.jvp(learn, (pre, post, gain, limits, weights), tuple(tangents[len(where) :]))
    return _fire(*primals), learnt
