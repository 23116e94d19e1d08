"""The state in and out of the compiled step's own layout. On the host with NumPy, inside a trace with JAX: one text for both."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError
from ranvier.kernels.deliver_events import SpikeHistory
from ranvier.kernels.due_edges import put
from ranvier.memory import aligned_empty
from ranvier.network.learning import INCOMING, WEIGHT
from ranvier.network.plan import GroupPlan, HistoryPlan, MergedPlan, Plan, PlasticPlan, ReceptorPlan, ResponsePlan, ShortTermPlan, WirePlan
from ranvier.network.recall import SENT
from ranvier.network.state import SimulationState
from ranvier.network.working import LONG_AGO, StepState

Variables = dict[str, dict[str, Any]]
BY_AGE, AT_SOURCES, AT_TARGETS = ("pre", "before", "dendrite", SENT), ("pre", "before"), ("post", "dendrite", INCOMING)
"""Traces that are kept step by step, those of sources and those of targets: the first words of their names."""
WIRING = ("pre", "post", "delay")
LARGE = 2**20
"""Bytes from which on what edges have begins in memory of JAX's own. What is NumPy's it copies before the first change, and keeps both."""


def end_to_end(plan: Plan, by_group: dict[str, Any], library: Any = jnp) -> Any:
    """What each group has for its neurons, for all populations in the user's order."""
    parts = [by_group[group][start : start + n] if n != plan.group(group).n else by_group[group] for group, start, n in runs(plan)]
    return parts[0] if len(parts) == 1 else library.concatenate(parts)


def runs(plan: Plan) -> list[tuple[str, int, int]]:
    """Stretches of populations that lie together in their group as they do in the network: `(group, start, n)`."""
    found: list[tuple[str, int, int]] = []
    for p in plan.populations:
        if found and found[-1][0] == p.group and found[-1][1] + found[-1][2] == p.start:
            found[-1] = (p.group, found[-1][1], found[-1][2] + p.n)
        else:
            found.append((p.group, p.start, p.n))
    return found


def by_group(plan: Plan, of_all: Any, library: Any = jnp) -> dict[str, Any]:
    """What lies in the user's order for all neurons, for each group."""
    pieces: dict[str, list[tuple[int, Any]]] = {}
    first = 0
    for group, start, n in runs(plan):
        pieces.setdefault(group, []).append((start, of_all[first : first + n]))
        first += n
    ordered = {group: [piece for _, piece in sorted(own, key=lambda pair: pair[0])] for group, own in pieces.items()}
    return {group: own[0] if len(own) == 1 else library.concatenate(own) for group, own in ordered.items()}


@dataclasses.dataclass(frozen=True, eq=False)
class Wiring:
    """Edges that come and go, sorted by target, then source.

    Attributes:
        pre, post: sources and targets, int32 `[edges]`.
        delay: in steps, int32 `[edges]`.
    """

    pre: np.ndarray
    post: np.ndarray
    delay: np.ndarray

    def named(self) -> dict[str, np.ndarray]:
        """As a state has them."""
        return {name: np.array(getattr(self, name)) for name in WIRING}


@dataclasses.dataclass(frozen=True)
class Outside:
    """What is known of the network outside the compiled step, beside its plan.

    Attributes:
        heard: the populations whose spikes are delivered from the history of all.
        places: of each projection that learns, where each edge, sorted by target, then source, stands in the order of delivery.
        wirings: of each whose edges come and go, those that are there.
        numbers: of each whose edges have short-term plasticity of their own, which of all edges those here are, ascending.
    """

    heard: tuple[str, ...]
    places: Mapping[str, np.ndarray]
    wirings: Mapping[str, Wiring] = dataclasses.field(default_factory=dict)
    numbers: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)


def enter(plan: Plan, state: SimulationState, pack: Any, outside: Outside) -> StepState:
    """The state as the compiled step carries it. `pack` lays out the moving variables."""
    traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(state))
    library: Any = jnp if traced else np
    moving: Variables = {}
    fixed: Variables = {}
    for name, own_moving, values in _variables(plan, state, library):
        for variable, x in values.items():
            (moving if variable in own_moving else fixed).setdefault(name, {})[variable] = x
    last_spike = library.concatenate([library.asarray(state.last_spike[p.name]) for p in plan.populations])
    recent = library.maximum(last_spike - state.step, LONG_AGO).astype(np.int32)
    return StepState(
        step=library.asarray(state.step),
        moving=pack(moving, library),
        fixed=fixed,
        since=library.array(state.step),
        before=last_spike,
        recent=recent,
        in_flight={h.name: history_of(plan, h, state, library) for h in plan.histories},
        crossed={g.name: _crossed(g, state, library) for g in plan.groups if crosses_by_kicks(plan, g)},
        memory=state.memory,
        learning={
            **{p.name: _learning(plan, p, state, outside.places[p.name], library) for p in plan.plastic},
            **{p.name: _answering(p, state, outside, library) for p in plan.responses},
        },
        sent={s.name: {v: library.array(_rolled(x, state.step)) for v, x in state.traces[s.name].items()} for s in plan.delayed},
    )


def _rolled(rows: Any, step: Any) -> Any:
    """What is kept of the last steps, from age 0 on, in the places of their steps, or back: it is its own inverse."""
    slots = rows.shape[0]
    return rows[(step - 1 - np.arange(slots)) % slots]


def _learning(plan: Plan, p: PlasticPlan, state: SimulationState, place: np.ndarray, library: Any) -> dict[str, Any]:
    """What a projection that learns carries."""
    own, traces = state.synapses[p.name], state.traces[p.name]
    result = {}
    for name in (WEIGHT, *p.edge):
        result[name] = sorted_for_delivery(own[name], place, p.width, library)
    for name, value in traces.items():
        kind = name.partition(" ")[0]
        if kind in BY_AGE:
            value = _rolled(library.asarray(value), state.step)
        if kind in AT_TARGETS:
            around = [(0, 0)] * (np.ndim(value) - 1) + [(p.start, p.size - p.start - p.n)]
            value = library.pad(library.asarray(value), around)
        result[name] = library.array(value[None] if kind in AT_SOURCES else value)
    return result


def _answering(p: ResponsePlan, state: SimulationState, outside: Outside, library: Any) -> dict[str, Any]:
    """What a projection carries whose edges answer spikes in their own way."""
    own = state.synapses[p.name]
    result = {v: sorted_for_delivery(own[v], outside.places[p.name], p.width, library) for v in p.variables}
    rows = state.traces.get(p.name, {})
    return {**result, **{name: library.array(_rolled(library.asarray(x), state.step)[None]) for name, x in rows.items()}}


def _answered(plan: Plan, state: StepState, outside: Outside) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """The variables of such edges, and what spikes bring, in the user's order."""
    for p in plan.responses:
        own = state.learning[p.name]
        rows = {name: _rolled(x[0], state.step) for name, x in own.items() if name not in p.variables}
        yield p.name, {v: own[v][outside.places[p.name]] for v in p.variables}, rows


def _taught(plan: Plan, state: StepState, outside: Outside, library: Any) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The edges' variables and the traces of each projection that learns, in the user's order."""
    edges: dict[str, dict[str, Any]] = {}
    traces: dict[str, dict[str, Any]] = {}
    for p in plan.plastic:
        own, place = state.learning[p.name], outside.places[p.name]
        edges[p.name] = {name: own[name][place] for name in (WEIGHT, *p.edge)}
        traces[p.name] = {}
        for name, value in own.items():
            kind = name.partition(" ")[0]
            if name in edges[p.name]:
                continue
            value = value[0] if kind in AT_SOURCES else value
            if kind in BY_AGE:
                value = _rolled(value, state.step)
            if kind in AT_TARGETS:
                value = value[..., p.start : p.start + p.n]
            traces[p.name][name] = value
        if p.structure is not None:
            edges[p.name].update(outside.wirings[p.name].named())
    return edges, traces


def sorted_for_delivery(values: Any, place: np.ndarray, width: int, library: Any = np) -> Any:
    """What edges have, sorted by target, then source, in the order of delivery, in an array of a given length."""
    if library is jnp:
        return jnp.zeros(width, values.dtype).at[place].set(values)
    one = values.strides == (0,)
    if width * values.dtype.itemsize >= LARGE and jax.default_backend() == "cpu":
        with jax.enable_x64(True):
            return _one_for_all(values[0], len(place), width) if one else _placed(values, place, width)
    result = aligned_empty(width, values.dtype)
    result[len(place) :] = 0
    if one:
        result[: len(place)] = values
    else:
        result[place] = values
    return result


@functools.partial(jax.jit, static_argnames="width")
def _one_for_all(value: Any, n: Any, width: int) -> jax.Array:
    return jnp.where(jnp.arange(width) < n, value, 0)


@functools.partial(jax.jit, static_argnames="width")
def _placed(values: Any, place: Any, width: int) -> jax.Array:
    return put(jnp.zeros(width, values.dtype), place, values)


def crosses_by_kicks(plan: Plan, group: GroupPlan) -> bool:
    """Whether a kick may take a group's neurons over a threshold that does not reset them."""
    return group.fires == "test" and not group.resets and any(r.kicks for r in plan.receptors_of(group.name))


def _crossed(group: GroupPlan, state: SimulationState, library: Any) -> Any:
    none = lambda name, n: library.zeros(n, bool)
    parts = [library.asarray(state.crossed.get(name, none(name, n))) for name, n in zip(group.members, group.sizes, strict=True)]
    return parts[0] if len(parts) == 1 else library.concatenate(parts)


def _variables(plan: Plan, state: SimulationState, library: Any) -> list[tuple[str, tuple[str, ...], dict[str, Any]]]:
    found = [(g.name, g.moving, _of_group(g, state, library)) for g in plan.groups]
    for s in plan.synapses:
        if isinstance(s, ReceptorPlan):
            values = {v: _received(plan, s, v, state, library) for v in s.variables}
        elif isinstance(s, ShortTermPlan):
            values = {v: state.synapses[_wire_of(plan, s).name][v] for v in s.variables}
        elif isinstance(s, MergedPlan):
            values = {v: library.concatenate([state.synapses[m.name][v] for m in s.members]) for v in s.variables}
        else:
            values = {v: state.synapses[s.name][v] for v in s.variables}
        found.append((s.name, s.moving, values))
    return found


def _wire_of(plan: Plan, synapses: ShortTermPlan) -> WirePlan:
    return next(w for w in plan.wires if w.short_term == synapses.name)


def _of_group(group: GroupPlan, state: SimulationState, library: Any) -> dict[str, Any]:
    """The variables of a group's members, end to end."""
    parts = {v: [state.neurons[name][v] for name in group.members] for v in group.variables}
    return {v: own[0] if len(own) == 1 else library.concatenate(own) for v, own in parts.items()}


def _received(plan: Plan, receptor: ReceptorPlan, variable: str, state: SimulationState, library: Any) -> Any:
    """What a receptor holds: the sum of what those that share it hold."""
    total: Any = None
    for wire in plan.wires:
        first = 0
        for piece in wire.pieces:
            if piece.synapses == receptor.name:
                own = state.synapses[wire.name][variable][first : first + piece.n]
                if piece.n == receptor.states and total is None:
                    total = own if library is jnp else np.array(own)
                elif library is jnp:
                    total = jnp.zeros(receptor.states, own.dtype) if total is None else total
                    total = total.at[piece.start : piece.start + piece.n].add(own)
                else:
                    total = np.zeros(receptor.states, np.asarray(own).dtype) if total is None else total
                    total[piece.start : piece.start + piece.n] += own
            first += piece.n
    return total


def history_of(plan: Plan, history: HistoryPlan, state: SimulationState, library: Any) -> dict[str, Any]:
    """The spikes of the last steps as the kernels want them."""
    if history.scaled:
        amplitude = library.asarray(state.in_flight[history.name])
        flags = amplitude != 0
    elif history.source is not None:
        flags, amplitude = library.asarray(state.in_flight[history.name]), None
    else:
        none = lambda p: library.zeros((history.slots, p.n), bool)
        flags = library.concatenate([library.asarray(state.in_flight.get(p.name, none(p))) for p in plan.populations], axis=1)
        amplitude = None
    slots, n = flags.shape
    step = state.step
    row = (step - 1 - np.arange(slots)) % slots  # of age 0, 1, …
    count = flags.sum(axis=1, dtype=np.int32) if library is np else jnp.sum(flags, axis=1, dtype=jnp.int32)
    if library is np:
        source: Any = np.zeros((slots, n), np.int32)
        strengths: Any = np.zeros((slots, n if amplitude is not None else 0), plan.dtype)
        placed = np.zeros(slots, np.int32)
        for age in np.flatnonzero(count):
            who = np.flatnonzero(flags[age])
            source[row[age], : len(who)] = who
            if amplitude is not None:
                strengths[row[age], : len(who)] = amplitude[age, who]
        placed[row] = count
        return SpikeHistory(source, strengths, placed)._asdict()
    order = jnp.argsort(~flags, axis=1, stable=True).astype(jnp.int32)
    source = jnp.zeros((slots, n), jnp.int32).at[row].set(jnp.where(jnp.arange(n)[None, :] < count[:, None], order, 0))
    strengths = jnp.zeros((slots, 0), plan.dtype)
    if amplitude is not None:
        sorted_amplitude = jnp.take_along_axis(amplitude, order, axis=1)
        strengths = jnp.zeros((slots, n), plan.dtype).at[row].set(sorted_amplitude)
    return SpikeHistory(source, strengths, jnp.zeros(slots, jnp.int32).at[row].set(count))._asdict()


def leave(plan: Plan, state: StepState, unpack: Any, dt: Any, seed: Any, outside: Outside) -> SimulationState:
    """The state in the user's order. On the host it is a copy.

    Args:
        plan: the structure.
        state: as the compiled step carries it.
        unpack: takes the moving variables apart.
        dt, seed: what the state carries beside.
        outside: what is known of the network outside.
    """
    traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(state))
    library: Any = jnp if traced else np
    if not traced:
        edge = {
            **{p.name: (WEIGHT, *p.edge) for p in plan.plastic},
            **{p.name: p.variables for p in plan.responses},
        }  # copied where they are put in order
        learning = {q: {n: (np.asarray if n in edge[q] else np.array)(x) for n, x in own.items()} for q, own in state.learning.items()}
        state = dataclasses.replace(jax.tree.map(np.array, dataclasses.replace(state, learning={})), learning=learning)
    variables: Variables = {name: {**values} for name, values in state.fixed.items()}
    for name, values in unpack(state.moving).items():
        variables.setdefault(name, {}).update(values)
    last_spike = last_spikes(state, library)
    neurons = {}
    for p in plan.populations:
        neurons[p.name] = {v: variables[p.group][v][p.start : p.start + p.n] for v in p.variables}
    edges, traces = _taught(plan, state, outside, library)
    for name, variables_of, rows in _answered(plan, state, outside):
        edges[name] = variables_of
        traces.update({name: rows} if rows else {})
    traces.update({name: {v: _rolled(x, state.step) for v, x in own.items()} for name, own in state.sent.items()})
    return SimulationState(
        step=state.step,
        neurons=neurons,
        synapses={w.name: {**_of_wire(plan, w, variables, library), **edges.get(w.name, {})} for w in plan.wires},
        last_spike={p.name: last_spike[p.first : p.first + p.n] for p in plan.populations},
        in_flight={name: rows for h in plan.histories for name, rows in dense(plan, h, state, outside.heard, library).items()},
        crossed={p.name: state.crossed[p.group][p.start : p.start + p.n] for p in plan.populations if p.group in state.crossed},
        memory=state.memory,
        dt=dt,
        seed=seed,
        traces=traces,
    )


def last_spikes(state: StepState, library: Any = jnp) -> Any:
    """The step of the last spike of each neuron, in the user's order; int64 `[neurons]`."""
    return library.where(state.recent == LONG_AGO, state.before, state.since + state.recent)


def _of_wire(plan: Plan, wire: WirePlan, variables: Variables, library: Any) -> dict[str, Any]:
    result: dict[str, Any] = {}
    names = dict.fromkeys(v for piece in wire.pieces for v in plan.synapses_named(piece.synapses).variables)
    for variable in names:
        parts = []
        for piece in wire.pieces:
            values = variables[piece.synapses][variable][piece.start : piece.start + piece.n]
            if piece.owns != ((0, piece.n),):
                mine = np.zeros(piece.n, bool)
                for a, b in piece.owns:
                    mine[a:b] = True
                values = library.where(mine, values, np.zeros((), values.dtype))
            parts.append(values)
        result[variable] = parts[0] if len(parts) == 1 else library.concatenate(parts)
    if wire.short_term is not None:
        result.update(variables.get(wire.short_term, {}))
    return result


def dense(plan: Plan, history: HistoryPlan, state: StepState, heard: Any, library: Any) -> dict[str, Any]:
    """The spikes of a history as the user's state has them: by age, for each population."""
    kept = SpikeHistory(**state.in_flight[history.name])
    slots, n = kept.source.shape
    row = (state.step - 1 - np.arange(slots)) % slots
    valid = np.arange(n)[None, :] < kept.count[:, None]
    scaled = history.scaled
    values = library.where(valid, kept.amplitude, np.zeros((), kept.amplitude.dtype)) if scaled else valid
    if library is np:
        rows: Any = np.zeros((slots, n), values.dtype)
        for r in np.flatnonzero(kept.count):
            some = kept.source[r, : kept.count[r]]
            rows[r, some] = values[r, : kept.count[r]]
    else:
        where = jnp.where(valid, kept.source, n)
        rows = jnp.zeros((slots, n), values.dtype).at[jnp.arange(slots)[:, None], where].set(values, mode="drop")
    rows = rows[row]
    if history.source is not None:
        return {history.name: rows}
    return {p.name: rows[:, p.first : p.first + p.n] for p in plan.populations if p.name in heard}


# -- a state of another run ----------------------------------------------------------------------------


def check_enters(plan: Plan, state: SimulationState, dt: float) -> None:
    """Refuses a state that is not one of this network in steps of `dt` (ms). It may be traced: shapes say the most.

    Raises:
        ParameterError: it is of many runs, of another step or of another network.
    """
    if np.ndim(state.step):
        raise ParameterError(
            f"The state holds those of {np.shape(state.step)[0]} runs, as jax.vmap makes them. Map the function over them, "
            "jax.vmap(step, in_axes=(None, 0))(parameters, states), or take one: jax.tree.map(lambda x: x[0], states)."
        )
    if not isinstance(state.dt, jax.core.Tracer) and float(state.dt) != dt:
        raise ParameterError(
            f"The state is in steps of {float(state.dt):g} ms, and the function takes steps of {dt:g} ms. Prepare with that dt, or let "
            "sim.run(0, initial=state).state say it in the others."
        )
    for p in plan.populations:
        own = state.neurons.get(p.name, {})
        n = np.shape(next(iter(own.values())))[0] if own else 0
        if p.variables and (n != p.n or not set(p.variables) <= set(own)):
            there = f"{n} neurons with {', '.join(own) or 'no variables'}" if p.name in state.neurons else "nothing"
            raise ParameterError(
                f"The state is of another network: of {p.name}, {p.n} neurons with {', '.join(p.variables)} here, it has {there}."
            )


def continued(own: SimulationState, given: SimulationState) -> SimulationState:
    """A state to go on from, on the host, checked against the network and in its precision.

    Args:
        own: the network's initial state: what is not in `given` begins as there.
        given: the state, in steps of the same length.

    Raises:
        ParameterError: it does not fit; the error names what differs.
    """
    neurons = {}
    for part, variables in own.neurons.items():
        theirs = given.neurons.get(part)
        neurons[part] = variables if theirs is None else _fitting(part, variables, theirs, "neurons")
    if not any(part in given.neurons for part in own.neurons):
        raise ParameterError(
            f"The initial state does not fit, it is of another network: it has the populations {', '.join(given.neurons)}, "
            f"this network {', '.join(own.neurons)}."
        )
    synapses = {}
    for part, variables in own.synapses.items():
        theirs = given.synapses.get(part)
        synapses[part] = variables if theirs is None else _fitting(part, variables, theirs, "states")
    last_spike = {}
    for part, steps in own.last_spike.items():
        last_spike[part] = np.asarray(given.last_spike.get(part, steps), np.int64)
    in_flight = {name: _rows(name, rows, given) for name, rows in own.in_flight.items()}
    return SimulationState(
        step=np.int64(given.step),
        neurons=neurons,
        synapses=synapses,
        last_spike=last_spike,
        in_flight=in_flight,
        crossed={name: np.asarray(given.crossed.get(name, flags), bool) for name, flags in own.crossed.items()},
        memory=given.memory,
        dt=own.dt,
        seed=np.asarray(given.seed, np.uint32),
        traces={part: _traces(part, values, given) for part, values in own.traces.items()},
    )


def _traces(part: str, own: dict[str, Any], given: SimulationState) -> dict[str, Any]:
    """The traces of a projection that learns. One that did not learn before begins with none."""
    theirs = given.traces.get(part)
    if theirs is None:
        return {**own, **({"reference": np.int64(given.step)} if "reference" in own else {})}
    if set(own) != set(theirs):
        raise ParameterError(
            f"The initial state does not fit: {part} has the traces {', '.join(sorted(own)) or 'none'} in this network and "
            f"{', '.join(sorted(theirs)) or 'none'} in the state: it learns by another rule, or sends something else."
        )
    result = {}
    for name, values in own.items():
        known = np.asarray(theirs[name])
        if name.partition(" ")[0] in BY_AGE:
            if known.shape[1:] != values.shape[1:] or (len(known) < len(values) and int(given.step) > len(known)):
                raise ParameterError(
                    f"The delays no longer fit the initial state: it knows the traces of {part} in the last {len(known)} steps of "
                    f"{known.shape[1]} states, and this network wants {len(values)} of {values.shape[1]}."
                )
            rows = np.zeros_like(values)
            shared = min(len(rows), len(known))
            rows[:shared] = known[:shared]
            result[name] = rows
            continue
        if known.shape != np.shape(values):
            raise ParameterError(
                f"The initial state does not fit: {name} of {part} has the shape {np.shape(values)} here, there {known.shape}."
            )
        result[name] = np.array(known, np.asarray(values).dtype)
    return result


def _fitting(part: str, own: dict[str, Any], given: dict[str, Any], what: str) -> dict[str, Any]:
    _check_wiring(part, own, given)
    if "pre" in own and "pre" not in given:  # its edges come and go from now on
        given = {**given, **{name: own[name] for name in WIRING}}
    if "weight" in set(own) ^ set(given):  # it has learnt and no longer does, or learns from now on
        learning = {v: x for v, x in own.items() if v in set(own) - set(given)}
        given = {v: x for v, x in {**learning, **given}.items() if v in own}
    if set(own) != set(given):
        raise ParameterError(
            f"The initial state does not fit: {part} has the variables {', '.join(sorted(own)) or 'none'} in this network and "
            f"{', '.join(sorted(given)) or 'none'} in the state: it is of another model."
        )
    result = {}
    for variable, values in own.items():
        theirs = np.asarray(given[variable])
        rewired = "pre" in own and values.shape == own["pre"].shape and theirs.shape == np.shape(given["pre"])
        if theirs.shape != values.shape and not rewired:
            what = "edges" if variable == WEIGHT else what
            raise ParameterError(
                f"The initial state does not fit: {part} has {len(values)} {what} in this network and {len(theirs)} in the state."
            )
        result[variable] = np.array(theirs, values.dtype)
    return result


def _check_wiring(part: str, own: dict[str, Any], given: dict[str, Any]) -> None:
    """Refuses edges of a state that this network cannot have.

    Raises:
        ParameterError: they came and went, and here they stay.
    """
    if "pre" in given and "pre" not in own:
        raise ParameterError(
            f"The initial state does not fit: the edges of {part} came and went by a rule (structure=), and in this network they stay as "
            "they are drawn. Give the projection that rule, or wire it with rv.connect.edge_list(pre, post) as in state.synapses."
        )


def _rows(name: str, own: Any, given: SimulationState) -> Any:
    """The spikes in flight for histories of this network's length."""
    theirs = given.in_flight.get(name)
    if theirs is None:
        return own
    theirs = np.asarray(theirs)
    if theirs.shape[1:] != own.shape[1:]:
        raise ParameterError(
            f"The initial state does not fit: {name} has {own.shape[1]} neurons in this network and {theirs.shape[1]} in the state."
        )
    if len(theirs) < len(own) and int(given.step) > len(theirs):
        raise ParameterError(
            f"The delays no longer fit the initial state: it knows who of {name} spiked in the last {len(theirs)} steps, and the delays of "
            f"this network reach back up to {len(own) - 1}. Keep the longest delay below {len(theirs)} steps, or begin without the state."
        )
    rows = np.zeros_like(own)
    shared = min(len(rows), len(theirs))
    rows[:shared] = theirs[:shared]
    return rows
