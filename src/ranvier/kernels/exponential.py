"""The exponential without a division, on a CPU; and e^x − 1.

In double precision XLA's own divides two polynomials and puts the power of two together from four factors; in single
precision each term of its polynomial waits for the one before, and it clamps twice. Here the range is reduced to
|r| ≤ ln 2 / 2, and e^r is one polynomial, joined in pairs of terms that do not wait for each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.floats import FORMATS, estrin, format_of, half_power_of_two, in_pairs, in_type, nearest, power_of_two

_DOUBLE, _SINGLE = np.dtype(np.float64), np.dtype(np.float32)
# e^r = 1 + r + r² q(r): q minimises the largest error relative to e^r over |r| ≤ ln 2 / 2 (Remez; 3.6e-18 and 3.2e-9).
_BEYOND_THE_SECOND = {
    _DOUBLE: (
        0.5000000000000011,
        0.16666666666666413,
        0.041666666666530155,
        0.008333333333494461,
        0.0013888888943630114,
        0.00019841269506578688,
        2.480149309890655e-05,
        2.7557586373840165e-06,
        2.763024837921144e-07,
        2.5000061602835666e-08,
    ),
    _SINGLE: (0.49999994, 0.16666521, 0.041668266, 0.008368684, 0.0013820945),
}
# A head whose product with any exponent is exact, and the rest.
_LN2 = {_DOUBLE: (6.93147180369123816490e-01, 1.90821492927058770002e-10), _SINGLE: (0.693359375, -2.12194440e-4)}
_VANISHES = {_DOUBLE: -708.4, _SINGLE: -87.4}  # here half the power of two is 0
_OVERFLOWS = {_DOUBLE: 710.0, _SINGLE: 89.0}  # and here the whole one is too large
_LARGEST = {_DOUBLE: 709.0, _SINGLE: 88.0}  # and here it is not yet


@jax.custom_jvp
def exponential(x: jax.Array) -> jax.Array:
    """e to the power of `x`, for each element.

    On a CPU within 2.5 units in the last place of the true value (relative, 5.5e-16
    and 3e-7 at most), but 0 where that is below 3.1e-308 and 1.7e-38; elsewhere `jax.numpy.exp`.

    Args:
        x: any shape.

    Returns:
        The shape and type of `x`.

    Example:
        >>> exponential(jnp.array([0.0, -jnp.inf])).tolist()
        [1.0, 0.0]
    """
    x = jnp.asarray(x)
    if format_of(x) is None:
        return jnp.exp(x)
    return jax.lax.platform_dependent(x, cpu=_polynomial, default=jnp.exp)


@exponential.defjvp
def _exponential_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    y = exponential(*primals)
    return y, y * tangents[0]


@jax.jit  # traced once a shape
def _polynomial(x: jax.Array) -> jax.Array:
    n, r = _reduced(x)
    y = (1 + r) + (r * r) * _beyond_the_second(r)
    return (y + y) * half_power_of_two(n, FORMATS[x.dtype])  # 2^n itself is out of range at the upper end


def _reduced(x: jax.Array, highest: Mapping[Any, float] = _OVERFLOWS) -> tuple[jax.Array, jax.Array]:
    """n and r with |r| ≤ ln 2 / 2, so that n ln 2 + r is x, or the nearer of the ends where it is beyond them."""
    form, kind = FORMATS[x.dtype], x.dtype
    within = jnp.clip(x, *in_type((_VANISHES[kind], highest[kind]), form))
    high, low = in_type(_LN2[kind], form)
    n = nearest(within * form.real(1 / np.log(2)))
    return n, (within - n * high) - n * low


def _beyond_the_second(r: jax.Array) -> jax.Array:
    return in_pairs(in_type(_BEYOND_THE_SECOND[r.dtype], FORMATS[r.dtype]), r)


# e^r = 1 + r + r² q(r) for |r| ≤ ln 2 / 2: minimises the error relative to e^r − 1 (2^-61 and 2^-31).
_BEYOND_THE_FIRST = {
    _DOUBLE: (
        0.5,
        0.16666666666666677,
        0.0416666666666666,
        0.008333333333321468,
        0.0013888888888928326,
        0.0001984126988646235,
        2.4801587227576575e-05,
        2.755724392383305e-06,
        2.7557361928014977e-07,
        2.5109122929206796e-08,
        2.0886594362820896e-09,
    ),
    _SINGLE: (0.5, 0.16666666, 0.041666478, 0.0083335675, 0.001393369, 0.00019742441),
}


@jax.custom_jvp
def exponential_minus_one(x: jax.Array) -> jax.Array:
    """e to the power of `x`, minus 1, for each element.

    On a CPU within 2 units in the last place of the true value; elsewhere `jax.numpy.expm1`.

    Args:
        x: any shape.

    Returns:
        The shape and type of `x`.

    Example:
        >>> jax.jit(exponential_minus_one)(jnp.array([1e-8, -jnp.inf])).tolist()
        [9.99...e-09, -1.0]
    """
    x = jnp.asarray(x)
    if format_of(x) is None:
        return jnp.expm1(x)
    return jax.lax.platform_dependent(x, cpu=_minus_one, default=jnp.expm1)


@exponential_minus_one.defjvp
def _exponential_minus_one_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    y = exponential_minus_one(*primals)
    return y, (y + 1) * tangents[0]


def beyond_one(r: jax.Array) -> jax.Array:
    """e^r − 1 for |r| ≤ ln 2 / 2, to two units in the last place with what follows."""
    return r + (r * r) * estrin(in_type(_BEYOND_THE_FIRST[r.dtype], FORMATS[r.dtype]), r)


@jax.jit
def growth(x: jax.Array) -> jax.Array:
    """e^x − 1 by the polynomial, where x is not 0; beyond 709 and 88 what it is there."""
    n, r = _reduced(x, _LARGEST)
    power = power_of_two(n, FORMATS[x.dtype])
    return power * (r + (r * r) * _beyond_the_second(r)) + (power - 1)


@jax.jit
def _minus_one(x: jax.Array) -> jax.Array:
    n, r = _reduced(x)
    half = half_power_of_two(n, FORMATS[x.dtype])
    y = half * beyond_one(r) + (half - 0.5)
    return jnp.where(x == 0, x, y + y)  # the sign of a zero
