"""Reads anything that has a name, from the state: pure, and used inside the compiled loop."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import UnsupportedError, unknown
from ranvier.network.system import NetworkSystem, Variables

VALUE = "value"


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
        return observables(self._system, self._variables, self._t, part)

    def __iter__(self) -> Iterator[str]:
        plan = self._system.plan
        return iter([*(p.name for p in plan.populations), *(p.name for p in plan.projections)])

    def __len__(self) -> int:
        return len(list(iter(self)))


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
    model = system.constants["groups"][group.name]["model"]
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
    plan = system.plan.projection(name)
    if plan.shared:
        raise UnsupportedError(
            f"{name} shares its states with {', '.join(plan.shared)}: of the same kinetics onto the same neurons only the sum is kept. "
            "Record synaptic_current or synaptic_conductance of the target population."
        )
    states: dict[str, list[Any]] = {}
    conductances, currents = [], []
    for synapses_name, start, n in plan.parts:
        synapses = system.plan.synapses_named(synapses_name)
        at_targets = synapses.site == "target"
        for variable, value in variables[synapses_name].items():
            states.setdefault(variable, []).append(value[start : start + n] if at_targets else value)
        for (group, first, size), inputs in zip(synapses.targets, system.synaptic_input(synapses, variables, t), strict=True):
            V = variables[group].get("V", jnp.zeros(system.plan.group(group).n, system.plan.dtype))[first : first + size]
            mine = slice(start, start + n) if at_targets else slice(None)
            conductances.append(jnp.broadcast_to(inputs.conductance, V.shape)[mine])
            currents.append((inputs.conductance * V - inputs.offset)[mine])
    plastic = variables.get(name, {}) if all(name != part for part, _, _ in plan.parts) else {}
    return {
        "conductance": jnp.concatenate(conductances),
        "current": jnp.concatenate(currents),
        **{variable: jnp.concatenate(values) for variable, values in states.items()},
        **plastic,
    }


def unit_of(system: NetworkSystem, part: str, variable: str) -> str:
    """The unit of a recordable quantity."""
    plan = system.plan
    if any(p.name == part for p in plan.populations):
        model = system.constants["groups"][plan.population(part).group]["model"]
        known = {
            "injected_current": model.input_unit,
            "synaptic_current": model.input_unit,
            "synaptic_conductance": _per_millivolt(model.input_unit),
            "last_spike": "ms",
        }
        return known.get(variable) or model.unit_of(variable)
    synapses = plan.synapses_named(plan.projection(part).parts[0][0])
    unit = system.constants["groups"][synapses.targets[0][0]]["model"].input_unit
    synapse = system.constants["synapses"][synapses.name]["synapse"]
    return {"current": unit, "conductance": _per_millivolt(unit)}.get(variable) or synapse.variable_units.get(variable, "1")


def _per_millivolt(unit: str) -> str:
    return {"uA/cm^2": "mS/cm^2", "pA": "nS", "nA": "uS"}.get(unit, f"{unit}/mV")
