"""How far a fit has come."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable
from typing import Any, TypeAlias

from ranvier import doors
from ranvier.progress import SECONDS_PER_LINE, SECONDS_PER_UPDATE, in_notebook

BLOCKS = "▁▂▃▄▅▆▇█"
CURVE = 24  # characters of the loss curve


@dataclasses.dataclass(frozen=True)
class FitProgress:
    """What a progress callback of a fit is told, after each iteration.

    Attributes:
        iteration, iterations: how many are done, and how many there will be at most.
        loss: the least so far.
        losses: the least so far after each iteration.
        elapsed: seconds since the fit began.
    """

    iteration: int
    iterations: int
    loss: float
    losses: tuple[float, ...]
    elapsed: float

    @property
    def remaining(self) -> float:
        """Seconds left, at the pace so far."""
        return self.elapsed * (self.iterations - self.iteration) / self.iteration if self.iteration else float("inf")

    def __str__(self) -> str:
        return f"{self.iteration}/{self.iterations}  loss {self.loss:.4g}  {curve(self.losses)}  {self.remaining:.0f} s left"


FitCallback: TypeAlias = Callable[[FitProgress], Any]


def curve(losses: tuple[float, ...]) -> str:
    """A loss curve in one line of text, logarithmic where it can be.

    Example:
        >>> curve((100.0, 10.0, 1.0))
        '█▄▁'
    """
    import numpy as np

    values = np.array([x for x in losses if np.isfinite(x)])
    if not len(values):
        return ""
    values = values[np.linspace(0, len(values) - 1, min(CURVE, len(values))).astype(int)]
    values = np.log(values) if (values > 0).all() else values
    spread = values.max() - values.min()
    heights = (values - values.min()) / spread if spread else 0 * values
    return "".join(BLOCKS[int(h * (len(BLOCKS) - 1))] for h in heights)


class FitBar:
    """The loss, its curve and the time left: in place on a terminal or in a notebook, elsewhere a line now and then."""

    def __init__(self) -> None:
        self._shown: Any = None
        self._next = 0.0

    def __call__(self, progress: FitProgress) -> None:
        done = progress.iteration >= progress.iterations
        if progress.elapsed < self._next and not done:
            return
        if sys.stderr.isatty():
            self._next = progress.elapsed + SECONDS_PER_UPDATE
            print(f"\r\x1b[K{progress}", end="\n" if done else "", file=sys.stderr, flush=True)
        elif in_notebook():
            self._next = progress.elapsed + SECONDS_PER_UPDATE
            from IPython.display import Pretty, display

            if self._shown is None:
                self._shown = display(Pretty(str(progress)), display_id=True)
            else:
                self._shown.update(Pretty(str(progress)))
        else:
            if self._next:
                print(f"ranvier: {progress}", file=sys.stderr, flush=True)
            self._next = progress.elapsed + SECONDS_PER_LINE


def checked_progress(progress: Any) -> FitCallback | None:
    """What shows how far a fit is."""
    if callable(progress) and not isinstance(progress, type):
        return progress
    if not isinstance(progress, bool):
        raise doors.refusal("progress", progress, "True, False, or a function that is called with rv.fitting.FitProgress")
    return FitBar() if progress else None


class Told:
    """Tells a callback, with the least loss so far."""

    def __init__(self, callback: FitCallback | None, iterations: int):
        self._callback, self._iterations = callback, iterations
        self._least: list[float] = []
        self._began = time.monotonic()

    def __call__(self, loss: float) -> None:
        self._least.append(min([loss, *self._least[-1:]]))
        if self._callback is not None:
            done = len(self._least)
            self._callback(FitProgress(done, self._iterations, self._least[-1], tuple(self._least), time.monotonic() - self._began))
