"""How large the arrays of a set of edges are: larger than it needs, so that other edges have arrays of the same shape."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

from ranvier.connect.part import Part

SIZES_AN_OCTAVE = 64  # so that no more than 1.1 % is left empty
DEVIATIONS = 6.0  # of the number of edges


@dataclasses.dataclass(frozen=True)
class Capacity:
    """Room for edges.

    Attributes:
        edges: how many there may be; `target` has this length, `weight` and `order` too where they are there.
        delays: how many different delays there may be; a power of two.
        longest: the longest delay in steps; a power of two, or 0.
    """

    edges: int
    delays: int
    longest: int


class CapacityExceeded(Exception):
    """Edges that do not fit into the arrays of those before. Whoever compiled for those prepares anew."""


def capacity_for(edges: Any, parts: Iterable[Part]) -> Capacity:
    """Room for the edges that are there and for those that another seed, or other delays, would give.

    Where a rule draws how many edges there are, that is room for six standard deviations of
    their number more, and up to the next of 64 sizes an octave; where no rule does, for exactly as many.

    Args:
        edges: the edges as `assemble` gives them, with or without room.
        parts: what they were drawn from.

    Example:
        >>> from ranvier.connect import Part, assemble, fixed_in_degree, pairwise_bernoulli
        >>> from ranvier.random import Key
        >>> for rule in (fixed_in_degree(100), pairwise_bernoulli(0.1)):
        ...     part = Part("it", rule, 1000, 0, ((1000, 0),), Key(1), delay=1.5)
        ...     edges = assemble([part], 1000, 1000, "float32")
        ...     print(len(edges.target), capacity_for(edges, [part]))
        100000 Capacity(edges=100000, delays=1, longest=16)
        100292 Capacity(edges=103284, delays=1, longest=16)
    """
    used = edges.segments[-1, -1, -1] if edges.segments.size else 0
    return room_for(int(used), parts, sum(int(d >= 0) for d in edges.delays), max(map(int, edges.delays), default=0))


def room_for(edges: int, parts: Iterable[Part], delays: int, longest: int) -> Capacity:
    """Likewise, for so many edges with so many delays."""
    return Capacity(edges if all(map(_never_varies, parts)) else _with_room(edges), _power_of_two(delays), _power_of_two(longest))


def _never_varies(part: Part) -> bool:
    """Whether every seed gives the part's targets in the set as many edges."""
    return part.rule.fixed == "degrees" or (part.rule.fixed == "number" and all(onto is not None for _, onto in part.targets))


def _with_room(edges: int) -> int:
    most = edges + DEVIATIONS * math.sqrt(edges) + 16
    return math.ceil(2.0 ** (math.ceil(math.log2(most) * SIZES_AN_OCTAVE) / SIZES_AN_OCTAVE))


def _power_of_two(n: int) -> int:
    return 1 << (n - 1).bit_length() if n > 0 else 0
