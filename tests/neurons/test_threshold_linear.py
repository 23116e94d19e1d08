"""Neurons that are rates, and what couples them."""

import numpy as np
import pytest

import ranvier as rv

RATES = rv.neurons.ThresholdLinearRate()
FIRES = rv.neurons.LeakyIntegrateAndFire()


def network(source, target, synapse, weight=0.5):
    one, other = rv.Population(2, source, current=400.0, name="one"), rv.Population(3, target, name="other")
    return rv.Network(one, other, rv.Projection(one, other, synapse, rv.connect.all_to_all(), weight=weight, name="wires"))


def test_a_circuit_comes_to_the_solution_of_its_linear_equations():
    """All above threshold: (1 − W) rate = current."""
    weight = np.array([[0.0, -0.5, 0.2], [0.3, 0.0, -0.4], [-0.2, 0.1, 0.0]])
    current = np.array([2.0, 3.0, 4.0])
    cells = rv.Population(3, RATES, current=current, name="cells")
    net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.GradedCurrent("rate"), weight != 0, weight=weight, name="w"))
    found = rv.simulate(net, duration=300.0, dt=0.5).state.neurons["cells"]["rate"]
    np.testing.assert_allclose(found, np.linalg.solve(np.eye(3) - weight, current), rtol=1e-9)


def test_spikes_reach_rates_as_currents():
    run = rv.simulate(network(FIRES, RATES, rv.synapses.ExponentialCurrent()), duration=50.0, dt=0.1)
    assert (run.state.neurons["other"]["rate"] > 0).all()


@pytest.mark.parametrize(
    ("source", "target", "synapse", "says"),
    [
        (FIRES, FIRES, rv.synapses.GradedCurrent("rate"), "variable of the source 'rate'"),
        (RATES, FIRES, rv.synapses.GradedGABA(), "variable of the source 'V'"),
        (FIRES, RATES, rv.synapses.ExponentialConductance(), r"no membrane potential, which ExponentialConductance acts on"),
        (FIRES, RATES, rv.synapses.Delta(), r"Use rv\.synapses\.GradedCurrent\('rate'\)"),
        (RATES, RATES, rv.synapses.GapJunction(), "no membrane potential"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_a_rate_cannot_have_is_refused(source, target, synapse, says):
    with pytest.raises(rv.RanvierError, match=says):
        rv.simulate(network(source, target, synapse), duration=1.0, dt=0.1)
