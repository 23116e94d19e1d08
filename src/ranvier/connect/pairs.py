"""Functions of a pair: what they are given, what may come out, and edges drawn with such probabilities."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.connect.base import Edges
from ranvier.connect.work import Work, usable_cores
from ranvier.errors import ParameterError
from ranvier.random import Key

PAIRS_AT_ONCE = 1 << 20


class PairFunction:
    """Base of functions of a pair, or of its distance, that are frozen dataclasses: a network's description holds their fields."""


def evaluated(function: Callable[[np.ndarray, np.ndarray], Any], pre: np.ndarray, post: np.ndarray, what: str) -> np.ndarray:
    """A function's value for each pair.

    Args:
        function: of the sources' and the targets' numbers, int64 `[pairs]` each.
        pre, post: the pairs, `[pairs]`.
        what: its value is, for errors.

    Returns:
        float64 `[pairs]`.

    Raises:
        ParameterError: it gives neither one number nor one for each pair.

    Example:
        >>> evaluated(lambda pre, post: abs(post - pre), np.array([0, 5]), np.array([3, 3]), "The distance").tolist()
        [3.0, 2.0]
    """
    if not len(pre):
        return np.zeros(0)
    try:
        value = function(np.asarray(pre, np.int64), np.asarray(post, np.int64))
    except Exception as error:
        error.add_note(f"{what} is a function; it was called with the numbers of {len(pre)} sources and targets, int64 [{len(pre)}] each.")
        raise
    array = np.asarray(value)
    if array.dtype.kind not in "buif" or array.shape not in ((), (len(pre),)):
        raise ParameterError(
            f"{what} is a function of the sources' and the targets' numbers; for {len(pre)} pairs it must give {len(pre)} numbers, or one, "
            f"not {array.dtype} of the shape {array.shape}."
        )
    return np.broadcast_to(array.astype(np.float64), len(pre))


def bernoulli(
    probability: Callable[[range], np.ndarray], sources: int, block: range, own: int | None, autapses: bool, key: Key, what: str
) -> Edges:
    """Each pair on its own with its probability; every pair is looked at, a million at a time.

    Args:
        probability: of the pairs of some targets, float64 `[targets, sources]`, or what broadcasts to it.
        sources, block, own, key: as in `ConnectionRule.edges`.
        autapses: whether a neuron may be wired to itself.
        what: the rule, for errors.

    Raises:
        ParameterError: a probability outside [0, 1].
    """

    def some(targets: range) -> tuple[np.ndarray, np.ndarray]:
        given = np.broadcast_to(probability(targets), (len(targets), sources))
        allowed = (given >= 0) & (given <= 1)
        if not allowed.all():
            bad, source = (int(i[0]) for i in np.nonzero(~allowed))
            raise ParameterError(
                f"{what}: a probability must be within [0, 1], but it is {given[bad, source]:g} from {source} to {targets.start + bad}."
            )
        drawn = key.uniform(len(targets) * sources, targets.start * sources).reshape(len(targets), sources) < given
        if own is not None and not autapses:
            row = np.arange(len(targets))
            itself = row + targets.start - own
            inside = (itself >= 0) & (itself < sources)
            drawn[row[inside], itself[inside]] = False
        post, pre = np.divmod(np.flatnonzero(drawn), max(sources, 1))
        return pre.astype(np.int32), (post + targets.start).astype(np.int32)

    return in_stretches(some, block, max(1, PAIRS_AT_ONCE // max(sources, 1)))


def in_stretches(draw: Callable[[range], tuple[np.ndarray, np.ndarray]], block: range, targets: int) -> Edges:
    """The edges onto a block, so many targets at a time, on as many threads as there are cores.

    Args:
        draw: gives the sources and the targets of the edges onto some targets, int32 `[edges]` each.
        block: all targets.
        targets: how many at a time.
    """
    parts = stretches_of(draw, block, targets)
    nobody = np.zeros(0, np.int32)
    return Edges(*(np.concatenate([nobody, *(part[side] for part in parts)]) for side in (0, 1)))


def stretches_of(draw: Callable[[range], Any], block: range, each: int) -> list[Any]:
    """What a function gives for stretches of a range, in order, on as many threads as there are cores."""
    stretches = [(range(first, min(first + each, block.stop)),) for first in range(block.start, block.stop, each)]
    return Work(usable_cores() if len(stretches) > 1 else 1).map(draw, stretches)
