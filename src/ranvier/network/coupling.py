"""Synapses whose states lie at the sources or at the edges, coupled to their targets by a weighted sum."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connect.base import Edges
from ranvier.connect.capacity import room_for
from ranvier.kernels import dispatch
from ranvier.kernels.deliver_events import sort_edges
from ranvier.model import in_precision
from ranvier.network.constants import CoupledConstants, EventEdges, ShortTermConstants
from ranvier.network.draw import DrawnProjection
from ranvier.network.facts import synapse_facts
from ranvier.network.plan import ALL_SPIKES, EdgePlan, LayoutChanged, ShortTermPlan, SourcePlan
from ranvier.network.recall import delays_of, plan_delays

DENSE_FROM = 0.05  # share of pairs connected above which a matrix product beats a sum over edges
DENSE_UP_TO = 2**24  # entries
WHOLE_VECTORS = 16
"""On a CPU a matrix of so many sources or more has a multiple of that, those beyond the last with weights of 0: XLA adds what is left of
a row one by one."""
LEAST_COMMON = 64  # sources; the sum over fewer is as well in a matrix, whatever the weights are later

Targets = tuple[tuple[str, int, int], ...]


def plan_coupling(projection: DrawnProjection, source: str, targets: Targets) -> SourcePlan | EdgePlan:
    """The structure of a projection whose states are at its sources or edges. What lies in a matrix is decided here, once."""
    assert projection.edges is not None
    spec = projection.projection
    count, states = len(projection.edges), spec.source.n if projection.site == "source" else len(projection.edges)
    sources, n = projection.part.sources, projection.part.size
    facts = synapse_facts(projection.name, projection.synapse, states, spec.source.model)
    common = (projection.name, states, facts.variables, facts.moving, facts.transmits)
    delayed = plan_delays(projection, states)
    if projection.site == "source":
        dense = n * sources <= DENSE_UP_TO and (projection.whole_edges or count) >= DENSE_FROM * n * sources
        dense = dense and (delayed is None or delayed.one)
        one = dense and not isinstance(projection.weight, jax.Array) and _common(projection, n) is not None
        return SourcePlan(*common, source, targets, projection.synapse.emits, dense, one, delayed, spec.onto)
    return EdgePlan(*common, source, targets, projection.synapse.emits, (ALL_SPIKES,) if projection.delivered else (), delayed, spec.onto)


def coupled_constants(
    projection: DrawnProjection, plan: SourcePlan | EdgePlan, first: int, n: int, dtype: str, width: int | None
) -> CoupledConstants:
    """The numbers of such a projection.

    Args:
        projection: the projection, drawn.
        plan: its structure.
        first: the number of its first source, of `n` neurons in all.
        dtype: of the weights.
        width: the length of the arrays of edges; with room for those of other seeds when left out.

    Raises:
        LayoutChanged: the edges do not fit.
    """
    assert projection.edges is not None
    edges, weight, synapse = projection.edges, projection.weight, in_precision(projection.synapse, dtype)
    targets = sum(t.n for t in projection.projection.targets)
    if isinstance(plan, SourcePlan) and plan.dense:
        sources = projection.part.sources
        whole = dispatch.platform() == "cpu" and sources >= WHOLE_VECTORS
        shape = (targets, -(-sources // WHOLE_VECTORS) * WHOLE_VECTORS if whole else sources)
        if isinstance(weight, jax.Array):
            matrices: Any = jnp.zeros(shape, dtype).at[edges.post, edges.pre].add(weight.astype(dtype))
            return CoupledConstants(synapse, matrix=matrices, delay=delays_of(projection, plan, 0))
        if plan.common:
            common = _common(projection, targets)
            if common is None:
                raise LayoutChanged(projection.name)
            return CoupledConstants(synapse, common=common.astype(dtype), delay=delays_of(projection, plan, 0))
        matrix = np.zeros(shape)
        np.add.at(matrix, (edges.post, edges.pre), weight)
        return CoupledConstants(synapse, matrix=matrix.astype(dtype), delay=delays_of(projection, plan, 0))
    if isinstance(plan, EdgePlan):
        if len(edges) != plan.states:
            raise LayoutChanged(projection.name)
        width = len(edges)
    elif width is None:
        width = room_for(len(edges), [projection.part], 1, 0).edges
    if len(edges) > width:
        raise LayoutChanged(projection.name)
    library: Any = jnp if isinstance(weight, jax.Array) else np
    pre, weight = np.pad(edges.pre, (0, width - len(edges))), library.pad(weight, (0, width - len(edges)))
    rows = np.searchsorted(edges.post, np.arange(targets + 1)).astype(np.int32)
    deliveries: tuple[EventEdges, ...] = ()
    if isinstance(plan, EdgePlan) and plan.deliveries:
        # What arrives is weighted already, as at the target; the states are then summed as they are.
        onto, order = sort_edges(edges.pre + first, np.arange(plan.states), projection.delay, n, plan.states)
        deliveries = (EventEdges(onto.delays, onto.segments, onto.target, weight[order].astype(dtype), onto.bounds),)
        weight = np.ones(width)
    delay = delays_of(projection, plan, width)
    return CoupledConstants(synapse, rows=rows, pre=pre, weight=weight.astype(dtype), edges=deliveries, delay=delay)


def one_a_target(edges: Edges, weight: np.ndarray, targets: int, sources: int) -> bool:
    """Whether every source reaches every target once, each target with one weight; edges are by target, then source."""
    if len(edges) != targets * sources or sources < LEAST_COMMON:
        return False
    each, pre, post = (x.reshape(targets, sources) for x in (weight, edges.pre, edges.post))
    return bool((each == each[:, :1]).all() and (pre == np.arange(sources)).all() and (post == np.arange(targets)[:, None]).all())


def _common(projection: DrawnProjection, targets: int) -> np.ndarray | None:
    """The weight onto each target, where that is all that differs; 0 onto those that are not reached."""
    edges, weight, sources = projection.edges, projection.weight, projection.part.sources
    assert edges is not None
    known = projection.one_a_target
    if not (one_a_target(edges, weight, targets, sources) if known is None else known):
        return None
    common = np.zeros(targets)
    common[edges.post] = weight
    return common


def plan_short_term(projection: DrawnProjection, source: str) -> ShortTermPlan:
    """The structure of a projection's short-term plasticity."""
    variables = tuple(projection.short_term_values)
    return ShortTermPlan(f"short-term plasticity of {projection.name}", projection.projection.source.n, variables, (), False, source)


def short_term_constants(projection: DrawnProjection, dtype: str) -> ShortTermConstants:
    """The numbers of a projection's short-term plasticity."""
    return ShortTermConstants(in_precision(projection.short_term, dtype))


def initial_values_in(values: Any, synapse: Any, dtype: str) -> dict[str, np.ndarray]:
    """A synapse's initial state in the run's precision; times stay in double."""
    units = getattr(synapse, "variable_units", {})
    return {v: x if units.get(v) == "ms" else x.astype(dtype) for v, x in values.items()}
