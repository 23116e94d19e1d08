"""How far a sweep is, for a person: a bar with the time left on a terminal or in a notebook, elsewhere a line now and then."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ranvier.progress import SECONDS_PER_LINE, in_notebook

if TYPE_CHECKING:
    from ranvier.sweeps.run import SweepProgress


class SweepBar:
    """Sets done, and the time left."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._next = 0.0

    def __call__(self, progress: SweepProgress) -> None:
        done = progress.done >= progress.total
        words = f"{progress.done} of {progress.total} sets"
        left = f" in {progress.elapsed:.1f} s" if done else f", {progress.remaining:.0f} s left"
        if sys.stderr.isatty():
            self._on_terminal(progress, words, done)
        elif in_notebook():
            from IPython.display import HTML, display

            bar = HTML(f'<progress aria-label="sets" value="{progress.done}" max="{progress.total}"></progress> {words}{left}')
            if self._shown is None:
                self._shown = display(bar, display_id=True)
            else:
                self._shown.update(bar)
        elif progress.elapsed >= self._next + SECONDS_PER_LINE:
            self._next = progress.elapsed
            print(f"ranvier: {words}{left}", file=sys.stderr, flush=True)

    def _on_terminal(self, progress: SweepProgress, words: str, done: bool) -> None:
        if self._shown is None:
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

            self._shown = Progress(TextColumn("{task.fields[now]}"), BarColumn(), TimeRemainingColumn(), console=Console(stderr=True))
            self._task = self._shown.add_task("", total=progress.total, now="")
            self._shown.start()
        self._shown.update(self._task, completed=progress.done, now=words)
        if done:
            self._shown.stop()
