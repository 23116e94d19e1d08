"""The coupled equations of a whole network, as an integrator sees them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier

from ranvier.network.build import Plan, ProjectionPlan
from ranvier.network.state import NEVER
from ranvier.neurons.base import Inputs
from ranvier.synapses.base import Presynaptic

Variables = dict[str, dict[str, jax.Array]]
"""`{population or projection: {variable: array}}`."""


class Layout:
    """How the moving variables lie in memory inside the compiled step.

    Variables of one length that belong together (a population's, and those of
    the synapses that leave it) are rows of one array: fewer, larger operations.
    """

    def __init__(self, plan: Plan):
        self.blocks: dict[str, list[tuple[str, str]]] = {}
        for population in plan.populations:
            self._add(population.name, population.name, population.moving)
        for projection in plan.projections:
            home = projection.source if projection.site == "source" else projection.name
            self._add(home, projection.name, projection.moving)

    def _add(self, block: str, owner: str, variables: tuple[str, ...]) -> None:
        if variables:
            self.blocks.setdefault(block, []).extend((owner, v) for v in variables)

    def pack(self, variables: Variables) -> dict[str, jax.Array]:
        return {block: jnp.stack([variables[owner][v] for owner, v in rows]) for block, rows in self.blocks.items()}

    def unpack(self, packed: dict[str, jax.Array]) -> Variables:
        result: Variables = {}
        for block, rows in self.blocks.items():
            for i, (owner, variable) in enumerate(rows):
                result.setdefault(owner, {})[variable] = packed[block][i]
        return result


def _of_target(synapse: Any, part: slice) -> Any:
    """The synapse with its parameters per target cut to one target population."""
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(synapse):
        info = field.metadata.get("parameter")
        if info is not None and info.per == "target" and jnp.ndim(getattr(synapse, field.name)):
            changes[field.name] = getattr(synapse, field.name)[part]
    if not changes:
        return synapse
    leaves = {f.name: changes.get(f.name, getattr(synapse, f.name)) for f in dataclasses.fields(synapse)}
    copy = object.__new__(type(synapse))
    for name, value in leaves.items():
        object.__setattr__(copy, name, value)
    return copy


def sum_over_edges(plan: ProjectionPlan, constants: dict[str, Any], values: jax.Array) -> jax.Array:
    """The weighted sum onto each target of a quantity at the sources (or, at the site `edge`, at the edges)."""
    targets = sum(plan.sizes)
    if plan.dense:
        return constants["matrix"] @ values
    at_edges = values if plan.site == "edge" else values[constants["pre"]]
    return jax.ops.segment_sum(constants["weight"] * at_edges, constants["post"], num_segments=targets, indices_are_sorted=True)


class NetworkSystem:
    """`rate(state, t)` over every population and every continuous synapse at once.

    Args:
        plan, constants: from `build`.
        fixed: the variables that do not move in a step.
        last_spike: the step of the last spike of each population's neurons.
        packed: whether the state is laid out by `Layout`, or is the dict itself.
    """

    array_library = jnp

    def __init__(self, plan: Plan, constants: dict[str, Any], fixed: Variables, last_spike: dict[str, jax.Array], packed: bool):
        self.plan = plan
        self.constants = constants
        self.fixed = fixed
        self.layout = Layout(plan)
        self.packed = packed
        self.last_spike = last_spike

    def last_spike_time(self, population: str) -> jax.Array:
        """When each neuron spiked last (ms), −inf where it has not."""
        step = self.last_spike[population]
        return jnp.where(step > NEVER, step * self.constants["dt"], -jnp.inf)

    # -- the state, inside and out ------------------------------------------------------------

    def pack(self, variables: Variables) -> Any:
        return self.layout.pack(variables) if self.packed else variables

    def unpack(self, state: Any) -> Variables:
        return self.layout.unpack(state) if self.packed else state

    def complete(self, moving: Variables) -> Variables:
        """With the variables that do not move."""
        owners = [*(p.name for p in self.plan.populations), *(p.name for p in self.plan.projections)]
        return {name: {**self.fixed.get(name, {}), **moving.get(name, {})} for name in owners}

    # -- what reaches the membranes ------------------------------------------------------------

    def presynaptic(self, projection: ProjectionPlan, variables: Variables) -> Presynaptic | None:
        if projection.site == "target":
            return None
        state = variables[projection.source]
        if projection.site == "source":
            return Presynaptic(state)
        pre = self.constants["projections"][projection.name]["pre"]
        return Presynaptic({name: value[pre] for name, value in state.items()})

    def synaptic_input(self, projection: ProjectionPlan, variables: Variables, t: jax.Array) -> list[Inputs]:
        """What one projection does to each of its targets."""
        constants = self.constants["projections"][projection.name]
        synapse = constants["synapse"]
        if not projection.transmits:
            return [Inputs(jnp.zeros(n, self.plan.dtype), jnp.zeros(n, self.plan.dtype)) for n in projection.sizes]
        sent = synapse.transmit(variables[projection.name], self.presynaptic(projection, variables), t)
        if projection.site != "target":
            sent = jax.tree.map(lambda x: sum_over_edges(projection, constants, x), sent)
        result, first = [], 0
        for target, n in zip(projection.targets, projection.sizes, strict=True):
            part = slice(first, first + n)
            mine = jax.tree.map(lambda x, part=part: x[part], sent) if len(projection.sizes) > 1 else sent
            result.append(Inputs(*_of_target(synapse, part).membrane_input(mine, variables[target]["V"])))
            first += n
        return result

    def injected(self, population: str, t: jax.Array) -> jax.Array:
        """The stimulus current of each neuron."""
        plan, constants = self.plan.population(population), self.constants["populations"][population]
        current = constants["stimulus"](t) if plan.stimulated else 0.0
        return jnp.broadcast_to(jnp.asarray(current, self.plan.dtype), (plan.n,))

    def inputs(self, variables: Variables, t: jax.Array) -> dict[str, Inputs]:
        """What reaches the membranes of each population, at the time `t`."""
        conductance = {p.name: jnp.zeros(p.n, self.plan.dtype) for p in self.plan.populations}
        offset = {p.name: self.injected(p.name, t) for p in self.plan.populations}
        for projection in self.plan.projections:
            if projection.transmits:
                for target, inputs in zip(projection.targets, self.synaptic_input(projection, variables, t), strict=True):
                    conductance[target] = conductance[target] + inputs.conductance
                    offset[target] = offset[target] + inputs.offset
        return {name: Inputs(conductance[name], offset[name]) for name in conductance}

    # -- the equations ---------------------------------------------------------------------------

    def interval(self, t: jax.Array, t_next: jax.Array) -> jax.Array:
        return (t_next - t).astype(self.plan.dtype)

    def _right_hand_sides(self, variables: Variables, t: jax.Array) -> dict[str, Any]:
        """For each population and projection the function from its own variables to their derivatives, the rest frozen."""
        inputs = self.inputs(variables, t)
        functions: dict[str, Any] = {}
        for population in self.plan.populations:
            model = self.constants["populations"][population.name]["model"]
            functions[population.name] = lambda own, m=model, i=inputs[population.name]: m.derivatives(own, i, t)
        for projection in self.plan.projections:
            if projection.moving:
                synapse = self.constants["projections"][projection.name]["synapse"]
                pre = self.presynaptic(projection, variables)
                functions[projection.name] = lambda own, s=synapse, p=pre: s.derivatives(own, p, t)
        return functions

    def _as_state(self, derivative: Any, like: jax.Array) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(derivative, self.plan.dtype), like.shape)

    def rate(self, state: Any, t: jax.Array) -> Any:
        moving = self.unpack(optimization_barrier(state) if self.packed else state)
        variables = self.complete(moving)
        rates: Variables = {}
        for name, function in self._right_hand_sides(variables, t).items():
            derivatives = function(variables[name])
            if name in moving:
                rates[name] = {v: self._as_state(derivatives[v], x) for v, x in moving[name].items()}
        # Without the barriers XLA computes a stage's slopes anew for every row that uses them.
        return optimization_barrier(self.pack(rates)) if self.packed else rates

    def rate_and_slope(self, state: Variables, t: jax.Array) -> tuple[Variables, Variables]:
        moving = state
        variables = self.complete(moving)
        rates: Variables = {}
        slopes: Variables = {}
        for name, function in self._right_hand_sides(variables, t).items():
            for variable, x in moving.get(name, {}).items():

                def own_rate(value: jax.Array, name: str = name, variable: str = variable, function: Any = function) -> jax.Array:
                    return self._as_state(function({**variables[name], variable: value})[variable], value)

                rate, slope = jax.jvp(own_rate, (x,), (jnp.ones_like(x),))
                rates.setdefault(name, {})[variable] = rate
                slopes.setdefault(name, {})[variable] = slope
        return rates, slopes
