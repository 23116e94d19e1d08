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
from ranvier.kernels import deliver_linear, dispatch, on_gpu

_EVENTS_AT_ONCE = 256  # of the reference


class SpikeHistory(NamedTuple):
    """The spikes of the last `slots` steps; those of step `k` are the first `count[k % slots]` entries of row `k % slots`.

    Attributes:
        source: who spiked, ascending, int32 `[slots, n]`.
        amplitude: how strongly, `[slots, n]`; `[slots, 0]` where every spike's amplitude is 1.
        count: how many in each step, int32 `[slots]`.
    """

    source: Any
    amplitude: Any
    count: Any  # the tuple's own `count` is of no use here


class DelayedEdges(NamedTuple):
    """Edges sorted by (block of targets, source, delay, target).

    Those of source `i` with delay `delays[d]` onto block `b` are `segments[b, i, d]` to `segments[b, i, d + 1]`.
    A block may be delivered by a thread of its own, as no other has its targets.

    Attributes:
        delays: the distinct delays in steps, ascending, int32 `[delays]`.
        segments: int32 or int64 `[blocks, n_pre, delays + 1]`.
        target: int32 `[edges]`.
        bounds: block `b` has the targets `bounds[b]` to `bounds[b + 1]`, int64 `[blocks + 1]`.
    """

    delays: np.ndarray
    segments: np.ndarray
    target: np.ndarray
    bounds: np.ndarray


def sort_edges(
    pre: np.ndarray, post: np.ndarray, delay: np.ndarray | int, n_pre: int, n_post: int, blocks: int = 1
) -> tuple[DelayedEdges, np.ndarray]:
    """Edges as `deliver_events` wants them, and the order they are in.

    Args:
        pre, post: each edge's source and target, `[edges]`.
        delay: in steps, `[edges]` or one number for all.
        n_pre: the number of sources.
        n_post: the number of targets.
        blocks: into how many stretches of equal length the targets are divided.

    Returns:
        The sorted edges, and the permutation: sort the weights by it too.

    Raises:
        ParameterError: a source or target out of range, a negative delay, or no block.

    Example:
        >>> edges, order = sort_edges(np.array([1, 0, 1]), np.array([5, 6, 7]), np.array([2, 1, 1]), 2, 8)
        >>> edges.delays.tolist(), edges.segments.tolist(), edges.target.tolist(), order.tolist()
        ([1, 2], [[[0, 1, 1], [1, 2, 3]]], [6, 7, 5], [1, 2, 0])
    """
    pre, post = np.asarray(pre), np.asarray(post)
    delay = np.broadcast_to(np.asarray(delay, np.int64), pre.shape)
    if pre.size and (pre.min() < 0 or pre.max() >= n_pre or post.min() < 0 or post.max() >= n_post or delay.min() < 0):
        raise ParameterError(f"sort_edges: sources must be in [0, {n_pre}), targets in [0, {n_post}), and delays not negative.")
    if blocks < 1:
        raise ParameterError(f"sort_edges: the targets cannot be divided into {blocks} blocks.")
    bounds = np.arange(blocks + 1, dtype=np.int64) * n_post // blocks
    block = np.searchsorted(bounds, post, side="right") - 1
    delays, index = np.unique(delay, return_inverse=True)
    order = np.lexsort((post, index, pre, block))
    stretch = (block * n_pre + pre) * len(delays) + index
    ends = np.bincount(stretch, minlength=blocks * n_pre * len(delays)).cumsum().reshape(blocks * n_pre, len(delays))
    begins = np.concatenate([[0], ends[:-1, -1]])[: len(ends), None] if len(delays) else np.zeros((len(ends), 1))
    kind = np.int32 if pre.size <= np.iinfo(np.int32).max else np.int64
    segments = np.concatenate([begins, ends], axis=1).astype(kind).reshape(blocks, n_pre, len(delays) + 1)
    return DelayedEdges(delays.astype(np.int32), segments, post[order].astype(np.int32), bounds), order


def empty_history(n: int, slots: int, dtype: np.typing.DTypeLike = np.float64, amplitudes: bool = True) -> SpikeHistory:
    """A history in which nothing has spiked.

    Args:
        n: the number of sources; those of a whole network may share one history.
        slots: must exceed the longest delay.
        dtype: of what the spikes are delivered to.
        amplitudes: False where every spike's amplitude is 1: then none is kept, and delivery is faster.

    Example:
        >>> empty_history(3, slots=2).count.tolist()
        [0, 0]
    """
    if slots < 1:
        raise ParameterError(f"empty_history: slots is {slots}; it must exceed the longest delay, 0 at least.")
    kept = np.zeros((slots, n if amplitudes else 0), dtype)
    return SpikeHistory(np.zeros((slots, n), np.int32), kept, np.zeros(slots, np.int32))


def note_spikes(history: SpikeHistory, flags: jax.Array, amplitude: jax.Array | float, step: jax.Array) -> SpikeHistory:
    """Put the spikes of `step` into the history, in place of those `slots` steps older.

    Differentiable in the amplitudes of those that spiked.

    Args:
        history: updated in place where XLA can.
        flags: who spiked, bool `[n]`.
        amplitude: `[n]`, or one number for all; the number 1 for a history that keeps none.
        step: int64 scalar.

    Raises:
        ParameterError: a wrong shape or type, or amplitudes for a history that keeps none.

    Example:
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(3, slots=2), jnp.array([True, False, True]), 1.0, jnp.int64(5))
        >>> history.count.tolist(), history.source[1, :2].tolist()
        ([0, 2], [0, 2])
    """
    history = SpikeHistory(*(jnp.asarray(x) for x in history))
    n = _check_history(history, "note_spikes")
    if not _has_amplitudes(history.source, history.amplitude) and not (isinstance(amplitude, int | float) and amplitude == 1):
        raise ParameterError(
            "note_spikes: this history keeps no amplitudes, so amplitude must be the number 1; empty_history can keep them."
        )
    flags, amplitude = jnp.asarray(flags), jnp.asarray(amplitude, history.amplitude.dtype)
    if flags.dtype != jnp.bool_ or flags.shape != (n,) or amplitude.shape not in ((), (n,)):
        raise ParameterError(
            f"note_spikes: flags must be bool [{n}] and amplitude one number or [{n}], not {flags.dtype} {list(flags.shape)} "
            f"and {list(amplitude.shape)}."
        )
    return SpikeHistory(*_note_spikes(flags, jnp.atleast_1d(amplitude), dispatch.as_step(step, "note_spikes"), *history))


def deliver_events(
    history: SpikeHistory,
    step: jax.Array,
    edges: DelayedEdges,
    weights: jax.Array,
    accumulator: jax.Array,
    offset: jax.Array | int = 0,
) -> jax.Array:
    """Add `weight · amplitude` to the target of every edge whose spike arrives at the end of `step`.

    The additions to each target come in one order, the same bits native and
    reference, on one thread or several: delays ascending, then sources, then
    edges. (A GPU adds whole numbers in any order instead: `on_gpu`.)
    Differentiable in weights, accumulator and the history's amplitudes.

    Args:
        history: in which the spikes of `step` are noted already (a delay of 0 is allowed).
        step: int64 scalar.
        edges: from `sort_edges`, or anything with `delays`, `segments`, `target` and `bounds`. A target outside its block
            is skipped, and so are a source out of range and a delay that the history is too short for. Where there is
            `most`, from `on_gpu.most_arriving`, a GPU need not look for it at each call.
        weights: `[edges]` in the order of `edges`, `[n_pre, 1]`, one a source, or one number for all.
        accumulator: `[n]`; updated in place where XLA can.
        offset: where in the accumulator target 0 is, so that several groups of targets can share one; int64 scalar.

    Returns:
        The new accumulator, in the unit of weight times amplitude.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> edges, order = sort_edges(np.array([0, 0]), np.array([0, 1]), np.array([0, 1]), 1, 2)
        >>> weights = np.array([3.0, 4.0])[order]
        >>> with jax.enable_x64(True):
        ...     history = note_spikes(empty_history(1, slots=2), jnp.array([True]), 1.0, jnp.int64(7))
        ...     [deliver_events(history, jnp.int64(k), edges, weights, jnp.zeros(2)).tolist() for k in (7, 8)]
        [[3.0, 0.0], [0.0, 4.0]]
    """
    history = SpikeHistory(*(jnp.asarray(x) for x in history))
    delays, segments, target, bounds = (jnp.asarray(x) for x in (edges.delays, edges.segments, edges.target, edges.bounds))
    accumulator = jnp.asarray(accumulator)
    dtype = accumulator.dtype
    n = _check_history(history, "deliver_events")
    if (
        {delays.dtype, target.dtype} != {jnp.dtype(jnp.int32)}
        or segments.dtype not in (jnp.int32, jnp.int64)
        or segments.shape[1:] != (n, delays.shape[0] + 1)
        or bounds.shape != (segments.shape[0] + 1,)
    ):
        raise ParameterError(
            f"deliver_events: delays and target must be int32 [delays] and [edges], segments int32 or int64 [blocks, {n}, delays + 1], "
            f"bounds [blocks + 1], not {delays.dtype} {list(delays.shape)}, {target.dtype} {list(target.shape)}, {segments.dtype} "
            f"{list(segments.shape)} and {list(bounds.shape)}."
        )
    weights = jnp.asarray(weights, dtype)
    if weights.shape not in ((), target.shape, (n, 1)) or accumulator.ndim != 1 or history.amplitude.dtype != dtype:
        raise ParameterError(
            f"deliver_events: weights must be one number, [{target.shape[0]}] or [{n}, 1], the accumulator [n] of the history's type, not "
            f"{list(weights.shape)} and {dtype} {list(accumulator.shape)} beside {history.amplitude.dtype}."
        )
    step, offset = dispatch.as_step(step, "deliver_events"), dispatch.as_step(offset, "deliver_events: offset")
    bounds, weights = bounds.astype(jnp.int64), jnp.atleast_2d(weights)
    most = getattr(edges, "most", None)
    if most is None:
        most = on_gpu.most_arriving(target, weights, accumulator.shape[0]) if dispatch.gpu_kernels() else jnp.zeros(3)
    return _deliver_events(most, *history, step, delays, segments, target, bounds, weights, offset, accumulator)


def _check_history(history: SpikeHistory, where: str) -> int:
    source, amplitude, count = history
    slots, n = source.shape if source.ndim == 2 else (0, 0)
    if slots == 0 or amplitude.shape not in ((slots, n), (slots, 0)) or count.shape != (slots,):
        raise ParameterError(
            f"{where}: a history is source [slots, n], amplitude [slots, n] or [slots, 0], count [slots], not {list(source.shape)}, "
            f"{list(amplitude.shape)}, {list(count.shape)}."
        )
    if source.dtype != jnp.int32 or count.dtype != jnp.int32:
        raise ParameterError(f"{where}: a history's source and count are int32, not {source.dtype} and {count.dtype}.")
    return n


def _has_amplitudes(source, amplitude):
    return amplitude.shape[-1] == source.shape[-1]


def _row(step, slots):
    return jnp.mod(step, slots).astype(jnp.int32)


# note_spikes


@jax.custom_jvp
def _note_spikes(flags, amplitude, step, source, history, count):
    if history.dtype.name not in dispatch.FLOATS:
        return _note_reference(flags, amplitude, step, source, history, count)
    note = dispatch.updating(functools.partial(dispatch.choose, _note_native, _note_reference, gpu=on_gpu.note), 3, 4, 5)
    return note(flags, amplitude, step, source, history, count)


def _note_native(flags, amplitude, step, source, history, count):
    results = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (source, history, count))
    call = "note_spikes_" + dispatch.FLOATS[history.dtype.name]
    aliases = {3: 0, 4: 1, 5: 2} if history.size else {3: 0, 5: 2}  # for nothing XLA would make a copy first
    return dispatch.native_call(call, results, flags, amplitude, step, source, history, count, aliases=aliases)


def _note_reference(flags, amplitude, step, source, history, count):
    n = flags.shape[0]
    row = _row(step, count.shape[0])
    position = jnp.where(flags, jnp.cumsum(flags, dtype=jnp.int32) - 1, n + jnp.arange(n, dtype=jnp.int32))  # no place twice
    kept = jnp.broadcast_to(amplitude, flags.shape)
    return (
        source.at[row, position].set(jnp.arange(n, dtype=jnp.int32), mode="drop", unique_indices=True),
        history.at[row, position].set(kept, mode="drop", unique_indices=True) if _has_amplitudes(source, history) else history,
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
    none_source, none_count = (np.zeros(x.shape, jax.dtypes.float0) for x in (source, count))
    if not _has_amplitudes(source, history):
        return out, (none_source, history_dot, none_count)
    row = _row(step, count.shape[0])
    # Gathered by the list that was just written: a scatter could not be transposed.
    new = jnp.where(jnp.arange(flags.shape[0]) < count[row], jnp.broadcast_to(amplitude_dot, flags.shape)[source[row]], history_dot[row])
    return out, (none_source, history_dot.at[row].set(new), none_count)


# deliver_events


@jax.custom_jvp
def _deliver_events(most, *operands):
    if operands[-1].dtype.name not in dispatch.FLOATS:
        return _deliver_reference(*operands)[0]
    native, reference = (lambda most, *operands, deliver=f: deliver(*operands) for f in (_deliver_native, _deliver_reference))
    deliver = dispatch.updating(functools.partial(dispatch.choose, native, reference, gpu=on_gpu.deliver), len(operands))
    return deliver(most, *operands)[0]


def _deliver_native(*operands):
    segments, accumulator = operands[5], operands[-1]
    result = (jax.ShapeDtypeStruct(accumulator.shape, accumulator.dtype),)
    kernel = f"deliver_events_{dispatch.FLOATS[accumulator.dtype.name]}_{ {4: 's32', 8: 's64'}[segments.dtype.itemsize] }"
    return dispatch.native_call(kernel, result, *operands, aliases={len(operands) - 1: 0})


def _deliver_reference(source, amplitude, count, step, delays, segments, target, bounds, weights, offset, accumulator):
    n_post = accumulator.shape[0]
    if 0 in (*source.shape, *target.shape, *segments.shape[:2], *delays.shape, n_post):
        return (accumulator,)
    due = stretches_due(source, count, step, delays, segments, target.shape[0])
    strength = amplitude[_row(step - delays, source.shape[0])].ravel() if _has_amplitudes(source, amplitude) else None

    def some(carry):
        first, out = carry
        edge, stretch, inside = events_of(due, first, _EVENTS_AT_ONCE)
        weight = weights[due.source[stretch] % weights.shape[0], edge % weights.shape[1]]
        # The barrier keeps XLA from contracting product and sum to one rounding.
        product = weight if strength is None else jax.lax.optimization_barrier(weight * strength[stretch % strength.shape[0]])
        onto = _onto(target[edge], due.block(stretch), bounds, offset, inside, n_post)
        return first + _EVENTS_AT_ONCE, out.at[onto].add(product, mode="drop")

    _, out = jax.lax.while_loop(lambda carry: carry[0] < due.end[-1], some, (jnp.int64(0), accumulator))
    return (out,)


class StretchesDue(NamedTuple):
    """Every (block, delay, spike) in order, as a stretch of edges; each `[blocks · delays · n]`."""

    begin: jax.Array
    length: jax.Array
    end: jax.Array  # where it ends if all are put one after the other
    source: jax.Array
    delays: int
    n: int

    def block(self, stretch: jax.Array) -> jax.Array:
        return stretch // (self.delays * self.n)

    def delay(self, stretch: jax.Array) -> jax.Array:
        """Which of the delays."""
        return stretch // self.n % self.delays


def stretches_due(source: jax.Array, count: jax.Array, step: jax.Array, delays: jax.Array, segments: jax.Array, edges: int) -> StretchesDue:
    """What the spikes of a history set off at `step`, for the references."""
    slots, n = source.shape
    row = _row(step - delays, slots)
    spikes = jnp.arange(n, dtype=jnp.int32)[None] < count[row][:, None]
    spikes &= ((delays >= 0) & (delays < slots))[:, None] & (source[row] >= 0) & (source[row] < n)
    who, d = jnp.where(spikes, source[row], 0), jnp.arange(delays.shape[0])[:, None]
    begin, length = (jnp.clip(segments[:, who, d + i].astype(jnp.int64), 0, edges) for i in (0, 1))
    length = jnp.where(spikes, jnp.maximum(length - begin, 0), 0)
    who = jnp.broadcast_to(who, length.shape).ravel()
    return StretchesDue(begin.ravel(), length.ravel(), jnp.cumsum(length.ravel()), who, delays.shape[0], n)


def events_of(due: StretchesDue, first: jax.Array, size: int) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Of the events `first` … `first + size − 1`: the edge, its stretch, and whether there are so many."""
    event = first + jnp.arange(size)
    stretch = dispatch.place_among(due.end, event, side="right")
    inside = stretch < due.end.shape[0]
    stretch = jnp.where(inside, stretch, 0)
    return jnp.where(inside, due.begin[stretch] + event - (due.end - due.length)[stretch], 0), stretch, inside


def _onto(target, block, bounds, offset, valid, n_post):
    """Where in the accumulator an edge ends; past its end for an edge that is to be skipped."""
    valid &= (target >= jnp.maximum(bounds[block], 0)) & (target < bounds[block + 1])
    valid &= (offset >= 0) & (offset + target < n_post)
    return jnp.where(valid, offset + target, n_post)


@functools.partial(_deliver_events.defjvp, symbolic_zeros=True)
def _deliver_jvp(primals, tangents):
    _, source, amplitude, *when_and_where, weights, offset, accumulator = primals
    amplitude_dot, weights_dot, accumulator_dot = tangents[2], tangents[-3], tangents[-1]
    parts = [] if isinstance(accumulator_dot, SymbolicZero) else [accumulator_dot]
    changes = [(amplitude, weights_dot)]
    if _has_amplitudes(source, amplitude):
        changes.append((amplitude_dot, weights))
    for a, w in changes:
        if not isinstance(a, SymbolicZero) and not isinstance(w, SymbolicZero):
            parts.append(deliver_linear.arriving(source, a, *when_and_where, w, offset, accumulator.shape[0]))
    out = _deliver_events(*primals)
    return out, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(out)
