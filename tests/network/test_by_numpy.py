"""What NumPy computes of a trace against what XLA does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.channels import ratio_to_expm1
from ranvier.network.by_numpy import OF_FLOATS, OPERATIONS, NotByNumpy, evaluated

AWKWARD = np.array([-np.inf, -3.5, -1.0, -0.0, 0.0, 0.3, 1.0, 40.0, 800.0, np.inf, np.nan])
NO_FUNCTION = {"add_any", "stop_gradient"}  # JAX leaves the latter out, and the former stands in derivatives alone


def everything(x, y, flags):
    lax = jax.lax
    one = [lax.abs, lax.neg, lax.exp, lax.exp2, lax.expm1, lax.floor, lax.log, lax.log1p, lax.sqrt, lax.rsqrt, lax.square, lax.sign]
    one += [lax.tanh, lax.logistic, lax.is_finite, lambda x: jnp.array(x, copy=True), lambda x: lax.integer_pow(x, -3)]
    one += [lambda x, f=f: f(0.1 * lax.clamp(-9.0, x, 9.0)) for f in (lax.sin, lax.cos, lax.tan, lax.sinh, lax.cosh)]
    two = [lax.add, lax.sub, lax.mul, lax.div, lax.max, lax.min, lax.pow, lax.eq, lax.ne, lax.lt, lax.le, lax.gt, lax.ge]
    bits = [lax.bitwise_and, lax.bitwise_or]
    shapes = [jnp.full(4, 2.0), jnp.arange(3) * 2.0, jnp.concatenate([x, y]), x[None, :, None] * jnp.ones((2, 1, 3)), y.reshape(1, -1)]
    chosen = [jnp.where(flags, x, y), jax.jit(jnp.exp)(y), ratio_to_expm1(x), lax.bitwise_not(flags), flags * 1]
    return [*(f(x) for f in one), *(f(x, y) for f in two), *(f(flags, x > 0) for f in bits), *shapes, *chosen]


def test_every_operation_is_what_xla_makes_of_it():
    with jax.enable_x64(True):
        x, y = AWKWARD, AWKWARD[::-1].copy()
        given = (x, y, np.isnan(y) | (x > 0.1))
        traced = jax.make_jaxpr(everything)(*given)
        names = {equation.primitive.name for equation in traced.eqns}
        assert names >= {*OPERATIONS, *OF_FLOATS} - NO_FUNCTION
        for own, of_xla in zip(evaluated(traced, *given), jax.jit(everything)(*given), strict=True):
            assert own.dtype == of_xla.dtype and own.shape == of_xla.shape
            np.testing.assert_allclose(own, of_xla, rtol=1e-13)  # XLA's 2^800 is 1.3e-14 off


@pytest.mark.parametrize("function", [jnp.sort, lambda x: x @ x, lambda x: jax.lax.while_loop(lambda c: c[0] > 9, jnp.exp, x)])
def test_what_is_not_known_is_said(function):
    traced = jax.make_jaxpr(function)(jnp.ones(3))
    with pytest.raises(NotByNumpy):
        evaluated(traced, np.ones(3))
