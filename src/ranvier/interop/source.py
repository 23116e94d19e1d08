"""A run as the exporters see it: a result in memory or a store on disk, read in pieces."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import ParameterError, RanvierError, StoreError
from ranvier.result import Recorded

CONVENTION = "A spike that happened in the step from t_k to t_k+1 has the time t_k, the start of the step (NEST stamps the end)."
BLOCK_BYTES = 2**23  # of a recorded variable that are in memory at once


@dataclasses.dataclass(frozen=True)
class Signal:
    """One recorded variable of a population or projection, to be read in blocks of rows.

    Attributes:
        part, variable, unit: what it is.
        label: what a column is: a neuron, a state (of a projection), or a value that was computed from them.
        neurons: their numbers within the part, int64 `[columns]`.
        start: the time of the first row (ms).
        every: the time between rows (ms); None where they are not regular.
    """

    part: str
    variable: str
    unit: str
    label: str
    neurons: np.ndarray
    start: float
    every: float | None
    record: Recorded

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.record.values.shape

    @property
    def dtype(self) -> np.dtype:
        """Of the values."""
        return self.record.values.dtype

    def times(self, start: int, stop: int) -> np.ndarray:
        """The times of some rows (ms)."""
        return np.asarray(self.record.times[start:stop], np.float64)

    @property
    def rows_at_once(self) -> int:
        """How many rows make a block."""
        return max(1, BLOCK_BYTES // max(1, self.shape[1] * self.dtype.itemsize))

    def rows(self, start: int, stop: int) -> np.ndarray:
        """Some rows, `[rows, columns]`."""
        return np.asarray(self.record.values[start:stop])

    def blocks(self) -> Iterator[tuple[int, np.ndarray]]:
        """All rows, in blocks, each with the number of its first row."""
        for first in range(0, self.shape[0], self.rows_at_once):
            yield first, self.rows(first, min(first + self.rows_at_once, self.shape[0]))


class Source:
    """What an exporter reads of a run.

    Args:
        run: a `Result`, or a store opened with `rv.open_store`.

    Attributes:
        populations: the first neuron and the size of each.
        n: how many neurons there are.
        dt, start, stop: the step, and the span that was simulated (ms).
        signals: what was recorded, one `Signal` a variable; empty ones are not among them.
        settings: seed, integrator, versions and the like: plain words and numbers by name.
        description: a sentence that says what ran.
    """

    def __init__(self, run: Any):
        self.run = run
        spikes = run.spikes
        self.populations: dict[str, tuple[int, int]] = dict(spikes.populations)
        self.n, self.dt, self.start, self.stop = int(spikes.n), float(spikes.dt), float(spikes.start), float(spikes.stop)
        self.signals = [_signal(record, self.dt) for record in run.records if np.prod(record.values.shape)]
        self.provenance: Mapping[str, Any] = getattr(run, "provenance", None) or {}
        info = run.info
        versions = info.get("versions") or self.provenance.get("versions") or {}
        self.settings: dict[str, str | int | float] = {
            "dt_ms": self.dt,
            "start_ms": self.start,
            "stop_ms": self.stop,
            **{key: info[key] for key in ("integrator", "seed", "precision", "network_hash") if key in info},
            **{f"{name}_version": str(version) for name, version in versions.items()},
            "spike_times": CONVENTION,
        }
        models = {name: _model(run, name) for name in self.populations}
        sizes = ", ".join(f"{name}: {n} {models[name]}".rstrip() for name, (_, n) in self.populations.items())
        self.description = f"Simulation by Ranvier, not a recording: {self.stop - self.start:g} ms of {self.n} neurons ({sizes})."

    def pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All spikes in order of time, in pieces: their steps, int64, and their neurons, counted over the whole network."""
        return (piece for piece in self.run.spikes.pieces() if len(piece[0]))

    def names(self) -> list[str]:
        """The population of each neuron, `[n]`."""
        return [name for name, (_, n) in self.populations.items() for _ in range(n)]

    def within(self) -> np.ndarray:
        """The number of each neuron within its population, int64 `[n]`."""
        return np.concatenate([np.zeros(0, np.int64), *(np.arange(n) for _, n in self.populations.values())])


def _signal(record: Recorded, dt: float) -> Signal:
    return Signal(
        part=record.part,
        variable=record.variable,
        unit=record.unit,
        label=record.label,
        neurons=np.asarray(record.neurons, np.int64),
        start=float(record.times[0]) if record.first_step is None else record.first_step * dt,
        every=None if record.every_steps is None else record.every_steps * dt,
        record=record,
    )


def _model(run: Any, population: str) -> str:
    network = getattr(run, "network", None)
    if network is not None:
        return type(network.populations[population].model).__name__
    return str(run.info["populations"][population].get("model", "")).partition("(")[0].rpartition(".")[2]


@contextlib.contextmanager
def new(path: Path) -> Iterator[Path]:
    """A place for a file or folder that gets its name when it is complete. What fails leaves nothing.

    Raises:
        ParameterError: there is something of that name, or it cannot be made there.
        StoreError: it cannot be written to its end, as on a disk that is full.
    """
    _refuse_existing(path)
    try:
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
    except OSError as error:
        raise ParameterError(f"{path} cannot be written: {error.strerror}.") from None
    try:
        yield scratch / path.name
        _refuse_existing(path)
        (scratch / path.name).rename(path)
    except (OSError, RuntimeError) as error:  # HDF5 says RuntimeError where it cannot close what it could not write
        if isinstance(error, RanvierError) or not (isinstance(error, OSError) or _is_full(error)):
            raise
        reason = "the disk is full" if _is_full(error) else getattr(error, "strerror", None) or str(error)
        raise StoreError(f"{path} cannot be written: {reason}. Nothing of it was left; the run is as it was.") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _is_full(error: BaseException | None) -> bool:
    """Whether a failure, or one that led to it, is that of a full disk."""
    full = (errno.ENOSPC, errno.EDQUOT)
    while error is not None:
        if getattr(error, "errno", None) in full or "No space left" in str(error) or f"errno = {errno.ENOSPC}" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def reserved(path: Path, size: int) -> None:
    """Makes a file of that many bytes for which the disk has room indeed: written to through a memory map, a full disk ends the process.

    Raises:
        OSError: there is no room.
    """
    with open(path, "wb") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except (AttributeError, OSError) as error:
            if _is_full(error):
                raise
            for first in range(0, size, BLOCK_BYTES):  # a system, or a file system, that reserves nothing
                file.write(bytes(min(BLOCK_BYTES, size - first)))


def as_file_name(name: str) -> str:
    """A population's or projection's name in letters that every file system takes."""
    return re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-") or "part"


def _refuse_existing(path: Path) -> None:
    if path.exists() or path.is_symlink():
        raise ParameterError(f"{path} exists already, and nothing is overwritten. Choose another name.")
