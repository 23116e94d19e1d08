"""Populations that advance together and synapses that share their states give what they give apart."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

LIF = rv.neurons.LeakyIntegrateAndFire(capacitance=250, leak=25, rest=-65, threshold=-50, reset=-65, refractory=2)


def network(taus=(2.0, 2.0), n=40):
    e = rv.Population(n, LIF, initial={"V": rv.normal(-60, 5)}, current=420.0, name="e")
    i = rv.Population(n // 2, LIF.replace(threshold=-52.0), initial={"V": rv.normal(-60, 5)}, current=lambda t: 400.0 + t, name="i")
    fast, slow = (rv.synapses.ExponentialCurrent(tau=tau) for tau in taus)
    some = rv.connect.pairwise_bernoulli(0.3)
    from_e = rv.Projection(e, [e, i], fast, some, weight=50.0, delay=1.5, name="from e")
    from_i = rv.Projection(i, [e, i], slow, some, weight=-90.0, delay=0.7, name="from i")
    return rv.Network(e, i, from_e, from_i)


def test_together_or_apart_the_same_spikes(monkeypatch):
    together = rv.simulate(network(), duration=200.0, dt=0.1, integrator=rv.ExponentialEuler())
    assert not together.state.synapses["from i"]["i"].any()  # the first of two projections has the sum
    monkeypatch.setattr(sys.modules["ranvier.simulation"], "MERGE", False)
    apart = rv.simulate(network(), duration=200.0, dt=0.1, integrator=rv.ExponentialEuler())
    for name in ("e", "i"):
        np.testing.assert_array_equal(together[name].spikes.counts, apart[name].spikes.counts)
        np.testing.assert_allclose(together.state.neurons[name]["V"], apart.state.neurons[name]["V"], rtol=0, atol=1e-9)
    assert together.spikes["e"].counts.sum() > 100


def test_a_shared_state_is_the_sum_of_those_apart():
    """With kinetics that differ by nothing that matters the states are two, and add up to the one."""
    shared = rv.simulate(network(), duration=20.0, dt=0.1, integrator=rv.ExponentialEuler())
    apart = rv.simulate(network(taus=(2.0, 2.0 * (1 + 1e-15))), duration=20.0, dt=0.1, integrator=rv.ExponentialEuler())
    assert all(s["i"].any() for s in apart.state.synapses.values())
    one, none = shared.state.synapses.values()
    assert not none["i"].any()
    np.testing.assert_allclose(one["i"], sum(s["i"] for s in apart.state.synapses.values()), rtol=1e-9, atol=1e-9)


def test_what_is_shared_cannot_be_recorded_for_one_projection_alone():
    with pytest.raises(rv.UnsupportedError, match="from i"):
        rv.simulate(network(), duration=1.0, record=rv.Record("from e", "i"))
    run = rv.simulate(network(), duration=1.0, dt=0.1, record=rv.Record("e", "synaptic_current"))
    assert run["e"].synaptic_current.shape == (11, 40)


def test_a_model_that_looks_across_neurons_is_left_alone():
    """Merged, the mean would be over both populations."""

    class MeanField(rv.NeuronModel):
        def initial_state(self, n, key):
            return {"V": jnp.arange(float(n))}

        def derivatives(self, state, inputs, t):
            return {"V": state["V"].mean() - state["V"]}

        def spiked(self, before, after):
            return after["V"] > 1e9

    small, large = rv.Population(2, MeanField(), name="small"), rv.Population(10, MeanField(), name="large")
    run = rv.simulate(rv.Network(small, large), duration=20.0)
    np.testing.assert_allclose(run.state.neurons["small"]["V"], 0.5, atol=1e-6)
    np.testing.assert_allclose(run.state.neurons["large"]["V"], 4.5, atol=1e-6)


def test_targets_of_several_models_get_each_their_own():
    """One projection onto two models: the same edges as onto one, split where the models part."""
    source = rv.Population(3, rv.neurons.SpikeTimes.of_trains([[1.0], [2.0], [3.0]]), name="source")
    a, b = rv.Population(4, LIF, name="a"), rv.Population(5, rv.neurons.AdaptiveExponentialIntegrateAndFire(), name="b")
    matrix = np.arange(27.0).reshape(9, 3)
    projection = rv.Projection(source, [a, b], rv.synapses.ExponentialCurrent(tau=1e9), matrix, weight=1.0, name="it")
    run = rv.simulate(rv.Network(source, a, b, projection), duration=10.0, dt=0.5, record=rv.Record("it", "i"))
    np.testing.assert_allclose(run["it"].i.values[-1], matrix.sum(axis=1), rtol=1e-6)
    np.testing.assert_allclose(run["it"].i.values[4], matrix[:, :1].sum(axis=1), rtol=1e-6)


def test_sources_that_bring_rates_of_their_own_are_left_alone():
    rates = lambda t: jnp.array([1.0, 50.0, 100.0])
    a, b = (rv.Population(3, rv.neurons.InhomogeneousPoissonSource(rates), name=name) for name in "ab")
    counts = rv.simulate(rv.Network(a, b), duration=2000.0, dt=0.5).spikes.counts.reshape(2, 3)
    np.testing.assert_allclose(counts, np.tile([2, 100, 200], (2, 1)), atol=60)
    assert not np.array_equal(*counts)


def test_a_function_takes_kinetics_that_differ_or_are_as_they_are_beside_what_is_traced():
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=400.0, name="cells")
    target = rv.Population(1, rv.neurons.Passive(capacitance=1.0, leak=0.1), name="target")
    one, other = (
        rv.Projection(cells, target, rv.synapses.ExponentialCurrent(tau=5.0), rv.connect.all_to_all(), weight=w, delay=0.1, name=name)
        for w, name in ((0.2, "one"), (-0.3, "other"))
    )
    sim = rv.prepare(rv.Network(cells, target, one, other), dt=0.1)
    state = sim.state()
    with jax.enable_x64(True):
        run = sim.function(steps=300, surrogate=rv.surrogates.FixedSpikes(), gradient_memory="all")
        end = lambda more: jax.jit(lambda w: run({**more, "one.weight": w}, state)[0].neurons["target"]["V"][0])(0.25)
        for more in ({}, sim.parameters, {"other.tau": 7.0}):
            alone = sim.run(30.0, parameters={**more, "one.weight": 0.25}).state.neurons["target"]["V"][0]
            assert float(end(more)) == pytest.approx(alone, abs=1e-9)
