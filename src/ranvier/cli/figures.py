"""The pictures of a run: the general set, and where to find a ready-made model's own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ranvier.connect.base import ConnectionRule
from ranvier.errors import ParameterError
from ranvier.interop.source import as_file_name
from ranvier.plot.appearance import loose_figure, panels, readable
from ranvier.plot.series import as_series
from ranvier.plot.wiring import connectivity

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ranvier.result import Result

CONNECTIVITY_UP_TO = 200_000_000  # pairs of neurons, where a rule looks at each: more take too long to be drawn anew for a picture


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture of the report: its file's name, a heading, and a sentence on what it shows."""

    name: str
    heading: str
    caption: str
    draw: Callable[[], Figure]


def save(picture: Picture, path: Path) -> None:
    """Draws a picture and saves it."""
    picture.draw().savefig(path, dpi=120)


def general(run: Result) -> list[Picture]:
    """The pictures that any run has."""
    pictures = []
    try:
        overview = run.plot(figure=loose_figure(8.0, 6.0))
    except ParameterError:
        overview = None  # neither spikes to draw nor potentials
    if overview is not None:
        overview.set_size_inches(8.0, 0.8 + 1.6 * len(overview.axes))
        caption = (
            "From top to bottom, where there are any: spikes, firing rates in bins of 5 ms, membrane potentials, and the injected current."
        )
        pictures.append(Picture("overview.png", "Overview", caption, lambda: overview))
    for part in run:
        for variable in run[part].variables:
            shown = as_series(run[part][variable])
            if variable in ("last_spike", "injected_current") or len(shown.times) < 2 or not shown.values.shape[1]:
                continue
            name = f"recorded-{as_file_name(part)}-{as_file_name(variable)}.png"
            heading = f"{readable(variable)} of {part}"
            pictures.append(Picture(name, heading, _recorded_caption(shown.values.shape[1], shown.one), _recorded(run, part, variable)))
    return [*pictures, *connectivity_of(run)]


def connectivity_of(run: Result) -> list[Picture]:
    """The picture of who is wired to whom, of a network that is not too large for it."""
    n = sum(p.n for p in run.network.populations.values())
    if not run.network.projections or (
        n * n > CONNECTIVITY_UP_TO and any(_looks_at_pairs(p.rule) for p in run.network.projections.values())
    ):
        return []
    caption = (
        "Rows are postsynaptic neurons, columns presynaptic ones; each connection in the colour of its source, deeper where more of "
        "the pairs that a point stands for are connected."
    )
    return [Picture("connectivity.png", "Connections", caption, lambda: connectivity_picture(run))]


def _looks_at_pairs(rule: ConnectionRule) -> bool:
    """Whether a rule's edges are drawn all at once, pair by pair for all that is known."""
    return type(rule).rows is ConnectionRule.rows


def connectivity_picture(run: Result) -> Figure:
    figure = loose_figure(6.0, 5.6)
    connectivity(run, ax=panels(figure, [1])[0])
    return figure


def _recorded(run: Result, part: str, variable: str) -> Callable[[], Figure]:
    def draw() -> Figure:
        from ranvier.plot import heat_map, traces

        n = run[part][variable].shape[1]
        figure = loose_figure(8.0, 2.4 if n == 1 else 3.4)
        ax = panels(figure, [1])[0]
        values = run[part][variable]
        heat_map(values, ax=ax) if n > 5 else traces(values, ax=ax, stack=False)
        return figure

    return draw


def _recorded_caption(n: int, one: str) -> str:
    if n == 1:
        return ""
    return f"A row for each {one}." if n > 5 else f"A line for each {one}."
