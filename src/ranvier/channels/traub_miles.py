"""The channels of Traub & Miles, in the form that networks are benchmarked with."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.channels.base import Gates, IonChannel, ratio_to_expm1, relax, sigmoid, steady
from ranvier.model import POSITIVE, PerNeuron, parameter

_SOURCE = "Traub & Miles 1991, Neuronal Networks of the Hippocampus; as in Brette et al. 2007, J Comput Neurosci 23:349, benchmark 3"


class TraubMilesSodium(IonChannel):
    """Fast sodium, m³h; `shift` is the paper's V_T, which sets the spike threshold."""

    equations = """I = conductance * m^3 * h * (V - reversal);  v = V - shift
dm/dt = a_m (1 - m) - b_m m,  a_m = 0.32 (13 - v)/(exp((13 - v)/4) - 1),  b_m = 0.28 (v - 40)/(exp((v - 40)/5) - 1)
dh/dt = a_h (1 - h) - b_h h,  a_h = 0.128 exp((17 - v)/18),  b_h = 4/(1 + exp((40 - v)/5))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(100.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(50.0, "mV", text="reversal potential")
    shift: PerNeuron = parameter(-63.0, "mV", text="where the rates' potential has its zero (V_T)")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, ...]:
        v = V - self.shift
        return (
            1.28 * ratio_to_expm1((13.0 - v) / 4.0),
            1.4 * ratio_to_expm1((v - 40.0) / 5.0),
            0.128 * jnp.exp((17.0 - v) / 18.0),
            4.0 * sigmoid((v - 40.0) / 5.0),
        )

    def initial_gates(self, V: jax.Array) -> Gates:
        am, bm, ah, bh = self._rates(V)
        return {"m": steady(am, bm), "h": steady(ah, bh)}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        am, bm, ah, bh = self._rates(V)
        return {"m": relax(gates["m"], am, bm), "h": relax(gates["h"], ah, bh)}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] ** 3 * gates["h"] * (V - self.reversal)


class TraubMilesPotassium(IonChannel):
    """Delayed-rectifier potassium, n⁴; `shift` is the paper's V_T."""

    equations = """I = conductance * n^4 * (V - reversal);  v = V - shift
dn/dt = a_n (1 - n) - b_n n,  a_n = 0.032 (15 - v)/(exp((15 - v)/5) - 1),  b_n = 0.5 exp((10 - v)/40)"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(30.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-90.0, "mV", text="reversal potential")
    shift: PerNeuron = parameter(-63.0, "mV", text="where the rates' potential has its zero (V_T)")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, jax.Array]:
        v = V - self.shift
        return 0.16 * ratio_to_expm1((15.0 - v) / 5.0), 0.5 * jnp.exp((10.0 - v) / 40.0)

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"n": steady(*self._rates(V))}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"n": relax(gates["n"], *self._rates(V))}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["n"] ** 4 * (V - self.reversal)
