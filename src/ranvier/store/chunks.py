"""The chunks of an array in a store: how they are written, what their description may say, and how they are read.

They are Zarr's, which any Zarr library reads. Ranvier reads them itself, because
a store may come from a stranger: only the codecs below exist for it, every length is
known before anything is made of that length, and what is not as it was written is named.
"""

from __future__ import annotations

import dataclasses
import math
import os
import stat
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import Blosc
from numcodecs.zstd import Zstd

from ranvier.errors import StoreError
from ranvier.store.files import read_plain, why

LEVEL = 1  # of compression
DTYPES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
MOST_BYTES = 2**31 - 1  # of a chunk, which is what Blosc can do
MOST_DIMENSIONS = 2
OVERHEAD = 2**16  # bytes by which what cannot be compressed may grow, with room to spare
SUM_BYTES = 4
UNKNOWN = bytes(SUM_BYTES)  # in the place of a chunk's checksum
BLOSC_HEADER = struct.Struct("<4BIII")


class DamagedError(StoreError):
    """A part of a store is not as it was written.

    Attributes:
        file: the file.
        why: what is wrong with it.
        lost: the span of time that is lost (ms), None where it is not known.
    """

    def __init__(self, file: Path, why: str, what: str = "", lost: tuple[float, float] | None = None):
        self.file, self.why, self.lost = file, why, lost
        span = f" from t = {lost[0]:g} to {lost[1]:g} ms" if lost else ""
        gone = f" {what[:1].upper()}{what[1:]}{span} cannot be read." if what else ""
        super().__init__(
            f"{file} is damaged: {why}.{gone} The rest can: rv.open_store(…, damaged='skip'). "
            "ranvier check says what else is lost, ranvier repair computes it again."
        )


@dataclasses.dataclass(frozen=True)
class ArrayForm:
    """What the description of an array says, checked.

    Attributes:
        shape, dtype, chunk: its own, and the shape of a chunk.
        compressor: `"blosc"`, `"zstd"` or None.
        summed: whether a chunk ends with its checksum.
        attributes: what else is said of it.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    chunk: tuple[int, ...]
    compressor: str | None
    summed: bool
    attributes: Mapping[str, Any]

    @property
    def chunk_bytes(self) -> int:
        return math.prod(self.chunk) * self.dtype.itemsize

    @property
    def grid(self) -> tuple[int, ...]:
        """How many chunks there are along each dimension."""
        return tuple(-(-n // size) for n, size in zip(self.shape, self.chunk, strict=True))


def form_of(document: Any) -> ArrayForm:
    """What the description of an array says.

    Raises:
        ValueError: it is not one that Ranvier writes.
    """
    try:
        if (document["zarr_format"], document["node_type"]) != (3, "array"):
            raise ValueError(f"a node {document['node_type']!r} of Zarr {document['zarr_format']!r}")
        if document["data_type"] not in DTYPES:
            raise ValueError(f"the data type {document['data_type']!r}")
        dtype = np.dtype(document["data_type"]).newbyteorder("<")
        if document["chunk_grid"]["name"] != "regular" or document.get("storage_transformers"):
            raise ValueError("another grid of chunks")
        separator = document["chunk_key_encoding"].get("configuration", {}).get("separator", "/")
        if (document["chunk_key_encoding"]["name"], separator) != ("default", "/"):
            raise ValueError("other names of chunks")
        shape, chunk = document["shape"], document["chunk_grid"]["configuration"]["chunk_shape"]
        whole = [isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in (*shape, *chunk)]
        if not all(whole) or len(shape) != len(chunk) or not 1 <= len(shape) <= MOST_DIMENSIONS or 0 in chunk:
            raise ValueError(f"the shape {shape!r} in chunks of {chunk!r}")
        if math.prod(chunk) * dtype.itemsize > MOST_BYTES:
            raise ValueError(f"chunks of {math.prod(chunk) * dtype.itemsize} bytes")
        codecs = [codec["name"] for codec in document["codecs"]]
        endian = document["codecs"][0].get("configuration", {}).get("endian", "little")
        if codecs[0] != "bytes" or endian != "little":
            raise ValueError(f"the codecs {codecs!r}")
        rest = codecs[1:]
        summed = rest[-1:] == ["crc32c"]
        rest = rest[:-1] if summed else rest
        if rest not in ([], ["blosc"], ["zstd"]):
            raise ValueError(f"the codecs {codecs!r}")
        attributes = document.get("attributes", {})
        if not isinstance(attributes, Mapping):
            raise ValueError("attributes that are none")
        return ArrayForm(tuple(shape), dtype, tuple(chunk), rest[0] if rest else None, summed, attributes)
    except (KeyError, TypeError, AttributeError, IndexError) as error:
        raise ValueError(f"a description without {error}") from None


def description_of(
    shape: Sequence[int], dtype: np.dtype, chunk: Sequence[int], dims: Sequence[str], attributes: Mapping[str, Any]
) -> dict[str, Any]:
    """The `zarr.json` of an array whose chunks `encoded` writes."""
    # What is missing shows as what it cannot be, to other programs too.
    fill: Any = "NaN" if dtype.kind == "f" else False if dtype.kind == "b" else int(np.iinfo(dtype).max if dtype.kind == "u" else -1)
    blosc = {"typesize": dtype.itemsize, "cname": library(dtype), "clevel": LEVEL, "shuffle": "shuffle", "blocksize": 0}
    return {
        "shape": list(shape),
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": fill,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": blosc},
            {"name": "crc32c"},
        ],
        "attributes": dict(attributes),
        "dimension_names": list(dims),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def library(dtype: np.dtype) -> str:
    """What compresses such values: LZ4 numbers that hardly can be, Zstandard the others."""
    return "lz4" if dtype.kind == "f" else "zstd"


def encoded(chunk: np.ndarray, compressor: Blosc) -> tuple[bytes, bytes]:
    """A chunk's file, in two pieces: what was compressed, and its checksum."""
    content = compressor.encode(chunk)
    return content, struct.pack("<I", google_crc32c.value(content))


def decoded(content: bytes, form: ArrayForm) -> np.ndarray:
    """The values of a chunk's file, `form.chunk`.

    Raises:
        ValueError: it is not as it was written.
    """
    if form.summed:
        if len(content) < 4 or struct.unpack("<I", content[-4:])[0] != google_crc32c.value(content[:-4]):
            raise ValueError("its checksum is wrong")
        content = content[:-4]
    if form.compressor == "blosc":
        if len(content) < BLOSC_HEADER.size:
            raise ValueError("it is too short")
        *_, size, _, length = BLOSC_HEADER.unpack_from(content)
        if (size, length) != (form.chunk_bytes, len(content)):
            raise ValueError(
                f"it says that it is {length} bytes that hold {size}; it should be {len(content)} that hold {form.chunk_bytes}"
            )
    values = np.empty(form.chunk_bytes, np.uint8)
    try:
        if form.compressor == "blosc":
            Blosc().decode(content, values)
        elif form.compressor == "zstd":
            Zstd().decode(content, values)
        else:
            values[:] = np.frombuffer(content, np.uint8)
    except (ValueError, RuntimeError) as error:
        raise ValueError(f"it cannot be decompressed ({error})") from None
    return values.view(form.dtype).reshape(form.chunk)


class Chunks:
    """An array in a store, read part by part as NumPy's are indexed.

    Args:
        root: the store's folder.
        key: the array's place in it.
        form: what its description says.
        what: what it holds, for errors.
        span: the time that rows from one up to another belong to (ms).
        skip: what is damaged is NaN (whole numbers become floating-point ones) instead of an error.
        zeros_absent: chunks of zeros were not written.
        sums: what the root says of the first chunks, in order: the checksum that each ends with, `UNKNOWN` where it does not say.
        sums_now: what it says by now: a run that goes on writes its last chunk anew.
    """

    def __init__(
        self,
        root: Path,
        key: str,
        form: ArrayForm,
        *,
        what: str = "",
        span: Callable[[int, int], tuple[float, float] | None] | None = None,
        skip: bool = False,
        zeros_absent: bool = False,
        sums: bytes = b"",
        sums_now: Callable[[], bytes] | None = None,
    ):
        self.root, self.key, self.form, self.what, self.skip, self.sums = root, key, form, what or key, skip, sums
        self._span, self.zeros_absent, self._sums_now = span, zeros_absent, sums_now
        self.shape = form.shape
        self.dtype = np.dtype(np.float64) if skip and form.dtype.kind != "f" else form.dtype.newbyteorder("=")

    def __len__(self) -> int:
        return self.shape[0]

    def file(self, index: Sequence[int]) -> Path:
        """Where a chunk lies."""
        return self.root.joinpath(*self.key.split("/"), "c", *map(str, index))

    def indices(self) -> Iterator[tuple[int, ...]]:
        """All chunks."""
        return _each([range(n) for n in self.form.grid])

    def rows_of(self, index: Sequence[int]) -> tuple[int, int]:
        """The first row of a chunk, and the one behind its last."""
        first = index[0] * self.form.chunk[0]
        return first, min(first + self.form.chunk[0], self.shape[0])

    def _damaged(self, index: Sequence[int], reason: str) -> DamagedError:
        lost = None
        if self._span is not None:
            try:
                lost = self._span(*self.rows_of(index))
            except StoreError:  # what says when is lost too
                lost = None
        return DamagedError(self.file(index), reason, self.what, lost)

    def _is_zero(self, index: Sequence[int]) -> bool:
        return self.zeros_absent and not self.file(index).exists()

    def _check_place(self, index: Sequence[int], found: bytes) -> None:
        """Checks that a chunk is the one that belongs here, by the checksum that it ends with.

        Raises:
            ValueError: it is a whole one, of another place or another run.
        """
        at = SUM_BYTES * int(np.ravel_multi_index(tuple(index), self.form.grid))
        known = self.sums[at : at + SUM_BYTES]
        if len(known) == SUM_BYTES and known not in (UNKNOWN, found):
            now = self._sums_now() if self._sums_now is not None else self.sums
            if len(now[at : at + SUM_BYTES]) < SUM_BYTES or now[at : at + SUM_BYTES] in (UNKNOWN, found):
                self.sums = now
                return
            raise ValueError("it is not the chunk that was written here: its checksum is another than the root's")

    def look(self, index: Sequence[int]) -> None:
        """Checks that a chunk is there, as long as it says and the one that belongs there, without reading it all.

        Raises:
            DamagedError: it is not.
        """
        if self._is_zero(index):
            return
        try:
            found = os.stat(self.file(index), follow_symlinks=False)
        except FileNotFoundError:
            raise self._damaged(index, "it is missing") from None
        except OSError as error:
            raise self._damaged(index, why(error)) from None
        size = found.st_size
        if not size or not stat.S_ISREG(found.st_mode):
            raise self._damaged(index, "it is empty, or no file")
        if self.form.compressor == "blosc":
            try:
                with open(self.file(index), "rb") as file:
                    *_, held, _, length = BLOSC_HEADER.unpack(file.read(BLOSC_HEADER.size))
                    file.seek(-SUM_BYTES, os.SEEK_END)
                    ending = file.read(SUM_BYTES)
            except (OSError, struct.error) as error:
                raise self._damaged(index, f"it cannot be read ({error})") from None
            if (held, length) != (self.form.chunk_bytes, size - SUM_BYTES * self.form.summed):
                raise self._damaged(index, f"it has {size} bytes, not what it says")
            try:
                self._check_place(index, ending)
            except ValueError as error:
                raise self._damaged(index, str(error)) from None

    def sum_of(self, index: Sequence[int]) -> bytes:
        """The checksum that a chunk's file ends with, `UNKNOWN` where there is none to be read."""
        try:
            with open(self.file(index), "rb") as file:
                file.seek(-SUM_BYTES, os.SEEK_END)
                return file.read(SUM_BYTES)
        except OSError:
            return UNKNOWN

    def chunk(self, index: Sequence[int]) -> np.ndarray:
        """The values of a chunk, with those beyond the array's edge.

        Raises:
            DamagedError: it is missing, or not as it was written.
        """
        if self._is_zero(index):
            return np.zeros(self.form.chunk, self.form.dtype)
        try:
            content = read_plain(self.file(index), self.form.chunk_bytes + OVERHEAD)
            self._check_place(index, content[-SUM_BYTES:])
            return decoded(content, self.form)
        except FileNotFoundError:
            raise self._damaged(index, "it is missing") from None
        except StoreError as error:
            raise self._damaged(index, str(error)) from None
        except OSError as error:
            raise self._damaged(index, f"it cannot be read ({why(error)})") from None
        except ValueError as error:
            raise self._damaged(index, str(error)) from None

    def _block(self, bounds: Sequence[tuple[int, int]]) -> np.ndarray:
        shape = [stop - first for first, stop in bounds]
        if not all(shape):
            return np.zeros(shape, self.dtype)
        grid = [range(first // size, -(-stop // size)) for (first, stop), size in zip(bounds, self.form.chunk, strict=True)]
        if not self.skip and not self.zeros_absent:
            for index in _each(grid):  # before memory is taken for what only a description says
                if not self.file(index).exists():
                    raise self._damaged(index, "it is missing")
        block = np.empty(shape, self.dtype)
        for index in _each(grid):
            begins = [i * size for i, size in zip(index, self.form.chunk, strict=True)]
            ends = [min(b + size, n) for b, size, n in zip(begins, self.form.chunk, self.shape, strict=True)]
            overlap = [(max(a, first), min(b, stop)) for a, b, (first, stop) in zip(begins, ends, bounds, strict=True)]
            there = tuple(slice(a - first, b - first) for (a, b), (first, _) in zip(overlap, bounds, strict=True))
            inside = tuple(slice(a - begin, b - begin) for (a, b), begin in zip(overlap, begins, strict=True))
            try:
                block[there] = self.chunk(index)[inside]
            except DamagedError:
                if not self.skip:
                    raise
                block[there] = np.nan
        return block

    def __getitem__(self, key: Any) -> np.ndarray:
        return self.select(key, outer=False)

    def select(self, key: Any, *, outer: bool) -> np.ndarray:
        """The part of the array that a key says; `outer` takes lists of several dimensions crosswise."""
        keys = list(key) if isinstance(key, tuple) else [key]
        if Ellipsis in [k for k in keys if not isinstance(k, np.ndarray)]:
            at = next(i for i, k in enumerate(keys) if k is Ellipsis)
            keys[at : at + 1] = [slice(None)] * (len(self.shape) - len(keys) + 1)
        keys += [slice(None)] * (len(self.shape) - len(keys))
        bounds, inside = zip(*(_bounded(k, n) for k, n in zip(keys, self.shape, strict=True)), strict=True)
        block = self._block(bounds)
        if not outer:
            return np.asarray(block[tuple(inside)])
        for axis in reversed(range(len(inside))):
            block = block[(slice(None),) * axis + (inside[axis],)]
        return np.asarray(block)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self[:]
        return values if dtype is None else values.astype(dtype)


def _each(ranges: Sequence[range]) -> Iterator[tuple[int, ...]]:
    """All combinations, the last changing fastest, without a list of any (`itertools.product` makes some)."""
    if not ranges:
        yield ()
        return
    for first in ranges[0]:
        for rest in _each(ranges[1:]):
            yield (first, *rest)


def _bounded(key: Any, n: int) -> tuple[tuple[int, int], Any]:
    """The first and last element that a key takes of `n`, and the key counted from the first."""
    if isinstance(key, slice):
        chosen: Any = range(*key.indices(n))
        if not len(chosen):
            return (0, 0), slice(0, 0)
        first, last = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
        inside: Any = slice(0, None, chosen.step) if chosen.step > 0 else slice(None, None, chosen.step)
        return (first, last + 1), inside
    chosen = np.asarray(key)
    if chosen.dtype == bool:
        if chosen.shape != (n,):
            raise IndexError(f"{chosen.shape} truth values do not fit {n} elements")
        chosen = np.flatnonzero(chosen)
    if chosen.dtype.kind not in "iu":
        if chosen.size:
            raise IndexError(f"{key!r} is no index")
        chosen = chosen.astype(np.int64)
    wrapped = np.where(chosen < 0, chosen + n, chosen)
    if ((wrapped < 0) | (wrapped >= n)).any():
        raise IndexError(f"index {key!r} is out of bounds for {n} elements")
    if not wrapped.size:
        return (0, 0), wrapped
    first = int(wrapped.min())
    return (first, int(wrapped.max()) + 1), wrapped - first if wrapped.ndim else int(wrapped) - first
