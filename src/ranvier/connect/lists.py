"""Connectivity given edge by edge: arrays, a list of targets for each source, a file."""

from __future__ import annotations

import dataclasses
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect.base import ConnectionRule, Edges, kept_rows, sorted_edges
from ranvier.errors import ParameterError, unknown
from ranvier.random import Key
from ranvier.store.npy import arrays_in

COLUMNS = ("pre", "post", "weight", "delay")


@dataclasses.dataclass(frozen=True, eq=False)
class EdgeList(ConnectionRule):
    """Edges as they are given."""

    fixed = "degrees"
    pre: np.ndarray
    post: np.ndarray
    weights: np.ndarray | None
    delays: np.ndarray | None
    what: str
    sources: int | None = None

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        if self.sources not in (None, sources):
            raise ParameterError(f"{self.what} has targets of {self.sources} sources, but there are {sources}.")
        for side, ids, n in (("pre", self.pre, sources), ("post", self.post, targets)):
            wrong = np.flatnonzero((ids < 0) | (ids >= n))
            if len(wrong):
                raise ParameterError(
                    f"{self.what}: {side} is {ids[wrong[0]]} for edge {wrong[0]}, but neurons count from 0 to {n - 1}"
                    f"{f' ({len(wrong)} edges are wrong)' if len(wrong) > 1 else ''}."
                )
        return kept_rows(sorted_edges(self.pre, self.post, self.weights, self.delays), targets).block(block)


def edge_list(pre: Any, post: Any, weights: Any = None, delays: Any = None) -> ConnectionRule:
    """These edges, one for each entry; several may join one pair.

    Args:
        pre, post: who is wired to whom, whole numbers from 0, `[edges]`.
        weights: multiply the projection's weight (which is 1 by default), `[edges]`.
        delays: are added to the projection's delay (0 by default), ms `[edges]`.

    Raises:
        ParameterError: different lengths, numbers that are not whole, weights or delays that are not finite, a
            negative delay, or (when drawn) a neuron that does not exist.

    Example:
        >>> rule = edge_list(pre=[2, 0], post=[1, 0], weights=[0.5, 2.0])
        >>> edges = rule.edges(3, 2, range(2), None, Key(0))
        >>> edges.pre.tolist(), edges.post.tolist(), edges.values.tolist()
        ([0, 2], [0, 1], [2.0, 0.5])
    """
    return _edge_list({"pre": pre, "post": post, "weight": weights, "delay": delays}, "edge_list")


def fanout(targets: Sequence[Any], weights: Sequence[Any] | None = None, delays: Sequence[Any] | None = None) -> ConnectionRule:
    """For each source, the list of its targets, with weights and delays in lists of the same shape.

    Args:
        targets: one list for each source, of whole numbers from 0. A target may stand in it several times.
        weights, delays: as in `edge_list`, in lists like `targets`.

    Raises:
        ParameterError: as `edge_list`; lists of another shape; another number of sources.

    Example:
        >>> rule = fanout([[0, 1], [], [1]], delays=[[1.0, 2.0], [], [0.5]])
        >>> edges = rule.edges(3, 2, range(2), None, Key(0))
        >>> edges.pre.tolist(), edges.post.tolist(), edges.delays.tolist()
        ([0, 0, 2], [0, 1, 1], [1.0, 2.0, 0.5])
    """
    if not _is_lists(targets):
        raise doors.refusal("fanout: targets", targets, "a list for each source, such as [[0, 1], [], [1]]")
    rows = [_ids(row, f"targets[{source}]", "fanout") for source, row in enumerate(targets)]
    columns: dict[str, Any] = {
        "pre": np.repeat(np.arange(len(rows)), [len(row) for row in rows]),
        "post": np.concatenate([np.zeros(0, np.int64), *rows]),
    }
    for name, lists in (("weight", weights), ("delay", delays)):
        if lists is not None:
            columns[name] = _like(rows, lists, name)
    return _edge_list(columns, "fanout", len(rows))


def from_file(path: str | os.PathLike[str]) -> ConnectionRule:
    """Edges from a file: `.csv` with a line of column names, or `.npz` with one array for each.

    Args:
        path: of a file with the columns `pre` and `post`, and, if wanted, `weight` and `delay` (as in `edge_list`).

    Raises:
        FileNotFoundError: there is none.
        ParameterError: another kind of file, a column that is missing, contents that cannot be read, or what `edge_list` refuses.
        UnknownNameError: a column of another name.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "edges.csv").write_text("pre,post,weight\\n0,1,0.5\\n2,0,1.5\\n")
        ...     rule = from_file(Path(folder, "edges.csv"))
        >>> rule.edges(3, 2, range(2), None, Key(0)).values.tolist()
        [1.5, 0.5]
    """
    path = doors.path(path, "from_file: path")
    readers = {".csv": _read_csv, ".npz": _read_npz}
    if path.suffix not in readers:
        raise ParameterError(f"from_file: the path {path.name} must end in .csv or .npz.")
    try:
        columns = readers[path.suffix](path)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ParameterError(f"from_file: {path.name} cannot be read: {error}") from error
    for name in columns:
        if name not in COLUMNS:
            raise unknown(f"column of {path.name}", name, COLUMNS)
    for name in ("pre", "post"):
        if name not in columns:
            raise ParameterError(f"from_file: {path.name} has no column {name!r}; it has {', '.join(columns) or 'none'}.")
    return _edge_list(columns, path.name)


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    with path.open(encoding="utf-8") as file:
        names = [name.strip() for name in file.readline().split(",")]
        if len(set(names)) != len(names):
            raise ValueError("a column stands twice in its first line")
        lines = file.readlines()
    table = np.loadtxt(lines, delimiter=",", ndmin=2) if any(line.strip() for line in lines) else np.zeros((0, len(names)))
    if table.shape[1] != len(names):
        raise ValueError(f"its first line has {len(names)} names and the others {table.shape[1]} numbers")
    return dict(zip(names, table.T, strict=True))


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    return dict(arrays_in(path, follow=True, compressed=True))


def _like(rows: list[np.ndarray], lists: Sequence[Any], name: str) -> np.ndarray:
    """What belongs to the targets, in one array."""
    if not _is_lists(lists):
        raise doors.refusal(f"fanout: {name}s", lists, "a list for each source, as the targets are")
    unit = "ms" if name == "delay" else "1"
    given = [doors.numbers(row, f"fanout: {name}s[{source}]", unit=unit) for source, row in enumerate(lists)]
    if len(given) != len(rows):
        raise ParameterError(f"fanout: there are {name}s of {len(given)} sources, but targets of {len(rows)}.")
    for source, (row, values) in enumerate(zip(rows, given, strict=True)):
        if values.shape != row.shape:
            raise ParameterError(f"fanout: source {source} has {len(row)} targets, but its {name}s have the shape {values.shape}.")
    return np.concatenate([np.zeros(0), *given])


def _edge_list(columns: Mapping[str, Any], what: str, sources: int | None = None) -> EdgeList:
    """Checks what can be checked without knowing the populations."""
    pre, post = (_ids(columns[side], side, what) for side in ("pre", "post"))
    if len(pre) != len(post):
        raise ParameterError(f"{what}: pre has {len(pre)} entries and post {len(post)}; there must be one of each for an edge.")
    weights, delays = (None if columns.get(name) is None else _numbers(columns[name], name, len(pre), what) for name in ("weight", "delay"))
    if delays is not None and (delays < 0).any():
        first = int(np.flatnonzero(delays < 0)[0])
        raise ParameterError(f"{what}: delays has {delays[first]:g} ms for edge {first}; it cannot be negative.")
    return EdgeList(pre, post, weights, delays, what, sources)


def _ids(given: Any, side: str, what: str) -> np.ndarray:
    ids = doors.real_array(given, f"{what}: {side}", "1", "whole numbers [edges]")
    if ids.ndim != 1:
        raise ParameterError(f"{what}: {side} must be whole numbers [edges], not {ids.dtype} of the shape {ids.shape}.")
    if ids.dtype.kind == "f":
        whole = np.isfinite(ids) & (ids == np.rint(np.nan_to_num(ids))) & (np.abs(np.nan_to_num(ids)) < 2.0**53)
        if not whole.all():
            first = int(np.flatnonzero(~whole)[0])
            raise ParameterError(f"{what}: {side} is {ids[first]:g} for edge {first}; a neuron's number is whole.")
    return ids.astype(np.int64)


def _numbers(given: Any, name: str, edges: int, what: str) -> np.ndarray:
    unit = "ms" if name == "delay" else "1"
    numbers = np.array(doors.real_array(given, f"{what}: {name}s", unit, "numbers [edges]"), np.float64)
    if numbers.shape != (edges,):
        raise ParameterError(f"{what}: {name}s has the shape {numbers.shape}; there must be one for each of the {edges} edges.")
    if not np.isfinite(numbers).all():
        raise ParameterError(f"{what}: {name}s has a value that is not finite for edge {int(np.flatnonzero(~np.isfinite(numbers))[0])}.")
    return numbers


def _is_lists(given: Any) -> bool:
    """Whether it has one entry for each source."""
    return (
        isinstance(given, list | tuple | np.ndarray)
        and not np.ma.isMaskedArray(given)
        and not (isinstance(given, np.ndarray) and given.ndim == 0)
    )
