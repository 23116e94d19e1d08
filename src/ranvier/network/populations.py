"""Populations, built; and those of one model gathered into groups that advance together."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError
from ranvier.model import drawn, in_precision, parameters
from ranvier.network.common import initial_state, initial_values, moving_variables, resolve
from ranvier.network.dependence import of_any_length
from ranvier.network.plan import GroupPlan, PopulationPlan
from ranvier.network.spec import Network, Population
from ranvier.network.state import NEVER
from ranvier.neurons.base import Inputs, NeuronModel
from ranvier.random import Key
from ranvier.steps import in_steps

LONGEST_REFRACTORY = 2**30 - 1  # steps: a neuron that spiked LONG_AGO has none left


@dataclasses.dataclass(frozen=True)
class Member:
    """One population, drawn and checked. `refractory` is in steps, `stimulus` None where nothing is injected."""

    name: str
    n: int
    model: Any
    stimulus: Any
    noisy: bool
    refractory: Any
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    fires: str
    given: Any
    alone: bool
    integrator: Any
    values: dict[str, np.ndarray]
    last_spike: np.ndarray

    def goes_with(self, other: Member) -> bool:
        """Whether the two can advance as one: the same equations, and none that looks across neurons."""
        return (
            not (self.alone or other.alone)
            and self.fires == other.fires
            and self.integrator == other.integrator
            and (self.variables, self.moving) == (other.variables, other.moving)
            and (self.refractory is None) == (other.refractory is None)
            and bool(jax.tree.structure(self.model) == jax.tree.structure(other.model))  # type: ignore[operator]
        )


def build_member(name: str, population: Population, key: Key, dt: float, integrator: Any) -> Member:
    """A population with everything drawn.

    Raises:
        ParameterError: a shape that does not fit, a value out of bounds, a name that is not there.
    """
    n = population.n
    model = drawn(population.model, key, name, {"neuron": (n, "neuron")}, population.model.input_unit)
    start = initial_state(model, n, key.child("model"))
    given = dict(population.initial)
    last_spike = given.pop("last_spike", -math.inf)
    values = initial_values(given, start, n, key, name, "neuron", model.unit_of)

    zeros = Inputs(jnp.zeros(n), jnp.zeros(n))
    traced, shapes = jax.make_jaxpr(lambda m, s, i: m.derivatives(s, i, jnp.zeros(())), return_shape=True)(model, values, zeros)
    moving = moving_variables(model, shapes, values, name)
    for variable, shape in shapes.items():
        if shape.shape not in ((), (n,)):
            raise ParameterError(f"{type(model).__name__}.derivatives gives {variable!r} the shape {shape.shape}; it must be ({n},).")
    for variable in model.held:
        resolve(variable, values, f"held variable of {type(model).__name__}")

    stimulus = _stimulus(name, population, model, key)
    noise = None if stimulus is None else stimulus.noise(np.float64(0.0))
    refractory = np.asarray(getattr(model, "refractory", 0.0))
    steps = None
    if refractory.any():
        steps = in_steps(refractory, dt, f"The refractory period of {name}")
    fires = _what_fires(model)
    spiking = _spikes_one_by_one(model, fires, values)
    at_steps = np.where(np.isfinite(last_spike), np.rint(np.nan_to_num(np.asarray(last_spike, np.float64), neginf=0.0) / dt), NEVER)
    return Member(
        name=name,
        n=n,
        model=model,
        stimulus=stimulus,
        noisy=noise is not None,
        refractory=steps,
        variables=tuple(values),
        moving=moving,
        fires=fires,
        given=_given_spikes(name, model, n, dt) if fires == "given" else None,
        alone=fires == "given" or not (of_any_length(traced) and spiking) or any(info.per == "sample" for _, info, _ in parameters(model)),
        integrator=integrator,
        values=values,
        last_spike=np.broadcast_to(at_steps.astype(np.int64), (n,)).copy(),
    )


def _what_fires(model: NeuronModel) -> str:
    if model.fires_by_hazard:
        return "hazard"
    return "given" if type(model).spike_times is not NeuronModel.spike_times else "test"


def _spikes_one_by_one(model: NeuronModel, fires: str, values: dict[str, np.ndarray]) -> bool:
    """Whether what makes a neuron spike, and what a spike does to it, looks at that neuron alone."""
    if fires == "hazard":
        return of_any_length(jax.make_jaxpr(lambda m, s, t: m.spike_hazard(s, t))(model, values, jnp.zeros(())))
    return fires == "given" or of_any_length(jax.make_jaxpr(lambda m, s: m.reset(s, m.spiked(s, s)))(model, values))


def _stimulus(name: str, population: Population, model: NeuronModel, key: Key) -> Any:
    if population.current is None:
        return None
    if not model.takes_input:
        raise ParameterError(f"{name}: {type(model).__name__} takes no input; its spikes are its own. Leave out `current`.")
    n = population.n
    stimulus = drawn(population.current, key.child("current"), f"current of {name}", {"neuron": (n, "neuron")}, model.input_unit)
    shape = jax.eval_shape(stimulus, jax.ShapeDtypeStruct((), np.float64)).shape
    if shape not in ((), (n,)):
        raise ParameterError(
            f"The current of {name} has the shape {shape}, but there are {n} neurons. Give one number, one a neuron ({n}), or for a "
            "current that changes in time a function of t, or rv.stimuli.Sampled(values, every=dt) "
            "with values of shape (time,) or (time, neuron)."
        )
    return stimulus


def _given_spikes(name: str, model: NeuronModel, n: int, dt: float) -> dict[str, np.ndarray]:
    """The spikes of a source, sorted by step, behind them as many that never come as one step can have."""
    times, neurons = model.spike_times() or ((), ())
    neurons = np.asarray(neurons, np.int64)
    if neurons.size and (neurons.min() < 0 or neurons.max() >= n):
        raise ParameterError(f"{name}: a spike is given for neuron {int(neurons.max())}, but there are {n} (0 … {n - 1}).")
    steps = in_steps(np.asarray(times, np.float64), dt, f"A spike time of {name}")
    order = np.lexsort((neurons, steps))
    steps, neurons = steps[order], neurons[order]
    twice = (np.diff(steps) == 0) & (np.diff(neurons) == 0)
    if twice.any():
        at = int(np.flatnonzero(twice)[0])
        raise ParameterError(
            f"{name}: neuron {int(neurons[at])} is given two spikes in the step at {steps[at] * dt:g} ms; a neuron spikes once a step. "
            "Take a smaller dt, or leave one out."
        )
    most = int(np.unique(steps, return_counts=True)[1].max(initial=1))
    return {
        "steps": np.concatenate([steps, np.full(most, np.iinfo(np.int64).max)]),
        "neurons": np.concatenate([neurons, np.zeros(most, np.int64)]).astype(np.int32),
        "most": np.zeros(most, np.int8),  # its length is what counts
    }


def in_groups(members: list[Member], merge: bool) -> list[list[Member]]:
    """The populations that advance together, each list in the order of the network."""
    groups: list[list[Member]] = []
    for member in members:
        mine = next((group for group in groups if merge and group[0].goes_with(member)), None)
        if mine is None:
            groups.append([member])
        else:
            mine.append(member)
    return groups


def _end_to_end(members: list[Member], values: tuple[Any, ...]) -> Any:
    """One parameter of several populations: a number where all have the same one, else one value a neuron."""
    arrays = [np.asarray(value) for value in values]
    if all(array.ndim == 0 and array == arrays[0] for array in arrays):
        return values[0]
    if len(arrays) == 1:
        return values[0]
    return np.concatenate([np.broadcast_to(array, (m.n,)) for array, m in zip(arrays, members, strict=True)])


def build_group(members: list[Member], first: int, dtype: str) -> tuple[GroupPlan, list[PopulationPlan], dict[str, Any]]:
    """One group: its structure, its populations', and its constants."""
    lead = members[0]
    name = "+".join(m.name for m in members)
    model = jax.tree.map(lambda *leaves: _end_to_end(members, leaves), *(m.model for m in members))
    constants: dict[str, Any] = {"model": in_precision(model, dtype), "stimuli": [m.stimulus for m in members]}
    if lead.refractory is not None:
        steps = _end_to_end(members, tuple(m.refractory for m in members))
        constants["refractory"] = np.minimum(steps, LONGEST_REFRACTORY).astype(np.int32)
    if lead.given is not None:
        constants["given"] = lead.given
    plan = GroupPlan(
        name=name,
        n=sum(m.n for m in members),
        first=first,
        members=tuple(m.name for m in members),
        sizes=tuple(m.n for m in members),
        variables=lead.variables,
        moving=lead.moving,
        fires=lead.fires,
        resets=type(lead.model).reset is not NeuronModel.reset,
        refractory=lead.refractory is not None,
        stimulated=tuple(m.stimulus is not None for m in members),
        noisy=tuple(m.noisy for m in members),
        diffuses=lead.model.noisy,
    )
    populations, start = [], 0
    for m in members:
        populations.append(PopulationPlan(m.name, m.n, first + start, name, start, m.variables))
        start += m.n
    return plan, populations, constants


def build_populations(net: Network, key: Key, dt: float, dtype: str, merge: bool, integrators: Mapping[str, Any]) -> Any:
    """All populations in groups: the groups' plans, the populations' plans, the constants by group, and the members by name."""
    members = [
        build_member(name, population, key.child("population").child(name), dt, integrators.get(name))
        for name, population in net.populations.items()
    ]
    groups: list[GroupPlan] = []
    populations: list[PopulationPlan] = []
    constants: dict[str, Any] = {}
    first = 0
    for together in in_groups(members, merge):
        group, its_populations, constants[together[0].name] = build_group(together, first, dtype)
        constants[group.name] = constants.pop(together[0].name)
        groups.append(group)
        populations += its_populations
        first += group.n
    return groups, populations, constants, {m.name: m for m in members}
