"""Rasters and firing rates."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.plot import appearance
from ranvier.plot.series import as_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 5.0  # ms
DOTS_FROM = 20_000  # spikes, above which marks would hide each other


@dataclasses.dataclass(frozen=True)
class _Columns:
    times: np.ndarray
    neurons: np.ndarray
    n: int
    populations: dict[str, tuple[int, int]]
    start: float | None
    stop: float | None


def _columns(spikes: Any) -> _Columns:
    if hasattr(spikes, "populations"):
        return _Columns(spikes.times, spikes.neurons, spikes.n, spikes.populations, spikes.start, spikes.stop)
    try:
        trains = [np.atleast_1d(np.asarray(train, float)) for train in spikes]
    except (TypeError, ValueError):
        raise ParameterError(
            f"A raster needs run.spikes, or a list with one array of spike times (ms) a neuron, not {type(spikes).__name__}."
        ) from None
    neurons = np.repeat(np.arange(len(trains)), [len(t) for t in trains])
    times = np.concatenate([np.zeros(0), *trains])
    return _Columns(times, neurons, len(trains), {"": (0, len(trains))}, None, None)


def _thinned(data: _Columns, most: int) -> tuple[_Columns, int]:
    """Every k-th neuron of each population, and at least one, each in its own row; and how many there are."""
    if isinstance(most, bool) or not isinstance(most, int) or most < 1:
        raise ParameterError(f"neurons is {most!r}, but it must be a whole number of at least 1: how many are drawn at most.")
    every = max(1, -(-data.n // most))
    kept = np.zeros(data.n, bool)
    for first, n in data.populations.values():
        kept[first : first + n : every] = True
    drawn = kept[data.neurons]
    return dataclasses.replace(data, times=data.times[drawn], neurons=data.neurons[drawn]), int(kept.sum())


def raster(spikes: Any, *, colors: Any = None, labels: bool = True, neurons: int | None = None, ax: Axes | None = None) -> Axes:
    """Draws each spike as a mark: time across, neuron up, populations in colours.

    Args:
        spikes: `run.spikes`, that of one population, or a list with one array of times (ms) a neuron.
        colors: a colour for each population by name, or one for all.
        labels: whether several populations are named at the right.
        neurons: how many are drawn at most, evenly spaced, each population with its share; all when left out.
        ax: where to draw.

    Raises:
        ParameterError: it is not spikes, or `neurons` is no number of them.

    Example:
        >>> import ranvier as rv
        >>> ax = rv.plot.raster([[1.0, 5.0, 9.0], [2.0, 3.0]])
        >>> ax.get_xlabel(), len(ax.lines[0].get_xdata())
        ('time (ms)', 5)
    """
    data = _columns(spikes)
    rows = data.n
    if neurons is not None:
        data, rows = _thinned(data, neurons)
    ax = appearance.axes_of(ax)
    own = appearance.colours_of(data.populations)
    if isinstance(colors, dict):
        own.update(colors)
    elif colors is not None:
        own = dict.fromkeys(own, colors)
    row = 72 * ax.bbox.height / ax.figure.dpi / max(rows, 1)  # points
    several = len(data.populations) > 1
    for name, (first, n) in data.populations.items():
        mine = (data.neurons >= first) & (data.neurons < first + n)
        ax.plot(
            data.times[mine],
            data.neurons[mine],
            linestyle="none",
            marker="|" if len(data.times) < DOTS_FROM else ",",
            markersize=float(np.clip(0.8 * row, 3.5, 14.0)),
            markeredgewidth=0.9,
            color=own[name] if several or colors is not None else "black",
            label=name,
            rasterized=int(mine.sum()) > appearance.RASTERISE_FROM,
        )
        if several and labels:
            appearance.name_rows(ax, name, first, n, own[name])
        if several and first > 0:
            ax.axhline(first - 0.5, color=appearance.GREY, linewidth=0.5)
    ax.set_ylim(-0.5, max(data.n, 1) - 0.5)
    appearance.whole_numbers(ax.yaxis)
    if data.start is not None and data.stop is not None:
        ax.set_xlim(data.start, data.stop if data.stop > data.start else data.start + 1)
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("neuron" if rows == data.n else f"neuron ({rows} of {data.n} drawn)")
    return ax


def population_rate(
    spikes: Any,
    *,
    bin_width: float = BINS,
    colors: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws how often the neurons of each population fire, in bins of time.

    Args:
        spikes: `run.spikes`, that of one population, or a DataArray from `population_rate()`.
        bin_width: the length of a bin (ms).
        colors: a colour for each population by name, or one for all.
        ax: where to draw.

    Raises:
        ParameterError: `bin_width` is not positive, or it is not spikes.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=[8.0, 10.0, 12.0], duration=40.0)
        >>> rv.plot.population_rate(run.spikes).get_ylabel()
        'rate (Hz)'
    """
    if not bin_width > 0:
        raise ParameterError(f"bin_width is {bin_width} ms, but it must be positive.")
    if hasattr(spikes, "dims"):
        rates = {"": spikes}
    elif hasattr(spikes, "populations"):
        rates = {name: spikes[name].population_rate(bin_width) for name in spikes.populations}
    else:
        raise ParameterError(f"A rate is drawn of run.spikes or of a DataArray over time, not of {type(spikes).__name__}.")
    ax = appearance.axes_of(ax, height=2.6)
    own = appearance.colours_of(rates)
    if isinstance(colors, dict):
        own.update(colors)
    elif colors is not None:
        own = dict.fromkeys(own, colors)
    for i, (name, rate) in enumerate(rates.items()):
        series = as_series(rate)
        if not len(series.times):
            continue
        half = (series.times[1] - series.times[0]) / 2 if len(series.times) > 1 else bin_width / 2
        filled = i == 1  # told apart by form as well as by colour; dashes would be lost in the steps
        bars = ax.stairs(
            series.values[:, 0],
            np.append(series.times - half, series.times[-1] + half),
            color=own[name] if len(rates) > 1 or colors is not None else "black",
            linestyle="-" if filled else appearance.LINES[max(i - 1, 0) % len(appearance.LINES)],
            linewidth=0.0 if filled else 1.2,
            fill=filled,
            alpha=0.45 if filled else 1.0,
            zorder=1 if filled else 2,
            baseline=0.0 if filled else None,
            label=name or None,
        )
        appearance.from_zero(ax, bars)
    if len(rates) > 1:
        ax.legend(fontsize=appearance.SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("rate (Hz)")
    ax.margins(x=0)
    return ax
