"""The caricature of a bursting cell."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, crossed_upward
from ranvier.random import Key


class HindmarshRose(NeuronModel):
    """Three variables without dimension: a fast pair that spikes, and a slow one that stops it; one unit of its time is 1 ms.

    The paper's `x` is `V` here. Without current it rests; it bursts at 2, irregularly at 3.25 with
    `speed=0.005`, and fires without pause at 4.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(HindmarshRose(), current=[0.0, 4.0], duration=500.0, dt=0.05)
        >>> (run.spikes.counts > 20).tolist()
        [False, True]
    """

    equations = """dV/dt = y - a V^3 + b V^2 - z + I_input
dy/dt = c - d V^2 - y
dz/dt = speed (adaptation (V - rest) - z)"""
    reference = "Hindmarsh & Rose 1984, Proc R Soc Lond B 221:87"
    input_unit = "1"
    variable_units: ClassVar[dict[str, str]] = {}

    a: PerNeuron = parameter(1.0, bounds=POSITIVE, text="cubic coefficient")
    b: PerNeuron = parameter(3.0, text="quadratic coefficient of V")
    c: PerNeuron = parameter(1.0, text="offset of y")
    d: PerNeuron = parameter(5.0, text="quadratic coefficient of y")
    speed: PerNeuron = parameter(0.001, "1/ms", POSITIVE, "speed of the adaptation (r)")
    adaptation: PerNeuron = parameter(4.0, text="strength of the adaptation (s)")
    rest: PerNeuron = parameter(-1.6, text="value of V at rest (x1)")
    threshold: PerNeuron = parameter(0.5, text="a spike is an upward crossing of this value of V")

    def initial_state(self, n: int, key: Key) -> NeuronState:
        V = jnp.full(n, self.rest)
        return {"V": V, "y": self.c - self.d * V**2, "z": jnp.zeros(n)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, y, z = state["V"], state["y"], state["z"]
        return {
            "V": y - self.a * V**3 + self.b * V**2 - z + inputs.current(V),
            "y": self.c - self.d * V**2 - y,
            "z": self.speed * (self.adaptation * (V - self.rest) - z),
        }

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return crossed_upward(before["V"], after["V"], self.threshold)
