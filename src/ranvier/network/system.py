"""The coupled equations of a whole network, as an integrator sees them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier

from ranvier.kernels.draws import Streams, normals
from ranvier.kernels.weighted_sum import weighted_sum
from ranvier.network.exact import CONSTANT, INPUT
from ranvier.network.plan import GroupPlan, Plan, SynapsesPlan
from ranvier.network.state import NEVER
from ranvier.neurons.base import Inputs
from ranvier.random import Draws, Key
from ranvier.synapses.base import Presynaptic

Variables = dict[str, dict[str, jax.Array]]
"""`{group of populations or synapses: {variable: array}}`."""


class Layout:
    """How the moving variables lie in memory inside the compiled step.

    Variables of one length that belong together (a group's, and those of
    the synapses that leave or reach it) are rows of one array: fewer, larger operations.
    """

    def __init__(self, plan: Plan):
        self.blocks: dict[str, list[tuple[str, str]]] = {}
        for group in plan.groups:
            self._add(group.name, group.name, group.moving)
        for synapses in plan.synapses:
            home = synapses.name
            if synapses.site == "target":
                home = synapses.targets[0][0]
            elif synapses.site == "source" and synapses.source is not None and plan.group_of(synapses.source).n == synapses.states:
                home = plan.group_of(synapses.source).name
            self._add(home, synapses.name, synapses.moving)

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


def _of_targets(synapse: Any, part: slice) -> Any:
    """The synapse with its parameters per target cut to some of the targets."""
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


def sum_over_edges(plan: SynapsesPlan, constants: dict[str, Any], values: jax.Array) -> jax.Array:
    """The weighted sum onto each target of a quantity at the sources (or, at the site `edge`, at the edges)."""
    if plan.dense:
        return constants["matrix"] @ values
    at = jnp.arange(plan.states, dtype=jnp.int32) if plan.site == "edge" else constants["pre"]
    return weighted_sum(constants["rows"], at, constants["weight"], values)


class NetworkSystem:
    """`rate(state, t)` over every population and every continuous synapse at once.

    Args:
        plan, constants: from `build`.
        fixed: the variables that do not move in a step.
        last_spike: the step of the last spike of each group's neurons.
        packed: whether the state is laid out by `Layout`, or is the dict itself.
        held: the noise of the currents, drawn for the step: `{population: [n]}`.
    """

    array_library = jnp
    normal = True  # the loop gives a key to draw from

    def __init__(
        self,
        plan: Plan,
        constants: dict[str, Any],
        fixed: Variables,
        last_spike: dict[str, jax.Array],
        packed: bool,
        held: dict[str, jax.Array] | None = None,
    ):
        self.plan = plan
        self.constants = constants
        self.fixed = fixed
        self.layout = Layout(plan)
        self.packed = packed
        self.last_spike = last_spike
        self.held = held or {}

    def last_spike_time(self, group: str) -> jax.Array:
        """When each neuron spiked last (ms), −inf where it has not."""
        step = self.last_spike[group]
        return jnp.where(step > NEVER, step * self.constants["dt"], -jnp.inf)

    def draws(self, stream: str, step: Any) -> Draws:
        """The random numbers of one step; an index is the number of the neuron in the network."""
        return Draws(self.constants["seed"], Key(0).child(stream).stream, step)

    @staticmethod
    def streams(stream: str, n: int, first: Any) -> Streams:
        """Where `n` neurons draw from; an index is the number of the neuron in the network, `first` that of their first."""
        return Streams.of([(Key(0).child(stream), n, 0)])._replace(first=jnp.atleast_1d(first))

    # -- the state, inside and out ------------------------------------------------------------

    def pack(self, variables: Variables) -> Any:
        return self.layout.pack(variables) if self.packed else variables

    def unpack(self, state: Any) -> Variables:
        return self.layout.unpack(state) if self.packed else state

    def complete(self, moving: Variables) -> Variables:
        """With the variables that do not move."""
        owners = [*(g.name for g in self.plan.groups), *(s.name for s in self.plan.synapses)]
        return {name: {**self.fixed.get(name, {}), **moving.get(name, {})} for name in owners}

    def of_population(self, name: str, variables: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """A population's part of its group's variables."""
        plan = self.plan.population(name)
        if self.plan.group(plan.group).n == plan.n:
            return variables
        return {v: x[plan.start : plan.start + plan.n] for v, x in variables.items()}

    # -- what reaches the membranes ------------------------------------------------------------

    def presynaptic(self, synapses: SynapsesPlan, variables: Variables) -> Presynaptic | None:
        if synapses.source is None:
            return None
        state = self.of_population(synapses.source, variables[self.plan.population(synapses.source).group])
        if synapses.site == "source":
            return Presynaptic(state)
        pre = self.constants["synapses"][synapses.name]["pre"]
        return Presynaptic({name: value[pre] for name, value in state.items()})

    def synaptic_input(self, synapses: SynapsesPlan, variables: Variables, t: jax.Array) -> list[Inputs]:
        """What synapses do to each stretch of their targets."""
        constants = self.constants["synapses"][synapses.name]
        synapse = constants["synapse"]
        if not synapses.transmits:
            return [Inputs(jnp.zeros(n, self.plan.dtype), jnp.zeros(n, self.plan.dtype)) for _, _, n in synapses.targets]
        sent = synapse.transmit(variables[synapses.name], self.presynaptic(synapses, variables), t)
        if synapses.site != "target":
            sent = jax.tree.map(lambda x: sum_over_edges(synapses, constants, x), sent)
        result, first = [], 0
        for group, start, n in synapses.targets:
            part = slice(first, first + n)
            mine = jax.tree.map(lambda x, part=part: x[part], sent) if len(synapses.targets) > 1 else sent
            V = variables[group]["V"]
            V = V if n == V.shape[0] else V[start : start + n]
            conductance, offset = _of_targets(synapse, part).membrane_input(mine, V)
            result.append(Inputs(conductance, offset, conducts=not (isinstance(conductance, float) and conductance == 0.0)))
            first += n
        return result

    def injected(self, group: GroupPlan, t: jax.Array) -> jax.Array:
        """The stimulus current of each neuron, with the noise of the step; one number where that is all there is."""
        parts = []
        for name, stimulus in zip(group.members, self.constants["groups"][group.name]["stimuli"], strict=True):
            current = jnp.asarray(0.0 if stimulus is None else stimulus(t), self.plan.dtype)
            parts.append(current + self.held[name] if name in self.held else current)
        if len(parts) == 1:
            return parts[0]
        return jnp.concatenate([jnp.broadcast_to(part, (n,)) for part, n in zip(parts, group.sizes, strict=True)])

    def noise(self, k: jax.Array, t: jax.Array) -> dict[str, jax.Array]:
        """The noise of the currents in step `k`, to be held over all its stages."""
        held = {}
        for group in self.plan.groups:
            stimuli = self.constants["groups"][group.name]["stimuli"]
            for name, noisy, stimulus in zip(group.members, group.noisy, stimuli, strict=True):
                if noisy:
                    population = self.plan.population(name)
                    intensity = jnp.asarray(stimulus.noise(t) / jnp.sqrt(self.constants["dt"]), self.plan.dtype)
                    streams = self.streams("current noise", population.n, population.first)
                    normal = normals(self.constants["seed"], streams, k, population.n, self.plan.dtype)
                    held[name] = intensity * normal
        return held

    def inputs(self, variables: Variables, t: jax.Array) -> dict[str, Inputs]:
        """What reaches the membranes of each group, at the time `t`."""
        conductance: dict[str, Any] = {}
        offset = {g.name: jnp.broadcast_to(self.injected(g, t), (g.n,)) for g in self.plan.groups}
        for synapses in self.plan.synapses:
            if synapses.transmits:
                for (group, start, n), inputs in zip(synapses.targets, self.synaptic_input(synapses, variables, t), strict=True):
                    size = self.plan.group(group).n
                    where = (lambda x: x) if n == size else (lambda x, s=start, n=n, size=size: jnp.pad(x, (s, size - s - n)))
                    offset[group] = offset[group] + where(inputs.offset)
                    if inputs.conducts:
                        conductance[group] = conductance.get(group, 0.0) + where(inputs.conductance)
        zeros = {g.name: jnp.zeros(g.n, self.plan.dtype) for g in self.plan.groups}
        return {name: Inputs(conductance.get(name, zeros[name]), offset[name], conducts=name in conductance) for name in zeros}

    # -- the equations ---------------------------------------------------------------------------

    def interval(self, t: jax.Array, t_next: jax.Array) -> jax.Array:
        return (t_next - t).astype(self.plan.dtype)

    def _right_hand_sides(self, variables: Variables, t: jax.Array) -> dict[str, Any]:
        """For each group and synapses the function from its own variables to their derivatives, the rest frozen."""
        inputs = self.inputs(variables, t)
        functions: dict[str, Any] = {}
        for group in self.plan.groups:
            if group.moving:
                model = self.constants["groups"][group.name]["model"]
                functions[group.name] = lambda own, m=model, i=inputs[group.name]: m.derivatives(own, i, t)
        for synapses in self.plan.synapses:
            if synapses.moving:
                synapse = self.constants["synapses"][synapses.name]["synapse"]
                pre = self.presynaptic(synapses, variables)
                functions[synapses.name] = lambda own, s=synapse, p=pre: s.derivatives(own, p, t)
        return functions

    def _as_state(self, derivative: Any, like: jax.Array) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(derivative, self.plan.dtype), like.shape)

    def rate(self, state: Any, t: jax.Array) -> Any:
        moving = self.unpack(optimization_barrier(state) if self.packed else state)
        variables = self.complete(moving)
        rates: Variables = {}
        for name, function in self._right_hand_sides(variables, t).items():
            if name in moving:
                derivatives = function(variables[name])
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

    def diffusion(self, state: Any, t: jax.Array) -> Any:
        """How strongly each variable's own Wiener process drives it."""
        moving = self.unpack(state)
        variables = self.complete(moving)
        strength: Variables = {owner: {v: jnp.zeros_like(x) for v, x in values.items()} for owner, values in moving.items()}
        for group in self.plan.groups:
            if group.diffuses and group.name in moving:
                noise = self.constants["groups"][group.name]["model"].diffusion(variables[group.name])
                strength[group.name].update({v: self._as_state(g, moving[group.name][v]) for v, g in noise.items()})
        return self.pack(strength)

    # -- parts of it, and what is linear -----------------------------------------------------------

    def part(self, state: Variables, owners: tuple[str, ...]) -> tuple[NetworkSystem, Variables]:
        """The equations of some of the network with the rest held as it is, and their state."""
        rest = {name: {**self.fixed.get(name, {}), **state.get(name, {})} for name in {*self.fixed, *state} if name not in owners}
        fixed = {**rest, **{name: self.fixed[name] for name in owners if name in self.fixed}}
        system = NetworkSystem(self.plan, self.constants, fixed, self.last_spike, False, self.held)
        return system, {name: state[name] for name in owners if name in state}

    def exact_step(self, state: Any, t: jax.Array) -> Any:
        """The state after a step of linear equations."""
        moving = self.unpack(state)
        variables = self.complete(moving)
        result = {name: dict(values) for name, values in moving.items()}
        for group in self.plan.groups:
            if group.name not in self.constants["exact"]:
                continue
            flat = {f"{owner} {v}": (owner, v) for owner, values in variables.items() for v in values}
            current = self.injected(group, t) if any(group.stimulated) else None
            for row, columns in self.constants["exact"][group.name].items():
                owner, variable = flat[row]
                terms = [columns[row] * moving[owner][variable]] if row in columns else []
                for column, coefficient in columns.items():
                    if column == CONSTANT:
                        terms.append(coefficient)
                    elif column == INPUT and current is not None:
                        terms.append(coefficient * current)
                    elif column not in (row, INPUT):
                        terms.append(coefficient * variables[flat[column][0]][flat[column][1]])
                result[owner][variable] = self._as_state(sum(terms[1:], terms[0]), moving[owner][variable])
        return self.pack(result)
