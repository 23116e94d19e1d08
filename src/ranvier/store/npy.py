"""NumPy's files of strangers: read without pickles, and without taking more memory than the file has bytes."""

from __future__ import annotations

import io
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from ranvier.store.files import open_plain

NUMBERS = "biufc"
MOST_DEFLATED = 1032  # times smaller, which is what the method can do


def array_in(content: bytes, kinds: str = NUMBERS) -> np.ndarray:
    """The array in the content of a `.npy` file.

    Args:
        content: of the file.
        kinds: the kinds of numbers that it may hold, by NumPy's letters.

    Raises:
        ValueError: it is damaged, or holds something else.

    Example:
        >>> file = io.BytesIO()
        >>> np.save(file, np.arange(3))
        >>> array_in(file.getvalue())
        array([0, 1, 2])
    """
    file = io.BytesIO(content)
    version = npy.read_magic(file)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"version {version} of the format is not read")
    shape, by_column, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    if dtype.hasobject:
        raise ValueError("Object arrays cannot be loaded: they are pickles, which may run anything")
    if dtype.kind not in kinds:
        raise ValueError(f"it holds {dtype}, not numbers")
    begin = file.tell()
    if math.prod(shape) * dtype.itemsize != len(content) - begin:
        raise ValueError(f"it says that it holds {math.prod(shape)} numbers, and has {len(content) - begin} bytes")
    return np.frombuffer(content, dtype, offset=begin).reshape(shape, order="F" if by_column else "C").copy()


def arrays_in(path: Path, *, follow: bool = False, compressed: bool = False, kinds: str = NUMBERS) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of an `.npz` file with their names, each checked against its checksum.

    Args:
        path: the file.
        follow: whether it may be a link.
        compressed: whether its arrays may be; none of Ranvier's is.
        kinds: see `array_in`.

    Raises:
        ValueError, OSError, zipfile.BadZipFile: it is damaged, or holds something else.
    """
    with open_plain(path, follow=follow) as file, zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            stored = member.compress_type == zipfile.ZIP_STORED and member.file_size == member.compress_size
            deflated = member.compress_type == zipfile.ZIP_DEFLATED and member.file_size <= MOST_DEFLATED * (member.compress_size + 1)
            if member.flag_bits & 1 or not (stored or (compressed and deflated)):
                raise ValueError(f"{member.filename} is compressed or encrypted otherwise than NumPy does")
            yield member.filename.removesuffix(".npy"), array_in(archive.read(member), kinds)
