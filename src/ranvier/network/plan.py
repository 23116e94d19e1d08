"""The structure of a network: names and sizes, everything that decides what is compiled. No value of a parameter is in it."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

ALL_SPIKES = "spikes"
"""The history that holds the spikes of the whole network, each of amplitude 1."""


FRACTION = "spike_fraction"
"""The variable that says where in its step a neuron's last spike was, from 0 to 1, where spikes are located within the step."""


class LayoutChanged(Exception):
    """Numbers that the layout which was chosen for others cannot hold: a new one is needed."""


@dataclasses.dataclass(frozen=True)
class PopulationPlan:
    """A population: neurons `first … first + n − 1` of the network in the user's order, `start … start + n − 1` of its group."""

    name: str
    n: int
    first: int
    group: str
    start: int
    variables: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class GroupPlan:
    """Populations that advance together: one model, one structure, their neurons one after the other.

    Attributes:
        members: the populations; `sizes` says how many neurons each has.
        moving: the variables that have a derivative.
        held: those that stay as they are while a neuron is refractory.
        fires: what makes a neuron spike: `"test"` (the model's `spiked`), `"hazard"` or `"given"` times.
        resets: whether a spike changes the state.
        refractory: whether the model has a refractory period; it may be 0.
        stimulated: for each member, whether a current is injected.
        noisy: for each member, whether that current has white noise.
        diffuses: whether white noise drives the variables.
        held_current: whether its method holds the current over a step at its mean.
        linear: what `linearity` found out about its equations, where a method uses it.
        pointwise: whether its step, from the integrator to the reset, asks for nothing but what each neuron has itself.
    """

    name: str
    members: tuple[str, ...]
    sizes: tuple[int, ...]
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    held: tuple[str, ...]
    fires: str
    resets: bool
    refractory: bool
    stimulated: tuple[bool, ...]
    noisy: tuple[bool, ...]
    diffuses: bool
    held_current: bool = False
    linear: Any = None
    pointwise: bool = False

    @property
    def n(self) -> int:
        return sum(self.sizes)

    @property
    def located(self) -> bool:
        """Whether its spikes are located within the step."""
        return FRACTION in self.variables

    @property
    def whole(self) -> bool:
        """Whether one kernel takes its whole step: it integrates, holds, detects and resets."""
        return self.pointwise or (self.linear is not None and self.linear.whole is not None)


@dataclasses.dataclass(frozen=True)
class SynapsesPlan:
    """States of one synapse model in one place."""

    name: str
    states: int
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    transmits: bool


@dataclasses.dataclass(frozen=True)
class ReceptorPlan(SynapsesPlan):
    """States at the neurons of one group, fed by the projections and inputs that have these kinetics.

    Attributes:
        group: the group; there is one state for each of its neurons.
        deliveries: the history that each set of its edges reads.
        poisson: how many draws of Poisson counts reach it.
        kicks: whether what arrives moves the membrane at once.
        port: the port of the neurons that it reaches; their `V` where none is named.
    """

    group: str
    deliveries: tuple[str, ...]
    poisson: int
    kicks: bool
    port: str = ""


@dataclasses.dataclass(frozen=True)
class Delayed:
    """How the delays of a projection that acts continuously are kept.

    Attributes:
        slots: of how many steps what was sent is kept: a power of two above the longest delay.
        one: whether all its edges have one delay.
        some: whether there are edges without any; they act at once.
    """

    slots: int
    one: bool
    some: bool


@dataclasses.dataclass(frozen=True)
class SourcePlan(SynapsesPlan):
    """States at the neurons of one projection's source.

    Attributes:
        source: the presynaptic population.
        targets: `(group, start, n)` of the neurons acted on, in their order.
        emits: whether the states take note of presynaptic spikes.
        dense: whether the weights lie in a matrix.
        common: whether there is one weight a target instead of a matrix.
        delayed: how its delays are kept, if it has any.
    """

    source: str
    targets: tuple[tuple[str, int, int], ...]
    emits: bool
    dense: bool
    common: bool = False
    delayed: Delayed | None = None
    port: str = ""


@dataclasses.dataclass(frozen=True)
class EdgePlan(SynapsesPlan):
    """States at the edges of one projection; see `SourcePlan`.

    Attributes:
        deliveries: the history that its spikes come from, where spikes are delivered to it.
    """

    source: str
    targets: tuple[tuple[str, int, int], ...]
    emits: bool
    deliveries: tuple[str, ...]
    delayed: Delayed | None = None
    port: str = ""


@dataclasses.dataclass(frozen=True)
class Coupled:
    """A projection among those that a `MergedPlan` computes as one: `start … start + states − 1` of their states.

    Attributes:
        source: the presynaptic population.
        targets: `(group, start, n)` of the neurons acted on, in their order.
    """

    name: str
    source: str
    start: int
    states: int
    targets: tuple[tuple[str, int, int], ...]


@dataclasses.dataclass(frozen=True)
class MergedPlan(SynapsesPlan):
    """States at the sources or edges of projections of one kind, one after the other; it has the name of the first of them.

    What they do lies in slots: one for each target neuron of each projection, by target group, then projection.

    Attributes:
        members: the projections, in the user's order.
        site: `"source"` or `"edge"`.
        sources: the group of all their sources.
        dense: `(targets, sources)` of each projection's matrix of weights; None where they lie by edges.
        emits, deliveries: see `EdgePlan`.
    """

    members: tuple[Coupled, ...]
    site: str
    sources: str
    dense: tuple[int, int] | None
    emits: bool
    deliveries: tuple[str, ...] = ()

    @property
    def slots(self) -> dict[str, list[tuple[str, int, int]]]:
        """The slots of each group acted on: `(projection, start, n)` of the neurons behind them, slot by slot."""
        found: dict[str, list[tuple[str, int, int]]] = {}
        for member in self.members:
            for group, start, n in member.targets:
                found.setdefault(group, []).append((member.name, start, n))
        return found


@dataclasses.dataclass(frozen=True)
class ShortTermPlan(SynapsesPlan):
    """States of short-term plasticity, at the neurons of one projection's source."""

    source: str


@dataclasses.dataclass(frozen=True)
class Piece:
    """Some of a part's states: `start … start + n − 1` of a `ReceptorPlan` or `MergedPlan`, or all of other synapses.

    Attributes:
        owns: whether what that receptor holds is this part's, in the state that the user sees. Of several
            that share a receptor, the first of each neuron.
    """

    synapses: str
    start: int
    n: int
    owns: tuple[tuple[int, int], ...]


@dataclasses.dataclass(frozen=True)
class WirePlan:
    """A projection or Poisson input: where its states are.

    Attributes:
        pieces: in the order of its targets.
        shared: the projections and inputs that share those states with it.
        short_term: the synapses of its short-term plasticity, if any.
        input: whether it is a Poisson input.
    """

    name: str
    pieces: tuple[Piece, ...]
    shared: tuple[str, ...] = ()
    short_term: str | None = None
    input: bool = False


@dataclasses.dataclass(frozen=True)
class HistoryPlan:
    """The spikes of the last steps, for delivery: of the whole network, or of one projection's source.

    Attributes:
        scaled: whether each spike has an amplitude of its own.
        slots: how many steps it holds: a power of two above the longest delay.
    """

    name: str
    source: str | None
    slots: int
    scaled: bool


@dataclasses.dataclass(frozen=True)
class PlasticPlan:
    """A projection whose weights change.

    Attributes:
        receptor, place: the synapses that it reaches, and which of their sets of edges is its own.
        source: the presynaptic population, of `sources` neurons.
        group, start, n: its targets, `n` neurons of a group from `start` on.
        size: how many neurons that group has.
        width: the length of the arrays of edges.
        rule: the class of its rule.
        fused: whether native kernels take the rule as it is.
        sees: whether the rule sees the targets' variables, as they are before a reset.
        pre: the traces of the sources; `before` those of which the values before a spike's own are kept, too.
        post: the traces of the targets' spikes.
        filtered: averages of the targets' variables: `(name, variable)`.
        edge: the variables of the edges beside the weight.
        memory: what the modulator remembers; None where there is no modulator.
        dendrite: for how many steps signals between synapse and soma are kept, a power of two; 0 where they take no time.
        structure: the class of the rule by which its edges come and go; None where they stay.
        outgoing, incoming: the traces of sources and targets that this rule sees; `kept` what else there is of them, by the names that the
            state has for it.
    """

    name: str
    receptor: str
    place: int
    source: str
    sources: int
    group: str
    start: int
    n: int
    size: int
    width: int
    rule: type
    fused: bool
    sees: bool
    pre: tuple[str, ...]
    before: tuple[str, ...]
    post: tuple[str, ...]
    filtered: tuple[tuple[str, str], ...]
    edge: tuple[str, ...]
    memory: tuple[str, ...] | None
    dendrite: int
    structure: type | None = None
    outgoing: tuple[str, ...] = ()
    incoming: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class ResponsePlan:
    """A projection whose edges answer each spike in their own way.

    Attributes:
        receptor, place: the synapses that it reaches, and which of their sets of edges is its own.
        source: the presynaptic population, of `sources` neurons.
        width: the length of the arrays of edges.
        sites: from how many sites each edge releases at random; 0 where it does not.
        variables: the edges' own, of short-term plasticity.
        brought: whether what a spike brings depends on its source's spikes before.
    """

    name: str
    receptor: str
    place: int
    source: str
    sources: int
    width: int
    sites: int
    variables: tuple[str, ...]
    brought: bool


Named = TypeVar("Named", PopulationPlan, GroupPlan, WirePlan, SynapsesPlan)


@dataclasses.dataclass(frozen=True)
class Plan:
    """The structure of a network. Populations and wires are in the user's order."""

    populations: tuple[PopulationPlan, ...]
    groups: tuple[GroupPlan, ...]
    synapses: tuple[SynapsesPlan, ...]
    wires: tuple[WirePlan, ...]
    histories: tuple[HistoryPlan, ...]
    dtype: str
    plastic: tuple[PlasticPlan, ...] = ()
    responses: tuple[ResponsePlan, ...] = ()

    def __hash__(self) -> int:
        # Kept: it is asked for at every run, and a plan may have many parts.
        if "_hash" not in self.__dict__:
            fields = (self.populations, self.groups, self.synapses, self.wires, self.histories, self.dtype, self.plastic, self.responses)
            object.__setattr__(self, "_hash", hash(fields))
        return int(self.__dict__["_hash"])

    @property
    def n(self) -> int:
        return sum(p.n for p in self.populations)

    @property
    def located(self) -> bool:
        """Whether some spikes are located within the step."""
        return any(g.located for g in self.groups)

    @property
    def delayed(self) -> list[SourcePlan | EdgePlan]:
        """The synapses that act continuously after a delay."""
        return [s for s in self.synapses if isinstance(s, SourcePlan | EdgePlan) and s.delayed is not None]

    def population(self, name: str) -> PopulationPlan:
        return _named(self.populations, name)

    def group(self, name: str) -> GroupPlan:
        return _named(self.groups, name)

    def group_of(self, population: str) -> GroupPlan:
        return self.group(self.population(population).group)

    def plasticity_of(self, wire: str) -> PlasticPlan | None:
        """The plasticity of a projection, if it has any."""
        return next((p for p in self.plastic if p.name == wire), None)

    def plastic_at(self, receptor: str, place: int) -> PlasticPlan | None:
        """The plasticity of one of a receptor's sets of edges."""
        return next((p for p in self.plastic if (p.receptor, p.place) == (receptor, place)), None)

    def response_at(self, receptor: str, place: int) -> ResponsePlan | None:
        """What the edges of one of a receptor's sets do with a spike, where each does it in its own way."""
        return next((p for p in self.responses if (p.receptor, p.place) == (receptor, place)), None)

    def response_of(self, wire: str) -> ResponsePlan | None:
        """The same of a projection."""
        return next((p for p in self.responses if p.name == wire), None)

    def wire(self, name: str) -> WirePlan:
        return _named(self.wires, name)

    def synapses_named(self, name: str) -> SynapsesPlan:
        return _named(self.synapses, name)

    def receptors_of(self, group: str) -> list[ReceptorPlan]:
        """The synapses whose states lie at a group's neurons."""
        return [s for s in self.synapses if isinstance(s, ReceptorPlan) and s.group == group]

    def targets_of(self, synapses: SynapsesPlan) -> tuple[tuple[str, int, int], ...]:
        """`(group, start, n)` of the neurons that synapses act on."""
        if isinstance(synapses, ReceptorPlan):
            return ((synapses.group, 0, synapses.states),)
        if isinstance(synapses, MergedPlan):
            return tuple(target for member in synapses.members for target in member.targets)
        return synapses.targets if isinstance(synapses, SourcePlan | EdgePlan) else ()


def _named(parts: tuple[Named, ...], name: str) -> Named:
    return next(p for p in parts if p.name == name)
