"""Populations over sizes and forms of parameters."""

import numpy as np
import pint
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ranvier as rv
from ranvier.random import Key
from ranvier.steps import in_steps

sizes = st.integers(0, 5)
UNITS = pint.UnitRegistry()


def built(population):
    return rv.prepare(rv.Network(population), dt=0.1, seed=1)


@settings(max_examples=30)
@given(sizes, st.floats(-90.0, -40.0), st.sampled_from(["number", "list", "array", "distribution", "quantity"]))
def test_the_forms_of_initial_values(n, V, form):
    value = {
        "number": V,
        "list": [V] * n,
        "array": np.full(n, V),
        "distribution": rv.normal(V, 0.0),
        "quantity": UNITS.Quantity(V / 1000, "volt"),
    }[form]
    state = built(rv.Population(n, rv.neurons.Passive(), initial={"V": value})).state()
    assert state.neurons["passive"]["V"].shape == (n,)
    np.testing.assert_allclose(state.neurons["passive"]["V"], V, rtol=1e-12)


@settings(max_examples=40)
@given(sizes, st.integers(0, 5), st.sampled_from(["leak", "capacitance", "initial", "current"]))
def test_other_shapes_are_refused_with_the_right_one(n, m, where):
    values = np.ones(m)
    model = rv.neurons.Passive(**{where: values} if where in ("leak", "capacitance") else {})
    population = rv.Population(
        n, model, initial={"V": values} if where == "initial" else None, current=values if where == "current" else None
    )
    if m == n:
        built(population)
    else:
        with pytest.raises(rv.ParameterError, match=rf"\({m},\)"):
            built(population)


@settings(max_examples=25)
@given(sizes, st.floats(0.0, 5.0), st.floats(0.0, 2.0), st.integers(0, 2**40))
def test_drawn_parameters_do_not_depend_on_the_number_of_neurons(n, mean, sd, seed):
    """Neuron i draws the same whoever else is there."""
    leak = rv.normal(mean, sd, low=0.0)
    few, many = (rv.prepare(rv.Population(k, rv.neurons.Passive(leak=leak)), dt=0.1, seed=seed) for k in (n, n + 3))
    few, many = (sim.parameters["passive.leak"] for sim in (few, many))
    np.testing.assert_array_equal(few, many[:n])
    assert (many >= 0).all()


@given(st.floats(allow_nan=True, allow_infinity=True, width=64))
def test_a_parameter_out_of_its_bounds_is_refused(value):
    if value >= 0:
        assert rv.neurons.Passive(leak=value).leak == value
    else:
        with pytest.raises(rv.ParameterError, match=r"Passive\.leak"):
            rv.neurons.Passive(leak=value)


@given(st.integers(0, 10**9), st.sampled_from([0.01, 0.025, 0.1, 0.05]))
def test_a_multiple_of_dt_is_that_many_steps(steps, dt):
    assert in_steps(steps * dt, dt, "a duration") == steps


@given(st.integers(0, 1000), st.floats(0.1, 0.45) | st.floats(0.55, 0.9))
def test_other_durations_are_rounded_and_say_so(steps, part):
    with pytest.warns(UserWarning, match="is not a multiple of dt"):
        assert in_steps((steps + part) * 0.1, 0.1, "a duration") == np.rint(steps + part)


@given(st.integers(0, 2**64 - 1), st.text(max_size=8), st.integers(0, 50), st.integers(0, 20))
def test_draws_are_functions_of_their_index(seed, stream, start, n):
    key = Key(seed).child(stream)
    for draw in (key.uniform, key.normal):
        whole = draw(start + n)
        np.testing.assert_array_equal(whole[start:], draw(n, start))
        assert np.isfinite(whole).all()
    assert ((key.uniform(n) > 0) & (key.uniform(n) < 1)).all()


@settings(max_examples=8)
@given(st.sampled_from([0, 1, 3]), st.sampled_from(["double", "single"]), st.floats(-2.0, 2.0))
def test_a_run_of_a_passive_membrane_has_its_formula(n, precision, current):
    """For any number of neurons and current; the sizes are few, because each is compiled."""
    run = rv.simulate(rv.Population(n, rv.neurons.Passive(), current=current), duration=10.0, dt=0.1, precision=precision)
    t = run.V.time.values
    expected = -65.0 + current / 0.1 * (1 - np.exp(-0.1 * t))
    assert run.V.shape == (101, n)
    assert run.V.dtype == {"double": np.float64, "single": np.float32}[precision]
    np.testing.assert_allclose(run.V.values, np.broadcast_to(expected[:, None], (101, n)), atol={"double": 1e-8, "single": 2e-4}[precision])
