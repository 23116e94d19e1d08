"""The Hopf bifurcations of FitzHugh's equations, which have a formula."""

import numpy as np
import pytest

import ranvier as rv

from .dynamics import growth, steady_current, steady_rates

CELL = rv.neurons.FitzHughNagumo()


def bifurcation(V):
    """The current whose rest is at `V`."""
    return (V + CELL.a) / CELL.b - V + V**3 / 3


V_HOPF = np.sqrt(1 - CELL.b * CELL.epsilon)  # where the trace 1 − V² − b·epsilon of the Jacobian is 0


def test_the_formula_has_the_published_values():
    """0.33 and 1.42 for a = 0.7, b = 0.8, epsilon = 0.08."""
    assert bifurcation(-V_HOPF) == pytest.approx(0.33, abs=0.005)
    assert bifurcation(V_HOPF) == pytest.approx(1.42, abs=0.005)


@pytest.mark.parametrize("V", [-V_HOPF, V_HOPF])
def test_rest_loses_stability_there(V):
    class AtRest(rv.neurons.FitzHughNagumo):
        initial_potential: rv.PerNeuron = rv.parameter(0.0)

        def initial_state(self, n, key):
            V = self.initial_potential * np.ones(n)
            return {"V": V, "w": (V + self.a) / self.b}

    assert steady_current(AtRest(), V) == pytest.approx(bifurcation(V), abs=1e-12)
    assert growth(AtRest(), V) == pytest.approx(0.0, abs=1e-12)
    assert growth(AtRest(), 0.999 * V) > 0 > growth(AtRest(), 1.001 * V)


def test_it_fires_between_them_and_not_outside():
    """The rhythm outlives the rest's return to stability by about 0.01, as in a relaxation oscillator it does."""
    run = rv.simulate(CELL, current=np.array([0.32, 0.34, 1.41, 1.43]), duration=3000.0, dt=0.1, record=[])
    assert (steady_rates(run, 1500.0) > 0).tolist() == [False, True, True, False]
