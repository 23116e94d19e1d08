"""The exponential: its error, its special values, its derivative, and its way into a function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels.exponential import exponential


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
