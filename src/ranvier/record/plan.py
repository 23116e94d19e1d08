"""Records, planned before the run: what the compiled loop reads, when, and into which buffers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError, RanvierError, UnsupportedError
from ranvier.integrators.euler import Euler
from ranvier.network import loop
from ranvier.network.common import resolve
from ranvier.network.constants import Constants
from ranvier.network.exchange import Exchange
from ranvier.network.facts import remembered
from ranvier.network.plan import Plan
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.network.system import NetworkSystem
from ranvier.network.transfer import Outside
from ranvier.network.working import Variables
from ranvier.record.observe import VALUE, Computed, observables, unit_of
from ranvier.record.record import Record
from ranvier.steps import in_steps

BUFFER_BYTES = 2**23  # of records of one schedule between two visits of the host
MOST_STEPS = 2**20  # a call
MOST_ROWS = 2**14
LEAST_ROWS = 4
WHOLE = "network"
"""What the records of functions of the whole state are filed under."""


@dataclasses.dataclass(frozen=True, eq=False)
class Readable:
    """A network that records may be read from: its structure, and one example of its numbers and state.

    `exchange` stands for other devices, where it is one share of several.
    """

    plan: Plan
    constants: Constants
    state: SimulationState
    outside: Outside
    exchange: Exchange | None = None
    _known: dict[Any, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def system(self, constants: Any = None, state: Any = None) -> tuple[NetworkSystem, Variables]:
        """The equations in a state, and its variables."""
        stepper = self._stepper(self.constants if constants is None else constants)
        entered = stepper.enter(self.state if state is None else state)
        return stepper.system(entered), stepper.readable(entered)

    def _stepper(self, constants: Any) -> Stepper:
        return Stepper(self.plan, constants, Euler(), packed=False, outside=self.outside, exchange=self.exchange)

    def shapes(self, part: str | Computed) -> dict[str, Any]:
        """Everything that can be recorded of a part, by name, with its shape."""

        def read(constants: Any, state: SimulationState) -> dict[str, Any]:
            return observables(*self.system(constants, state), 0.0 * constants.dt, part)

        if part not in self._known:
            shapes = tuple(np.shape(x) for x in jax.tree.leaves((self.constants, self.state)))
            self._known[part] = remembered(("shapes", self.plan, part, shapes), lambda: jax.eval_shape(read, self.constants, self.state))
        return self._known[part]

    def unit_of(self, part: str, variable: str) -> str:
        """The unit of a recordable quantity."""
        return remembered(("unit", self.plan, part, variable), lambda: unit_of(self._stepper(self.constants).network, part, variable))


def everything(readable: Readable, part: str) -> Record:
    """The record of a single population's variables and currents."""
    derived = ("synaptic_conductance", "synaptic_current", "last_spike")
    return Record(part, [v for v in readable.shapes(part) if v not in derived and not v.endswith(".conductance")])


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Due at the steps `first, first + every, …` up to `last`."""

    every: int
    first: int
    last: int

    def due_before(self, k: int) -> int:
        """How many rows are due at steps below `k`."""
        return max(0, -(-(min(k, self.last + 1) - self.first) // self.every))


@dataclasses.dataclass(frozen=True, eq=False)
class Column:
    """One recorded quantity. `reads` is what the compiled loop takes: part, variable, whether a subset of the neurons."""

    name: str
    unit: str
    dtype: np.dtype
    reads: tuple[Any, str, bool]


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """Columns of one part that share times and neurons: one table.

    Attributes:
        part: the population or projection.
        schedule: the steps that the loop writes rows for.
        windows: first and last steps of the stretches that are kept.
        keep: how many rows are kept, the last ones; None for all.
        label: what a column of the table is: a neuron, a state, a value.
        neurons: their indices.
        columns: filled while the records are planned.
    """

    part: str
    schedule: Schedule
    windows: tuple[tuple[int, int], ...]
    keep: int | None
    label: str
    neurons: np.ndarray
    columns: list[Column] = dataclasses.field(default_factory=list)

    @property
    def regular(self) -> bool:
        """Whether the times are evenly spaced."""
        return len(self.windows) == 1

    def rows_before(self, k: int) -> int:
        """How many rows are kept of steps below `k`."""
        s = self.schedule
        return sum(max(0, s.due_before(min(k, b + 1)) - s.due_before(a)) for a, b in self.windows)

    @property
    def rows(self) -> int:
        return self.rows_before(self.schedule.last + 1)

    def same_table(self, other: Track) -> bool:
        """Whether both describe one table."""
        mine, theirs = ((t.part, t.schedule, t.windows, t.keep, t.label) for t in (self, other))
        return mine == theirs and np.array_equal(self.neurons, other.neurons)


@dataclasses.dataclass(frozen=True)
class Rows:
    """New rows of a track: the steps `[rows]` and for every column its values `[rows, width]`."""

    track: Track
    steps: np.ndarray
    values: list[np.ndarray]


class RecordPlan:
    """What is recorded of a run from step `k0` to step `k1`.

    The buffers' sizes do not depend on how long the run is, so that a run of another length compiles nothing.

    Raises:
        RanvierError: a record asks for what is not there.
    """

    def __init__(self, network: Network, readable: Readable, records: list[Record], k0: int, k1: int, dt: float):
        self.dt = dt
        self.tracks: list[Track] = []
        self._network, self._readable, self._k0, self._k1 = network, readable, k0, k1
        self._in_place: dict[str, bool] = {}  # projections that learn, whose edges are read in the order of delivery
        for record in records:
            if not isinstance(record, Record):
                raise ParameterError(f"record takes rv.Record objects, not {record!r}. Write rv.Record(population, 'V', every=0.1).")
            self._add(record)
        self.columns: dict[Schedule, list[tuple[Track, Column]]] = {}
        for track in self.tracks:
            self.columns.setdefault(track.schedule, []).extend((track, column) for column in track.columns)
        self._plan_buffers()

    def _add(self, record: Record) -> None:
        part = WHOLE if record.part is None else self._network.find(record.part)[0]
        if record.part is None and WHOLE in (*self._network.populations, *self._network.projections):
            raise ParameterError(f"A part of this network is named {WHOLE!r}, as the records of the whole state are. Rename it.")
        schedule, windows = self._schedule(record)
        keep = None if record.keep is None else max(1, int(in_steps(record.keep, self.dt, "Record.keep", for_ever=True)) // schedule.every)
        wanted: list[str | None] = [*record.variables] if record.function is None else [None]
        for name, variable in zip(record.names, wanted, strict=True):
            named = record.name is not None and variable is not None and record.reduce is None
            reads, neurons, label, unit, dtype, full = self._read(record, part, variable, name)
            if named and name != full and name in self._readable.shapes(part):
                raise ParameterError(f"The record of {full} of {part} is named {name!r}, which is another of its variables. Rename it.")
            name = name if named else full
            if any(c.name == name for t in self.tracks if t.part == part for c in t.columns):
                raise ParameterError(
                    f"{name} of {part} is recorded twice. Give one record for it, or the other a name: "
                    f"rv.Record({part!r}, {full!r}, …, name='{full.replace('.', '_')}_too')."
                )
            track = Track(part, schedule, windows, keep, label, neurons)
            track = next((t for t in self.tracks if t.same_table(track)), track)
            if track not in self.tracks:
                self.tracks.append(track)
            track.columns.append(Column(name, unit, dtype, reads))

    def _read(self, record: Record, part: str, given: str | None, name: str) -> tuple[Any, np.ndarray, str, str, np.dtype, str]:
        """What the loop reads for one column, its indices, what they count, its unit, type and full name."""
        run_type = np.dtype(self._readable.plan.dtype)
        if given is None:
            assert record.function is not None
            computed = Computed(None if record.part is None else part, record.function)
            return (computed, VALUE, False), self._width(computed, name), VALUE, record.unit, run_type, name
        known = self._readable.shapes(part)
        plastic = self._readable.plan.plasticity_of(part)
        if plastic is not None and plastic.structure is not None and given in ("weight", *plastic.edge):
            raise UnsupportedError(
                f"{given} of {part} cannot be recorded edge by edge: its edges come and go (structure=). Record 'edges' (how many) "
                "or 'mean_weight', or read run.edges after each of several runs that go on from one another."
            )
        variable = resolve(given, known, f"variable of {part}")
        at_edges = plastic is not None and variable in ("weight", *plastic.edge)
        n = len(self._readable.outside.places[part]) if at_edges else known[variable].shape[0]
        neurons = np.arange(n) if record.neurons is None else record.neurons
        if neurons.size and (neurons.min() < 0 or neurons.max() >= n):
            raise ParameterError(
                f"The record of {variable} of {part} asks for {'edge' if at_edges else 'neuron'} {int(neurons.max())}, but there are {n} "
                f"(0 … {n - 1})."
            )
        unit = self._readable.unit_of(part, variable)
        if record.reduce is not None:
            if variable in loop.TIMES:
                raise UnsupportedError(f"{variable} of {part} is a time; it can be recorded, but not reduced.")
            some = None if record.neurons is None else tuple(int(i) for i in neurons)
            computed = Computed(part, record.reduce.function, variable, some)
            name = f"{variable}.{record.reduce.name}"
            return (computed, VALUE, False), self._width(computed, name), VALUE, unit, run_type, name
        dtype = np.dtype(np.float64) if variable in loop.TIMES else run_type
        if at_edges:
            self._in_place[part] = not self._readable.constants.plastic[part].place.shape[0]
            return (part, variable, True), neurons, "edge", unit, dtype, variable
        at_neurons = part in self._network.populations or variable in ("current", "conductance")
        return (part, variable, record.neurons is not None), neurons, "neuron" if at_neurons else "state", unit, dtype, variable

    def _width(self, computed: Computed, name: str) -> np.ndarray:
        try:
            shape = self._readable.shapes(computed)[VALUE].shape
        except RanvierError:
            raise
        except Exception as error:
            raise ParameterError(f"The record {name!r} cannot be computed: {type(error).__name__}: {error}") from error
        if len(shape) > 1:
            raise ParameterError(f"The record {name!r} gives the shape {shape}; it must be a number or a vector.")
        return np.arange(shape[0])

    def _schedule(self, record: Record) -> tuple[Schedule, tuple[tuple[int, int], ...]]:
        dt = self.dt
        if record.every is not None and record.every < 0.999 * dt:
            raise ParameterError(f"every = {record.every:g} ms is shorter than dt = {dt:g} ms: nothing can be recorded that often.")
        record.check_within(self._k0 * dt, self._k1 * dt)
        every = record.every_steps or (1 if record.every is None else int(in_steps(record.every, dt, "Record.every")))
        windows = tuple((self._start(a), self._stop(b)) for a, b in record.windows)
        first, last = max(self._k0, windows[0][0]), windows[-1][1]
        return Schedule(int(every), -(-first // every) * every, last), windows

    def _start(self, moment: float) -> int:
        return 0 if np.isinf(moment) else int(in_steps(moment, self.dt, "Record.start"))

    def _stop(self, moment: float) -> int:
        return self._k1 if np.isinf(moment) else min(self._k1, int(in_steps(moment, self.dt, "Record.stop")))

    def _plan_buffers(self) -> None:
        groups, steps = [], MOST_STEPS
        for schedule, columns in self.columns.items():
            # A power of two: few distinct sizes, so that few loops are compiled.
            width = 8 * sum(len(t.neurons) for t, _ in columns)
            rows = max(LEAST_ROWS, min(MOST_ROWS, 1 << int(max(BUFFER_BYTES // max(width, 1), 1)).bit_length() - 1))
            steps = min(steps, max(1, (rows - 2) * schedule.every))
            groups.append(loop.ReadGroup(rows, tuple(column.reads for _, column in columns)))
        self.steps_per_call = steps
        self.groups = tuple(groups)
        self.widths = [[len(t.neurons) for t, _ in columns] for columns in self.columns.values()]
        self.subsets = [
            [self._where(t).astype(np.int32) if c.reads[2] else np.zeros(0, np.int32) for t, c in columns]
            for columns in self.columns.values()
        ]

    def _where(self, track: Track) -> np.ndarray:
        """Where the loop finds what a track reads."""
        if track.label != "edge" or not self._in_place[track.part]:
            return track.neurons
        return np.asarray(self._readable.outside.places[track.part][track.neurons])

    def schedules(self, k: int) -> list[np.ndarray]:
        """For each group its period, first and last step, and which row lies first in the buffer of a call that begins at `k`."""
        return [np.array([s.every, s.first, s.last, s.due_before(k)], np.int64) for s in self.columns]

    def columns_of(self, seen: Any) -> Iterator[tuple[str, str, Any]]:
        """What a scan over steps read, taken apart: part, variable, and its rows at the steps that are due, traced."""
        for group, widths, (schedule, columns), kinds in zip(self.groups, self.widths, self.columns.items(), seen, strict=True):
            parts = [iter(list(kind)) for kind in kinds]
            for (_, variable, _), _, (track, column) in zip(group.reads, widths, columns, strict=True):
                values = next(parts[variable in loop.TIMES])
                yield track.part, column.name, values[schedule.first :: schedule.every]

    def rows(self, buffers: Any, k: int, reached: int, last: bool) -> Iterator[Rows]:
        """The rows due from step `k` up to `reached`, whose own row is the next call's unless this is the last. They are copies."""
        for group, widths, (schedule, columns), arrays in zip(self.groups, self.widths, self.columns.items(), buffers, strict=True):
            done = schedule.due_before(k)
            count = schedule.due_before(reached + 1 if last else reached) - done
            if count <= 0:
                continue
            steps = schedule.first + schedule.every * np.arange(done, done + count)
            values = {
                id(column): part[:count] for (_, column), part in zip(columns, loop.split_buffers(group, widths, arrays), strict=True)
            }
            for track in dict.fromkeys(track for track, _ in columns):
                wanted = np.zeros(count, bool)
                for a, b in track.windows:
                    wanted |= (steps >= a) & (steps <= b)
                if wanted.any():
                    yield Rows(track, steps[wanted], [np.ascontiguousarray(values[id(c)][wanted]) for c in track.columns])
