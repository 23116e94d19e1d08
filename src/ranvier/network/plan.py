"""The structure of a network: names and sizes, everything that decides what is compiled."""

from __future__ import annotations

import dataclasses
from typing import Any

from ranvier.connect.base import Edges
from ranvier.kernels.integrate_and_fire import NeuronEquations
from ranvier.network.state import SimulationState

ALL_SPIKES = "spikes"
"""The history that holds the spikes of the whole network, each of amplitude 1."""


@dataclasses.dataclass(frozen=True)
class PopulationPlan:
    """A population: neurons `first … first + n − 1` of the network, `start … start + n − 1` of its group."""

    name: str
    n: int
    first: int
    group: str
    start: int
    variables: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class WholeStep:
    """A group's step as one kernel takes it.

    Attributes:
        equations: what the kernel does.
        variables: its variables: (group or synapses, name).
        driven: the places of the coefficients that a current is added to.
    """

    equations: NeuronEquations
    variables: tuple[tuple[str, str], ...]
    driven: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class GroupPlan:
    """Populations that advance together: one model, one structure, their neurons one after the other.

    Attributes:
        moving: the variables that have a derivative.
        fires: what makes a neuron spike: `"test"` (the model's `spiked`), `"hazard"` or `"given"` times.
        stimulated: for each member, whether a current is injected.
        noisy: for each member, whether that current has white noise.
        whole_step: what the kernel `integrate_and_fire` does, where it takes the group's whole step.
    """

    name: str
    n: int
    first: int
    members: tuple[str, ...]
    sizes: tuple[int, ...]
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    fires: str
    resets: bool
    refractory: bool
    stimulated: tuple[bool, ...]
    noisy: tuple[bool, ...]
    diffuses: bool
    whole_step: WholeStep | None = None


@dataclasses.dataclass(frozen=True)
class FeedPlan:
    """Edges that bring the spikes of one history to one set of states; `spikes` is the history's name."""

    name: str
    spikes: str


@dataclasses.dataclass(frozen=True)
class SynapsesPlan:
    """States of one synapse model at one site, and where they act.

    At the site `"target"` the states are those of all neurons of one group, and
    several projections may feed them. At the others they belong to one
    projection.

    Attributes:
        source: the presynaptic population (at the site `"target"` none).
        targets: `(group, start, n)` of the neurons acted on, in their order.
        feeds: what delivers spikes to the states.
        poisson: the Poisson inputs that do.
        kicks: whether what arrives moves the membrane at once.
        emits: whether the states take note of presynaptic spikes.
        dense: whether the edges lie in a matrix.
    """

    name: str
    site: str
    states: int
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    source: str | None
    targets: tuple[tuple[str, int, int], ...]
    feeds: tuple[FeedPlan, ...]
    poisson: tuple[str, ...]
    transmits: bool
    kicks: bool
    emits: bool
    dense: bool


@dataclasses.dataclass(frozen=True)
class HistoryPlan:
    """The spikes of the last steps, for delivery: of the whole network, or of one projection's source with amplitudes."""

    name: str
    source: str | None
    slots: int


@dataclasses.dataclass(frozen=True)
class ProjectionPlan:
    """Where a projection's states are.

    Attributes:
        parts: `(synapses, start, n)`: which states of which synapses are its own, or its targets'.
        shared: the projections and inputs that share those states with it.
    """

    name: str
    parts: tuple[tuple[str, int, int], ...]
    shared: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Plan:
    """The structure of a network. Populations are in the order of their neurons' numbers."""

    populations: tuple[PopulationPlan, ...]
    groups: tuple[GroupPlan, ...]
    synapses: tuple[SynapsesPlan, ...]
    projections: tuple[ProjectionPlan, ...]
    histories: tuple[HistoryPlan, ...]
    dtype: str

    @property
    def n(self) -> int:
        return sum(p.n for p in self.populations)

    def population(self, name: str) -> PopulationPlan:
        return _named(self.populations, name)

    def group(self, name: str) -> GroupPlan:
        return _named(self.groups, name)

    def group_of(self, population: str) -> GroupPlan:
        return self.group(self.population(population).group)

    def projection(self, name: str) -> ProjectionPlan:
        return _named(self.projections, name)

    def synapses_named(self, name: str) -> SynapsesPlan:
        return _named(self.synapses, name)


def _named(parts: tuple[Any, ...], name: str) -> Any:
    return next(p for p in parts if p.name == name)


@dataclasses.dataclass(frozen=True)
class Built:
    """What `build` makes of a network: its structure, the constants (arguments of the compiled step) and the initial state."""

    plan: Plan
    constants: dict[str, Any]
    state: SimulationState
    edges: dict[str, Edges]
    """of the projections whose states are at the sources or the edges"""
