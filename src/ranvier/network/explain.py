"""How a network is computed: for each part the method, whether native, and why; where its state lies; how much memory it takes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from ranvier.connect.by_source import BySource
from ranvier.connect.part import Part, draw
from ranvier.kernels.dispatch import native_available
from ranvier.network.draw import Drawn
from ranvier.network.layout import Layout
from ranvier.network.plan import EdgePlan, MergedPlan, Plan, PlasticPlan, ReceptorPlan, ResponsePlan, SourcePlan
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.plasticity.fixed import FixedWeights


@dataclasses.dataclass(frozen=True)
class PopulationExplanation:
    """How a population advances.

    Attributes:
        integrator: the method, and `why` that one.
        native: whether one native kernel takes its whole step; `why_not_native` says why it does not.
        together: the populations that advance with it.
        bytes: of its state and parameters.
    """

    name: str
    n: int
    model: str
    integrator: str
    why: str
    native: bool
    why_not_native: str
    together: tuple[str, ...]
    bytes: int


@dataclasses.dataclass(frozen=True)
class ProjectionExplanation:
    """Where a projection's or Poisson input's states lie, and what reaches them.

    Attributes:
        site: `"target"`, `"source"` or `"edge"`.
        states: how many states it has, or shares.
        shared: with whom it shares them.
        coupling: `"events"`, `"events, drawn at each spike"`, `"matrix"`, `"sum over edges"` or `"Poisson counts"`.
        edges: how many.
        bytes: of its edges and weights; of edges that several share, of all.
        plasticity: by which rule its weights change, and how that is computed.
    """

    name: str
    synapse: str
    site: str
    states: int
    shared: tuple[str, ...]
    coupling: str
    edges: int
    bytes: int
    plasticity: str = ""


@dataclasses.dataclass(frozen=True)
class Explanation:
    """How a network is computed. Printing it shows all of it.

    Where it lies on several devices, sizes are those of the whole and bytes those of one device; `devices` says what they tell each other.

    Attributes:
        why_not_native: why XLA goes through the steps, not one call of native kernels; nothing where that is what happens.
    """

    populations: tuple[PopulationExplanation, ...]
    projections: tuple[ProjectionExplanation, ...]
    integrator: str
    history: str
    bytes: int
    devices: tuple[str, ...] = ()
    why_not_native: str = ""

    @property
    def native(self) -> bool:
        """Whether one call of native kernels goes through all steps between two records."""
        return not self.why_not_native

    def __getitem__(self, name: str) -> Any:
        """One part, by name."""
        parts: tuple[Any, ...] = (*self.populations, *self.projections)
        return next(p for p in parts if p.name == name)

    def _lines(self) -> Iterator[str]:
        for p in self.populations:
            yield f"{p.name}: {p.n} {p.model}, {_size(p.bytes)}"
            yield f"  {p.integrator}{f' ({p.why})' if p.why else ''}"
            yield "  native: one kernel takes the whole step" if p.native else f"  not in one native kernel: {p.why_not_native}"
            if p.together:
                yield f"  advances together with {', '.join(p.together)}"
        for w in self.projections:
            many = f", {w.edges} edges" if w.coupling != "Poisson counts" else ""
            yield f"{w.name}: {w.synapse}{many}, {_size(w.bytes)}"
            yield f"  {w.states} states at the {w.site}s, reached by {w.coupling}"
            if w.plasticity:
                yield f"  {w.plasticity}"
            if w.shared:
                yield f"  shares them with {', '.join(w.shared)}"
        yield f"in flight: {self.history}"
        yield "steps: native kernels, one after the other" if self.native else f"steps: XLA's loop, as {self.why_not_native}"
        yield from self.devices
        yield f"in all: {_size(self.bytes)}{' a device' if self.devices else ''}"

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__


def _learns(plan: PlasticPlan | None) -> str:
    if plan is None:
        return ""
    if plan.fused:
        how = "native kernels, with the delivery and at the targets' spikes" if native_available() else "the reference of the kernels"
    else:
        how = "its own functions, edge by edge where something happens"
    learns = f"learns by {plan.rule.__name__}: {how}"
    if plan.structure is None:
        return learns
    rewired = f"synapses come and go by {plan.structure.__name__}, on the host between steps, in arrays with room for {plan.width}"
    return rewired if plan.rule is FixedWeights else f"{learns}; {rewired}"


def _answers(plan: ResponsePlan | None) -> str:
    if plan is None:
        return ""
    short = "short-term plasticity with states at the edges" if plan.variables else ""
    random = f"releases at random from {plan.sites} site{'s' * (plan.sites > 1)}, drawn where spikes arrive" if plan.sites else ""
    return "; ".join(filter(None, (short, random)))


def _learning_bytes(plan: Plan, wire: str, state: SimulationState) -> int:
    """Of the weights and the index by target."""
    plastic = plan.plasticity_of(wire)
    if plastic is None:
        return 0
    return _bytes((state.synapses[wire]["weight"], state.traces[wire])) + 8 * (plastic.width + plastic.size + 1)


def _size(count: int) -> str:
    for unit, size in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= size:
            many = count / size
            return f"{many:.3g} {unit}" if many < 1000 else f"{many:.0f} {unit}"
    return f"{count} B"


def _bytes(tree: Any) -> int:
    return sum(np.asarray(x).nbytes for x in jax.tree.leaves(tree))


def _count(part: Part) -> int:
    """How many edges a part has; those that are not stored are not made for it."""
    if isinstance(part.rule, BySource):
        return int(part.rule.out_degrees(part.sources, part.size, part.own, part.key.child("edges")).sum())
    return len(draw(part))


def explained(net: Network, layout: Layout, drawn: Drawn, constants: Any) -> Explanation:
    """How a prepared network is computed."""
    plan, state = layout.plan, layout.initial(drawn)
    populations = []
    for p in plan.populations:
        group, choice = plan.group(p.group), layout.chosen.groups[p.group]
        populations.append(
            PopulationExplanation(
                name=p.name,
                n=p.n,
                model=type(net.populations[p.name].model).__name__,
                integrator="nothing to integrate" if choice.integrator is None else repr(choice.integrator),
                why=choice.why,
                native=choice.native,
                why_not_native=choice.why_not_native,
                together=tuple(name for name in group.members if name != p.name),
                bytes=_bytes((state.neurons[p.name], state.last_spike[p.name], drawn.populations[p.name].model)),
            )
        )
    projections = []
    for wire in plan.wires:
        synapses = [plan.synapses_named(piece.synapses) for piece in wire.pieces]
        first = synapses[0]
        model = net.poisson[wire.name].synapse if wire.input else net.projections[wire.name].synapse
        edges = 0
        if isinstance(first, SourcePlan | EdgePlan | MergedPlan):
            coupled = constants.synapses[first.name]
            site = first.site if isinstance(first, MergedPlan) else "source" if isinstance(first, SourcePlan) else "edge"
            common = getattr(coupled, "common", None) is not None
            how = "one sum for all targets" if common else "matrix" if coupled.matrix is not None else "sum over edges"
            delayed = getattr(first, "delayed", None)
            how = how if delayed is None else f"{how}, after a delay (what was sent is kept for {delayed.slots} steps)"
            projection = drawn.projections[wire.name]
            edges = projection.whole_edges or (0 if projection.edges is None else len(projection.edges))
        else:
            assert isinstance(first, ReceptorPlan)
            site, how = "target", "Poisson counts" if wire.input else "events"
            if not wire.input:
                part = drawn.projections[wire.name].part
                edges = _count(part)
                how = how if part.rule.stored else "events, drawn at each spike"
        port = getattr(first, "port", "")
        how = f"{how}, onto the {port}" if port else how
        projections.append(
            ProjectionExplanation(
                name=wire.name,
                synapse=type(model).__name__,
                site=site,
                states=sum(piece.n for piece in wire.pieces),
                shared=wire.shared,
                coupling=how,
                edges=edges,
                bytes=sum(_bytes(constants.synapses[s.name]) for s in dict.fromkeys(synapses)) + _learning_bytes(plan, wire.name, state),
                plasticity=_learns(plan.plasticity_of(wire.name)) or _answers(plan.response_of(wire.name)),
            )
        )
    slots = {h.name: h.slots for h in plan.histories}
    history = ", ".join(f"{'all spikes' if name == 'spikes' else name} of the last {n} steps" for name, n in slots.items()) or "nothing"
    method = type(layout.integrator).__name__
    return Explanation(tuple(populations), tuple(projections), method, history, _bytes((constants, state)))
