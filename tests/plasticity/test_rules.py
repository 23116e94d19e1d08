"""The shipped rules, each beside sums over all spikes written from its paper."""

import numpy as np
import pytest

import ranvier as rv
from tests.plasticity.networks import DT, HOW, by_hand, events, network

p = rv.plasticity
tr = lambda ages, tau: np.exp(-ages / tau).sum()
last = lambda ages, tau: np.exp(-ages.min() / tau) if len(ages) else 0.0
ALL = {"A2p": 6.1e-2, "A3p": 6.7e-2, "A2m": 1.6e-2, "A3m": 1.4e-2}
NEAR = {"A2p": 4.6e-2, "A3p": 9.1e-2, "A2m": 3e-2, "A3m": 7.5e-3}


def triplet(trace, A2p, A3p, A2m, A3m, tx, ty):
    at_arrival = lambda w, x, y: -trace(y, 33.7) * (A2m + A3m * trace(x, tx))
    at_target = lambda w, x, y: trace(x, 16.8) * (A2p + A3p * trace(y, ty))
    return at_arrival, at_target


def of_triplet(numbers, **more):
    names = {"A2p": "pair_potentiation", "A3p": "triplet_potentiation", "A2m": "pair_depression", "A3m": "triplet_depression"}
    return {**{names[k]: v for k, v in numbers.items()}, **more}


RULES = {
    "additive": (
        p.PairSTDP(high=10.0, potentiation=0.05, depression=0.05),
        lambda w, x, y: -0.5 * tr(y, 20),
        lambda w, x, y: 0.5 * tr(x, 20),
    ),
    "multiplicative": (
        p.PairSTDP(high=10.0, potentiation=0.05, depression=0.06, potentiation_exponent=1.0, depression_exponent=1.0),
        lambda w, x, y: -0.06 * w * tr(y, 20),
        lambda w, x, y: 0.05 * (10 - w) * tr(x, 20),
    ),
    "power law": (
        p.PairSTDP(high=10.0, potentiation=0.05, depression=0.06, potentiation_exponent=0.4, depression_exponent=0.4, tau_minus=30.0),
        lambda w, x, y: -0.6 * (w / 10) ** 0.4 * tr(y, 30),
        lambda w, x, y: 0.5 * (1 - w / 10) ** 0.4 * tr(x, 20),
    ),
    "nearest": (
        p.PairSTDP(high=10.0, potentiation=0.05, depression=0.05, nearest=True),
        lambda w, x, y: -0.5 * last(y, 20),
        lambda w, x, y: 0.5 * last(x, 20),
    ),
    "anti-Hebbian": (
        p.PairSTDP.anti_hebbian(high=10.0, potentiation=-0.03),
        lambda w, x, y: 0.105 * tr(y, 20),
        lambda w, x, y: -0.3 * tr(x, 20),
    ),
    "no upper bound": (p.PairSTDP(potentiation=0.1, depression=0.02), lambda w, x, y: -0.02 * tr(y, 20), lambda w, x, y: 0.1 * tr(x, 20)),
    "triplet": (p.TripletSTDP.hippocampal(**of_triplet(ALL)), *triplet(tr, **ALL, tx=946, ty=27)),
    "triplet, nearest": (p.TripletSTDP.hippocampal(nearest=True, **of_triplet(NEAR)), *triplet(last, **NEAR, tx=575, ty=47)),
    "inhibitory": (
        p.InhibitorySTDP(learning_rate=0.2, target_rate=30.0, high=10.0),
        lambda w, x, y: 0.2 * (tr(y, 20) - 2 * 0.03 * 20),
        lambda w, x, y: 0.2 * tr(x, 20),
    ),
    "sliding threshold": (
        p.SlidingThreshold(learning_rate=0.05, high=10.0, rate_scale=50.0, tau_threshold=300.0),
        lambda w, x, y: 0.05 * (r := 10 * tr(y, 100)) * (r - (1000 / 300 * tr(y, 300)) ** 2 / 50) / (2 * 50**2),
        lambda w, x, y: 0.0,
    ),
}


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_published_rule(name, precision):
    rule, at_arrival, at_target = RULES[name]
    net = network(rule)
    run = rv.simulate(net, precision=precision, **HOW)
    before = net.edges("wire", seed=HOW["seed"], dt=DT)
    wanted = by_hand(run, before, at_arrival, at_target, high=float(rule.high))
    np.testing.assert_allclose(run.edges("wire").weight, wanted, rtol=0, atol=1e-11 if precision == "double" else 6e-4)
    assert np.abs(wanted - before.weight).mean() > 0.01


def test_the_rule_by_the_potential():
    """Against a loop over the recorded potential."""
    rule = p.VoltageSTDP(depression=0.002, potentiation=1e-3, theta_plus=-52.0, high=30.0)
    net = network(rule)
    run = rv.simulate(net, record=rv.Record("cells", "V", every=DT), **HOW)
    before, after = net.edges("wire", seed=HOW["seed"], dt=DT), run.edges("wire")
    V = np.asarray(run["cells"]["V"])[1:]
    resets = np.zeros(V.shape, bool)
    for i in range(V.shape[1]):
        resets[run.spikes.steps[run.spikes.neurons == run.spikes.populations["cells"][0] + i], i] = True
    for j in range(len(before)):
        post = before.post[j]
        if resets[:, post].any():  # the potential just before a reset is in no record
            continue
        arrivals, _ = events(run, before, j)
        w, x, minus, plus = before.weight[j], 0.0, V[0, post], V[0, post]
        for k, u in enumerate(V[:, post]):
            if k:
                minus, plus = (m + (u - m) * (1 - np.exp(-DT / tau)) for m, tau in ((minus, 10.0), (plus, 7.0)))
            x *= np.exp(-DT / 15.0)
            if k in arrivals:
                w, x = np.clip(w - 0.002 * max(minus + 70.6, 0), 0, 30), x + 1 / 15.0
            if u > -52.0:
                w = np.clip(w + 1e-3 * x * (u + 52.0) * max(plus + 70.6, 0) * DT, 0, 30)
        assert after.weight[j] == pytest.approx(w, abs=1e-10)


def test_totals_are_kept_and_rates_are_sought():
    kept = network(p.PairSTDP(high=10.0, homeostasis=p.Normalization(total=20.0, every=50.0)))
    run = rv.simulate(kept, record=rv.Record("wire", "weight", every=50.0), **HOW)
    edges = run.edges("wire")
    for row in np.asarray(run["wire"]["weight"])[1:]:
        np.testing.assert_allclose(np.bincount(edges.post, row), 20.0, rtol=1e-12)
    rates = run.spikes["cells"].rate.mean()
    for target, up in ((4 * rates, True), (rates / 4, False)):
        scaled = network(
            p.PairSTDP(
                potentiation=0.0, depression=0.0, homeostasis=p.SynapticScaling(target_rate=target, tau=500.0, every=10.0, tau_rate=50.0)
            )
        )
        change = rv.simulate(scaled, **HOW).edges("wire").weight / scaled.edges("wire", seed=HOW["seed"]).weight
        assert (change > 1).all() if up else change.mean() < 1


def test_a_reward_turns_tags_into_weights():
    class After(p.Modulator):
        """One unit at 60 ms."""

        def release(self, memory, spiked, t):
            return memory, 1.0 * (abs(t - 60.0) < 0.05)

    rule = p.RewardModulatedSTDP(reward=After(tau=50.0), high=20.0, tau_eligibility=200.0)
    source = rv.Population(1, rv.neurons.SpikeTimes([10.0]), name="source")
    cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=500.0), initial={"V": -50.1}, current=600.0, name="cell")
    wire = rv.Projection(source, cell, rv.synapses.ExponentialCurrent(), [[1]], weight=1.0, plasticity=rule)
    lone = rv.simulate(rv.Network(source, cell, wire), duration=200.0, dt=0.1, record=rv.Record(wire, ["weight", "eligibility"], every=0.1))
    fired, arrived = lone.spikes["cell"].times[0], 10.0
    tag = -1.5 * np.exp(-(arrived - fired) / 20) if fired < arrived else np.exp(-(fired - arrived) / 20)
    t = np.asarray(lone["source→cell"]["eligibility"].time)
    c = np.ravel(lone["source→cell"]["eligibility"])
    begin = max(fired, arrived) + 0.2
    np.testing.assert_allclose(c[t > begin], tag * np.exp(-(t[t > begin] - max(fired, arrived) - 0.1) / 200), rtol=2e-3)
    w = np.ravel(lone["source→cell"]["weight"])
    assert np.all(w[t <= 59.9] == 1.0)
    s = t[t >= 60.0] - 60.0
    exact = 1.0 + c[np.searchsorted(t, 60.0)] * (1 - np.exp(-s * (1 / 200 + 1 / 50))) / (1 / 200 + 1 / 50) / 1000
    np.testing.assert_allclose(w[t >= 60.0] - 1.0, exact - 1.0, rtol=0.02, atol=8e-4)  # the weights move once a millisecond
    assert abs(w[-1] - 1.0) > 0.001


def test_rmax_tags_by_the_gradient_of_the_log_likelihood():
    """The tag is the derivative of the spikes' log-probability by each weight, from a loop with the same spikes and other weights."""
    C, leak, softness, tau_s, T = 200.0, 10.0, 2.0, 5.0, 300.0
    inputs = rv.Population(8, rv.neurons.PoissonSource(60.0), name="inputs")
    model = rv.neurons.EscapeNoiseIntegrateAndFire(capacitance=C, leak=leak, softness=softness, refractory=0.0)
    cell = rv.Population(1, model, current=40.0, name="cell")
    rule = p.RMaxSTDP(
        reward=p.Rewards(times=[250.0], amount=2.0), softness=softness, tau_membrane=C / leak, tau_synapse=tau_s, tau_eligibility=1e9
    )
    synapse = rv.synapses.ExponentialCurrent(tau=tau_s)
    wire = rv.Projection(
        inputs, cell, synapse, rv.connect.all_to_all(), weight=rv.uniform(5.0, 60.0), delay=1.0, plasticity=rule, name="wire"
    )
    sim = rv.prepare(rv.Network(inputs, cell, wire), dt=DT, seed=2)
    tagged, run = sim.run(250.0 - DT), sim.run(T)
    spikes, steps = tagged.spikes, round((250.0 - DT) / DT)
    assert len(spikes["cell"]) > 5
    count = np.zeros((steps + 10, 8))
    arrivals = spikes.steps[spikes.neurons < 8] + round(1.0 / DT)
    np.add.at(count, (arrivals, spikes.neurons[spikes.neurons < 8]), 1.0)
    fired = np.zeros(steps, bool)
    fired[spikes.steps[spikes.neurons == 8]] = True

    def log_probability(weights):
        V, i, total, tau = -60.0, 0.0, 0.0, C / leak
        a, b = np.exp(-DT / tau), np.exp(-DT / tau_s)
        gain = (a - b) * tau * tau_s / (tau - tau_s) / C
        for k in range(steps):
            V, i = -60.0 + 40.0 / leak * (1 - a) + (V + 60.0) * a + i * gain, i * b
            rate = 0.1 * np.exp((V + 50.0) / softness) * DT
            total += np.log(-np.expm1(-rate)) if fired[k] else -rate
            V = -60.0 if fired[k] else V
            i += count[k] @ weights
        return total

    weights, h = sim.network.edges("wire", seed=2).weight, 1e-4
    slope = [(log_probability(weights + h * e) - log_probability(weights - h * e)) / (2 * h) for e in np.eye(8)]
    tag = tagged.state.synapses["wire"]["eligibility"]
    np.testing.assert_allclose(tag * (C / leak) * tau_s / C, slope, rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(tagged.edges("wire").weight, weights)
    grown = run.edges("wire").weight - weights  # the reward fades with 200 ms, and tags hardly change meanwhile
    np.testing.assert_allclose(grown, tag * 2.0 * 0.2 * (1 - np.exp(-50.0 / 200.0)), atol=0.15 * np.abs(grown).max())
