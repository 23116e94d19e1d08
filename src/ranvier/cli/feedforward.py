"""The pictures, the table and the words of `ranvier run feedforward`."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ranvier.cli.figures import Picture, connectivity_of
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.plot import raster
from ranvier.plot.appearance import COLORS, loose_figure, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ranvier.result import Result

MOST_NAMED = 6  # neurons of a legend


def pictures(run: Result) -> list[Picture]:
    """Potentials and currents of both layers, their spikes, and the connections."""
    return [
        Picture(
            "overview.png",
            "Who fires",
            "From top to bottom: the potentials of the neurons that are driven, the synaptic currents into the others, and their "
            "potentials. A spike is drawn up to the threshold; where currents arrive together, they reach it.",
            lambda: _overview(run),
        ),
        Picture("raster.png", "Spikes", "A row for each neuron.", lambda: _spikes(run)),
        *connectivity_of(run),
    ]


def table(run: Result) -> list[tuple[str, str]]:
    """When each neuron fired."""
    return [
        (f"{name} {i}", f"spikes at {', '.join(f'{t:g}' for t in train)} ms" if len(train) else "no spike")
        for name in ("pre", "post")
        for i, train in enumerate(run[name].spikes.trains[:MOST_NAMED])
    ]


def words(run: Result) -> list[str]:
    """What is to be seen."""
    return [
        "Each of the neurons in front fires once. Delays differ: the spikes reach one of the neurons behind at once, and that one fires; "
        "they reach the others one after the other, and nothing comes of it. Fire in another order, and another neuron answers."
    ]


def _overview(run: Result) -> Figure:
    figure = loose_figure(8.0, 6.0)
    axes = panels(figure, [1, 1, 1])
    for ax, (name, variable, label, sign) in zip(
        axes,
        (("pre", "V", "V of pre (mV)", 1.0), ("post", "synaptic_current", "current (nA)", -1e-3), ("post", "V", "V of post (mV)", 1.0)),
        strict=True,
    ):
        values = run[name][variable]
        for i in range(min(values.shape[1], MOST_NAMED)):
            ax.plot(values.time.values, sign * values.values[:, i], color=COLORS[i % len(COLORS)], linewidth=1.1, label=f"{name} {i}")
        _threshold(ax, run, name) if variable == "V" else None
        ax.set_ylabel(label)
        ax.margins(x=0)
        ax.legend(fontsize="small", frameon=False, loc="upper right")
    for ax in axes[:-1]:
        ax.set_xlabel("")
    axes[-1].set_xlabel("time (ms)")
    return figure


def _threshold(ax: Axes, run: Result, name: str) -> None:
    """The threshold, and a stroke up to it at each spike."""
    cell = cast(LeakyIntegrateAndFire, run.network.populations[name].model)
    threshold = float(np.max(cell.threshold))
    ax.axhline(threshold, color="0.6", linewidth=0.8, linestyle=":")
    for i, train in enumerate(run[name].spikes.trains[:MOST_NAMED]):
        ax.vlines(train, float(np.min(cell.rest)), threshold, color=COLORS[i % len(COLORS)], linewidth=1.1)


def _spikes(run: Result) -> Figure:
    figure = loose_figure(8.0, 2.4)
    raster(run.spikes, ax=panels(figure, [1])[0])
    return figure
