"""One step of a network, as a list of named stages.

The order is a rule of time: integrate, detect, deliver what is due, reset
(recording comes before, in the loop; plasticity would stand between delivery
and reset).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import optimization_barrier

from ranvier.integrators.base import Integrator
from ranvier.kernels.deliver_events import SpikeHistory, deliver_events, note_spikes
from ranvier.kernels.draws import add_poisson, bernoulli
from ranvier.kernels.exponential import with_fast_exponentials
from ranvier.kernels.integrate_and_fire import integrate_and_fire
from ranvier.network.dependence import adds_to
from ranvier.network.plan import ALL_SPIKES, GroupPlan, Plan, SynapsesPlan
from ranvier.network.state import SimulationState
from ranvier.network.system import NetworkSystem, Variables

LONG_AGO = -(2**30)
FAST_EXPONENTIALS_FROM = 16  # neurons; below, compiling them takes longer than they save


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StepState:
    """The simulation's state as the compiled loop carries it: the moving variables packed."""

    step: jax.Array
    moving: Any
    fixed: Variables
    since: jax.Array
    """the step at which this form of the state was made"""
    before: jax.Array
    """the step of each neuron's last spike before that, of all populations one after the other, int64 `[neurons]`"""
    recent: jax.Array
    """the step of its last spike less `since`, int32 `[neurons]`, `LONG_AGO` where `before` says it: half as much to move each step"""
    in_flight: dict[str, dict[str, jax.Array]]
    memory: Any


@dataclasses.dataclass(frozen=True)
class Stepper:
    """Advances a network by one step. Made anew in every trace; holds no arrays of its own but the constants."""

    plan: Plan
    constants: dict[str, Any]
    integrator: Integrator
    packed: bool

    def system(self, state: StepState, held: dict[str, jax.Array] | None = None) -> NetworkSystem:
        return NetworkSystem(self.plan, self.constants, state.fixed, self._by_group(self._last_spike(state)), self.packed, held)

    @staticmethod
    def _last_spike(state: StepState) -> jax.Array:
        return jnp.where(state.recent == LONG_AGO, state.before, state.since + state.recent)

    def _by_group(self, of_all: jax.Array) -> dict[str, jax.Array]:
        """What is laid out for all neurons one after the other, for each group."""
        return {g.name: of_all[g.first : g.first + g.n] for g in self.plan.groups}

    def enter(self, state: SimulationState) -> StepState:
        moving: Variables = {}
        fixed: Variables = {}
        for plan, values in [(g, self._together(g, state.neurons)) for g in self.plan.groups] + [
            (s, state.synapses[s.name]) for s in self.plan.synapses
        ]:
            for variable, x in values.items():
                (moving if variable in plan.moving else fixed).setdefault(plan.name, {})[variable] = x
        last_spike = jnp.concatenate([state.last_spike[p.name] for p in self.plan.populations])
        system = NetworkSystem(self.plan, self.constants, fixed, {}, self.packed)
        recent = jnp.maximum(last_spike - state.step, LONG_AGO).astype(jnp.int32)
        since = jnp.asarray(state.step)
        return StepState(state.step, system.pack(moving), fixed, since, last_spike, recent, state.in_flight, state.memory)

    def _together(self, group: GroupPlan, neurons: Variables) -> dict[str, jax.Array]:
        """The variables of a group's members, end to end."""
        if len(group.members) == 1:
            return neurons[group.name]
        return {v: jnp.concatenate([neurons[name][v] for name in group.members]) for v in group.variables}

    def leave(self, state: StepState) -> SimulationState:
        variables = self.variables(state)
        system = self.system(state)
        last_spike = self._last_spike(state)
        return SimulationState(
            step=state.step,
            neurons={p.name: {v: system.of_population(p.name, variables[p.group])[v] for v in p.variables} for p in self.plan.populations},
            synapses={s.name: {v: variables[s.name][v] for v in s.variables} for s in self.plan.synapses},
            last_spike={p.name: last_spike[p.first : p.first + p.n] for p in self.plan.populations},
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
        with jax.named_scope("draw"):
            system = self.system(state, self.system(state).noise(k, t))
        before = system.complete(system.unpack(state.moving))

        moving, memory = state.moving, state.memory
        if any(g.whole_step is None for g in self.plan.groups):
            # All groups, also those that the kernel takes below: XLA leaves out what nobody uses.
            with jax.named_scope("integrate"):
                key = system.draws("integrator", k)
                advance = lambda moving, memory: self.integrator.step(system, moving, memory, t, t_next, key)
                if self.plan.n >= FAST_EXPONENTIALS_FROM and self.plan.dtype == "float64":
                    advance = with_fast_exponentials(advance)
                moving, memory = advance(state.moving, state.memory)
        after = system.complete(system.unpack(moving))
        now, recent = (k - state.since).astype(jnp.int32), self._by_group(state.recent)
        spiked: dict[str, jax.Array] = {}
        changed: Variables = {}
        for g in self.plan.groups:
            if g.whole_step is not None:
                with jax.named_scope("integrate and fire"):
                    spiked[g.name], recent[g.name] = self._take_whole_step(g, system, state, t, recent[g.name], before, after, changed)
                continue
            refractory = now <= recent[g.name] + self._constants(g)["refractory"] if g.refractory else None
            if refractory is not None:
                with jax.named_scope("hold"):
                    for variable in self._constants(g)["model"].held:
                        after[g.name][variable] = jnp.where(refractory, before[g.name][variable], after[g.name][variable])
                        changed.setdefault(g.name, {})[variable] = after[g.name][variable]
            with jax.named_scope("detect"):
                spikes = self._fire(g, system, before[g.name], after[g.name], k, t)
                spiked[g.name] = spikes if refractory is None else spikes & ~refractory
                recent[g.name] = jnp.where(spiked[g.name], now, recent[g.name])
        flags, recent_spikes = (self._end_to_end(x) for x in (spiked, recent))

        in_flight = dict(state.in_flight)
        with jax.named_scope("emit"):
            if ALL_SPIKES in in_flight:
                in_flight[ALL_SPIKES] = self._noted(in_flight[ALL_SPIKES], flags, 1.0, k)
            for synapses in self.plan.synapses:
                if synapses.emits:
                    self._emit(synapses, system, k, t, spiked, after, in_flight, changed)
        with jax.named_scope("deliver"):
            for synapses in self.plan.synapses:
                if synapses.feeds or synapses.poisson:
                    self._deliver(synapses, system, k, self._closed(now, recent, spiked), after, in_flight, changed)

        with jax.named_scope("reset"):
            for g in self.plan.groups:
                if g.resets and g.whole_step is None:
                    model = self._constants(g)["model"]
                    for variable, value in model.reset(after[g.name], spiked[g.name]).items():
                        changed.setdefault(g.name, {})[variable] = jnp.asarray(value, self.plan.dtype)

        moving, fixed = self._merge(system, moving, state.fixed, changed)
        return StepState(k + 1, moving, fixed, state.since, state.before, recent_spikes, in_flight, memory), flags

    def _constants(self, group: GroupPlan) -> dict[str, Any]:
        return self.constants["groups"][group.name]

    def _end_to_end(self, by_group: dict[str, jax.Array]) -> jax.Array:
        parts = [by_group[g.name] for g in self.plan.groups]
        return parts[0] if len(parts) == 1 else jnp.concatenate(parts)

    def _take_whole_step(
        self,
        group: GroupPlan,
        system: NetworkSystem,
        state: StepState,
        t: jax.Array,
        recent: jax.Array,
        before: Variables,
        after: Variables,
        changed: Variables,
    ) -> tuple[jax.Array, jax.Array]:
        """Integrates, holds, detects and resets in one kernel. Returns who spiked, and the steps of the last spikes."""
        assert group.whole_step is not None
        whole, numbers = group.whole_step, self.constants["whole_steps"][group.name]
        coefficients, (each, gains) = numbers["coefficients"], (numbers["each"][what] for what in ("coefficients", "gains"))
        if any(group.stimulated):
            current = system.injected(group, t)
            if current.ndim == 0 and not gains:
                coefficients = coefficients + numbers["gains"] * current
            else:
                place_of = {str(place): place for place in whole.driven}
                of = lambda what, place: numbers["each"][what].get(place, numbers[what][place_of[place]])
                driven = {p: jnp.broadcast_to(of("coefficients", p) + of("gains", p) * current, (group.n,)) for p in place_of}
                each = {**each, **driven}
        moved, recent, spikes = integrate_and_fire(
            whole.equations,
            [before[owner][v] for owner, v in whole.variables],
            coefficients[None],
            jnp.asarray(self.constants["dt"], self.plan.dtype),
            state.step,
            recent,
            jnp.atleast_1d(self._constants(group)["refractory"]) if group.refractory else None,
            {int(place): row for place, row in each.items()},
            state.since,
        )
        for (owner, variable), value in zip(whole.variables, moved, strict=False):  # those that change come first
            after[owner] = {**after[owner], variable: value}
            changed.setdefault(owner, {})[variable] = value
        return spikes, recent

    def _closed(self, now: jax.Array, recent: dict[str, jax.Array], spiked: dict[str, jax.Array]) -> Callable[[GroupPlan], jax.Array]:
        """Which neurons of a group lose what kicks them: those that spike in this step, and those that are refractory."""
        return lambda g: now <= recent[g.name] + self._constants(g)["refractory"] if g.refractory else spiked[g.name]

    def _fire(
        self, group: GroupPlan, system: NetworkSystem, before: dict[str, Any], after: dict[str, Any], k: jax.Array, t: jax.Array
    ) -> jax.Array:
        """Which neurons of a group spike in step `k`."""
        model = self._constants(group)["model"]
        if group.fires == "test":
            return model.spiked(before, after)
        if group.fires == "given":
            given = self._constants(group)["given"]
            first = jnp.searchsorted(given["steps"], k)
            at = first + jnp.arange(given["most"].shape[0])
            due = given["steps"].at[at].get(mode="clip") == k
            return jnp.zeros(group.n, bool).at[jnp.where(due, given["neurons"].at[at].get(mode="clip"), group.n)].set(True, mode="drop")
        hazard = jnp.asarray(model.spike_hazard(after, t), self.plan.dtype)
        probability = -jnp.expm1(-hazard * jnp.asarray(self.constants["dt"], self.plan.dtype))
        return bernoulli(self.constants["seed"], system.streams("spikes", group.n, group.first), k, probability, group.n)

    @staticmethod
    def _noted(history: dict[str, jax.Array], flags: jax.Array, amplitude: Any, k: jax.Array) -> dict[str, jax.Array]:
        """A history with the spikes of step `k`."""
        return note_spikes(SpikeHistory(**history), flags, amplitude, k)._asdict()

    def _emit(
        self,
        synapses: SynapsesPlan,
        system: NetworkSystem,
        k: jax.Array,
        t: jax.Array,
        spiked: dict[str, jax.Array],
        after: Variables,
        in_flight: dict[str, Any],
        changed: Variables,
    ) -> None:
        """What a synapse's source side does when its neurons spike."""
        assert synapses.source is not None
        name, population = synapses.name, self.plan.population(synapses.source)
        constants = self.constants["synapses"][name]
        spikes = system.of_population(synapses.source, {"": spiked[population.group]})[""]
        if name in in_flight:
            since = t - system.of_population(synapses.source, {"": system.last_spike_time(population.group)})[""]
            own, amplitude = constants["synapse"].emit(after[name], spikes, since.astype(self.plan.dtype))
            in_flight[name] = self._noted(in_flight[name], spikes, amplitude, k)
        else:
            own, _ = constants["synapse"].emit(after[name], spikes[constants["pre"]] if synapses.site == "edge" else spikes, t)
        self._note(name, own, after, changed)

    def _deliver(
        self,
        synapses: SynapsesPlan,
        system: NetworkSystem,
        k: jax.Array,
        closed: Callable[[GroupPlan], jax.Array],
        after: Variables,
        in_flight: dict[str, Any],
        changed: Variables,
    ) -> None:
        """Adds up the spikes that arrive at the end of step `k`, and gives them to the states or the membranes."""
        name = synapses.name
        constants = self.constants["synapses"][name]
        # A state that simply adds what arrives is what the kernels add to.
        into = adds_to(constants["synapse"].receive, after[name], synapses.states, self.plan.dtype)
        arriving = jnp.zeros(synapses.states, self.plan.dtype) if into is None else after[name][into]
        for feed in synapses.feeds:
            edges = self.constants["feeds"][feed.name]
            arriving = deliver_events(SpikeHistory(**in_flight[feed.spikes]), k, edges, edges.weight, arriving)
        for stream, poisson in zip(synapses.poisson, constants.get("poisson", ()), strict=True):
            streams = system.streams(stream, synapses.states, constants["first"])
            arriving = add_poisson(arriving, self.constants["seed"], streams, k, poisson["table"], poisson["weight"], poisson["row"])
        if into is not None:
            return self._note(name, {**after[name], into: arriving}, after, changed)
        if synapses.kicks:
            ((target, _, _),) = synapses.targets
            kick = constants["synapse"].kick(arriving).astype(self.plan.dtype)
            group = self.plan.group(target)
            V = after[target]["V"] + (jnp.where(closed(group), 0.0, kick) if group.resets else kick)
            after[target]["V"] = V
            changed.setdefault(target, {})["V"] = V
        self._note(name, constants["synapse"].receive(after[name], arriving), after, changed)

    @staticmethod
    def _note(name: str, values: dict[str, Any], after: Variables, changed: Variables) -> None:
        """Takes over what changed among the variables of synapses."""
        for variable, value in values.items():
            if value is not after[name][variable]:
                changed.setdefault(name, {})[variable] = jnp.asarray(value, after[name][variable].dtype)
        after[name] = dict(values)

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
