"""Periodic currents."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ranvier.model import INPUT, POSITIVE, PerNeuron, parameter
from ranvier.stimuli.base import Stimulus


class Sine(Stimulus):
    """A current that swings around its mean.

    Example:
        >>> swing = Sine(mean=5.0, amplitude=2.0, frequency=10.0)
        >>> [round(float(swing(t)), 3) for t in (0.0, 25.0, 75.0)]
        [5.0, 7.0, 3.0]
    """

    equations = "I(t) = mean + amplitude * sin(2 pi * frequency * t + phase)"

    mean: PerNeuron = parameter(0.0, INPUT, text="mean current")
    amplitude: PerNeuron = parameter(1.0, INPUT, text="how far it swings")
    frequency: PerNeuron = parameter(10.0, "Hz", POSITIVE, "swings a second")
    phase: PerNeuron = parameter(0.0, "1", text="where in the swing it begins (radians)")

    def __call__(self, t: Any) -> Any:
        return self.mean + self.amplitude * jnp.sin(2 * jnp.pi * self.frequency * (t / 1000.0) + self.phase)
