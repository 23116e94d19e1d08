"""Both ways to begin to fire (Rinzel & Ermentrout 1998): the bifurcations' currents as they print them."""

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

from .dynamics import critical_current, fold_current, resting_potential, steady_rates

HOPF, SADDLE_NODE = rv.neurons.MorrisLecar.hopf(), rv.neurons.MorrisLecar.saddle_node()


def test_the_hopf_bifurcations():
    """93.86 and 212 µA/cm², to the digits printed."""
    lower, upper = critical_current(HOPF, -40, -15), critical_current(HOPF, 0, 15)
    record_reproduction(
        "Morris–Lecar", "Rinzel & Ermentrout 1998, in Methods in Neuronal Modeling", "lower Hopf bifurcation", 93.86, lower, 0.005, "µA/cm²"
    )
    record_reproduction(
        "Morris–Lecar", "Rinzel & Ermentrout 1998, in Methods in Neuronal Modeling", "upper Hopf bifurcation", 212.0, upper, 0.5, "µA/cm²"
    )


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
    record_reproduction(
        "Morris–Lecar",
        "Rinzel & Ermentrout 1998, in Methods in Neuronal Modeling",
        "saddle-node on a circle",
        39.96,
        fold_current(SADDLE_NODE, -50, -10),
        0.005,
        "µA/cm²",
    )


def test_the_saddle_node_begins_at_rate_0():
    """The rate grows as the root of the excess current; 5 % is what the next term adds over this range."""
    excess = np.array([-0.05, 0.04, 0.16])
    run = rv.simulate(SADDLE_NODE, current=fold_current(SADDLE_NODE, -50, -10) + excess, duration=5000.0, dt=0.1, record=[])
    rate = steady_rates(run, 500.0)
    assert rate[0] == 0
    assert 0 < rate[1] < 1.5
    assert rate[2] / rate[1] == pytest.approx(2.0, rel=0.05)
