"""Many sets of a sweep in one run: the network several times over, side by side, each copy with the numbers of a set.

What a neuron does is the same to the bit whoever stands beside it, so a copy does what the network does alone. Each
population keeps its name and has its copies' neurons one after the other; edges join neurons of one copy alone.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

from ranvier.connect.base import ConnectionRule, Edges, Rows, kept_rows
from ranvier.connect.part import DrawnPart, Part
from ranvier.connect.part import draw as draw_edges
from ranvier.kernels.draws import Streams
from ranvier.model import parameters, with_parameters
from ranvier.network import loop
from ranvier.network.draw import Drawn, DrawnInput, DrawnPopulation, DrawnProjection
from ranvier.network.layout import Layout
from ranvier.network.plan import LayoutChanged
from ranvier.network.spec import Network, resized
from ranvier.network.state import SimulationState, seed_words, with_step
from ranvier.network.transfer import continued
from ranvier.network.working import StepState
from ranvier.record.memory import MemorySink
from ranvier.record.plan import Readable, RecordPlan
from ranvier.record.record import Record
from ranvier.result import Recorded, Result, Spikes
from ranvier.run import Run
from ranvier.simulation import GRID, Simulation


class NotAlike(Exception):
    """Sets that cannot run side by side, and why."""


def why_not(sim: Simulation, paths: Sequence[str]) -> str:
    """Why the sets of a sweep cannot run side by side; empty where they can."""
    if sim.spike_timing != GRID:
        return "its spikes lie within the step"
    for name, population in sim.drawn.populations.items():
        if population.facts.alone:
            return f"the equations of {name} look across its neurons"
    for name, projection in sim.drawn.projections.items():
        if projection.site != "target":
            return f"{name} has its states at the {projection.site}s"
        if projection.plasticity is not None:
            return f"{name} learns"
    for receptor in sim.layout.receptors:
        for user in receptor.users if len(receptor.users) > 1 else ():
            if any(path.partition(".")[0] == user.name and not _of_wiring(path) for path in paths):
                return f"{user.name} shares its states with others as long as their kinetics are equal"
    for record in sim.recorded:
        if record.function is not None or record.reduce is not None:
            return f"{record!r} is computed from all neurons"
    return ""


def _of_wiring(path: str) -> bool:
    within = path.partition(".")[2]
    return within in ("weight", "delay", "rate", "sources") or within.startswith("short_term_plasticity.")


class Islands:
    """A network, prepared, several times over.

    Args:
        sim: the network.
        count: how many copies.
        paths: what changes from set to set, and so has one value a neuron.
    """

    def __init__(self, sim: Simulation, count: int, paths: Sequence[str]):
        self.sim, self.count, self.paths = sim, count, tuple(paths)
        self.network = _repeated(sim.network, count)
        self.records = [_record(r, sim.network, count) for r in sim.recorded]
        self.layout: Layout | None = None
        self._readable: Readable | None = None
        self._edges: dict[Any, Any] = {}

    def start(self, sets: Sequence[Drawn], initials: Sequence[SimulationState | None], steps: int, at: Any = None) -> IslandsRun:
        """A run of `count` sets, ready to be executed; `at` is the state of all of them, after a run of the same sets.

        Raises:
            NotAlike: they cannot run side by side.
        """
        drawn = self._drawn(sets)
        if self.layout is None:
            self._lay_out(drawn)
        assert self.layout is not None
        try:
            constants = self.layout.constants(drawn)
        except LayoutChanged:
            self._lay_out(drawn)
            constants = self.layout.constants(drawn)
        constants = jax.tree.map(
            lambda x: _streams(x, self.count) if isinstance(x, Streams) else x, constants, is_leaf=lambda x: isinstance(x, Streams)
        )
        if len({d.seed for d in sets}) > 1 and any(isinstance(x, Streams) for x in _nodes(constants)):
            raise NotAlike("what is drawn while it runs comes from one seed")
        shared = jax.device_put(loop.Shared(constants))
        own = self.layout.initial(drawn)
        state = self._state(sets, initials, own) if at is None else continued(own, with_step(knowing_as_much(at, own), drawn.dt))
        begin = int(state.step)
        outside = self.layout.outside(drawn)
        if self._readable is None or self._readable.plan is not self.layout.plan:
            self._readable = Readable(self.layout.plan, constants, own, outside)
        dt = drawn.dt
        for one in {id(d): d for d in sets}.values():
            for name, population in one.populations.items():
                population.model.check_times(begin, begin + steps, dt, name)
        plan = RecordPlan(self.network, self._readable, self.records, begin, begin + steps, dt)
        info = {
            "dt": dt,
            "integrator": type(self.layout.integrator).__name__,
            "precision": self.sim.precision,
            "native": {p.name: self.layout.chosen.groups[p.group].native for p in self.layout.plan.populations},
            "build_seconds": 0.0,
        }
        run = IslandsRun(
            self.network,
            self.layout,
            shared,
            state,
            outside,
            records=plan,
            sink=lambda run: MemorySink(run.plan),
            duration_steps=steps,
            info=info,
        )
        run.copies = self.count
        return run

    def results(self, result: Result, sets: Sequence[Drawn]) -> Callable[[int], Result]:
        """What each set alone would have given."""
        spikes = _spikes_of_each(result.spikes, self.count)

        def of(i: int) -> Result:
            seed = sets[i].seed
            state = lambda: self._state_of(result.state, i, seed)
            return Result(self.sim.network, spikes[i], self._records_of(result.records, i), state, {**result.info, "seed": seed})

        return of

    def _records_of(self, records: list[Recorded], i: int) -> list[Recorded]:
        mine = []
        for record in records:
            copies, own = self._origins(record.part)
            columns = np.flatnonzero(copies[record.neurons] == i)
            values = record.values[:, columns]
            mine.append(dataclasses.replace(record, values=values, neurons=own[record.neurons[columns]]))
        return mine

    def _origins(self, part: str) -> tuple[np.ndarray, np.ndarray]:
        """For each neuron or state of a part the copy that it belongs to, and its number there."""
        places = places_of(_sizes(self.sim.network, part), self.count)
        copies, own = np.empty(places.size, np.int64), np.empty(places.size, np.int64)
        copies[places] = np.arange(self.count)[:, None]
        own[places] = np.arange(places.shape[1])
        return copies, own

    # -- the network, drawn ------------------------------------------------------------------------

    def _lay_out(self, drawn: Drawn) -> None:
        alone = self.sim.layout
        layout = Layout(self.network, drawn, alone.dtype, alone.integrators, apart=alone.apart)
        users = lambda each: [(r.group.members, [u.name for u in r.users]) for r in each.receptors]
        kinds = lambda each: [(g.members, g.fires, g.refractory, g.noisy, _method(g.linear), g.pointwise) for g in each.plan.groups]
        if users(layout) != users(alone) or kinds(layout) != kinds(alone) or layout.integrator != alone.integrator:
            raise NotAlike("side by side it would be computed in another way")
        self.layout = layout

    def _drawn(self, sets: Sequence[Drawn]) -> Drawn:
        first = sets[0]
        populations = {name: self._population(name, [d.populations[name] for d in sets]) for name in first.populations}
        projections = {name: self._projection(name, [d.projections[name] for d in sets]) for name in first.projections}
        inputs = {name: self._input(name, [d.inputs[name] for d in sets]) for name in first.inputs}
        return Drawn(first.seed, first.dt, first.numbers, populations, projections, inputs)

    def _population(self, name: str, own: list[DrawnPopulation]) -> DrawnPopulation:
        n, first = own[0].n, own[0]
        given = None
        if first.given is not None:
            steps = np.concatenate([p.given[0] for p in own if p.given is not None])
            neurons = np.concatenate([p.given[1] + i * n for i, p in enumerate(own) if p.given is not None])
            order = np.lexsort((neurons, steps))
            given = steps[order], neurons[order]
        return dataclasses.replace(
            first,
            n=n * self.count,
            model=self._model(name, "", [p.model for p in own], (n,), given is not None),
            stimulus=None if first.stimulus is None else self._model(name, "current.", [p.stimulus for p in own], (n,)),
            values={v: np.concatenate([p.values[v] for p in own]) for v in first.values},
            last_spike=np.concatenate([p.last_spike for p in own]),
            given=given,
        )

    def _model(self, part: str, prefix: str, own: list[Any], sizes: tuple[int, ...], given: bool = False) -> Any:
        """A model with one value a neuron where that differs from copy to copy, or did before."""
        if any(jax.tree.structure(m) != jax.tree.structure(own[0]) for m in own):  # type: ignore[operator]
            raise NotAlike(f"{part} is not of one structure")
        changed = {}
        for columns in zip(*(parameters(m) for m in own), strict=True):
            path, info, value = columns[0]
            values = [v for _, _, v in columns]
            if info.per == "sample":
                if not given and not all(v is value or np.array_equal(v, value) for v in values):
                    raise NotAlike(f"{part}.{prefix}{path} is one for all neurons")
                if np.ndim(value) == 2:
                    changed[path] = np.tile(np.asarray(value), (1, self.count))
                continue
            if self._same(part, prefix + path, values):
                continue
            changed[path] = by_target([np.broadcast_to(np.asarray(v, np.float64), (sum(sizes),)) for v in values], sizes)
        return with_parameters(own[0], changed) if changed else own[0]

    def _same(self, part: str, within: str, values: list[Any]) -> bool:
        """Whether one number serves all copies, in every batch of the sweep."""
        swept = any(path == f"{part}.{within}" or f"{part}.{within}".startswith(f"{path}.") for path in self.paths)
        return not swept and all(np.ndim(v) == 0 and v == values[0] for v in values)

    def _input(self, name: str, own: list[DrawnInput]) -> DrawnInput:
        if any(i.changing is not None for i in own):
            raise NotAlike("a Poisson input changes in time or is correlated")
        sizes = tuple(t.n for t in own[0].input.targets)
        rated = any(f"{name}.{what}" in self.paths for what in ("rate", "sources"))
        mean: Any = own[0].mean
        if rated or any(np.ndim(i.mean) or i.mean != mean for i in own):
            mean = by_target([np.broadcast_to(i.mean, (sum(sizes),)) for i in own], sizes)
        weight: Any = own[0].weight
        if not self._same(name, "weight", [i.weight for i in own]):
            weight = by_target([np.full(sum(sizes), i.weight) for i in own], sizes)
        synapse = self._model(name, "", [i.synapse for i in own], sizes)
        return dataclasses.replace(own[0], input=self.network.poisson[name], synapse=synapse, mean=mean, weight=weight)

    def _projection(self, name: str, own: list[DrawnProjection]) -> DrawnProjection:
        spec = self.network.projections[name]
        if any(p.release is not None or p.edge_rule is not None for p in own):
            raise NotAlike(f"the edges of {name} answer each spike in their own way")
        sizes = tuple(t.n // self.count for t in spec.targets)
        sources = (spec.source.n // self.count,)
        short, start = own[0].short_term, own[0].short_term_values
        if short is not None:
            short = self._model(name, "short_term_plasticity.", [p.short_term for p in own], sources)
            start = {v: np.concatenate([p.short_term_values[v] for p in own]) for v in start}
        return dataclasses.replace(
            own[0],
            projection=spec,
            synapse=self._model(name, "", [p.synapse for p in own], sizes),
            values={v: by_target([np.asarray(p.values[v]) for p in own], sizes) for v in own[0].values},
            part=self._part(name, [p.part for p in own], sizes),
            short_term=short,
            short_term_values=start,
        )

    def _part(self, name: str, parts: list[Part], sizes: tuple[int, ...]) -> Part:
        known = self._edges.get(name)
        if known is not None and len(known[0]) == len(parts) and all(a is b for a, b in zip(known[0], parts, strict=True)):
            whole: Part = known[1]
            return whole
        drawn: dict[int, _Copy] = {}
        for part in parts:
            if id(part) not in drawn:
                drawn[id(part)] = _copy_of(part)
        mine = [drawn[id(part)] for part in parts]
        slices = _slices([one.drawn.begins for one in mine], sizes)
        together = lambda each: np.concatenate([each(one)[some] for k in slices for one, some in zip(mine, k, strict=True)])
        of_one = {one.drawn.one_weight for one in mine}
        shared = None not in of_one and len(of_one) == 1 and not any(path == f"{name}.weight" for path in self.paths)
        delays = {one.one_delay for one in mine}
        delay: Any = delays.pop() if len(delays) == 1 and None not in delays else together(lambda one: one.steps)
        whole = dataclasses.replace(
            parts[0],
            rule=_Given(_side_by_side(mine, slices, parts[0].sources, sizes), type(parts[0].rule).fixed),
            sources=parts[0].sources * len(parts),
            targets=((sum(sizes) * len(parts), 0),),
            own=None,
            weight=of_one.pop() if shared else together(lambda one: one.weights),
            delay=delay * parts[0].dt,
        )
        self._edges[name] = (list(parts), whole)
        return whole

    # -- states --------------------------------------------------------------------------------------

    def _state(self, sets: Sequence[Drawn], initials: Sequence[SimulationState | None], own: SimulationState) -> SimulationState:
        """The state at the start."""
        if all(given is None for given in initials):
            return own
        each = []
        for drawn, given in zip(sets, initials, strict=True):
            alone = self.sim.layout.initial(drawn)
            each.append(alone if given is None else continued(alone, with_step(given, drawn.dt)))
        if len({int(s.step) for s in each}) > 1:
            raise NotAlike("the initial states are of different times")
        if any(jax.tree.leaves(s.memory) for s in each):
            raise NotAlike("the integrator remembers earlier steps")
        net = self.sim.network
        joined = lambda values, axis=0: np.concatenate([np.asarray(v) for v in values], axis=axis)
        synapses: dict[str, dict[str, Any]] = {}
        for name, variables in each[0].synapses.items():
            targets = (net.projections.get(name) or net.poisson[name]).targets
            sizes = tuple(t.n for t in targets)
            synapses[name] = {}
            for v, value in variables.items():
                values = [s.synapses[name][v] for s in each]
                synapses[name][v] = by_target(values, sizes) if len(value) == sum(sizes) else joined(values)
        slots = {name: rows.shape[0] for name, rows in own.in_flight.items()}
        return SimulationState(
            step=each[0].step,
            neurons={name: {v: joined([s.neurons[name][v] for s in each]) for v in own} for name, own in each[0].neurons.items()},
            synapses=synapses,
            last_spike={name: joined([s.last_spike[name] for s in each]) for name in each[0].last_spike},
            in_flight={name: _in_slots(joined([s.in_flight[name] for s in each], 1), slots[name]) for name in each[0].in_flight},
            crossed={name: joined([s.crossed[name] for s in each]) for name in each[0].crossed},
            memory=(),
            dt=own.dt,
            seed=own.seed,
        )

    def _state_of(self, state: SimulationState, i: int, seed: int) -> SimulationState:
        """The state of one copy."""
        places = {part: places_of(_sizes(self.sim.network, part), self.count)[i] for part in (*state.neurons, *state.synapses)}

        def mine(part: str, value: Any) -> Any:
            if value.shape[-1] == places[part].size * self.count:
                return value[..., places[part]]
            n = value.shape[-1] // self.count  # at the source, of one population
            return value[..., i * n : (i + 1) * n]

        net = self.sim.network
        source = lambda name: name if name in net.populations else net.name_of(net.projections[name].source)
        return dataclasses.replace(
            state,
            neurons={part: {v: mine(part, x) for v, x in own.items()} for part, own in state.neurons.items()},
            synapses={part: {v: mine(part, x) for v, x in own.items()} for part, own in state.synapses.items()},
            last_spike={part: mine(part, x) for part, x in state.last_spike.items()},
            in_flight={name: mine(source(name), rows) for name, rows in state.in_flight.items()},
            crossed={part: mine(part, x) for part, x in state.crossed.items()},
            memory=(),
            seed=seed_words(seed),
        )


class IslandsRun(Run):
    """A run of many sets: one that goes wrong leaves the others alone.

    Attributes:
        copies: how many sets there are.
        wrong: those whose state went wrong.
    """

    copies = 1
    wrong: frozenset[int] = frozenset()

    def _diverged(self, step: loop.Compiled, state: StepState, backup: StepState | None, k: int, bad_at: int) -> None:
        held = {name: dict(values) for name, values in state.fixed.items()}
        for name, values in self._unpack(state.moving).items():
            held.setdefault(name, {}).update(values)
        largest = dict(zip((g.name for g in self.structure.groups), self.program.largest, strict=True))
        place = {g.name: g for g in self.structure.groups}
        for owner, variable in loop.checked_variables(self.structure):
            values = np.asarray(held[owner][variable])
            bad = ~np.isfinite(values)
            if variable == "V" and owner in largest:
                bad |= np.abs(values) > largest[owner]
            if not bad.any():
                continue
            group = place.get(owner) or place.get(getattr(self.structure.synapses_named(owner), "group", ""))
            self.wrong |= frozenset(self._copies_of(np.flatnonzero(bad), group))

    def _copies_of(self, places: np.ndarray, group: Any) -> list[int]:
        """The copies that neurons of a group, by their places in it, belong to."""
        if group is None:
            return list(range(self.copies))
        found: set[int] = set()
        start = 0
        for size in group.sizes:
            mine = places[(places >= start) & (places < start + size)] - start
            found |= set((mine // (size // self.copies)).tolist())
            start += size
        return sorted(found)


# -- pieces ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, eq=False)
class _Given(ConnectionRule):
    """Edges that are there already."""

    given: Edges
    fixed: str = ""  # type: ignore[misc]

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Any) -> Edges:
        return kept_rows(self.given, targets).block(block)

    def rows(self, sources: int, targets: int, own: int | None, key: Any) -> Rows:
        return kept_rows(self.given, targets)


def by_target(each: Sequence[np.ndarray], sizes: tuple[int, ...]) -> np.ndarray:
    """What each copy has for its targets, as the copies' targets lie."""
    if len(sizes) == 1:
        return np.concatenate([np.asarray(v) for v in each])
    values = np.stack([np.asarray(v) for v in each])
    placed = np.empty(values.size, values.dtype)
    placed[places_of(sizes, len(each))] = values
    return placed


@dataclasses.dataclass(frozen=True, eq=False)
class _Copy:
    """A copy's share of a projection, drawn: what all its edges have in common is not asked of each."""

    drawn: DrawnPart
    edges: Edges

    @functools.cached_property
    def weights(self) -> np.ndarray:
        """One an edge."""
        return self.drawn.weights(self.edges)

    @functools.cached_property
    def steps(self) -> np.ndarray:
        """The delay of each edge in steps."""
        return self.drawn.steps(self.edges)

    @functools.cached_property
    def one_delay(self) -> int | None:
        """The delay that all have (steps), if they were given one."""
        given = self.drawn.given_steps
        return None if given is None or given.ndim else int(given)


def _copy_of(part: Part) -> _Copy:
    drawn = draw_edges(part)
    return _Copy(drawn, drawn.edges(range(part.size)))


def _slices(begins: Sequence[np.ndarray], sizes: tuple[int, ...]) -> list[list[slice]]:
    """For each target population, where each copy has the edges onto it. Those of all copies, one after the other, are a projection's."""
    firsts = np.cumsum([0, *sizes])
    return [[slice(own[low], own[high]) for own in begins] for low, high in itertools.pairwise(firsts)]


def _side_by_side(mine: Sequence[_Copy], slices: list[list[slice]], sources: int, sizes: tuple[int, ...]) -> Edges:
    """The edges of all copies as those of one projection."""
    count, first = len(mine), 0
    pre, post = [], []
    for n, some in zip(sizes, slices, strict=True):
        for i, (one, own) in enumerate(zip(mine, some, strict=True)):
            pre.append(one.edges.pre[own] + np.int32(i * sources))
            post.append(one.edges.post[own] + np.int32(first * (count - 1) + i * n))
        first += n
    return Edges(np.concatenate(pre), np.concatenate(post))


def _repeated(net: Network, count: int) -> Network:
    """The network with its populations so many times as large, and their names."""
    if any(len(q.sources) > 1 for q in net.projections.values()):
        raise NotAlike("a projection comes from several populations")
    return resized(net, {name: p.n * count for name, p in net.populations.items()})


def _record(record: Record, net: Network, count: int) -> Record:
    """A record of all copies."""
    new = copy.copy(record)
    new.part = net.find(record.part or "")[0]
    if record.neurons is not None:
        new.neurons = places_of(_sizes(net, new.part), count)[:, record.neurons].ravel()
    return new


def _sizes(net: Network, part: str) -> tuple[int, ...]:
    """How many neurons a population has, or each of a projection's or input's targets."""
    if part in net.populations:
        return (net.populations[part].n,)
    return tuple(t.n for t in (net.projections.get(part) or net.poisson[part]).targets)


def places_of(sizes: tuple[int, ...], count: int) -> np.ndarray:
    """Where each copy's neurons lie: of each population all copies, one after the other; `[count, neurons]`."""
    firsts = np.cumsum([0, *sizes[:-1]]) * count
    each = [first + np.arange(count * n).reshape(count, n) for first, n in zip(firsts, sizes, strict=True)]
    return np.concatenate(each, axis=1)


def _streams(streams: Streams, count: int) -> Streams:
    """Each copy draws what the network alone draws."""
    sizes = np.diff(streams.end, prepend=0) // count
    repeated = lambda values: np.repeat(values, count)
    ends = np.cumsum(repeated(sizes)).astype(np.int32)
    return Streams(repeated(streams.stream), repeated(streams.first // count), ends)


def _nodes(tree: Any) -> list[Any]:
    return jax.tree.leaves(tree, is_leaf=lambda x: isinstance(x, Streams))


def _method(linear: Any) -> Any:
    return None if linear is None else (linear.exact is not None, linear.whole is not None)


def knowing_as_much(state: SimulationState, own: SimulationState) -> SimulationState:
    """A state that one layout has left, for another that looks back further: delays that the first had room for ask for no more."""
    rows = {name: _in_slots(x, max(len(x), len(own.in_flight.get(name, x)))) for name, x in state.in_flight.items()}
    return dataclasses.replace(state, in_flight=rows)


def _in_slots(rows: np.ndarray, slots: int) -> np.ndarray:
    """A history of the last steps with so many of them."""
    if len(rows) >= slots:
        return rows[:slots]
    return np.concatenate([rows, np.zeros((slots - len(rows), *rows.shape[1:]), rows.dtype)])


def _spikes_of_each(spikes: Spikes, count: int) -> list[Spikes]:
    """The spikes of each copy."""
    populations = {name: (first // count, n // count) for name, (first, n) in spikes.populations.items()}
    firsts = np.array([first for first, _ in spikes.populations.values()])
    sizes = np.array([n // count for _, n in spikes.populations.values()])
    own = np.array([first for first, _ in populations.values()])
    steps, neurons = spikes.steps, spikes.neurons
    which = np.searchsorted(firsts, neurons, side="right") - 1
    within = neurons - firsts[which]
    copy_of, index = within // np.maximum(sizes[which], 1), within % np.maximum(sizes[which], 1) + own[which]
    order = np.lexsort((index, steps, copy_of))
    ends = np.searchsorted(copy_of[order], np.arange(1, count))
    facts: dict[str, Any] = {
        "n": spikes.n // count,
        "dt": spikes.dt,
        "start": spikes.start,
        "stop": spikes.stop,
        "populations": populations,
    }
    return [Spikes(s, i, **facts) for s, i in zip(np.split(steps[order], ends), np.split(index[order].astype(np.int32), ends), strict=True)]
