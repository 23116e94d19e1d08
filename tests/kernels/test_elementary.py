"""Sine, cosine, logarithm, power, e^x − 1: errors in units in the last place, special values, derivatives, their way into functions."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels.dispatch import native_available
from ranvier.kernels.exponential import exponential_minus_one
from ranvier.kernels.fast_functions import with_fast_functions
from ranvier.kernels.logarithm import logarithm, power
from ranvier.kernels.sine import LARGEST, cosine, sine
from ranvier.network.pointwise import computed

MORE = {np.float64: np.longdouble, np.float32: np.float64}
RNG = np.random.default_rng(0)


def by_the_kernel(function):
    """The function, as the native kernel of neurons' own numbers computes it."""
    return lambda x: computed(function, x)


@pytest.mark.skipif(not native_available(), reason="without the native module there is nothing to test")
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_those_of_the_native_kernel(dtype):
    far = 1e8 if dtype == np.float64 else 6e4
    turns = np.concatenate([spread(-4, 4), spread(-far, far), of_all_sizes(1e-30, far), np.arange(-9999, 9999) * np.pi / 2])
    small = np.concatenate([spread(-2, 2), spread(-80, 80), of_all_sizes(1e-30, 1)])
    for ours, true, x, most in [
        (jnp.sin, np.sin, turns, 2),
        (jnp.cos, np.cos, turns, 2),
        (jnp.sin, np.sin, spread(-1e15, 1e15), 2),
        (jnp.log, np.log, np.abs(np.concatenate([of_all_sizes(1e-35, 1e35), spread(0.5, 2)])), 1),
        (jnp.expm1, np.expm1, small, 2),
        (jnp.tanh, np.tanh, small, 3),
    ]:
        assert error_in_units(by_the_kernel(ours), true, dtype, x) <= most
    special = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 1e30, -1e30, 720, -720], dtype)
    for ours, true in [(jnp.sin, np.sin), (jnp.cos, np.cos), (jnp.log, np.log), (jnp.expm1, np.expm1), (jnp.tanh, np.tanh)]:
        with jax.enable_x64(True), np.errstate(all="ignore"):
            got, want = np.asarray(jax.jit(by_the_kernel(ours))(special)), true(special)
        np.testing.assert_allclose(got, want, rtol=1e-6)
        assert np.array_equal(np.signbit(got[want == 0]), np.signbit(want[want == 0]))


@functools.cache
def compiled(function):
    return jax.jit(function)


def error_in_units(ours, true, dtype, *arguments):
    """The largest error in units in the last place of the true value, where that is a normal number."""
    arguments = [np.asarray(x, dtype) for x in arguments]
    with jax.enable_x64(True):
        got = np.asarray(compiled(ours)(*arguments))
    want = true(*(x.astype(MORE[dtype]) for x in arguments))
    fits = (np.abs(want) > np.finfo(dtype).tiny) & (np.abs(want) < np.finfo(dtype).max)
    assert got.dtype == dtype and fits.mean() > 0.5
    return float((np.abs(got - want) / np.spacing(np.abs(want.astype(dtype))))[fits].max())


def spread(low, high, n=50_000):
    return RNG.uniform(low, high, n)


def of_all_sizes(low, high, n=50_000):
    return np.exp(spread(np.log(low), np.log(high), n)) * RNG.choice([-1, 1], n)


@pytest.mark.parametrize(("ours", "true"), [(sine, np.sin), (cosine, np.cos)])
@pytest.mark.parametrize(("dtype", "far"), [(np.float64, 1e8), (np.float32, 2e3)])
def test_sine_and_cosine(ours, true, dtype, far):
    near = [spread(-4, 4), spread(-far, far), of_all_sizes(1e-30, far), np.arange(-9999, 9999) * np.pi / 2]
    assert error_in_units(ours, true, dtype, np.concatenate(near[:3])) <= 2.5
    largest = float(LARGEST[np.dtype(dtype)])
    assert error_in_units(ours, true, dtype, np.concatenate([near[3], of_all_sizes(1, largest), [largest]])) <= 4


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_others(dtype):
    top = 700 if dtype == np.float64 else 85
    sizes = np.abs(np.concatenate([of_all_sizes(1e-35, 1e35), spread(0.5, 2)]))
    assert error_in_units(logarithm, np.log, dtype, sizes) <= (1 if dtype == np.float64 else 1.5)  # the latter is XLA's
    assert (
        error_in_units(exponential_minus_one, np.expm1, dtype, np.concatenate([spread(-2, 2), spread(-top, top), of_all_sizes(1e-30, 1)]))
        <= 2
    )
    everywhere = np.concatenate([spread(-25, 25), of_all_sizes(1e-12, 25)])
    assert error_in_units(jnp.tanh, np.tanh, dtype, everywhere) <= (8 if dtype == np.float64 else 5)  # XLA's
    x = np.concatenate([spread(0.01, 5), np.exp(spread(-8, 8)), 1 + spread(-0.3, 0.4)])
    y = np.concatenate([spread(-9, 9), spread(-9, 9), spread(-150, 150)])
    assert error_in_units(power, np.power, dtype, x, y) <= 2


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_values(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-37, -1e-37, 1.0, -1.0, 1e18, -3.0], dtype)
    for ours, theirs in ((sine, np.sin), (cosine, np.cos), (logarithm, np.log), (exponential_minus_one, np.expm1)):
        with jax.enable_x64(True), np.errstate(all="ignore"):
            got, want = np.array(compiled(ours)(x)), theirs(x)
        if ours in (sine, cosine):
            assert np.isnan(got[9])  # beyond what it knows
            got[9] = want[9]
        np.testing.assert_allclose(got, want, rtol=4 * np.finfo(dtype).eps)
        assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_special_values_of_powers(dtype):
    ends = np.array([0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5, 3.0, -3.0, np.inf, -np.inf, np.nan, 1e18, 1e-37, 2.5], dtype)
    x, y = (m.ravel() for m in np.meshgrid(ends, ends))
    with jax.enable_x64(True), np.errstate(all="ignore"):
        got, want = np.asarray(compiled(power)(x, y)), np.power(x, y)
    tiny = np.abs(want) < np.finfo(dtype).tiny
    np.testing.assert_allclose(np.where(tiny, 0, got), np.where(tiny, 0, want), rtol=4 * np.finfo(dtype).eps)
    assert (np.signbit(got) == np.signbit(want))[~np.isnan(want)].all()


def test_derivatives():
    pairs = (
        (sine, jnp.sin),
        (cosine, jnp.cos),
        (logarithm, jnp.log),
        (exponential_minus_one, jnp.expm1),
        (lambda x: power(x, 2.5 + 0 * x), lambda x: x**2.5),
        (lambda x: power(1.5 + 0 * x, x), lambda x: 1.5**x),
    )

    @jax.jit
    def slopes(x):
        return [[jax.jvp(f, (x,), (jnp.ones_like(x),))[1] for f in both] for both in pairs], jax.grad(power, (0, 1))(0 * x[0], 2 + 0 * x[0])

    with jax.enable_x64(True):
        found, at_zero = slopes(jnp.array([0.3, 1.7, 5.0]))
    for ours, theirs in found:
        np.testing.assert_allclose(ours, theirs, rtol=1e-14)
    assert [np.asarray(slope).tolist() for slope in at_zero] == [0, 0]


def primitives_of(function, *arguments):
    return [equation.primitive.name for equation in jax.make_jaxpr(function)(*arguments).eqns]


def test_they_take_the_place_of_every_function_and_change_nothing_else():
    def function(tree, t):
        gate = jax.jit(lambda v: 1 / (1 + jnp.exp(-v)))(tree["V"])
        t = t + jnp.sin(t) * jnp.cos(t) + jnp.log(t) + t**1.5 + jnp.expm1(t) + jax.nn.sigmoid(t)
        barred = jax.lax.optimization_barrier({"V": gate * t, "n": jnp.exp(tree["n"])})
        return {**barred, "both": jnp.concatenate([tree["V"], tree["n"]]), "t": t}

    with jax.enable_x64(True):
        tree = {"V": jnp.linspace(-1.0, 1.0, 5), "n": jnp.linspace(0.0, 2.0, 5)}
        fast = jax.jit(with_fast_functions(function))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-15), fast(tree, 2.0), function(tree, 2.0))
        named = primitives_of(with_fast_functions(function), tree, 2.0)
        # Two exponentials, and the six of t; the sigmoid has its exponential.
        assert named.count("custom_jvp_call") == 8 and not {*named} & {"exp", "sin", "cos", "log", "pow", "expm1", "logistic"}


def test_a_function_with_a_derivative_rule_of_its_own_is_left_alone():
    with jax.enable_x64(True):
        function = lambda x: jax.nn.relu(jnp.exp(x))
        assert primitives_of(with_fast_functions(function), jnp.ones(3)) == primitives_of(function, jnp.ones(3))
