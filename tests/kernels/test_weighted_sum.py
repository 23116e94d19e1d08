import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from ranvier.errors import ParameterError
from ranvier.kernels import native_available, weighted_sum, weighted_sum_dense

module = importlib.import_module("ranvier.kernels.weighted_sum")
SIZES = [0, 1, 7, 8, 9, 300]
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def same(got, wanted):
    """Bit for bit on the native path; XLA's matrix product adds in another order for a batch."""
    if native_available():
        np.testing.assert_array_equal(got, wanted)
    else:
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)


def edges(rng, n_pre, n_post, n_edges, beyond=0):
    indptr = np.sort(rng.integers(0, n_edges + 1, n_post + 1)).astype(np.int32)
    pre = rng.integers(-beyond, n_pre + beyond, n_edges) if n_pre + beyond else np.zeros(n_edges)
    return jnp.asarray(indptr), jnp.asarray(pre, jnp.int32)


def in_order(indptr, pre, weights, values):
    out = np.zeros((values.shape[0], len(indptr) - 1), values.dtype)
    for b, i in np.ndindex(out.shape):
        for k in range(indptr[i], indptr[i + 1]):
            if 0 <= pre[k] < values.shape[1]:
                out[b, i] += weights[k % len(weights)] * values[b, pre[k]]
    return out


@modestly
@given(
    n_pre=st.sampled_from(SIZES),
    n_post=st.sampled_from(SIZES),
    n_edges=st.sampled_from([0, 1, 9, 500]),
    one_weight=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_native_and_reference_have_the_bits_of_a_loop(native, n_pre, n_post, n_edges, one_weight, dtype, seed):
    rng = np.random.default_rng(seed)
    indptr, pre = edges(rng, n_pre, n_post, n_edges, beyond=1)
    weights = jnp.asarray(rng.normal(size=1 if one_weight else n_edges), dtype)
    values = jnp.asarray(rng.normal(size=(2, n_pre)), dtype)
    wanted = in_order(*(np.asarray(x) for x in (indptr, pre, weights, values)))
    np.testing.assert_array_equal(jax.jit(module._native)(indptr, pre, weights, values), wanted)
    np.testing.assert_array_equal(jax.jit(module._reference)(indptr, pre, weights, values), wanted)
    public = weighted_sum(indptr, pre, weights[0] if one_weight else weights, values)
    np.testing.assert_array_equal(public, wanted)
    assert public.dtype == dtype


@modestly
@given(
    n_pre=st.sampled_from([*SIZES, 13]),
    n_post=st.sampled_from(SIZES),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_dense_has_the_bits_of_a_loop_and_the_reference_its_bound(native, n_pre, n_post, dtype, seed):
    rng = np.random.default_rng(seed)
    weights, values = rng.normal(size=(n_pre, n_post)).astype(dtype), rng.normal(size=(2, n_pre)).astype(dtype)
    wanted = np.zeros((2, n_post), dtype)
    for j in range(n_pre):
        wanted += weights[j] * values[:, j, None]
    native = weighted_sum_dense(weights, values)
    np.testing.assert_array_equal(native, wanted)
    assert native.dtype == dtype
    bound = 2 * n_pre * np.finfo(dtype).eps * (np.abs(values) @ np.abs(weights))
    assert np.all(np.abs(module._dense_reference(jnp.asarray(weights), jnp.asarray(values)) - wanted) <= bound)


def test_rows_do_not_depend_on_how_they_are_divided(native):
    rng = np.random.default_rng(3)
    weights, values = rng.normal(size=(120, 30)), rng.normal(size=120)
    whole = weighted_sum_dense(weights, values)
    for cut in (8, 13, 29):
        parts = [weighted_sum_dense(weights[:, :cut], values), weighted_sum_dense(weights[:, cut:], values)]
        np.testing.assert_array_equal(jnp.concatenate(parts), whole)


def test_an_infinite_weight_that_is_skipped_stays_out(native):
    indptr, pre = jnp.array([0, 2], jnp.int32), jnp.array([0, 5], jnp.int32)
    for function in (module._native, module._reference):
        assert function(indptr, pre, jnp.array([2.0, jnp.inf]), jnp.ones((1, 3))).tolist() == [[2.0]]


def test_rows_that_point_outside_the_edges_read_nothing_there(native):
    indptr, pre = jnp.array([-5, 2, 100], jnp.int32), jnp.array([0, 1, 2], jnp.int32)
    assert module._native(indptr, pre, jnp.ones(3), jnp.ones((1, 3))).tolist() == [[2.0, 1.0]]


@pytest.mark.parametrize("leading", [(), (0,), (4,), (2, 3)])
def test_leading_dimensions(x64, leading):
    rng = np.random.default_rng(4)
    indptr, pre = edges(rng, 6, 5, 20)
    weights, dense, values = rng.normal(size=20), rng.normal(size=(6, 5)), rng.normal(size=(*leading, 6))
    sparse_sum, dense_sum = weighted_sum(indptr, pre, weights, values), weighted_sum_dense(dense, values)
    assert sparse_sum.shape == dense_sum.shape == (*leading, 5)
    for index in np.ndindex(*leading):
        np.testing.assert_array_equal(sparse_sum[index], weighted_sum(indptr, pre, weights, values[index]))
        same(dense_sum[index], weighted_sum_dense(dense, values[index]))


@pytest.mark.parametrize("axes", [(None, 0), (0, None), (0, 0), (1, -1)])
def test_vmap_is_a_loop(x64, axes):
    rng = np.random.default_rng(5)
    indptr, pre = edges(rng, 6, 5, 20)
    sparse = lambda w, v: weighted_sum(indptr, pre, w, v)
    for function, w_shape in ((sparse, (20,)), (weighted_sum_dense, (6, 5))):
        arguments = [rng.normal(size=shape) for shape in (w_shape, (6,))]
        stacked = [
            x if axis is None else np.stack([x, 2 * x, x + 1], axis=axis % 2 if axis >= 0 else axis)
            for x, axis in zip(arguments, axes, strict=True)
        ]
        got = jax.jit(jax.vmap(function, in_axes=axes))(*stacked)
        for b in range(3):
            one = [x if axis is None else np.take(x, b, axis=axis) for x, axis in zip(stacked, axes, strict=True)]
            same(got[b], function(*one))


def test_nested_vmap_over_weights_and_values(x64):
    rng = np.random.default_rng(6)
    weights, values = rng.normal(size=(3, 6, 5)), rng.normal(size=(4, 6))
    got = jax.vmap(jax.vmap(weighted_sum_dense, in_axes=(None, 0)), in_axes=(0, None))(weights, values)
    turned = jax.vmap(jax.vmap(weighted_sum_dense, in_axes=(0, None)), in_axes=(None, 0))(weights, values)
    for i, j in np.ndindex(3, 4):
        same(got[i, j], weighted_sum_dense(weights[i], values[j]))
        same(turned[j, i], got[i, j])


@pytest.mark.parametrize("kind", ["edges", "one weight", "dense"])
def test_gradient_is_the_finite_difference(x64, kind):
    rng = np.random.default_rng(7)
    indptr, pre = edges(rng, 6, 5, 20, beyond=1)
    function = weighted_sum_dense if kind == "dense" else lambda w, v: weighted_sum(indptr, pre, w, v)
    weights = rng.normal(size={"edges": (20,), "one weight": (), "dense": (6, 5)}[kind])
    values = rng.normal(size=(2, 6))
    check_grads(lambda w, v: jnp.sin(function(w, v)), (weights, values), order=2, modes=["fwd", "rev"], rtol=1e-5)
    per_example = jax.vmap(jax.grad(lambda w, v: jnp.sum(function(w, v) ** 2)), in_axes=(None, 0))(weights, values)
    for b in range(2):
        alone = jax.grad(lambda w, v: jnp.sum(function(w, v) ** 2))(weights, values[b])
        np.testing.assert_allclose(per_example[b], alone, rtol=1e-12)


def test_inside_a_loop_that_is_differentiated(x64):
    weights = np.random.default_rng(8).normal(size=(6, 6)) / 3

    def total(weights):
        return jnp.sum(jax.lax.scan(lambda v, _: (jnp.tanh(weighted_sum_dense(weights, v)), None), jnp.ones(6), None, length=5)[0])

    check_grads(total, (weights,), order=1, modes=["rev"], rtol=1e-6)


def test_types_promote_and_others_than_floats_of_32_and_64_bits_work(x64):
    indptr, pre = jnp.array([0, 2], jnp.int32), jnp.array([0, 1], jnp.int32)
    assert weighted_sum(indptr, pre, jnp.ones(2, jnp.float32), jnp.ones(2, jnp.float64)).dtype == jnp.float64
    assert weighted_sum(indptr, pre, 2.0, jnp.ones(2, jnp.float32)).dtype == jnp.float32
    assert weighted_sum(indptr, pre, jnp.ones(2, jnp.float16), jnp.ones(2, jnp.float16)).tolist() == [2.0]
    assert weighted_sum_dense(jnp.ones((2, 1), int), jnp.ones(2, int)).tolist() == [2]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda i, j: weighted_sum(jnp.zeros(3), j, 1.0, jnp.ones(2)), "int32"),
        (lambda i, j: weighted_sum(i[:0], j, 1.0, jnp.ones(2)), "n_post"),
        (lambda i, j: weighted_sum(i, j, jnp.ones(3), jnp.ones(2)), "one an edge"),
        (lambda i, j: weighted_sum(i, j, 1.0, 1.0), "n_pre"),
        (lambda i, j: weighted_sum_dense(jnp.ones((3, 4)), jnp.ones(4)), "fit together"),
        (lambda i, j: weighted_sum_dense(jnp.ones(3), jnp.ones(3)), "fit together"),
    ],
)
def test_bad_arguments_are_refused(x64, call, message):
    with pytest.raises(ParameterError, match=message):
        call(jnp.array([0, 2], jnp.int32), jnp.array([0, 1], jnp.int32))
