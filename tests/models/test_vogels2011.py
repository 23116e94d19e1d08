"""Inhibition that learns (Vogels et al. 2011): rates come to the target, and firing becomes irregular."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.errors import ParameterError
from tests.reproduces import record_reproduction

PAPER = "Vogels et al. 2011, Science 334:1569"
HOW = {"dt": 0.1, "seed": 1, "integrator": rv.ExponentialEuler()}


def test_the_network_comes_to_its_target():
    run = rv.simulate(rv.models.inhibitory_balance(scale=0.1, learning_rate=0.3), duration=15_000.0, **HOW)
    rate = run["exc"].spikes.population_rate(100.0).values
    assert rate[0] > 50.0
    settled = run["exc"].spikes.between(10_000.0, 15_000.0)
    record_reproduction(
        "Inhibitory plasticity", f"{PAPER}, figure 2", "rate of the network, target 3 Hz", 3.0, settled.rate.mean(), 1.0, "Hz"
    )
    assert settled.rate.std() < 0.35 * settled.rate.mean()  # every neuron has come to it
    assert np.nanmean(rv.analysis.coefficient_of_variation(settled)) > 0.8  # balanced: irregular
    weight = run.edges("inh→exc").weight
    assert weight.min() >= 0 and weight.max() <= 100.0 and 1.0 < weight.mean() < 10.0


def test_cells_come_to_any_target():
    """Cells with independent excitation, and inhibition that they share."""
    settled = []
    for target in (5.0, 10.0):
        model = rv.neurons.LeakyIntegrateAndFire(
            capacitance=200.0, leak=10.0, rest=-60.0, threshold=-50.0, reset_potential=-60.0, refractory=5.0
        )
        cells, inh = rv.Population(30, model, name="cells"), rv.Population(200, rv.neurons.PoissonSource(10.0), name="inh")
        drive = rv.PoissonInput(cells, rv.synapses.ExponentialConductance(tau=5.0, reversal=0.0), rate=10.0, sources=800, weight=0.4)
        rule = rv.plasticity.InhibitorySTDP(learning_rate=0.02, target_rate=target, high=100.0)
        gaba = rv.synapses.ExponentialConductance(tau=10.0, reversal=-80.0)
        wire = rv.Projection(inh, cells, gaba, rv.connect.all_to_all(), weight=0.0, plasticity=rule, name="wire")
        run = rv.simulate(rv.Network(cells, inh, drive, wire), duration=40_000.0, **{**HOW, "dt": 0.2})
        assert run["cells"].spikes.between(0.0, 500.0).rate.mean() > 10 * target
        settled.append(run["cells"].spikes.between(20_000.0, 40_000.0).rate.mean())
    record_reproduction("Inhibitory plasticity", f"{PAPER}, figure 1", "rate of cells, target 5 and 10 Hz", [5.0, 10.0], settled, 1.2, "Hz")


def test_balance_is_detailed():
    """Cells hear eight channels, each with a slow signal of its own that excitation and inhibition share, and excitation prefers the fifth.

    Inhibition, the same from all channels at the start, comes to prefer it as much, and its current to mirror the excitatory one.
    """
    channels, exc, inh, duration = 8, 100, 25, 20_000.0
    rng, kept, signal = np.random.default_rng(1), np.exp(-10.0 / 50.0), np.zeros((2000, channels))
    for k in range(1, 2000):
        signal[k] = kept * signal[k - 1] + np.sqrt(1 - kept**2) * rng.standard_normal(channels)
    rate = np.clip(3.0 + 12.0 * signal, 0.0, None)
    source = lambda n, name, times: rv.Population(
        channels * n, rv.neurons.InhomogeneousPoissonSource(rv.stimuli.Sampled(times * np.repeat(rate, n, axis=1), every=10.0)), name=name
    )
    excitatory, inhibitory = source(exc, "exc", 1.0), source(inh, "inh", 2.0)
    model = rv.neurons.LeakyIntegrateAndFire(
        capacitance=200.0, leak=10.0, rest=-60.0, threshold=-50.0, reset_potential=-60.0, refractory=5.0
    )
    cells = rv.Population(10, model, name="cells")
    tuning = 0.3 + 1.1 / (1.0 + (np.arange(1, 9) - 5.0) ** 4)  # theirs
    ampa, gaba = rv.synapses.ExponentialConductance(tau=5.0, reversal=0.0), rv.synapses.ExponentialConductance(tau=10.0, reversal=-80.0)
    rule, everyone = rv.plasticity.InhibitorySTDP(learning_rate=0.02, target_rate=5.0, high=20.0), rv.connect.all_to_all()
    weight = 0.49 * np.repeat(tuning, exc)[None]
    net = rv.Network(
        excitatory,
        inhibitory,
        cells,
        rv.Projection(excitatory, cells, ampa, everyone, weight=weight, name="excitation"),
        rv.Projection(inhibitory, cells, gaba, everyone, weight=rv.uniform(0.0, 0.2), plasticity=rule, name="inhibition"),
    )
    record = [rv.Record(name, "current", every=5.0) for name in ("excitation", "inhibition")]
    run = rv.simulate(net, duration=duration, record=record, **{**HOW, "dt": 0.5})
    assert run["cells"].spikes.between(0.0, 1000.0).rate.mean() > 15.0
    assert run["cells"].spikes.between(6000.0, duration).rate.mean() < 7.0
    edges = run.edges("inhibition")
    learnt = [edges.weight[edges.pre // inh == channel].mean() for channel in range(channels)]
    source_of = f"{PAPER}, figure 1"
    tuned = np.corrcoef(learnt, tuning)[0, 1]
    record_reproduction("Inhibitory plasticity", source_of, "correlation of inhibition's and excitation's tuning", 1.0, tuned, 0.05)
    currents = [run[name]["current"].values[-800:] for name in ("excitation", "inhibition")]
    mirrored = np.mean([np.corrcoef(currents[0][:, j], -currents[1][:, j])[0, 1] for j in range(10)])
    record_reproduction("Inhibitory plasticity", source_of, "correlation of both currents of a cell over time", 1.0, mirrored, 0.12)


def test_bad_input():
    with pytest.raises(ParameterError, match="target_rate"):
        rv.models.inhibitory_balance(target_rate=0.0)
