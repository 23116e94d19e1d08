"""Neurons that grow synapses until they fire as they want to (Butz & van Ooyen 2013)."""

import numpy as np

import ranvier as rv
from tests.reproduces import record_reproduction

PAPER = "Butz & van Ooyen 2013, PLoS Comput Biol 9:e1003259"


def test_rates_come_to_the_set_point_and_come_back_after_a_lesion():
    sim = rv.prepare(rv.models.homeostatic_growth(), dt=0.5, seed=1, precision="single")
    grown = sim.run(25_000.0)
    assert grown["exc"].spikes.between(0.0, 5000.0).rate.mean() < 1.6
    rate = grown["exc"].spikes.between(18_000.0, 25_000.0).rate
    record_reproduction("Structural plasticity", PAPER, "rate of the network, set point 5 Hz", 5.0, rate.mean(), 0.5, "Hz")
    assert rate.std() < 0.15 * rate.mean()  # each neuron, not the mean alone
    lesion = sim.run(25_000.0, initial=grown, parameters={"exc.current": np.where(np.arange(80) < 24, -500.0, 60.0)})
    left = lambda begin, end: lesion["exc"].spikes.between(begin, end).rate[24:].mean()
    assert left(25_000.0, 28_000.0) < 4.5
    record_reproduction(
        "Structural plasticity", PAPER, "rate of those left, after a lesion of 30 %", 5.0, left(40_000.0, 50_000.0), 0.5, "Hz"
    )
    edges = lesion.edges("grown")
    assert (edges.pre[edges.post >= 24] >= 24).sum() > 1.2 * (grown.edges("grown").pre[grown.edges("grown").post >= 24] >= 24).sum()


def test_growth_curve():
    """The curve is 0 at η and at ε, fastest midway, and falls to −ν far from both (their figure 1)."""
    curve = rv.plasticity.GaussianGrowth(rate=2.0, least=0.1, target=0.7)
    np.testing.assert_allclose(curve.growth(np.array([0.1, 0.4, 0.7, 100.0])), [0.0, 2.0, 0.0, -2.0], atol=1e-12)
