"""Numbers as bits: what elementary functions without branches are made of, in single and in double precision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np


class Format(NamedTuple):
    """A floating-point format.

    Attributes:
        real, whole: the types of numbers and of their bits.
        mantissa: bits after the leading one.
        bias: of the exponent.
        half: bits that are cut off where a product of two such numbers must be exact.
    """

    real: Any
    whole: Any
    mantissa: int
    bias: int
    half: int


FORMATS = {
    np.dtype(np.float32): Format(np.float32, np.int32, 23, 127, 12),
    np.dtype(np.float64): Format(np.float64, np.int64, 52, 1023, 27),
}


def format_of(x: Any) -> Format | None:
    """The format of an array; None where it is neither single nor double precision."""
    return FORMATS.get(x.dtype)


def bits_of(x: jax.Array, form: Format) -> jax.Array:
    return jax.lax.bitcast_convert_type(x, form.whole)


def of_bits(bits: jax.Array, form: Format) -> jax.Array:
    return jax.lax.bitcast_convert_type(bits, form.real)


def nearest(x: jax.Array) -> jax.Array:
    """The nearest whole number."""
    return jax.lax.round(x, jax.lax.RoundingMethod.TO_NEAREST_EVEN)


def low_bits(n: jax.Array, form: Format) -> jax.Array:
    """An integer with the low bits of a whole number: beside 1.5 times the number whose last bit is one they stand there."""
    return bits_of(n + form.real(1.5 * 2.0**form.mantissa), form)  # AVX2 cannot convert to 64-bit integers


def power_of_two(n: jax.Array, form: Format) -> jax.Array:
    """2^n for a whole number, an exponent of a normal number."""
    return of_bits(jax.lax.shift_left(low_bits(n, form) + form.bias, form.whole(form.mantissa)), form)


def half_power_of_two(n: jax.Array, form: Format) -> jax.Array:
    """2^(n − 1) for a whole number up to the largest exponent and one more; 0 below the smallest normal number."""
    return of_bits(jax.lax.shift_left(low_bits(n, form) + (form.bias - 1), form.whole(form.mantissa)), form)


def head(x: jax.Array, form: Format) -> jax.Array:
    """The number without the lower half of its bits: products of two such are exact."""
    return of_bits(bits_of(x, form) & form.whole(-(1 << form.half)), form)


def split_exponent(x: jax.Array, form: Format) -> tuple[jax.Array, jax.Array]:
    """e and m of a positive normal number m · 2^e, m from √½ to √2."""
    root = int(np.sqrt(form.real(0.5)).view(form.whole))
    one = form.bias << form.mantissa
    moved = bits_of(x, form) + (one - root)
    exponent = jax.lax.shift_right_logical(moved, form.whole(form.mantissa))
    beside = int(form.real(2.0**form.mantissa).view(form.whole))
    e = of_bits(exponent | beside, form) - form.real(2.0**form.mantissa + form.bias)
    return e, of_bits((moved & ((1 << form.mantissa) - 1)) + root, form)


def estrin(coefficients: Sequence[Any], x: jax.Array) -> Any:
    """The polynomial with pairs of terms joined first, then pairs of pairs: terms do not wait for each other."""
    while len(coefficients) > 1:
        last = [coefficients[-1]] if len(coefficients) % 2 else []
        coefficients = [a + b * x for a, b in zip(coefficients[::2], coefficients[1::2], strict=False)] + last
        x = x * x
    return coefficients[0]


def in_pairs(coefficients: Sequence[Any], x: jax.Array) -> Any:
    """The polynomial as one of half the degree in x², whose coefficients are pairs of terms: fewer products than Estrin's order."""
    pairs = [a + b * x for a, b in zip(coefficients[::2], coefficients[1::2], strict=False)] + list(coefficients[len(coefficients) & ~1 :])
    square, result = x * x, pairs[-1]
    for pair in pairs[-2::-1]:
        result = pair + square * result
    return result


def in_type(coefficients: Sequence[float], form: Format) -> list[Any]:
    return [form.real(c) for c in coefficients]


def either(condition: Any, there: Any, otherwise: jax.Array) -> jax.Array:
    return jnp.where(condition, jnp.asarray(there, otherwise.dtype), otherwise)
