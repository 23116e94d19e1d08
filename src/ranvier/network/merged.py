"""Projections of one kind whose states lie at the sources or edges, computed as one: the step's size is that of the kinds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connect.capacity import room_for
from ranvier.kernels.deliver_events import sort_edges
from ranvier.model import in_precision
from ranvier.network.constants import Arrivals, EventEdges, MergedConstants
from ranvier.network.draw import Drawn, DrawnProjection
from ranvier.network.facts import structure
from ranvier.network.plan import Coupled, EdgePlan, LayoutChanged, MergedPlan, Plan, PopulationPlan, SourcePlan, SynapsesPlan

MERGE_FROM = 4
"""projections of one kind; fewer are computed one by one, with larger operations"""

SMALL = 256
"""entries of a matrix of weights, up to which those that are merged lie by edges, whatever their shapes"""


def merge(
    plans: Sequence[SourcePlan | EdgePlan], drawn: Drawn, populations: Mapping[str, PopulationPlan]
) -> dict[str, MergedPlan | SourcePlan | EdgePlan]:
    """For each projection what computes it: alone, or with those of its kind."""
    kinds: dict[Any, list[SourcePlan | EdgePlan]] = {}
    for plan in plans:
        synapse = drawn.projections[plan.name].synapse
        if plan.delayed is not None or plan.port or any(np.ndim(leaf) for leaf in jax.tree.leaves(synapse)):
            continue
        matrix = _matrix(plan, drawn)
        groups = tuple(group for group, _, _ in plan.targets)
        if matrix is not None and len(groups) > 1:
            continue
        facts = (type(plan), plan.variables, plan.moving, plan.transmits, plan.emits, getattr(plan, "deliveries", ()))
        key = (jax.tree.structure(synapse), populations[plan.source].group, matrix, groups if matrix else None, facts)
        kinds.setdefault(key, []).append(plan)
    result: dict[str, Any] = {plan.name: plan for plan in plans}
    for (_, group, matrix, *_), together in kinds.items():
        if len(together) >= MERGE_FROM:
            merged = _merged(together, group, matrix)
            result.update({plan.name: merged for plan in together})
    return result


def _matrix(plan: SourcePlan | EdgePlan, drawn: Drawn) -> tuple[int, int] | None:
    if not isinstance(plan, SourcePlan) or not plan.dense:
        return None
    shape = (sum(n for _, _, n in plan.targets), plan.states)
    return shape if shape[0] * shape[1] > SMALL else None


def _merged(together: Sequence[SourcePlan | EdgePlan], group: str, matrix: tuple[int, int] | None) -> MergedPlan:
    first, members, start = together[0], [], 0
    for plan in together:
        members.append(Coupled(plan.name, plan.source, start, plan.states, plan.targets))
        start += plan.states
    return MergedPlan(
        name=first.name,
        states=start,
        variables=first.variables,
        moving=first.moving,
        transmits=first.transmits,
        members=tuple(members),
        site="edge" if isinstance(first, EdgePlan) else "source",
        sources=group,
        dense=matrix,
        emits=first.emits,
        deliveries=getattr(first, "deliveries", ()),
    )


# -- numbers -----------------------------------------------------------------------------------------


def merged_constants(
    plan: MergedPlan, drawn: Drawn, populations: Mapping[str, PopulationPlan], n: int, dtype: str, width: int | None
) -> MergedConstants:
    """The numbers of projections that are computed as one.

    Args:
        plan: their structure.
        drawn: the network, drawn.
        populations: where each population is.
        n: how many neurons the network has.
        dtype: of the weights.
        width: the length of the arrays of edges; with room for those of other seeds when left out.

    Raises:
        LayoutChanged: the edges do not fit, or a parameter is no longer one number a projection.
    """
    projections = [drawn.projections[m.name] for m in plan.members]
    synapses = [in_precision(p.synapse, dtype) for p in projections]
    shapes = [structure(s) for s in synapses]
    if any(shape != shapes[0] for shape in shapes) or any(map(np.ndim, jax.tree.leaves(synapses))):
        raise LayoutChanged(plan.name)
    onto, of_slot, first_slot = _slots(plan)
    numbers = {
        "model": jax.tree.map(lambda *leaves: _library(leaves).stack([_library(leaves).asarray(x) for x in leaves]), *synapses),
        "of_state": np.repeat(np.arange(len(projections), dtype=np.int32), [m.states for m in plan.members]),
        "of_slot": of_slot,
        "onto": onto,
    }
    start = {m.name: populations[m.source].start for m in plan.members}
    weights = [p.weight for p in projections]
    if plan.site == "edge":
        if any(len(_edges(p)) != m.states for p, m in zip(projections, plan.members, strict=True)):
            raise LayoutChanged(plan.name)
        at = [start[m.name] + _edges(p).pre for p, m in zip(projections, plan.members, strict=True)]
    else:
        at = [np.arange(start[m.name], start[m.name] + m.states) for m in plan.members]
    numbers["at"] = np.concatenate(at).astype(np.int32)
    if plan.dense is not None:
        return MergedConstants(**numbers, matrix=_matrices(plan.dense, projections, dtype))
    slot, state = [], []
    for projection, member in zip(projections, plan.members, strict=True):
        edges = _edges(projection)
        slot.append(first_slot[member.name][edges.post])
        state.append(member.start + (np.arange(len(edges)) if plan.site == "edge" else edges.pre))
    slots, states, weight = np.concatenate(slot), np.concatenate(state), _together(weights)
    order = np.argsort(slots, kind="stable")
    rows = np.searchsorted(slots[order], np.arange(len(of_slot) + 1)).astype(np.int32)
    count = len(slots)
    if plan.site == "edge":
        width = count
    elif width is None:
        width = sum(room_for(len(_edges(p)), [p.part], 1, 0).edges for p in projections)
    if count > width:
        raise LayoutChanged(plan.name)
    library = _library([weight])
    deliveries: tuple[EventEdges, ...] = ()
    if plan.deliveries:
        # What arrives is weighted already, as at the target; the states are then summed as they are.
        pre = np.concatenate([populations[m.source].first + _edges(p).pre for p, m in zip(projections, plan.members, strict=True)])
        delay = np.concatenate([np.broadcast_to(p.delay, len(_edges(p))) for p in projections])
        to, by_source = sort_edges(pre, np.arange(plan.states), delay, n, plan.states)
        deliveries = (EventEdges(to.delays, to.segments, to.target, weight[by_source].astype(dtype), to.bounds),)
        library, weight = np, np.ones(count)
    return MergedConstants(
        **numbers,
        rows=rows,
        pre=np.pad(states[order], (0, width - count)).astype(np.int32),
        weight=library.pad(weight[order], (0, width - count)).astype(dtype),
        edges=deliveries,
    )


def _edges(projection: DrawnProjection) -> Any:
    assert projection.edges is not None
    return projection.edges


def _library(values: Sequence[Any]) -> Any:
    return jnp if any(isinstance(x, jax.Array) for x in values) else np


def _together(weights: Sequence[Any]) -> Any:
    return _library(weights).concatenate(weights)


def _matrices(shape: tuple[int, int], projections: Sequence[DrawnProjection], dtype: str) -> Any:
    each = len(projections)
    which = np.repeat(np.arange(each), [len(_edges(p)) for p in projections])
    post, pre = (np.concatenate([getattr(_edges(p), end) for p in projections]) for end in ("post", "pre"))
    weight = _together([p.weight for p in projections])
    if isinstance(weight, jax.Array):
        return jnp.zeros((each, *shape), dtype).at[which, post, pre].add(weight.astype(dtype))
    matrices = np.zeros((each, *shape))
    np.add.at(matrices, (which, post, pre), weight)
    return matrices.astype(dtype)


def _slots(plan: MergedPlan) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """The neuron behind each slot, by group; the projection of each slot; the slot of each projection's targets."""
    number = {m.name: i for i, m in enumerate(plan.members)}
    onto, of_slot = {}, []
    firsts, before = {}, 0
    for group, stretches in plan.slots.items():
        onto[group] = np.concatenate([np.arange(start, start + n, dtype=np.int32) for _, start, n in stretches])
        of_slot += [np.full(n, number[name], np.int32) for name, _, n in stretches]
        firsts[group], before = before, before + len(onto[group])
    at: dict[str, list[np.ndarray]] = {m.name: [] for m in plan.members}
    places: dict[str, int] = dict(firsts)
    for member in plan.members:
        for group, _, n in member.targets:
            at[member.name].append(np.arange(places[group], places[group] + n))
            places[group] += n
    return onto, np.concatenate(of_slot), {name: np.concatenate(own) for name, own in at.items()}


def arrivals(plan: Plan) -> dict[str, Arrivals]:
    """In which order what reaches the neurons of each group is added up, for groups that merged projections act on."""
    rank = {wire.name: i for i, wire in enumerate(plan.wires)}
    result = {}
    for group in plan.groups:
        neuron, order, merged = [np.arange(group.n)], [np.full(group.n, -1)], False
        for synapses in plan.synapses:
            for name, start, n in stretches_onto(plan, synapses, group.name):
                neuron.append(np.arange(start, start + n))
                order.append(np.full(n, rank[name]))
            merged |= isinstance(synapses, MergedPlan) and group.name in synapses.slots
        if merged:
            neurons = np.concatenate(neuron)
            terms = np.lexsort((np.concatenate(order), neurons))
            rows = np.searchsorted(neurons[terms], np.arange(group.n + 1))
            result[group.name] = Arrivals(rows.astype(np.int32), terms.astype(np.int32))
    return result


def stretches_onto(plan: Plan, synapses: SynapsesPlan, group: str) -> list[tuple[str, int, int]]:
    """The neurons of a group that a coupling acts on, in its order: `(projection, start, n)`."""
    if not synapses.transmits or getattr(synapses, "port", "") != "":
        return []
    if isinstance(synapses, MergedPlan):
        return synapses.slots.get(group, [])
    if isinstance(synapses, SourcePlan | EdgePlan):
        return [(synapses.name, start, n) for of, start, n in synapses.targets if of == group]
    return []
