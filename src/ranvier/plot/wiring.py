"""Pictures of connectivity matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.network.spec import Network, Projection
from ranvier.plot import appearance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = 1200  # a side; larger matrices are drawn as the share of pairs connected


def connectivity(what: Any, *, seed: int = 0, ax: Axes | None = None) -> Axes:
    """Draws who is wired to whom: rows are postsynaptic, columns presynaptic.

    Args:
        what: a network (all neurons on both axes, each projection in the colour
            of its source), a projection, or a matrix `[targets, sources]`, dense or SciPy sparse.
        seed: what random connections are drawn from: that of the run, to see the ones it had.
        ax: where to draw.

    Raises:
        ParameterError: it is none of these.

    Example:
        >>> import ranvier as rv
        >>> ax = rv.plot.connectivity(rv.models.antennal_lobe(seed=1))
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('presynaptic neuron', 'postsynaptic neuron')
    """
    if isinstance(what, Network):
        return _network(what, seed, appearance.axes_of(ax, 5.4, 4.8))
    if isinstance(what, Projection):
        parts = {id(p): p for p in (what.source, *what.targets)}.values()
        net = Network(*parts, what)
        edges = _edges(net, seed)[net.name_of(what)]
        shape = (sum(t.n for t in what.targets), what.source.n)
        ax = _picture(appearance.axes_of(ax, 4.6, 4.4), shape, [(edges.post, edges.pre, appearance.COLORS[0])])
        before = 0
        for target in what.targets:
            if before:
                ax.axhline(before - 0.5, color=appearance.GREY, linewidth=0.8)
            if len(what.targets) > 1:
                appearance.name_rows(ax, net.name_of(target), before, target.n, "black")
            before += target.n
        ax.set_title(net.name_of(what) + f": {len(edges)} connections", loc="left", fontsize=ax.yaxis.label.get_fontsize())
        return ax
    if hasattr(what, "tocoo"):
        sparse = what.tocoo()
        keep = sparse.data != 0
        return _picture(appearance.axes_of(ax, 4.6, 4.4), sparse.shape, [(sparse.row[keep], sparse.col[keep], appearance.COLORS[0])])
    matrix = np.asarray(what)
    if matrix.ndim != 2 or matrix.dtype.kind not in "buif":
        raise ParameterError(
            f"connectivity draws a network, a projection or a matrix [targets, sources], not {type(what).__name__} of shape {matrix.shape}."
        )
    ax = appearance.axes_of(ax, 4.6, 4.4)
    post, pre = np.nonzero(matrix)
    if len(np.unique(matrix[post, pre])) <= 1:
        return _picture(ax, matrix.shape, [(post, pre, appearance.COLORS[0])])
    return _weights(ax, matrix.astype(float))


def _edges(net: Network, seed: int) -> dict[str, Any]:
    import jax

    from ranvier.network.build import build

    with jax.enable_x64(True):
        return build(net, dt=0.01, seed=seed, dtype="float64").edges


def _network(net: Network, seed: int, ax: Axes) -> Axes:
    first, before = {}, 0
    for name, population in net.populations.items():
        first[name] = before
        before += population.n
    colours = appearance.colours_of(net.populations)
    layers = []
    for name, edges in _edges(net, seed).items():
        projection = net.projections[name]
        rows = np.concatenate([np.zeros(0, int), *(first[net.name_of(t)] + np.arange(t.n) for t in projection.targets)])
        source = net.name_of(projection.source)
        layers.append((rows[edges.post], edges.pre + first[source], colours[source]))
        ax.plot([], [], color=colours[source], marker="s", linestyle="none", markersize=5, label=f"{name}: {len(edges)}")
    _picture(ax, (before, before), layers)
    for name, start in first.items():
        if start:
            ax.axhline(start - 0.5, color=appearance.GREY, linewidth=0.8)
            ax.axvline(start - 0.5, color=appearance.GREY, linewidth=0.8)
        n = net.populations[name].n
        appearance.name_rows(ax, name, start, n, colours[name])
        ax.text(
            start + n / 2 - 0.5,
            1.01,
            name,
            transform=ax.get_xaxis_transform(),
            color=colours[name],
            ha="center",
            va="bottom",
            fontsize=appearance.SMALL,
            fontweight="bold",
        )
    if layers:
        ax.legend(fontsize=appearance.SMALL, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, handletextpad=0.2)
    return ax


def _picture(ax: Axes, shape: tuple[int, int], layers: list[tuple[np.ndarray, np.ndarray, str]]) -> Axes:
    """Each layer's pairs in its colour, the stronger the more of a pixel's pairs are connected."""
    from matplotlib.colors import to_rgb

    rows, columns = min(shape[0], PIXELS), min(shape[1], PIXELS)
    image = np.ones((max(rows, 1), max(columns, 1), 3))
    for post, pre, colour in layers:
        if not len(post):
            continue
        pixels = np.asarray(post, np.int64) * rows // shape[0] * columns + np.asarray(pre, np.int64) * columns // shape[1]
        count = np.bincount(pixels, minlength=rows * columns).reshape(rows, columns)
        share = (count / count.max())[..., None]
        image = image * (1 - share) + np.array(to_rgb(colour)) * share
    ax.imshow(image, origin="upper", interpolation="nearest", aspect="auto", extent=(-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5))
    return _frame(ax)


def _weights(ax: Axes, matrix: np.ndarray) -> Axes:
    largest = np.abs(matrix).max()
    signed = bool((matrix < 0).any())
    image = ax.imshow(
        np.where(matrix == 0, np.nan, matrix),
        origin="upper",
        interpolation="nearest",
        aspect="auto",
        cmap="PuOr" if signed else "viridis_r",
        vmin=-largest if signed else 0.0,
        vmax=largest,
    )
    appearance.add_colour_bar(ax, image, "weight")
    return _frame(ax)


def _frame(ax: Axes) -> Axes:
    for side in ax.spines.values():
        side.set_visible(True)
    appearance.whole_numbers(ax.xaxis)
    appearance.whole_numbers(ax.yaxis)
    ax.set_xlabel("presynaptic neuron")
    ax.set_ylabel("postsynaptic neuron")
    return ax
