"""Poisson inputs, white noise in currents, and short-term plasticity in a network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

SILENT = rv.neurons.LeakyIntegrateAndFire(capacitance=200, leak=10, rest=-60, threshold=1e3, reset=-60)


def test_a_poisson_input_has_the_mean_and_the_variance_of_one():
    """Filtered by an exponential synapse: mean λwτ, variance λw²τ/2 (Campbell's theorem)."""
    cells = rv.Population(4000, SILENT, name="cells")
    drive = rv.PoissonInput(cells, rv.synapses.ExponentialCurrent(tau=5.0), rate=8.0, sources=1000, weight=2.0, name="drive")
    run = rv.simulate(rv.Network(cells, drive), duration=60.0, dt=0.1, record=rv.Record("cells", "synaptic_current", every=60.0))
    current = -run["cells"].synaptic_current.values[-1]
    decay = np.exp(-0.1 / 5.0)  # spikes act at the ends of steps, so the integral is a sum
    rate = 8.0
    mean, variance = rate * 0.1 * 2.0 / (1 - decay), rate * 0.1 * 4.0 / (1 - decay**2)
    assert current.mean() == pytest.approx(mean, abs=5 * np.sqrt(variance / 4000))
    assert current.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / 4000))


def test_poisson_inputs_differ_among_neurons_inputs_and_seeds_and_not_among_runs():
    def currents(seed, count=2):
        cells = rv.Population(50, SILENT, name="cells")
        inputs = [rv.PoissonInput(cells, rv.synapses.ExponentialCurrent(tau=5.0 + i), rate=500.0, name=f"input {i}") for i in range(count)]
        run = rv.simulate(rv.Network(cells, *inputs), duration=20.0, dt=0.1, seed=seed)
        return [s["i"] for s in run.state.synapses.values()]

    first, second = currents(1)
    np.testing.assert_array_equal(first, currents(1)[0])
    assert len(np.unique(first)) == 50
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.5
    assert not np.array_equal(first, currents(2)[0])


def test_inputs_onto_different_neurons_of_one_group_keep_their_own_rates():
    a, b, c = (rv.Population(300, SILENT, name=name) for name in "abc")
    synapse = rv.synapses.ExponentialCurrent(tau=5.0)
    inputs = [rv.PoissonInput(a, synapse, rate=1000.0, weight=1.0), rv.PoissonInput([b], synapse, rate=4000.0, weight=-2.0)]
    run = rv.simulate(rv.Network(a, b, c, *inputs), duration=50.0, dt=0.1)
    means = [state["i"].mean() for state in run.state.synapses.values()]
    np.testing.assert_allclose(means, [5.0, -40.0], rtol=0.1)
    assert not rv.simulate(rv.Network(a, b, c, *inputs), duration=1.0, dt=0.1, record=rv.Record(c, "synaptic_current"))[
        "c"
    ].synaptic_current.any()


@pytest.mark.parametrize(
    "bad", [{"rate": -1.0}, {"rate": np.nan}, {"rate": 1.0, "weight": np.inf}, {"rate": [1.0, 2.0]}, {"rate": 1.0, "sources": -2}]
)
def test_a_poisson_input_that_cannot_be_is_refused(bad):
    cells = rv.Population(3, SILENT, name="cells")
    with pytest.raises(rv.ParameterError, match="drive"):
        rv.simulate(rv.Network(cells, rv.PoissonInput(cells, rv.synapses.ExponentialCurrent(), name="drive", **bad)), duration=1.0, dt=0.1)


def counts_of(rate, *, n=2000, duration=40.0, dt=0.5, some=slice(None), **options):
    """How many spikes each neuron hears in each step, `[steps, n]`."""
    cells = rv.Population(n, SILENT, name="cells")
    adds_up = rv.synapses.ExponentialCurrent(tau=1e12)
    drive = rv.PoissonInput(cells[some], adds_up, rate=rate, name="drive", **options)
    record = rv.Record(cells, "synaptic_current", every=dt)
    run = rv.simulate(rv.Network(cells, drive), duration=duration, dt=dt, seed=2, record=record)
    return np.rint(np.diff(-run["cells"].synaptic_current.values, axis=0))


def test_a_rate_that_changes_in_time():
    wave = rv.stimuli.Sine(4.0, amplitude=6.0, frequency=50.0)
    counts = counts_of(wave, sources=500)
    expected = np.maximum(4.0 + 6.0 * np.sin(2 * np.pi * 50.0 * np.arange(80) * 0.0005), 0.0) * 500 * 0.0005
    assert (np.abs(counts.mean(axis=1) - expected) <= 5 * np.sqrt(expected / 2000) + 1e-12).all()
    assert counts.var(axis=1) == pytest.approx(expected, rel=0.2, abs=1e-12)
    # One rate a neuron, and none where a neuron is not chosen.
    steps = counts_of(rv.stimuli.Sampled(np.array([[1000.0, 0.0], [0.0, 3000.0]]), every=20.0), n=2, duration=40.0, dt=0.5)
    assert steps[:40, 1].sum() == steps[40:, 0].sum() == 0 and 5 < steps[:40, 0].sum() < 40 < steps[40:, 1].sum() < 90
    some = counts_of(lambda t: 1000.0, n=10, some=slice(4), duration=20.0)
    assert (some.sum(axis=0)[:4] > 0).all() and not some[:, 4:].any()


def test_the_numbers_of_a_changing_rate_are_parameters():
    cells = rv.Population(300, SILENT, name="cells")
    drive = rv.PoissonInput(cells, rv.synapses.Delta(), rate=rv.stimuli.SquarePulse(100.0, start=5.0, stop=15.0), weight=0.1, name="drive")
    sim = rv.prepare(rv.Network(cells, drive), dt=0.5)
    weak, strong = (sim.run(15.0, parameters={"drive.rate.amplitude": a}).state.neurons["cells"]["V"].mean() for a in (100.0, 400.0))
    assert (strong + 60.0) / (weak + 60.0) == pytest.approx(4.0, rel=0.3)
    assert "drive.rate.amplitude" not in sim.parameters
    with jax.enable_x64(True), pytest.raises(rv.UnsupportedError, match="has no derivative"):
        sim.function(10)({"drive.rate.amplitude": 3.0}, sim.state())
    table = rv.sweep(rv.Network(cells, drive), {"drive.rate.amplitude": [0.0, 100.0]}, 1.0, dt=0.5)
    assert table.finished.all()


@pytest.mark.parametrize("rate", [2000.0, lambda t: 2000.0 + 0.0 * t])
def test_correlated_inputs_have_the_correlation_asked_for(rate):
    counts = counts_of(rate, n=40, duration=2000.0, correlation=0.3)
    assert counts.mean() == pytest.approx(1.0, abs=5 * np.sqrt((0.3 + 0.7 / 40) / 4000))
    assert counts.var(axis=0).mean() == pytest.approx(1.0, rel=0.1)
    pairs = np.corrcoef(counts.T)[np.triu_indices(40, 1)]
    assert pairs.mean() == pytest.approx(0.3, abs=0.04) and pairs.std() < 0.05
    assert np.corrcoef(counts[1:, 0], counts[:-1, 1])[0, 1] == pytest.approx(0.0, abs=0.08)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rate": lambda t: 1e6}, "spikes a step to a neuron at some time"),
        ({"rate": lambda t: jnp.nan * t}, "NaN at t = 0 ms"),
        ({"rate": lambda t: jnp.ones(3)}, "has the shape"),
        ({"rate": rv.stimuli.WhiteNoise(intensity=1.0)}, "cannot have white noise"),
        ({"rate": [1.0] * 9 + [2.0], "correlation": 0.5}, "must be the same for all targets"),
        ({"rate": lambda t: jnp.arange(10.0), "correlation": 0.5}, "must be the same for all targets"),
        ({"rate": 1.0, "correlation": 1.5}, "correlation"),
    ],
)
def test_a_changing_rate_that_cannot_be_is_refused(options, why):
    with pytest.raises(rv.ParameterError, match=why):
        counts_of(n=10, duration=1.0, **options)


@pytest.mark.parametrize("integrator", [rv.ExactLinear(), rv.RungeKutta4()])
def test_white_noise_makes_the_variance_of_an_ornstein_uhlenbeck_process(integrator):
    """sd of V = intensity / leak · √(1 / 2τ); held over a step of dt it is 0.5 % less at most."""
    noise = rv.stimuli.WhiteNoise(mean=50.0, intensity=300.0)
    run = rv.simulate(
        rv.Population(3000, SILENT),
        current=noise,
        duration=100.0,
        dt=0.2,
        integrator=integrator,
        record=rv.Record("leaky_integrate_and_fire", "V", every=100.0),
    )
    V = run.V.values[-1]
    assert V.mean() == pytest.approx(-55.0, abs=5 * 4.74 / np.sqrt(3000))
    assert V.std() == pytest.approx(300.0 / 10.0 * np.sqrt(1 / (2 * 20.0)), rel=0.07)


def test_two_populations_of_one_group_have_noise_of_their_own():
    a, b = (rv.Population(200, SILENT, current=rv.stimuli.WhiteNoise(intensity=i), name=name) for name, i in (("a", 100.0), ("b", 400.0)))
    run = rv.simulate(rv.Network(a, b), duration=100.0, dt=0.5)
    first, second = (run.state.neurons[name]["V"] for name in "ab")
    assert second.std() / first.std() == pytest.approx(4.0, rel=0.3)
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.3


def test_short_term_depression_scales_what_arrives():
    """Regular spikes: the amplitudes are those of the recursion, the last the analytic steady state."""
    times = np.arange(10.0, 2000.0, 40.0)
    source = rv.Population(1, rv.neurons.SpikeTimes.of_trains([times]), name="source")
    target = rv.Population(1, SILENT, name="target")
    rule = rv.synapses.TsodyksMarkram(utilization=0.5, recovery=300.0)
    synapse = rv.synapses.ExponentialCurrent(tau=1e12)  # adds up
    projection = rv.Projection(
        source, target, synapse, rv.connect.one_to_one(), weight=10.0, delay=1.0, short_term_plasticity=rule, name="it"
    )
    run = rv.simulate(rv.Network(source, target, projection), duration=2000.0, dt=0.5, record=rv.Record("it", ["i", "x"], every=0.5))
    arrived = np.diff(run["it"].i.values[:, 0])
    amplitudes = arrived[arrived > 1e-6] / 10.0
    x, expected = 1.0, []
    for _ in times:
        expected.append(0.5 * x)
        x = 1 - (1 - 0.5 * x) * np.exp(-40.0 / 300.0)
    np.testing.assert_allclose(amplitudes, expected, rtol=1e-6)
    decay = np.exp(-40.0 / 300.0)
    assert amplitudes[-1] == pytest.approx(0.5 * (1 - decay) / (1 - 0.5 * decay), rel=1e-6)


def test_short_term_plasticity_needs_spikes_that_are_delivered():
    cells = rv.Population(2, rv.neurons.BazhenovNeuron())
    with pytest.raises(rv.ParameterError, match="GradedGABA"):
        rv.Projection(cells, cells, rv.synapses.GradedGABA(), rv.connect.all_to_all(), short_term_plasticity=rv.synapses.TsodyksMarkram())


def test_a_source_takes_no_input():
    cells, source = rv.Population(2, SILENT), rv.Population(2, rv.neurons.PoissonSource(rate=10.0))
    with pytest.raises(rv.ParameterError, match="takes no input"):
        rv.Projection(cells, source, rv.synapses.Delta(), rv.connect.all_to_all())
    with pytest.raises(rv.ParameterError, match="takes no input"):
        rv.simulate(source, current=1.0, duration=1.0)
