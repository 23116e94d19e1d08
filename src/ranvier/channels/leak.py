"""The leak."""

from __future__ import annotations

import jax

from ranvier.channels.base import Gates, IonChannel
from ranvier.model import POSITIVE, PerNeuron, parameter


class Leak(IonChannel):
    """A conductance that is always open."""

    equations = "I = conductance * (V - reversal)"
    reference = "Hodgkin & Huxley 1952, J Physiol 117:500, eq. 6"

    conductance: PerNeuron = parameter(0.3, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-54.387, "mV", text="reversal potential")

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * (V - self.reversal)
