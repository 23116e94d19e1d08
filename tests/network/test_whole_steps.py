"""Groups whose step one kernel takes as a whole: which they are, and that nothing else changes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.kernels.dispatch import native_available
from ranvier.network import choice
from ranvier.network.linearity import NotAffine

EULER = rv.ExponentialEuler()


def lif(**changes):
    given = {"capacitance": 200, "leak": 10, "rest": -60, "threshold": -50, "reset": -60, "refractory": 2.0, **changes}
    return rv.neurons.LeakyIntegrateAndFire(**given)


def network(model, excitation, weight, current=550.0, n=60):
    some = rv.connect.pairwise_bernoulli(0.2)
    exc, inh = (
        rv.Population(m, model, initial={"V": rv.normal(-56, 3)}, current=current, name=name) for m, name in ((n, "exc"), (9, "inh"))
    )
    return rv.Network(
        exc,
        inh,
        rv.Projection(exc, [exc, inh], excitation, some, weight=weight, delay=0.5, name="excitation"),
        rv.Projection(inh, [exc, inh], rv.synapses.ExponentialConductance(tau=8, reversal=-80), some, weight=4.0, name="inhibition"),
    )


def linear(model, synapse, weight, current=550.0):
    cells = rv.Population(60, model, initial={"V": rv.normal(-56, 3)}, current=current, name="cells")
    drive = rv.PoissonInput(cells, synapse, rate=800.0, weight=weight, name="drive")
    return rv.Network(cells, drive, rv.Projection(cells, cells, synapse, rv.connect.fixed_in_degree(5), weight=weight, delay=1.0))


class Resonator(rv.NeuronModel):
    """Two variables that read each other, a test of both, and a reset of both."""

    input_unit = "pA"
    held = ("w",)
    refractory: rv.PerNeuron = rv.parameter(1.0, "ms")
    jump: rv.PerNeuron = rv.parameter(2.0, "mV")

    def initial_state(self, n, key):
        return {"V": jnp.full(n, -60.0), "w": jnp.zeros(n)}

    def derivatives(self, state, inputs, t):
        V = state["V"]
        return {"V": 0.01 * inputs.current(V) - 0.1 * (V + 60) - 0.3 * state["w"], "w": 0.05 * (V + 60) - 0.1 * state["w"]}

    def spiked(self, before, after):
        return after["V"] + 0.5 * after["w"] >= -48.0

    def reset(self, state, spiked):
        return {"V": jnp.where(spiked, -65.0 - 0.1 * state["w"], state["V"]), "w": jnp.where(spiked, state["w"] + self.jump, state["w"])}


CASES = {
    "conductances": (lambda: network(lif(), rv.synapses.ExponentialConductance(tau=5, reversal=0), 2.0), EULER),
    "alpha conductances": (lambda: network(lif(), rv.synapses.AlphaConductance(tau=1.5), 2.0), EULER),
    "parameters of each neuron": (
        lambda: network(lif(threshold=rv.normal(-50, 1)), rv.synapses.ExponentialConductance(tau=5, reversal=0), 2.0, rv.normal(550, 60)),
        EULER,
    ),
    "each its own capacitance and refractory period": (
        lambda: linear(
            lif(capacitance=rv.uniform(150, 250), refractory=np.arange(60) % 4 * 0.5), rv.synapses.ExponentialCurrent(tau=3), 60.0
        ),
        None,
    ),
    "a current that changes": (
        lambda: network(lif(), rv.synapses.ExponentialConductance(tau=5, reversal=0), 2.0, rv.stimuli.SquarePulse(900.0, 5, 30)),
        EULER,
    ),
    "a noisy current": (
        lambda: linear(lif(), rv.synapses.ExponentialCurrent(tau=3), 20.0, rv.stimuli.WhiteNoise(500.0, 300.0)),
        rv.ExactLinear(),
    ),
    "exponential currents": (lambda: linear(lif(), rv.synapses.ExponentialCurrent(tau=3), 60.0), None),
    "alpha currents": (lambda: linear(lif(), rv.synapses.AlphaCurrent(tau=1.0), 60.0), None),
    "kicks": (lambda: linear(lif(), rv.synapses.Delta(), 0.5), None),
    "adaptive thresholds": (
        lambda: linear(rv.neurons.AdaptiveThresholdIntegrateAndFire(refractory=1.0), rv.synapses.ExponentialCurrent(tau=3), 60.0),
        None,
    ),
    "a user's own, exact": (lambda: linear(Resonator(), rv.synapses.ExponentialCurrent(tau=3), 60.0), None),
    "a user's own, exponential Euler": (lambda: linear(Resonator(), rv.synapses.ExponentialCurrent(tau=3), 60.0), EULER),
}


@pytest.mark.parametrize(
    ("case", "precision"), [*((case, "double") for case in CASES), ("conductances", "single"), ("exponential currents", "single")]
)
def test_the_run_is_that_of_the_steps_one_by_one(case, precision, monkeypatch):
    make, integrator = CASES[case]
    how = {"duration": 40.0, "dt": 0.1, "integrator": integrator, "precision": precision, "seed": 2}
    record = lambda net: [rv.Record(p, "V") for p in net.populations]
    with jax.enable_x64(True):
        net = make()
        sim = rv.prepare(net, integrator=integrator, dt=0.1, seed=2)
    assert all(group.linear.whole is not None for group in sim.layout.plan.groups)
    whole = rv.simulate(net, record=record(net), **how)
    monkeypatch.setattr(choice, "whole_step", lambda *given, **how: NotAffine("not now"))
    net = make()
    parts = rv.simulate(net, record=record(net), **how)
    assert len(whole.spikes) > 20
    # Rounding differs, and single precision shifts a spike by a step now and then.
    if precision == "double":
        np.testing.assert_array_equal(whole.spikes.steps, parts.spikes.steps)
        np.testing.assert_array_equal(whole.spikes.neurons, parts.spikes.neurons)
        for name in net.populations:
            np.testing.assert_allclose(whole[name].V.values, parts[name].V.values, rtol=0, atol=1e-9)
    else:
        assert abs(len(whole.spikes) - len(parts.spikes)) <= max(3, 0.02 * len(parts.spikes))


@pytest.mark.parametrize(
    ("model", "integrator"),
    [
        (rv.neurons.Izhikevich2007(), EULER),  # a square
        (rv.neurons.AdaptiveExponentialIntegrateAndFire(), EULER),  # an exponential
        (lif(), rv.RungeKutta4()),  # a method that has its own idea of a step
    ],
)
def test_what_is_not_linear_but_resets_is_the_kernels_of_any_function(model, integrator):
    with jax.enable_x64(True):
        net = rv.Network(rv.Population(4, model, name="cells"))
        sim = rv.prepare(net, integrator=integrator)
    group = sim.layout.plan.groups[0]
    assert (group.linear is None or group.linear.whole is None) and group.pointwise and group.whole
    assert sim.explain()["cells"].native == native_available()


def test_what_has_no_reset_goes_stage_by_stage():
    sim = rv.prepare(rv.Network(rv.Population(4, rv.neurons.HodgkinHuxley(), name="cells")), integrator=EULER)
    assert not sim.layout.plan.groups[0].whole
    assert not sim.explain()["cells"].native and sim.explain()["cells"].why_not_native


def test_beside_others_only_linear_groups_go_as_a_whole():
    fast, slow = (
        rv.Population(5, lif(), current=300.0, name="fast"),
        rv.Population(5, rv.neurons.HodgkinHuxley(), current=10.0, name="slow"),
    )
    net = rv.Network(
        fast, slow, rv.Projection(fast, slow, rv.synapses.ExponentialConductance(tau=5, reversal=0), [[1] * 5] * 5, weight=0.05)
    )
    alone = {"fast": rv.simulate(rv.Network(fast), duration=60.0), "slow": rv.simulate(rv.Network(slow), duration=60.0)}
    with jax.enable_x64(True):
        sim = rv.prepare(net)
    assert [g.linear is not None and g.linear.whole is not None for g in sim.layout.plan.groups] == [True, False]
    run = rv.simulate(net, duration=60.0)
    np.testing.assert_array_equal(run["fast"].spikes.times, alone["fast"]["fast"].spikes.times)
    assert len(run["slow"].spikes) >= len(alone["slow"]["slow"].spikes) > 0
