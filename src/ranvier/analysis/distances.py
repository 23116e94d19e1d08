"""How different spike trains are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError


@doors.checked(spikes=doors.spikes, tau=doors.interval)
def van_rossum_distance(spikes: Any, tau: float) -> np.ndarray:
    """The distance between every two neurons' spike trains, each filtered by a decaying exponential.

    1 is the distance between a train of one spike and an empty one.

    Args:
        spikes: `run.spikes`, or those of one population.
        tau: the time constant of the exponential (ms).

    Returns:
        `[n, n]`.

    Raises:
        ParameterError: `tau` is not positive.

    Source: van Rossum 2001, Neural Comput 13:751; all in one pass as in Houghton & Kreuz 2012, Network 23:48.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.from_trains([[10.0], [], [10.0, 500.0]], duration=1000.0)
        >>> rv.analysis.van_rossum_distance(trains, 5.0).round(3)
        array([[0.   , 1.   , 1.   ],
               [1.   , 0.   , 1.414],
               [1.   , 1.414, 0.   ]])
    """
    if not tau > 0:
        raise ParameterError(f"tau is {tau} ms, but it must be positive.")
    overlap = np.zeros((spikes.n, spikes.n))  # of each train's spikes with the earlier ones of each
    trace, before = np.zeros(spikes.n), 0
    for step, neuron in zip(spikes.steps, spikes.neurons, strict=True):
        trace *= np.exp((before - step) * spikes.dt / tau)
        before = step
        overlap[neuron] += trace
        trace[neuron] += 1.0
    overlap += overlap.T
    overlap[np.diag_indices(spikes.n)] += spikes.counts
    own = np.diag(overlap)
    return np.sqrt(np.maximum(own[:, None] + own[None, :] - 2 * overlap, 0.0))


@doors.checked(spikes=doors.spikes, cost=doors.not_negative)
def victor_purpura_distance(spikes: Any, cost: float) -> np.ndarray:
    """The least cost of turning one neuron's spike train into another's: 1 to add or take away a spike, `cost` a ms to move it.

    Args:
        spikes: `run.spikes`, or those of one population.
        cost: of moving a spike (1/ms).

    Returns:
        `[n, n]`.

    Raises:
        ParameterError: `cost` is negative.

    Source: Victor & Purpura 1996, J Neurophysiol 76:1310.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.from_trains([[10.0], [12.0, 30.0]], duration=50.0)
        >>> float(rv.analysis.victor_purpura_distance(trains, 0.1)[0, 1].round(6))
        1.2
    """
    if not cost >= 0:
        raise ParameterError(f"cost is {cost} per ms, but it must be at least 0.")
    trains = spikes.trains
    lengths = np.array([len(train) for train in trains], int)
    padded = np.full((spikes.n, lengths.max(initial=0)), np.inf)
    for row, train in zip(padded, trains, strict=True):
        row[: len(train)] = train
    distance = np.zeros((spikes.n, spikes.n))
    across = np.arange(padded.shape[1] + 1)
    for i, train in enumerate(trains):  # against all later ones at once
        others = padded[i + 1 :]
        best = np.broadcast_to(across, (len(others), len(across))).astype(float)
        for k, time in enumerate(train):
            moved = np.minimum(cost * np.abs(others - time), 2.0)  # never dearer than to take it away and add another
            now = best + 1.0
            now[:, 1:] = np.minimum(now[:, 1:], best[:, :-1] + moved)
            now[:, 0] = k + 1
            best = np.minimum.accumulate(now - across, axis=1) + across
        distance[i, i + 1 :] = best[np.arange(len(others)), lengths[i + 1 :]]
    return distance + distance.T
