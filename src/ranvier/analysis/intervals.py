"""Intervals between the spikes of a neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

LEAST = 3


def intervals(spikes: Any) -> tuple[np.ndarray, np.ndarray]:
    """The time between every spike and the next of the same neuron.

    Args:
        spikes: `run.spikes`, or those of one population.

    Returns:
        The intervals (ms) and the neuron of each, `[intervals]`, sorted by neuron, then time.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=[300.0, 0.0], duration=35.0, dt=0.1)
        >>> rv.analysis.intervals(run.spikes)[0].round(1)
        array([10.2, 10.2])
    """
    order = np.lexsort((spikes.steps, spikes.neurons))
    neurons = spikes.neurons[order]
    same = neurons[1:] == neurons[:-1]
    return np.diff(spikes.steps[order])[same] * spikes.dt, neurons[1:][same]


def coefficient_of_variation(spikes: Any, least: int = LEAST) -> np.ndarray:
    """The standard deviation of the intervals between a neuron's spikes, divided by their mean.

    It is 0 for a clock and about 1 for a Poisson process. The standard deviation is that of the
    intervals themselves (divided by their number), as Elephant and NumPy have it.

    Args:
        spikes: `run.spikes`, or those of one population.
        least: with fewer intervals than this a neuron has none.

    Returns:
        `[n]`, NaN for neurons with too few intervals.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=[300.0, 0.0], duration=100.0, dt=0.1)
        >>> rv.analysis.coefficient_of_variation(run.spikes)
        array([ 0., nan])
    """
    found, neurons = intervals(spikes)
    count = np.bincount(neurons, minlength=spikes.n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(neurons, found, spikes.n) / count
        variance = np.bincount(neurons, (found - mean[neurons]) ** 2, spikes.n) / count
        result = np.sqrt(variance) / mean
    return np.where(count >= max(least, 1), result, np.nan)
