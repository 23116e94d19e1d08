"""What a rule makes of given spikes on both sides of one synapse: the experiments that rules are fitted to."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.plasticity.base import PlasticityRule, overrides
from ranvier.plasticity.homeostasis import NoHomeostasis
from ranvier.plasticity.traces import LowPass, Trace


def _rule(value: Any, what: str) -> PlasticityRule:
    return doors.instance(value, what, PlasticityRule, "rv.plasticity.PairSTDP(high=1.0)")


def _protocols(value: Any, what: str) -> list[np.ndarray]:
    """Times, or a list of them."""
    if isinstance(value, list | tuple) and len(value) and np.ndim(value[0]) == 1:
        return [doors.numbers(row, f"{what}[{i}]", rank=1, example="[0.0, 100.0]") for i, row in enumerate(value)]
    return [doors.numbers(value, what, rank=1, example="[0.0, 100.0]")]


@doors.checked(rule=_rule, arrivals=_protocols, spikes=_protocols, weight=doors.number, third=doors.number)
def weight_after(rule: PlasticityRule, arrivals: Any, spikes: Any, *, weight: float = 1.0, third: float = 1.0) -> np.ndarray:
    """The weight of a synapse after spikes at given times, as the rule alone makes it: without neurons, steps or rounding of times.

    Args:
        rule: one that asks for spikes alone, not for a potential or a place among other synapses.
        arrivals: when spikes arrive at the synapse (ms), or a list of such trains, one for each experiment.
        spikes: when the target fires (ms), likewise.
        weight: at the start.
        third: the third factor, held at this.

    Returns:
        One weight an experiment, after its last spike.

    Raises:
        UnsupportedError: the rule looks at the target's potential.
        ParameterError: other numbers of trains on both sides.

    Example:
        >>> import ranvier as rv
        >>> rule = rv.plasticity.PairSTDP(high=10.0, potentiation=0.1, depression=0.2)
        >>> rv.plasticity.weight_after(rule, [[0.0], [20.0]], [[20.0], [0.0]], weight=5.0).round(4)
        array([5.3679, 4.2642])
    """
    if len(arrivals) != len(spikes):
        raise ParameterError(f"arrivals has {len(arrivals)} trains and spikes {len(spikes)}: each experiment has one of both.")
    if overrides(rule, "post_event") or any(isinstance(trace, LowPass) for trace in rule.post_traces().values()):
        raise UnsupportedError(
            f"{type(rule).__name__} looks at the target's potential, which spikes alone do not say. Run rv.simulate with neurons instead."
        )
    if not isinstance(rule.homeostasis, NoHomeostasis):
        raise UnsupportedError("The rule's homeostasis looks at all synapses of a target, and there is one here. Leave `homeostasis` out.")
    times, is_spike, valid = _merged(arrivals, spikes)
    with jax.enable_x64(True):
        return np.asarray(_after(rule, jnp.asarray(times), jnp.asarray(is_spike), jnp.asarray(valid), weight, third))


def _merged(arrivals: list[np.ndarray], spikes: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The events of each experiment in order, arrivals first where both are at once: `[events, experiments]`."""
    most = max(len(a) + len(s) for a, s in zip(arrivals, spikes, strict=True))
    times = np.zeros((most, len(arrivals)))
    is_spike, valid = np.zeros(times.shape, bool), np.zeros(times.shape, bool)
    for i, (a, s) in enumerate(zip(arrivals, spikes, strict=True)):
        both, kind = np.concatenate([a, s]), np.repeat([False, True], [len(a), len(s)])
        order = np.lexsort((kind, both))
        n = len(both)
        times[:n, i], is_spike[:n, i], valid[:n, i] = both[order], kind[order], True
        times[n:, i] = both.max(initial=0.0)
    return times, is_spike, valid


def _after(rule: PlasticityRule, times: jax.Array, is_spike: jax.Array, valid: jax.Array, weight: float, third: float) -> jax.Array:
    n = times.shape[1]
    pre_kinds, taus = dict(rule.pre_traces()), dict(rule.edge_state())
    post_kinds = {name: trace for name, trace in rule.post_traces().items() if isinstance(trace, Trace)}
    modulator = jnp.float64(third) if rule.modulator() is not None else None
    updates = overrides(rule, "update")
    low, high = (float(np.asarray(bound)) for bound in (rule.low, rule.high))
    by_size = weight < 0 <= low

    def keep(edge: dict[str, Any], new: Any, where: jax.Array) -> dict[str, Any]:
        changed = {name: jnp.where(where, value, edge[name]) for name, value in new.items()}
        changed = {**edge, **changed}
        return {**changed, "weight": jnp.clip(changed["weight"], low, high)}

    def advance(carry: Any, event: Any) -> tuple[Any, None]:
        now, pre, post, edge = carry
        time, spike, there = event
        passed = time - now
        if updates:
            # All that a rule does between spikes is linear in what decays: its integral over the interval is that of the decay.
            seen = {v: x * _mean_decay(passed, taus[v]) if v in taus else x for v, x in edge.items()}
            changed = rule.update(seen, post, modulator, lambda value: value, passed)
            edge = keep(edge, {v: x for v, x in changed.items() if v == "weight"}, passed > 0)
        pre = {name: x * jnp.exp(-passed / pre_kinds[name].tau) for name, x in pre.items()}
        post = {name: x * jnp.exp(-passed / post_kinds[name].tau) for name, x in post.items()}
        edge = {name: x * jnp.exp(-passed / taus[name]) if name in taus else x for name, x in edge.items()}
        edge = keep(edge, rule.on_pre(edge, pre, post, modulator), there & ~spike)
        edge = keep(edge, rule.on_post(edge, pre, post, modulator), there & spike)
        pre = {name: jnp.where(there & ~spike, _left(pre_kinds[name], x), x) for name, x in pre.items()}
        post = {name: jnp.where(there & spike, _left(post_kinds[name], x), x) for name, x in post.items()}
        return (time, pre, post, edge), None

    zeros = jnp.zeros(n)
    edge = {**dict.fromkeys(taus, zeros), "weight": jnp.full(n, abs(weight) if by_size else weight, jnp.float64)}
    start = (times[0], dict.fromkeys(pre_kinds, zeros), dict.fromkeys(post_kinds, zeros), edge)
    (_, _, _, edge), _ = jax.lax.scan(advance, start, (times, is_spike, valid))
    return -edge["weight"] if by_size else edge["weight"]


def _mean_decay(passed: jax.Array, tau: Any) -> jax.Array:
    """The mean of `exp(−t/tau)` from 0 to what has passed."""
    safe = jnp.where(passed > 0, passed, 1.0)
    return jnp.where(passed > 0, -jnp.expm1(-safe / tau) * tau / safe, 1.0)


def _left(kind: Trace, value: jax.Array) -> jax.Array:
    """What a spike leaves in a trace."""
    return jnp.full_like(value, kind.jump) if kind.nearest else value + kind.jump
