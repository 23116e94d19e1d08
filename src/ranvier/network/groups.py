"""Populations of one model gathered into groups that advance together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ranvier.kernels.draws import Streams
from ranvier.model import in_precision
from ranvier.network.constants import GivenSpikes, GroupConstants
from ranvier.network.draw import Drawn, DrawnPopulation
from ranvier.network.plan import GroupPlan, PopulationPlan
from ranvier.network.stacked import Stacked
from ranvier.neurons.base import NeuronModel
from ranvier.random import Key
from ranvier.steps import in_steps

LONGEST_REFRACTORY = 2**30 - 1  # steps: a neuron that spiked LONG_AGO has none left


def stream(population: str, what: str) -> Key:
    """Where a population's own random numbers of one kind come from, at the index of its neuron."""
    return Key(0).child("population").child(population).child(what)


def _go_together(a: DrawnPopulation, b: DrawnPopulation, integrators: Mapping[str, Any]) -> bool:
    """Whether two can advance as one: the same equations, and none that looks across neurons."""
    return (
        not (a.facts.alone or b.facts.alone)
        and a.facts == b.facts
        and integrators.get(a.name) == integrators.get(b.name)
        and bool(jax.tree.structure(a.model) == jax.tree.structure(b.model))  # type: ignore[operator]
    )


def in_groups(members: Sequence[DrawnPopulation], merge: bool, integrators: Mapping[str, Any]) -> list[list[DrawnPopulation]]:
    """The populations that advance together, each list in the order of the network."""
    groups: list[list[DrawnPopulation]] = []
    of_structure: dict[Any, list[list[DrawnPopulation]]] = {}
    for member in members:
        like = of_structure.setdefault((member.facts, jax.tree.structure(member.model)), [])
        mine = next((group for group in like if merge and _go_together(group[0], member, integrators)), None)
        if mine is None:
            groups.append([member])
            like.append(groups[-1])
        else:
            mine.append(member)
    return groups


def plan_groups(drawn: Drawn, merge: bool, integrators: Mapping[str, Any]) -> tuple[tuple[GroupPlan, ...], tuple[PopulationPlan, ...]]:
    """The groups, and the populations in the user's order."""
    firsts = dict(zip(drawn.populations, np.cumsum([0, *(p.n for p in drawn.populations.values())]).tolist(), strict=False))
    groups: list[GroupPlan] = []
    populations: dict[str, PopulationPlan] = {}
    for together in in_groups(list(drawn.populations.values()), merge, integrators):
        lead = together[0]
        plan = GroupPlan(
            name="+".join(m.name for m in together),
            members=tuple(m.name for m in together),
            sizes=tuple(m.n for m in together),
            variables=lead.facts.variables,
            moving=lead.facts.moving,
            held=lead.facts.held,
            fires=lead.facts.fires,
            resets=type(lead.model).reset is not NeuronModel.reset,
            refractory=hasattr(lead.model, "refractory"),
            stimulated=tuple(m.stimulus is not None for m in together),
            noisy=tuple(m.stimulus_facts is not None and m.stimulus_facts.noisy for m in together),
            diffuses=lead.model.noisy,
        )
        groups.append(plan)
        start = 0
        for m in together:
            populations[m.name] = PopulationPlan(m.name, m.n, firsts[m.name], plan.name, start, m.facts.variables)
            start += m.n
    return tuple(groups), tuple(populations[name] for name in drawn.populations)


def group_constants(group: GroupPlan, drawn: Drawn, dtype: str, cast: Any) -> GroupConstants:
    """The numbers of a group. `cast` gives a current its precision."""
    members = [drawn.populations[name] for name in group.members]
    streams = lambda what: Streams.of([(stream(m.name, what), m.n, m.begin) for m in members])
    refractory = None
    if group.refractory:
        refractory = Stacked.of([_refractory_steps(m, drawn.dt, group.located) for m in members], group.sizes)
    return GroupConstants(
        model=Stacked.of([in_precision(m.model, dtype) for m in members], group.sizes),
        refractory=refractory,
        stimuli=tuple(None if m.stimulus is None else cast(m) for m in members),
        given=None if members[0].given is None else _given(*members[0].given),
        spikes=streams("spikes") if group.fires == "hazard" else None,
        current_noise=tuple(
            Streams.of([(stream(m.name, "current noise"), m.n, m.begin)]) if noisy else None
            for m, noisy in zip(members, group.noisy, strict=True)
        ),
        noise={v: streams(f"noise {v}") for v in group.moving} if group.diffuses else {},
    )


def _refractory_steps(member: DrawnPopulation, dt: float, located: bool) -> np.ndarray:
    if located:  # it is not counted in steps
        return np.zeros(np.shape(member.model.refractory), np.int32)
    steps = in_steps(np.asarray(member.model.refractory), dt, f"The refractory period of {member.name}", for_ever=True)
    return np.minimum(steps, LONGEST_REFRACTORY).astype(np.int32)


def _given(steps: np.ndarray, neurons: np.ndarray) -> GivenSpikes:
    most = int(np.unique(steps, return_counts=True)[1].max(initial=1))
    return GivenSpikes(
        np.concatenate([steps, np.full(most, np.iinfo(np.int64).max)]),
        np.concatenate([neurons, np.zeros(most, np.int64)]).astype(np.int32),
        np.zeros(most, np.int8),
    )
