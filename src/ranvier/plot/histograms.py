"""Histograms: intervals between spikes, correlograms, rates around events, weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import analysis
from ranvier.errors import ParameterError
from ranvier.plot import appearance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BINS = 60


def intervals(spikes: Any, *, longest: float | None = None, bins: int = BINS, colors: Any = None, ax: Axes | None = None) -> Axes:
    """Draws how long the intervals between a neuron's spikes are, of all neurons of each population.

    Args:
        spikes: `run.spikes`, that of one population, or trains of `rv.analysis`.
        longest: up to which interval (ms); by default up to that which one in a hundred exceeds.
        bins: how many there are at most; a bin is a whole number of time steps.
        colors: a colour for each population by name, or one for all.
        ax: where to draw.

    Raises:
        ParameterError: it is not spikes.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.poisson_trains(20.0, duration=10_000.0, n=20)
        >>> rv.plot.intervals(trains).get_xlabel()
        'interval between spikes (ms)'
    """
    if not hasattr(spikes, "populations"):
        raise ParameterError(f"Intervals are drawn of run.spikes, not of {type(spikes).__name__}.")
    ax = appearance.axes_of(ax, 4.2, 3.0)
    found = {name: analysis.intervals(spikes[name])[0] for name in spikes.populations}
    everything = np.concatenate([np.zeros(0), *found.values()])
    if longest is None:
        longest = float(np.quantile(everything, 0.99)) if len(everything) else 1.0
    width = max(1.0, np.ceil(longest / bins / spikes.dt)) * spikes.dt
    edges = np.arange(0.0, longest + 2 * width, width) - spikes.dt / 2  # an interval is a whole number of steps
    own = {**appearance.colours_of(found), **(colors if isinstance(colors, dict) else {})}
    for i, (name, mine) in enumerate(found.items()):
        if not len(mine):
            continue
        share = np.histogram(mine, edges)[0] / len(mine) / width
        color = own[name] if len(found) > 1 or isinstance(colors, dict) else colors or "black"
        line = appearance.LINES[i % len(appearance.LINES)]
        label = f"{name}, mean {mine.mean():.4g} ms"
        appearance.from_zero(ax, ax.stairs(share, edges, color=color, linestyle=line, linewidth=1.2, label=label))
    _finish(ax, "interval between spikes (ms)", "density (1/ms)", bool(len(everything)))
    return ax


def correlogram(
    spikes: Any,
    first: Any = None,
    second: Any = None,
    *,
    bin_width: float = 1.0,
    longest: float = 50.0,
    color: Any = "black",
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws how fast the second neurons fire so long after a spike of the first.

    Args:
        spikes: `run.spikes`, that of one population, or trains of `rv.analysis`.
        first, second: neurons; all when left out. Where a neuron is in both, a spike is not paired with itself.
        bin_width, longest: of the lag (ms).
        color, label: the curve's.
        ax: where to draw.

    Returns:
        The axes; the grey line is the rate that chance would give.

    Raises:
        ParameterError: a neuron that is not there, or a bin that is no multiple of the time step.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.correlated_trains(20.0, 0.3, jitter=2.0, duration=20_000.0)
        >>> rv.plot.correlogram(trains, 0, 1).get_ylabel()
        'rate (Hz)'
    """
    pairs = analysis.correlogram(spikes, first, second, bin_width=bin_width, longest=longest)
    counts, span = spikes.counts, max(spikes.stop - spikes.start, spikes.dt)
    reference = counts.sum() if first is None else counts[np.atleast_1d(first)].sum()
    n = spikes.n if second is None else len(np.atleast_1d(second))
    rate = pairs.values / max(reference, 1) / max(n, 1) / bin_width * 1000.0
    chance = (counts if second is None else counts[np.atleast_1d(second)]).sum() / max(n, 1) / span * 1000.0
    ax = appearance.axes_of(ax, 4.2, 3.0)
    edges = np.append(pairs.lag.values - bin_width / 2, pairs.lag.values[-1] + bin_width / 2)
    appearance.from_zero(ax, ax.stairs(rate, edges, color=color, linewidth=1.1, label=label))
    ax.axhline(chance, color=appearance.GREY, linewidth=0.8, linestyle="--")
    _finish(ax, "lag (ms)", "rate (Hz)", label is not None)
    return ax


def psth(
    spikes: Any,
    events: Any,
    *,
    before: float = 20.0,
    after: float = 80.0,
    bin_width: float = 5.0,
    colors: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws the mean rate of each population by the time from an event: the peri-stimulus time histogram.

    Args:
        spikes: `run.spikes`, or that of one population.
        events: when they were (ms).
        before, after: how far the window goes from an event (ms).
        bin_width: the length of a bin (ms).
        colors: a colour for each population by name, or one for all.
        ax: where to draw.

    Raises:
        ParameterError: a bin that is no multiple of the time step, or no event whose window is in the run.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.poisson_trains(lambda t: 20 + 80 * (t % 200 < 20), duration=4000.0, n=50)
        >>> rv.plot.psth(trains, range(200, 3800, 200)).get_xlabel()
        'time from the event (ms)'
    """
    ax = appearance.axes_of(ax, 4.2, 3.0)
    own = {**appearance.colours_of(spikes.populations), **(colors if isinstance(colors, dict) else {})}
    several = len(spikes.populations) > 1
    for i, name in enumerate(spikes.populations):
        rate = analysis.psth(spikes[name], events, before=before, after=after, bin_width=bin_width)
        edges = np.append(rate.time.values - bin_width / 2, rate.time.values[-1] + bin_width / 2)
        color = own[name] if several or isinstance(colors, dict) else colors or "black"
        line = appearance.LINES[i % len(appearance.LINES)]
        appearance.from_zero(ax, ax.stairs(rate.values, edges, color=color, linestyle=line, linewidth=1.2, label=name))
    ax.axvline(0.0, color=appearance.GREY, linewidth=0.8, linestyle=":")
    _finish(ax, "time from the event (ms)", "rate (Hz)", several)
    return ax


def weights(values: Any, *, unit: str = "", bins: int = BINS, label: str | None = None, color: Any = None, ax: Axes | None = None) -> Axes:
    """Draws how synaptic weights are distributed.

    Args:
        values: the weights, an array of any shape, or the edges of a projection: `run.edges("exc→exc")`.
        unit: theirs, for the label; edges have their own.
        bins: how many there are.
        label, color: of the curve.
        ax: where to draw.

    Raises:
        ParameterError: there are none, or one is not finite.

    Example:
        >>> import ranvier as rv
        >>> rv.plot.weights([0.1, 0.2, 0.2, 0.9], unit="mV").get_xlabel()
        'weight (mV)'
    """
    if hasattr(values, "weight") and hasattr(values, "unit"):
        values, unit = values.weight, unit or values.unit
    values = np.ravel(np.asarray(values, float))
    if not len(values) or not np.isfinite(values).all():
        raise ParameterError(f"There are {len(values)} weights, {int((~np.isfinite(values)).sum())} of them not finite: nothing to draw.")
    ax = appearance.axes_of(ax, 4.2, 3.0)
    i = len(ax.patches)
    counts, edges = np.histogram(values, bins)
    color = color or ("black" if not i else appearance.colour(i - 1))
    line = appearance.LINES[i % len(appearance.LINES)]
    appearance.from_zero(ax, ax.stairs(counts, edges, color=color, linestyle=line, linewidth=1.2, label=label))
    _finish(ax, appearance.labelled("weight", unit), "synapses", label is not None)
    return ax


def _finish(ax: Axes, across: str, up: str, legend: bool) -> None:
    ax.set_xlabel(across)
    ax.set_ylabel(up)
    ax.margins(x=0)
    if legend:
        ax.legend(fontsize=appearance.SMALL, frameon=False)
