"""What is taken for linear and what is not, above all where a derivative at a point would be fooled."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.network.linearity import Exact, NotAffine, adds_to, depends, exact, of_any_length
from ranvier.network.linearity.jaxprs import elementwise
from tests.network.linearity.neighbourhoods import matrix_of, of


def model(rate):
    """A model with one variable that its equation gives, and one that decays."""

    class Written(rv.NeuronModel):
        a: rv.PerNeuron = rv.parameter(0.7)
        b: rv.PerNeuron = rv.parameter(-1.3)

        def initial_state(self, n, key):
            return {"V": jnp.zeros(n), "w": jnp.zeros(n)}

        def derivatives(self, state, inputs, t):
            return {"V": rate(self, state["V"], state["w"], t), "w": -state["w"]}

    return Written()


LINEAR = {
    "a choice by a parameter": lambda m, V, w, t: jnp.where(m.a > 0, -m.a * V, w),
    "the other choice": lambda m, V, w, t: jnp.where(m.b > 0, -m.a * V, w) - V,
    "a clipped parameter": lambda m, V, w, t: -jnp.clip(m.a, 0.1, 0.5) * V,
    "the magnitude of a parameter": lambda m, V, w, t: -abs(m.b) * V + jnp.maximum(m.a, m.b) * w,
    "powers of parameters": lambda m, V, w, t: -(m.a**2) * V + m.b**3 + m.a**0.5 * w + m.a**-1,
    "functions of parameters": lambda m, V, w, t: -jnp.exp(m.a) * V + jnp.tanh(m.b) * w + jax.nn.sigmoid(m.a) + jax.nn.softplus(m.b),
    "a function with a rule of its own": lambda m, V, w, t: -jax.nn.relu(m.a) * V + jax.numpy.sinc(m.b) * w,
    "the first power": lambda m, V, w, t: V**1 * m.b + w**1.0,
    "the zeroth power": lambda m, V, w, t: V**0 * m.b,
    "brackets": lambda m, V, w, t: (V - w) * m.b - 2 * (V - (w - (3.0 - V))) / (m.a * 4),
    "a detour by another type": lambda m, V, w, t: V.astype(jnp.float64) * m.b + jnp.asarray(w, jnp.float64),
    "a compiled part": lambda m, V, w, t: jax.jit(lambda x, y: m.b * x + y)(V, w),
    "a checkpointed part": lambda m, V, w, t: jax.checkpoint(lambda x, y: m.b * x + y)(V, w),
    "a stopped gradient": lambda m, V, w, t: jax.lax.stop_gradient(V) * m.b + jax.lax.stop_gradient(m.a) * w,
    "what cancels": lambda m, V, w, t: V * V - V * V - V,
    "rounded parameters": lambda m, V, w, t: -jnp.ceil(m.a) * V + jnp.sign(m.b) * w + jnp.round(m.a) + (m.a > m.b) * w,
    "a constant for each neuron": lambda m, V, w, t: -V * np.linspace(1, 2, 5) + np.array([3.0]) * w,
    "nothing": lambda m, V, w, t: 0.0,
}


@pytest.mark.parametrize("case", LINEAR)
def test_linear_equations_however_they_are_written(case):
    near, parts = of(model(LINEAR[case]), (5,))
    found = exact(near, parts)
    assert isinstance(found, Exact), found
    numbers, expected = found.numbers(parts, 0.3), matrix_of(near, parts, 0.3)
    if case == "a stopped gradient":  # by differentiation it is none
        near_, parts_ = of(model(lambda m, V, w, t: V * m.b + m.a * w), (5,))
        expected = matrix_of(near_, parts_, 0.3)
    place = 0
    columns = [*near.names, "the current", "(constant)"]
    for name, terms in found.rows:
        row = np.zeros((5, len(columns)))
        for column in terms:
            row[:, columns.index(column)] = numbers["each"].get(str(place), numbers["coefficients"][0, place])
            place += 1
        np.testing.assert_allclose(row, expected[:, columns.index(name)], rtol=1e-13, atol=1e-15)


NOT_LINEAR = {
    "a choice by a variable": (lambda m, V, w, t: jnp.where(V > 0, -V, -2 * V), "V's equation chooses by a comparison of V"),
    "a choice between constants": (lambda m, V, w, t: jnp.where(V > 0, 1.0, 2.0), "V's equation chooses by a comparison of V"),
    "a choice by another": (lambda m, V, w, t: jnp.where(w > V, -V, 1.0), "V's equation chooses by a comparison of V and w"),
    "a magnitude": (lambda m, V, w, t: -jnp.abs(V), "V's equation takes abs of V"),
    "the larger": (lambda m, V, w, t: jnp.maximum(V, w), "V's equation takes the larger of V and w"),
    "the smaller": (lambda m, V, w, t: -jnp.minimum(V, m.a), "V's equation takes the smaller of V and another value"),
    "clipped": (lambda m, V, w, t: jnp.clip(V, -1, 1), "V's equation takes the larger of V and another value"),
    "clamped": (lambda m, V, w, t: jax.lax.clamp(-1.0, V, 1.0), "V's equation clips V"),
    "rounded": (lambda m, V, w, t: jnp.round(V), "V's equation takes round of V"),
    "rounded down": (lambda m, V, w, t: V - jnp.floor(w), "V's equation takes floor of w"),
    "a whole number": (lambda m, V, w, t: V.astype(jnp.int32) * 1.0, "V's equation rounds V"),
    "a sign": (lambda m, V, w, t: jnp.sign(V), "V's equation takes sign of V"),
    "a square": (lambda m, V, w, t: V**2, "V's equation takes the square of V"),
    "a square in disguise": (lambda m, V, w, t: V**2.0 - jnp.square(w), "V's equation takes the square of V"),
    "a cube": (lambda m, V, w, t: V**3 - V, "V's equation takes a power of V"),
    "an inverse": (lambda m, V, w, t: 1 / (V + 1), "V's equation divides by V"),
    "a negative power": (lambda m, V, w, t: (V + 1) ** -2, "V's equation takes a power of V"),
    "a power that is a parameter": (lambda m, V, w, t: V**m.a, "V's equation takes a power of V"),
    "a power that is a variable": (lambda m, V, w, t: m.a**V, "V's equation takes a power of V"),
    "a product": (lambda m, V, w, t: m.a * V * w, "V's equation multiplies V and w"),
    "three factors": (lambda m, V, w, t: V * w * V, "V's equation multiplies V and w"),
    "a product that happens to be zero": (lambda m, V, w, t: (m.a - 0.7) * V * w, "V's equation multiplies V and w"),
    "an exponential": (lambda m, V, w, t: jnp.exp(-V), "V's equation takes exp of V"),
    "flat at zero": (lambda m, V, w, t: jnp.exp(-1 / jnp.where(V == 0, 1.0, V) ** 2), "V's equation chooses by a comparison of V"),
    "the time": (lambda m, V, w, t: -V + t, "V's equation changes in time"),
    "a function of the time": (lambda m, V, w, t: -V * jnp.sin(t), "V's equation changes in time"),
    "a choice by the time": (lambda m, V, w, t: jnp.where(t > 3, -V, V), "V's equation changes in time"),
    "the mean": (lambda m, V, w, t: jnp.mean(V) - V, "V's equation uses reduce_sum, which does not take neurons one by one"),
    "neighbours": (lambda m, V, w, t: jnp.roll(V, 1) - V, "V's equation uses slice, which does not take neurons one by one"),
    "the order": (lambda m, V, w, t: jnp.sort(V) - V, "V's equation uses sort, which does not take neurons one by one"),
    "a matrix": (lambda m, V, w, t: np.eye(5) @ V, "V's equation reads an array of the shape [5, 5]"),
    "a number of the neuron": (lambda m, V, w, t: jnp.arange(5.0) - V, "V's equation uses iota, which does not take neurons one by one"),
    "a loop": (
        lambda m, V, w, t: jax.lax.fori_loop(0, 3, lambda i, x: 0.5 * x, V),
        "V's equation uses scan, which does not take neurons one by one",
    ),
}


@pytest.mark.parametrize("case", NOT_LINEAR)
def test_what_is_not_linear_is_refused_with_the_reason(case):
    rate, reason = NOT_LINEAR[case]
    assert exact(*of(model(rate), (5,))) == NotAffine(reason)


def test_structure_does_not_depend_on_values():
    for case in LINEAR:
        neuron = model(LINEAR[case])
        found = [exact(*of(type(neuron)(a=a, b=b), (5,))) for a, b in ((0.7, -1.3), (1.0, 0.0), (2.0, 5.0))]
        assert found[0] is found[1] is found[2]


def test_a_parameter_that_is_no_value_a_neuron_is_refused_where_it_is_used():
    class Tabled(rv.NeuronModel):
        table: rv.PerNeuron = rv.parameter(per="sample")
        use: bool = True

        def initial_state(self, n, key):
            return {"V": jnp.zeros(n)}

        def derivatives(self, state, inputs, t):
            return {"V": self.table[0] * state["V"] if self.use else -state["V"]}

    assert exact(*of(Tabled(table=[1.0, 2.0, 3.0]), (5,))).reason == "V's equation reads a parameter of the shape [3]"
    assert isinstance(exact(*of(Tabled(table=[1.0, 2.0, 3.0], use=False), (5,))), Exact)


def test_what_depends_on_what():
    traced = jax.make_jaxpr(lambda x, y, z: (x + jax.jit(lambda a, b: a * 2.0)(y, z), jnp.cos(2.0)))(1.0, 2.0, 3.0)
    assert depends(traced, {0}) and depends(traced, {1})
    assert not depends(traced, {2})  # it goes into a function that does nothing with it
    assert depends(traced, {1, 2}) and not depends(traced, set())


def test_what_takes_elements_one_by_one():
    trace = lambda f: jax.make_jaxpr(f)(jnp.zeros(3))
    assert elementwise(trace(lambda x: jax.jit(jnp.exp)(x) + 1))
    assert not elementwise(trace(lambda x: x - jax.jit(jnp.sum)(x)))
    assert not elementwise(trace(lambda x: x[::-1]))
    assert of_any_length(trace(lambda x: x * 2)) and not of_any_length(trace(lambda x: x * np.arange(3.0)))


def test_a_state_that_simply_adds_is_recognised():
    values = {"g": jnp.zeros(3), "x": jnp.zeros(3)}
    add = lambda receive: adds_to(receive, values, 3, np.float32)
    assert add(lambda s, x: {**s, "g": s["g"] + x}) == "g"
    assert add(lambda s, x: {**s, "g": x + s["g"]}) == "g"
    assert add(lambda s, x: {**s, "g": s["g"] + 2 * x}) is None
    assert add(lambda s, x: {**s, "g": s["g"] + x, "x": s["x"] + x}) is None
    assert add(lambda s, x: {**s, "g": x}) is None
