"""Zarr arrays that grow: appended to by one writer, readable by anyone at any moment.

Three kinds of files are written, always in this order, each of them whole:

1. chunks, beyond the size that the arrays have so far;
2. the sizes, in each array's `zarr.json`;
3. all sizes together, in the `zarr.json` of the root (as consolidated metadata), under a checksum of all that it says.

So no reader finds an element that is not written. One that reads the
consolidated metadata, as zarr and xarray do, finds all arrays as they were at
one moment, whenever the process ends.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numcodecs import Blosc

from ranvier.errors import StoreError
from ranvier.store import documents
from ranvier.store.chunks import LEVEL, SUM_BYTES, Chunks, description_of, encoded, form_of, library
from ranvier.store.files import size_of_file, sync, write_whole

METADATA = "zarr.json"
MOST_UNSYNCED = 2**10  # files: what is remembered of them does not grow with the run


@dataclasses.dataclass(frozen=True)
class Column:
    """An array that grows along its first dimension.

    Attributes:
        dtype: its type.
        dims: the names of its dimensions.
        rest: its shape behind the first.
        chunk: its chunks' shape behind the first.
        attributes: of the array.
    """

    dtype: np.dtype
    dims: tuple[str, ...]
    rest: tuple[int, ...] = ()
    chunk: tuple[int, ...] = ()
    attributes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


class Files:
    """Writes every file whole, and remembers which, so that the disk can be made to have them before a checkpoint counts on them."""

    def __init__(self, root: Path):
        self.root = root
        self.bytes = 0  # by which the files have grown
        self._written: set[str] = set()

    def write(self, key: str, *content: bytes) -> None:
        """Writes a file, in one piece or several."""
        path = self.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        before = size_of_file(path)
        write_whole(path, content)
        self.bytes += sum(map(len, content)) - before
        self._written.add(key)
        if len(self._written) >= MOST_UNSYNCED:
            self.sync()

    def sync(self) -> None:
        """Waits until the disk has what was written since the last time."""
        paths = [self.root / key for key in self._written]
        sync([*paths, *{path.parent for path in paths}])
        self._written.clear()


class Series:
    """Arrays of one group that grow together, with the rows of their last chunk, which is rewritten until it is full.

    Args:
        path: the group's, in the store.
        columns: the arrays by name.
        rows: how many rows a chunk has.
    """

    def __init__(self, path: str, columns: Mapping[str, Column], rows: int):
        self.path, self.columns, self.rows = path, dict(columns), rows
        self.length = 0
        self._tails = {name: np.zeros((rows, *c.rest), c.dtype) for name, c in columns.items()}
        self._compressors = {name: Blosc(library(c.dtype), LEVEL, Blosc.SHUFFLE) for name, c in columns.items()}
        self._fast = dict.fromkeys(columns, Blosc("lz4", LEVEL, Blosc.SHUFFLE))  # each chunk says what it was compressed with
        self.sums = {name: bytearray() for name in columns}  # of the chunks that are full, in order
        self.last_sums: dict[str, bytes] = {}  # of the last chunk, as it was written though it is not full
        self._dirty = False
        self._write: Callable[..., Any] = lambda key, *content: None

    @property
    def _in_tail(self) -> int:
        return self.length % self.rows

    def connect(self, arrays: Mapping[str, Any], length: int, write: Callable[..., Any]) -> None:
        """Goes on behind the first rows of these arrays.

        Args:
            write: takes a file's place in the store and its content, in pieces.

        Raises:
            StoreError: the chunks that it goes on in are damaged.
        """
        self.length, self._write = length, write
        for array in arrays.values():
            if len(array) < length:
                raise StoreError(f"{array.root / array.key} holds {len(array)} rows and should have {length}: it is damaged.")
        for name, tail in self._tails.items():
            array, full = arrays[name], math.prod(arrays[name].form.grid[1:]) * (length // self.rows)
            tail[: self._in_tail] = array[length - self._in_tail : length]
            self.sums[name] = bytearray(array.sums[: SUM_BYTES * full])
            for index in itertools.islice(array.indices(), len(self.sums[name]) // SUM_BYTES, full):  # an older store does not say
                self.sums[name] += array.sum_of(index)

    def keep_last(self, arrays: Mapping[str, Chunks]) -> None:
        """Takes note of the last chunks as they are, for a run that adds nothing to them."""
        for name, array in arrays.items():
            rest = itertools.islice(array.indices(), len(self.sums[name]) // SUM_BYTES, None)
            self.last_sums[name] = b"".join(array.sum_of(index) for index in rest)

    def append(self, **columns: Any) -> None:
        """Adds rows to every array. Readers see them after the tree's next `commit`."""
        rows, done = len(next(iter(columns.values()))), 0
        while done < rows:
            at = self._in_tail
            some = min(rows - done, self.rows - at)
            for name, values in columns.items():
                self._tails[name][at : at + some] = values[done : done + some]
            self.length += some
            done += some
            self._dirty, self.last_sums = True, {}
            if self._in_tail == 0:
                for name, sums in self._write_chunk(self._compressors).items():
                    self.sums[name] += sums
                for tail in self._tails.values():
                    tail[:] = 0

    def _write_chunk(self, compressors: Mapping[str, Blosc]) -> dict[str, bytes]:
        """Writes the last chunk of every array; returns their checksums."""
        at, sums = (self.length - 1) // self.rows, dict.fromkeys(self.columns, b"")
        for name, column in self.columns.items():
            for block in itertools.product(*(range(-(-n // size)) for n, size in zip(column.rest, column.chunk, strict=True))):
                inside = tuple(slice(i * size, (i + 1) * size) for i, size in zip(block, column.chunk, strict=True))
                chunk = np.ascontiguousarray(self._tails[name][:, *inside])
                if chunk.shape[1:] != column.chunk:  # at the edge
                    chunk = np.pad(chunk, [(0, 0), *((0, size - n) for size, n in zip(column.chunk, chunk.shape[1:], strict=True))])
                key = "/".join(str(i) for i in (self.path, name, "c", at, *block))
                content, checksum = encoded(chunk, compressors[name])
                self._write(key, content, checksum)
                sums[name] += checksum
        self._dirty = False
        return sums

    def write_rest(self) -> None:
        """Writes the last chunk, though it is not full."""
        if self._dirty:
            self.last_sums = self._write_chunk(self._fast)


class Tree:
    """The Zarr hierarchy of a store, open for writing: series that grow, and arrays that stay.

    Args:
        root: its folder.
        mark: the name of the root's attribute that makes it a store.
        facts: what that attribute says, written with every commit.
    """

    def __init__(self, root: Path, mark: str, facts: dict[str, Any]):
        self.files = Files(root)
        self.facts, self._mark = facts, mark
        self.series: dict[str, Series] = {}
        self._documents: dict[str, dict[str, Any]] = {}
        self._fixed: dict[str, bytes] = {}

    def create(self) -> None:
        """Makes the root."""
        self._write_root()

    def group(self, path: str, attributes: Mapping[str, Any]) -> None:
        """Makes a group."""
        self._describe(path, {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"})

    def fixed(self, path: str, values: np.ndarray, dims: tuple[str, ...], attributes: Mapping[str, Any]) -> None:
        """Makes an array of one dimension that does not grow."""
        chunk = tuple(max(n, 1) for n in values.shape)
        if values.size:
            content, checksum = encoded(np.ascontiguousarray(values), Blosc(library(values.dtype), LEVEL, Blosc.SHUFFLE))
            self.files.write("/".join((path, "c", *("0" for _ in chunk))), content, checksum)
            self._fixed[path] = checksum
        self._describe(path, description_of(values.shape, values.dtype, chunk, dims, attributes))

    def grow(self, name: str, series: Series) -> None:
        """Makes the arrays of a series, empty."""
        for array, column in series.columns.items():
            chunk = (series.rows, *column.chunk)
            self._describe(f"{series.path}/{array}", description_of((0, *column.rest), column.dtype, chunk, column.dims, column.attributes))
        self._connect(name, series, 0)

    def reopen(self, series: Mapping[str, Series], lengths: Mapping[str, int], described: Mapping[str, dict[str, Any]]) -> None:
        """Goes on with series that an earlier run wrote, at these lengths: what lies behind them is dropped.

        Args:
            described: what the root says of every group and array.

        Raises:
            StoreError: the chunks that it goes on in are damaged.
        """
        self._documents = copy.deepcopy(dict(described))
        growing = {f"{one.path}/{array}" for one in series.values() for array in one.columns}
        for path, document in self._documents.items():
            if document["node_type"] == "array" and path not in growing:
                there = self._array(path)
                self._fixed[path] = there.sums or b"".join(there.sum_of(index) for index in there.indices())
        for name, one in series.items():
            self._connect(name, one, lengths[name])
        for path, document in self._documents.items():  # whatever became of the groups' and arrays' own
            self._write(f"{path}/{METADATA}", document)
        self.commit()
        for one in series.values():
            one.keep_last(self._arrays(one))
            for array in one.columns:
                self._drop_chunks(self.files.root / one.path / array / "c", -(-one.length // one.rows))

    @staticmethod
    def _drop_chunks(folder: Path, keep: int) -> None:
        for entry in sorted(folder.iterdir()) if folder.exists() else ():
            if entry.name.isdigit() and int(entry.name) >= keep:
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _connect(self, name: str, series: Series, length: int) -> None:
        series.connect(self._arrays(series), length, self.files.write)
        self.series[name] = series

    def _arrays(self, series: Series) -> dict[str, Chunks]:
        return {array: self._array(f"{series.path}/{array}") for array in series.columns}

    def _array(self, path: str) -> Chunks:
        sums = documents.chunk_sums(self.facts).get(path, b"")
        return Chunks(self.files.root, path, form_of(self._documents[path]), sums=sums)

    @property
    def lengths(self) -> dict[str, int]:
        return {name: series.length for name, series in self.series.items()}

    def commit(self) -> None:
        """Lets readers see all that was appended."""
        for series in self.series.values():
            series.write_rest()
        for series in self.series.values():
            for array in series.columns:
                document = self._documents[f"{series.path}/{array}"]
                if document["shape"][0] != series.length:
                    document["shape"][0] = series.length
                    self._write(f"{series.path}/{array}/{METADATA}", document)
        self._write_root()

    @property
    def root(self) -> dict[str, Any]:
        """What the root says: the facts, and all groups and arrays, under a checksum of both."""
        described = {path: self._documents[path] for path in sorted(self._documents, key=lambda p: (p.count("/"), p))}  # as zarr nests them
        sums = dict(self._fixed)
        for series in self.series.values():
            for array, full in series.sums.items():
                # A last chunk may be rewritten before the root is: it is listed when no more is to come.
                last = b"" if self.facts.get("status") == "running" else series.last_sums.get(array, b"")
                sums[f"{series.path}/{array}"] = bytes(full) + last
        return documents.sealed_root(self._mark, documents.with_chunk_sums(self.facts, sums), described)

    def _write_root(self) -> None:
        self._write(METADATA, self.root)

    def _write(self, key: str, document: Mapping[str, Any]) -> None:
        self.files.write(key, documents.text_of(document))

    def _describe(self, path: str, document: dict[str, Any]) -> None:
        self._documents[path] = document
        self._write(f"{path}/{METADATA}", document)


def chunk_rows(width: int, itemsize: int, *, most: int = 2**14, held: int = 2**25) -> int:
    """How many rows a chunk has: a power of two, many for few neurons, and few enough that the writer can hold so many of all of them.

    Example:
        >>> chunk_rows(120, 8), chunk_rows(100_000, 8)
        (16384, 32)
    """
    return max(1, min(most, 1 << max((held // max(width * itemsize, 1)).bit_length() - 1, 0)))


def chunk_width(width: int, itemsize: int, rows: int, *, size: int = 2**22) -> int:
    """How many neurons a chunk has, so that it takes a few megabytes.

    Example:
        >>> chunk_width(120, 8, 16384), chunk_width(100_000, 8, 32)
        (32, 16384)
    """
    return max(1, min(width, size // (rows * itemsize)))
