"""A request to stop during a run that goes to a store: noted, and acted upon when the run is at a safe place."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""Ctrl-C; what a queue of a cluster, `docker stop` or a shutdown sends; what a closed terminal sends."""


class RunInterrupted(KeyboardInterrupt):
    """A run was stopped by Ctrl-C, or by a signal to end. All of it up to then is in its store, from where it can go on.

    Attributes:
        signal: the number of the signal.
    """

    signal: int = signal.SIGINT


class Interruption:
    """While entered, the first signal to end sets `came` to its number; the second stops the process as usual.

    Args:
        wanted: False leaves all signals as they are.
    """

    def __init__(self, wanted: bool):
        self.came = 0
        self._wanted = wanted and threading.current_thread() is threading.main_thread()
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __enter__(self) -> Interruption:
        if self._wanted:
            for number in SIGNALS:
                before = signal.getsignal(number)
                # None was set by a program that Python knows nothing of; whoever said nohup wants no SIGHUP.
                if before is not None and before != signal.SIG_IGN:
                    self._before[number] = before
                    signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        self._restore()
        if isinstance(error, RunInterrupted) and self.came:
            error.signal = self.came
        elif self.came and error is None:  # it came when there was nothing left to stop
            signal.raise_signal(self.came)
