"""A network with everything drawn: each part with its own numbers, in its own order.

What a part draws is a function of the seed, its name and its own neurons' or edges' numbers, so no other part changes it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import units
from ranvier.connect.assemble import LONGEST
from ranvier.connect.base import Edges
from ranvier.connect.part import Part
from ranvier.connect.part import draw as draw_edges
from ranvier.connect.some import own_place
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.kernels.drawn_edges import numbers_from
from ranvier.kernels.draws import MOST_POISSON
from ranvier.memory import require_memory
from ranvier.model import Model, check_bounds, drawn, parameters, with_parameters
from ranvier.network.common import initial_values
from ranvier.network.facts import NeuronFacts, StimulusFacts, draws_at_start, initial_state, neuron_facts, stimulus_facts
from ranvier.network.numbers import InputNumbers, Numbers, PopulationNumbers, ProjectionNumbers
from ranvier.network.room import BYTES_OF_COUPLED_EDGE, require_room
from ranvier.network.spec import Network, PoissonInput, Projection, weight_unit
from ranvier.network.state import NEVER
from ranvier.random import Distribution, Key
from ranvier.same import Same
from ranvier.steps import in_steps
from ranvier.stimuli.base import Constant, Stimulus
from ranvier.synapses.base import SynapseModel


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnPopulation:
    """A population, drawn.

    Attributes:
        model: its parameters are numbers or `[n]`.
        stimulus: its current, or None.
        values: the initial state, float64 `[n]` each.
        last_spike: the step of the last spike before the start, int64 `[n]`.
        given: the steps and the neurons of spikes known beforehand, sorted.
        begin: where these neurons begin in the user's population, where they are a device's share of it (`devices`).
    """

    name: str
    n: int
    model: Any
    facts: NeuronFacts
    stimulus: Any
    stimulus_facts: StimulusFacts | None
    values: dict[str, np.ndarray]
    last_spike: np.ndarray
    given: tuple[np.ndarray, np.ndarray] | None
    begin: int = 0


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnProjection:
    """A projection, drawn.

    Attributes:
        projection: as described.
        site: where its states live.
        synapse: its parameters are numbers, one a state, or one a target.
        values: the initial values that were given, or all where the site is not the target; one a state.
        part: its edges, weights and delays, drawn when they are asked for.
        edges, weight, delay: where the site is not the target: the edges, drawn, their weights, and delays in steps.
        short_term: its short-term plasticity, drawn, or None; `short_term_values` its initial state.
        release: how its synapses release at random, drawn, or None.
        edge_rule: the short-term plasticity that each of its edges has, drawn, or None.
        plasticity: the rule by which its weights change, or None.
        dendritic: the dendritic delay in steps.
        structure: the rule by which its edges come and go, or None.
        shares: of each target population how many neurons stand before, in and behind a device's share of it; None where
            the projection is whole.
        whole_edges: how many edges the whole has, where these are a share's.
        one_a_target: whether every source reaches every target of the whole, with one weight each, where that is known.
        whole_delay: the delays of all edges of the whole (steps), where these are a share's.
    """

    name: str
    projection: Projection
    site: str
    synapse: Any
    values: dict[str, np.ndarray]
    part: Part
    edges: Edges | None = None
    weight: Any = None
    delay: Any = None
    short_term: Any = None
    short_term_values: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    release: Any = None
    edge_rule: Any = None
    plasticity: Any = None
    dendritic: int = 0
    structure: Any = None
    shares: tuple[tuple[int, int, int], ...] | None = None
    whole_edges: int = 0
    one_a_target: bool | None = None
    whole_delay: Any = None

    @property
    def delivered(self) -> bool:
        """Whether spikes are delivered to its states one by one."""
        return bool(self.synapse.event_driven)


@dataclasses.dataclass(frozen=True, eq=False)
class DrawnInput:
    """A Poisson input, drawn.

    Attributes:
        mean: how many spikes each target has in a step on average, `[targets]` or a number; for each Hz where the rate is `changing`.
        changing: the rate in Hz, a stimulus, where it changes in time or its spikes are common to several.
        correlation: which share of the spikes is common.
        begins: the numbers of the first targets, of each population one, among all that the user's input has, where these are a
            device's share of them.
    """

    name: str
    input: PoissonInput
    synapse: Any
    mean: np.ndarray
    weight: Any
    changing: Any = None
    correlation: float = 0.0
    begins: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True, eq=False)
class Drawn:
    """A network, drawn with one seed."""

    seed: int
    dt: float
    numbers: Numbers
    populations: dict[str, DrawnPopulation]
    projections: dict[str, DrawnProjection]
    inputs: dict[str, DrawnInput]


def draw(net: Network, numbers: Numbers, *, seed: int, dt: float, like: Drawn | None = None) -> Drawn:
    """Everything of a network drawn and checked. What is as it was in `like` is taken from there.

    Raises:
        ParameterError: a shape that does not fit, a value out of bounds, a name that is not there.
        UnsupportedError: a combination that the engine does not have.
    """
    key = Key(seed)
    same = {name for name in numbers if like is not None and (like.seed, like.dt) == (seed, dt) and numbers[name] is like.numbers.get(name)}
    kept: Any = like
    require_room({name: p for name, p in net.populations.items() if name not in same})
    populations = {
        name: kept.populations[name]
        if name in same
        else draw_population(name, p.n, numbers[name], key.child("population").child(name), dt, _like(name, numbers[name], like, seed, dt))
        for name, p in net.populations.items()
    }
    projections = {
        name: kept.projections[name] if name in same else draw_projection(net, name, p, numbers[name], projection_key(key, name), dt)
        for name, p in net.projections.items()
    }
    inputs = {
        name: kept.inputs[name] if name in same else draw_input(name, p, numbers[name], key.child("poisson").child(name), dt)
        for name, p in net.poisson.items()
    }
    for name in numbers:
        if name not in same:
            _check_step(name, populations.get(name) or projections.get(name) or inputs[name], dt)
    return Drawn(seed, dt, numbers, populations, projections, inputs)


def _check_step(name: str, part: DrawnPopulation | DrawnProjection | DrawnInput, dt: float) -> None:
    """Lets every model of a part say what the step is too long for."""
    if isinstance(part, DrawnPopulation):
        part.model.check_step(dt, name)
    else:
        part.synapse.check_step(dt, name)


# -- populations -------------------------------------------------------------------------------------


def _like(name: str, numbers: Any, like: Drawn | None, seed: int, dt: float) -> DrawnPopulation | None:
    """The population as it was drawn before, where nothing but its current is another."""
    if like is None or (like.seed, like.dt) != (seed, dt) or name not in like.populations:
        return None
    before: Any = like.numbers[name]
    return like.populations[name] if numbers.model is before.model and numbers.initial is before.initial else None


def draw_population(name: str, n: int, numbers: Any, key: Key, dt: float, like: DrawnPopulation | None = None) -> DrawnPopulation:
    """A population with everything drawn; of what is `like` it, all but the current is taken."""
    assert isinstance(numbers, PopulationNumbers)
    if like is not None:
        stimulus, known = _stimulus(name, n, numbers, like.model, key)
        return dataclasses.replace(like, stimulus=stimulus, stimulus_facts=known)
    model, start = _begun(numbers.model, n, key, name, {"neuron": (n, "neuron")}, numbers.model.input_unit)
    facts = neuron_facts(name, model, n)
    given = dict(numbers.initial)
    last_spike = given.pop("last_spike", -math.inf)
    values = initial_values(given, start, n, key, name, "neuron", model.unit_of)
    stimulus, known = _stimulus(name, n, numbers, model, key)
    last = np.full(n, NEVER) if isinstance(last_spike, float) and last_spike == -math.inf else _last_steps(last_spike, n, dt)
    return DrawnPopulation(
        name=name,
        n=n,
        model=model,
        facts=facts,
        stimulus=stimulus,
        stimulus_facts=known,
        values=values,
        last_spike=last,
        given=_given_spikes(name, model, n, dt) if facts.fires == "given" else None,
    )


SMALL = 4096
"""Up to so many states what a model begins with is kept for other seeds: for more it takes memory, and little of the time."""


def _begun(model: Any, n: int, key: Key, name: str, sizes: dict[str, tuple[int, str]], input_unit: str = "1") -> tuple[Any, dict[str, Any]]:
    """A model, drawn, and the initial state of its `n` neurons or states."""
    plain = n <= SMALL and all(type(value) in (int, float) for _, _, value in parameters(model))
    known = _alike(Same(model), n, name, tuple(sizes.items()), input_unit) if plain else None
    if known is not None:
        return known
    own = drawn(model, key, name, sizes, input_unit)
    return own, initial_state(own, n, key.child("model"))


@functools.lru_cache(64)
def _alike(model: Same, n: int, name: str, sizes: tuple[Any, ...], input_unit: str) -> tuple[Any, dict[str, Any]] | None:
    """The same for every seed, where nothing is drawn: to be read only."""
    own = drawn(model.value, Key(0), name, dict(sizes), input_unit)
    return None if draws_at_start(own, n) else (own, initial_state(own, n, Key(0)))


def _last_steps(last_spike: Any, n: int, dt: float) -> np.ndarray:
    times = np.asarray(last_spike, np.float64)
    steps = np.where(np.isfinite(times), np.rint(np.nan_to_num(times, neginf=0.0) / dt), NEVER)
    return np.broadcast_to(steps.astype(np.int64), (n,)).copy()


def _stimulus(name: str, n: int, numbers: PopulationNumbers, model: Any, key: Key) -> tuple[Any, StimulusFacts | None]:
    if numbers.current is None:
        return None, None
    if not model.takes_input:
        raise ParameterError(f"{name}: {type(model).__name__} takes no input; its spikes are its own. Leave out `current`.")
    stimulus = drawn(numbers.current, key.child("current"), f"current of {name}", {"neuron": (n, "neuron")}, model.input_unit)
    return stimulus, stimulus_facts(name, stimulus, n)


def _given_spikes(name: str, model: Any, n: int, dt: float) -> tuple[np.ndarray, np.ndarray]:
    times, neurons = model.spike_times() or ((), ())
    neurons = np.asarray(neurons, np.int64)
    if neurons.size and (neurons.min() < 0 or neurons.max() >= n):
        raise ParameterError(f"{name}: a spike is given for neuron {int(neurons.max())}, but there are {n} (0 … {n - 1}).")
    steps = in_steps(np.asarray(times, np.float64), dt, f"A spike time of {name}")
    order = np.lexsort((neurons, steps))
    steps, neurons = steps[order], neurons[order]
    twice = (np.diff(steps) == 0) & (np.diff(neurons) == 0)
    if twice.any():
        at = int(np.flatnonzero(twice)[0])
        raise ParameterError(
            f"{name}: neuron {int(neurons[at])} is given two spikes in the step at {steps[at] * dt:g} ms; a neuron spikes once a step. "
            "Take a smaller dt, or leave one out."
        )
    return steps, neurons


# -- projections -------------------------------------------------------------------------------------


def draw_projection(net: Network, name: str, projection: Projection, numbers: Any, key: Key, dt: float) -> DrawnProjection:
    """A projection with everything drawn but the edges onto states at the targets."""
    assert isinstance(numbers, ProjectionNumbers)
    part = projection_part(name, projection, numbers, key, dt)
    targets = part.size
    if not part.rule.stored:
        _check_not_stored(name, projection, numbers, part)
    if projection.site == "target":
        return _at_targets(name, projection, numbers, part, targets, key)
    return _coupled(name, projection, numbers, part, targets, key)


STORE_THEM = "Leave out stored=False (by='source' has the same edges)."


def _check_not_stored(name: str, projection: Projection, numbers: ProjectionNumbers, part: Part) -> None:
    """Refuses what edges that are drawn again at each spike cannot have."""
    what = f"{name}: edges that are not stored"
    if projection.site != "target":
        raise UnsupportedError(
            f"{what} reach states at the targets, and {type(projection.synapse).__name__} is at the {projection.site}. {STORE_THEM}"
        )
    if numbers.plasticity is not None:
        raise UnsupportedError(f"{what} have no weights to change, and the projection learns. {STORE_THEM}")
    if numbers.release is not None or projection.short_term_site == "edge":
        raise UnsupportedError(f"{what} cannot answer a spike each in its own way (release, short_term_site='edge'). {STORE_THEM}")
    if getattr(projection, "structure", None) is not None:
        raise UnsupportedError(f"{what} cannot be made and pruned. {STORE_THEM}")
    if len(projection.sources) > 1:
        raise UnsupportedError(f"{what} come from one population. Make one projection from each of {len(projection.sources)}.")
    weight, numbers_of_weight = part.weight, numbers_from(part.weight)[1]
    if numbers_of_weight is None and (isinstance(weight, Distribution) or callable(weight) or np.ndim(weight)):
        raise UnsupportedError(f"{what} have one weight, or weights drawn by rv.uniform(…) or rv.normal(…) without redraw. {STORE_THEM}")
    delay, delays_drawn = part.delay, numbers_from(part.delay)[1] is not None
    if not delays_drawn and (isinstance(delay, Distribution) or callable(delay) or np.ndim(delay)):
        raise UnsupportedError(f"{what} have one delay, or delays drawn by rv.uniform(…) or rv.normal(…) without redraw. {STORE_THEM}")
    lowest = weight.ends()[0] if isinstance(weight, Distribution) else weight
    if not isinstance(lowest, jax.core.Tracer):
        if not np.isfinite(lowest):
            raise ParameterError(f"The weight of {name} is not finite.")
        if part.conductance and lowest < 0:
            raise ParameterError(
                f"The weight of {name} may be {lowest:g}, but a conductance cannot be negative. Inhibition comes from the reversal "
                "potential; a distribution needs a low end: rv.normal(mean, sd, low=0)."
            )
    if not isinstance(delay, jax.core.Tracer):
        low, high = delay.ends() if isinstance(delay, Distribution) else (delay, delay)
        if not (np.isfinite(high) and low >= 0):
            hint = (
                f"may be {low:g} ms: a distribution needs a low end, rv.normal(mean, sd, low={part.dt:g})"
                if delays_drawn
                else f"is {low:g} ms"
            )
            raise ParameterError(f"The delay of {name} must be finite and not negative; it {hint}.")
        if high / part.dt >= LONGEST:
            raise ParameterError(f"The delay of {name} may be {high / part.dt:.0f} steps; less than {LONGEST} can be.")


def projection_part(name: str, projection: Projection, numbers: ProjectionNumbers, key: Key, dt: float) -> Part:
    """The edges, weights and delays of a projection, to be drawn.

    Args:
        name, projection, numbers: whose they are, and what it is given.
        key: where it draws from, from `projection_key`.
        dt: in ms.
    """
    unit = weight_unit(name, projection.synapse, projection.targets)
    return Part(
        name=name,
        rule=projection.rule,
        sources=sum(s.n for s in projection.sources),
        pre_offset=0,
        targets=((sum(t.n for t in projection.targets), 0),),
        key=key,
        own=own_place(projection.sources, projection.targets, projection.rule),
        weight=_in_unit(numbers.weight, unit, f"The weight of {name}"),
        delay=_in_unit(numbers.delay, "ms", f"The delay of {name}"),
        dt=dt,
        conductance=projection.synapse.weight == "conductance",
    )


def projection_key(key: Key, name: str) -> Key:
    """Where a projection draws from."""
    return key.child("projection").child(name)


def _in_unit(given: Any, unit: str, what: str) -> Any:
    """A weight or a delay as plain numbers; a function's are converted when it has given them."""
    if callable(given) and not isinstance(given, Distribution) and not units.is_quantity(given):
        return lambda pre, post: units.magnitude(given(pre, post), unit, what)
    return units.magnitude(given, unit, what)


def _at_targets(name: str, projection: Projection, numbers: ProjectionNumbers, part: Part, targets: int, key: Key) -> DrawnProjection:
    kind = type(projection.synapse).__name__
    if projection.synapse.emits:
        raise UnsupportedError(
            f"{name}: {kind} has its state at the target, and notes presynaptic spikes elsewhere. "
            "Give the projection short_term_plasticity instead, or the synapse the site 'source'."
        )
    if not projection.synapse.event_driven:
        raise UnsupportedError(
            f"{name}: {kind} has its state at the target, but neither `receive` nor `kick`: "
            "nothing would reach it. Write one of them, or choose the site 'source'."
        )
    synapse, start = _begun(numbers.synapse, targets, key, name, {"neuron": (targets, "target"), "target": (targets, "target")})
    values = _initial(numbers, name, synapse, start, targets, key)
    rules = {"plasticity": numbers.plasticity, "structure": numbers.structure}
    dendritic = int(in_steps(projection.dendritic_delay, part.dt, f"The dendritic delay of {name}"))
    if dendritic >= LONGEST:
        raise ParameterError(f"The dendritic delay of {name} is {dendritic} steps; less than {LONGEST} can be.")
    rules |= {"release": None if numbers.release is None else each_edge(numbers.release, part, "release")}
    if numbers.short_term_plasticity is None:
        return DrawnProjection(name, projection, "target", synapse, values, part, **rules, dendritic=dendritic)
    if projection.short_term_site == "edge":
        rules["edge_rule"] = each_edge(numbers.short_term_plasticity, part, "short_term_plasticity")
        return DrawnProjection(name, projection, "target", synapse, values, part, **rules, dendritic=dendritic)
    sources, child = projection.source.n, key.child("short_term_plasticity")
    model = drawn(numbers.short_term_plasticity, child, name, {"neuron": (sources, "source")})
    start = {k: np.broadcast_to(np.asarray(v, np.float64), (sources,)) for k, v in initial_state(model, sources, child).items()}
    short = {"short_term": model, "short_term_values": start}
    return DrawnProjection(name, projection, "target", synapse, values, part, **short, **rules, dendritic=dendritic)


def each_edge(model: Any, part: Any, what: str) -> Any:
    """A model with its parameters numbers or, sorted by target, then source, one an edge.

    Raises:
        ParameterError: a shape that does not fit, or a value out of bounds.
    """
    given = {name: value for name, info, value in parameters(model) if isinstance(value, Distribution) or np.ndim(value)}
    if not given:
        return model
    everything = draw_edges(part)
    changed = {}
    for name, value in given.items():
        info = next(info for known, info, _ in parameters(model) if known == name)
        if isinstance(value, Distribution):
            changed[name] = value.draw(part.key.child(what).child(name), len(everything))
        else:
            own = draw_edges(dataclasses.replace(part, name=f"{name} of {what} of {part.name}", weight=value, conductance=False))
            changed[name] = own.weights(dataclasses.replace(own.edges(range(part.size)), values=None))
        check_bounds(changed[name], info, f"{what}.{name}")
    return with_parameters(model, changed)


def _coupled(name: str, projection: Projection, numbers: ProjectionNumbers, part: Part, targets: int, key: Key) -> DrawnProjection:
    sources = projection.source.n
    everything = draw_edges(part)
    require_memory(
        BYTES_OF_COUPLED_EDGE * len(everything),
        f"{name}, whose synapses have their states at its sources or its edges, with {len(everything):.3g} edges",
        "Fewer edges take less; so do states at the targets, where kinetics are linear.",
    )
    edges = everything.edges(range(targets))
    weight, delay = everything.weights(edges), everything.steps(edges)
    synapse, site = coupled_synapse(name, projection, numbers.synapse, edges, key)
    states = {"source": sources, "edge": len(edges)}[site]
    _check_coupled(name, synapse, site)
    if site == "edge":
        sorted_initial = {k: edges.sorted_like(np.asarray(v)) if np.shape(v) == (states,) else v for k, v in numbers.initial.items()}
        numbers = dataclasses.replace(numbers, initial=sorted_initial)
    values = _initial(numbers, name, synapse, initial_state(synapse, states, key.child("model")), states, key)
    return DrawnProjection(name, projection, site, synapse, values, part, edges, weight, delay)


def coupled_synapse(name: str, projection: Projection, synapse: Any, edges: Edges, key: Key) -> tuple[Any, str]:
    """A synapse with its states at the sources or the edges, and which of the two; what was given one an edge is sorted as they are."""
    sources, targets, n = projection.source.n, sum(t.n for t in projection.targets), len(edges)
    site = _site(projection, synapse, sources, n)
    states = {"source": sources, "edge": n}[site]
    own_site = synapse.site
    if site == "edge" and edges.listed is not None:
        given = {k: v for k, info, v in parameters(synapse) if info.per == "neuron" and np.shape(v) == (n,)}
        synapse = with_parameters(synapse, {k: edges.sorted_like(np.asarray(v)) for k, v in given.items()})
    if site == "edge" and own_site == "source":
        synapse = _spread_over_edges(synapse, sources, edges)
    if site == "edge" and own_site == "target":
        synapse = _spread_over_targets(synapse, targets, edges)
    return drawn(synapse, key, name, {"neuron": (states, site), "target": (targets, "target")}), site


def _initial(
    numbers: ProjectionNumbers, name: str, synapse: SynapseModel, start: dict[str, Any], states: int, key: Key
) -> dict[str, np.ndarray]:
    return initial_values(numbers.initial, start, states, key, name, "state", lambda v: synapse.variable_units.get(v, "1"))


def _check_coupled(name: str, synapse: SynapseModel, site: str) -> None:
    kind, delivered = type(synapse).__name__, synapse.event_driven
    if delivered and synapse.emits and site == "edge":
        raise UnsupportedError(f"{name}: {kind} notes presynaptic spikes on its own, which is not supported at the site 'edge'.")
    if delivered and site == "source":
        raise UnsupportedError(f"{name}: {kind} has its state at the source, where no spikes arrive: choose the site 'target' or 'edge'.")
    if delivered and type(synapse).kick is not SynapseModel.kick:
        raise UnsupportedError(f"{name}: {kind} kicks the membrane at once and has no state to keep at the edges. Leave out `site`.")


def _site(projection: Projection, synapse: Any, sources: int, edges: int) -> str:
    """Where the state lives: kinetics given one value an edge promote a model to the edges."""
    if projection.site == "source" and edges != sources:
        for _, info, value in parameters(synapse):
            if info.per == "neuron" and np.shape(value) == (edges,):
                return "edge"
    return projection.site


def _spread_over_edges(synapse: Model, sources: int, edges: Edges) -> Model:
    """A source-site model moved to the edges: parameters with one value a source get one an edge."""
    return _each_edge(synapse, sources, edges.pre)


def _spread_over_targets(synapse: Model, targets: int, edges: Edges) -> Model:
    """A target-site model moved to the edges: parameters with one value a target get one an edge."""
    return _each_edge(synapse, targets, edges.post)


def _each_edge(synapse: Model, n: int, which: np.ndarray) -> Model:
    changes = {
        name: np.asarray(value)[which]
        for name, info, value in parameters(synapse)
        if info.per == "neuron" and np.shape(value) == (n,) and n != len(which)
    }
    return synapse.replace(**changes) if changes else synapse


# -- Poisson inputs ----------------------------------------------------------------------------------


def draw_input(name: str, poisson: PoissonInput, numbers: Any, key: Key, dt: float) -> DrawnInput:
    """A Poisson input with its numbers checked."""
    assert isinstance(numbers, InputNumbers)
    targets = sum(t.n for t in poisson.targets)
    unit = weight_unit(name, poisson.synapse, poisson.targets)
    synapse = drawn(numbers.synapse, key, name, {"neuron": (targets, "target"), "target": (targets, "target")})
    weight = units.magnitude(numbers.weight, unit, f"The weight of {name}")
    if np.ndim(weight) or isinstance(weight, Distribution) or not np.isfinite(weight):
        raise ParameterError(f"The weight of {name} must be one finite number, not {weight!r}: one spike weighs as much as another.")
    if poisson.synapse.weight == "conductance" and weight < 0:
        raise ParameterError(f"The weight of {name} is {weight:g}, but a conductance cannot be negative.")
    share = poisson.correlation
    if not isinstance(numbers.rate, Stimulus) and not share:
        return DrawnInput(name, poisson, synapse, _mean_count(name, numbers, targets, key, dt), float(weight))
    if not isinstance(numbers.rate, Stimulus):
        mean = _mean_count(name, numbers, targets, key, dt)
        _one_rate(name, mean, "rate and sources")
        return DrawnInput(name, poisson, synapse, mean, float(weight), Constant(1.0), share)
    rate = drawn(numbers.rate, key.child("rate"), f"rate of {name}", {"neuron": (targets, "target")}, "Hz")
    with jax.enable_x64(True):
        shape = jax.eval_shape(rate, jnp.zeros(())).shape
    if shape not in ((), (targets,)):
        raise ParameterError(f"The rate of {name} has the shape {shape}; it must be one number at each time, or one a target ({targets},).")
    mean = _mean_count(name, dataclasses.replace(numbers, rate=1.0), targets, key, dt)
    if share:
        _one_rate(name, mean if shape == () else np.arange(1.0, 3.0), "rate and sources")
    return DrawnInput(name, poisson, synapse, mean, float(weight), rate, share)


def _one_rate(name: str, mean: np.ndarray, what: str) -> None:
    """Refuses targets of several rates, none apart, where spikes are common.

    Raises:
        ParameterError: there are several.
    """
    if len(np.unique(mean[mean > 0] if mean.ndim else mean)) > 1:
        raise ParameterError(
            f"{name} has a correlation, so its {what} must be the same for all targets: give one number, or an input for each."
        )


def _mean_count(name: str, numbers: InputNumbers, targets: int, key: Key, dt: float) -> np.ndarray:
    """How many spikes each target has in a step, on average: a number where rate and sources are numbers, else `[targets]`."""
    values = []
    for what, value, unit in (("rate", numbers.rate, "Hz"), ("sources", numbers.sources, "1")):
        value = units.magnitude(value, unit, f"The {what} of {name}")
        if isinstance(value, Distribution):
            value = value.draw(key.child(what), targets)
        array = np.asarray(value, np.float64)
        if array.shape not in ((), (targets,)):
            raise ParameterError(f"The {what} of {name} has the shape {array.shape}; it must be one number, or ({targets},).")
        if not (np.isfinite(array) & (array >= 0)).all():
            raise ParameterError(f"The {what} of {name} must be finite and not negative; it is {np.min(array):g}.")
        values.append(array)
    mean = values[0] * values[1] * (dt / 1000.0)
    if np.max(mean, initial=0.0) > MOST_POISSON:
        raise ParameterError(
            f"{name} brings {np.max(mean):.3g} spikes a step to a neuron; at most {MOST_POISSON:g} can be drawn. "
            "Take a smaller dt, or a current with white noise: rv.stimuli.WhiteNoise."
        )
    return mean
