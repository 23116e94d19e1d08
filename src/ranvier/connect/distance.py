"""Rules for neurons that have places."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges
from ranvier.connect.pairs import PairFunction, bernoulli, stretches_of
from ranvier.errors import ParameterError
from ranvier.random import Key

NEAR_AT_ONCE = 1 << 18


@dataclasses.dataclass(frozen=True)
class Gaussian(PairFunction):
    """`peak · exp(−d² / (2 sd²))` of a distance d, in the unit of the positions."""

    sd: float
    peak: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "sd", doors.positive(self.sd, "gaussian: sd"))
        object.__setattr__(self, "peak", doors.probability(self.peak, "gaussian: peak"))

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        return self.peak * np.exp(-0.5 * (distance / self.sd) ** 2)


@dataclasses.dataclass(frozen=True)
class Exponential(PairFunction):
    """`peak · exp(−d / length)` of a distance d, in the unit of the positions."""

    length: float
    peak: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "length", doors.positive(self.length, "exponential: length"))
        object.__setattr__(self, "peak", doors.probability(self.peak, "exponential: peak"))

    def __call__(self, distance: np.ndarray) -> np.ndarray:
        return self.peak * np.exp(-distance / self.length)


@dataclasses.dataclass(frozen=True, eq=False)
class ByDistance(PairFunction):
    """A function of a pair that depends on its distance alone."""

    function: Callable[[np.ndarray], Any]
    source_positions: np.ndarray
    target_positions: np.ndarray
    extent: np.ndarray | None

    def __call__(self, pre: np.ndarray, post: np.ndarray) -> Any:
        for ids, positions, one in ((pre, self.source_positions, "source"), (post, self.target_positions, "target")):
            if len(ids) and ids.max() >= len(positions):
                raise ParameterError(f"by_distance: there are {len(positions)} {one} positions, but a {one} has the number {ids.max()}.")
        return self.function(_length(lambda axis: self.target_positions[post, axis] - self.source_positions[pre, axis], self))


@dataclasses.dataclass(frozen=True, eq=False)
class DistanceDependent(ConnectionRule):
    """Each pair with a probability that depends on its distance."""

    probability: Callable[[np.ndarray], Any]
    source_positions: np.ndarray
    target_positions: np.ndarray
    extent: np.ndarray | None
    autapses: bool
    cutoff: float | None = None

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        for positions, n, one in ((self.source_positions, sources, "source"), (self.target_positions, targets, "target")):
            if len(positions) != n:
                raise ParameterError(f"distance_dependent: there are {len(positions)} {one} positions, but {n} {one}s.")
        if self.cutoff is not None:
            return self._nearby(block, own, key)
        return bernoulli(self._of_block, sources, block, own, self.autapses, key, "distance_dependent")

    def _nearby(self, block: range, own: int | None, key: Key) -> Edges:
        """The same draws, of pairs within the cutoff alone: no others are looked at."""
        from scipy.spatial import KDTree

        tree = KDTree(self.source_positions, boxsize=self.extent)
        sources, places = len(self.source_positions), self.target_positions[block.start : block.stop]
        # Neighbours one after the other: what a stretch of them looks at is then a small part of the space, and stays in the caches.
        order = np.asarray(KDTree(places, boxsize=self.extent).indices) if len(places) else np.zeros(0, np.int64)

        def some(stretch: range) -> np.ndarray:
            targets = order[stretch.start : stretch.stop]
            here = KDTree(places[targets], boxsize=self.extent)
            near = here.sparse_distance_matrix(tree, self.cutoff, output_type="ndarray")
            pair = (targets[near["i"]] + block.start) * sources + near["j"]
            probability = np.asarray(self.probability(near["v"]), np.float64)
            if probability.shape not in ((), pair.shape):
                raise ParameterError(
                    f"distance_dependent: of distances of the shape {pair.shape} the probability has the shape {probability.shape}."
                )
            if probability.size and not (probability.min() >= 0 and probability.max() <= 1):
                wrong = np.flatnonzero(~((probability >= 0) & (probability <= 1)))
                raise ParameterError(
                    f"distance_dependent: a probability must be within [0, 1], but it is {np.ravel(probability)[wrong[0]]:g} "
                    f"at the distance {near['v'][wrong[0]]:g}."
                )
            return pair[key.uniform_at(pair) < probability]

        sample = places[np.linspace(0, len(places) - 1, min(len(places), 32)).astype(int)]
        near = float(np.mean(tree.query_ball_point(sample, self.cutoff, return_length=True))) if len(sample) and sources else 0.0
        pairs = np.concatenate([np.zeros(0, np.int64), *stretches_of(some, range(len(places)), max(1, int(NEAR_AT_ONCE / max(near, 1.0))))])
        pairs.sort()
        post = pairs // max(sources, 1)
        pairs -= post * sources
        pre, post = pairs.astype(np.int32), post.astype(np.int32)
        if own is not None and not self.autapses:
            other = pre != post - own
            post, pre = post[other], pre[other]
        return Edges(pre, post)

    def _of_block(self, block: range) -> np.ndarray:
        some, shape = slice(block.start, block.stop), (len(block), len(self.source_positions))
        distances = _length(lambda axis: self.target_positions[some, axis, None] - self.source_positions[None, :, axis], self)
        probability = np.asarray(self.probability(distances), np.float64)
        if probability.shape not in ((), shape):
            raise ParameterError(
                f"distance_dependent: of distances of the shape {shape} the probability has the shape {probability.shape}."
            )
        return probability


def _length(along: Callable[[int], np.ndarray], space: ByDistance | DistanceDependent) -> np.ndarray:
    """Of what is so long along each axis."""
    square: Any = 0.0
    for axis in range(space.source_positions.shape[1]):
        apart = np.abs(along(axis))
        if space.extent is not None:  # inside which all positions are
            np.minimum(apart, space.extent[axis] - apart, out=apart)
        square = np.square(apart, out=apart) + square
    return np.sqrt(square)


def distance_dependent(
    probability: Callable[[np.ndarray], Any],
    source_positions: Any,
    target_positions: Any = None,
    *,
    extent: Any = None,
    cutoff: Any = None,
    autapses: bool = True,
) -> ConnectionRule:
    """Each pair on its own, with a probability that is a function of its distance.

    Every pair is looked at, 10⁸ in a few seconds; with a cutoff, every pair within it.

    Args:
        probability: of an array of distances; `rv.connect.gaussian(sd, peak)`,
            `rv.connect.exponential(length, peak)`, or any function of NumPy arrays
            with values in [0, 1].
        source_positions: `[sources]` or `[sources, dimensions]`, in a unit of your choice.
        target_positions: likewise; by default those of the sources.
        extent: the size of the space in each dimension, or one number for all, where it
            is periodic: then a distance is the shortest way round.
        cutoff: the distance beyond which nobody is wired. It makes networks of 10⁵ and more neurons quick to draw.
        autapses: whether a neuron may be wired to itself.

    Raises:
        ParameterError: positions that are not finite or of different dimensions, a size that is not positive, or (when
            drawn) numbers of positions that do not match the populations, or a probability outside [0, 1].

    Example:
        >>> near = distance_dependent(lambda d: d < 1.5, np.arange(5.0), autapses=False)
        >>> near.edges(5, 5, range(2), 0, Key(1)).pre.tolist()
        [1, 0, 2]
    """
    doors.function(probability, "distance_dependent: probability", "rv.connect.gaussian(100.0)")
    if cutoff is not None:
        cutoff = doors.number(cutoff, "distance_dependent: cutoff", low=0.0)
    space = _space(source_positions, target_positions, extent, "distance_dependent")
    return DistanceDependent(probability, *space, doors.flag(autapses, "distance_dependent: autapses"), cutoff)


def by_distance(
    function: Callable[[np.ndarray], Any], source_positions: Any, target_positions: Any = None, *, extent: Any = None
) -> Callable[[np.ndarray, np.ndarray], Any]:
    """A function of a pair's distance, for weights, delays and `pairwise_bernoulli`.

    Args:
        function: of an array of distances, `[pairs]`, one value for each.
        source_positions, target_positions, extent: as in `distance_dependent`.

    Raises:
        ParameterError: as there.

    Example:
        >>> import ranvier as rv
        >>> places = np.array([0.0, 10.0, 30.0])  # µm
        >>> cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> delay = by_distance(lambda d: 0.5 + d / 100, places)
        >>> wires = rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.all_to_all(autapses=False), delay=delay)
        >>> rv.Network(cells, wires).edges(wires).delay.tolist()
        [0.6, 0.8, 0.6, 0.7, 0.8, 0.7]
    """
    doors.function(function, "by_distance: function", "lambda d: 0.5 + d / 100")
    return ByDistance(function, *_space(source_positions, target_positions, extent, "by_distance"))


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


def _space(source_positions: Any, target_positions: Any, extent: Any, what: str) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Where both sides are, `[neurons, dimensions]`, inside the extent `[dimensions]` where there is one."""
    source = _positions(source_positions, "source", what)
    target = source if target_positions is None else _positions(target_positions, "target", what)
    dimensions = source.shape[1]
    if target.shape[1] != dimensions:
        raise ParameterError(f"{what}: source_positions have {dimensions} coordinates and target_positions {target.shape[1]}.")
    if extent is None:
        return source, target, None
    size = doors.numbers(extent, f"{what}: extent", rank=(0, 1), low=1e-300, example="1000.0")
    if size.shape not in ((), (dimensions,)):
        raise ParameterError(f"{what}: extent has {len(size)} sizes, but there are {dimensions} dimensions.")
    size = np.broadcast_to(size, (dimensions,))
    return source % size, target % size, size


def _positions(given: Any, side: str, what: str) -> np.ndarray:
    example = f"numbers [{side}s] or [{side}s, dimensions]"
    positions = doors.numbers(given, f"{what}: {side}_positions", rank=(1, 2), example=example)
    positions = positions[:, None] if positions.ndim == 1 else positions
    return positions
