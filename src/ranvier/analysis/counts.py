"""Spikes counted in bins of time: how they vary, and how neurons vary together."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.steps import MOST_STEPS


@doors.checked(spikes=doors.spikes, bin_width=doors.interval)
def spike_counts(spikes: Any, bin_width: float) -> np.ndarray:
    """How often each neuron fires in each bin of time.

    Args:
        spikes: `run.spikes`, or those of one population.
        bin_width: the length of a bin (ms), a multiple of the time step. What is left after the last whole bin is not counted.

    Returns:
        int64 `[bins, n]`.

    Raises:
        ParameterError: it is no multiple of the time step.

    Example:
        >>> import ranvier as rv
        >>> rv.analysis.spike_counts(rv.analysis.from_trains([[1.0, 2.0, 7.0], [6.0]], duration=10.0), 5.0)
        array([[2, 0],
               [1, 1]])
    """
    width = steps_of(bin_width, spikes.dt, "bin_width")
    first = round(spikes.start / spikes.dt)
    bins = (round(spikes.stop / spikes.dt) - first) // width
    which = (spikes.steps - first) // width
    inside = which < bins
    flat = which[inside] * spikes.n + spikes.neurons[inside]
    return np.bincount(flat, minlength=bins * spikes.n).reshape(bins, spikes.n)


def steps_of(time: float, dt: float, what: str) -> int:
    """A length of time in whole steps, at least one.

    Raises:
        ParameterError: it is not whole.
    """
    steps = round(time / dt) if time < MOST_STEPS * dt else 0
    if steps < 1 or abs(steps * dt - time) > 1e-6 * dt:
        raise ParameterError(f"{what} is {time:g} ms, but it must be a multiple of the spikes' time step, {dt:g} ms.")
    return steps


@doors.checked(spikes=doors.spikes, window=doors.interval)
def fano_factor(spikes: Any, window: float) -> np.ndarray:
    """The variance of a neuron's spike count in windows of time, divided by its mean. 0 for a clock, 1 for a Poisson process.

    Args:
        spikes: `run.spikes`, or those of one population.
        window: the length of a window (ms), a multiple of the time step.

    Returns:
        `[n]`, NaN for neurons that are silent, and where there are fewer than two windows.

    Raises:
        ParameterError: it is no multiple of the time step.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.poisson_trains(20.0, duration=200_000.0, n=3, seed=1)
        >>> bool(abs(rv.analysis.fano_factor(trains, 100.0) - 1).max() < 0.1)
        True
    """
    counts = spike_counts(spikes, steps_of(window, spikes.dt, "window") * spikes.dt)
    if len(counts) < 2:
        return np.full(spikes.n, np.nan)
    with np.errstate(invalid="ignore"):
        return counts.var(axis=0) / counts.mean(axis=0)


@doors.checked(spikes=doors.spikes, bin_width=doors.interval)
def correlation(spikes: Any, bin_width: float) -> np.ndarray:
    """Pearson's correlation of the spike counts of every two neurons.

    Args:
        spikes: `run.spikes`, or those of one population.
        bin_width: the length of a bin (ms), a multiple of the time step.

    Returns:
        `[n, n]`; NaN for neurons whose count is always the same.

    Raises:
        ParameterError: it is no multiple of the time step.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.correlated_trains(20.0, 0.3, duration=200_000.0, n=2, seed=1)
        >>> bool(abs(rv.analysis.correlation(trains, 10.0)[0, 1] - 0.3) < 0.02)
        True
    """
    counts = spike_counts(spikes, bin_width).astype(np.float64)
    away = counts - counts.mean(axis=0)
    together = away.T @ away
    size = np.sqrt(np.diag(together))
    with np.errstate(invalid="ignore", divide="ignore"):
        return together / np.outer(size, size)
