"""Networks with hubs, grown by preferential attachment."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges, Rows, both_ways, by_target, kept_rows
from ranvier.errors import ParameterError
from ranvier.memory import require_memory
from ranvier.random import Key

HUBS = ("senders", "receivers", "both")


@dataclasses.dataclass(frozen=True)
class ScaleFree(ConnectionRule):
    """Each neuron joins older ones, the more likely the more edges they have."""

    fixed = "number"
    edges_each: int
    hubs: str

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        return self.rows(sources, targets, own, key).block(block)

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        if sources != targets:
            raise ParameterError(f"scale_free needs as many sources as targets, but there are {sources} and {targets}.")
        degrees = np.full(targets, self.edges_each, np.int64)
        degrees[:1] = 0

        def block(some: range) -> Edges:
            older = _older(key, some, self.edges_each)
            return Edges(older.ravel(), np.repeat(np.arange(max(some.start, 1), max(some.stop, 1), dtype=np.int32), self.edges_each))

        if self.hubs == "senders":
            return Rows(degrees, block)
        require_memory(24.0 * targets * self.edges_each, f"scale_free({self.edges_each})", "Fewer edges take less.")
        older = block(range(targets)).pre
        return kept_rows(both_ways(degrees, older, targets) if self.hubs == "both" else by_target(degrees, older, targets), targets)


def _older(key: Key, block: range, m: int) -> np.ndarray:
    """Whom each neuron of a block chose, ascending; int32 `[neurons but the first, m]`.

    Edge e joins neuron e // m to the one at a place drawn among the two ends of every edge of older neurons. The place 2 e + 1 is
    the end that edge e was drawn to itself: so it is found by the draw of that edge, whoever draws it (Sanders & Schulz 2016).
    """
    first, stop = max(block.start, 1) * m, max(block.stop, 1) * m
    edge = np.arange(first, stop)
    place = _below(key.uniform(stop - first, first), 2 * (edge // m) * m)
    chosen = place // 2 // m
    open_ones = np.flatnonzero((place % 2 == 1) & (chosen > 0))
    while len(open_ones):
        edge = place[open_ones] // 2
        place[open_ones] = _below(key.uniform_at(edge), 2 * (edge // m) * m)
        chosen[open_ones] = place[open_ones] // 2 // m
        open_ones = open_ones[(place[open_ones] % 2 == 1) & (chosen[open_ones] > 0)]
    return np.sort(chosen.reshape(-1, m), axis=1).astype(np.int32)


def _below(uniform: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.minimum((uniform * n).astype(np.int64), n - 1)


def scale_free(edges_each: int, hubs: str = "senders") -> ConnectionRule:
    """A network with hubs: each neuron joins older ones, the more likely the more edges these have already.

    How many edges a neuron has, its own and those that it was chosen for, follows
    `P(k) = 2 m (m + 1) / (k (k + 1) (k + 2))` for k from m on, whose tail falls as k⁻³ (Barabási & Albert 1999, "Emergence of
    scaling in random networks", Science 286; Bollobás, Riordan, Spencer & Tusnády 2001). A pair may be
    joined several times, which is frequent among the oldest alone: those with the lowest numbers.

    Args:
        edges_each: m, how many older ones each neuron but the first joins.
        hubs: what neurons with many edges are: `"senders"` (each neuron has m sources, and hubs have many targets),
            `"receivers"` (each has m targets), or `"both"`, every edge in both directions. For the last two, the edges are all
            in memory while they are sorted, at up to 24 bytes each.

    Raises:
        ParameterError: no whole number of at least 1; or (when drawn) other numbers of sources and targets.
        UnknownNameError: other hubs.

    Example:
        >>> edges = scale_free(2).edges(1000, 1000, range(1000), 0, Key(1))
        >>> len(edges), int(np.bincount(edges.pre).max()) > 40
        (1998, True)
    """
    return ScaleFree(doors.count(edges_each, "scale_free: edges_each", low=1), doors.choice(hubs, "scale_free: hubs", HUBS))
