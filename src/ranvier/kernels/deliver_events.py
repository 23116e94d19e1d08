"""Spikes onto their targets, each after its delay.

The state holds the spikes of the last steps, not the input that they will
cause. At step *k* an edge of delay *D* finds its source among the spikes of
step *k − D*. Edges are sorted by (source, delay), so what a spike sets off
after one delay is one stretch of memory, and no edge stores a delay.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch

_EVENTS_AT_ONCE = 256  # of the reference


class SpikeHistory(NamedTuple):
    """The spikes of the last `slots` steps; those of step `k` are the first `count[k % slots]` entries of row `k % slots`.

    Attributes:
        source: who spiked, ascending, int32 `[slots, n]`.
        amplitude: how strongly, `[slots, n]`.
        count: how many in each step, int32 `[slots]`.
    """

    source: Any
    amplitude: Any
    count: Any  # the tuple's own `count` is of no use here


class DelayedEdges(NamedTuple):
    """Edges sorted by (source, delay, target): those of source `i` with delay `delays[d]` are `segments[i, d]` to `segments[i, d + 1]`.

    Attributes:
        delays: the distinct delays in steps, ascending, int32 `[delays]`.
        segments: int32 `[n_pre, delays + 1]`.
        target: int32 `[edges]`.
    """

    delays: np.ndarray
    segments: np.ndarray
    target: np.ndarray


def sort_edges(pre: np.ndarray, post: np.ndarray, delay: np.ndarray | int, n_pre: int) -> tuple[DelayedEdges, np.ndarray]:
    """Edges as `deliver_events` wants them, and the order they are in.

    Args:
        pre, post: each edge's source and target, `[edges]`.
        delay: in steps, `[edges]` or one number for all.
        n_pre: the number of sources.

    Returns:
        The sorted edges, and the permutation: sort the weights by it too.

    Raises:
        ParameterError: a source outside `[0, n_pre)`, a negative target or delay, or more edges than int32 counts.

    Example:
        >>> edges, order = sort_edges(np.array([1, 0, 1]), np.array([5, 6, 7]), np.array([2, 1, 1]), 2)
        >>> edges.delays.tolist(), edges.segments.tolist(), edges.target.tolist(), order.tolist()
        ([1, 2], [[0, 1, 1], [1, 2, 3]], [6, 7, 5], [1, 2, 0])
    """
    pre, post = np.asarray(pre), np.asarray(post)
    delay = np.broadcast_to(np.asarray(delay, np.int64), pre.shape)
    if pre.size and (pre.min() < 0 or pre.max() >= n_pre or post.min() < 0 or delay.min() < 0):
        raise ParameterError(f"sort_edges: sources must be in [0, {n_pre}), targets and delays not negative.")
    if pre.size > np.iinfo(np.int32).max:
        raise ParameterError(f"sort_edges: {pre.size} edges are more than one set can hold; divide them by target.")
    delays, index = np.unique(delay, return_inverse=True)
    order = np.lexsort((post, index, pre))
    ends = np.bincount(pre.astype(np.int64) * len(delays) + index, minlength=n_pre * len(delays)).cumsum().reshape(n_pre, len(delays))
    begins = np.concatenate([[0], ends[:-1, -1]])[:n_pre, None] if len(delays) else np.zeros((n_pre, 1))
    segments = np.concatenate([begins, ends], axis=1).astype(np.int32)
    return DelayedEdges(delays.astype(np.int32), segments, post[order].astype(np.int32)), order


def empty_history(n: int, slots: int, dtype: np.typing.DTypeLike = np.float64) -> SpikeHistory:
    """A history in which nothing has spiked; `slots` must exceed the longest delay.

    Example:
        >>> empty_history(3, slots=2).count.tolist()
        [0, 0]
    """
    if slots < 1:
        raise ParameterError(f"empty_history: slots is {slots}; it must exceed the longest delay, 0 at least.")
    return SpikeHistory(np.zeros((slots, n), np.int32), np.zeros((slots, n), dtype), np.zeros(slots, np.int32))


def note_spikes(history: SpikeHistory, flags: jax.Array, amplitude: jax.Array, step: jax.Array) -> SpikeHistory:
    """Put the spikes of `step` into the history, in place of those `slots` steps older.

    Differentiable in the amplitudes of those that spiked.

    Args:
        history: updated in place where XLA can.
        flags: who spiked, bool `[n]`.
        amplitude: `[n]`, or one number for all; 1 for plain spikes.
        step: int64 scalar.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(3, slots=2), jnp.array([True, False, True]), 1.0, jnp.int64(5))
        >>> history.count.tolist(), history.source[1, :2].tolist()
        ([0, 2], [0, 2])
    """
    history = SpikeHistory(*(jnp.asarray(x) for x in history))
    flags, amplitude = jnp.asarray(flags), jnp.asarray(amplitude, history.amplitude.dtype)
    n = _check_history(history, "note_spikes")
    if flags.dtype != jnp.bool_ or flags.shape != (n,) or amplitude.shape not in ((), (n,)):
        raise ParameterError(
            f"note_spikes: flags must be bool [{n}] and amplitude one number or [{n}], not {flags.dtype} {list(flags.shape)} "
            f"and {list(amplitude.shape)}."
        )
    return SpikeHistory(*_note_spikes(flags, jnp.atleast_1d(amplitude), dispatch.as_step(step, "note_spikes"), *history))


def deliver_events(history: SpikeHistory, step: jax.Array, edges: DelayedEdges, weights: jax.Array, accumulator: jax.Array) -> jax.Array:
    """Add `weight · amplitude` to the target of every edge whose spike arrives at the end of `step`.

    The additions come in one order, the same bits native and reference: delays
    ascending, then sources, then edges. Differentiable in weights, accumulator
    and the history's amplitudes.

    Args:
        history: in which the spikes of `step` are noted already (a delay of 0 is allowed).
        step: int64 scalar.
        edges: from `sort_edges`. A target or source out of range is skipped, and so is a delay that the history is too short for.
        weights: `[edges]` in the order of `edges`, or one number for all.
        accumulator: `[n_post]`; updated in place where XLA can.

    Returns:
        The new accumulator, in the unit of weight times amplitude.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> edges, order = sort_edges(np.array([0, 0]), np.array([0, 1]), np.array([0, 1]), 1)
        >>> weights = np.array([3.0, 4.0])[order]
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(1, slots=2), jnp.array([True]), 1.0, jnp.int64(7))
        ...     [deliver_events(history, jnp.int64(k), edges, weights, jnp.zeros(2)).tolist() for k in (7, 8)]
        [[3.0, 0.0], [0.0, 4.0]]
    """
    history = SpikeHistory(*(jnp.asarray(x) for x in history))
    delays, segments, target = (jnp.asarray(x) for x in edges)
    accumulator = jnp.asarray(accumulator)
    dtype = accumulator.dtype
    n = _check_history(history, "deliver_events")
    if {delays.dtype, segments.dtype, target.dtype} != {jnp.dtype(jnp.int32)} or segments.shape != (n, delays.shape[0] + 1):
        raise ParameterError(
            f"deliver_events: delays, segments and target must be int32 [delays], [{n}, delays + 1] and [edges], not {delays.dtype} "
            f"{list(delays.shape)}, {segments.dtype} {list(segments.shape)} and {target.dtype} {list(target.shape)}."
        )
    weights = jnp.asarray(weights, dtype)
    if weights.shape not in ((), target.shape) or accumulator.ndim != 1 or history.amplitude.dtype != dtype:
        raise ParameterError(
            f"deliver_events: weights must be one number or [{target.shape[0]}], the accumulator [n_post] of the history's type, not "
            f"{list(weights.shape)} and {dtype} {list(accumulator.shape)} beside {history.amplitude.dtype}."
        )
    return _deliver_events(
        *history, dispatch.as_step(step, "deliver_events"), delays, segments, target, jnp.atleast_1d(weights), accumulator
    )


def _check_history(history: SpikeHistory, where: str) -> int:
    source, amplitude, count = history
    if source.ndim != 2 or source.shape[0] == 0 or amplitude.shape != source.shape or count.shape != source.shape[:1]:
        raise ParameterError(
            f"{where}: a history is source [slots, n], amplitude [slots, n], count [slots], not {list(source.shape)}, "
            f"{list(amplitude.shape)}, {list(count.shape)}."
        )
    if source.dtype != jnp.int32 or count.dtype != jnp.int32:
        raise ParameterError(f"{where}: a history's source and count are int32, not {source.dtype} and {count.dtype}.")
    return source.shape[1]


def _row(step, slots):
    return jnp.mod(step, slots).astype(jnp.int32)


# note_spikes


@jax.custom_jvp
def _note_spikes(flags, amplitude, step, source, history, count):
    if history.dtype.name not in dispatch.FLOATS:
        return _note_reference(flags, amplitude, step, source, history, count)
    note = dispatch.updating(functools.partial(dispatch.choose, _note_native, _note_reference), 3, 4, 5)
    return note(flags, amplitude, step, source, history, count)


def _note_native(flags, amplitude, step, source, history, count):
    results = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (source, history, count))
    call = "note_spikes_" + dispatch.FLOATS[history.dtype.name]
    return dispatch.native_call(call, results, flags, amplitude, step, source, history, count, aliases={3: 0, 4: 1, 5: 2})


def _note_reference(flags, amplitude, step, source, history, count):
    n = flags.shape[0]
    row = _row(step, count.shape[0])
    position = jnp.where(flags, jnp.cumsum(flags, dtype=jnp.int32) - 1, n)
    return (
        source.at[row, position].set(jnp.arange(n, dtype=jnp.int32), mode="drop"),
        history.at[row, position].set(jnp.broadcast_to(amplitude, flags.shape), mode="drop"),
        count.at[row].set(jnp.sum(flags, dtype=jnp.int32)),
    )


@functools.partial(_note_spikes.defjvp, symbolic_zeros=True)
def _note_jvp(primals, tangents):
    flags, amplitude, step, _, history, _ = primals
    _, amplitude_dot, _, _, history_dot, _ = tangents
    amplitude_dot, history_dot = (
        jnp.zeros_like(x) if isinstance(dot, SymbolicZero) else dot for x, dot in ((amplitude, amplitude_dot), (history, history_dot))
    )
    source, _, count = out = _note_spikes(*primals)
    row = _row(step, count.shape[0])
    # Gathered by the list that was just written: a scatter could not be transposed.
    new = jnp.where(jnp.arange(flags.shape[0]) < count[row], jnp.broadcast_to(amplitude_dot, flags.shape)[source[row]], history_dot[row])
    none_source, none_count = (np.zeros(x.shape, jax.dtypes.float0) for x in (source, count))
    return out, (none_source, history_dot.at[row].set(new), none_count)


# deliver_events


@jax.custom_jvp
def _deliver_events(source, amplitude, count, step, delays, segments, target, weights, accumulator):
    arguments = (source, amplitude, count, step, delays, segments, target, weights, accumulator)
    if accumulator.dtype.name not in dispatch.FLOATS:
        return _deliver_reference(*arguments)[0]
    deliver = dispatch.updating(functools.partial(dispatch.choose, _deliver_native, _deliver_reference), 8)
    return deliver(*arguments)[0]


def _deliver_native(*operands):
    accumulator = operands[-1]
    result = (jax.ShapeDtypeStruct(accumulator.shape, accumulator.dtype),)
    return dispatch.native_call("deliver_events_" + dispatch.FLOATS[accumulator.dtype.name], result, *operands, aliases={8: 0})


def _deliver_reference(source, amplitude, count, step, delays, segments, target, weights, accumulator):
    slots, n = source.shape
    edges, n_post = target.shape[0], accumulator.shape[0]
    if n == 0 or edges == 0 or delays.shape[0] == 0 or n_post == 0:
        return (accumulator,)
    # Every (delay, spike) in order, as a stretch of edges; then all of those edges in a row, so many at once.
    row = _row(step - delays, slots)
    spikes = jnp.arange(n, dtype=jnp.int32)[None] < count[row][:, None]
    spikes &= ((delays >= 0) & (delays < slots))[:, None] & (source[row] >= 0) & (source[row] < n)
    who, d = source[row], jnp.arange(delays.shape[0])[:, None]
    begin = jnp.clip(segments[who, d], 0, edges).ravel()
    length = jnp.where(spikes, jnp.clip(segments[who, d + 1], 0, edges) - jnp.clip(segments[who, d], 0, edges), 0).ravel()
    strength = amplitude[row].ravel()
    end = jnp.cumsum(jnp.maximum(length, 0), dtype=jnp.int32)

    def some(carry):
        first, out = carry
        event = first + jnp.arange(_EVENTS_AT_ONCE, dtype=jnp.int32)
        stretch = jnp.searchsorted(end, event, side="right").astype(jnp.int32)
        inside = stretch < end.shape[0]
        stretch = jnp.where(inside, stretch, 0)
        edge = jnp.where(inside, begin[stretch] + event - (end - length)[stretch], 0)
        # The barrier keeps XLA from contracting product and sum to one rounding.
        product = jax.lax.optimization_barrier(weights[edge % weights.shape[0]] * strength[stretch])
        onto = jnp.where(inside & (target[edge] >= 0), target[edge], n_post)
        return first + _EVENTS_AT_ONCE, out.at[onto].add(product, mode="drop")

    _, out = jax.lax.while_loop(lambda carry: carry[0] < end[-1], some, (jnp.int32(0), accumulator))
    return (out,)


def _deliver_linear(source, amplitude, count, step, delays, segments, target, weights, n_post):
    """The same sum over all edges at once, in plain JAX that can be transposed."""
    slots, n = source.shape
    edges = target.shape[0]
    if n == 0 or edges == 0 or delays.shape[0] == 0:
        return jnp.zeros(n_post, amplitude.dtype)
    noted = jnp.arange(n, dtype=jnp.int32)[None] < count[:, None]
    by_source = jnp.zeros_like(amplitude).at[jnp.arange(slots)[:, None], jnp.where(noted, source, n)].add(amplitude, mode="drop")
    # Which source and delay an edge belongs to: how many stretches end at or before it.
    stretch = jnp.searchsorted(segments[:, 1:].ravel(), jnp.arange(edges, dtype=jnp.int32), side="right")
    who, d = jnp.minimum(stretch // delays.shape[0], n - 1), stretch % delays.shape[0]
    valid = (stretch < n * delays.shape[0]) & (target >= 0) & (delays[d] >= 0) & (delays[d] < slots)
    arriving = weights * by_source[_row(step - delays, slots)[d], who]
    return jnp.zeros(n_post, amplitude.dtype).at[jnp.where(valid, target, n_post)].add(arriving, mode="drop")


@functools.partial(_deliver_events.defjvp, symbolic_zeros=True)
def _deliver_jvp(primals, tangents):
    source, amplitude, count, step, delays, segments, target, weights, accumulator = primals
    amplitude_dot, weights_dot, accumulator_dot = tangents[1], tangents[7], tangents[8]
    parts = [] if isinstance(accumulator_dot, SymbolicZero) else [accumulator_dot]
    for a, w in ((amplitude_dot, weights), (amplitude, weights_dot)):
        if not isinstance(a, SymbolicZero) and not isinstance(w, SymbolicZero):
            parts.append(_deliver_linear(source, a, count, step, delays, segments, target, w, accumulator.shape[0]))
    out = _deliver_events(*primals)
    return out, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(out)
