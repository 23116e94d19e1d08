"""Integrate-and-fire neurons of one variable against the intervals that their equations give."""

import numpy as np
import pytest
from scipy.optimize import brentq

import ranvier as rv
from tests.reproduces import record_reproduction

from .intervals import interval_by_quadrature

DT = 0.01


def mean_intervals(model, current, duration):
    """The mean interval of each neuron, the first left out. A spike ends a step, so each is too long by up to dt."""
    run = rv.simulate(model, current=current, duration=duration, dt=DT, record=[])
    return np.array([np.diff(t)[1:].mean() if len(t) > 2 else np.inf for t in run.spikes.trains])


def test_lif_frequency_current_curve():
    """T = refractory + τ ln((V∞ − reset)/(V∞ − threshold)), Lapicque's law."""
    cell = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)
    current = np.array([99.0, 101.0, 150.0, 300.0, 600.0])
    end = cell.rest + current[1:] / cell.leak
    exact = cell.refractory + cell.capacitance / cell.leak * np.log((end - cell.reset_potential) / (end - cell.threshold))
    measured = mean_intervals(cell, current, 400.0)
    assert measured[0] == np.inf
    record_reproduction(
        "Leaky integrate-and-fire",
        "Lapicque 1907: the analytic solution",
        "intervals at 101, 150, 300, 600 pA",
        exact,
        measured[1:],
        DT,
        "ms",
    )


def test_quadratic_period():
    """T = C/√(k J) (atan(peak √(k/J)) − atan(reset √(k/J))) about the middle of rest and threshold, J the current above the rheobase."""
    cell = rv.neurons.QuadraticIntegrateAndFire()
    rheobase = cell.curvature * (cell.threshold - cell.rest) ** 2 / 4
    current = rheobase + np.array([-0.5, 5.0, 50.0, 500.0])
    excess = current[1:] - rheobase
    scale, middle = np.sqrt(cell.curvature / excess), (cell.rest + cell.threshold) / 2
    period = (np.arctan(scale * (cell.peak - middle)) - np.arctan(scale * (cell.reset_potential - middle))) * cell.capacitance
    measured = mean_intervals(cell, current, 600.0)
    assert measured[0] == np.inf
    record_reproduction(
        "Quadratic integrate-and-fire",
        "Ermentrout & Kopell 1986: the analytic solution",
        "periods 5, 50 and 500 pA above the rheobase",
        period / np.sqrt(cell.curvature * excess),
        measured[1:],
        DT,
        "ms",
    )


def test_exponential_rheobase_and_period():
    """Firing begins at leak (V_T − rest − Δ_T), where rest is lost in a saddle-node."""
    cell = rv.neurons.ExponentialIntegrateAndFire()
    rheobase = cell.leak * (cell.threshold - cell.rest - cell.slope)
    current = np.array([rheobase - 0.002, rheobase + 0.005, 0.5, 3.0])
    exact = [cell.refractory + interval_by_quadrature(cell, i, cell.peak) for i in current[1:]]
    measured = mean_intervals(cell, current, 1200.0)
    assert measured[0] == np.inf
    assert measured[1:] == pytest.approx(exact, abs=DT)


def test_the_exponential_cannot_overflow():
    """A step far too long for the upstroke leaves finite numbers, in single precision too."""
    with pytest.raises(rv.ParameterError, match=r"slope is 0.01 mV: .* exp\(7.99e\+03\), which no number holds"):
        rv.neurons.ExponentialIntegrateAndFire(slope=0.01, peak=20.0)
    cell = rv.neurons.ExponentialIntegrateAndFire(slope=0.01, peak=-59.5)
    for precision in ("single", "double"):
        run = rv.simulate(cell, current=5.0, duration=100.0, dt=0.1, precision=precision)
        assert np.isfinite(run.V.values).all()
        assert len(run.spikes) > 10


def test_adaptive_threshold_settles_where_jump_and_decay_balance():
    """In the steady rhythm V reaches threshold + x exp(−T/τ) after T, with x = jump/(1 − exp(−T/τ))."""
    cell = rv.neurons.AdaptiveThresholdIntegrateAndFire()
    current = np.array([200.0, 300.0, 500.0])

    def above(T, i):
        V = cell.rest + i / cell.leak * (1 - np.exp(-(T - cell.refractory) * cell.leak / cell.capacitance))
        decay = np.exp(-T / cell.threshold_tau)
        return V - cell.threshold - cell.threshold_jump * decay / (1 - decay)

    run = rv.simulate(cell, current=current, duration=2000.0, dt=DT, record=[])
    for train, i in zip(run.spikes.trains, current, strict=True):
        period = brentq(above, cell.refractory + 0.1, 200.0, args=(i,))
        assert np.diff(train)[-3:].mean() == pytest.approx(period, abs=DT)
        assert np.diff(train)[0] < 0.7 * period  # it adapts
