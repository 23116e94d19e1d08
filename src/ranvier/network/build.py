"""From a network as described to what the compiled step works on.

The outcome has three parts: a `Plan` of names and sizes, which is structure and
decides what is compiled; constants, which are arguments of the compiled step;
and the initial state.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import units
from ranvier.connect.base import Edges
from ranvier.errors import ParameterError, UnsupportedError, did_you_mean, unknown
from ranvier.model import Model, drawn, in_precision, parameters
from ranvier.network.spec import Network, Population, Projection
from ranvier.network.state import NEVER, SimulationState
from ranvier.neurons.base import Inputs, NeuronModel
from ranvier.random import Distribution, Key
from ranvier.synapses.base import Presynaptic, SynapseModel

DENSE_FROM = 0.05  # share of pairs connected above which a matrix product beats a sum over edges
DENSE_UP_TO = 2**24  # entries


@dataclasses.dataclass(frozen=True)
class PopulationPlan:
    """The structure of a population. `moving` are the variables that have a derivative."""

    name: str
    n: int
    first: int
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    resets: bool
    refractory: bool
    stimulated: bool


@dataclasses.dataclass(frozen=True)
class ProjectionPlan:
    """The structure of a projection. `slots` is the length of the spike history (0: none)."""

    name: str
    source: str
    targets: tuple[str, ...]
    sizes: tuple[int, ...]
    site: str
    states: int
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    transmits: bool
    emits: bool
    slots: int
    one_delay: bool
    dense: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """The structure of a network: everything that decides what is compiled."""

    populations: tuple[PopulationPlan, ...]
    projections: tuple[ProjectionPlan, ...]
    dtype: str

    @property
    def n(self) -> int:
        return sum(p.n for p in self.populations)

    def population(self, name: str) -> PopulationPlan:
        return next(p for p in self.populations if p.name == name)

    def projection(self, name: str) -> ProjectionPlan:
        return next(p for p in self.projections if p.name == name)


@dataclasses.dataclass(frozen=True)
class Built:
    plan: Plan
    constants: dict[str, Any]
    state: SimulationState
    edges: dict[str, Edges]


def resolve(name: str, known: Iterable[str], what: str) -> str:
    """The full name of a variable that may be given in short: `"m"` for `"sodium.m"`.

    Raises:
        UnknownNameError: nothing has that name, or several things have it.
    """
    names = list(known)
    if name in names:
        return name
    matches = [k for k in names if k.endswith(f".{name}")] or [k for k in names if k.startswith(f"{name}.")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        error = unknown(what, name, matches)
        error.args = (f"{name!r} could be {' or '.join(repr(m) for m in sorted(matches))}: write the full name.",)
        raise error
    raise unknown(what, name, [*names, *(k.rpartition(".")[2] for k in names)])


def in_steps(duration: Any, dt: float, what: str) -> np.ndarray:
    """A duration (ms) as a whole number of steps, by rounding; it says so when it is not a multiple."""
    steps = np.rint(np.asarray(duration, np.float64) / dt)
    off = np.abs(steps * dt - duration) > 1e-6 * dt * np.maximum(1.0, steps)
    if np.any(off & np.isfinite(steps)):
        value = float(np.asarray(duration)[off].flat[0]) if np.ndim(duration) else float(duration)
        warnings.warn(
            f"{what} of {value:g} ms is not a multiple of dt = {dt:g} ms; it is rounded to {np.rint(value / dt) * dt:g} ms.", stacklevel=4
        )
    return steps.astype(np.int64)


def _initial_values(
    given: Mapping[str, Any], state: dict[str, Any], n: int, key: Key, what: str, one: str, unit_of: Any
) -> dict[str, np.ndarray]:
    values = {}
    for name, value in state.items():
        array = np.asarray(value, np.float64)
        if array.shape not in ((), (n,)):
            raise ParameterError(
                f"{what}: the initial value of {name!r} that its model gives has the shape {array.shape}; it must be ({n},)."
            )
        values[name] = np.array(np.broadcast_to(array, (n,)))
    for short, value in given.items():
        name = resolve(short, state, f"variable of {what}")
        value = units.magnitude(value, unit_of(name), f"The initial {name} of {what}")
        if isinstance(value, Distribution):
            value = value.draw(key.child("initial").child(name), n)
        array = np.asarray(value, np.float64)
        if array.shape not in ((), (n,)):
            raise ParameterError(
                f"The initial {name} of {what} has the shape {array.shape}, but there are {n} {one}s: "
                f"give one number, or an array of shape ({n},)."
            )
        if np.isnan(array).any():
            raise ParameterError(f"The initial {name} of {what} is NaN.")
        values[name] = np.array(np.broadcast_to(array, (n,)))
    return values


@functools.partial(jax.jit, static_argnums=(1, 2))
def _initial_state(model: NeuronModel | SynapseModel, n: int, key: Key) -> dict[str, Any]:
    """A model's initial state. Compiled as one, and once: its operations one by one would take a second."""
    return model.initial_state(n, key)


def _check_variable_names(model: Any, derivatives: Any, state: Mapping[str, Any], what: str) -> tuple[str, ...]:
    for name in derivatives:
        if name not in state:
            raise ParameterError(
                f"{type(model).__name__}.derivatives returns {name!r}, which is not in its initial_state. {did_you_mean(name, state)}"
            )
    return tuple(name for name in state if name in derivatives)


def _build_population(
    name: str, population: Population, first: int, key: Key, dt: float
) -> tuple[PopulationPlan, dict[str, Any], dict[str, Any]]:
    n = population.n
    model = drawn(population.model, key, name, {"neuron": (n, "neuron")}, population.model.input_unit)
    start = _initial_state(model, n, key.child("model"))
    given = dict(population.initial)
    last_spike = given.pop("last_spike", -math.inf)
    values = _initial_values(given, start, n, key, name, "neuron", model.unit_of)

    zeros = Inputs(jnp.zeros(n), jnp.zeros(n))
    shapes = jax.eval_shape(lambda s: model.derivatives(s, zeros, jnp.zeros(())), values)
    moving = _check_variable_names(model, shapes, values, name)
    for variable, shape in shapes.items():
        if shape.shape not in ((), (n,)):
            raise ParameterError(f"{type(model).__name__}.derivatives gives {variable!r} the shape {shape.shape}; it must be ({n},).")

    constants: dict[str, Any] = {"model": model}
    if population.current is not None:
        stimulus = drawn(population.current, key.child("current"), f"current of {name}", {"neuron": (n, "neuron")}, model.input_unit)
        shape = jax.eval_shape(stimulus, jax.ShapeDtypeStruct((), np.float64)).shape
        if shape not in ((), (n,)):
            raise ParameterError(
                f"The current of {name} has the shape {shape}, but there are {n} neurons. Give one number, one a neuron ({n}), or for a "
                "current that changes in time a function of t, or rv.stimuli.Sampled(values, every=dt) "
                "with values of shape (time,) or (time, neuron)."
            )
        constants["stimulus"] = stimulus
    refractory = np.asarray(getattr(model, "refractory", 0.0))
    if refractory.any():
        constants["refractory"] = np.broadcast_to(in_steps(refractory, dt, f"The refractory period of {name}"), (n,)).copy()
    for variable in model.held:
        resolve(variable, values, f"held variable of {type(model).__name__}")

    steps = np.where(np.isfinite(last_spike), np.rint(np.nan_to_num(np.asarray(last_spike, np.float64), neginf=0.0) / dt), NEVER)
    plan = PopulationPlan(
        name=name,
        n=n,
        first=first,
        variables=tuple(values),
        moving=moving,
        resets=type(model).reset is not NeuronModel.reset,
        refractory="refractory" in constants,
        stimulated="stimulus" in constants,
    )
    return plan, constants, {"values": values, "last_spike": np.broadcast_to(steps.astype(np.int64), (n,)).copy()}


def _weights(projection: Projection, name: str, edges: Edges, targets: int, sources: int, unit: str, key: Key) -> np.ndarray:
    weight = units.magnitude(projection.weight, unit, f"The weight of {name}")
    if isinstance(weight, Distribution):
        weight = weight.draw(key.child("weight"), len(edges))
    array = np.asarray(weight, np.float64)
    if array.ndim == 2 and array.shape[0] in (1, targets) and array.shape[1] in (1, sources):
        array = np.broadcast_to(array, (targets, sources))[edges.post, edges.pre]
    elif array.shape not in ((), (len(edges),)):
        raise ParameterError(
            f"The weight of {name} has the shape {array.shape}. It must be one number, one an edge ({len(edges)}), "
            f"a column ({targets}, 1), a row (1, {sources}) or a matrix ({targets}, {sources})."
        )
    array = np.broadcast_to(array, (len(edges),)) * (1.0 if edges.values is None else edges.values)
    if not np.isfinite(array).all():
        raise ParameterError(f"The weight of {name} is not finite for edge {int(np.flatnonzero(~np.isfinite(array))[0])}.")
    if projection.synapse.weight == "conductance" and (array < 0).any():
        raise ParameterError(
            f"The weight of {name} is {array.min():g} for edge {int(array.argmin())}, but a conductance cannot be negative. "
            "Inhibition comes from the reversal potential."
        )
    return array


def _delays(projection: Projection, name: str, edges: Edges, dt: float, key: Key) -> np.ndarray:
    delay = units.magnitude(projection.delay, "ms", f"The delay of {name}")
    if isinstance(delay, Distribution):
        delay = delay.draw(key.child("delay"), len(edges))
    array = np.asarray(delay, np.float64)
    if array.shape not in ((), (len(edges),)):
        raise ParameterError(f"The delay of {name} has the shape {array.shape}. It must be one number, or one an edge ({len(edges)},).")
    if not (np.isfinite(array) & (array >= 0)).all():
        raise ParameterError(f"The delay of {name} must be finite and not negative; it is {np.min(array):g} ms.")
    return in_steps(array, dt, f"The delay of {name}")


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


def _build_projection(
    net: Network, name: str, projection: Projection, key: Key, dt: float, dtype: str
) -> tuple[ProjectionPlan, dict[str, Any], dict[str, Any], Edges]:
    sources = projection.source.n
    sizes = tuple(t.n for t in projection.targets)
    targets = sum(sizes)
    before = 0
    own = None
    for population in projection.targets:
        if population is projection.source:
            own = before
        before += population.n
    edges = projection.rule.edges(sources, targets, range(targets), own, key.child("edges"))

    input_units = {t.model.input_unit for t in projection.targets}
    if len(input_units) > 1:
        raise ParameterError(
            f"{name} goes to populations whose inputs are in different units ({', '.join(sorted(input_units))}). "
            "Make one projection for each."
        )
    unit = {"conductance": f"({input_units.pop()})/mV", "potential": "mV"}.get(
        projection.synapse.weight, projection.targets[0].model.input_unit
    )
    weights = _weights(projection, name, edges, targets, sources, unit, key)
    delays = _delays(projection, name, edges, dt, key)

    site = _site(projection, sources, len(edges))
    states = {"source": sources, "target": targets, "edge": len(edges)}[site]
    synapse: Any = projection.synapse
    if site == "edge" and synapse.site == "source":
        synapse = _spread_over_edges(synapse, sources, edges)
    synapse = drawn(
        synapse,
        key,
        name,
        {"neuron": (states, {"source": "source", "target": "target", "edge": "edge"}[site]), "target": (targets, "target")},
    )
    if not synapse.event_driven and delays.any():
        raise UnsupportedError(
            f"{name}: {type(synapse).__name__} acts continuously, and delayed continuous coupling is not supported. "
            "Leave delay at 0; a synapse with a delay of its own (Cholinergic(delay=…)) has it as a parameter."
        )
    if synapse.event_driven and synapse.emits and site == "edge":
        raise UnsupportedError(
            f"{name}: {type(synapse).__name__} notes presynaptic spikes on its own, which is not supported at the site 'edge'."
        )
    start = _initial_state(synapse, states, key.child("model"))
    values = _initial_values(projection.initial, start, states, key, name, "state", lambda v: synapse.variable_units.get(v, "1"))

    pre = None
    if site != "target":
        variables = jax.eval_shape(lambda: projection.source.model.initial_state(states, key))
        pre = Presynaptic({k: jnp.zeros(states) for k in variables})
    t = jnp.zeros(())
    moving = _check_variable_names(synapse, jax.eval_shape(lambda s: synapse.derivatives(s, pre, t), values), values, name)
    transmits = jax.eval_shape(lambda s: synapse.transmit(s, pre, t), values) is not None

    one_delay = delays.ndim == 0 or len(np.unique(delays)) <= 1
    longest = int(delays.max(initial=0)) if delays.ndim else int(delays)
    dense = site != "edge" and one_delay and targets * sources <= DENSE_UP_TO and len(edges) >= DENSE_FROM * targets * sources
    constants: dict[str, Any] = {"synapse": synapse}
    if dense:
        matrix = np.zeros((targets, sources))
        np.add.at(matrix, (edges.post, edges.pre), weights)
        constants["matrix"] = matrix.astype(dtype)
    else:
        constants.update(pre=edges.pre, post=edges.post, weight=weights.astype(dtype))
    slots = 0
    state: dict[str, Any] = {"values": values}
    if synapse.event_driven:
        slots = longest + 1
        constants["delay"] = np.int64(longest) if one_delay else delays.astype(np.int32)
        state["in_flight"] = np.zeros((slots, sources), dtype)
    plan = ProjectionPlan(
        name=name,
        source=net.name_of(projection.source),
        targets=tuple(net.name_of(p) for p in projection.targets),
        sizes=sizes,
        site=site,
        states=states,
        variables=tuple(values),
        moving=moving,
        transmits=transmits,
        emits=synapse.emits,
        slots=slots,
        one_delay=one_delay,
        dense=dense,
    )
    return plan, constants, state, edges


def _cast_stimulus(given: Any, stimulus: Any, unit: str, shared: dict[tuple[int, str], Any]) -> Any:
    """The stimulus in double precision, whatever the run's: its times need it.

    A part that the user gave to several populations, with nothing in it that
    is one a neuron, stays one and the same in all of them.
    """
    if (id(given), unit) in shared:
        return shared[id(given), unit]
    copy = object.__new__(type(stimulus))
    for field in dataclasses.fields(stimulus):
        value = getattr(stimulus, field.name)
        if "component" in field.metadata:
            value = _cast_stimulus(getattr(given, field.name), value, unit, shared)
        elif "parameter" in field.metadata:
            value = np.asarray(value, np.float64)
        object.__setattr__(copy, field.name, value)
    if all(info.per == "sample" or np.ndim(value) == 0 for _, info, value in parameters(stimulus)):
        shared[id(given), unit] = copy
    return copy


def _cast_but_times(values: dict[str, np.ndarray], synapse: SynapseModel, dtype: str) -> dict[str, np.ndarray]:
    return {name: x if synapse.variable_units.get(name) == "ms" else x.astype(dtype) for name, x in values.items()}


def build(net: Network, *, dt: float, seed: int, dtype: str) -> Built:
    """Draws the network, checks it, and lays out what the compiled step needs.

    Call inside `jax.enable_x64(True)`.
    """
    key = Key(seed)
    populations: list[PopulationPlan] = []
    projections: list[ProjectionPlan] = []
    constants: dict[str, Any] = {"populations": {}, "projections": {}}
    states: dict[str, dict[str, Any]] = {}
    first = 0
    for name, population in net.populations.items():
        made, constants["populations"][name], states[name] = _build_population(
            name, population, first, key.child("population").child(name), dt
        )
        populations.append(made)
        first += population.n
    edges: dict[str, Edges] = {}
    for name, projection in net.projections.items():
        wired, constants["projections"][name], states[name], edges[name] = _build_projection(
            net, name, projection, key.child("projection").child(name), dt, dtype
        )
        projections.append(wired)

    cast = lambda tree: jax.tree.map(lambda x: np.asarray(x, dtype), tree)
    shared: dict[tuple[int, str], Any] = {}
    for name, its_constants in constants["populations"].items():
        its_constants["model"] = in_precision(its_constants["model"], dtype)
        if "stimulus" in its_constants:
            given = net.populations[name]
            its_constants["stimulus"] = _cast_stimulus(given.current, its_constants["stimulus"], given.model.input_unit, shared)
    for its_constants in constants["projections"].values():
        its_constants["synapse"] = in_precision(its_constants["synapse"], dtype)
    constants["dt"] = np.float64(dt)
    state = SimulationState(
        step=np.int64(0),
        neurons={p.name: cast(states[p.name]["values"]) for p in populations},
        synapses={
            p.name: _cast_but_times(states[p.name]["values"], constants["projections"][p.name]["synapse"], dtype) for p in projections
        },
        last_spike={p.name: states[p.name]["last_spike"] for p in populations},
        in_flight={p.name: states[p.name]["in_flight"] for p in projections if p.slots},
    )
    return Built(Plan(tuple(populations), tuple(projections), dtype), constants, state, edges)


def continued(built: Built, given: SimulationState) -> SimulationState:
    """A state to go on from, checked against the network and in its precision.

    Raises:
        ParameterError: it is a state of another network.
    """
    own = built.state
    for kind in ("neurons", "synapses"):
        mine, theirs = getattr(own, kind), getattr(given, kind)
        for part, variables in mine.items():
            if part not in theirs:
                raise ParameterError(f"The initial state has nothing for {part!r}; it is of another network.")
            for variable, values in variables.items():
                if variable not in theirs[part]:
                    raise ParameterError(f"The initial state has no {variable!r} of {part!r}; it is of another network.")
                shape = np.shape(theirs[part][variable])
                if shape != values.shape:
                    raise ParameterError(
                        f"The initial state's {variable} of {part} has the shape {shape}; this network needs {values.shape}."
                    )
    for name, history in own.in_flight.items():
        if np.shape(given.in_flight.get(name, 0.0)) != history.shape:
            raise ParameterError(f"The initial state's spikes in flight of {name} do not fit this network's delays in steps of this dt.")

    def like(a: Any, b: Any) -> np.ndarray:
        return np.asarray(b, a.dtype)

    return SimulationState(
        step=np.int64(given.step),
        neurons={p: {v: like(x, given.neurons[p][v]) for v, x in vs.items()} for p, vs in own.neurons.items()},
        synapses={p: {v: like(x, given.synapses[p][v]) for v, x in vs.items()} for p, vs in own.synapses.items()},
        last_spike={p: like(x, given.last_spike[p]) for p, x in own.last_spike.items()},
        in_flight={p: like(x, given.in_flight[p]) for p, x in own.in_flight.items()},
        memory=given.memory,
    )
