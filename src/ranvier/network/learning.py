"""Plasticity inside the step: traces, what arriving spikes and the targets' own change, and what changes now and then.

Rules that are sums of products of traces are taken by native kernels (`kernels.plasticity`), all others edge by edge in
chunks (`kernels.due_edges`): the same events in the same order.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import optimization_barrier

from ranvier.errors import ParameterError
from ranvier.kernels.deliver_events import SpikeHistory
from ranvier.kernels.due_edges import change_at_targets, change_where_due
from ranvier.kernels.incoming import Incoming
from ranvier.kernels.plasticity import MOST_TRACES, WeightChange, deliver_and_learn, each_edge, learn_at_targets
from ranvier.kernels.traces import advance_trace, fade, mark
from ranvier.model import in_precision
from ranvier.network.constants import PlasticConstants
from ranvier.network.draw import DrawnProjection
from ranvier.network.plan import PlasticPlan
from ranvier.plasticity.base import Change, PlasticityRule, fused, overrides
from ranvier.plasticity.homeostasis import NoHomeostasis
from ranvier.plasticity.structure import StructuralRule
from ranvier.plasticity.traces import LowPass, Trace
from ranvier.random import Key
from ranvier.steps import MOST_STEPS
from ranvier.synapses.base import SynapseModel

WEIGHT, THIRD, REFERENCE = "weight", "third", "reference"
HOMEOSTASIS = "homeostasis: "
OUTGOING, INCOMING = "outgoing", "incoming"
"""The first words of what a rule of structural plasticity knows of sources and of targets."""
INHIBITORY_BELOW = -50.0
"""mV: a synapse of a lower reversal potential keeps its target from firing"""
MOST_FADED = 20.0
"""time constants after which what an edge keeps is written anew: e²⁰ times as large is no matter in single precision either"""
ARRIVED, FIRED = "dendrite arrived", "dendrite fired"

Learning = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Events:
    """One step, as a projection that learns meets it.

    Attributes:
        k: the number of the step.
        dt: its length (ms).
        history: spikes of the sources that are on their way, with those of this step.
        edges: in the order of delivery.
        before, after: the targets' variables at both ends of the step.
        spiked: which targets spiked in it.
        everywhere: whether a rule's own functions are asked at all edges, in a form that can be differentiated in reverse.
        soft: spikes as numbers that carry a derivative, where they do.
    """

    k: jax.Array
    dt: Any
    history: SpikeHistory
    edges: Any
    before: Mapping[str, Any]
    after: Mapping[str, Any]
    spiked: jax.Array
    everywhere: bool = False
    soft: Soft | None = None


@dataclasses.dataclass(frozen=True)
class Soft:
    """What of a step's events carries a derivative: 1 or 0 each, in numbers.

    Attributes:
        sent: the sources' spikes of the last steps, `[slots, sources]`.
        spiked: which targets spiked.
        fired: which targets have an event to which the rule answers.
        chosen: `chosen(soft, yes, no)` is what an event makes of something, else what it was.
    """

    sent: jax.Array
    spiked: jax.Array
    fired: jax.Array
    chosen: Callable[[jax.Array, jax.Array, jax.Array], jax.Array]


# -- structure and numbers -----------------------------------------------------------------------------


def plan_plasticity(
    projection: DrawnProjection, source: str, receptor: str, place: int, group: str, start: int, size: int, width: int, sees: bool
) -> PlasticPlan:
    """The structure of a projection's plasticity."""
    rule: PlasticityRule = projection.plasticity
    pre, post, native = rule.pre_traces(), post_traces(rule), fused(rule)
    spikes = tuple(name for name, trace in post.items() if isinstance(trace, Trace))
    before = tuple(pre)
    if native:
        change = rule.at_pre()  # type: ignore[attr-defined]
        before = tuple(name for name in pre if change is not None and any(s == name for s, _ in change.terms))
        native = max(len(pre), len(rule.post_traces())) <= MOST_TRACES
    modulator = rule.modulator()
    return PlasticPlan(
        name=projection.name,
        receptor=receptor,
        place=place,
        source=source,
        sources=projection.part.sources,
        group=group,
        start=start,
        n=sum(t.n for t in projection.projection.targets),
        size=size,
        width=width,
        rule=type(rule),
        fused=native,
        sees=sees,
        pre=tuple(pre),
        before=before,
        post=spikes,
        filtered=tuple((name, trace.variable) for name, trace in post.items() if isinstance(trace, LowPass)),
        edge=tuple(rule.edge_state()),
        memory=None if modulator is None else tuple(modulator.memory()),
        dendrite=1 << projection.dendritic.bit_length() if projection.dendritic else 0,
        **_structure(projection.structure),
    )


def _structure(rule: StructuralRule | None) -> dict[str, Any]:
    if rule is None:
        return {}
    kept = (*(f"{OUTGOING} {name}" for name in rule.source_state()), *(f"{INCOMING} {name}" for name in rule.target_state()))
    return {"structure": type(rule), "outgoing": tuple(rule.source_traces()), "incoming": tuple(rule.target_traces()), "kept": kept}


def plastic_constants(
    plan: PlasticPlan,
    projection: DrawnProjection,
    incoming: Incoming,
    weight: np.ndarray,
    dt: float,
    dtype: str,
    placed: bool,
) -> PlasticConstants:
    """The numbers of a projection's plasticity.

    Args:
        plan: its structure.
        projection: the projection, drawn.
        incoming: its edges by target.
        weight: the weights that it begins with, sorted by target, then source.
        dt: the step (ms).
        dtype: the run's.
        placed: whether somebody asks for all edges in the user's order.
    """
    rule = projection.plasticity
    _check_sources(projection, rule, weight)
    update = _steps_between_updates(rule, dt)
    every = np.array(
        [update, max(1, round(float(rule.homeostasis.every) / dt)), min(update, _steps_between_references(rule, dt))], np.int64
    )
    place = incoming.position[: len(weight) if placed else 0]
    known = weight if projection.structure is None else np.append(weight, _given_weight(projection))
    return PlasticConstants(
        rule=in_precision(rule, dtype),
        incoming=incoming,
        sign=np.asarray(sign_of(projection.name, rule, known), dtype),
        every=every,
        place=place,
        dendritic=np.int64(projection.dendritic),
        structure=in_precision(projection.structure, dtype),
    )


def _check_sources(projection: DrawnProjection, rule: PlasticityRule, weight: np.ndarray) -> None:
    synapse = projection.projection.synapse
    if rule.inhibitory and len(weight) > 0 and not weight.any() and _has_no_conductance(synapse):
        raise ParameterError(
            f"{projection.name}: its weights begin at 0, and {type(synapse).__name__} has no conductance that could inhibit: by "
            f"{type(rule).__name__} they would grow to excite. Let them begin below 0, such as weight=-1e-6."
        )
    if not rule.excitatory_only:
        return
    reversal: Any = getattr(synapse, "reversal", None)
    if isinstance(reversal, int | float | np.ndarray):
        inhibitory, why = bool(np.max(reversal) < INHIBITORY_BELOW), f"the reversal potential of their synapse is {np.max(reversal):g} mV"
    else:
        inhibitory, why = reversal is None and len(weight) > 0 and bool(weight.max() < 0), "their weights are below 0"
    if inhibitory:
        raise ParameterError(
            f"{projection.name}: {type(rule).__name__} is a rule for excitatory sources, and these are inhibitory: {why}. "
            "For inhibition there is rv.plasticity.InhibitorySTDP(); rv.plasticity.PairSTDP() acts on the size of weights of either sign."
        )


def _has_no_conductance(synapse: SynapseModel) -> bool:
    """Whether only the sign of a weight says if a synapse excites or inhibits."""
    if type(synapse).kick is not SynapseModel.kick:
        return True
    transmitted = synapse.transmit(synapse.initial_state(1, Key(0)), None, jnp.zeros(()))
    conductance, _ = synapse.membrane_input(transmitted, jnp.full(1, -60.0))
    return isinstance(conductance, float) and conductance == 0.0


def _given_weight(projection: DrawnProjection) -> np.ndarray:
    """The weight that new edges begin with, where it is one number."""
    given = projection.part.weight
    return (
        np.asarray([given], np.float64)
        if isinstance(given, int | float | np.number) or (np.shape(given) == () and isinstance(given, np.ndarray))
        else np.zeros(0)
    )


def post_traces(rule: PlasticityRule) -> dict[str, Trace | LowPass]:
    """What is kept of the targets' past, for the rule and for its homeostasis."""
    return {**rule.post_traces(), **{f"{HOMEOSTASIS}{name}": trace for name, trace in rule.homeostasis.post_traces().items()}}


def regulated(rule: PlasticityRule) -> bool:
    """Whether there is a homeostasis."""
    return not isinstance(rule.homeostasis, NoHomeostasis)


def _steps_between_updates(rule: PlasticityRule, dt: float) -> int:
    if overrides(rule, "update"):
        return max(1, round(rule.update_every / dt))
    return max(1, round(min(_finite_times(rule), default=100.0) / dt))


def _steps_between_references(rule: PlasticityRule, dt: float) -> int:
    """For so long, what an edge keeps may be written as what it would have been at the beginning: a larger number than it is."""
    return max(1, round(min(MOST_FADED * min(_finite_times(rule), default=math.inf) / dt, MOST_STEPS)))


def _finite_times(rule: PlasticityRule) -> list[float]:
    return [tau for tau in rule.edge_state().values() if not isinstance(tau, jax.core.Tracer) and math.isfinite(tau) and tau > 0]


def sign_of(name: str, rule: PlasticityRule, weight: np.ndarray) -> float:
    """−1 where a rule acts on the size of weights that are below 0.

    Raises:
        ParameterError: the weights have both signs, or are out of the rule's bounds.
    """
    low, high = rule.low, rule.high
    if isinstance(low, jax.core.Tracer) or isinstance(high, jax.core.Tracer) or not len(weight):
        return 1.0
    sign = -1.0 if low >= 0 and weight.min() < 0 else 1.0
    if sign < 0 and weight.max() > 0:
        raise both_signs(name, rule, f" ({weight.min():g} … {weight.max():g})")
    slack = 1e-6 * max(abs(low), abs(high) if math.isfinite(high) else 0.0)
    if min(sign * weight.min(), sign * weight.max()) >= low - slack and max(sign * weight.min(), sign * weight.max()) <= high + slack:
        return sign
    sizes = sign * weight
    outside = (sizes < low - slack) | (sizes > high + slack)
    worst = sizes[np.argmax(np.maximum(low - sizes, sizes - high))]
    raise ParameterError(
        f"{name}: {int(outside.sum())} of its {len(sizes)} weights begin out of the bounds of {type(rule).__name__}, such as "
        f"{worst:g}: they must be within [{low:g}, {high:g}]. Change the weights, or the rule's low and high."
    )


def both_signs(name: str, rule: Any, between: str = "") -> ParameterError:
    """What is said of weights of both signs."""
    return ParameterError(
        f"{name}: the weights that it begins with have both signs{between}, and {type(rule).__name__} "
        "acts on the size of weights of one sign. Make one projection of each, or give the rule a `low` below 0."
    )


def initial_traces(plan: PlasticPlan, rule: PlasticityRule, structure: StructuralRule | None, slots: int, dtype: str) -> dict[str, Any]:
    """The traces at the start, as a state has them."""
    result: dict[str, Any] = {f"pre {name}": np.zeros((slots, plan.sources), dtype) for name in plan.pre}
    result.update({f"before {name}": np.zeros((slots, plan.sources), dtype) for name in plan.before})
    result.update({f"post {name}": np.zeros(plan.n, dtype) for name in plan.post})
    result.update({f"post {name}": np.full(plan.n, np.nan, dtype) for name, _ in plan.filtered})  # begins as the variable does
    modulator = rule.modulator()
    if modulator is not None:
        result[THIRD] = np.asarray(modulator.baseline, dtype)
        result.update({f"memory {name}": np.asarray(x) for name, x in modulator.memory().items()})
    if plan.edge:
        result[REFERENCE] = np.int64(0)
    if plan.dendrite:
        result.update({ARRIVED: np.zeros((plan.dendrite, plan.n), dtype), FIRED: np.zeros((plan.dendrite, plan.n), bool)})
    if structure is not None:
        for side, n, traces, kept in (
            (OUTGOING, plan.sources, plan.outgoing, structure.source_state()),
            (INCOMING, plan.n, plan.incoming, structure.target_state()),
        ):
            result.update({f"{side} {name}": np.zeros(n, dtype) for name in traces})
            result.update({f"{side} {name}": np.full(n, value, dtype) for name, value in kept.items()})
    return result


# -- in the step ---------------------------------------------------------------------------------------


def _decay(tau: Any, dt: Any, dtype: Any) -> jax.Array:
    return jnp.exp(-dt / jnp.asarray(tau, jnp.float64)).astype(dtype)


def advance_traces(
    plan: PlasticPlan, rule: PlasticityRule, own: Learning, k: jax.Array, dt: Any, spikes: jax.Array, variables: Mapping[str, Any]
) -> Learning:
    """The sources' traces with the spikes of step `k`, the targets' before theirs are added."""
    new, dtype = dict(own), own[WEIGHT].dtype
    pre, post = rule.pre_traces(), post_traces(rule)
    for name in plan.pre:
        trace: Any = pre[name]
        move = functools.partial(_moved, trace, spikes, k, _decay(trace.tau, dt, dtype))
        # Along their only row, not of it: between arrays of other shapes XLA makes copies.
        if name in plan.before:
            new[f"pre {name}"], new[f"before {name}"] = jax.vmap(move)(own[f"pre {name}"], own[f"before {name}"])
        else:
            new[f"pre {name}"], _ = jax.vmap(move)(own[f"pre {name}"])
    for name in plan.post:
        new[f"post {name}"] = fade(own[f"post {name}"], _decay(post[name].tau, dt, dtype))
    for name, variable in plan.filtered:
        kept, value = _decay(post[name].tau, dt, dtype), variables[variable]
        old = own[f"post {name}"]
        first = jnp.isnan(old)
        new[f"post {name}"] = jnp.where(first, value, jnp.where(first, 0.0, old) * kept + value * (1.0 - kept))
    return new


def _moved(
    trace: Trace, spikes: jax.Array, k: jax.Array, kept: jax.Array, ring: jax.Array, before: jax.Array | None = None
) -> tuple[jax.Array, jax.Array | None]:
    return advance_trace(ring, spikes, k, kept, trace.jump, trace.nearest, before)


def noted(structure: Any, own: Learning, side: str, names: tuple[str, ...], dt: Any, spikes: jax.Array) -> Learning:
    """The traces that a rule of structural plasticity sees of sources or of targets, with their spikes of this step."""
    if not names:
        return own
    new, traces = dict(own), structure.source_traces() if side == OUTGOING else structure.target_traces()
    for name in names:
        y, trace = own[f"{side} {name}"], traces[name]
        jump, kept = jnp.asarray(trace.jump, y.dtype), optimization_barrier(y * _decay(trace.tau, dt, y.dtype))
        new[f"{side} {name}"] = jnp.where(spikes, jump if trace.nearest else kept + jump, kept)
    return new


def mark_targets(plan: PlasticPlan, rule: PlasticityRule, own: Learning, events: Events) -> Learning:
    """The targets' traces with their spikes of this step added."""
    new, post = dict(own), post_traces(rule)
    for name in plan.post:
        trace: Any = post[name]
        old = own[f"post {name}"]
        if events.soft is None:
            new[f"post {name}"] = mark(old, events.spiked, trace.jump, trace.nearest)
        else:
            new[f"post {name}"] = jumped(old, events.soft.spiked, trace, events.soft.chosen)
    return new


def jumped(values: jax.Array, soft: jax.Array, trace: Trace, chosen: Any) -> jax.Array:
    """A trace with spikes that carry a derivative."""
    jump = jnp.asarray(trace.jump, values.dtype)
    return chosen(soft, jnp.broadcast_to(jump, values.shape) if trace.nearest else values + jump, values)


def arrive(
    plan: PlasticPlan, constants: PlasticConstants, own: Learning, events: Events, arriving: jax.Array
) -> tuple[jax.Array, Learning]:
    """Delivers what arrives with the weights as they are; a rule that the kernels take changes them in the same pass."""
    if not plan.dendrite:
        return _delivered(plan, constants, own, events, arriving)
    now, own = _delivered(plan, constants, own, events, jnp.zeros_like(arriving))
    own, late = _delayed(own, ARRIVED, now, events.k, constants)
    return arriving + late, own


def _delayed(own: Learning, name: str, value: jax.Array, k: jax.Array, constants: PlasticConstants) -> tuple[Learning, jax.Array]:
    """What goes along the dendrite: with `value` sent off in step `k`, and what comes out."""
    ring = own[name].at[jnp.mod(k, own[name].shape[0])].set(value)
    return {**own, name: ring}, ring[jnp.mod(k - constants.dendritic, ring.shape[0])]


def _delivered(
    plan: PlasticPlan, constants: PlasticConstants, own: Learning, events: Events, arriving: jax.Array
) -> tuple[jax.Array, Learning]:
    where = (events.history, events.k, events.edges, own[WEIGHT], arriving)
    change = constants.rule.at_pre() if plan.fused and events.soft is None else None
    if change is None:
        arriving, weight = deliver_and_learn(*where)
        return arriving, {**own, WEIGHT: weight}
    gain, pre, post = _matrix(change, own[WEIGHT].dtype)
    arriving, weight = deliver_and_learn(
        *where,
        _signed(change, gain, constants),
        _stacked([own[f"before {s}"] for s in pre], events.history.source.shape),
        _stacked([own[f"post {t}"][None] for t in post], (plan.size,)),
    )
    return arriving, {**own, WEIGHT: weight}


def learn(plan: PlasticPlan, constants: PlasticConstants, own: Learning, events: Events) -> Learning:
    """What arriving spikes change where no kernel did it, then what the targets' events change, then what changes now and then."""
    rule = constants.rule
    own = noted(constants.structure, own, INCOMING, plan.incoming, events.dt, events.spiked)
    if plan.dendrite:
        own, spiked = _delayed(own, FIRED, events.spiked, events.k, constants)
        events = dataclasses.replace(events, spiked=spiked)
    if plan.fused and events.soft is None:
        change = rule.at_post()
        if change is not None:
            gain, pre, post = _matrix(change, own[WEIGHT].dtype)
            weight = learn_at_targets(
                events.spiked,
                events.k,
                constants.incoming,
                events.edges.bounds,
                own[WEIGHT],
                _signed(change, gain, constants),
                _stacked([own[f"pre {s}"] for s in pre], events.history.source.shape),
                _stacked([own[f"post {t}"][None] for t in post], (plan.size,)),
            )
            own = {**own, WEIGHT: weight}
    else:
        own = _edge_by_edge(plan, constants, own, events)
    own = mark_targets(plan, rule, own, events)
    for which, wanted in enumerate((bool(plan.edge) or overrides(rule, "update"), regulated(rule))):
        if wanted:
            due = _due(constants, events.k, which)
            edged = (WEIGHT, *plan.edge, *((REFERENCE,) if plan.edge else ()))
            changed = _now_and_then(
                plan.fused or events.everywhere,
                due if which or not plan.edge else due | _due(constants, events.k, 2),
                functools.partial(_updated, plan, constants, own, events, homeostasis=which == 1),
                {name: own[name] for name in edged},
            )
            own = {**own, **changed}
    return own


def _due(constants: PlasticConstants, k: jax.Array, which: int) -> jax.Array:
    return jnp.mod(k + 1, constants.every[which]) == 0


def _now_and_then(by_condition: bool, due: jax.Array, update: Any, some: Learning) -> Learning:
    """`update(some)` where it is due.

    With a condition XLA copies what an edge has, at every step, unless a native kernel had it last. A loop of no turn or one does not,
    but has no gradient backwards.
    """
    if by_condition:
        return jax.lax.cond(due, update, lambda some: some, some)
    return jax.lax.while_loop(lambda carry: carry[0], lambda carry: (jnp.zeros_like(due), update(carry[1])), (due, some))[1]


def _edge_by_edge(plan: PlasticPlan, constants: PlasticConstants, own: Learning, events: Events) -> Learning:
    """The rule's own functions, at the edges that have an event."""
    rule, dtype = constants.rule, own[WEIGHT].dtype
    variables = {name: own[name] for name in (WEIGHT, *plan.edge)}
    third = own.get(THIRD)
    factors = edge_decay(plan, rule, own, events.k + 1, events.dt)
    history, edges, k = events.history, events.edges, events.k
    post = {**events.after, **{name: own[f"post {name}"] for name in (*plan.post, *(name for name, _ in plan.filtered))}}
    shape = history.source.shape

    def within(event: Any) -> Any:
        def change(edge: Any, pre: Any, post: Any) -> Any:
            seen = {name: x * factors[name] for name, x in edge.items() if name != WEIGHT}
            seen[WEIGHT] = edge[WEIGHT] * constants.sign
            post = {**post, "dt": jnp.asarray(events.dt).astype(dtype)}
            return kept(plan, constants, event(seen, pre, post, third), factors, dtype)

        return change

    if events.everywhere:
        delays, segments, target = (jnp.asarray(x) for x in (edges.delays, edges.segments, edges.target))
        arrived, row, who, _, valid = each_edge(history.source, history.count, k, delays, segments, target, plan.size)
        traces = lambda which, names: {name: own[f"{which} {name}"][0][row, who] for name in names}
        at_edge = {name: x[target] for name, x in post.items() if jnp.ndim(x) == 1}
        chosen: Callable[..., jax.Array] = jnp.where
        if events.soft is None:
            event = rule.post_event(events.before, events.after)
            fired = (events.spiked if event is None else event)[target] & valid
        else:
            arrived, fired = (jnp.where(valid, x, 0.0) for x in (events.soft.sent[row, who], events.soft.fired[target]))
            chosen = events.soft.chosen
        for function, which, names, where in (("on_pre", "before", plan.before, arrived), ("on_post", "pre", plan.pre, fired)):
            if overrides(rule, function):
                new = within(getattr(rule, function))(variables, traces(which, names), at_edge)
                variables = {**variables, **{name: chosen(where, x, variables[name]) for name, x in new.items()}}
        return {**own, **variables}
    if overrides(rule, "on_pre"):
        pre = {name: own[f"before {name}"] for name in plan.before}
        variables = change_where_due(within(rule.on_pre), variables, history, k, edges, pre, post, plan.size)
    if overrides(rule, "on_post"):
        event = rule.post_event(events.before, events.after)
        fired = events.spiked if event is None else event
        pre = {name: own[f"pre {name}"] for name in plan.pre}
        variables = change_at_targets(within(rule.on_post), variables, fired, k, constants.incoming, pre, post, *shape)
    return {**own, **variables}


def kept(plan: PlasticPlan, constants: PlasticConstants, new: Any, factors: Mapping[str, Any], dtype: Any) -> dict[str, Any]:
    """What a rule gave, as it is kept: weights within the bounds and with their sign, other variables as of the reference.

    Raises:
        ParameterError: it gives what an edge does not have.
    """
    known = (WEIGHT, *plan.edge)
    if not isinstance(new, Mapping) or any(name not in known for name in new):
        raise ParameterError(
            f"{plan.name}: {plan.rule.__name__} gave {new if not isinstance(new, Mapping) else ', '.join(map(repr, new))}; it must give a "
            f"dict with new values of {' or '.join(map(repr, known))}."
        )
    result = {}
    for name, value in new.items():
        value = jnp.asarray(value).astype(dtype)
        if name == WEIGHT:
            rule = constants.rule
            value = jnp.clip(value, jnp.asarray(rule.low, dtype), jnp.asarray(rule.high, dtype)) * constants.sign
        else:
            value = value / factors[name]
        result[name] = value
    return result


def edge_decay(plan: PlasticPlan, rule: PlasticityRule, own: Learning, k: Any, dt: Any) -> dict[str, Any]:
    """By how much each of the edges' own variables has decayed, at the beginning of step `k`, since its reference."""
    if not plan.edge:
        return {}
    since, dtype = (k - own[REFERENCE]) * dt, own[WEIGHT].dtype
    return {name: jnp.exp(-since / jnp.asarray(tau, jnp.float64)).astype(dtype) for name, tau in rule.edge_state().items()}


def _updated(
    plan: PlasticPlan, constants: PlasticConstants, own: Learning, events: Events, some: Learning, *, homeostasis: bool
) -> Learning:
    """Every edge: its variables as of now, and what the rule's `update` makes of them."""
    own = {**own, **some}
    rule, dtype, k, dt = constants.rule, own[WEIGHT].dtype, events.k, events.dt
    factors = edge_decay(plan, rule, own, k + 1, dt)
    seen = {name: own[name] * factors[name] for name in plan.edge}
    result = {WEIGHT: own[WEIGHT], **seen}
    if homeostasis or overrides(rule, "update"):
        target = jnp.asarray(events.edges.target)
        exists = jnp.arange(plan.width) < events.edges.segments[-1, -1, -1] if plan.width else jnp.zeros(0, bool)
        total = lambda x: jax.ops.segment_sum(jnp.where(exists, x, 0), target, plan.size)[target]
        traces = {name: own[f"post {name}"] for name in (*plan.post, *(name for name, _ in plan.filtered))}
        if homeostasis:
            traces = {name.removeprefix(HOMEOSTASIS): x for name, x in traces.items() if name.startswith(HOMEOSTASIS)}
        at_edge = {name: x[target] for name, x in {**events.after, **traces}.items() if jnp.ndim(x) == 1}
        at_edge["dt"] = jnp.asarray(dt).astype(dtype)
        seen[WEIGHT] = own[WEIGHT] * constants.sign
        interval = (constants.every[int(homeostasis)] * dt).astype(dtype)
        if homeostasis:
            new: Any = {WEIGHT: rule.homeostasis.update(seen, at_edge, total, interval)}
        else:
            new = rule.update(seen, at_edge, own.get(THIRD), total, interval)
        new = kept(plan, constants, new, dict.fromkeys(plan.edge, 1.0), dtype)
        asked = exists & _due(constants, k, int(homeostasis))
        for name, value in new.items():
            result[name] = jnp.where(asked, value, result[name])
    if plan.edge:
        result[REFERENCE] = k + 1
    return result


def modulated(plan: PlasticPlan, rule: PlasticityRule, own: Learning, spiked: Mapping[str, Any], t_next: Any, dt: Any) -> Learning:
    """The third factor after a step."""
    modulator: Any = rule.modulator()
    assert plan.memory is not None
    memory = {name: own[f"memory {name}"] for name in plan.memory}
    value, dtype = own[THIRD], own[WEIGHT].dtype
    memory, amount = modulator.release(memory, spiked, t_next)
    baseline = jnp.asarray(modulator.baseline, dtype)
    value = baseline + (value - baseline) * _decay(modulator.tau, dt, dtype) + jnp.asarray(amount).astype(dtype)
    return {**own, THIRD: value, **{f"memory {name}": jnp.asarray(x).astype(own[f"memory {name}"].dtype) for name, x in memory.items()}}


def _matrix(change: Change, dtype: Any) -> tuple[jax.Array, list[str], list[str]]:
    """A change's factors as the kernels take them, and the traces that they are of."""
    pre = list(dict.fromkeys(s for s, _ in change.terms if s is not None))
    post = list(dict.fromkeys(t for _, t in change.terms if t is not None))
    rows = [[change.terms.get((s, t), 0.0) for t in (None, *post)] for s in (None, *pre)]
    return jnp.stack([jnp.stack([jnp.asarray(x, dtype) for x in row]) for row in rows]), pre, post


def _signed(change: Change, gain: jax.Array, constants: PlasticConstants) -> WeightChange:
    rule, sign, dtype = constants.rule, constants.sign, gain.dtype
    low, high = (jnp.asarray(x, dtype) for x in (rule.low, rule.high))
    return WeightChange(
        gain * sign,
        jnp.where(sign < 0, -high, low),
        jnp.where(sign < 0, -low, high),
        jnp.asarray(change.origin, dtype) * sign,
        jnp.asarray(change.exponent, dtype),
    )


def _stacked(rows: list[Any], shape: tuple[int, ...]) -> jax.Array:
    return rows[0] if len(rows) == 1 else jnp.concatenate(rows) if rows else jnp.zeros((0, *shape))
