"""What may be passed, what is refused, and what the refusal says."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ranvier import integrators
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.odeint import Event, odeint

from .libraries import LIBRARIES

decay = lambda x, t: -x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_shape_and_kind_are_kept(library, dtype):
    y0 = library.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], dtype)
    x = odeint(lambda x, t: -x * t, y0, [0, 0.25, 0.5])
    assert type(x) is type(y0) or library.name == "jax"
    assert tuple(x.shape) == (3, 2, 3) and x.dtype == y0.dtype
    assert (library.numpy(x)[0] == library.numpy(y0)).all()


def test_a_pytree_gives_the_same_as_its_arrays(library):
    def f(y, t):
        (x, v), _ = y["mass"], y["label"]
        return {"mass": (v, -x), "label": 0 * y["label"]}

    y0 = {"mass": (library.array([1.0, 2.0]), library.array([0.0, 0.0])), "label": library.array(5.0)}
    t = np.linspace(0, 1, 21)
    y = odeint(f, y0, t)
    assert set(y) == {"mass", "label"} and isinstance(y["mass"], tuple)
    assert tuple(y["mass"][0].shape) == (21, 2) and tuple(y["label"].shape) == (21,)
    flat = odeint(lambda x, t: library.stack([x[1], -x[0]]), library.array([[1.0, 2.0], [0.0, 0.0]]), t)
    np.testing.assert_allclose(library.numpy(y["mass"][0]), library.numpy(flat)[:, 0], rtol=1e-14)


@pytest.mark.parametrize("method", [integrators.RungeKutta4(), integrators.AdamsBashforth4()], ids=repr)
@pytest.mark.parametrize("points", [1, 2, 3, 5, 12])
def test_any_number_of_times_and_every_saving(library, method, points):
    t = np.linspace(0.0, 1.0, points)
    whole = library.numpy(odeint(decay, library.array([1.0]), t, method))
    assert whole.shape == (points, 1)
    for every in (1, 2, 4, 20):
        part = library.numpy(odeint(decay, library.array([1.0]), t, method, save_every=every))
        np.testing.assert_allclose(part, whole[::every], rtol=1e-14)


def test_save_keeps_what_it_returns(library):
    t = np.linspace(0, 1, 11)
    kept = odeint(decay, library.array([1.0, 2.0]), t, save=lambda y, t: {"sum": y[0] + y[1], "t": t + 0 * y[0]}, save_every=5)
    np.testing.assert_allclose(library.numpy(kept["t"]), [0, 0.5, 1], atol=1e-15)
    np.testing.assert_allclose(library.numpy(kept["sum"]), 3 * np.exp(-t[::5]), rtol=1e-6)


def test_arguments(library):
    f = lambda x, t, rate, power, scale: -rate["k"] * x**power * scale
    x = odeint(f, library.array([1.0]), np.linspace(0, 1, 101), args=({"k": 2.0}, 1, library.array([1.5])))
    np.testing.assert_allclose(library.numpy(x)[-1], np.exp(-3), rtol=1e-7)


def test_times_of_every_kind(library):
    t = [0.0, 0.5, 2.0]
    for times in (t, tuple(t), np.array(t), np.array([0, 1, 2]), library.array(t), library.array(t, "float32")):
        assert tuple(odeint(decay, library.array([1.0]), times).shape) == (3, 1)


def test_single_precision_steps_are_the_double_difference(library):
    # At t = 10⁶ the spacing of single precision is 0.06: differences of rounded times would be 0 or 0.0625.
    x = odeint(lambda x, t: 0 * x + 1, library.array([0.0], "float32"), 1e6 + np.arange(0, 11) * 0.01)
    np.testing.assert_allclose(library.numpy(x)[-1], 0.1, rtol=1e-5)


def test_complex_states_turn_round():
    x = odeint(lambda z, t: 1j * z, np.array([1.0 + 0j]), np.linspace(0, np.pi, 1001))
    np.testing.assert_allclose(x[-1], -1, atol=1e-10)
    x = odeint(lambda z, t: 1j * z, jnp.array([1.0 + 0j]), np.linspace(0, np.pi, 1001))
    assert x.dtype == jnp.complex64 and abs(x[-1] + 1)[0] < 1e-4


def test_integers_are_converted_and_it_says_so(library):
    y0 = [1, 2] if library.name == "numpy" else library.array([1, 2], "int32")
    with pytest.warns(UserWarning, match=r"y0 was int\d\d and is now float"):
        x = odeint(decay, y0, [0.0, 0.1])
    assert "float" in str(x.dtype)


def test_numbers_and_lists_are_numpy():
    assert odeint(decay, 1.0, [0.0, 0.1]).shape == (2,)
    assert odeint(lambda x, t: np.array([x[1], -x[0]]), [1.0, 0.0], [0.0, 0.1]).shape == (2, 2)


@pytest.mark.parametrize(
    ("t", "message"),
    [
        ([], "at least one time"),
        ([[0.0, 1.0]], r"shape \(1, 2\)"),
        ([0.0, 1.0, 0.5], r"decreases: t\[1\] is 1 and t\[2\] is 0.5"),
        ([0.0, np.nan], r"t\[1\] is nan"),
        ([0.0, np.inf], r"t\[1\] is inf"),
        ("now", "t is .now., but it must be numbers"),
        (3.0, "one row"),
    ],
)
def test_bad_times(library, t, message):
    with pytest.raises(ParameterError, match=message):
        odeint(decay, library.array([1.0]), t)


def test_bad_states():
    for y0, message in [
        ({}, "holds no array"),
        ("one", "a str"),
        ({"a": 1.0}, r"y0\['a'\] is a float.*np.array"),
        (np.array(["a"]), "a state is a number"),
        (np.array([None]), "a state is a number"),
        (np.ma.array([1.0, 2.0], mask=[True, False]), "a masked array"),
        ({"a": np.ones(1), "b": jnp.ones(1)}, r"y0\['a'\] is of NumPy and y0\['b'\] is of JAX"),
        ({"a": np.ones(1), "b": np.ones(1, "float32")}, "different precisions"),
    ]:
        with pytest.raises(ParameterError, match=message):
            odeint(decay, y0, [0.0, 1.0])


def test_what_f_returns_is_looked_at(library):
    y0 = library.array([1.0, 2.0])
    other = np.ones(2) if library.name != "numpy" else jnp.ones(2)
    for f, message in [
        (lambda x, t: x[:1], r"shape \(1,\), but y has \(2,\)"),
        (lambda x, t: [x[0], x[1]], r"f returned a list, but y is .* array of shape \(2,\).*return (np|jnp|torch|tf)\.(array|stack)"),
        (lambda x, t: None, "a NoneType"),
        (lambda x, t: other, "f returned a (NumPy|JAX) array"),
        (lambda x, t: library.array([1.0, 2.0], "float32"), "f returned float32, but y is float64"),
    ]:
        with pytest.raises(ParameterError, match=message):
            odeint(f, y0, [0.0, 0.1, 0.2])
    with pytest.raises(ParameterError, match="structure"):
        odeint(lambda y, t: {"b": y["a"]}, {"a": y0}, [0.0, 0.1])
    with pytest.raises(ParameterError, match=r"y\['a'\]"):
        odeint(lambda y, t: {"a": y["a"][:1]}, {"a": y0}, [0.0, 0.1])


@pytest.mark.parametrize("name", ["numpy", "torch"])
@pytest.mark.parametrize("method", [integrators.RungeKutta4(), integrators.AdamsBashforth2(), integrators.Euler()])
def test_arrays_that_f_writes_to(name, method):
    library = LIBRARIES[name]
    y0, times = library.array([1.0, 2.0]), np.arange(0.0, 1.0, 0.1)
    right, memory = odeint(decay, y0, times, method), library.array([0.0, 0.0])

    def into_one_memory(y, t):
        memory[:] = -y
        return memory

    assert np.array_equal(library.numpy(odeint(into_one_memory, y0, times, method)), library.numpy(right))
    assert np.array_equal(library.numpy(odeint(lambda y, t: into_one_memory(y, t)[:], y0, times, method)), library.numpy(right))

    def in_place(y, t):
        y *= 2
        return -y

    with pytest.raises(ParameterError, match="f changes y in place"):
        odeint(in_place, y0, times, method)
    with pytest.raises(ParameterError, match="f changes y in place"):
        odeint(lambda y, t: {"a": in_place(y["a"], t)}, {"a": y0}, times, method)
    assert np.array_equal(library.numpy(y0), [1.0, 2.0])


def test_arguments_of_another_library(library):
    other = LIBRARIES["numpy" if library.name != "numpy" else "jax"].array([1.0])
    with pytest.raises(ParameterError, match=r"args\[1\]\['k'\] is a (NumPy|JAX) array.*but y0 is of"):
        odeint(lambda x, t, *a: -x, library.array([1.0]), [0.0, 1.0], args=(1.0, {"k": other}))


def test_other_bad_arguments():
    y0, t = np.ones(1), [0.0, 1.0]
    noise = {"diffusion": lambda x, t: x}
    for kwargs, message in [
        ({"integrator": integrators.RungeKutta4}, r"Write RungeKutta4\(\)"),
        ({"integrator": "rk4"}, "'rk4', which is not a method"),
        ({"args": 3.0}, r"args=\(value,\)"),
        ({"save_every": 0}, "save_every is 0"),
        ({"save_every": 1.5}, "save_every is 1.5"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"events": [3]}, "rv.Event"),
        ({"integrator": integrators.EulerMaruyama()}, "give diffusion="),
        ({"integrator": integrators.Heun(), **noise}, "Heun is not for stochastic equations"),
        ({"integrator": integrators.AdamsBashforth2(), "events": Event(lambda y, t: y, lambda y, t, e: y)}, "remembers slopes"),
        ({"save": 3}, "save is a int"),
    ]:
        with pytest.raises((ParameterError, UnsupportedError), match=message):
            odeint(decay, y0, t, **kwargs)
    with pytest.raises(ParameterError, match="f is a NumPy array"):
        odeint(y0, y0, t)
    with pytest.raises(UnsupportedError, match=r"step of zero: t\[0\] and t\[1\]"):
        odeint(decay, y0, [1.0, 1.0, 2.0], integrators.AdamsBashforth2())


def test_a_method_of_the_user(library):
    @dataclasses.dataclass(frozen=True)
    class Kutta3(integrators.ExplicitRungeKutta):
        order = 3
        a = ((), (0.5,), (-1.0, 2.0))
        b = (1 / 6, 2 / 3, 1 / 6)
        c = (0.0, 0.5, 1.0)

    x = odeint(decay, library.array([1.0]), np.linspace(0, 1, 101), Kutta3())
    np.testing.assert_allclose(library.numpy(x)[-1], np.exp(-1), rtol=1e-6)


@settings(deadline=None, max_examples=25)
@given(
    steps=st.lists(st.floats(0, 0.1), max_size=12),
    start=st.floats(-10, 10),
    x0=st.lists(st.floats(-5, 5), min_size=1, max_size=3),
    every=st.integers(1, 4),
)
def test_numpy_and_jax_agree_on_any_times(steps, start, x0, every):
    t = start + np.cumsum([0.0, *steps])
    t = np.maximum.accumulate(t)
    a = odeint(lambda x, t: np.sin(x * t), np.array(x0), t, save_every=every)
    with jax.enable_x64(True):
        y0 = jnp.array(x0)
    b = odeint(lambda x, t: jnp.sin(x * t), y0, t, save_every=every)
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)
