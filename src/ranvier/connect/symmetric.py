"""Pairs of neurons that are wired to each other."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges, binomial, both_ways, kept_rows, one_population
from ranvier.kernels.edges import Candidates, draw_rows
from ranvier.memory import require_memory
from ranvier.random import Key


@dataclasses.dataclass(frozen=True)
class SymmetricPairs(ConnectionRule):
    """Each pair of neurons both ways or not at all."""

    alone = True
    probability: float

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        one_population("symmetric_pairs", sources, targets, own)
        n, half = sources, sources // 2
        require_memory(12.0 * self.probability * n * n, f"symmetric_pairs({self.probability})", "Fewer pairs take less.")
        # Neuron i chooses among the half that follows it on a ring, so that each pair is chosen by one of the two. Where n is even,
        # the one opposite is left to the first half.
        ahead = np.full(n, half)
        if n % 2 == 0:
            ahead[half:] -= 1
        degrees = binomial(key.child("degrees"), ahead, self.probability)
        drawn = [
            draw_rows(key.child("partners"), degrees[some], first, Candidates(int(ahead[first])), False)
            for some, first in ((slice(0, half), 0), (slice(half, n), half))
            if first < n
        ]
        chooser = np.repeat(np.arange(n), degrees)
        partner = (chooser + 1 + np.concatenate([np.zeros(0, np.int32), *drawn])) % max(n, 1)
        return kept_rows(both_ways(degrees, partner.astype(np.int32), n), n).block(block)


def symmetric_pairs(probability: float) -> ConnectionRule:
    """Each pair of different neurons with one probability, and then in both directions: for gap junctions, for instance.

    The population is wired to itself. While they are sorted its edges are all in memory, at 12 bytes each.

    Args:
        probability: of a pair, in [0, 1].

    Raises:
        ParameterError: it is no probability; or (when drawn) source and target are two populations.

    Example:
        >>> edges = symmetric_pairs(0.5).edges(4, 4, range(4), 0, Key(2))
        >>> pairs = set(zip(edges.pre.tolist(), edges.post.tolist()))
        >>> len(pairs), pairs == {(post, pre) for pre, post in pairs}
        (6, True)
    """
    return SymmetricPairs(doors.probability(probability, "symmetric_pairs: probability"))
