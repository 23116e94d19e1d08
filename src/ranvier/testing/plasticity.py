"""Checks of rules of plasticity."""

from __future__ import annotations

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connect.lists import edge_list
from ranvier.network import loop
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons.hodgkin_huxley import HodgkinHuxley
from ranvier.neurons.integrate_and_fire import LeakyIntegrateAndFire
from ranvier.neurons.sources import SpikeTimes
from ranvier.plasticity.base import PlasticityRule
from ranvier.plasticity.traces import LowPass, Trace
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.simulation import prepare
from ranvier.synapses.exponential import ExponentialCurrent
from ranvier.testing.common import (
    PRECISIONS,
    check_array,
    check_description,
    check_units,
    check_value_semantics,
    is_a,
    require,
)

DT, STEPS = 0.05, 1200
SOURCES, CELLS = 4, 3
EDGES = ([0, 0, 1, 1, 2, 2, 3, 3, 3], [0, 1, 1, 2, 0, 2, 1, 1, 2], [0.0, 1.5, 0.0, 3.0, 0.5, 0.5, 1.0, 2.0, 0.0])
N = 3


def check_plasticity_rule(rule: PlasticityRule, *, published: bool = False) -> None:
    """Checks a rule of plasticity.

    Its description and units; the traces that it asks for; names, shapes and types of what its functions give, in both
    precisions; and on a network of cells that fire at various times: that the engine, which works
    event by event, changes every weight as a loop over all steps and edges does; that weights stay within the
    bounds; that a run in two parts, and one beside other parts, change no bit; that other numbers compile nothing.

    Args:
        rule: the rule, with any parameters.
        published: whether equations and a source must be stated.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_plasticity_rule(rv.plasticity.PairSTDP(high=2.0))
    """
    is_a(rule, PlasticityRule, "rule of plasticity")
    name = type(rule).__name__
    check_description(rule, published)
    check_units(rule, None, {})
    check_value_semantics(rule)
    _check_traces(rule, name)
    with jax.enable_x64(True):
        for dtype in PRECISIONS:
            _check_functions(rule, dtype, name)
    _check_networks(rule, name)


def _check_traces(rule: PlasticityRule, name: str) -> None:
    for side, traces in (("pre_traces", rule.pre_traces()), ("post_traces", rule.post_traces())):
        for key, trace in traces.items():
            kinds = (Trace,) if side == "pre_traces" else (Trace, LowPass)
            require(
                isinstance(trace, kinds), f"{name}.{side}[{key!r}] is {trace!r}; it must be a {' or '.join(k.__name__ for k in kinds)}."
            )
            require(float(trace.tau) > 0, f"{name}.{side}[{key!r}] decays with {float(trace.tau):g} ms; the time constant must be above 0.")
    for key, tau in rule.edge_state().items():
        require(key != "weight", f"{name}.edge_state has 'weight', which every edge has already.")
        require(float(tau) > 0, f"{name}.edge_state[{key!r}] decays with {float(tau):g} ms; it must be above 0, or math.inf.")
    require(float(rule.low) <= float(rule.high), f"{name}.low is above {name}.high.")


def _target_state(dtype: str) -> dict[str, Any]:
    return {"V": jnp.linspace(-70.0, 10.0, N, dtype=dtype)}


def _check_functions(rule: PlasticityRule, dtype: str, name: str) -> None:
    some = lambda low, high: jnp.linspace(low, high, N, dtype=dtype)
    low = float(rule.low)
    high = float(rule.high) if math.isfinite(rule.high) else low + 2.0
    edge = {"weight": some(low, high), **{key: some(0.0, 0.5) for key in rule.edge_state()}}
    pre = {key: some(0.0, 2.0) for key in rule.pre_traces()}
    post = {**_target_state(dtype), **{key: some(0.1, 2.0) for key in rule.post_traces()}, "dt": jnp.asarray(0.1, dtype)}
    third = None if rule.modulator() is None else jnp.asarray(0.3, dtype)
    total = lambda x: jnp.full_like(x, jnp.sum(x))
    given = {
        "on_pre": lambda: rule.on_pre(edge, pre, post, third),
        "on_post": lambda: rule.on_post(edge, pre, post, third),
        "update": lambda: rule.update(edge, post, third, total, jnp.asarray(1.0, dtype)),
    }
    for function, call in given.items():
        what, values = f"{name}.{function}", jax.eval_shape(call)
        require(isinstance(values, dict), f"{what} gives {type(values).__name__}, not a dict of new values by name.")
        strange = set(values) - set(edge)
        require(not strange, f"{what} gives {sorted(strange)}; an edge has {sorted(edge)}.")
        for key, value in values.items():
            check_array(value, N, dtype, f"{what}: {key!r}", scalars=True)
    event = jax.eval_shape(lambda: rule.post_event(_target_state(dtype), _target_state(dtype)))
    if event is not None:
        require(
            np.shape(event) == (N,) and event.dtype == bool, f"{name}.post_event gives {event.dtype} {np.shape(event)}, not bool ({N},)."
        )


# -- in the engine -------------------------------------------------------------------------------------


def _weights(rule: PlasticityRule) -> np.ndarray:
    low = float(rule.low) if math.isfinite(rule.low) else 0.0
    high = float(rule.high) if math.isfinite(rule.high) else low + 2.0
    return low + (high - low) * np.linspace(0.3, 0.7, len(EDGES[0]))


def _network(rule: PlasticityRule, *more: Any) -> Network:
    steps = np.random.default_rng(5).integers(1, STEPS - 100, (SOURCES, 12))
    source = Population(SOURCES, SpikeTimes.of_trains([np.unique(row) * DT for row in steps]), name="source")
    cells = Population(CELLS, HodgkinHuxley(), current=[8.0, 14.0, 25.0], name="cells")
    pre, post, delay = EDGES
    wire = Projection(
        source, cells, ExponentialCurrent(tau=2.0), edge_list(pre, post), weight=_weights(rule), delay=delay, plasticity=rule, name="wire"
    )
    return Network(*more, source, cells, wire)


def _check_networks(rule: PlasticityRule, name: str) -> None:
    net = _network(rule)
    sim = prepare(net, dt=DT, record=[Record("cells", "V", every=DT)])
    duration = STEPS * DT
    whole = sim.run(duration)
    weight = whole.edges("wire").weight
    wanted = _clock_driven(rule, net, whole)
    scale = max(float(np.abs(_weights(rule)).max()), float(np.abs(wanted["weight"]).max()), 1e-12)
    worst = float(np.abs(weight - wanted["weight"]).max())
    require(
        worst <= 1e-9 * scale,
        f"{name}: the weights that the engine ends with differ by up to {worst:g} from those of a loop over all steps and edges.",
    )
    low, high = float(rule.low), float(rule.high)
    require(((weight >= low - 1e-12 * scale) & (weight <= high + 1e-12 * scale)).all(), f"{name}: weights leave the bounds.")
    first = sim.run(duration * 0.4)
    second = sim.run(duration - duration * 0.4, initial=first)
    _same(whole, second, f"{name}, a run in two parts")
    other = Population(2, LeakyIntegrateAndFire(), current=400.0, name="another")
    _same(whole, prepare(_network(rule, other), dt=DT, record=[]).run(duration), f"{name}, beside another population")
    compiled = loop.compilations
    paths = [path for path in sim.parameters if path.startswith("wire.plasticity.") and np.isfinite(sim.parameters[path]).all()]
    sim.run(DT * 10, parameters={path: sim.parameters[path] for path in paths})
    sim.run(DT * 10, seed=3)
    require(loop.compilations == compiled, f"{name}: running again with other numbers compiled the step anew.")


def _same(a: Result, b: Result, what: str) -> None:
    for key, values in a.state.synapses["wire"].items():
        require(np.array_equal(values, b.state.synapses["wire"][key]), f"{what}: {key!r} of the edges is not the same to the last bit.")


def _clock_driven(rule: PlasticityRule, net: Network, run: Result) -> dict[str, np.ndarray]:
    """The edges' variables by a loop over steps: every trace of every edge on its own, every edge asked at every step."""
    edges = net.edges("wire", dt=DT)
    pre, post = edges.pre, edges.post
    lag = np.rint(edges.delay / DT).astype(int)
    V = np.asarray(run["cells"]["V"])
    flags = {}
    for part, n in (("source", SOURCES), ("cells", CELLS)):
        begin, _ = run.spikes.populations[part]
        flags[part] = np.zeros((STEPS, n), bool)
        mine = (run.spikes.neurons >= begin) & (run.spikes.neurons < begin + n)
        flags[part][run.spikes.steps[mine], run.spikes.neurons[mine] - begin] = True
    count = len(pre)
    own = {"weight": edges.weight.copy(), **{key: np.zeros(count) for key in rule.edge_state()}}
    before_traces, after_traces = rule.pre_traces(), rule.post_traces()
    x = {key: np.zeros(count) for key in before_traces}
    y = {key: np.zeros(CELLS) if isinstance(trace, Trace) else V[1].copy() for key, trace in after_traces.items()}
    modulator = rule.modulator()
    third: Any = None if modulator is None else float(modulator.baseline)
    memory: Any = {} if modulator is None else dict(modulator.memory())
    interval = max(1, round(rule.update_every / DT))
    jump = lambda trace, value: np.full_like(value, float(trace.jump)) if trace.nearest else value + float(trace.jump)

    def put(new: Any, where: np.ndarray) -> None:
        for key, value in new.items():
            value = np.broadcast_to(np.asarray(value, float), (count,))
            value = np.clip(value, float(rule.low), float(rule.high)) if key == "weight" else value
            own[key] = np.where(where, value, own[key])

    with jax.enable_x64(True):
        for k in range(STEPS):
            for key, tau in rule.edge_state().items():
                own[key] = own[key] * np.exp(-DT / float(tau))
            x = {key: value * np.exp(-DT / float(before_traces[key].tau)) for key, value in x.items()}
            for key, trace in after_traces.items():
                kept = np.exp(-DT / float(trace.tau))
                y[key] = y[key] * kept if isinstance(trace, Trace) else (y[key] * kept + V[k + 1] * (1 - kept) if k else V[1])
            if modulator is not None:
                spiked = {part: jnp.asarray(flags[part][k]) for part in flags}
                memory, amount = modulator.release(memory, spiked, jnp.asarray((k + 1) * DT))
                third = float(modulator.baseline) + (third - float(modulator.baseline)) * np.exp(-DT / float(modulator.tau)) + float(amount)
            arrived = np.array([k - d >= 0 and flags["source"][k - d, i] for i, d in zip(pre, lag, strict=True)])
            at_edge = {
                "V": jnp.asarray(V[k + 1][post]),
                "dt": jnp.asarray(DT),
                **{key: jnp.asarray(value[post]) for key, value in y.items()},
            }
            held = lambda: {key: jnp.asarray(value) for key, value in own.items()}
            put(rule.on_pre(held(), {key: jnp.asarray(v) for key, v in x.items()}, at_edge, third), arrived)
            x = {key: np.where(arrived, jump(before_traces[key], value), value) for key, value in x.items()}
            event = rule.post_event({"V": jnp.asarray(V[k])}, {"V": jnp.asarray(V[k + 1])})
            fired = flags["cells"][k] if event is None else np.asarray(event)
            put(rule.on_post(held(), {key: jnp.asarray(v) for key, v in x.items()}, at_edge, third), fired[post])
            for key, trace in after_traces.items():
                if isinstance(trace, Trace):
                    y[key] = np.where(flags["cells"][k], jump(trace, y[key]), y[key])
            if (k + 1) % interval == 0:
                total = lambda value: jnp.asarray(np.bincount(post, np.asarray(value), CELLS)[post])
                at_edge = {**at_edge, **{key: jnp.asarray(value[post]) for key, value in y.items()}}
                put(rule.update(held(), at_edge, third, total, interval * DT), np.ones(count, bool))
    return own
