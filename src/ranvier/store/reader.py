"""Reading a store: at any time, while it is written and afterwards. Nothing is read before it is asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.storage import LocalStore

from ranvier.errors import StoreError, unknown
from ranvier.result import PartResult, Recorded, Spikes, counted
from ranvier.store import layout
from ranvier.store.checkpoint import Checkpoint, checkpoints
from ranvier.store.files import refuse_links, size_of
from ranvier.store.lock import is_written

if TYPE_CHECKING:
    import xarray

    from ranvier.network.edges import ProjectionEdges
    from ranvier.network.spec import Network
    from ranvier.network.state import SimulationState


def opened(path: Path) -> Any:
    """The arrays of a store as they are at this moment."""
    return zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)


class StoredSpikes:
    """The spikes in a store, as a `SpikeSource`."""

    def __init__(self, root: Any):
        group = root[layout.SPIKES]
        self._steps, self._neurons, self._firsts = (group[n] for n in (layout.STEP, layout.NEURON, layout.CHUNK_FIRST_STEP))
        self._count = min(self._steps.shape[0], self._neurons.shape[0])

    def __len__(self) -> int:
        return self._count

    def _read(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        return np.asarray(self._steps[first:stop]), np.asarray(self._neurons[first:stop]).astype(np.int32)

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        return self._read(0, self._count)

    def pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for first in range(0, self._count, layout.SPIKES_PER_CHUNK):
            yield self._read(first, min(first + layout.SPIKES_PER_CHUNK, self._count))

    def between(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        firsts = np.asarray(self._firsts[:])
        begin = max(0, int(np.searchsorted(firsts, first, side="left")) - 1) * layout.SPIKES_PER_CHUNK
        end = min(self._count, int(np.searchsorted(firsts, stop, side="left")) * layout.SPIKES_PER_CHUNK)
        steps, neurons = self._read(begin, max(begin, end))
        a, b = np.searchsorted(steps, [first, stop])
        return steps[a:b], neurons[a:b]


class StoredArray:
    """An array in a store that looks like NumPy's as far as it is read: `[a:b]` reads a part, `np.asarray` all of it."""

    def __init__(self, array: Any, path: Path, group: str, rows: int):
        self._array, self._path, self._group = array, path, group
        self.shape = (rows, *array.shape[1:])
        self.dtype = array.dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape))

    @property
    def nbytes(self) -> int:
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> np.ndarray:
        if isinstance(key, slice):
            key = slice(*key.indices(self.shape[0]))
        return np.asarray(self._array[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        values = np.asarray(self._array[: self.shape[0]])
        return values if dtype is None else values.astype(dtype)

    def labelled(self) -> xarray.DataArray:
        """The array with its labels, read when its values are asked for."""
        import xarray

        name = self._array.name.rpartition("/")[2]
        array = xarray.open_zarr(self._path, group=f"{layout.RECORDS}/{self._group}", chunks=None)[name]
        variable = array.attrs.pop("variable", name)
        return array.isel(time=slice(0, self.shape[0])).rename(variable)


def stored_records(path: Path, root: Any) -> list[Recorded]:
    """The records in a store."""
    records = []
    tables = root[layout.RECORDS]
    for group, table in sorted(tables.groups()):
        facts = table.attrs
        label = facts["label"]
        arrays = dict(table.arrays())
        rows = min(a.shape[0] for name, a in arrays.items() if name != label)
        times = StoredArray(arrays["time"], path, group, rows)
        neurons = np.asarray(arrays[label][:])
        for name, array in arrays.items():
            if name in ("time", label):
                continue
            variable, unit = array.attrs["variable"], array.attrs["units"]
            values = StoredArray(array, path, group, rows)
            spacing = (facts.get("first_step"), facts.get("every_steps"))
            records.append(Recorded(facts["part"], variable, unit, times, values, neurons, label, *spacing))
    return records


class StoredRun:
    """A run in a store, made by `open_store`: what is there at this moment, read when it is asked for.

    `store["exc"]` is one population or projection, as of a `Result`.

    Attributes:
        path: the store's folder.
        info: what it says of the run: status, dt, seed, precision, integrator, populations, how far it is written, versions.
        spikes: its spikes, `Spikes`; `spikes.between(t0, t1)` and `spikes.pieces()` read a part.
        records: everything recorded, a list of `Recorded`.
    """

    def __init__(self, path: Path):
        self.path = path
        self.info = layout.facts_of(path)
        refuse_links(path)
        root = opened(path)
        info = self.info
        dt = info["dt"]
        self.spikes = Spikes.from_source(
            StoredSpikes(root),
            n=info["n"],
            dt=dt,
            start=info["start_step"] * dt,
            stop=info["written_step"] * dt,
            populations={name: (p["first"], p["n"]) for name, p in info["populations"].items()},
        )
        self.records = stored_records(path, root)
        by_part: dict[str, dict[str, Recorded]] = {name: {} for name in (*info["populations"], *info["projections"])}
        for record in self.records:
            by_part.setdefault(record.part, {})[record.variable] = record
        self._parts = {
            name: PartResult(name, mine, self.spikes[name] if name in info["populations"] else None) for name, mine in by_part.items()
        }

    @property
    def status(self) -> str:
        """How the run stands: `running`, `complete`, `interrupted` (Ctrl-C), `diverged`, `failed`; `stopped` where the process
        that wrote it is gone and could not say why: it was killed, or the machine went down."""
        status = self.info["status"]
        return "stopped" if status == "running" and is_written(self.path) is False else status

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the run comes from: versions, the network's description and hash, the script, dates."""
        return json.loads((self.path / layout.PROVENANCE).read_text(encoding="utf-8"))

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

        return newest_whole(self.path)[1]["state"]

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
        """Who was wired to whom, as of a `Result`: drawn again from the description of the network.

        Raises:
            StoreError: it holds classes or functions of the user's own.
        """
        return self.rebuilt_network().edges(projection, seed=self.info["seed"], dt=self.info["dt"])

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
        if variable.startswith("_") or "_parts" not in self.__dict__ or len(self.info["populations"]) != 1:
            raise AttributeError(variable)
        return getattr(self[next(iter(self.info["populations"]))], variable)

    def __repr__(self) -> str:
        reached, target = (self.info[key] * self.info["dt"] for key in ("written_step", "target_step"))
        return (
            f"<Store {self.path}: {self.status}, {reached:g} of {target:g} ms of {counted(self.info['n'], 'neuron')}, "
            f"{counted(len(self.spikes), 'spike')}>"
        )


def open_store(path: Any) -> StoredRun:
    """Opens the store of a run, to read. The run may still be going on, or have been killed.

    Args:
        path: the store's folder.

    Returns:
        A `StoredRun`: what is in the store at this moment.

    Raises:
        StoreError: there is none, it is another program's, or of a newer version of Ranvier.

    Example:
        >>> import tempfile, pathlib
        >>> import ranvier as rv
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "run.zarr"
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=50.0, store=folder)
        >>> store = rv.open_store(folder)
        >>> store.info["status"], len(store.spikes), store.V.shape
        ('complete', 4, (5001, 1))
    """
    path = Path(path)
    try:
        return StoredRun(path)
    except (KeyError, TypeError, ValueError) as error:
        if not any(checkpoints(path / layout.CHECKPOINTS)):
            raise layout.nothing_in(path) from None
        raise StoreError(f"The store {path} is damaged: {type(error).__name__}: {error}") from error
