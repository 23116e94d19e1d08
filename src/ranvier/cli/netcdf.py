"""Writes recorded variables as NetCDF (the classic format with 64-bit offsets).

By hand, because the libraries that write it take longer to import than a small run takes to compute.
The format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from ranvier.result import Recorded

DIMENSION, VARIABLE, ATTRIBUTE = 0x0A, 0x0B, 0x0C
TEXT = 2
KINDS = {np.dtype(np.int32): (4, ">i4"), np.dtype(np.float32): (5, ">f4"), np.dtype(np.float64): (6, ">f8")}
LARGEST = 2**32 - 1  # what the redundant size field holds of anything larger
BLOCK = 2**22  # bytes written at once


def write(path: Path, records: Sequence[Recorded], title: str) -> None:
    """Writes variables that were recorded at the same times of the same neurons.

    Args:
        path: of the file.
        records: one or more, none of them empty (the format has no empty dimension).
        title: said in the file.
    """
    first = records[0]
    ids = first.neurons.astype(np.int32)
    variables: list[tuple[str, list[int], dict[str, str], np.ndarray]] = [
        ("time", [0], {"units": "ms", "long_name": "time"}, first.times.astype(np.float64)),
        (first.label, [1], {"long_name": first.label}, ids),
        *((r.variable, [0, 1], {"units": r.unit, "long_name": f"{r.variable} of {r.part}"}, r.values) for r in records),
    ]
    dimensions = [("time", len(first.times)), (first.label, len(ids))]
    before = b"CDF\x02" + _int(0) + _int(DIMENSION, 2) + b"".join(_text(name) + _int(size) for name, size in dimensions)
    before += _attributes({"title": title, "part": first.part}) + _int(VARIABLE, len(variables))
    heads = [
        _text(name) + _int(len(dims), *dims) + _attributes(attributes) + _int(KINDS[array.dtype][0])
        for name, dims, attributes, array in variables
    ]
    offset = len(before) + sum(len(head) + 4 + 8 for head in heads)
    with open(path, "wb") as file:
        file.write(before)
        for head, (*_, array) in zip(heads, variables, strict=True):
            size = -(-array.nbytes // 4) * 4
            file.write(head + struct.pack(">IQ", min(size, LARGEST), offset))
            offset += size
        for *_, array in variables:
            _data(file, array)


def _int(*values: int) -> bytes:
    return struct.pack(f">{len(values)}i", *values)


def _text(text: str) -> bytes:
    data = text.encode()
    return _int(len(data)) + data + b"\0" * (-len(data) % 4)


def _attributes(attributes: Mapping[str, str]) -> bytes:
    return _int(ATTRIBUTE, len(attributes)) + b"".join(_text(name) + _int(TEXT) + _text(value) for name, value in attributes.items())


def _data(file: BinaryIO, array: np.ndarray) -> None:
    kind = KINDS[array.dtype][1]
    rows = max(1, BLOCK // max(1, array.nbytes // len(array)))
    for start in range(0, len(array), rows):
        file.write(array[start : start + rows].astype(kind).tobytes())
    file.write(b"\0" * (-array.nbytes % 4))
