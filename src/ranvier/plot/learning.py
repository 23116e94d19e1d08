"""What a rule of plasticity does, and what it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.plot import appearance
from ranvier.plot.series import as_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LONGEST = 100.0  # ms
POINTS = 401  # of a window
LINES_AT_MOST = 50  # of trajectories


def stdp_window(
    rule: Any,
    *,
    weight: float = 1.0,
    pairs: int = 1,
    rate: float = 1.0,
    longest: float = LONGEST,
    label: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws by how much a rule changes a weight, against the time from the arrival of a spike to the spike of the target.

    Args:
        rule: of plasticity. It is asked itself, spike by spike, for each distance.
        weight: at the start; the change is drawn as a share of it.
        pairs: how many pairs of spikes there are.
        rate: of the pairs (Hz).
        longest: the largest distance drawn (ms).
        label: the curve's name.
        ax: where to draw.

    Raises:
        UnsupportedError: the rule looks at the target's potential.

    Example:
        >>> import ranvier as rv
        >>> rv.plot.stdp_window(rv.plasticity.PairSTDP(high=1.0), weight=0.5).get_ylabel()
        'change of the weight (%)'
    """
    from ranvier.plasticity.protocol import weight_after

    if not pairs >= 1 or not rate > 0 or not longest > 0 or not weight:
        raise ParameterError(
            f"A window needs at least one pair, a rate, a distance and a weight that is not 0; pairs is {pairs}, rate {rate} Hz, longest "
            f"{longest} ms, weight {weight}."
        )
    ax = appearance.axes_of(ax, 4.6, 3.2)
    half = np.linspace(0.0, longest, POINTS // 2 + 1)
    arrivals = np.arange(int(pairs)) * 1000.0 / rate
    i = len(ax.get_legend_handles_labels()[0]) or sum(line.get_gid() == "window" for line in ax.lines) // 2
    for side, lags in enumerate((-half[::-1] - 1e-9, half + 1e-9)):  # the two sides meet at 0, where they need not be equal
        after = weight_after(rule, [arrivals] * len(lags), [arrivals + lag for lag in lags], weight=weight)
        ax.plot(
            lags,
            100.0 * (after / weight - 1.0),
            color=appearance.colour(i),
            linestyle=appearance.LINES[i % len(appearance.LINES)],
            label=label if side else None,
            gid="window",
        )
    for line in (ax.axhline, ax.axvline):
        line(0.0, color="0.7", linewidth=0.6, zorder=0)
    ax.set_xlabel("spike of the target − arrival (ms)")
    ax.set_ylabel("change of the weight (%)")
    ax.margins(x=0)
    if label:
        ax.legend(fontsize=appearance.SMALL, frameon=False)
    return ax


def weight_trajectories(values: Any, *, edges: Any = None, color: Any = "0.6", ax: Axes | None = None) -> Axes:
    """Draws weights over time: thin lines for single synapses, and their mean.

    Args:
        values: what was recorded of a projection that learns: `run["exc→exc"].weight`.
        edges: which ones are drawn as lines; when left out all, or 50 evenly spaced where there are more. The mean is of all.
        color: of the lines.
        ax: where to draw.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> source = rv.Population(5, rv.neurons.PoissonSource(50.0), name="source")
        >>> cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), current=600.0, name="cell")
        >>> rule = rv.plasticity.PairSTDP(high=2.0)
        >>> wire = rv.Projection(source, cell, rv.synapses.ExponentialCurrent(), np.ones((1, 5)), plasticity=rule, name="wire")
        >>> run = rv.simulate(rv.Network(source, cell, wire), duration=50.0, dt=0.1, record=rv.Record(wire, "weight", every=5.0))
        >>> len(rv.plot.weight_trajectories(run["wire"].weight).lines)
        6
    """
    shown = as_series(values, None, edges, LINES_AT_MOST)
    every = as_series(values)
    ax = appearance.axes_of(ax, 5.5, 3.0)
    lines = ax.plot(shown.times, shown.values, color=color, linewidth=0.6)
    mean = ax.plot(every.times, every.values.mean(axis=1), color="black", linewidth=1.6, label="mean")
    appearance.from_zero(ax, *lines, *mean)
    ax.set_xlabel(every.time_label)
    ax.set_ylabel(appearance.labelled("weight", getattr(values, "attrs", {}).get("units")))
    ax.margins(x=0)
    ax.legend(fontsize=appearance.SMALL, frameon=False)
    return ax
