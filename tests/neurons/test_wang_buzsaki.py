"""The fast-spiking interneuron of Wang & Buzsáki 1996 (figure 1 and its text)."""

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

from .dynamics import fold_current, resting_potential, steady_rates

CELL = rv.neurons.WangBuzsaki()


def test_rest():
    record_reproduction(
        "Wang–Buzsáki 1996",
        "Wang & Buzsáki 1996, J Neurosci 16:6402, figure 1",
        "resting potential",
        -64.0,
        resting_potential(CELL, -70, -60),
        0.1,
        "mV",
    )


def test_the_threshold_current_is_small():
    """About 0.2 µA/cm² in the paper's figure, where it can be read to 0.05."""
    record_reproduction(
        "Wang–Buzsáki 1996",
        "Wang & Buzsáki 1996, J Neurosci 16:6402, figure 1",
        "threshold current",
        0.2,
        fold_current(CELL, -64, -50),
        0.05,
        "µA/cm²",
    )


def test_the_rate_against_the_current():
    """From 0 at threshold, as the root of the excess (type I), up to 400 Hz at 20 µA/cm², read from the figure to 5 %."""
    threshold = fold_current(CELL, -64, -50)
    current = np.array([threshold - 0.005, threshold + 0.0064, threshold + 0.0256, 20.0])
    run = rv.simulate(CELL, current=current, duration=1500.0, dt=0.02, record=[])
    rate = steady_rates(run, 100.0)
    assert rate[0] == 0
    assert rate[2] / rate[1] == pytest.approx(2.0, rel=0.06)
    record_reproduction(
        "Wang–Buzsáki 1996", "Wang & Buzsáki 1996, J Neurosci 16:6402, figure 1", "rate at 20 µA/cm²", 400.0, rate[3], 20.0, "Hz"
    )


def test_the_afterhyperpolarisation_is_shallow():
    """The potential turns near −70 mV after a spike ("about" in the paper), far from the −90 mV of potassium."""
    run = rv.simulate(CELL, current=0.3, duration=300.0)
    assert float(run.V[5000:].min()) == pytest.approx(-70.0, abs=4.0)


def test_what_is_open_is_recorded_of_a_channel_that_opens_at_once():
    """The conductance of the sodium channel is its current over its driving force, never the slope, which is negative."""
    run = rv.simulate(CELL, current=1.0, duration=30.0, record=rv.Record("wang_buzsaki", ["V", "sodium.current", "sodium.conductance"]))
    V, current, conductance = run.V.values, run["wang_buzsaki"]["sodium.current"].values, run["wang_buzsaki"]["sodium.conductance"].values
    assert (conductance >= 0).all()
    np.testing.assert_allclose(current, conductance * (V - 55.0), rtol=1e-9, atol=1e-12)
