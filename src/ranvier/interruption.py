"""Ctrl-C during a run that goes to a store: noted, and acted upon when the run is at a safe place."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any


class RunInterrupted(KeyboardInterrupt):
    """A run was stopped by Ctrl-C. All of it up to then is in its store, from where it can go on."""


class Interruption:
    """While entered, the first Ctrl-C sets `came`; the second stops the process as usual.

    Args:
        wanted: False leaves Ctrl-C as it is.
    """

    def __init__(self, wanted: bool):
        self.came = False
        self._wanted = wanted and threading.current_thread() is threading.main_thread()
        self._before: Any = None

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True
        signal.signal(signal.SIGINT, self._before)

    def __enter__(self) -> Interruption:
        if self._wanted:
            self._before = signal.getsignal(signal.SIGINT)
            if self._before is None:  # set by a program that Python knows nothing of
                self._wanted = False
            else:
                signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._wanted:
            signal.signal(signal.SIGINT, self._before)
