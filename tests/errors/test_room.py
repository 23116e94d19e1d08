"""What there is no memory for is refused with its numbers, before it is taken."""

import pytest

import ranvier as rv

LIF = rv.neurons.LeakyIntegrateAndFire()


@pytest.fixture(autouse=True)
def a_gibibyte(monkeypatch):
    monkeypatch.setattr("ranvier.memory.available_memory", lambda: 2.0**30)


def test_more_neurons_than_there_is_memory_for():
    with pytest.raises(rv.ParameterError, match=r"with 1e\+08 neurons in many, would take 3\.5 GiB, and 1\.0 GiB of memory are free"):
        rv.prepare(rv.Population(10**8, LIF, name="many"), dt=0.1, record=[])


@pytest.mark.parametrize("synapse", ["graded", "at the edges"])
def test_more_coupled_edges_than_there_is_memory_for(synapse):
    n = 10_000
    if synapse == "graded":
        pre, post = (rv.Population(n, rv.neurons.HodgkinHuxley(), name=name) for name in ("pre", "post"))
        how = {"synapse": rv.synapses.GradedGABA()}
    else:
        pre, post = (rv.Population(n, LIF, name=name) for name in ("pre", "post"))
        how = {"synapse": rv.synapses.ExponentialCurrent(), "site": "edge"}
    net = rv.Network(pre, post, rv.Projection(pre, post, connect=rv.connect.all_to_all(), weight=0.1, **how))
    with pytest.raises(rv.ParameterError, match=r"pre→post, .* with 1e\+08 edges would take 4\.5 GiB, and 1\.0 GiB"):
        rv.prepare(net, dt=0.1)


def test_a_delay_of_more_steps_than_there_is_memory_for():
    cells = rv.Population(10_000, LIF, name="cells")
    late = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), rv.connect.one_to_one(), weight=0.1, delay=100_000.0)
    with pytest.raises(rv.ParameterError, match=r"of 1e\+04 neurons for 1048576 steps .* would take 58\.6 GiB"):
        rv.prepare(rv.Network(cells, late), dt=0.1)
