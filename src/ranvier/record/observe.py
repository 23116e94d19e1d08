"""Reads anything that has a name, from the state: pure, and used inside the compiled loop."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ranvier.network.system import NetworkSystem, Variables


def observables(system: NetworkSystem, variables: Variables, t: Any, part: str) -> dict[str, Any]:
    """Every recordable quantity of a population or projection, by name.

    All are traced; XLA computes only those that are used.
    """
    if any(p.name == part for p in system.plan.populations):
        return _of_population(system, variables, t, part)
    return _of_projection(system, variables, t, part)


def _of_population(system: NetworkSystem, variables: Variables, t: Any, name: str) -> dict[str, Any]:
    plan = system.plan.population(name)
    model = system.constants["populations"][name]["model"]
    inputs = system.inputs(variables, t)[name]
    injected = system.injected(name, t)
    V = variables[name].get("V", jnp.zeros(plan.n, system.plan.dtype))
    result = {
        "injected_current": injected,
        "synaptic_conductance": inputs.conductance,
        "synaptic_current": inputs.conductance * V - (inputs.offset - injected),
        "last_spike": system.last_spike_time(name),
        **model.observables(variables[name], inputs, t),
        **variables[name],
    }
    return {key: jnp.broadcast_to(value, (plan.n,)) for key, value in result.items()}


def _of_projection(system: NetworkSystem, variables: Variables, t: Any, name: str) -> dict[str, Any]:
    plan = system.plan.projection(name)
    inputs = system.synaptic_input(plan, variables, t)
    potentials = [variables[target].get("V", jnp.zeros(n)) for target, n in zip(plan.targets, plan.sizes, strict=True)]
    return {
        "conductance": jnp.concatenate([jnp.broadcast_to(i.conductance, V.shape) for i, V in zip(inputs, potentials, strict=True)]),
        "current": jnp.concatenate([i.conductance * V - i.offset for i, V in zip(inputs, potentials, strict=True)]),
        **variables[name],
    }


def unit_of(system: NetworkSystem, part: str, variable: str) -> str:
    """The unit of a recordable quantity."""
    for population in system.plan.populations:
        if population.name == part:
            model = system.constants["populations"][part]["model"]
            known = {
                "injected_current": model.input_unit,
                "synaptic_current": model.input_unit,
                "synaptic_conductance": _per_millivolt(model.input_unit),
                "last_spike": "ms",
            }
            return known.get(variable) or model.unit_of(variable)
    plan = system.plan.projection(part)
    unit = system.constants["populations"][plan.targets[0]]["model"].input_unit
    synapse = system.constants["projections"][part]["synapse"]
    return {"current": unit, "conductance": _per_millivolt(unit)}.get(variable) or synapse.variable_units.get(variable, "1")


def _per_millivolt(unit: str) -> str:
    return {"uA/cm^2": "mS/cm^2", "pA": "nS", "nA": "uS"}.get(unit, f"{unit}/mV")
