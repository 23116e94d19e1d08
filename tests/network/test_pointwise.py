"""Functions of each neuron's own numbers by the native kernel: JAX's values, whatever stands beside them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ranvier as rv
from ranvier.kernels.dispatch import native_available
from ranvier.kernels.given_spikes import given_spikes
from ranvier.kernels.relaxation import relaxation
from ranvier.network.pointwise import computed, pointwise

pytestmark = pytest.mark.skipif(not native_available(), reason="there are no native kernels")

TOLERANCE = {"float64": 2e-15, "float32": 8e-7}  # some units in the last place
ONE = {
    "neg": jnp.negative,
    "abs": jnp.abs,
    "sign": jnp.sign,
    "floor": jnp.floor,
    "ceil": jnp.ceil,
    "round": jnp.round,
    "sqrt": lambda x: jnp.sqrt(jnp.abs(x)),
    "rsqrt": lambda x: jax.lax.rsqrt(jnp.abs(x) + 1),
    "exp": jnp.exp,
    "expm1": jnp.expm1,
    "log": lambda x: jnp.log(jnp.abs(x)),
    "log1p": lambda x: jnp.log1p(jnp.abs(x)),
    "tanh": jnp.tanh,
    "sin": jnp.sin,
    "cos": jnp.cos,
    "logistic": jax.nn.sigmoid,
    "relaxation": relaxation,
    "power": lambda x: x**-3 + x**4,
    "finite": lambda x: jnp.where(jnp.isfinite(x), x, 7.0),
    "whole": lambda x: jnp.round(x).astype(jnp.int32) * 3 % 5 + 2,
}
TWO = {
    "add": jnp.add,
    "sub": jnp.subtract,
    "mul": jnp.multiply,
    "div": jnp.divide,
    "max": jnp.maximum,
    "min": jnp.minimum,
    "pow": lambda x, y: jnp.abs(x) ** y,
    "atan2": jnp.arctan2,
    "where": lambda x, y: jnp.where((x < y) | (x == 1.0) & ~(y >= 0.5), x, y),
    "equal": lambda x, y: (x != y) == (x > y),
    "joined": lambda x, y: x * y + x,
}


def by_jax(function, *arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ranvier.network.pointwise.dispatch.native_available", lambda: False)
        return jax.jit(lambda *x: computed(function, *x))(*arguments)


def by_kernel(function, *arguments):
    text = str(jax.make_jaxpr(lambda *x: computed(function, *x))(*arguments))
    assert "ranvier.pointwise" in text
    return jax.jit(lambda *x: computed(function, *x))(*arguments)


def rows(n, dtype, seed=0):
    draws = np.random.default_rng(seed)
    return jnp.asarray(np.concatenate([[0.0, -0.0, 1.0][:n], draws.normal(0, 4, max(n - 3, 0))]), dtype)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_every_operation_is_jaxs(dtype):
    with jax.enable_x64(True):
        x, y, number = rows(1500, dtype), rows(1500, dtype, 1), jnp.asarray(0.7, dtype)
        all_of = lambda x, y, z: [*(f(x) for f in ONE.values()), *(f(a, b) for f in TWO.values() for a, b in ((x, y), (x, z), (z, y)))]
        names = [*ONE, *(f"{name} {which}" for name in TWO for which in ("rows", "row and number", "number and row"))]
        for name, a, b in zip(names, by_kernel(all_of, x, y, number), by_jax(all_of, x, y, number), strict=True):
            assert a.dtype == b.dtype
            if a.dtype in ("float32", "float64"):
                atol = 40 * TOLERANCE[dtype] if name in ("sin", "cos", "tanh") or name.startswith("joined") else 1e-37
                rtol = 1e4 * TOLERANCE[dtype] if name == "relaxation" else 4 * TOLERANCE[dtype]  # JAX's loses digits by e^z − 1
                np.testing.assert_allclose(a, b, rtol=rtol, atol=atol, err_msg=name)
            else:
                np.testing.assert_array_equal(a, b, err_msg=name)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_functions_at_their_ends(dtype):
    ends = [-np.inf, -1e30, -1000.0, -95.0, -0.5, -1e-8, 0.0, 1e-8, 0.5, 95.0, 1000.0, 1e30, np.inf, np.nan]
    with jax.enable_x64(True):
        x = jnp.asarray(ends, dtype)
        for name, function in (("exp", jnp.exp), ("maximum", lambda x: jnp.maximum(x, 0.5)), ("minimum", lambda x: jnp.minimum(0.5, x))):
            a, b = (np.asarray(by(function, x)) for by in (by_kernel, by_jax))
            np.testing.assert_allclose(a, b, rtol=4 * TOLERANCE[dtype], atol=1e-37 if dtype == "float32" else 1e-307, err_msg=name)
        for kind in (jnp.int32, jnp.int64):
            np.testing.assert_array_equal(by_kernel(lambda x, kind=kind: x.astype(kind), x), by_jax(lambda x, kind=kind: x.astype(kind), x))
        z = jnp.asarray([-700.0 if dtype == "float64" else -80.0, -1.0, -0.5, -1e-3, 0.0, 1e-9, 0.3, 2.0, np.nan], dtype)
        exact = np.where(np.asarray(z) == 0, 1.0, np.expm1(np.asarray(z, np.float64)) / np.where(np.asarray(z) == 0, 1.0, z))
        np.testing.assert_allclose(by_kernel(relaxation, z), exact, rtol=4 * TOLERANCE[dtype])


def a_step(state, gain):
    V, w = state
    after = V + 0.1 * (V * V * gain - w + jnp.exp(-gain)) / (1 + gain * gain)
    spikes = after >= 3.0
    return (jnp.where(spikes, -1.0, after), jnp.where(spikes, w + 1, w * 0.9)), spikes


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 3000), begin=st.integers(0, 2999), single=st.booleans())
def test_a_neuron_has_the_same_bits_whoever_stands_beside_it(n, begin, single):
    with jax.enable_x64(True):
        dtype, begin = jnp.float32 if single else jnp.float64, begin % n
        state, gain = (rows(n, dtype), rows(n, dtype, 1)), rows(n, dtype, 2)
        step = jax.jit(lambda state, gain: pointwise(a_step, state, gain))
        together, alone = step(state, gain), step(jax.tree.map(lambda x: x[begin : begin + 1], state), gain[begin])
        for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(alone), strict=True):
            np.testing.assert_array_equal(a[begin : begin + 1], b)


@pytest.mark.parametrize("n", [1, 700])
def test_side_by_side_is_one_after_the_other_and_derivatives_are_jaxs(n):
    with jax.enable_x64(True):
        state, gains = (rows(n, jnp.float64), rows(n, jnp.float64, 1)), jnp.array([0.1, 0.5, 2.0])
        step = lambda gain, state=state: pointwise(a_step, state, gain)
        together = jax.jit(jax.vmap(step))(gains)
        for i, gain in enumerate(gains):
            for a, b in zip(jax.tree.leaves(together), jax.tree.leaves(jax.jit(step)(gain)), strict=True):
                np.testing.assert_array_equal(a[i], b)
        loss = lambda step: lambda gain: sum(jnp.sum(x) for x in step(gain)[0])
        np.testing.assert_allclose(jax.grad(loss(step))(0.5), jax.grad(loss(lambda gain: a_step(state, gain)))(0.5), rtol=1e-12)


def test_what_it_cannot_do_is_left_to_jax():
    with jax.enable_x64(True):
        x = rows(50, jnp.float64)
        np.testing.assert_allclose(computed(lambda x: jnp.cumsum(x) * 2, x), np.cumsum(x) * 2, rtol=1e-12)
        # A sum over all, first; then what each element does with it.
        np.testing.assert_allclose(by_kernel(lambda x: x - jnp.sum(x), x), x - jnp.sum(x), rtol=1e-12)


def test_what_changes_places_or_stays_is_not_overwritten():
    with jax.enable_x64(True):
        a, b, c = rows(700, jnp.float64), rows(700, jnp.float64, 1), rows(700, jnp.float64, 2)
        moved = lambda x: ((x[1], x[0], x[2] + x[0]), x[0] * 2 + x[2])
        (x, y, z), w = jax.jit(lambda *x: pointwise(moved, x))(a, b, c)
        for found, expected in ((x, b), (y, a), (z, c + a), (w, a * 2 + c)):
            np.testing.assert_array_equal(found, expected)


NEURONS = {
    "AdEx": (rv.neurons.AdaptiveExponentialIntegrateAndFire(refractory=1.0), 900.0),
    "Izhikevich": (rv.neurons.Izhikevich2003(), 12.0),
    "quadratic": (rv.neurons.QuadraticIntegrateAndFire(), 300.0),
    "exponential": (rv.neurons.ExponentialIntegrateAndFire(), 500.0),
}


@pytest.mark.parametrize("integrator", [rv.ExponentialEuler(), rv.RungeKutta4()], ids=["ExponentialEuler", "RungeKutta4"])
@pytest.mark.parametrize("model", NEURONS)
def test_networks_of_neurons_that_are_not_linear_run_natively_as_xla_computes_them(model, integrator):
    neuron, current = NEURONS[model]
    cells = rv.Population(
        40, neuron, current=rv.stimuli.SquarePulse(current, start=2.0, stop=30.0), initial={"V": rv.normal(-68, 3)}, name="c"
    )
    wires = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(tau=3.0), rv.connect.pairwise_bernoulli(0.3), weight=2.0, delay=0.5)
    net = rv.Network(cells, wires)
    how = {"duration": 40.0, "dt": 0.05, "integrator": integrator, "seed": 2}
    assert rv.explain(net, dt=0.05, integrator=integrator).native
    native = rv.simulate(net, **how)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ranvier.network.pointwise.dispatch.native_available", lambda: False)
        rv.network.loop._programs.clear()
        by_xla = rv.simulate(net, **how)
    rv.network.loop._programs.clear()
    assert len(native.spikes) > 20
    np.testing.assert_array_equal(native.spikes.steps, by_xla.spikes.steps)
    np.testing.assert_array_equal(native.spikes.neurons, by_xla.spikes.neurons)
    for a, b in zip(jax.tree.leaves(native.state), jax.tree.leaves(by_xla.state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


def test_given_spikes_are_those_of_the_step():
    with jax.enable_x64(True):
        steps, neurons = jnp.array([0, 3, 3, 3, 9, 10**6, 10**6, 10**6]), jnp.array([1, 0, 2, 7, 1, 0, 0, 0], jnp.int32)
        for step, expected in ((0, [1]), (1, []), (3, [0, 2]), (9, [1]), (-1, [])):
            assert np.flatnonzero(given_spikes(steps, neurons, jnp.int64(step), 3, most=3)).tolist() == expected
        with pytest.raises(rv.ParameterError, match=r"given_spikes.*int64"):
            given_spikes(steps.astype(jnp.int32), neurons, jnp.int64(0), 3, most=3)
