"""One run: the loop on the host around the compiled one."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import jax
import numpy as np

from ranvier.errors import SimulationDiverged
from ranvier.integrators.base import Integrator
from ranvier.interruption import Interruption, RunInterrupted
from ranvier.network import loop
from ranvier.network.build import continued
from ranvier.network.plan import Built
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.progress import Progress, ProgressCallback
from ranvier.record.plan import RecordPlan, Rows
from ranvier.record.record import Record
from ranvier.result import Recorded, Result, Spikes, SpikeSource
from ranvier.steps import in_steps
from ranvier.until import Moment, Until

SECONDS_PER_CALL = 0.2
LEAST_SPIKES = 2**14  # what the list of spikes holds at least between two visits of the host
RUNAWAY = 1e4  # mV: no membrane has such a potential
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


class Run:
    """A network, built and ready, on its way from step `k0` to step `k1`.

    Args:
        network, built: what runs.
        initial: the state to go on from, or None for the network's own.
        first: the step that the run as a whole began with; that of the state when left out.
        duration_steps: how long the run is as a whole.
        records: what is recorded.
        fixed_buffers: see `RecordPlan`.
        sink: makes the place where spikes and records go.
    """

    def __init__(
        self,
        network: Network,
        built: Built,
        *,
        initial: SimulationState | None,
        first: int | None = None,
        duration_steps: int,
        dt: float,
        integrator: Integrator,
        records: list[Record],
        fixed_buffers: bool = False,
        sink: Callable[[Run], Sink],
        until: Until | None = None,
        counts: np.ndarray | None = None,
        info: dict[str, Any],
    ):
        self.network, self.built, self.dt, self.integrator, self.info = network, built, dt, integrator, info
        self.state = built.state if initial is None else continued(built, initial)
        self.k0 = int(self.state.step)
        self.first = self.k0 if first is None else first
        self.k1 = self.first + duration_steps
        self.until = until
        self._question_steps = int(in_steps(until.every, dt, "until.every")) if until else 0
        self._counts = np.zeros(len(built.plan.populations), np.int64) if counts is None else counts
        self.plan = RecordPlan(network, built, records, self.first, self.k1, dt, fixed_buffers=fixed_buffers)
        capacity = 1 << int(max(4 * built.plan.n, LEAST_SPIKES) - 1).bit_length()
        self.program = loop.Program(built.plan, integrator, self.plan.groups, capacity, self._packed())
        self.constants = jax.device_put(loop.Constants(built.constants))  # once: else every call would copy them
        self._moving = {p.name: built.plan.group(p.group).moving for p in built.plan.populations}
        self._moving |= {s.name: s.moving for s in built.plan.synapses}
        if type(integrator).init is not Integrator.init and not jax.tree.leaves(self.state.memory):
            stepper = Stepper(built.plan, built.constants, integrator, self.program.packed)
            entered = stepper.enter(self.state)
            memory = integrator.init(stepper.system(entered), entered.moving, self.k0 * dt)
            self.state = dataclasses.replace(self.state, memory=memory)
        self.sink = sink(self)

    def _packed(self) -> bool:
        # Packing serves methods that weigh slopes. Others work on the variables one by one: over packed rows
        # XLA would compute every variable's equation for each of them.
        return PACKED and not self.integrator.by_name

    def _arguments(self, state: SimulationState, buffers: Any, stop: int) -> tuple[Any, ...]:
        return self.constants, self.plan.subsets, state, buffers, np.int64(stop), self.plan.schedules(int(state.step))

    @property
    def at_start(self) -> Progression:
        """Where the run begins."""
        return Progression(self.state.on_host(), self._counts)

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
        state, buffers = self.state.on_host(), loop.new_buffers(self.program, self.plan.widths)
        step, fresh = loop.compiled(self.program, self._arguments(state, buffers, self.k1))
        self.info["compile_seconds"] = step.seconds if fresh else 0.0
        k, length = self.k0, min(self.plan.steps_per_call, 1000)
        began = time.perf_counter()
        while True:
            called = time.perf_counter()
            reached_state, buffers, spikes = step(*self._arguments(state, buffers, self._next_stop(k, length)))
            reached = int(reached_state.step)
            seconds = time.perf_counter() - called
            self.info["run_seconds"] = time.perf_counter() - began
            if self._bad(reached_state):
                self._diverged(step, state, reached)
            state = reached_state.on_host()
            counted = self._take(buffers, k, reached, int(spikes), last=reached == self.k1)
            stopped = self._stopped(state, counted)
            if stopped and reached < self.k1:
                self._take_row_at(step, state)
            if progress is not None:
                progress(self._progress(reached, time.perf_counter() - began, (reached - k) / max(seconds, 1e-9)))
            if seconds < SECONDS_PER_CALL / 2:
                length = min(self.plan.steps_per_call, 2 * length)
            elif seconds > 2 * SECONDS_PER_CALL:
                length = max(1, length // 2)
            k = reached
            here = Progression(state, self._counts.copy())
            if k == self.k1 or stopped:
                self.sink.finish("complete", here)
                self.info["run_seconds"] = time.perf_counter() - began
                return self._result(state, k)
            if interruption.came:
                self.sink.finish("interrupted", here)
                raise RunInterrupted(f"Stopped at t = {k * self.dt:g} ms of {self.k1 * self.dt:g} ms. {self.sink.way_on}")
            if self.sink.checkpoint_steps and k % self.sink.checkpoint_steps == 0:
                self.sink.checkpoint(here)

    def _next_stop(self, k: int, length: int) -> int:
        """Where the next call ends: after so many steps, or at the run's end, the next checkpoint or the next question."""
        stop = min(self.k1, k + length)
        for period in (self.sink.checkpoint_steps, self._question_steps):
            if period:
                stop = min(stop, (k // period + 1) * period)
        return stop

    def _progress(self, k: int, elapsed: float, speed: float) -> Progress:
        return Progress((k - self.k0) * self.dt, (self.k1 - self.k0) * self.dt, elapsed, speed, self.sink.size())

    def _take(self, buffers: Any, k: int, reached: int, spikes: int, last: bool) -> np.ndarray:
        """Takes over what a call from step `k` to `reached` left in the buffers; how often each population spiked."""
        steps, neurons, records = buffers
        neurons = np.array(np.asarray(neurons)[:spikes])
        self.sink.take(np.array(np.asarray(steps)[:spikes]), neurons, self.plan.rows(records, k, reached, last), reached)
        firsts = [p.first for p in self.built.plan.populations]
        return np.bincount(np.searchsorted(firsts, neurons, side="right") - 1, minlength=len(firsts)) if self.until else self._counts

    def _take_row_at(self, step: loop.Compiled, state: SimulationState) -> None:
        """Takes over the row that may be due where a run ends before its time."""
        k = int(state.step)
        _, buffers, _ = step(*self._arguments(state, loop.new_buffers(self.program, self.plan.widths), k))
        self._take(buffers, k, k, 0, last=True)

    def _stopped(self, state: SimulationState, counted: np.ndarray) -> bool:
        """Whether the stop condition holds, where it is due to be asked."""
        if self.until is None:
            return False
        self._counts = self._counts + counted
        k = int(state.step)
        if k % self._question_steps:
            return False
        seconds = self._question_steps * self.dt / 1000
        populations = self.built.plan.populations
        rates = {p.name: float(c) / max(p.n, 1) / seconds for p, c in zip(populations, self._counts, strict=True)}
        self._counts = np.zeros_like(self._counts)
        return bool(self.until.condition(Moment(k * self.dt, state, rates)))

    def _bad(self, state: SimulationState) -> tuple[str, str, int] | None:
        """The first variable that is not finite or beyond all reason: part, variable, index."""
        for part, variables in {**state.neurons, **state.synapses}.items():
            for variable, values in variables.items():
                array = np.asarray(values)
                wrong = ~np.isfinite(array) if variable in self._moving[part] else np.isnan(array)
                if variable == "V" and part in state.neurons:
                    wrong |= np.abs(array) > RUNAWAY
                if wrong.any():
                    return part, variable, int(np.flatnonzero(wrong)[0])
        return None

    def _diverged(self, step: loop.Compiled, good: SimulationState, bad_at: int) -> None:
        """Finds the first bad step by bisection from the last good state, keeps what came before it, and raises."""

        def advance(state: SimulationState, stop: int) -> Any:
            return step(*self._arguments(state.on_host(), loop.new_buffers(self.program, self.plan.widths), stop))

        while bad_at - int(good.step) > 1:
            state, buffers, spikes = advance(good, (int(good.step) + bad_at) // 2)
            if self._bad(state):
                bad_at = int(state.step)
            else:
                self._take(buffers, int(good.step), int(state.step), int(spikes), last=False)
                good = state.on_host()
        self._take_row_at(step, good)
        bad = advance(good, bad_at)[0]
        found = self._bad(bad)
        assert found is not None
        part, variable, index = found
        value = np.asarray({**bad.neurons, **bad.synapses}[part][variable])[index]
        moment = bad_at * self.dt
        what = "neuron" if part in bad.neurons else "state"
        remedy = "Try a smaller dt"
        if "rate_and_slope" not in self.integrator.needs:
            remedy += ", or rv.ExponentialEuler(), which stays stable at longer steps"
        self.sink.finish("diverged", None)
        raise SimulationDiverged(
            f"The run went wrong at t = {moment:g} ms: {variable} of {part}, {what} {index}, became {value:g} "
            f"(dt = {self.dt:g} ms, {type(self.integrator).__name__}). {remedy}; if that does not help, look at that {what}'s parameters "
            "and inputs. What was recorded until then is in the error's `result`.",
            result=self._result(good, int(good.step)),
            time=moment,
        )

    def _result(self, state: SimulationState, k: int) -> Result:
        spikes = Spikes.from_source(
            self.sink.spikes(),
            n=self.built.plan.n,
            dt=self.dt,
            start=self.first * self.dt,
            stop=k * self.dt,
            populations={p.name: (p.first, p.n) for p in self.built.plan.populations},
        )
        info = {**self.info, "steps": k - self.k0, "device": jax.devices()[0].device_kind, "versions": versions()}
        return Result(self.network, spikes, self.sink.records(), state.on_host(), info)


def versions() -> dict[str, str]:
    """The versions of Ranvier and of what it computes with."""
    found = {"python": platform.python_version()}
    for package in ("ranvier", "jax", "jaxlib", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
