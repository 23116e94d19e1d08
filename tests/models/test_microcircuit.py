"""Potjans and Diesmann's microcircuit (2014): its numbers, how it is scaled down, and its activity at a tenth."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from ranvier.models.microcircuit import NEURONS, POPULATIONS, RATES, compensation, postsynaptic_current, synapse_numbers, weights
from tests.reproduces import record_reproduction

PAPER = "Potjans & Diesmann 2014, Cereb Cortex 24:785"


def test_rates_at_a_tenth():
    """The rates of the full network, each as a share of the published one.

    Scaling keeps mean and variance of the input but not its correlations: a tenth of the
    network has rates that differ from the full one's by up to 30 % (van Albada et al. 2015), the
    same from seed to seed within 3 %. A wrong probability, sign or drive is off by factors.
    """
    run = rv.simulate(rv.models.microcircuit(0.1), duration=500.0, dt=0.1, seed=1, precision="single")
    spikes = run.spikes.between(100.0, 500.0)
    shares = [spikes[name].rate.mean() / rate for name, rate in zip(POPULATIONS, RATES, strict=True)]
    what = "rates of L2/3E … L6I at scale 0.1, shares of the full network's"
    record_reproduction("Cortical microcircuit", PAPER, what, np.ones(8), shares, 0.35)
    # asynchronous and irregular: 400 ms hold few intervals a neuron, which makes their variation look smaller than it is
    for name in ("L4I", "L6I"):
        assert 0.3 < np.nanmean(rv.analysis.coefficient_of_variation(spikes[name])) < 1.0
        assert 0.5 < rv.analysis.synchrony(spikes[name]) < 5.0


def test_numbers_of_the_full_network():
    net = rv.models.microcircuit()
    assert [p.n for p in net.populations.values()] == NEURONS.tolist() and NEURONS.sum() == 77_169
    # The reference implementation takes the logarithm of (n − 1)/n in double precision, which costs it two synapses.
    count = sum(p.rule.number for p in net.projections.values())
    record_reproduction("Cortical microcircuit", PAPER, "recurrent synapses", 298_880_968, count, 5)
    record_reproduction("Cortical microcircuit", PAPER + ", table 5", "excitatory weight", 87.8, postsynaptic_current(0.15), 0.05, "pA")
    assert net.projections["L4E→L23E"].weight.mean == pytest.approx(2 * 87.8, abs=0.1)
    assert net.projections["L4I→L23E"].weight.mean == pytest.approx(-4 * 87.8, abs=0.2)
    assert "L5I→L23E" not in net.projections  # no connections in the paper's table
    assert all(p.current is None for p in net.populations.values())


def test_a_postsynaptic_potential_has_its_height():
    cell = next(iter(rv.models.microcircuit().populations.values())).model
    source = rv.Population(1, rv.neurons.SpikeTimes(times=[1.0]))
    target = rv.Population(1, cell, initial={"V": -65.0}, name="target")
    fibre = rv.Projection(source, target, rv.synapses.ExponentialCurrent(tau=0.5), [[1]], weight=postsynaptic_current(0.15))
    run = rv.simulate(rv.Network(source, target, fibre), duration=10.0, dt=0.01, record=rv.Record(target, "V"))
    assert float(run["target"].V.max()) + 65.0 == pytest.approx(0.15, abs=1e-5)


@pytest.mark.parametrize("scale", [0.5, 0.05])
def test_scaling_keeps_mean_and_variance_of_the_input(scale):
    """The mean of the input current and its variance (of shot noise: rate · weight²), at the published rates, target by target."""
    full, small = rv.models.microcircuit(1.0), rv.models.microcircuit(scale)

    def moments(net):
        result = {}
        for name, population in net.populations.items():
            parts = [
                (p.rule.number / population.n, p.weight.mean, RATES[POPULATIONS.index(p.source.name)])
                for p in net.projections.values()
                if p.targets[0] is population
            ]
            parts += [(float(np.asarray(p.sources)), p.weight, p.rate) for p in net.poisson.values() if p.targets[0] is population]
            indegree, weight, rate = np.array(parts).T
            constant = 0.0 if population.current is None else float(population.current(0.0))
            result[name] = (np.sum(indegree * weight * rate) * 0.5 / 1000.0 + constant, np.sum(indegree * weight**2 * rate))
        return np.array(list(result.values()))

    np.testing.assert_allclose(moments(small), moments(full), rtol=0.02)  # numbers of neurons and synapses are rounded


def test_compensation_is_nothing_at_full_scale():
    assert not compensation(1.0).any() and weights().shape == synapse_numbers().shape == (8, 8)


def test_bad_input():
    for scale in (0, -0.1, float("nan"), 1.5):
        with pytest.raises(ParameterError, match="scale is"):
            rv.models.microcircuit(scale)
