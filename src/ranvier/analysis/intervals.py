"""Intervals between the spikes of a neuron."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors

LEAST = 3


@doors.checked(spikes=doors.spikes)
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


@doors.checked(spikes=doors.spikes, least=doors.at_least(0))
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


@doors.checked(spikes=doors.spikes, least=doors.at_least(0))
def cv2(spikes: Any, least: int = LEAST) -> np.ndarray:
    """How unequal neighbouring intervals are: 2·|I₂ − I₁| / (I₁ + I₂), averaged over a neuron's pairs.

    Unlike the coefficient of variation it does not grow where a rate drifts slowly. 0 for a clock, 1 for a Poisson process.

    Args:
        spikes: `run.spikes`, or those of one population.
        least: with fewer intervals than this a neuron has none.

    Returns:
        `[n]`, NaN for neurons with too few intervals.

    Source: Holt, Softky, Koch & Douglas 1996, J Neurophysiol 75:1806.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.poisson_trains(20.0, duration=100_000.0, n=3, seed=1)
        >>> bool(abs(rv.analysis.cv2(trains) - 1).max() < 0.05)
        True
    """
    return _of_neighbours(spikes, least, lambda first, second: 2 * abs(second - first) / (first + second))


@doors.checked(spikes=doors.spikes, least=doors.at_least(0))
def local_variation(spikes: Any, least: int = LEAST) -> np.ndarray:
    """LV: 3·(I₁ − I₂)² / (I₁ + I₂)², averaged over a neuron's neighbouring intervals. 0 for a clock, 1 for a Poisson process.

    Args:
        spikes: `run.spikes`, or those of one population.
        least: with fewer intervals than this a neuron has none.

    Returns:
        `[n]`, NaN for neurons with too few intervals.

    Source: Shinomoto, Shima & Tanji 2003, Neural Comput 15:2823.

    Example:
        >>> import ranvier as rv
        >>> rv.analysis.local_variation(rv.analysis.regular_trains(10.0, duration=1000.0)).round(6)
        array([0.])
    """
    return _of_neighbours(spikes, least, lambda first, second: 3 * ((first - second) / (first + second)) ** 2)


def _of_neighbours(spikes: Any, least: int, measure: Any) -> np.ndarray:
    found, neurons = intervals(spikes)
    same = neurons[1:] == neurons[:-1]
    values = measure(found[:-1], found[1:])[same]
    pairs = np.bincount(neurons[1:][same], minlength=spikes.n)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.bincount(neurons[1:][same], values, spikes.n) / pairs
    return np.where(pairs + 1 >= max(least, 2), mean, np.nan)


@doors.checked(spikes=doors.spikes, start=doors.optional(doors.time))
def steady_rate(spikes: Any, start: float | None = None) -> np.ndarray:
    """How fast each neuron fires once it has settled: the inverse of its mean interval (Hz).

    Counting spikes over a whole run would count the one that many cells fire when a current begins.

    Args:
        spikes: `run.spikes`, or those of one population.
        start: only intervals that end after this time count (ms); by default in the second half of the run.

    Returns:
        `[n]`; 0 for a neuron of which no interval ends there.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=[300.0, 0.0], duration=100.0, dt=0.1)
        >>> rv.analysis.steady_rate(run.spikes).round(1)
        array([98.,  0.])
    """
    start = (spikes.start + spikes.stop) / 2 if start is None else start
    order = np.lexsort((spikes.steps, spikes.neurons))
    steps, neurons = spikes.steps[order], spikes.neurons[order]
    counted = (neurons[1:] == neurons[:-1]) & (steps[1:] * spikes.dt >= start)
    number = np.bincount(neurons[1:][counted], minlength=spikes.n)
    span = np.bincount(neurons[1:][counted], np.diff(steps)[counted] * spikes.dt, spikes.n)
    return np.divide(1000.0 * number, span, out=np.zeros(spikes.n), where=number > 0)
