"""Steps, pulses and ramps."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError, warn
from ranvier.model import INPUT, PerNeuron, parameter
from ranvier.stimuli.base import Stimulus, plain


class SquarePulse(Stimulus):
    """A current that is on from `start` until `stop`.

    It is on at `start` itself and off at `stop` itself.
    """

    equations = "I(t) = amplitude while start <= t < stop, else 0"

    amplitude: PerNeuron = parameter(1.0, INPUT, text="current while it is on")
    start: PerNeuron = parameter(0.0, "ms", text="first moment it is on")
    stop: PerNeuron = parameter(np.inf, "ms", text="first moment it is off again")

    def check_step(self, dt: float, what: str) -> None:
        length = np.asarray(self.stop, np.float64) - np.asarray(self.start, np.float64)
        short = (length > 0) & (length < dt * (1 - 1e-9))
        if short.any():
            shortest = float(length[short].min())
            warn(
                f"{what} is a pulse of {shortest:g} ms, which is shorter than dt = {dt:g} ms: a step sees the current at the times that "
                "its "
                f"method asks for alone, so all of the step's charge arrives or none. Take dt = {shortest:g} ms, or the same charge in "
                "a whole "
                f"step: {shortest / dt:.3g} of the amplitude for {dt:g} ms."
            )

    def __call__(self, t: Any) -> Any:
        return jnp.where((t >= self.start) & (t < self.stop), self.amplitude, 0.0)


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

    times: Any = parameter(unit="ms", text="when each value begins, ascending", per="sample")
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
                f"{what} has a value that holds for {lengths.min():g} ms, which is shorter than dt = {dt:g} ms: a step may not see it. "
                "Take a shorter dt, or the mean of the values over each step."
            )

    def __call__(self, t: Any) -> Any:
        values = jnp.concatenate([jnp.zeros(1), jnp.atleast_1d(self.values)])
        return values[jnp.searchsorted(jnp.atleast_1d(self.times), t, side="right")]
