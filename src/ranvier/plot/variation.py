"""How irregularly neurons fire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.analysis.intervals import LEAST, coefficient_of_variation
from ranvier.errors import ParameterError
from ranvier.plot import appearance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BIN = 0.05


def variation(spikes: Any, *, least: int = LEAST, colors: Any = None, ax: Axes | None = None) -> Axes:
    """Draws how the coefficient of variation of the intervals between spikes is distributed over the neurons of each population.

    Args:
        spikes: `run.spikes`, or that of one population.
        least: neurons with fewer intervals are left out.
        colors: a colour for each population by name, or one for all.
        ax: where to draw.

    Raises:
        ParameterError: it is not spikes.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.brunel("C", scale=0.1), duration=150.0, dt=0.1)
        >>> rv.plot.variation(run.spikes).get_xlabel()
        'CV of interspike intervals'
    """
    if not hasattr(spikes, "populations"):
        raise ParameterError(f"The variation of intervals is drawn of run.spikes, not of {type(spikes).__name__}.")
    ax = appearance.axes_of(ax, 4.2, 3.0)
    own = appearance.colours_of(spikes.populations)
    own = {**own, **colors} if isinstance(colors, dict) else own if colors is None else dict.fromkeys(own, colors)
    several = len(spikes.populations) > 1
    for i, name in enumerate(spikes.populations):
        found = coefficient_of_variation(spikes[name], least)
        found = found[np.isfinite(found)]
        if not len(found):
            continue
        edges = np.arange(0.0, found.max() + 2 * BIN, BIN)
        share = np.histogram(found, edges)[0] / len(found)
        color = own[name] if several or colors is not None else "black"
        line = appearance.LINES[i % len(appearance.LINES)]
        bars = ax.stairs(share, edges, color=color, linestyle=line, linewidth=1.2, label=f"{name}, mean {found.mean():.2f}")
        appearance.from_zero(ax, bars)
    if ax.patches:
        ax.legend(fontsize=appearance.SMALL, frameon=False)
    ax.set_xlabel("CV of interspike intervals")
    ax.set_ylabel("share of neurons")
    return ax
