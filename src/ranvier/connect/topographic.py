"""Maps: a target hears the sources at its own place."""

from __future__ import annotations

import dataclasses
import itertools
import math

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges, RowRule, Rows
from ranvier.errors import ParameterError
from ranvier.random import Key

MOST_ATTEMPTS = 1000


@dataclasses.dataclass(frozen=True)
class Topographic(RowRule):
    """So many sources for every target, normally distributed around its own place."""

    fixed = "degrees"
    degree: int
    spread: float
    dimensions: int
    periodic: bool
    autapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        if self.degree and targets and not sources:
            raise ParameterError("topographic: there are no sources.")
        sides = [self._side(n, one) for n, one in ((sources, "sources"), (targets, "targets"))]
        degrees = np.full(targets, self.degree, np.int64)
        return Rows(degrees, lambda block: self._some(block, sources, sides[0], sides[1], own, key))

    def _side(self, n: int, what: str) -> int:
        side = n if self.dimensions == 1 else math.isqrt(n)
        if side**self.dimensions != n:
            raise ParameterError(f"topographic: {n} {what} do not fill a square; there must be 1, 4, 9, 16, …")
        return side

    def _some(self, block: range, sources: int, across: int, side: int, own: int | None, key: Key) -> Edges:
        n = len(block) * self.degree
        edge = np.arange(block.start * self.degree, block.start * self.degree + n)
        target = np.repeat(np.arange(block.start, block.stop), self.degree)
        places = self._place(target, side)
        source = np.zeros(n, np.int64)
        open_ones = np.arange(n)
        for attempt in itertools.count():
            if not len(open_ones):
                break
            if attempt == MOST_ATTEMPTS:
                raise ParameterError(
                    f"topographic: there is hardly a source to draw for target {target[open_ones[0]]}; the spread is too small."
                )
            found, inside = self._drawn([p[open_ones] for p in places], edge[open_ones], across, key.child(f"attempt {attempt}"))
            if own is not None and not self.autapses:
                inside &= found + own != target[open_ones]
            source[open_ones[inside]] = found[inside]
            open_ones = open_ones[~inside]
        ordered = np.sort(source.reshape(len(block), self.degree), axis=1)
        return Edges(ordered.ravel().astype(np.int32), target.astype(np.int32))

    def _place(self, ids: np.ndarray, side: int) -> list[np.ndarray]:
        """Along each axis, within (0, 1)."""
        columns = [ids] if self.dimensions == 1 else list(np.divmod(ids, side))
        return [(column + 0.5) / side for column in columns]

    def _drawn(self, places: list[np.ndarray], edge: np.ndarray, across: int, key: Key) -> tuple[np.ndarray, np.ndarray]:
        """A source for each edge, and whether there is one where it was drawn."""
        source, inside = np.zeros(len(edge), np.int64), np.ones(len(edge), bool)
        contiguous = len(edge) > 0 and edge[-1] - edge[0] == len(edge) - 1
        for axis, place in enumerate(places):
            own = key.child(f"axis {axis}")
            normal = own.normal(len(edge), int(edge[0])) if contiguous else own.normal_at(edge)
            at = np.floor((place + self.spread * normal) * across).astype(np.int64)
            if self.periodic:
                at %= max(across, 1)
            inside &= (at >= 0) & (at < across)
            source = source * across + at
        return source, inside


def topographic(degree: int, spread: float, *, dimensions: int = 1, periodic: bool = False, autapses: bool = True) -> ConnectionRule:
    """A map: each target has so many sources, normally distributed around its own place.

    Sources and targets lie evenly along a line, or row by row on a square, of length 1: target *i* of *n* at (i + ½) / n. The
    two sides may have different numbers of neurons. One source may be drawn several times for a target.

    Args:
        degree: how many sources each target has.
        spread: the standard deviation of a source's place along each axis, as a share of the length.
        dimensions: 1, a line; or 2, a square: then the numbers of neurons are square numbers.
        periodic: whether the ends meet (a ring, a torus). Else what is drawn beyond an end is drawn again.
        autapses: whether a neuron may be wired to itself.

    Raises:
        ParameterError: a number out of its bounds; or (when drawn) neurons that do not fill a square, or nobody to draw.

    Example:
        >>> topographic(3, 0.02).edges(100, 10, range(4, 6), None, Key(1)).pre.tolist()
        [42, 45, 46, 53, 55, 56]
    """
    return Topographic(
        doors.count(degree, "topographic: degree"),
        doors.number(spread, "topographic: spread", low=0.0, above=True),
        doors.count(dimensions, "topographic: dimensions", low=1, high=2),
        doors.flag(periodic, "topographic: periodic"),
        doors.flag(autapses, "topographic: autapses"),
    )
