"""The outcome of a sweep as one labelled dataset, in memory or in a Zarr store that grows set by set."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, StoreError
from ranvier.store.files import why
from ranvier.sweeps.outcome import Found, Outcome
from ranvier.sweeps.sets import Sets, coordinate

if TYPE_CHECKING:
    import xarray

FINISHED, MESSAGE = "finished", "message"
FORMAT = 1
SETS_A_CHUNK = 2**18  # bytes of one variable that a chunk of the store may hold


class Table:
    """What every set of a sweep gave, in memory.

    Args:
        sets: what was run.
        units: of each path, or None.
    """

    def __init__(self, sets: Sets, units: Mapping[str, str | None]):
        self.sets, self.units = sets, units
        self.arrays: dict[str, Any] = {}
        self.forms: dict[str, Found] = {}
        self.finished = np.zeros(sets.shape, bool)
        self.messages: dict[int, str] = {}
        self.computed = ""

    @property
    def dims(self) -> tuple[str, ...]:
        """The dimensions of the sets."""
        return tuple(axis.name for axis in self.sets.axes)

    def todo(self) -> list[int]:
        """The sets that have not run yet."""
        return [int(i) for i in np.flatnonzero(~self.finished.ravel())]

    def take(self, outcomes: Mapping[int, Outcome | str]) -> None:
        """Takes over what some sets gave: numbers, or what went wrong."""
        good = {i: o for i, o in outcomes.items() if not isinstance(o, str)}
        for name in dict.fromkeys(name for o in good.values() for name in o):
            if name not in self.forms:
                self._add(name, next(o[name] for o in good.values() if name in o))
            self._write(name, {i: self._fitting(name, o[name]) for i, o in good.items() if name in o})
        self.messages.update({i: o for i, o in outcomes.items() if isinstance(o, str)})
        self._finish(list(outcomes))

    def _fitting(self, name: str, found: Found) -> np.ndarray:
        form = self.forms[name]
        if found.values.shape != form.values.shape:
            raise ParameterError(
                f"{name!r} has the shape {found.values.shape} in one set and {form.values.shape} in another; one dataset "
                "holds what has one shape in every set. Give numbers, or arrays of one length."
            )
        return found.values

    def _add(self, name: str, form: Found) -> None:
        self.forms[name] = form
        kind = form.values.dtype if form.values.dtype.kind == "f" else np.dtype(np.float64)
        self.arrays[name] = np.full((*self.sets.shape, *form.values.shape), np.nan, kind)

    def _write(self, name: str, values: Mapping[int, np.ndarray]) -> None:
        flat = self.arrays[name].reshape(len(self.sets), *self.forms[name].values.shape)
        for i, value in values.items():
            flat[i] = value

    def _finish(self, indices: list[int]) -> None:
        self.finished.reshape(-1)[indices] = True

    def dataset(self) -> xarray.Dataset:
        """All of it, labelled."""
        import xarray

        coords = _coords_of_sets(self.sets, self.units)
        data: dict[str, Any] = {}
        for name, form in self.forms.items():
            data[name] = ((*self.dims, *form.dims), self._values(name), dict(form.attrs))
            for dim, values in form.coords.items():
                coords.setdefault(dim, (dim, values, {"units": "ms"} if dim.startswith("time") else {}))
        data[FINISHED] = (self.dims, self.finished.copy(), {"long_name": "whether the set has run"})
        words = np.full(len(self.sets), "", object)
        for i, message in self.messages.items():
            words[i] = message
        data[MESSAGE] = (self.dims, words.reshape(self.sets.shape), {"long_name": "what went wrong"})
        return xarray.Dataset(data, coords, {"computed": self.computed})

    def _values(self, name: str) -> Any:
        return self.arrays[name]

    def close(self) -> None:
        """Nothing is open."""


def _coords_of_sets(sets: Sets, units: Mapping[str, str | None]) -> dict[str, Any]:
    """What labels the sets: along each dimension the values of its paths."""
    coords: dict[str, Any] = {}
    for axis in sets.axes:
        for path, values in axis.values.items():
            labels, words = coordinate(values, units[path])
            unit = units[path]
            attrs = {"units": unit} if unit not in (None, "1") and words is None else {}
            coords[path] = (axis.name, labels, attrs)
            if words is not None:
                coords[f"{path} as given"] = (axis.name, np.array(words, object))
    return coords


# -- in a store ------------------------------------------------------------------------------------------


class StoredTable(Table):
    """What every set of a sweep gave, in a Zarr store: an xarray dataset that is there from the first batch on.

    Args:
        path: of the store.
        description: of the sweep: only the same one goes on in a store.
        overwrite: whether another one is replaced.
    """

    def __init__(self, sets: Sets, units: Mapping[str, str | None], path: Any, description: dict[str, Any], overwrite: bool):
        import zarr

        super().__init__(sets, units)
        self.root: Any = None
        self.path: Path = doors.path(path, "store")
        place = self.path
        if place.exists() and not overwrite:
            self._open(description)
            return
        if overwrite and place.exists():
            _make_room(place)
        try:
            self.root = zarr.open_group(place, mode="w", zarr_format=3)
        except OSError as error:
            raise StoreError(f"No store can be made at {place}: {why(error)}. Give another place.") from None
        self.root.attrs.update({"ranvier_sweep": FORMAT, "description": json.dumps(description), "messages": {}})
        for name, (dim, values, attrs) in _coords_of_sets(sets, units).items():
            if np.asarray(values).dtype.kind == "O":
                self.root.attrs[f"words {name}"] = [str(v) for v in values]
                continue
            self._put(name, np.asarray(values), (dim,), attrs)
        self._put(FINISHED, self.finished, self.dims, {"long_name": "whether the set has run"})

    def _put(self, name: str, values: np.ndarray, dims: tuple[str, ...], attrs: Mapping[str, Any]) -> None:
        array = self.root.create_array(name, shape=values.shape, dtype=values.dtype, dimension_names=dims)
        array.attrs.update(dict(attrs))
        array[...] = values

    def _open(self, description: dict[str, Any]) -> None:
        import zarr

        try:
            self.root = zarr.open_group(self.path, mode="r+")
            known = json.loads(self.root.attrs["description"])
        except Exception as error:
            raise StoreError(
                f"{self.path} is there already, and is no store of a sweep that could go on ({type(error).__name__}). "
                "Give another place, or overwrite=True."
            ) from error
        different = [key for key in sorted({*known, *description}) if known.get(key) != json.loads(json.dumps(description.get(key)))]
        if different:
            raise StoreError(
                f"The store {self.path} is of another sweep; what differs: {', '.join(different)}. "
                "Give the same arguments to go on with it, another place for this sweep, or overwrite=True to replace it."
            )
        self.finished = np.asarray(self.root[FINISHED][...])
        self.messages = {int(i): text for i, text in dict(self.root.attrs["messages"]).items()}
        ours = set(self.root.attrs.get("variables", []))
        for name in ours:
            array = self.root[name]
            dims = tuple(array.metadata.dimension_names)[len(self.sets.shape) :]
            values = np.broadcast_to(np.zeros((), array.dtype), array.shape[len(self.sets.shape) :])
            self.forms[name] = Found(values, dims, {d: np.asarray(self.root[d][...]) for d in dims if d in self.root}, dict(array.attrs))

    def _add(self, name: str, form: Found) -> None:
        self.forms[name] = form
        for dim, values in form.coords.items():
            if dim not in self.root:
                self._put(dim, np.asarray(values), (dim,), {"units": "ms"} if dim.startswith("time") else {})
        kind = form.values.dtype if form.values.dtype.kind == "f" else np.dtype(np.float64)
        shape = (*self.sets.shape, *form.values.shape)
        array = self.root.create_array(
            name,
            shape=shape,
            chunks=_chunks(self.sets.shape, form.values.shape, kind.itemsize),
            dtype=kind,
            dimension_names=(*self.dims, *form.dims),
            fill_value=float("nan"),
        )
        array.attrs.update(dict(form.attrs))
        self.root.attrs["variables"] = sorted(self.forms)

    def _write(self, name: str, values: Mapping[int, np.ndarray]) -> None:
        array = self.root[name]
        for leading, first, some in _runs(sorted(values), self.sets.shape):
            block = np.stack([values[i] for i in some])
            place = (*leading, slice(first, first + len(some))) if self.sets.shape else ()
            array[place] = block if self.sets.shape else values[some[0]]

    def _finish(self, indices: list[int]) -> None:
        super()._finish(indices)
        if self.messages:
            self.root.attrs["messages"] = {str(i): text for i, text in self.messages.items()}
        self.root[FINISHED][...] = self.finished  # last: what it calls finished is written

    def _values(self, name: str) -> Any:
        return self.root[name]

    def dataset(self) -> xarray.Dataset:
        """All of it, labelled; arrays are read when they are asked for."""
        import xarray

        opened = xarray.open_zarr(self.path, consolidated=False, chunks=None)
        rest = Table(self.sets, self.units)
        rest.finished, rest.messages = self.finished, self.messages
        more = rest.dataset()
        whole = opened.assign_coords({name: more.coords[name] for name in more.coords if name not in opened.coords})
        whole = whole.assign({MESSAGE: more[MESSAGE]})
        return whole.drop_attrs(deep=False).assign_attrs(computed=self.computed)


def _make_room(place: Path) -> None:
    """Removes a sweep's store, and nothing else."""
    import shutil

    import zarr

    try:
        ours = "ranvier_sweep" in zarr.open_group(place, mode="r").attrs
    except Exception:
        ours = False
    if not ours:
        raise StoreError(
            f"{place} is there already, and is not the store of a sweep: overwrite=True does not remove it. Give another place."
        )
    shutil.rmtree(place)


def _chunks(sets: tuple[int, ...], own: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """A chunk holds whole sets, as many of the last axis as are small together."""
    bytes_of_one = max(1, int(np.prod(own)) * itemsize)
    last = max(1, min(sets[-1], SETS_A_CHUNK // bytes_of_one)) if sets else 1
    leading = tuple(1 for _ in sets[:-1])
    return (*leading, *((last,) if sets else ()), *(max(1, n) for n in own))


def _runs(indices: list[int], shape: tuple[int, ...]) -> list[tuple[tuple[int, ...], int, list[int]]]:
    """Sets in stretches along the last axis: the place on the other axes, the first, and which."""
    if not shape:
        return [((), 0, indices)]
    found: list[tuple[tuple[int, ...], int, list[int]]] = []
    for i in indices:
        *leading, at = (int(x) for x in np.unravel_index(i, shape))
        if found and found[-1][0] == tuple(leading) and found[-1][1] + len(found[-1][2]) == at:
            found[-1][2].append(i)
        else:
            found.append((tuple(leading), at, [i]))
    return found
