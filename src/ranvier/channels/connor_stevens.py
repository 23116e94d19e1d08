"""The channels of Connor & Stevens's crustacean axon."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.channels.base import Gates, IonChannel, ratio_to_expm1, relax, sigmoid, steady
from ranvier.model import POSITIVE, PerNeuron, parameter

_SOURCE = "Connor, Walter & McKown 1977, Biophys J 18:81; as in Dayan & Abbott 2001, Theoretical Neuroscience, section 6.7"


class ConnorStevensSodium(IonChannel):
    """Fast sodium, m³h."""

    equations = """I = conductance * m^3 * h * (V - reversal)
dm/dt = a_m (1 - m) - b_m m,  a_m = 0.38 (V + 29.7)/(1 - exp(-(V + 29.7)/10)),  b_m = 15.2 exp(-0.0556 (V + 54.7))
dh/dt = a_h (1 - h) - b_h h,  a_h = 0.266 exp(-0.05 (V + 48)),  b_h = 3.8/(1 + exp(-0.1 (V + 18)))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(120.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(55.0, "mV", text="reversal potential")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, ...]:
        return (
            3.8 * ratio_to_expm1(-(V + 29.7) / 10.0),
            15.2 * jnp.exp(-0.0556 * (V + 54.7)),
            0.266 * jnp.exp(-0.05 * (V + 48.0)),
            3.8 * sigmoid(0.1 * (V + 18.0)),
        )

    def initial_gates(self, V: jax.Array) -> Gates:
        am, bm, ah, bh = self._rates(V)
        return {"m": steady(am, bm), "h": steady(ah, bh)}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        am, bm, ah, bh = self._rates(V)
        return {"m": relax(gates["m"], am, bm), "h": relax(gates["h"], ah, bh)}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] ** 3 * gates["h"] * (V - self.reversal)


class ConnorStevensPotassium(IonChannel):
    """Delayed-rectifier potassium, n⁴."""

    equations = """I = conductance * n^4 * (V - reversal)
dn/dt = a_n (1 - n) - b_n n,  a_n = 0.02 (V + 45.7)/(1 - exp(-(V + 45.7)/10)),  b_n = 0.25 exp(-0.0125 (V + 55.7))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(20.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-72.0, "mV", text="reversal potential")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, jax.Array]:
        return 0.2 * ratio_to_expm1(-(V + 45.7) / 10.0), 0.25 * jnp.exp(-0.0125 * (V + 55.7))

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"n": steady(*self._rates(V))}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"n": relax(gates["n"], *self._rates(V))}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["n"] ** 4 * (V - self.reversal)


class ConnorStevensTransientPotassium(IonChannel):
    """The A current, a³b: it delays the spike, and so lets the cell fire as slowly as one likes."""

    equations = """I = conductance * a^3 * b * (V - reversal)
da/dt = (a0 - a)/tau_a,  a0 = (0.0761 exp(0.0314 (V + 94.22))/(1 + exp(0.0346 (V + 1.17))))^(1/3),
    tau_a = 0.3632 + 1.158/(1 + exp(0.0497 (V + 55.96)))
db/dt = (b0 - b)/tau_b,  b0 = (1 + exp(0.0688 (V + 53.3)))^-4,  tau_b = 1.24 + 2.678/(1 + exp(0.0624 (V + 50)))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(47.7, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-75.0, "mV", text="reversal potential")

    def initial_gates(self, V: jax.Array) -> Gates:
        opening = 0.0761 * jnp.exp(0.0314 * (V + 94.22)) * sigmoid(-0.0346 * (V + 1.17))
        return {"a": opening ** (1.0 / 3.0), "b": sigmoid(-0.0688 * (V + 53.3)) ** 4}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        target = self.initial_gates(V)
        tau_a = 0.3632 + 1.158 * sigmoid(-0.0497 * (V + 55.96))
        tau_b = 1.24 + 2.678 * sigmoid(-0.0624 * (V + 50.0))
        return {"a": (target["a"] - gates["a"]) / tau_a, "b": (target["b"] - gates["b"]) / tau_b}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["a"] ** 3 * gates["b"] * (V - self.reversal)
