"""`Adaptive`, and fixed steps, against known solutions and SciPy."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from ranvier.errors import ParameterError, SimulationDiverged, UnsupportedError
from ranvier.odeint import Adaptive, Event, odeint

TIGHT = Adaptive(rtol=1e-9, atol=1e-11)


def oscillator(library):
    return lambda x, t: library.stack([x[1], -x[0]])


def test_harmonic_oscillator(adaptive_library):
    library = adaptive_library
    t = [0.0, 0.5, 0.5, 3.0, 10.0]
    x = odeint(oscillator(library), library.array([1.0, 0.0]), t, TIGHT)
    assert x.shape == (5, 2) and "float64" in str(x.dtype)
    np.testing.assert_allclose(library.numpy(x), np.stack([np.cos(t), -np.sin(t)], axis=1), atol=1e-7)


def test_pytree_save_and_precision(adaptive_library):
    library = adaptive_library
    y0 = {"x": library.array([1.0], "float32"), "v": (library.array(0.0, "float32"),)}
    f = lambda y, t, k: {"x": y["v"][0] + 0 * y["x"], "v": (-k * y["x"][0],)}
    x = odeint(f, y0, np.linspace(0, 1, 11), Adaptive(1e-5, 1e-6), args=(4.0,), save=lambda y, t: y["x"] * 2, save_every=5)
    assert "float32" in str(x.dtype)
    np.testing.assert_allclose(library.numpy(x)[:, 0], 2 * np.cos(2 * np.array([0, 0.5, 1.0])), atol=1e-4)
    assert odeint(f, y0, [3.0], Adaptive(), args=(4.0,))["x"].shape == (1, 1)


def van_der_pol(library, mu=200.0):
    return lambda x, t: library.stack([x[1], mu * (1 - x[0] * x[0]) * x[1] - x[0]])


def test_stiff_van_der_pol(adaptive_library):
    library = adaptive_library
    if library.name == "torch":
        with pytest.raises(UnsupportedError, match="no solver for stiff"):
            odeint(van_der_pol(library), library.array([2.0, 0.0]), [0.0, 1.0], Adaptive(stiff=True))
        return
    t = np.linspace(0, 300, 31)
    x = odeint(van_der_pol(library), library.array([2.0, 0.0]), t, Adaptive(1e-8, 1e-10, stiff=True))
    other = solve_ivp(lambda t, x: van_der_pol(np_library)(x, t), (0, 300), [2.0, 0.0], "LSODA", t_eval=t, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(library.numpy(x)[:, 0], other.y[0], atol=2e-4)


class np_library:
    stack = staticmethod(np.array)


def test_lorenz_against_scipy_and_its_invariants(library):
    def f(x, t):
        return library.stack([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    t = np.linspace(0, 3, 3001)
    x = library.numpy(odeint(f, library.array([1.0, 1.0, 1.0]), t))
    other = solve_ivp(
        lambda t, x: [10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]], (0, 3), [1.0] * 3, rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(x[-1], other.y[:, -1], atol=1e-6)
    # The divergence is −(10 + 1 + 8/3) everywhere: a small volume shrinks by e to that. And the z axis stays invariant.
    z = library.numpy(odeint(f, library.array([0.0, 0.0, 5.0]), t))
    assert (z[:, :2] == 0).all()
    np.testing.assert_allclose(z[:, 2], 5 * np.exp(-8 / 3 * t), rtol=1e-10)


def test_lorenz_volume_shrinks_at_the_rate_of_the_divergence():
    f = lambda x, t: np.stack([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])
    corners = np.array([1.0, 1.0, 1.0])[:, None] + 1e-6 * np.array([[0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    x = odeint(f, corners, np.linspace(0, 0.5, 2001))[-1]
    volume = np.linalg.det(x[:, 1:] - x[:, :1]) / 1e-18
    assert np.log(volume) == pytest.approx(-0.5 * (10 + 1 + 8 / 3), rel=1e-4)


def test_giving_up_is_an_error(adaptive_library):
    library = adaptive_library
    with pytest.raises(SimulationDiverged, match="gave up"):  # x = 1 / (1 − t) ends at t = 1
        odeint(lambda x, t: x * x, library.array([1.0]), [0.0, 2.0], Adaptive(max_steps=1000))


def test_tensorflow_is_refused():
    tf = pytest.importorskip("tensorflow", reason="an optional extra: pip install ranvier[tensorflow]")
    with pytest.raises(UnsupportedError, match="no adaptive solver"):
        odeint(lambda x, t: -x, tf.constant([1.0]), [0.0, 1.0], Adaptive())


def test_what_it_does_not_take():
    y0 = np.ones(1)
    with pytest.raises(UnsupportedError, match="does not take events"):
        odeint(lambda x, t: -x, y0, [0.0, 1.0], Adaptive(), events=Event(lambda y, t: y, lambda y, t, e: y))
    with pytest.raises(ParameterError, match=r"Adaptive\.rtol is 0"):
        Adaptive(rtol=0)
