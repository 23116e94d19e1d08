"""Counter-based random numbers, and the distributions drawn with them.

Every draw is a function of (seed, stream, counter, index): the index is the
global number of the neuron or edge it is for, so the same seed gives the same
numbers whatever the order, the block size or the number of devices.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw
2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11), in 32-bit integer
arithmetic only, against the array library that the counters belong to.
Normal numbers come from an integer table of the quantile function: no
logarithm or cosine, which every library and instruction set rounds its own way.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import statistics
import zlib
from types import ModuleType
from typing import Any, ClassVar, Self

import numpy as np

from ranvier import doors, units
from ranvier.errors import ParameterError, not_written
from ranvier.listing import listed
from ranvier.words import MASK, NativeWords, words_for

STREAMS_VERSION = 2
"""Which numbers a seed gives. Whoever changes what is drawn for anything, or under which key, counts this up: stores and states
carry it, and those of another version are read and refused to go on, never continued with other numbers.

1: streams by the place of a population or projection in the network.
"""

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA

_SEGMENTS = 128
_UNIT = 2.0**-28
_NATIVE_FROM = 16  # draws
_NATIVE_ATTEMPTS = 8  # of a number outside its bounds
_LEAST_SHARE = 1e-3  # of draws that must be usable where others are drawn again


def threefry2x32(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Two 32-bit words for each counter (Threefry-2x32-20).

    Args:
        key: two uint32 scalars.
        counter: two uint32 arrays of one shape, or that broadcast, NumPy or JAX
            (for PyTorch and TensorFlow int64, see `ranvier.words`).

    Returns:
        Two such arrays of that shape.

    Example:
        >>> [hex(w) for w in threefry2x32((0x13198A2E, 0x03707344), (np.uint32(0x243F6A88), np.uint32(0x85A308D3)))]
        ['0xc4923a9c', '0x483df7a0']
    """
    w = words_for(*counter, *key)
    k0, k1 = w.word(key[0]), w.word(key[1])
    keys = (k0, k1, w.xor(w.xor(k0, k1), w.word(_PARITY)))
    with np.errstate(over="ignore"):
        x, y = w.wrap(counter[0] + keys[0]), w.wrap(counter[1] + keys[1])
        for group in range(5):
            for rotation in _ROTATIONS[group % 2]:
                x = w.wrap(x + y)
                y = w.xor(w.rotate(y, rotation), x)
            x = w.wrap(x + keys[(group + 1) % 3])
            y = w.wrap(y + keys[(group + 2) % 3] + w.word(group + 1))
    return x, y


@functools.cache
def normal_table() -> np.ndarray:
    """The upper quantiles of the normal distribution in units of 2⁻²⁸; uint32 `[4097]`.

    Entry `128 e + j` is for the tail probability `2ᵉ (1 + j/128) / 2³³`, so the
    segments halve with every octave of the tail. Between entries the quantile is
    taken as linear, which is wrong by less than 4·10⁻⁶ standard deviations.

    Example:
        >>> table = normal_table()
        >>> int(table[-1]), round(float(table[0]) * 2**-28, 4), float(table[30 * 128 + 0]) * 2**-28 > 1.15
        (0, 6.338, True)
    """
    quantile = statistics.NormalDist().inv_cdf
    tails = [2.0 ** (e - 33) * (1 + j / _SEGMENTS) for e in range(32) for j in range(_SEGMENTS)]
    table = np.array([round(-quantile(q) / _UNIT) for q in [*tails, 0.5]], dtype=np.uint32)
    table.flags.writeable = False
    return table


def _widest() -> float:
    """No normal number is larger."""
    return float(normal_table()[0]) * _UNIT


def _normal(w: NativeWords, bits: Any, like: Any) -> Any:
    """Standard normal numbers from words, one each."""
    sign = w.right(bits, 31)
    tail = w.left(w.low_bits(bits, 31), 1) + w.word(1)  # odd, so that no tail is 0 and both sides are alike
    octave = w.word(31)
    for shift in (16, 8, 4, 2, 1):  # until the leading bit is bit 31
        move = w.is_zero(w.right(tail, 32 - shift)) * w.word(shift)
        tail = w.left(tail, move)
        octave = octave - move
    at = octave * w.word(_SEGMENTS) + w.low_bits(w.right(tail, 24), 7)
    table = normal_table()
    high = w.entries(table, at)
    fall = high - w.entries(table, at + w.word(1))  # below 2²¹
    # fall · (22 bits of the position in the segment), in two halves, so that no product passes 2³²
    part = fall * w.low_bits(w.right(tail, 13), 11) + w.right(fall * w.low_bits(w.right(tail, 2), 11), 11)
    precision = "float64" if "64" in str(like.dtype) else "float32"
    size = w.real(high - w.right(part, 11), precision) * _UNIT
    return w.cast(size * (1 - 2 * w.real(sign, precision)), like)


def _uniform(w: NativeWords, bits: tuple[Any, Any], like: Any) -> Any:
    """Numbers in (0, 1): the middles of 2⁵² equal parts in double, 2²³ in single precision."""
    if "64" in str(like.dtype):
        return w.cast((w.real(bits[0], "float64") * 2.0**20 + w.real(w.right(bits[1], 12), "float64") + 0.5) * 2.0**-52, like)
    return w.cast((w.real(w.right(bits[0], 9), "float32") + 0.5) * 2.0**-23, like)


@dataclasses.dataclass(frozen=True)
class Key:
    """Where a draw comes from: the run's seed and a named stream.

    Example:
        >>> Key(1).child("initial").child("V").uniform(3).round(4).tolist()
        [0.8735, 0.4915, 0.0423]
    """

    seed: int
    stream: int = 0

    def child(self, name: str) -> Key:
        """The key of a sub-stream, by name."""
        return Key(self.seed, zlib.crc32(name.encode(), self.stream))

    @property
    def seed_words(self) -> tuple[int, int]:
        """The low and the high word of the seed."""
        return self.seed & MASK, (self.seed >> 32) & MASK

    def at(self, step: Any) -> Draws:
        """The draws of one step, whose number may be traced."""
        return Draws(self.seed_words, self.stream, step)

    @property
    def words(self) -> tuple[int, int]:
        """The generator's key."""
        low, high = _key_words(self.seed_words, self.stream)
        return int(low), int(high)

    def bits(self, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Two words for each counter; uint32, in the shape of the counter's words."""
        return threefry2x32(self.words, (low, high))

    def _bits_from(self, n: int, start: int) -> tuple[np.ndarray, np.ndarray]:
        index = np.arange(start, start + n, dtype=np.uint64)
        return self.bits((index & np.uint64(MASK)).astype(np.uint32), (index >> np.uint64(32)).astype(np.uint32))

    def uniform(self, n: int, start: int = 0) -> np.ndarray:
        """`n` numbers in (0, 1), for the indices `start` … `start + n − 1`; float64 `[n]`."""
        native = _native_for(n)
        if native is not None:
            out = np.empty(n)
            native.uniform_numbers(*self.words, start, out)
            return out
        return _uniform(words_for(), self._bits_from(n, start), np.empty(0))

    def uniform_at(self, index: np.ndarray) -> np.ndarray:
        """The uniform numbers of any indices, int64 `[n]`; float64 `[n]`."""
        native = _native_for(len(index), least=1)
        if native is not None:
            out = np.empty(len(index))
            native.uniform_numbers_at(*self.words, index, out)
            return out
        return _uniform(words_for(), self.bits((index & MASK).astype(np.uint32), (index >> 32).astype(np.uint32)), np.empty(0))

    def normal(self, n: int, start: int = 0) -> np.ndarray:
        """`n` standard normal numbers; float64 `[n]`."""
        native = _native_for(n)
        if native is not None:
            out = np.empty(n)
            native.normal_numbers(*self.words, start, normal_table(), out)
            return out
        with np.errstate(over="ignore"):
            return _normal(words_for(), self._bits_from(n, start)[0], np.empty(0))

    def normal_at(self, index: np.ndarray) -> np.ndarray:
        """The standard normal numbers of any indices, int64 `[n]`; float64 `[n]`."""
        native = _native_for(len(index), least=1)
        if native is not None:
            out = np.empty(len(index))
            native.normal_numbers_at(*self.words, index, normal_table(), out)
            return out
        with np.errstate(over="ignore"):
            return _normal(words_for(), self.bits((index & MASK).astype(np.uint32), (index >> 32).astype(np.uint32))[0], np.empty(0))


def _native_for(n: int, least: int = _NATIVE_FROM) -> ModuleType | None:
    """The native module, where so many draws are worth the call. Its numbers are the same."""
    if n < least:
        return None
    from ranvier.kernels import dispatch  # which draws too

    return dispatch.native_module()


def _key_words(seed: tuple[Any, Any], stream: Any, extra: Any = 0) -> tuple[Any, Any]:
    """The generator's key. The seed's high word joins the stream, so that 64-bit seeds differ throughout."""
    w = words_for(*seed, stream, extra)
    return w.xor(w.word(seed[0]), w.word(extra)), w.xor(w.word(stream), w.word(seed[1]))


@dataclasses.dataclass(frozen=True)
class Draws:
    """The random numbers of one step, on any array library and inside its traces.

    They are those of the counter (index, step), so no state is carried from step to
    step. `Key.at` makes them; a `Key` that makes them draws nothing else.

    Attributes:
        seed: the seed's two 32-bit words; integers, or scalars of the library.
        stream: the stream; likewise.
        step: the number of the step; an integer, or a scalar of the library.

    Example:
        >>> import jax.numpy as jnp
        >>> noise = Key(1).child("noise").at(7)
        >>> noise.normal(np.zeros(3, "float32")).tolist() == noise.normal(jnp.zeros(3)).tolist()
        True
    """

    seed: tuple[Any, Any]
    stream: Any
    step: Any

    def child(self, name: str) -> Draws:
        """The draws of a sub-stream, by name."""
        return dataclasses.replace(self, stream=zlib.crc32(name.encode(), self.stream))

    @property
    def key(self) -> tuple[Any, Any]:
        """The generator's key: a step's high word joins the seed, its low word is half of the counter."""
        later = self.step >> 32 if isinstance(self.step, int) else words_for(self.step).right(self.step, 32)
        return _key_words(self.seed, self.stream, later)

    def _words(self, like: Any, start: Any) -> tuple[NativeWords, tuple[Any, Any]]:
        w = words_for(like)
        return w, threefry2x32(self.key, (w.count(like, start), w.word(self.step)))

    def uniform(self, like: Any, start: Any = 0) -> Any:
        """Numbers in (0, 1), in the shape, dtype and library of `like`; its first element has the index `start`."""
        w, bits = self._words(like, start)
        return _uniform(w, bits, like)

    def normal(self, like: Any, start: Any = 0) -> Any:
        """Standard normal numbers, in the shape, dtype and library of `like`."""
        w, bits = self._words(like, start)
        with np.errstate(over="ignore"):
            return _normal(w, bits[0], like)


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A distribution that stands where a number could: one draw a neuron or edge.

    Class attributes:
        measured: the fields that are in the unit of what is drawn.
    """

    measured: ClassVar[tuple[str, ...]] = ()

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        """`n` draws, for the global indices `start` … `start + n − 1`; float64 `[n]`."""
        raise not_written(self, Distribution.draw)

    def ends(self) -> tuple[float, float]:
        """Between what every draw is; it need not be narrow."""
        return -np.inf, np.inf

    @property
    def has_units(self) -> bool:
        """Whether it was given in quantities, which become numbers where the unit wanted is known."""
        return any(units.is_quantity(getattr(self, name)) for name in self.measured)

    def in_unit(self, unit: str, what: str) -> Self:
        """The same distribution in plain numbers.

        Raises:
            UnitError: its quantities are of another dimension.
        """
        return dataclasses.replace(self, **{name: units.magnitude(getattr(self, name), unit, what) for name in self.measured})

    def _clean(self, called: str, **infinite: bool) -> None:
        """Makes a float of each field, or leaves all to `in_unit` where some are quantities."""
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type == "bool":
                value = doors.flag(value, f"{called}: {field.name}")
            elif not (field.name in self.measured and units.is_quantity(value)):
                value = doors.number(value, f"{called}: {field.name}", infinite=infinite.get(field.name, False))
            object.__setattr__(self, field.name, value)


@dataclasses.dataclass(frozen=True)
class Uniform(Distribution):
    low: float
    high: float
    measured = ("low", "high")

    def __post_init__(self) -> None:
        self._clean("uniform")
        if not self.has_units and not self.low <= self.high:
            raise ParameterError(f"uniform({self.low:g}, {self.high:g}): low is above high.")

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        return self.low + (self.high - self.low) * key.uniform(n, start)

    def ends(self) -> tuple[float, float]:
        return self.low, self.high


@functools.lru_cache(256)
def _attempt_keys(key: Key, attempts: int) -> np.ndarray:
    """The words of a key and of the keys that what is outside is drawn again with."""
    keys = [key, *(key.child(f"attempt {attempt}") for attempt in range(1, attempts + 1))]
    return np.array([key.words for key in keys], np.uint32).ravel()


@dataclasses.dataclass(frozen=True)
class Normal(Distribution):
    mean: float
    sd: float
    low: float
    high: float
    redraw: bool = False
    measured = ("mean", "sd", "low", "high")

    def __post_init__(self) -> None:
        self._clean("normal", low=True, high=True)
        if self.has_units:
            return
        if not self.sd >= 0:
            raise ParameterError(f"normal: sd is {self.sd:g}, but a standard deviation must be at least 0.")
        if not self.low <= self.high:
            raise ParameterError(f"normal(low={self.low:g}, high={self.high:g}): low is above high.")
        if self.redraw and not self._share_inside() >= _LEAST_SHARE:
            raise ParameterError(
                f"normal({self.mean}, {self.sd}, low={self.low}, high={self.high}, redraw=True): hardly any draw is within these ends."
            )

    def _share_inside(self) -> float:
        if self.sd == 0:
            return float(self.low <= self.mean <= self.high)
        below = statistics.NormalDist(self.mean, self.sd).cdf
        return below(self.high) - below(self.low)

    def ends(self) -> tuple[float, float]:
        return max(self.low, self.mean - _widest() * self.sd), min(self.high, self.mean + _widest() * self.sd)

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        drawn, left, attempts = np.empty(n), n, 0
        native = _native_for(n)
        if native is None:
            np.add(key.normal(n, start) * self.sd, self.mean, out=drawn)
        else:
            attempts = _NATIVE_ATTEMPTS if self.redraw else 0
            ends = (self.low, self.high) if self.redraw else (-np.inf, np.inf)
            left = native.normal_numbers_within(_attempt_keys(key, attempts), start, normal_table(), self.mean, self.sd, *ends, drawn)
        if not self.redraw:
            return np.clip(drawn, self.low, self.high, out=drawn)
        outside = np.flatnonzero((drawn < self.low) | (drawn > self.high)) if left else np.zeros(0, np.int64)
        for attempt in itertools.count(attempts + 1):
            if not len(outside):
                break
            again = self.mean + self.sd * key.child(f"attempt {attempt}").normal_at(start + outside)
            drawn[outside] = again
            outside = outside[(again < self.low) | (again > self.high)]
        return drawn


@dataclasses.dataclass(frozen=True)
class LogNormal(Distribution):
    median: float
    sigma: float
    measured = ("median",)

    def __post_init__(self) -> None:
        self._clean("lognormal")
        if self.sigma < 0:
            raise ParameterError(f"lognormal: sigma is {self.sigma:g}, but a standard deviation must be at least 0.")

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        return self.median * np.exp(self.sigma * key.normal(n, start))

    def ends(self) -> tuple[float, float]:
        one, other = (self.median * float(np.exp(sign * self.sigma * _widest())) for sign in (-1, 1))
        return min(one, other), max(one, other)


def uniform(low: float, high: float) -> Uniform:
    """Uniform between `low` and `high`.

    Args:
        low, high: the ends: numbers, or quantities.

    Raises:
        ParameterError: they are no finite numbers, or in the wrong order.

    Example:
        >>> uniform(-60, -50).draw(Key(1), 1000).mean().round()
        np.float64(-55.0)
    """
    return Uniform(low, high)


def normal(mean: float, sd: float, low: float = -np.inf, high: float = np.inf, redraw: bool = False) -> Normal:
    """Normal with `mean` and standard deviation `sd`, kept within `[low, high]`.

    Args:
        mean, sd: of the normal distribution before anything is cut off: numbers, or quantities.
        low, high: the ends.
        redraw: what is outside is drawn again until it is inside (a truncated normal
            distribution), and not moved to the nearer end.

    Raises:
        ParameterError: something that is no number, a negative standard deviation, ends in the wrong
            order, or hardly anything between them to draw.

    Example:
        >>> normal(-65, 5).draw(Key(1), 10000).std().round()
        np.float64(5.0)
        >>> [float((normal(0, 1, low=0, redraw=r).draw(Key(1), 10000) == 0).mean().round(1)) for r in (False, True)]
        [0.5, 0.0]
    """
    return Normal(mean, sd, low, high, redraw)


def lognormal(median: float, sigma: float) -> LogNormal:
    """Log-normal: `median · exp(sigma · N(0, 1))`.

    Raises:
        ParameterError: something that is no finite number, or a negative sigma.

    Example:
        >>> bool((lognormal(1.0, 0.5).draw(Key(1), 100) > 0).all())
        True
    """
    return LogNormal(median, sigma)


def __dir__() -> list[str]:
    return listed(globals(), own=True)
