"""AdEx against the spike times of its papers' models, solved to the limit of a vanishing step."""

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

from .intervals import exact_spike_times

AdEx = rv.neurons.AdaptiveExponentialIntegrateAndFire
PATTERNS = {
    "tonic": (500.0, 62, 14.27),
    "adapting": (500.0, 12, 14.95),
    "initial_burst": (400.0, 12, 5.51),
    "bursting": (210.0, 11, 16.21),
    "delayed_accelerating": (300.0, 46, 33.62),
}


def test_brette_and_gerstner():
    """1 nA from 20 to 120 ms. A step of 1 µs, so that five resets cost less than the last digit."""
    pulse = rv.stimuli.SquarePulse(1000.0, start=20.0, stop=120.0)
    run = rv.simulate(AdEx(), current=pulse, duration=120.0, dt=0.001, record=[])
    record_reproduction(
        "AdEx",
        "Brette & Gerstner 2005: the model of figure 2, solved with dt → 0",
        "spike times under 1 nA from 20 ms",
        [31.73, 45.25, 61.01, 79.52, 101.33],
        run.spikes.times,
        0.01,
        "ms",
    )


@pytest.fixture(scope="module")
def patterns():
    """All patterns as one population, at two steps: `{dt: trains}`."""
    cells = [getattr(AdEx, name)() for name in PATTERNS]
    fields = ("capacitance", "leak", "rest", "adaptation", "adaptation_tau", "adaptation_jump", "reset_potential")
    together = cells[0].replace(**{f: np.array([getattr(c, f) for c in cells]) for f in fields})
    current = np.array([current for current, _, _ in PATTERNS.values()])
    return {dt: rv.simulate(together, current=current, duration=600.0, dt=dt, record=[]).spikes.trains for dt in (0.02, 0.005)}


def test_naud_et_al(patterns):
    """The first spikes given were found with steps of 0.05 ms and are later by one of them; the next test has them exactly."""
    source = "Naud et al. 2008, table 1: its models, solved with dt → 0"
    fine = patterns[0.005]
    record_reproduction(
        "AdEx", source, "spikes of the five patterns in 600 ms", [n for _, n, _ in PATTERNS.values()], [len(t) for t in fine], 0
    )
    record_reproduction(
        "AdEx", source, "first spikes of the five patterns", [t for _, _, t in PATTERNS.values()], [t[0] for t in fine], 0.06, "ms"
    )


def test_spike_times_converge_with_the_step(patterns):
    """Each spike and reset is late by up to a step, so the n-th is by up to n steps; initial bursts are no exception."""
    for (name, (current, _, _)), coarse, fine in zip(PATTERNS.items(), patterns[0.02], patterns[0.005], strict=True):
        exact = exact_spike_times(getattr(AdEx, name)(), current, 120.0)[:8]
        n = len(exact)
        assert n >= 2
        assert fine[0] == pytest.approx(exact[0], abs=0.005)
        off = {0.02: abs(coarse[:n] - exact).max(), 0.005: abs(fine[:n] - exact).max()}
        assert off[0.005] < 0.005 * n * 3, name
        assert off[0.005] < 0.5 * off[0.02] or off[0.02] < 0.01, name


def test_a_long_step_loses_spikes():
    """What the page on numerics says of 0.1 ms."""
    run = rv.simulate(AdEx.tonic(), current=500.0, duration=600.0, dt=0.1, record=[])
    assert len(run.spikes) == 61


def test_patterns_are_what_they_are_called(patterns):
    tonic, adapting, initial_burst, bursting, accelerating = (np.diff(t) for t in patterns[0.005])
    assert np.ptp(tonic[20:]) < 0.02
    assert adapting[-1] > 2 * adapting[0]
    assert initial_burst[0] < 0.2 * initial_burst[-1]
    assert (bursting > 4 * np.median(bursting)).sum() >= 1
    assert accelerating[-1] < 0.7 * accelerating[0]


def test_a_step_far_too_long_leaves_finite_numbers():
    """A stage of RK4 far beyond the peak neither overflows nor drags the adaptation along."""
    run = rv.simulate(AdEx.tonic(), current=500.0, duration=200.0, dt=0.5, precision="single")
    assert np.isfinite(run.V.values).all()
    assert np.abs(run.w.values).max() < 200.0  # a (V − rest) is below 140 pA up to the peak
    assert 15 <= len(run.spikes) <= 25
