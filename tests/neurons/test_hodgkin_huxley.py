"""The squid axon against what is published of it.

Rinzel & Miller 1980 (Math Biosci 49:27) give its bifurcations at 6.3 °C: rest is unstable between
9.78 and 154.5 µA/cm², and a stable rhythm exists from 6.26 µA/cm² on. Their leak reversal is chosen
so that rest is exactly at its nominal potential; here it is −54.387 mV, which puts rest within
0.004 mV of −65 mV, so the currents agree to the digits they print.
"""

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

from .dynamics import critical_current, resting_potential, steady_rates


def test_rest():
    assert resting_potential(rv.neurons.HodgkinHuxley(), -70, -60) == pytest.approx(-65.0, abs=0.005)


def test_the_currents_between_which_rest_is_unstable():
    lower, upper = critical_current(rv.neurons.HodgkinHuxley(), -64, -55), critical_current(rv.neurons.HodgkinHuxley(), -50, -40)
    record_reproduction(
        "Hodgkin–Huxley 1952",
        "Rinzel & Miller 1980, Math Biosci 49:27",
        "current at which rest becomes unstable",
        9.78,
        lower,
        0.006,
        "µA/cm²",
    )
    record_reproduction(
        "Hodgkin–Huxley 1952",
        "Rinzel & Miller 1980, Math Biosci 49:27",
        "current at which rest is stable again",
        154.5,
        upper,
        0.06,
        "µA/cm²",
    )


def test_where_firing_begins_and_its_rate():
    """68.3 Hz at 10 µA/cm², as in every textbook; firing without end begins between 6.2 and 6.3."""
    current = np.array([6.2, 6.3, 10.0])
    run = rv.simulate(rv.neurons.HodgkinHuxley(), current=current, duration=400.0, record=[])
    rate = steady_rates(run, 200.0)
    assert rate[0] == 0
    assert 50 < rate[1] < 55  # at once well above 0: type II
    source = "textbooks, for the equations of Hodgkin & Huxley 1952"
    record_reproduction("Hodgkin–Huxley 1952", source, "rate at 10 µA/cm²", 68.3, rate[2], 0.1, "Hz")  # the last digit printed


def test_rest_and_rhythm_are_both_stable_between():
    current = np.array([7.0, 9.5])
    V = np.array([resting_potential(rv.neurons.HodgkinHuxley(), -66, -55, x) for x in current])
    cell = rv.neurons.HodgkinHuxley(initial_potential=V)
    quiet = rv.simulate(cell, current=current, duration=300.0, record=[])
    kicked = rv.simulate(rv.Population(2, cell, initial={"V": -40.0}, current=current), duration=300.0, record=[])
    assert quiet.spikes.counts.tolist() == [0, 0]
    assert (kicked.spikes.counts > 15).all()
