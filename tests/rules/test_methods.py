"""`compare_methods` against errors that are known."""

import numpy as np
import pytest

import ranvier as rv


def test_the_difference_of_two_steps_is_the_error_of_the_method():
    """A cell that decays: Midpoint's error is known in closed form, ExactLinear has none."""
    tau, dt, duration = 2.0, 0.5, 10.0
    cell = rv.Population(1, rv.neurons.Passive(capacitance=1.0, leak=1 / tau, rest=0.0), initial={"V": 10.0}, name="cell")
    found = rv.compare_methods(cell, duration=duration, dt=dt, methods=[rv.Midpoint(), rv.ExactLinear()])
    t = np.arange(0.0, duration + dt / 2, dt)
    factor = lambda h: 1 - h / tau + (h / tau) ** 2 / 2
    known = 10.0 * (factor(dt) ** (t / dt) - factor(dt / 2) ** (2 * t / dt))
    np.testing.assert_allclose(found["Midpoint"].potential, np.sqrt((known**2).mean()), rtol=1e-9)
    assert found["ExactLinear"].potential < 1e-13
    assert not found.random and found["Midpoint"].spikes == (0, 0) and np.isnan(found["Midpoint"].shift)


def test_what_does_not_apply_says_why_and_what_diverges_says_when():
    found = rv.compare_methods(
        rv.neurons.HodgkinHuxley(), current=10.0, duration=20.0, dt=0.2, methods=[rv.ExactLinear(), rv.Euler(), rv.ExponentialEuler()]
    )
    assert "not linear" in found["ExactLinear"].reason
    assert "diverges at" in found["Euler"].reason
    assert found["ExponentialEuler"].spikes[0] > 0 and not found["ExponentialEuler"].reason
    table = str(found).splitlines()
    assert len(table) == 4 and table[0].startswith("method") and "diverges at" in table[2]


@pytest.mark.parametrize(
    "noisy",
    [
        lambda: rv.Population(3, rv.neurons.PoissonSource(rate=50.0)),
        lambda: rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), current=rv.stimuli.WhiteNoise(mean=300.0, intensity=100.0)),
    ],
    ids=["hazard", "noise"],
)
def test_what_is_drawn_in_every_step_is_not_compared_spike_by_spike(noisy):
    found = rv.compare_methods(noisy(), duration=100.0, dt=0.1, methods=rv.ExactLinear())
    assert found.random and "drawn in every step" in str(found)
    assert np.isnan(found["ExactLinear"].shift) and np.isnan(found["ExactLinear"].potential)
    assert min(found["ExactLinear"].spikes) > 0
