"""SONATA's tables: types in CSV files, what each node or edge has in HDF5 groups."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import ParameterError

Types = dict[int, dict[str, Any]]


def read_types(path: Path | None, kind: str, population: str) -> Types:
    """The rows of a table of types that are for a population, by their ids.

    Args:
        path: of the CSV file, separated by spaces; None where there is none.
        kind: `"node"` or `"edge"`.
        population: whose they are, where the table has a column that says so.

    Raises:
        ParameterError: it cannot be read, or has no ids.
    """
    if path is None:
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file, delimiter=" ", skipinitialspace=True) if row]
    except OSError as error:
        raise ParameterError(f"SONATA: the table of {kind} types {path} cannot be read: {error.strerror or error}.") from None
    key = f"{kind}_type_id"
    if not rows or key not in rows[0]:
        raise ParameterError(
            f"SONATA: the table {path} has no column {key!r}; its first line has {', '.join(rows[0]) if rows else 'nothing'}. "
            "Columns are separated by single spaces."
        )
    types: Types = {}
    for number, row in enumerate(rows[1:], start=2):
        row = row[: len(rows[0])] if not any(row[len(rows[0]) :]) else row  # a space at the end of a line
        if len(row) != len(rows[0]):
            raise ParameterError(f"SONATA: line {number} of {path} has {len(row)} entries, but there are {len(rows[0])} columns.")
        values = {name: _value(text) for name, text in zip(rows[0], row, strict=True)}
        if values.get("population") in (None, population):
            types[int(values[key])] = values
    return types


def _value(text: str) -> Any:
    """What an entry says: None, a number or a word."""
    if text in ("", "NULL", "None", "nan"):
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


class Table:
    """What each of many nodes or edges has: by its type, and over that by its group.

    Args:
        population: the HDF5 group of the population.
        kind: `"node"` or `"edge"`.
        types: the types.
        what: it, in words.

    Attributes:
        n: how many there are.

    Raises:
        ParameterError: a required column is missing, or a type that no table has.
    """

    def __init__(self, population: Any, kind: str, types: Types, what: str):
        self.kind, self.types, self.what, self._population = kind, types, what, population
        self.type_ids = self.column(f"{kind}_type_id").astype(np.int64)
        self.n = len(self.type_ids)
        self.present, self._rows = np.unique(self.type_ids, return_inverse=True)
        unknown = [int(i) for i in self.present if int(i) not in types]
        if unknown:
            raise ParameterError(f"SONATA: {what} has {kind}s of the type {unknown[0]}, which its table of types does not have.")
        self._groups = self.column(f"{kind}_group_id") if f"{kind}_group_id" in population else np.zeros(self.n, np.int64)
        self._index = self.column(f"{kind}_group_index") if f"{kind}_group_index" in population else np.arange(self.n)

    def column(self, name: str) -> np.ndarray:
        """A data set that has an entry for each.

        Raises:
            ParameterError: there is none.
        """
        if name not in self._population:
            raise ParameterError(f"SONATA: {self.what} has no data set {name!r}.")
        return np.asarray(self._population[name][:])

    def groups(self) -> list[tuple[np.ndarray, np.ndarray, Any]]:
        """Of each group: which nodes or edges are in it, where in it, and the HDF5 group."""
        result = []
        for group in np.unique(self._groups):
            mine = np.flatnonzero(self._groups == group)
            if str(group) in self._population:
                result.append((mine, self._index[mine].astype(np.int64), self._population[str(group)]))
        return result

    def names(self) -> list[str]:
        """The names of all that any of them has."""
        found = dict.fromkeys(name for i in self.present for name in self.types[int(i)])
        for _, _, group in self.groups():
            found |= dict.fromkeys(name for name, entry in group.items() if hasattr(entry, "shape"))
        return list(found)

    def values(self, name: str, default: Any = None) -> np.ndarray:
        """What each has of a name, `[n]`: numbers, or objects where words are among them."""
        by_type = [self.types[int(i)].get(name) for i in self.present]
        rows = np.array([default if value is None else value for value in by_type] or [default], dtype=object)[self._rows]
        for mine, index, group in self.groups():
            if name in group and hasattr(group[name], "shape"):
                rows[mine] = _decoded(group, name)[index]
        return narrowed(rows)


def _decoded(group: Any, name: str) -> np.ndarray:
    """A data set of a group: words as words, numbers of an enumeration as what they stand for."""
    values = np.asarray(group[name][:])
    if "@library" in group and name in group["@library"]:
        values = np.asarray(group["@library"][name][:])[values]
    return np.array([v.decode() if isinstance(v, bytes) else v for v in values], object) if values.dtype.kind in "OS" else values


def label(*parts: str) -> str:
    """A name for a part of a network: of letters, digits and underscores, a letter first."""
    text = re.sub(r"\W+", "_", "_".join(part for part in parts if part), flags=re.ASCII).strip("_")
    return text if text[:1].isalpha() else f"n{text}"


def narrowed(values: np.ndarray) -> np.ndarray:
    """Objects as numbers where all are."""
    try:
        return values.astype(np.float64) if not any(isinstance(v, str) or v is None for v in values) else values
    except (TypeError, ValueError):
        return values


def matches(attributes: Mapping[str, np.ndarray], name: str, wanted: Any) -> np.ndarray:
    """Whether each has a value, or one of several."""
    options = wanted if isinstance(wanted, list) else [wanted]
    return (
        np.isin(attributes[name], options) if attributes[name].dtype != object else np.array([v in options for v in attributes[name]], bool)
    )
