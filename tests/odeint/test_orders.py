"""Every method reaches its order, on every library, on even and uneven times."""

import numpy as np
import pytest

from ranvier import integrators
from ranvier.odeint import odeint

METHODS = [
    integrators.Euler(),
    integrators.Midpoint(),
    integrators.Heun(),
    integrators.Ralston(),
    integrators.RungeKutta4(),
    integrators.ThreeEighths(),
    integrators.AdamsBashforth2(),
    integrators.AdamsBashforth4(),
]


def forced(library):
    # x = sin(t) + e^(−t) x0: a wrong stage time would show
    return lambda x, t: -x + library.xp.sin(t + 0 * x) + library.xp.cos(t + 0 * x)


def solution(x0, t):
    return np.sin(t) + x0 * np.exp(-t)


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("grid", ["even", "uneven"])
def test_order(library, method, grid):
    errors = []
    for n in (20, 40, 80):
        s = np.linspace(0, 1, n + 1)
        t = 2 * (s if grid == "even" else s + 0.1 * np.sin(2 * np.pi * s))
        x = odeint(forced(library), library.array([1.0, 2.0]), t, method)
        errors.append(np.abs(library.numpy(x)[-1] - solution(np.array([1.0, 2.0]), 2.0)).max())
    slopes = np.log2(np.array(errors[:-1]) / errors[1:])
    assert slopes[-1] == pytest.approx(method.order, abs=0.25), errors


def test_exponential_euler_is_exact_for_linear_equations(library):
    rate = np.array([0.5, 30.0])
    if library.name != "jax":
        with pytest.raises(NotImplementedError, match=r"rate_and_slope.*Pass JAX arrays"):
            odeint(lambda x, t: -x, library.array([1.0]), [0.0, 1.0], integrators.ExponentialEuler())
        return
    x = odeint(
        lambda x, t, a: -a * x, library.array([1.0, 2.0]), [0.0, 0.1, 0.5], integrators.ExponentialEuler(), args=(library.array(rate),)
    )
    np.testing.assert_allclose(x[-1], [1.0, 2.0] * np.exp(-0.5 * rate), rtol=1e-11)


def test_every_integrator_of_the_package_is_tested_here():
    deterministic = {
        kind.__name__
        for kind in vars(integrators).values()
        if isinstance(kind, type) and issubclass(kind, integrators.Integrator) and hasattr(kind, "order")
        if not {"diffusion", "exact_step", "part"} & set(kind.needs)  # noise has orders of its own; networks alone have the others
    }
    assert deterministic == {type(m).__name__ for m in METHODS} | {"ExponentialEuler", "SplitEuler"}  # these by check_integrator
