"""One run: the loop on the host around the compiled one."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from ranvier.errors import SimulationDiverged
from ranvier.integrators.base import Integrator
from ranvier.network import loop
from ranvier.network.build import continued
from ranvier.network.plan import Built
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.progress import Progress, ProgressCallback
from ranvier.record.memory import MemoryRecorder
from ranvier.result import Recorded, Result, Spikes

SECONDS_PER_CALL = 0.2
LEAST_SPIKES = 2**14  # what the list of spikes holds at least between two visits of the host
RUNAWAY = 1e4  # mV: no membrane has such a potential
PACKED = True  # benchmarks/populations.py turns it off to show what it is worth


class Run:
    """A network, built and ready, on its way from step `k0` to step `k1`."""

    def __init__(
        self,
        network: Network,
        built: Built,
        *,
        initial: SimulationState | None,
        steps: int,
        dt: float,
        integrator: Integrator,
        recorder: Callable[[int, int], MemoryRecorder],
        info: dict[str, Any],
    ):
        self.network, self.built, self.dt, self.integrator, self.info = network, built, dt, integrator, info
        self.state = built.state if initial is None else continued(built, initial)
        self.k0 = int(self.state.step)
        self.k1 = self.k0 + steps
        self.recorder = recorder(self.k0, self.k1)
        capacity = 1 << int(max(4 * built.plan.n, LEAST_SPIKES) - 1).bit_length()
        self.program = loop.Program(built.plan, integrator, self.recorder.groups, capacity, self._packed())
        self.constants = jax.device_put(loop.Constants(built.constants))  # once: else every call would copy them
        self._moving = {p.name: built.plan.group(p.group).moving for p in built.plan.populations}
        self._moving |= {s.name: s.moving for s in built.plan.synapses}
        if type(integrator).init is not Integrator.init and not jax.tree.leaves(self.state.memory):
            stepper = Stepper(built.plan, built.constants, integrator, self.program.packed)
            entered = stepper.enter(self.state)
            memory = integrator.init(stepper.system(entered), entered.moving, self.k0 * dt)
            self.state = dataclasses.replace(self.state, memory=memory)
        self.spike_steps: list[np.ndarray] = []
        self.spike_neurons: list[np.ndarray] = []

    def _packed(self) -> bool:
        # Packing serves methods that weigh slopes. Others work on the variables one by one: over packed rows
        # XLA would compute every variable's equation for each of them.
        return PACKED and not self.integrator.by_name

    def _arguments(self, state: SimulationState, buffers: Any, stop: int) -> tuple[Any, ...]:
        return self.constants, self.recorder.subsets, state, buffers, np.int64(stop), self.recorder.schedules(int(state.step))

    def execute(self, progress: ProgressCallback | None) -> Result:
        """Runs to the end, and gives the result.

        Raises:
            SimulationDiverged: the state became NaN or absurdly large.
        """
        state, buffers = self.state, loop.new_buffers(self.program, self.recorder.widths)
        step, fresh = loop.compiled(self.program, self._arguments(state, buffers, self.k1))
        self.info["compile_seconds"] = step.seconds if fresh else 0.0
        k, length = self.k0, min(self.recorder.steps_per_call, 1000)
        began = time.perf_counter()
        while True:
            safe = state.on_host()
            called = time.perf_counter()
            state, buffers, spikes = step(*self._arguments(safe, buffers, min(self.k1, k + length)))
            reached = int(state.step)
            seconds = time.perf_counter() - called
            self.info["run_seconds"] = time.perf_counter() - began
            if self._bad(state):
                self._diverged(step, safe, reached)
            self._take(buffers, k, reached, int(spikes), last=reached == self.k1)
            if progress is not None:
                done, total = reached - self.k0, self.k1 - self.k0
                progress(Progress(done * self.dt, total * self.dt, time.perf_counter() - began, (reached - k) / max(seconds, 1e-9)))
            if seconds < SECONDS_PER_CALL / 2:
                length = min(self.recorder.steps_per_call, 2 * length)
            elif seconds > 2 * SECONDS_PER_CALL:
                length = max(1, length // 2)
            k = reached
            if k == self.k1:
                self.info["run_seconds"] = time.perf_counter() - began
                return self._result(state, k)

    def _take(self, buffers: Any, k: int, reached: int, spikes: int, last: bool) -> None:
        """Takes over what a call from step `k` to `reached` left in the buffers."""
        steps, neurons, records = buffers
        self.spike_steps.append(np.array(np.asarray(steps)[:spikes]))
        self.spike_neurons.append(np.array(np.asarray(neurons)[:spikes]))
        self.recorder.take(records, k, reached, last)

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
            return step(*self._arguments(state.on_host(), loop.new_buffers(self.program, self.recorder.widths), stop))

        while bad_at - int(good.step) > 1:
            state, buffers, spikes = advance(good, (int(good.step) + bad_at) // 2)
            if self._bad(state):
                bad_at = int(state.step)
            else:
                self._take(buffers, int(good.step), int(state.step), int(spikes), last=False)
                good = state.on_host()
        _, buffers, _ = advance(good, int(good.step))
        self._take(buffers, int(good.step), int(good.step), 0, last=True)
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
        raise SimulationDiverged(
            f"The run went wrong at t = {moment:g} ms: {variable} of {part}, {what} {index}, became {value:g} "
            f"(dt = {self.dt:g} ms, {type(self.integrator).__name__}). {remedy}; if that does not help, look at that {what}'s parameters "
            "and inputs. What was recorded until then is in the error's `result`.",
            result=self._result(good, int(good.step)),
            time=moment,
        )

    def _result(self, state: SimulationState, k: int) -> Result:
        spikes = Spikes(
            np.concatenate(self.spike_steps),
            np.concatenate(self.spike_neurons),
            n=self.built.plan.n,
            dt=self.dt,
            start=self.k0 * self.dt,
            stop=k * self.dt,
            populations={p.name: (p.first, p.n) for p in self.built.plan.populations},
        )
        records = [
            Recorded(c.part, c.variable, c.unit, self.recorder.times(schedule, c.filled), c.values[: c.filled], c.neurons, c.label)
            for schedule, columns in self.recorder.columns.items()
            for c in columns
        ]
        info = {**self.info, "steps": k - self.k0, "device": jax.devices()[0].device_kind, "versions": versions()}
        return Result(self.network, spikes, records, state.on_host(), info)


def versions() -> dict[str, str]:
    """The versions of Ranvier and of what it computes with."""
    found = {"python": platform.python_version()}
    for package in ("ranvier", "jax", "jaxlib", "numpy"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "unknown"
    return found
