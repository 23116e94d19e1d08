"""The barnacle muscle fibre of Morris & Lecar."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.channels.base import sigmoid
from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, crossed_upward
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


class MorrisLecar(NeuronModel):
    """Calcium that follows the potential at once, potassium that follows it slowly: two variables.

    `hopf()`, the default parameters, and `saddle_node()` are the two that Rinzel & Ermentrout
    compare: as the current rises, the first begins to fire at a rate well above 0 (its rest is
    lost in a subcritical Hopf bifurcation), the second at rate 0 (in a saddle-node on an
    invariant circle).

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(MorrisLecar(), current=[85.0, 100.0], duration=1000.0, dt=0.1)
        >>> run.spikes.counts
        array([ 1, 12])
    """

    equations = """capacitance * dV/dt = I_input - I_calcium - I_potassium - I_leak
I_calcium = calcium m (V - calcium_reversal),  I_potassium = potassium w (V - potassium_reversal),  I_leak = leak (V - leak_reversal)
m = (1 + tanh((V - calcium_half)/calcium_slope))/2
dw/dt = speed (w0 - w) cosh((V - potassium_half)/(2 potassium_slope)),  w0 = (1 + tanh((V - potassium_half)/potassium_slope))/2"""
    reference = """Morris & Lecar 1981, Biophys J 35:193
Rinzel & Ermentrout 1998, in Koch & Segev (eds.), Methods in Neuronal Modeling, chapter 7: the parameters"""

    capacitance: PerNeuron = parameter(20.0, "uF/cm^2", _LARGER_THAN_0, "membrane capacitance")
    calcium: PerNeuron = parameter(4.4, "mS/cm^2", POSITIVE, "maximal conductance of calcium")
    potassium: PerNeuron = parameter(8.0, "mS/cm^2", POSITIVE, "maximal conductance of potassium")
    leak: PerNeuron = parameter(2.0, "mS/cm^2", POSITIVE, "leak conductance")
    calcium_reversal: PerNeuron = parameter(120.0, "mV", text="reversal potential of calcium")
    potassium_reversal: PerNeuron = parameter(-84.0, "mV", text="reversal potential of potassium")
    leak_reversal: PerNeuron = parameter(-60.0, "mV", text="reversal potential of the leak")
    calcium_half: PerNeuron = parameter(-1.2, "mV", text="potential at which half the calcium channels are open (V1)")
    calcium_slope: PerNeuron = parameter(18.0, "mV", _LARGER_THAN_0, "over which they open (V2)")
    potassium_half: PerNeuron = parameter(2.0, "mV", text="potential at which half the potassium channels are open (V3)")
    potassium_slope: PerNeuron = parameter(30.0, "mV", _LARGER_THAN_0, "over which they open (V4)")
    speed: PerNeuron = parameter(0.04, "1/ms", POSITIVE, "smallest rate of the potassium gate (phi)")
    threshold: PerNeuron = parameter(0.0, "mV", text="a spike is an upward crossing of this potential")
    initial_potential: PerNeuron = parameter(-60.0, "mV", text="potential at the start, the gate at rest there", at_start=True)

    @classmethod
    def hopf(cls) -> MorrisLecar:
        """Type II: rest is lost at 93.86 µA/cm² in a Hopf bifurcation (figures 1 to 3 of the chapter)."""
        return cls()

    @classmethod
    def saddle_node(cls) -> MorrisLecar:
        """Type I: rest is lost at 39.96 µA/cm² in a saddle-node bifurcation (figures 4 to 6)."""
        return cls(calcium=4.0, potassium_half=12.0, potassium_slope=17.4, speed=1.0 / 15.0)

    def _open(self, V: jax.Array) -> jax.Array:
        return sigmoid(2.0 * (V - self.potassium_half) / self.potassium_slope)  # (1 + tanh x)/2

    def initial_state(self, n: int, key: Key) -> NeuronState:
        V = jnp.full(n, self.initial_potential)
        return {"V": V, "w": self._open(V)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, w = state["V"], state["w"]
        m = sigmoid(2.0 * (V - self.calcium_half) / self.calcium_slope)
        ionic = (
            self.calcium * m * (V - self.calcium_reversal)
            + self.potassium * w * (V - self.potassium_reversal)
            + self.leak * (V - self.leak_reversal)
        )
        rate = self.speed * jnp.cosh((V - self.potassium_half) / (2.0 * self.potassium_slope))
        return {"V": (inputs.current(V) - ionic) / self.capacitance, "w": rate * (self._open(V) - w)}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return crossed_upward(before["V"], after["V"], self.threshold)
