"""Days 1 and 2 as the published tutorial computed them (PSST; tests/reference).

Its results are equations × time on Day 1 and time × equations on Day 2; ours have time first.
NumPy agrees within 1e-12 of the largest value, the other libraries within 1e-9: they may
contract a·b + c, and Lorenz' equations multiply a difference by e⁹ over the stored span.
"""

import numpy as np
import pytest

from ranvier.integrators import Euler, RungeKutta4
from ranvier.odeint import odeint

METHODS = {"euler": Euler(), "rk4": RungeKutta4()}


def agree(ours, published, library):
    assert ours.shape == published.shape
    scale = np.abs(published).max()
    np.testing.assert_allclose(library.numpy(ours), published, rtol=0, atol=(1e-12 if library.name == "numpy" else 1e-9) * scale)


@pytest.mark.parametrize("method", METHODS)
def test_exponential_growth(library, day1, method):
    x = odeint(lambda x, t: 5 * x, library.array(1.0), day1["t"], METHODS[method])
    agree(x, day1[f"exp5_{method}"], library)


@pytest.mark.parametrize("method", METHODS)
def test_two_equations(library, day1, day2, method):
    def f(x, t):
        return library.stack([x[0] - x[1], x[1] - x[0]])

    agree(odeint(f, library.array([1.0, 0.0]), day1["t"], METHODS[method]), day1[f"vec2_{method}"].T, library)
    agree(odeint(f, library.array([1.0, 0.0]), day2["vec2_t"].tolist(), METHODS[method]), day2[f"vec2_{method}"], library)


def pendulum(library):
    return lambda x, t: library.stack([x[1], -9.81 * library.xp.sin(x[0])])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", ["dt0p1", "dt0p01"])
def test_pendulum(library, day1, method, case):
    x = odeint(pendulum(library), library.array(day1["pend_y0"]), day1[f"pend_t_{case}"], METHODS[method])
    agree(x, day1[f"pend_{method}_{case}"].T, library)


@pytest.mark.parametrize("method", METHODS)
def test_pendulum_with_small_steps_keeps_every_tenth_point(library, day1, method):
    x = odeint(pendulum(library), library.array(day1["pend_y0"]), np.arange(0, 10, 0.001), METHODS[method], save_every=10)
    agree(x, day1[f"pend_{method}_dt0p001"].T, library)


@pytest.mark.parametrize("method", METHODS)
def test_pendulum_from_far(library, day1, method):
    x = odeint(pendulum(library), library.array(day1["pend_large_y0"]), day1["pend_large_t"], METHODS[method])
    agree(x, day1[f"pend_large_{method}"].T, library)


@pytest.mark.parametrize("method", METHODS)
def test_uneven_times(library, day1, method):
    x = odeint(pendulum(library), library.array(day1["pend_y0"]), day1["nonuni_t"], METHODS[method])
    agree(x, day1[f"nonuni_pend_{method}"].T, library)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("start", ["A", "B"])
def test_lorenz(library, day2, method, start):
    def f(x, t):
        return library.stack([10 * (x[1] - x[0]), x[0] * (28 - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    x = odeint(f, library.array(day2[f"y0_{start}"]), day2["t"], METHODS[method])
    agree(x, day2[f"{method}_{start}"], library)


@pytest.mark.parametrize("method", METHODS)
def test_stage_times(library, day2, method):
    x = odeint(lambda x, t: library.xp.sin(x * t), library.array(day2["sinxt_x0"]), day2["sinxt_t"], METHODS[method])
    agree(x, day2[f"sinxt_{method}"], library)
