"""Reading a store: at any time, while it is written and afterwards. Nothing is read before it is asked for."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.errors import StoreError, unknown, warn
from ranvier.result import PartResult, Recorded, Spikes, counted
from ranvier.store import documents, layout, provenance
from ranvier.store.checkpoint import Checkpoint, checkpoints
from ranvier.store.chunks import ArrayForm, Chunks, form_of
from ranvier.store.files import refuse_strange, size_of
from ranvier.store.lock import is_written

if TYPE_CHECKING:
    import xarray

    from ranvier.network.edges import ProjectionEdges
    from ranvier.network.spec import Network
    from ranvier.network.state import SimulationState
    from ranvier.store.check import Damage


def _sums_now(root: layout.Root, place: str) -> bytes:
    """What the root on the disk says of an array's chunks by now, where the same run has gone on; else what it said."""
    said = documents.chunk_sums(root.facts).get(place, b"")
    try:
        now = layout.root_of(root.path).facts
    except StoreError:
        return said
    same = all(now.get(key) == root.facts.get(key) for key in ("network_hash", "seed", "dt", "start_step"))
    return documents.chunk_sums(now).get(place, b"") if same and now["written_step"] > root.facts["written_step"] else said


class Stored:
    """The arrays of a store as they were at one moment, read when they are asked for.

    Args:
        root: what the root says.
        skip: what is damaged is NaN, and its spikes are left out, instead of an error.

    Raises:
        StoreError: the root describes something that no store of Ranvier's has.
    """

    def __init__(self, root: layout.Root, skip: bool = False):
        self.path, self.facts, self.skip = root.path, root.facts, skip
        self.dt: float = root.facts["dt"]
        self.groups: dict[str, Mapping[str, Any]] = {}
        self.arrays: dict[str, Chunks] = {}
        sums = documents.chunk_sums(root.facts)
        for place, document in root.described.items():
            try:
                if not _PLACE.fullmatch(place):
                    raise ValueError("no such place is in a store")
                if document.get("node_type") == "group":
                    self.groups[place] = _attributes_of_group(document)
                else:
                    form = form_of(document)
                    said: dict[str, Any] = {"sums": sums.get(place, b""), "sums_now": functools.partial(_sums_now, root, place)}
                    self.arrays[place] = Chunks(root.path, place, form, **self._said_of(place, form), skip=skip, **said)
            except (ValueError, AttributeError, TypeError) as error:
                raise StoreError(
                    f"{root.path} is not read: its root describes {place!r} as something that Ranvier writes in no store ({error})."
                ) from None
        self._check_kinds()

    def _check_kinds(self) -> None:
        for place, array in self.arrays.items():
            folder, _, name = place.rpartition("/")
            kinds, dimensions = {
                layout.SPIKES: ({layout.STEP: "i", layout.NEURON: "u", layout.CHUNK_FIRST_STEP: "i"}.get(name, ""), 1),
                layout.COUNTS: ("u", 2),
            }.get(folder, ("f", 1) if name == "time" else ("biuf", 1 if name == self.groups.get(folder, {}).get("label") else 2))
            if array.form.dtype.kind not in kinds or len(array.shape) != dimensions:
                raise StoreError(
                    f"{self.path} is not read: {place} is {array.form.dtype} {list(array.shape)}, which Ranvier writes in no store."
                )

    def _said_of(self, place: str, form: ArrayForm) -> dict[str, Any]:
        folder, _, name = place.rpartition("/")
        if folder == layout.SPIKES:
            return {"what": "the spikes", "span": self._chunks_span if name == layout.CHUNK_FIRST_STEP else self._spikes_span}
        if folder == layout.COUNTS:
            width = form.attributes.get("steps_per_bin", 0)
            first = self.facts["start_step"]
            return {"what": "the counts of spikes", "span": lambda a, b: ((first + a * width) * self.dt, (first + b * width) * self.dt)}
        table = self.groups.get(folder, {})
        what = f"{form.attributes.get('variable', name)} of {table.get('part', folder)}"
        if name == table.get("label"):
            said = f"the list of what was recorded of {table.get('part', folder)}"
            return {"what": said, "zeros_absent": self.facts["store_version"] == 1}
        if name == "time" and "every_steps" not in table:
            return {"what": f"the list of times of {table.get('part', folder)}"}
        return {"what": what, "span": lambda a, b: self._rows_span(folder, a, b)}

    def _spikes_span(self, first: int, stop: int) -> tuple[float, float]:
        size = self.arrays[f"{layout.SPIKES}/{layout.STEP}"].form.chunk[0]
        begins = Chunks.__getitem__(self.arrays[f"{layout.SPIKES}/{layout.CHUNK_FIRST_STEP}"], slice(None))
        bounds = [*np.asarray(begins, np.float64).tolist(), self.facts["written_step"]]
        begin, end = bounds[min(first // size, len(bounds) - 1)], bounds[min(-(-stop // size), len(bounds) - 1)]
        return begin * self.dt, end * self.dt

    def _chunks_span(self, first: int, stop: int) -> tuple[float, float]:
        return self.facts["start_step"] * self.dt, self.facts["written_step"] * self.dt

    def _rows_span(self, folder: str, first: int, stop: int) -> tuple[float, float] | None:
        table, times = self.groups[folder], self.arrays[f"{folder}/time"]
        begin, every = table.get("first_step"), table.get("every_steps")
        if every is not None:
            return (begin + first * every) * self.dt, (begin + (stop - 1) * every) * self.dt
        values = times[first:stop]
        return float(np.nanmin(values)), float(np.nanmax(values))

    @property
    def spikes(self) -> StoredSpikes:
        """The spikes.

        Raises:
            KeyError: the store was not made to its end.
        """
        return StoredSpikes(self)

    def records(self) -> list[Recorded]:
        """What was recorded.

        Raises:
            StoreError: the list of what a table holds is damaged.
        """
        records = []
        for group in sorted(place for place in self.groups if place.startswith(f"{layout.RECORDS}/")):
            table = self.groups[group]
            label = table["label"]
            arrays = {place.rpartition("/")[2]: a for place, a in sorted(self.arrays.items()) if place.rpartition("/")[0] == group}
            rows = min(a.shape[0] for name, a in arrays.items() if name != label)
            neurons = np.nan_to_num(arrays.pop(label)[:], nan=-1).astype(np.int64)
            regular = (table.get("first_step"), table.get("every_steps"))
            times = StoredArray(self, arrays.pop("time"), rows, group)
            for name, array in arrays.items():
                if array.shape[1] != len(neurons):
                    raise StoreError(f"{self.path} is not read: {group}/{name} has {array.shape[1]} columns for {len(neurons)} {label}s.")
                values = StoredArray(self, array, rows, group, times, neurons)
                said = array.form.attributes
                records.append(Recorded(table["part"], said["variable"], said["units"], times, values, neurons, label, *regular))
        return records


_PART = r"[A-Za-z0-9_+-][A-Za-z0-9_.+-]*"
_PLACE = re.compile(rf"({layout.SPIKES}|{layout.COUNTS})(/{_PART})?|{layout.RECORDS}(/{_PART}){{0,2}}")


def _attributes_of_group(document: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = document.get("attributes", {})
    if document.get("zarr_format") != 3 or not isinstance(attributes, Mapping):
        raise ValueError("another kind of group")
    for name, kind in (("part", str), ("label", str), ("first_step", int), ("every_steps", int)):
        if not isinstance(attributes.get(name, kind()), kind):
            raise ValueError(f"its {name} is {attributes[name]!r}")
    return attributes


class StoredSpikes:
    """The spikes in a store, as a `SpikeSource`."""

    def __init__(self, stored: Stored):
        arrays = [stored.arrays[f"{layout.SPIKES}/{name}"] for name in (layout.STEP, layout.NEURON, layout.CHUNK_FIRST_STEP)]
        self._steps, self._neurons, self._firsts = arrays
        self._count = min(self._steps.shape[0], self._neurons.shape[0])
        self._per_chunk = self._steps.form.chunk[0]
        self._n = stored.facts["n"]
        self._skip = stored.skip

    def __len__(self) -> int:
        return self._count

    def _read(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        steps, neurons = self._steps[first:stop], self._neurons[first:stop]
        if self._skip:
            there = ~(np.isnan(steps) | np.isnan(neurons))
            steps, neurons = steps[there].astype(np.int64), neurons[there]
        if neurons.size and neurons.max() >= self._n:
            raise StoreError(f"{self._neurons.root} is damaged: a spike is of neuron {neurons.max():.0f}, and there are {self._n}.")
        return steps, neurons.astype(np.int32)

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        return self._read(0, self._count)

    def pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for first in range(0, self._count, self._per_chunk):
            yield self._read(first, min(first + self._per_chunk, self._count))

    def between(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        firsts = self._firsts[:]
        if np.isnan(firsts).any():  # a damaged list of where to look: all of them are looked through
            parts = list(self.pieces()) or [self._read(0, 0)]
            steps, neurons = (np.concatenate(column) for column in zip(*parts, strict=True))
        else:
            begin = max(0, int(np.searchsorted(firsts, first, side="left")) - 1) * self._per_chunk
            end = min(self._count, int(np.searchsorted(firsts, stop, side="left")) * self._per_chunk)
            steps, neurons = self._read(begin, max(begin, end))
        a, b = np.searchsorted(steps, [first, stop])
        return steps[a:b], neurons[a:b]


class StoredArray:
    """An array in a store that looks like NumPy's as far as it is read: `[a:b]` reads a part, `np.asarray` all of it."""

    def __init__(
        self, stored: Stored, array: Chunks, rows: int, group: str, times: StoredArray | None = None, neurons: np.ndarray | None = None
    ):
        self._stored, self._array, self._group, self._times, self._neurons = stored, array, group, times, neurons
        self.shape = (rows, *array.shape[1:])
        self.dtype = array.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def select(self, key: Any, *, outer: bool = False) -> np.ndarray:
        """The part that a key says; `outer` takes lists of several dimensions crosswise."""
        keys = key if isinstance(key, tuple) else (key,)
        if keys and isinstance(keys[0], slice):
            keys = (slice(*_plain(keys[0].indices(self.shape[0]))), *keys[1:])
        values = self._array.select(keys, outer=outer)
        if self._times is None and self._array.skip and np.isnan(values).any():
            return self._counted(keys, values)
        return values

    def _counted(self, keys: Any, values: np.ndarray) -> np.ndarray:
        """Times that are damaged, from the schedule where there is one."""
        table = self._stored.groups[self._group]
        if table.get("every_steps") is None:
            return values
        rows = np.arange(self.shape[0])[keys[0] if keys else slice(None)]
        return (table["first_step"] + rows * table["every_steps"]) * self._stored.dt

    def __getitem__(self, key: Any) -> np.ndarray:
        return self.select(key)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = self[: self.shape[0]]
        return values if dtype is None else values.astype(dtype)

    def labelled(self) -> xarray.DataArray:
        """The array with its labels, read when its values are asked for."""
        import xarray

        from ranvier.store.lazy import lazy

        table, said = self._stored.groups[self._group], self._array.form.attributes
        label, times = table["label"], np.asarray(self._times)
        return xarray.DataArray(
            lazy(self),
            dims=("time", label),
            coords={
                "time": ("time", times, {"units": "ms", "long_name": "time"}),
                label: (label, self._neurons, {"long_name": label}),
            },
            name=said["variable"],
            attrs={"units": said["units"], "long_name": said.get("long_name", said["variable"])},
        )


def _plain(bounds: tuple[int, int, int]) -> tuple[int, int | None, int]:
    """The bounds of `slice.indices` as those of a slice: one that runs down to the first element has no end."""
    first, stop, step = bounds
    return first, None if stop < 0 else stop, step


class StoredRun:
    """A run in a store, made by `open_store`: what is there at this moment, read when it is asked for.

    `store["exc"]` is one population or projection, as of a `Result`.

    Attributes:
        path: the store's folder.
        info: what it says of the run: status, dt, seed, precision, integrator, populations, how far it is written, versions.
        spikes: its spikes, `Spikes`; `spikes.between(t0, t1)` and `spikes.pieces()` read a part.
        gaps: of a store opened with `damaged="skip"`, what of it is lost, a list of `Damage`.
    """

    def __init__(self, path: Path, damaged: str = "refuse"):
        self.path = path
        root = layout.root_of(path, or_copy=damaged == "skip")
        refuse_strange(path)
        self.info = info = root.facts
        self.gaps: list[Damage] = []
        if damaged == "skip":
            from ranvier.store.check import damages

            self.gaps = damages(path, root)
        stored = Stored(root, skip=damaged == "skip")
        dt = info["dt"]
        self.spikes = Spikes.from_source(
            stored.spikes,
            n=info["n"],
            dt=dt,
            start=info["start_step"] * dt,
            stop=info["written_step"] * dt,
            populations={name: (p["first"], p["n"]) for name, p in info["populations"].items()},
        )
        self._stored = stored
        if layout.RECORDS not in stored.groups:
            raise KeyError(layout.RECORDS)

    @functools.cached_property
    def records(self) -> list[Recorded]:
        """Everything recorded."""
        return self._stored.records()

    @functools.cached_property
    def _parts(self) -> dict[str, PartResult]:
        info = self.info
        by_part: dict[str, dict[str, Recorded]] = {name: {} for name in (*info["populations"], *info["projections"])}
        for record in self.records:
            by_part.setdefault(record.part, {})[record.variable] = record
        return {name: PartResult(name, mine, self.spikes[name] if name in info["populations"] else None) for name, mine in by_part.items()}

    @property
    def status(self) -> str:
        """How the run stands: `running`, `complete`, `interrupted` (Ctrl-C), `diverged`, `failed`; `stopped` where the process
        that wrote it is gone and could not say why: it was killed, or the machine went down."""
        status = self.info["status"]
        return "stopped" if status == "running" and is_written(self.path) is False else status

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the run comes from: versions, the network's description and hash, the script, dates.

        Raises:
            StoreError: it is missing or not as it was written.
        """
        return provenance.read(self.path, self.info)

    @property
    def checkpoints(self) -> list[Checkpoint]:
        """The checkpoints, newest first, not yet checked."""
        return list(checkpoints(self.path / layout.CHECKPOINTS))

    @property
    def state(self) -> SimulationState:
        """The `SimulationState` of the newest checkpoint that is whole; of a complete run the last one.

        Raises:
            StoreError: there is none.
        """
        from ranvier.store.resume import newest_whole

        return newest_whole(self.path, then="; it is not the last one")[1]["state"]

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return size_of(self.path)

    def rebuilt_network(self) -> Network:
        """The network, rebuilt from its description.

        Raises:
            StoreError: it holds classes or functions of the user's own.
        """
        from ranvier.store.resume import network_in

        return network_in(self.path)

    def edges(self, projection: str) -> ProjectionEdges:
        """Who was wired to whom, as of a `Result`: drawn again from the description of the network. Weights that learn, and edges that
        come and go, are those of the newest checkpoint.

        Raises:
            StoreError: it holds classes or functions of the user's own.
        """
        from ranvier.network.edges import edges_of

        network = self.rebuilt_network()
        name, part = network.find(projection)
        state = self.state if getattr(part, "plasticity", None) is not None else None
        return edges_of(network, name, seed=self.info["seed"], dt=self.info["dt"], state=state)

    def to_neo(self) -> Any:
        """The run as a `neo.Block`, as of a `Result`; all of it comes into memory."""
        from ranvier.interop.neo import to_neo

        return to_neo(self)

    def __getitem__(self, part: str) -> Any:
        if part in self._parts:
            return self._parts[part]
        if len(self.info["populations"]) == 1:
            return self._parts[next(iter(self.info["populations"]))][part]
        raise unknown("population or projection", part, self._parts)

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __getattr__(self, variable: str) -> xarray.DataArray:
        if variable.startswith("_") or "info" not in self.__dict__ or len(self.info["populations"]) != 1:
            raise AttributeError(variable)
        return getattr(self[next(iter(self.info["populations"]))], variable)

    def __repr__(self) -> str:
        reached, target = (self.info[key] * self.info["dt"] for key in ("written_step", "target_step"))
        return (
            f"<Store {self.path}: {self.status}, {reached:g} of {target:g} ms of {counted(self.info['n'], 'neuron')}, "
            f"{counted(len(self.spikes), 'spike')}>"
        )


@doors.checked(path=doors.path, damaged=doors.one_of("refuse", "skip"))
def open_store(path: Any, damaged: str = "refuse") -> StoredRun:
    """Opens the store of a run, to read. The run may still be going on, or have been killed.

    Args:
        path: the store's folder.
        damaged: what becomes of parts that are not as they were written. `"refuse"`: whoever reads one gets a `StoreError` with the
            file and the time that is lost; the rest is read. `"skip"`: the whole store is checked at once, a warning says what is
            lost, and that is NaN (in records of whole numbers too, which then come as floating-point ones) or, of spikes, left out.

    Returns:
        A `StoredRun`: what is in the store at this moment.

    Raises:
        StoreError: there is none, it is another program's, damaged at its root, or of a newer version of Ranvier.

    Example:
        >>> import tempfile, pathlib
        >>> import ranvier as rv
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "run.zarr"
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=50.0, store=folder)
        >>> store = rv.open_store(folder)
        >>> store.info["status"], len(store.spikes), store.V.shape
        ('complete', 4, (5001, 1))
    """
    if damaged not in ("refuse", "skip"):
        raise unknown("damaged", damaged, ("refuse", "skip"))
    path = as_path(path)
    try:
        store = StoredRun(path, damaged)
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        if not any(checkpoints(path / layout.CHECKPOINTS)):
            raise layout.nothing_in(path) from None
        raise StoreError(f"The store {path} is damaged: {type(error).__name__}: {error}") from error
    if store.gaps:
        warn(f"{path} is damaged. " + " ".join(gap.words for gap in store.gaps))
    return store


def as_path(path: Any, what: str = "store") -> Path:
    """The folder of a store that a user named.

    Raises:
        ParameterError: it is no path.
    """
    return doors.path(path, what)
