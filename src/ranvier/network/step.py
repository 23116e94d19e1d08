"""One step of a network, as a list of stages. Each takes a `Working` and returns it with what the stage did.

The order is a rule of time: a spike is detected from the state at both ends of the step, what is due is delivered at its
end, and the reset comes last. Recording comes before the step, in the loop.
"""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import optimization_barrier

from ranvier.integrators.base import Integrator
from ranvier.integrators.per_population import PerPopulation
from ranvier.kernels.deliver_events import SpikeHistory, deliver_events, note_spikes
from ranvier.kernels.drawn_edges import DrawnEdges, deliver_drawn
from ranvier.kernels.draws import add_poisson, bernoulli
from ranvier.kernels.given_spikes import given_spikes
from ranvier.kernels.integrate_and_fire import integrate_and_fire
from ranvier.network import learning, responses
from ranvier.network.changing import add_changing
from ranvier.network.constants import Constants, GroupConstants
from ranvier.network.exchange import OUTBOX, Exchange, Window
from ranvier.network.linearity import adds_to
from ranvier.network.plan import (
    ALL_SPIKES,
    FRACTION,
    EdgePlan,
    GroupPlan,
    MergedPlan,
    Plan,
    PlasticPlan,
    ReceptorPlan,
    ResponsePlan,
    ShortTermPlan,
    SourcePlan,
    SynapsesPlan,
)
from ranvier.network.pointwise import computed, pointwise
from ranvier.network.recall import Recalled, recall
from ranvier.network.responses import BROUGHT
from ranvier.network.stacked import spread
from ranvier.network.state import SimulationState
from ranvier.network.system import Network, NetworkDraws, NetworkSystem
from ranvier.network.transfer import Outside, by_group, end_to_end, enter, last_spikes, leave
from ranvier.network.within import locate, still_refractory
from ranvier.network.working import StepState as StepState
from ranvier.network.working import Variables, Working


@dataclasses.dataclass(frozen=True)
class Stepper:
    """Advances a network by one step. Made anew in every trace; holds no arrays of its own but the constants.

    Attributes:
        outside: what takes the state in and out.
        everywhere: whether rules of plasticity in the user's own words are asked at every edge, for derivatives in reverse.
        exchange: what tells of the other devices, where the network lies on several and this is one's share of it.
    """

    plan: Plan
    constants: Constants
    integrator: Integrator
    packed: bool
    outside: Outside | None = None
    everywhere: bool = False
    exchange: Exchange | None = None

    @functools.cached_property
    def network(self) -> Network:
        """The network, as its equations see it."""
        return Network.of(self.plan, self.constants, self.packed, self.exchange)

    def enter(self, state: SimulationState) -> StepState:
        """The state as the step carries it."""
        assert self.outside is not None
        return enter(self.plan, state, self.network.pack, self.outside)

    def with_memory(self, state: StepState) -> StepState:
        """The state with what the integrator remembers at the start, where it is one that remembers and has nothing to remember yet."""
        if type(self.integrator).init is Integrator.init or jax.tree.leaves(state.memory):
            return state
        return dataclasses.replace(state, memory=self.integrator.init(self.system(state), state.moving, state.step * self.constants.dt))

    def leave(self, state: StepState) -> SimulationState:
        """The state in the user's order."""
        assert self.outside is not None
        seed = jnp.stack([jnp.asarray(word) for word in self.constants.seed])
        return leave(self.plan, state, self.network.unpack, self.constants.dt, seed, self.outside)

    def system(self, state: StepState, noise: dict[str, Any] | None = None, recalled: Recalled | None = None) -> NetworkSystem:
        """The equations in a state."""
        known = (lambda: self._recalled(state)[1]) if recalled is None else (lambda: recalled)
        return NetworkSystem(self.network, state.fixed, by_group(self.plan, last_spikes(state)), noise, recall=known)

    def _recalled(self, state: StepState) -> tuple[Variables, Recalled]:
        """What delayed synapses have sent by the start of a step, and what of it arrives in that step."""
        system, k = self.system(state), state.step
        t, t_next = optimization_barrier((k * self.constants.dt, (k + 1) * self.constants.dt))
        return recall(system, system.complete(system.unpack(state.moving)), state.sent, k, t, t_next)

    def variables(self, state: StepState) -> Variables:
        """All variables, by group and synapses."""
        system = self.system(state)
        return system.complete(system.unpack(state.moving))

    def readable(self, state: StepState) -> Variables:
        """All variables, and what the projections that learn carry."""
        return {**self.variables(state), **state.learning}

    def step(self, state: StepState) -> tuple[StepState, jax.Array]:
        """The state after one step, and which neurons spiked in it, in the user's order."""
        working = self._begin(state)
        for stage in self.stages:
            with jax.named_scope(stage.__name__.lstrip("_")):
                working = stage(working)
        return self._end(working)

    def fractions(self, state: StepState) -> jax.Array:
        """Where in its step each neuron's last spike was, in the user's order; 0 where that is not known."""
        zeros = lambda group: jnp.zeros(group.n, self.plan.dtype)
        return end_to_end(self.plan, {g.name: state.fixed[g.name][FRACTION] if g.located else zeros(g) for g in self.plan.groups})

    @property
    def stages(self) -> tuple[Any, ...]:
        """What one step does, in this order."""
        before = (self._draw, self._recall, self._integrate, self._locate, self._hold, self._detect)
        return (*before, self._emit, self._deliver, self._learn, self._reset)

    # -- the ends of a step ------------------------------------------------------------------------

    def _begin(self, state: StepState) -> Working:
        k = state.step
        # Rounded here: fused with what follows, k·dt would enter a multiply-add unrounded.
        t, t_next = optimization_barrier((k * self.constants.dt, (k + 1) * self.constants.dt))
        variables = self.variables(state)
        return Working(
            k=k,
            t=t,
            t_next=t_next,
            state=state,
            before=variables,
            variables=variables,
            written=frozenset(),
            moving=state.moving,
            memory=state.memory,
            noise={},
            now=(k - state.since).astype(jnp.int32),
            recent=by_group(self.plan, state.recent),
            spiked={},
            in_flight=state.in_flight,
            crossed=state.crossed,
            learning=state.learning,
            sent=state.sent,
        )

    def _end(self, working: Working) -> tuple[StepState, jax.Array]:
        state, moving, fixed = working.state, working.moving, working.state.fixed
        if working.written:
            variables = self.network.unpack(moving)
            now = working.variables
            fixed = {n: {v: now[n][v] if (n, v) in working.written else x for v, x in own.items()} for n, own in fixed.items()}
            changed = {n: {v: now[n][v] if (n, v) in working.written else x for v, x in own.items()} for n, own in variables.items()}
            if any(name in variables and v in variables[name] for name, v in working.written):
                moving = self.network.pack(changed)
        after = dataclasses.replace(
            state,
            step=working.k + 1,
            moving=moving,
            fixed=fixed,
            recent=end_to_end(self.plan, working.recent),
            in_flight=working.in_flight,
            crossed=working.crossed,
            memory=working.memory,
            learning=working.learning,
            sent=working.sent,
        )
        spiked = working.spiked if self.exchange is None else self.exchange.only_real(self.plan, working.spiked)
        return after, end_to_end(self.plan, spiked)

    def _group(self, name: str) -> GroupConstants:
        return self.constants.groups[name]

    def _equations(self, working: Working) -> NetworkSystem:
        return self.system(working.state, working.noise, working.recalled)

    # -- the stages --------------------------------------------------------------------------------

    def _draw(self, working: Working) -> Working:
        """The noise of the currents, held over the whole step."""
        return dataclasses.replace(working, noise=self.system(working.state).noise(working.k, working.t))

    def _recall(self, working: Working) -> Working:
        """What continuous synapses with delays send now is kept, and what they sent before arrives."""
        if not self.plan.delayed:
            return working
        sent, recalled = self._recalled(working.state)
        return dataclasses.replace(working, sent=sent, recalled=recalled)

    def _integrate(self, working: Working) -> Working:
        """All variables from `t` to `t_next`. Groups whose whole step is one kernel are held, tested and reset there, too."""
        system = self._equations(working)
        if any(not g.whole for g in self.plan.groups):
            # All groups, also those that the kernel takes below: XLA leaves out what nobody uses.
            key = NetworkDraws(system, working.k)
            moving, memory = self.integrator.step(system, working.moving, working.memory, working.t, working.t_next, key)
            working = dataclasses.replace(working, moving=moving, memory=memory, variables=system.complete(system.unpack(moving)))
        for group in self.plan.groups:
            if group.pointwise:
                working = self._take_pointwise_step(group, working)
            elif group.whole:
                working = self._take_whole_step(group, system, working)
        return working

    def _take_pointwise_step(self, group: GroupPlan, working: Working) -> Working:
        """The same for equations that are not linear: all that happens to a neuron by itself, one after the other."""
        receptors = [r.name for r in self.plan.receptors_of(group.name)]
        owners = (group.name, *receptors)

        def step(variables: Variables, recent: jax.Array) -> tuple[Variables, jax.Array, jax.Array]:
            state = dataclasses.replace(working.state, fixed={**working.state.fixed, **variables})
            system = self.system(state, working.noise, working.recalled)
            moving = {name: {v: variables.get(name, own)[v] for v in own} for name, own in self.network.unpack(working.moving).items()}
            part, own = system.part(moving, owners, True)
            moved, _ = self._integrator_of(group).step(part, own, (), working.t, working.t_next)
            after = {name: {**variables[name], **moved.get(name, {})} for name in owners}
            inside = dataclasses.replace(
                working,
                before={**working.before, **variables},
                variables={**working.variables, **after},
                recent={**working.recent, group.name: recent},
            )
            inside = self._reset_group(group, self._detect_group(group, self._hold_group(group, inside)))
            return {name: inside.variables[name] for name in owners}, inside.recent[group.name], inside.spiked[group.name]

        def updated(state: tuple[Variables, jax.Array]) -> tuple[tuple[Variables, jax.Array], jax.Array]:
            variables, recent, spikes = step(*state)
            return (variables, recent), spikes

        before = {name: working.before[name] for name in owners}
        (after, recent), spikes = pointwise(updated, (before, working.recent[group.name]))
        for name in owners:
            working = working.write(name, {v: x for v, x in after[name].items() if x is not before[name][v]})
        return dataclasses.replace(working, recent={**working.recent, group.name: recent}, spiked={**working.spiked, group.name: spikes})

    def _integrator_of(self, group: GroupPlan) -> Integrator:
        if isinstance(self.integrator, PerPopulation):
            return next(integrator for integrator, owners in self.integrator.parts if group.name in owners)
        return self.integrator

    def _take_whole_step(self, group: GroupPlan, system: NetworkSystem, working: Working) -> Working:
        """Integrates, holds, detects and resets in one kernel."""
        whole, numbers = group.linear.whole, self._group(group.name).linear
        coefficients, gains = numbers["coefficients"], numbers["gains"]
        each, each_gain = ({int(place): row for place, row in numbers["each"][what].items()} for what in ("coefficients", "gains"))
        if any(group.stimulated):
            current = system.injected(group, working.t)
            if current.ndim == 0 and not each_gain:
                coefficients = coefficients + optimization_barrier(gains * current)
            else:
                of = lambda rows, own, place: own[place] if place in own else spread(rows[:, place], group.sizes)
                each = {
                    **each,
                    **{
                        place: jnp.broadcast_to(
                            of(coefficients, each, place) + optimization_barrier(of(gains, each_gain, place) * current), (group.n,)
                        )
                        for place in whole.driven
                    },
                }
        constants = self._group(group.name)
        moved, recent, spikes = integrate_and_fire(
            whole.equations,
            [working.before[owner][v] for owner, v in whole.variables],
            coefficients,
            working.k,
            working.recent[group.name],
            None if constants.refractory is None else constants.refractory.in_columns(),
            each,
            working.state.since,
            jnp.asarray(np.cumsum(group.sizes), jnp.int32),
        )
        for (owner, variable), value in zip(whole.variables, moved, strict=False):  # those that change come first
            working = working.write(owner, {variable: value})
        return dataclasses.replace(working, recent={**working.recent, group.name: recent}, spiked={**working.spiked, group.name: spikes})

    def _locate(self, working: Working) -> Working:
        """Holds, detects and resets within the step, where spikes are located there."""
        for group in self.plan.groups:
            if group.located:
                model = self.network.models[group.name]
                working = locate(group, model, self._refractory(group), self._equations(working), working)
        return working

    def _refractory(self, group: GroupPlan) -> Any:
        """The refractory period of a group's neurons (ms), not in steps."""
        return self.network.models[group.name].refractory if group.refractory else 0.0

    def _waiting(self, group: GroupPlan, working: Working) -> jax.Array:
        """Which neurons are refractory in this step, or spiked in it."""
        refractory = self._group(group.name).refractory
        assert refractory is not None
        return working.now <= working.recent[group.name] + refractory.at_neurons()

    def _hold(self, working: Working) -> Working:
        """What refractory neurons keep."""
        for group in self.plan.groups:
            if not _alone(group):
                working = self._hold_group(group, working)
        return working

    def _hold_group(self, group: GroupPlan, working: Working) -> Working:
        if not (group.refractory and group.held):
            return working
        waiting, name = self._waiting(group, working), group.name
        held = {v: jnp.where(waiting, working.before[name][v], working.variables[name][v]) for v in group.held}
        return working.write(name, held)

    def _detect(self, working: Working) -> Working:
        """Who spikes."""
        for group in self.plan.groups:
            if not _alone(group):
                working = self._detect_group(group, working)
        return working

    def _detect_group(self, group: GroupPlan, working: Working) -> Working:
        name, spikes = group.name, self._fire(group, working)
        if group.refractory:
            spikes = spikes & ~self._waiting(group, working)
        recent = jnp.where(spikes, working.now, working.recent[name])
        return dataclasses.replace(working, recent={**working.recent, name: recent}, spiked={**working.spiked, name: spikes})

    def _fire(self, group: GroupPlan, working: Working) -> jax.Array:
        name, model = group.name, self.network.models[group.name]
        before, after = working.before[name], working.variables[name]
        if group.fires == "test":
            spikes = model.spiked(before, after)
            return spikes | working.crossed[name] if name in working.crossed else spikes
        if group.fires == "given":
            given = self._group(name).given
            assert given is not None
            return given_spikes(jnp.asarray(given.steps), jnp.asarray(given.neurons), working.k, group.n, given.most.shape[0])

        def chance(after: dict[str, jax.Array], t: jax.Array) -> jax.Array:
            hazard = jnp.asarray(model.spike_hazard(after, t)).astype(self.plan.dtype)
            return -jnp.expm1(-hazard * jnp.asarray(self.constants.dt).astype(self.plan.dtype))

        probability = computed(chance, after, working.t)
        streams = self._group(name).spikes
        assert streams is not None
        return bernoulli(self.constants.seed, streams, working.k, probability, group.n)

    def _hear(self, working: Working) -> Working:
        """Where there are other devices, who spiked on them."""
        if self.exchange is None:
            return working
        own = end_to_end(self.plan, working.spiked)
        if self.exchange.listed:
            return working
        if self.exchange.later:
            kept = working.in_flight[OUTBOX]["flags"].at[jnp.mod(working.k, self.exchange.later)].set(own)
            return dataclasses.replace(working, in_flight={**working.in_flight, OUTBOX: {"flags": kept}})
        return dataclasses.replace(working, heard=self.exchange.of_all(own) if self.exchange.hears else None)

    def told(
        self, state: StepState, spikes: tuple[jax.Array, jax.Array], since: jax.Array, until: jax.Array, first: jax.Array
    ) -> tuple[StepState, jax.Array]:
        """The state when all devices have told each other who spiked from step `first` on, and the most spikes that any of them lists.

        Args:
            state: of this device.
            spikes: its list of spikes, steps and neurons, in which those of these steps are from `since` to `until`.
            since, until, first: as said.
        """
        exchange = self.exchange
        assert exchange is not None
        if exchange.listed and exchange.circle:
            window = Window(first, since, jnp.zeros((), jnp.int64), state.step, jnp.zeros((), jnp.int64))
            history, window = exchange.tell_when_due(*spikes, until, state.step, state.in_flight[ALL_SPIKES], window)
            return dataclasses.replace(state, in_flight={**state.in_flight, ALL_SPIKES: history}), window.most
        if exchange.listed:
            everybody, most = exchange.tell_listed(*spikes, since, until, first)
        else:
            everybody, most = exchange.tell(state.in_flight[OUTBOX]["flags"], until)

        def note(k: jax.Array, history: dict[str, jax.Array]) -> dict[str, jax.Array]:
            return self._noted(history, everybody[k - first if exchange.listed else jnp.mod(k, exchange.later)], 1.0, k)

        history = jax.lax.fori_loop(first, state.step, note, state.in_flight[ALL_SPIKES])
        return dataclasses.replace(state, in_flight={**state.in_flight, ALL_SPIKES: history}), most

    def _emit(self, working: Working) -> Working:
        """What the sources' side does with its spikes: they are noted for delivery, and change what belongs to it."""
        working = self._hear(working)
        if ALL_SPIKES in working.in_flight and not (self.exchange is not None and self.exchange.later):
            everybody = end_to_end(self.plan, working.spiked) if working.heard is None else working.heard
            history = self._noted(working.in_flight[ALL_SPIKES], everybody, 1.0, working.k)
            working = dataclasses.replace(working, in_flight={**working.in_flight, ALL_SPIKES: history})
        for synapses in self.plan.synapses:
            if isinstance(synapses, ShortTermPlan):
                working = self._emit_scaled(synapses, working)
            elif isinstance(synapses, MergedPlan) and synapses.emits:
                merged = self.constants.synapses[synapses.name]
                own, _ = merged.synapse.emit(working.variables[synapses.name], working.spiked[synapses.sources][merged.at], working.t)
                working = self._write(synapses, own, working)
            elif isinstance(synapses, SourcePlan | EdgePlan) and synapses.emits:
                constants = self.constants.synapses[synapses.name]
                at_edges = isinstance(synapses, EdgePlan)
                spikes = self._spikes_of(synapses.source, working, whole=at_edges)
                spikes = spikes[constants.pre] if at_edges else spikes
                own, _ = constants.synapse.emit(working.variables[synapses.name], spikes, working.t)
                working = self._write(synapses, own, working)
        for answer in self.plan.responses:
            if self.plan.wire(answer.name).short_term is None:
                working = self._emit_to_answer(answer, working)
        for p in self.plan.plastic:
            spikes, rule = self._spikes_of(p.source, working, whole=True), self.constants.plastic[p.name].rule
            if self.plan.wire(p.name).short_term is None:
                history = self._noted(working.in_flight[p.name], spikes, 1.0, working.k)
                working = dataclasses.replace(working, in_flight={**working.in_flight, p.name: history})
            own = working.learning[p.name]
            own = learning.advance_traces(p, rule, own, working.k, self.constants.dt, spikes, working.variables[p.group])
            structure = self.constants.plastic[p.name].structure
            own = learning.noted(structure, own, learning.OUTGOING, p.outgoing, self.constants.dt, spikes)
            working = working.learnt(p.name, own)
        return working

    def _emit_scaled(self, synapses: ShortTermPlan, working: Working) -> Working:
        """Spikes whose amplitude depends on those before them."""
        wire = next(w.name for w in self.plan.wires if w.short_term == synapses.name)
        population, system = self.plan.population(synapses.source), self._equations(working)
        spikes = self._spikes_of(synapses.source, working)
        since = working.t - system.of_population(synapses.source, {"": system.last_spike_time(population.group)})[""]
        plasticity = self.constants.synapses[synapses.name].synapse
        own, amplitude = computed(plasticity.emit, working.variables[synapses.name], spikes, since.astype(self.plan.dtype))
        if self.exchange is not None:
            spikes = self._spikes_of(synapses.source, working, whole=True)
            amplitude = self.exchange.of_population(jnp.broadcast_to(amplitude, (population.n,)), synapses.source)
        answer = self.plan.response_of(wire)
        if answer is not None:
            return self._write(synapses, own, self._brought(answer, spikes, amplitude, working))
        history = self._noted(working.in_flight[wire], spikes, amplitude, working.k)
        return self._write(synapses, own, dataclasses.replace(working, in_flight={**working.in_flight, wire: history}))

    def _emit_to_answer(self, answer: ResponsePlan, working: Working) -> Working:
        """Spikes to which each edge answers in its own way."""
        spikes = self._spikes_of(answer.source, working, whole=True)
        if not answer.brought:
            return self._brought(answer, spikes, None, working)
        population, system = self.plan.population(answer.source), self._equations(working)
        since = working.t - system.of_population(answer.source, {"": system.last_spike_time(population.group)})[""]
        return self._brought(answer, spikes, system.of_all(since, answer.source), working)

    def _brought(self, answer: ResponsePlan, spikes: jax.Array, brought: Any, working: Working) -> Working:
        """With a step's spikes noted, and what they bring."""
        history = self._noted(working.in_flight[answer.name], spikes, 1.0, working.k)
        working = dataclasses.replace(working, in_flight={**working.in_flight, answer.name: history})
        if brought is None:
            return working
        own = working.learning[answer.name]
        rows = own[BROUGHT]
        row = jnp.mod(working.k, rows.shape[1])
        return working.learnt(answer.name, {**own, BROUGHT: rows.at[0, row].set(jnp.asarray(brought).astype(rows.dtype))})

    def _spikes_of(self, population: str, working: Working, whole: bool = False) -> jax.Array:
        """Which of a population's neurons spiked: of those on this device, or of all."""
        if whole and self.exchange is not None:
            return self.exchange.part_of(working.heard, population)
        plan = self.plan.population(population)
        spikes = working.spiked[plan.group]
        return spikes if spikes.shape[0] == plan.n else spikes[plan.start : plan.start + plan.n]

    @staticmethod
    def _noted(history: dict[str, jax.Array], flags: jax.Array, amplitude: Any, k: jax.Array) -> dict[str, jax.Array]:
        """A history with the spikes of step `k`."""
        return note_spikes(SpikeHistory(**history), flags, amplitude, k)._asdict()

    def _deliver(self, working: Working) -> Working:
        """Adds up the spikes that arrive at the end of the step, and gives them to the states or the membranes."""
        integrated = working.variables
        for synapses in self.plan.synapses:
            poisson = synapses.poisson if isinstance(synapses, ReceptorPlan) else 0
            if isinstance(synapses, ReceptorPlan | EdgePlan | MergedPlan) and (synapses.deliveries or poisson):
                working = self._deliver_to(synapses, working)
        # An upward crossing counts wherever the potential moves: one that a kick makes is seen in the next step.
        crossed = {name: self.network.models[name].spiked(integrated[name], working.variables[name]) for name in working.crossed}
        return dataclasses.replace(working, crossed=crossed)

    def _deliver_to(self, synapses: ReceptorPlan | EdgePlan | MergedPlan, working: Working) -> Working:
        constants, own = self.constants.synapses[synapses.name], working.variables[synapses.name]
        # A state that simply adds what arrives is what the kernels add to.
        into = adds_to(constants.synapse.receive, own, synapses.states, self.plan.dtype)
        arriving = jnp.zeros(synapses.states, self.plan.dtype) if into is None else own[into]
        for place, (history, edges) in enumerate(zip(synapses.deliveries, constants.edges, strict=True)):
            spikes = SpikeHistory(**working.in_flight[history])
            plastic, answer = self.plan.plastic_at(synapses.name, place), self.plan.response_at(synapses.name, place)
            if answer is not None:
                own_states, numbers_of = working.learning.get(answer.name, {}), self.constants.responses[answer.name]
                made = responses.arrive(answer, numbers_of, own_states, spikes, working.k, edges, arriving, self.constants.seed)
                arriving, working = made[0], working.learnt(answer.name, made[1])
            elif isinstance(edges, DrawnEdges):
                arriving = deliver_drawn(spikes, working.k, edges, arriving)
            elif plastic is None:
                arriving = deliver_events(spikes, working.k, edges, edges.weight, arriving)
            else:
                numbers, own_weights = self.constants.plastic[plastic.name], working.learning[plastic.name]
                arriving, learnt = learning.arrive(plastic, numbers, own_weights, self._events(plastic, working), arriving)
                working = working.learnt(plastic.name, learnt)
        for counts in getattr(constants, "poisson", ()):
            arriving = add_poisson(arriving, self.constants.seed, counts.streams, working.k, counts.table, counts.weight, counts.row)
        for changing in getattr(constants, "changing", ()):
            arriving = add_changing(arriving, self.constants.seed, changing, working.k, working.t)
        if into is not None:
            return self._write(synapses, {**own, into: arriving}, working)
        if isinstance(synapses, ReceptorPlan) and synapses.kicks:
            working = self._kick(synapses, constants.synapse.kick(arriving).astype(self.plan.dtype), working)
        return self._write(synapses, constants.synapse.receive(own, arriving), working)

    def _kick(self, receptor: ReceptorPlan, kick: jax.Array, working: Working) -> Working:
        """Moves the membranes at once. Neurons that reset lose it while they are refractory, and in the step of a spike."""
        group = self.plan.group(receptor.group)
        own, V = working.variables[group.name], self.system(working.state).potential(group.name, receptor)
        if group.resets:
            if group.located:
                closed = still_refractory(group, self._refractory(group), self.constants.dt, working)
            else:
                closed = self._waiting(group, working) if group.refractory else working.spiked[group.name]
            return working.write(group.name, {V: own[V] + jnp.where(closed, 0.0, kick)})
        return working.write(group.name, {V: own[V] + kick})

    def _learn(self, working: Working) -> Working:
        """Where plasticity changes weights: arrivals first (native rules did theirs with the delivery), then the spikes of this step."""
        for p in self.plan.plastic:
            numbers, own = self.constants.plastic[p.name], working.learning[p.name]
            if p.memory is not None:
                spiked = {q.name: self._spikes_of(q.name, working, whole=True) for q in self.plan.populations}
                own = learning.modulated(p, numbers.rule, own, spiked, working.t_next, self.constants.dt)
            own = learning.learn(p, numbers, own, self._events(p, working))
            working = working.learnt(p.name, own)
        return working

    def _events(self, plastic: PlasticPlan, working: Working) -> learning.Events:
        """The step, as far as it has come, as a projection that learns meets it."""
        return learning.Events(
            k=working.k,
            dt=self.constants.dt,
            history=SpikeHistory(**working.in_flight[plastic.name]),
            edges=self.constants.synapses[plastic.receptor].edges[plastic.place],
            before=working.before[plastic.group],
            after=working.variables[plastic.group],
            spiked=working.spiked[plastic.group],
            everywhere=self.everywhere,
        )

    def _reset(self, working: Working) -> Working:
        """What a spike does to the neuron itself."""
        for group in self.plan.groups:
            if group.resets and not _alone(group):
                working = self._reset_group(group, working)
        return working

    def _reset_group(self, group: GroupPlan, working: Working) -> Working:
        own = working.variables[group.name]
        after = self.network.models[group.name].reset(own, working.spiked[group.name])
        return working.write(group.name, {v: jnp.asarray(x).astype(self.plan.dtype) for v, x in after.items()})

    @staticmethod
    def _write(synapses: SynapsesPlan, values: dict[str, Any], working: Working) -> Working:
        own = working.variables[synapses.name]
        return working.write(synapses.name, {v: x if x is own[v] else jnp.asarray(x).astype(own[v].dtype) for v, x in values.items()})


def _alone(group: GroupPlan) -> bool:
    """Whether a group is held, tested and reset elsewhere than in the stages of those names."""
    return group.whole or group.located
