"""How far a run has come, for a person or a program."""

from __future__ import annotations

import contextlib
import dataclasses
import html
import sys
import time
from collections.abc import Callable, Iterator
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


SECONDS_PER_LINE = 30.0  # where there is neither a terminal nor a notebook
SECONDS_BEFORE_BUILDING_SHOWS = 1.0
SECONDS_PER_UPDATE = 0.2  # in a notebook, whose every update is stored and sent


class ProgressBar:
    """Simulated time, speed, time left: a bar on a terminal or in a notebook, elsewhere a line now and then."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._next = 0.0

    def __call__(self, progress: Progress) -> None:
        done = progress.time >= progress.duration
        if sys.stderr.isatty():
            self._on_terminal(progress, done)
        elif in_notebook():
            if progress.elapsed >= self._next or done:
                self._next = progress.elapsed + SECONDS_PER_UPDATE
                self._in_notebook(progress)
        elif progress.elapsed >= self._next + SECONDS_PER_LINE:
            self._next = progress.elapsed
            print(f"ranvier: {_now(progress)}, {_speed(progress)}, {progress.remaining:.0f} s left", file=sys.stderr, flush=True)

    def _on_terminal(self, progress: Progress, done: bool) -> None:
        if self._shown is None:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as RichProgress

            self._shown = RichProgress(
                TextColumn("{task.fields[now]}"),
                BarColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._task = self._shown.add_task("", total=progress.duration, now="", speed="")
            self._shown.start()
        self._shown.update(self._task, completed=progress.time, now=_now(progress), speed=_speed(progress))
        if done:
            self.close()

    def _in_notebook(self, progress: Progress) -> None:
        from IPython.display import HTML, display

        left = f", {progress.remaining:.0f} s left" if progress.time < progress.duration else f" in {progress.elapsed:.1f} s"
        bar = HTML(
            f'<progress aria-label="simulated time" value="{progress.time:g}" max="{progress.duration:g}"></progress> '
            f"{_now(progress)}{left}, {_speed(progress)}"
        )
        if self._shown is None:
            self._shown = display(bar, display_id=True)
        else:
            self._shown.update(bar)

    def close(self) -> None:
        """Leaves the terminal as it was found."""
        if hasattr(self._shown, "stop"):
            self._shown.stop()
        self._shown = None


class BuildingBar:
    """How many of a network's edges are drawn and placed: a bar where it takes longer than a moment."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._began = self._last = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """To be told of the work done and the work in all, in edges."""
        now = time.monotonic()
        if now - self._began < SECONDS_BEFORE_BUILDING_SHOWS or not total:
            return
        if sys.stderr.isatty():
            if self._shown is None:
                from rich.console import Console
                from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
                from rich.progress import Progress as RichProgress

                columns = (TextColumn("building the network"), BarColumn(), TimeRemainingColumn())
                self._shown = RichProgress(*columns, console=Console(stderr=True), transient=True)
                self._task = self._shown.add_task("", total=total)
                self._shown.start()
            self._shown.update(self._task, completed=done, total=total)
        elif in_notebook():
            if self._shown is None or now - self._last > SECONDS_PER_UPDATE:
                from IPython.display import HTML, display

                self._last = now
                bar = HTML(f'<progress aria-label="building the network" value="{done}" max="{total}"></progress> building the network')
                if self._shown is None:
                    self._shown = display(bar, display_id=True)
                else:
                    self._shown.update(bar)
        elif now - self._last > SECONDS_PER_LINE:
            self._last = now
            print(f"ranvier: building the network, {done / total:.0%}", file=sys.stderr, flush=True)

    def close(self) -> None:
        """Takes it away."""
        if hasattr(self._shown, "stop"):
            self._shown.stop()
        elif self._shown is not None:
            from IPython.display import HTML

            self._shown.update(HTML(""))
        self._shown = None


@contextlib.contextmanager
def building(shown: bool) -> Iterator[BuildingBar | None]:
    """A bar for what builds a network meanwhile, or none.

    Example:
        >>> with building(False) as bar:
        ...     bar is None
        True
    """
    bar = BuildingBar() if shown else None
    try:
        yield bar
    finally:
        if bar is not None:
            bar.close()


def _now(progress: Progress) -> str:
    return f"{progress.time:.0f} of {progress.duration:.0f} ms"


def _speed(progress: Progress) -> str:
    """The run's speed: simulated time over wall time, so that more is faster."""
    on_disk = "" if progress.size is None else f", {progress.size / 1e6:.0f} MB on disk"
    return f"{progress.steps_per_second / 1000:.1f} k steps/s, {progress.real_time_factor:.2g} s simulated a second{on_disk}"


@contextlib.contextmanager
def stage(what: str) -> Iterator[None]:
    """Says what takes its time while it does: a spinner on a terminal, a line in a notebook that goes when it is done.

    Example:
        >>> with stage("drawing"):
        ...     pass
    """
    if sys.stderr.isatty():
        from rich.console import Console

        with Console(stderr=True).status(what):
            yield
    elif in_notebook():
        from IPython.display import HTML, display

        shown = display(HTML(f"{html.escape(what)} …"), display_id=True)
        try:
            yield
        finally:
            shown.update(HTML(""))
    else:
        yield


def in_notebook() -> bool:
    """Whether what is displayed here may be HTML."""
    try:
        return get_ipython().has_trait("kernel")  # type: ignore[name-defined]  # IPython puts it among the builtins
    except NameError:
        return False
