"""(e^z − 1) / z and x / (e^x − 1) as a step of exponential Euler and rates of channels have them: errors, derivatives, their way in."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels.fast_functions import with_fast_functions
from ranvier.kernels.relaxation import own_ratio, own_relaxation, ratio_to_expm1, relaxation

RNG = np.random.default_rng(0)
MORE = {np.float64: np.longdouble, np.float32: np.float64}


def exact(name, z, order=0):
    """φ or its inverse by digits to spare, or a derivative: by the series where differences would lose them."""
    many = MORE[z.dtype.type]
    z = z.astype(many)
    safe = np.where(z == 0, many(1), z)
    phi = np.where(z == 0, many(1), np.expm1(safe) / safe)
    if order:
        terms = [many(k + 1) / many(np.prod(np.arange(1, k + 3, dtype=object))) * z**k for k in range(20)]
        slope = np.where(np.abs(z) < 0.5, sum(terms), (np.exp(safe) - phi) / safe)
        return slope if name == "relaxation" else -slope / phi**2
    return phi if name == "relaxation" else 1 / phi


def arguments(dtype, top):
    near = np.exp(RNG.uniform(np.log(1e-30), 0, 20_000)) * RNG.choice([-1, 1], 20_000)
    return np.concatenate([[0.0, -0.0], near, RNG.uniform(-3, 3, 20_000), RNG.uniform(-top, top, 20_000)]).astype(dtype)


@pytest.mark.parametrize(("name", "ours"), [("relaxation", own_relaxation), ("ratio", own_ratio)])
@pytest.mark.parametrize(("dtype", "top"), [(np.float64, 700), (np.float32, 80)])
def test_within_three_units_in_the_last_place(name, ours, dtype, top):
    z = arguments(dtype, top)
    with jax.enable_x64(True):
        got = np.asarray(jax.jit(ours)(z))
    want = exact(name, z)
    assert got.dtype == dtype
    assert (np.abs(got - want) / np.spacing(want.astype(dtype))).max() <= 3
    assert got[:2].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(("name", "ours"), [("relaxation", own_relaxation), ("ratio", own_ratio)])
def test_derivatives(name, ours):
    with jax.enable_x64(True):
        z = arguments(np.float64, 100)
        np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(ours)))(z), exact(name, z, order=1).astype(float), rtol=2e-12)
        z = z[np.abs(z) < 3]
        step = 1e-4
        twice = (exact(name, z + step, 1) - exact(name, z - step, 1)) / (2 * step)
        np.testing.assert_allclose(jax.jit(jax.vmap(jax.grad(jax.grad(ours))))(z), twice.astype(float), atol=1e-8)


def test_what_is_not_a_number_stays_so():
    with jax.enable_x64(True):
        for ours in (own_relaxation, own_ratio):
            assert np.isnan(jax.jit(ours)(np.array([np.nan]))).all()
        assert own_relaxation(jnp.array([-np.inf])).tolist() == [0.0]
        assert float(own_relaxation(jnp.array(800.0))) > 1e304
        assert 0 <= float(own_ratio(jnp.array(800.0))) < 1e-304


def test_stands_in_where_a_rate_has_it_and_nowhere_else():
    with jax.enable_x64(True):
        x = jnp.linspace(-3.0, 3.0, 7)
        assert "own_ratio" in str(jax.make_jaxpr(with_fast_functions(ratio_to_expm1))(x))
        np.testing.assert_array_equal(with_fast_functions(ratio_to_expm1)(x), own_ratio(x))
        # What a derivative makes of it has its name, and is something else.
        slope = lambda x: jax.vmap(jax.grad(ratio_to_expm1))(x)
        np.testing.assert_allclose(with_fast_functions(slope)(x), slope(x), rtol=1e-13)
        np.testing.assert_allclose(own_relaxation(x), relaxation(x), rtol=1e-11)
