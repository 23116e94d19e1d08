"""Durations as whole numbers of steps."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


def in_steps(duration: Any, dt: float, what: str) -> np.ndarray:
    """A duration (ms) as a whole number of steps, by rounding; it says so when it is not a multiple."""
    steps = np.rint(np.asarray(duration, np.float64) / dt)
    off = np.abs(steps * dt - duration) > 1e-6 * dt * np.maximum(1.0, steps)
    if np.any(off & np.isfinite(steps)):
        value = float(np.asarray(duration)[off].flat[0]) if np.ndim(duration) else float(duration)
        warnings.warn(
            f"{what} of {value:g} ms is not a multiple of dt = {dt:g} ms; it is rounded to {np.rint(value / dt) * dt:g} ms.", stacklevel=4
        )
    return steps.astype(np.int64)
