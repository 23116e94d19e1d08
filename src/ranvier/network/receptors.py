"""Synapses whose states lie at the target neurons: which projections and inputs share them, and what reaches them."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connect.assemble import KINDS, among_all, assemble, kind_of, usable_cores
from ranvier.connect.by_source import BySource
from ranvier.connect.capacity import Capacity, CapacityExceeded, capacity_for
from ranvier.connect.part import Part
from ranvier.connect.part import draw as draw_edges
from ranvier.kernels.drawn_edges import DrawnEdges, numbers_from
from ranvier.kernels.draws import Streams, poisson_table
from ranvier.memory import aligned_empty
from ranvier.model import in_precision
from ranvier.network.changing import ChangingCounts
from ranvier.network.constants import EventEdges, PoissonCounts, ReceptorConstants
from ranvier.network.draw import Drawn, DrawnInput, DrawnProjection
from ranvier.network.facts import synapse_facts
from ranvier.network.plan import ALL_SPIKES, GroupPlan, LayoutChanged, Piece, PopulationPlan, ReceptorPlan
from ranvier.network.spec import Network, Population
from ranvier.random import Distribution, Key
from ranvier.steps import in_steps
from ranvier.synapses.base import SynapseModel

BLOCKS_FROM = 8192  # targets; below, no step has events enough for two threads
MOST_BLOCKS = 8
LEAST_TABLE = 8


@dataclasses.dataclass(frozen=True)
class Stretch:
    """One population among a wire's targets: `first … first + n − 1` of all its targets, from `start` on in its group.

    `number` counts the target populations.
    """

    number: int
    group: str
    start: int
    first: int
    n: int


def stretches(net: Network, targets: Iterable[Population], populations: Mapping[str, PopulationPlan]) -> list[Stretch]:
    """The targets of a wire, in their order."""
    found, before = [], 0
    for number, target in enumerate(targets):
        plan = populations[net.name_of(target)]
        found.append(Stretch(number, plan.group, plan.start, before, plan.n))
        before += plan.n
    return found


@dataclasses.dataclass(eq=False)
class User:
    """A projection or input that feeds a receptor, and its targets there."""

    name: str
    stretches: list[Stretch]


@dataclasses.dataclass(eq=False)
class Receptor:
    """The states of one linear synapse model on one group."""

    group: GroupPlan
    synapse: Any
    shareable: bool
    port: str = ""
    users: list[User] = dataclasses.field(default_factory=list)

    @property
    def name(self) -> str:
        """Its name, which nobody sees but who reads the compiled program."""
        return f"{self.users[0].name} at {self.group.name}"

    def same_kinetics(self, synapse: Any) -> bool:
        """Whether another synapse could share these states."""
        return (
            self.shareable
            and bool(jax.tree.structure(self.synapse) == jax.tree.structure(synapse))  # type: ignore[operator]
            and jax.tree.leaves(self.synapse) == jax.tree.leaves(synapse)
        )


def find_receptors(
    net: Network, drawn: Drawn, groups: Mapping[str, GroupPlan], populations: Mapping[str, PopulationPlan], apart: frozenset[str]
) -> list[Receptor]:
    """The receptors of a network. Those in `apart` share with nobody."""
    receptors: list[Receptor] = []
    by_kinetics: dict[Any, list[Receptor]] = {}
    wires: list[DrawnProjection | DrawnInput] = [p for p in drawn.projections.values() if p.site == "target"]
    wires += drawn.inputs.values()
    for wire in wires:
        spec = wire.projection if isinstance(wire, DrawnProjection) else wire.input
        here: dict[str, list[Stretch]] = {}
        for stretch in stretches(net, spec.targets, populations):
            here.setdefault(stretch.group, []).append(stretch)
        alone = wire.name in apart or not getattr(spec, "share", True) or any(np.ndim(leaf) for leaf in jax.tree.leaves(wire.synapse))
        for group, mine in here.items():
            like = by_kinetics.setdefault((group, spec.onto, jax.tree.structure(wire.synapse)), [])
            receptor = None if alone else next((r for r in like if r.same_kinetics(wire.synapse)), None)
            if receptor is None:
                receptor = Receptor(groups[group], wire.synapse, not alone, spec.onto)
                receptors.append(receptor)
                like.append(receptor)
            receptor.users.append(User(wire.name, mine))
    return receptors


def still_fits(receptor: Receptor, synapse_of: Callable[[str], Any]) -> bool:
    """Whether all that share a receptor still have one kinetics, with other numbers."""
    first, *others = (jax.tree.leaves(synapse_of(user.name)) for user in receptor.users)
    return all(not any(isinstance(x, jax.core.Tracer) for x in leaves) and leaves == first for leaves in others)


def plan_receptor(receptor: Receptor, drawn: Drawn) -> ReceptorPlan:
    """A receptor's structure."""
    n = receptor.group.n
    facts = synapse_facts(receptor.users[0].name, _spread(receptor, receptor.synapse), n)
    projections = [drawn.projections[u.name] for u in receptor.users if u.name in drawn.projections]
    common = [p for p in projections if not has_own_history(p)]
    deliveries = [ALL_SPIKES] if any(p.part.rule.stored for p in common) else []
    deliveries += [ALL_SPIKES for p in common if not p.part.rule.stored]
    deliveries += [p.name for p in projections if has_own_history(p)]
    return ReceptorPlan(
        name=receptor.name,
        states=n,
        variables=facts.variables,
        moving=facts.moving,
        transmits=facts.transmits,
        group=receptor.group.name,
        deliveries=tuple(deliveries),
        poisson=len(_layers(receptor, drawn)) + len(_changing(receptor, drawn)),
        kicks=type(receptor.synapse).kick is not SynapseModel.kick,
        port=receptor.port,
    )


def has_own_history(projection: DrawnProjection) -> bool:
    """Whether the spikes that a projection delivers are noted for it alone."""
    own = (projection.short_term, projection.plasticity, projection.release, projection.edge_rule)
    return any(rule is not None for rule in own)


def pieces_of(receptors: list[Receptor], name: str, taken: dict[str, np.ndarray]) -> list[tuple[int, Piece]]:
    """Where a wire's states are: each with its place among the wire's targets. `taken` says which neurons have an owner by now."""
    found = []
    for receptor in receptors:
        for user in receptor.users:
            if user.name != name:
                continue
            owned = taken.setdefault(receptor.name, np.zeros(receptor.group.n, bool))
            for stretch in user.stretches:
                mine = ~owned[stretch.start : stretch.start + stretch.n]
                owned[stretch.start : stretch.start + stretch.n] = True
                found.append((stretch.first, Piece(receptor.name, stretch.start, stretch.n, _runs(mine))))
    return sorted(found, key=lambda pair: pair[0])


def _runs(flags: np.ndarray) -> tuple[tuple[int, int], ...]:
    """Where flags are set: `(first, after the last)` of each stretch."""
    edges = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0))
    return tuple(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


# -- numbers -----------------------------------------------------------------------------------------


def _spread(receptor: Receptor, synapse: Any) -> Any:
    """A synapse with one value a target, as one with a value a neuron of the group."""
    targets = sum(s.n for u in receptor.users for s in u.stretches)

    def spread(value: Any) -> Any:
        if np.ndim(value) == 0:
            return value
        library: Any = jnp if isinstance(value, jax.Array) else np
        whole = library.full(receptor.group.n, value[0] if targets else 0.0)
        for stretch in receptor.users[0].stretches:
            some, given = slice(stretch.start, stretch.start + stretch.n), value[stretch.first : stretch.first + stretch.n]
            if library is jnp:
                whole = whole.at[some].set(given)
            else:
                whole[some] = given
        return whole

    return jax.tree.map(spread, synapse)


def parts_of(receptor: Receptor, net: Network, drawn: Drawn, firsts: Mapping[str, int], sizes: Mapping[str, int]) -> list[list[Part]]:
    """The sets of edges that reach a receptor, in the order of its plan's deliveries; each a list of projections' shares."""
    plain: list[Part] = []
    not_stored: list[list[Part]] = []
    own: list[list[Part]] = []
    for user in receptor.users:
        projection = drawn.projections.get(user.name)
        if projection is None:
            continue
        own_history, sources = has_own_history(projection), projection.projection.sources
        begins = [firsts[net.name_of(s)] for s in sources]
        each = [firsts[net.name_of(s)] + np.arange(sizes[net.name_of(s)], dtype=np.int32) for s in sources]
        places = np.concatenate(each) if len(each) > 1 else None
        here = {s.number: s.start for s in user.stretches}
        targets: list[tuple[int, int | None]] = []
        for number, target in enumerate(projection.projection.targets):
            before, mine, behind = (0, target.n, 0) if projection.shares is None else projection.shares[number]
            targets += [(before, None)] * bool(before) + [(mine, here.get(number))] + [(behind, None)] * bool(behind)
        offset = 0 if own_history or places is not None else begins[0]
        part = dataclasses.replace(projection.part, pre_offset=offset, pre_places=places, targets=tuple(targets))
        if own_history:
            own.append([part])
        elif part.rule.stored:
            plain.append(part)
        else:
            not_stored.append([part])
    return ([plain] if plain else []) + not_stored + own


@dataclasses.dataclass(frozen=True, eq=False)
class Room:
    """How large the arrays of a set of edges are and how many weights there are (`KINDS`), settled when it was first laid out."""

    capacity: Capacity
    weights: str


def common(rooms: Sequence[Room]) -> Room:
    """Room for what any of several has room for."""
    most = lambda what: max(getattr(room.capacity, what) for room in rooms)
    return Room(Capacity(most("edges"), most("delays"), most("longest")), max((room.weights for room in rooms), key=KINDS.index))


def widened(edges: EventEdges, room: Room, learns: bool) -> EventEdges:
    """The same edges in larger arrays. The weights of those that learn lie elsewhere."""
    more = room.capacity.edges - len(edges.target)
    delays = room.capacity.delays - len(edges.delays)
    each = not learns and kind_of(edges.weight) == "edge"
    return EventEdges(
        np.pad(edges.delays, (0, delays), constant_values=-1),
        np.pad(edges.segments, ((0, 0), (0, 0), (0, delays)), mode="edge"),
        _longer(edges.target, more),
        _longer(edges.weight, more) if each else edges.weight,
        edges.bounds,
    )


def _longer(values: np.ndarray, more: int) -> np.ndarray:
    """With so many zeros more; the same array where none are wanted, for it may be large."""
    if not more:
        return values
    grown: np.ndarray = aligned_empty(len(values) + more, values.dtype)
    grown[: len(values)], grown[len(values) :] = values, 0
    return grown


def assembled_to_learn(
    part: Part, sources: int, n: int, dtype: str, progress: Any, room: Room | None, shared: bool = False
) -> tuple[EventEdges, Room, np.ndarray, np.ndarray]:
    """The edges of a projection that learns: as `assembled`, without weights; their order, and their weights sorted by target, then source.

    Raises:
        LayoutChanged: they do not fit into `room`.
    """
    blocks = min(usable_cores(), MOST_BLOCKS) if n >= BLOCKS_FROM and not shared else 1
    capacity = True if room is None else room.capacity
    try:
        edges = assemble([part], sources, n, dtype, progress, blocks, capacity=capacity, weights=("edge",), order=True)
    except CapacityExceeded as error:
        raise LayoutChanged(str(error)) from None
    room = Room(capacity_for(edges, [part]), "edge") if room is None else room
    used = int(edges.segments[-1, -1, -1]) if edges.segments.size else 0
    assert edges.order is not None
    order = edges.order[:used]
    order = order - (order.min() if order.size else 0)  # a device's share does not begin with the first edge
    if used and (edges.weight[:used] == edges.weight[0]).all():
        weight = np.broadcast_to(edges.weight[:1].copy(), used)  # which takes no memory
    else:
        weight = np.empty(used, dtype)
        weight[order] = edges.weight[:used]
    return EventEdges(edges.delays, edges.segments, edges.target, np.zeros(0, dtype), edges.bounds), room, order, weight


def assembled(
    parts: list[Part], sources: int, n: int, dtype: str, progress: Any, room: Room | None, shared: bool = False, ordered: bool = False
) -> tuple[EventEdges, Room, Any]:
    """The edges of several projections onto a receptor, laid out for delivery: by one thread where other devices have their shares.

    Returns:
        They, their room, and, where it is `ordered`, which each is of all edges that there are, sorted by target, then source.

    Raises:
        LayoutChanged: they do not fit into `room`.
    """
    blocks = min(usable_cores(), MOST_BLOCKS) if n >= BLOCKS_FROM and not shared else 1
    traced = any(isinstance(part.weight, jax.core.Tracer) for part in parts)
    numbers = not traced or all(_is_number(part.weight) for part in parts)
    if room is None:
        # Projections that happen to have one weight may be given others.
        kinds = ("edge",) if not numbers else ("one", "edge") if len(parts) == 1 else ("source", "edge")
    elif numbers or room.weights == "edge":
        kinds = (room.weights,)
    else:
        raise LayoutChanged(f"the weights of {' and '.join(part.name for part in parts)} are several")
    plain = [dataclasses.replace(part, weight=1.0) for part in parts] if traced else parts
    try:
        edges = assemble(
            plain,
            sources,
            n,
            dtype,
            progress,
            blocks,
            capacity=True if room is None else room.capacity,
            weights=kinds,
            order=ordered or (traced and "edge" in kinds),
        )
    except CapacityExceeded as error:
        raise LayoutChanged(str(error)) from None
    if room is None:
        room = Room(capacity_for(edges, parts), kind_of(edges.weight))
    weight = edges.weight if not traced else _traced_weights(parts, edges, sources, dtype)
    used = int(edges.segments[-1, -1, -1]) if edges.segments.size else 0
    order = edges.order[:used] if ordered and edges.order is not None else None
    return EventEdges(edges.delays, edges.segments, edges.target, weight, edges.bounds), room, order


def _is_number(weight: Any) -> bool:
    return not isinstance(weight, Distribution) and not callable(weight) and np.ndim(weight) == 0


def _traced_weights(parts: list[Part], edges: Any, sources: int, dtype: str) -> Any:
    """Weights of which some are traced: of the kind that the edges' are, in the order of delivery."""
    kind = kind_of(edges.weight)
    if kind == "one":
        return jnp.asarray(parts[0].weight).astype(dtype)
    if kind == "source":
        of_source = jnp.zeros((sources, 1), dtype)
        for part in parts:
            here = among_all(np.arange(part.sources, dtype=np.int32), part)
            of_source = of_source.at[here].set(jnp.asarray(part.weight).astype(dtype))
        return of_source
    each = []
    for part in parts:
        everything = draw_edges(dataclasses.replace(part, weight=1.0) if isinstance(part.weight, jax.core.Tracer) else part)
        own = everything.edges(range(part.size))
        values: Any = everything.weights(own)
        if isinstance(part.weight, jax.core.Tracer):
            values = values * (own.sorted_like(part.weight) if part.weight.ndim == 1 else part.weight)
        each.append(values)
    return jnp.concatenate([jnp.asarray(x) for x in each])[edges.order].astype(dtype)


def drawn_at_spikes(part: Part) -> tuple[DrawnEdges, Room]:
    """Edges that are drawn again at each spike."""
    rule = part.rule
    assert isinstance(rule, BySource)
    size, key = part.size, part.key.child("edges")
    degrees = rule.out_degrees(part.sources, size, part.own, key)
    candidates = rule.candidates(size, part.own)
    kind, numbers = numbers_from(part.weight)
    if numbers is None:
        given = (
            jnp.reshape(jnp.asarray(part.weight, jnp.float64), (1,))
            if isinstance(part.weight, jax.Array)
            else np.reshape(part.weight, (1,))
        )
        numbers = (jnp if isinstance(given, jax.Array) else np).concatenate([given, np.zeros(3)])
    begins = itertools.accumulate((n for n, _ in part.targets), initial=0)
    pieces = [(first, n, onto) for first, (n, onto) in zip(begins, part.targets, strict=False) if onto is not None]
    lateness, delays, late = _delays_at_spikes(part)
    edges = DrawnEdges(
        delays=delays,
        keys=np.array([*key.child("targets").words, *part.key.child("weight").words, *part.key.child("delay").words], np.uint32),
        degree=degrees.astype(np.int32),
        begin=np.cumsum(degrees) - degrees,
        first=np.int64(part.pre_offset),
        numbers=numbers,
        late=late,
        pieces=np.array(pieces, np.int64).reshape(-1, 3),
        kind=rule.kind(),
        candidates=candidates.n,
        shift=candidates.shift,
        exclude=candidates.exclude,
        weights=kind,
        lateness=lateness,
    )
    return edges, Room(Capacity(0, 1, 1 << int(delays[1]).bit_length() if delays[1] else 0), "one")


def _delays_at_spikes(part: Part) -> tuple[int, np.ndarray, np.ndarray]:
    """How the delays of edges that are not stored are drawn, between what they are (steps), and what of, as in `DrawnEdges`."""
    kind, numbers = numbers_from(part.delay)
    if numbers is None:
        steps = np.broadcast_to(in_steps(part.delay, part.dt, f"The delay of {part.name}"), (2,))
        return kind, steps.astype(np.int32), np.zeros(6)
    low, high = part.delay.ends()
    least = max(0.0, np.ceil(part.delay.low / part.dt - 1e-6))  # as stored ones are rounded
    ends = np.maximum([np.rint(low / part.dt - 1e-9), np.rint(high / part.dt + 1e-9)], least)
    return kind, ends.astype(np.int32), np.array([*numbers, part.dt, least])


def receptor_synapse(receptor: Receptor, drawn: Drawn) -> Any:
    """A receptor's synapse, its parameters numbers or `[neurons of the group]`."""
    name = receptor.users[0].name
    first = drawn.projections[name] if name in drawn.projections else drawn.inputs[name]
    return _spread(receptor, first.synapse)


def receptor_constants(receptor: Receptor, drawn: Drawn, edges: tuple[EventEdges | DrawnEdges, ...], dtype: str) -> ReceptorConstants:
    """The numbers of a receptor."""
    synapse = in_precision(receptor_synapse(receptor, drawn), dtype)
    n = receptor.group.n
    counts = tuple(_counts(layer, n, drawn, dtype) for layer in _layers(receptor, drawn))
    return ReceptorConstants(synapse, edges, counts, tuple(_changing_counts(user, n, drawn, dtype) for user in _changing(receptor, drawn)))


def _changing(receptor: Receptor, drawn: Drawn) -> list[User]:
    """Poisson inputs that have a draw of their own: of rates that change, or with spikes in common."""
    return [user for user in receptor.users if user.name in drawn.inputs and drawn.inputs[user.name].changing is not None]


def _changing_counts(user: User, n: int, drawn: Drawn, dtype: str) -> ChangingCounts:
    own, places = drawn.inputs[user.name], [(s, user.name) for s in sorted(user.stretches, key=lambda s: s.start)]
    with jax.enable_x64(True):
        each = jax.eval_shape(own.changing, jnp.zeros(())).shape != ()
    targets = sum(t.n for t in own.input.targets)
    per, which = np.atleast_1d(own.mean), np.zeros(targets, np.int64)
    if each:
        per, which = np.broadcast_to(own.mean, (targets,)), np.arange(targets)
    elif len(per) > 1:
        per, which = np.unique(per, return_inverse=True)
    none = per[which] == 0
    row = np.full(n, -1, np.int32)
    for s, _ in places:
        row[s.start : s.start + s.n] = np.where(none, -1, which)[s.first : s.first + s.n]
    weight = _input_weights([user], places, n, drawn, dtype)
    common = Streams.of([(Key(0).child("poisson").child(user.name).child("common"), 1, 0)])
    return ChangingCounts(
        in_precision(own.changing, "float64"),
        np.asarray(per, np.float64),
        row,
        weight,
        _streams(places, n, drawn),
        common,
        np.float64(own.correlation),
    )


def _layers(receptor: Receptor, drawn: Drawn) -> list[list[User]]:
    """Poisson inputs in as few draws as possible: those that reach different neurons are one."""
    layers: list[tuple[np.ndarray, list[User]]] = []
    for user in receptor.users:
        if user.name not in drawn.inputs or drawn.inputs[user.name].changing is not None:
            continue
        reached = np.zeros(receptor.group.n, bool)
        for s in user.stretches:
            reached[s.start : s.start + s.n] = True
        mine = next((layer for layer in layers if not (layer[0] & reached).any()), None)
        if mine is None:
            layers.append((reached, [user]))
        else:
            mine[0][reached] = True
            mine[1].append(user)
    return [users for _, users in layers]


def _counts(users: list[User], n: int, drawn: Drawn, dtype: str) -> PoissonCounts:
    places = sorted(((s, u.name) for u in users for s in u.stretches), key=lambda place: place[0].start)
    tables, base = [], {}
    longest, rows = LEAST_TABLE, 0
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for user in users:
        mean = np.atleast_1d(drawn.inputs[user.name].mean)
        different, which = np.unique(mean, return_inverse=True)
        found[user.name] = (different, which.reshape(-1))
        longest = max(longest, poisson_table(different).shape[1] if len(different) else 0)
        base[user.name] = rows
        # As many rows as there may be, in powers of two, so that other rates compile nothing.
        rows += 1 if np.ndim(drawn.inputs[user.name].mean) == 0 else _power_of_two(len(different))
        tables.append((different, rows))
    table = np.full((max(rows, 1), _power_of_two(longest)), 0xFFFFFFFF, np.uint32)
    for user, (different, _) in zip(users, tables, strict=True):
        if len(different):
            table[base[user.name] : base[user.name] + len(different)] = poisson_table(different, table.shape[1])
    covered = sum(s.n for s, _ in places) == n
    if len(users) == 1 and covered and np.ndim(drawn.inputs[users[0].name].mean) == 0:
        row: Any = np.int32(0)
    else:
        row = np.full(n, -1, np.int32)
        for s, name in places:
            which = found[name][1]
            row[s.start : s.start + s.n] = base[name] + (which[0] if len(which) == 1 else which[s.first : s.first + s.n])
    return PoissonCounts(table, row, _input_weights(users, places, n, drawn, dtype), _streams(places, n, drawn))


def _streams(places: list[tuple[Stretch, str]], n: int, drawn: Drawn) -> Streams:
    """Where the counts of inputs draw from, each of the neurons at its own index; `places` by their start."""
    segments: list[tuple[Key, int, int]] = []
    at = 0
    for s, name in places:
        if s.start > at:
            segments.append((Key(0), s.start - at, 0))
        begins = drawn.inputs[name].begins
        first = s.first if begins is None else begins[s.number]
        segments.append((Key(0).child("poisson").child(name).child("counts"), s.n, first))
        at = s.start + s.n
    if at < n:
        segments.append((Key(0), n - at, 0))
    return Streams.of(segments)


def _input_weights(users: list[User], places: list[tuple[Stretch, str]], n: int, drawn: Drawn, dtype: str) -> Any:
    values = {u.name: drawn.inputs[u.name].weight for u in users}
    traced = any(isinstance(v, jax.Array) for v in values.values())
    library: Any = jnp if traced else np
    if len(users) == 1 and not np.ndim(values[users[0].name]):
        return library.asarray(values[users[0].name], dtype)
    parts, at = [], 0
    for s, name in places:
        own = values[name][s.first : s.first + s.n] if np.ndim(values[name]) else values[name]
        parts += [library.zeros(s.start - at), library.broadcast_to(library.asarray(own), (s.n,))]
        at = s.start + s.n
    return library.concatenate([*parts, library.zeros(n - at)]).astype(dtype)


def _power_of_two(n: int) -> int:
    return 1 << max(n - 1, 0).bit_length()
