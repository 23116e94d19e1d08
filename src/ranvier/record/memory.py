"""Spikes and records kept in memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ranvier.memory import require_memory
from ranvier.record.plan import RecordPlan, Rows, Track
from ranvier.result import InMemory, Recorded


class Table:
    """The rows of a track, in arrays allocated before the run starts; of a rolling window the last ones."""

    def __init__(self, track: Track):
        self.track = track
        rows = track.rows if track.keep is None else 0
        self.steps = np.empty(rows, np.int64)
        self.values = [np.empty((rows, len(track.neurons)), c.dtype) for c in track.columns]
        self.filled = 0

    def take(self, rows: Rows) -> None:
        if self.track.keep is not None:
            self._roll(rows, self.track.keep)
            return
        end = self.filled + len(rows.steps)
        self.steps[self.filled : end] = rows.steps
        for own, new in zip(self.values, rows.values, strict=True):
            own[self.filled : end] = new
        self.filled = end

    def _roll(self, rows: Rows, keep: int) -> None:
        self.steps = np.concatenate([self.steps, rows.steps])[-keep:]
        self.values = [np.concatenate([own, new])[-keep:] for own, new in zip(self.values, rows.values, strict=True)]
        self.filled = len(self.steps)

    def recorded(self, dt: float) -> list[Recorded]:
        track = self.track
        regular = track.regular and track.keep is None
        return [
            Recorded(
                track.part,
                column.name,
                column.unit,
                self.steps[: self.filled] * dt,
                values[: self.filled],
                track.neurons,
                track.label,
                first_step=track.schedule.first if regular else None,
                every_steps=track.schedule.every if regular else None,
            )
            for column, values in zip(track.columns, self.values, strict=True)
        ]


class MemorySink:
    """Keeps everything in memory.

    Raises:
        ParameterError: the records will not fit into the memory that is free.
    """

    checkpoint_steps = 0
    way_on = ""

    def __init__(self, plan: RecordPlan):
        check_memory(sum(t.rows * len(t.neurons) * c.dtype.itemsize for t in plan.tracks if t.keep is None for c in t.columns))
        self._dt = plan.dt
        self._tables = {id(track): Table(track) for track in plan.tracks}
        self._steps: list[np.ndarray] = []
        self._neurons: list[np.ndarray] = []
        self._fractions: list[np.ndarray] = []

    def take(self, steps: np.ndarray, neurons: np.ndarray, rows: Iterable[Rows], reached: int, fractions: np.ndarray | None = None) -> None:
        """Takes over the spikes and rows of the steps before `reached`; `fractions` says where in its step each spike was."""
        self._steps.append(steps)
        if fractions is not None:
            self._fractions.append(fractions)
        self._neurons.append(neurons)
        for new in rows:
            self._tables[id(new.track)].take(new)

    def size(self) -> None:
        """Nothing is on disk."""

    def checkpoint(self, at: Any) -> None:
        """There is nowhere to keep it."""

    def finish(self, status: str, at: Any) -> None:
        """Nothing is left to do."""

    def spikes(self) -> InMemory:
        """All spikes."""
        return InMemory(
            np.concatenate([np.empty(0, np.int64), *self._steps]),
            np.concatenate([np.empty(0, np.int32), *self._neurons]),
            np.concatenate(self._fractions) if self._fractions else None,
        )

    def records(self) -> list[Recorded]:
        """What was recorded."""
        return [recorded for table in self._tables.values() for recorded in table.recorded(self._dt)]


def check_memory(needed: float) -> None:
    """Refuses a recording that will not fit, before anything runs."""
    hint = (
        "Record less often (every=…), fewer neurons (neurons=…), or fewer variables, "
        "or write to disk while it runs: simulate(…, store='run.zarr')."
    )
    require_memory(needed, "The recording", hint, share=0.8)
