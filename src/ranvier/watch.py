"""Looking on while a run goes on."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.network.state import SimulationState
from ranvier.result import Recorded

if TYPE_CHECKING:
    from ranvier.record.plan import Rows, Track

EVERY = 1 / 30  # s
SHARE = 0.03  # of the run's time that a function which looks on may compute


class Chunk:
    """What a function that looks on is given: what is new since it was called last.

    Attributes:
        steps: of the spikes, in order; a spike's time is its step times dt.
        neurons: who spiked; all neurons of the network are counted through, as in `run.spikes`.
        rows: what was recorded, one entry of part, variable, unit, times, values and neurons each, as of a result.
        reached: the step that the run has come to.
        time: the same (ms).

    Example:
        >>> import ranvier as rv
        >>> spikes = []
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=100.0, watch=lambda chunk: spikes.extend(chunk.steps))
        >>> len(spikes)
        7
    """

    def __init__(
        self,
        steps: np.ndarray,
        neurons: np.ndarray,
        rows: list[Recorded],
        reached: int,
        time: float,
        state: Callable[[], SimulationState],
    ):
        self.steps, self.neurons, self.rows, self.reached, self.time, self._state = steps, neurons, rows, reached, time, state

    @functools.cached_property
    def state(self) -> SimulationState:
        """The state; it leaves the device when it is asked for, which must be before the function returns."""
        return self._state()


class Watching:
    """A function that looks on, and what has come since it did.

    Args:
        function: what is called with each `Chunk`.
        every: about how often (s).
        dt: the step (ms).
    """

    def __init__(self, function: Callable[[Chunk], Any], every: float, dt: float):
        self.function, self.every, self.dt = function, every, dt
        self._due = 0.0
        self._clear()

    def _clear(self) -> None:
        self._steps: list[np.ndarray] = []
        self._neurons: list[np.ndarray] = []
        self._rows: dict[int, tuple[Track, list[Rows]]] = {}

    def take(self, steps: np.ndarray, neurons: np.ndarray, rows: Iterable[Rows]) -> None:
        """Keeps what has come until the function is called."""
        self._steps.append(steps)
        self._neurons.append(neurons)
        for new in rows:
            self._rows.setdefault(id(new.track), (new.track, []))[1].append(new)

    def look(self, reached: int, state: Callable[[], SimulationState], last: bool = False) -> bool:
        """Calls the function where it is due, or this is the last time. Whether it wants the run to end."""
        if not last and time.perf_counter() < self._due:
            return False
        chunk = Chunk(
            np.concatenate([np.empty(0, np.int64), *self._steps]),
            np.concatenate([np.empty(0, np.int32), *self._neurons]),
            [recorded for track, new in self._rows.values() for recorded in self._recorded(track, new)],
            reached,
            reached * self.dt,
            state,
        )
        self._clear()
        began = time.thread_time()  # what it waits for, such as a person, is its own affair
        answer = self.function(chunk)
        self._due = time.perf_counter() + max(self.every / 2, (time.thread_time() - began) / SHARE)
        return isinstance(answer, bool | np.bool_) and bool(answer)

    def _recorded(self, track: Track, new: list[Rows]) -> list[Recorded]:
        times = np.concatenate([rows.steps for rows in new]) * self.dt
        return [
            Recorded(
                track.part,
                column.name,
                column.unit,
                times,
                np.concatenate([rows.values[i] for rows in new]),
                track.neurons,
                track.label,
            )
            for i, column in enumerate(track.columns)
        ]
