"""A network laid out for several devices: one layout a device, and what is needed to go between them and the whole."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connect.assemble import KINDS
from ranvier.connect.capacity import room_for
from ranvier.devices.circle import circle_of
from ranvier.devices.processes import gathered
from ranvier.devices.share import Share, joined
from ranvier.integrators.base import Integrator
from ranvier.network import loop, receptors
from ranvier.network.choice import Chosen
from ranvier.network.constants import Constants, ReceptorConstants
from ranvier.network.draw import Drawn
from ranvier.network.exchange import AXIS, MOST_STEPS_KEPT, OUTBOX, Echo, Exchange
from ranvier.network.layout import Layout
from ranvier.network.learning import both_signs
from ranvier.network.plan import ALL_SPIKES, EdgePlan, GroupPlan, LayoutChanged, Plan, PopulationPlan, ShortTermPlan, SourcePlan
from ranvier.network.recall import sent_before
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.network.system import Packing
from ranvier.network.transfer import Outside, dense, enter, history_of, leave
from ranvier.network.working import StepState

Tree = Any


@dataclasses.dataclass(frozen=True)
class WholeLayout:
    """What is said of the layout of the whole network: its structure, as one device would have it, without edges."""

    plan: Plan
    integrator: Integrator
    chosen: Chosen
    net: Network
    dtype: str


class Shards:
    """A network on several devices.

    Args:
        net: the network.
        drawn: it, drawn.
        dtype, integrators: as of `Layout`.
        mesh: the devices. Only the shares of those of this process are made here.
        told: of edges drawn and in all.

    Attributes:
        layout: of the whole network.
        plan: the structure of one share; all have the same.
    """

    def __init__(
        self,
        net: Network,
        drawn: Drawn,
        dtype: str,
        integrators: Mapping[str, Integrator | None],
        mesh: jax.sharding.Mesh,
        told: Callable[[int, int], Any] | None = None,
    ):
        self.mesh, self.net, self.dtype = mesh, net, dtype
        self.devices = list(mesh.devices.flat)
        mine = jax.process_index()
        self.here = [i for i, device in enumerate(self.devices) if device.process_index == mine]
        sizes = {name: p.n for name, p in net.populations.items()}
        self.shares = [Share(net, len(self.devices), i) for i in range(len(self.devices))]
        self.drawn = {i: self.shares[i].drawn(drawn) for i in self.here}
        self._of = drawn
        self.layouts = {i: Layout(self.shares[i].network, self.drawn[i], dtype, integrators, progress=told, whole=sizes) for i in self.here}
        self._agree()
        self._agree_on_widths()
        lead = self.layouts[self.here[0]]
        self.plan, self.integrator = lead.plan, lead.integrator
        self.whole = _whole_plan(self.plan, sizes)
        self.layout = WholeLayout(self.whole, lead.integrator, lead.chosen, net, dtype)
        hears = bool(self.plan.histories or self.plan.plastic or _emits(self.plan))
        plain = hears and not _emits(self.plan) and [h.name for h in self.plan.histories] == [ALL_SPIKES]
        later = min(self._shortest(self.drawn), MOST_STEPS_KEPT) if plain else 0
        in_bits = packs(mesh)
        circle = circle_of(self.devices) if _tells_spikes_alone(self.plan) and not in_bits else 0
        self.exchange = Exchange(mesh, tuple(sizes.items()), hears, later, in_bits, circle)
        self.echo = Echo(mesh, self.exchange.populations, self.exchange.hears)
        self._packing = Packing(self.plan)
        self._cut = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(AXIS))
        self._copy = jax.jit(lambda tree: jax.tree.map(jnp.copy, tree), out_shardings=self._cut)

    def _agree(self) -> None:
        """Makes the arrays of all devices of one shape."""
        rooms = {i: [room for some in layout.rooms.values() for room in some] for i, layout in self.layouts.items()}
        numbers = {
            i: np.array([(*dataclasses.astuple(room.capacity), KINDS.index(room.weights)) for room in some], np.int64).reshape(-1, 4)
            for i, some in rooms.items()
        }
        each = [[receptors.Room(receptors.Capacity(*map(int, n[:3])), KINDS[n[3]]) for n in own] for own in gathered(self, numbers)]
        agreed = iter([receptors.common(some) for some in zip(*each, strict=True)])
        lead = next(iter(self.layouts.values()))
        wanted = {name: tuple(next(agreed) for _ in some) for name, some in lead.rooms.items()}
        for i, layout in self.layouts.items():
            layout.widen(self.drawn[i], wanted)

    def _agree_on_widths(self) -> None:
        """Makes the arrays of continuous synapses' edges of one length."""
        for name, projection in self._of.projections.items():
            if projection.site == "source":
                assert projection.edges is not None
                most = max(len(share.edges(name, projection.edges.post)) for share in self.shares)
                for layout in self.layouts.values():
                    layout.leave_room(name, room_for(most, [projection.part], 1, 0).edges)

    def _shortest(self, each: Mapping[int, Drawn]) -> int:
        """The shortest delay of all edges (steps)."""
        least = {}
        for i, layout in self.layouts.items():
            delays = [d for sets in layout.delays(each[i]) for d in sets if d >= 0]
            least[i] = np.array(min(delays, default=MOST_STEPS_KEPT), np.int64)
        return int(min(gathered(self, least)))

    def with_plan(self, plan: Plan) -> Shards:
        """The same shares with another structure of each: edges have outgrown their arrays."""
        new = copy.copy(self)
        new.plan, new.whole = plan, _whole_plan(plan, {name: p.n for name, p in self.net.populations.items()})
        new.layout = dataclasses.replace(self.layout, plan=new.whole)
        return new

    # -- numbers -----------------------------------------------------------------------------------

    def of(self, drawn: Drawn) -> dict[int, Drawn]:
        """The shares of a network as it is drawn now."""
        if drawn is not self._of:
            self._of, self.drawn = drawn, {i: self.shares[i].drawn(drawn) for i in self.here}
        return self.drawn

    def constants(self, drawn: Drawn, told: Any = None, placed: frozenset[str] = frozenset()) -> dict[int, Constants]:
        """The numbers of each share that is here, with arrays of one shape.

        Raises:
            LayoutChanged: they do not fit.
        """
        each = self.of(drawn)
        made = {i: layout.constants(each[i], told) for i, layout in self.layouts.items()}
        if self.exchange.later:
            shortest = self._shortest(each)
            if shortest < 1:
                raise LayoutChanged("spikes arrive in the step in which they are")
            every = np.int64(min(self.exchange.later, shortest))
            made = {i: dataclasses.replace(own, tell_every=every) for i, own in made.items()}
        even = _evened(self, self._with_signs(made, each))
        return {i: self._with_places(own, each, placed) for i, own in even.items()} if placed else even

    def _with_signs(self, made: dict[int, Constants], each: Mapping[int, Drawn]) -> dict[int, Constants]:
        """With one sign of the weights of each projection that learns, as the whole has it.

        Raises:
            ParameterError: they are of both.
        """
        names = [p.name for p in self.plan.plastic]
        if not names:
            return made
        some = {i: {name: len(place) for name, place in layout.outside(each[i]).places.items()} for i, layout in self.layouts.items()}
        votes = gathered(self, {i: np.array([float(own.plastic[n].sign) if some[i][n] else 0.0 for n in names]) for i, own in made.items()})
        signs = {}
        for name, those in zip(names, np.transpose(votes), strict=True):
            if those.min() < 0 < those.max():
                raise both_signs(name, self.net.projections[name].plasticity)
            signs[name] = those.min() or those.max()
        result = {}
        for i, own in made.items():
            plastic = {
                n: dataclasses.replace(x, sign=np.asarray(signs[n] or x.sign, np.asarray(x.sign).dtype)) for n, x in own.plastic.items()
            }
            result[i] = dataclasses.replace(own, plastic=plastic)
        return result

    def _with_places(self, own: Constants, each: Mapping[int, Drawn], placed: frozenset[str]) -> Constants:
        """With the place of every edge of the whole among those of all devices, one device after the other."""
        plastic = dict(own.plastic)
        for p in self.plan.plastic:
            if p.name in placed:
                outside = {i: layout.outside(each[i]) for i, layout in self.layouts.items()}
                of_devices = gathered(self, {i: np.asarray(o.places[p.name]) for i, o in outside.items()})
                places = np.concatenate([d * p.width + place.astype(np.int64) for d, place in enumerate(of_devices)])
                plastic[p.name] = dataclasses.replace(plastic[p.name], place=places)
        return dataclasses.replace(own, plastic=plastic)

    def initial(self, drawn: Drawn) -> SimulationState:
        """The state of the whole network at the start."""
        each = self.of(drawn)
        states = {i: layout.initial(each[i]) for i, layout in self.layouts.items()}
        in_flight = next(iter(states.values())).in_flight
        whole = self.joined(states, in_flight, self.outside(drawn))
        sent = {s.name: self._sent_before(drawn, s) for s in self.plan.delayed}
        return dataclasses.replace(whole, traces={**whole.traces, **sent})

    def _sent_before(self, drawn: Drawn, plan: SourcePlan | EdgePlan) -> dict[str, np.ndarray]:
        """What synapses with delays sent before the start, those of the whole."""
        projection, source = drawn.projections[plan.name], drawn.populations[plan.source]
        states = source.n if isinstance(plan, SourcePlan) else len(projection.delay)
        return sent_before(projection, dataclasses.replace(plan, states=states), source, self.dtype)

    def joined(
        self, states: Mapping[int, SimulationState], in_flight: Mapping[str, Any], outside: Mapping[int, Outside]
    ) -> SimulationState:
        """The state of the whole of those of the shares that are here, and of those elsewhere."""
        cut = {i: dataclasses.replace(s, in_flight={}) for i, s in states.items()}
        return joined(self.shares[self.here[0]], gathered(self, cut), dict(in_flight), self.edges(outside))

    def outside(self, drawn: Drawn) -> dict[int, Outside]:
        """What takes each share's state in and out."""
        each = self.of(drawn)
        return {i: layout.outside(each[i]) for i, layout in self.layouts.items()}

    # -- the state ---------------------------------------------------------------------------------

    def enter(self, state: SimulationState, outside: Mapping[int, Outside], packed: bool) -> dict[int, StepState]:
        """The state of the whole network as the steps of the shares carry it, on the host."""
        alone, edges = dataclasses.replace(self.plan, histories=()), self.edges(outside)
        in_flight = {h.name: history_of(self.whole, h, state, np) for h in self.whole.histories}
        entered = {}
        for i in self.here:
            own = self.shares[i].state(state, edges[i])
            pack = self._packing.pack if packed else lambda variables, library: variables
            on_their_way = in_flight
            if self.exchange.later and not self.exchange.listed:
                on_their_way = {**in_flight, OUTBOX: {"flags": np.zeros((self.exchange.later, self.plan.n), bool)}}
            entered[i] = dataclasses.replace(enter(alone, own, pack, outside[i]), in_flight=on_their_way)
        return entered

    def leave(self, states: Mapping[int, StepState], outside: Mapping[int, Outside], packed: bool, dt: Any, seed: Any) -> SimulationState:
        """The state of the whole network from those of the steps, on the host."""
        alone = dataclasses.replace(self.plan, histories=())
        unpack = self._packing.unpack if packed else lambda moving: moving
        own = {i: leave(alone, state, unpack, dt, seed, outside[i]) for i, state in states.items()}
        lead = next(iter(states.values()))
        heard = next(iter(outside.values())).heard
        in_flight = {name: rows for h in self.whole.histories for name, rows in dense(self.whole, h, lead, heard, np).items()}
        return self.joined(own, in_flight, outside)

    def edges(self, outside: Mapping[int, Outside]) -> list[dict[str, Any]]:
        """Of each device: which edges of each projection whose edges have values of their own are its share's, to index with."""
        learns = [p.name for p in self.plan.plastic]  # onto one population each, whose targets lie side by side
        found: list[dict[str, Any]] = [{} for _ in self.devices]
        if learns:
            counts = np.stack(gathered(self, {i: np.array([len(o.places[name]) for name in learns]) for i, o in outside.items()}))
            for own, ends, count in zip(found, np.cumsum(counts, axis=0), counts, strict=True):
                own.update({name: slice(int(end - n), int(end)) for name, end, n in zip(learns, ends, count, strict=True)})
        if any(p.variables for p in self.plan.responses):
            for own, numbers in zip(found, gathered(self, {i: dict(o.numbers) for i, o in outside.items()}), strict=True):
                own.update(numbers)
        return found

    # -- on the devices ----------------------------------------------------------------------------

    def placed(self, trees: Mapping[int, Tree]) -> Tree:
        """The shares' trees as one, each leaf `[devices, …]` with each device's part on it."""
        leaves = {i: jax.tree.leaves(tree) for i, tree in trees.items()}
        structure = jax.tree.structure(trees[self.here[0]])
        known: dict[Any, Any] = {}
        made = []
        for column in zip(*(leaves[i] for i in self.here), strict=True):
            key = tuple(map(id, column))
            if key not in known:
                parts = [jax.device_put(np.asarray(x)[None], self.devices[i]) for i, x in zip(self.here, column, strict=True)]
                shape = (len(self.devices), *np.shape(column[0]))
                known[key] = (jax.make_array_from_single_device_arrays(shape, self._cut, parts), column)
            made.append(known[key][0])
        return jax.tree.unflatten(structure, made)

    def shapes(self, tree: Tree) -> Tree:
        """What `placed` makes of trees of these shapes."""
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((len(self.devices), *x.shape), x.dtype, sharding=self._cut), tree)

    def copied(self, tree: Tree) -> Tree:
        """A copy where it lies."""
        return self._copy(tree)

    def taken(self, tree: Tree) -> dict[int, Tree]:
        """The parts of those devices that are here, on the host."""
        leaves, structure = jax.tree.flatten(tree)
        parts: dict[int, list[np.ndarray]] = {i: [] for i in self.here}
        place = {device: i for i, device in enumerate(self.devices)}
        for leaf in leaves:
            for shard in leaf.addressable_shards:
                parts[place[shard.device]].append(np.asarray(shard.data)[0])
        return {i: jax.tree.unflatten(structure, own) for i, own in parts.items()}

    def stepper(self, constants: Constants, packed: bool) -> Stepper:
        """The stepper of a share, for what asks no other device."""
        return Stepper(self.plan, constants, self.integrator, packed, exchange=self.echo)


def _whole_plan(plan: Plan, sizes: Mapping[str, int]) -> Plan:
    """The structure of the whole network from that of a share."""
    groups: list[GroupPlan] = []
    populations: dict[str, PopulationPlan] = {}
    firsts = dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    for group in plan.groups:
        groups.append(dataclasses.replace(group, sizes=tuple(sizes[m] for m in group.members)))
        start = 0
        for member in group.members:
            own = plan.population(member)
            populations[member] = dataclasses.replace(own, n=sizes[member], first=firsts[member], start=start)
            start += sizes[member]
    return dataclasses.replace(plan, groups=tuple(groups), populations=tuple(populations[p.name] for p in plan.populations))


def packs(mesh: jax.sharding.Mesh) -> bool:
    """Whether devices tell each other flags in bits: a CPU takes longer to pack them than to send bytes to another of the machine."""
    return str(mesh.devices.flat[0].platform) != "cpu"


def _tells_spikes_alone(plan: Plan) -> bool:
    """Whether devices tell each other within the steps who spiked, and nothing else."""
    if any(isinstance(s, ShortTermPlan) or (isinstance(s, SourcePlan | EdgePlan) and s.transmits) for s in plan.synapses):
        return False
    return not any(answer.brought for answer in plan.responses)


def _emits(plan: Plan) -> bool:
    """Whether states at edges take note of their sources' spikes."""
    return any(isinstance(s, EdgePlan) and s.emits for s in plan.synapses)


def _evened(shards: Shards, each: Mapping[int, Constants]) -> dict[int, Constants]:
    """The same numbers with arrays of one shape on all devices. What is added is read by nobody."""
    tables = {
        i: [c.table.shape for s in constants.synapses.values() if isinstance(s, ReceptorConstants) for c in s.poisson]
        for i, constants in each.items()
    }
    if any(tables.values()):
        most = np.stack(gathered(shards, {i: np.array(shapes, np.int64).reshape(-1, 2) for i, shapes in tables.items()})).max(axis=0)
        each = {i: _with_tables(constants, most) for i, constants in each.items()}
    leaves = {i: jax.tree.leaves(constants) for i, constants in each.items()}
    own = {i: np.array([(*np.shape(x), 0, 0, 0)[:3] for x in some], np.int64) for i, some in leaves.items()}
    most = np.stack(gathered(shards, own)).max(axis=0)
    result = {}
    for i, some in leaves.items():
        structure = jax.tree.structure(each[i])
        grown: dict[int, Any] = {}
        for x, shape in zip(some, most, strict=True):
            if id(x) not in grown:
                grown[id(x)] = _grown(x, shape)
        result[i] = jax.tree.unflatten(structure, [grown[id(x)] for x in some])
    return result


def _grown(values: Any, shape: Any) -> Any:
    missing = [(0, int(wanted) - n) for n, wanted in zip(np.shape(values), shape, strict=False)]
    if not any(more for _, more in missing):
        return values
    if 0 in np.shape(values):
        return np.zeros([n + more for n, (_, more) in zip(np.shape(values), missing, strict=True)], values.dtype)
    return np.pad(values, missing, mode="edge")


def _with_tables(constants: Constants, most: np.ndarray) -> Constants:
    """With Poisson tables of these shapes: thresholds that are added are never reached."""
    synapses, at = dict(constants.synapses), 0
    for name, own in synapses.items():
        if not isinstance(own, ReceptorConstants):
            continue
        counts = []
        for c in own.poisson:
            (rows, columns), (n, m) = most[at], c.table.shape
            counts.append(dataclasses.replace(c, table=np.pad(c.table, ((0, rows - n), (0, columns - m)), constant_values=0xFFFFFFFF)))
            at += 1
        synapses[name] = dataclasses.replace(own, poisson=tuple(counts))
    return dataclasses.replace(constants, synapses=synapses)


def numbers_here(exchange: Exchange, device: int) -> np.ndarray:
    """For each neuron of a share, in its own order, its number in the whole network."""
    numbers, first = [], 0
    for name, n in exchange.populations:
        numbers.append(first + exchange.cut(name).places(device))
        first += n
    return np.concatenate(numbers)


SPIKES = loop.STEPS_BETWEEN_QUESTIONS + 4
"""How many spikes a neuron may have between two visits of the host, as far as there is room: the list is asked after seldom."""
