"""Sine and cosine as one polynomial, in both precisions, on a CPU.

XLA's take 18 ns an element in double precision: it calls the C library for one at a time.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.floats import FORMATS, Format, bits_of, estrin, format_of, head, in_type, low_bits, nearest, of_bits

_DOUBLE, _SINGLE = np.dtype(np.float64), np.dtype(np.float32)

# sin r = r + r³ p(r²) for |r| ≤ π/2: minimises the largest relative error (2^-61 and 2^-31).
_POLYNOMIAL = {
    _DOUBLE: (
        -0.16666666666666666,
        0.008333333333333208,
        -0.00019841269841213365,
        2.7557319211743382e-06,
        -2.5052106921474298e-08,
        1.605894189407033e-10,
        -7.643043166023409e-13,
        2.7216743258720103e-15,
    ),
    _SINGLE: (-0.16666667, 0.008333348, -0.00019842605, 2.7600126e-06, -2.5029324e-08),
}
# π/2 in parts of 26 and 12 bits, whose products with half of a whole number's bits are exact; the last is the rest.
_HALF_PI = {
    _DOUBLE: (1.5707963407039642, -1.3909067675399456e-08, 6.123233932053594e-17, 6.368317178484799e-25, -1.4973849048591698e-33),
    _SINGLE: (1.57080078125, -4.453584551811218e-06, -8.706138032721356e-10, 6.222800053024002e-14, 5.721188726109832e-18),
}
_ONE_OVER_PI = (0.318359375, -4.948881620932846e-05)
LARGEST = {_DOUBLE: 2.0**44, _SINGLE: 2.0**22}
"""Above, neighbouring numbers lie so far apart that their phase means little."""


@jax.custom_jvp
def sine(x: jax.Array) -> jax.Array:
    """The sine of each element.

    On a CPU within 2 units in the last place of the true value up to |x| = 10⁸ in
    double and 2 000 in single precision, within 4 up to `LARGEST`, beyond which it
    is NaN; elsewhere `jax.numpy.sin`.

    Args:
        x: any shape (rad).

    Returns:
        The shape and type of `x`.

    Example:
        >>> jax.jit(sine)(jnp.array([0.0, jnp.pi / 2])).tolist()
        [0.0, 1.0]
    """
    x = jnp.asarray(x)
    return jnp.sin(x) if format_of(x) is None else jax.lax.platform_dependent(x, cpu=_sine, default=jnp.sin)


@jax.custom_jvp
def cosine(x: jax.Array) -> jax.Array:
    """The cosine of each element; as `sine`.

    Example:
        >>> jax.jit(cosine)(jnp.array([0.0])).tolist()
        [1.0]
    """
    x = jnp.asarray(x)
    return jnp.cos(x) if format_of(x) is None else jax.lax.platform_dependent(x, cpu=_cosine, default=jnp.cos)


@sine.defjvp
def _sine_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    return sine(*primals), cosine(*primals) * tangents[0]


@cosine.defjvp
def _cosine_jvp(primals: tuple[jax.Array], tangents: tuple[jax.Array]) -> tuple[jax.Array, jax.Array]:
    return cosine(*primals), -sine(*primals) * tangents[0]


def _sine(x: jax.Array) -> jax.Array:
    form = FORMATS[x.dtype]
    n = _turns(x, 0.0, form)
    y = _with_sign(_of_the_rest(_without(x, 2 * n, form), form), n, 0, form)
    return jnp.where(jnp.abs(x) < form.real(2.0 ** -(form.mantissa // 2 + 2)), x, y)  # the sign of a zero


def _cosine(x: jax.Array) -> jax.Array:
    form = FORMATS[x.dtype]
    n = _turns(x, 0.5, form)
    return _with_sign(_of_the_rest(_without(x, 2 * n + 1, form), form), n, 1, form)


def _turns(x: jax.Array, less: float, form: Format) -> jax.Array:
    """The whole number that is nearest to x/π − less; NaN where x is too large."""
    x = jnp.where(jnp.abs(x) <= form.real(LARGEST[np.dtype(form.real)]), x, form.real(np.nan))
    if form.real is np.float64:
        return nearest(x * (1 / np.pi) - less)
    high, (first, rest) = head(x, form), in_type(_ONE_OVER_PI, form)
    n = nearest(high * first)  # a product that is exact
    return n + nearest((high * first - n) + ((x - high) * first + x * rest) - form.real(less))


def _without(x: jax.Array, n: jax.Array, form: Format) -> jax.Array:
    """x − n · π/2."""
    *parts, last = in_type(_HALF_PI[np.dtype(form.real)], form)
    size = form.real(2.0**form.half)
    upper = nearest(n * (1 / size)) * size
    lower = n - upper
    for part in parts:  # the larger ones cancel: what is left of x is exact until it is small
        x = (x - upper * part) - lower * part
    return x - n * last


def _of_the_rest(r: jax.Array, form: Format) -> jax.Array:
    s = r * r
    return r + (r * s) * estrin(in_type(_POLYNOMIAL[np.dtype(form.real)], form), s)


def _with_sign(y: jax.Array, n: jax.Array, odd: int, form: Format) -> jax.Array:
    """y, or −y where n + odd is odd."""
    turned = jax.lax.shift_left(low_bits(n, form) + odd, form.whole(8 * form.whole(0).itemsize - 1))
    return of_bits(bits_of(y, form) ^ turned, form)
