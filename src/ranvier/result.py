"""What a run leaves: spikes in columns, records as labelled arrays, and the final state."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, unknown
from ranvier.network.common import resolve
from ranvier.subpopulation import Subpopulation

if TYPE_CHECKING:
    from pathlib import Path

    import pandas
    import xarray

    from ranvier.network.edges import ProjectionEdges
    from ranvier.network.spec import Network, Projection
    from ranvier.network.state import SimulationState
    from ranvier.plot.result import ResultPlots


def counted(n: int, thing: str) -> str:
    """`1 neuron`, `2 neurons`."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


class SpikeSource(Protocol):
    """Where spikes lie, sorted by time: in memory, or on disk."""

    def __len__(self) -> int: ...

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        """All steps, int64, and neurons, int32."""
        ...

    def pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same in pieces that fit into memory."""
        ...

    def between(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Those of the steps from `first` up to and without `stop`."""
        ...


class InMemory:
    """Spikes in two arrays, and a third where it is known where in its step each spike was."""

    def __init__(self, steps: np.ndarray, neurons: np.ndarray, fractions: np.ndarray | None = None):
        self._steps, self._neurons, self.fractions = steps, neurons, fractions

    def __len__(self) -> int:
        return len(self._steps)

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        return self._steps, self._neurons

    def pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield self._steps, self._neurons

    def between(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        a, b = np.searchsorted(self._steps, [first, stop])
        return self._steps[a:b], self._neurons[a:b]

    def fractions_between(self, first: int, stop: int) -> np.ndarray | None:
        """Where in their steps those were."""
        a, b = np.searchsorted(self._steps, [first, stop])
        return None if self.fractions is None else self.fractions[a:b]


class Spikes:
    """Spikes as columns, sorted by time, then neuron.

    A spike that happened in the step from `t_k` to `t_{k+1}` has the time
    `t_k`, the start of the step. With `spike_timing="interpolated"` it has the time
    within the step at which it happened.

    Attributes:
        n: how many neurons there are.
        dt: the length of a step (ms).
        start, stop: the span that was simulated (ms).
        populations: the first neuron and the size of each population.
    """

    def __init__(
        self,
        steps: np.ndarray,
        neurons: np.ndarray,
        *,
        n: int,
        dt: float,
        start: float,
        stop: float,
        populations: Mapping[str, tuple[int, int]],
        fractions: np.ndarray | None = None,
    ):
        self._source: SpikeSource = InMemory(steps, neurons, fractions)
        self.n = n
        self.dt = dt
        self.start = start
        self.stop = stop
        self.populations = dict(populations)

    @classmethod
    def from_source(cls, source: SpikeSource, **facts: Any) -> Spikes:
        """Spikes that are read when they are needed. `facts` are the attributes."""
        spikes = cls(np.empty(0, np.int64), np.empty(0, np.int32), **facts)
        spikes._source = source
        return spikes

    @functools.cached_property
    def _columns(self) -> tuple[np.ndarray, np.ndarray]:
        return self._source.load()

    @property
    def steps(self) -> np.ndarray:
        """The step of each spike, int64 `[spikes]`: exact. Those in a store are read when they are first asked for."""
        return self._columns[0]

    @property
    def neurons(self) -> np.ndarray:
        """Its neuron, int32 `[spikes]`, counted within its population (over the whole network where there are several)."""
        return self._columns[1]

    def pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Steps and neurons in pieces, one after the other: memory stays bounded, however many spikes a store holds."""
        return self._source.pieces()

    def between(self, start: float, stop: float) -> Spikes:
        """The spikes from `start` on and before `stop` (ms). Of a store only their part is read.

        Raises:
            ParameterError: that span is not within the run's.

        Example:
            >>> import ranvier as rv
            >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=100.0)
            >>> len(run.spikes), len(run.spikes.between(20, 50))
            (7, 2)
        """
        if not self.start <= start <= stop <= self.stop * (1 + 1e-12):
            raise ParameterError(f"The run went from {self.start:g} to {self.stop:g} ms; {start:g} to {stop:g} ms is not a span of it.")
        span = round(start / self.dt), round(stop / self.dt)
        steps, neurons = self._source.between(*span)
        within = self._source.fractions_between(*span) if isinstance(self._source, InMemory | OfPopulation) else None
        return Spikes(steps, neurons, n=self.n, dt=self.dt, start=start, stop=stop, populations=self.populations, fractions=within)

    def some(self, neurons: np.ndarray) -> Spikes:
        """The spikes of some neurons, given by their numbers, ascending, and counted from 0 among them.

        Example:
            >>> import ranvier as rv
            >>> run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(), current=[0.0, 300.0, 400.0], duration=50.0, dt=0.1)
            >>> run.spikes.counts, run.spikes.some([1, 2]).counts
            (array([0, 6, 8]), array([6, 8]))
        """
        chosen = doors.indices(neurons, "neurons", self.n)
        mine = np.isin(self.neurons, chosen)
        within = self._within
        place = np.searchsorted(chosen, self.neurons[mine]).astype(np.int32)
        name = next(iter(self.populations), "") if len(self.populations) == 1 else "some"
        facts = self._facts(len(chosen), {name: (0, len(chosen))})
        return Spikes(self.steps[mine], place, **facts, fractions=None if within is None else within[mine])

    def _facts(self, n: int, populations: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
        return {"n": n, "dt": self.dt, "start": self.start, "stop": self.stop, "populations": populations}

    @property
    def _within(self) -> np.ndarray | None:
        """Where in its step each was, if that is known."""
        return self._source.fractions if isinstance(self._source, InMemory | OfPopulation) else None

    @classmethod
    def together(cls, each: Mapping[str, Spikes]) -> Spikes:
        """Spikes of several populations, or parts of them, of one run by name: their neurons counted through in that order.

        Example:
            >>> import ranvier as rv
            >>> run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(), current=[0.0, 300.0, 400.0], duration=50.0, dt=0.1)
            >>> both = Spikes.together({"strong": run.spikes.some([2]), "weak": run.spikes.some([0, 1])})
            >>> both.counts, both.populations
            (array([8, 0, 6]), {'strong': (0, 1), 'weak': (1, 2)})
        """
        first, populations, steps, neurons = 0, {}, [], []
        for name, one in each.items():
            populations[name] = (first, one.n)
            steps.append(one.steps)
            neurons.append(one.neurons + np.int32(first))
            first += one.n
        all_steps, all_neurons = np.concatenate(steps), np.concatenate(neurons).astype(np.int32)
        order = np.lexsort((all_neurons, all_steps))
        parts = [one._within for one in each.values()]
        known = [p for p in parts if p is not None]
        within = np.concatenate(known)[order] if len(known) == len(parts) else None
        facts = next(iter(each.values()))._facts(first, populations)
        return cls(all_steps[order], all_neurons[order], **facts, fractions=within)

    @property
    def times(self) -> np.ndarray:
        """The time of each spike (ms), float64 `[spikes]`."""
        within = self._within
        return self.steps * self.dt if within is None else (self.steps + within) * self.dt

    @property
    def counts(self) -> np.ndarray:
        """How often each neuron spiked, int64 `[n]`."""
        counts = np.zeros(self.n, np.int64)
        for _, neurons in self.pieces():
            counts += np.bincount(neurons, minlength=self.n)
        return counts

    @property
    def rate(self) -> np.ndarray:
        """The firing rate of each neuron over the run (Hz), `[n]`."""
        span = self.stop - self.start
        return self.counts / span * 1000.0 if span > 0 else np.zeros(self.n)

    @property
    def trains(self) -> list[np.ndarray]:
        """The spike times of each neuron (ms): a list of `n` arrays."""
        order = np.argsort(self.neurons, kind="stable")
        return np.split(self.times[order], np.cumsum(self.counts)[:-1]) if self.n else []

    def population_rate(self, bin_width: float = 5.0) -> xarray.DataArray:
        """The mean rate of all neurons in bins of `bin_width` ms (Hz), over time (the bins' middles)."""
        import xarray

        edges = np.arange(self.start, self.stop + bin_width * 0.999999, bin_width)
        counts, _ = np.histogram(self.times + 1e-9 * self.dt, edges)
        rate = counts / max(self.n, 1) / (bin_width / 1000.0)
        return xarray.DataArray(
            rate,
            dims="time",
            coords={"time": ("time", edges[:-1] + bin_width / 2, {"units": "ms"})},
            name="rate",
            attrs={"units": "Hz", "long_name": "population rate"},
        )

    def __getitem__(self, population: str) -> Spikes:
        """The spikes of one population, its neurons counted from 0."""
        if population not in self.populations:
            raise unknown("population", population, self.populations)
        first, n = self.populations[population]
        source = OfPopulation(self._source, first, n)
        return Spikes.from_source(source, n=n, dt=self.dt, start=self.start, stop=self.stop, populations={population: (0, n)})

    def __len__(self) -> int:
        return len(self._source)

    def to_pandas(self) -> pandas.DataFrame:
        """A table with the columns `time` (ms), `neuron` (within its population) and `population`."""
        import pandas

        names = list(self.populations)
        firsts = np.array([self.populations[name][0] for name in names])
        which = np.searchsorted(firsts, self.neurons, side="right") - 1
        return pandas.DataFrame(
            {
                "time": self.times,
                "neuron": self.neurons - firsts[which],
                "population": pandas.Categorical.from_codes(which, names),
            }
        )

    def to_csv(self, path: Any) -> None:
        """Writes the table of `to_pandas` as comma-separated values."""
        self.to_pandas().to_csv(path, index=False)

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'spike')} of {counted(self.n, 'neuron')}, {np.mean(self.rate) if self.n else 0:.2f} Hz on average>"


class OfPopulation:
    """The spikes of one population among all, its neurons counted from 0."""

    def __init__(self, everyone: SpikeSource, first: int, n: int):
        self._all, self._first, self._n = everyone, first, n

    def _mine(self, steps: np.ndarray, neurons: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mine = (neurons >= self._first) & (neurons < self._first + self._n)
        return steps[mine], neurons[mine] - np.int32(self._first)

    @functools.cached_property
    def fractions(self) -> np.ndarray | None:
        """Where in its step each was, if that is known."""
        return self._within(getattr(self._all, "fractions", None), lambda: self._all.load()[1])

    def fractions_between(self, first: int, stop: int) -> np.ndarray | None:
        """Where in their steps those of some steps were."""
        of_all = self._all.fractions_between(first, stop) if hasattr(self._all, "fractions_between") else None
        return self._within(of_all, lambda: self._all.between(first, stop)[1])

    def _within(self, fractions: np.ndarray | None, neurons: Callable[[], np.ndarray]) -> np.ndarray | None:
        if fractions is None:
            return None
        which = neurons()
        return fractions[(which >= self._first) & (which < self._first + self._n)]

    @functools.cached_property
    def _count(self) -> int:
        return sum(len(steps) for steps, _ in self.pieces())

    def __len__(self) -> int:
        return self._count

    def load(self) -> tuple[np.ndarray, np.ndarray]:
        parts = [(np.empty(0, np.int64), np.empty(0, np.int32)), *self.pieces()]
        return np.concatenate([steps for steps, _ in parts]), np.concatenate([neurons for _, neurons in parts])

    def pieces(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for steps, neurons in self._all.pieces():
            yield self._mine(steps, neurons)

    def between(self, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        return self._mine(*self._all.between(first, stop))


@dataclasses.dataclass(frozen=True)
class Recorded:
    """One recorded variable, as the sink holds it.

    Attributes:
        part, variable, unit: what it is.
        times: of the rows (ms), `[rows]`.
        values: `[rows, neurons]`; like the times a NumPy array, or one in a store, of which `[a:b]` reads a part.
        neurons: the indices of the columns.
        label: what a column is: a neuron, a state (of a synapse), or a value that was computed.
        first_step, every_steps: the step of the first row and from row to row; None where the rows are not evenly spaced.
    """

    part: str
    variable: str
    unit: str
    times: Any
    values: Any
    neurons: np.ndarray
    label: str
    first_step: int | None = None
    every_steps: int | None = None

    def array(self) -> xarray.DataArray:
        """The record with its labels. One in a store is read when its values are asked for."""
        import xarray

        stored = getattr(self.values, "labelled", None)
        if stored is not None:
            array = stored()
        else:
            array = xarray.DataArray(
                self.values,
                dims=("time", self.label),
                coords={
                    "time": ("time", self.times, {"units": "ms", "long_name": "time"}),
                    self.label: (self.label, self.neurons, {"long_name": self.label}),
                },
                name=self.variable,
                attrs={"units": self.unit, "long_name": f"{self.variable} of {self.part}"},
            )
        return array.isel({self.label: 0}, drop=True) if self.label == "value" and len(self.neurons) == 1 else array


class PartResult:
    """What was recorded of one population or projection: `run["cells"].V`, `run["cells"]["sodium.m"]`."""

    def __init__(self, name: str, records: Mapping[str, Recorded], spikes: Spikes | None = None):
        self._name = name
        self._records = dict(records)
        self._spikes = spikes

    @property
    def spikes(self) -> Spikes:
        """The spikes of this population."""
        if self._spikes is None:
            raise unknown("population", self._name, ())
        return self._spikes

    @property
    def variables(self) -> list[str]:
        """The names of what was recorded."""
        return list(self._records)

    def some(self, neurons: np.ndarray) -> PartResult:
        """What is known of some neurons, by their numbers, ascending. Spikes are counted from 0 among them; records keep their numbers."""
        records = {}
        for name, record in self._records.items():
            kept = np.flatnonzero(np.isin(record.neurons, neurons)) if record.label == "neuron" else np.arange(len(record.neurons))
            values = np.asarray(record.values)[:, kept]
            records[name] = dataclasses.replace(record, values=values, neurons=record.neurons[kept])
        return PartResult(self._name, records, None if self._spikes is None else self._spikes.some(neurons))

    def dataset(self) -> xarray.Dataset:
        """All records of one schedule together; records of different schedules share no time axis.

        Raises:
            ValueError: the records have different times or neurons.
        """
        import xarray

        return xarray.Dataset({name: self[name] for name in self._records})

    def __getitem__(self, variable: str) -> xarray.DataArray:
        return self._records[resolve(variable, self._records, f"recorded variable of {self._name}")].array()

    def __getattr__(self, variable: str) -> xarray.DataArray:
        if variable.startswith("_"):
            raise AttributeError(variable)
        try:
            return self[variable]
        except KeyError as error:
            raise AttributeError(str(error)) from None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._records if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return self.variables

    def __repr__(self) -> str:
        rows = [f"  {r.variable} [{r.unit}]: {r.values.shape[0]} times × {r.values.shape[1]} {r.label}s" for r in self._records.values()]
        return "\n".join([f"<{self._name}", *rows]) + ">"


class Result:
    """The outcome of a run.

    `run["name"]` is one population or projection; with a single population its
    variables are the run's own: `run.V`, `run["sodium.current"]`.

    Attributes:
        spikes: all spikes, `Spikes`.
        network: the network that ran.
        records: everything recorded, a list of `Recorded`.
        info: dt, integrator, seed, precision, versions, seconds spent compiling and running.
    """

    def __init__(self, network: Network, spikes: Spikes, records: list[Recorded], state: Any, info: dict[str, Any]):
        self.network = network
        self.spikes = spikes
        self._state = state
        self.info = info
        self.records = records
        by_part: dict[str, dict[str, Recorded]] = {name: {} for name in (*network.populations, *network.projections)}
        for record in records:
            by_part.setdefault(record.part, {})[record.variable] = record
        self._parts = {
            name: PartResult(name, mine, spikes[name] if name in network.populations else None) for name, mine in by_part.items()
        }

    def edges(self, projection: Projection | str) -> ProjectionEdges:
        """Who was wired to whom, with which weights and delays: see `Network.edges`.

        Example:
            >>> import ranvier as rv
            >>> cells = rv.Population(100, rv.neurons.LeakyIntegrateAndFire(), name="cells")
            >>> wires = rv.Projection(cells, cells, rv.synapses.Delta(), rv.connect.pairwise_bernoulli(0.1), delay=rv.uniform(0.5, 2.0))
            >>> run = rv.simulate(rv.Network(cells, wires), duration=1.0, dt=0.5, seed=3)
            >>> sorted(set(run.edges("cells→cells").delay.tolist()))
            [0.5, 1.0, 1.5, 2.0]
        """
        from ranvier.network.edges import edges_of

        name, part = self.network.find(projection)
        state = self.state if getattr(part, "plasticity", None) is not None else None
        return edges_of(self.network, name, seed=self.info["seed"], dt=self.info["dt"], state=state)

    @functools.cached_property
    def state(self) -> SimulationState:
        """The final `SimulationState`: `rv.simulate(..., initial=run.state)` goes on from it. It leaves the device when it is asked for."""
        return self._state() if callable(self._state) else self._state

    @property
    def plot(self) -> ResultPlots:
        """Figures: `run.plot()` draws the usual one, `run.plot.raster()` and others a single panel."""
        from ranvier.plot.result import ResultPlots

        return ResultPlots(self)

    def save(self, path: Any, *, to: str | None = None) -> Path:
        """Writes the run to a file or folder that other programs read.

        Args:
            path: of the file; its ending says the format: `.nwb`, `.nix`, `.npz`, `.nc`, `.zarr`, or of a folder `-csv`, `-sonata`.
            to: the format by name, as for `rv.interop.export`, whatever the ending.

        Returns:
            The path.

        Raises:
            UnknownNameError: there is no such format.
            ParameterError: the path exists already, or cannot be written.

        Example:
            >>> import tempfile, ranvier as rv, xarray
            >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=20.0)
            >>> with tempfile.TemporaryDirectory() as folder, xarray.open_dataset(run.save(folder + "/run.nc")) as read:
            ...     read.hodgkin_huxley_V.shape, read.hodgkin_huxley_spike_time.values.round(2)
            ((2001, 1), array([ 1.9 , 16.82]))
        """
        from ranvier.interop.formats import export, format_of

        return export(self, path, to=to or format_of(path))

    def to_netcdf(self, path: Any) -> Path:
        """Writes the run as NetCDF, which xarray, MATLAB and R read: `ranvier.interop.layout` says the names in it."""
        return self.save(path, to="netcdf")

    def to_zarr(self, path: Any) -> Path:
        """Writes the run as Zarr arrays with the names of `to_netcdf`. (A store to go on from: `rv.simulate(…, store=…)`.)"""
        return self.save(path, to="zarr")

    def to_neo(self) -> Any:
        """The run as a `neo.Block`, which Elephant takes: see `ranvier.interop.neo.to_neo`. Needs `ranvier[neo]`."""
        from ranvier.interop.neo import to_neo

        return to_neo(self)

    def __getitem__(self, part: Any) -> Any:
        """A population or projection, itself or by name, or some neurons (`run[exc[:240]]`); of one population alone, a variable too."""
        if isinstance(part, Subpopulation):
            whole: PartResult = self[part.population]
            return whole.some(part.neurons)
        if isinstance(part, str) and part not in self._parts and len(self.network.populations) == 1:
            return self._parts[next(iter(self.network.populations))][part]
        return self._parts[part if isinstance(part, str) and part in self._parts else self.network.find(part)[0]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def _ipython_key_completions_(self) -> list[str]:
        alone = next(iter(self.network.populations)) if len(self.network.populations) == 1 else None
        return [*self._parts, *(self._parts[alone].variables if alone else ())]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._ipython_key_completions_() if name.isidentifier() and name not in self._parts)]

    def __getattr__(self, variable: str) -> xarray.DataArray:
        if variable.startswith("_"):
            raise AttributeError(variable)
        if len(self.network.populations) != 1:
            names = ", ".join(f"run[{name!r}]" for name in self.network.populations)
            raise AttributeError(f"{variable!r}: the network has several populations; take one of them first ({names}).")
        return getattr(self[next(iter(self.network.populations))], variable)

    def __repr__(self) -> str:
        return (
            f"<Result: {self.spikes.stop - self.spikes.start:g} ms of {counted(self.spikes.n, 'neuron')}, "
            f"{counted(len(self.spikes), 'spike')} "
            f"({np.mean(self.spikes.rate) if self.spikes.n else 0:.2f} Hz), computed in {self.info['run_seconds']:.2f} s>"
        )

    def _repr_html_(self) -> str:
        from ranvier.plot.html import result_table

        return result_table(self)
