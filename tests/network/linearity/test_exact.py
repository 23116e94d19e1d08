"""Linear equations as they are found, and their propagators."""

import dataclasses
import importlib
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.network.linearity import CONSTANT, INPUT, Exact, NotAffine, exact
from ranvier.network.stacked import Stacked
from tests.network.linearity.neighbourhoods import matrix_of, of

LINEAR = [
    rv.neurons.LeakyIntegrateAndFire(),
    rv.neurons.AdaptiveThresholdIntegrateAndFire(),
    rv.neurons.Passive(),
    rv.neurons.EscapeNoiseIntegrateAndFire(),
    rv.neurons.GeneralizedIntegrateAndFire(),
]
CURRENTS = [
    rv.synapses.ExponentialCurrent(tau=3.0),
    rv.synapses.AlphaCurrent(tau=1.5),
    rv.synapses.DoubleExponentialCurrent(rise=0.5, decay=4.0),
    rv.synapses.StepCurrent(),
    rv.synapses.Delta(),
]
CONDUCTANCES = [
    rv.synapses.ExponentialConductance(),
    rv.synapses.AlphaConductance(),
    rv.synapses.DoubleExponentialConductance(),
    rv.synapses.NMDA(),
]


def step_of(near, found, numbers):
    """What `Exact` says, laid out as `matrix_of`; rows of what does not move are those of the identity."""
    columns = [*near.names, INPUT, CONSTANT]
    result = np.tile(np.eye(len(columns)), (near.n, 1, 1))
    place = 0
    for name, terms in found.rows:
        for column in terms:
            row = np.repeat(numbers["coefficients"][:, place], near.sizes)
            result[:, columns.index(name), columns.index(column)] = numbers["each"].get(str(place), row)
            place += 1
    return result


@pytest.mark.parametrize("neuron", LINEAR, ids=lambda model: type(model).__name__)
def test_the_step_is_the_exponential_of_the_derivative(neuron):
    some = [(), (CURRENTS[0], CURRENTS[1]), (CURRENTS[2], CURRENTS[0], CURRENTS[4])]
    for synapses in [*((s,) for s in CURRENTS), *some] if neuron is LINEAR[0] else some:
        near, parts = of(neuron, (3,), synapses)
        found = exact(near, parts)
        assert isinstance(found, Exact)
        for dt in (0.1, 2.0):
            numbers = found.numbers(parts, dt)
            np.testing.assert_allclose(step_of(near, found, numbers), matrix_of(near, parts, dt), rtol=1e-13, atol=1e-300)
    with jax.enable_x64(True):
        traced = jax.jit(found.numbers)(parts, dt)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), numbers, traced)


@pytest.mark.parametrize("neuron", [rv.neurons.LeakyIntegrateAndFire(), rv.neurons.Passive()], ids=lambda model: type(model).__name__)
@pytest.mark.parametrize("synapse", CONDUCTANCES, ids=lambda model: type(model).__name__)
def test_a_conductance_makes_a_membrane_nonlinear(neuron, synapse):
    found = exact(*of(neuron, synapses=(synapse,)))
    assert isinstance(found, NotAffine)
    assert found.reason.startswith(
        "V's equation multiplies V and g of s0" if not isinstance(synapse, rv.synapses.NMDA) else "V's equation takes exp of V"
    )


@pytest.mark.parametrize(
    ("neuron", "reason"),
    [
        (rv.neurons.HodgkinHuxley(), "V's equation takes a power of sodium.m"),
        (rv.neurons.ExponentialIntegrateAndFire(), "V's equation takes the smaller of V and another value"),
        (rv.neurons.Izhikevich2003(), "V's equation takes the square of V"),
        (rv.neurons.QuadraticIntegrateAndFire(), "V's equation takes the square of V"),
        (rv.neurons.NoisyIntegrateAndFire(), "white noise drives its variables"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_what_is_not_linear_says_why(neuron, reason):
    assert exact(*of(neuron)) == NotAffine(reason)


def test_what_acts_from_elsewhere_is_named():
    near, parts = of(rv.neurons.Passive())
    found = exact(dataclasses.replace(near, elsewhere=(("graded", "source"),)), parts)
    assert found == NotAffine("graded acts on it continuously, from states at its sources")


def test_other_values_have_the_same_structure():
    synapses = (rv.synapses.ExponentialCurrent(tau=2.0), rv.synapses.AlphaCurrent())
    first = exact(*of(rv.neurons.LeakyIntegrateAndFire(leak=10.0, rest=-60.0), synapses=synapses))
    for changes in ({"leak": 0.0}, {"rest": 0.0}, {"rest": 0.0, "leak": 0.0}, {"capacitance": 1.0}, {"refractory": 2.0}):
        other = exact(*of(rv.neurons.LeakyIntegrateAndFire(**changes), synapses=synapses))
        assert other is first  # and read only once
    assert hash(first) == hash(exact(*of(rv.neurons.LeakyIntegrateAndFire(), synapses=synapses)))
    own = exact(*of(rv.neurons.LeakyIntegrateAndFire(capacitance=[1.0] * 5), synapses=synapses))
    assert own.each and own != first  # one value a neuron is another structure, whatever the values


def test_a_rate_of_zero_integrates_its_input():
    near, parts = of(rv.neurons.Passive(leak=0.0, capacitance=2.0), (2,))
    found = exact(near, parts)
    np.testing.assert_allclose(step_of(near, found, found.numbers(parts, 0.5))[0], [[1.0, 0.25, 0.0], [0, 1, 0], [0, 0, 1]], rtol=1e-15)


def test_members_and_neurons_that_differ_each_have_their_own_numbers():
    models = [
        rv.neurons.LeakyIntegrateAndFire(capacitance=c, leak=g) for c, g in ((100.0, 5.0), (np.array([150.0, 250.0]), 0.0), (300.0, 20.0))
    ]
    synapses = (rv.synapses.ExponentialCurrent(tau=np.array([1.0, 2, 3, 4, 5, 6])), rv.synapses.AlphaCurrent(tau=1.0))
    near, parts = of(models, (3, 2, 1), synapses)
    found = exact(near, parts)
    np.testing.assert_allclose(step_of(near, found, found.numbers(parts, 0.3)), matrix_of(near, parts, 0.3), rtol=1e-13, atol=1e-300)
    # What depends on no array has one number a member.
    columns = [(name, column) for name, terms in found.rows for column in terms]
    alpha = {place for place, (name, _) in enumerate(columns) if name[0] == "s1"}
    assert alpha and not alpha & set(found.each)


def test_what_a_threshold_of_each_neuron_does_not_touch_has_one_number_a_member():
    models = [rv.neurons.LeakyIntegrateAndFire(threshold=np.linspace(-50, -45, n), capacitance=c) for n, c in ((4, 100.0), (3, 200.0))]
    near, parts = of(models, (4, 3))
    found = exact(near, parts)
    assert found.each == ()
    assert found.numbers(parts, 0.1)["coefficients"].shape == (2, 3)


def handed_over(monkeypatch):
    """How many different matrices there are each time."""
    counts = []
    module = importlib.import_module("ranvier.network.linearity.exact")
    own = module.exponential_entries
    counting = lambda entries, *others: (counts.append(max(len(x) for x in entries.values())), own(entries, *others))[1]
    monkeypatch.setattr(module, "exponential_entries", counting)
    return counts


def test_equal_neurons_are_exponentiated_once(monkeypatch):
    counts = handed_over(monkeypatch)
    n = 400_000
    capacitance = np.full(n, 200.0)
    near, parts = of(rv.neurons.LeakyIntegrateAndFire(capacitance=capacitance), (n,), (rv.synapses.ExponentialCurrent(),))
    found = exact(near, parts)
    found.numbers(parts, 0.1)
    capacitance[::3], capacitance[7] = 250.0, 100.0
    near, parts = of(rv.neurons.LeakyIntegrateAndFire(capacitance=capacitance), (n,), (rv.synapses.ExponentialCurrent(),))
    numbers = found.numbers(parts, 0.1)
    assert counts == [1, 3]
    own = numbers["each"][str(found.each[0])]
    np.testing.assert_allclose(own, np.exp(-0.1 * 10.0 / capacitance), rtol=1e-15)


def test_many_members_are_exponentiated_once_each_at_most(monkeypatch):
    counts = handed_over(monkeypatch)
    models = [rv.neurons.LeakyIntegrateAndFire(capacitance=c, threshold=-50.0 + i) for i, c in enumerate((200.0, 100.0, 200.0))]
    near, parts = of(models, (10, 20, 30))
    assert exact(near, parts).numbers(parts, 0.1)["coefficients"].shape == (3, 3)
    assert counts == [2]


def test_nothing_is_compiled_for_numbers_that_are_known(monkeypatch):
    compiled = []
    monkeypatch.setattr(jax, "jit", lambda *given, **how: compiled.append(given))
    with jax.log_compiles(True), pytest.MonkeyPatch.context() as patch:
        import logging

        records = []
        handler = logging.Handler()
        handler.emit = records.append
        patch.setattr(logging.getLogger("jax"), "handlers", [handler])
        near, parts = of(
            rv.neurons.LeakyIntegrateAndFire(leak=7.7), (13,), (rv.synapses.DoubleExponentialCurrent(), rv.synapses.AlphaCurrent())
        )
        records.clear()
        exact(near, parts).numbers(parts, 0.1)
    assert not [r for r in records if "ompiling" in r.getMessage() and "Finished" not in r.getMessage()]


def test_gradients_by_every_parameter_and_dt_are_those_of_finite_differences():
    models = [rv.neurons.LeakyIntegrateAndFire(capacitance=150.0), rv.neurons.LeakyIntegrateAndFire(capacitance=250.0, leak=8.0)]
    synapses = (
        rv.synapses.AlphaCurrent(tau=1.3),
        rv.synapses.DoubleExponentialCurrent(rise=0.7, decay=3.0),
        rv.synapses.ExponentialCurrent(),
    )
    near, parts = of(models, (3, 2), synapses)
    found = exact(near, parts)
    weight = np.random.default_rng(0).normal(size=found.numbers(parts, 0.1)["coefficients"].shape)
    total = lambda parts, dt: (found.numbers(parts, dt)["coefficients"] * weight).sum()
    with jax.enable_x64(True):
        as_arrays = jax.tree.map(lambda x: jnp.asarray(x, np.float64), parts)
        gradients = jax.jit(jax.grad(total, argnums=(0, 1)))(as_arrays, 0.2)
    leaves, structure = jax.tree.flatten((parts, 0.2))
    checked = 0
    for i, (leaf, gradient) in enumerate(zip(leaves, jax.tree.leaves(gradients), strict=True)):
        for j in np.ndindex(np.shape(leaf)):
            sides = []
            for sign in (1, -1):
                changed = [np.array(x, np.float64) for x in leaves]
                step = 1e-4 * max(1.0, abs(changed[i][j]))
                changed[i][j] += sign * step
                sides.append(float(total(*jax.tree.unflatten(structure, changed))))
            np.testing.assert_allclose(np.asarray(gradient)[j], (sides[0] - sides[1]) / (2 * step), rtol=1e-6, atol=1e-7)
            checked += abs(sides[0] - sides[1]) > 1e-9
    assert checked >= 11  # capacitance, leak and rest of two members, four time constants, dt


def test_it_batches_and_differentiates_for_each_neuron():
    n = 4
    near, parts = of(rv.neurons.LeakyIntegrateAndFire(capacitance=np.linspace(100, 200, n)), (n,), (rv.synapses.ExponentialCurrent(),))
    found = exact(near, parts)

    def own(tau, dt):
        changed = {**parts, "synapses": {"s0": rv.synapses.ExponentialCurrent(tau=tau)}}
        return found.numbers(changed, dt)["each"][str(found.each[1])]

    with jax.enable_x64(True):
        taus = jnp.array([1.0, 2.0, 3.0])
        batch, slopes = jax.jit(jax.vmap(lambda tau: (own(tau, 0.1), jax.jacrev(own)(tau, 0.1))))(taus)
    for tau, row, slope in zip((1.0, 2.0, 3.0), batch, slopes, strict=True):
        np.testing.assert_allclose(row, own(tau, 0.1), rtol=1e-14)
        np.testing.assert_allclose(slope, (own(tau + 1e-5, 0.1) - own(tau - 1e-5, 0.1)) / 2e-5, rtol=1e-6)


def test_advance_is_the_solution():
    """A membrane of two members that relaxes, driven by a decaying current: Rotter & Diesmann's closed form."""
    C, g, tau, dt = np.array([100.0, 250.0]), np.array([5.0, 25.0]), 2.0, 0.7
    models = [rv.neurons.LeakyIntegrateAndFire(capacitance=c, leak=x, rest=-65.0) for c, x in zip(C, g, strict=True)]
    near, parts = of(models, (2, 1), (rv.synapses.ExponentialCurrent(tau=tau),))
    found = exact(near, parts)
    V, i, current = np.array([-60.0, -70.0, -50.0]), np.array([3.0, 0.0, 8.0]), np.array([0.0, 40.0, -20.0])
    membrane, conductance, C = (C / g)[[0, 0, 1]], g[[0, 0, 1]], C[[0, 0, 1]]
    decay = np.exp(-dt / membrane)
    driven = i / C * membrane * tau / (membrane - tau) * (decay - np.exp(-dt / tau))
    expected = -65.0 + (V + 65.0) * decay + current / conductance * (1 - decay) + driven
    with jax.enable_x64(True):
        new = found.advance(found.numbers(parts, dt), {"cells": {"V": jnp.asarray(V)}, "s0": {"i": jnp.asarray(i)}}, jnp.asarray(current))
    np.testing.assert_allclose(new["cells"]["V"], expected, rtol=1e-14)
    np.testing.assert_allclose(new["s0"]["i"], i * np.exp(-dt / tau), rtol=1e-15)


def test_members_may_have_no_neurons():
    models = [rv.neurons.LeakyIntegrateAndFire(capacitance=c) for c in (70.0, np.array([100.0, 200.0]), 50.0)]
    near, parts = of(models, (0, 2, 0))
    numbers = exact(near, parts).numbers(parts, 0.1)
    np.testing.assert_allclose(numbers["each"]["0"], np.exp(-0.1 * 10.0 / np.array([100.0, 200.0])), rtol=1e-15)
    near, parts = of(rv.neurons.LeakyIntegrateAndFire(capacitance=np.zeros(0)), (0,))
    assert exact(near, parts).numbers(parts, 0.1)["each"]["0"].shape == (0,)


def test_no_current_is_no_term():
    near, parts = of(rv.neurons.LeakyIntegrateAndFire(), stimulated=False)
    found = exact(near, parts)
    assert INPUT not in itertools.chain.from_iterable(terms for _, terms in found.rows)


def test_parameters_in_single_precision_are_used_in_double():
    near, parts = of(rv.neurons.LeakyIntegrateAndFire(), (3,))
    single = {**parts, "model": jax.tree.map(np.float32, parts["model"])}
    assert isinstance(single["model"], Stacked)
    numbers = exact(near, single).numbers(single, 0.1, np.float32)
    assert numbers["coefficients"].dtype == np.float32
    np.testing.assert_array_equal(numbers["coefficients"], exact(near, parts).numbers(parts, 0.1)["coefficients"].astype(np.float32))
