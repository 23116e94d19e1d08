"""How many spikes each row of neurons had in each bin of time, at several widths: what zooming out needs."""

from __future__ import annotations

import numpy as np

from ranvier.store.growing import Column, Series
from ranvier.store.layout import COUNTS

FINEST = 10.0  # ms, about
FACTOR = 4  # from level to level
LEVELS = 6
ROWS = 256  # at most


class SpikeCounts:
    """A pyramid of counts, filled from spikes as they come. Level 0 has the finest bins; only bins that are over are written.

    Args:
        n: the number of neurons.
        dt: the step (ms).
        first: the step that the run begins with: where the first bin of every level begins.
    """

    def __init__(self, n: int, dt: float, first: int):
        self.n, self.first = n, first
        self.neurons_per_row = max(1, -(-n // ROWS))
        self.rows = -(-n // self.neurons_per_row)
        self.finest = max(1, round(FINEST / dt))
        self.series = {self._name(i): Series(COUNTS, {str(i): self._column(i)}, 2**10) for i in range(LEVELS)}
        self._open = np.zeros(self.rows, np.uint32)  # the bin that is not over
        self._waiting = [np.zeros((0, self.rows), np.uint32) for _ in range(LEVELS)]  # of level i, not yet in level i + 1

    def _column(self, level: int) -> Column:
        facts = {"steps_per_bin": self.steps_per_bin(level)}
        return Column(np.dtype(np.uint32), (f"bin_{level}", "row"), (self.rows,), (max(self.rows, 1),), facts)

    @staticmethod
    def _name(level: int) -> str:
        return f"{COUNTS}/{level}"

    def steps_per_bin(self, level: int) -> int:
        return self.finest * FACTOR**level

    def take(self, steps: np.ndarray, neurons: np.ndarray, reached: int) -> None:
        """Counts the spikes of the steps before `reached`."""
        done = self.series[self._name(0)].length
        over = (reached - self.first) // self.finest  # bins
        bins = (steps - self.first) // self.finest - done
        rows = neurons // self.neurons_per_row
        counts = np.bincount(bins * self.rows + rows, minlength=(over - done + 1) * self.rows).reshape(-1, self.rows) if self.rows else None
        if counts is None:
            return
        counts = counts.astype(np.uint32)
        counts[0] += self._open
        self._open = counts[over - done]
        self._add(0, counts[: over - done])

    def _add(self, level: int, counts: np.ndarray) -> None:
        """Appends bins to a level, and what they add up to to those above."""
        if not len(counts):
            return
        self.series[self._name(level)].append(**{str(level): counts})
        if level + 1 < LEVELS:
            waiting = np.concatenate([self._waiting[level], counts])
            whole = len(waiting) // FACTOR * FACTOR
            self._waiting[level] = waiting[whole:]
            self._add(level + 1, waiting[:whole].reshape(-1, FACTOR, self.rows).sum(1, dtype=np.uint32))

    def lengths_at(self, step: int) -> dict[str, int]:
        """How many bins of each level are over at a step."""
        over = (step - self.first) // self.finest if self.rows else 0
        return {self._name(i): over // FACTOR**i for i in range(LEVELS)}

    def restore(self, steps: np.ndarray, neurons: np.ndarray, levels: list[np.ndarray]) -> None:
        """Takes up again where an earlier run was.

        Args:
            steps, neurons: the spikes of the finest bin that is not over.
            levels: of each level the bins that the next has not added up.
        """
        rows = neurons // self.neurons_per_row
        self._open = np.bincount(rows, minlength=self.rows).astype(np.uint32)
        self._waiting = [np.asarray(level, np.uint32).reshape(-1, self.rows) for level in levels]
