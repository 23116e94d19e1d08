"""Traces and heat maps: values over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.plot import appearance
from ranvier.plot.series import Series, as_series
from ranvier.plot.stimulus import draw_stimulus

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STACK_AT_MOST = 50
PIXELS_ACROSS = 2001
LEAST_SPAN = {"mV": 2.0}
RASTERISE_LINES_FROM = 200_000  # points


def traces(
    values: Any,
    stimulus: Any = None,
    *,
    time: Any = None,
    neurons: Any = None,
    stack: bool = True,
    color: Any = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws values over time, one neuron above the other, with the stimulus below.

    Args:
        values: a DataArray with `time`, such as `run.V`; or an array `[time]` or `[time, neuron]`.
        stimulus: drawn in a panel of its own: a DataArray or array over the same
            times, a stimulus, or a function of t (ms).
        time: the times of an array (ms).
        neurons: which ones; when left out all, or 50 evenly spaced where there are more.
        stack: several neurons above each other with a scale bar; False draws
            them over each other, with a legend.
        color: one for all traces; by default black in a stack, and the colours in order otherwise.
        ax: where to draw.

    Returns:
        The axes of the traces; the stimulus's are the last of the figure.

    Raises:
        ParameterError: shapes that do not go together, or a neuron that is not there.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=[0.0, 5.0, 10.0], duration=20.0)
        >>> rv.plot.traces(run.V, run.injected_current).get_ylabel()
        'neuron'
    """
    series = as_series(values, time, neurons, STACK_AT_MOST)
    several = series.values.shape[1] > 1
    ax = appearance.axes_of(ax, height=min(8.0, 2.6 + 0.3 * series.values.shape[1]) if several and stack else 3.2)
    if several and stack:
        _stacked(ax, series, color)
    else:
        overlaid(ax, series, color)
    ax.set_xlabel(series.time_label)
    ax.margins(x=0)
    if stimulus is not None:
        draw_stimulus(appearance.split_below(ax, 0.22), stimulus, series.times)
    return ax


def overlaid(ax: Axes, series: Series, color: Any) -> None:
    several = series.values.shape[1] > 1
    for i, column in enumerate(series.columns):
        ax.plot(
            series.times,
            series.values[:, i],
            color=color or appearance.colour(i),
            linestyle=appearance.LINES[i // len(appearance.COLORS) % len(appearance.LINES)],
            label=f"{series.one} {column}" if several else None,
            rasterized=series.values.size > RASTERISE_LINES_FROM,
        )
    ax.set_ylabel(series.label)
    appearance.plain_numbers(ax, LEAST_SPAN.get(series.unit, 0.0))
    if several and len(series.columns) <= 10:
        ax.legend(fontsize=appearance.SMALL, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _stacked(ax: Axes, series: Series, color: Any) -> None:
    values, n = series.values, series.values.shape[1]
    finite = np.where(np.isfinite(values), values, np.nan)
    spans = np.nanmax(finite, axis=0) - np.nanmin(finite, axis=0) if len(values) else np.zeros(n)
    spacing = float(np.nanmax(spans, initial=0.0)) * 1.08 or 1.0
    rest = np.nanmedian(finite, axis=0) if len(values) else np.zeros(n)
    for i in range(n):
        ax.plot(
            series.times,
            values[:, i] - rest[i] + i * spacing,
            color=color or "black",
            linewidth=0.9 if n < 20 else 0.6,
            rasterized=values.size > RASTERISE_LINES_FROM,
        )
    every = max(1, -(-n // 25))
    ax.set_yticks([i * spacing for i in range(0, n, every)], [str(c) for c in series.columns[::every]])
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)
    ax.set_ylabel(series.one)
    ax.margins(y=0.02)
    _scale_bar(ax, series, spacing)


def _scale_bar(ax: Axes, series: Series, spacing: float) -> None:
    """How much a unit of height is: in a stack the axis itself cannot say."""
    size = _round_number(0.6 * spacing)
    across = ax.get_yaxis_transform()
    ax.plot([1.012, 1.012], [0.0, size], transform=across, color="black", linewidth=2, clip_on=False, solid_capstyle="butt")
    text = f"{size:g} {appearance.pretty_unit(series.unit)}".strip()
    if series.name:
        text += f"\n{appearance.readable(series.name)}"
    ax.text(1.02, size / 2, text, transform=across, va="center", ha="left", fontsize=appearance.SMALL)


def _round_number(value: float) -> float:
    """The largest 1, 2 or 5 times a power of ten that is not above `value`."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(f for f in (1, 2, 5) if f * power <= value * 1.0000001) * power)


def _narrowed(values: np.ndarray) -> np.ndarray:
    """Neighbouring times averaged where there are more than an image has pixels, so that none is left out."""
    block = -(-len(values) // PIXELS_ACROSS)
    if block <= 1:
        return values
    starts = np.arange(0, len(values), block)
    return np.add.reduceat(values, starts, axis=0) / np.diff(np.append(starts, len(values)))[:, None]


def heat_map(
    values: Any,
    *,
    time: Any = None,
    neurons: Any = None,
    vmin: float | None = None,
    vmax: float | None = None,
    cmap: Any = "viridis",
    ax: Axes | None = None,
) -> Axes:
    """Draws values over time as colours, a row for each neuron, neuron 0 at the bottom.

    Args:
        values: a DataArray with `time`, such as `run.V`; or an array `[time, neuron]`.
        time: the times of an array (ms).
        neurons: which ones; all when left out.
        vmin, vmax: the values at the ends of the colours; by default the smallest and largest.
        cmap: a Matplotlib colour map; the default is told apart by the colour-blind.
        ax: where to draw; its figure gets a colour bar.

    Raises:
        ParameterError: shapes that do not go together, or a neuron that is not there.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=[0.0, 5.0, 10.0], duration=20.0)
        >>> len(rv.plot.heat_map(run.V).images)
        1
    """
    series = as_series(values, time, neurons)
    ax = appearance.axes_of(ax, height=3.0)
    ax.set_xlabel(series.time_label)
    ax.set_ylabel(series.one)
    if not series.values.size:
        return ax
    times, n = series.times, series.values.shape[1]
    half = (times[1] - times[0]) / 2 if len(times) > 1 else 0.5
    image = ax.imshow(
        _narrowed(series.values).T,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
        extent=(times[0] - half, times[-1] + half, -0.5, n - 0.5),
        vmin=vmin,
        vmax=vmax,
        cmap=cmap,
    )
    if n <= 12 or not np.array_equal(series.columns, np.arange(n)):
        at = np.unique(np.linspace(0, n - 1, min(n, 12)).round().astype(int))
        ax.set_yticks(at, [str(series.columns[i]) for i in at])
    else:
        appearance.whole_numbers(ax.yaxis)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    appearance.add_colour_bar(ax, image, series.label)
    return ax
