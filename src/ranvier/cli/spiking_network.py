"""The pictures, the table and the words of a ready-made network of spiking neurons."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ranvier.analysis import coefficient_of_variation, synchrony
from ranvier.analysis.spectrum import SEGMENT
from ranvier.cli.figures import Picture, connectivity_of
from ranvier.errors import ParameterError
from ranvier.models.catalogue import ReadyMade
from ranvier.plot import population_rate, raster, receptive_fields, spectrum, variation, weight_trajectories, weights
from ranvier.plot.appearance import COLORS, colours_of, from_zero, labelled, loose_figure, panels, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ranvier.result import Result, Spikes

ROWS = 2000  # neurons in a raster
WINDOW = 500.0  # ms in a raster, the last of the run
FIELDS = 64  # of the neurons that fired most
TOGETHER = 3  # populations in one panel; more have one each
RESOLUTION = 1.0  # ms: the bins of rates whose spectrum is taken
HIGHEST = 250.0  # Hz
MEAN_WEIGHT = "weight.mean"


def colours(names: list[str]) -> dict[str, str]:
    """Blue for excitatory populations and vermillion for inhibitory ones where the names say which all are."""
    if names and all(name[-1] in "EI" for name in names):
        return {name: COLORS["EI".index(name[-1])] for name in names}
    return colours_of(names)


class Own:
    """What the report of such a run says besides."""

    def __init__(self, entry: ReadyMade):
        self.entry = entry

    def settled(self, run: Result) -> Spikes:
        """The spikes from when the start is forgotten, or all where the run is too short for that."""
        spikes = run.spikes
        start = self.entry.settled
        return spikes.between(start, spikes.stop) if spikes.start <= start < spikes.stop else spikes

    def pictures(self, run: Result) -> list[Picture]:
        """Raster and rates; the irregularity and the spectra of what came after the start."""
        spikes = self.settled(run)
        last = run.spikes.between(max(run.spikes.start, run.spikes.stop - WINDOW), run.spikes.stop)
        shown = f"{min(ROWS, run.spikes.n)} of the {run.spikes.n} neurons" if run.spikes.n > ROWS else "every neuron"
        span = f"{spikes.start:g}–{spikes.stop:g} ms"
        made = [
            Picture(
                "raster.png",
                "Spikes",
                f"The last {last.stop - last.start:g} ms of {shown}, each population with its share; below, the rate of all neurons.",
                lambda: _raster(last),
            ),
            Picture("rate.png", "Rates", "Of each population, in bins of 5 ms.", lambda: _each(run.spikes, _rate, wide=True)),
        ]
        irregular = [name for name in spikes.populations if np.isfinite(coefficient_of_variation(spikes[name])).any()]
        if irregular:
            caption = f"Standard deviation over mean of a neuron's interspike intervals ({span}): 0 for a clock, 1 for a Poisson process."
            made.append(Picture("cv.png", "Irregularity", caption, lambda: _each(spikes, _variation, among=irregular)))
        active = [name for name in spikes.populations if len(spikes[name])]
        if spikes.stop - spikes.start >= 2 * SEGMENT and active:
            caption = (
                f"Of each population's rate in bins of {RESOLUTION:g} ms ({span}; Welch's method, resolution {1000 / SEGMENT:.0f} Hz)."
            )
            made.append(Picture("spectrum.png", "Spectra", caption, lambda: _each(spikes, _spectrum, among=active)))
        if learning := [name for name, p in run.network.projections.items() if p.plasticity is not None and p.structure is None]:
            caption = "Above: the mean weight of each projection that learns, over time. Below: how the weights are distributed at the end."
            made.append(Picture("weights.png", "Weights", caption, lambda: _weights(run, learning)))
        if grown := [name for name, p in run.network.projections.items() if p.structure is not None]:
            caption = "Of each projection whose synapses come and go: how many there are."
            made.append(Picture("synapses.png", "Synapses", caption, lambda: _synapses(run, grown)))
        if self.entry.fields:
            caption = (
                f"The weights at the end, from the {run.edges(self.entry.fields).source} onto each of the {FIELDS} neurons that fired most."
            )
            made.append(Picture("fields.png", "What each neuron looks for", caption, lambda: _fields(run, self.entry.fields)))
        return [*made, *connectivity_of(run)]

    def table(self, run: Result) -> list[tuple[str, str]]:
        """Irregularity and synchrony of each population."""
        spikes = self.settled(run)
        rows = [("statistics from", f"{spikes.start:g} to {spikes.stop:g} ms")]
        for name in spikes.populations:
            mine = spikes[name]
            each = coefficient_of_variation(mine)
            each = each[np.isfinite(each)]
            irregular = f"CV of intervals {each.mean():.2f} ({len(each)} neurons)" if len(each) else "too few spikes for a CV"
            together = synchrony(mine)
            rows.append(
                (
                    f"activity of {name}",
                    f"{mine.rate.mean():.2f} Hz, {irregular}" + (f", synchrony {together:.1f}" if math.isfinite(together) else ""),
                )
            )
        return rows

    def words(self, run: Result) -> list[str]:
        """What the numbers of the table are."""
        return [
            "Synchrony is the variance of a population's spike count in bins of 3 ms over its mean: 1 for independent Poisson neurons, "
            "more where neurons fire together. " + _first_paragraphs(self.entry)
        ]


def _first_paragraphs(entry: ReadyMade) -> str:
    """What the model's own description says is to be expected."""
    text = " ".join((entry.make.__doc__ or "").split())
    found = re.search(r"Expect .{30,}?[.](?= [A-Z]|$)", text)  # not the point of a number or of an abbreviation
    return found[0] if found else ""


def _raster(spikes: Spikes) -> Figure:
    figure = loose_figure(8.0, 6.0)
    above, below = panels(figure, [4, 1])
    own = colours(list(spikes.populations))
    raster(spikes, ax=above, colors=own, neurons=ROWS)
    above.set_xlabel("")
    population_rate(spikes.population_rate(RESOLUTION), ax=below)
    return figure


def _weights(run: Result, learning: list[str]) -> Figure:
    figure = loose_figure(8.0, 5.6)
    with style():
        above, below = figure.subplots(2, 1)
    for i, name in enumerate(learning):
        edges, color = run.edges(name), COLORS[i % len(COLORS)]
        if MEAN_WEIGHT in run[name].variables:
            mean = run[name][MEAN_WEIGHT]
            from_zero(above, *above.plot(mean.time.values, np.ravel(mean.values), color=color, label=name))
        elif "weight" in run[name].variables:
            weight_trajectories(run[name].weight, ax=above)
        weights(edges, ax=below, color=color, label=name)
    above.set_xlabel("time (ms)")
    above.set_ylabel(labelled("mean weight", run.edges(learning[0]).unit))
    above.margins(x=0)
    return figure


def _synapses(run: Result, grown: list[str]) -> Figure:
    figure = loose_figure(8.0, 3.0)
    ax = panels(figure, [1])[0]
    for i, name in enumerate(grown):
        if "edges" in run[name].variables:
            edges = run[name]["edges"]
            from_zero(ax, *ax.plot(edges.time.values, np.ravel(edges.values), color=COLORS[i % len(COLORS)], label=name))
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("synapses")
    ax.margins(x=0)
    ax.legend(fontsize="small", frameon=False)
    return figure


def _fields(run: Result, projection: str) -> Figure:
    figure = loose_figure(6.0, 5.4)
    edges = run.edges(projection)
    (target,) = edges.populations
    busy = np.sort(np.argsort(-run[target].spikes.rate, kind="stable")[:FIELDS])
    receptive_fields(edges, neurons=busy, ax=panels(figure, [1])[0])
    return figure


def _each(
    spikes: Spikes, draw: Callable[[Axes, Spikes, str, str | None], None], wide: bool = False, among: list[str] | None = None
) -> Figure:
    """One panel for a few populations, or one for each; `among` those that there is something to draw of."""
    own = {name: color for name, color in colours(list(spikes.populations)).items() if among is None or name in among}
    if len(own) <= TOGETHER:
        figure = loose_figure(8.0 if wide else 5.5, 3.2)
        ax = panels(figure, [1])[0]
        for name, color in own.items():
            draw(ax, spikes[name], color, name)
        if len(own) > 1:
            ax.legend(fontsize="small", frameon=False)
        return figure
    columns = 2
    rows = math.ceil(len(own) / columns)
    figure = loose_figure(9.0, 1.0 + 1.3 * rows)
    with style():
        axes = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for ax, (name, color) in zip(axes.flat, own.items(), strict=False):
        draw(ax, spikes[name], color, None)
        ax.set_title(name, color=color, fontsize="small", pad=2)
    for ax in axes.flat[len(own) :]:
        ax.set_axis_off()
    figure.supylabel(axes.flat[0].get_ylabel(), fontsize="small")
    for ax in axes.flat:
        ax.set_ylabel("")
        if not ax.get_subplotspec().is_last_row():
            ax.set_xlabel("")
    return figure


def _rate(ax: Axes, spikes: Spikes, color: str, label: str | None) -> None:
    rate = spikes.population_rate()
    half = float(rate.time[1] - rate.time[0]) / 2 if len(rate) > 1 else 2.5
    edges = np.append(rate.time.values - half, rate.time.values[-1:] + half)
    bars = ax.stairs(rate.values, edges, color=color, linewidth=1.0, label=label)
    ax.set_xlabel("time (ms)")
    ax.set_ylabel("rate (Hz)")
    from_zero(ax, bars)
    ax.margins(x=0)


def _variation(ax: Axes, spikes: Spikes, color: str, label: str | None) -> None:
    variation(spikes, ax=ax, colors=color)


def _spectrum(ax: Axes, spikes: Spikes, color: str, label: str | None) -> None:
    try:
        spectrum(spikes.population_rate(RESOLUTION), ax=ax, color=color, label=label, highest=HIGHEST)
    except ParameterError:
        return
    ax.set_ylabel("power (Hz²/Hz)")
