"""Spikes located within the step: the crossing by cubic interpolation, the reset and the refractory period from there on.

A neuron's own equations are taken anew in a step in which it spikes, or comes out of its refractory period, with what
reaches it between its values at both ends of the step. Towards the crossing they are integrated in equal parts not of
time but of the way (of time and potential together), so that an upstroke that runs away in a fraction of the step is
followed as well as a slow one (after Hénon 1982, Physica D 5:412).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.network.draw import Drawn
from ranvier.network.plan import FRACTION, GroupPlan
from ranvier.network.spec import Network
from ranvier.network.system import NetworkSystem
from ranvier.network.working import Working
from ranvier.neurons.base import Inputs, NeuronModel

PARTS = 48  # of the way in potential from the start of the step to the threshold, and a third as many of the step's time
GATHERS = 1.1  # by what the speed of V must grow within a step for a neuron to be followed
HALVINGS = 40  # of an interval in which something is looked for

Own = dict[str, jax.Array]


def with_fractions(net: Network, drawn: Drawn) -> Drawn:
    """The drawn network with one variable more for each neuron whose spikes are located: where in its step the last one was.

    Raises:
        UnsupportedError: the spikes of a population cannot be located, or there are none to be.
    """
    located = [name for name, p in drawn.populations.items() if p.facts.fires == "test"]
    if not located:
        raise UnsupportedError("spike_timing='interpolated' is for neurons that spike by a test of their state; the network has none.")
    for name in located:
        _check(net, name, drawn.populations[name])
    populations = dict(drawn.populations)
    for name in located:
        own = populations[name]
        if FRACTION not in own.values:
            facts = dataclasses.replace(own.facts, variables=(*own.facts.variables, FRACTION))
            populations[name] = dataclasses.replace(own, facts=facts, values={**own.values, FRACTION: np.zeros(own.n)})
    return dataclasses.replace(drawn, populations=populations)


def _check(net: Network, name: str, population: Any) -> None:
    model, instead = type(population.model).__name__, "Leave spike_timing out, and take a shorter dt."
    if type(population.model).reset is NeuronModel.reset:
        raise UnsupportedError(
            f"spike_timing='interpolated' is for models with a reset; {name} ({model}) has none, so that no step moves its spikes. "
            "Leave spike_timing out."
        )
    if "V" not in population.facts.moving:
        raise UnsupportedError(f"spike_timing='interpolated' follows V to the threshold; {name} ({model}) has no V that moves. {instead}")
    if population.model.noisy:
        raise UnsupportedError(f"spike_timing='interpolated' asks for smooth equations; noise drives {name} ({model}). {instead}")
    for wire, projection in net.projections.items():
        onto = any(net.name_of(target) == name for target in projection.targets)
        comes = any(net.name_of(source) == name for source in projection.sources)
        if projection.plasticity is not None and (onto or comes):
            raise UnsupportedError(f"spike_timing='interpolated': the plasticity of {wire} takes spikes at the ends of steps. {instead}")
        if comes and (projection.synapse.event_driven or projection.synapse.emits):
            raise UnsupportedError(
                f"spike_timing='interpolated': {wire} delivers the spikes of {name}, and spikes are delivered at the ends of steps: "
                f"their exact times would be lost. It is for neurons whose spikes go nowhere. {instead}"
            )


@dataclasses.dataclass(frozen=True)
class _Flow:
    """A group's own equations within one step, whose time `s` goes from 0 to 1; `s` is `[n]`.

    Attributes:
        model, moving, held: the group's.
        begin, end: what reaches it at both ends.
        t, dt: the step's start and length.
    """

    model: Any
    moving: tuple[str, ...]
    held: tuple[str, ...]
    begin: Inputs
    end: Inputs
    t: jax.Array
    dt: jax.Array

    def rate(self, own: Own, s: jax.Array, held: bool = False) -> Own:
        """The derivative of each moving variable by `s`."""
        between = lambda a, b: a + s * (b - a)
        conductance = between(self.begin.conductance, self.end.conductance)
        inputs = Inputs(conductance, between(self.begin.offset, self.end.offset), conducts=self.begin.conducts)
        inputs = dataclasses.replace(inputs, ports=jax.tree.map(between, self.begin.ports, self.end.ports))
        found = self.model.derivatives(own, inputs, self.t + s.astype(self.t.dtype) * self.dt)
        dt = self.dt.astype(s.dtype)
        still = self.held if held else ()
        return {
            v: jnp.zeros_like(own[v]) if v in still else jnp.broadcast_to(dt * found[v], own[v].shape).astype(s.dtype) for v in self.moving
        }

    def go(self, own: Own, begin: jax.Array, end: jax.Array, held: bool = False) -> Own:
        """From one moment to another: one step of the classical Runge–Kutta method."""
        h = end - begin
        k1 = self.rate(own, begin, held)
        k2 = self.rate(_moved(own, h / 2, k1), begin + h / 2, held)
        k3 = self.rate(_moved(own, h / 2, k2), begin + h / 2, held)
        k4 = self.rate(_moved(own, h, k3), end, held)
        return {**own, **{v: own[v] + h / 6 * (k1[v] + 2 * k2[v] + 2 * k3[v] + k4[v]) for v in self.moving}}

    def along(self, own: Own, s: jax.Array, scale: jax.Array) -> tuple[Own, jax.Array]:
        """The derivatives of the variables and of `s` by the way: so many parts of the step's time, or of `scale` in V, a unit."""
        rates = self.rate(own, s)
        pace = 1 / (PARTS / 3 + jnp.abs(rates["V"]) / scale)
        return {v: pace * x for v, x in rates.items()}, pace

    def walk(self, own: Own, s: jax.Array, scale: jax.Array) -> tuple[Own, jax.Array]:
        """One unit of the way, by the same method."""
        k1, p1 = self.along(own, s, scale)
        k2, p2 = self.along(_moved(own, 0.5, k1), s + 0.5 * p1, scale)
        k3, p3 = self.along(_moved(own, 0.5, k2), s + 0.5 * p2, scale)
        k4, p4 = self.along(_moved(own, 1.0, k3), s + p3, scale)
        moved = {v: own[v] + (k1[v] + 2 * k2[v] + 2 * k3[v] + k4[v]) / 6 for v in self.moving}
        return {**own, **moved}, s + (p1 + 2 * p2 + 2 * p3 + p4) / 6


def _moved(own: Own, h: Any, rates: Own) -> Own:
    return {**own, **{v: own[v] + h * rate for v, rate in rates.items()}}


def _chosen(where: jax.Array, one: Own, other: Own) -> Own:
    return {v: jnp.where(where, one[v], x) for v, x in other.items()}


def _least(test: Callable[[jax.Array], jax.Array], like: jax.Array) -> jax.Array:
    """The least number from 0 to 1 for which a test holds that does so from there on; `[n]`."""

    def halve(_: Any, ends: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        low, high = ends
        middle = (low + high) / 2
        holds = test(middle)
        return jnp.where(holds, low, middle), jnp.where(holds, middle, high)

    return jax.lax.fori_loop(0, HALVINGS, halve, (jnp.zeros_like(like), jnp.ones_like(like)))[1]


def _followed(flow: _Flow, start: Own, begin: jax.Array, end: Own, some: jax.Array) -> tuple[jax.Array, Own, jax.Array, Own]:
    """Some neurons followed through the step.

    Args:
        start, begin: where they start, and when.
        end: where a single step of the integrator takes them: how far they have to go.
        some: which ones.

    Returns:
        Which of them spike; their state when they do, and the moment; the state of the others at the end of the step.
    """
    model = flow.model
    # How far V is from the threshold, all else as it is: what the way is measured by.
    share = _least(lambda x: model.spiked(start, {**start, "V": start["V"] + x * (end["V"] - start["V"])}), begin)
    scale = jnp.maximum(jnp.abs(share * (end["V"] - start["V"])), 1e-6) / PARTS
    at_once = some & model.spiked(start, start)

    def walking(carry: Any) -> jax.Array:
        return jnp.any(carry[0]) & (carry[-1] < 20 * PARTS)

    def walk(carry: Any) -> Any:
        on, own, s, count = carry
        after, later = flow.walk(own, s, scale)
        on = on & ~model.spiked(own, after) & (later < 1)
        return on, _chosen(on, after, own), jnp.where(on, later, s), count + 1

    _, own, s, _ = jax.lax.while_loop(walking, walk, (some & ~at_once, start, begin, jnp.int32(0)))
    # What happens does so in the next unit of the way: between its ends by cubic (Hermite) interpolation.
    after, later = flow.walk(own, s, scale)
    (k0, p0), (k1, p1) = flow.along(own, s, scale), flow.along(after, later, scale)

    def cubic(u: jax.Array, a: jax.Array, b: jax.Array, da: jax.Array, db: jax.Array) -> jax.Array:
        return a + u * (da + u * (3 * (b - a) - 2 * da - db + u * (da + db - 2 * (b - a))))

    between = lambda u: {**own, **{v: cubic(u, own[v], after[v], k0[v], k1[v]) for v in flow.moving}}
    u = _least(lambda u: model.spiked(own, between(u)), begin)
    moment = jnp.maximum(cubic(u, s, later, p0, p1), begin)
    spikes = some & (at_once | (model.spiked(own, between(u)) & (moment < 1)))
    return spikes, _chosen(at_once, start, between(u)), jnp.where(at_once, begin, moment), flow.go(own, s, jnp.ones_like(s))


def locate(group: GroupPlan, model: Any, refractory: Any, system: NetworkSystem, working: Working) -> Working:
    """Holds, detects and resets the neurons of a group at the moments within the step at which it happens.

    Args:
        group: the group.
        model: its model, as its equations take it.
        refractory: the refractory period (ms), or 0.
        system: the equations.
        working: the step, integrated.
    """
    name = group.name
    before, integrated = working.before[name], working.variables[name]
    dtype = integrated["V"].dtype
    begin, end = system.inputs(working.before, working.t)[name], system.inputs(working.variables, working.t_next)[name]
    if group.held_current:  # at its mean over this step
        now, then = system.injected(group, working.t), system.injected(group, working.t_next)
        end = dataclasses.replace(end, offset=end.offset + (now - then))
    dt = jnp.asarray(system.constants.dt)
    flow = _Flow(model, group.moving, group.held, begin, end, working.t, dt)
    release = jnp.clip(_release(group, before[FRACTION], refractory, dt, working), 0.0, 1.0).astype(dtype)
    one = jnp.ones_like(release)
    start = flow.go(before, jnp.zeros_like(release), release, held=True)
    rest = flow.go(start, release, one)
    waits = release > 0
    start, after = _chosen(waits, start, before), _chosen(waits, rest, integrated)
    # Where V gathers speed, a step of the integrator may be far off, and miss a spike or make one up.
    speeds = [jnp.abs(flow.rate(own, s)["V"]) for own, s in ((start, release), (after, one))]
    some = (model.spiked(start, after) | (speeds[1] > GATHERS * speeds[0])) & (release < 1)

    def following() -> tuple[jax.Array, Own, jax.Array]:
        spikes, crossing, moment, end = _followed(flow, start, release, after, some)
        fresh = {**crossing, **{v: jnp.asarray(x).astype(dtype) for v, x in model.reset(crossing, spikes).items()}}
        free = jnp.minimum(moment + (jnp.asarray(refractory) / dt).astype(dtype), 1.0)
        later = flow.go(flow.go(fresh, moment, free, held=True), free, one)
        return spikes, _chosen(spikes, later, _chosen(some, end, after)), jnp.where(spikes, moment, before[FRACTION])

    spikes, after, fraction = jax.lax.cond(jnp.any(some), following, lambda: (jnp.zeros_like(some), after, before[FRACTION]))
    working = working.write(name, {**{v: after[v] for v in group.variables if v != FRACTION}, FRACTION: fraction})
    recent = jnp.where(spikes, working.now, working.recent[name])
    return dataclasses.replace(working, recent={**working.recent, name: recent}, spiked={**working.spiked, name: spikes})


def _release(group: GroupPlan, fraction: jax.Array, refractory: Any, dt: jax.Array, working: Working) -> jax.Array:
    """When the refractory period of each neuron ends, from the start of the step on, in steps."""
    age = (working.now - working.recent[group.name]).astype(dt.dtype)
    return fraction.astype(dt.dtype) - age + jnp.asarray(refractory) / dt


def still_refractory(group: GroupPlan, refractory: Any, dt: Any, working: Working) -> jax.Array:
    """Which neurons are refractory at the end of the step."""
    return _release(group, working.variables[group.name][FRACTION], refractory, jnp.asarray(dt), working) > 1
