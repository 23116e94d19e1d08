"""What came of a sweep: lines, heat maps, slices, and clouds of drawn sets."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, unknown
from ranvier.plot import appearance

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes

MOST_LINES = 6
"""So many values of a second path are lines; more are a heat map."""

AVERAGED = "seed"


def sweep(
    dataset: Any,
    variable: str | None = None,
    *,
    x: str | None = None,
    y: str | None = None,
    lines: str | None = None,
    at: Mapping[str, Any] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draws one quantity of a sweep against what was swept.

    One path is a line, two are lines or a heat map; seeds are averaged, with a band of one standard deviation; neurons are averaged.
    Zipped or drawn sets are points, coloured where there are two paths.

    Args:
        dataset: what `rv.sweep` gave.
        variable: what is drawn; the first mean rate when left out.
        x: the path along the x axis (or `"time"`, of a record).
        y: the path along the y axis of a heat map, or of a cloud of points.
        lines: the path whose values have a line each.
        at: a slice: values of other paths, the nearest ones that there are.
        ax: where to draw.

    Raises:
        ParameterError, UnknownNameError: there is no such variable or path, or a path is left over.

    Example:
        >>> import ranvier as rv
        >>> cell = rv.Population(1, rv.neurons.HodgkinHuxley(), current=0.0, name="cell")
        >>> curve = rv.sweep(cell, {"cell.current": [0.0, 5.0, 10.0]}, 50.0)
        >>> rv.plot.sweep(curve).get_xlabel()
        'cell current (µA/cm²)'
    """
    import xarray

    dataset = doors.instance(dataset, "dataset", xarray.Dataset, "what rv.sweep(…) gives")
    array = _quantity(dataset, variable)
    for word, name in ((x, "x"), (y, "y"), (lines, "lines")):
        if word is not None:
            _known(doors.text(word, name), array, name)
    array = _sliced(array, at)
    kept = {_dimension(array, word) for word in (x, y, lines) if word is not None}
    for dim in [d for d in array.dims if str(d).rpartition(".")[2] in ("neuron", "state") and d not in kept]:
        array = array.mean(str(dim), keep_attrs=True)
    spread = None
    if AVERAGED in array.dims and AVERAGED not in kept and array.ndim > 1:
        spread, array = array.std(AVERAGED), array.mean(AVERAGED, keep_attrs=True)
    rest = [str(d) for d in array.dims if d not in kept]
    clouds = [d for d in array.dims if d not in array.coords or array.coords[d].dims != (d,)]
    if clouds and x is None and y is None:
        return _cloud(array, str(clouds[0]), x, y, ax)
    if x is not None and _dimension(array, x) in clouds:
        return _cloud(array, _dimension(array, x), x, y, ax)
    if x is None:
        if not rest:
            raise ParameterError(f"{array.name!r} is one number at that place: there is nothing to draw it against.")
        x = rest.pop(0)
    if y is None and lines is None and rest:
        if array.sizes[rest[0]] <= MOST_LINES:
            lines = rest.pop(0)
        else:
            y = rest.pop(0)
    left = [d for d in rest if d not in (x, y, lines)]
    if left:
        raise ParameterError(
            f"{array.name!r} also changes along {' and '.join(left)}. Say where to look: at={{{left[0]!r}: value}}, or name it as lines=."
        )
    return _heat_map(array, x, y, ax) if y is not None else _lines(array, spread, x, lines, ax)


def _quantity(dataset: xarray.Dataset, variable: Any) -> xarray.DataArray:
    numbers = [str(name) for name, a in dataset.data_vars.items() if a.dtype.kind == "f"]
    if variable is None:
        variable = next((n for n in numbers if n.endswith(".mean_rate")), numbers[0] if numbers else None)
    if variable is None:
        raise ParameterError("The dataset holds no numbers to draw.")
    variable = doors.text(variable, "variable")
    if variable not in numbers:
        raise unknown("variable", variable, numbers)
    return dataset[variable]


def _known(word: str, array: xarray.DataArray, name: str) -> None:
    if word not in array.dims and word not in array.coords:
        raise unknown(f"path for {name}", word, [str(n) for n in (*array.dims, *array.coords)])


def _dimension(array: xarray.DataArray, word: str) -> Hashable:
    return array.coords[word].dims[0] if word in array.coords else word


def _sliced(array: xarray.DataArray, at: Any) -> xarray.DataArray:
    for path, value in {} if at is None else doors.mapping(at, "at", "{'seed': 1}").items():
        _known(path, array, "at")
        number = doors.number(value, f"at[{path!r}]")
        labels = np.asarray(array.coords[path].values, float) if path in array.coords else np.arange(array.sizes[path])
        array = array.isel({_dimension(array, path): int(np.abs(labels - number).argmin())})
    return array


def _label(array: xarray.DataArray, path: str) -> str:
    unit = array.coords[path].attrs.get("units") if path in array.coords else None
    return appearance.labelled(appearance.readable(path), unit)


def _up(array: xarray.DataArray) -> str:
    text = str(array.attrs.get("long_name", array.name))
    return appearance.labelled(text, array.attrs.get("units"))


def _values(array: xarray.DataArray, path: str) -> np.ndarray:
    return np.asarray(array.coords[path].values, float) if path in array.coords else np.arange(array.sizes[path], dtype=float)


def _lines(array: xarray.DataArray, spread: Any, x: str, lines: str | None, ax: Axes | None) -> Axes:
    ax = appearance.axes_of(ax, 4.6, 3.2)
    across = _values(array, x)
    order = np.argsort(across, kind="stable")
    dim, x_dim = (None if lines is None else _dimension(array, lines)), _dimension(array, x)
    for i in range(1 if dim is None else array.sizes[dim]):
        of = lambda a, i=i: np.asarray((a if dim is None else a.isel({dim: i})).transpose(x_dim).values, float)[order]
        mean, color = of(array), appearance.colour(i)
        value = None if lines is None else _values(array, lines)[i]
        ax.plot(
            across[order],
            mean,
            color=color,
            linestyle=appearance.LINES[i % len(appearance.LINES)],
            marker=appearance.MARKERS[i % len(appearance.MARKERS)] if len(across) <= 40 else None,
            markersize=4,
            label=None if lines is None else f"{value:.4g}",
        )
        if spread is not None:
            some = of(spread)
            ax.fill_between(across[order], mean - some, mean + some, color=color, alpha=0.18, linewidth=0)
    ax.set_xlabel(_label(array, x))
    ax.set_ylabel(_up(array))
    ax.margins(x=0.02)
    if lines is not None:
        ax.legend(title=_label(array, lines), fontsize=appearance.SMALL, title_fontsize=appearance.SMALL, frameon=False)
    return ax


def _heat_map(array: xarray.DataArray, x: str, y: str, ax: Axes | None) -> Axes:
    ax = appearance.axes_of(ax, 4.8, 3.6)
    across, up = _values(array, x), _values(array, y)
    values = np.asarray(array.transpose(_dimension(array, y), _dimension(array, x)).values, float)
    columns, rows = np.argsort(across, kind="stable"), np.argsort(up, kind="stable")
    shown = np.ma.masked_invalid(values[np.ix_(rows, columns)])
    ax.set_facecolor("0.85")  # where a set diverged
    image = ax.pcolormesh(_edges(across[columns]), _edges(up[rows]), shown, cmap="viridis", rasterized=True)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_xlabel(_label(array, x))
    ax.set_ylabel(_label(array, y))
    appearance.add_colour_bar(ax, image, _up(array))
    return ax


def _edges(middles: np.ndarray) -> np.ndarray:
    """Where cells around these values end."""
    if len(middles) < 2:
        return np.array([middles[0] - 0.5, middles[0] + 0.5]) if len(middles) else np.zeros(1)
    half = np.diff(middles) / 2
    return np.concatenate([[middles[0] - half[0]], middles[:-1] + half, [middles[-1] + half[-1]]])


def _cloud(array: xarray.DataArray, dim: Any, x: str | None, y: str | None, ax: Axes | None) -> Axes:
    """Sets that were zipped or drawn: points."""
    paths = [str(name) for name, c in array.coords.items() if c.dims == (dim,) and c.dtype.kind in "iuf" and name != dim]
    if array.dims != (dim,):
        others = [str(d) for d in array.dims if d != dim]
        raise ParameterError(f"{array.name!r} also changes along {' and '.join(others)}. Say where to look: at={{{others[0]!r}: value}}.")
    x = x or (paths[0] if paths else None)
    if x is None:
        raise ParameterError("The sets have no numbers to draw against.")
    y = y or next((p for p in paths if p != x), None)
    values = np.asarray(array.values, float)
    ax = appearance.axes_of(ax, 4.8, 3.6)
    ax.set_xlabel(_label(array, x))
    if y is None:
        ax.plot(_values(array, x), values, linestyle="none", marker="o", markersize=4, color=appearance.colour(0))
        ax.set_ylabel(_up(array))
        return ax
    good = np.isfinite(values)
    ax.plot(_values(array, x)[~good], _values(array, y)[~good], linestyle="none", marker="x", color=appearance.GREY, markersize=4)
    image = ax.scatter(_values(array, x)[good], _values(array, y)[good], c=values[good], s=22, cmap="viridis")
    ax.set_ylabel(_label(array, y))
    appearance.add_colour_bar(ax, image, _up(array))
    return ax
