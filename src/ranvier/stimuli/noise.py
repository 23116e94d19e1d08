"""Random currents."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp

from ranvier.model import INPUT, POSITIVE, PerNeuron, parameter
from ranvier.stimuli.base import Stimulus


class WhiteNoise(Stimulus):
    """A mean current with Gaussian white noise, independent for every neuron.

    In a step of length `dt` the current is `mean + intensity / √dt · N(0, 1)`, the
    same at all stages of the integrator: in the limit of short steps the integral
    of the current over a time `T` has the standard deviation `intensity · √T`.

    Example:
        >>> import ranvier as rv
        >>> noisy = WhiteNoise(mean=90.0, intensity=200.0)
        >>> run = rv.simulate(rv.Population(500, rv.neurons.LeakyIntegrateAndFire()), current=noisy, duration=200.0, dt=0.1, seed=1)
        >>> bool(3 < run.spikes.rate.mean() < 30)  # the mean alone would stay below threshold
        True
    """

    equations = "I(t) = mean + intensity * white noise(t)"

    mean: PerNeuron = parameter(0.0, INPUT, text="mean current")
    intensity: PerNeuron = parameter(0.0, "1", POSITIVE, text="strength of the noise, in the current's unit times √ms")

    @property
    def piecewise_constant(self) -> bool:
        return True  # what is held over the step is noise, too

    def __call__(self, t: Any) -> Any:
        return jnp.asarray(self.mean)

    def noise(self, t: Any) -> Any:
        return self.intensity
