"""How far a run has come, for a person or a program."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any, TypeAlias


@dataclasses.dataclass(frozen=True)
class Progress:
    """What a progress callback is told, between two calls of the compiled loop.

    Attributes:
        time: simulated so far (ms).
        duration: to be simulated in all (ms).
        elapsed: seconds of wall time since the steps began.
        steps_per_second: of the last stretch.
        size: bytes in the store so far; None where there is none.
    """

    time: float
    duration: float
    elapsed: float
    steps_per_second: float
    size: int | None = None

    @property
    def real_time_factor(self) -> float:
        """Seconds of simulated time a second of wall time."""
        return self.time / 1000 / self.elapsed if self.elapsed > 0 else 0.0

    @property
    def remaining(self) -> float:
        """Seconds of wall time left, at the pace so far."""
        return self.elapsed * (self.duration - self.time) / self.time if self.time > 0 else float("inf")


ProgressCallback: TypeAlias = Callable[[Progress], Any]


class ProgressBar:
    """A live bar: simulated time, speed, time left. Silent where standard error is not a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.fields[now]}"),
                BarColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._bar.add_task("", total=progress.duration, now="", speed="")
            self._bar.start()
        speed = f"{progress.steps_per_second / 1000:.1f} k steps/s, {progress.real_time_factor:.2g} × real time"
        if progress.size is not None:
            speed += f", {progress.size / 1e6:.0f} MB on disk"
        self._bar.update(self._task, completed=progress.time, now=f"{progress.time:.0f} of {progress.duration:.0f} ms", speed=speed)
        if progress.time >= progress.duration:
            self.close()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
