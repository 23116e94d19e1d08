"""What a rule of plasticity does, and what it did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.plot import appearance
from ranvier.plot.series import as_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ranvier.network.edges import ProjectionEdges

LONGEST = 100.0  # ms
POINTS = 401  # of a window
LINES_AT_MOST = 50  # of trajectories
FIELDS_AT_MOST = 100


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


def receptive_fields(
    edges: Any, *, shape: Any = None, projection: Any = None, neurons: Any = None, high: float | None = None, ax: Axes | None = None
) -> Axes:
    """Draws what each neuron listens to: a picture for each target, with a pixel for each source, as bright as the weight between them.

    Args:
        edges: a run, or the edges of a projection: `run.edges("pixels→neurons")`, whose weights are those at the end where it learns.
        shape: `(rows, columns)` of the sources; square where it is left out.
        projection: which one, of a run that has several.
        neurons: which targets; when left out the first 100.
        high: the weight drawn brightest; the largest when left out.
        ax: where to draw.

    Raises:
        ParameterError: the shape is not that of the sources, or there is no such neuron.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> pixels = rv.Population(6, rv.neurons.PoissonSource(50.0), name="pixels")
        >>> cells = rv.Population(4, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> wires = rv.Projection(pixels, cells, rv.synapses.Delta(), rv.connect.all_to_all(), weight=rv.uniform(0.0, 1.0))
        >>> edges = rv.Network(pixels, cells, wires).edges(wires, seed=1)
        >>> ax = rv.plot.receptive_fields(edges, shape=(2, 3))
        >>> ax.images[0].get_array().shape   # two by two pictures with a line between them
        (5, 7)
    """
    edges = _edges_of(edges, projection)
    rows, columns = _picture(shape, edges.sources)
    if neurons is None:
        some = np.arange(min(edges.targets, FIELDS_AT_MOST))
    else:
        some = doors.indices(neurons, "receptive_fields: neurons", edges.targets)
    matrix = edges.to_sparse()[some].toarray()
    side = math.ceil(math.sqrt(len(some))) or 1
    high = float(np.abs(matrix).max(initial=0.0)) if high is None else doors.number(high, "receptive_fields: high", low=0.0, above=True)
    down = max(1, -(-len(some) // side))
    tiles = np.full((down * (rows + 1) - 1, side * (columns + 1) - 1), np.nan)
    for place, field in enumerate(matrix):
        top, left = (place // side) * (rows + 1), (place % side) * (columns + 1)
        tiles[top : top + rows, left : left + columns] = field.reshape(rows, columns)
    ax = appearance.axes_of(ax, 4.8, 0.5 + 4.3 * tiles.shape[0] / tiles.shape[1])
    signed = bool((matrix < 0).any())
    colours, low = ("RdBu_r", -(high or 1.0)) if signed else ("viridis", 0.0)
    image = ax.imshow(tiles, cmap=colours, interpolation="nearest", vmin=low, vmax=high or 1.0)
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    of = "each neuron" if len(some) == edges.targets else f"{len(some)} of {edges.targets} neurons"
    ax.set_xlabel(f"the weights onto {of}")
    bar = ax.figure.colorbar(image, ax=ax, fraction=0.04, pad=0.02)
    bar.set_label(appearance.labelled("weight", edges.unit), fontsize=appearance.SMALL)
    return ax


def _edges_of(given: Any, projection: Any) -> ProjectionEdges:
    from ranvier.network.edges import ProjectionEdges
    from ranvier.result import Result

    if isinstance(given, ProjectionEdges):
        return given
    doors.instance(given, "receptive_fields: edges", (Result, ProjectionEdges), "run.edges('pixels→neurons')")
    known = list(given.network.projections)
    if projection is None and len(known) != 1:
        learning = [name for name in known if given.network.projections[name].plasticity is not None]
        if len(learning) != 1:
            raise ParameterError(
                f"receptive_fields: the run has the projections {', '.join(known) or 'none'}; say which one: projection={known[:1]!r}."
            )
        known = learning
    return given.edges(known[0] if projection is None else projection)


def _picture(shape: Any, sources: int) -> tuple[int, int]:
    """Rows and columns of the sources."""
    if shape is None:
        side = math.isqrt(sources)
        if side * side != sources:
            raise ParameterError(f"receptive_fields: {sources} sources are no square; give shape=(rows, columns).")
        return side, side
    array = np.asarray(shape)
    if array.shape != (2,) or array.dtype.kind not in "iu" or array.min() < 1 or int(array.prod()) != sources:
        raise ParameterError(
            f"receptive_fields: shape is {doors.said(shape)}; it must be (rows, columns), two whole numbers whose product is the number of "
            f"sources, {sources}."
        )
    return int(array[0]), int(array[1])
