"""The coupled equations of a whole network, as an integrator sees them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import EllipsisType
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier

from ranvier.kernels.draws import normals
from ranvier.kernels.fast_functions import with_fast_functions
from ranvier.kernels.relaxation import own_relaxation, relaxation
from ranvier.kernels.weighted_sum import weighted_sum
from ranvier.network.constants import Constants, CoupledConstants, MergedConstants
from ranvier.network.exchange import Exchange
from ranvier.network.plan import FRACTION, EdgePlan, GroupPlan, MergedPlan, Plan, ReceptorPlan, SourcePlan, SynapsesPlan
from ranvier.network.pointwise import computed
from ranvier.network.recall import Recalled
from ranvier.network.state import NEVER
from ranvier.network.working import Variables
from ranvier.neurons.base import Inputs
from ranvier.synapses.base import Presynaptic


class Packing:
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
            if isinstance(synapses, ReceptorPlan):
                home = synapses.group
            elif isinstance(synapses, SourcePlan) and plan.group_of(synapses.source).n == synapses.states:
                home = plan.group_of(synapses.source).name
            elif isinstance(synapses, MergedPlan) and plan.group(synapses.sources).n == synapses.states:
                home = synapses.sources
            self._add(home, synapses.name, synapses.moving)

    def _add(self, block: str, owner: str, variables: tuple[str, ...]) -> None:
        if variables:
            self.blocks.setdefault(block, []).extend((owner, v) for v in variables)

    def only(self, owners: tuple[str, ...]) -> Packing:
        """The same for some of the groups and synapses."""
        some = object.__new__(Packing)
        kept = {block: [row for row in rows if row[0] in owners] for block, rows in self.blocks.items()}
        some.blocks = {block: rows for block, rows in kept.items() if rows}
        return some

    def pack(self, variables: Variables, library: Any = jnp) -> dict[str, Any]:
        return {block: library.stack([variables[owner][v] for owner, v in rows]) for block, rows in self.blocks.items()}

    def unpack(self, packed: dict[str, Any]) -> Variables:
        result: Variables = {}
        for block, rows in self.blocks.items():
            for i, (owner, variable) in enumerate(rows):
                result.setdefault(owner, {})[variable] = packed[block][i]
        return result


def _of_targets(synapse: Any, part: slice) -> Any:
    """The synapse with its parameters per target cut to some of the targets."""
    changes = {
        field.name: getattr(synapse, field.name)[part]
        for field in dataclasses.fields(synapse)
        if "parameter" in field.metadata and field.metadata["parameter"].per == "target" and jnp.ndim(getattr(synapse, field.name))
    }
    return synapse.with_values(changes) if changes else synapse


def sum_over_edges(plan: SourcePlan | EdgePlan, constants: CoupledConstants, values: jax.Array) -> jax.Array:
    """The weighted sum onto each target of a quantity at the sources (or, for an `EdgePlan`, at the edges)."""
    if isinstance(plan, SourcePlan) and plan.dense:
        if constants.common is not None:
            return constants.common * jnp.sum(values)
        beyond = constants.matrix.shape[1] - values.shape[0]
        return constants.matrix @ (jnp.pad(values, (0, beyond)) if beyond else values)
    at = jnp.arange(plan.states, dtype=jnp.int32) if isinstance(plan, EdgePlan) else constants.pre
    return weighted_sum(constants.rows, at, constants.weight, values)


def sum_onto_slots(plan: MergedPlan, constants: MergedConstants, values: jax.Array) -> jax.Array:
    """The weighted sum of a quantity at the states, for each slot."""
    if plan.dense is not None:
        return jnp.einsum("pts,ps->pt", constants.matrix, values.reshape(len(plan.members), -1)).reshape(-1)
    return weighted_sum(constants.rows, constants.pre, constants.weight, values)


@dataclasses.dataclass(frozen=True)
class Network:
    """What a trace of the step knows of its network.

    Attributes:
        plan, constants: the structure and the numbers.
        packing: how moving variables lie.
        packed: whether they do, or are the dict itself.
        models: each group's model, as its equations take it.
        exchange: what tells of the other devices, if there are any.
    """

    plan: Plan
    constants: Constants
    packing: Packing
    packed: bool
    models: Mapping[str, Any]
    exchange: Exchange | None = None

    @classmethod
    def of(cls, plan: Plan, constants: Constants, packed: bool, exchange: Exchange | None = None) -> Network:
        models = {name: g.model.at_neurons() for name, g in constants.groups.items()}
        return cls(plan, constants, Packing(plan), packed, models, exchange)

    def pack(self, variables: Variables, library: Any = jnp) -> Any:
        return self.packing.pack(variables, library) if self.packed else variables

    def unpack(self, state: Any) -> Variables:
        return self.packing.unpack(state) if self.packed else state


def _more(before: Inputs | None, added: Inputs, start: int, n: int, size: int) -> Inputs:
    """What reaches a group's port with what reaches some of its neurons there."""
    whole = lambda x: jnp.pad(jnp.broadcast_to(x, (n,)), (start, size - start - n))
    offset, conductance = whole(added.offset), whole(added.conductance).astype(added.offset.dtype)
    if before is None:
        return Inputs(conductance, offset, conducts=added.conducts)
    return Inputs(before.conductance + conductance, before.offset + offset, conducts=before.conducts or added.conducts)


class NetworkSystem:
    """`rate(state, t)` over every population and every continuous synapse at once.

    Args:
        network: what is advanced.
        fixed: the variables that do not move in a step.
        last_spike: the step of the last spike of each group's neurons.
        held: the noise of the currents, drawn for the step: `{population: [n]}`.
        recall: gives what delayed synapses do in the step.
        packing: how the moving variables lie, or None: by name; as the network says when left out.
    """

    array_library = jnp
    normal = True  # the loop gives a key to draw from

    def __init__(
        self,
        network: Network,
        fixed: Variables,
        last_spike: Mapping[str, jax.Array],
        held: Mapping[str, jax.Array] | None = None,
        packing: Packing | EllipsisType | None = ...,
        recall: Callable[[], Recalled] | None = None,
    ):
        self.network = network
        self.plan, self.constants = network.plan, network.constants
        self.fixed = fixed
        given = (network.packing if network.packed else None) if isinstance(packing, EllipsisType) else packing
        self.packing: Packing | None = given
        self.last_spike = last_spike
        self.held = held or {}
        self.recall = recall

    def last_spike_time(self, group: str) -> jax.Array:
        """When each neuron spiked last (ms), −inf where it has not."""
        step = self.last_spike[group]
        within = self.fixed.get(group, {}).get(FRACTION, 0.0)
        return jnp.where(step > NEVER, (step + within) * self.constants.dt, -jnp.inf)

    def model(self, group: str) -> Any:
        """A group's model, its parameters numbers or `[n]`."""
        return self.network.models[group]

    # -- the state, inside and out ------------------------------------------------------------

    def pack(self, variables: Variables) -> Any:
        return variables if self.packing is None else self.packing.pack(variables)

    def unpack(self, state: Any) -> Variables:
        return state if self.packing is None else self.packing.unpack(state)

    def complete(self, moving: Variables) -> Variables:
        """With the variables that do not move."""
        owners = [*(g.name for g in self.plan.groups), *(s.name for s in self.plan.synapses)]
        return {name: {**self.fixed.get(name, {}), **moving.get(name, {})} for name in owners}

    def of_population(self, name: str, variables: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """A population's part of its group's variables."""
        plan = self.plan.population(name)
        if self.plan.group(plan.group).n == plan.n:
            return dict(variables)
        return {v: x[plan.start : plan.start + plan.n] for v, x in variables.items()}

    # -- what reaches the membranes ------------------------------------------------------------

    def presynaptic(self, synapses: SynapsesPlan, variables: Variables) -> Presynaptic | None:
        if isinstance(synapses, MergedPlan):
            at = self.constants.synapses[synapses.name].at
            return Presynaptic({name: value[at] for name, value in variables[synapses.sources].items()})
        if not isinstance(synapses, SourcePlan | EdgePlan):
            return None
        state = self.of_population(synapses.source, variables[self.plan.population(synapses.source).group])
        if isinstance(synapses, SourcePlan):
            return Presynaptic(state)
        pre = self.constants.synapses[synapses.name].pre
        return Presynaptic({name: self.of_all(value, synapses.source)[pre] for name, value in state.items()})

    def of_all(self, values: jax.Array, population: str) -> jax.Array:
        """What a population has here, for all of it."""
        exchange = self.network.exchange
        return values if exchange is None else exchange.of_population(values, population)

    def potential(self, group: str, synapses: SynapsesPlan) -> str:
        """The variable that is the potential where synapses reach a group's neurons."""
        port = getattr(synapses, "port", "")
        return self.model(group).ports[port] if port else self.model(group).membrane

    def merged_input(self, synapses: MergedPlan, variables: Variables, t: jax.Array) -> dict[str, Inputs]:
        """What projections that are computed as one do to each group they act on, slot by slot."""
        constants: MergedConstants = self.constants.synapses[synapses.name]
        sent = constants.synapse.transmit(variables[synapses.name], self.presynaptic(synapses, variables), t)
        sent = jax.tree.map(lambda x: sum_onto_slots(synapses, constants, x), sent)
        V = [variables[group][self.model(group).membrane][neurons] for group, neurons in constants.onto.items()]
        conductance, offset = constants.at_slots.membrane_input(sent, V[0] if len(V) == 1 else jnp.concatenate(V))
        conducts = not (isinstance(conductance, float) and conductance == 0.0)
        conductance, offset = (jnp.broadcast_to(x, constants.of_slot.shape) for x in (conductance, offset))
        result, first = {}, 0
        for group, neurons in constants.onto.items():
            part = slice(first, first + len(neurons))
            result[group] = Inputs(conductance[part], offset[part], conducts=conducts)
            first += len(neurons)
        return result

    def synaptic_input(self, synapses: SynapsesPlan, variables: Variables, t: jax.Array) -> list[Inputs]:
        """What synapses do to each stretch of their targets."""
        targets = self.plan.targets_of(synapses)
        if not synapses.transmits:
            return [Inputs(jnp.zeros(n, self.plan.dtype), jnp.zeros(n, self.plan.dtype)) for _, _, n in targets]
        if isinstance(synapses, MergedPlan):
            at_slots, stretches = self.merged_input(synapses, variables, t), []
            slot = dict.fromkeys(at_slots, 0)
            for group, _, n in targets:
                mine, part = at_slots[group], slice(slot[group], slot[group] + n)
                stretches.append(Inputs(mine.conductance[part], mine.offset[part], conducts=mine.conducts))
                slot[group] += n
            return stretches
        constants = self.constants.synapses[synapses.name]
        synapse = constants.synapse
        if isinstance(synapses, SourcePlan | EdgePlan) and synapses.delayed is not None and not synapses.delayed.some:
            assert self.recall is not None
            sent = self.recall().at(synapses.name, t)
        else:
            sent = synapse.transmit(variables[synapses.name], self.presynaptic(synapses, variables), t)
            if isinstance(synapses, SourcePlan):
                sent = jax.tree.map(lambda x: self.of_all(jnp.broadcast_to(x, (synapses.states,)), synapses.source), sent)
            if isinstance(synapses, SourcePlan | EdgePlan):
                sent = self._arriving(synapses, constants, sent, t)
        result, first = [], 0
        for group, start, n in targets:
            part = slice(first, first + n)
            mine = jax.tree.map(lambda x, part=part: x[part], sent) if len(targets) > 1 else sent
            V = variables[group][self.potential(group, synapses)]
            V = V if n == V.shape[0] else V[start : start + n]
            conductance, offset = _of_targets(synapse, part).membrane_input(mine, V)
            result.append(Inputs(conductance, offset, conducts=not (isinstance(conductance, float) and conductance == 0.0)))
            first += n
        return result

    def _arriving(self, synapses: SourcePlan | EdgePlan, constants: CoupledConstants, sent: Any, t: jax.Array) -> Any:
        """The weighted sum onto each target of what is sent, and, of edges that take time, was."""
        delayed = synapses.delayed
        if delayed is None:
            return jax.tree.map(lambda x: sum_over_edges(synapses, constants, x), sent)
        assert self.recall is not None
        earlier = self.recall().at(synapses.name, t)
        at_once = dataclasses.replace(constants, weight=jnp.where(constants.delay > 0, 0.0, constants.weight))
        return jax.tree.map(lambda a, x: a + sum_over_edges(synapses, at_once, x), earlier, sent)

    def injected(self, group: GroupPlan, t: jax.Array) -> jax.Array:
        """The stimulus current of each neuron, with the noise of the step; one number where that is all there is.

        It is the current at `t`, or its mean over the step from `t` on where the group's method holds it.
        """
        at = (lambda s: s.average(t, t + self.constants.dt)) if group.held_current else (lambda s: s(t))
        parts = []
        apart = group.whole and (not group.pointwise or len(group.members) > 1)  # else it is a part of what the kernel does
        for name, stimulus in zip(group.members, self.constants.groups[group.name].stimuli, strict=True):
            current = 0.0 if stimulus is None else computed(at, stimulus) if apart else at(stimulus)
            current = jnp.asarray(current).astype(self.plan.dtype)
            parts.append(current + self.held[name] if name in self.held else current)
        if len(parts) == 1:
            return parts[0]
        return jnp.concatenate([jnp.broadcast_to(part, (n,)) for part, n in zip(parts, group.sizes, strict=True)])

    def noise(self, k: jax.Array, t: jax.Array) -> dict[str, jax.Array]:
        """The noise of the currents in step `k`, to be held over all its stages."""
        held = {}
        for group in self.plan.groups:
            constants = self.constants.groups[group.name]
            for name, stimulus, streams in zip(group.members, constants.stimuli, constants.current_noise, strict=True):
                if streams is not None:
                    intensity = jnp.asarray(stimulus.noise(t) / jnp.sqrt(self.constants.dt)).astype(self.plan.dtype)
                    n = self.plan.population(name).n
                    # Rounded here, so that what it is added to does not depend on who adds it.
                    held[name] = optimization_barrier(intensity * normals(self.constants.seed, streams, k, n, self.plan.dtype))
        return held

    def inputs(self, variables: Variables, t: jax.Array) -> dict[str, Inputs]:
        """What reaches the membranes of each group, at the time `t`."""
        conductance: dict[str, Any] = {}
        offset = {g.name: jnp.broadcast_to(self.injected(g, t), (g.n,)) for g in self.plan.groups}
        sizes = {g.name: g.n for g in self.plan.groups}
        terms: dict[str, list[Inputs]] = {name: [] for name in self.constants.arrivals}
        ports: dict[str, dict[str, Inputs]] = {}
        for synapses in self.plan.synapses:
            if isinstance(synapses, MergedPlan) and synapses.transmits:
                for group, inputs in self.merged_input(synapses, variables, t).items():
                    terms[group].append(inputs)
            elif synapses.transmits:
                for (group, start, n), inputs in zip(
                    self.plan.targets_of(synapses), self.synaptic_input(synapses, variables, t), strict=True
                ):
                    port = getattr(synapses, "port", "")
                    if port:
                        own = ports.setdefault(group, {})
                        own[port] = _more(own.get(port), inputs, start, n, sizes[group])
                        continue
                    if group in terms and not isinstance(synapses, ReceptorPlan):
                        terms[group].append(inputs)
                        continue
                    size = sizes[group]
                    where = (lambda x: x) if n == size else (lambda x, s=start, n=n, size=size: jnp.pad(x, (s, size - s - n)))
                    offset[group] = offset[group] + where(inputs.offset)
                    if inputs.conducts:
                        conductance[group] = conductance.get(group, 0.0) + where(inputs.conductance)
        zeros = {name: jnp.zeros(n, self.plan.dtype) for name, n in sizes.items()}
        for group, added in terms.items():
            conducts = group in conductance or any(inputs.conducts for inputs in added)
            both = self._added(group, Inputs(conductance.get(group, zeros[group]), offset[group]), added)
            offset[group] = both.offset
            if conducts:
                conductance[group] = both.conductance
        return {
            name: Inputs(conductance.get(name, zeros[name]), offset[name], conducts=name in conductance, ports=ports.get(name, {}))
            for name in zeros
        }

    def _added(self, group: str, own: Inputs, added: list[Inputs]) -> Inputs:
        """What reaches a group's neurons, term by term in the user's order: as if each projection were added on its own."""
        arrivals = self.constants.arrivals[group]
        offset = jnp.concatenate([own.offset, *(inputs.offset for inputs in added)])
        parts = [jnp.broadcast_to(inputs.conductance, inputs.offset.shape) for inputs in added]
        terms = jnp.stack([jnp.concatenate([own.conductance, *parts]).astype(offset.dtype), offset])
        conductance, offset = weighted_sum(arrivals.rows, arrivals.terms, jnp.ones((), terms.dtype), terms)
        return Inputs(conductance, offset)

    # -- the equations ---------------------------------------------------------------------------

    def interval(self, t: jax.Array, t_next: jax.Array) -> jax.Array:
        return (t_next - t).astype(self.plan.dtype)

    def relaxation_of(self, owner: str) -> Callable[[Any], Any]:
        """`(e^z − 1) / z` for a group's or synapses' variables."""
        return relaxation if self._in_kernel(owner) else own_relaxation

    def first_moved(self, owner: str) -> str:
        """The variable that is better moved before the others of its owner, nothing where the order is all the same.

        It is the potential, which depends on all gates where they depend on it alone: after it they can be moved where they lie.
        """
        return next((self.model(g.name).membrane for g in self.plan.groups if g.name == owner and not g.whole), "")

    def _in_kernel(self, owner: str) -> bool:
        """Whether a group's or synapses' variables are moved by the kernel of a whole step, which has functions of its own."""
        return any(g.pointwise and owner in (g.name, *(r.name for r in self.plan.receptors_of(g.name))) for g in self.plan.groups)

    def _right_hand_sides(self, variables: Variables, t: jax.Array) -> dict[str, Any]:
        """For each group and synapses the function from its own variables to their derivatives, the rest frozen."""
        inputs = self.inputs(variables, t)
        functions: dict[str, Any] = {}
        for group in self.plan.groups:
            if group.moving:
                model = self.model(group.name)
                functions[group.name] = lambda own, m=model, i=inputs[group.name]: dict(m.derivatives(own, i, t))
        for synapses in self.plan.synapses:
            if synapses.moving:
                synapse = self.constants.synapses[synapses.name].synapse
                pre = self.presynaptic(synapses, variables)
                functions[synapses.name] = lambda own, s=synapse, p=pre: dict(s.derivatives(own, p, t))
        return functions

    def _as_state(self, derivative: Any, like: jax.Array) -> jax.Array:
        return jnp.broadcast_to(jnp.asarray(derivative).astype(self.plan.dtype), like.shape)

    def rate(self, state: Any, t: jax.Array) -> Any:
        moving = state if self.packing is None else self.unpack(optimization_barrier(state))
        variables = self.complete(moving)
        rates: Variables = {}
        for name, function in self._right_hand_sides(variables, t).items():
            if name in moving:
                derivatives = (function if self._in_kernel(name) else with_fast_functions(function))(variables[name])
                rates[name] = {v: self._as_state(derivatives[v], x) for v, x in moving[name].items()}
        # Without the barriers XLA computes a stage's slopes anew for every row that uses them.
        return rates if self.packing is None else optimization_barrier(self.pack(rates))

    def rate_and_slope(self, state: Variables, t: jax.Array) -> tuple[Variables, Variables]:
        moving = state
        variables = self.complete(moving)
        rates: Variables = {}
        slopes: Variables = {}
        for name, function in self._right_hand_sides(variables, t).items():
            for variable, x in moving.get(name, {}).items():

                def own_rate(value: jax.Array, name: str = name, variable: str = variable, function: Any = function) -> jax.Array:
                    return self._as_state(function({**variables[name], variable: value})[variable], value)

                if not self._in_kernel(name):
                    own_rate = with_fast_functions(own_rate, all_in_single=True)
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
                noise = self.model(group.name).diffusion(variables[group.name])
                strength[group.name].update({v: self._as_state(g, moving[group.name][v]) for v, g in noise.items()})
        return self.pack(strength)

    # -- parts of it, and what is linear -----------------------------------------------------------

    def part(self, state: Variables, owners: tuple[str, ...], by_name: bool) -> tuple[NetworkSystem, Any]:
        """The equations of some of the network with the rest held as it is, and their state: by name, or packed as it would be alone."""
        rest = {name: {**self.fixed.get(name, {}), **state.get(name, {})} for name in {*self.fixed, *state} if name not in owners}
        fixed = {**rest, **{name: self.fixed[name] for name in owners if name in self.fixed}}
        packing = None if by_name else self.network.packing.only(owners)
        system = NetworkSystem(self.network, fixed, self.last_spike, self.held, packing, self.recall)
        return system, system.pack({name: state[name] for name in owners if name in state})

    def exact_step(self, state: Any, t: jax.Array) -> Any:
        """The state after a step of linear equations."""
        moving = self.unpack(state)
        variables = self.complete(moving)
        result = {name: dict(values) for name, values in moving.items()}
        for group in self.plan.groups:
            if group.linear is None or group.linear.exact is None or group.linear.whole is not None:
                continue  # another method's, or one kernel takes its whole step
            current = self.injected(group, t) if any(group.stimulated) else None
            after = group.linear.exact.advance(self.constants.groups[group.name].linear, variables, current)
            for owner, values in after.items():
                result[owner].update({v: self._as_state(x, moving[owner][v]) for v, x in values.items()})
        return self.pack(result)


class NetworkDraws:
    """Where a stochastic integrator draws from in one step: for each variable that has noise, from its populations' own streams."""

    def __init__(self, system: NetworkSystem, k: jax.Array):
        self._system, self._k = system, k

    def within(self, part: NetworkSystem) -> NetworkDraws:
        """The same draws, for the state of a part."""
        return NetworkDraws(part, self._k)

    def normal_like(self, state: Any) -> Any:
        """A standard normal number for every element of the state; 0 where no noise acts."""
        system = self._system
        moving = system.unpack(state)
        result: Variables = {owner: {v: jnp.zeros_like(x) for v, x in values.items()} for owner, values in moving.items()}
        for group in system.plan.groups:
            streams = system.constants.groups[group.name].noise
            for v in streams if group.name in moving else ():
                result[group.name][v] = normals(system.constants.seed, streams[v], self._k, group.n, system.plan.dtype)
        return system.pack(result)
