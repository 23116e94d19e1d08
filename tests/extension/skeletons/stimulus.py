"""A stimulus of your own: a current as a function of time."""

import jax.numpy as jnp
import numpy as np

import ranvier as rv


class Chirp(rv.Stimulus):
    """A sine whose frequency rises with time."""

    equations = "I(t) = amplitude * sin(2 pi (start + rise t/2) t)"

    amplitude: rv.PerNeuron = rv.parameter(1.0, "input", text="current at the peaks")  # the unit of the neurons' own input
    start: rv.PerNeuron = rv.parameter(0.001, "1/ms", text="frequency at time 0")
    rise: rv.PerNeuron = rv.parameter(1e-5, "1/ms^2", text="how fast the frequency rises")

    def __call__(self, t):
        return self.amplitude * jnp.sin(2 * np.pi * (self.start + self.rise * t / 2) * t)
