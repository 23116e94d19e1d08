"""Connectivity given as a matrix."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges
from ranvier.errors import ParameterError
from ranvier.random import Key


@dataclasses.dataclass(frozen=True, eq=False)
class Matrix(ConnectionRule):
    """The entries that are not zero."""

    fixed = "degrees"
    entries: Any

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        if self.entries.shape != (targets, sources):
            hint = " It looks transposed: rows are postsynaptic." if self.entries.shape == (sources, targets) else ""
            raise ParameterError(
                f"The connection matrix has the shape {self.entries.shape}, but there are {targets} targets (rows) "
                f"and {sources} sources (columns).{hint}"
            )
        if hasattr(self.entries, "tocsr"):
            rows = self.entries.tocsr()[block.start : block.stop].tocoo()
            keep = rows.data != 0
            post, pre, values = rows.row[keep], rows.col[keep], rows.data[keep]
            order = np.lexsort((pre, post))
            post, pre, values = post[order], pre[order], values[order]
        else:
            part = self.entries[block.start : block.stop]
            post, pre = np.nonzero(part)
            values = part[post, pre]
        return Edges(pre.astype(np.int32), (post + block.start).astype(np.int32), values.astype(np.float64))


def matrix(entries: Any) -> ConnectionRule:
    """Edges where a matrix is not zero: rows are postsynaptic, columns presynaptic.

    Args:
        entries: `[targets, sources]`, dense or SciPy sparse. An entry
            multiplies the projection's weight: zeros and ones say who is
            wired, other numbers are relative weights.

    Raises:
        ParameterError: an entry is not finite, or (when drawn) the shape does
            not match the populations.

    Example:
        >>> len(matrix([[0, 1], [1, 1]]).edges(2, 2, range(2), None, Key(0)))
        3
    """
    wanted = "a table of numbers [targets, sources], dense or SciPy sparse"
    if hasattr(entries, "tocsr"):
        entries = entries.copy()
        if entries.dtype.kind not in "buif":
            raise doors.refusal("matrix: entries", entries, wanted)
    else:
        given = entries
        if not (isinstance(entries, np.ndarray) and entries.dtype == bool and not np.ma.isMaskedArray(entries)) and not _of_flags(entries):
            entries = doors.real_array(entries, "matrix: entries", "1", wanted)
        entries = np.array(entries)
        if entries.ndim != 2:
            raise doors.refusal("matrix: entries", given, wanted)
    data = entries.data if hasattr(entries, "tocsr") and hasattr(entries, "data") else entries
    if isinstance(data, np.ndarray) and data.dtype.kind == "f" and not np.isfinite(data).all():
        raise ParameterError("matrix: some of the entries are not finite.")
    return Matrix(entries)


def _of_flags(entries: Any) -> bool:
    """Whether it is a list of lists of True and False, which say who is wired."""
    return isinstance(entries, list | tuple) and all(
        isinstance(row, list | tuple) and row and all(isinstance(entry, bool | np.bool_) for entry in row) for row in entries
    )
