"""Random networks that learn by a third factor or by the potential: every weight and tag against a loop over steps written from the papers.

Edges from given spikes and among the cells themselves, autapses and several between one pair among them; delays from 0 on, and along
dendrites; bounds that are met; weights below 0; a run in two parts. (Rules by spikes alone: `test_rules.py`.)
"""

import numpy as np
import pytest

import ranvier as rv
from tests.plasticity.networks import DT, trains

p = rv.plasticity
SOURCES, CELLS, EDGES, STEPS = 12, 4, 40, 1500
T = STEPS * DT
faded = lambda tau: np.exp(-DT / tau)


class ForSpikes(p.Modulator):
    """The first cell's spikes are good, the last one's bad."""

    def release(self, memory, spiked, t):
        return memory, 0.5 * spiked["cells"][0] - 0.4 * spiked["cells"][CELLS - 1]


def dopamine(spiked):
    """`ForSpikes` at every step, fading with 200 ms; after the step's spikes."""
    d, all_of_it = 0.0, []
    for now in spiked:
        d = d * faded(200.0) + 0.5 * now[0] - 0.4 * now[CELLS - 1]
        all_of_it.append(d)
    return np.array(all_of_it)


class ByReward:
    """Izhikevich 2007: tags by pairs, weights once a millisecond."""

    rule = p.RewardModulatedSTDP(reward=ForSpikes(), tau_eligibility=300.0, potentiation=0.6, depression=0.7, low=1.0, high=7.0)
    model, current, dendrite = rv.neurons.LeakyIntegrateAndFire(refractory=0.5), 460.0, 1.3
    bounds, tag, integrator = (1.0, 7.0), "c", None

    def __init__(self, edges, run):
        self.w, self.c, self.x = np.abs(edges.weight), np.zeros(len(edges)), np.zeros(len(edges))
        self.y = np.zeros(CELLS)

    def step(self, k, post, arrived, spiked, V, d):
        self.c, self.x, self.y = self.c * faded(300.0), self.x * faded(20.0), self.y * faded(20.0)
        self.c = self.c - 0.7 * self.y[post] * arrived
        self.x = self.x + arrived
        self.c = self.c + 0.6 * self.x * spiked[post]
        self.y = self.y + spiked
        if (k + 1) % 10 == 0:
            self.w = np.clip(self.w + self.c * d * 0.001, *self.bounds)


class ByPotential:
    """Clopath et al. 2010; of cells whose potential is never reset."""

    rule = p.VoltageSTDP(depression=2e-4, potentiation=1e-5, theta_plus=-52.0, high=0.3)
    model, current, dendrite = rv.neurons.HodgkinHuxley(), np.array([7.0, 9.0, 12.0, 20.0]), 0.0
    bounds, tag, integrator = (0.0, 0.3), "x", rv.ExponentialEuler()

    def __init__(self, edges, run):
        self.w, self.x = edges.weight.copy(), np.zeros(len(edges))
        self.minus = self.plus = None

    def step(self, k, post, arrived, spiked, V, d):
        self.x = self.x * faded(15.0)
        if k == 0:
            self.minus, self.plus = V, V
        self.minus = self.minus + (V - self.minus) * (1 - faded(10.0))
        self.plus = self.plus + (V - self.plus) * (1 - faded(7.0))
        weaker = np.clip(self.w - 2e-4 * np.maximum(self.minus + 70.6, 0)[post], *self.bounds)
        self.w = np.where(arrived, weaker, self.w)
        self.x = self.x + arrived / 15.0
        by = 1e-5 * self.x * ((V + 52.0) * np.maximum(self.plus + 70.6, 0))[post] * DT
        self.w = np.where((V > -52.0)[post], np.clip(self.w + by, *self.bounds), self.w)


class ByLikelihood:
    """R-max (Frémaux et al. 2010), whose membranes the loop advances itself, with the weights as they are when a spike arrives."""

    rule = p.RMaxSTDP(reward=ForSpikes(), learning_rate=800.0, softness=2.0, tau_eligibility=150.0, low=-3.0, high=9.0)
    model, current, dendrite = rv.neurons.EscapeNoiseIntegrateAndFire(capacitance=200.0, leak=10.0, softness=2.0, refractory=0.0), 75.0, 0.0
    bounds, tag, integrator = (-3.0, 9.0), "e", None

    def __init__(self, edges, run):
        self.w, (self.e, self.slow, self.fast) = edges.weight.copy(), np.zeros((3, len(edges)))

    def step(self, k, post, arrived, spiked, V, d):
        self.e, self.slow, self.fast = self.e * faded(150.0), self.slow * faded(20.0) + arrived, self.fast * faded(5.0) + arrived
        hazard = 0.1 * np.exp((V + 50.0) / 2.0)[post] * DT
        psp = (self.slow - self.fast) / (20.0 - 5.0) / 2.0
        fired = spiked[post]
        self.e = self.e + psp * np.where(fired, hazard / np.expm1(hazard), -hazard)
        self.slow = np.where(fired, self.fast, self.slow)
        self.w = np.clip(self.w + 800.0 * self.e * d * DT / 1000.0, *self.bounds)


def network(case, seed, sign):
    rng = np.random.default_rng(seed)
    source = rv.Population(SOURCES, rv.neurons.SpikeTimes.of_trains(trains()), name="source")
    cells = rv.Population(CELLS, case.model, current=case.current, name="cells")
    parts = []
    for name, pre in (("given", source), ("own", cells)):
        connect = rv.connect.edge_list(rng.integers(0, pre.n, EDGES), rng.integers(0, CELLS, EDGES))
        delay, weight = rng.integers(0, 32, EDGES) * DT, sign * rng.uniform(max(case.bounds[0], 0.0), case.bounds[1], EDGES)
        how = {"dendritic_delay": case.dendrite, "delay": delay, "weight": weight, "plasticity": case.rule, "name": name}
        parts.append(rv.Projection(pre, cells, rv.synapses.ExponentialCurrent(tau=5.0), connect, **how))
    return rv.Network(source, cells, *parts)


def flags(run, name, n):
    first, result = run.spikes.populations[name][0], np.zeros((STEPS, n), bool)
    mine = (run.spikes.neurons >= first) & (run.spikes.neurons < first + n)
    result[run.spikes.steps[mine], run.spikes.neurons[mine] - first] = True
    return result


def by_hand(case, net, run):
    spikes = {"given": flags(run, "source", SOURCES), "own": flags(run, "cells", CELLS)}
    edges = {name: net.edges(name, dt=DT) for name in spikes}
    loops = {name: case(edges[name], run) for name in spikes}
    d, back = dopamine(spikes["own"]), round(case.dendrite / DT)
    V, current = np.full(CELLS, -60.0), np.zeros(CELLS)
    a, b = faded(20.0), faded(5.0)
    recorded = np.asarray(run["cells"]["V"]) if case is ByPotential else None
    for k in range(STEPS):
        if recorded is None:
            V = (
                -60.0
                + np.broadcast_to(case.current, CELLS) / 10.0 * (1 - a)
                + (V + 60.0) * a
                + current * (a - b) * 20.0 * 5.0 / 15.0 / 200.0
            )
            current = current * b
        else:
            V = recorded[k + 1]
        late = spikes["own"][k - back] if k >= back else np.zeros(CELLS, bool)
        for name, loop in loops.items():
            pre, post, lag = edges[name].pre, edges[name].post, np.rint(edges[name].delay / DT).astype(int)
            arrived = np.array([k >= D and spikes[name][k - D, i] for i, D in zip(pre, lag, strict=True)])
            current = current + np.bincount(post, loop.w * arrived, CELLS)
            loop.step(k, post, arrived, late, V, d[k])
        V = np.where(spikes["own"][k], -60.0, V)
    return loops


@pytest.mark.parametrize("case", [ByReward, ByPotential, ByLikelihood])
def test_every_weight_is_that_of_the_loop(case):
    for seed, sign in ((1, 1.0), (2, -1.0 if case is ByReward else 1.0)):
        net = network(case, seed, sign)
        sim = rv.prepare(net, dt=DT, seed=seed, integrator=case.integrator, record=rv.Record("cells", "V", every=DT))
        run, first = sim.run(T), sim.run(0.4 * T)
        second = sim.run(0.6 * T, initial=first)
        assert all(np.bincount(run.spikes["cells"].neurons - run.spikes["cells"].neurons.min(), minlength=CELLS) > 3)
        for name, loop in by_hand(case, net, run).items():
            edges, own = run.edges(name), run.state.synapses[name]
            np.testing.assert_allclose(sign * edges.weight, loop.w, rtol=0, atol=1e-9)
            if "eligibility" in own:
                np.testing.assert_allclose(own["eligibility"], getattr(loop, case.tag), rtol=1e-9, atol=1e-12)
            moved = np.abs(loop.w - np.abs(net.edges(name, dt=DT).weight))
            assert np.median(moved) > 0.01 and not np.isin(loop.w, case.bounds).all(), name
            np.testing.assert_array_equal(second.edges(name).weight, edges.weight)
