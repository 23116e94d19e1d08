"""Puts together what PSST's runner saved: the parts of each batch, and the batches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ranvier.errors import ParameterError
from ranvier.interop.psst.arrays import read_array, read_arrays

_PART = re.compile(r"batch([1-9]\d*)_part_([1-9]\d*)\.npy")


class Times:
    """The times of each batch (ms), as the caller saved them in `time.npy`.

    Attributes:
        batches: one array a batch; the first time of a later one repeats the last of the one before.
        dt: the time step (ms).
    """

    def __init__(self, path: Path):
        self.batches = read_arrays(path)
        for i, times in enumerate(self.batches):
            if times.ndim != 1 or times.dtype.kind != "f" or len(times) < 2 or not np.isfinite(times).all():
                raise ParameterError(f"{path}: the times of batch {i + 1} must be two or more numbers, [times].")
        if not self.batches:
            raise ParameterError(f"{path} holds no batch.")
        every = np.concatenate([np.diff(times) for times in self.batches])
        self.dt = float(np.round(np.median(every), 12))
        if self.dt <= 0:
            raise ParameterError(f"{path}: the times must rise.")
        if not np.allclose(every, self.dt, rtol=1e-6, atol=0):
            raise ParameterError(f"{path}: the times are not {self.dt:g} ms apart throughout.")

    @property
    def start(self) -> float:
        """The first time (ms)."""
        return float(self.batches[0][0])

    @property
    def duration(self) -> float:
        """From the first to the last time (ms)."""
        return float(self.batches[-1][-1]) - self.start

    def same(self, one: float, other: float) -> bool:
        """Whether two times are the same but for rounding."""
        return abs(one - other) < self.dt / 2


class Stitched:
    """The rows of all parts in a folder, each time once.

    Attributes:
        initial: the state that the run began with, `[states]`.
        times: of the rows (ms), `[rows]`.
        rows: `[rows, states]`.
        restarts: the times (ms) at which a batch begins with the initial state again.
        findings: what is not as it should be, in words.
    """

    def __init__(self, folder: Path, times: Times, state_vector: np.ndarray):
        self.initial = state_vector
        self.restarts: list[float] = []
        self.findings: list[str] = []
        self._all_times = times
        self._states = len(state_vector)
        self._times: list[np.ndarray] = []
        self._rows: list[np.ndarray] = []
        files: dict[int, dict[int, Path]] = {}
        for path in sorted(folder.iterdir()):
            if match := _PART.fullmatch(path.name):
                files.setdefault(int(match[1]), {})[int(match[2])] = path
        for batch in sorted(files):
            if batch > len(times.batches):
                self.findings.append(f"batch {batch} is left out: time.npy has {len(times.batches)} batches.")
            else:
                self._add_batch(batch, files[batch])
        if files:
            self.findings += [f"batch {i} was not saved." for i in range(1, len(times.batches) + 1) if i not in files]
        self.times = np.concatenate([np.zeros(0), *self._times])
        self.rows = np.concatenate([np.zeros((0, self._states)), *self._rows])

    def _add_batch(self, batch: int, files: dict[int, Path]) -> None:
        expected = self._all_times.batches[batch - 1]
        rows = list(self._parts(batch, files))
        if not rows:
            return
        states = np.concatenate(rows)
        if len(states) > len(expected):
            raise ParameterError(f"The parts of batch {batch} have {len(states)} rows, but time.npy has {len(expected)} times for it.")
        if len(states) < len(expected):
            self.findings.append(f"batch {batch} is not complete: {len(states)} of {len(expected)} rows were saved.")
        times = expected[: len(states)]
        if batch == 1 and not np.array_equal(states[0], self.initial):
            self.findings.append(
                "state_vector.npy is not the state that batch 1 begins with; the run starts from the first row of batch1_part_1.npy."
            )
            self.initial = states[0].copy()
        if self._times and self._all_times.same(times[0], self._times[-1][-1]):
            self._compare_with_last(batch, float(times[0]), states[0])
            times, states = times[1:], states[1:]
        self._times.append(times)
        self._rows.append(states)

    def _parts(self, batch: int, files: dict[int, Path]) -> Iterator[np.ndarray]:
        """The rows of each part, without the first of a later one, which repeats the last of the one before."""
        last = None
        for part in range(1, max(files) + 1):
            if part not in files:
                self.findings.append(f"batch {batch} has no part {part}; the parts after it are left out.")
                return
            rows = np.array(read_array(files[part]), np.float64)
            if rows.ndim != 2 or rows.shape[1] != self._states or not len(rows):
                raise ParameterError(f"{files[part]} must be [times, {self._states} states], but has the shape {rows.shape}.")
            if last is not None and not np.array_equal(rows[0], last):
                self.findings.append(f"part {part} of batch {batch} does not begin with the last row of part {part - 1}.")
            last = rows[-1]
            yield rows if part == 1 else rows[1:]

    def _compare_with_last(self, batch: int, time: float, state: np.ndarray) -> None:
        before = self._rows[-1][-1]
        if np.array_equal(state, before):
            return
        if np.array_equal(state, self.initial):
            self.restarts.append(time)
            self.findings.append(
                f"batch {batch} starts from the initial state again at {time:g} ms, instead of going on from the end of batch {batch - 1}."
            )
        else:
            self.findings.append(f"batch {batch} does not begin where batch {batch - 1} ended ({time:g} ms).")
