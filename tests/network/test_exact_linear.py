"""Exact integration of linear models, against the analytic solution and against other methods."""

import numpy as np
import pytest

import ranvier as rv

TAU, SYN, C = 10.0, 2.0, 250.0


def cell(**changes):
    return rv.neurons.LeakyIntegrateAndFire(
        **{"capacitance": C, "leak": C / TAU, "rest": -65.0, "threshold": 1e3, "reset": -65.0, **changes}
    )


def psp(t, weight):
    """The potential that one exponential current of the given weight makes."""
    return np.where(t > 0, weight / C * TAU * SYN / (TAU - SYN) * (np.exp(-t / TAU) - np.exp(-t / SYN)), 0.0)


@pytest.mark.parametrize("dt", [0.1, 0.5, 2.5])
def test_a_postsynaptic_potential_is_the_analytic_one_whatever_the_step(dt):
    source = rv.Population(1, rv.neurons.SpikeTimes.of_trains([[5.0, 10.0]]), name="source")
    target = rv.Population(1, cell(), name="target")
    projection = rv.Projection(source, target, rv.synapses.ExponentialCurrent(tau=SYN), rv.connect.one_to_one(), weight=40.0, delay=2.5)
    run = rv.simulate(rv.Network(source, target, projection), duration=50.0, dt=dt, record=rv.Record(target, "V"))
    assert run.info["integrator"] == "ExactLinear"
    # Delivered at the end of step k + D, that is at t_k + delay + dt.
    t = run["target"].V.time.values
    expected = -65.0 + sum(psp(t - (spike + 2.5 + dt), 40.0) for spike in (5.0, 10.0))
    np.testing.assert_allclose(run["target"].V.values[:, 0], expected, rtol=0, atol=1e-12)


def test_neurons_that_differ_each_follow_their_own_solution():
    capacitance, current = np.array([100.0, 200.0, 400.0]), np.array([50.0, 100.0, 150.0])
    run = rv.simulate(cell(capacitance=capacitance), current=current, duration=30.0, dt=0.5)
    assert run.info["integrator"] == "ExactLinear"
    t = run.V.time.values[:, None]
    expected = -65.0 + current / 25.0 * (1 - np.exp(-t * 25.0 / capacitance))
    np.testing.assert_allclose(run.V.values, expected, rtol=0, atol=1e-12)


def test_it_is_where_short_steps_of_another_method_go():
    """Firing, refractoriness and all: the spike counts of RK4 at a hundredth of the step."""
    driven = cell(threshold=-50.0, refractory=2.0)
    exact = rv.simulate(driven, current=500.0, duration=200.0, dt=0.1)
    fine = rv.simulate(driven, current=500.0, duration=200.0, dt=0.01, integrator=rv.RungeKutta4())
    # An interval is refractory period plus τ log(ΔV∞ / (ΔV∞ − ΔV)), in whole steps.
    interval = 2.0 + TAU * np.log(20.0 / 5.0)
    for run, dt in ((exact, 0.1), (fine, 0.01)):
        assert interval <= np.diff(run.spikes.times).mean() <= interval + 2 * dt


@pytest.mark.parametrize(
    ("network", "word"),
    [
        (rv.neurons.HodgkinHuxley(), "not linear"),
        (rv.neurons.ExponentialIntegrateAndFire(), "not linear"),
    ],
)
def test_what_is_not_linear_is_refused_by_name(network, word):
    with pytest.raises(rv.UnsupportedError, match=word):
        rv.simulate(network, duration=1.0, integrator=rv.ExactLinear())


def test_a_conductance_makes_a_membrane_nonlinear():
    cells = rv.Population(2, cell(), name="cells")
    synapses = rv.Projection(cells, cells, rv.synapses.ExponentialConductance(), rv.connect.all_to_all())
    with pytest.raises(rv.UnsupportedError, match="cells"):
        rv.simulate(rv.Network(cells, synapses), duration=1.0, integrator=rv.ExactLinear())
    assert rv.simulate(rv.Network(cells, synapses), duration=1.0).info["integrator"] == "RungeKutta4"


def test_it_is_the_default_where_it_applies_and_only_there():
    assert rv.simulate(cell(), duration=1.0).info["integrator"] == "ExactLinear"
    assert rv.simulate(cell(), current=lambda t: 100.0 * t, duration=1.0).info["integrator"] == "RungeKutta4"
    assert rv.simulate(rv.neurons.HodgkinHuxley(), duration=1.0).info["integrator"] == "RungeKutta4"


def test_each_population_may_have_its_own_integrator():
    def network():
        hh = rv.Population(2, rv.neurons.HodgkinHuxley(), current=10.0, name="hh")
        relay = rv.Population(2, cell(threshold=-60.0), name="relay")
        drive = rv.Projection(hh, relay, rv.synapses.ExponentialCurrent(tau=SYN), rv.connect.one_to_one(), weight=900.0)
        return rv.Network(hh, relay, drive), hh

    net, hh = network()
    default = rv.simulate(net, duration=60.0)
    assert default.info["integrator"] == "PerPopulation"  # Runge-Kutta for the one, exact for the other
    said = rv.simulate(net, duration=60.0, integrator={"relay": rv.ExactLinear(), hh: rv.RungeKutta4()})
    np.testing.assert_array_equal(default.spikes.steps, said.spikes.steps)
    one = rv.simulate(net, duration=60.0, integrator=rv.RungeKutta4())
    np.testing.assert_array_equal(default.spikes.counts, one.spikes.counts)
    assert default.spikes["relay"].counts.min() > 1
    with pytest.raises(rv.UnknownNameError, match="relais"):
        rv.simulate(net, duration=1.0, integrator={"relais": rv.ExactLinear()})
