"""A Hodgkin–Huxley cell from a noisy trace: its conductances, and the half-activation of a gate."""

import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv


class Rectifier(rv.IonChannel):
    """A delayed rectifier with Boltzmann's activation."""

    conductance: rv.PerNeuron = rv.parameter(36.0, "mS/cm^2", (0.0, np.inf))
    half: rv.PerNeuron = rv.parameter(-53.0, "mV")
    slope: rv.PerNeuron = rv.parameter(15.0, "mV")

    def _steady(self, V):
        return 1.0 / (1.0 + jnp.exp(-(V - self.half) / self.slope))

    def initial_gates(self, V):
        return {"n": self._steady(V)}

    def gate_derivatives(self, gates, V):
        return {"n": (self._steady(V) - gates["n"]) / (1.0 + 4.0 / jnp.cosh((V + 65.0) / 30.0))}

    def current(self, gates, V):
        return self.conductance * gates["n"] ** 4 * (V + 77.0)


TRUE = {
    "cell.sodium.conductance": 105.0,
    "cell.potassium.conductance": 44.0,
    "cell.potassium.half": -50.0,
    "cell.leak.conductance": 0.25,
}
NOISE = 0.5


@pytest.fixture(scope="module")
def sim():
    # A fluctuating current under which the cell fires a few times, and two that do not make it fire.
    steps = np.repeat(np.random.default_rng(1).normal(7.0, 6.0, 25), 40)
    current = rv.stimuli.Sampled(np.stack([steps, 0.2 * steps, -0.5 * steps], axis=1), every=0.05)
    cell = rv.Population(3, rv.neurons.HodgkinHuxley(potassium=Rectifier()), current=current, name="cell")
    return rv.prepare(cell, dt=0.05, record=[rv.Record("cell", "V")])


@pytest.fixture(scope="module")
def data(sim):
    V = sim.run(50.0, parameters=TRUE, initial=sim.state()).V
    return V + np.random.default_rng(0).normal(0.0, NOISE, V.shape)


RANGES = {
    "cell.sodium.conductance": (40.0, 250.0),
    "cell.potassium.conductance": (10.0, 120.0),
    "cell.potassium.half": (-70.0, -35.0),
    "cell.leak.conductance": (0.05, 1.0),
}


def test_conductances_and_a_half_activation_are_recovered_from_a_noisy_trace(sim, data):
    # Where spikes come at other times the loss is a mountain range: first without the gradient, then along it.
    rough = rv.fit(sim, data, RANGES, method=rv.fitting.CMAES(candidates=32), iterations=60, seed=1)
    fit = rv.fit(sim, data, RANGES, start=rough)
    assert rough.method == "CMA-ES" and fit.method == "Levenberg–Marquardt"
    assert fit.loss <= rough.loss
    assert fit.loss == pytest.approx(NOISE**2, rel=0.05)
    for path, value in TRUE.items():
        assert abs(fit.parameters[path] - value) < 4 * fit.uncertainty[path], path
        assert 0 < fit.uncertainty[path] < 0.01 * abs(value), path
    run = fit.run()
    assert float(((run.V[:-1] - data[:-1]) ** 2).mean()) == pytest.approx(fit.loss, rel=1e-3)
