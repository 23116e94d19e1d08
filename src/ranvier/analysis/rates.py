"""Firing rates over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.analysis.counts import spike_counts, steps_of
from ranvier.errors import ParameterError

if TYPE_CHECKING:
    import xarray


def _moments(value: Any, what: str) -> np.ndarray:
    """Moments (ms), or one."""
    return np.atleast_1d(doors.numbers(value, what, rank=(0, 1), unit="ms", example="[100.0, 200.0]"))


@doors.checked(spikes=doors.spikes, bin_width=doors.interval, smoothing=doors.duration)
def rate_over_time(spikes: Any, bin_width: float = 5.0, *, smoothing: float = 0.0) -> xarray.DataArray:
    """The rate of each neuron in bins of time, smoothed where that is wanted.

    Args:
        spikes: `run.spikes`, or those of one population.
        bin_width: the length of a bin (ms), a multiple of the time step.
        smoothing: the standard deviation of a Gaussian (ms); at the ends it takes in what is there alone.

    Returns:
        Hz, over time (the bins' middles) and neuron.

    Raises:
        ParameterError: it is no multiple of the time step.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.from_trains([[1.0, 2.0, 7.0], [6.0]], duration=10.0)
        >>> rv.analysis.rate_over_time(trains, 5.0).values.tolist()
        [[400.0, 0.0], [200.0, 200.0]]
    """
    import xarray

    rates = spike_counts(spikes, bin_width) / bin_width * 1000.0
    if smoothing / bin_width > 1e-9 and len(rates):
        from scipy.ndimage import gaussian_filter1d

        width = smoothing / bin_width
        if not 4 * width < len(rates) * 1000:
            raise ParameterError(f"smoothing is {smoothing:g} ms, but the run lasts {spikes.stop - spikes.start:g} ms.")
        weight = gaussian_filter1d(np.ones(len(rates)), width, mode="constant")
        rates = gaussian_filter1d(rates, width, axis=0, mode="constant") / weight[:, None]
    times = spikes.start + (np.arange(len(rates)) + 0.5) * bin_width
    return xarray.DataArray(
        rates,
        dims=("time", "neuron"),
        coords={"time": ("time", times, {"units": "ms", "long_name": "time"}), "neuron": np.arange(spikes.n)},
        name="rate",
        attrs={"units": "Hz", "long_name": "firing rate"},
    )


@doors.checked(spikes=doors.spikes, events=_moments, before=doors.duration, after=doors.duration, bin_width=doors.interval)
def psth(spikes: Any, events: Any, *, before: float = 20.0, after: float = 80.0, bin_width: float = 5.0) -> xarray.DataArray:
    """The peri-stimulus time histogram: the mean rate of all neurons by the time from an event, such as a pulse.

    Args:
        spikes: `run.spikes`, or those of one population.
        events: when they were (ms); those too near the run's ends for the whole window are left out.
        before, after: how far the window goes from an event (ms), multiples of the bin.
        bin_width: the length of a bin (ms), a multiple of the time step.

    Returns:
        Hz, over `time` from the event (ms), the bins' middles; `attrs["events"]` says how many were used.

    Raises:
        ParameterError: a bin that is no multiple of the time step, or no event whose window is in the run.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.from_trains([[12.0, 32.0]], duration=50.0)
        >>> rv.analysis.psth(trains, [10.0, 30.0], before=5.0, after=10.0).values.tolist()
        [0.0, 200.0, 0.0]
    """
    import xarray

    width = steps_of(bin_width, spikes.dt, "bin_width")
    for what, span in (("before", before), ("after", after)):
        if span > spikes.stop - spikes.start:
            raise ParameterError(
                f"{what} is {span:g} ms, but the run lasts {spikes.stop - spikes.start:g} ms: no event has so much around it."
            )
    earlier, later = (round(t / bin_width) for t in (before, after))
    at = np.round(events / spikes.dt).astype(np.int64)
    first, last = round(spikes.start / spikes.dt), round(spikes.stop / spikes.dt)
    at = at[(at - earlier * width >= first) & (at + later * width <= last)]
    if not len(at):
        raise ParameterError(
            f"None of events has {before:g} ms before and {after:g} ms after it within the run of {spikes.start:g} to {spikes.stop:g} ms."
        )
    edges = at[:, None] + np.arange(-earlier, later + 1) * width
    counts = np.diff(np.searchsorted(spikes.steps, edges), axis=1).sum(axis=0)
    times = (np.arange(-earlier, later) + 0.5) * width * spikes.dt
    return xarray.DataArray(
        counts / (len(at) * max(spikes.n, 1) * bin_width) * 1000.0,
        dims="time",
        coords={"time": ("time", times, {"units": "ms", "long_name": "time from the event"})},
        name="rate",
        attrs={"units": "Hz", "long_name": "firing rate", "events": len(at)},
    )
