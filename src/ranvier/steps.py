"""Durations as whole numbers of steps."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier.errors import ParameterError, warn

MOST_STEPS = 2**53
"""The number of a step beyond which the time is no longer one step from the next."""


def in_steps(duration: Any, dt: float, what: str, *, for_ever: bool = False, least: int = 0) -> np.ndarray:
    """A duration (ms) as a whole number of steps, by rounding; it says so when it is not a multiple.

    Args:
        duration: a number or an array.
        dt: the step (ms).
        what: what it is, for the error and the warning.
        for_ever: whether one that is infinite, or too long to count, lasts `MOST_STEPS`;
            else it is refused.
        least: with fewer steps it is refused.

    Raises:
        ParameterError: too many steps to count, or too few.

    Example:
        >>> int(in_steps(np.inf, 0.1, "The refractory period", for_ever=True)) == MOST_STEPS
        True
        >>> in_steps(1e20, 0.1, "duration")
        Traceback (most recent call last):
        ranvier.errors.ParameterError: duration of 1e+20 ms is 1e+21 steps of dt = 0.1 ms, but a run can count up to 9.01e+15. Take a longer dt, or a shorter time.
    """  # noqa: E501
    duration = np.asarray(duration, np.float64)
    with np.errstate(over="ignore"):
        steps = np.rint(duration / dt)
    beyond = np.abs(steps) > MOST_STEPS
    if beyond.any() and not for_ever:
        value = float(duration[beyond].flat[0])
        raise ParameterError(
            f"{what} of {value:g} ms is {value / dt:.3g} steps of dt = {dt:g} ms, but a run can count up to {float(MOST_STEPS):.3g}. "
            "Take a longer dt, or a shorter time."
        )
    steps = np.where(beyond, np.copysign(MOST_STEPS, steps), steps)
    few = steps < least
    if least and few.any():
        value = float(duration[few].flat[0])
        raise ParameterError(f"{what} of {value:g} ms is shorter than dt = {dt:g} ms; it must be at least {least * dt:g} ms.")
    off = ~beyond & (np.abs(steps * dt - duration) > 1e-6 * dt * np.maximum(1.0, np.abs(steps)))
    if off.any():
        value = float(duration[off].flat[0])
        warn(f"{what} of {value:g} ms is not a multiple of dt = {dt:g} ms; it is rounded to {np.rint(value / dt) * dt:g} ms.")
    return steps.astype(np.int64)
