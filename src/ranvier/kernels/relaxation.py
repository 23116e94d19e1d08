"""How far a variable relaxes in a step of exponential Euler, `(e^z − 1) / z`, and its inverse, which rates of channels have.

Both are 0/0 at 0. As they are written for any platform, a series stands in near 0, and both are computed everywhere to choose one. On
a CPU they are made of e^z − 1 with all its digits, whose quotient is right beside 0, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.kernels.exponential import growth
from ranvier.kernels.floats import estrin, format_of


def relaxed(z: Any, exp: Callable[[Any], Any], where: Callable[..., Any]) -> Any:
    """`(e^z − 1) / z`, and 1 at 0, by an array library's functions."""
    near_zero = abs(z) < 1e-4
    safe = where(near_zero, 1.0, z)
    return where(near_zero, 1 + z / 2 + z * z / 6, (exp(safe) - 1) / safe)


@jax.jit
def relaxation(z: jax.Array) -> jax.Array:
    """The same by JAX: one operation, which the kernel of `network.pointwise` knows by this name.

    Args:
        z: any shape.

    Example:
        >>> relaxation(jnp.array([0.0, -1.0])).round(4).tolist()
        [1.0, 0.632...]
    """
    return relaxed(z, jnp.exp, jnp.where)


@jax.jit
def ratio_to_expm1(x: jax.Array) -> jax.Array:
    """`x / (exp(x) − 1)`, with its limit 1 at `x = 0`.

    The rate functions of Hodgkin–Huxley channels have this form, and are 0/0 at
    one potential each when they are written out. Near 0 the series
    `1 − x/2 + x²/12` is exact to rounding (the next term is x⁴/720).

    Example:
        >>> float(ratio_to_expm1(jnp.asarray(0.0)))
        1.0
    """
    near_zero = jnp.abs(x) < 1e-3
    safe = jnp.where(near_zero, 1.0, x)  # keeps the other branch, and its gradient, finite
    return jnp.where(near_zero, 1.0 - x * (0.5 - x / 12.0), safe / (jnp.exp(safe) - 1.0))


_SLOPE_OF_RELAXATION = (1 / 2, 1 / 3, 1 / 8, 1 / 30, 1 / 144, 1 / 840, 1 / 5760, 1 / 45360)
_SLOPE_OF_RATIO = (-1 / 2, 1 / 6, 0.0, -1 / 180, 0.0, 1 / 5040, 0.0, -1 / 151200)
_SERIES = 0.1  # up to here the slopes are these series; beyond, differences that keep all but their last digit or two


@jax.jit
def _relaxation_by_growth(z: jax.Array) -> jax.Array:
    return jnp.where(z == 0, 1, growth(z) / z)


@jax.jit
def _ratio_by_growth(x: jax.Array) -> jax.Array:
    return jnp.where(x == 0, 1, x / growth(x))


@jax.custom_jvp
def own_relaxation(z: jax.Array) -> jax.Array:
    """`(e^z − 1) / z`, and 1 at 0, for each element.

    On a CPU within 3 units in the last place up to z = 709 and 88; elsewhere as `relaxed` has it.

    Args:
        z: any shape.

    Example:
        >>> own_relaxation(jnp.array([0.0, -1.0])).round(4).tolist()
        [1.0, 0.632...]
    """
    z = jnp.asarray(z)
    if format_of(z) is None:
        return relaxation(z)
    return jax.lax.platform_dependent(z, cpu=_relaxation_by_growth, default=relaxation)


@own_relaxation.defjvp
def _own_relaxation_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    z, y = primals[0], own_relaxation(*primals)
    return y, _slope(z, _SLOPE_OF_RELAXATION, lambda z: (1 - y + z * y) / z) * tangents[0]


@jax.custom_jvp
def own_ratio(x: jax.Array) -> jax.Array:
    """`x / (e^x − 1)`, and 1 at 0, for each element.

    On a CPU within 3 units in the last place up to x = 709 and 88; elsewhere as `ratio_to_expm1` has it.

    Args:
        x: any shape.

    Example:
        >>> own_ratio(jnp.array([0.0, 1.0])).round(4).tolist()
        [1.0, 0.58...]
    """
    x = jnp.asarray(x)
    if format_of(x) is None:
        return ratio_to_expm1(x)
    return jax.lax.platform_dependent(x, cpu=_ratio_by_growth, default=ratio_to_expm1)


@own_ratio.defjvp
def _own_ratio_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    x, y = primals[0], own_ratio(*primals)
    return y, _slope(x, _SLOPE_OF_RATIO, lambda x: y * (1 - y - x) / x) * tangents[0]


def _slope(z: jax.Array, series: Sequence[float], otherwise: Callable[[jax.Array], jax.Array]) -> jax.Array:
    near_zero = jnp.abs(z) < _SERIES
    return jnp.where(near_zero, estrin(series, z), otherwise(jnp.where(near_zero, 1, z)))
