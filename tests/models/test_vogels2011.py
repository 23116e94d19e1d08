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


def test_bad_input():
    with pytest.raises(ParameterError, match="target_rate"):
        rv.models.inhibitory_balance(target_rate=0.0)
