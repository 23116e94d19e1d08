"""The stochastic methods: the same path on every library, strong and weak order, the calculus."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.integrators import EulerMaruyama, Milstein, StochasticHeun
from ranvier.odeint import odeint
from ranvier.odeint.problem import NOISE
from ranvier.random import Key

METHODS = [EulerMaruyama(), StochasticHeun(), Milstein()]


@pytest.mark.parametrize("method", METHODS, ids=repr)
@pytest.mark.parametrize("seed", [1, 2**40 + 7])
def test_the_same_path_on_every_library(library, method, seed):
    def solve(xp, y0):
        return odeint(
            lambda y, t: {"v": y["x"] - y["v"], "x": -y["x"]},
            y0,
            np.linspace(0, 1, 41),
            method,
            diffusion=lambda y, t: {"v": 0.2 * y["v"], "x": 0.3 * y["x"]},
            seed=seed,
            save_every=5,
        )

    x, v = [[1.0, 2.0], [3.0, 4.0]], [[0.0, 0.5], [1.0, 1.0]]
    ours = solve(library.xp, {"x": library.array(x), "v": library.array(v)})
    numpy = solve(np, {"x": np.array(x), "v": np.array(v)})
    for name in ("x", "v"):
        np.testing.assert_allclose(library.numpy(ours[name]), numpy[name], rtol=1e-12)
    other = odeint(lambda x, t: -x, library.array([1.0]), [0.0, 0.1], method, diffusion=lambda x, t: x, seed=seed + 1)
    assert library.numpy(other)[-1] != odeint(lambda x, t: -x, np.ones(1), [0.0, 0.1], method, diffusion=lambda x, t: x, seed=seed)[-1]


def noise_of(seed, n, steps):
    """The numbers that a run draws: so that its own Brownian path is known."""
    key = Key(seed, NOISE.stream)
    return np.stack([key.at(k).normal(np.zeros(n)) for k in range(steps)])


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_strong_order(method):
    # dx = a x dt + b x dW has the solution x0 exp(c T + b W), c = a − b²/2 (Itô) or a (Stratonovich).
    a, b, n = 0.5, 0.8, 1000
    c = a - b * b / 2 if method.calculus == "Itô" else a
    steps, errors = (16, 32, 64, 128, 256), []
    for m in steps:
        x = odeint(lambda x, t: a * x, np.ones(n), np.linspace(0, 1, m + 1), method, diffusion=lambda x, t: b * x, seed=3)
        path = np.sqrt(1 / m) * noise_of(3, n, m).sum(axis=0)
        errors.append(np.abs(x[-1] - np.exp(c + b * path)).mean())
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(method.strong_order, abs=0.15), errors


@pytest.mark.parametrize("method", METHODS, ids=repr)
def test_weak_order(method):
    # The error of the mean of x, with the part that is chance taken out by the exact solution on the same path.
    a, b, n = 1.5, 0.3, 20_000
    c = a - b * b / 2 if method.calculus == "Itô" else a
    steps, errors = (16, 32, 64, 128), []
    with jax.enable_x64(True):
        for m in steps:
            x = odeint(lambda x, t: a * x, jnp.ones(n), np.linspace(0, 1, m + 1), method, diffusion=lambda x, t: b * x, seed=5)
            path = np.sqrt(1 / m) * noise_of(5, n, m).sum(axis=0)
            errors.append(abs(float((np.asarray(x[-1]) - np.exp(c + b * path)).mean())))
    slope = -np.polyfit(np.log(steps), np.log(errors), 1)[0]
    # Heun's drift is second order, which shows while the noise is small
    assert slope > method.order - 0.1, errors


def test_the_ornstein_uhlenbeck_process_has_its_variance_and_correlation():
    f, g = (lambda x, t: -x / 5.0), (lambda x, t: 0 * x + 0.4)
    x = odeint(f, np.zeros(20_000), np.arange(0, 40, 0.1), EulerMaruyama(), diffusion=g, seed=1, save_every=50)
    variance = 0.4**2 * 5 / 2
    assert x[-1].var() == pytest.approx(variance, rel=0.04)
    assert (x[-1] * x[-2]).mean() / variance == pytest.approx(np.exp(-1), abs=0.03)


def test_jax_vmap_over_seeds():
    def solve(seed):
        return odeint(lambda x, t: -x, jnp.ones(3), [0.0, 0.1, 0.2], EulerMaruyama(), diffusion=lambda x, t: x, seed=seed)

    batch = jax.vmap(solve)(jnp.arange(4))
    for seed in range(4):
        np.testing.assert_allclose(batch[seed], solve(seed), rtol=1e-6)
