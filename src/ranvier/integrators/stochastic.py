"""Methods for stochastic equations `dx = f(x, t) dt + g(x, t) dW`, each variable with its own noise.

Source: Kloeden & Platen, *Numerical Solution of Stochastic Differential
Equations* (1992): Euler–Maruyama 10.2, Milstein 10.3 and without a derivative
11.1. Heun: Rüemelin 1982, SIAM J Numer Anal 19:604.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import jax

from ranvier.integrators.base import Integrator, State


def normal_like(key: Any, state: State) -> State:
    """A standard normal number for every element of the state, each variable from a stream of its name (or as the key has it)."""
    if hasattr(key, "normal_like"):
        return key.normal_like(state)
    if hasattr(state, "dtype"):
        return key.normal(state)
    return jax.tree_util.tree_map_with_path(lambda path, leaf: key.child(jax.tree_util.keystr(path)).normal(leaf), state)


def _each(function: Any, state: State, *others: State) -> State:
    return function(state, *others) if hasattr(state, "dtype") else jax.tree.map(function, state, *others)


class StochasticIntegrator(Integrator):
    """Base of the stochastic methods, for a `StochasticSystem`.

    Attributes:
        order: of the error of means, distributions (weak).
        strong_order: of the error of one path.
        calculus: whether the equation is read in the sense of Itô or of Stratonovich.
    """

    needs = ("diffusion", "normal")
    order = 1
    strong_order: ClassVar[float]
    calculus: ClassVar[str]


@dataclass(frozen=True)
class EulerMaruyama(StochasticIntegrator):
    """`x + f h + g √h ξ`. Itô; strong order 0.5, weak order 1.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = rv.odeint(
        ...     lambda x, t: -x, np.zeros(2000), np.linspace(0, 5, 501),
        ...     integrator=rv.EulerMaruyama(), diffusion=lambda x, t: np.ones_like(x), seed=1,
        ... )
        >>> x[-1].var().round(1).item()
        0.5
    """

    strong_order = 0.5
    holds_current = True
    calculus = "Itô"

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)
        root = h**0.5
        return _each(
            lambda x, f, g, noise: x + (h * f + g * (root * noise)),
            state, system.rate(state, t), system.diffusion(state, t), normal_like(key, state),
        ), memory  # fmt: skip


@dataclass(frozen=True)
class StochasticHeun(StochasticIntegrator):
    """Heun's method with the noise held over both stages. Stratonovich; strong order 1, weak order 1.

    An Itô equation with noise that depends on the state has another solution here:
    subtract `½ g ∂g/∂x` from its rate first.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = rv.odeint(
        ...     lambda x, t: 0 * x, np.ones(4000), np.linspace(0, 1, 101),
        ...     integrator=rv.StochasticHeun(), diffusion=lambda x, t: 0.5 * x, seed=1,
        ... )
        >>> bool(abs(np.log(x[-1]).mean()) < 0.02)  # in the sense of Itô it would be −1/8
        True
    """

    strong_order = 1.0
    calculus = "Stratonovich"

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)
        root = h**0.5
        noise = _each(lambda xi: root * xi, normal_like(key, state))
        f, g = system.rate(state, t), system.diffusion(state, t)
        guess = _each(lambda x, f, g, dw: x + (h * f + g * dw), state, f, g, noise)
        f_end, g_end = system.rate(guess, t_next), system.diffusion(guess, t_next)
        return _each(
            lambda x, f, g, f_end, g_end, dw: x + 0.5 * (h * (f + f_end) + (g + g_end) * dw),
            state, f, g, f_end, g_end, noise,
        ), memory  # fmt: skip


@dataclass(frozen=True)
class Milstein(StochasticIntegrator):
    """Milstein's method, its derivative of `g` taken as a difference over `√h`. Itô; strong order 1, weak order 1.

    For noise in which the `g` of a variable depends on that variable alone.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> x = rv.odeint(
        ...     lambda x, t: 0 * x, np.ones(4000), np.linspace(0, 1, 101),
        ...     integrator=rv.Milstein(), diffusion=lambda x, t: 0.5 * x, seed=1,
        ... )
        >>> bool(abs(np.log(x[-1]).mean() + 1 / 8) < 0.02)
        True
    """

    strong_order = 1.0
    holds_current = True
    calculus = "Itô"

    def step(self, system: Any, state: State, memory: Any, t: Any, t_next: Any, key: Any = None) -> tuple[State, Any]:
        h = system.interval(t, t_next)
        root = h**0.5
        f, g = system.rate(state, t), system.diffusion(state, t)
        aside = system.diffusion(_each(lambda x, f, g: x + (h * f + root * g), state, f, g), t)
        return _each(
            lambda x, f, g, aside, xi: x + (h * f + g * (root * xi) + (aside - g) * (0.5 * root * (xi * xi - 1))),
            state, f, g, aside, normal_like(key, state),
        ), memory  # fmt: skip
