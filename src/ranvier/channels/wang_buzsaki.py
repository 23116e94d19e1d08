"""The channels of Wang & Buzsáki's hippocampal interneuron."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.channels.base import Gates, IonChannel, ratio_to_expm1, relax, sigmoid, steady
from ranvier.model import POSITIVE, PerNeuron, parameter

_SOURCE = "Wang & Buzsáki 1996, J Neurosci 16:6402"


class WangBuzsakiSodium(IonChannel):
    """Fast sodium, m³h, whose activation is always at its steady value."""

    equations = """I = conductance * m^3 * h * (V - reversal)
m = a_m/(a_m + b_m),  a_m = 0.1 (V + 35)/(1 - exp(-(V + 35)/10)),  b_m = 4 exp(-(V + 60)/18)
dh/dt = speed (a_h (1 - h) - b_h h),  a_h = 0.07 exp(-(V + 58)/20),  b_h = 1/(1 + exp(-(V + 28)/10))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(35.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(55.0, "mV", text="reversal potential")
    speed: PerNeuron = parameter(5.0, "1", POSITIVE, "temperature factor of the gate (the paper's phi)")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, jax.Array]:
        return 0.07 * jnp.exp(-(V + 58.0) / 20.0), sigmoid((V + 28.0) / 10.0)

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"h": steady(*self._rates(V))}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"h": relax(gates["h"], *self._rates(V), self.speed)}

    def open_conductance(self, gates: Gates, V: jax.Array) -> jax.Array:
        m = steady(ratio_to_expm1(-(V + 35.0) / 10.0), 4.0 * jnp.exp(-(V + 60.0) / 18.0))
        return self.conductance * m**3 * gates["h"]

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.open_conductance(gates, V) * (V - self.reversal)


class WangBuzsakiPotassium(IonChannel):
    """Delayed-rectifier potassium, n⁴."""

    equations = """I = conductance * n^4 * (V - reversal)
dn/dt = speed (a_n (1 - n) - b_n n),  a_n = 0.01 (V + 34)/(1 - exp(-(V + 34)/10)),  b_n = 0.125 exp(-(V + 44)/80)"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(9.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-90.0, "mV", text="reversal potential")
    speed: PerNeuron = parameter(5.0, "1", POSITIVE, "temperature factor of the gate (the paper's phi)")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, jax.Array]:
        return 0.1 * ratio_to_expm1(-(V + 34.0) / 10.0), 0.125 * jnp.exp(-(V + 44.0) / 80.0)

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"n": steady(*self._rates(V))}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"n": relax(gates["n"], *self._rates(V), self.speed)}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["n"] ** 4 * (V - self.reversal)
