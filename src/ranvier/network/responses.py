"""Synapses that answer each spike in their own way: they release at random, or have short-term plasticity of their own.

What a spike brings is then known where and when it arrives, edge by edge.
"""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.kernels.deliver_events import SpikeHistory
from ranvier.kernels.due_edges import due_edges, put
from ranvier.kernels.release import released
from ranvier.model import in_precision
from ranvier.network.constants import EventEdges, ResponseConstants
from ranvier.network.draw import DrawnProjection
from ranvier.network.facts import initial_state
from ranvier.network.plan import ResponsePlan
from ranvier.random import Key

AT_ONCE = 1024
"""edges in a chunk"""

BROUGHT = "pre brought"
"""What a state calls what each source's spikes bring: their amplitudes, or, where edges find those, the time since the one before (ms)."""


def responds(projection: DrawnProjection) -> bool:
    """Whether its edges answer each spike in their own way."""
    return projection.release is not None or projection.edge_rule is not None


def plan_response(projection: DrawnProjection, source: str, receptor: str, place: int, width: int) -> ResponsePlan:
    """The structure of what the edges of a projection do with a spike."""
    rule, release = projection.edge_rule, projection.release
    return ResponsePlan(
        name=projection.name,
        receptor=receptor,
        place=place,
        source=source,
        sources=projection.part.sources,
        width=width,
        sites=0 if release is None else int(release.sites),
        variables=() if rule is None else tuple(initial_state(rule, 1, Key(0))),
        brought=rule is not None or projection.short_term is not None,
    )


def response_constants(plan: ResponsePlan, projection: DrawnProjection, order: np.ndarray, dtype: str) -> ResponseConstants:
    """The numbers of it; `order` says of each edge in the order of delivery which it is, sorted by target, then source."""
    at = np.pad(order, (0, plan.width - len(order)))
    sort: Any = lambda model: None if model is None else jax.tree.map(lambda x: x[at] if np.ndim(x) else x, in_precision(model, dtype))
    release = None if plan.sites == 0 else sort(projection.release).probability
    return ResponseConstants(
        number=at.astype(np.int32),
        stream=np.uint32(Key(0).child("release").child(plan.name).stream),
        probability=release,
        rule=sort(projection.edge_rule),
    )


def initial_response(plan: ResponsePlan, projection: DrawnProjection, edges: int, dtype: str) -> dict[str, np.ndarray]:
    """The edges' own variables at the start, sorted by target, then source."""
    if not plan.variables:
        return {}
    start = initial_state(projection.edge_rule, edges, Key(0))
    return {v: np.array(np.broadcast_to(np.asarray(x), (edges,)), dtype) for v, x in start.items()}


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def arrive(
    plan: ResponsePlan,
    constants: ResponseConstants,
    own: dict[str, Any],
    history: SpikeHistory,
    step: jax.Array,
    edges: EventEdges,
    arriving: jax.Array,
    seed: tuple[Any, Any],
) -> tuple[jax.Array, dict[str, Any]]:
    """What arrives at the end of a step, added up, and what the edges' own variables are then."""
    dtype = arriving.dtype
    listed = lambda first: due_edges(history, step, edges, arriving.shape[0], first, AT_ONCE)  # type: ignore[arg-type]
    weights = jnp.asarray(edges.weight)

    def some(carry: Any) -> Any:
        first, out, states, due, _ = carry
        at = due.position
        of = lambda leaf: jnp.asarray(leaf).at[at].get(mode="clip") if jnp.ndim(leaf) else leaf
        brought = own[BROUGHT].reshape(own[BROUGHT].shape[-2:])[due.row, due.source] if plan.brought else jnp.ones((), dtype)
        if plan.variables:
            here = {v: of(x) for v, x in states.items()}
            after, brought = jax.tree.map(of, constants.rule).emit(here, jnp.ones(at.shape, bool), brought)
            states = {v: put(states[v], at, jnp.asarray(x, states[v].dtype)) for v, x in after.items()}
        amplitude = jnp.asarray(brought, dtype)
        if plan.sites:
            count = released(plan.sites, of(constants.probability) * amplitude, seed, constants.stream, step, of(constants.number))
            amplitude = count.astype(dtype) / plan.sites
        product = jax.lax.optimization_barrier(of(weights).astype(dtype) * amplitude)
        onto = jnp.where(at < plan.width, due.target, out.shape[0])
        first += at.shape[0]
        return first, out.at[onto].add(product, mode="drop"), states, *listed(first)

    start = jnp.int64(0), arriving, {v: own[v] for v in plan.variables}, *listed(0)
    _, out, states, *_ = jax.lax.while_loop(lambda carry: carry[0] < carry[4], some, start)
    return out, {**own, **states}


@arrive.defjvp
def _no_gradient(plan: ResponsePlan, primals: Any, tangents: Any) -> Any:
    what = "its synapses release at random" if plan.sites else "its edges have short-term plasticity of their own"
    raise UnsupportedError(
        f"No gradient passes through the spikes of {plan.name}, as {what}. Differentiate a network without, with the mean in its weights."
    )
