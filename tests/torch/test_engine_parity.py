"""The same neuron, the same input: the same spikes from the JAX engine and from PyTorch, in double precision."""

import numpy as np
import pytest
import torch

import ranvier as rv
import ranvier.torch as rt
from ranvier.errors import ParameterError, UnsupportedError

DT = 0.1
STEPS, N = 2000, 4
V_TOLERANCE = 1e-9  # mV; rounding, which a leaky membrane forgets. Measured: 2e-13 (LIF), 7e-11 (AdEx, at the upstroke)


def engine(model, current, integrator, variables=("V",), dt=DT):
    cells = rv.Population(N, model, name="cells")
    run = rv.simulate(
        cells,
        current=rv.stimuli.Sampled(current, every=dt),
        duration=len(current) * dt,
        dt=dt,
        integrator=integrator,
        record=[rv.Record(cells, list(variables))],
    )
    raster = np.zeros((len(current), N), bool)
    raster[run["cells"].spikes.steps, run["cells"].spikes.neurons] = True
    return raster, [run["cells"][name].values[1:] for name in variables]


def assert_same(layer, model, current, integrator, variables, dt=DT, tolerance=V_TOLERANCE):
    raster, (v, *others) = engine(model, current, integrator, variables, dt)
    spikes, states = rt.trace(layer, torch.from_numpy(current))
    assert raster.sum() > 20
    np.testing.assert_array_equal(spikes.numpy().astype(bool), raster)
    np.testing.assert_allclose(states[0].numpy(), v, rtol=0, atol=tolerance)
    whole, _ = layer(torch.from_numpy(current))
    assert torch.equal(whole, spikes)
    return states, others


def noisy(mean, deviation, steps=STEPS):
    return np.random.default_rng(1).normal(mean, deviation, (steps, N))


@pytest.mark.parametrize("refractory", [0.0, 2.0])
def test_leaky_integrate_and_fire(refractory):
    model = rv.neurons.LeakyIntegrateAndFire(refractory=refractory)
    assert_same(rt.LIF.from_neuron(model, dt=DT), model, noisy(250, 400), rv.ExponentialEuler(), ["V"])


def test_a_parameter_for_each_neuron():
    model = rv.neurons.LeakyIntegrateAndFire(capacitance=np.array([100.0, 150.0, 200.0, 250.0]), threshold=np.array([-50.0, -51, -52, -53]))
    layer = rt.LIF.from_neuron(model, dt=DT, dtype=torch.float64)
    assert_same(layer, model, noisy(250, 400), rv.ExponentialEuler(), ["V"])


def test_adaptive_threshold():
    model = rv.neurons.AdaptiveThresholdIntegrateAndFire()
    states, (shift,) = assert_same(rt.AdaptiveLIF.from_neuron(model, dt=DT), model, noisy(300, 400), rv.ExponentialEuler(), ["V", "shift"])
    np.testing.assert_allclose(states.threshold.numpy() - model.threshold, shift, rtol=0, atol=V_TOLERANCE)


@pytest.mark.parametrize(
    ("scheme", "dt", "integrator", "tolerance"),
    [
        ("published", 1.0, rv.SplitEuler(), 0.05),  # the map of 1 ms steps amplifies rounding at upstrokes: measured 0.007 mV
        ("euler", 0.1, rv.Euler(), V_TOLERANCE),
    ],
)
def test_izhikevich(scheme, dt, integrator, tolerance):
    model = rv.neurons.Izhikevich2003.chattering()
    layer = rt.Izhikevich.from_neuron(model, dt=dt, scheme=scheme)
    assert_same(layer, model, noisy(10, 2, steps=500), integrator, ["V", "u"], dt, tolerance)


@pytest.mark.parametrize("refractory", [0.0, 2.0])
def test_adaptive_exponential(refractory):
    model = rv.neurons.AdaptiveExponentialIntegrateAndFire(refractory=refractory)
    assert_same(rt.AdEx.from_neuron(model, dt=DT), model, noisy(1000, 400), rv.Euler(), ["V", "w"])


def test_current_lif_is_the_exact_solution():
    """A kick to the current at the start of a step, then the solution of both equations, at equal and at different time constants."""
    for synapse in (5.0, 20.0, 20.0 * (1 + 1e-9)):
        layer = rt.CurrentLIF(tau=20.0, synapse_tau=synapse, dt=0.5, threshold=1e9)
        x = torch.zeros(200, 1, dtype=torch.float64)
        x[0] = 1.0
        _, states = rt.trace(layer, x)
        t = torch.arange(1, 201, dtype=torch.float64) * 0.5
        same = abs(synapse - 20.0) < 1e-3
        exact = t / 20 * torch.exp(-t / 20) if same else 5 / (20 - 5) * (torch.exp(-t / 20) - torch.exp(-t / 5))
        torch.testing.assert_close(states.lif.v[:, 0], exact, rtol=1e-7, atol=1e-12)


def test_what_a_layer_cannot_take_from_a_neuron():
    with pytest.raises(ParameterError, match=r"from_neuron: model must be an rv.neurons.LeakyIntegrateAndFire, not HodgkinHuxley"):
        rt.LIF.from_neuron(rv.neurons.HodgkinHuxley())
    with pytest.raises(ParameterError, match=r"threshold is a distribution: draw it first"):
        rt.LIF.from_neuron(rv.neurons.LeakyIntegrateAndFire(threshold=rv.normal(-50.0, 1.0)))
    with pytest.raises(UnsupportedError, match="one refractory period"):
        rt.LIF.from_neuron(rv.neurons.LeakyIntegrateAndFire(refractory=[1.0, 2.0]))
    with pytest.raises(UnsupportedError, match="one refractory period"):
        rt.AdEx.from_neuron(rv.neurons.AdaptiveExponentialIntegrateAndFire(refractory=[1.0, 2.0]))
