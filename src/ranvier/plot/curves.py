"""Curves without a time axis: f–I curves and spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.plot import appearance
from ranvier.plot.series import as_series

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

SEGMENT = 250.0  # ms: three cycles and more of everything from 12 Hz up


def fi_curve(currents: Any, rates: Any, *, unit: str = "uA/cm^2", label: str | None = None, ax: Axes | None = None) -> Axes:
    """Draws the firing rate against the injected current.

    Args:
        currents: the current into each neuron `[n]`.
        rates: the rate of each neuron (Hz) `[n]`, such as `run.spikes.rate`.
        unit: the current's unit, for the label.
        label: the curve's name; curves drawn into one `ax` differ in colour, line and marker.
        ax: where to draw.

    Raises:
        ParameterError: currents and rates differ in number.

    Example:
        >>> import ranvier as rv
        >>> rv.plot.fi_curve([0.0, 5.0, 10.0], [0.0, 0.0, 68.3]).get_xlabel()
        'current (µA/cm²)'
    """
    currents, rates = np.asarray(currents, float), np.asarray(rates, float)
    if currents.ndim != 1 or currents.shape != rates.shape:
        raise ParameterError(
            f"An f–I curve needs one current and one rate a neuron; they have the shapes {currents.shape} and {rates.shape}."
        )
    ax = appearance.axes_of(ax, 4.2, 3.2)
    order = np.argsort(currents, kind="stable")
    i = len(ax.lines)
    ax.plot(
        currents[order],
        rates[order],
        color=appearance.colour(i),
        linestyle=appearance.LINES[i % len(appearance.LINES)],
        marker=appearance.MARKERS[i % len(appearance.MARKERS)],
        markersize=4,
        label=label,
    )
    ax.set_xlabel(appearance.labelled("current", unit))
    ax.set_ylabel("firing rate (Hz)")
    ax.set_ylim(bottom=min(0.0, *ax.get_ylim()))
    if label:
        ax.legend(fontsize=appearance.SMALL, frameon=False)
    return ax


def power_spectrum(values: Any, *, start: float | None = None, stop: float | None = None, segment: float = SEGMENT) -> xarray.DataArray:
    """The power spectral density by Welch's method, of the mean over all neurons.

    Args:
        values: a DataArray over `time` (ms), evenly spaced; `(time, neuron)` is averaged over the neurons first.
        start, stop: the span to look at (ms); all of it when left out.
        segment: the length of a segment (ms). Segments overlap by half, have
            their linear trend taken out and a Hann window. Their inverse is the
            resolution; the curve is interpolated to 1 Hz (by zero padding).

    Returns:
        The density over `frequency` (Hz), in the square of the unit per Hz.

    Raises:
        ParameterError: fewer than eight values, or uneven times.

    Example:
        >>> import numpy as np, xarray
        >>> time = np.arange(0.0, 1000.0)
        >>> wave = xarray.DataArray(np.sin(2 * np.pi * 0.02 * time), dims="time", coords={"time": time})
        >>> float(power_spectrum(wave).idxmax())
        20.0
    """
    import xarray
    from scipy.signal import welch

    series = as_series(values)
    inside = (series.times >= (-np.inf if start is None else start)) & (series.times <= (np.inf if stop is None else stop))
    times, mean = (
        series.times[inside],
        np.asarray(series.values[inside], float).mean(axis=1) if series.values.shape[1] else np.zeros(int(inside.sum())),
    )
    if len(times) < 8:
        raise ParameterError(f"A spectrum needs at least 8 values, but {len(times)} are in the span. Record more often, or a longer span.")
    step = np.diff(times)
    if not np.allclose(step, step[0], rtol=1e-6):
        raise ParameterError("A spectrum needs evenly spaced times.")
    if not (np.isfinite(segment) and segment > 0):
        raise ParameterError(f"segment is {segment} ms, but it must be positive.")
    length = int(np.clip(round(segment / step[0]), 8, len(times)))
    frequency, power = welch(mean, fs=1000.0 / step[0], nperseg=length, nfft=max(length, round(1000.0 / step[0])), detrend="linear")
    unit = f"({series.unit})^2/Hz" if "/" in series.unit else f"{series.unit}^2/Hz" if series.unit not in ("", "1") else "1/Hz"
    return xarray.DataArray(
        power,
        dims="frequency",
        coords={"frequency": ("frequency", frequency, {"units": "Hz", "long_name": "frequency"})},
        name=series.name or "power",
        attrs={"units": unit, "long_name": f"power of {series.name}".strip()},
    )


def spectrum(
    values: Any,
    *,
    start: float | None = None,
    stop: float | None = None,
    segment: float = SEGMENT,
    highest: float = 100.0,
    label: str | None = None,
    color: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the power spectral density (Welch), of the mean over all neurons.

    Args:
        values: a DataArray over `time` (ms) such as `run.V` or `run.spikes.population_rate(1.0)`.
        start, stop: the span to look at (ms); all of it when left out.
        segment: the length of Welch's segments (ms): the resolution is its inverse.
        highest: the highest frequency drawn (Hz).
        label, color: the line's name and colour.
        ax: where to draw.

    Raises:
        ParameterError: fewer than eight values, or uneven times.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=200.0)
        >>> rv.plot.spectrum(run.V, start=50).get_xlabel()
        'frequency (Hz)'
    """
    density = power_spectrum(values, start=start, stop=stop, segment=segment)
    ax = appearance.axes_of(ax, 4.2, 3.0)
    shown = density.frequency.values <= highest
    i = len(ax.lines)
    ax.plot(
        density.frequency.values[shown],
        density.values[shown],
        color=color or appearance.colour(i),
        linestyle=appearance.LINES[i % len(appearance.LINES)],
        label=label,
    )
    ax.set_xlabel("frequency (Hz)")
    ax.set_ylabel(appearance.labelled("power", density.attrs["units"]))
    ax.set_ylim(bottom=0)
    ax.margins(x=0)
    if label:
        ax.legend(fontsize=appearance.SMALL, frameon=False)
    return ax
