"""The exponential: its error, its special values, its derivative, and its way into a function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels.exponential import exponential, with_fast_exponentials


def error_in_units(x):
    with jax.enable_x64(True):
        ours = np.asarray(jax.jit(exponential)(x))
    true = np.exp(x.astype(np.longdouble))
    unit = np.spacing(np.abs(true.astype(np.float64)))
    return np.abs((ours - true) / unit).max()


def test_within_a_few_units_in_the_last_place():
    """Estrin's order rounds a little more than Horner's (one unit), and is why it is fast."""
    rng = np.random.default_rng(0)
    assert error_in_units(rng.uniform(-708, 709.7, 200_000)) <= 2.5
    assert error_in_units(rng.uniform(-1, 1, 200_000)) <= 2.5
    assert error_in_units(np.arange(-700, 700) * np.log(2)) <= 2.5


def test_special_values():
    with jax.enable_x64(True):
        values = np.asarray(exponential(np.array([0.0, -0.0, np.inf, -np.inf, 800.0, -800.0, 709.78, np.nan])))
    assert values[:2].tolist() == [1.0, 1.0]
    assert values[2:6].tolist() == [np.inf, 0.0, np.inf, 0.0]
    assert values[6] == pytest.approx(np.exp(709.78), rel=1e-15)
    assert np.isnan(values[7])


def test_single_precision_is_jax_own():
    x = np.linspace(-80, 80, 1001, dtype=np.float32)
    np.testing.assert_array_equal(np.asarray(exponential(x)), np.asarray(jnp.exp(x)))


def test_derivatives_and_vmap():
    with jax.enable_x64(True):
        x = jnp.linspace(-3.0, 3.0, 7)
        np.testing.assert_allclose(jax.vmap(jax.grad(exponential))(x), np.exp(x), rtol=1e-15)
        np.testing.assert_allclose(jax.vmap(jax.grad(jax.grad(exponential)))(x), np.exp(x), rtol=1e-15)


def primitives_of(function, *arguments):
    return [equation.primitive.name for equation in jax.make_jaxpr(function)(*arguments).eqns]


def test_it_takes_the_place_of_every_exponential_and_changes_nothing_else():
    def function(tree, t):
        gate = jax.jit(lambda v: 1 / (1 + jnp.exp(-v)))(tree["V"])
        barred = jax.lax.optimization_barrier({"V": gate * t, "n": jnp.exp(tree["n"])})
        return {**barred, "both": jnp.concatenate([tree["V"], tree["n"]]), "t": t}

    with jax.enable_x64(True):
        tree = {"V": jnp.linspace(-1.0, 1.0, 5), "n": jnp.linspace(0.0, 2.0, 5)}
        fast = jax.jit(with_fast_exponentials(function))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-15), fast(tree, 2.0), function(tree, 2.0))
        named = primitives_of(with_fast_exponentials(function), tree, 2.0)
        assert named.count("custom_jvp_call") == 2 and "exp" not in named


def test_a_function_with_a_derivative_rule_of_its_own_is_left_alone():
    with jax.enable_x64(True):
        function = lambda x: jax.nn.relu(jnp.exp(x))
        assert primitives_of(with_fast_exponentials(function), jnp.ones(3)) == primitives_of(function, jnp.ones(3))
