"""What arrives over delayed edges, as what it is: linear in the edges' weights, and linear in the spikes' amplitudes.

Three sums over the same edges, each one pass over them: what arrives at the targets, given weights and amplitudes; and its two transposes,
what a change at the targets is to the weights, and what it is to the amplitudes. The derivatives of each are the other two, of any order
and in both directions, so that a gradient never scatters over edges. Every operand may have further axes at the front, of one length or
of length 1, as `vmap` makes them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.kernels import dispatch

GIVEN = 8
"""Operands that say where edges and spikes are: source, count, step, delays, segments, target, bounds, offset."""
STEP, TARGET, SEGMENTS = 2, 5, 4
ARRIVING, TO_WEIGHTS, TO_AMPLITUDES = "deliver", "deliver_to_weights", "deliver_to_amplitudes"


def arriving(
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
    n_post: int,
) -> Any:
    """What `deliver_events` adds to an accumulator of `n_post`, of the same operands: differentiable in amplitudes and weights."""
    if 0 in (source.shape[1], target.shape[0], segments.shape[0], delays.shape[0]):
        return jnp.zeros(n_post, weights.dtype)
    given = (source, count, step, delays, segments, target, bounds, offset)
    return _primitive(ARRIVING).bind(*given, amplitude, weights, shape=(n_post,))


# -- what each computes ----------------------------------------------------------------------------------


def _native(kind: str, shape: tuple[int, ...], *operands: Any) -> Any:
    *given, x, y = operands
    source, count, step, delays, segments, target, bounds, offset = given
    result = jax.ShapeDtypeStruct((*_batch(operands), *shape), x.dtype)
    index = {4: "s32", 8: "s64"}[segments.dtype.itemsize]
    name = f"{'deliver_events' if kind == ARRIVING else kind}_{dispatch.FLOATS[x.dtype.name]}_{index}"
    if kind != ARRIVING:
        return jax.ffi.ffi_call(dispatch.PREFIX + name, result)(*given, x, y)
    nothing = jnp.zeros(result.shape, result.dtype)
    call = jax.ffi.ffi_call(dispatch.PREFIX + name, (result,), input_output_aliases={10: 0})
    return call(source, x, count, step, delays, segments, target, bounds, y, offset, nothing)[0]


def _reference(kind: str, shape: tuple[int, ...], *operands: Any) -> Any:
    sums = {ARRIVING: _arriving, TO_WEIGHTS: _to_weights, TO_AMPLITUDES: _to_amplitudes}[kind]
    return _over(functools.partial(sums, shape), operands, len(_batch(operands)))


def _over(function: Callable[..., Any], operands: tuple[Any, ...], rank: int) -> Any:
    """`function` for so many axes at the front of each operand; those of length 1 are shared."""
    if not rank:
        return function(*operands)
    size = max(x.shape[0] for x in operands)
    axes = [None if x.shape[0] == 1 else 0 for x in operands]
    inner = [x[0] if axis is None else x for x, axis in zip(operands, axes, strict=True)]
    within = lambda *operands: _over(function, operands, rank - 1)
    return within(*inner)[None] if size == 1 else jax.vmap(within, in_axes=axes)(*inner)


def _arriving(shape, source, count, step, delays, segments, target, bounds, offset, amplitude, weights):
    from ranvier.kernels.deliver_events import _has_amplitudes, _onto, _row

    (n_post,) = shape
    slots, n = source.shape
    edges, n_delays = target.shape[0], delays.shape[0]
    noted = jnp.arange(n, dtype=jnp.int32)[None] < count[:, None]
    if not _has_amplitudes(source, amplitude):
        amplitude = jnp.ones(source.shape, amplitude.dtype)
    by_source = jnp.zeros_like(amplitude).at[jnp.arange(slots)[:, None], jnp.where(noted, source, n)].add(amplitude, mode="drop")
    # Which block, source and delay an edge belongs to: how many stretches end at or before it.
    stretch = dispatch.place_among(segments[:, :, 1:].ravel(), jnp.arange(edges, dtype=segments.dtype), side="right")
    valid = stretch < segments.shape[0] * n * n_delays
    block, who, d = jnp.where(valid, stretch // (n * n_delays), 0), stretch // n_delays % n, stretch % n_delays
    valid &= (delays[d] >= 0) & (delays[d] < slots)
    weight = weights[who % weights.shape[0], jnp.arange(edges) % weights.shape[1]]
    onto = _onto(target, block, bounds, offset, valid, n_post)
    return jnp.zeros(n_post, amplitude.dtype).at[onto].add(weight * by_source[_row(step - delays, slots)[d], who], mode="drop")


def _to_weights(shape, *operands):
    *given, amplitude, change = operands
    like = jax.ShapeDtypeStruct(shape, amplitude.dtype)
    return jax.linear_transpose(lambda weights: _arriving(change.shape, *given, amplitude, weights), like)(change)[0]


def _to_amplitudes(shape, *operands):
    *given, weights, change = operands
    like = jax.ShapeDtypeStruct(shape, weights.dtype)
    return jax.linear_transpose(lambda amplitude: _arriving(change.shape, *given, amplitude, weights), like)(change)[0]


def _batch(operands: Any) -> tuple[int, ...]:
    """The axes at the front, by the step, which has no others."""
    return tuple(map(max, zip(*(x.shape[: operands[STEP].ndim] for x in operands), strict=True)))


# -- as operations of JAX --------------------------------------------------------------------------------


@functools.cache
def _primitive(kind: str) -> Any:
    from jax.extend.core import Primitive  # which loads Pallas: a seventh of what Ranvier takes to load
    from jax.interpreters import ad, batching, mlir

    sums = Primitive(kind)

    def computed(*operands: Any, shape: tuple[int, ...]) -> Any:
        reference = functools.partial(_reference, kind, shape)
        if operands[-1].dtype.name not in dispatch.FLOATS:
            return reference(*operands)
        return dispatch.choose(functools.partial(_native, kind, shape), reference, *operands)

    def shaped(*operands: Any, shape: tuple[int, ...]) -> Any:
        return jax.core.ShapedArray((*_batch(operands), *shape), operands[-1].dtype)

    def forwards(primals: Any, tangents: Any, *, shape: tuple[int, ...]) -> Any:
        given, (x, y), (x_dot, y_dot) = primals[:GIVEN], primals[GIVEN:], tangents[GIVEN:]
        out = sums.bind(*primals, shape=shape)
        parts = [sums.bind(*given, x_dot, y, shape=shape)] if type(x_dot) is not ad.Zero else []
        parts += [sums.bind(*given, x, y_dot, shape=shape)] if type(y_dot) is not ad.Zero else []
        return out, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(out)

    def backwards(change: Any, *operands: Any, shape: tuple[int, ...]) -> Any:
        *given, x, y = operands
        first = ad.is_undefined_primal(x)
        wanted, known = (x.aval, y) if first else (y.aval, x)
        rank = given[STEP].ndim
        # Of (amplitudes, weights, change): what is not known follows from the other two, as they are named below.
        to, swapped = _TRANSPOSES[kind][0 if first else 1]
        pair = (change, known) if swapped else (known, change)
        found = None
        if type(change) is not ad.Zero:
            found = _primitive(to).bind(*given, *pair, shape=wanted.shape[rank:])
            shared = tuple(i for i in range(rank) if wanted.shape[i] == 1 and found.shape[i] != 1)
            found = jnp.sum(found, axis=shared, keepdims=True) if shared else found
        return [None] * GIVEN + ([found, None] if first else [None, found])

    def batched(operands: Any, axes: Any, *, shape: tuple[int, ...]) -> Any:
        in_front = [x[None] if axis is None else jnp.moveaxis(x, axis, 0) for x, axis in zip(operands, axes, strict=True)]
        return sums.bind(*in_front, shape=shape), 0

    sums.def_impl(lambda *operands, shape: jax.jit(functools.partial(computed, shape=shape))(*operands))
    sums.def_abstract_eval(shaped)
    ad.primitive_jvps[sums] = forwards
    ad.primitive_transposes[sums] = backwards
    batching.primitive_batchers[sums] = batched
    mlir.register_lowering(sums, mlir.lower_fun(computed, multiple_results=False))
    return sums


# For the first and for the second of an operation's last two operands: by which operation it follows from a change of the result, and
# whether the change comes before the other operand there. The operands are (amplitudes, weights), (amplitudes, change), (weights, change).
_TRANSPOSES = {
    ARRIVING: ((TO_AMPLITUDES, False), (TO_WEIGHTS, False)),
    TO_WEIGHTS: ((TO_AMPLITUDES, True), (ARRIVING, False)),
    TO_AMPLITUDES: ((TO_WEIGHTS, True), (ARRIVING, True)),
}
