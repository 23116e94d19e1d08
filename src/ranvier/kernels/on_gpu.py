"""Delivery and lists of spikes on a GPU, as Pallas kernels that XLA compiles with Triton: no other package, no compiler of the user's.

Many threads add to one neuron in an order that nobody knows. So they add whole numbers, of 64 bits, whose sum is the same in any
order; `quantum_of` says how fine they are. Each spike has a program of its own, which asks for its edges and adds them in turn: no
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


def quantum_of(most: Any) -> jax.Array:
    """The power of two in whose multiples events are added, float64 scalar.

    So small as can be without overflow: sums up to `most` stay below 2⁶². Every event is rounded to a multiple, by half of it at
    most; single-precision weights no smaller than 2²⁴ quanta are exact.

    Example:
        >>> with jax.enable_x64(True):
        ...     float(quantum_of(1000.0)) == 2.0**-52
        True
    """
    most = jnp.maximum(most, np.finfo(np.float64).tiny)
    exponent = (jax.lax.bitcast_convert_type(most, jnp.int64) >> 52) - 1023  # most < 2^(exponent + 1)
    return _power_of_two(jnp.clip(exponent + 1 - 62, -1022, 1023))


def _power_of_two(exponent: jax.Array) -> jax.Array:
    return jax.lax.bitcast_convert_type((exponent + 1023) << 52, jnp.float64)


def most_arriving(target: Any, weights: Any, n_post: int) -> jax.Array:
    """The largest weight times the largest number of edges that lead to one target, float64 scalar: what events cannot exceed.

    Args:
        target: int32 `[edges]`.
        weights: those of the edges, or one for all.
        n_post: how many targets there are.
    """
    onto = jnp.zeros(n_post + 1, jnp.int32).at[jnp.clip(target, 0, n_post)].add(1)
    return jnp.max(jnp.abs(weights), initial=0.0).astype(jnp.float64) * jnp.max(onto)


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
    row = jnp.mod(step - delays, slots).astype(jnp.int32)
    spikes = jnp.where((delays >= 0) & (delays < slots), jnp.clip(count[row], 0, n), 0)
    with_amplitudes = amplitude.shape[-1] == n
    if with_amplitudes:
        most = most * jnp.max(jnp.abs(amplitude)).astype(jnp.float64)
    quantum = quantum_of(most)
    numbers = jnp.stack([quantum, 1 / quantum])
    programs = max(1, min(n, PROGRAMS // (blocks * n_delays)))
    kernel = functools.partial(
        _deliver, n=n, delays=n_delays, edges=edges, n_post=n_post, programs=programs, of_weights=weights.shape, interpret=interpret
    )
    operands = [source.ravel(), row, spikes, segments.ravel(), target, bounds, weights.ravel(), jnp.atleast_1d(offset), numbers]
    operands += [amplitude.ravel()] if with_amplitudes else []
    shape = jax.ShapeDtypeStruct((n_post,), jnp.int64)
    (arrived,) = _call(kernel, [shape], (blocks, n_delays, programs), [*operands], [jnp.zeros(n_post, jnp.int64)], 1, interpret)
    arriving = jnp.where(jnp.isfinite(most), arrived.astype(jnp.float64) * quantum, jnp.nan)
    return (accumulator + arriving.astype(accumulator.dtype),)


def _deliver(
    source,
    row,
    spikes,
    segments,
    target,
    bounds,
    weights,
    offset,
    numbers,
    *rest,
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
    first, low, high, at = row[d].astype(jnp.int64) * n, jnp.maximum(bounds[b], 0), bounds[b + 1], offset[0]
    each, finer = jnp.arange(AT_ONCE), numbers[1]
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
            whole = jnp.floor(event * finer + 0.5).astype(jnp.int64) + jnp.zeros_like(onto)
            inside &= (onto >= low) & (onto < high) & (at >= 0) & (at < n_post) & (at + onto < n_post)
            _add(out, jnp.where(inside, at + onto, 0), whole, inside, interpret)
            return nothing

        return jax.lax.fori_loop(0, (end - begin + AT_ONCE - 1) // AT_ONCE, some, nothing)

    jax.lax.fori_loop(0, (spikes[d] - p + programs - 1) // programs, spike, None)


def note(flags: Any, amplitude: Any, step: Any, source: Any, history: Any, count: Any, *, interpret: bool = False) -> tuple[Any, Any, Any]:
    """What `note_spikes` does, with the operands of its reference and the same bits."""
    slots, n = source.shape
    if n == 0:
        return source, history, count.at[jnp.mod(step, slots)].set(0)
    at = jnp.mod(step, slots)
    begins, total = _begins(flags, interpret)
    lists = [source.ravel(), history.ravel()] if history.shape[-1] == n else [source.ravel()]
    kernel = functools.partial(_listed, n=n, end=slots * n, amplitudes=len(lists) == 2, one=amplitude.shape[0] == 1, interpret=interpret)
    written = _call(
        kernel,
        lists,
        (_pieces(n),),
        [flags.astype(jnp.int8), begins, jnp.atleast_1d(at * n), amplitude],
        lists,
        FLAGS_AT_ONCE // 256,
        interpret,
    )
    kept = written[1].reshape(history.shape) if len(lists) == 2 else history
    return written[0].reshape(source.shape), kept, count.at[at].set(total)


def append(flags: Any, step: Any, buffer_step: Any, buffer_neuron: Any, count: Any, *, interpret: bool = False) -> tuple[Any, Any, Any]:
    """What `compact_spikes` does, with the operands of its reference and the same bits."""
    n, capacity = flags.shape[0], buffer_neuron.shape[0]
    if 0 in (n, capacity):
        return buffer_step, buffer_neuron, count + jnp.sum(flags, dtype=jnp.int64)
    begins, total = _begins(flags, interpret)
    lists = [buffer_neuron, buffer_step]
    kernel = functools.partial(_listed, n=n, end=capacity, amplitudes=True, one=True, interpret=interpret)
    operands = [flags.astype(jnp.int8), begins, jnp.atleast_1d(count), jnp.atleast_1d(step)]
    neurons, steps = _call(kernel, lists, (_pieces(n),), operands, lists, FLAGS_AT_ONCE // 256, interpret)
    return steps, neurons, count + total


def _pieces(n: int) -> int:
    return -(-n // FLAGS_AT_ONCE)


def _begins(flags: jax.Array, interpret: bool) -> tuple[jax.Array, jax.Array]:
    """How many flags are set before each piece, int32 `[pieces]`, and in all."""
    n = flags.shape[0]
    pieces = _pieces(n)
    counts = jnp.sum(jnp.pad(flags, (0, pieces * FLAGS_AT_ONCE - n)).reshape(pieces, FLAGS_AT_ONCE), axis=1, dtype=jnp.int32)
    ends = jnp.cumsum(counts, dtype=jnp.int32)
    return ends - counts, ends[-1]


def _listed(flags, begins, place, value, *lists, n, end, amplitudes, one, interpret):
    """Writes the numbers of the flags that are set, and a value for each, one after the other, from a place on, before the end."""
    from jax.experimental import pallas as pl

    numbers, values = lists[-2:] if amplitudes else (lists[-1], None)
    piece = pl.program_id(0)
    neuron = piece * FLAGS_AT_ONCE + jnp.arange(FLAGS_AT_ONCE, dtype=jnp.int32)
    here = _load(flags, neuron, neuron < n, interpret).astype(jnp.int32)
    to = place[0] + begins[piece] + jnp.cumsum(here, dtype=jnp.int32) - 1
    inside = (here != 0) & (neuron < n) & (to >= 0) & (to < end)
    to = jnp.where(inside, to, 0)
    _store(numbers, to, neuron, inside, interpret)
    if values is not None:
        each = value[0] + jnp.zeros(FLAGS_AT_ONCE, value.dtype) if one else _load(value, neuron, neuron < n, interpret)
        _store(values, to, each, inside, interpret)


# -- what a GPU and its interpreter say differently ---------------------------------------------------


def _call(kernel, shapes, grid, operands, updated, warps, interpret):
    """The kernel, with `updated` in place, which are its last operands and its results."""
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


def _add(ref, index, value, inside, interpret):
    if interpret:
        whole = ref[...]
        ref[...] = whole.at[jnp.where(inside, index, len(whole))].add(value, mode="drop")
    else:
        from jax.experimental.pallas import triton

        triton.atomic_add(ref, (index,), value, mask=inside)
