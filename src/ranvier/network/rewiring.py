"""Edges that come and go: on the host, between two calls of the compiled loop, in arrays that have room for more."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ranvier import doors
from ranvier.connect.capacity import Capacity
from ranvier.connect.lists import EdgeList
from ranvier.connect.part import DrawnPart, Part, draw
from ranvier.connect.some import Some
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.kernels.incoming import index_in_order
from ranvier.network import receptors
from ranvier.network.constants import Constants
from ranvier.network.draw import Drawn, DrawnProjection
from ranvier.network.learning import INCOMING, OUTGOING, WEIGHT
from ranvier.network.plan import LayoutChanged, Plan, PlasticPlan
from ranvier.network.receptors import Room
from ranvier.network.state import SimulationState
from ranvier.network.transfer import WIRING, Outside, Wiring, sorted_for_delivery
from ranvier.network.working import StepState
from ranvier.plasticity.structure import Rewiring, Synapses
from ranvier.random import Distribution, Key
from ranvier.steps import in_steps

SPARE = 1.25  # so many times the edges that there are
LEAST_ROOM = 16  # edges a target
MOST_PAIRS = 10**7  # whose delays are looked at, where a function gives them


class Wired(NamedTuple):
    """What changes where edges do, beside the state."""

    plan: Plan
    constants: Constants
    outside: Outside


# -- before anything runs ------------------------------------------------------------------------------


def check_growth(name: str, part: Part) -> None:
    """Whether edges that are not there yet know their weight and their delay.

    Raises:
        ParameterError: they are given one by one.
    """
    for what, given in (("weight", part.weight), ("delay", part.delay)):
        if not isinstance(given, Distribution) and not callable(given) and np.ndim(given) == 1:
            raise ParameterError(
                f"The {what} of {name} has one value for each of the edges at the start, and edges that come later have none. With "
                f"structure= give one number, a distribution, a matrix [targets, sources] or a function of the pair; the start's "
                f"own {what}s can come with the rule: rv.connect.edge_list(pre, post, {what}s=…)."
            )


def room_to_grow(part: Part) -> Room:
    """Arrays for the edges at the start and some more.

    Raises:
        ParameterError: how long delays may be is not known.
    """
    drawn = draw(part)
    steps = _possible_steps(drawn)
    longest = int(steps.max(initial=0))
    power = lambda n: 1 << (n - 1).bit_length() if n > 0 else 0
    here = sum(size for size, onto in part.targets if onto is not None)
    return Room(Capacity(_with_spare(drawn.wanted, here), power(len(steps)), power(longest + 1)), "edge")


def _with_spare(edges: int, targets: int) -> int:
    return 1 << int(max(SPARE * edges, LEAST_ROOM * targets, 1)).bit_length()


def _possible_steps(drawn: DrawnPart) -> np.ndarray:
    """All delays that edges may come to have, in steps."""
    part, given = drawn.part, drawn.delay
    now = [drawn.steps(drawn.edges(range(part.size)))]
    if isinstance(given, Distribution):
        low, high = drawn.steps_between()
        if high < low:
            raise ParameterError(
                f"The delay of {part.name} has no longest one, and with structure= edges come later: how long spikes are to be kept must "
                "be known. Take rv.uniform(low, high), or a number."
            )
        now.append(np.arange(low, high + 1))
    elif callable(given):
        if part.size * part.sources > MOST_PAIRS:
            raise ParameterError(
                f"The delay of {part.name} is a function, and with structure= any of {part.size * part.sources:.2g} pairs may get an edge: "
                "too many to look for the longest one. Give a number or rv.uniform(low, high)."
            )
        pre, post = np.tile(np.arange(part.sources), part.size), np.repeat(np.arange(part.size), part.sources)
        now.append(draw(dataclasses.replace(part, rule=_listed(pre, post), weight=1.0)).steps(_listed_edges(pre, post)))
    else:
        matrix = np.asarray(given)
        now.append(in_steps(matrix[np.isfinite(matrix)], part.dt, f"The delay of {part.name}").ravel())
    return np.unique(np.concatenate(now))


def wiring_of(part: Part) -> Wiring:
    """The edges at the start."""
    drawn = draw(part)
    edges = drawn.edges(range(part.size))
    return Wiring(np.array(edges.pre, np.int32), np.array(edges.post, np.int32), np.array(drawn.steps(edges), np.int32))


def part_with(part: Part, wiring: Wiring, weight: Any) -> Part:
    """A part with these edges and weights in the place of those that its rule gives."""
    return dataclasses.replace(
        part, rule=_listed(wiring.pre, wiring.post), weight=np.asarray(weight, np.float64), delay=wiring.delay * part.dt
    )


def _listed(pre: np.ndarray, post: np.ndarray) -> EdgeList:
    return EdgeList(pre, post, None, None, "the edges")


def _listed_edges(pre: np.ndarray, post: np.ndarray) -> Any:
    return _listed(pre, post).edges(
        int(pre.max(initial=0)) + 1, int(post.max(initial=0)) + 1, range(int(post.max(initial=0)) + 1), None, Key(0)
    )


# -- in a run ------------------------------------------------------------------------------------------


class Rewirer:
    """What changes the edges of a run.

    Args:
        plan: its structure.
        drawn: the network, drawn.
        parts: of each projection whose edges come and go, what it adds to its receptor's edges.
        rooms: how large the arrays of its edges are.
        shared: whether other devices have their shares of it.
    """

    def __init__(self, plan: Plan, drawn: Drawn, parts: Mapping[str, Part], rooms: Mapping[str, Room], shared: bool = False):
        self._drawn, self._parts, self._rooms, self._shared = drawn, parts, dict(rooms), shared
        self._every = {}
        for p in plan.plastic:
            if p.structure is not None:
                what = f"{p.name}.structure.every"
                self._every[p.name] = int(in_steps(float(drawn.projections[p.name].structure.every), drawn.dt, what, least=1))

    def of_whole(self, plan: Plan, drawn: Drawn) -> Rewirer:
        """What changes the edges of a state of the whole network, where this is for a device's share: draws are by the whole's numbers."""
        return Rewirer(plan, drawn, self._parts, self._rooms)

    @property
    def periods(self) -> tuple[int, ...]:
        """A change may be due at every multiple of one of these numbers of steps."""
        return tuple(sorted(set(self._every.values())))

    def due(self, k: int) -> bool:
        """Whether edges change at step `k`."""
        return any(k % every == 0 for every in self.periods)

    def laid_out(self, wired: Wired, state: SimulationState) -> Wired:
        """The network with the edges that a state has, in the place of those that were drawn."""
        for p in wired.plan.plastic:
            if p.structure is not None:
                own = state.synapses[p.name]
                wiring = Wiring(*(np.asarray(own[name], np.int32) for name in WIRING))
                if not all(np.array_equal(getattr(wiring, n), getattr(wired.outside.wirings[p.name], n)) for n in WIRING):
                    wired = self.with_edges(wired, p, wiring, np.asarray(own[WEIGHT]))
        return wired

    def changed(self, wired: Wired, state: StepState, k: int) -> tuple[Wired, StepState]:
        """The network and its state after what is due at step `k`.

        Raises:
            ParameterError: a rule gives what cannot be.
        """
        for name, every in self._every.items():
            if k % every == 0:
                wired, state = self._rewired(wired, wired.plan.plasticity_of(name), state, k)
        return wired, state

    def of_state(self, plan: Plan, state: SimulationState, signs: Mapping[str, float], k: int) -> SimulationState:
        """A state in the user's order after what is due at step `k`.

        Args:
            plan: the structure of the whole network.
            state: the state, on the host.
            signs: of each projection that of its weights, as its rule of plasticity takes them.
            k: the step.

        Raises:
            ParameterError: a rule gives what cannot be.
        """
        for name, every in self._every.items():
            p = plan.plasticity_of(name)
            if k % every or p is None:
                continue
            own, traces = dict(state.synapses[name]), dict(state.traces[name])
            wiring = Wiring(*(np.asarray(own[x], np.int32) for x in WIRING))
            edge = {x: np.asarray(own[x]) for x in (WEIGHT, *p.edge)}
            new, edge, changed = self._after(p, wiring, edge, traces, signs[name], k)
            own.update({**edge, **({} if new is None else new.named())})
            synapses, kept = {**state.synapses, name: own}, {**state.traces, name: {**traces, **changed}}
            state = dataclasses.replace(state, synapses=synapses, traces=kept)
        return state

    def _rewired(self, wired: Wired, p: PlasticPlan | None, state: StepState, k: int) -> tuple[Wired, StepState]:
        assert p is not None
        own = dict(state.learning[p.name])
        wiring, place_of = wired.outside.wirings[p.name], wired.outside.places[p.name]
        edge = {name: np.asarray(own[name])[place_of] for name in (WEIGHT, *p.edge)}
        here = {OUTGOING: slice(None), INCOMING: slice(p.start, p.start + p.n)}
        neurons = {name: np.asarray(x)[here[side]] for name, x in own.items() if (side := name.partition(" ")[0]) in here}
        new, edge, changed = self._after(p, wiring, edge, neurons, float(wired.constants.plastic[p.name].sign), k)
        for name, value in changed.items():
            whole = np.array(own[name])
            whole[here[name.partition(" ")[0]]] = value
            own[name] = whole
        if new is not None:
            wired = self.with_edges(wired, p, new, edge[WEIGHT])
            width = next(q.width for q in wired.plan.plastic if q.name == p.name)
            for name, x in edge.items():
                own[name] = sorted_for_delivery(x, wired.outside.places[p.name], width)
        return wired, dataclasses.replace(state, learning={**state.learning, p.name: own})

    def _after(
        self, p: PlasticPlan, wiring: Wiring, edge: dict[str, np.ndarray], state: Mapping[str, Any], sign: float, k: int
    ) -> tuple[Wiring | None, dict[str, np.ndarray], dict[str, np.ndarray]]:
        """What a rule makes of a projection at step `k`.

        Args:
            p: its structure: the numbers of its sources and targets.
            wiring: its edges, with their variables `edge`.
            state: what the rule sees of the sources and of the targets, by the names that a state has for it, and more.
            sign: of its weights.
            k: the step.

        Returns:
            The edges (None where they stay), their variables, and what has changed of the sources' and targets'.
        """
        projection = self._drawn.projections[p.name]
        chosen = _Chosen(projection, p)
        neurons = {
            side: {
                name.removeprefix(f"{side} "): chosen.of(side, np.asarray(x, np.float64))
                for name, x in state.items()
                if name.startswith(f"{side} ")
            }
            for side in (OUTGOING, INCOMING)
        }
        synapses = Synapses(
            chosen.source_number[wiring.pre],
            chosen.target_number[wiring.post],
            edge[WEIGHT].astype(np.float64),
            len(chosen.sources),
            len(chosen.targets),
            chosen.itself,
        )
        part = self._parts[p.name]
        key = part.key.child("structure").child(str(k))
        draws = np.random.Generator(np.random.Philox(key=[part.key.seed & (2**64 - 1), key.stream]))
        every = self._every[p.name] * self._drawn.dt
        given = projection.structure.rewire(synapses, neurons[OUTGOING], neurons[INCOMING], draws, every)
        new = _checked(p, projection, given, synapses, chosen)
        changed = {
            f"{side} {name}": chosen.put(side, np.array(state[f"{side} {name}"]), value)
            for side, values in ((OUTGOING, new.outgoing), (INCOMING, new.incoming))
            for name, value in values.items()
        }
        if new.keep.all() and not len(new.pre):
            return None, edge, changed
        grown = Wiring(chosen.sources[new.pre].astype(np.int32), chosen.targets[new.post].astype(np.int32), np.zeros(0, np.int32))
        weight, delay = self._begins(part, grown, key, new.weight)
        _check_bounds(p, projection, weight, sign)
        joined = [np.concatenate([getattr(wiring, n)[new.keep], x]) for n, x in zip(WIRING, (grown.pre, grown.post, delay), strict=True)]
        place = np.lexsort((joined[0], joined[1]))
        come = {name: np.zeros(len(delay), x.dtype) for name, x in edge.items()} | {WEIGHT: weight.astype(edge[WEIGHT].dtype)}
        edge = {name: np.concatenate([x[new.keep], come[name]])[place] for name, x in edge.items()}
        return Wiring(*(x[place] for x in joined)), edge, changed

    @staticmethod
    def _begins(part: Part, grown: Wiring, key: Key, weight: Any) -> tuple[np.ndarray, np.ndarray]:
        """The weights and delays (in steps) of new edges, in their order."""
        given = part.weight if weight is None else 1.0
        made = draw(dataclasses.replace(part, rule=_listed(grown.pre, grown.post), weight=given, key=key))
        edges = made.edges(range(part.size))
        weights, steps = edges.as_listed(made.weights(edges)), edges.as_listed(np.asarray(made.steps(edges)))
        return weights if weight is None else weight, steps.astype(np.int32)

    def make_room(self, name: str, edges: int, targets: int) -> None:
        """Sees that the arrays of a projection have room for so many edges onto so many targets."""
        room = self._rooms[name]
        if edges > room.capacity.edges:
            self._rooms[name] = Room(dataclasses.replace(room.capacity, edges=_with_spare(edges, targets)), "edge")

    def with_edges(self, wired: Wired, p: PlasticPlan, wiring: Wiring, weight: np.ndarray) -> Wired:
        """The network with other edges of one projection, all of them with their weights; it takes those onto its own targets."""
        plan, constants, outside = wired
        part, n = part_with(self._parts[p.name], wiring, weight), p.size
        try:
            edges, _, order, _ = receptors.assembled_to_learn(part, p.sources, n, plan.dtype, None, self._rooms[p.name], self._shared)
        except LayoutChanged:
            capacity = dataclasses.replace(self._rooms[p.name].capacity, edges=_with_spare(len(wiring.pre), p.n))
            self._rooms[p.name] = Room(capacity, "edge")
            edges, _, order, _ = receptors.assembled_to_learn(part, p.sources, n, plan.dtype, None, self._rooms[p.name], self._shared)
        receptor = constants.synapses[p.receptor]
        sets = tuple(edges if i == p.place else x for i, x in enumerate(receptor.edges))
        incoming = index_in_order(edges, order, p.size)
        own = dataclasses.replace(constants.plastic[p.name], incoming=incoming)
        constants = dataclasses.replace(
            constants,
            synapses={**constants.synapses, p.receptor: dataclasses.replace(receptor, edges=sets)},
            plastic={**constants.plastic, p.name: own},
        )
        if len(edges.target) != p.width:
            plastic = tuple(dataclasses.replace(q, width=len(edges.target)) if q.name == p.name else q for q in plan.plastic)
            plan = copy.copy(plan)
            plan.__dict__.pop("_hash", None)
            object.__setattr__(plan, "plastic", plastic)
        outside = dataclasses.replace(
            outside, places={**outside.places, p.name: incoming.position[: len(order)]}, wirings={**outside.wirings, p.name: wiring}
        )
        return Wired(plan, constants, outside)


class _Chosen:
    """The neurons that a projection is from and to: a rule counts these alone.

    Attributes:
        sources, targets: their numbers, int64.
        source_number, target_number: of every neuron its place among them.
        itself: as of `Synapses`.
    """

    def __init__(self, projection: DrawnProjection, p: PlasticPlan):
        rule = projection.projection.rule
        some = rule if isinstance(rule, Some) else None
        self.sources = np.arange(p.sources) if some is None else some.sources
        self.targets = np.arange(p.n) if some is None else some.targets
        self.source_number, self.target_number = np.full(p.sources, -1, np.int64), np.full(p.n, -1, np.int64)
        self.source_number[self.sources], self.target_number[self.targets] = np.arange(len(self.sources)), np.arange(len(self.targets))
        recurrent = projection.part.own is not None
        self.itself = self.target_number[self.sources] if recurrent else np.full(len(self.sources), -1, np.int64)

    def of(self, side: str, values: np.ndarray) -> np.ndarray:
        return values[self.sources if side == OUTGOING else self.targets]

    def put(self, side: str, values: np.ndarray, new: np.ndarray) -> np.ndarray:
        values[self.sources if side == OUTGOING else self.targets] = new
        return values


def _checked(p: PlasticPlan, projection: DrawnProjection, given: Any, synapses: Synapses, chosen: _Chosen) -> Rewiring:
    """What a rule gave, as arrays.

    Raises:
        ParameterError: it is of another kind or shape, or names neurons that are not there.
    """
    rule: Any = p.structure
    of = f"{p.name}: {rule.__name__}.rewire"
    if not isinstance(given, Rewiring):
        raise ParameterError(f"{of} gave {doors.said(given)}; it must give rv.plasticity.Rewiring(keep, pre, post).")
    keep = np.asarray(given.keep)
    if keep.dtype != np.bool_ or keep.shape != (len(synapses),):
        raise ParameterError(
            f"{of}: keep must be True or False for each of the {len(synapses)} synapses, not {keep.dtype} {list(keep.shape)}. "
            "Write synapses.weight >= 0.1, or np.ones(len(synapses), bool)."
        )
    ends = []
    for what, values, n in (("pre", given.pre, len(chosen.sources)), ("post", given.post, len(chosen.targets))):
        array = np.asarray(values)
        array = array.astype(np.int64) if array.size == 0 else array
        if array.dtype.kind not in "iu" or array.ndim != 1:
            raise ParameterError(f"{of}: {what} must be whole numbers, one for each new synapse, not {array.dtype} {list(array.shape)}.")
        if array.size and (array.min() < 0 or array.max() >= n):
            wrong = int(np.flatnonzero((array < 0) | (array >= n))[0])
            raise ParameterError(f"{of}: {what} of new synapse {wrong} is {array[wrong]}, but neurons count from 0 to {n - 1}.")
        ends.append(array.astype(np.int64))
    if len(ends[0]) != len(ends[1]):
        raise ParameterError(f"{of}: new synapses have {len(ends[0])} sources and {len(ends[1])} targets; give one of each.")
    weight = given.weight
    if weight is not None:
        weight = np.asarray(weight, np.float64)
        if weight.shape not in ((), ends[0].shape) or not np.isfinite(weight).all():
            raise ParameterError(
                f"{of}: the weights of {len(ends[0])} new synapses must be one finite number, or one each, not {doors.said(given.weight)}."
            )
        weight = np.broadcast_to(weight, ends[0].shape)
    rule_of = projection.structure
    sides = []
    for what, values, names, n in (
        ("outgoing", given.outgoing, rule_of.source_state(), len(chosen.sources)),
        ("incoming", given.incoming, rule_of.target_state(), len(chosen.targets)),
    ):
        side = {}
        for name, value in values.items():
            array = np.asarray(value, np.float64)
            if name not in names:
                raise ParameterError(
                    f"{of}: {what} has {name!r}, which is no state of those neurons: {', '.join(map(repr, names)) or 'they have none'}."
                )
            if array.shape not in ((), (n,)) or not np.isfinite(array).all():
                raise ParameterError(f"{of}: {what}[{name!r}] must be {n} finite numbers, not {array.dtype} {list(array.shape)}.")
            side[name] = np.broadcast_to(array, (n,))
        sides.append(side)
    return Rewiring(keep, ends[0], ends[1], weight, sides[0], sides[1])


def _check_bounds(p: PlasticPlan, projection: DrawnProjection, weight: np.ndarray, sign: float) -> None:
    """Whether new weights are within the bounds of the projection's rule of plasticity.

    Raises:
        ParameterError: they are not.
    """
    rule = projection.plasticity
    low, high = float(rule.low), float(rule.high)
    slack = 1e-6 * max(abs(x) for x in (low, high, 1e-30) if np.isfinite(x))
    wrong = (sign * weight < low - slack) | (sign * weight > high + slack)
    if wrong.any():
        worst = sign * weight[np.flatnonzero(wrong)[0]]
        raise ParameterError(
            f"{p.name}: a synapse came with the weight {worst:g}, out of the bounds of {type(rule).__name__}, [{low:g}, {high:g}]. "
            "Change the projection's weight, or the rule's low and high."
        )


def refuse_structure(names: Iterable[str], what: str) -> None:
    """Refuses projections whose edges come and go.

    Raises:
        UnsupportedError: there is one.
    """
    found = list(names)
    if found:
        raise UnsupportedError(
            f"{what} takes a network whose edges stay, and those of {', '.join(found)} come and go by a rule (structure=). "
            "Run it with sim.run(…); or, to go on with the edges of a run, wire them as a list: "
            "rv.connect.edge_list(edges.pre, edges.post) with edges = run.edges(…)."
        )
