"""A network, prepared on several devices."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ranvier.devices.mesh import check_sizes, mesh_of
from ranvier.devices.processes import check_same, code_hash
from ranvier.devices.records import ReadableShares, readable_shares
from ranvier.devices.run import RunOnDevices
from ranvier.devices.shards import Shards
from ranvier.errors import UnsupportedError
from ranvier.network import loop
from ranvier.network.constants import Constants
from ranvier.network.draw import Drawn
from ranvier.network.explain import Explanation, explained
from ranvier.network.numbers import network_with
from ranvier.network.plan import EdgePlan, LayoutChanged, SourcePlan
from ranvier.network.state import SimulationState, with_step
from ranvier.network.transfer import continued
from ranvier.progress import BuildingBar
from ranvier.record.memory import MemorySink
from ranvier.record.plan import RecordPlan
from ranvier.record.record import Record
from ranvier.run import Run, Sink, versions
from ranvier.simulation import GRID, Simulation
from ranvier.until import Until


class SimulationOnDevices(Simulation):
    """A network that is prepared on several devices: what `rv.prepare(…, devices=…)` gives. It runs as a `Simulation` does.

    Attributes:
        devices: where it lies.
        shards: its shares.
    """

    def __init__(self, network: Any, *, devices: Sequence[jax.Device], spike_timing: str = GRID, **how: Any):
        if spike_timing != GRID:
            raise UnsupportedError("spike_timing='interpolated' is for one device. Leave out devices.")
        self.devices = tuple(devices)
        check_sizes({name: p.n for name, p in network.populations.items()}, len(self.devices))
        self._constants: tuple[Drawn, frozenset[str], Any, Any] | None = None
        if jax.process_count() > 1:
            check_same(
                {**versions(), "ranvier's code": code_hash(), "the network": _said(network), **{name: _said(x) for name, x in how.items()}}
            )
        super().__init__(network, spike_timing=spike_timing, **how)

    # -- inside ------------------------------------------------------------------------------------

    def _prepare(self, told: BuildingBar | None) -> None:
        self._lay_out(self.drawn, told)
        self._check_currents(self.drawn)
        outsides = self.shards.outside(self.drawn)
        constants, _ = self._numbers(self.drawn, told)
        self.readable = self._readable(constants, self.shards.initial(self.drawn), outsides)

    def _lay_out(self, drawn: Drawn, told: BuildingBar | None) -> None:
        self.shards = Shards(self.network, drawn, self._dtype, self.integrators, mesh_of(self.devices), told)
        self.layout = self.shards.layout  # type: ignore[assignment]

    def _readable(self, constants: Mapping[int, Any], state: SimulationState, outsides: Mapping[int, Any]) -> ReadableShares:
        return readable_shares(self.shards, constants[self.shards.here[0]], state, outsides, self.shards.plan)

    def _numbers(self, drawn: Drawn, told: BuildingBar | None = None, records: Sequence[Record] | None = None) -> tuple[Any, loop.Shared]:
        """The numbers of each share, on the host and on the devices."""
        whole = self._read_whole(records if records is not None else self.records or ())
        kept = self._constants
        if kept is not None and kept[0] is drawn and kept[1] == whole:
            return kept[2], kept[3]
        try:
            constants = self.shards.constants(drawn, told, whole)
        except LayoutChanged:
            self._lay_out(drawn, told)
            constants = self.shards.constants(drawn, told, whole)
        shared = loop.Shared(self.shards.placed(constants))
        self._constants = (drawn, whole, constants, shared)
        return constants, shared

    @property
    def bytes(self) -> int:
        assert self._constants is not None
        return int(self._constants[3].bytes)

    def start(
        self,
        duration_steps: int | Callable[[SimulationState], int],
        *,
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        initial: SimulationState | None = None,
        records: list[Record] | None = None,
        sink: Callable[[Run], Sink] | None = None,
        until: Until | None = None,
        first: int | None = None,
        counts: np.ndarray | None = None,
        info: Mapping[str, Any] | None = None,
        told: BuildingBar | None = None,
    ) -> Run:
        began = time.perf_counter()
        drawn = self._drawn_with(parameters, self.seed if seed is None else seed)
        if records is None:
            records = self.recorded
        constants, shared = self._numbers(drawn, told, records)
        own = self.shards.initial(drawn)
        if initial is not None:
            self._check_weights(parameters, initial)
        state = own if initial is None else continued(own, with_step(initial, self.dt))
        steps = duration_steps if isinstance(duration_steps, int) else duration_steps(state)
        begin = int(state.step) if first is None else first
        outsides = self.shards.outside(drawn)
        self.readable = readable = self._readable(constants, own, outsides)
        for name, population in drawn.populations.items():
            population.model.check_times(int(state.step), begin + steps, self.dt, name)
        plan = RecordPlan(self.network, readable, records, begin, begin + steps, self.dt)
        facts = {**self._facts(drawn), **(info or {}), "build_seconds": self._build_seconds + time.perf_counter() - began}
        self._build_seconds = 0.0
        return RunOnDevices(
            self.shards,
            constants,
            readable,
            outsides,
            network=self.network if drawn.numbers is self.numbers else network_with(self.network, drawn.numbers),
            constants=shared,
            state=state,
            records=plan,
            sink=sink or (lambda run: MemorySink(run.plan)),
            first=first,
            duration_steps=steps,
            until=until,
            counts=counts,
            info=facts,
        )

    # -- for everybody -----------------------------------------------------------------------------

    def _at_start(self, drawn: Drawn) -> SimulationState:
        self._numbers(drawn)
        return self.shards.initial(drawn)

    def function(self, *args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            "A network on several devices has no function to transform: gradients and batches are for one device. "
            "Prepare it without devices; JAX shards what jax.vmap makes of its function."
        )

    def explain(self) -> Explanation:
        shards, lead = self.shards, self.shards.here[0]
        constants, _ = self._numbers(self.drawn)
        share = explained(shards.shares[lead].network, shards.layouts[lead], shards.of(self.drawn)[lead], constants[lead])
        populations = tuple(dataclasses.replace(p, n=shards.net.populations[p.name].n) for p in share.populations)
        projections = []
        for p in share.projections:
            states = (
                {"target": sum(t.n for t in shards.net.projections[p.name].targets), "source": shards.net.projections[p.name].source.n}.get(
                    p.site, p.states
                )
                if p.name in shards.net.projections
                else sum(t.n for t in shards.net.poisson[p.name].targets)
            )
            projections.append(dataclasses.replace(p, states=states))
        return dataclasses.replace(
            share, populations=populations, projections=tuple(projections), devices=tuple(self._told(constants[lead]))
        )

    def _told(self, constants: Constants) -> Iterator[str]:
        """What the devices tell each other, and what that costs."""
        plan, exchange, n = self.shards.plan, self.shards.exchange, self.shards.whole.n
        kinds = collections.Counter(d.device_kind for d in self.devices)
        processes = len({d.process_index for d in self.devices})
        where = f" of {processes} processes" if processes > 1 else ""
        yield f"on {' and '.join(f'{count} {kind}' for kind, count in kinds.items())} devices{where}, each with a share of every population"
        if exchange.later:
            every = int(constants.tell_every)
            yield f"  told to all: who spiked, every {every} step{'s' * (every > 1)} (the shortest delay), {n * every} bytes"
        elif exchange.hears:
            yield f"  told to all: who spiked, at every step, {n} bytes"
        else:
            yield "  nothing is told: no spike goes anywhere"
        size = np.dtype(plan.dtype).itemsize
        for s in plan.synapses:
            if isinstance(s, SourcePlan | EdgePlan) and s.transmits:
                m = self.network.populations[s.source].n
                what = "what it sends" if isinstance(s, SourcePlan) else "its source's state"
                yield f"  gathered at each evaluation of the equations: {what} of {s.name}, {m * size} bytes a quantity"


def _said(what: Any) -> str:
    """What another process must have too, in words."""
    from ranvier.network.spec import Network
    from ranvier.store.description import described, described_network

    arrays: dict[str, Any] = {}
    form = (
        described_network(what, arrays)
        if isinstance(what, Network)
        else what
        if isinstance(what, str | int | float | bool | None)
        else described(what, arrays)
    )
    digests = {name: hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()[:16] for name, x in arrays.items()}
    return f"{form} {digests}" if digests else f"{form}"
