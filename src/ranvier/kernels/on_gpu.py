"""Delivery and lists of spikes on a GPU, as Pallas kernels that XLA compiles with Triton: no other package, no compiler of the user's.

Many threads add to one neuron in an order that nobody knows. So they add whole numbers, whose sum is the same in any order;
`quantum_of` says how fine they are. They are held in doubles, and below 2⁵³: JAX makes an addition of floats of an atomic addition
of integers, if these are more than one. Each spike has a program of its own, which asks for its edges and adds them in turn: no
list of what arrives, no search, no loop that the host would wait for.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

AT_ONCE = 128  # edges of one program, four for each of its 32 threads
PROGRAMS = 2112  # 16 for each of the 132 processors of an H100 or H200
FLAGS_AT_ONCE = 1024
COUNTED_AT_ONCE = 65536
"""Up to so many flags each program counts those before its own; of more, XLA counts, which takes a few launches."""


def quantum_of(most: Any) -> jax.Array:
    """The power of two in whose multiples events are added, float64 scalar.

    So small as can be: sums up to `most` stay below 2⁵³, where every whole number is a double. Every event is rounded to a
    multiple, by half of it at most; single-precision weights no smaller than 2²⁴ quanta are exact.

    Example:
        >>> with jax.enable_x64(True):
        ...     float(quantum_of(1000.0)) == 2.0**-43
        True
    """
    most = jnp.maximum(most, np.finfo(np.float64).tiny)
    exponent = (jax.lax.bitcast_convert_type(most, jnp.int64) >> 52) - 1023  # most < 2^(exponent + 1)
    return _power_of_two(jnp.clip(exponent + 1 - 53, -1022, 1023))


def _power_of_two(exponent: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type((exponent + 1023) << 52, jnp.float64)


def most_arriving(target: Any, weights: Any, n_post: int) -> jax.Array:
    """The largest weight times the largest number of edges that lead to one target: what events cannot exceed.

    Args:
        target: int32 `[edges]`.
        weights: those of the edges, or one for all.
        n_post: how many targets there are.

    Returns:
        That, the quantum for it, and one over the quantum, float64 `[3]`.
    """
    onto = jnp.zeros(n_post + 1, jnp.int32).at[jnp.clip(target, 0, n_post)].add(1)
    return _with_quantum(jnp.max(jnp.abs(weights), initial=0.0).astype(jnp.float64) * jnp.max(onto))


def _with_quantum(most: jax.Array) -> jax.Array:
    quantum = quantum_of(most)
    return jnp.stack([most, quantum, 1 / quantum])


def deliver(
    most: Any,
    source: Any,
    amplitude: Any,
    count: Any,
    step: Any,
    delays: Any,
    segments: Any,
    target: Any,
    bounds: Any,
    weights: Any,
    offset: Any,
    accumulator: Any,
    *,
    interpret: bool = False,
) -> tuple[jax.Array]:
    """What `deliver_events` does, with the operands of its reference.

    What arrives at a neuron is added exactly, but for the rounding of each event to half a quantum, and rounded once.

    Args:
        most: as `most_arriving` gives it.
        interpret: runs it without a GPU, to test it.
    """
    slots, n = source.shape
    blocks, n_delays, edges, n_post = segments.shape[0], delays.shape[0], target.shape[0], accumulator.shape[0]
    if 0 in (slots, n, blocks, n_delays, edges, n_post):
        return (accumulator,)
    with_amplitudes = amplitude.shape[-1] == n
    if with_amplitudes:
        most = _with_quantum(most[0] * jnp.max(jnp.abs(amplitude)).astype(jnp.float64))
    programs = max(1, min(n, PROGRAMS // (blocks * n_delays)))
    sizes = {"slots": slots, "n": n, "delays": n_delays, "edges": edges, "n_post": n_post, "programs": programs}
    kernel = functools.partial(_deliver, **sizes, of_weights=weights.shape, interpret=interpret)
    operands = [source.ravel(), count, jnp.atleast_1d(step), delays, segments.ravel(), target, bounds, weights.ravel()]
    operands += [jnp.atleast_1d(offset), most, *([amplitude.ravel()] if with_amplitudes else [])]
    shape = jax.ShapeDtypeStruct((n_post,), jnp.float64)
    (arrived,) = _call(kernel, [shape], (blocks, n_delays, programs), operands, [jnp.zeros(n_post)], 1, interpret)
    arriving = jnp.where(jnp.isfinite(most[0]), arrived * most[1], jnp.nan)
    return (accumulator + arriving.astype(accumulator.dtype),)


def _deliver(
    source,
    count,
    step,
    delay_of,
    segments,
    target,
    bounds,
    weights,
    offset,
    numbers,
    *rest,
    slots,
    n,
    delays,
    edges,
    n_post,
    programs,
    of_weights,
    interpret,
):
    from jax.experimental import pallas as pl

    amplitude, out = rest[0] if len(rest) == 3 else None, rest[-1]
    b, d, p = (pl.program_id(axis) for axis in range(3))
    delay = delay_of[d]
    row = jnp.mod(step[0] - delay, slots)
    spikes = jnp.where((delay >= 0) & (delay < slots), jnp.clip(count[row], 0, n), 0)
    first, low, high, at = row * n, jnp.maximum(bounds[b], 0), bounds[b + 1], offset[0]
    each, finer = jnp.arange(AT_ONCE), numbers[2]
    sources, columns = of_weights

    def spike(turn, nothing):
        s = first + p + turn * programs
        who = source[s].astype(jnp.int64)
        there = (who >= 0) & (who < n)
        segment = (b.astype(jnp.int64) * n + jnp.where(there, who, 0)) * (delays + 1) + d
        begin, end = (jnp.clip(segments[segment + i].astype(jnp.int64), 0, edges) for i in (0, 1))
        end = jnp.where(there, end, begin)
        strength = None if amplitude is None else amplitude[s]
        one = weights[who * there % sources] if columns == 1 else None

        def some(turn, nothing):
            edge = begin + turn * AT_ONCE + each
            inside = edge < end
            onto = _load(target, edge, inside, interpret).astype(jnp.int64)
            weight = _load(weights, edge, inside, interpret) if one is None else one
            event = (weight if strength is None else weight * strength).astype(jnp.float64)
            whole = jnp.floor(event * finer + 0.5) + jnp.zeros(AT_ONCE)
            inside &= (onto >= low) & (onto < high) & (at >= 0) & (at < n_post) & (at + onto < n_post)
            _add(out, jnp.where(inside, at + onto, 0), whole, inside, interpret)
            return nothing

        return jax.lax.fori_loop(0, (end - begin + AT_ONCE - 1) // AT_ONCE, some, nothing)

    jax.lax.fori_loop(0, (spikes - p + programs - 1) // programs, spike, None)


def note(flags: Any, amplitude: Any, step: Any, source: Any, history: Any, count: Any, *, interpret: bool = False) -> tuple[Any, Any, Any]:
    """What `note_spikes` does, with the operands of its reference and the same bits."""
    slots, n = source.shape
    if n == 0:
        return source, history, count.at[jnp.mod(step, slots)].set(0)
    lists = [source.ravel(), *([history.ravel()] if history.shape[-1] == n else []), count]
    source_, *kept, count = _list(_note, flags, [jnp.atleast_1d(step), amplitude], lists, interpret, slots=slots)
    return source_.reshape(source.shape), kept[0].reshape(history.shape) if kept else history, count


def append(flags: Any, step: Any, buffer_step: Any, buffer_neuron: Any, count: Any, *, interpret: bool = False) -> tuple[Any, Any, Any]:
    """What `compact_spikes` does, with the operands of its reference and the same bits."""
    n, capacity = flags.shape[0], buffer_neuron.shape[0]
    if 0 in (n, capacity):
        return buffer_step, buffer_neuron, count + jnp.sum(flags, dtype=jnp.int64)
    lists, new = [buffer_neuron, buffer_step], [jax.ShapeDtypeStruct((1,), count.dtype)]
    operands = [jnp.atleast_1d(step), jnp.atleast_1d(count)]
    neurons, steps, of_step = _list(_append, flags, operands, lists, interpret, new=new, capacity=capacity)
    return steps, neurons, count + of_step[0]


def _list(kernel, flags, operands, lists, interpret, new=(), **sizes):
    """A kernel with a program for every piece of flags, which writes into lists, and into new ones."""
    n = flags.shape[0]
    pieces = -(-n // FLAGS_AT_ONCE)
    before = [] if n <= COUNTED_AT_ONCE else [_before(flags, pieces)]
    kernel = functools.partial(kernel, before=bool(before), n=n, pieces=pieces, results=len(lists) + len(new), interpret=interpret, **sizes)
    warps = FLAGS_AT_ONCE // 256 if before or pieces == 1 else 8
    return _call(kernel, [*lists, *new], (pieces,), [flags.astype(jnp.int8), *before, *operands], lists, warps, interpret)


def _before(flags: jax.Array, pieces: int) -> jax.Array:
    """How many flags are set before each piece, int32 `[pieces]`."""
    padded = jnp.pad(flags, (0, pieces * FLAGS_AT_ONCE - flags.shape[0])).reshape(pieces, FLAGS_AT_ONCE)
    counts = jnp.sum(padded, axis=1, dtype=jnp.int32)
    return jnp.cumsum(counts, dtype=jnp.int32) - counts


def _of_piece(flags, before, n, pieces, interpret):
    """The neurons of a program's flags, whether each is set, how many are before it, and how many are set up to the piece's end."""
    from jax.experimental import pallas as pl

    piece = pl.program_id(0)
    neuron = piece * FLAGS_AT_ONCE + jnp.arange(FLAGS_AT_ONCE, dtype=jnp.int32)
    here = _load(flags, neuron, neuron < n, interpret).astype(jnp.int32)
    if before is not None:
        earlier = before[piece]
    elif pieces == 1:
        earlier = jnp.int32(0)
    else:
        every = jnp.arange(1 << (n - 1).bit_length(), dtype=jnp.int32)
        earlier = jnp.sum(_load(flags, every, every < piece * FLAGS_AT_ONCE, interpret).astype(jnp.int32), dtype=jnp.int32)
    up_to = earlier + jnp.cumsum(here, dtype=jnp.int32)
    return neuron, here != 0, up_to - 1, earlier + jnp.sum(here, dtype=jnp.int32), piece == pieces - 1


def _note(flags, *refs, before, n, pieces, results, interpret, slots):
    begins, (step, amplitude) = refs[0] if before else None, refs[before : before + 2]
    source, *history, count = refs[-results:]
    neuron, here, place, so_far, last = _of_piece(flags, begins, n, pieces, interpret)
    row = jnp.mod(step[0], slots)
    to = jnp.where(here, row * n + place, 0)
    _store(source, to, neuron, here, interpret)
    for kept in history:
        one = amplitude.shape[0] == 1
        each = amplitude[0] + jnp.zeros(FLAGS_AT_ONCE, amplitude.dtype) if one else _load(amplitude, neuron, neuron < n, interpret)
        _store(kept, to, each, here, interpret)
    _write(count, row, so_far, last, interpret)


def _append(flags, *refs, before, n, pieces, results, interpret, capacity):
    begins, (step, count) = refs[0] if before else None, refs[before : before + 2]
    neurons, steps, of_step = refs[-results:]
    neuron, here, place, so_far, last = _of_piece(flags, begins, n, pieces, interpret)
    to = count[0] + place
    inside = here & (to >= 0) & (to < capacity)
    to = jnp.where(inside, to, 0)
    _store(neurons, to, neuron, inside, interpret)
    _store(steps, to, step[0] + jnp.zeros(FLAGS_AT_ONCE, steps.dtype), inside, interpret)
    _write(of_step, jnp.int32(0), so_far.astype(of_step.dtype), last, interpret)


# -- what a GPU and its interpreter say differently ---------------------------------------------------


def _call(kernel, shapes, grid, operands, updated, warps, interpret):
    """The kernel, with `updated` in place, which are its last operands and its first results."""
    from jax.experimental import pallas as pl
    from jax.experimental.pallas import triton

    results = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in shapes]
    return pl.pallas_call(
        kernel,
        out_shape=results,
        grid=grid,
        input_output_aliases={len(operands) + i: i for i in range(len(updated))},
        compiler_params=triton.CompilerParams(num_warps=warps),
        interpret=interpret,
    )(*operands, *updated)


def _load(ref, index, inside, interpret):
    if interpret:
        return jnp.where(inside, ref[...][jnp.where(inside, index, 0)], 0)
    from jax.experimental.pallas import triton

    return triton.load(ref.at[index], mask=inside, other=0)


def _store(ref, index, value, inside, interpret):
    if interpret:
        whole = ref[...]
        ref[...] = whole.at[jnp.where(inside, index, len(whole))].set(value, mode="drop")
    else:
        from jax.experimental.pallas import triton

        triton.store(ref.at[index], value, mask=inside)


def _write(ref, index, value, here, interpret):
    """One number, by the program for which `here` is true."""
    first = jnp.arange(FLAGS_AT_ONCE, dtype=jnp.int32)
    _store(ref, index + first * 0, value + first.astype(value.dtype) * 0, (first == 0) & here, interpret)


def _add(ref, index, value, inside, interpret):
    if interpret:
        whole = ref[...]
        ref[...] = whole.at[jnp.where(inside, index, len(whole))].add(value, mode="drop")
    else:
        from jax.experimental.pallas import triton

        triton.atomic_add(ref, (index,), value, mask=inside)
