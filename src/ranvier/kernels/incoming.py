"""Which edges reach a target: the index beside the order of delivery, for whatever happens at the targets' events."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch
from ranvier.memory import aligned_empty

MOST = np.iinfo(np.int32).max
_AT_ONCE = 1 << 20


class Incoming(NamedTuple):
    """The edges of each target; 8 bytes an edge. Those of target `j` are the entries `rows[j]` … `rows[j + 1] - 1`.

    Attributes:
        rows: int64 `[targets + 1]`.
        position: where the edge stands in the order of delivery, int32 `[edges]`.
        lag: `delay · sources − source`, int32 `[edges]`: how far before this step's row the value that arrives now of the edge's
            source stands, in an array `[slots, sources]` with a row a step.
    """

    rows: Any
    position: Any
    lag: Any


def index_by_target(edges: Any, targets: int) -> Incoming:
    """The index of edges that are sorted for delivery.

    Args:
        edges: with `delays`, `segments` and `target` (`DelayedEdges`, or `ranvier.connect`'s `EventEdges`); delays of −1 and
            edges behind the last segment do not count.
        targets: how many there are.

    Returns:
        The edges of each target in the order of delivery. The arrays are as long as `edges.target`.

    Raises:
        ParameterError: more edges, or a longer delay times the number of sources, than 32 bits can count.

    Example:
        >>> from ranvier.kernels import sort_edges
        >>> edges, order = sort_edges(np.array([0, 1, 1]), np.array([2, 0, 2]), np.array([1, 1, 3]), 2, 3)
        >>> incoming = index_by_target(edges, 3)
        >>> [incoming.position[a:b].tolist() for a, b in zip(incoming.rows, incoming.rows[1:])], incoming.lag.tolist()
        ([[1], [], [0, 2]], [1, 2, 5])
    """
    delays, segments, target = (np.ascontiguousarray(x) for x in (edges.delays, edges.segments, edges.target))
    _, sources, _ = segments.shape
    if len(target) > MOST or int(delays.max(initial=0)) * sources > MOST:
        raise ParameterError(
            f"index_by_target: {len(target)} edges of {sources} sources with delays up to {delays.max(initial=0)} steps are more than "
            f"32 bits can count ({MOST}). Divide the projection among several target populations, or use shorter delays or a longer step."
        )
    rows, position, lag = np.empty(targets + 1, np.int64), *(aligned_empty(len(target), np.int32) for _ in range(2))
    native = dispatch.native_module()
    if native is None:
        _reference(delays, segments, target, rows, position, lag)
    else:
        native.index_by_target(delays, segments.ravel(), sources, target, rows, position, lag)
    for entries in (position, lag):
        entries[rows[-1] :] = 0
    return Incoming(rows, position, lag)


def index_in_order(edges: Any, order: np.ndarray, targets: int) -> Incoming:
    """The index, the edges of each target in another order than that of delivery.

    Args:
        edges, targets: as of `index_by_target`.
        order: where each edge in the order of delivery stands among all, sorted by target, `[edges that there are]`.

    Returns:
        The entries so sorted: entry `i` is of edge `i`, and `position[i]` its place in the order of delivery.
    """
    incoming, edges_there = index_by_target(edges, targets), len(order)
    position, lag = incoming.position[:edges_there], incoming.lag[:edges_there]
    for first in range(0, edges_there, _AT_ONCE):  # as a rule it is: only edges between one pair may stand otherwise
        some = position[first : first + _AT_ONCE]
        if (order[some] != np.arange(first, first + len(some))).any():
            of_place = np.empty(edges_there, np.int32)
            of_place[position] = lag
            position[order] = np.arange(edges_there, dtype=np.int32)
            lag[:] = of_place[position]
            break
    return incoming


def _reference(delays, segments, target, rows, position, lag):
    used = np.flatnonzero(delays >= 0)
    _, sources, _ = segments.shape
    begin, end = (np.clip(segments[..., used + i], 0, len(target)).astype(np.int64) for i in (0, 1))
    length = np.maximum(end - begin, 0)
    lags = np.broadcast_to(delays[used][None] * sources - np.arange(sources)[:, None], length.shape)
    first = np.cumsum(length.ravel()) - length.ravel()
    edge = np.repeat(begin.ravel() - first, length.ravel()) + np.arange(length.sum())
    lag_of_edge = np.repeat(lags.ravel(), length.ravel())
    targets = len(rows) - 1
    valid = (target[edge] >= 0) & (target[edge] < targets)
    edge, lag_of_edge = edge[valid], lag_of_edge[valid]
    order = np.argsort(target[edge], kind="stable")
    position[: len(edge)], lag[: len(edge)] = edge[order], lag_of_edge[order]
    rows[0] = 0
    np.cumsum(np.bincount(target[edge], minlength=targets), out=rows[1:])
