"""How much memory there is to be had."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ranvier.errors import ParameterError

LITTLE = 2**24
"""Bytes that are there without asking, which takes longer than to make a small network."""


def available_memory() -> float:
    """Bytes that can still be taken.

    What the machine has free, or what is left of a container's limit if that is less.
    """
    of_container = _of_container(Path("/sys/fs/cgroup"))
    return _of_machine() if of_container is None else min(_of_machine(), of_container)


def require_memory(needed: float, what: str, hint: str, share: float = 0.9) -> None:
    """Refuses what will not fit, before anything is made.

    Args:
        needed: bytes.
        what: what needs them, and
        hint: what to do about it, for the error.
        share: of the memory to be had that may be taken.

    Raises:
        ParameterError: there is not so much.
    """
    if needed < LITTLE:
        return
    available = available_memory()
    if needed > share * available:
        raise ParameterError(
            f"{what} would take {needed / 2**30:.1f} GiB, and {max(available, 0) / 2**30:.1f} GiB of memory are free. {hint}"
        )


def _of_machine() -> float:
    import psutil

    return float(psutil.virtual_memory().available)


def _of_container(group: Path) -> float | None:
    try:
        limit = float((group / "memory.max").read_text())
        used = float((group / "memory.current").read_text())
        counts = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # there is none, or its limit is "max"
        return None
    return limit - used + float(counts.get("inactive_file", 0))  # what files take is given back when it is needed


def aligned_empty(shape: tuple[int, ...] | int, dtype: np.typing.DTypeLike) -> np.ndarray:
    """An array like `np.empty` that begins at a multiple of 64 bytes, so that JAX takes it over without copying it.

    Example:
        >>> aligned_empty((2, 3), "float32").ctypes.data % 64
        0
    """
    size = math.prod(shape) if isinstance(shape, tuple) else shape
    dtype = np.dtype(dtype)
    raw = np.empty(size * dtype.itemsize + 64, np.uint8)
    offset = -raw.ctypes.data % 64
    return raw[offset : offset + size * dtype.itemsize].view(dtype).reshape(shape)
