"""Rest, an isolated burst, bursting, and firing without pause (Hindmarsh & Rose 1984, figures 6 to 8)."""

import numpy as np

import ranvier as rv

PAUSE = 40.0  # the intervals inside bursts are below 35, the pauses above 50


def bursts(times):
    """The number of spikes of each burst, the first and the last left out."""
    return np.diff(np.flatnonzero(np.diff(times) > PAUSE))


def test_figure_6():
    """speed 0.001: at 0.4 one burst and then silence, at 2 bursts all alike, at 4 no pause."""
    run = rv.simulate(rv.neurons.HindmarshRose(), current=np.array([0.0, 0.4, 2.0, 4.0]), duration=4000.0, dt=0.05, record=[])
    rest, isolated, bursting, tonic = run.spikes.trains
    assert len(rest) == 0
    assert 5 <= len(isolated) <= 15
    assert isolated[-1] < 300
    assert np.ptp(bursts(bursting)) == 0
    assert 5 <= bursts(bursting)[0] <= 15
    assert len(bursts(bursting)) >= 5
    assert np.diff(tonic).max() < PAUSE
    assert tonic[-1] > 3980


def test_bursts_are_random_at_325():
    """speed 0.005: at 2 each burst has as many spikes as the last, at 3.25 they differ for ever (figure 8)."""
    run = rv.simulate(rv.neurons.HindmarshRose(speed=0.005), current=np.array([2.0, 3.25]), duration=5000.0, dt=0.05, record=[])
    regular, random = (bursts(t[t > 1000]) for t in run.spikes.trains)
    assert set(regular) == {3}
    assert len(set(random)) >= 3
    assert len(set(random[-10:])) >= 3
