"""The stellate cell of Acker, Kopell & White 2003: its equations, its ringing, and what excitation and inhibition do to two of them."""

import jax
import numpy as np
import pytest
from scipy.integrate import solve_ivp

import ranvier as rv
from tests.reproduces import record_reproduction

from .dynamics import _current_and_jacobian, critical_current, resting_potential, steady_rates

PAPER = "Acker, Kopell & White 2003, J Comput Neurosci 15:71"
CELL = rv.neurons.Stellate()
EXCITATION, INHIBITION = 0.0, -75.0


def equations(t, x, current):
    """The published equations, once more, as steady states and time constants."""
    V, m, h, n, p, fast, slow = x
    e = np.exp
    am, bm = -0.1 * (V + 23) / (e(-0.1 * (V + 23)) - 1), 4 * e(-(V + 48) / 18)
    ah, bh = 0.07 * e(-(V + 37) / 20), 1 / (e(-0.1 * (V + 7)) + 1)
    an, bn = -0.01 * (V + 27) / (e(-0.1 * (V + 27)) - 1), 0.125 * e(-(V + 37) / 80)
    ap, bp = 1 / (0.15 * (1 + e(-(V + 38) / 6.5))), e(-(V + 38) / 6.5) / (0.15 * (1 + e(-(V + 38) / 6.5)))
    tau_fast, tau_slow = 0.51 / (e((V - 1.7) / 10) + e(-(V + 340) / 52)) + 1, 5.6 / (e((V - 1.7) / 14) + e(-(V + 260) / 43)) + 1
    sodium, h_current = (52 * m**3 * h + 0.5 * p) * (V - 55), 1.5 * (0.65 * fast + 0.35 * slow) * (V + 20)
    return [
        (current - sodium - 11 * n**4 * (V + 90) - 0.5 * (V + 65) - h_current) / 1.5,
        *(a * (1 - g) - b * g for g, a, b in ((m, am, bm), (h, ah, bh), (n, an, bn), (p, ap, bp))),
        (1 / (1 + e((V + 79.2) / 9.78)) - fast) / tau_fast,
        (1 / (1 + e((V + 71.3) / 7.9)) - slow) / tau_slow,
    ]


def test_spikes_are_those_of_the_published_equations():
    """By SciPy's solver to 1e-9; spikes here are stamped with the start of their step of 0.01 ms."""
    run = rv.simulate(CELL, current=-1.5, duration=300.0, dt=0.01, record=[])
    with jax.enable_x64(True):
        start = {v: float(np.ravel(x)[0]) for v, x in CELL.initial_state(1, rv.random.Key(0)).items()}
    order = ("V", "sodium.m", "sodium.h", "potassium.n", "persistent.p", "h.fast", "h.slow")
    upward = lambda t, x, current: x[0]
    upward.direction = 1
    exact = solve_ivp(equations, (0, 300), [start[v] for v in order], "LSODA", args=(-1.5,), events=upward, rtol=1e-9, atol=1e-9)
    record_reproduction(
        "Stellate cell", f"{PAPER}: equations, by SciPy", "spikes at −1.5 µA/cm²", exact.t_events[0], run.spikes.times, 0.011, "ms"
    )


def test_rest_rings_at_theta_and_loses_its_stability():
    """Oscillations below the threshold of spikes: a Hopf bifurcation, whose frequency is in the band of theta (4 to 12 Hz)."""
    current = critical_current(CELL, -55.0, -52.0)
    rest = resting_potential(CELL, -55.0, -52.0, current)
    with jax.enable_x64(True):
        frequency = np.abs(np.linalg.eigvals(np.asarray(_current_and_jacobian(CELL, np.float64(rest))[1])).imag).max() / (2e-3 * np.pi)
    record_reproduction(
        "Stellate cell", f"{PAPER}: theta, 4 to 12 Hz", "frequency of the ringing where rest becomes unstable", 8.0, frequency, 4.0, "Hz"
    )
    run = rv.simulate(CELL, current=[current - 0.1, current + 0.4, current + 0.7], duration=2000.0, dt=0.05, record=[])
    rate = steady_rates(run, 500.0)
    assert rate[0] == 0.0
    record_reproduction("Stellate cell", f"{PAPER}: theta, 4 to 12 Hz", "rates just above threshold", [8.0, 8.0], rate[1:], 4.0, "Hz")


@pytest.mark.parametrize(("reversal", "phase", "what"), [(EXCITATION, 0.0, "excitation"), (INHIBITION, 0.5, "inhibition")])
def test_excitation_brings_two_cells_into_step_and_inhibition_into_antiphase(reversal, phase, what):
    cells = rv.Population(2, CELL, current=-2.0, initial={"V": [-55.0, -75.0], "h.slow": [0.05, 0.2]}, name="cells")
    receptor = rv.synapses.Cholinergic(opening=1.1, closing=0.19, concentration=1.0, pulse=1.0, reversal=reversal)
    run = rv.simulate(rv.Network(cells, rv.Projection(cells, cells, receptor, [[0, 1], [1, 0]], weight=0.1)), duration=3000.0, dt=0.05)
    one, other = run["cells"].spikes.trains
    last = other[-3]
    before = np.searchsorted(one, last, side="right") - 1
    found = (last - one[before]) / (one[before + 1] - one[before])
    found = found - round(found) if phase == 0.0 else found
    record_reproduction(
        "Stellate cell",
        f"{PAPER}; Netoff et al. 2005, J Neurophysiol 93:1197",
        f"phase of two cells under {what}",
        phase,
        found,
        0.02,
        "periods",
    )
