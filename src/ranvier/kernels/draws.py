"""Counter-based draws inside the compiled step: uniform and normal numbers, and Poisson counts.

Each is a function of the seed, the stream, the step and the neuron's global
number. `uniforms` and `normals` are those of `ranvier.random.Draws`, bit for
bit. A Poisson count takes one 32-bit word, so there two neurons share a
counter: neuron `i` has word `i // 32 % 2` of the counter
`i // 64 * 32 + i % 32`, so that no half of the generator's work is thrown away.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch
from ranvier.random import Draws, normal_table, threefry2x32
from ranvier.words import MASK

MOST_POISSON = 10_000.0
"""The largest mean of `poisson_table`."""

_ROUND_UP = 8  # thresholds are compared so many at once; also, a table's shape then changes seldom


def uniforms(draws: Draws, n: int, dtype: Any = jnp.float64, start: Any = 0) -> jax.Array:
    """A number in (0, 1) for each neuron: `draws.uniform`, native where it can be.

    Args:
        draws: `key.at(step)`; seed, stream and step may be traced.
        n: how many.
        dtype: float64: the middles of 2⁵² equal parts; float32: of 2²³.
        start: the first neuron's global number.

    Returns:
        `[n]`.

    Raises:
        ParameterError: int64 does not exist here, or the step is not an integer.

    Example:
        >>> from ranvier.random import Key
        >>> draws = Key(1).child("escape").at(7)
        >>> with jax.enable_x64(True):
        ...     bool((uniforms(draws, 3) == draws.uniform(jnp.zeros(3))).all())
        True
    """
    return _numbers("uniforms", draws, n, dtype, start)


def normals(draws: Draws, n: int, dtype: Any = jnp.float64, start: Any = 0) -> jax.Array:
    """A standard normal number for each neuron: `draws.normal`, native where it can be.

    Args:
        draws: `key.at(step)`; seed, stream and step may be traced.
        n: how many.
        dtype: float64 or float32.
        start: the first neuron's global number.

    Returns:
        `[n]`, within 4·10⁻⁶ of the quantile (see `ranvier.random.normal_table`).

    Raises:
        ParameterError: int64 does not exist here, or the step is not an integer.

    Example:
        >>> from ranvier.random import Key
        >>> draws = Key(1).child("noise").at(7)
        >>> with jax.enable_x64(True):
        ...     bool((normals(draws, 3, start=10) == draws.normal(jnp.zeros(3), start=10)).all())
        True
    """
    return _numbers("normals", draws, n, dtype, start)


def poisson_table(mean: np.typing.ArrayLike, length: int | None = None) -> np.ndarray:
    """The cumulative Poisson probabilities as words, for `poisson_counts`.

    Entry `k` of a row is P(X ≤ k) · 2³², rounded, so every probability is right
    to 2⁻³², and what is less likely than 2⁻³³ in all (a count beyond 17 for a
    mean of 2) never comes. Made of multiplications, divisions and sums alone,
    which every machine rounds alike.

    Args:
        mean: the expected counts, one number or `[R]`, from 0 to 10 000. For more, add several sources, or a normal number.
        length: of the rows, where a table may be replaced later by one of other means without compiling anew. The
            default is what the largest mean needs, rounded up to a multiple of 8.

    Returns:
        uint32 `[R, length]`, the rows filled up with 2³² − 1.

    Raises:
        ParameterError: a mean that is negative, not finite or above 10 000, or rows that are too short for it.

    Example:
        >>> (poisson_table(0.5)[0, :3] / 2**32).round(4).tolist()
        [0.6065, 0.9098, 0.9856]
        >>> poisson_table([0.5, 8.0]).shape
        (2, 32)
    """
    mean = np.atleast_1d(np.asarray(mean, np.float64))
    if mean.ndim != 1 or not np.all((mean >= 0) & (mean <= MOST_POISSON)):
        raise ParameterError(
            f"poisson_table: means must be numbers from 0 to {MOST_POISSON:g}, one or [R], not {mean!r}. "
            "For a larger mean add several Poisson inputs, or take a normal number."
        )
    different, which = np.unique(mean, return_inverse=True)
    rows = [_thresholds(x) for x in different.tolist()]
    needed = max((len(row) for row in rows), default=0)
    if length is None:
        length = -(-max(needed, 1) // _ROUND_UP) * _ROUND_UP
    if needed > length:
        raise ParameterError(f"poisson_table: a mean of {different[-1]:g} needs rows of {needed} thresholds, not {length}.")
    table = np.full((len(rows), length), MASK, np.uint32)
    for filled, row in zip(table, rows, strict=True):
        filled[: len(row)] = row
    return table[which]


def _thresholds(mean: float) -> np.ndarray:
    """P(X ≤ k) in units of 2⁻³² for every k where it does not round to 1."""
    # From the most likely count up and down, so that nothing underflows that matters; normalised at the end.
    mode, reach = int(mean), int(40 + 9 * np.sqrt(mean))
    least = max(mode - reach, 0)
    up = np.cumprod(mean / np.arange(mode + 1, mode + reach + 1))
    down = np.cumprod(np.arange(mode, least, -1) / mean) if mode else np.empty(0)
    cumulative = np.cumsum(np.concatenate([np.zeros(least), down[::-1], [1.0], up]))
    words = np.rint(cumulative / cumulative[-1] * 2.0**32)
    return words[words < MASK].astype(np.uint32)


def poisson_counts(draws: Draws, table: jax.Array, n: int, rate_index: Any = 0, start: Any = 0) -> jax.Array:
    """A Poisson count for each neuron.

    Args:
        draws: `key.at(step)`; seed, stream and step may be traced. A key that gives counts should draw nothing else.
        table: of `poisson_table`, uint32 `[R, length]`; may be traced, so that rates change without compiling anew.
        n: how many.
        rate_index: each neuron's row in `table`, int32 `[n]`, or one for all. Without such a row the count is 0.
        start: the first neuron's global number.

    Returns:
        int32 `[n]`, equal bit for bit native and reference.

    Raises:
        ParameterError: a wrong shape or type; int64 does not exist here.

    Example:
        >>> from ranvier.random import Key
        >>> with jax.enable_x64(True):
        ...     counts = poisson_counts(Key(1).child("drive").at(7), poisson_table(1.6), 10_000)
        >>> round(float(counts.mean()), 1), counts[:8].tolist()
        (1.6, [1, 2, 1, 1, 1, 3, 2, 0])
    """
    origin, table, rate_index = _poisson_operands("poisson_counts", draws, table, n, rate_index, start)
    native, reference = (functools.partial(f, n=n) for f in (_counts_native, _counts_reference))
    return dispatch.choose(native, reference, *origin, table, rate_index)


def add_poisson(
    accumulator: jax.Array, draws: Draws, table: jax.Array, weights: jax.Array, rate_index: Any = 0, start: Any = 0
) -> jax.Array:
    """Add `weight · count` to each neuron's accumulator, the counts being those of `poisson_counts`.

    Differentiable in the accumulator and the weights.

    Args:
        accumulator: float64 or float32 `[n]`; updated in place where XLA can.
        draws, table, rate_index, start: see `poisson_counts`.
        weights: `[n]`, or one number for all.

    Returns:
        The new accumulator, in the unit of the weights. The native version
        rounds the product, then the sum; XLA's reference may round once, and the
        two differ by at most eps · (|weight · count| + |result|).

    Raises:
        ParameterError: a wrong shape or type; int64 does not exist here.

    Example:
        >>> from ranvier.random import Key
        >>> with jax.enable_x64(True):
        ...     add_poisson(jnp.ones(4), Key(1).child("drive").at(7), poisson_table(1.6), 0.5).tolist()
        [1.5, 2.0, 1.5, 1.5]
    """
    accumulator = jnp.asarray(accumulator)
    if accumulator.ndim != 1 or not jnp.issubdtype(accumulator.dtype, jnp.floating):
        raise ParameterError(f"add_poisson: the accumulator must be real numbers [n], not {accumulator.dtype} {list(accumulator.shape)}.")
    n = accumulator.shape[0]
    weights = jnp.asarray(weights, accumulator.dtype)
    if weights.shape not in ((), (n,)):
        raise ParameterError(f"add_poisson: weights must be one number or [{n}], not {list(weights.shape)}.")
    origin, table, rate_index = _poisson_operands("add_poisson", draws, table, n, rate_index, start)
    return _add_poisson(*origin, table, rate_index, jnp.atleast_1d(weights), accumulator)


def _origin(where: str, draws: Draws, start: Any) -> tuple[jax.Array, ...]:
    """The operands that say which draws: the seed's words, the stream, the step, the first neuron."""
    word = lambda x: jnp.asarray(x & MASK if isinstance(x, int) else x).astype(jnp.uint32)
    return word(draws.seed[0]), word(draws.seed[1]), word(draws.stream), dispatch.as_step(draws.step, where), word(start)


def _draws(seed_low, seed_high, stream, step) -> Draws:
    return Draws((seed_low, seed_high), stream, step)


# uniforms and normals


def _numbers(kind: str, draws: Draws, n: int, dtype: Any, start: Any) -> jax.Array:
    dtype = jnp.dtype(dtype)
    origin = _origin(kind, draws, start)
    reference = functools.partial(_numbers_reference, kind=kind, n=n, dtype=dtype)
    if dtype.name not in dispatch.FLOATS:
        return reference(*origin)
    return dispatch.choose(functools.partial(_numbers_native, kind=kind, n=n, dtype=dtype), reference, *origin)


def _numbers_native(*origin, kind, n, dtype):
    operands = (*origin, jnp.asarray(normal_table())) if kind == "normals" else origin
    return dispatch.native_call(f"{kind}_{dispatch.FLOATS[dtype.name]}", jax.ShapeDtypeStruct((n,), dtype), *operands)


def _numbers_reference(*origin, kind, n, dtype):
    *words, start = origin
    draw = getattr(_draws(*words), {"uniforms": "uniform", "normals": "normal"}[kind])
    return draw(jnp.zeros(n, dtype), start=start)


# Poisson counts


def _poisson_operands(where, draws, table, n, rate_index, start):
    table, rate_index = jnp.asarray(table), jnp.asarray(rate_index)
    if table.dtype != jnp.uint32 or table.ndim != 2:
        raise ParameterError(f"{where}: the table must be uint32 [R, length], from poisson_table, not {table.dtype} {list(table.shape)}.")
    if not jnp.issubdtype(rate_index.dtype, jnp.integer) or rate_index.shape not in ((), (n,)):
        raise ParameterError(f"{where}: rate_index must be one integer or int32 [{n}], not {rate_index.dtype} {list(rate_index.shape)}.")
    return _origin(where, draws, start), table, jnp.atleast_1d(rate_index.astype(jnp.int32))


def _counts_native(*operands, n):
    return dispatch.native_call("poisson_counts", jax.ShapeDtypeStruct((n,), jnp.int32), *operands)


def _counts_reference(seed_low, seed_high, stream, step, start, table, rate_index, n):
    neuron = jnp.arange(n, dtype=jnp.uint32) + start
    counter = (neuron >> 6 << 5) | (neuron & np.uint32(31))
    words = threefry2x32(_draws(seed_low, seed_high, stream, step).key, (counter, step.astype(jnp.uint32)))
    word = jnp.minimum(jnp.where((neuron >> 5) & np.uint32(1) == 0, *words), np.uint32(MASK - 1))
    valid = (rate_index >= 0) & (rate_index < table.shape[0])
    if table.shape[0] == 0 or table.shape[1] == 0:
        return jnp.zeros(n, jnp.int32)
    row = table[jnp.where(valid, rate_index, 0)]
    return jnp.sum((row <= word[:, None]) & valid[:, None], axis=1, dtype=jnp.int32)


@jax.custom_jvp
def _add_poisson(*operands):
    if operands[-1].dtype.name not in dispatch.FLOATS:
        return _add_reference(*operands)[0]
    add = dispatch.updating(functools.partial(dispatch.choose, _add_native, _add_reference), len(operands) - 1)
    return add(*operands)[0]


def _add_native(*operands):
    accumulator = operands[-1]
    result = (jax.ShapeDtypeStruct(accumulator.shape, accumulator.dtype),)
    name = "add_poisson_" + dispatch.FLOATS[accumulator.dtype.name]
    return dispatch.native_call(name, result, *operands, aliases={len(operands) - 1: 0})


def _add_reference(*operands):
    *counted, weights, accumulator = operands
    counts = _counts_reference(*counted, n=accumulator.shape[0]).astype(accumulator.dtype)
    return (accumulator + weights * counts,)


@functools.partial(_add_poisson.defjvp, symbolic_zeros=True)
def _add_jvp(primals, tangents):
    *counted, _, accumulator = primals
    *_, weights_dot, accumulator_dot = tangents
    parts = [] if isinstance(accumulator_dot, SymbolicZero) else [accumulator_dot]
    if not isinstance(weights_dot, SymbolicZero):
        native, reference = (functools.partial(f, n=accumulator.shape[0]) for f in (_counts_native, _counts_reference))
        parts.append(weights_dot * dispatch.choose(native, reference, *counted).astype(accumulator.dtype))
    out = _add_poisson(*primals)
    return out, sum(parts[1:], parts[0]) if parts else jnp.zeros_like(out)
