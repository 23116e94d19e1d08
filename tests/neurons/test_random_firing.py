"""Neurons that fire at random, against renewal theory, the mean first passage time and the statistics of their processes."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import erfcx
from scipy.stats import kstest, poisson

import ranvier as rv
from tests.reproduces import record_reproduction

DT = 0.1


def intervals(run):
    return np.concatenate([np.diff(t) for t in run.spikes.trains if len(t) > 1])


def test_poisson_source():
    """Counts in windows of 100 ms have a Poisson distribution, intervals the variation 1; at most one spike a step, of 2 % here."""
    rate, n, T = 20.0, 400, 5000.0
    run = rv.simulate(rv.Population(n, rv.neurons.PoissonSource(rate)), duration=T, dt=DT, seed=1)
    window = run.spikes.neurons.astype(int) * 50 + (run.spikes.times // 100).astype(int)
    counts = np.bincount(window, minlength=n * 50)
    mean, step = counts.mean(), rate * DT / 1000
    expected = 100 / DT * (1 - np.exp(-step))
    assert mean == pytest.approx(expected, abs=4 * np.sqrt(expected / counts.size))
    assert counts.var() / mean == pytest.approx(1 - step, abs=4 * np.sqrt(2 / counts.size))
    seen, theory = np.bincount(counts, minlength=9)[:9], counts.size * poisson.pmf(np.arange(9), expected)
    assert ((seen - theory) ** 2 / theory).sum() < 30  # χ² with 8 degrees of freedom: 2·10⁻⁴
    gaps = intervals(run)
    record_reproduction(
        "Poisson source", "the Poisson process", "coefficient of variation of its intervals", 1.0, gaps.std() / gaps.mean(), 0.03
    )
    assert abs(np.corrcoef(counts[:-1], counts[1:])[0, 1]) < 0.03  # neighbouring windows, and neighbouring neurons


def test_a_rate_for_each_source_and_none():
    source = rv.Population(3, rv.neurons.PoissonSource(np.array([0.0, 50.0, 5000.0])))
    with pytest.warns(UserWarning, match="a rate of 5000 Hz, which is 0.5 spikes a step .* it has 3935 Hz"):
        counts = rv.simulate(source, duration=2000.0, dt=DT, seed=2).spikes.counts
    assert counts[0] == 0
    assert counts[1] == pytest.approx(100, abs=40)
    assert counts[2] == pytest.approx(20_000 * (1 - np.exp(-0.5)), abs=300)


def test_the_same_seed_gives_the_same_spikes():
    source = rv.Population(50, rv.neurons.PoissonSource(30.0))
    once, again, other = (rv.simulate(source, duration=300.0, dt=DT, seed=s).spikes for s in (1, 1, 2))
    np.testing.assert_array_equal(once.steps, again.steps)
    assert len(once) != len(other) or (once.steps != other.steps).any()


def test_inhomogeneous_poisson_source():
    """Spikes follow the rate, also where it is a stimulus, is one a neuron, or would be negative."""
    sine = rv.neurons.InhomogeneousPoissonSource(lambda t: 40.0 * jnp.sin(2 * jnp.pi * t / 200.0))
    run = rv.simulate(rv.Population(500, sine), duration=1000.0, dt=DT, seed=1)
    phase = run.spikes.times % 200
    assert (phase <= 100.0).all()  # a negative rate is none
    expected = 500 * 5 * 40.0 * 200.0 / np.pi / 1000
    assert len(run.spikes) == pytest.approx(expected, abs=4 * np.sqrt(expected))
    cumulative = lambda x: (1 - np.cos(2 * np.pi * x / 200.0)) / 2
    assert kstest(phase, cumulative).pvalue > 1e-3
    steps = rv.neurons.InhomogeneousPoissonSource(rv.stimuli.Steps([100.0, 200.0], [30.0, 0.0]) * np.array([0.0, 1.0, 2.0] * 100))
    run = rv.simulate(rv.Population(300, steps), duration=300.0, dt=DT, seed=1)
    counts = run.spikes.counts.reshape(100, 3).sum(0)
    assert counts[0] == 0
    assert counts[1:] == pytest.approx([300, 600], abs=100)
    assert ((run.spikes.times > 99.9) & (run.spikes.times < 200)).all()
    with pytest.raises(rv.ParameterError, match="cannot have white noise"):
        rv.neurons.InhomogeneousPoissonSource(rv.stimuli.WhiteNoise(mean=5.0, intensity=1.0))
    with pytest.raises(rv.ParameterError, match=r"shape \(3,\) in a population of 2"):
        rv.simulate(rv.Population(2, rv.neurons.InhomogeneousPoissonSource(lambda t: jnp.ones(3))), duration=1.0)


def test_escape_noise_is_a_renewal_process():
    """The distribution of intervals is 1 − exp(−∫ hazard), with the potential known between spikes."""
    cell = rv.neurons.EscapeNoiseIntegrateAndFire(softness=2.0)
    current = 120.0
    run = rv.simulate(rv.Population(400, cell, current=current), duration=2000.0, dt=DT, record=[], seed=1)
    # In steps, as the engine has it: the first that can fire is the one after the refractory period.
    t = cell.refractory + DT * np.arange(1, 4000)
    V = cell.rest + current / cell.leak * (1 - np.exp(-(t - cell.refractory) * cell.leak / cell.capacitance))
    survival = np.exp(-np.cumsum(cell.threshold_rate * np.exp((V - cell.threshold) / cell.softness)) * DT)
    gaps = intervals(run)
    assert kstest(gaps, lambda x: 1 - np.interp(x, t, survival)).pvalue > 1e-3
    assert gaps.min() > cell.refractory
    exact = cell.refractory + DT * (0.5 + survival.sum())
    record_reproduction(
        "Escape noise", "renewal theory (Gerstner & Kistler 2002, chapter 5)", "mean interval at 120 pA", exact, gaps.mean(), 0.25, "ms"
    )


def siegert_interval(cell, drive, noise_sd, threshold):
    """The mean first passage time of the Ornstein–Uhlenbeck process, and the refractory period (Siegert 1951)."""
    tau = cell.capacitance / cell.leak
    low, high = (cell.reset_potential - drive) / noise_sd, (threshold - drive) / noise_sd
    return cell.refractory + tau * np.sqrt(np.pi) * quad(lambda u: erfcx(-u), low, high)[0]


def test_white_noise_and_its_rate():
    """Siegert's formula, with the threshold raised by 0.5826 noise √dt for the crossings between steps (Broadie et al. 1997)."""
    cell = rv.neurons.NoisyIntegrateAndFire(noise=1.0)
    tau = cell.capacitance / cell.leak
    free = rv.simulate(rv.Population(4000, cell.replace(threshold=1000.0), name="free"), duration=100.0, dt=0.25, record=[], seed=1)
    assert free.state.neurons["free"]["V"].std() == pytest.approx(np.sqrt(tau / 2), rel=0.05)
    current = np.repeat([60.0, 90.0, 130.0], 400)
    run = rv.simulate(cell, current=current, duration=1500.0, dt=DT, record=[], seed=1)
    rates = np.array([len(t[t > 200]) for t in run.spikes.trains]).reshape(3, 400).mean(1) / 1.3
    shifted = cell.threshold + 0.5826 * cell.noise * np.sqrt(DT)
    exact = [1000 / siegert_interval(cell, cell.rest + i / cell.leak, cell.noise * np.sqrt(tau), shifted) for i in (60.0, 90.0, 130.0)]
    record_reproduction(
        "Noisy integrate-and-fire",
        "Siegert 1951: the mean first passage time",
        "rates at 60, 90 and 130 pA, σ 4.5 mV",
        exact,
        rates,
        0.5,
        "Hz",
    )


def test_a_noisy_neuron_refuses_an_integrator_without_noise():
    with pytest.raises(rv.UnsupportedError, match="EulerMaruyama"):
        rv.simulate(rv.neurons.NoisyIntegrateAndFire(), duration=1.0, integrator=rv.RungeKutta4())


def test_gif_without_memory_is_escape_noise():
    plain = rv.neurons.EscapeNoiseIntegrateAndFire(softness=2.0)
    shared = ("capacitance", "leak", "rest", "threshold", "threshold_rate", "softness", "refractory", "reset_potential")
    gif = rv.neurons.GeneralizedIntegrateAndFire(
        currents={}, thresholds={}, **{name if name != "reset_potential" else "reset": getattr(plain, name) for name in shared}
    )
    runs = [rv.simulate(rv.Population(20, c, current=150.0, name="cells"), duration=200.0, dt=DT, record=[], seed=3) for c in (plain, gif)]
    assert len(runs[0].spikes) > 50
    np.testing.assert_array_equal(runs[0].spikes.steps, runs[1].spikes.steps)


def test_gif_against_nest():
    """The interval in the adapted state; NEST 3.10's gif_psc_exp has 29.612 ± 0.016 ms (1000 neurons, 0.1 ms, 500 to 1000 ms)."""
    parts = {"fast": rv.neurons.SpikeTriggeredCurrent(20.0, 10.0), "slow": rv.neurons.SpikeTriggeredCurrent(5.0, 200.0)}
    cell = rv.neurons.GeneralizedIntegrateAndFire(currents=parts, thresholds={"fatigue": rv.neurons.SpikeTriggeredThreshold(3.0, 100.0)})
    run = rv.simulate(rv.Population(300, cell, current=400.0), duration=1000.0, dt=DT, record=[], seed=1)
    late = np.concatenate([np.diff(t[t > 500]) for t in run.spikes.trains])
    source = "NEST 3.10, gif_psc_exp with the same parameters"
    record_reproduction("Generalised integrate-and-fire", source, "mean interval after adaptation, 400 pA", 29.61, late.mean(), 0.15, "ms")
    record_reproduction("Generalised integrate-and-fire", source, "standard deviation of that interval", 2.13, late.std(), 0.15, "ms")


def test_gif_memories_between_spikes():
    """Currents and thresholds are sums of decaying exponentials, one for each spike of their own neuron."""
    currents = {"slow": rv.neurons.SpikeTriggeredCurrent(jump=30.0, tau=80.0), "fast": rv.neurons.SpikeTriggeredCurrent(jump=-5.0, tau=5.0)}
    cell = rv.neurons.GeneralizedIntegrateAndFire(currents=currents, thresholds={"fatigue": rv.neurons.SpikeTriggeredThreshold(2.0, 50.0)})
    run = rv.simulate(rv.Population(3, cell, name="cells"), current=350.0, duration=200.0, dt=DT, seed=1)
    cells = run["cells"]
    assert len(run.spikes) > 10
    traces = {"slow.current": (30.0, 80.0), "fast.current": (-5.0, 5.0), "fatigue.threshold": (2.0, 50.0)}
    for name, (jump, tau) in traces.items():
        for i, train in enumerate(run.spikes.trains):
            ago = run.V.time.values[:, None] - (train[None] + DT)  # a spike's effect is there from the end of its step
            expected = np.where(ago > -DT / 2, jump * np.exp(-np.maximum(ago, 0.0) / tau), 0.0).sum(1)
            np.testing.assert_allclose(cells[name].values[:, i], expected, atol=1e-6)


def test_gif_refuses_what_is_no_kernel():
    with pytest.raises(rv.ParameterError, match="must be a dict"):
        rv.neurons.GeneralizedIntegrateAndFire(currents=rv.neurons.SpikeTriggeredCurrent())
    with pytest.raises(rv.ParameterError, match="SpikeTriggeredThreshold"):
        rv.neurons.GeneralizedIntegrateAndFire(thresholds={"slow": rv.neurons.SpikeTriggeredCurrent()})
