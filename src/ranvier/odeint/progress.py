"""A progress bar, for long runs on a terminal."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PATIENCE = 2.0
"""Seconds before a bar appears that was not asked for."""


class Bar:
    """A context that shows how many of `total` steps are done.

    Args:
        total: the number of steps.
        asked: True shows it at once, False never; None after `PATIENCE` and on a terminal only.

    Attributes:
        active: whether it may ever show; a loop that sees False need not report.
    """

    def __init__(self, total: int, asked: bool | None):
        self.total = total
        self.active = sys.stderr.isatty() if asked is None else asked
        self.due = time.monotonic() + (PATIENCE if asked is None else 0.0)
        self.bar: Any = None
        self.task: Any = None

    def __enter__(self) -> Bar:
        return self

    def update(self, done: int) -> None:
        """Reports that `done` steps are done."""
        now = time.monotonic()
        if now < self.due:
            return
        if self.bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("odeint", total=self.total)
            self.bar.start()
        self.due = now + 0.1
        self.bar.update(self.task, completed=done)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.bar is not None:
            self.bar.stop()
