"""A network, prepared on several devices."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from ranvier.devices.mesh import check_sizes, mesh_of
from ranvier.devices.processes import check_same, code_hash
from ranvier.devices.records import ReadableShares, readable_shares
from ranvier.devices.rewiring import WiredShares, rewirer_of
from ranvier.devices.run import RunOnDevices
from ranvier.devices.shards import Shards
from ranvier.errors import UnsupportedError
from ranvier.kernels.dispatch import native_available
from ranvier.network import loop
from ranvier.network.constants import Constants
from ranvier.network.draw import Drawn
from ranvier.network.explain import Explanation, ProjectionExplanation, explained
from ranvier.network.plan import EdgePlan, LayoutChanged, SourcePlan
from ranvier.network.state import SimulationState
from ranvier.progress import BuildingBar
from ranvier.record.record import Record
from ranvier.run import Run, versions
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
                {
                    **versions(),
                    "ranvier's code": code_hash(),
                    "whether there are native kernels": native_available(),
                    "devices": [d.id for d in self.devices],
                    "the network": _said(network),
                    **{name: _said(x) for name, x in how.items()},
                }
            )
        super().__init__(network, spike_timing=spike_timing, **how)

    # -- inside ------------------------------------------------------------------------------------

    def _prepare(self, told: BuildingBar | None) -> None:
        self._lay_out(self.drawn, told)
        self._check_currents(self.drawn)
        constants, _ = self.constants_of(self.drawn, told)
        self._read_from(self.drawn, constants, self._initial(self.drawn))

    def _lay_out(self, drawn: Drawn, told: BuildingBar | None) -> None:
        self.shards = Shards(self.network, drawn, self._dtype, self.integrators, mesh_of(self.devices), told)
        self.layout = self.shards.layout  # type: ignore[assignment]

    def constants_of(
        self, drawn: Drawn, told: BuildingBar | None = None, records: Sequence[Record] | None = None
    ) -> tuple[Any, loop.Shared]:
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

    def _initial(self, drawn: Drawn) -> SimulationState:
        return self.shards.initial(drawn)

    def _read_from(self, drawn: Drawn, constants: Any, own: SimulationState) -> None:
        self.readable = readable_shares(self.shards, constants[self.shards.here[0]], own, self.shards.outside(drawn))

    def start(self, duration_steps: Any, **how: Any) -> Run:
        if jax.process_count() > 1:  # before anything is made of it that all are asked about
            given = {name: how.get(name) for name in ("seed", "parameters", "initial", "until", "watch")}
            check_same(
                {
                    "seed": self.seed if given["seed"] is None else given["seed"],
                    "the numbers given to run": {path: _said(x) for path, x in sorted((given["parameters"] or {}).items())},
                    "the state that it begins with": _digest(jax.tree.leaves(given["initial"])),
                    "until": _said_of(given["until"]),
                    "watch": None if given["watch"] is None else given["watch"].every,
                }
            )
        return super().start(duration_steps, **how)

    def _run_of(self, drawn: Drawn, constants: Any, shared: loop.Shared, goes_on: bool, how: dict[str, Any]) -> Run:
        readable, shards = self.readable, self.shards
        if jax.process_count() > 1:
            check_same(
                {
                    "duration": how["duration_steps"],
                    "records": [(t.part, t.label, [c.name for c in t.columns], t.rows) for t in how["records"].tracks],
                }
            )
        assert isinstance(readable, ReadableShares)
        wired, rewirer = WiredShares(shards, constants, readable.outsides), rewirer_of(shards, drawn)
        if rewirer is not None and goes_on:
            wired = rewirer.laid_out(wired, how["state"])
            if wired.constants is not constants:
                shared = loop.Shared(wired.shards.placed(wired.constants))
        return RunOnDevices(wired, readable, constants=shared, rewirer=rewirer, **how)

    # -- for everybody -----------------------------------------------------------------------------

    def function(self, *args: Any, **kwargs: Any) -> Any:
        raise UnsupportedError(
            "A network on several devices has no function to transform: gradients and batches are for one device. "
            "Prepare it without devices; JAX shards what jax.vmap makes of its function."
        )

    def explain(self) -> Explanation:
        shards, lead = self.shards, self.shards.here[0]
        constants, _ = self.constants_of(self.drawn)
        share = explained(shards.shares[lead].network, shards.layouts[lead], shards.of(self.drawn)[lead], constants[lead])
        populations = tuple(dataclasses.replace(p, n=shards.net.populations[p.name].n) for p in share.populations)
        projections = tuple(dataclasses.replace(p, states=self._states(p)) for p in share.projections)
        return dataclasses.replace(
            share,
            populations=populations,
            projections=projections,
            devices=tuple(self._told(constants[lead])),
            why_not_native=self._why_not_native(constants[lead]),
        )

    def _why_not_native(self, constants: Constants) -> str:
        """Why XLA goes through the steps between two exchanges."""
        shards, lead = self.shards, self.shards.here[0]
        if shards.exchange.hears and not shards.exchange.listed and not shards.exchange.circle:
            return "devices tell each other within the step who spiked"
        if any(isinstance(s, SourcePlan | EdgePlan) and s.transmits for s in shards.plan.synapses):
            return "devices gather within the step what acts continuously"
        with self._inside():
            state = shards.enter(self._initial(self.drawn), shards.outside(self.drawn), False)[lead]
            alone = dataclasses.replace(shards.echo, later=shards.exchange.later, circle=shards.exchange.circle)
            return loop.why_not_native(shards.layouts[lead], constants, state, alone)

    def _states(self, share: ProjectionExplanation) -> int:
        """How many states a projection or input has on all devices."""
        spec: Any = self.network.projections.get(share.name) or self.network.poisson[share.name]
        if share.site == "target":
            return sum(t.n for t in spec.targets)
        return int(spec.source.n) if share.site == "source" else share.edges

    def _told(self, constants: Constants) -> Iterator[str]:
        """What the devices tell each other, and what that costs."""
        plan, exchange, n = self.shards.plan, self.shards.exchange, self.shards.whole.n
        kinds = collections.Counter(d.device_kind for d in self.devices)
        processes = len({d.process_index for d in self.devices})
        where = f" of {processes} processes" if processes > 1 else ""
        yield f"on {' and '.join(f'{count} {kind}' for kind, count in kinds.items())} devices{where}, each with a share of every population"
        a_byte = 8 if exchange.in_bits else 1
        by = "" if not exchange.circle else ", by native kernels through memory" + (" and sockets" if processes > 1 else "")
        if exchange.later:
            every = int(constants.tell_every)
            when = f"every {every} step{'s' * (every > 1)} (the shortest delay)"
            if exchange.listed and exchange.circle:
                yield f"  told to all: who spiked, {when}, 8 bytes a spike{by}"
            elif exchange.listed:
                bytes_ = exchange.devices * 4 * (exchange.at_once + 2)
                yield f"  told to all: who spiked, {when}, {bytes_} bytes while a device has up to {exchange.at_once} spikes"
            else:
                yield f"  told to all: who spiked, {when}, {n * every // a_byte} bytes"
        elif exchange.hears and exchange.circle:
            yield f"  told to all: who spiked, at every step, 4 bytes a spike or a bit a neuron, what is less{by}"
        elif exchange.hears:
            yield f"  told to all: who spiked, at every step, {n // a_byte} bytes"
        else:
            yield "  nothing is told: no spike goes anywhere"
        size = np.dtype(plan.dtype).itemsize
        for s in plan.synapses:
            if isinstance(s, SourcePlan | EdgePlan) and s.transmits:
                m = self.network.populations[s.source].n
                what = "what it sends" if isinstance(s, SourcePlan) else "its source's state"
                when = "at each evaluation of the equations" if s.delayed is None or s.delayed.some else "once a step"
                yield f"  gathered {when}: {what} of {s.name}, {m * size} bytes a quantity"
        for p in plan.plastic:
            if p.structure is not None:
                yield f"  known to every process: all synapses of {p.name}, which {p.structure.__name__} sees together, on the host"


def _said(what: Any) -> str:
    """What another process must have too, in words."""
    from ranvier.network.spec import Network
    from ranvier.store.description import described, described_network

    arrays: dict[str, Any] = {}
    if what is None or isinstance(what, str | int | float):
        return f"{what}"
    form = described_network(what, arrays) if isinstance(what, Network) else described(what, arrays)
    digests = {name: hashlib.sha256(np.ascontiguousarray(x).tobytes()).hexdigest()[:16] for name, x in arrays.items()}
    return f"{form} {digests}" if digests else f"{form}"


def _said_of(until: Until | None) -> str:
    """What is asked by a stop condition, and when; of what a function has from around it, the numbers and words."""
    if until is None:
        return "none"
    asked = until.condition
    around = [cell.cell_contents for cell in getattr(asked, "__closure__", None) or ()] + [*(getattr(asked, "__defaults__", None) or ())]
    return f"{until.every} {_said(asked)} {[x for x in around if isinstance(x, int | float | str)]}"


def _digest(numbers: Sequence[Any]) -> str:
    """A hash of arrays."""
    digest = hashlib.sha256()
    for x in numbers:
        digest.update(np.ascontiguousarray(x).tobytes())
    return digest.hexdigest()[:16]
