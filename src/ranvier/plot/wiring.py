"""Pictures of who is wired to whom."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.network.edges import ProjectionEdges
from ranvier.network.spec import Network, Projection
from ranvier.plot import appearance

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PIXELS = 600  # a side; where there are more neurons, a pixel is several of them
FEWEST_PIXELS = 150  # then
EDGES_A_PIXEL = 0.5  # at least, as far as that goes: single ones on small pixels are hardly seen
MOST_EDGES = 20_000_000  # of one picture; of more, some of each pixel's targets are looked at
FAINTEST = 0.25  # what one connection in a pixel is drawn with
LEGEND_UP_TO = 6  # projections
COLOURS = ("source", "weight")


@dataclasses.dataclass(frozen=True)
class Grid:
    """Neurons by pixel.

    Attributes:
        shape: how many targets and sources there are.
        width: how many of each a pixel stands for.
    """

    shape: tuple[int, int]
    width: tuple[int, int]

    @classmethod
    def of(cls, shape: tuple[int, int], edges: int) -> Grid:
        pixels = min(PIXELS, max(FEWEST_PIXELS, int(np.sqrt(edges / EDGES_A_PIXEL))))
        return cls(shape, (_width(shape[0], pixels), _width(shape[1], pixels)))

    @property
    def size(self) -> tuple[int, int]:
        """How many pixels there are, at least one."""
        return max(1, -(-self.shape[0] // self.width[0])), max(1, -(-self.shape[1] // self.width[1]))

    @property
    def coarse(self) -> bool:
        """Whether a pixel stands for several pairs."""
        return self.width != (1, 1)


def _width(n: int, pixels: int) -> int:
    return 1 if n <= PIXELS else -(-n // pixels)


@dataclasses.dataclass
class Layer:
    """Edges by pixel.

    Attributes:
        name, colour: the projection's, and its source's.
        edges: how many there are.
        count: how many of those that were looked at are in each pixel, `[rows, columns]`.
        weight: the sum of their weights.
        pairs: how many pairs of neurons were looked at, `[rows, columns]`.
        unit: of the weights.
    """

    name: str
    colour: str
    edges: int
    count: np.ndarray
    weight: np.ndarray
    pairs: np.ndarray
    unit: str


def connectivity(what: Any, *, seed: int = 0, colour: str | None = None, ax: Axes | None = None) -> Axes:
    """Draws who is wired to whom: rows are postsynaptic, columns presynaptic.

    Above 600 neurons a pixel stands for several, and is the deeper the more of its pairs are
    connected. Edges are read in pieces, and of more than 20 million a sample of the targets is, so that a
    network of any size can be drawn.

    Args:
        what: a network, a run or a store (all neurons on both axes), a projection, its edges (`net.edges(…)`), or a
            matrix `[targets, sources]`, dense or SciPy sparse.
        seed: what random connections are drawn from: that of the run, to see the ones it had. A run and a store have theirs.
        colour: `"source"`, each connection in the colour of the population that it comes from; or `"weight"`, by its weight (a
            pixel's mean). By default the weight where one projection or a matrix has several, else the source.
        ax: where to draw.

    Raises:
        ParameterError: it is none of these, or its weights are in different units.

    Example:
        >>> import ranvier as rv
        >>> ax = rv.plot.connectivity(rv.models.antennal_lobe(seed=1))
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('presynaptic neuron', 'postsynaptic neuron')
    """
    if colour not in (None, *COLOURS):
        raise ParameterError(f'connectivity: colour is "source" or "weight", not {colour!r}.')
    if hasattr(what, "rebuilt_network"):
        return _network(what.rebuilt_network(), what.edges, colour or "source", ax)
    if isinstance(getattr(what, "network", None), Network):
        return _network(what.network, what.edges, colour or "source", ax)
    if isinstance(what, Network):
        return _network(what, lambda name: what.edges(name, seed=seed), colour or "source", ax)
    if isinstance(what, Projection):
        parts = {id(p): p for p in (*what.sources, *what.targets)}.values()
        what = Network(*parts, what).edges(what, seed=seed)
    if isinstance(what, ProjectionEdges):
        return _projection(what, colour, ax)
    return _matrix(what, colour, appearance.axes_of(ax, 4.6, 4.4))


def _network(net: Network, edges_of: Callable[[str], ProjectionEdges], colour: str, ax: Axes | None) -> Axes:
    first, neurons = {}, 0
    for name, population in net.populations.items():
        first[name] = neurons
        neurons += population.n
    colours = appearance.colours_of(net.populations)
    drawn = {name: edges_of(name) for name in net.projections}
    total = sum(map(len, drawn.values()))
    share, grid = min(1.0, MOST_EDGES / max(1, total)), Grid.of((neurons, neurons), total)
    layers = []
    for edges in drawn.values():
        rows = np.concatenate([np.zeros(0, int), *(first[t] + np.arange(n) for t, (_, n) in edges.populations.items())])
        columns = np.concatenate([first[name] + np.arange(n) for name, n in edges.origins.items()])
        layers.append(_layer(edges, rows, columns, grid, colours[next(iter(edges.origins))], share))
    ax = appearance.axes_of(ax, 5.6, 5.2)
    _picture(ax, grid, layers, colour)
    sizes = {name: (start, net.populations[name].n) for name, start in first.items()}
    _borders(ax, sizes, ("x", "y"))
    _names(ax, sizes, colours if colour == "source" else dict.fromkeys(colours, "black"), neurons)
    if colour == "source" and 0 < len(layers) <= LEGEND_UP_TO:
        for layer in layers:
            ax.plot([], [], color=layer.colour, marker="s", linestyle="none", markersize=5, label=f"{layer.name}: {_grouped(layer.edges)}")
        ax.legend(fontsize=appearance.SMALL, frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2, handletextpad=0.2)
    return ax


def _projection(edges: ProjectionEdges, colour: str | None, ax: Axes | None) -> Axes:
    grid = Grid.of((edges.targets, edges.sources), len(edges))
    share = min(1.0, MOST_EDGES / max(1, len(edges)))
    layer = _layer(edges, np.arange(edges.targets), np.arange(edges.sources), grid, appearance.COLORS[0], share)
    ax = appearance.axes_of(ax, 4.9, 4.4)
    _picture(ax, grid, [layer], colour or ("weight" if _has_several(edges) else "source"))
    _borders(ax, edges.populations, ("y",))
    if len(edges.populations) > 1:
        _names(ax, edges.populations, dict.fromkeys(edges.populations, "black"), edges.targets, ("y",))
    ax.set_title(f"{edges.projection}: {_grouped(len(edges))} connections", loc="left", fontsize=ax.yaxis.label.get_fontsize())
    return ax


def _grouped(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


def _has_several(edges: ProjectionEdges) -> bool:
    """Whether the edges have several weights, as far as the first of them tell."""
    weight = next((piece.weight for piece in edges.pieces() if len(piece)), np.zeros(1))
    return bool((weight != weight[0]).any())


def _layer(edges: ProjectionEdges, rows: np.ndarray, columns: np.ndarray, grid: Grid, colour: str, share: float) -> Layer:
    """Edges by pixel. `rows` and `columns` are the places of targets and sources among all of the picture."""
    height, width = grid.size
    row, column = rows // grid.width[0], columns // grid.width[1]
    count, weight = np.zeros(height * width, np.int64), np.zeros(height * width)
    looked_at = np.zeros(height, np.int64)
    ends = np.flatnonzero(np.diff(row, append=-1)) + 1  # of each pixel's targets
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        some = int(begin + np.ceil((end - begin) * share))
        looked_at[row[begin]] += some - begin
    for piece in edges.pieces() if share == 1.0 else _sample(edges, ends, share):
        pixel = row[piece.post] * width + column[piece.pre]
        count += np.bincount(pixel, minlength=height * width)
        weight += np.bincount(pixel, piece.weight, minlength=height * width)
    pairs = np.outer(looked_at, np.bincount(column, minlength=width))
    return Layer(edges.projection, colour, len(edges), count.reshape(height, width), weight.reshape(height, width), pairs, edges.unit)


def _sample(edges: ProjectionEdges, ends: np.ndarray, share: float) -> Any:
    """A share of each pixel's targets, the first of them."""
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        yield edges.between(int(begin), int(begin + np.ceil((end - begin) * share)))


def _picture(ax: Axes, grid: Grid, layers: Sequence[Layer], colour: str) -> None:
    if colour == "weight":
        _weights(ax, grid, layers)
    else:
        _sources(ax, grid, layers)
    for side in ax.spines.values():
        side.set_visible(True)
    appearance.whole_numbers(ax.xaxis)
    appearance.whole_numbers(ax.yaxis)
    ax.set_xlabel("presynaptic neuron")
    ax.set_ylabel("postsynaptic neuron")


def _sources(ax: Axes, grid: Grid, layers: Sequence[Layer]) -> None:
    """Each layer in its colour, the deeper the more of a pixel's pairs are connected."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb

    image = np.ones((*grid.size, 3))
    shares = [layer.count / np.maximum(layer.pairs, 1) for layer in layers]
    most = max((s.max(initial=0.0) for s in shares), default=0.0)
    for layer, share in zip(layers, shares, strict=True):
        if share.size and most > 0:
            depth = np.where(share > 0, FAINTEST + (1 - FAINTEST) * share / most, 0.0)[..., None]
            image = image * (1 - depth) + np.array(to_rgb(layer.colour)) * depth
    _show(ax, image, grid)
    if grid.coarse and most > 0:
        base = to_rgb(layers[0].colour if len({layer.colour for layer in layers}) == 1 else "#404040")
        faint = (1 - FAINTEST * (1 - base[0]), 1 - FAINTEST * (1 - base[1]), 1 - FAINTEST * (1 - base[2]))
        scale = ScalarMappable(Normalize(0.0, most), LinearSegmentedColormap.from_list("share", [faint, base]))
        _colour_bar(ax, scale, "share of pairs connected")


def _weights(ax: Axes, grid: Grid, layers: Sequence[Layer]) -> None:
    """Each pixel in the colour of its edges' mean weight."""
    units = sorted({layer.unit for layer in layers})
    if len(units) > 1:
        raise ParameterError(
            f"connectivity: the weights are in different units ({', '.join(units)}), which one colour bar cannot show. "
            'Draw the projections one by one, or leave colour="source".'
        )
    count, total = (sum((getattr(layer, name) for layer in layers), np.zeros(grid.size)) for name in ("count", "weight"))
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, total / count, np.nan)
    found = mean[count > 0]
    largest = float(np.abs(found).max(initial=0.0)) or 1.0
    signed = bool((found < 0).any())
    image = _show(ax, mean, grid, cmap="RdBu" if signed else "viridis_r", vmin=-largest if signed else 0.0, vmax=largest)
    word = "mean weight" if grid.coarse else "weight"
    _colour_bar(ax, image, appearance.labelled(word, units[0] if units else None))


def _show(ax: Axes, image: np.ndarray, grid: Grid, **options: Any) -> Any:
    (rows, columns), (height, width) = grid.size, grid.width
    extent = (-0.5, columns * width - 0.5, rows * height - 0.5, -0.5)
    shown = ax.imshow(image, origin="upper", interpolation="nearest", aspect="auto", extent=extent, **options)
    ax.set_xlim(-0.5, max(grid.shape[1], 1) - 0.5)
    ax.set_ylim(max(grid.shape[0], 1) - 0.5, -0.5)
    return shown


def _colour_bar(ax: Axes, scale: Any, label: str) -> None:
    """A colour bar that leaves room for the populations' names."""
    bar = ax.figure.colorbar(scale, ax=ax, pad=0.02, fraction=0.045, shrink=0.6, anchor=(0.0, 0.0))
    bar.set_label(label, fontsize=ax.yaxis.label.get_fontsize())
    ticks = ax.yaxis.get_ticklabels()
    if ticks:
        bar.ax.tick_params(labelsize=ticks[0].get_fontsize())
    bar.outline.set_visible(False)


def _borders(ax: Axes, sizes: dict[str, tuple[int, int]], axes: Sequence[str]) -> None:
    for start, _ in sizes.values():
        for axis in axes:
            if start:
                line = ax.axhline if axis == "y" else ax.axvline
                line(start - 0.5, color=appearance.GREY, linewidth=0.6)


def _names(ax: Axes, sizes: dict[str, tuple[int, int]], colours: dict[str, str], n: int, axes: Sequence[str] = ("x", "y")) -> None:
    """Writes the populations' names beside their rows and over their columns, none over another."""
    middles = np.array([start + size / 2 - 0.5 for start, size in sizes.values()])
    room = np.array([0.011 * len(name) for name in sizes])  # half a name's width, as a share of the axis
    crowded = bool((np.diff(middles) < (room[1:] + room[:-1]) * n).any())
    options: dict[str, Any] = {"fontsize": appearance.SMALL, "fontweight": "bold"}
    for axis in axes:
        apart = 0.045 if axis == "y" or crowded else 0.0
        for name, place in zip(sizes, _apart(middles, apart * n, n), strict=True):
            if axis == "y":
                ax.text(1.015, place, name, transform=ax.get_yaxis_transform(), color=colours[name], va="center", ha="left", **options)
            else:
                turned = {"rotation": 60, "ha": "left", "rotation_mode": "anchor"} if crowded else {"ha": "center"}
                ax.text(place, 1.015, name, transform=ax.get_xaxis_transform(), color=colours[name], va="bottom", **turned, **options)


def _apart(places: np.ndarray, least: float, n: int) -> np.ndarray:
    """Places in order, moved as little as it takes to be `least` apart and within the axis."""
    moved = np.array(places, float)
    for i in range(1, len(moved)):
        moved[i] = max(moved[i], moved[i - 1] + least)
    limit = float(n)
    for i in reversed(range(len(moved))):
        moved[i] = limit = min(moved[i], limit - (least if i < len(moved) - 1 else least / 2))
    return moved


def _matrix(what: Any, colour: str | None, ax: Axes) -> Axes:
    if hasattr(what, "tocoo"):
        sparse = what.tocoo()
        keep = sparse.data != 0
        shape, post, pre, values = sparse.shape, sparse.row[keep], sparse.col[keep], sparse.data[keep]
    else:
        matrix = np.asarray(what)
        if matrix.ndim != 2 or matrix.dtype.kind not in "buif":
            raise ParameterError(
                "connectivity draws a run, a network, a projection or a matrix [targets, sources], "
                f"not {type(what).__name__} of shape {matrix.shape}."
            )
        post, pre = np.nonzero(matrix)
        shape, values = matrix.shape, matrix[post, pre]
    grid = Grid.of(shape, len(post))
    height, width = grid.size
    pixel = np.asarray(post, np.int64) // grid.width[0] * width + np.asarray(pre, np.int64) // grid.width[1]
    count, weight = np.bincount(pixel, minlength=height * width), np.bincount(pixel, values, minlength=height * width)
    sides = [np.bincount(np.arange(n) // each, minlength=size) for n, each, size in zip(shape, grid.width, grid.size, strict=True)]
    layer = Layer("", appearance.COLORS[0], len(post), count.reshape(height, width), weight.reshape(height, width), np.outer(*sides), "")
    _picture(ax, grid, [layer], colour or ("source" if len(np.unique(values)) <= 1 else "weight"))
    return ax
