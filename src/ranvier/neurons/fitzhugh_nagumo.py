"""The caricature of an excitable membrane."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, crossed_upward
from ranvier.random import Key


class FitzHughNagumo(NeuronModel):
    """Two variables without dimension, a cubic and a line; one unit of its time is 1 ms.

    Rest is unstable, and the cell fires, where `V` there is between `−√(1 − b·epsilon)` and `+√(1 − b·epsilon)`.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(FitzHughNagumo(), current=[0.0, 0.5, 2.0], duration=400.0, dt=0.1)
        >>> (run.spikes.counts > 5).tolist()
        [False, True, False]
    """

    equations = """dV/dt = V - V^3/3 - w + I_input
dw/dt = epsilon (V + a - b w)"""
    reference = "FitzHugh 1961, Biophys J 1:445; Nagumo, Arimoto & Yoshizawa 1962, Proc IRE 50:2061"
    input_unit = "1"
    variable_units: ClassVar[dict[str, str]] = {}

    a: PerNeuron = parameter(0.7, text="offset of the recovery")
    b: PerNeuron = parameter(0.8, bounds=POSITIVE, text="decay of the recovery")
    epsilon: PerNeuron = parameter(0.08, "1/ms", POSITIVE, "speed of the recovery (1/c^2 of the paper)")
    threshold: PerNeuron = parameter(1.0, text="a spike is an upward crossing of this value of V")

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, -1.1994), "w": jnp.full(n, -0.6243)}  # rest without current

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, w = state["V"], state["w"]
        return {"V": V - V**3 / 3.0 - w + inputs.current(V), "w": self.epsilon * (V + self.a - self.b * w)}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return crossed_upward(before["V"], after["V"], self.threshold)
