"""How a network lies in memory inside the compiled step: chosen once, for all numbers that it may be given.

Nothing of it is seen from outside: `transfer` takes the state in and out in the user's order.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.integrators.base import Integrator
from ranvier.kernels.drawn_edges import DrawnEdges
from ranvier.kernels.incoming import Incoming, index_in_order
from ranvier.model import parameters
from ranvier.network import coupling, merged, receptors, responses
from ranvier.network.choice import Chosen, choose, linear_numbers, parameters_of
from ranvier.network.constants import Constants, EventEdges
from ranvier.network.draw import Drawn, DrawnPopulation
from ranvier.network.facts import initial_state, remembered, structure
from ranvier.network.groups import group_constants, plan_groups
from ranvier.network.learning import WEIGHT, initial_traces, plan_plasticity, plastic_constants
from ranvier.network.plan import (
    ALL_SPIKES,
    EdgePlan,
    GroupPlan,
    HistoryPlan,
    LayoutChanged,
    MergedPlan,
    Piece,
    Plan,
    PlasticPlan,
    PopulationPlan,
    ReceptorPlan,
    ResponsePlan,
    SourcePlan,
    SynapsesPlan,
    WirePlan,
)
from ranvier.network.recall import sent_before
from ranvier.network.receptors import Receptor
from ranvier.network.rewiring import Rewirer, check_growth, room_to_grow, wiring_of
from ranvier.network.room import require_history
from ranvier.network.rules import check_numbers, check_rule
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState, seed_words
from ranvier.network.transfer import Outside, Wiring, crosses_by_kicks
from ranvier.random import Key

Progress = Callable[[int, int], Any]


@dataclasses.dataclass(frozen=True, eq=False)
class Learner:
    """The edges of a projection that learns, sorted by target, then source: where each stands for delivery, and the weights.

    `wiring` has the edges themselves, where they come and go.
    """

    incoming: Incoming
    weight: np.ndarray
    wiring: Wiring | None = None

    @property
    def place(self) -> np.ndarray:
        """Where each edge stands in the order of delivery, int32 `[edges]`."""
        return np.asarray(self.incoming.position[: len(self.weight)])


@dataclasses.dataclass(frozen=True, eq=False)
class EdgesOfReceptor:
    """Edges laid out for a receptor, and what they were made of: they serve again while that is the same.

    `orders` says of the edges that answer spikes in their own way which each is of all, sorted by target, then source.
    """

    made_of: tuple[Any, ...]
    sets: tuple[EventEdges | DrawnEdges, ...]
    learning: dict[str, Learner]
    orders: dict[str, np.ndarray] = dataclasses.field(default_factory=dict)


class Layout:
    """The layout of a network.

    Args:
        net: the network.
        drawn: it, drawn. What follows from kinds of values is settled by it; numbers may be others later.
        dtype: `"float64"` or `"float32"`.
        integrators: what the user chose for each population, None where it is to be chosen.
        apart: projections and inputs that share their states with nobody.
        merge: whether populations of one model advance together, and projections of one kind are computed as one.
        progress: told of edges drawn and in all.
        whole: how many neurons each population has in all, where this is one device's share of the network.

    Attributes:
        plan: the structure.
        integrator: what advances it.
        chosen: the method of each group, and why.
    """

    def __init__(
        self,
        net: Network,
        drawn: Drawn,
        dtype: str,
        integrators: Mapping[str, Integrator | None],
        *,
        apart: frozenset[str] = frozenset(),
        merge: bool = True,
        progress: Progress | None = None,
        whole: Mapping[str, int] | None = None,
    ):
        self.net, self.dtype, self.integrators, self.apart = net, dtype, integrators, apart
        self._merge = merge and whole is None  # what acts continuously is gathered projection by projection
        groups, populations = plan_groups(drawn, merge, integrators)
        self._groups, self._populations = {g.name: g for g in groups}, {p.name: p for p in populations}
        # As sources: where the network lies on several devices, each hears of all.
        self._sizes = {p.name: p.n for p in populations} if whole is None else dict(whole)
        self._firsts = dict(zip(self._sizes, itertools.accumulate(self._sizes.values(), initial=0), strict=False))
        self._n = sum(self._sizes.values())
        self._shared = whole is not None
        self.receptors = receptors.find_receptors(net, drawn, self._groups, self._populations, apart)
        self._edges: dict[str, EdgesOfReceptor] = {}
        self._rooms: dict[str, tuple[receptors.Room, ...]] = {}
        self._widths: dict[str, int] = {}
        for r in self.receptors:
            self._edges_of(r, drawn, progress)
        self._settle(drawn, groups, populations)

    def _settle(self, drawn: Drawn, groups: tuple[GroupPlan, ...], populations: tuple[PopulationPlan, ...]) -> None:
        """The structure, as the edges that are there ask for it."""
        synapses, wires = self._wire(drawn)
        sets = {r.name: self._edges_of(r, drawn, None).sets for r in self.receptors}
        names = lambda s: [m.name for m in s.members] if isinstance(s, MergedPlan) else [s.name]
        coupled = [s for s in synapses if isinstance(s, EdgePlan | MergedPlan) and s.deliveries]
        longest = {s.name: max(int(np.max(drawn.projections[name].delay, initial=0)) for name in names(s)) for s in coupled}
        histories = self._histories(synapses, sets, longest)
        plastic = tuple(plan for r in self.receptors for plan in self._plastic(r, drawn, sets[r.name]))
        answers = tuple(plan for r in self.receptors for plan in self._responses(r, drawn, sets[r.name]))
        _check_answers(answers)
        plan = Plan(populations, groups, tuple(synapses), tuple(wires), histories, self.dtype, plastic, answers)
        self.chosen: Chosen = choose(plan, drawn, self.receptors, self.integrators)
        self.plan, self.integrator = self.chosen.plan, self.chosen.integrator
        self._arrivals = merged.arrivals(self.plan)
        self._kinds = {g.name: self._kinds_of(g, drawn) for g in self.plan.groups if g.linear is not None}

    @property
    def rooms(self) -> dict[str, tuple[receptors.Room, ...]]:
        """How large the arrays of each receptor's edges are."""
        return dict(self._rooms)

    def delays(self, drawn: Drawn) -> Iterator[np.ndarray]:
        """The different delays of each set of edges (steps)."""
        for receptor in self.receptors:
            for edges in self._edges_of(receptor, drawn, None).sets:
                yield edges.delays

    def leave_room(self, projection: str, edges: int) -> None:
        """How long the arrays of edges of a continuous projection are."""
        self._widths[projection] = edges

    def widen(self, drawn: Drawn, rooms: Mapping[str, tuple[receptors.Room, ...]]) -> None:
        """Makes the arrays of edges as large as others have them, so that one compiled step serves all (`devices`)."""
        self._rooms = dict(rooms)
        for name, made in self._edges.items():
            deliveries = self.plan.synapses_named(name).deliveries  # type: ignore[attr-defined]
            sets = tuple(
                receptors.widened(edges, room, source in made.learning) if isinstance(edges, EventEdges) else edges
                for edges, room, source in zip(made.sets, rooms[name], deliveries, strict=True)
            )
            self._edges[name] = dataclasses.replace(made, sets=sets)
        self._settle(drawn, self.plan.groups, self.plan.populations)

    # -- structure -------------------------------------------------------------------------------

    def _wire(self, drawn: Drawn) -> tuple[list[SynapsesPlan], list[WirePlan]]:
        of_receptor = {r.name: receptors.plan_receptor(r, drawn) for r in self.receptors}
        synapses: list[SynapsesPlan] = list(of_receptor.values())
        wires: list[WirePlan] = []
        taken: dict[str, np.ndarray] = {}
        sharing: dict[str, list[str]] = {}
        for receptor in self.receptors:
            for user in receptor.users:
                sharing.setdefault(user.name, []).extend(other.name for other in receptor.users if other is not user)
        alone = {}
        for name, projection in drawn.projections.items():
            if projection.site != "target":
                onto = receptors.stretches(self.net, projection.projection.targets, self._populations)
                targets = _joined(tuple((s.group, s.start, s.n) for s in onto))
                alone[name] = coupling.plan_coupling(projection, self.net.name_of(projection.projection.source), targets)
        computed = merged.merge(list(alone.values()), drawn, self._populations) if self._merge else alone
        for name, projection in drawn.projections.items():
            source = self.net.name_of(projection.projection.source)
            if projection.site != "target":
                plan, own = computed[name], alone[name].states
                if plan.name == name:  # else it stands there already
                    synapses.append(plan)
                start = next((m.start for m in plan.members if m.name == name), 0) if isinstance(plan, MergedPlan) else 0
                wires.append(WirePlan(name, (Piece(plan.name, start, own, ((0, own),)),)))
                continue
            short_term = None
            if projection.short_term is not None:
                synapses.append(coupling.plan_short_term(projection, source))
                short_term = synapses[-1].name
            pieces = tuple(piece for _, piece in receptors.pieces_of(self.receptors, name, taken))
            wires.append(WirePlan(name, pieces, tuple(dict.fromkeys(sharing[name])), short_term))
        for name in drawn.inputs:
            pieces = tuple(piece for _, piece in receptors.pieces_of(self.receptors, name, taken))
            wires.append(WirePlan(name, pieces, tuple(dict.fromkeys(sharing[name])), input=True))
        return synapses, wires

    def _plastic(self, receptor: Receptor, drawn: Drawn, sets: tuple[EventEdges | DrawnEdges, ...]) -> Iterator[PlasticPlan]:
        """The projections onto a receptor that learn."""
        planned = receptors.plan_receptor(receptor, drawn)
        deliveries = planned.deliveries
        for user in receptor.users:
            projection = drawn.projections.get(user.name)
            if projection is None or projection.plasticity is None:
                continue
            place, source = deliveries.index(user.name), self.net.name_of(projection.projection.source)
            edges = sets[place]
            assert isinstance(edges, EventEdges)  # what learns is stored
            start, size, width = user.stretches[0].start, receptor.group.n, len(edges.target)
            rule, known = projection.plasticity, receptor.group.variables
            check_numbers(projection.name, rule)
            own = (*planned.variables, *projection.short_term_values)
            sizes = tuple((name, p.n) for name, p in drawn.populations.items())
            around = known, own, sizes, projection.dendritic > 0
            sees = remembered(("rule", around, *structure(rule)), functools.partial(check_rule, projection.name, rule, *around))
            yield plan_plasticity(projection, source, receptor.name, place, receptor.group.name, start, size, width, sees)

    def _responses(self, receptor: Receptor, drawn: Drawn, sets: tuple[EventEdges | DrawnEdges, ...]) -> Iterator[ResponsePlan]:
        """The projections onto a receptor whose edges answer spikes in their own way."""
        deliveries = receptors.plan_receptor(receptor, drawn).deliveries
        for user in receptor.users:
            projection = drawn.projections.get(user.name)
            if projection is not None and responses.responds(projection):
                place, source = deliveries.index(user.name), self.net.name_of(projection.projection.source)
                edges = sets[place]
                assert isinstance(edges, EventEdges)
                yield responses.plan_response(projection, source, receptor.name, place, len(edges.target))

    def _edges_of(self, receptor: Receptor, drawn: Drawn, progress: Progress | None) -> EdgesOfReceptor:
        users = [drawn.projections[u.name] for u in receptor.users if u.name in drawn.projections]
        made_of = tuple((p.part.rule, p.part.weight, p.part.delay, p.part.key, p.part.dt) for p in users)
        kept = self._edges.get(receptor.name)
        if kept is not None and all(_same(a, b) for a, b in zip(_flat(kept.made_of), _flat(made_of), strict=True)):
            return kept
        sets, rooms = [], []
        learning: dict[str, Learner] = {}
        orders: dict[str, np.ndarray] = {}
        for i, parts in enumerate(receptors.parts_of(receptor, self.net, drawn, self._firsts, self._sizes)):
            first = drawn.projections[parts[0].name]
            sources = parts[0].sources if receptors.has_own_history(first) else self._n
            room = self._rooms[receptor.name][i] if receptor.name in self._rooms else None
            if first.structure is not None and room is None:
                check_growth(first.name, parts[0])
                room = room_to_grow(parts[0])
            edges: EventEdges | DrawnEdges
            if not first.part.rule.stored:
                edges, room = receptors.drawn_at_spikes(parts[0])
            elif first.plasticity is not None:
                learns = receptors.assembled_to_learn(parts[0], sources, receptor.group.n, self.dtype, progress, room, self._shared)
                edges, room = learns[:2]
                incoming = index_in_order(learns[0], learns[2], receptor.group.n)
                learning[first.name] = Learner(incoming, learns[3], None if first.structure is None else wiring_of(parts[0]))
            else:
                ordered = responses.responds(first)
                made = receptors.assembled(parts, sources, receptor.group.n, self.dtype, progress, room, self._shared, ordered)
                edges, room, order = made
                if ordered:
                    orders[first.name] = order
            sets.append(edges)
            rooms.append(room)
        self._rooms[receptor.name] = tuple(rooms)
        found = EdgesOfReceptor(made_of, tuple(sets), learning, orders)
        if not any(isinstance(p.part.weight, jax.core.Tracer) for p in users):
            self._edges[receptor.name] = found
        return found

    def _histories(
        self, synapses: Sequence[SynapsesPlan], sets: Mapping[str, tuple[EventEdges | DrawnEdges, ...]], delays: Mapping[str, int]
    ) -> tuple[HistoryPlan, ...]:
        longest: dict[str, int] = {}
        for s in synapses:
            if isinstance(s, ReceptorPlan):
                for history, edges in zip(s.deliveries, sets[s.name], strict=True):
                    longest[history] = max(longest.get(history, 0), int(np.max(edges.delays, initial=0)))
                for history, room in zip(s.deliveries, self._rooms[s.name], strict=True):
                    longest[history] = max(longest[history], room.capacity.longest - 1)
            elif isinstance(s, EdgePlan | MergedPlan) and s.deliveries:
                longest[ALL_SPIKES] = max(longest.get(ALL_SPIKES, 0), delays[s.name])
        source = lambda name: None if name == ALL_SPIKES else self.net.name_of(self.net.projections[name].source)
        spec = self.net.projections
        answers = lambda p: p.release is not None or p.short_term_site == "edge"  # what a spike brings is then kept beside it
        scaled = lambda name: name != ALL_SPIKES and spec[name].short_term_plasticity is not None and not answers(spec[name])
        slots = lambda steps: 1 << int(steps).bit_length()
        histories = tuple(HistoryPlan(name, source(name), slots(steps), scaled(name)) for name, steps in longest.items())
        for h in histories:
            require_history(h.slots, self._n if h.source is None else self._sizes[h.source])
        return histories

    def _kinds_of(self, group: GroupPlan, drawn: Drawn) -> Any:
        """Which parameters are one number a population and which one a neuron: what a group's linear step was found for."""
        return structure(parameters_of(self.plan, group, drawn, self.receptors))

    # -- numbers ---------------------------------------------------------------------------------

    def constants(self, drawn: Drawn, progress: Progress | None = None, placed: frozenset[str] = frozenset()) -> Constants:
        """The numbers of the compiled step. Those of `drawn` may be traced, but for delays and edges.

        Args:
            drawn: the network, drawn.
            progress: told of edges drawn and in all.
            placed: projections that learn, of which somebody asks for all edges in the user's order.

        Raises:
            LayoutChanged: these numbers do not fit this layout.
        """
        synapse_of = lambda name: (drawn.projections.get(name) or drawn.inputs[name]).synapse
        shared: dict[tuple[int, str], Any] = {}
        groups = {
            g.name: group_constants(g, drawn, self.dtype, lambda m: cast_stimulus(self.net, m, shared, drawn.dt)) for g in self.plan.groups
        }
        synapses: dict[str, Any] = {}
        edges_of: dict[str, EdgesOfReceptor] = {}
        for receptor in self.receptors:
            if not receptors.still_fits(receptor, synapse_of):
                raise LayoutChanged(receptor.name)
            own_edges = edges_of[receptor.name] = self._edges_of(receptor, drawn, progress)
            synapses[receptor.name] = receptors.receptor_constants(receptor, drawn, own_edges.sets, self.dtype)
        for wire in self.plan.wires:
            if wire.input:
                continue
            projection = drawn.projections[wire.name]
            if projection.site != "target":
                plan = self.plan.synapses_named(wire.pieces[0].synapses)
                if isinstance(plan, MergedPlan):
                    if plan.name == wire.name:
                        width = self._widths.get(plan.name)
                        together = merged.merged_constants(plan, drawn, self._populations, self._n, self.dtype, width)
                        synapses[plan.name] = together
                        if together.pre is not None:
                            self._widths[plan.name] = len(together.pre)
                    continue
                assert isinstance(plan, SourcePlan | EdgePlan)
                first = self._firsts[self.net.name_of(projection.projection.source)]
                made = coupling.coupled_constants(projection, plan, first, self._n, self.dtype, self._widths.get(wire.name))
                synapses[wire.name] = made
                if made.pre is not None:
                    self._widths[wire.name] = len(made.pre)
            elif wire.short_term is not None:
                synapses[wire.short_term] = coupling.short_term_constants(projection, self.dtype)
        self._check_delays(synapses)
        for g in self.plan.groups:
            if g.linear is not None and self._kinds_of(g, drawn) != self._kinds[g.name]:
                raise LayoutChanged(g.name)
            linear = linear_numbers(self.plan, g, drawn, self.receptors, self.dtype)
            groups[g.name] = dataclasses.replace(groups[g.name], linear=linear)
        words = seed_words(drawn.seed)
        plastic = {}
        for p in self.plan.plastic:
            own = edges_of[p.receptor]
            learner = own.learning[p.name]
            plastic[p.name] = plastic_constants(
                p, drawn.projections[p.name], learner.incoming, learner.weight, drawn.dt, self.dtype, p.name in placed
            )
        answers = {
            p.name: responses.response_constants(p, drawn.projections[p.name], edges_of[p.receptor].orders[p.name], self.dtype)
            for p in self.plan.responses
        }
        return Constants(np.float64(drawn.dt), (words[0], words[1]), groups, synapses, plastic, self._arrivals, responses=answers)

    def _check_delays(self, synapses: Mapping[str, Any]) -> None:
        slots = {h.name: h.slots for h in self.plan.histories}
        for s in self.plan.synapses:
            for history, edges in zip(getattr(s, "deliveries", ()), getattr(synapses[s.name], "edges", ()), strict=True):
                if int(np.max(edges.delays, initial=0)) >= slots[history]:
                    raise LayoutChanged(s.name)

    def initial(self, drawn: Drawn) -> SimulationState:
        """The state at the start, in the user's order."""
        dtype = self.dtype
        synapses: dict[str, dict[str, Any]] = {}
        for wire in self.plan.wires:
            if wire.input:
                own = drawn.inputs[wire.name]
                n = sum(t.n for t in own.input.targets)
                start = initial_state(own.synapse, n, Key(0))
                values = {v: np.array(np.broadcast_to(np.asarray(x, np.float64), (n,))) for v, x in start.items()}
                synapses[wire.name] = coupling.initial_values_in(values, own.synapse, dtype)
                continue
            projection = drawn.projections[wire.name]
            synapses[wire.name] = coupling.initial_values_in(projection.values, projection.synapse, dtype)
            if projection.short_term is not None:
                synapses[wire.name].update({v: x.astype(dtype) for v, x in projection.short_term_values.items()})
        traces: dict[str, dict[str, Any]] = {}
        slots = {h.name: h.slots for h in self.plan.histories}
        for p in self.plan.plastic:
            projection = drawn.projections[p.name]
            learner = self._learner(p, drawn)
            weight = learner.weight
            synapses[p.name].update({WEIGHT: weight, **{v: np.zeros(len(weight), dtype) for v in p.edge}})
            if learner.wiring is not None:
                synapses[p.name].update(learner.wiring.named())
            traces[p.name] = initial_traces(p, projection.plasticity, projection.structure, slots[p.name], dtype)
        for answer in self.plan.responses:
            count = len(self._order(answer, drawn))
            synapses[answer.name].update(responses.initial_response(answer, drawn.projections[answer.name], count, dtype))
            if answer.brought:
                traces[answer.name] = {responses.BROUGHT: np.zeros((slots[answer.name], answer.sources), dtype)}
        for delayed in () if self._shared else self.plan.delayed:  # devices know it together
            source = drawn.populations[delayed.source]
            traces[delayed.name] = sent_before(drawn.projections[delayed.name], delayed, source, dtype)
        in_flight: dict[str, Any] = {}
        for history in self.plan.histories:
            if history.source is not None:
                in_flight[history.name] = np.zeros((history.slots, self._sizes[history.source]), dtype if history.scaled else bool)
                continue
            for name in self.heard:
                in_flight[name] = np.zeros((history.slots, self._sizes[name]), bool)
        return SimulationState(
            step=np.int64(0),
            neurons={p.name: {v: x.astype(dtype) for v, x in p.values.items()} for p in drawn.populations.values()},
            synapses=synapses,
            last_spike={p.name: p.last_spike for p in drawn.populations.values()},
            in_flight=in_flight,
            crossed={p.name: np.zeros(p.n, bool) for p in self.plan.populations if crosses_by_kicks(self.plan, self.plan.group(p.group))},
            memory=(),
            dt=np.float64(drawn.dt),
            seed=seed_words(drawn.seed),
            traces=traces,
        )

    def _order(self, plan: ResponsePlan, drawn: Drawn) -> np.ndarray:
        receptor = next(r for r in self.receptors if r.name == plan.receptor)
        return self._edges_of(receptor, drawn, None).orders[plan.name]

    def _learner(self, plan: PlasticPlan, drawn: Drawn) -> Learner:
        receptor = next(r for r in self.receptors if r.name == plan.receptor)
        return self._edges_of(receptor, drawn, None).learning[plan.name]

    def outside(self, drawn: Drawn) -> Outside:
        """What takes the state in and out needs to know beside the plan."""
        learners = {p.name: self._learner(p, drawn) for p in self.plan.plastic}
        wirings = {name: own.wiring for name, own in learners.items() if own.wiring is not None}
        places = {name: own.place for name, own in learners.items()}
        orders = {p.name: self._order(p, drawn) for p in self.plan.responses if p.variables}
        places.update({name: np.argsort(order).astype(np.int32) for name, order in orders.items()})
        numbers = {name: np.sort(order) for name, order in orders.items()} if self._shared else {}
        return Outside(tuple(self.heard), places, wirings, numbers)

    def rewirer(self, drawn: Drawn) -> Rewirer | None:
        """What changes the edges of a run, where any come and go."""
        parts, rooms = {}, {}
        for p in self.plan.plastic:
            if p.structure is not None:
                receptor = next(r for r in self.receptors if r.name == p.receptor)
                parts[p.name] = receptors.parts_of(receptor, self.net, drawn, self._firsts, self._sizes)[p.place][0]
                rooms[p.name] = self._rooms[p.receptor][p.place]
        return Rewirer(self.plan, drawn, parts, rooms, self._shared) if parts else None

    @property
    def heard(self) -> list[str]:
        """The populations whose spikes are delivered from the history of all."""
        wired = [
            p
            for p in self.net.projections.values()
            if p.synapse.event_driven and p.site != "source" and all(x is None for x in (p.short_term_plasticity, p.plasticity, p.release))
        ]
        names = {self.net.name_of(source) for p in wired for source in p.sources}
        return [name for name in self.net.populations if name in names]


def _check_answers(answers: Sequence[ResponsePlan]) -> None:
    """Refuses edges with variables of their own that end at neurons which are computed apart.

    Raises:
        UnsupportedError: there are such.
    """
    own = [plan.name for plan in answers if plan.variables]
    for name in own:
        if own.count(name) > 1:
            raise UnsupportedError(
                f"{name}: short-term plasticity with states at the edges reaches neurons that are computed together, and its targets are "
                "of several kinds. Make one projection for each population."
            )


def _joined(targets: tuple[tuple[str, int, int], ...]) -> tuple[tuple[str, int, int], ...]:
    """Neighbours in a group as one."""
    joined: list[tuple[str, int, int]] = []
    for group, start, n in targets:
        if joined and joined[-1][0] == group and joined[-1][1] + joined[-1][2] == start:
            joined[-1] = (group, joined[-1][1], joined[-1][2] + n)
        else:
            joined.append((group, start, n))
    return tuple(joined)


def _flat(made_of: tuple[Any, ...]) -> list[Any]:
    return [x for one in made_of for x in one]


def _same(a: Any, b: Any) -> bool:
    """Whether two values are known to be equal, without comparing what is large."""
    plain = int | float | Key
    return a is b or (isinstance(a, plain) and isinstance(b, plain) and a == b)


def cast_stimulus(net: Network, member: DrawnPopulation, shared: dict[Any, Any], dt: float) -> Any:
    """A current in double precision, whatever the run's: its times need it. It comes with what its means over steps need.

    One that the user gave to several populations, with nothing in it that is one a neuron, stays one and the same in all of
    them while its numbers are: it is then computed once.
    """
    cast = _cast(net.populations[member.name].current, member.stimulus, member.model.input_unit, shared)
    return shared.setdefault(id(cast), (cast, cast.over_steps(dt)))[1]


def _cast(given: Any, stimulus: Any, unit: str, shared: dict[Any, Any]) -> Any:
    changed: dict[str, Any] = {}
    for field in dataclasses.fields(stimulus):
        value = getattr(stimulus, field.name)
        if "component" in field.metadata:
            changed[field.name] = _cast(getattr(given, field.name), value, unit, shared)
        elif "parameter" in field.metadata:
            changed[field.name] = value if isinstance(value, jax.Array) else np.asarray(value, np.float64)
    copy = stimulus.with_values(changed)
    if not all(info.per == "sample" or np.ndim(value) == 0 for _, info, value in parameters(stimulus)):
        return copy
    known = lambda leaf: id(leaf) if isinstance(leaf, jax.Array) else (np.shape(leaf), np.asarray(leaf).tobytes())
    return shared.setdefault((id(given), unit, *map(known, jax.tree.leaves(copy))), copy)
