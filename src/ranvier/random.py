"""Counter-based random numbers, and the distributions drawn with them.

Every draw is a function of (seed, stream, counter, index): the index is the
global number of the neuron or edge it is for, so the same seed gives the same
numbers whatever the order, the block size or the number of devices.

The generator is Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror & Shaw
2011, "Parallel random numbers: as easy as 1, 2, 3", SC'11), in 32-bit integer
arithmetic only, written against the array library that the counters belong to.
"""

from __future__ import annotations

import dataclasses
import zlib
from typing import Any

import numpy as np

from ranvier.errors import ParameterError

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry2x32(key: tuple[Any, Any], counter: tuple[Any, Any]) -> tuple[Any, Any]:
    """Two 32-bit words for each counter (Threefry-2x32-20).

    Args:
        key: two uint32 scalars.
        counter: two uint32 arrays (NumPy or JAX) of one shape, or that broadcast.

    Returns:
        Two uint32 arrays of that shape.
    """
    k0, k1 = (np.uint32(k) if isinstance(k, int) else k for k in key)
    keys = (k0, k1, k0 ^ k1 ^ np.uint32(_PARITY))
    x, y = counter[0] + keys[0], counter[1] + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            x = x + y
            y = ((y << np.uint32(rotation)) | (y >> np.uint32(32 - rotation))) ^ x
        x = x + keys[(group + 1) % 3]
        y = y + keys[(group + 2) % 3] + np.uint32(group + 1)
    return x, y


@dataclasses.dataclass(frozen=True)
class Key:
    """Where a draw comes from: the run's seed and a named stream.

    Example:
        >>> Key(1).child("initial").child("V").uniform(3).round(4).tolist()
        [0.2985, 0.3937, 0.9606]
    """

    seed: int
    stream: int = 0

    def child(self, name: str) -> Key:
        """The key of a sub-stream, by name."""
        return Key(self.seed, zlib.crc32(name.encode(), self.stream))

    def _words(self, n: int, start: int) -> tuple[np.ndarray, np.ndarray]:
        index = np.arange(start, start + n, dtype=np.uint64)
        low, high = (index & np.uint64(0xFFFFFFFF)).astype(np.uint32), (index >> np.uint64(32)).astype(np.uint32)
        seed = np.uint64(self.seed & 0xFFFFFFFFFFFFFFFF)
        with np.errstate(over="ignore"):
            # The seed's high word joins the stream, so that 64-bit seeds differ throughout.
            key = (np.uint32(seed & np.uint64(0xFFFFFFFF)), np.uint32(self.stream) ^ np.uint32(seed >> np.uint64(32)))
            return threefry2x32(key, (low, high))

    def uniform(self, n: int, start: int = 0) -> np.ndarray:
        """`n` numbers in (0, 1), for the indices `start` … `start + n − 1`; float64 `[n]`."""
        a, b = self._words(n, start)
        bits = (a.astype(np.uint64) << np.uint64(20)) | (b.astype(np.uint64) >> np.uint64(12))
        return (bits.astype(np.float64) + 0.5) * 2.0**-52

    def normal(self, n: int, start: int = 0) -> np.ndarray:
        """`n` standard normal numbers; float64 `[n]`."""
        from scipy.special import ndtri

        return ndtri(self.uniform(n, start))


@dataclasses.dataclass(frozen=True)
class Distribution:
    """A distribution that stands where a number could: one draw a neuron or edge."""

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        """`n` draws, for the global indices `start` … `start + n − 1`; float64 `[n]`."""
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Uniform(Distribution):
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.high:
            raise ParameterError(f"uniform({self.low}, {self.high}): the low end is above the high end.")

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        return self.low + (self.high - self.low) * key.uniform(n, start)


@dataclasses.dataclass(frozen=True)
class Normal(Distribution):
    mean: float
    sd: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.sd >= 0:
            raise ParameterError(f"normal({self.mean}, {self.sd}): the standard deviation is negative.")

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        return np.clip(self.mean + self.sd * key.normal(n, start), self.low, self.high)


@dataclasses.dataclass(frozen=True)
class LogNormal(Distribution):
    median: float
    sigma: float

    def draw(self, key: Key, n: int, start: int = 0) -> np.ndarray:
        return self.median * np.exp(self.sigma * key.normal(n, start))


def uniform(low: float, high: float) -> Uniform:
    """Uniform between `low` and `high`.

    Example:
        >>> uniform(-60, -50).draw(Key(1), 1000).mean().round()
        np.float64(-55.0)
    """
    return Uniform(low, high)


def normal(mean: float, sd: float, low: float = -np.inf, high: float = np.inf) -> Normal:
    """Normal with `mean` and standard deviation `sd`, clipped to `[low, high]`.

    Example:
        >>> normal(-65, 5).draw(Key(1), 10000).std().round()
        np.float64(5.0)
    """
    return Normal(mean, sd, low, high)


def lognormal(median: float, sigma: float) -> LogNormal:
    """Log-normal: `median · exp(sigma · N(0, 1))`.

    Example:
        >>> bool((lognormal(1.0, 0.5).draw(Key(1), 100) > 0).all())
        True
    """
    return LogNormal(median, sigma)
