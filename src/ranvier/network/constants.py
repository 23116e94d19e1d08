"""The numbers of a network: arguments of the compiled step, so that other numbers compile nothing."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from ranvier.kernels.drawn_edges import DrawnEdges
from ranvier.kernels.draws import Streams
from ranvier.network.changing import ChangingCounts
from ranvier.network.stacked import Stacked


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GivenSpikes:
    """Spikes known beforehand, sorted by step; behind them as many that never come as one step can have.

    Attributes:
        steps: int64 `[spikes]`.
        neurons: int32 `[spikes]`.
        most: its length is how many one step can have; int8.
    """

    steps: Any
    neurons: Any
    most: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class GroupConstants:
    """The numbers of a group.

    Attributes:
        model: its members' parameters.
        refractory: in steps, int32; None where the model has no such period.
        stimuli: a member's current, in double precision, or None.
        given: the spikes of a source.
        spikes: where hazards draw from.
        current_noise: where the noise of each member's current draws from.
        noise: where the noise of each variable draws from.
        linear: the numbers of `linearity`.
    """

    model: Stacked
    refractory: Stacked | None
    stimuli: tuple[Any, ...]
    given: GivenSpikes | None
    spikes: Streams | None
    current_noise: tuple[Streams | None, ...]
    noise: dict[str, Streams]
    linear: Any = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PoissonCounts:
    """Poisson inputs that reach different neurons of a receptor, in one draw.

    Attributes:
        table: thresholds, a row for each distinct mean, uint32.
        row: each neuron's row, int32 `[neurons]`, −1 for none.
        weight: `[neurons]` or a number.
        streams: where the counts draw from.
    """

    table: Any
    row: Any
    weight: Any
    streams: Streams


class EventEdges(NamedTuple):
    """Edges sorted for delivery (`kernels.deliver_events.DelayedEdges`), with their weights: `[edges]`, or a number for all.

    `most` is what can arrive at one target, where a GPU is to know; a loop over steps finds it out when it begins.
    """

    delays: Any
    segments: Any
    target: Any
    weight: Any
    bounds: Any
    most: Any = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ReceptorConstants:
    """The numbers of a `ReceptorPlan`."""

    synapse: Any
    edges: tuple[EventEdges | DrawnEdges, ...]
    poisson: tuple[PoissonCounts, ...]
    changing: tuple[ChangingCounts, ...] = ()


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CoupledConstants:
    """The numbers of a `SourcePlan` or `EdgePlan`.

    Attributes:
        matrix: weights `[targets, sources]` where they are dense, with zeros up to `coupling.WHOLE_VECTORS` or a multiple of it.
        common: weights `[targets]` where they are, and the same from all sources: then their sum is made once, for all targets.
        rows, pre, weight: else the edges by target (post, then pre): where each target's begin, their sources, their weights.
        edges: what delivers spikes to the states of an `EdgePlan`.
        delay: in steps, int32: one number, or `[edges]`; None where it acts at once.
    """

    synapse: Any
    matrix: Any = None
    rows: Any = None
    pre: Any = None
    weight: Any = None
    edges: tuple[EventEdges, ...] = ()
    delay: Any = None
    common: Any = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class MergedConstants:
    """The numbers of a `MergedPlan`.

    Attributes:
        model: the synapse, its parameters `[projections]`.
        at: where in its group each state's source is, int32 `[states]`.
        of_state, of_slot: which projection each state and each slot belongs to, int32.
        onto: for each group acted on, which neuron each slot stands for, int32 `[slots]`.
        matrix: weights `[projections, targets, sources]` where they are dense.
        rows, pre, weight: else the edges by slot: where each slot's begin, the states they come from, their weights.
        edges: what delivers spikes to states at edges.
    """

    model: Any
    at: Any
    of_state: Any
    of_slot: Any
    onto: dict[str, Any]
    matrix: Any = None
    rows: Any = None
    pre: Any = None
    weight: Any = None
    edges: tuple[EventEdges, ...] = ()

    @property
    def synapse(self) -> Any:
        """The synapse with its parameters at the states."""
        return jax.tree.map(lambda leaf: _taken(leaf, self.of_state), self.model)

    @property
    def at_slots(self) -> Any:
        """The synapse with its parameters at the slots."""
        return jax.tree.map(lambda leaf: _taken(leaf, self.of_slot), self.model)


def _taken(values: Any, at: Any) -> Any:
    return (jnp.asarray(values) if isinstance(at, jax.Array) else values)[at]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Arrivals:
    """What continuous synapses do to a group's neurons, where some are computed as one: in which order it is added up.

    Attributes:
        rows: where the terms of each neuron begin, int32 `[neurons + 1]`.
        terms: which they are, int32: the neuron's own first, then in the user's order of projections.
    """

    rows: Any
    terms: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ShortTermConstants:
    """The numbers of a `ShortTermPlan`."""

    synapse: Any


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class PlasticConstants:
    """The numbers of a `PlasticPlan`.

    Attributes:
        rule: with its parameters.
        incoming: the edges by target (`kernels.incoming`).
        sign: −1 where the weights are below 0 and the rule acts on their size.
        every: steps between two updates of all edges by the rule, by its homeostasis, and between two references of what they keep,
            int64 `[3]`.
        dendritic: the dendritic delay in steps, int64.
        place: where each edge stands in the order of delivery, sorted by target, then source; empty where nobody asks.
        structure: the rule by which edges come and go, with its parameters, or None.
    """

    rule: Any
    incoming: Any
    sign: Any
    every: Any
    place: Any
    dendritic: Any
    structure: Any = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ResponseConstants:
    """The numbers of a `ResponsePlan`, in the order of delivery.

    Attributes:
        number: of each edge among all of its projection, sorted by target, then source; int32 `[edges]`.
        stream: where its release draws from, uint32.
        probability: that one of its sites releases, a number or `[edges]`; None where nothing is random.
        rule: the edges' short-term plasticity, its parameters numbers or `[edges]`, or None.
    """

    number: Any
    stream: Any
    probability: Any = None
    rule: Any = None


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Constants:
    """All numbers of a network.

    Attributes:
        dt: the step (ms), float64.
        seed: its two words, uint32.
        arrivals: for the groups that a `MergedPlan` acts on.
        tell_every: after how many steps devices tell each other who spiked, int64; None where there are none, or they do at each.
    """

    dt: Any
    seed: tuple[Any, Any]
    groups: dict[str, GroupConstants]
    synapses: dict[str, Any]
    plastic: dict[str, PlasticConstants] = dataclasses.field(default_factory=dict)
    arrivals: dict[str, Arrivals] = dataclasses.field(default_factory=dict)
    tell_every: Any = None
    responses: dict[str, ResponseConstants] = dataclasses.field(default_factory=dict)
