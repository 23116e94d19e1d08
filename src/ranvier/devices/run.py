"""A run on several devices."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ranvier.devices.processes import gathered, losses, told_to_all
from ranvier.devices.records import ReadableShares, SharedRecords
from ranvier.devices.rewiring import RewirerOnDevices, WiredShares
from ranvier.devices.shards import SPIKES, numbers_here
from ranvier.errors import RanvierError, StoreError, UnsupportedError
from ranvier.interruption import Interruption
from ranvier.network import loop
from ranvier.network.state import SimulationState
from ranvier.network.working import StepState
from ranvier.progress import ProgressCallback
from ranvier.record.memory import MemorySink, Table
from ranvier.record.plan import RecordPlan, Rows
from ranvier.result import Recorded, Result
from ranvier.run import Run, Sink, program_of

FAILED = "failed: "
"""How what the first process says begins where it could not make a store."""


class RunOnDevices(Run):
    """A run whose network lies on several devices.

    Args:
        wired: the network: the numbers of each share that is here, and what takes its state in and out.
        readable: what records are read from.
        rewirer: what changes its edges, where they come and go.
        others: see `Run`.
    """

    def __init__(
        self,
        wired: WiredShares,
        readable: ReadableShares,
        rewirer: RewirerOnDevices | None = None,
        **others: Any,
    ):
        self.shards, self._shares, self._outsides = wired.shards, wired.constants, wired.outsides
        self._shared_records = SharedRecords(others["records"], readable, len(self.shards.devices))
        self._local = [numbers_here(self.shards.exchange, d) for d in range(len(self.shards.devices))]
        self._placed_subsets: Any = None
        self._rewirer = rewirer
        self.together = jax.process_count() > 1
        sink = others.pop("sink")
        super().__init__(
            layout=self.shards.layout,  # type: ignore[arg-type]
            outside=self._outsides[self.shards.here[0]],
            rewirer=rewirer,  # type: ignore[arg-type]
            sink=(lambda run: followed(run, sink)) if self.together else sink,
            **others,
        )

    def _execute(self, progress: ProgressCallback | None, interruption: Interruption) -> Result:
        with losses():
            return super()._execute(progress if jax.process_index() == 0 else None, interruption)

    def _result(self, state: Any, k: int) -> Result:
        if self.together:
            told_to_all(b"written")  # all may read the store
        return super()._result(state, k)

    def _agreed(self, number: int) -> int:
        return max(int(own) for own in told_to_all(str(int(number)).encode()))

    def _program(self) -> loop.Program:
        return program_of(self.layout, self._shared_records.groups, self.shards.plan, SPIKES, self.shards.exchange)

    def _first_memory(self) -> Any:
        lead = self.shards.here[0]
        stepper = self.shards.stepper(self._shares[lead], self.program.packed)
        entered = self.shards.enter(self.state, self._outsides, self.program.packed)[lead]
        memory = self.integrator.init(stepper.system(entered), entered.moving, self.k0 * self.dt)
        if jax.tree.leaves(memory):
            raise UnsupportedError(
                f"{type(self.integrator).__name__} remembers what was in the last steps, which is not cut among devices. "
                "Use a Runge-Kutta method, or leave out devices."
            )
        return memory

    def _entered(self) -> StepState:
        return self.shards.placed(self.shards.enter(self.state, self._outsides, self.program.packed))

    def _subsets(self) -> Any:
        if self._placed_subsets is None:
            self._placed_subsets = self.shards.placed({i: self._shared_records.subsets[i] for i in self.shards.here})
        return self._placed_subsets

    def _buffer_shapes(self) -> Any:
        return self.shards.shapes(loop.buffer_shapes(self.program, self._shared_records.widths))

    def _new_buffers(self) -> Any:
        new = loop.new_buffers(self.program, self._shared_records.widths)
        return self.shards.placed(dict.fromkeys(self.shards.here, new))

    def _copied(self, state: StepState) -> StepState:
        return self.shards.copied(state)

    def _kept(self, state: StepState) -> StepState:
        return self.shards.copied(state)

    def _rewired(self, state: StepState, buffers: Any, step: loop.Compiled, k: int) -> tuple[StepState, Any, loop.Compiled]:
        rewirer = self._rewirer
        assert rewirer is not None
        before = WiredShares(self.shards, self._shares, self._outsides)
        whole = rewirer.changed(before, self._in_users_order(state), k)
        after = rewirer.laid_out(before, whole)
        self.shards, self._shares, self._outsides = after.shards, after.constants, after.outsides
        self.constants = loop.Shared(self.shards.placed(self._shares))
        state = self.shards.placed(self.shards.enter(whole, self._outsides, self.program.packed))
        if after.shards is not before.shards:
            self.structure, self.program = after.shards.layout.plan, dataclasses.replace(self.program, plan=after.shards.plan)
            step, fresh = loop.compiled(self.program, self._arguments(state, buffers, self.k1, k))
            self.info["compile_seconds"] += step.seconds if fresh else 0.0
        return state, buffers, step

    def _step_of(self, state: StepState) -> int:
        return int(np.asarray(state.step.addressable_shards[0].data)[0])

    def _spikes_in(self, buffers: Any, spikes: Any) -> tuple[np.ndarray, np.ndarray]:
        counts = self.shards.taken(spikes)
        own = self.shards.taken(buffers[:2])
        mine = {i: (steps[: int(counts[i])], self._local[i][neurons[: int(counts[i])]]) for i, (steps, neurons) in own.items()}
        each = gathered(self.shards, mine)
        steps, neurons = (np.concatenate([pair[which] for pair in each]) for which in (0, 1))
        # Sorted by step, then neuron, as on one device: as one number, which is faster than by two.
        n = self.shards.whole.n
        steps, neurons = np.divmod(np.sort(steps * n + neurons), n)
        return steps, neurons.astype(np.int32)

    def _records_in(self, buffers: Any) -> Any:
        return self._shared_records.joined(gathered(self.shards, self.shards.taken(buffers[2])))

    def _leaving(self, state: StepState) -> Callable[[], SimulationState]:
        taken = self.shards.taken(state)
        return functools.partial(self.shards.leave, taken, self._outsides, self.program.packed, self.state.dt, self.state.seed)

    def _any_bad(self, bad: Any) -> bool:
        return any(np.any(own >= 0) for own in gathered(self.shards, self.shards.taken(bad)))

    def _named(self, state: StepState, bad: Any) -> tuple[str, str, int, float, str]:
        each = np.stack(gathered(self.shards, self.shards.taken(bad)))
        at = int(np.flatnonzero((each >= 0).any(axis=0))[0])
        owner, variable = loop.checked_variables(self.shards.plan)[at]
        final = self._in_users_order(state)
        names = list(next((g.members for g in self.shards.plan.groups if g.name == owner), ()))
        where: Mapping[str, Any] = final.neurons if names else final.synapses
        names = names or [w.name for w in self.shards.plan.wires if w.name == owner or any(p.synapses == owner for p in w.pieces)]
        for name in names:
            values = np.asarray(where[name][variable])
            wrong = ~np.isfinite(values)
            if variable == "V" and name in self.network.populations:
                wrong |= np.abs(values) > float(self.network.populations[name].model.largest_potential)
            if wrong.any():
                index = int(np.argmax(wrong))
                return name, variable, index, float(values[index]), "neuron" if where is final.neurons else "state"
        return str(owner), variable, 0, float("nan"), "value"


def followed(run: Run, sink: Callable[[Run], Sink]) -> Sink:
    """Where spikes and records go, for one of several processes: the first writes the store, the others keep what they are told.

    Raises:
        StoreError: the first process cannot make it.
    """
    told_to_all(b"ready")  # all have looked whether the place is free
    made: Sink | None = None
    said = ""
    problem: Exception | None = None
    if jax.process_index() == 0:
        try:
            made = sink(run)
            said = json.dumps([made.checkpoint_steps, made.way_on, str(getattr(made, "path", ""))])
        except (RanvierError, OSError) as error:
            problem, said = error, f"{FAILED}{error}"
    said = told_to_all(said.encode())[0].decode()
    if problem is not None:
        raise problem
    if said.startswith(FAILED):
        raise StoreError(f"Process 0 could not begin: {said.removeprefix(FAILED)}")
    if made is not None:
        return made
    return _Follower(run.plan, *json.loads(said))


class _Follower(MemorySink):
    """Where spikes and records go in a process that does not write the store: it has its checkpoints at the same steps, and keeps in memory
    what there is no store for.
    """

    def __init__(self, plan: RecordPlan, checkpoint_steps: int, way_on: str, store: str):
        self.checkpoint_steps, self.way_on, self._store = checkpoint_steps, way_on, store
        if store:  # it holds what is recorded, but for last stretches
            self._dt, self._tables = plan.dt, {id(track): Table(track) for track in plan.tracks if track.keep is not None}
        else:
            super().__init__(plan)

    def take(self, steps: np.ndarray, neurons: np.ndarray, rows: Iterable[Rows], reached: int, fractions: np.ndarray | None = None) -> None:
        if not self._store:
            super().take(steps, neurons, rows, reached, fractions)
            return
        for new in rows:
            if new.track.keep is not None:  # the last stretch is in no store
                self._tables[id(new.track)].take(new)

    def _stored(self) -> Any:
        from ranvier.store import layout
        from ranvier.store.reader import Stored

        return Stored(layout.root_of(Path(self._store)))

    def spikes(self) -> Any:
        return self._stored().spikes if self._store else super().spikes()

    def records(self) -> list[Recorded]:
        if not self._store:
            return super().records()
        return [*self._stored().records(), *(r for table in self._tables.values() for r in table.recorded(self._dt))]
