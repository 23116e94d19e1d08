"""Steps, pulses and ramps."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError, UnsupportedError, warn
from ranvier.kernels.dispatch import place_among
from ranvier.model import INPUT, PerNeuron, parameter
from ranvier.stimuli.base import Stimulus, plain

ROUNDING = 1e-9
"""of a step: nearer to its end, a jump is at it"""


def whole(share: Any) -> Any:
    """A share of a step, but for rounding: 0 and 1 exactly where it is as good as that."""
    return jnp.where(share > 1 - ROUNDING, 1.0, jnp.where(share < ROUNDING, 0.0, share))


@jax.custom_jvp
def moment(t: Any) -> Any:
    """A time at which a current jumps, where it is compared with others: there is no derivative by it.

    Raises:
        UnsupportedError: somebody differentiates by it.
    """
    return t


@moment.defjvp
def _refuse(primals: Any, tangents: Any) -> Any:
    raise UnsupportedError(
        "There is no derivative by when a current jumps, as the method of its population asks for the current at certain times of a step "
        "alone. Take one that holds the current over a step at its mean, such as integrator=rv.ExponentialEuler(), or leave the time out "
        "of what is differentiated: rv.fit searches it with rv.fitting.CMAES(), which needs no derivative."
    )


@jax.custom_jvp
def share_on(start: Any, stop: Any, t: Any, t_next: Any) -> Any:
    """The share of a step from `t` to `t_next` that lies between two times. By each it has the derivative in the step in which it lies,
    at whose beginning it may be.

    Example:
        >>> float(share_on(1.0, 1.25, 1.0, 1.5)), float(jax.grad(share_on)(1.0, 1.25, 1.0, 1.5))
        (0.5, -2.0)
    """
    return whole(jnp.clip((jnp.minimum(stop, t_next) - jnp.maximum(start, t)) / (t_next - t), 0.0, 1.0))


def _within(at: Any, t: Any, t_next: Any) -> Any:
    """Whether a time is in a step, as only one step says, however `t` and `t_next` are rounded."""
    near = (t_next - t) * ROUNDING
    return (at >= t - near) & (at < t_next - near)


@share_on.defjvp
def _share_derivative(primals: Any, tangents: Any) -> Any:
    start, stop, t, t_next = primals
    moved = jnp.where(_within(stop, t, t_next), tangents[1], 0.0) - jnp.where(_within(start, t, t_next), tangents[0], 0.0)
    return share_on(*primals), moved / (t_next - t)


class SquarePulse(Stimulus):
    """A current that is on from `start` until `stop`.

    It is on at `start` itself and off at `stop` itself. A method that holds the current over a step takes
    the share of the step in which it is on, so that a pulse shorter than a step delivers its charge.

    Example:
        >>> pulse = SquarePulse(10.0, start=1.0, stop=1.03)
        >>> float(pulse(1.0)), round(float(pulse.average(1.0, 1.1)), 3)
        (10.0, 3.0)
    """

    equations = "I(t) = amplitude while start <= t < stop, else 0"

    amplitude: PerNeuron = parameter(1.0, INPUT, text="current while it is on")
    start: PerNeuron = parameter(0.0, "ms", text="first moment it is on", double=True)
    stop: PerNeuron = parameter(np.inf, "ms", text="first moment it is off again", double=True)

    def check_parameters(self) -> None:
        if np.any(np.asarray(self.stop) < np.asarray(self.start)):
            raise ParameterError(
                f"SquarePulse: it would be off again at {self.stop} ms, before it is on at {self.start} ms. stop is a moment, no duration."
            )

    def check_step(self, dt: float, what: str) -> None:
        length = np.asarray(self.stop, np.float64) - np.asarray(self.start, np.float64)
        short = (length > 0) & (length < dt * (1 - 1e-9))
        if short.any():
            shortest = float(length[short].min())
            warn(
                f"{what} is a pulse of {shortest:g} ms, which is shorter than dt = {dt:g} ms, and the method of its population asks for "
                "the current at certain times of a step alone: all of a step's charge arrives, some of it or none. Take "
                f"dt = {shortest:g} ms; or the same charge in a whole step, {shortest / dt:.3g} of the amplitude for {dt:g} ms; or a "
                "method that holds the current over a step at its mean, such as integrator=rv.ExponentialEuler()."
            )

    @property
    def piecewise_constant(self) -> bool:
        return True

    def __call__(self, t: Any) -> Any:
        return jnp.where((t >= moment(self.start)) & (t < moment(self.stop)), self.amplitude, 0.0)

    def average(self, t: Any, t_next: Any) -> Any:
        return share_on(*(jnp.asarray(x) for x in (self.start, self.stop)), t, t_next) * self.amplitude


class Ramp(Stimulus):
    """A current that goes linearly from one value to another, and stays there."""

    equations = "I(t) = initial before start, final after stop, linear between"

    initial: PerNeuron = parameter(0.0, INPUT, text="current before the ramp")
    final: PerNeuron = parameter(1.0, INPUT, text="current after the ramp")
    start: PerNeuron = parameter(0.0, "ms", text="when the ramp begins")
    stop: PerNeuron = parameter(100.0, "ms", text="when the ramp ends")

    def check_parameters(self) -> None:
        if np.any(np.asarray(self.stop) <= np.asarray(self.start)):
            raise ParameterError(f"Ramp: stop ({self.stop} ms) must be after start ({self.start} ms).")

    def __call__(self, t: Any) -> Any:
        part = jnp.clip((t - self.start) / (self.stop - self.start), 0.0, 1.0)
        return self.initial + (self.final - self.initial) * part


class Steps(Stimulus):
    """A staircase: the current takes each value at its time, and keeps it until the next.

    Example:
        >>> import numpy as np
        >>> stairs = Steps(times=[10.0, 20.0], values=[1.0, 3.0])
        >>> [float(stairs(t)) for t in (5.0, 10.0, 25.0)]
        [0.0, 1.0, 3.0]
    """

    equations = "I(t) = values[i] while times[i] <= t < times[i + 1]; 0 before times[0]"

    times: Any = parameter(unit="ms", text="when each value begins, ascending", per="sample", double=True)
    values: Any = parameter(unit=INPUT, text="the values, one a time", per="sample")

    def __post_init__(self) -> None:
        super().__post_init__()
        times, values = np.atleast_1d(self.times), np.atleast_1d(plain(self.values))
        if times.ndim != 1 or times.shape != values.shape or np.any(np.diff(times) <= 0):
            raise ParameterError(
                f"Steps: times (shape {times.shape}) must be ascending and one for each of the values (shape {values.shape})."
            )

    def check_step(self, dt: float, what: str) -> None:
        lengths = np.diff(np.atleast_1d(np.asarray(self.times, np.float64)))
        if (lengths < dt * (1 - 1e-9)).any():
            warn(
                f"{what} has a value that holds for {lengths.min():g} ms, which is shorter than dt = {dt:g} ms, and the method of its "
                "population asks for the current at certain times of a step alone: it may not see it. Take a shorter dt, or a method "
                "that holds the current over a step at its mean, such as integrator=rv.ExponentialEuler()."
            )

    @property
    def piecewise_constant(self) -> bool:
        return True

    def _values(self) -> Any:
        return jnp.concatenate([jnp.zeros(1), jnp.atleast_1d(self.values)])

    def __call__(self, t: Any) -> Any:
        return self._values()[place_among(jnp.atleast_1d(moment(self.times)), t, side="right")]

    def average(self, t: Any, t_next: Any) -> Any:
        return _mean_of_steps(jnp.atleast_1d(self.times), self._values(), t, t_next)


@jax.custom_jvp
def _mean_of_steps(times: Any, values: Any, t: Any, t_next: Any) -> Any:
    return _shares_of_steps(times, t, t_next)(values)


@_mean_of_steps.defjvp
def _mean_derivative(primals: Any, tangents: Any) -> Any:
    times, values, t, t_next = primals
    moved = jnp.where(_within(times, t, t_next), tangents[0], 0.0) @ (values[:-1] - values[1:]) / (t_next - t)
    return _mean_of_steps(*primals), _shares_of_steps(times, t, t_next)(tangents[1]) + moved


def _shares_of_steps(times: Any, t: Any, t_next: Any) -> Any:
    """What gives the mean over a step, of the values."""
    near = (t_next - t) * ROUNDING
    first, last = (place_among(times, at, side="right") for at in (t + near, t_next - near))
    edges = jnp.concatenate([jnp.full(1, -jnp.inf), times])
    # How long each value holds within the step: those between the first and the last hold to their ends.
    began, ends = jnp.maximum(edges, t), jnp.minimum(jnp.concatenate([times, jnp.full(1, jnp.inf)]), t_next)
    share = jnp.clip((ends - began) / (t_next - t), 0.0, 1.0)
    return lambda values: jnp.where(first == last, values[first], share @ values)
