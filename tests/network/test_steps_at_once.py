"""Few neurons alone: several steps are one function, with the spikes and states of steps one by one."""

import numpy as np
import pytest

import ranvier as rv
from ranvier import run
from ranvier.network import loop


@pytest.mark.parametrize("integrator", [rv.RungeKutta4(), rv.ExponentialEuler()])
def test_steps_at_once_are_steps_one_by_one(integrator, monkeypatch):
    cells = rv.Population(5, rv.neurons.HodgkinHuxley(), current=np.linspace(5.0, 40.0, 5), name="cells")
    net = rv.Network(cells, rv.Population(2, rv.neurons.MorrisLecar(), current=100.0, name="others"))
    monkeypatch.setattr(run, "LEAST_SPIKES", 64)  # two steps at once, and the list is full after 50 spikes
    monkeypatch.setattr(loop, "_programs", type(loop._programs)())
    found = {}
    for most in (1, 64):
        monkeypatch.setattr(loop, "MOST_AT_ONCE", most)
        loop._programs.clear()
        found[most] = rv.simulate(net, duration=200.3, dt=0.02, record=rv.Record(cells, "V", every=0.7), integrator=integrator)
    one, many = found[1], found[64]
    assert len(many["cells"].spikes.times) > 50
    for name in net.populations:
        assert np.array_equal(one[name].spikes.times, many[name].spikes.times)
        assert np.array_equal(one[name].spikes.neurons, many[name].spikes.neurons)
        assert np.allclose(one.state.neurons[name]["V"], many.state.neurons[name]["V"], rtol=1e-9)
    assert one["cells"].V.shape == many["cells"].V.shape
    assert np.allclose(one["cells"].V, many["cells"].V, rtol=1e-9)
