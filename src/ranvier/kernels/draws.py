"""Counter-based draws inside the compiled step: uniform and normal numbers, yes or no, and Poisson counts.

Each is a function of the seed, a stream, the neuron's index in it, and the
step: never of where the neuron stands in an array. `Streams` says which
stretches of an array draw from which streams. `uniforms` and `normals` are
those of `ranvier.random.Draws`, bit for bit. A Poisson count takes one 32-bit
word, so there two neurons share a counter: the neuron of index `i` has word
`i // 32 % 2` of the counter `i // 64 * 32 + i % 32`, so that no half of the
generator's work is thrown away.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import SymbolicZero

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch
from ranvier.kernels.segments import segment_of
from ranvier.random import Draws, Key, normal_table, threefry2x32
from ranvier.words import MASK

MOST_POISSON = 10_000.0
"""The largest mean of `poisson_table`."""

_ROUND_UP = 8  # thresholds are compared so many at once; also, a table's shape then changes seldom


class Streams(NamedTuple):
    """Which streams the neurons of an array draw from.

    Segment `s` has the neurons `end[s - 1]` … `end[s] - 1` of the array; neuron `i`
    of it draws from `stream[s]` at the index `first[s] + i - end[s - 1]`. The last
    segment goes on to the array's end. All three may be traced.

    Attributes:
        stream: of `ranvier.random.Key.stream`, uint32 `[segments]`.
        first: the index of each segment's first neuron, uint32 `[segments]`.
        end: where each segment ends, ascending, int32 `[segments]`. Segments may be empty.

    Example:
        >>> from ranvier.random import Key
        >>> streams = Streams.of([(Key(0).child("exc"), 3, 0), (Key(0).child("inh"), 2, 100)])
        >>> streams.first.tolist(), streams.end.tolist()
        ([0, 100], [3, 5])
        >>> seed = Key(1).seed_words
        >>> with jax.enable_x64(True):
        ...     drawn = uniforms(seed, streams, 7, 5)
        ...     bool((drawn[3:] == Key(1).child("inh").at(7).uniform(jnp.zeros(2), start=100)).all())
        True
    """

    stream: Any
    first: Any
    end: Any

    @classmethod
    def of(cls, segments: Sequence[tuple[Key, int, int]]) -> Streams:
        """From `(key, how many neurons, index of the first)` of each segment; of the key only the stream counts."""
        keys, sizes, first = zip(*segments, strict=True) if segments else ((), (), ())
        return cls(
            np.array([key.stream for key in keys], np.uint32),
            np.array([index & MASK for index in first], np.uint32),
            np.cumsum(sizes, dtype=np.int64).astype(np.int32),
        )


def uniforms(seed: tuple[Any, Any], streams: Streams, step: Any, n: int, dtype: Any = jnp.float64) -> jax.Array:
    """A number in (0, 1) for each neuron: those of `ranvier.random.Draws.uniform`.

    Args:
        seed: its low and high 32-bit word, as `Key.seed_words` has them; may be traced.
        streams: where each neuron draws from.
        step: of the simulation, an integer; may be traced.
        n: how many neurons.
        dtype: float64: the middles of 2⁵² equal parts; float32: of 2²³.

    Returns:
        `[n]`, equal bit for bit native and reference.

    Raises:
        ParameterError: a wrong shape or type of the streams; int64 does not exist here, or the step is not an integer.

    Example:
        >>> from ranvier.random import Key
        >>> escape = Key(1).child("escape")
        >>> with jax.enable_x64(True):
        ...     bool((uniforms(escape.seed_words, Streams.of([(escape, 3, 0)]), 7, 3) == escape.at(7).uniform(jnp.zeros(3))).all())
        True
    """
    return _numbers("uniforms", seed, streams, step, n, dtype)


def normals(seed: tuple[Any, Any], streams: Streams, step: Any, n: int, dtype: Any = jnp.float64) -> jax.Array:
    """A standard normal number for each neuron: those of `ranvier.random.Draws.normal`.

    Args:
        seed, streams, step, n: see `uniforms`.
        dtype: float64 or float32.

    Returns:
        `[n]`, within 4·10⁻⁶ of the quantile (see `ranvier.random.normal_table`), equal bit for bit native and reference.

    Raises:
        ParameterError: as `uniforms`.

    Example:
        >>> from ranvier.random import Key
        >>> noise = Key(1).child("noise")
        >>> with jax.enable_x64(True):
        ...     drawn = normals(noise.seed_words, Streams.of([(noise, 3, 10)]), 7, 3)
        ...     bool((drawn == noise.at(7).normal(jnp.zeros(3), start=10)).all())
        True
    """
    return _numbers("normals", seed, streams, step, n, dtype)


def bernoulli(seed: tuple[Any, Any], streams: Streams, step: Any, probability: Any, n: int) -> jax.Array:
    """Whether something of the given probability happens to each neuron.

    The two words of the neuron's counter are compared, as integers, with the
    probability in units of 2⁻⁶⁴, rounded down: so rare events have their
    probability in single precision too, where `uniforms(…) < probability` knows no
    number below 2⁻²⁴.

    Args:
        seed, streams, step, n: see `uniforms`.
        probability: `[n]`, or one for all. 1 and more: always; 0, less, and NaN: never. The result has no derivative by it.

    Returns:
        bool `[n]`, equal bit for bit native and reference.

    Raises:
        ParameterError: as `uniforms`; probabilities of a wrong shape or type.

    Example:
        >>> from ranvier.random import Key
        >>> escape = Key(1).child("escape")
        >>> with jax.enable_x64(True):
        ...     rare = bernoulli(escape.seed_words, Streams.of([(escape, 10**6, 0)]), 7, jnp.float32(1e-5), 10**6)
        >>> int(rare.sum())
        8
    """
    probability = jnp.asarray(probability)
    if not jnp.issubdtype(probability.dtype, jnp.floating) or probability.shape not in ((), (n,)):
        raise ParameterError(
            f"bernoulli: probabilities must be real numbers, one or [{n}], not {probability.dtype} {list(probability.shape)}."
        )
    if probability.dtype.name not in dispatch.FLOATS:
        probability = probability.astype(jnp.float32)
    origin = _origin("bernoulli", seed, streams, step, n)
    native, reference = (functools.partial(f, n=n) for f in (_bernoulli_native, _bernoulli_reference))
    return dispatch.choose(native, reference, *origin, jnp.atleast_1d(jax.lax.stop_gradient(probability)))


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


def poisson_counts(seed: tuple[Any, Any], streams: Streams, step: Any, table: jax.Array, n: int, rate_index: Any = 0) -> jax.Array:
    """A Poisson count for each neuron.

    Args:
        seed, streams, step, n: see `uniforms`. A stream that gives counts should draw nothing else.
        table: of `poisson_table`, uint32 `[R, length]`; may be traced, so that rates change without compiling anew.
        rate_index: each neuron's row in `table`, int32 `[n]`, or one for all. Without such a row the count is 0.

    Returns:
        int32 `[n]`, equal bit for bit native and reference.

    Raises:
        ParameterError: a wrong shape or type; int64 does not exist here.

    Example:
        >>> from ranvier.random import Key
        >>> drive = Key(1).child("drive")
        >>> with jax.enable_x64(True):
        ...     counts = poisson_counts(drive.seed_words, Streams.of([(drive, 10_000, 0)]), 7, poisson_table(1.6), 10_000)
        >>> round(float(counts.mean()), 1), counts[:8].tolist()
        (1.6, [1, 2, 1, 1, 1, 3, 2, 0])
    """
    operands = _poisson_operands("poisson_counts", seed, streams, step, table, n, rate_index)
    native, reference = (functools.partial(f, n=n) for f in (_counts_native, _counts_reference))
    return dispatch.choose(native, reference, *operands)


def add_poisson(
    accumulator: jax.Array,
    seed: tuple[Any, Any],
    streams: Streams,
    step: Any,
    table: jax.Array,
    weights: jax.Array,
    rate_index: Any = 0,
) -> jax.Array:
    """Add `weight · count` to each neuron's accumulator, the counts being those of `poisson_counts`.

    Differentiable in the accumulator and the weights.

    Args:
        accumulator: float64 or float32 `[n]`; updated in place where XLA can.
        seed, streams, step, table, rate_index: see `poisson_counts`.
        weights: `[n]`, or one number for all.

    Returns:
        The new accumulator, in the unit of the weights. The native version
        rounds the product, then the sum; XLA's reference may round once, and the
        two differ by at most eps · (|weight · count| + |result|).

    Raises:
        ParameterError: a wrong shape or type; int64 does not exist here.

    Example:
        >>> from ranvier.random import Key
        >>> drive = Key(1).child("drive")
        >>> with jax.enable_x64(True):
        ...     add_poisson(jnp.ones(4), drive.seed_words, Streams.of([(drive, 4, 0)]), 7, poisson_table(1.6), 0.5).tolist()
        [1.5, 2.0, 1.5, 1.5]
    """
    accumulator = jnp.asarray(accumulator)
    if accumulator.ndim != 1 or not jnp.issubdtype(accumulator.dtype, jnp.floating):
        raise ParameterError(f"add_poisson: the accumulator must be real numbers [n], not {accumulator.dtype} {list(accumulator.shape)}.")
    n = accumulator.shape[0]
    weights = jnp.asarray(weights, accumulator.dtype)
    if weights.shape not in ((), (n,)):
        raise ParameterError(f"add_poisson: weights must be one number or [{n}], not {list(weights.shape)}.")
    operands = _poisson_operands("add_poisson", seed, streams, step, table, n, rate_index)
    return _add_poisson(*operands, jnp.atleast_1d(weights), accumulator)


def _origin(where: str, seed: tuple[Any, Any], streams: Streams, step: Any, n: int) -> tuple[jax.Array, ...]:
    """The operands that say which draws: the seed's words, the step, and each segment's stream, first index and end."""
    word = lambda x: jnp.asarray(x & MASK if isinstance(x, int) else x).astype(jnp.uint32)
    segments = tuple(jnp.asarray(x) for x in streams)
    if any(x.ndim != 1 or x.shape != segments[0].shape or not jnp.issubdtype(x.dtype, jnp.integer) for x in segments):
        shapes = ", ".join(f"{name} {x.dtype} {list(x.shape)}" for name, x in zip(Streams._fields, segments, strict=True))
        raise ParameterError(f"{where}: streams must have three integer arrays [segments], not {shapes}. `Streams.of` makes them.")
    if n > 0 and segments[0].shape[0] == 0:
        raise ParameterError(f"{where}: {n} neurons need at least one segment of `Streams` to draw from.")
    stream, first, end = segments
    return word(seed[0]), word(seed[1]), dispatch.as_step(step, where), word(stream), word(first), end.astype(jnp.int32)


def _draws(seed_low, seed_high, step, stream, first, end, n) -> tuple[Draws, Any]:
    """The draws and the index of the array's first neuron in them; with several segments both have one entry a neuron."""
    if n == 0 or stream.shape[0] == 1:
        return Draws((seed_low, seed_high), stream[0] if stream.shape[0] else jnp.uint32(0), step), first[0] if n else jnp.uint32(0)
    segment = segment_of(end, n)
    begin = jnp.concatenate([jnp.zeros(1, jnp.int32), end[:-1]]).astype(jnp.uint32)
    return Draws((seed_low, seed_high), stream[segment], step), (first - begin)[segment]


# uniforms, normals, and comparisons


def _numbers(kind: str, seed: tuple[Any, Any], streams: Streams, step: Any, n: int, dtype: Any) -> jax.Array:
    dtype = jnp.dtype(dtype)
    origin = _origin(kind, seed, streams, step, n)
    reference = functools.partial(_numbers_reference, kind=kind, n=n, dtype=dtype)
    if dtype.name not in dispatch.FLOATS:
        return reference(*origin)
    return dispatch.choose(functools.partial(_numbers_native, kind=kind, n=n, dtype=dtype), reference, *origin)


def _numbers_native(*origin, kind, n, dtype):
    operands = (*origin, jnp.asarray(normal_table())) if kind == "normals" else origin
    return dispatch.native_call(f"{kind}_{dispatch.FLOATS[dtype.name]}", jax.ShapeDtypeStruct((n,), dtype), *operands)


def _numbers_reference(*origin, kind, n, dtype):
    draws, start = _draws(*origin, n)
    draw = getattr(draws, {"uniforms": "uniform", "normals": "normal"}[kind])
    return draw(jnp.zeros(n, dtype), start=start)


def _bernoulli_native(*operands, n):
    return dispatch.native_call(f"bernoulli_{dispatch.FLOATS[operands[-1].dtype.name]}", jax.ShapeDtypeStruct((n,), bool), *operands)


def _bernoulli_reference(*operands, n):
    *origin, probability = operands
    draws, start = _draws(*origin, n)
    high, low = threefry2x32(draws.key, (jnp.arange(n, dtype=jnp.uint32) + start, draws.step.astype(jnp.uint32)))
    # Multiplying by powers of two and taking whole parts off is exact in either precision.
    units = jnp.where((probability > 0) & (probability < 1), probability, 0) * 2.0**32
    whole = units.astype(jnp.uint32)
    rest = ((units - whole.astype(units.dtype)) * 2.0**32).astype(jnp.uint32)
    return (high < whole) | ((high == whole) & (low < rest)) | (probability >= 1)


# Poisson counts


def _poisson_operands(where, seed, streams, step, table, n, rate_index):
    table, rate_index = jnp.asarray(table), jnp.asarray(rate_index)
    if table.dtype != jnp.uint32 or table.ndim != 2:
        raise ParameterError(f"{where}: the table must be uint32 [R, length], from poisson_table, not {table.dtype} {list(table.shape)}.")
    if not jnp.issubdtype(rate_index.dtype, jnp.integer) or rate_index.shape not in ((), (n,)):
        raise ParameterError(f"{where}: rate_index must be one integer or int32 [{n}], not {rate_index.dtype} {list(rate_index.shape)}.")
    return *_origin(where, seed, streams, step, n), table, jnp.atleast_1d(rate_index.astype(jnp.int32))


def _counts_native(*operands, n):
    return dispatch.native_call("poisson_counts", jax.ShapeDtypeStruct((n,), jnp.int32), *operands)


def _counts_reference(*operands, n):
    *origin, table, rate_index = operands
    draws, start = _draws(*origin, n)
    index = jnp.arange(n, dtype=jnp.uint32) + start
    counter = (index >> 6 << 5) | (index & np.uint32(31))
    words = threefry2x32(draws.key, (counter, draws.step.astype(jnp.uint32)))
    word = jnp.minimum(jnp.where((index >> 5) & np.uint32(1) == 0, *words), np.uint32(MASK - 1))
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
