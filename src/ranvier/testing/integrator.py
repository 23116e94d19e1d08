"""Checks of integrators."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.integrators.base import Integrator
from ranvier.integrators.runge_kutta import RungeKutta4
from ranvier.network.spec import Network, Population, Projection
from ranvier.network.state import SimulationState
from ranvier.network.step import Stepper
from ranvier.neurons.fitzhugh_nagumo import FitzHughNagumo
from ranvier.random import Key
from ranvier.simulate import simulate
from ranvier.simulation import prepare
from ranvier.synapses.gap_junction import GapJunction
from ranvier.synapses.kinetic import GradedGABA
from ranvier.testing.common import is_a, require

DURATION = 4.0
STEPS = (0.025, 0.0125)


@functools.cache
def coupled_network() -> Network:
    """Two populations without threshold effects: one driven in time, graded synapses between them, gap junctions within."""
    driven = Population(
        3,
        FitzHughNagumo(),
        current=lambda t: 0.5 + 0.4 * jnp.sin(0.9 * t),
        initial={"V": [-1.2, 0.1, 1.0], "w": [-0.6, 0.0, 0.3]},
        name="driven",
    )
    follower = Population(2, FitzHughNagumo(epsilon=0.2), current=0.3, initial={"V": [0.5, -1.0]}, name="follower")
    graded = GradedGABA(opening=1.0, closing=0.5, half_release=0.0, slope=0.5, reversal=-1.5)
    return Network(
        driven,
        follower,
        Projection(driven, [driven, follower], graded, np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0], [1, 1, 0], [0, 0, 1]]), weight=0.4),
        Projection(follower, driven, graded, np.ones((3, 2)), weight=0.2),
        Projection(driven, driven, GapJunction(), np.ones((3, 3)) - np.eye(3), weight=0.3),
        Projection(follower, follower, GapJunction(), np.array([[0, 1], [1, 0]]), weight=0.5),
    )


def _step_by_step(integrator: Integrator, dt: float) -> SimulationState:
    """A run without the compiled loop, for methods whose memory grows at first."""
    with jax.enable_x64(True):
        sim = prepare(coupled_network(), dt=dt, integrator=RungeKutta4())
        plan, (constants, _) = sim.layout.plan, sim.constants_of(sim.drawn)

        @jax.jit
        def step(constants: Any, state: Any) -> Any:
            return Stepper(plan, constants, integrator, packed=True).step(state)[0]

        stepper = Stepper(plan, constants, integrator, packed=True, outside=sim.layout.outside(sim.drawn))
        state = stepper.enter(sim.state())
        entered = jax.tree.map(jnp.asarray, state)
        state = dataclasses.replace(entered, memory=integrator.init(stepper.system(entered), entered.moving, 0.0))
        for _ in range(round(DURATION / dt)):
            state = step(constants, state)
        return stepper.leave(state)


def _end(integrator: Integrator, dt: float) -> np.ndarray:
    if integrator.startup_steps:
        state = _step_by_step(integrator, dt)
    else:
        state = simulate(coupled_network(), duration=DURATION, dt=dt, integrator=integrator).state
    return np.concatenate([x for part in (state.neurons, state.synapses) for variables in part.values() for x in variables.values()])


@functools.cache
def _reference() -> np.ndarray:
    return _end(RungeKutta4(), STEPS[1] / 8)


def measured_order(integrator: Integrator) -> float:
    """The order of convergence on a coupled network: how the error at the end falls as dt is halved.

    Two populations with graded synapses, gap junctions and a current that changes in time,
    against RK4 at an eighth of the smaller step.

    Example:
        >>> import ranvier as rv
        >>> round(measured_order(rv.Midpoint()))
        2
    """
    errors = [np.abs(_end(integrator, dt) - _reference()).max() for dt in STEPS]
    return float(np.log2(errors[0] / errors[1]))


def check_integrator(integrator: Integrator, *, tolerance: float = 0.25) -> None:
    """Checks an integrator.

    That it is a value (frozen, equal to its like, so that nothing compiles anew); that it
    asks for the equations at times within the step, its end bit for bit; that it keeps types
    and the structure of the state; that a constant rate is integrated exactly; and that it
    reaches its order on a coupled network (a method for stochastic equations: on an equation
    without noise).

    Args:
        integrator: the integrator.
        tolerance: how far the measured order may be from the stated one.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_integrator(rv.Heun())
    """
    is_a(integrator, Integrator, "integrator")
    name = type(integrator).__name__
    require(dataclasses.is_dataclass(integrator) and integrator.__dataclass_params__.frozen, f"{name} is not a frozen dataclass.")
    copy = dataclasses.replace(integrator)  # type: ignore[type-var]
    require(
        hash(integrator) == hash(copy) and integrator == copy,
        f"Two equal {name} do not compare equal.",
    )
    require(
        isinstance(getattr(integrator, "order", None), int) and integrator.order >= 1, f"{name} does not state its order: order = 1, say."
    )
    with jax.enable_x64(True):
        for dtype in ("float32", "float64"):
            for state in (jnp.ones(3, dtype), {"a": jnp.ones(2, dtype), "b": {"c": jnp.zeros((1, 2), dtype)}}, jnp.ones(0, dtype)):
                _check_step(integrator, state, dtype, name)
    measured = _order_without_noise(integrator) if "diffusion" in integrator.needs else measured_order(integrator)
    if "diffusion" in integrator.needs:
        require(
            measured > integrator.order - tolerance,
            f"{name} states the order {integrator.order}; without noise {measured:.2f} was measured.",
        )
    else:
        require(
            abs(measured - integrator.order) < tolerance, f"{name} states the order {integrator.order}, but {measured:.2f} was measured."
        )


class _Equations:
    """A system that keeps account of the times it is asked for."""

    array_library = jnp

    def __init__(self, function: Any):
        self.function = function
        self.times: list[float] = []

    def interval(self, t: Any, t_next: Any) -> Any:
        return t_next - t

    def rate(self, state: Any, t: Any) -> Any:
        self.times.append(float(t))
        return jax.tree.map(lambda x: self.function(x, t).astype(x.dtype), state)

    def rate_and_slope(self, state: Any, t: Any) -> tuple[Any, Any]:
        self.times.append(float(t))
        pairs = [jax.jvp(lambda x: self.function(x, t).astype(x.dtype), (x,), (jnp.ones_like(x),)) for x in jax.tree.leaves(state)]
        tree = jax.tree.structure(state)
        return jax.tree.unflatten(tree, [p[0] for p in pairs]), jax.tree.unflatten(tree, [p[1] for p in pairs])

    def diffusion(self, state: Any, t: Any) -> Any:
        return jax.tree.map(jnp.zeros_like, state)


def _steps(integrator: Integrator, system: _Equations, state: Any, times: Any) -> Any:
    memory = integrator.init(system, state, times[0])
    for k, (t, t_next) in enumerate(itertools.pairwise(times)):
        state, memory = integrator.step(system, state, memory, t, t_next, Key(0).at(k))
    return state


def _check_step(integrator: Integrator, state: Any, dtype: str, name: str) -> None:
    system = _Equations(lambda x, t: 0.0 * x + 2.0)
    # In doubles 0.2 + (0.7000000000000001 − 0.2) is not 0.7000000000000001, nor is 12·0.1 + 0.1 = 13·0.1.
    times = [k * 0.1 for k in (2, 7, 12, 13)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        after = _steps(integrator, system, state, times)
    same = jax.tree.structure(after) == jax.tree.structure(state)  # type: ignore[operator]
    require(same, f"{name}.step returns a state of another structure.")
    for x, y in zip(jax.tree.leaves(state), jax.tree.leaves(after), strict=True):
        require(y.dtype == x.dtype and y.shape == x.shape, f"{name}.step turns {x.dtype} {x.shape} into {y.dtype} {y.shape}.")
        exact = np.asarray(x) + 2.0 * (times[-1] - times[0])
        require(
            np.allclose(y, exact, rtol=1e-5 if dtype == "float32" else 1e-13),
            f"{name} does not integrate a constant rate exactly: {np.asarray(y)} for {exact}.",
        )
    for t in system.times:
        near = min(times, key=lambda end: abs(end - t))
        require(
            t == near or abs(t - near) > 1e-9, f"{name} asks for the end of a step at {t!r}; it is {near!r}. Use t_next itself, not t + h."
        )
        require(
            times[0] <= t <= times[-1],
            f"{name} asks for the equations at t = {t!r}, outside of the steps from {times[0]!r} to {times[-1]!r}.",
        )


def _order_without_noise(integrator: Integrator) -> float:
    system = _Equations(lambda x, t: -x * jnp.cos(t))
    with jax.enable_x64(True):
        errors = []
        for steps in (20, 40):
            times = np.linspace(0.0, 1.0, steps + 1)
            errors.append(abs(float(_steps(integrator, system, jnp.ones(1), times)[0]) - np.exp(-np.sin(1.0))))
    return float(np.log2(errors[0] / errors[1]))
