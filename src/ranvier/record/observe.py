"""Reads anything that has a name, from the state: pure, and used inside the compiled loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import UnsupportedError, unknown
from ranvier.network.exchange import Exchange
from ranvier.network.learning import INCOMING, OUTGOING, WEIGHT, edge_decay
from ranvier.network.plan import MergedPlan, ReceptorPlan
from ranvier.network.system import Network, NetworkSystem
from ranvier.network.working import Variables

VALUE = "value"
EDGES, MEAN_WEIGHT = "edges", "mean_weight"
"""What is recorded of edges that come and go: how many there are, and their weights' mean."""


@dataclasses.dataclass(frozen=True)
class Computed:
    """A quantity made from others: a reduction of a variable, or any function of a part or (part None) of them all."""

    part: str | None
    function: Callable[[Any], Any]
    variable: str | None = None
    neurons: tuple[int, ...] | None = None

    def read(self, quantities: Mapping[str, Mapping[str, Any]]) -> jax.Array:
        """The values, a vector."""
        if self.part is None:
            return jnp.atleast_1d(jnp.asarray(self.function(quantities)))
        own = quantities[self.part]
        if self.variable is None:
            return jnp.atleast_1d(jnp.asarray(self.function(own)))
        values = own[self.variable]
        return jnp.atleast_1d(jnp.asarray(self.function(values if self.neurons is None else values[np.array(self.neurons, int)])))


class _Everything(Mapping):
    """What can be recorded of each part, made when it is asked for."""

    def __init__(self, system: NetworkSystem, variables: Variables, t: Any):
        self._system, self._variables, self._t = system, variables, t

    def __getitem__(self, part: str) -> dict[str, Any]:
        if part not in list(self):
            raise unknown("population or projection", part, self)
        own = observables(self._system, self._variables, self._t, part)
        exchange = self._system.network.exchange
        return own if exchange is None else _from_everywhere(exchange, self._system, part, own)

    def __iter__(self) -> Iterator[str]:
        plan = self._system.plan
        return iter([*(p.name for p in plan.populations), *(w.name for w in plan.wires if not w.input)])

    def __len__(self) -> int:
        return len(list(iter(self)))


def _from_everywhere(exchange: Exchange, system: NetworkSystem, part: str, own: dict[str, Any]) -> dict[str, Any]:
    """Of what lies here, what lies on all devices."""
    if any(p.name == part for p in system.plan.populations):
        return {v: exchange.of_population(x, part) for v, x in own.items()}
    plastic = system.plan.plasticity_of(part)
    if plastic is not None:
        known = (WEIGHT, *plastic.edge) if plastic.structure is None else (EDGES, MEAN_WEIGHT)
        everywhere = {v: x for v, x in own.items() if v in known or v.startswith(f"{OUTGOING} ")}
        targets = next(p.name for p in system.plan.populations if (p.group, p.start) == (plastic.group, plastic.start))
        short_term = system.plan.wire(part).short_term
        at_sources = () if short_term is None else system.plan.synapses_named(short_term).variables
        lies = lambda v: plastic.source if v in at_sources else targets
        return everywhere | {v: exchange.of_population(x, lies(v)) for v, x in own.items() if v not in everywhere}
    raise UnsupportedError(
        f"A function of {part}'s states, or a mean of them, is not recorded on several devices: they lie with the targets. Record the "
        "population's synaptic_current or synaptic_conductance, or the states themselves, or leave out devices."
    )


def observables(system: NetworkSystem, variables: Variables, t: Any, part: str | Computed) -> dict[str, Any]:
    """Every recordable quantity of a population or projection, by name; of what is computed, its `VALUE`.

    All are traced; XLA computes only those that are used.
    """
    if isinstance(part, Computed):
        return {VALUE: part.read(_Everything(system, variables, t))}
    if any(p.name == part for p in system.plan.populations):
        return _of_population(system, variables, t, part)
    return _of_projection(system, variables, t, part)


def _of_population(system: NetworkSystem, variables: Variables, t: Any, name: str) -> dict[str, Any]:
    population = system.plan.population(name)
    group = system.plan.group(population.group)
    own = variables[group.name]
    model = system.model(group.name)
    inputs = system.inputs(variables, t)[group.name]
    injected = system.injected(group, t)
    V = own.get("V", jnp.zeros(group.n, system.plan.dtype))
    result = {
        "injected_current": injected,
        "synaptic_conductance": inputs.conductance,
        "synaptic_current": inputs.conductance * V - (inputs.offset - injected),
        "last_spike": system.last_spike_time(group.name),
        **model.observables(own, inputs, t),
        **own,
    }
    return system.of_population(name, {key: jnp.broadcast_to(value, (group.n,)) for key, value in result.items()})


def _of_projection(system: NetworkSystem, variables: Variables, t: Any, name: str) -> dict[str, Any]:
    """The projection's own states (those at its targets, where they lie there), and what it does to its targets."""
    wire = system.plan.wire(name)
    if wire.shared and system.plan.plasticity_of(name) is None:
        raise UnsupportedError(
            f"{name} shares its states with {', '.join(wire.shared)}: of the same kinetics onto the same neurons only the sum is kept. "
            "Record synaptic_current or synaptic_conductance of the target population, "
            "or give the projection states of its own: rv.Projection(…, share=False)."
        )
    states: dict[str, list[Any]] = {}
    conductances, currents = [], []
    inputs: dict[str, Any] = {}
    for piece in wire.pieces:
        synapses = system.plan.synapses_named(piece.synapses)
        at_targets = isinstance(synapses, ReceptorPlan)
        for variable, value in variables[synapses.name].items():
            states.setdefault(variable, []).append(value[piece.start : piece.start + piece.n])
        if synapses.name not in inputs:
            inputs[synapses.name] = system.synaptic_input(synapses, variables, t)
        stretches = list(zip(system.plan.targets_of(synapses), inputs[synapses.name], strict=True))
        if isinstance(synapses, MergedPlan):
            owners = [member.name for member in synapses.members for _ in member.targets]
            stretches = [stretch for stretch, owner in zip(stretches, owners, strict=True) if owner == name]
        for (group, first, size), into in stretches:
            V = variables[group].get(system.potential(group, synapses), jnp.zeros(system.plan.group(group).n, system.plan.dtype))
            V = V[first : first + size]
            mine = slice(piece.start, piece.start + piece.n) if at_targets else slice(None)
            conductances.append(jnp.broadcast_to(into.conductance, V.shape)[mine])
            currents.append((into.conductance * V - into.offset)[mine])
    return {
        "conductance": jnp.concatenate(conductances),
        "current": jnp.concatenate(currents),
        **{variable: jnp.concatenate(values) for variable, values in states.items()},
        **(variables[wire.short_term] if wire.short_term is not None else {}),
        **(_of_edges(system, variables, t, name) if system.plan.plasticity_of(name) is not None else {}),
    }


def _of_edges(system: NetworkSystem, variables: Variables, t: Any, name: str) -> dict[str, Any]:
    """The weights and the rule's variables of a projection that learns: in the order of delivery, or, where asked for, in the user's."""
    plan = system.plan.plasticity_of(name)
    assert plan is not None
    constants, own = system.constants.plastic[name], variables[name]
    dt = system.constants.dt
    factors = edge_decay(plan, constants.rule, own, jnp.rint(t / dt).astype(jnp.int64), dt)
    if plan.structure is not None:
        segments = system.constants.synapses[plan.receptor].edges[plan.place].segments
        edges, total, exchange = jnp.asarray(segments)[-1, -1, -1], own[WEIGHT].sum(), system.network.exchange
        if exchange is not None:
            edges, total = exchange.total(edges), exchange.total(total)
        values = {EDGES: edges[None].astype(own[WEIGHT].dtype), MEAN_WEIGHT: (total / jnp.maximum(edges, 1))[None]}
        for name in own:
            side = name.partition(" ")[0]
            if side in (OUTGOING, INCOMING):
                values[name] = own[name] if side == OUTGOING else own[name][plan.start : plan.start + plan.n]
        return values
    values = {WEIGHT: own[WEIGHT], **{v: own[v] * factors[v] for v in plan.edge}}
    if constants.place.shape[0]:
        exchange = system.network.exchange
        everywhere = (lambda x: x) if exchange is None else (lambda x: exchange.end_to_end(jnp.broadcast_to(x, (plan.width,))))
        values = {v: everywhere(x)[constants.place] for v, x in values.items()}
    return values


def unit_of(network: Network, part: str, variable: str) -> str:
    """The unit of a recordable quantity."""
    plan = network.plan
    if any(p.name == part for p in plan.populations):
        model = network.models[plan.population(part).group]
        known = {
            "injected_current": model.input_unit,
            "synaptic_current": model.input_unit,
            "synaptic_conductance": _per_millivolt(model.input_unit),
            "last_spike": "ms",
        }
        return known.get(variable) or model.unit_of(variable)
    synapses = plan.synapses_named(plan.wire(part).pieces[0].synapses)
    unit = network.models[plan.targets_of(synapses)[0][0]].input_unit
    synapse = network.constants.synapses[synapses.name].synapse
    if variable == WEIGHT:
        return {"conductance": f"({unit})/mV", "potential": "mV"}.get(synapse.weight, unit)
    return {"current": unit, "conductance": _per_millivolt(unit)}.get(variable) or synapse.variable_units.get(variable, "1")


def _per_millivolt(unit: str) -> str:
    return {"uA/cm^2": "mS/cm^2", "pA": "nS", "nA": "uS"}.get(unit, f"{unit}/mV")
