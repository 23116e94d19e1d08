"""PSST's state vectors, in and out: every layout, and what is refused."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.interop import psst
from tests.agreement.test_day4 import three_neurons


@pytest.mark.parametrize("day", ["day3", "day4", "day6"])
@pytest.mark.parametrize("site", [None, "edge"])
def test_round_trip(published, day, site):
    if day == "day3":
        net = rv.Network(rv.Population(20, rv.neurons.BazhenovNeuron()))
        vector = published("day3_population")["state_last"]
    elif day == "day4":
        net, vector = three_neurons(site), published("day4")["state_last"]
    else:
        day6 = published("day6")
        net = rv.models.antennal_lobe(ach_mat=day6["ach_mat"], fgaba_mat=day6["fgaba_mat"], driven=day6["input_neurons"], site=site)
        vector = day6["state_last"]
    state = psst.from_vector(net, vector)
    # A fire time before the run began that no synapse reads is kept to the nearest step.
    np.testing.assert_allclose(psst.to_vector(net, state), vector, rtol=0, atol=0.005 if day == "day6" else 0)


def test_a_vector_of_another_network_is_refused():
    net = three_neurons()
    with pytest.raises(rv.ParameterError, match="this network has 17 states: V of X"):
        psst.from_vector(net, np.zeros(16))


def test_synapses_of_one_source_in_different_states_need_the_edge_layout():
    cells = rv.Population(3, rv.neurons.BazhenovNeuron(), name="X")
    both = [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Cholinergic(), both, name="ach"))
    with pytest.raises(rv.ParameterError, match='site="edge"'):
        psst.from_vector(net, np.concatenate([np.zeros(12), [0.1, 0.2], np.full(3, psst.NOT_YET)]))


def test_a_network_psst_does_not_know_is_refused():
    with pytest.raises(rv.UnsupportedError, match="this has HodgkinHuxley"):
        psst.layout(rv.Network(rv.Population(1, rv.neurons.HodgkinHuxley())))
