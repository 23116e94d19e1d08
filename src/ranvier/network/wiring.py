"""Projections and Poisson inputs, built: where the states of their synapses are, and what brings spikes to them."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import units
from ranvier.connect.assemble import EventEdges, assemble
from ranvier.connect.base import Edges
from ranvier.connect.part import Part, draw
from ranvier.connect.work import usable_cores
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.kernels.deliver_events import sort_edges
from ranvier.kernels.draws import poisson_table
from ranvier.model import Model, drawn, in_precision, parameters
from ranvier.network.common import initial_state, initial_values, moving_variables
from ranvier.network.plan import ALL_SPIKES, FeedPlan, GroupPlan, HistoryPlan, PopulationPlan, ProjectionPlan, SynapsesPlan
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.random import Distribution, Key
from ranvier.synapses.base import Presynaptic, SynapseModel

DENSE_FROM = 0.05  # share of pairs connected above which a matrix product beats a sum over edges
DENSE_UP_TO = 2**24  # entries
BLOCKS_FROM = 8192  # targets; below, no step has events enough for two threads
MOST_BLOCKS = 8


@dataclasses.dataclass
class Receptor:
    """The states of one linear synapse model on one group, and all that feeds them."""

    group: GroupPlan
    synapse: Any
    shareable: bool
    users: list[str] = dataclasses.field(default_factory=list)
    parts: list[Part] = dataclasses.field(default_factory=list)
    scaled: list[tuple[str, Part]] = dataclasses.field(default_factory=list)
    poisson: list[tuple[slice, np.ndarray, float]] = dataclasses.field(default_factory=list)
    initial: list[tuple[slice, dict[str, np.ndarray]]] = dataclasses.field(default_factory=list)
    name: str = ""

    def same_kinetics(self, group: GroupPlan, synapse: Any) -> bool:
        """Whether another synapse onto that group could share these states."""
        return (
            self.shareable
            and self.group is group
            and bool(jax.tree.structure(self.synapse) == jax.tree.structure(synapse))  # type: ignore[operator]
            and jax.tree.leaves(self.synapse) == jax.tree.leaves(synapse)
        )


@dataclasses.dataclass
class Wiring:
    """What building the projections gives."""

    synapses: list[SynapsesPlan] = dataclasses.field(default_factory=list)
    projections: list[ProjectionPlan] = dataclasses.field(default_factory=list)
    histories: list[HistoryPlan] = dataclasses.field(default_factory=list)
    constants: dict[str, Any] = dataclasses.field(default_factory=dict)
    feeds: dict[str, Any] = dataclasses.field(default_factory=dict)
    states: dict[str, Any] = dataclasses.field(default_factory=dict)
    edges: dict[str, Edges] = dataclasses.field(default_factory=dict)


class Wirer:
    """Builds every projection and Poisson input of a network whose populations are built."""

    def __init__(
        self,
        net: Network,
        populations: list[PopulationPlan],
        groups: list[GroupPlan],
        key: Key,
        dt: float,
        dtype: str,
        progress: Any = None,
    ):
        self.net, self.key, self.dt, self.dtype, self.progress = net, key, dt, dtype, progress
        self.populations = {p.name: p for p in populations}
        self.groups = {g.name: g for g in groups}
        self.n = sum(g.n for g in groups)
        self.receptors: list[Receptor] = []
        self.own_parts: dict[str, list[tuple[Receptor, int, int]]] = {}
        self.wiring = Wiring()

    def build(self) -> Wiring:
        for name, projection in self.net.projections.items():
            key = self.key.child("projection").child(name)
            if projection.synapse.site == "target" and projection.site == "target":
                self._to_receptors(name, projection, key)
            else:
                self._continuous(name, projection, key)
        for name, poisson in self.net.poisson.items():
            self._poisson(name, poisson, self.key.child("poisson").child(name))
        self._name_receptors()
        for receptor in self.receptors:
            self._finish(receptor)
        for name, parts in self.own_parts.items():
            others = [user for receptor, _, _ in parts for user in receptor.users if user != name]
            self.wiring.projections.append(
                ProjectionPlan(name, tuple((r.name, start, n) for r, start, n in parts), tuple(dict.fromkeys(others)))
            )
        self._histories()
        order = list(self.net.projections)
        self.wiring.projections.sort(key=lambda p: order.index(p.name))
        return self.wiring

    # -- targets -------------------------------------------------------------------------------

    def _pieces(self, targets: tuple[Population, ...]) -> list[tuple[GroupPlan, int, int, int]]:
        """The targets as `(group, where in the group, where among the targets, how many)`, neighbours joined."""
        pieces: list[tuple[GroupPlan, int, int, int]] = []
        before = 0
        for target in targets:
            plan = self.populations[self.net.name_of(target)]
            group = self.groups[plan.group]
            last = pieces[-1] if pieces else None
            if last is not None and last[0] is group and last[1] + last[3] == plan.start:
                pieces[-1] = (group, last[1], last[2], last[3] + plan.n)
            else:
                pieces.append((group, plan.start, before, plan.n))
            before += plan.n
        return pieces

    def _unit(self, name: str, synapse: SynapseModel, targets: tuple[Population, ...]) -> str:
        """The unit of a weight."""
        input_units = {t.model.input_unit for t in targets}
        if len(input_units) > 1:
            raise ParameterError(
                f"{name} goes to populations whose inputs are in different units ({', '.join(sorted(input_units))}). "
                "Make one projection for each."
            )
        unit = input_units.pop()
        return {"conductance": f"({unit})/mV", "potential": "mV"}.get(synapse.weight, unit)

    def _part(self, name: str, projection: Projection, key: Key, pre_offset: int, targets: tuple[tuple[int, int | None], ...]) -> Part:
        unit = self._unit(name, projection.synapse, projection.targets)
        return Part(
            name=name,
            rule=projection.rule,
            sources=projection.source.n,
            pre_offset=pre_offset,
            targets=targets,
            key=key,
            own=_own(projection),
            weight=units.magnitude(projection.weight, unit, f"The weight of {name}"),
            delay=units.magnitude(projection.delay, "ms", f"The delay of {name}"),
            dt=self.dt,
            conductance=projection.synapse.weight == "conductance",
        )

    # -- linear synapses, their state shared at the targets --------------------------------------

    def _receptor(self, name: str, group: GroupPlan, synapse: Any) -> Receptor:
        shareable = not any(np.ndim(leaf) for leaf in jax.tree.leaves(synapse))
        mine = next((r for r in self.receptors if shareable and r.same_kinetics(group, synapse)), None)
        if mine is None:
            mine = Receptor(group, synapse, shareable)
            self.receptors.append(mine)
        if name not in mine.users:
            mine.users.append(name)
        return mine

    def _spread(self, synapse: Any, targets: int, piece: tuple[GroupPlan, int, int, int]) -> Any:
        """A synapse with one value a target, for one piece of the targets: one value a neuron of the group."""
        group, start, first, n = piece

        def spread(value: Any) -> Any:
            if np.shape(value) != (targets,):
                return value
            whole = np.full(group.n, value[first] if n else 0.0)
            whole[start : start + n] = value[first : first + n]
            return whole

        return jax.tree.map(spread, synapse)

    def _to_receptors(self, name: str, projection: Projection, key: Key) -> None:
        if projection.synapse.emits:
            raise UnsupportedError(
                f"{name}: {type(projection.synapse).__name__} has its state at the target, and notes presynaptic spikes elsewhere. "
                "Give the projection short_term_plasticity instead, or the synapse the site 'source'."
            )
        if not projection.synapse.event_driven:
            raise UnsupportedError(
                f"{name}: {type(projection.synapse).__name__} has its state at the target, but neither `receive` nor `kick`: "
                "nothing would reach it. Write one of them, or choose the site 'source'."
            )
        targets = sum(t.n for t in projection.targets)
        synapse = drawn(projection.synapse, key, name, {"neuron": (targets, "target"), "target": (targets, "target")})
        given = _given_initial(projection, name, synapse, targets, key)
        source = self.populations[self.net.name_of(projection.source)]
        plastic = projection.short_term_plasticity is not None
        self.own_parts[name] = []
        for piece in self._pieces(projection.targets):
            group, start, first, n = piece
            receptor = self._receptor(name, group, self._spread(synapse, targets, piece))
            others = ((first, None), (n, start), (targets - first - n, None))
            part = self._part(name, projection, key, 0 if plastic else source.first, tuple(x for x in others if x[0]))
            if plastic:
                receptor.scaled.append((name, part))
            else:
                receptor.parts.append(part)
            receptor.initial.append((slice(start, start + n), {v: x[first : first + n] for v, x in given.items()}))
            self.own_parts[name].append((receptor, start, n))
        if plastic:
            self._short_term(name, projection, source, key)

    def _short_term(self, name: str, projection: Projection, source: PopulationPlan, key: Key) -> None:
        """The states of short-term plasticity: one a source neuron, beside the receptors'."""
        model = drawn(projection.short_term_plasticity, key.child("short_term_plasticity"), name, {"neuron": (source.n, "source")})
        values = {k: np.array(v, np.float64) for k, v in initial_state(model, source.n, key.child("short_term_plasticity")).items()}
        self.wiring.constants[name] = {"synapse": in_precision(model, self.dtype)}
        self.wiring.states[name] = {v: np.broadcast_to(x, (source.n,)).astype(self.dtype) for v, x in values.items()}
        self.wiring.synapses.append(
            SynapsesPlan(name, "source", source.n, tuple(values), (), source.name, (), (), (), False, False, True, False)
        )

    def _poisson(self, name: str, poisson: PoissonInput, key: Key) -> None:
        targets = sum(t.n for t in poisson.targets)
        unit = self._unit(name, poisson.synapse, poisson.targets)
        synapse = drawn(poisson.synapse, key, name, {"neuron": (targets, "target"), "target": (targets, "target")})
        weight = units.magnitude(poisson.weight, unit, f"The weight of {name}")
        if np.ndim(weight) or isinstance(weight, Distribution) or not np.isfinite(weight):
            raise ParameterError(f"The weight of {name} must be one finite number, not {weight!r}: one spike weighs as much as another.")
        if poisson.synapse.weight == "conductance" and weight < 0:
            raise ParameterError(f"The weight of {name} is {weight:g}, but a conductance cannot be negative.")
        mean = self._mean_count(name, poisson, targets, key)
        for piece in self._pieces(poisson.targets):
            group, start, first, n = piece
            receptor = self._receptor(name, group, self._spread(synapse, targets, piece))
            receptor.poisson.append((slice(start, start + n), mean[first : first + n], float(weight)))

    def _mean_count(self, name: str, poisson: PoissonInput, targets: int, key: Key) -> np.ndarray:
        """How many spikes each target has in a step, on average."""
        values = []
        for what, value, unit in (("rate", poisson.rate, "Hz"), ("sources", poisson.sources, "1")):
            value = units.magnitude(value, unit, f"The {what} of {name}")
            if isinstance(value, Distribution):
                value = value.draw(key.child(what), targets)
            array = np.asarray(value, np.float64)
            if array.shape not in ((), (targets,)):
                raise ParameterError(f"The {what} of {name} has the shape {array.shape}; it must be one number, or ({targets},).")
            if not (np.isfinite(array) & (array >= 0)).all():
                raise ParameterError(f"The {what} of {name} must be finite and not negative; it is {np.min(array):g}.")
            values.append(array)
        return np.broadcast_to(values[0] * values[1] * (self.dt / 1000.0), (targets,))

    def _name_receptors(self) -> None:
        taken = {*self.populations, *self.net.projections, *self.net.poisson}
        several = {user for r in self.receptors for user in r.users if sum(user in other.users for other in self.receptors) > 1}
        plastic = {name for name, p in self.net.projections.items() if p.short_term_plasticity is not None}
        for receptor in self.receptors:
            first, others = receptor.users[0], receptor.users[1:]
            if not others and first not in several and first not in plastic:
                receptor.name = first
                continue
            base = f"{' & '.join(receptor.users) if len(others) < 3 else f'{first} & {len(others)} more'} at {receptor.group.name}"
            receptor.name = base
            while receptor.name in taken:
                receptor.name += "'"
            taken.add(receptor.name)

    def _finish(self, receptor: Receptor) -> None:
        group, n = receptor.group, receptor.group.n
        key = self.key.child("receptor").child(receptor.name)
        synapse = receptor.synapse
        values = {k: np.array(np.broadcast_to(np.asarray(v, np.float64), (n,))) for k, v in initial_state(synapse, n, key).items()}
        base = {k: v.copy() for k, v in values.items()}
        for where, given in receptor.initial:
            for variable, value in given.items():
                values[variable][where] += value - base[variable][where]
        t = jnp.zeros(())
        moving = moving_variables(synapse, jax.eval_shape(lambda s: synapse.derivatives(s, None, t), values), values, receptor.name)
        transmits = jax.eval_shape(lambda s: synapse.transmit(s, None, t), values) is not None
        blocks = min(usable_cores(), MOST_BLOCKS) if n >= BLOCKS_FROM else 1
        feeds = []
        if receptor.parts:
            feeds.append(FeedPlan(receptor.name, ALL_SPIKES))
            self.wiring.feeds[receptor.name] = assemble(receptor.parts, self.n, n, self.dtype, self.progress, blocks)
        for i, (name, part) in enumerate(receptor.scaled):
            feed = FeedPlan(f"{receptor.name} {i}", name)
            feeds.append(feed)
            self.wiring.feeds[feed.name] = assemble([part], part.sources, n, self.dtype, self.progress, blocks)
        poisson = _in_layers(receptor.poisson, n, self.dtype)
        self.wiring.constants[receptor.name] = {"synapse": in_precision(synapse, self.dtype), "poisson": poisson}
        self.wiring.constants[receptor.name]["first"] = np.uint32(group.first)
        self.wiring.states[receptor.name] = {v: x.astype(self.dtype) for v, x in values.items()}
        self.wiring.synapses.append(
            SynapsesPlan(
                name=receptor.name,
                site="target",
                states=n,
                variables=tuple(values),
                moving=moving,
                source=None,
                targets=((group.name, 0, n),),
                feeds=tuple(feeds),
                poisson=tuple(f"poisson {i} {receptor.name}" for i in range(len(poisson))),
                transmits=transmits,
                kicks=type(synapse).kick is not SynapseModel.kick,
                emits=False,
                dense=False,
            )
        )

    def _histories(self) -> None:
        slots: dict[str, int] = {}
        for synapses in self.wiring.synapses:
            for feed in synapses.feeds:
                longest = int(np.max(self.wiring.feeds[feed.name].delays, initial=0))
                slots[feed.spikes] = max(slots.get(feed.spikes, 0), longest + 1)
        for name, length in slots.items():
            source = None if name == ALL_SPIKES else self.net.name_of(self.net.projections[name].source)
            self.wiring.histories.append(HistoryPlan(name, source, length))

    # -- synapses with a state a source, or a state an edge ---------------------------------------

    def _continuous(self, name: str, projection: Projection, key: Key) -> None:
        source = self.populations[self.net.name_of(projection.source)]
        targets = sum(t.n for t in projection.targets)
        part = self._part(name, projection, key, source.first, ((targets, 0),))
        everything = draw(part)
        edges = everything.edges(range(targets))
        weight, delay = everything.weights(edges), everything.steps(edges)
        site = _site(projection, source.n, len(edges))
        states = {"source": source.n, "edge": len(edges)}[site]
        synapse: Any = projection.synapse
        if site == "edge" and synapse.site == "source":
            synapse = _spread_over_edges(synapse, source.n, edges)
        synapse = drawn(synapse, key, name, {"neuron": (states, site), "target": (targets, "target")})
        delivered = synapse.event_driven
        self._check_continuous(name, synapse, site, delivered, delay)
        start = initial_state(synapse, states, key.child("model"))
        values = initial_values(projection.initial, start, states, key, name, "state", lambda v: synapse.variable_units.get(v, "1"))
        variables = jax.eval_shape(lambda: projection.source.model.initial_state(states, key))
        pre = Presynaptic({k: jnp.zeros(states) for k in variables})
        t = jnp.zeros(())
        moving = moving_variables(synapse, jax.eval_shape(lambda s: synapse.derivatives(s, pre, t), values), values, name)
        dense = site != "edge" and targets * source.n <= DENSE_UP_TO and len(edges) >= DENSE_FROM * targets * source.n
        constants: dict[str, Any] = {"synapse": in_precision(synapse, self.dtype)}
        if dense:
            matrix = np.zeros((targets, source.n))
            np.add.at(matrix, (edges.post, edges.pre), weight)
            constants["matrix"] = matrix.astype(self.dtype)
        else:
            rows = np.searchsorted(edges.post, np.arange(targets + 1)).astype(np.int32)
            constants.update(rows=rows, pre=edges.pre, weight=weight.astype(self.dtype))
        feeds: tuple[FeedPlan, ...] = ()
        if delivered:
            feeds = (FeedPlan(name, ALL_SPIKES),)
            onto, order = sort_edges(edges.pre + source.first, np.arange(states), delay, self.n, states)
            self.wiring.feeds[name] = EventEdges(onto.delays, onto.segments, onto.target, weight[order].astype(self.dtype), onto.bounds)
        self.wiring.constants[name] = constants
        self.wiring.edges[name] = edges
        self.wiring.states[name] = {v: x if synapse.variable_units.get(v) == "ms" else x.astype(self.dtype) for v, x in values.items()}
        self.wiring.synapses.append(
            SynapsesPlan(
                name=name,
                site=site,
                states=states,
                variables=tuple(values),
                moving=moving,
                source=source.name,
                targets=tuple((g.name, start, n) for g, start, _, n in self._pieces(projection.targets)),
                feeds=feeds,
                poisson=(),
                transmits=jax.eval_shape(lambda s: synapse.transmit(s, pre, t), values) is not None,
                kicks=False,
                emits=synapse.emits,
                dense=dense,
            )
        )
        self.wiring.projections.append(ProjectionPlan(name, ((name, 0, states),), ()))

    def _check_continuous(self, name: str, synapse: SynapseModel, site: str, delivered: bool, delays: np.ndarray) -> None:
        kind = type(synapse).__name__
        if not delivered and delays.any():
            raise UnsupportedError(
                f"{name}: {kind} acts continuously, and delayed continuous coupling is not supported. "
                "Leave delay at 0; a synapse with a delay of its own (Cholinergic(delay=…)) has it as a parameter."
            )
        if delivered and synapse.emits and site == "edge":
            raise UnsupportedError(f"{name}: {kind} notes presynaptic spikes on its own, which is not supported at the site 'edge'.")
        if delivered and site == "source":
            raise UnsupportedError(
                f"{name}: {kind} has its state at the source, where no spikes arrive: choose the site 'target' or 'edge'."
            )
        if delivered and type(synapse).kick is not SynapseModel.kick:
            raise UnsupportedError(f"{name}: {kind} kicks the membrane at once and has no state to keep at the edges. Leave out `site`.")


def _in_layers(inputs: list[tuple[slice, np.ndarray, float]], n: int, dtype: str) -> list[dict[str, Any]]:
    """Poisson inputs gathered into as few draws as possible: those that reach different neurons are one.

    Each has a table of thresholds for every distinct mean, the row in it of each
    neuron (−1: nothing), and the weight.
    """
    layers: list[tuple[np.ndarray, np.ndarray]] = []
    for where, mean, weight in inputs:
        layer = next((layer for layer in layers if np.isnan(layer[0][where]).all()), None)
        if layer is None:
            layer = (np.full(n, np.nan), np.zeros(n))
            layers.append(layer)
        layer[0][where], layer[1][where] = mean, weight
    result = []
    for means, each in layers:
        reached = ~np.isnan(means)
        different, rows = np.unique(means[reached], return_inverse=True)
        row = np.full(n, -1, np.int32)
        row[reached] = rows
        one = np.unique(each[reached])
        result.append(
            {
                "table": poisson_table(different),
                "row": np.int32(0) if reached.all() and len(different) == 1 else row,
                "weight": np.asarray(one[0] if len(one) == 1 else each, dtype),
            }
        )
    return result


def _own(projection: Projection) -> int | None:
    """Where the sources begin among the targets, when they are among them."""
    before = 0
    for target in projection.targets:
        if target is projection.source:
            return before
        before += target.n
    return None


def _given_initial(projection: Projection, name: str, synapse: SynapseModel, targets: int, key: Key) -> dict[str, np.ndarray]:
    """The initial values that the user gave, `[targets]` each."""
    if not projection.initial:
        return {}
    start = initial_state(synapse, targets, key.child("model"))
    values = initial_values(projection.initial, start, targets, key, name, "state", lambda v: synapse.variable_units.get(v, "1"))
    return {v: x for v, x in values.items() if not np.array_equal(x, np.broadcast_to(np.asarray(start[v], np.float64), (targets,)))}


def _site(projection: Projection, sources: int, edges: int) -> str:
    """Where the state lives: kinetics given one value an edge promote a model to the edges."""
    if projection.site == "source" and edges != sources:
        for _, info, value in parameters(projection.synapse):
            if info.per == "neuron" and np.shape(value) == (edges,):
                return "edge"
    return projection.site


def _spread_over_edges(synapse: Model, sources: int, edges: Edges) -> Model:
    """A source-site model moved to the edges: parameters with one value a source get one an edge."""
    changes = {
        name: np.asarray(value)[edges.pre]
        for name, info, value in parameters(synapse)
        if info.per == "neuron" and np.shape(value) == (sources,) and sources != len(edges)
    }
    return synapse.replace(**changes) if changes else synapse
