"""Cells and networks from their spikes alone."""

import numpy as np
import pytest

import ranvier as rv

DT = 0.1


def fluctuating(mean, deviation, duration, seed, tau=3.0):
    """A current as those that are injected into cells to characterise them: filtered noise on a mean (pA)."""
    rng, keep = np.random.default_rng(seed), np.exp(-DT / tau)
    values = np.zeros(round(duration / DT))
    for i, draw in enumerate(rng.normal(size=len(values) - 1)):
        values[i + 1] = keep * values[i] + np.sqrt(1 - keep**2) * draw
    return rv.stimuli.Sampled(mean + deviation * values, every=DT)


def test_an_adex_cell_is_recovered_from_spikes_and_predicts_others():
    true = {"cell.leak": 22.0, "cell.adaptation_jump": 120.0, "cell.threshold": -47.0, "cell.adaptation_tau": 90.0}
    ranges = {"cell.leak": (12.0, 60.0), "cell.adaptation_jump": (20.0, 250.0), "cell.threshold": (-58.0, -42.0)}
    ranges["cell.adaptation_tau"] = (40.0, 300.0)
    cell = lambda current: rv.prepare(
        rv.Population(1, rv.neurons.AdaptiveExponentialIntegrateAndFire(), current=current, name="cell"), dt=DT
    )
    sim, duration, gamma = cell(fluctuating(650.0, 400.0, 1500.0, 0)), 1500.0, rv.losses.Coincidence(precision=2.0)
    recorded = sim.run(duration, parameters=true).spikes
    assert len(recorded) > 12
    assert 1 - gamma.between(sim.run(duration), recorded) < 0.6
    fit = rv.fit(sim, recorded, ranges, rv.losses.VanRossum(tau=10.0), method=rv.fitting.CMAES(candidates=16), iterations=40, seed=1)
    assert 1 - gamma.between(fit.run(), recorded) >= 0.9
    other = cell(fluctuating(700.0, 350.0, 1500.0, 1))  # a current that the fit has not seen
    predicted = other.run(duration, parameters=fit.parameters)
    assert 1 - gamma.between(predicted, other.run(duration, parameters=true)) >= 0.9
    with pytest.raises(rv.UnsupportedError, match="VanRossum has no derivative"):
        _ = fit.uncertainty


def loop(weights=(150.0, 90.0), delays=(2.0, 6.0)):
    """Two cells that excite each other."""
    model = rv.neurons.LeakyIntegrateAndFire(capacitance=200.0, leak=10.0, rest=-60.0, threshold=-50.0, reset=-60.0, refractory=2.0)
    cells = [rv.Population(1, model, current=c, initial={"V": -58.0}, name=name) for name, c in (("first", 140.0), ("second", 120.0))]
    synapse = rv.synapses.ExponentialCurrent(tau=4.0)
    there, back = (
        rv.Projection(a, b, synapse, rv.connect.all_to_all(), weight=w, delay=d, name=name)
        for a, b, w, d, name in ((*cells, weights[0], delays[0], "there"), (*cells[::-1], weights[1], delays[1], "back"))
    )
    return rv.Network(*cells, there, back)


def ring(weight):
    """Five cells that excite each other, in one population."""
    model = rv.neurons.LeakyIntegrateAndFire(capacitance=200.0, leak=10.0, rest=-60.0, threshold=-50.0, reset=-60.0, refractory=2.0)
    cells = rv.Population(5, model, current=np.linspace(105.0, 145.0, 5), initial={"V": np.linspace(-60, -52, 5)}, name="cells")
    connect = rv.connect.edge_list(np.arange(5), (np.arange(5) + 1) % 5)
    loop = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(tau=4.0), connect, weight=weight, delay=1.5, name="loop")
    return rv.Network(cells, loop)


def test_weights_are_recovered_along_a_surrogate_gradient():
    import optax

    true = np.array([180.0, 120.0, 150.0, 90.0, 200.0])
    sim = rv.prepare(ring(np.full(5, 130.0)), dt=DT, integrator=rv.ExactLinear())
    data = sim.run(80.0, parameters={"loop.weight": true}).spikes
    options = {"surrogate": rv.surrogates.FastSigmoid(slope=20.0), "method": optax.adam(0.03), "iterations": 100}
    fit = rv.fit(sim, data, {"loop.weight": (20.0, 400.0)}, rv.losses.VanRossum(tau=10.0), **options)
    assert fit.losses[0] > 1.0 and fit.loss < 0.05
    assert rv.losses.Coincidence(precision=0.2).between(fit.run(), data) < 0.05
    np.testing.assert_allclose(fit.parameters["loop.weight"], true, rtol=0.05)


def test_weights_and_delays_are_recovered_without_a_gradient():
    sim = rv.prepare(loop(weights=(110.0, 110.0), delays=(4.0, 4.0)), dt=DT)
    true = {"there.weight": 150.0, "back.weight": 90.0, "there.delay": 2.0, "back.delay": 6.0}
    data = sim.run(120.0, parameters=true)
    ranges = {"there.weight": (40.0, 300.0), "back.weight": (40.0, 300.0), "there.delay": (0.5, 10.0), "back.delay": (0.5, 10.0)}
    loss = rv.losses.VanRossum(part="first", tau=4.0) + rv.losses.VanRossum(part="second", tau=4.0)
    fit = rv.fit(sim, data, ranges, loss, method=rv.fitting.CMAES(candidates=14), iterations=45, seed=2)
    assert fit.parameters["there.delay"] == pytest.approx(2.0, abs=0.3) and fit.parameters["back.delay"] == pytest.approx(6.0, abs=0.3)
    assert fit.parameters["there.weight"] == pytest.approx(150.0, rel=0.1) and fit.parameters["back.weight"] == pytest.approx(90.0, rel=0.1)
    for name in ("there.delay", "back.delay"):
        assert fit.parameters[name] / DT == pytest.approx(round(fit.parameters[name] / DT))


def test_what_has_no_gradient_is_refused_by_name():
    import optax

    sim = rv.prepare(loop(), dt=DT)
    data, loss = sim.run(20.0), rv.losses.VanRossum(part="first")
    with pytest.raises(rv.UnsupportedError, match=r"there.delay has no derivative: it decides in which step .* rv.fitting.CMAES\(\)"):
        rv.fit(sim, data, ["there.delay"], loss, method=optax.adam(0.1), surrogate=rv.surrogates.FastSigmoid())
    with pytest.raises(rv.UnsupportedError, match=r"VanRossum has no derivative.* surrogate=rv.surrogates.FastSigmoid\(\)"):
        rv.fit(sim, data, ["there.weight"], loss, method=optax.adam(0.1))
    with pytest.raises(rv.UnsupportedError, match="Coincidence has no derivative"):
        rv.fit(sim, data, ["there.weight"], rv.losses.Coincidence(part="first"), method=optax.adam(0.1), surrogate=rv.surrogates.Gaussian())
    with pytest.raises(rv.UnsupportedError, match="mean of squares"):
        method = rv.fitting.LevenbergMarquardt()
        rv.fit(sim, data, ["there.weight"], loss, method=method, surrogate=rv.surrogates.Gaussian())


def test_weights_are_recovered_along_exact_spike_times():
    sim = rv.prepare(loop(), dt=DT)
    wanted = {"there.weight": 190.0, "back.weight": 110.0}
    data = sim.run(60.0, parameters=wanted)
    loss, exact = rv.losses.SpikeTimes(part="first") + rv.losses.SpikeTimes(part="second"), rv.surrogates.SpikeTimes(most=10)
    fit = rv.fit(sim, data, dict.fromkeys(wanted, (40.0, 400.0)), loss, surrogate=exact)
    assert fit.method == "Levenberg–Marquardt" and fit.loss < DT**2
    for path, value in wanted.items():
        assert fit.parameters[path] == pytest.approx(value, abs=4 * fit.uncertainty[path] + 2.0)
    with pytest.raises(rv.UnsupportedError, match="first derivatives here and no second"):
        _ = fit.hessian
    with pytest.raises(rv.UnsupportedError, match=r"SpikeTimes has a derivative only with surrogate=rv.surrogates.SpikeTimes\(\)"):
        rv.fit(sim, data, ["there.weight"], loss, method=rv.fitting.LevenbergMarquardt(), surrogate=rv.surrogates.FastSigmoid())
    with pytest.raises(rv.ParameterError, match=r"SpikeTimes\(most=1\) keeps fewer spikes .* than the data of \w+ have, \d+"):
        rv.fit(sim, data, ["there.weight"], rv.losses.SpikeTimes(part="first"), surrogate=rv.surrogates.SpikeTimes(most=1))
    with pytest.raises(rv.UnsupportedError, match=r"VanRossum has no derivative with surrogate=SpikeTimes\(\)"):
        rv.fit(sim, data, ["there.weight"], rv.losses.VanRossum(part="first"), method=rv.fitting.LevenbergMarquardt(), surrogate=exact)
