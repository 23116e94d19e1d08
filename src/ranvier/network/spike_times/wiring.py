"""A network as its spike times see it: one list of neurons in the user's order, one of edges, and their numbers."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connect.part import draw as draw_edges
from ranvier.network.draw import Drawn
from ranvier.network.layout import Layout
from ranvier.network.receptors import receptor_synapse
from ranvier.network.spec import Network
from ranvier.network.spike_times.flow import Cells
from ranvier.network.step import Stepper
from ranvier.network.transfer import end_to_end
from ranvier.network.working import StepState

NEVER = np.iinfo(np.int32).max // 2
"""The step of a spike that is not there."""


class Numbers(NamedTuple):
    """What spike times depend on smoothly, all in double precision.

    Attributes:
        threshold, reset: of the potential, `[n]` (mV).
        cells: of the equations.
        weight, delay: `[edges]` (pA, ms).
        V, currents: at the start, `[n]` and `[n, receptors]`.
    """

    threshold: Any
    reset: Any
    cells: Cells
    weight: Any
    delay: Any
    V: Any
    currents: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Wiring:
    """What they do not depend on smoothly.

    Attributes:
        n, receptors: how many neurons, and how many receptors the neuron with the most has.
        out: each neuron's edges, `[n, most]`; behind the last one, the number of edges.
        post, receptor, delay: of each edge: its target, the target's receptor, its delay in steps; int32 `[edges]`.
        refractory: in steps, `[n]`.
        own: the receptors of each group, by name.
        given: how many spikes of one source are known beforehand at most.
    """

    n: int
    receptors: int
    out: np.ndarray
    post: np.ndarray
    receptor: np.ndarray
    delay: np.ndarray
    refractory: Any
    own: dict[str, list[str]]
    given: int


def wired(net: Network, layout: Layout, drawn: Drawn, constants: Any, dt: float, delays: Mapping[str, Any]) -> tuple[Wiring, Numbers]:
    """The wiring and its numbers, but for those of the start.

    Args:
        delays: of some projections (ms), a number or one an edge. What is not the delay that the network has becomes NaN.
    """
    plan = layout.plan
    own = {g.name: [r.name for r in layout.receptors if r.group.name == g.name] for g in plan.groups}
    most = max(1, *map(len, own.values()))
    whole = lambda x: jnp.asarray(x, jnp.float64)
    at = lambda of: end_to_end(plan, {g.name: jnp.broadcast_to(of(g), (g.n,)) for g in plan.groups})

    def of_model(group: Any, value: Any, otherwise: float) -> Any:
        if group.fires == "given":
            return whole(otherwise)
        return whole(value(constants.groups[group.name].model.at_neurons()))

    number = lambda value, otherwise: at(lambda g: of_model(g, value, otherwise))
    capacitance = number(lambda m: m.capacitance, 1.0)
    leak = number(lambda m: m.leak, 1.0)
    currents = [whole(0.0 if p.stimulus is None else p.stimulus.amplitude) for p in drawn.populations.values()]
    current = jnp.concatenate([jnp.broadcast_to(x, (p.n,)) for x, p in zip(currents, drawn.populations.values(), strict=True)])
    taus = {r.name: whole(receptor_synapse(r, drawn).tau) for r in layout.receptors}
    rates = [at(lambda g, i=i: 1 / taus[own[g.name][i]] if i < len(own[g.name]) else whole(1.0)) for i in range(most)]
    cells = Cells(
        decay=leak / capacitance,
        drive=(leak * number(lambda m: m.rest, 0.0) + current) / capacitance,
        gain=1 / capacitance,
        rate=jnp.stack(rates, -1),
    )
    edges, weight, delay = _edges(net, layout, drawn, own, delays)
    steps = np.concatenate([e.steps for e in edges]) if edges else np.zeros(0, np.int64)
    pre = np.concatenate([e.pre for e in edges]) if edges else np.zeros(0, np.int64)
    order = np.argsort(pre, kind="stable")
    begins = np.searchsorted(pre[order], np.arange(plan.n + 1))
    widest = int(np.diff(begins).max(initial=0))
    places = begins[:-1, None] + np.arange(widest)
    out = np.where(places < begins[1:, None], np.append(order, len(pre))[np.minimum(places, len(pre))], len(pre))
    refractory = at(
        lambda g: jnp.int32(0) if not g.refractory else jnp.asarray(constants.groups[g.name].refractory.at_neurons(), jnp.int32)
    )
    known = [np.bincount(p.given[1]).max(initial=0) for p in drawn.populations.values() if p.given is not None]
    joined = lambda name: np.concatenate([getattr(e, name) for e in edges]).astype(np.int32) if edges else np.zeros(0, np.int32)
    wiring = Wiring(
        plan.n,
        most,
        out.astype(np.int32),
        joined("post"),
        joined("receptor"),
        steps.astype(np.int32),
        refractory,
        own,
        int(max(known, default=0)),
    )
    nothing = jnp.zeros(0)
    numbers = Numbers(
        number(lambda m: m.threshold, np.inf),
        number(lambda m: m.reset_potential, 0.0),
        cells,
        jnp.concatenate([whole(w) for w in weight]) if weight else nothing,
        jnp.concatenate(delay) if delay else nothing,
        nothing,
        nothing,
    )
    return wiring, numbers


class _Edges(NamedTuple):
    """Those of one projection, sorted by target, then source."""

    pre: np.ndarray
    post: np.ndarray
    receptor: np.ndarray
    steps: np.ndarray


def _edges(
    net: Network, layout: Layout, drawn: Drawn, own: dict[str, list[str]], delays: Mapping[str, Any]
) -> tuple[list[_Edges], list[Any], list[Any]]:
    """The edges of each projection, their weights and their delays (ms)."""
    firsts = {p.name: p.first for p in layout.plan.populations}
    found, weights, times = [], [], []
    for name, projection in drawn.projections.items():
        part = projection.part
        traced = isinstance(part.weight, jax.Array)
        everything = draw_edges(dataclasses.replace(part, weight=1.0) if traced else part)
        edges = everything.edges(range(part.size))
        target, receptor = np.zeros(part.size, np.int64), np.zeros(part.size, np.int64)
        for r in layout.receptors:
            for stretch in (s for user in r.users if user.name == name for s in user.stretches):
                some = slice(stretch.first, stretch.first + stretch.n)
                first = firsts[net.name_of(projection.projection.targets[stretch.number])]
                target[some] = first + np.arange(stretch.n)
                receptor[some] = own[r.group.name].index(r.name)
        pre = firsts[net.name_of(projection.projection.source)] + edges.pre.astype(np.int64)
        found.append(_Edges(pre, target[edges.post], receptor[edges.post], np.asarray(everything.steps(edges))))
        weight: Any = everything.weights(edges)
        if traced:
            weight = weight * (edges.sorted_like(part.weight) if part.weight.ndim == 1 else part.weight)
        weights.append(weight)
        has = jnp.asarray(found[-1].steps * drawn.dt)
        given = jnp.asarray(delays.get(name, has))
        if name in delays:
            given = edges.sorted_like(given) if given.ndim == 1 else jnp.broadcast_to(given, has.shape)
        times.append(given + jnp.where(jnp.abs(given - has) > 1e-6 * drawn.dt, jnp.nan, 0.0))
    return found, weights, times


def seen(stepper: Stepper, state: StepState, own: dict[str, list[str]], receptors: int) -> tuple[jax.Array, jax.Array]:
    """The potentials `[n]` and currents `[n, receptors]` of a state, in the user's order; 0 where there are none."""
    plan, variables = stepper.plan, stepper.variables(state)
    nothing = lambda g: jnp.zeros(g.n, plan.dtype)
    V = end_to_end(plan, {g.name: variables[g.name].get("V", nothing(g)) for g in plan.groups})
    of = lambda g, i: variables[own[g.name][i]]["i"] if i < len(own[g.name]) else nothing(g)
    currents = [end_to_end(plan, {g.name: of(g, i) for g in plan.groups}) for i in range(receptors)]
    return V.astype(jnp.float64), jnp.stack(currents, -1).astype(jnp.float64)
