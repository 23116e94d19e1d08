"""Reads `.npy` files of strangers: numbers, and nothing that could run.

NumPy saves a list of arrays of different lengths as a pickle, and a pickle may
call whatever it names. The reader here knows three names, NumPy's for an array,
for making one and for its type, and puts classes of its own in their place, which
only keep what they are given. Any other name ends the reading.
"""

from __future__ import annotations

import io
import math
import pickle
import pickletools
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from ranvier.errors import ParameterError, StoreError
from ranvier.store.files import open_plain

MOST_BYTES = 2**31
_STRANGE = {"BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER", "PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ_EX"}
_NUMBERS = re.compile(r"[fiub][1248]")


def read_array(path: Path) -> np.ndarray:
    """The array of numbers in a `.npy` file, mapped from the disk.

    Raises:
        ParameterError: there is no such file, or it holds something else.
    """
    try:
        open_plain(path, follow=True).close()  # no pipe, which would be waited for
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise ParameterError(f"There is no file {path}.") from None
    except StoreError as error:
        raise ParameterError(str(error)) from None
    except (OSError, ValueError, EOFError) as error:
        raise ParameterError(f"{path} is not an array of numbers saved by numpy.save: {error}") from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiub":
        raise ParameterError(f"{path} is not an array of numbers saved by numpy.save.")
    return array


def read_arrays(path: Path) -> list[np.ndarray]:
    """The arrays in a `.npy` file that was saved from a list of them: as a pickle, or, where all have one length, as rows.

    Raises:
        ParameterError: there is no such file, or it holds, or names, anything
            but arrays of numbers. Nothing of it has then been run.
    """
    try:
        with open_plain(path, follow=True) as file:
            version = npy.read_magic(file)
            _, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
            if not dtype.hasobject:
                return list(np.atleast_2d(read_array(path)))
            return _unpickled(file.read()).arrays()
    except FileNotFoundError:
        raise ParameterError(f"There is no file {path}.") from None
    except (ParameterError, StoreError) as error:
        raise ParameterError(f"{path} was refused: {error}") from None
    except Exception as error:  # an unpickler meets damaged files with errors of every kind
        raise ParameterError(f"{path} is not a list of arrays saved by numpy.save: {type(error).__name__}: {error}") from None


def _unpickled(content: bytes) -> _Array:
    """What a pickle of arrays holds.

    Raises:
        ParameterError: it asks for more than the arrays that are in it.
    """
    if len(content) > MOST_BYTES:
        raise ParameterError(f"it has {len(content)} bytes; a list of times has fewer.")
    for code, argument, _ in pickletools.genops(content):
        # A number in a few bytes may make the unpickler take memory for a table of so many entries, or a buffer of so many bytes.
        if code.name in _STRANGE or ("PUT" in code.name and int(argument or 0) > len(content)):
            raise ParameterError(f"it says {code.name} {argument!r}, which arrays do not need.")
    found = _ArraysOnly(io.BytesIO(content)).load()
    if not isinstance(found, _Array):
        raise ParameterError("it is not a list of arrays.")
    return found


class _Type:
    """A pickled dtype: its code, `"f8"` or `"O8"`, and the order of its bytes."""

    def __init__(self, code: Any, *rest: Any):
        if not isinstance(code, str) or not (_NUMBERS.fullmatch(code) or code == "O8"):
            raise ParameterError(f"it holds values of the type {code!r}, not numbers.")
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        _, order, subtype, names, fields, *_ = state
        if order not in ("<", ">", "|", "=") or not (subtype is names is fields is None):
            raise ParameterError("it holds records, not plain numbers.")
        self.order = order


class _Array:
    """A pickled array: made empty, then given its shape, its type and its values."""

    def __init__(self, *made_from: Any):
        self.content: list[Any] | np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, columns_first, values = state
        if kind.code == "O8":
            if not isinstance(values, list) or len(values) != math.prod(shape):
                raise ParameterError("it is damaged.")
            self.content = values
        else:
            array = np.frombuffer(values, np.dtype(kind.order + kind.code))
            self.content = array.reshape(shape, order="F" if columns_first else "C")

    def arrays(self) -> list[np.ndarray]:
        """The arrays that an array of arrays holds."""
        if not isinstance(self.content, list):
            raise ParameterError("it is not a list of arrays.")
        found = [item.content for item in self.content if isinstance(item, _Array) and isinstance(item.content, np.ndarray)]
        if len(found) != len(self.content):
            raise ParameterError("it holds something besides arrays of numbers.")
        return found


_KNOWN = {
    ("numpy.core.multiarray", "_reconstruct"): _Array,  # NumPy 1
    ("numpy._core.multiarray", "_reconstruct"): _Array,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
}


class _ArraysOnly(pickle.Unpickler):
    """Unpickles NumPy arrays of numbers, and lists of them."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise ParameterError(f"it asks for {module}.{name}, which an array does not need. Nothing in it was run.")
        return _KNOWN[module, name]
