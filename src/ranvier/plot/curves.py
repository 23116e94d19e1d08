"""Curves without a time axis: f–I curves and spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.analysis.spectrum import SEGMENT, power_spectrum
from ranvier.errors import ParameterError
from ranvier.plot import appearance

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
    lines = ax.plot(
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
    appearance.from_zero(ax, *lines)
    if label:
        ax.legend(fontsize=appearance.SMALL, frameon=False)
    return ax


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
    lines = ax.plot(
        density.frequency.values[shown],
        density.values[shown],
        color=color or appearance.colour(i),
        linestyle=appearance.LINES[i % len(appearance.LINES)],
        label=label,
    )
    ax.set_xlabel("frequency (Hz)")
    ax.set_ylabel(appearance.labelled("power", density.attrs["units"]))
    appearance.from_zero(ax, *lines)
    ax.margins(x=0)
    if label:
        ax.legend(fontsize=appearance.SMALL, frameon=False)
    return ax
