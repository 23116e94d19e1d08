"""Clusters of neurons that are wired more densely among themselves."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges, RowRule, Rows, binomial, one_population
from ranvier.connect.pairs import PairFunction
from ranvier.errors import ParameterError
from ranvier.kernels.edges import Candidates, draw_rows, ragged
from ranvier.random import Key


@dataclasses.dataclass(frozen=True)
class Clustered(RowRule):
    """Each pair with one probability within a cluster, and with another between two."""

    probability: float
    clusters: int
    ratio: float
    autapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        if own is not None:
            one_population("clustered", sources, targets, own)
        begins, ends = (_bounds(n, self.clusters, what) for n, what in ((sources, "sources"), (targets, "targets")))
        inside, outside = self._probabilities(np.diff(begins), np.diff(ends))
        sizes = np.repeat(np.diff(begins), np.diff(ends))
        alone = own is not None and not self.autapses
        near = binomial(key.child("degrees inside"), sizes - alone, inside)
        far = binomial(key.child("degrees outside"), sources - sizes, outside)
        degrees = near + far

        def block(some: range) -> Edges:
            parts = [np.zeros(0, np.int32)]
            for c in range(*_clusters_of(some, ends)):
                first, stop = max(some.start, int(ends[c])), min(some.stop, int(ends[c + 1]))
                begin, size = int(begins[c]), int(begins[c + 1] - begins[c])
                here = slice(first, stop)
                mine = draw_rows(key.child("sources inside"), near[here], first, Candidates(size, -begin, alone), False) + np.int32(begin)
                others = draw_rows(key.child("sources outside"), far[here], first, Candidates(sources - size), False)
                parts.append(_merged(mine, near[here], others, far[here], begin, size))
            return Edges(
                np.concatenate(parts), np.repeat(np.arange(some.start, some.stop, dtype=np.int32), degrees[some.start : some.stop])
            )

        return Rows(degrees, block)

    def _probabilities(self, sources: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
        """Within a cluster and between two, such that the mean over all pairs is what was asked for."""
        pairs, within = float(sources.sum() * targets.sum()), float((sources * targets).sum())
        outside = self.probability * pairs / max(self.ratio * within + pairs - within, 1e-300)
        if max(self.ratio, 1.0) * outside > 1 and pairs:
            raise ParameterError(
                f"clustered: a mean probability of {self.probability:g} with a ratio of {self.ratio:g} needs {self.ratio * outside:.3g} "
                f"within clusters and {outside:.3g} between them, and no probability is above 1. Take another ratio, or other clusters."
            )
        return self.ratio * outside, outside


@dataclasses.dataclass(frozen=True)
class ByCluster(PairFunction):
    """One value within a cluster and another between two."""

    inside: float
    outside: float
    clusters: int
    sources: int
    targets: int

    def __call__(self, pre: np.ndarray, post: np.ndarray) -> np.ndarray:
        one, other = (
            np.searchsorted(_bounds(n, self.clusters, what), ids, side="right")
            for n, ids, what in ((self.sources, pre, "sources"), (self.targets, post, "targets"))
        )
        return np.where(one == other, self.inside, self.outside)


def _bounds(n: int, clusters: int, what: str) -> np.ndarray:
    """Where each cluster begins, and the end."""
    if 0 < n < clusters:
        raise ParameterError(f"clustered: {n} {what} are too few for {clusters} clusters.")
    return np.arange(clusters + 1) * n // clusters


def _clusters_of(block: range, ends: np.ndarray) -> tuple[int, int]:
    """The first of the clusters that a block's targets are in, and the one after the last."""
    if not len(block):
        return 0, 0
    return int(np.searchsorted(ends, block.start, side="right")) - 1, int(np.searchsorted(ends, block.stop, side="left"))


def _merged(mine: np.ndarray, near: np.ndarray, others: np.ndarray, far: np.ndarray, begin: int, size: int) -> np.ndarray:
    """Rows of sources within a cluster and of others (numbered without it), each ascending, as rows that ascend."""
    degrees = near + far
    firsts = np.cumsum(degrees) - degrees
    row, place = ragged(far)
    before = others < begin  # the cluster
    lower = np.bincount(row[before], minlength=len(far))
    out = np.empty(int(degrees.sum()), np.int32)
    out[firsts[row] + place + np.where(before, 0, near[row])] = others + np.where(before, 0, size)
    row, place = ragged(near)
    out[(firsts + lower)[row] + place] = mine
    return out


def clustered(probability: float, clusters: int, ratio: float, autapses: bool = True) -> ConnectionRule:
    """Clusters: each pair with one probability within a cluster, and with a smaller one between two.

    The neurons of both sides are cut, in their order, into clusters of equal size (to one neuron). Litwin-Kumar & Doiron 2012
    ("Slow dynamics and high variability in balanced cortical networks with clustered connections", Nature Neuroscience 15) wire 4 000
    excitatory neurons in 50 clusters with a mean probability of 0.2 and a ratio of 2.5, and weights 1.9 times as large within clusters
    (`rv.connect.by_cluster`).

    Args:
        probability: the mean over all pairs, in [0, 1].
        clusters: how many.
        ratio: how many times the probability between two clusters that within one is.
        autapses: whether a neuron may be wired to itself.

    Raises:
        ParameterError: numbers out of their bounds; or (when drawn) too few neurons, a probability above 1, or a projection
            that goes to its own population and others.

    Example:
        >>> edges = clustered(0.2, clusters=50, ratio=2.5).edges(4000, 4000, range(4000), 0, Key(1))
        >>> inside = edges.pre // 80 == edges.post // 80
        >>> [round(float(x), 3) for x in (len(edges) / 4000**2, inside.sum() / (50 * 80**2))]
        [0.2, 0.484]
    """
    return Clustered(
        doors.probability(probability, "clustered: probability"),
        doors.count(clusters, "clustered: clusters", low=1),
        doors.number(ratio, "clustered: ratio", low=0.0),
        doors.flag(autapses, "clustered: autapses"),
    )


def by_cluster(inside: float, outside: float, clusters: int, sources: int, targets: int | None = None) -> ByCluster:
    """A function of a pair, for weights and delays: one value within the clusters of `clustered`, another between them.

    Args:
        inside, outside: the values.
        clusters: how many there are.
        sources, targets: how many neurons there are on each side; by default as many targets as sources.

    Example:
        >>> by_cluster(1.9, 1.0, clusters=2, sources=4)(np.array([0, 1, 3]), np.array([1, 2, 2])).tolist()
        [1.9, 1.0, 1.9]
    """
    n = doors.count(sources, "by_cluster: sources")
    return ByCluster(
        doors.number(inside, "by_cluster: inside"),
        doors.number(outside, "by_cluster: outside"),
        doors.count(clusters, "by_cluster: clusters", low=1),
        n,
        n if targets is None else doors.count(targets, "by_cluster: targets"),
    )
