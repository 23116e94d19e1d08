"""Losses against their definitions, and what cannot be compared."""

import jax
import numpy as np
import pytest
import xarray

import ranvier as rv


def trains(*times, duration=200.0):
    return rv.analysis.from_trains(list(times), duration=duration)


def run_of(*times, duration=200.0, dt=0.1):
    steps = [(t, i) for i, own in enumerate(times) for t in own]
    model = rv.neurons.SpikeTimes([t for t, _ in steps], [i for _, i in steps])
    return rv.simulate(rv.Population(len(times), model, name="cells"), duration=duration, dt=dt)


def test_van_rossum_is_that_of_the_analysis():
    rng = np.random.default_rng(0)
    a, b = (np.unique(rng.uniform(5, 190, 12).round(1)) for _ in range(2))
    both = trains(a, b)
    expected = rv.analysis.van_rossum_distance(both, 7.0)[0, 1] ** 2
    assert rv.losses.VanRossum(tau=7.0).between(run_of(a), trains(b)) == pytest.approx(expected, rel=1e-9)
    # Two neurons: the mean of both.
    assert rv.losses.VanRossum(tau=7.0).between(run_of(a, b), trains(b, b)) == pytest.approx(expected / 2, rel=1e-9)


def gamma_by_hand(data, model, precision, duration):
    """As Kistler, Gerstner & van Hemmen 1997 have it."""
    coincident = sum(np.any(np.abs(np.asarray(model) - t) <= precision + 1e-9) for t in data)
    rate = len(model) / duration
    expected = 2 * rate * precision * len(data)
    return (coincident - expected) / (0.5 * (len(data) + len(model))) / (1 - 2 * rate * precision)


def test_the_coincidence_factor_is_as_published():
    rng = np.random.default_rng(1)
    data = np.sort(rng.choice(np.arange(10.0, 990.0, 9.0), 30, replace=False))
    model = np.sort(np.unique((data + rng.normal(0, 2.0, len(data))).round(1))[3:])
    found = 1 - rv.losses.Coincidence(precision=2.0).between(run_of(model, duration=1000.0), trains(data, duration=1000.0))
    assert found == pytest.approx(gamma_by_hand(data, model, 2.0, 1000.0), rel=1e-9)
    assert 0.2 < found < 0.95
    # Of a Poisson train it is 0 on the average.
    chance = [
        1
        - rv.losses.Coincidence(precision=2.0).between(
            run_of(np.unique(rng.uniform(0, 999, 30).round(1)), duration=1000.0), trains(data, duration=1000.0)
        )
        for _ in range(40)
    ]
    assert abs(np.mean(chance)) < 3 * np.std(chance) / np.sqrt(len(chance))


def test_rates_count_from_their_start_and_have_a_derivative_by_numbers():
    loss = rv.losses.Rate(start=100.0)
    assert loss.between(run_of([10.0, 120.0, 150.0], [130.0]), trains([120.0, 130.0], [130.0, 140.0, 150.0])) == pytest.approx(
        (0 + 20.0**2) / 2
    )
    loss = rv.losses.Rate(duration=200.0)
    assert loss.between(run_of([10.0, 120.0], []), [10.0, 5.0]) == pytest.approx(5.0**2 / 2)
    with pytest.raises(rv.ParameterError, match=r"duration must say how long"):
        rv.losses.Rate().between(run_of([10.0]), [5.0])


def test_a_voltage_is_weighted_near_spikes():
    times = np.arange(0, 50.0, 0.5)
    data = xarray.DataArray(np.where(np.abs(times - 25) < 0.6, 30.0, -65.0)[:, None], dims=("time", "neuron"), coords={"time": times})
    window = rv.losses.Window("cell", 1, 0.1)
    seen = {"V": np.full((100, 1), -65.0)}
    plain, less = (rv.losses.Voltage(spike_weight=w, spike_window=3.0) for w in (1.0, 0.1))
    values = [float(loss.value(seen, loss.target(data, window).numbers)) for loss in (plain, less)]
    near = np.abs(times - 24.5) <= 3.0
    weight = np.where(near, 0.1, 1.0)
    wrong = (data.values[:, 0] + 65.0) ** 2
    assert values == pytest.approx([wrong.mean(), (weight * wrong).sum() / weight.sum()], rel=1e-6)
    assert plain.target(data, window).records[0].every_steps == 5
    volts = (data / 1000).assign_attrs(units="V").assign_coords(time=("time", times / 1000, {"units": "s"}))
    for name, values in plain.target(volts, window).numbers.items():
        np.testing.assert_allclose(values, plain.target(data, window).numbers[name], rtol=1e-12)


SIM = rv.prepare(rv.Population(1, rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, 5.0, 40.0), name="cell"), dt=0.1)
TRACE = xarray.DataArray(np.full((50, 1), -65.0), dims=("time", "neuron"), coords={"time": np.arange(50.0)})
LEAK = ["cell.leak.conductance"]


@pytest.mark.parametrize(
    ("data", "parameters", "options", "error", "says"),
    [
        (TRACE, ["cell.leek.conductance"], {}, rv.UnknownNameError, r"Did you mean 'cell.leak.conductance'"),
        (TRACE, ["cel.leak.conductance"], {}, rv.UnknownNameError, r"Did you mean 'cell.leak.conductance'"),
        (TRACE, ["cell.n"], {}, rv.UnsupportedError, r"cell.n is the number of neurons: structure"),
        (TRACE, ["dt"], {}, rv.UnsupportedError, r"dt is no parameter of the network but of rv.prepare"),
        (TRACE, [], {}, rv.ParameterError, r"there is nothing to fit"),
        (TRACE, {LEAK[0]: (0.5, 1.0)}, {}, rv.ParameterError, r"starts at 0.3, which its range \(0.5, 1\) excludes"),
        (TRACE, {LEAK[0]: (-1.0, 1.0)}, {}, rv.ParameterError, r"may only be within \[0, inf\] mS/cm\^2"),
        (TRACE, {LEAK[0]: (1.0, 0.1)}, {}, rv.ParameterError, r"its first end must be the lower"),
        (TRACE, LEAK * 2, {}, rv.ParameterError, r"names 'cell.leak.conductance' twice"),
        ({"cel": TRACE}, LEAK, {}, rv.ParameterError, r"data is of cel, and cell is compared"),
        (trains([], duration=0.0), LEAK, {"loss": rv.losses.VanRossum()}, rv.ParameterError, r"nothing to compare"),
        (TRACE, {LEAK[0]: 0.1}, {}, rv.ParameterError, r"a pair \(low, high\)"),
        (TRACE, LEAK, {"start": {"cell.leak": 1.0}}, rv.UnknownNameError, r"Unknown start 'cell.leak'"),
        (TRACE, LEAK, {"start": {LEAK[0]: [0.1, 0.2]}}, rv.ParameterError, r"has the shape \(2,\)"),
        (
            TRACE.assign_coords(time=np.arange(50.0) + 0.05),
            LEAK,
            {},
            rv.ParameterError,
            r"has a value at 0.05 ms, which is no step of a run",
        ),
        (TRACE.assign_coords(time=np.arange(50.0) - 5), LEAK, {}, rv.ParameterError, r"begins at -5 ms, before the run"),
        (TRACE.assign_coords(time=np.arange(50.0)[::-1]), LEAK, {}, rv.ParameterError, r"times that do not rise"),
        (TRACE.where(TRACE.time != 7), LEAK, {}, rv.ParameterError, r"data is nan"),
        (TRACE.assign_attrs(units="nA"), LEAK, {}, rv.UnitError, r"data is in mV, but the quantity given is in nA"),
        (
            (np.arange(2.0), np.array([-65.0, 20.0])),
            LEAK,
            {"loss": rv.losses.Voltage(spike_weight=0.0)},
            rv.ParameterError,
            r"nothing is left to compare",
        ),
        (TRACE.T, LEAK, {}, rv.ParameterError, r"first dimension"),
        ((np.arange(3.0), np.zeros((3, 2))), LEAK, {}, rv.ParameterError, r"2 traces, but cell has 1 neurons"),
        ((np.arange(3.0), np.zeros(4)), LEAK, {}, rv.ParameterError, r"3 times and 4 values"),
        (np.zeros(4), LEAK, {}, rv.ParameterError, r"a DataArray with a coordinate 'time'"),
        (TRACE, LEAK, {"loss": rv.losses.Voltage(part="exc")}, rv.UnknownNameError, r"Unknown population 'exc'"),
        (TRACE, LEAK, {"loss": rv.losses.VanRossum()}, rv.ParameterError, r"run.spikes"),
        (trains([1.0], [2.0]), LEAK, {"loss": rv.losses.VanRossum()}, rv.ParameterError, r"2 spike trains, but cell has 1 neurons"),
        (TRACE, LEAK, {"method": "adam"}, rv.ParameterError, r"an optimiser of optax"),
        (TRACE, LEAK, {"iterations": 0}, rv.ParameterError, r"iterations is 0"),
        (TRACE, LEAK, {"loss": 1.0}, rv.ParameterError, r"loss is 1.0"),
        (TRACE, ["cell.initial_potential"], {}, rv.UnsupportedError, r"all runs of a fit begin in the same state"),
        ((np.array([1.0, 1e9]), np.zeros(2)), LEAK, {}, rv.ParameterError, r"of 10000000001 steps, would take .* GiB"),
    ],
)
def test_what_cannot_be_fitted_is_said_before_anything_runs(data, parameters, options, error, says, monkeypatch):
    monkeypatch.setattr(type(SIM), "run", lambda *args, **kwargs: pytest.fail("it ran"))
    monkeypatch.setattr(jax, "jit", lambda *args, **kwargs: pytest.fail("it was compiled"))
    with pytest.raises(error, match=says):
        rv.fit(SIM, data, parameters, **options)


def test_what_the_data_tell_is_certain_beside_what_they_do_not():
    cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(threshold=1000.0), current=50.0, name="cell")  # it never resets
    sim = rv.prepare(cell, dt=0.1)
    seen = sim.run(20.0).V
    noisy = seen + np.random.default_rng(0).normal(0.0, 0.1, seen.shape)
    fitted = lambda ranges: rv.fit(sim, noisy, ranges, surrogate=rv.surrogates.FixedSpikes()).uncertainty
    alone, both = fitted({"cell.leak": (1.0, 50.0)}), fitted({"cell.leak": (1.0, 50.0), "cell.reset": (-90.0, -40.0)})
    assert both["cell.leak"] == pytest.approx(alone["cell.leak"], rel=0.01) and np.isinf(both["cell.reset"])


def test_only_what_counts_tells_how_certain_parameters_are():
    sim = rv.prepare(rv.Population(1, rv.neurons.Passive(), current=1.0, name="cell"), dt=0.1)
    data = sim.run(30.0, parameters={"cell.leak": 0.2}).V
    noisy = data + np.random.default_rng(0).normal(0.0, 0.1, data.shape)
    ranges, voltage = {"cell.leak": (0.05, 1.0)}, rv.losses.Voltage()
    certain = lambda data, loss: rv.fit(sim, data, ranges, loss).uncertainty["cell.leak"]
    one = certain(noisy, voltage)
    assert certain(noisy, 0.0 * voltage + voltage) == pytest.approx(one) and certain(noisy, 3.0 * voltage) == pytest.approx(one)
    assert np.isinf(certain(noisy, 0.0 * voltage))
    assert np.isinf(certain(noisy[100:101], voltage))  # one value: nothing says how large the noise is
    assert certain(data, voltage) < 1e-9  # no error is left over


def test_the_start_of_a_pulse_is_found_without_a_gradient():
    pulse = rv.stimuli.SquarePulse(1.0, start=5.0, stop=15.0)
    sim = rv.prepare(rv.Population(1, rv.neurons.Passive(), current=pulse, name="cell"), dt=0.1, integrator=rv.RungeKutta4())
    data, ranges = sim.run(20.0, parameters={"cell.current.start": 8.0}).V, {"cell.current.start": (1.0, 14.0)}
    fit = rv.fit(sim, data, ranges, iterations=30)
    assert fit.method == "CMA-ES" and fit.parameters["cell.current.start"] == pytest.approx(8.0, abs=0.1)
    with pytest.raises(rv.UnsupportedError, match=r"cell\.current\.start has no derivative"):
        rv.fit(sim, data, ranges, method=rv.fitting.LevenbergMarquardt())
