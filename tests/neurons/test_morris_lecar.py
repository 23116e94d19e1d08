"""Both ways to begin to fire (Rinzel & Ermentrout 1998): the bifurcations' currents as they print them."""

import numpy as np
import pytest

import ranvier as rv

from .dynamics import critical_current, fold_current, resting_potential, steady_rates

HOPF, SADDLE_NODE = rv.neurons.MorrisLecar.hopf(), rv.neurons.MorrisLecar.saddle_node()


def test_the_hopf_bifurcations():
    """93.86 and 212 µA/cm², to the digits printed."""
    assert critical_current(HOPF, -40, -15) == pytest.approx(93.86, abs=0.005)
    assert critical_current(HOPF, 0, 15) == pytest.approx(212.0, abs=0.5)


def test_the_hopf_bifurcation_is_subcritical():
    """Rest and rhythm are both stable from 88.3 to 93.86 µA/cm², so firing begins at a rate well above 0."""
    current = np.array([88.0, 88.5, 93.0, 96.0])
    V = np.array([resting_potential(HOPF, -60, -20, x) for x in current])
    cell = HOPF.replace(initial_potential=V)
    near_rest = rv.simulate(rv.Population(4, cell, initial={"V": V + 0.05}, current=current), duration=3000.0, dt=0.1, record=[])
    kicked = rv.simulate(rv.Population(4, cell, initial={"V": 0.0}, current=current), duration=3000.0, dt=0.1, record=[])
    assert (near_rest.spikes.counts > 0).tolist() == [False, False, False, True]
    rate = steady_rates(kicked, 1500.0)
    assert (rate > 8.0).tolist() == [False, True, True, True]
    assert rate[0] == 0


def test_the_saddle_node():
    """39.96 µA/cm² in the chapter."""
    assert fold_current(SADDLE_NODE, -50, -10) == pytest.approx(39.96, abs=0.005)


def test_the_saddle_node_begins_at_rate_0():
    """The rate grows as the root of the excess current; 5 % is what the next term adds over this range."""
    excess = np.array([-0.05, 0.04, 0.16])
    run = rv.simulate(SADDLE_NODE, current=fold_current(SADDLE_NODE, -50, -10) + excess, duration=5000.0, dt=0.1, record=[])
    rate = steady_rates(run, 500.0)
    assert rate[0] == 0
    assert 0 < rate[1] < 1.5
    assert rate[2] / rate[1] == pytest.approx(2.0, rel=0.05)
