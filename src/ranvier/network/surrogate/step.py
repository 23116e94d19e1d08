"""The stages of a step in which spikes have a derivative."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.kernels.deliver_events import SpikeHistory
from ranvier.network import learning
from ranvier.network.linearity import depends
from ranvier.network.plan import (
    ALL_SPIKES,
    EdgePlan,
    GroupPlan,
    HistoryPlan,
    MergedPlan,
    Plan,
    PlasticPlan,
    ReceptorPlan,
    ShortTermPlan,
    SourcePlan,
)
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.network.surrogate.distance import distance
from ranvier.network.transfer import end_to_end
from ranvier.network.working import StepState, Working
from ranvier.surrogates import Surrogate


def without_whole_steps(plan: Plan) -> Plan:
    """The plan with all groups advanced stage by stage: a kernel that resets hides how far from the threshold a neuron was."""
    without = lambda linear: None if linear is None else dataclasses.replace(linear, whole=None)
    staged = lambda g: dataclasses.replace(g, linear=without(g.linear), pointwise=False)
    return dataclasses.replace(plan, groups=tuple(staged(g) for g in plan.groups))


def check_plan(plan: Plan) -> None:
    """Refuses what a surrogate does not pass through.

    Raises:
        UnsupportedError: a projection learns, or its edges answer spikes in their own way.
    """
    if plan.responses:
        what = "its synapses release at random" if plan.responses[0].sites else "its edges have short-term plasticity of their own"
        raise UnsupportedError(
            f"No gradient passes through the spikes of {plan.responses[0].name}, as {what}. Train the network without, with the mean in "
            "its weights."
        )
    late = next((p.name for p in plan.plastic if p.dendrite), None)
    if late is not None:
        raise UnsupportedError(
            f"{late} learns from spikes that go along the dendrite, through which no surrogate gradient passes. Leave out its dendritic "
            "delay, or take surrogate=rv.surrogates.FixedSpikes(), for which every spike stays in its step."
        )


@dataclasses.dataclass(frozen=True)
class SurrogateWorking(Working):
    """A step on its way. `soft` is who spiked in numbers, 1 or 0, which carry the derivative; by group."""

    soft: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class SurrogateStepper(Stepper):
    """Advances a network by one step whose spikes have the derivative of `surrogate`.

    In flight, each source has a place in every row of a history, whether it spiked or not: one that did not would have
    changed what arrives if it had.
    """

    surrogate: Surrogate | None = None

    # -- in and out --------------------------------------------------------------------------------

    def enter(self, state: SimulationState) -> StepState:
        entered = super().enter(state)
        histories = {h.name: _placed(self.plan, h, entered.in_flight[h.name]) for h in self.plan.histories}
        learnt = dict(entered.learning)
        for p in self.plan.plastic:
            learnt[p.name] = {**learnt[p.name], SENT: _flags(entered.in_flight[p.name]).astype(self.plan.dtype)}
        return dataclasses.replace(entered, in_flight=histories, learning=learnt)

    def leave(self, state: StepState) -> SimulationState:
        histories = {h.name: _listed(h, state.in_flight[h.name]) for h in self.plan.histories}
        learnt = {name: {v: x for v, x in own.items() if v != SENT} for name, own in state.learning.items()}
        return super().leave(dataclasses.replace(state, in_flight=histories, learning=learnt))

    def step(self, state: StepState) -> tuple[StepState, jax.Array]:
        """The state after one step, and which neurons spiked in it, in numbers."""
        whole = {name: _all_of(kept["amplitude"]) for name, kept in state.in_flight.items()}
        begun = super()._begin(dataclasses.replace(state, in_flight=whole))
        working: Any = SurrogateWorking(**{f.name: getattr(begun, f.name) for f in dataclasses.fields(begun)})
        for stage in self.stages:
            with jax.named_scope(stage.__name__.lstrip("_")):
                working = stage(working)
        after, _ = super()._end(working)
        after = dataclasses.replace(after, in_flight={name: _strengths(kept) for name, kept in after.in_flight.items()})
        return after, end_to_end(self.plan, working.soft)

    # -- the stages --------------------------------------------------------------------------------

    def _detect(self, working: Any) -> Any:
        working = super()._detect(working)
        soft = {g.name: self._soft(g, working) for g in self.plan.groups}
        return dataclasses.replace(working, soft=soft)

    def _soft(self, group: GroupPlan, working: Any) -> jax.Array:
        """Spikes as numbers. That a neuron is refractory is taken as it is."""
        name, model = group.name, self.network.models[group.name]
        flags = working.spiked[name].astype(self.plan.dtype)
        if group.fires == "given":
            return flags
        if group.fires == "hazard":
            # The mean of a draw is its probability.
            hazard = jnp.asarray(model.spike_hazard(working.variables[name], working.t)).astype(self.plan.dtype)
            chance = -jnp.expm1(-hazard * jnp.asarray(self.constants.dt).astype(self.plan.dtype))
            soft = _straight(flags, jnp.broadcast_to(chance, flags.shape))
        else:
            far = distance(model.spiked, working.before[name], working.variables[name])
            if far is None and not _looks_at(model.spiked, working.before[name], working.variables[name]):
                return flags  # it never spikes
            if far is None:
                raise UnsupportedError(
                    f"A surrogate needs the distance to the threshold, but {type(model).__name__}.spiked of {group.members[0]} compares no "
                    "numbers. Write it with >=, >, <, <=, and &, |, ~ of such tests."
                )
            assert self.surrogate is not None
            soft = _stand_in(self.surrogate, flags, jnp.broadcast_to(far, flags.shape).astype(self.plan.dtype))
        if group.refractory:
            # Its last spike may be this one.
            soft = jnp.where(self._waiting(group, working) & ~working.spiked[name], 0.0, soft)
        return soft

    def _emit(self, working: Any) -> Any:
        if ALL_SPIKES in working.in_flight:
            history = _noted_all(working.in_flight[ALL_SPIKES], end_to_end(self.plan, working.soft), working.k)
            working = dataclasses.replace(working, in_flight={**working.in_flight, ALL_SPIKES: history})
        for synapses in self.plan.synapses:
            if isinstance(synapses, ShortTermPlan):
                working = self._emit_scaled(synapses, working)
            elif isinstance(synapses, SourcePlan | EdgePlan | MergedPlan) and synapses.emits:
                constants, own = self.constants.synapses[synapses.name], working.variables[synapses.name]
                if isinstance(synapses, MergedPlan):
                    soft = working.soft[synapses.sources][constants.at]
                else:
                    soft = self._soft_of(synapses.source, working)
                    soft = soft[constants.pre] if isinstance(synapses, EdgePlan) else soft
                yes, no = (constants.synapse.emit(own, flags, working.t)[0] for flags in _both(soft))
                after = {v: _chosen(soft, yes[v], no[v]) if yes[v] is not no[v] else no[v] for v in own}
                lost = [v for v in own if yes[v] is not no[v] and v not in synapses.moving]
                if lost:
                    raise UnsupportedError(
                        f"{synapses.name} ({type(constants.synapse).__name__}) remembers of a spike only {', '.join(lost)}, when it was, "
                        "through which no gradient passes. Use a synapse whose states a spike moves: rv.synapses.AlphaConductance()."
                    )
                working = self._write(synapses, after, working)
        for p in self.plan.plastic:
            working = self._emit_to_learn(p, working)
        return working

    def _emit_to_learn(self, p: PlasticPlan, working: Any) -> Any:
        soft, rule, k = self._soft_of(p.source, working), self.constants.plastic[p.name].rule, working.k
        if self.plan.wire(p.name).short_term is None:
            history = _noted_all(working.in_flight[p.name], soft, k)
            working = dataclasses.replace(working, in_flight={**working.in_flight, p.name: history})
        own, nobody = working.learning[p.name], jnp.zeros(soft.shape, bool)
        own = {**own, SENT: _in_row(own[SENT], soft, k)}
        own = learning.advance_traces(p, rule, own, k, self.constants.dt, nobody, working.variables[p.group])
        for name in p.pre:  # as if nobody had spiked, and what spikes add to that
            ring = own[f"pre {name}"]
            kept = ring[0, jnp.mod(k, ring.shape[1])]
            own[f"pre {name}"] = _in_row(ring[0], learning.jumped(kept, soft, rule.pre_traces()[name], _chosen), k)[None]
        return working.learnt(p.name, own)

    def _learn(self, working: Any) -> Any:
        for p in self.plan.plastic:
            modulator = self.constants.plastic[p.name].rule.modulator() if p.memory is not None else None
            if modulator is None:
                continue
            kept = {name: working.learning[p.name][f"memory {name}"] for name in p.memory or ()}
            who = {q.name: self._spikes_of(q.name, working) for q in self.plan.populations}
            if _looks_at(lambda who, m=modulator, kept=kept: m.release(kept, who, working.t_next), who):
                raise UnsupportedError(
                    f"The third factor of {p.name} ({type(modulator).__name__}) looks at who spikes, through which no surrogate gradient "
                    "passes. Give rewards at times, rv.plasticity.Rewards(times=[…]), or take "
                    "surrogate=rv.surrogates.FixedSpikes(), for which every spike stays in its step."
                )
        return super()._learn(working)

    def _events(self, plastic: PlasticPlan, working: Any) -> learning.Events:
        events, rule = super()._events(plastic, working), self.constants.plastic[plastic.name].rule
        spiked = working.soft[plastic.group]
        fired, event = spiked, rule.post_event(events.before, events.after)
        if event is not None:
            far = distance(rule.post_event, events.before, events.after)
            if far is None:
                raise UnsupportedError(
                    f"A surrogate needs the distance to an event, but {type(rule).__name__}.post_event of {plastic.name} compares no "
                    "numbers. Write it with >=, >, <, <=, and &, |, ~ of such tests."
                )
            assert self.surrogate is not None
            dtype = self.plan.dtype
            fired = _stand_in(self.surrogate, event.astype(dtype), jnp.broadcast_to(far, event.shape).astype(dtype))
        sent = working.learning[plastic.name][SENT]
        return dataclasses.replace(events, everywhere=True, soft=learning.Soft(sent, spiked, fired, _chosen))

    def _emit_scaled(self, synapses: ShortTermPlan, working: Any) -> Any:
        wire = next(w.name for w in self.plan.wires if w.short_term == synapses.name)
        population, system = self.plan.population(synapses.source), self._equations(working)
        soft, own = self._soft_of(synapses.source, working), working.variables[synapses.name]
        since = working.t - system.of_population(synapses.source, {"": system.last_spike_time(population.group)})[""]
        plasticity = self.constants.synapses[synapses.name].synapse
        since = since.astype(self.plan.dtype)
        (yes, amplitude), (no, _) = (plasticity.emit(own, flags, since) for flags in _both(soft))
        after = {v: _chosen(soft, yes[v], no[v]) for v in own}
        history = _noted_all(working.in_flight[wire], soft * amplitude, working.k)
        return self._write(synapses, after, dataclasses.replace(working, in_flight={**working.in_flight, wire: history}))

    def _soft_of(self, population: str, working: Any) -> jax.Array:
        plan = self.plan.population(population)
        return working.soft[plan.group][plan.start : plan.start + plan.n]

    def _kick(self, receptor: ReceptorPlan, kick: jax.Array, working: Any) -> Any:
        group = self.plan.group(receptor.group)
        if not group.resets or group.refractory:
            return super()._kick(receptor, kick, working)
        own = working.variables[group.name]
        return working.write(group.name, {"V": own["V"] + _chosen(working.soft[group.name], jnp.zeros_like(kick), kick)})

    def _reset(self, working: Any) -> Any:
        for group in self.plan.groups:
            if group.resets:
                own, soft, model = working.variables[group.name], working.soft[group.name], self.network.models[group.name]
                yes, no = ({**own, **model.reset(own, flags)} for flags in _both(soft))
                cast = lambda x, soft=soft: jnp.broadcast_to(jnp.asarray(x).astype(self.plan.dtype), soft.shape)
                after = {v: _chosen(soft, cast(yes[v]), cast(no[v])) for v in own if yes[v] is not own[v] or no[v] is not own[v]}
                working = working.write(group.name, after)
        return working


SENT = "sent"
"""of the sources' spikes of the last steps, in numbers, what a projection that learns keeps while it is on the way"""


def _looks_at(test: Any, *arguments: Any) -> bool:
    return depends(jax.make_jaxpr(test)(*arguments), set(range(len(jax.tree.leaves(arguments)))))


# -- numbers that carry a derivative -----------------------------------------------------------------


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _stand_in(surrogate: Surrogate, flags: jax.Array, far: jax.Array) -> jax.Array:
    """Spikes, whose derivative by the distance to the threshold is the surrogate's."""
    return flags


@_stand_in.defjvp
def _stand_in_jvp(surrogate: Surrogate, primals: Any, tangents: Any) -> Any:
    flags, far = primals
    return flags, surrogate.derivative(far) * tangents[1]


@jax.custom_jvp
def _straight(flags: jax.Array, chance: jax.Array) -> jax.Array:
    """Spikes, whose derivative by their probability is 1."""
    return flags


@_straight.defjvp
def _straight_jvp(primals: Any, tangents: Any) -> Any:
    return primals[0], tangents[1]


@jax.custom_jvp
def _chosen(soft: jax.Array, yes: jax.Array, no: jax.Array) -> jax.Array:
    """What a spike makes of a state, else the other; with the derivative of `soft · yes + (1 − soft) · no`."""
    return jnp.where(soft > 0, yes, no)


@_chosen.defjvp
def _chosen_jvp(primals: Any, tangents: Any) -> Any:
    soft, yes, no = primals
    of_soft, of_yes, of_no = tangents
    return _chosen(soft, yes, no), jnp.where(soft > 0, of_yes, of_no) + (yes - no) * of_soft


def _both(soft: jax.Array) -> tuple[jax.Array, jax.Array]:
    return jnp.ones(soft.shape, bool), jnp.zeros(soft.shape, bool)


# -- histories in which each source has its place -----------------------------------------------------


def _placed(plan: Plan, history: HistoryPlan, kept: dict[str, Any]) -> dict[str, Any]:
    """A history with a place for every source."""
    source, amplitude = jnp.asarray(kept["source"]), jnp.asarray(kept["amplitude"])
    return {"amplitude": _at_sources(kept, amplitude if history.scaled else jnp.ones(source.shape, plan.dtype))}


def _flags(kept: dict[str, Any]) -> jax.Array:
    """Who spiked in each of the last steps."""
    return _at_sources(kept, jnp.ones(np.shape(kept["source"]), bool))


def _at_sources(kept: dict[str, Any], values: jax.Array) -> jax.Array:
    source, count = jnp.asarray(kept["source"]), jnp.asarray(kept["count"])
    slots, n = source.shape
    noted = jnp.arange(n)[None, :] < count[:, None]
    return jnp.zeros((slots, n), values.dtype).at[jnp.arange(slots)[:, None], jnp.where(noted, source, n)].set(values, mode="drop")


def _strengths(history: dict[str, Any]) -> dict[str, Any]:
    """What of such a history changes: what does not is not carried, and no gradient keeps it for each step."""
    return {"amplitude": history["amplitude"]}


def _all_of(placed: jax.Array) -> dict[str, Any]:
    slots, n = placed.shape
    source = jnp.broadcast_to(jnp.arange(n, dtype=jnp.int32), (slots, n))
    return SpikeHistory(source, placed, jnp.full(slots, n, jnp.int32))._asdict()


def _listed(history: HistoryPlan, kept: dict[str, Any]) -> dict[str, Any]:
    """A history as a list of those that spiked."""
    placed = kept["amplitude"]
    flags = placed != 0
    count = jnp.sum(flags, axis=1, dtype=jnp.int32)
    order = jnp.argsort(~flags, axis=1, stable=True).astype(jnp.int32)
    amplitude = jnp.take_along_axis(placed, order, axis=1) if history.scaled else placed[:, :0]
    return SpikeHistory(jnp.where(np.arange(flags.shape[1])[None, :] < count[:, None], order, 0), amplitude, count)._asdict()


def _noted_all(history: dict[str, Any], values: jax.Array, k: jax.Array) -> dict[str, Any]:
    return {**history, "amplitude": _in_row(history["amplitude"], values, k)}


def _in_row(ring: jax.Array, values: jax.Array, k: jax.Array) -> jax.Array:
    """A ring of the last steps with those of step `k`."""
    return ring.at[jax.lax.rem(k, jnp.asarray(ring.shape[0], k.dtype))].set(values.astype(ring.dtype))
