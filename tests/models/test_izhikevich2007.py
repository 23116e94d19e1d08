"""A reward that comes late (after Izhikevich 2007): the synapse that earned it grows, those that were only there do not."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from ranvier.models.izhikevich2007 import STRONGEST, WEIGHT
from tests.reproduces import record_reproduction

PAPER = "Izhikevich 2007, Cereb Cortex 17:2443, figure 1, with one neuron"


def test_the_rewarded_synapse_is_found():
    run = rv.simulate(rv.models.distal_reward(), duration=300_000.0, dt=1.0, seed=2)
    weight = run.edges("inputs→cell").weight
    what = "weight of the rewarded synapse, of its bound, after 300 s"
    record_reproduction("Distal reward", PAPER, what, 1.0, weight[0] / STRONGEST, 0.1)
    assert weight[0] > 2.5 * weight[1:].mean() and np.median(weight[1:]) < WEIGHT


def test_nothing_is_learnt_without_reward():
    run = rv.simulate(rv.models.distal_reward(amount=0.0), duration=5_000.0, dt=1.0, seed=2)
    assert len(run["cell"].spikes) > 5
    np.testing.assert_array_equal(run.edges("inputs→cell").weight, WEIGHT)


def test_rewards_come_late():
    """One pair, one reward: none before, and its dopamine decays."""
    source = rv.Population(1, rv.neurons.SpikeTimes([100.0, 300.0]), name="inputs")
    clock = rv.Population(1, rv.neurons.SpikeTimes([105.0, 350.0]), name="clock")  # the second comes too late
    cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cell")
    reward = rv.models.RewardForPairs(shortest=400.0, longest=400.0)
    rule = rv.plasticity.RewardModulatedSTDP(reward=reward, high=10.0)
    kick = rv.Projection(clock, cell, rv.synapses.Delta(), [[1]], weight=100.0)
    wire = rv.Projection(source, cell, rv.synapses.ExponentialCurrent(), [[1]], weight=1.0, plasticity=rule, name="wire")
    run = rv.simulate(rv.Network(source, clock, cell, kick, wire), duration=1000.0, dt=1.0, record=rv.Record("wire", "weight", every=1.0))
    weight, time = run["wire"].weight.values.ravel(), run["wire"].weight.time.values
    assert run["cell"].spikes.times.tolist() == [106.0, 351.0]
    changes = time[1:][np.diff(weight) != 0]
    assert 505.0 <= changes.min() <= 509.0 and weight[-1] > 1.0


def test_bad_input():
    with pytest.raises(ParameterError, match="amount"):
        rv.models.distal_reward(amount=-1.0)
