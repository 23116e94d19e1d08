"""Izhikevich's neurons: where firing begins, the published scheme, the equations solved exactly, and the cells of the papers."""

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

from .dynamics import critical_current
from .intervals import exact_spike_times

Form2003, Form2007 = rv.neurons.Izhikevich2003, rv.neurons.Izhikevich2007
CELLS = {
    "regular_spiking": (0.02, 0.2, -65.0, 8.0),
    "intrinsically_bursting": (0.02, 0.2, -55.0, 4.0),
    "chattering": (0.02, 0.2, -50.0, 2.0),
    "fast_spiking": (0.1, 0.2, -65.0, 2.0),
    "low_threshold_spiking": (0.02, 0.25, -65.0, 2.0),
    "thalamo_cortical": (0.02, 0.25, -65.0, 0.05),
    "resonator": (0.1, 0.26, -65.0, 2.0),
}


def trains(names, current, duration, dt=0.02, **initial):
    cells = [getattr(Form2003, name)() for name in names]
    together = Form2003(**{f: np.array([getattr(c, f) for c in cells]) for f in "abcd"})
    population = rv.Population(len(cells), together, current=current, initial=initial)
    return rv.simulate(population, duration=duration, dt=dt, record=[]).spikes.trains


def test_parameters_are_those_of_figure_2():
    for name, values in CELLS.items():
        cell = getattr(Form2003, name)()
        assert (cell.a, cell.b, cell.c, cell.d) == values


def published_program(V, u, current, steps, a=0.02, b=0.2, c=-65.0, d=8.0):
    """The loop of net.m (Izhikevich 2003) under a constant current, in steps of 1 ms: spikes as (step, neuron), then V and u."""
    fired = []
    for t in range(steps):
        over = V >= 30
        fired += [(t, i) for i in np.flatnonzero(over)]
        V, u = np.where(over, c, V), np.where(over, u + d, u)
        V = V + 0.5 * (0.04 * V**2 + 5 * V + 140 - u + current)
        V = V + 0.5 * (0.04 * V**2 + 5 * V + 140 - u + current)
        u = u + a * (b * V - u)
    return fired, V, u


@pytest.mark.parametrize("name", CELLS)
def test_split_euler_is_the_published_scheme(name):
    """The first 30 ms of many starts. (At 1 ms the scheme is chaotic: rounding alone changes its spikes after some 150 ms.)"""
    cell, starts = getattr(Form2003, name)(), np.random.default_rng(5)
    V, u = starts.uniform(-80, 0, 40), starts.uniform(-20, 5, 40)
    fired, V_end, u_end = published_program(V, u, 10.0, 30, cell.a, cell.b, cell.c, cell.d)
    cells = rv.Population(40, cell, initial={"V": V, "u": u}, current=10.0, name="cells")
    run = rv.simulate(cells, duration=30.0, dt=1.0, integrator=rv.SplitEuler(), record=[])
    # The program notes a spike at the start of the step after; and what fired in the very last step it has not reset yet.
    spikes = list(zip(run.spikes.steps + 1, run.spikes.neurons, strict=True))
    assert sorted(s for s in spikes if s[0] < 30) == sorted(fired)
    quiet = V_end < 30
    for ours, theirs in ((run.state.neurons["cells"]["V"], V_end), (run.state.neurons["cells"]["u"], u_end)):
        np.testing.assert_allclose(ours[quiet], theirs[quiet], rtol=1e-8, atol=1e-8)


def test_where_rest_is_lost_in_2003():
    """For b = 0.2 in an Andronov–Hopf bifurcation, at V = (a − 5)/0.08: 3.7975, before the two rests meet at 4."""
    cell = Form2003()
    V = (cell.a - 5) / 0.08
    exact = (cell.b - 5) * V - 0.04 * V**2 - 140
    measured = critical_current(cell, -64.0, -61.0)
    record_reproduction(
        "Izhikevich 2003", "the trace of its Jacobian", "current at which rest is lost, b = 0.2", exact, measured, 1e-6, "mV/ms"
    )
    silent, firing = trains(["regular_spiking"] * 2, np.array([3.5, 4.1]), 1000.0, dt=0.1)
    assert len(silent[silent > 300]) == 0
    assert len(firing[firing > 300]) > 2


def test_rheobase_of_2007():
    """The two rests of the regular spiking cell meet at (k (threshold − rest) + b)²/(4 k) = 51.4 pA."""
    cell = Form2007()
    rheobase = (cell.k * (cell.threshold - cell.rest) + cell.b) ** 2 / (4 * cell.k)
    run = rv.simulate(cell, current=rheobase + np.array([-0.3, 1.0]), duration=3000.0, dt=0.1, record=[])
    silent, firing = (int((t > 1000).sum()) for t in run.spikes.trains)
    assert silent == 0
    assert firing > 2


@pytest.mark.parametrize("cell", [Form2003.chattering(), Form2003.fast_spiking(), Form2007(), Form2007.chattering()], ids=repr)
def test_against_the_equations_solved_with_event_location(cell):
    current = 10.0 if isinstance(cell, Form2003) else 300.0
    exact = exact_spike_times(cell, current, 120.0)
    assert len(exact) >= 4
    run = rv.simulate(cell, current=current, duration=120.0, dt=0.002, record=[])
    assert len(run.spikes) == len(exact)
    assert abs(run.spikes.times - exact)[:6].max() < 0.05


def test_the_cells_of_figure_2():
    rs, ib, ch, fs, lts = (np.diff(t) for t in trains(list(CELLS)[:5], 10.0, 500.0))
    assert rs[-1] > 1.5 * rs[0]  # RS slows down
    assert ib[0] < 10 < 25 < ib[-1]  # IB: close together at first, then apart
    assert ch.min() < 5 < 30 < ch.max()  # CH: bursts with pauses
    assert (ch[-20:] > 20).sum() >= 2
    assert np.ptp(fs[3:]) < 0.2  # FS: no adaptation
    assert len(fs) > 2 * len(rs)
    assert lts[-1] > 1.3 * lts[0]  # LTS adapts, but fires faster than RS
    assert len(lts) > 1.5 * len(rs)


def test_low_threshold_cells_fire_where_regular_ones_do_not():
    rs, lts = trains(["regular_spiking", "low_threshold_spiking"], 2.0, 1000.0)
    assert len(rs) == 0
    assert len(lts) > 10


def test_the_thalamo_cortical_cell_has_two_modes():
    """Tonic at +3 from rest; a rebound burst when a hyperpolarising current ends, here as a start from −87 mV."""
    tonic, rebound = trains(["thalamo_cortical"] * 2, np.array([3.0, 0.0]), 300.0, V=np.array([-64.4, -87.0]), u=np.array([-16.1, -22.0]))
    assert np.diff(tonic)[3:].max() < 60
    assert len(tonic) > 5
    assert 2 <= len(rebound) <= 20
    assert rebound[-1] < 200


def test_the_resonator_oscillates_below_threshold():
    """Its rest is a focus: a small kick comes back with several swings of either sign."""
    cell = Form2003.resonator()
    run = rv.simulate(rv.Population(1, cell, initial={"V": -64.0, "u": -16.2}), duration=150.0, dt=0.05)
    V = run.V.values[:, 0]
    assert len(run.spikes) == 0
    swings = np.diff(np.sign(V - V[-1]))
    assert np.count_nonzero(swings) >= 4
