"""One step of a network, as a list of named stages.

The order is a rule of time: integrate, detect, deliver what is due, reset
(recording comes before, in the loop; plasticity would stand between delivery
and reset).
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier

from ranvier.integrators.base import Integrator
from ranvier.kernels.exponential import with_fast_exponentials
from ranvier.network.build import Plan, ProjectionPlan
from ranvier.network.state import SimulationState
from ranvier.network.system import NetworkSystem, Variables, sum_over_edges

FAST_EXPONENTIALS_FROM = 16  # neurons; below, compiling them takes longer than they save


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StepState:
    """The simulation's state as the compiled loop carries it: the moving variables packed."""

    step: jax.Array
    moving: Any
    fixed: Variables
    last_spike: jax.Array
    """of all populations one after the other, `[neurons]`: one operation for all"""
    in_flight: dict[str, jax.Array]
    memory: Any


@dataclasses.dataclass(frozen=True)
class Stepper:
    """Advances a network by one step. Made anew in every trace; holds no arrays of its own but the constants."""

    plan: Plan
    constants: dict[str, Any]
    integrator: Integrator
    packed: bool

    def system(self, state: StepState) -> NetworkSystem:
        return NetworkSystem(self.plan, self.constants, state.fixed, self._split(state.last_spike), self.packed)

    def _split(self, of_all: jax.Array) -> dict[str, jax.Array]:
        """What is laid out for all populations one after the other, for each."""
        return {p.name: of_all[p.first : p.first + p.n] for p in self.plan.populations}

    def enter(self, state: SimulationState) -> StepState:
        moving: Variables = {}
        fixed: Variables = {}
        for p, values in [(p, state.neurons[p.name]) for p in self.plan.populations] + [
            (p, state.synapses[p.name]) for p in self.plan.projections
        ]:
            for variable, x in values.items():
                (moving if variable in p.moving else fixed).setdefault(p.name, {})[variable] = x
        system = NetworkSystem(self.plan, self.constants, fixed, state.last_spike, self.packed)
        last_spike = jnp.concatenate([state.last_spike[p.name] for p in self.plan.populations])
        return StepState(state.step, system.pack(moving), fixed, last_spike, state.in_flight, state.memory)

    def leave(self, state: StepState) -> SimulationState:
        variables = self.variables(state)
        return SimulationState(
            step=state.step,
            neurons={p.name: {v: variables[p.name][v] for v in p.variables} for p in self.plan.populations},
            synapses={p.name: {v: variables[p.name][v] for v in p.variables} for p in self.plan.projections},
            last_spike=self._split(state.last_spike),
            in_flight=state.in_flight,
            memory=state.memory,
        )

    def variables(self, state: StepState) -> Variables:
        system = self.system(state)
        return system.complete(system.unpack(state.moving))

    def step(self, state: StepState) -> tuple[StepState, jax.Array]:
        """The state after one step, and which neurons spiked in it (all populations, one after the other)."""
        k = state.step
        # Rounded here: fused with what follows, k·dt would enter a multiply-add unrounded.
        t, t_next = optimization_barrier((k * self.constants["dt"], (k + 1) * self.constants["dt"]))
        system = self.system(state)
        before = system.complete(system.unpack(state.moving))

        with jax.named_scope("integrate"):
            advance = lambda moving, memory: self.integrator.step(system, moving, memory, t, t_next)
            if self.plan.n >= FAST_EXPONENTIALS_FROM and self.plan.dtype == "float64":
                advance = with_fast_exponentials(advance)
            moving, memory = advance(state.moving, state.memory)
        after = system.complete(system.unpack(moving))
        refractory = {
            p.name: k <= system.last_spike[p.name] + self._model(p.name)["refractory"] for p in self.plan.populations if p.refractory
        }
        changed: Variables = {}
        with jax.named_scope("hold"):
            for name, waiting in refractory.items():
                for variable in self._model(name)["model"].held:
                    after[name][variable] = jnp.where(waiting, before[name][variable], after[name][variable])
                    changed.setdefault(name, {})[variable] = after[name][variable]

        with jax.named_scope("detect"):
            spiked = {}
            for p in self.plan.populations:
                spikes = self._model(p.name)["model"].spiked(before[p.name], after[p.name])
                spiked[p.name] = spikes & ~refractory[p.name] if p.name in refractory else spikes
            flags = jnp.concatenate([spiked[p.name] for p in self.plan.populations])
            last_spike = jnp.where(flags, k, state.last_spike)

        in_flight = dict(state.in_flight)
        with jax.named_scope("deliver"):
            for projection in self.plan.projections:
                if projection.slots or projection.emits:
                    self._deliver(projection, k, t, spiked, refractory, after, in_flight, changed)

        with jax.named_scope("reset"):
            for p in self.plan.populations:
                if p.resets:
                    model = self._model(p.name)["model"]
                    for variable, value in model.reset(after[p.name], spiked[p.name]).items():
                        changed.setdefault(p.name, {})[variable] = jnp.asarray(value, self.plan.dtype)

        moving, fixed = self._merge(system, moving, state.fixed, changed)
        return StepState(k + 1, moving, fixed, last_spike, in_flight, memory), flags

    def _model(self, population: str) -> dict[str, Any]:
        return self.constants["populations"][population]

    def _deliver(
        self,
        projection: ProjectionPlan,
        k: jax.Array,
        t: jax.Array,
        spiked: dict[str, jax.Array],
        refractory: dict[str, jax.Array],
        after: Variables,
        in_flight: dict[str, jax.Array],
        changed: Variables,
    ) -> None:
        """Notes the spikes of this step, and delivers those whose delay ends with it."""
        name = projection.name
        constants = self.constants["projections"][name]
        synapse = constants["synapse"]
        spikes = spiked[projection.source]
        at_site = spikes[constants["pre"]] if projection.site == "edge" and projection.emits else spikes
        own, amplitude = synapse.emit(after[name], at_site, t)
        if not projection.slots:
            self._note(name, own, after, changed)
            return
        history = in_flight[name].at[k % projection.slots].set(jnp.asarray(amplitude, self.plan.dtype))
        in_flight[name] = history
        if projection.one_delay:
            due = history[(k - constants["delay"]) % projection.slots]
            if projection.site == "edge":
                due = due[constants["pre"]]
            arriving = sum_over_edges(projection, constants, due) if projection.site != "edge" else constants["weight"] * due
        else:
            at_edges = constants["weight"] * history[(k - constants["delay"]) % projection.slots, constants["pre"]]
            arriving = at_edges
            if projection.site != "edge":
                arriving = jax.ops.segment_sum(at_edges, constants["post"], num_segments=sum(projection.sizes), indices_are_sorted=True)
        self._note(name, {**own, **synapse.receive(own, arriving)}, after, changed)
        kick = synapse.kick(arriving)
        if kick is None:
            return
        first = 0
        for target, n in zip(projection.targets, projection.sizes, strict=True):
            lost = spiked[target] | refractory[target] if target in refractory else spiked[target]
            V = after[target]["V"] + jnp.where(lost & self.plan.population(target).resets, 0.0, kick[first : first + n]).astype(
                self.plan.dtype
            )
            after[target]["V"] = V
            changed.setdefault(target, {})["V"] = V
            first += n

    @staticmethod
    def _note(name: str, values: dict[str, Any], after: Variables, changed: Variables) -> None:
        """Takes over what changed among a projection's variables."""
        for variable, value in values.items():
            if value is not after[name][variable]:
                changed.setdefault(name, {})[variable] = jnp.asarray(value, after[name][variable].dtype)
        after[name] = values

    def _merge(self, system: NetworkSystem, moving: Any, fixed: Variables, changed: Variables) -> tuple[Any, Variables]:
        """The state with what detection, delivery and reset changed."""
        if not changed:
            return moving, fixed
        variables = system.unpack(moving)
        fixed = {name: dict(values) for name, values in fixed.items()}
        for name, values in changed.items():
            for variable, value in values.items():
                owner = variables if variable in variables.get(name, {}) else fixed
                owner[name] = {**owner[name], variable: value}
        return system.pack(variables), fixed
