"""The exponential: its error, its special values, its derivative, and its way into a function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels.exponential import exponential

RNG = np.random.default_rng(0)


def error_in_units(x, dtype):
    x = np.asarray(x, dtype)
    with jax.enable_x64(True):
        ours = np.asarray(jax.jit(exponential)(x))
    true = np.exp(x.astype(np.longdouble))
    assert ours.dtype == dtype
    return np.abs((ours - true) / np.spacing(np.abs(true.astype(dtype)))).max()


@pytest.mark.parametrize(("dtype", "low", "high"), [(np.float64, -708, 709.7), (np.float32, -86.9, 88.7)])
def test_within_a_few_units_in_the_last_place(dtype, low, high):
    """Pairs of terms round a little more than Horner's order (one unit), and are why it is fast."""
    assert error_in_units(RNG.uniform(low, high, 200_000), dtype) <= 2.5
    assert error_in_units(RNG.uniform(-1, 1, 200_000), dtype) <= 2.5
    assert error_in_units(np.arange(int(low / np.log(2)), int(high / np.log(2))) * np.log(2), dtype) <= 2.5


@pytest.mark.parametrize(("dtype", "beyond", "within"), [(np.float64, 800.0, 709.78), (np.float32, 90.0, 88.72)])
def test_special_values(dtype, beyond, within):
    with jax.enable_x64(True):
        values = np.asarray(exponential(np.array([0.0, -0.0, np.inf, -np.inf, beyond, -beyond, within, np.nan], dtype)))
    assert values[:2].tolist() == [1.0, 1.0]
    assert values[2:6].tolist() == [np.inf, 0.0, np.inf, 0.0]
    assert values[6] == pytest.approx(np.exp(dtype(within).astype(np.float64)), rel=float(4 * np.finfo(dtype).eps))
    assert np.isnan(values[7])


def test_derivatives_and_vmap():
    with jax.enable_x64(True):
        x = jnp.linspace(-3.0, 3.0, 7)
        np.testing.assert_allclose(jax.vmap(jax.grad(exponential))(x), np.exp(x), rtol=1e-15)
        np.testing.assert_allclose(jax.vmap(jax.grad(jax.grad(exponential)))(x), np.exp(x), rtol=1e-15)
