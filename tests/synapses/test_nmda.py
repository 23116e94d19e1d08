"""NMDA: the magnesium block, and receptors that saturate."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import ranvier as rv
from ranvier.synapses.nmda import unblocked
from tests.reproduces import record_reproduction


def test_the_block_is_half_where_jahr_and_stevens_have_it():
    """B = 1/2 where exp(0.062 V) = [Mg]/3.57: at −20.5 mV in 1 mM; it moves by ln(10)/0.062 = 37 mV for ten times as much."""
    V = np.linspace(-80.0, 60.0, 14001)
    half = [V[np.argmin(abs(np.asarray(unblocked(V, mg)) - 0.5))] for mg in (1.0, 10.0)]
    expected = [np.log(mg / 3.57) / 0.062 for mg in (1.0, 10.0)]
    record_reproduction("NMDA", "Jahr & Stevens 1990", "potential of half block in 1 and 10 mM magnesium", expected, half, 0.006, "mV")
    assert unblocked(-70.0, 0.0) == 1.0


def test_the_current_has_a_region_of_negative_slope():
    """Depolarisation from rest strengthens the inward current: the mark of the magnesium block."""
    V = jnp.linspace(-100.0, 40.0, 141)
    conductance, offset = rv.synapses.NMDA().membrane_input(jnp.ones(141), V)
    current = np.asarray(offset - conductance * V)
    assert -35 < V[np.argmax(current)] < -15
    assert current[0] < 0.3 * current.max()
    assert current[-1] < 0
    conductance, offset = rv.synapses.NMDA(magnesium=0.0).membrane_input(jnp.ones(141), V)
    assert (np.diff(np.asarray(offset - conductance * V)) < 0).all()  # without magnesium a straight line


def test_each_target_has_its_own_magnesium():
    source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -50.0})
    a, b = (rv.Population(1, rv.neurons.Passive(), name=name) for name in "ab")
    synapse = rv.synapses.NMDA(magnesium=np.array([0.0, 2.0]))
    net = rv.Network(source, a, b, rv.Projection(source, [a, b], synapse, [[1], [1]], weight=0.01))
    state = rv.simulate(net, duration=20.0, dt=0.1).state.neurons
    assert state["a"]["V"][0] > state["b"]["V"][0] + 1.0


def test_saturating_receptors_follow_their_equations():
    """Spikes of a regular train, every gate from the equations solved between them; near 1 at a high rate, never above."""
    cell = rv.neurons.LeakyIntegrateAndFire(refractory=1.0)
    source = rv.Population(2, cell, current=np.array([110.0, 5000.0]), name="source")
    target = rv.Population(1, rv.neurons.Passive())
    fibres = rv.Projection(source, target, rv.synapses.SaturatingNMDA(), np.ones((1, 2)), weight=0.01, name="fibres")
    run = rv.simulate(rv.Network(source, target, fibres), duration=300.0, dt=0.1, record=rv.Record(fibres, "open"))
    opened = run["fibres"].open.values
    for i, train in enumerate(run.spikes["source"].trains):
        state = np.zeros(2)
        edges = np.append(train + 0.1, 300.0)
        state[0] = 1.0
        for start, end in itertools.pairwise(edges):
            solved = solve_ivp(lambda t, y: [-y[0] / 2, 0.5 * y[0] * (1 - y[1]) - y[1] / 100], (start, end), state, rtol=1e-9, atol=1e-11)
            state = solved.y[:, -1] + np.array([1.0, 0.0])
        assert opened[-1, i] == pytest.approx(state[1], abs=1e-5)
    assert 0.9 < opened[-1, 1] < 1.0
    assert opened.max() < 1.0


def test_a_membrane_with_nmda_is_not_taken_for_a_linear_one():
    source = rv.Population(1, rv.neurons.SpikeTimes(times=[1.0]), name="source")
    cells = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    net = rv.Network(source, cells, rv.Projection(source, cells, rv.synapses.NMDA(), [[1]], weight=0.5))
    with pytest.raises(rv.UnsupportedError, match="cells"):
        rv.simulate(net, duration=5.0, dt=0.1, integrator=rv.ExactLinear())
    chosen, rk4 = (rv.simulate(net, duration=20.0, dt=0.1, integrator=i).state.neurons["cells"]["V"] for i in (None, rv.RungeKutta4()))
    np.testing.assert_array_equal(chosen, rk4)
    assert chosen[0] > -60.0 + 0.1
