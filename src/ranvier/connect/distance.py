"""Rules for neurons that have places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.connect.base import ConnectionRule, Edges
from ranvier.errors import ParameterError
from ranvier.random import Key

PAIRS_AT_ONCE = 1 << 20


@dataclasses.dataclass(frozen=True)
class Gaussian:
    """`peak · exp(−d² / (2 sd²))` of a distance d, in the unit of the positions."""

    sd: float
    peak: float = 1.0

    def __post_init__(self) -> None:
        _check_profile("gaussian", "sd", self.sd, self.peak)

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        return self.peak * np.exp(-0.5 * (distance / self.sd) ** 2)


@dataclasses.dataclass(frozen=True)
class Exponential:
    """`peak · exp(−d / length)` of a distance d, in the unit of the positions."""

    length: float
    peak: float = 1.0

    def __post_init__(self) -> None:
        _check_profile("exponential", "length", self.length, self.peak)

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        return self.peak * np.exp(-distance / self.length)


@dataclasses.dataclass(frozen=True, eq=False)
class DistanceDependent(ConnectionRule):
    """Each pair with a probability that depends on its distance."""

    probability: Callable[[np.ndarray], Any]
    source_positions: np.ndarray
    target_positions: np.ndarray
    extent: np.ndarray | None
    autapses: bool

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        for positions, n, one in ((self.source_positions, sources, "source"), (self.target_positions, targets, "target")):
            if len(positions) != n:
                raise ParameterError(f"distance_dependent: there are {len(positions)} {one} positions, but {n} {one}s.")
        rows = max(1, PAIRS_AT_ONCE // max(sources, 1))
        parts = [self._some(range(first, min(first + rows, block.stop)), own, key) for first in range(block.start, block.stop, rows)]
        nobody = np.zeros(0, np.int32)
        return Edges(*(np.concatenate([nobody, *(part[side] for part in parts)]) for side in (0, 1)))

    def _some(self, block: range, own: int | None, key: Key) -> tuple[np.ndarray, np.ndarray]:
        """Sources and targets of the edges onto a few targets."""
        sources = len(self.source_positions)
        probability = np.asarray(self.probability(self._distances(block)), np.float64)
        if probability.shape not in ((), (len(block), sources)):
            raise ParameterError(
                f"distance_dependent: of distances of the shape {(len(block), sources)} the probability has the shape {probability.shape}."
            )
        if not ((probability >= 0) & (probability <= 1)).all():
            wrong = probability[~((probability >= 0) & (probability <= 1))].flat[0]
            raise ParameterError(f"distance_dependent: a probability must be within [0, 1], but one is {wrong:g}.")
        drawn = key.uniform(len(block) * sources, block.start * sources).reshape(len(block), sources) < probability
        if own is not None and not self.autapses:
            row = np.arange(len(block))
            itself = row + block.start - own
            inside = (itself >= 0) & (itself < sources)
            drawn[row[inside], itself[inside]] = False
        post, pre = np.nonzero(drawn)
        return pre.astype(np.int32), (post + block.start).astype(np.int32)

    def _distances(self, block: range) -> np.ndarray:
        square = np.zeros((len(block), len(self.source_positions)))
        for axis in range(self.source_positions.shape[1]):
            apart = np.abs(self.target_positions[block.start : block.stop, axis, None] - self.source_positions[None, :, axis])
            if self.extent is not None:  # inside which all positions are
                np.minimum(apart, self.extent[axis] - apart, out=apart)
            square += np.square(apart, out=apart)
        return np.sqrt(square, out=square)


def distance_dependent(
    probability: Callable[[np.ndarray], Any],
    source_positions: Any,
    target_positions: Any = None,
    *,
    extent: Any = None,
    autapses: bool = True,
) -> ConnectionRule:
    """Each pair on its own, with a probability that is a function of its distance.

    Every pair is looked at: 10⁸ pairs take a few seconds.

    Args:
        probability: of an array of distances; `rv.connect.gaussian(sd, peak)`,
            `rv.connect.exponential(length, peak)`, or any function of NumPy arrays
            with values in [0, 1].
        source_positions: `[sources]` or `[sources, dimensions]`, in a unit of your choice.
        target_positions: likewise; by default those of the sources.
        extent: the size of the space in each dimension, or one number for all, where it
            is periodic: then a distance is the shortest way round.
        autapses: whether a neuron may be wired to itself.

    Raises:
        ParameterError: positions that are not finite or of different dimensions, a size that is not positive, or (when
            drawn) numbers of positions that do not match the populations, or a probability outside [0, 1].

    Example:
        >>> near = distance_dependent(lambda d: d < 1.5, np.arange(5.0), autapses=False)
        >>> near.edges(5, 5, range(2), 0, Key(1)).pre.tolist()
        [1, 0, 2]
    """
    if not callable(probability):
        raise ParameterError(
            f"distance_dependent: the probability must be a function, such as rv.connect.gaussian(100.0), not {probability!r}."
        )
    source = _positions(source_positions, "source")
    target = source if target_positions is None else _positions(target_positions, "target")
    dimensions = source.shape[1]
    if target.shape[1] != dimensions:
        raise ParameterError(f"distance_dependent: sources have {dimensions} coordinates and targets {target.shape[1]}.")
    if extent is not None:
        extent = np.asarray(extent, np.float64)
        if extent.shape not in ((), (dimensions,)) or not (np.isfinite(extent) & (extent > 0)).all():
            raise ParameterError(f"distance_dependent: the extent must be a positive size, or {dimensions}, not {extent.tolist()}.")
        extent = np.broadcast_to(extent, (dimensions,))
        source, target = source % extent, target % extent
    return DistanceDependent(probability, source, target, extent, autapses)


def gaussian(sd: float, peak: float = 1.0) -> Gaussian:
    """A profile for `distance_dependent`: `peak · exp(−d² / (2 sd²))`.

    Example:
        >>> gaussian(2.0, peak=0.5)(np.array([0.0, 2.0])).round(3).tolist()
        [0.5, 0.303]
    """
    return Gaussian(sd, peak)


def exponential(length: float, peak: float = 1.0) -> Exponential:
    """A profile for `distance_dependent`: `peak · exp(−d / length)`.

    Example:
        >>> exponential(2.0)(np.array([0.0, 2.0])).round(3).tolist()
        [1.0, 0.368]
    """
    return Exponential(length, peak)


def _positions(given: Any, side: str) -> np.ndarray:
    positions = np.asarray(given, np.float64)
    positions = positions[:, None] if positions.ndim == 1 else positions
    if positions.ndim != 2 or not np.isfinite(positions).all():
        raise ParameterError(
            f"distance_dependent: {side} positions must be finite numbers [{side}s] or [{side}s, dimensions]; these have the shape "
            f"{np.shape(given)}."
        )
    return positions


def _check_profile(name: str, what: str, scale: float, peak: float) -> None:
    if not (np.isfinite(scale) and scale > 0):
        raise ParameterError(f"{name}: {what} must be positive, not {scale}.")
    if not 0 <= peak <= 1:
        raise ParameterError(f"{name}: peak is a probability, within [0, 1], not {peak}.")
