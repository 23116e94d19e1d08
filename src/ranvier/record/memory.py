"""Records kept in memory: planned before the run, filled between calls of the compiled loop."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError
from ranvier.integrators.euler import Euler
from ranvier.memory import require_memory
from ranvier.network import loop
from ranvier.network.common import resolve
from ranvier.network.plan import Built
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.network.system import NetworkSystem, Variables
from ranvier.record.observe import observables, unit_of
from ranvier.record.record import Record
from ranvier.steps import in_steps

BUFFER_BYTES = 2**25  # of records between two visits of the host
LEAST_ROWS = 1024  # so that short runs of different lengths share one compiled loop


def shapes(built: Built, part: str) -> dict[str, Any]:
    """Everything that can be recorded of a part, by name, with its shape."""

    def read(constants: Any, state: SimulationState) -> dict[str, Any]:
        return observables(*_system(built, constants, state), 0.0 * constants["dt"], part)

    return jax.eval_shape(read, built.constants, built.state)


def _system(built: Built, constants: Any, state: SimulationState) -> tuple[NetworkSystem, Variables]:
    """The equations of a network in a state, and its variables."""
    stepper = Stepper(built.plan, constants, Euler(), packed=False)
    entered = stepper.enter(state)
    return stepper.system(entered), stepper.variables(entered)


def everything(built: Built, part: str) -> Record:
    """The record of a single population's variables and currents."""
    derived = ("synaptic_conductance", "synaptic_current", "last_spike")
    return Record(part, [v for v in shapes(built, part) if v not in derived and not v.endswith(".conductance")])


@dataclasses.dataclass
class Column:
    """One recorded variable: `values[:filled]` are the rows taken over so far."""

    part: str
    variable: str
    unit: str
    label: str
    neurons: np.ndarray
    subset: bool
    shape: tuple[int, int]
    dtype: np.dtype
    values: np.ndarray = dataclasses.field(default_factory=lambda: np.empty((0, 0)))
    filled: int = 0

    @property
    def width(self) -> int:
        return self.shape[1]


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Due at the steps `first, first + every, …` up to `last`."""

    every: int
    first: int
    last: int

    @property
    def rows(self) -> int:
        return max(0, (self.last - self.first) // self.every + 1)

    def due_before(self, k: int) -> int:
        """How many rows are due at steps below `k`."""
        return max(0, -(-(min(k, self.last + 1) - self.first) // self.every))


class MemoryRecorder:
    """What is recorded of a run from step `k0` to step `k1`, in arrays allocated before it starts.

    Raises:
        RanvierError: a record asks for what is not there, or the whole will not
            fit into the memory that is free.
    """

    def __init__(self, network: Network, built: Built, records: list[Record], k0: int, k1: int, dt: float):
        self.dt = dt
        self.columns: dict[Schedule, list[Column]] = {}
        known: dict[str, dict[str, Any]] = {}
        system, _ = _system(built, built.constants, built.state)
        for record in records:
            if not isinstance(record, Record):
                raise ParameterError(f"record takes rv.Record objects, not {record!r}. Write rv.Record(population, 'V', every=0.1).")
            part, _ = network.find(record.part)
            schedule = _schedule(record, k0, k1, dt)
            if part not in known:
                known[part] = shapes(built, part)
            for name in record.variables:
                variable = resolve(name, known[part], f"variable of {part}")
                n = known[part][variable].shape[0]
                neurons = np.arange(n) if record.neurons is None else record.neurons
                if neurons.size and (neurons.min() < 0 or neurons.max() >= n):
                    raise ParameterError(
                        f"The record of {variable} of {part} asks for neuron {int(neurons.max())}, but there are {n} (0 … {n - 1})."
                    )
                if any(c.part == part and c.variable == variable for columns in self.columns.values() for c in columns):
                    raise ParameterError(f"{variable} of {part} is recorded twice; give one record for it.")
                dtype = np.dtype(np.float64 if variable in loop.TIMES else built.plan.dtype)
                at_neurons = part in network.populations or variable in ("current", "conductance")
                column = Column(
                    part,
                    variable,
                    unit_of(system, part, variable),
                    "neuron" if at_neurons else "state",
                    neurons,
                    record.neurons is not None,
                    (schedule.rows, len(neurons)),
                    dtype,
                )
                self.columns.setdefault(schedule, []).append(column)
        every_column = [c for columns in self.columns.values() for c in columns]
        check_memory(sum(c.shape[0] * c.shape[1] * c.dtype.itemsize for c in every_column))
        for column in every_column:
            column.values = np.empty(column.shape, column.dtype)
        self._plan_buffers(k1 - k0)

    def _plan_buffers(self, steps: int) -> None:
        per_step = sum(sum(c.width for c in columns) * 8 / schedule.every for schedule, columns in self.columns.items())
        self.steps_per_call = max(1, int(min(max(steps, 1), BUFFER_BYTES / per_step))) if per_step else max(1, steps)
        groups = []
        for schedule, columns in self.columns.items():
            rows = self.steps_per_call // schedule.every + 2
            rows = max(LEAST_ROWS, 1 << (rows - 1).bit_length())  # few distinct sizes, so that few loops are compiled
            groups.append(loop.Group(rows, tuple((c.part, c.variable, c.subset) for c in columns)))
        self.groups = tuple(groups)
        self.widths = [[c.width for c in columns] for columns in self.columns.values()]
        self.subsets = [
            [c.neurons.astype(np.int32) if c.subset else np.zeros(0, np.int32) for c in columns] for columns in self.columns.values()
        ]

    def schedules(self, k: int) -> list[np.ndarray]:
        """For each group its period, first and last step, and which row lies first in the buffer of a call that begins at `k`."""
        return [np.array([s.every, s.first, s.last, s.due_before(k)], np.int64) for s in self.columns]

    def take(self, buffers: Any, k: int, reached: int, last: bool) -> None:
        """Takes over the rows due from step `k` up to `reached`, whose own row is the next call's unless this is the last."""
        for group, widths, (schedule, columns), arrays in zip(self.groups, self.widths, self.columns.items(), buffers, strict=True):
            rows = schedule.due_before(reached + 1 if last else reached) - schedule.due_before(k)
            if rows <= 0:
                continue
            for column, part in zip(columns, loop.split_buffers(group, widths, arrays), strict=True):
                column.values[column.filled : column.filled + rows] = part[:rows]
                column.filled += rows

    def times(self, schedule: Schedule, filled: int) -> np.ndarray:
        """The times of the rows (ms)."""
        return (schedule.first + schedule.every * np.arange(filled)) * self.dt


def _schedule(record: Record, k0: int, k1: int, dt: float) -> Schedule:
    if record.every is not None and record.every < 0.999 * dt:
        raise ParameterError(f"every = {record.every:g} ms is shorter than dt = {dt:g} ms: nothing can be recorded that often.")
    every = 1 if record.every is None else int(in_steps(record.every, dt, "every"))
    start = max(k0, int(in_steps(record.start, dt, "start")))
    stop = k1 if np.isinf(record.stop) else min(k1, int(in_steps(record.stop, dt, "stop")))
    return Schedule(every, -(-start // every) * every, stop)


def check_memory(needed: float) -> None:
    """Refuses a recording that will not fit, before anything runs."""
    require_memory(needed, "The recording", "Record less often (every=…), fewer neurons (neurons=…), or fewer variables.", share=0.8)
