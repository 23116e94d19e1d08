"""The network of Izhikevich's program net.m (2003): a thousand neurons, all to all, in steps of 1 ms."""

import numpy as np

import ranvier as rv
from tests.reproduces import record_reproduction


def test_spikes_and_rhythms():
    """As many spikes as the program has, and power around 10 Hz and around 40 Hz (figure 3: alpha and gamma).

    Twelve runs of a transcription of net.m to NumPy have 7526 spikes a second, with a standard
    deviation of 177. The tolerance is three standard errors of our three runs and of those twelve.
    """
    runs = [
        rv.simulate(rv.models.izhikevich(seed=seed), duration=1000.0, dt=1.0, integrator=rv.SplitEuler(), seed=seed) for seed in (1, 2, 3)
    ]
    mean = np.mean([len(run.spikes) for run in runs])
    record_reproduction("Izhikevich 2003", "its program net.m, mean of twelve seeds", "spikes of the network in 1 s", 7526, mean, 340)
    for run in runs:
        power = np.abs(np.fft.rfft(np.bincount(run.spikes.steps, minlength=1000))) ** 2  # a bin for each Hz
        power[0] = 0.0
        assert 5 <= np.argmax(power) <= 13
        assert power[30:51].max() > 5 * np.median(power[55:120])
