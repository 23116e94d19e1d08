"""Published rules as the numbers that the kernels take, on random trains, beside sums over all earlier spikes written from the papers."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels import WeightChange, deliver_and_learn, empty_history, index_by_target, learn_at_targets, note_spikes, sort_edges

STEPS, SLOTS, N, TARGETS, EDGES, LOW, HIGH = 400, 9, 4, 3, 20, 0.0, 1.0
FAST, SLOW, OTHER, OTHER_SLOW = 17.0, 101.0, 34.0, 125.0  # steps: r1, r2, o1, o2 of Pfister and Gerstner


@dataclasses.dataclass
class Rule:
    """What the kernels are given, and `(w, x, x2, y, y2) -> change` of the papers: x, y with this event's own spike or without.

    `x2` and `y2` are the slow traces just before the event's own spike.
    """

    arrival: WeightChange
    target: WeightChange
    at_arrival: Callable
    at_target: Callable
    slow: bool = False


bounds = {"low": LOW, "high": HIGH}
additive = Rule(
    WeightChange([[0, -0.021]], **bounds),
    WeightChange([[0], [0.02]], **bounds),
    lambda w, x2, y: -0.021 * y,
    lambda w, x, y2: 0.02 * x,
)
multiplicative = Rule(
    WeightChange([[0, -0.05]], **bounds, origin=LOW, exponent=1),
    WeightChange([[0], [0.04]], **bounds, origin=HIGH, exponent=1),
    lambda w, x2, y: -0.05 * w * y,
    lambda w, x, y2: 0.04 * (1 - w) * x,
)
# van Rossum, Bi and Turrigiano 2000: strengthening does not depend on the weight, weakening is in proportion to it
mixed = Rule(multiplicative.arrival, additive.target, multiplicative.at_arrival, additive.at_target)
# Gütig et al. 2003
power = Rule(
    WeightChange([[0, -0.05]], **bounds, origin=LOW, exponent=0.4),
    WeightChange([[0], [0.04]], **bounds, origin=HIGH, exponent=0.4),
    lambda w, x2, y: -0.05 * w**0.4 * y,
    lambda w, x, y2: 0.04 * (1 - w) ** 0.4 * x,
)
# Pfister and Gerstner 2006, equations 3 and 4, with amplitudes that show
triplet = Rule(
    WeightChange([[0, -0.007], [0, -0.0023]], **bounds),
    WeightChange([[0, 0], [0.005, 0.0062]], **bounds),
    lambda w, x2, y: -y * (0.007 + 0.0023 * x2),
    lambda w, x, y2: x * (0.005 + 0.0062 * y2),
    slow=True,
)
# Vogels et al. 2011: near coincidences strengthen in either order, and each presynaptic spike weakens
inhibitory = Rule(
    WeightChange([[-0.005 * 5.0, 0.005]], **bounds),
    WeightChange([[0], [0.005]], **bounds),
    lambda w, x2, y: 0.005 * (y - 5.0),
    lambda w, x, y2: 0.005 * x,
)


def by_kernels(rule, trains, fired, edges, weights):
    arrival, target = (WeightChange(jnp.asarray(c.gain, float), *c[1:]) for c in (rule.arrival, rule.target))
    incoming = index_by_target(edges, TARGETS)
    decay = {name: np.exp(-1 / tau) for name, tau in (("x", FAST), ("x2", SLOW), ("y", OTHER), ("y2", OTHER_SLOW))}

    def step(k, carry):
        history, weights, x, x2, x2_before, y, y2 = carry
        spikes, posts = trains[k], fired[k]
        history = note_spikes(history, spikes, 1.0, k)
        row, last = k % SLOTS, (k - 1) % SLOTS
        x = x.at[row].set(x[last] * decay["x"] + spikes)
        x2_before = x2_before.at[row].set(x2 * decay["x2"])
        x2 = x2_before[row] + spikes
        y, y2 = y * decay["y"], y2 * decay["y2"]
        of_source, of_target = (x2_before[None], y2[None]) if rule.slow else (x2_before[None][:0], y2[None][:0])
        _, weights = deliver_and_learn(history, k, edges, weights, jnp.zeros(TARGETS), arrival, of_source, y[None])
        weights = learn_at_targets(posts, k, incoming, edges.bounds, weights, target, x[None], of_target)
        return history, weights, x, x2, x2_before, y + posts, y2 + posts

    past, now = jnp.zeros((SLOTS, N)), jnp.zeros(TARGETS)
    start = empty_history(N, SLOTS, amplitudes=False), weights, past, jnp.zeros(N), past, now, now
    return jax.jit(lambda: jax.lax.fori_loop(0, STEPS, step, start)[1])()


def by_sums(rule, arrivals, posts, weight):
    """One synapse, event after event; every trace is a sum over all spikes before."""
    trace = lambda times, until, tau: np.exp(-(until - times[times <= until]) / tau).sum()
    for t, kind in sorted([(t, 0) for t in arrivals] + [(t, 1) for t in posts]):
        if kind == 0:
            change = rule.at_arrival(weight, trace(arrivals[arrivals < t], t, SLOW), trace(posts[posts < t], t, OTHER))
        else:
            change = rule.at_target(weight, trace(arrivals, t, FAST), trace(posts[posts < t], t, OTHER_SLOW))
        weight = min(max(weight + change, LOW), HIGH)
    return weight


@pytest.mark.parametrize("rule", [additive, multiplicative, mixed, power, triplet, inhibitory])
def test_a_published_rule_on_random_trains(x64, rule):
    rng = np.random.default_rng(1)
    pre, post, delay = rng.integers(0, N, EDGES), rng.integers(0, TARGETS, EDGES), rng.choice([0, 1, 3, 7], EDGES)
    edges, order = sort_edges(pre, post, delay, N, TARGETS, blocks=2)
    trains, fired = rng.random((STEPS, N)) < 0.08, rng.random((STEPS, TARGETS)) < 0.08
    trains[5], fired[5] = True, True  # all at once
    weights = rng.uniform(0.2, 0.8, EDGES)
    learnt = by_kernels(rule, jnp.asarray(trains), jnp.asarray(fired), edges, jnp.asarray(weights[order]))
    for e, w in zip(order, learnt, strict=True):
        arrivals = np.flatnonzero(trains[: STEPS - delay[e], pre[e]]) + delay[e]
        wanted = by_sums(rule, arrivals, np.flatnonzero(fired[:, post[e]]), weights[e])
        np.testing.assert_allclose(w, wanted, rtol=0, atol=1e-12)
    assert np.abs(learnt - weights[order]).mean() > 0.001
    assert np.mean((learnt > LOW) & (learnt < HIGH)) > 0.3
