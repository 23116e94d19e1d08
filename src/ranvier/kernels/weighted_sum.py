"""Graded coupling: for every postsynaptic neuron, the weighted sum over its presynaptic ones."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.custom_derivatives import SymbolicZero

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch


def weighted_sum(indptr: jax.Array, pre: jax.Array, weights: jax.Array, values: jax.Array) -> jax.Array:
    """`out[i] = Σₖ weights[k] · values[pre[k]]` over the edges `k` of row `i`, added in their order.

    Native and reference give the same bits: the sum starts at zero, each
    product is rounded, then added.

    Args:
        indptr: where each postsynaptic neuron's row begins and ends, int32 `[n_post + 1]`, ascending.
        pre: each edge's presynaptic neuron, int32 `[edges]`. An index outside `values` is skipped.
        weights: `[edges]`, or one number for all.
        values: `[..., n_pre]`.

    Returns:
        `[..., n_post]`, of the type that weights and values promote to. The
        unit is that of weights times values.

    Raises:
        ParameterError: a wrong shape or type.

    Example:
        >>> indptr, pre = jnp.array([0, 2, 3], jnp.int32), jnp.array([0, 1, 1], jnp.int32)
        >>> weighted_sum(indptr, pre, jnp.array([1.0, 2.0, 4.0]), jnp.array([10.0, 1.0])).tolist()
        [12.0, 4.0]
    """
    indptr, pre, weights, values = (jnp.asarray(x) for x in (indptr, pre, weights, values))
    if indptr.dtype != jnp.int32 or pre.dtype != jnp.int32 or indptr.ndim != 1 or pre.ndim != 1 or indptr.shape[0] == 0:
        raise ParameterError(
            f"weighted_sum: indptr and pre must be int32 [n_post + 1] and int32 [edges], not {indptr.dtype} {list(indptr.shape)} "
            f"and {pre.dtype} {list(pre.shape)}."
        )
    if weights.shape not in ((), pre.shape):
        raise ParameterError(f"weighted_sum: weights must be one number or [{pre.shape[0]}], one an edge, not {list(weights.shape)}.")
    if values.ndim == 0:
        raise ParameterError("weighted_sum: values must be [..., n_pre], not one number.")
    dtype = jnp.result_type(weights, values)
    flat = values.reshape(math.prod(values.shape[:-1]), values.shape[-1]).astype(dtype)
    out = _weighted_sum(indptr, pre, jnp.atleast_1d(weights.astype(dtype)), flat)
    return out.reshape(*values.shape[:-1], indptr.shape[0] - 1)


def weighted_sum_dense(weights: jax.Array, values: jax.Array) -> jax.Array:
    """`out[i] = Σⱼ weights[j, i] · values[j]`: all presynaptic neurons `j` onto all postsynaptic ones `i`.

    The native version adds in ascending `j`, each product rounded first, so its
    bits depend neither on the processor nor on the batch. The reference is a
    matrix product in XLA's order; the two differ by at most
    `2 · n_pre · eps · Σⱼ |weights[j, i] · values[j]|`.

    Args:
        weights: `[n_pre, n_post]`: a row is one presynaptic neuron.
        values: `[..., n_pre]`.

    Returns:
        `[..., n_post]`, of the type that weights and values promote to. The
        unit is that of weights times values.

    Raises:
        ParameterError: a wrong shape.

    Example:
        >>> weighted_sum_dense(jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]), jnp.array([10.0, 1.0])).tolist()
        [10.0, 1.0, 21.0]
    """
    weights, values = jnp.asarray(weights), jnp.asarray(values)
    if weights.ndim != 2 or values.ndim == 0 or values.shape[-1] != weights.shape[0]:
        raise ParameterError(
            f"weighted_sum_dense: weights [n_pre, n_post] and values [..., n_pre] do not fit together: {list(weights.shape)} "
            f"and {list(values.shape)}."
        )
    dtype = jnp.result_type(weights, values)
    out = _weighted_sum_dense(weights.astype(dtype), values.reshape(math.prod(values.shape[:-1]), values.shape[-1]).astype(dtype))
    return out.reshape(*values.shape[:-1], weights.shape[1])


@jax.custom_jvp
def _weighted_sum(indptr, pre, weights, values):
    if values.dtype.name not in dispatch.FLOATS:
        return _reference(indptr, pre, weights, values)
    return dispatch.choose(_native, _reference, indptr, pre, weights, values)


def _native(indptr, pre, weights, values):
    result = jax.ShapeDtypeStruct((values.shape[0], indptr.shape[0] - 1), values.dtype)
    return dispatch.native_call("weighted_sum_" + dispatch.FLOATS[values.dtype.name], result, indptr, pre, weights, values)


def _reference(indptr, pre, weights, values):
    # The barrier keeps XLA from contracting product and sum to one rounding.
    return _add_up(indptr, pre, jax.lax.optimization_barrier(_products(pre, weights, values)), values.shape[1])


def _products(pre, weights, values):
    if values.shape[1] == 0:  # nothing can be taken from it, and nothing will be added
        return jnp.zeros((values.shape[0], pre.shape[0]), values.dtype)
    return weights[None, :] * jnp.take(values, pre, axis=1, mode="clip")


def _add_up(indptr, pre, products, n_pre):
    n_post = indptr.shape[0] - 1
    post = dispatch.place_among(indptr, jnp.arange(pre.shape[0], dtype=jnp.int32), side="right") - 1
    inside = (post >= 0) & (pre >= 0) & (pre < n_pre)
    out = jnp.zeros((products.shape[0], n_post), products.dtype)
    return out.at[:, jnp.where(inside, post, n_post)].add(products, mode="drop")


def _weighted_sum_jvp(primals, tangents):
    indptr, pre, weights, values = primals
    *_, weights_dot, values_dot = tangents
    # Plain JAX, which can be transposed.
    parts = [
        _add_up(indptr, pre, _products(pre, w, v), values.shape[1])
        for w, v in ((weights_dot, values), (weights, values_dot))
        if not isinstance(w, SymbolicZero) and not isinstance(v, SymbolicZero)
    ]
    out = _weighted_sum(*primals)
    return out, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(out)


_weighted_sum.defjvp(_weighted_sum_jvp, symbolic_zeros=True)


@jax.custom_jvp
def _weighted_sum_dense(weights, values):
    if values.dtype.name not in dispatch.FLOATS:
        return _dense_reference(weights, values)
    return dispatch.choose(_dense_native, _dense_reference, weights, values)


def _dense_native(weights, values):
    result = jax.ShapeDtypeStruct((values.shape[0], weights.shape[1]), values.dtype)
    return dispatch.native_call("weighted_sum_dense_" + dispatch.FLOATS[values.dtype.name], result, weights, values)


def _dense_reference(weights, values):
    return jnp.matmul(values, weights, precision=jax.lax.Precision.HIGHEST)


def _dense_jvp(primals, tangents):
    (weights, values), (weights_dot, values_dot) = primals, tangents
    parts = [
        _dense_reference(w, v)
        for w, v in ((weights_dot, values), (weights, values_dot))
        if not isinstance(w, SymbolicZero) and not isinstance(v, SymbolicZero)
    ]
    out = _weighted_sum_dense(*primals)
    return out, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(out)


_weighted_sum_dense.defjvp(_dense_jvp, symbolic_zeros=True)
