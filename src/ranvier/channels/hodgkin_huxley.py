"""The channels of the squid giant axon."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.channels.base import Gates, IonChannel, ratio_to_expm1, relax, sigmoid, steady
from ranvier.model import POSITIVE, PerNeuron, parameter


class HodgkinHuxleySodium(IonChannel):
    """Fast sodium, m³h, at 6.3 °C; the potential shifted so that rest is at −65 mV."""

    equations = """I = conductance * m^3 * h * (V - reversal)
dm/dt = a_m (1 - m) - b_m m,  a_m = 0.1 (V + 40) / (1 - exp(-(V + 40)/10)),  b_m = 4 exp(-(V + 65)/18)
dh/dt = a_h (1 - h) - b_h h,  a_h = 0.07 exp(-(V + 65)/20),  b_h = 1 / (1 + exp(-(V + 35)/10))"""
    reference = "Hodgkin & Huxley 1952, J Physiol 117:500, eqs. 15-16, 20-24"

    conductance: PerNeuron = parameter(120.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(50.0, "mV", text="reversal potential")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, ...]:
        return (
            ratio_to_expm1(-(V + 40.0) / 10.0),
            4.0 * jnp.exp(-(V + 65.0) / 18.0),
            0.07 * jnp.exp(-(V + 65.0) / 20.0),
            sigmoid((V + 35.0) / 10.0),
        )

    def initial_gates(self, V: jax.Array) -> Gates:
        am, bm, ah, bh = self._rates(V)
        return {"m": steady(am, bm), "h": steady(ah, bh)}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        am, bm, ah, bh = self._rates(V)
        return {"m": relax(gates["m"], am, bm), "h": relax(gates["h"], ah, bh)}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] ** 3 * gates["h"] * (V - self.reversal)


class HodgkinHuxleyPotassium(IonChannel):
    """Delayed-rectifier potassium, n⁴, at 6.3 °C; rest at −65 mV."""

    equations = """I = conductance * n^4 * (V - reversal)
dn/dt = a_n (1 - n) - b_n n,  a_n = 0.01 (V + 55) / (1 - exp(-(V + 55)/10)),  b_n = 0.125 exp(-(V + 65)/80)"""
    reference = "Hodgkin & Huxley 1952, J Physiol 117:500, eqs. 7, 12-13"

    conductance: PerNeuron = parameter(36.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-77.0, "mV", text="reversal potential")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, jax.Array]:
        return 0.1 * ratio_to_expm1(-(V + 55.0) / 10.0), 0.125 * jnp.exp(-(V + 65.0) / 80.0)

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"n": steady(*self._rates(V))}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"n": relax(gates["n"], *self._rates(V))}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["n"] ** 4 * (V - self.reversal)
