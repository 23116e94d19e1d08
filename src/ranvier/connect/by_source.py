"""Rules whose edges are drawn source by source, so that a spike can draw its own again: they need not be stored."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from ranvier.connect.base import ConnectionRule, Edges, binomial, targets_of
from ranvier.errors import ParameterError, not_written
from ranvier.kernels.drawn_edges import ALL, DIFFERENT, REPEATED, drawn_targets
from ranvier.kernels.edges import Candidates, EdgeRows, ragged, transposed
from ranvier.memory import require_memory
from ranvier.random import Key

DRAWS_AT_ONCE = 1 << 20
BYTES_OF_EDGE = 28.0  # while they are sorted by target


@dataclasses.dataclass(frozen=True)
class BySource(ConnectionRule):
    """Base of rules that draw source by source. Values given one an edge are by source, then draw.

    Attributes:
        stored: whether a network that runs keeps the edges; if not, each spike draws its own again. They are the same.
    """

    autapses: bool
    stored: bool = dataclasses.field()

    def kind(self) -> int:
        """What a source's targets are, as in `kernels.drawn_edges`."""
        raise NotImplementedError

    def out_degrees(self, sources: int, targets: int, own: int | None, key: Key) -> np.ndarray:
        """How many edges each source has, int64 `[sources]`."""
        raise not_written(self, BySource.out_degrees)

    def candidates(self, targets: int, own: int | None) -> Candidates:
        """Who may be a target."""
        return targets_of(targets, own, self.autapses)

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        degrees = self.out_degrees(sources, targets, own, key)
        hint = "Without listing them, stored=False takes memory by neurons alone."
        require_memory(BYTES_OF_EDGE * float(degrees.sum()), f"{type(self).__name__} with {degrees.sum():.3g} edges in one list", hint)
        post, words, candidates = np.empty(int(degrees.sum()), np.int32), key.child("targets").words, self.candidates(targets, own)
        ends = np.cumsum(degrees)
        begin = 0
        while begin < sources:
            before = int(ends[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(ends, before + DRAWS_AT_ONCE, side="right")))
            row, draw = ragged(degrees[begin:end])
            post[before : int(ends[end - 1])] = drawn_targets(self.kind(), words, begin + row, draw, candidates)
            begin = end
        # Sorted by target: source after source, each edge goes behind those that its target has.
        rows = EdgeRows(ends - degrees, degrees, np.arange(sources, dtype=np.int32))
        count, pre, listed = transposed(rows, post, targets, np.arange(len(post)))
        whole = Edges(pre, np.repeat(np.arange(targets, dtype=np.int32), count), listed=listed)
        first = int(count[: block.start].sum())
        return whole.part(slice(first, first + int(count[block.start : block.stop].sum())))


@dataclasses.dataclass(frozen=True)
class AllBySource(BySource):
    """Every pair."""

    fixed: ClassVar[str] = "degrees"

    def kind(self) -> int:
        return ALL

    def out_degrees(self, sources: int, targets: int, own: int | None, key: Key) -> np.ndarray:
        return self.candidates(targets, own).sizes(np.arange(sources))


@dataclasses.dataclass(frozen=True)
class BernoulliBySource(BySource):
    """Each pair with one probability."""

    probability: float

    def kind(self) -> int:
        return DIFFERENT

    def out_degrees(self, sources: int, targets: int, own: int | None, key: Key) -> np.ndarray:
        return binomial(key.child("out degrees"), self.candidates(targets, own).sizes(np.arange(sources)), self.probability)


@dataclasses.dataclass(frozen=True)
class OutDegreeBySource(BySource):
    """The same number of targets for every source."""

    fixed: ClassVar[str] = "number"
    degree: int
    multapses: bool

    def kind(self) -> int:
        return REPEATED if self.multapses else DIFFERENT

    def out_degrees(self, sources: int, targets: int, own: int | None, key: Key) -> np.ndarray:
        least = int(self.candidates(targets, own).sizes(np.arange(sources)).min(initial=2**62))
        if self.degree and (least == 0 or (not self.multapses and self.degree > least)):
            raise ParameterError(
                f"fixed_out_degree({self.degree}) cannot be met: there is a source with only {least} targets to choose from. "
                "Allow several edges between one pair with multapses=True, or ask for fewer."
            )
        return np.full(sources, self.degree, np.int64)


def drawn_by_source(by: Any, stored: Any, rule: str) -> bool | None:
    """Whether a rule that draws by source stores its edges; None for one that draws by target.

    Raises:
        ParameterError: neither, or edges drawn by target that are not to be stored.
    """
    from ranvier import doors

    stored = doors.flag(stored, f"{rule}: stored")
    if by is not None:
        by = doors.choice(by, f"{rule}: by", ("target", "source"))
    if by == "target" and not stored:
        raise ParameterError(f"{rule}: a spike cannot draw edges that are drawn by target. Write by='source', or leave out `by`.")
    return stored if by == "source" or not stored else None
