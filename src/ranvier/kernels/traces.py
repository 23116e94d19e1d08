"""Traces that spikes leave behind, one step on: the same bits native and reference."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch


def advance_trace(
    ring: jax.Array, spiked: jax.Array, step: jax.Array, kept: Any, jump: Any = 1.0, nearest: bool = False, before: jax.Array | None = None
) -> tuple[jax.Array, jax.Array | None]:
    """The sources' values at the end of `step`, in row `step % slots` of a ring of the last steps' values.

    Differentiable in the rings, `kept` and `jump`.

    Args:
        ring: `[slots, n]`; updated in place where XLA can.
        spiked: who spiked in this step, bool `[n]`.
        step: int64 scalar.
        kept: what is left of a value after a step.
        jump: what a spike adds.
        nearest: a spike sets the value to `jump` instead.
        before: another such ring, for the values without the spikes of their step; None where nobody needs them.

    Returns:
        The new ring, and the new `before`.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> with jax.enable_x64(True):
        ...     ring, _ = advance_trace(jnp.array([[0.0, 0.0], [1.0, 0.2]]), jnp.array([True, False]), jnp.int64(6), kept=0.5)
        >>> ring.tolist()
        [[1.5, 0.1], [1.0, 0.2]]
    """
    ring, spiked = jnp.asarray(ring), jnp.asarray(spiked)
    none = jnp.zeros((0, *ring.shape[1:]), ring.dtype)
    other = none if before is None else jnp.asarray(before)
    if ring.ndim != 2 or not ring.shape[0] or not jnp.issubdtype(ring.dtype, jnp.floating):
        raise ParameterError(f"advance_trace: the ring must be real numbers [slots, n], not {ring.dtype} {list(ring.shape)}.")
    if spiked.dtype != jnp.bool_ or spiked.shape != ring.shape[1:] or (before is not None and other.shape != ring.shape):
        raise ParameterError(
            f"advance_trace: beside a ring {list(ring.shape)} spiked must be bool [{ring.shape[1]}] and before like the ring, not "
            f"{spiked.dtype} {list(spiked.shape)} and {list(other.shape)}."
        )
    change = jnp.stack([jnp.asarray(x, ring.dtype) for x in (kept, jump, nearest)])
    ring, other = _advance(spiked, dispatch.as_step(step, "advance_trace"), change, ring, other.astype(ring.dtype))
    return ring, None if before is None else other


def fade(values: jax.Array, kept: Any) -> jax.Array:
    """`kept · values`: what a step leaves of traces, in a kernel of its own where there are some.

    Args:
        values: `[n]`; updated in place where XLA can.
        kept: what is left of a value after a step.

    Example:
        >>> with jax.enable_x64(True):
        ...     fade(jnp.array([1.0, 3.0]), 0.5).tolist()
        [0.5, 1.5]
    """
    values = jnp.asarray(values)
    change = jnp.stack([jnp.asarray(x, values.dtype) for x in (kept, 0.0, 0.0)])
    nobody, none = jnp.zeros(0, bool), jnp.zeros((0, *values.shape), values.dtype)
    return _advance(nobody, dispatch.as_step(0, "fade"), change, values[None], none)[0][0]


def mark(values: jax.Array, spiked: jax.Array, jump: Any = 1.0, nearest: bool = False) -> jax.Array:
    """Traces with the spikes of a step, in a kernel that writes only where there is one.

    Args:
        values: `[n]`; updated in place where XLA can.
        spiked: bool `[n]`.
        jump: what a spike adds.
        nearest: a spike sets the value to `jump` instead.

    Example:
        >>> with jax.enable_x64(True):
        ...     mark(jnp.array([1.5, 3.0]), jnp.array([True, False])).tolist()
        [2.5, 3.0]
    """
    return advance_trace(jnp.asarray(values)[None], spiked, dispatch.as_step(0, "mark"), 1.0, jump, nearest)[0][0]


@jax.custom_jvp
def _advance(spiked, step, change, ring, before):
    if ring.dtype.name not in dispatch.FLOATS:
        return _advance_reference(spiked, step, change, ring, before)
    return dispatch.updating(functools.partial(dispatch.choose, _advance_native, _advance_reference), 3, 4)(
        spiked, step, change, ring, before
    )


def _advance_native(spiked, step, change, ring, before):
    results = tuple(jax.ShapeDtypeStruct(x.shape, x.dtype) for x in (ring, before))
    aliases = {3: 0, 4: 1} if before.size else {3: 0}  # for nothing XLA would make a copy first
    kernel = f"advance_trace_{dispatch.FLOATS[ring.dtype.name]}"
    return dispatch.native_call(kernel, results, spiked, step, change, ring, before, aliases=aliases)


def _advance_reference(spiked, step, change, ring, before):
    slots = ring.shape[0]
    row, last = (jnp.mod(k, slots) for k in (step, step - 1))
    kept, jump, nearest = change
    # The barrier rounds the product. Where values without their spikes are kept, they are read back from where they were written: else XLA
    # reads the other ring once more, and copies it to keep it as it was.
    now = optimization_barrier(jax.lax.dynamic_index_in_dim(ring, last, keepdims=False) * kept)
    if before.shape[0]:
        before = jax.lax.dynamic_update_index_in_dim(before, now, row, 0)
        now = jax.lax.dynamic_index_in_dim(optimization_barrier(before), row, keepdims=False)
    if spiked.shape[0]:
        now = jnp.where(spiked, jnp.where(nearest != 0, jump, now + jump), now)
    return jax.lax.dynamic_update_index_in_dim(ring, now, row, 0), before


@_advance.defjvp
def _advance_derivative(primals, tangents):
    spiked, step, *moving = primals
    _, dots = jax.jvp(functools.partial(_advance_reference, spiked, step), tuple(moving), tuple(tangents[2:]))
    return _advance(*primals), dots
