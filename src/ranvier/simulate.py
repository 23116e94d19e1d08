"""Runs a network: the loop on the host around the compiled one."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ranvier import units
from ranvier.errors import ParameterError, SimulationDiverged, UnsupportedError, unknown
from ranvier.integrators.base import Integrator
from ranvier.integrators.runge_kutta import RungeKutta4
from ranvier.model import Model, parameters
from ranvier.network import loop
from ranvier.network.build import Built, build, in_steps, resolve
from ranvier.network.spec import Network, Population, Projection
from ranvier.network.state import SimulationState
from ranvier.network.system import NetworkSystem
from ranvier.neurons.base import NeuronModel
from ranvier.progress import Progress, ProgressBar, ProgressCallback
from ranvier.record.observe import observables, unit_of
from ranvier.record.record import Record
from ranvier.result import Recorded, Result, Spikes

BUFFER_BYTES = 2**25  # of records between two visits of the host
SECONDS_PER_CALL = 0.2
RUNAWAY = 1e4  # mV: no membrane has such a potential
PACKED_UP_TO = 20_000  # neurons a population; measured in benchmarks/layout.py


def simulate(
    network: Network | Population | NeuronModel,
    *,
    duration: Any,
    dt: Any = 0.01,
    current: Any = None,
    integrator: Integrator | None = None,
    record: Record | Sequence[Record] | None = None,
    initial: SimulationState | Mapping[str, Any] | None = None,
    seed: int = 0,
    precision: str = "double",
    progress: bool | ProgressCallback = False,
) -> Result:
    """Runs a network, a population or a single neuron.

    Args:
        network: what to run. A neuron model alone is a population as large as
            its `current` or parameters say (one neuron where they are numbers).
        duration: how long (ms).
        dt: the time step (ms).
        current: what is injected into a single population: a number, an array
            `[n]`, a function of t, or a stimulus. In a network each
            `Population` has its own.
        integrator: by default `RungeKutta4()`.
        record: what to record. By default a single model or population records
            its variables and currents at every step, a network its spikes alone.
        initial: a `SimulationState` to go on from (its time goes on too), or,
            for a single population, initial values by name.
        seed: the whole number that everything random comes from.
        precision: `"double"` or `"single"`.
        progress: True shows a bar on a terminal; a function is called with `Progress`.

    Returns:
        A `Result`. Record rows are the state at `t_k = k·dt`; the first is the
        initial state, the last the state at the end.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: before anything runs.
        SimulationDiverged: the state became NaN or absurdly large; it carries
            what was recorded until then.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, start=20, stop=80), duration=100.0)
        >>> run.spikes.times.round(2)
        array([22.43, 36.84, 51.36, 66. ])
    """
    net, single = _as_network(network, current, initial)
    duration = _positive(duration, "duration", allow_zero=True)
    dt = _positive(dt, "dt")
    integrator = RungeKutta4() if integrator is None else integrator
    if not isinstance(integrator, Integrator):
        hint = f" Did you mean rv.{integrator.__name__}()?" if isinstance(integrator, type) else ""
        raise ParameterError(f"integrator must be an integrator such as rv.RungeKutta4(), not {integrator!r}.{hint}")
    if precision not in ("double", "single"):
        raise unknown("precision", precision, ("double", "single"))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ParameterError(f"seed must be a whole number of at least 0, not {seed!r}.")
    for need in integrator.needs:
        if not hasattr(NetworkSystem, need) and not hasattr(NetworkSystem.array_library, need):
            raise UnsupportedError(f"{type(integrator).__name__} needs {need!r}, which the equations of a network do not offer.")
    if integrator.startup_steps:
        raise UnsupportedError(
            f"{type(integrator).__name__} remembers slopes, of which the first steps have fewer, and a network's loop has one kind of step. "
            "Use a Runge-Kutta method such as rv.RungeKutta4(); rv.odeint takes this one."
        )
    with jax.enable_x64(True):
        run = _Run(net, single, duration, dt, integrator, record, initial, int(seed), precision)
        return run.execute(ProgressBar() if progress is True else progress or None)


def recordable(part: NeuronModel | Population | Projection) -> list[str]:
    """The names of everything that can be recorded of a neuron model, a population or a projection.

    Example:
        >>> import ranvier as rv
        >>> recordable(rv.neurons.Passive())
        ['V', 'injected_current', 'last_spike', 'synaptic_conductance', 'synaptic_current']
    """
    if isinstance(part, Projection):
        net = Network(*{id(p): p for p in (part.source, *part.targets)}.values(), part)
        name = net.name_of(part)
    else:
        net, _ = _as_network(part, None, None)
        name = next(iter(net.populations))
    with jax.enable_x64(True):
        return sorted(_observable_shapes(build(net, dt=0.01, seed=0, dtype="float64"), name))


def _positive(value: Any, what: str, allow_zero: bool = False) -> float:
    value = units.magnitude(value, "ms", what)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"{what} must be a number (ms), not {value!r}.") from None
    if not np.isfinite(number) or number < 0 or (number == 0 and not allow_zero):
        raise ParameterError(f"{what} is {number:g} ms, but it must be {'at least 0' if allow_zero else 'positive'} and finite.")
    return number


def _as_network(network: Any, current: Any, initial: Any) -> tuple[Network, bool]:
    """The network to run, and whether it is a single population given on its own."""
    if isinstance(network, Network):
        if current is not None:
            raise ParameterError("A network takes no current; give it to the population: rv.Population(n, model, current=…).")
        if isinstance(initial, Mapping):
            raise ParameterError("In a network initial values belong to the population: rv.Population(n, model, initial={…}).")
        return network, False
    if isinstance(network, NeuronModel):
        sizes = {np.shape(value)[0] for _, info, value in parameters(network) if info.per == "neuron" and np.ndim(value) == 1}
        if current is not None and not callable(current) and np.ndim(getattr(current, "magnitude", current)) == 1:
            sizes.add(len(current))
        elif isinstance(current, Model):
            sizes |= {np.shape(value)[0] for _, info, value in parameters(current) if info.per == "neuron" and np.ndim(value) == 1}
        if len(sizes) > 1:
            raise ParameterError(
                f"The model's parameters and its current have {' and '.join(map(str, sorted(sizes)))} values: say how many neurons there are "
                "with rv.Population(n, model). A current that changes in time is rv.stimuli.Sampled(values, every=dt)."
            )
        network = Population(sizes.pop() if sizes else 1, network)
    elif not isinstance(network, Population):
        hint = f" Did you mean {network.__name__}()?" if isinstance(network, type) else ""
        raise ParameterError(f"simulate takes a network, a population or a neuron model, not {network!r}.{hint}")
    if current is not None and network.current is not None:
        raise ParameterError("The population has a current already; give it in one place.")
    values = {**network.initial, **(initial if isinstance(initial, Mapping) else {})}
    driven = Population(network.n, network.model, initial=values, current=network.current if current is None else current, name=network.name)
    return Network(driven, stands_for={driven: network}), True


def _observable_shapes(built: Built, part: str) -> dict[str, Any]:
    def read(constants: Any, state: SimulationState) -> dict[str, Any]:
        variables = {**state.neurons, **state.synapses}
        system = NetworkSystem(built.plan, constants, variables, state.last_spike, packed=False)
        return observables(system, variables, 0.0 * constants["dt"], part)

    return jax.eval_shape(read, built.constants, built.state)


@dataclasses.dataclass
class _Column:
    """One variable on its way to the result: rows are appended as the run goes on."""

    part: str
    variable: str
    unit: str
    neurons: np.ndarray
    values: np.ndarray
    subset: bool
    filled: int = 0


class _Run:
    """One run, from checking to the result."""

    def __init__(
        self,
        net: Network,
        single: bool,
        duration: float,
        dt: float,
        integrator: Integrator,
        record: Any,
        initial: Any,
        seed: int,
        precision: str,
    ):
        self.net, self.dt, self.integrator, self.seed, self.precision = net, dt, integrator, seed, precision
        began = time.perf_counter()
        self.built = build(net, dt=dt, seed=seed, dtype={"double": "float64", "single": "float32"}[precision])
        self.state = _started(self.built, initial) if isinstance(initial, SimulationState) else self.built.state
        self.k0 = int(self.state.step)
        self.k1 = self.k0 + int(in_steps(duration, dt, "The duration"))
        records = [record] if isinstance(record, Record) else list(record) if record is not None else self._everything() if single else []
        self._plan_records(records)
        system = self._system(self.state)
        if isinstance(initial, SimulationState) and jax.tree.leaves(self.state.memory):
            memory = self.state.memory
        else:
            packed = self._packed()
            memory = integrator.init(*self._entered(packed), self.k0 * dt) if type(integrator).init is not Integrator.init else ()
        self.state = dataclasses.replace(self.state, memory=memory)
        del system
        self._moving = {p.name: p.moving for p in (*self.built.plan.populations, *self.built.plan.projections)}
        self.build_seconds = time.perf_counter() - began

    def _system(self, state: SimulationState, packed: bool = False) -> NetworkSystem:
        variables = {**state.neurons, **state.synapses}
        return NetworkSystem(self.built.plan, self.built.constants, variables, state.last_spike, packed)

    def _packed(self) -> bool:
        # Packing serves methods that weigh slopes. Others work on the variables one by one: over packed rows
        # XLA would compute every variable's equation for each of them.
        return "rate_and_slope" not in self.integrator.needs and all(p.n <= PACKED_UP_TO for p in self.built.plan.populations)

    def _entered(self, packed: bool) -> tuple[NetworkSystem, Any]:
        from ranvier.network.step import Stepper

        stepper = Stepper(self.built.plan, self.built.constants, self.integrator, packed)
        entered = stepper.enter(self.state)
        return stepper.system(entered), entered.moving

    # -- what to record ------------------------------------------------------------------------

    def _everything(self) -> list[Record]:
        name = next(iter(self.net.populations))
        derived = ("synaptic_conductance", "synaptic_current", "last_spike")
        return [Record(name, [v for v in _observable_shapes(self.built, name) if v not in derived and not v.endswith(".conductance")])]

    def _plan_records(self, records: list[Record]) -> None:
        columns: dict[tuple[int, int, int], list[_Column]] = {}
        needed = 0
        shapes: dict[str, dict[str, Any]] = {}
        system = self._system(self.built.state)
        for entry in records:
            if not isinstance(entry, Record):
                raise ParameterError(f"record takes rv.Record objects, not {entry!r}. Write rv.Record(population, 'V', every=0.1).")
            part, _ = self.net.find(entry.part)
            known = shapes.setdefault(part, _observable_shapes(self.built, part))
            if entry.every is not None and entry.every < 0.999 * self.dt:
                raise ParameterError(f"every = {entry.every:g} ms is shorter than dt = {self.dt:g} ms: nothing can be recorded that often.")
            every = 1 if entry.every is None else int(in_steps(entry.every, self.dt, "every"))
            start = max(self.k0, -(-int(in_steps(entry.start, self.dt, "start")) // every) * every) if entry.start > 0 else -(-self.k0 // every) * every
            stop = min(self.k1, int(in_steps(entry.stop, self.dt, "stop"))) if np.isfinite(entry.stop) else self.k1
            rows = max(0, (stop - start) // every + 1)
            for variable in entry.variables:
                full = resolve(variable, known, f"variable of {part}")
                n = known[full].shape[0]
                neurons = np.arange(n) if entry.neurons is None else entry.neurons
                if neurons.size and (neurons.min() < 0 or neurons.max() >= n):
                    raise ParameterError(f"The record of {full} of {part} asks for neuron {int(neurons.max())}, but there are {n} (0 … {n - 1}).")
                dtype = np.dtype(np.float64 if full in loop.TIMES else self.built.plan.dtype)
                needed += rows * len(neurons) * dtype.itemsize
                if any(c.part == part and c.variable == full for group in columns.values() for c in group):
                    raise ParameterError(f"{full} of {part} is recorded twice; give one record for it.")
                column = _Column(part, full, unit_of(system, part, full), neurons, np.empty((0, 0)), entry.neurons is not None)
                column.values = (rows, len(neurons), dtype)  # type: ignore[assignment]  # allocated once it is known to fit
                columns.setdefault((every, start, stop), []).append(column)
        _check_memory(needed)
        for group in columns.values():
            for column in group:
                rows, n, dtype = column.values  # type: ignore[misc]
                column.values = np.empty((rows, n), dtype)
        self.columns = columns
        self._plan_buffers()

    def _plan_buffers(self) -> None:
        groups, self.subsets = [], []
        steps = max(1, self.k1 - self.k0)
        per_step = sum(sum(c.values.shape[1] for c in group) * 8 / every for (every, _, _), group in self.columns.items())
        if per_step:
            steps = int(max(1, min(steps, BUFFER_BYTES / per_step)))
        for (every, start, stop), group in self.columns.items():
            rows = min(steps // every + 2, stop // every + 2)
            rows = 1 << max(0, int(rows - 1).bit_length())  # few distinct sizes, so that few loops are compiled
            groups.append(loop.Group(every, start, stop, rows, tuple((c.part, c.variable, c.subset) for c in group)))
            self.subsets.append([c.neurons.astype(np.int32) if c.subset else np.zeros(0, np.int32) for c in group])
        self.steps_per_call = steps
        n = self.built.plan.n
        capacity = 1 << int(max(4 * n, 2**14) - 1).bit_length()
        self.program = loop.Program(self.built.plan, self.integrator, tuple(groups), capacity, self._packed())

    # -- running -------------------------------------------------------------------------------

    def execute(self, progress: ProgressCallback | None) -> Result:
        sizes = [[c.values.shape[1] for c in group] for group in self.columns.values()]
        state, buffers = self.state, loop.new_buffers(self.program, sizes)
        constants = loop.Constants(self.built.constants)
        arguments = (constants, self.subsets, state, buffers, np.int64(0), tuple(np.int64(0) for _ in self.program.groups))
        step, fresh = loop.compiled(self.program, arguments)
        self.compile_seconds = step.seconds if fresh else 0.0
        self.spike_steps: list[np.ndarray] = []
        self.spike_neurons: list[np.ndarray] = []
        k, length = self.k0, min(self.steps_per_call, 1000)
        began = time.perf_counter()
        self.began = began
        if self.k1 == self.k0:  # nothing to do but record the initial state
            state, buffers, _ = step(constants, self.subsets, state, buffers, np.int64(k), self._first_rows(k))
            self._drain(buffers, k, k, 0, last=True)
        while k < self.k1:
            safe = jax.tree.map(np.array, state)
            stop = min(self.k1, k + length)
            called = time.perf_counter()
            state, buffers, spikes = step(constants, self.subsets, state, buffers, np.int64(stop), self._first_rows(k))
            reached = int(state.step)
            seconds = time.perf_counter() - called
            if self._bad(state):
                self._diverged(step, safe, reached, sizes)
            self._drain(buffers, k, reached, int(spikes), last=reached == self.k1)
            if progress is not None:
                done, total = reached - self.k0, self.k1 - self.k0
                progress(Progress(done * self.dt, total * self.dt, time.perf_counter() - began, (reached - k) / max(seconds, 1e-9)))
            if seconds < SECONDS_PER_CALL / 2:
                length = min(self.steps_per_call, 2 * length)
            elif seconds > 2 * SECONDS_PER_CALL:
                length = max(1, length // 2)
            k = reached
        self.run_seconds = time.perf_counter() - began
        return self._result(state, k)

    def _first_rows(self, k: int) -> tuple[np.int64, ...]:
        return tuple(np.int64(-((group.start - k) // group.every) if k > group.start else 0) for group in self.program.groups)

    def _drain(self, buffers: Any, k: int, reached: int, spikes: int, last: bool) -> None:
        """Takes over the spikes and rows of the steps from `k` up to `reached`, whose own row is the next call's unless this is the last."""
        steps, neurons, records = buffers
        self.spike_steps.append(np.array(np.asarray(steps)[:spikes]))
        self.spike_neurons.append(np.array(np.asarray(neurons)[:spikes]))
        for (group, columns), arrays in zip(zip(self.program.groups, self.columns.values(), strict=True), records, strict=True):
            rows = group.due_before(reached + 1 if last else reached) - group.due_before(k)
            if rows <= 0:
                continue
            parts = loop.split_buffers(group, [c.values.shape[1] for c in columns], arrays)
            for column, part in zip(columns, parts, strict=True):
                column.values[column.filled : column.filled + rows] = part[:rows]
                column.filled += rows

    def _bad(self, state: SimulationState) -> tuple[str, str, int] | None:
        """The first variable that is not finite or beyond all reason: part, variable, neuron."""
        for part, variables in {**state.neurons, **state.synapses}.items():
            for variable, values in variables.items():
                array = np.asarray(values)
                wrong = np.isnan(array) if variable not in self._moving[part] else ~np.isfinite(array)
                if variable == "V" and part in state.neurons:
                    wrong |= np.abs(array) > RUNAWAY
                if wrong.any():
                    return part, variable, int(np.flatnonzero(wrong)[0])
        return None

    def _diverged(self, step: loop.Compiled, good: SimulationState, bad_at: int, sizes: list[list[int]]) -> None:
        """Finds the first bad step by bisection from the last good state, keeps what came before it, and raises."""

        def advance(state: SimulationState, stop: int) -> Any:
            arguments = (loop.Constants(self.built.constants), self.subsets, jax.tree.map(np.array, state), loop.new_buffers(self.program, sizes))
            return step(*arguments, np.int64(stop), self._first_rows(int(state.step)))

        while bad_at - int(good.step) > 1:
            state, buffers, spikes = advance(good, (int(good.step) + bad_at) // 2)
            if self._bad(state):
                bad_at = int(state.step)
            else:
                self._drain(buffers, int(good.step), int(state.step), int(spikes), last=False)
                good = jax.tree.map(np.array, state)
        _, buffers, _ = advance(good, int(good.step))
        self._drain(buffers, int(good.step), int(good.step), 0, last=True)
        bad = advance(good, bad_at)[0]
        self.run_seconds = time.perf_counter() - self.began
        found = self._bad(bad)
        assert found is not None
        part, variable, index = found
        value = np.asarray({**bad.neurons, **bad.synapses}[part][variable])[index]
        moment = bad_at * self.dt
        what = "neuron" if part in bad.neurons else "state"
        remedy = "Try a smaller dt"
        if "rate_and_slope" not in self.integrator.needs:
            remedy += ", or rv.ExponentialEuler(), which stays stable at longer steps"
        raise SimulationDiverged(
            f"The run went wrong at t = {moment:g} ms: {variable} of {part}, {what} {index}, became {value:g} "
            f"(dt = {self.dt:g} ms, {type(self.integrator).__name__}). {remedy}; if that does not help, look at that {what}'s parameters "
            "and inputs. What was recorded until then is in the error's `result`.",
            result=self._result(good, int(good.step)),
            time=moment,
        )

    # -- the result ------------------------------------------------------------------------------

    def _result(self, state: SimulationState, k: int) -> Result:
        populations = {p.name: (p.first, p.n) for p in self.built.plan.populations}
        empty = (np.zeros(0, np.int64), np.zeros(0, np.int32))
        spikes = Spikes(
            np.concatenate([empty[0], *self.spike_steps]),
            np.concatenate([empty[1], *self.spike_neurons]),
            n=self.built.plan.n,
            dt=self.dt,
            start=self.k0 * self.dt,
            stop=k * self.dt,
            populations=populations,
        )
        records = []
        for (every, start, _), columns in self.columns.items():
            for c in columns:
                times = (start + every * np.arange(c.filled)) * self.dt
                label = "neuron" if c.part in self.net.populations or self._at_targets(c) else "state"
                records.append(Recorded(c.part, c.variable, c.unit, times, c.values[: c.filled], c.neurons, label))
        info = {
            "dt": self.dt,
            "integrator": type(self.integrator).__name__,
            "seed": self.seed,
            "precision": self.precision,
            "steps": k - self.k0,
            "build_seconds": self.build_seconds,
            "compile_seconds": self.compile_seconds,
            "run_seconds": self.run_seconds if hasattr(self, "run_seconds") else 0.0,
            "device": jax.devices()[0].device_kind,
            "versions": versions(),
        }
        return Result(self.net, spikes, records, state.on_host(), info)

    def _at_targets(self, column: _Column) -> bool:
        return column.variable in ("current", "conductance")


def versions() -> dict[str, str]:
    """The versions of Ranvier and of what it computes with."""
    import platform

    found = {"python": platform.python_version()}
    for package in ("ranvier", "jax", "jaxlib", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found


def _started(built: Built, given: SimulationState) -> SimulationState:
    """A state to go on from, checked against the network and in its precision."""
    own = built.state
    for kind in ("neurons", "synapses"):
        mine, theirs = getattr(own, kind), getattr(given, kind)
        for part, variables in mine.items():
            if part not in theirs:
                raise ParameterError(f"The initial state has nothing for {part!r}; it is of another network.")
            for variable, values in variables.items():
                if variable not in theirs[part]:
                    raise ParameterError(f"The initial state has no {variable!r} of {part!r}; it is of another network.")
                shape = np.shape(theirs[part][variable])
                if shape != values.shape:
                    raise ParameterError(f"The initial state's {variable} of {part} has the shape {shape}; this network needs {values.shape}.")
    for name, history in own.in_flight.items():
        if np.shape(given.in_flight.get(name)) != history.shape:
            raise ParameterError(f"The initial state's spikes in flight of {name} do not fit this network's delays in steps of this dt.")

    def like(a: Any, b: Any) -> np.ndarray:
        return np.asarray(b, a.dtype)

    return SimulationState(
        step=np.int64(given.step),
        neurons={p: {v: like(x, given.neurons[p][v]) for v, x in vs.items()} for p, vs in own.neurons.items()},
        synapses={p: {v: like(x, given.synapses[p][v]) for v, x in vs.items()} for p, vs in own.synapses.items()},
        last_spike={p: like(x, given.last_spike[p]) for p, x in own.last_spike.items()},
        in_flight={p: like(x, given.in_flight[p]) for p, x in own.in_flight.items()},
        memory=given.memory,
    )


def _check_memory(needed: float) -> None:
    """Refuses a recording that will not fit, before anything runs."""
    available = _available_memory()
    if available is not None and needed > 0.8 * available:
        raise ParameterError(
            f"The recording would take {needed / 2**30:.1f} GiB, and {available / 2**30:.1f} GiB of memory are free. "
            "Record less often (every=…), fewer neurons (neurons=…), or fewer variables."
        )


def _available_memory() -> float | None:
    try:
        with open("/proc/meminfo") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return float(line.split()[1]) * 1024
    except OSError:
        pass
    return None
