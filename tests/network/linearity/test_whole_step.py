"""The step of a group as the kernel takes it: its structure, its numbers, and why there may be none."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.kernels import LinearForm, integrate_and_fire
from ranvier.network.linearity import NotAffine, WholeStep, whole_step
from ranvier.network.linearity.neighbourhood import INPUT, _derivatives
from ranvier.network.linearity.polynomials import TIME
from ranvier.network.stacked import Stacked
from tests.network.linearity.neighbourhoods import matrix_of, of

BOTH = pytest.mark.parametrize("exactly", [True, False], ids=["exact", "exponential Euler"])


def lif(**changes):
    return rv.neurons.LeakyIntegrateAndFire(**{"refractory": 2.0, **changes})


def coefficients(numbers, what="coefficients"):
    """For each place what all neurons have there, `[members, count]` or `[n]`."""
    return [numbers["each"][what].get(str(i), column) for i, column in enumerate(numbers[what].T)]


def taken(near, step, numbers, variables, current, recent):
    """A step by the kernel, with one member."""
    row, each = jnp.asarray(numbers["coefficients"]), {}
    for place in {*step.driven, *step.each}:
        gain = coefficients(numbers, "gains")[place]
        each[place] = jnp.broadcast_to(jnp.asarray(coefficients(numbers)[place] + gain * current), (near.n,))
    given = [variables[owner][v] for owner, v in step.variables]
    refractory = jnp.array([[3]], jnp.int32) if near.refractory else None
    return integrate_and_fire(step.equations, given, row, jnp.int64(9), recent, refractory, each)


CASES = {
    "currents": (lif(), (rv.synapses.ExponentialCurrent(), rv.synapses.AlphaCurrent())),
    "a parameter of each neuron": (
        lif(capacitance=np.linspace(100.0, 300.0, 40), threshold=np.linspace(-52, -50, 40)),
        (rv.synapses.ExponentialCurrent(),),
    ),
    "adaptive thresholds": (rv.neurons.AdaptiveThresholdIntegrateAndFire(), (rv.synapses.DoubleExponentialCurrent(),)),
}
CONDUCTANCES = {
    "conductances": (lif(), (rv.synapses.ExponentialConductance(reversal=-5.0), rv.synapses.AlphaConductance(reversal=-80.0))),
    "conductances and currents": (
        rv.neurons.AdaptiveThresholdIntegrateAndFire(leak=np.linspace(5, 20, 40)),
        (rv.synapses.DoubleExponentialConductance(), rv.synapses.ExponentialCurrent()),
    ),
}


@pytest.mark.parametrize("case", [*CASES, *CONDUCTANCES])
def test_the_kernels_step_is_exponential_euler_of_the_equations(case):
    """Against a step written out here: every derivative and its slope from the model itself, by differentiation."""
    neuron, synapses = {**CASES, **CONDUCTANCES}[case]
    n, dt = 40, 0.3
    near, parts = of(neuron, (n,), synapses)
    step = whole_step(near, parts, exactly=False)
    assert isinstance(step, WholeStep)
    rng = np.random.default_rng(4)
    with jax.enable_x64(True):
        variables = {owner: {} for owner, _ in near.names}
        for owner, v in near.names:
            variables[owner][v] = jnp.asarray(rng.normal(-50.0, 6.0, n) if v == "V" else rng.normal(3.0, 2.0, n))
        current, recent = jnp.asarray(rng.normal(200.0, 100.0, n)), jnp.asarray(rng.integers(4, 9, n), jnp.int32)
        moved, last, fires = taken(near, step, step.numbers(parts, dt), variables, current, recent)
        named = {**parts, "model": Stacked(parts["model"].at_neurons(), (), (n,))}
        values = {near.called(name): variables[name[0]][name[1]] for name in near.names} | {INPUT: current, TIME: jnp.zeros(())}
        compute, after = _derivatives(near), {}
        for name in near.moving_names:
            own = near.called(name)
            rate, slope = jax.jvp(lambda x, own=own: compute(named, {**values, own: x})[own], (values[own],), (jnp.ones(n),))
            after[own] = values[own] + jnp.where(slope == 0, dt, jnp.expm1(dt * slope) / slope) * rate
        waiting = recent + 3 >= 9
        for v in near.held:
            after[v] = jnp.where(waiting, values[v], after[v])
        model = parts["model"].at_neurons()
        ends = [{v: x[v] for v in near.variables} for x in (values, after)]
        spiked = model.spiked(*ends) & ~waiting
        after.update(model.reset(ends[1], spiked))
    assert 3 < spiked.sum() < n - 3 and 3 < waiting.sum() < n - 3
    np.testing.assert_array_equal(fires, spiked)
    np.testing.assert_array_equal(last, np.where(spiked, 9, recent))
    for (owner, v), value in zip(step.variables, moved, strict=False):
        np.testing.assert_allclose(value, after[near.called((owner, v))], rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("case", CASES)
def test_the_kernels_exact_step_is_the_exponential_of_the_equations(case):
    neuron, synapses = CASES[case]
    n, dt = 40, 0.5
    near, parts = of(neuron, (n,), synapses)
    step = whole_step(near, parts, exactly=True)
    with jax.enable_x64(True):
        variables = {
            owner: {v: jnp.linspace(-58.0, -56.0, n) if v == "V" else jnp.full(n, 2.0) for o, v in near.names if o == owner}
            for owner, _ in near.names
        }
        moved, _, fires = taken(near, step, step.numbers(parts, dt), variables, 100.0, jnp.full(n, -100, jnp.int32))
    assert not fires.any()
    given = np.stack([*(variables[owner][v] for owner, v in near.names), np.full(n, 100.0), np.ones(n)], axis=1)
    expected = np.einsum("nij,nj->ni", matrix_of(near, parts, dt), given)
    for name, value in zip(step.variables, moved, strict=False):
        np.testing.assert_allclose(value, expected[:, near.names.index(name)], rtol=1e-13)


@BOTH
def test_other_values_have_the_same_structure(exactly):
    synapses = [rv.synapses.ExponentialCurrent(tau=1.0)] if exactly else [rv.synapses.ExponentialConductance(reversal=-70.0)]
    zeros = [rv.synapses.ExponentialCurrent()] if exactly else [rv.synapses.ExponentialConductance(reversal=0.0)]
    first = whole_step(*of(lif(), synapses=synapses), exactly=exactly)
    for changes in ({"leak": 0.0}, {"rest": 0.0}, {"reset": 0.0}, {"threshold": 0.0}, {"refractory": 0.0}):
        assert whole_step(*of(lif(**changes), synapses=zeros), exactly=exactly) is first


@BOTH
def test_members_have_rows_and_neurons_that_differ_have_arrays(exactly):
    models = [lif(capacitance=c, threshold=t) for c, t in ((100.0, -50.0), (200.0, np.array([-48.0, -47.0])), (150.0, -51.0))]
    near, parts = of(models, (3, 2, 1), (rv.synapses.ExponentialCurrent(tau=2.0),))
    step = whole_step(near, parts, exactly=exactly)
    numbers = step.numbers(parts, 0.1)
    test = 1 + len(step.equations.moving[0].form.terms) + 1 + len(step.equations.moving[1].form.terms)
    assert step.each == (test,)
    np.testing.assert_array_equal(numbers["each"]["coefficients"][str(test)], [-50.0] * 3 + [-48.0, -47.0, -51.0])
    assert numbers["coefficients"].shape == numbers["gains"].shape == (3, test + 3)
    own = step.equations.moving[0]
    assert step.variables[own.variable] == ("cells", "V")
    np.testing.assert_allclose(numbers["coefficients"][:, 1], np.exp(-0.1 * 10.0 / np.array([100.0, 200.0, 150.0])), rtol=1e-15)
    assert step.driven == (0,)
    np.testing.assert_allclose(numbers["gains"][:, 0], -np.expm1(-0.1 * 10.0 / np.array([100.0, 200.0, 150.0])) / 10.0, rtol=1e-14)
    assert step.gains_each == ()


@BOTH
def test_known_and_traced_numbers_are_the_same_and_gradients_are_those_of_finite_differences(exactly):
    synapses = (rv.synapses.AlphaCurrent(tau=1.2),) if exactly else (rv.synapses.AlphaConductance(tau=1.2, reversal=-5.0),)
    near, parts = of(lif(capacitance=np.array([100.0, 200.0, 300.0])), (3,), synapses)
    step = whole_step(near, parts, exactly=exactly)
    known = step.numbers(parts, 0.2)
    assert all(isinstance(x, np.ndarray) for x in jax.tree.leaves(known))
    rng = np.random.default_rng(2)
    weights = jax.tree.map(lambda x: rng.normal(size=x.shape), known)
    total = lambda parts, dt: sum(jax.tree.leaves(jax.tree.map(lambda x, w: (x * w).sum(), step.numbers(parts, dt), weights)))
    with jax.enable_x64(True):
        traced, gradients = jax.jit(lambda p, dt: (step.numbers(p, dt), jax.grad(total, argnums=(0, 1))(p, dt)))(
            jax.tree.map(lambda x: jnp.asarray(x, np.float64), parts), 0.2
        )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-14), known, traced)
    leaves, structure = jax.tree.flatten((parts, 0.2))
    for i, gradient in enumerate(jax.tree.leaves(gradients)):
        for j in np.ndindex(np.shape(leaves[i])):
            sides = []
            for sign in (1, -1):
                changed = [np.array(x, np.float64) for x in leaves]
                width = 1e-4 * max(1.0, abs(changed[i][j]))
                changed[i][j] += sign * width
                sides.append(float(total(*jax.tree.unflatten(structure, changed))))
            np.testing.assert_allclose(np.asarray(gradient)[j], (sides[0] - sides[1]) / (2 * width), rtol=1e-6, atol=1e-7)


# -- the test and the reset --------------------------------------------------------------------------


class WithTest(rv.NeuronModel):
    """A decay with one test or another."""

    threshold: rv.PerNeuron = rv.parameter(10.0)
    kind: str = "at least"

    def initial_state(self, n, key):
        return {"V": jnp.zeros(n), "w": jnp.zeros(n)}

    def derivatives(self, state, inputs, t):
        return {"V": inputs.offset - state["V"] - state["w"], "w": 0.1 * state["V"] - state["w"]}

    def spiked(self, before, after):
        b, a, limit = before["V"], after["V"], self.threshold
        return {
            "at least": lambda: a >= limit,
            "at most on the other side": lambda: limit <= a,
            "more": lambda: a > limit,
            "more, the other way round": lambda: limit < a,
            "either end": lambda: (b >= limit) | (a >= limit),
            "the larger, the other way round": lambda: limit <= jnp.maximum(a, b),
            "below": lambda: a <= -limit,
            "another variable": lambda: a >= limit + after["w"],
            "a crossing": lambda: (b < limit) & (a >= limit),
            "the ends of different things": lambda: jnp.maximum(b, a - after["w"]) >= limit,
            "a rise": lambda: a - b >= limit,
            "the start alone": lambda: b >= limit,
            "equal": lambda: a == limit,
            "a square": lambda: a**2 >= limit,
            "a magnitude": lambda: jnp.abs(a) >= limit,
            "never": lambda: jnp.zeros(a.shape, bool),
            "the larger of it and a constant": lambda: jnp.maximum(a, 2.0) >= limit,
            "two of one end": lambda: jnp.maximum(a, after["w"]) >= limit,
            "across neurons": lambda: a >= jnp.mean(a) + limit,
        }[self.kind]()

    def reset(self, state, spiked):
        return {"V": jnp.where(spiked, 0.0, state["V"])}


@pytest.mark.parametrize(
    "kind",
    [
        "at least",
        "at most on the other side",
        "more",
        "more, the other way round",
        "either end",
        "the larger, the other way round",
        "below",
        "another variable",
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_test_is_taken_over_to_the_last_bit(kind, dtype):
    threshold = 10.1
    near, parts = of(WithTest(threshold=threshold, kind=kind), (5,))
    step = whole_step(near, parts, exactly=True)
    assert isinstance(step, WholeStep)
    limit = dtype(-threshold if kind == "below" else threshold)
    edge = np.array([np.nextafter(limit, -np.inf), limit, np.nextafter(limit, np.inf), limit - 5, limit + 5], dtype)
    with jax.enable_x64(True):
        numbers = jax.tree.map(jnp.asarray, step.numbers(parts, 0.0, dtype))  # dt = 0: nothing moves
        variables = {"cells": {"V": jnp.asarray(edge), "w": jnp.zeros(5, dtype)}}
        _, _, fires = taken(near, step, numbers, variables, dtype(0.0), jnp.full(5, -100, jnp.int32))
        model = WithTest(threshold=dtype(threshold), kind=kind)
        expected = model.spiked(variables["cells"], variables["cells"])
    np.testing.assert_array_equal(fires, expected)
    assert step.equations.either_end == (kind in ("either end", "the larger, the other way round"))


@pytest.mark.parametrize("threshold", [0.0, -0.0, 5e-324, np.inf, -np.inf])
def test_more_than_zero_is_not_zero(threshold):
    near, parts = of(WithTest(threshold=threshold, kind="more"), (1,))
    step = whole_step(near, parts, exactly=True)
    (place,) = [p for p in (step.strict,) if p is not None]
    found = step.numbers(parts, 0.1)["coefficients"][0, place]
    assert found > threshold or threshold == np.inf
    assert abs(found) >= np.finfo(float).tiny  # whoever flushes smaller numbers to 0 must not take 0 for it


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("a crossing", "spiked joins comparisons with `&`, where the kernel takes one comparison with a threshold"),
        ("the ends of different things", "spiked compares different things before and after the step"),
        ("a rise", "spiked compares the variables at the two ends of the step with each other"),
        ("the start alone", "spiked looks at the variables before the step alone"),
        ("equal", "spiked compares with == where the kernel takes >="),
        ("a square", "spiked takes the square of V after"),
        ("a magnitude", "spiked takes abs of V after, where the kernel takes one comparison with a threshold"),
        ("never", "spiked does not depend on the variables, where the kernel takes one comparison with a threshold"),
        ("the larger of it and a constant", "spiked takes the larger of V after and another value"),
        ("two of one end", "spiked compares twice at one end of the step (w)"),
        (
            "across neurons",
            "spiked uses reduce_sum, which does not take neurons one by one, where the kernel takes one comparison with a threshold",
        ),
    ],
)
def test_another_test_says_why_not(kind, reason):
    assert whole_step(*of(WithTest(kind=kind)), exactly=True) == NotAffine(reason)


class Reset(rv.NeuronModel):
    """A decay with one reset or another."""

    jump: rv.PerNeuron = rv.parameter(2.0)
    kind: str = "where"

    def initial_state(self, n, key):
        return {"V": jnp.zeros(n), "w": jnp.zeros(n)}

    def derivatives(self, state, inputs, t):
        return {"V": -state["V"], "w": -state["w"]}

    def spiked(self, before, after):
        return after["V"] >= 1.0

    def reset(self, state, spiked):
        V, w = state["V"], state["w"]
        return {
            "where": lambda: {"V": jnp.where(spiked, -0.5 * V, V), "w": jnp.where(spiked, w + self.jump, w)},
            "arithmetic": lambda: {"V": V - 1.5 * V * spiked, "w": w + self.jump * spiked.astype(w.dtype)},
            "everyone": lambda: {"V": jnp.where(spiked, -0.5 * V, V), "w": w + self.jump},
            "a square": lambda: {"V": jnp.where(spiked, V**2, V)},
            "a product": lambda: {"V": jnp.where(spiked, V * w, V)},
            "a choice": lambda: {"V": jnp.where(spiked & (V > 0), 0.0, V)},
        }[self.kind]()


@pytest.mark.parametrize("kind", ["where", "arithmetic"])
def test_resets_are_read_however_they_are_written(kind):
    near, parts = of(Reset(kind=kind))
    step = whole_step(near, parts, exactly=True)
    assert step.equations.resets == ((0, LinearForm((0,))), (1, LinearForm((1,))))
    np.testing.assert_array_equal(step.numbers(parts, 0.1)["coefficients"][0, -4:], [0.0, -0.5, 2.0, 1.0])


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("everyone", "its reset changes neurons that did not spike, or cannot be seen not to"),
        ("a square", "the reset of V takes the square of V"),
        ("a product", "the reset of V multiplies V and w"),
        ("a choice", "the reset of V joins comparisons with `&`"),
    ],
)
def test_another_reset_says_why_not(kind, reason):
    assert whole_step(*of(Reset(kind=kind)), exactly=True) == NotAffine(reason)


@BOTH
@pytest.mark.parametrize(
    ("neuron", "reason"),
    [
        (rv.neurons.EscapeNoiseIntegrateAndFire(), "it spikes at random"),
        (rv.neurons.HodgkinHuxley(), "it has no reset"),
        (rv.neurons.NoisyIntegrateAndFire(), "white noise drives its variables"),
        (rv.neurons.Izhikevich2007(), "V's equation takes the square of V"),
        (rv.neurons.AdaptiveExponentialIntegrateAndFire(), "V's equation takes the smaller of V and another value"),
    ],
    ids=lambda x: type(x).__name__,
)
def test_neurons_whose_step_it_cannot_take_say_why(neuron, reason, exactly):
    assert whole_step(*of(neuron), exactly=exactly) == NotAffine(reason)


def test_what_the_kernel_has_no_room_for():
    many = [rv.synapses.AlphaCurrent(tau=1.0 + i) for i in range(6)]
    found = whole_step(*of(lif(), synapses=many), exactly=True)
    assert found == NotAffine("it has more than 12 variables, or more than 12 in one equation")


def test_a_voltage_dependent_conductance_is_no_exponential_euler_of_linear_forms():
    found = whole_step(*of(lif(), synapses=(rv.synapses.NMDA(),)), exactly=False)
    assert found == NotAffine("V's equation takes exp of V")


def test_no_refractory_period_holds_nothing():
    near, parts = of(lif())
    assert [m.held for m in whole_step(near, parts, exactly=True).equations.moving] == [True]
    never = dataclasses.replace(near, refractory=False)
    assert [m.held for m in whole_step(never, parts, exactly=True).equations.moving] == [False]
