"""How figures look: colours, sizes, labels, and the figures that are made where none is given."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#000000")
"""Okabe & Ito's colours, told apart by the colour-blind: excitation, inhibition, then the rest (less their yellow, too pale on white)."""

LINES = ("-", "--", "-.", ":")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#666666"
RASTERISE_FROM = 10_000  # points, above which vector graphics are slow to open
SMALL = "small"

_RC: dict[Any, Any] = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.2,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
    "savefig.dpi": 150.0,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}


def style() -> AbstractContextManager[None]:
    """Ranvier's look for figures of your own: `with rv.plot.style(): ...`.

    Example:
        >>> import ranvier as rv
        >>> from matplotlib.figure import Figure
        >>> with rv.plot.style():
        ...     ax = Figure().add_subplot()
        >>> ax.spines["top"].get_visible()
        False
    """
    import matplotlib
    from cycler import cycler

    return matplotlib.rc_context({**_RC, "axes.prop_cycle": cycler(color=COLORS)})


@functools.cache
def _figure_class() -> type[Figure]:
    import matplotlib
    from matplotlib.figure import Figure

    class RanvierFigure(Figure):
        """A figure whose text stays text in the files it is saved to."""

        def savefig(self, fname: Any, **options: Any) -> None:
            with matplotlib.rc_context({key: _RC[key] for key in ("svg.fonttype", "pdf.fonttype", "savefig.dpi")}):
                super().savefig(fname, **options)

        def _ipython_display_(self) -> None:
            """In a notebook: once. Left open, pyplot would draw it again at the end of the cell."""
            import matplotlib.pyplot as plt

            if "inline" in matplotlib.get_backend():
                plt.close(self)
            from IPython.core.pylabtools import print_figure
            from IPython.display import Image, display

            text = in_words(self)
            display(Image(print_figure(self, fmt="png", metadata={"Description": text}), alt=text))

    return RanvierFigure


def in_words(figure: Figure) -> str:
    """What a figure shows, for those who cannot see it: panels, axes, curves.

    Example:
        >>> import ranvier as rv
        >>> in_words(rv.plot.fi_curve([0.0, 5.0], [0.0, 60.0], label="rest at -65 mV").figure)
        'firing rate (Hz) from 0 to 60 over current (µA/cm²) from 0 to 5: rest at -65 mV.'
    """
    panels = []
    for ax in figure.axes:
        if not ax.axison or ax.get_label() == "<colorbar>":
            continue
        up, across = (" ".join(label.split()) for label in (ax.get_ylabel(), ax.get_xlabel()))
        (low, high), (left, right) = ax.dataLim.intervaly, ax.dataLim.intervalx
        span = lambda a, b: f" from {a:.4g} to {b:.4g}" if abs(a) < 1e300 > abs(b) else ""
        text = f"{ax.get_title(loc='left') or ax.get_title()}: ".removeprefix(": ")
        stacked = not ax.spines["left"].get_visible()  # traces above each other: the axis has no values
        text += (f"one above the other, each {up}" if stacked else (up or "values") + span(low, high)) + (
            f" over {across}" + span(left, right) if across else ""
        )
        bar = ax.images[0].colorbar if ax.images else None
        if bar is not None:
            text = f"{bar.ax.get_ylabel()} as colour, {text}"
        names = [name for name in ax.get_legend_handles_labels()[1] if not name.startswith("_")]
        panels.append(text + (f": {', '.join(dict.fromkeys(names))}" if names else ""))
    count = f"{len(panels)} panels. " if len(panels) > 1 else ""
    return count + "; ".join(panels) + "."


def new_figure(width: float = 7.0, height: float = 3.5) -> Figure:
    """A figure that notebooks show, in inches."""
    import matplotlib.pyplot as plt

    with style():
        return plt.figure(figsize=(width, height), layout="constrained", FigureClass=_figure_class())


def loose_figure(width: float = 7.0, height: float = 3.5) -> Figure:
    """A figure that nothing shows: it is only saved."""
    with style():
        return _figure_class()(figsize=(width, height), layout="constrained")


def axes_of(ax: Axes | None, width: float = 7.0, height: float = 3.5) -> Axes:
    """`ax`, or that of a new figure."""
    if ax is not None:
        return ax
    figure = new_figure(width, height)
    with style():
        return figure.add_subplot()


def panels(figure: Figure, heights: Sequence[float]) -> list[Axes]:
    """Panels one above the other with a shared x axis, labelled at the lowest alone."""
    with style():
        grid = figure.add_gridspec(len(heights), 1, height_ratios=list(heights))
        first = figure.add_subplot(grid[0])
        made = [first, *(figure.add_subplot(grid[i], sharex=first) for i in range(1, len(heights)))]
    for ax in made[:-1]:
        ax.tick_params(labelbottom=False)
    return made


def split_below(ax: Axes, share: float = 0.25) -> Axes:
    """Makes room under `ax` for a panel on the same time axis."""
    return split(ax, (1 - share, share))[0]


def split(ax: Axes, shares: Sequence[float]) -> list[Axes]:
    """Makes `ax` the topmost of panels on the same time axis, whose shares of its height add up to 1; returns the others."""
    with style():
        place = ax.get_subplotspec()
        if place is not None:
            grid = place.subgridspec(len(shares), 1, height_ratios=list(shares))
            ax.set_subplotspec(grid[0])
            below = [ax.figure.add_subplot(grid[i], sharex=ax) for i in range(1, len(shares))]
        else:
            x, y, width, height = ax.get_position().bounds
            bottoms = [y + height * sum(shares[i + 1 :]) for i in range(len(shares))]
            ax.set_position((x, bottoms[0] + 0.06 * height, width, height * (shares[0] - 0.06)))
            gaps = [0.06] * (len(shares) - 2) + [0.0]
            below = [
                ax.figure.add_axes((x, bottom + gap * height, width, height * (share - gap)), sharex=ax)
                for bottom, share, gap in zip(bottoms[1:], shares[1:], gaps, strict=True)
            ]
    for above in (ax, *below[:-1]):
        above.tick_params(labelbottom=False)
    ax.set_xlabel("")
    return below


def whole_numbers(axis: Any) -> None:
    """Ticks at whole numbers alone: neurons are counted."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins="auto", integer=True, steps=[1, 2, 5, 10]))


def from_zero(ax: Axes, *artists: Any) -> None:
    """The y axis begins at zero, and still makes room for what is drawn into it later, as `set_ylim` would not."""
    for artist in artists:
        artist.sticky_edges.y.append(0.0)
    ax.update_datalim([(0.0, 0.0)], updatex=False)
    ax.autoscale_view(scalex=False)


def plain_numbers(ax: Axes, least: float = 0.0) -> None:
    """Tick labels without an offset to add, and a span of at least `least`, so that noise does not fill the panel.

    What is drawn into it later is still made room for, as after `set_ylim` it would not be.
    """
    ax.ticklabel_format(axis="y", useOffset=False)
    low, high = ax.get_ylim()
    if high - low < least:
        middle = (low + high) / 2
        ax.update_datalim([(0.0, middle - least / 2), (0.0, middle + least / 2)], updatex=False)
        ax.autoscale_view(scalex=False)


def add_colour_bar(ax: Axes, image: Any, label: str) -> None:
    """A colour bar in the type of the axes it belongs to."""
    bar = ax.figure.colorbar(image, ax=ax, pad=0.01, fraction=0.05)
    bar.set_label(label, fontsize=ax.yaxis.label.get_fontsize())
    ticks = ax.yaxis.get_ticklabels()
    if ticks:
        bar.ax.tick_params(labelsize=ticks[0].get_fontsize())
    bar.outline.set_visible(False)


def colour(index: int) -> str:
    return COLORS[index % len(COLORS)]


def colours_of(populations: Iterable[str]) -> dict[str, str]:
    """A colour for each population: blue for what is named excitatory, vermillion for inhibitory, else in order."""
    names = list(populations)
    chosen: dict[str, str] = {}
    for name in names:
        word = name.lower()
        if word == "e" or word.startswith(("e_", "exc")):
            chosen.setdefault(COLORS[0], name)
        elif word == "i" or word.startswith(("i_", "inh")):
            chosen.setdefault(COLORS[1], name)
    result = {name: value for value, name in chosen.items()}
    free = [c for c in COLORS if c not in chosen] or list(COLORS)
    others = [name for name in names if name not in result]
    return {name: result.get(name) or free[others.index(name) % len(free)] for name in names}


CONDUCTANCES = {"(pA)/mV": "nS", "(nA)/mV": "uS", "(uA/cm^2)/mV": "mS/cm^2"}


def pretty_unit(unit: str | None) -> str:
    """A unit as it is printed: `uA/cm^2` is `µA/cm²`."""
    if not unit or unit == "1":
        return ""
    unit = CONDUCTANCES.get(unit, unit).replace("^2", "²").replace("^3", "³").replace("**2", "²")
    return "/".join("µ" + part[1:] if part[:1] == "u" and len(part) > 1 else part for part in unit.split("/"))


def labelled(name: str, unit: str | None) -> str:
    """An axis label: `V (mV)`."""
    unit = pretty_unit(unit)
    return f"{name} ({unit})" if unit else name


def readable(variable: str) -> str:
    """A variable's name in words: `sodium.current` is `sodium current`."""
    return variable.replace(".", " ").replace("_", " ")


def name_rows(ax: Axes, name: str, first: int, n: int, colour: str) -> None:
    """Writes a population's name beside its rows, right of the axes."""
    ax.text(
        1.01,
        first + n / 2 - 0.5,
        name,
        transform=ax.get_yaxis_transform(),
        color=colour,
        va="center",
        ha="left",
        fontsize=SMALL,
        fontweight="bold",
    )
