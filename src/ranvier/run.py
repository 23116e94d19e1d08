"""One run: the loop on the host around the compiled one."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import SimulationDiverged
from ranvier.integrators.base import Integrator
from ranvier.interruption import Interruption, RunInterrupted
from ranvier.kernels import dispatch
from ranvier.network import loop
from ranvier.network.exchange import Exchange
from ranvier.network.plan import Plan
from ranvier.network.rewiring import Rewirer, Wired
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.network.system import Packing
from ranvier.network.transfer import Outside, enter, leave
from ranvier.network.working import StepState
from ranvier.progress import Progress, ProgressBar, ProgressCallback
from ranvier.record.plan import RecordPlan, Rows
from ranvier.result import Recorded, Result, Spikes, SpikeSource
from ranvier.until import Moment, Until
from ranvier.watch import Watching

if TYPE_CHECKING:
    from ranvier.network.layout import Layout

SECONDS_PER_CALL = 0.2
FIRST_STEPS = 1000  # of a loop whose speed is not known yet
SPIKES_A_NEURON = 4  # that the list of spikes has room for between two visits of the host
LEAST_SPIKES = 2**14  # what the list of spikes holds at least between two visits of the host
SECONDS_OF_BACKUP = 5.0  # between copies of the state that a search for the first bad step may begin from
PACKED = True  # benchmarks/populations.py turns it off to show what it is worth


@dataclasses.dataclass(frozen=True)
class Progression:
    """Where a run is, beside its state: what else a checkpoint holds.

    Attributes:
        state: the state.
        counts: the spikes of each population since the stop condition was asked last.
    """

    state: SimulationState
    counts: np.ndarray


class Sink(Protocol):
    """Where spikes and records go."""

    @property
    def checkpoint_steps(self) -> int:
        """A checkpoint is due at every multiple of so many steps; 0 for none."""
        ...

    @property
    def way_on(self) -> str:
        """How a run that was interrupted can be resumed; empty where it cannot."""
        ...

    def size(self) -> int | None:
        """Bytes on disk so far."""
        ...

    def take(self, steps: np.ndarray, neurons: np.ndarray, rows: Iterable[Rows], reached: int) -> None:
        """Takes over the spikes and rows of the steps before `reached`."""
        ...

    def checkpoint(self, at: Progression) -> None:
        """Keeps what a run needs to go on from here."""
        ...

    def finish(self, status: str, at: Progression | None) -> None:
        """The run has ended: `complete`, `interrupted`, `diverged` or `failed`; the last two without a place to go on from."""
        ...

    def spikes(self) -> SpikeSource:
        """All spikes."""
        ...

    def records(self) -> list[Recorded]:
        """All that was recorded."""
        ...


def _as_it_is(state: Any) -> Any:
    return state


class Run:
    """A network, prepared, on its way from step `k0` to step `k1`.

    Args:
        network: what runs.
        layout: how it lies.
        constants: its numbers, on the device.
        state: the state that it begins with, in the user's order, on the host.
        outside: what is known of the network outside the compiled step.
        first: the step that the run as a whole began with; that of the state when left out.
        duration_steps: how long the run is as a whole.
        records: what is recorded.
        rewirer: what changes its edges, where they come and go.
        sink: makes the place where spikes and records go.
        until: what ends it early; `counts` the spikes since that was asked last.
        watch: what looks on.
        info: what the result says of the run.

    `together` says whether other processes compute the same run, so that all must do the same at the same time.
    """

    together = False

    def __init__(
        self,
        network: Network,
        layout: Layout,
        constants: loop.Shared,
        state: SimulationState,
        outside: Outside,
        *,
        records: RecordPlan,
        sink: Callable[[Run], Sink],
        rewirer: Rewirer | None = None,
        first: int | None = None,
        duration_steps: int,
        until: Until | None = None,
        watch: Watching | None = None,
        counts: np.ndarray | None = None,
        info: dict[str, Any],
    ):
        self.network, self.layout, self.info = network, layout, info
        self.structure: Plan = layout.plan
        self.integrator: Integrator = layout.integrator
        self.dt = float(state.dt)
        self.state = state
        self.k0 = int(self.state.step)
        self.first = self.k0 if first is None else first
        self.k1 = self.first + duration_steps
        self.until, self.watch = until, watch
        self._question_steps = until.steps(self.dt) if until else 0
        self._counts = np.zeros(len(self.structure.populations), np.int64) if counts is None else counts
        self.plan = records
        self.constants = constants
        self.outside = outside
        self.rewirer = rewirer
        self._packing = Packing(self.structure)
        self.program = self._program()
        if type(self.integrator).init is not Integrator.init and not jax.tree.leaves(self.state.memory):
            self.state = dataclasses.replace(self.state, memory=self._first_memory())
        self.sink = sink(self)

    # -- what several devices do in another way ----------------------------------------------------

    def _program(self) -> loop.Program:
        return program_of(self.layout, self.plan.groups, self.structure)

    def _first_memory(self) -> Any:
        """What the integrator remembers at the start."""
        stepper = Stepper(self.structure, self.constants.tree(), self.integrator, self.program.packed, self.outside)
        entered = stepper.enter(self.state)
        return self.integrator.init(stepper.system(entered), entered.moving, self.k0 * self.dt)

    def _entered(self) -> StepState:
        """The state that it begins with, as the step carries it."""
        return enter(self.structure, self.state, self._pack, self.outside)

    def _subsets(self) -> Any:
        """Which neurons are recorded, where not all are."""
        return self.plan.subsets

    def _buffer_shapes(self) -> Any:
        return loop.buffer_shapes(self.program, self.plan.widths)

    def _new_buffers(self) -> Any:
        return loop.new_buffers(self.program, self.plan.widths)

    def _copied(self, state: StepState) -> StepState:
        """A copy that a call may use up."""
        return jax.tree.map(np.array, state)

    def _kept(self, state: StepState) -> StepState:
        """A copy where it lies."""
        return jax.tree.map(jnp.copy, state)

    def _agreed(self, number: int) -> int:
        """The largest of what the processes say."""
        return number

    def _step_of(self, state: StepState) -> int:
        return int(state.step)

    def _spikes_in(self, buffers: Any, spikes: Any) -> tuple[np.ndarray, np.ndarray]:
        """The steps and neurons of the spikes in the buffers, sorted by both."""
        return np.array(np.asarray(buffers[0])[: int(spikes)]), np.array(np.asarray(buffers[1])[: int(spikes)])

    def _records_in(self, buffers: Any) -> Any:
        """The buffers of what is recorded, as the plan of the records has them."""
        return buffers[2]

    # -- the run -----------------------------------------------------------------------------------

    def _pack(self, variables: Any, library: Any = np) -> Any:
        return self._packing.pack(variables, library) if self.program.packed else variables

    @property
    def _unpack(self) -> Callable[[Any], Any]:
        return self._packing.unpack if self.program.packed else _as_it_is

    def _arguments(self, state: StepState, buffers: Any, stop: int, k: int) -> tuple[Any, ...]:
        return self.constants, self._subsets(), state, buffers, np.int64(stop), self.plan.schedules(k)

    @property
    def at_start(self) -> Progression:
        """Where the run begins."""
        return Progression(self.state.on_host(), self._counts)

    def _in_users_order(self, state: StepState) -> SimulationState:
        """A copy on the host."""
        return self._leaving(state)()

    def _leaving(self, state: StepState) -> Callable[[], SimulationState]:
        """What makes that copy, and holds neither the run nor its edges."""
        return functools.partial(leave, self.structure, state, self._unpack, self.state.dt, self.state.seed, self.outside)

    def compiled(self, told: bool = False) -> tuple[StepState, loop.Compiled, bool]:
        """The state that it begins with, as the step carries it, the loop, and whether that had to be compiled now (`told` says so)."""
        state = self._entered()
        return state, *loop.compiled(self.program, self._arguments(state, self._buffer_shapes(), self.k1, self.k0), told)

    def execute(self, progress: ProgressCallback | None) -> Result:
        """Runs to the end, and gives the result.

        Raises:
            SimulationDiverged: the state became NaN or absurdly large.
            RunInterrupted: Ctrl-C, where the run can go on from its store.
        """
        try:
            with Interruption(bool(self.sink.way_on)) as interruption:
                return self._execute(progress, interruption)
        except (SimulationDiverged, RunInterrupted):
            raise
        except BaseException:
            self.sink.finish("failed", None)
            raise

    def _execute(self, progress: ProgressCallback | None, interruption: Interruption) -> Result:
        per_call = SECONDS_PER_CALL if self.watch is None else min(SECONDS_PER_CALL, self.watch.every)
        state, step, fresh = self.compiled(isinstance(progress, ProgressBar))
        buffers = step.take_buffers(self._new_buffers)
        self.info["compile_seconds"] = step.seconds if fresh else 0.0
        k, length = self.k0, min(self.plan.steps_per_call, int(step.steps_per_second * per_call) or FIRST_STEPS)
        began = backed_up = time.perf_counter()
        backup: StepState | None = None  # None: what it began with
        while True:
            called = time.perf_counter()
            stop = self._agreed(self._next_stop(k, length))
            state, buffers, spikes, bad = step(*self._arguments(state, buffers, stop, k))
            reached = self._step_of(state)
            now = time.perf_counter()
            seconds = now - called
            self.info["run_seconds"] = now - began
            if self._any_bad(bad):
                self._diverged(step, state, backup, k, reached)
            rewires = self.rewirer is not None and self.rewirer.due(reached)
            counted = self._take(buffers, k, reached, spikes, last=reached == self.k1 and not rewires)
            if rewires:
                state, buffers, step = self._rewired(state, buffers, step, reached)
                backup, backed_up = self._kept(state), time.perf_counter()
            stopped = self._stopped(state, reached, counted)
            left = reached < self.k1 and not stopped and self._left(state, reached)
            if ((stopped or (left and not self.sink.way_on)) and reached < self.k1) or (rewires and reached == self.k1):
                self._take_row_at(step, state, reached)
            if progress is not None:
                progress(self._progress(reached, now - began, (reached - k) / max(seconds, 1e-9)))
            step.steps_per_second = (reached - k) / max(seconds, 1e-9)
            if self.watch is not None:
                length = max(1, min(self.plan.steps_per_call, 2 * length, int(step.steps_per_second * per_call)))
            elif seconds < per_call / 2:
                length = min(self.plan.steps_per_call, 2 * length)
            elif seconds > 2 * per_call:
                length = max(1, length // 2)
            k = reached
            if k == self.k1 or stopped or left:
                if not left:
                    self._look(state, k, last=True)
                step.leave_buffers(buffers)
                final: Any = self._leaving(state)
                if self.sink.way_on or self.together:
                    final = final()
                ended = "interrupted" if left else "complete"
                self.sink.finish(ended, Progression(final, self._counts.copy()) if self.sink.way_on else None)
                self.info["run_seconds"] = time.perf_counter() - began
                return self._result(final, k)
            if self._agreed(bool(interruption.came)):
                self._look(state, k, last=True)
                self.sink.finish("interrupted", Progression(self._in_users_order(state), self._counts.copy()))
                raise RunInterrupted(f"Stopped at t = {k * self.dt:g} ms of {self.k1 * self.dt:g} ms. {self.sink.way_on}")
            if self.sink.checkpoint_steps and k % self.sink.checkpoint_steps == 0:
                self.sink.checkpoint(Progression(self._in_users_order(state), self._counts.copy()))
            if now - backed_up > SECONDS_OF_BACKUP and not self.together:
                backup, backed_up = self._kept(state), now

    def _rewired(self, state: StepState, buffers: Any, step: loop.Compiled, k: int) -> tuple[StepState, Any, loop.Compiled]:
        """The state after edges have come and gone, and what it is run with: another loop, where they have outgrown their arrays."""
        assert self.rewirer is not None
        wired, state = self.rewirer.changed(Wired(self.structure, self.constants.tree(), self.outside), state, k)
        self.constants, self.outside = loop.Shared(wired.constants), wired.outside
        if wired.plan is not self.structure:
            self.structure, self.program = wired.plan, dataclasses.replace(self.program, plan=wired.plan)
            step, fresh = loop.compiled(self.program, self._arguments(state, buffers, self.k1, k))
            self.info["compile_seconds"] += step.seconds if fresh else 0.0
        return state, buffers, step

    def _next_stop(self, k: int, length: int) -> int:
        """Where the next call ends: after so many steps, or at the run's end, the next checkpoint or the next question."""
        stop = min(self.k1, k + length)
        for period in (self.sink.checkpoint_steps, self._question_steps, *(self.rewirer.periods if self.rewirer else ())):
            if period:
                stop = min(stop, (k // period + 1) * period)
        return stop

    def _progress(self, k: int, elapsed: float, speed: float) -> Progress:
        return Progress((k - self.k0) * self.dt, (self.k1 - self.k0) * self.dt, elapsed, speed, self.sink.size())

    def _take(self, buffers: Any, k: int, reached: int, spikes: Any, last: bool) -> np.ndarray:
        """Takes over what a call from step `k` to `reached` left in the buffers; how often each population spiked."""
        steps, neurons = self._spikes_in(buffers, spikes)
        whole, fractions = loop.times_of(self.structure, steps)
        within = {} if fractions is None else {"fractions": fractions}
        rows: Iterable[Rows] = self.plan.rows(self._records_in(buffers), k, reached, last)
        if self.watch is not None:
            rows = list(rows)
        self.sink.take(whole, neurons, rows, reached, **within)
        if self.watch is not None:
            self.watch.take(whole, neurons, rows)
        firsts = [p.first for p in self.structure.populations]
        return np.bincount(np.searchsorted(firsts, neurons, side="right") - 1, minlength=len(firsts)) if self.until else self._counts

    def _look(self, state: StepState, k: int, last: bool = False) -> bool:
        """Lets who looks on see what is new, where that is due; whether the run is to end here."""
        return self.watch is not None and self.watch.look(k, functools.partial(self._in_users_order, state), last)

    def _left(self, state: StepState, k: int) -> bool:
        """Whether who looks on wants the run to end here."""
        return self.watch is not None and bool(self._agreed(self._look(state, k)))

    def _take_row_at(self, step: loop.Compiled, state: StepState, k: int) -> None:
        """Takes over the row that may be due where a run ends before its time."""
        _, buffers, spikes, _ = step(*self._arguments(self._copied(state), self._new_buffers(), k, k))
        self._take(buffers, k, k, spikes, last=True)

    def _stopped(self, state: StepState, k: int, counted: np.ndarray) -> bool:
        """Whether the stop condition holds, where it is due to be asked."""
        if self.until is None:
            return False
        self._counts = self._counts + counted
        if k % self._question_steps:
            return False
        seconds = self._question_steps * self.dt / 1000
        populations = self.structure.populations
        rates = {p.name: float(c) / max(p.n, 1) / seconds for p, c in zip(populations, self._counts, strict=True)}
        self._counts = np.zeros_like(self._counts)
        return bool(self._agreed(bool(self.until.condition(Moment(k * self.dt, functools.partial(self._in_users_order, state), rates)))))

    def _diverged(self, step: loop.Compiled, state: StepState, backup: StepState | None, k: int, bad_at: int) -> None:
        """Finds the first bad step by bisection from the last copy of a good state, keeps what came before it, and raises.

        What came before step `k` is taken over already.
        """
        step_of = self._step_of

        def advance(state: StepState, stop: int) -> Any:
            return step(*self._arguments(self._copied(state), self._new_buffers(), stop, step_of(state)))

        good = backup if backup is not None else self._entered()
        while step_of(good) < k:
            good = advance(good, k)[0]
        while bad_at - step_of(good) > 1:
            middle, buffers, spikes, bad = advance(good, (step_of(good) + bad_at) // 2)
            if self._any_bad(bad):
                bad_at = step_of(middle)
            else:
                self._take(buffers, step_of(good), step_of(middle), spikes, last=False)
                good = middle
        self._take_row_at(step, good, step_of(good))
        wrong, _, _, bad = advance(good, bad_at)
        self._look(good, step_of(good), last=True)
        part, variable, index, value, what = self._named(wrong, bad)
        moment = bad_at * self.dt
        remedy = "Try a smaller dt"
        if "rate_and_slope" not in self.integrator.needs:
            remedy += ", or rv.ExponentialEuler(), which stays stable at longer steps"
        beyond = ""
        if variable == "V" and what == "neuron" and np.isfinite(value):
            model = self.network.populations[part].model
            beyond = (
                f" A potential beyond {float(model.largest_potential):g} mV counts as diverged for {type(model).__name__}; a model whose "
                "potential may be larger, such as one that counts, says so in `largest_potential`."
            )
        self.sink.finish("diverged", None)
        raise SimulationDiverged(
            f"The run went wrong at t = {moment:g} ms: {variable} of {part}, {what} {index}, became {value:g} "
            f"(dt = {self.dt:g} ms, {type(self.integrator).__name__}). {remedy}; if that does not help, look at that {what}'s parameters "
            f"and inputs.{beyond} What was recorded until then is in the error's `result`.",
            result=self._result(self._in_users_order(good), step_of(good)),
            time=moment,
        )

    def _any_bad(self, bad: Any) -> bool:
        return bool(np.any(np.asarray(bad) >= 0))

    def _named(self, state: StepState, bad: Any) -> tuple[str, str, int, float, str]:
        """The first variable that went wrong, in the user's words: part, variable, index, value, what the index counts."""
        bad = np.asarray(bad)
        at = int(np.flatnonzero(bad >= 0)[0])
        owner, variable = loop.checked_variables(self.structure)[at]
        index = int(bad[at])
        held = {**{n: dict(v) for n, v in state.fixed.items()}}
        for name, values in self._unpack(state.moving).items():
            held.setdefault(name, {}).update(values)
        if owner in state.learning:
            value = float(np.asarray(state.learning[owner][variable])[index])
            edge = int(np.flatnonzero(self.outside.places[owner] == index)[0])
            edges = self.outside.wirings.get(owner) or self.network.edges(owner, seed=self.state.seed_number, dt=self.dt)
            return f"{owner} ({edges.pre[edge]} → {edges.post[edge]})", variable, edge, value, "edge"
        value = float(np.asarray(held[owner][variable])[index])
        for p in self.structure.populations:
            if p.group == owner and p.start <= index < p.start + p.n:
                return p.name, variable, index - p.start, value, "neuron"
        for wire in self.structure.wires:
            first = 0
            for piece in wire.pieces:
                if piece.synapses == owner and piece.start <= index < piece.start + piece.n:
                    return wire.name, variable, first + index - piece.start, value, "state"
                first += piece.n
        return owner, variable, index, value, "state"

    def _result(self, state: Any, k: int) -> Result:
        spikes = Spikes.from_source(
            self.sink.spikes(),
            n=self.structure.n,
            dt=self.dt,
            start=self.first * self.dt,
            stop=k * self.dt,
            populations={p.name: (p.first, p.n) for p in self.structure.populations},
        )
        info = {**self.info, "steps": k - self.k0, "device": jax.devices()[0].device_kind, "versions": versions()}
        return Result(self.network, spikes, self.sink.records(), state, info)


def program_of(
    layout: Any, reads: tuple[loop.ReadGroup, ...], plan: Plan, spikes: int = SPIKES_A_NEURON, exchange: Exchange | None = None
) -> loop.Program:
    """What is compiled for a network and its records.

    Args:
        layout: how it lies.
        reads: what the loop's buffers hold of it.
        plan: its structure: of all of it, or of one device's share.
        spikes: how many a neuron may have between two visits of the host, as far as there is room.
        exchange: what tells of other devices, if there are any.
    """
    spikes = max(spikes, 2 * dispatch.turns_at_once())  # turns are taken at once where the list has room for all that may spike in them
    capacity = 1 << int(max(spikes * plan.n, LEAST_SPIKES) - 1).bit_length()
    # Packing serves methods that weigh slopes. Others work on the variables one by one: over packed rows
    # XLA would compute every variable's equation for each of them.
    packed = PACKED and not layout.integrator.by_name and not all(g.whole for g in plan.groups)
    populations = layout.net.populations
    largest = tuple(max(float(populations[name].model.largest_potential) for name in g.members) for g in plan.groups)
    return loop.Program(plan, layout.integrator, reads, capacity, packed, largest, exchange)


@functools.cache
def versions() -> dict[str, str]:
    """The versions of Ranvier and of what it computes with."""
    found = {"python": platform.python_version()}
    for package in ("ranvier", "jax", "jaxlib", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
