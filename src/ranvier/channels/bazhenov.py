"""The channels of the locust antennal lobe, as PSST has them.

Bazhenov et al. 2001 (Neuron 30:553 and 30:569) built the projection and local
neurons from these; the rates and temperature factors here are those that the
code of Mohanta & Assisi 2019 (PSST, Days 3 to 6) computes.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.channels.base import Gates, IonChannel, IonPool, ratio_to_expm1, relax, sigmoid, steady
from ranvier.model import POSITIVE, PerNeuron, parameter

_SOURCE = "Bazhenov et al. 2001, Neuron 30:553; rates as in Mohanta & Assisi 2019 (PSST)"


class BazhenovSodium(IonChannel):
    """Fast sodium, m³h (after Traub & Miles 1991)."""

    equations = """I = conductance * m^3 * h * (V - reversal);  v = V + 50
dm/dt = speed (a_m (1 - m) - b_m m),  a_m = 0.32 (13 - v)/(exp((13 - v)/4) - 1),  b_m = 0.28 (v - 40)/(exp((v - 40)/5) - 1)
dh/dt = speed (a_h (1 - h) - b_h h),  a_h = 0.128 exp((17 - v)/18),  b_h = 4/(exp((40 - v)/5) + 1)"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(100.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(50.0, "mV", text="reversal potential")
    speed: PerNeuron = parameter(3.0 ** ((22 - 36) / 10), "1", POSITIVE, "temperature factor of the gates")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, ...]:
        v = V + 50.0
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
        return {"m": relax(gates["m"], am, bm, self.speed), "h": relax(gates["h"], ah, bh, self.speed)}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] ** 3 * gates["h"] * (V - self.reversal)


class BazhenovPotassium(IonChannel):
    """Delayed-rectifier potassium, n⁴ (after Traub & Miles 1991)."""

    equations = """I = conductance * n^4 * (V - reversal);  v = V + 50
dn/dt = speed (a_n (1 - n) - b_n n),  a_n = 0.02 (15 - v)/(exp((15 - v)/5) - 1),  b_n = 0.5 exp((10 - v)/40)"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(10.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-95.0, "mV", text="reversal potential")
    speed: PerNeuron = parameter(3.0 ** ((22 - 36) / 10), "1", POSITIVE, "temperature factor of the gate")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, jax.Array]:
        v = V + 50.0
        return 0.1 * ratio_to_expm1((15.0 - v) / 5.0), 0.5 * jnp.exp((10.0 - v) / 40.0)

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"n": steady(*self._rates(V))}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"n": relax(gates["n"], *self._rates(V), self.speed)}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["n"] ** 4 * (V - self.reversal)


class TransientPotassium(IonChannel):
    """The A current of the projection neurons, m⁴h (Huguenard et al. 1991)."""

    equations = """I = conductance * m^4 * h * (V - reversal)
dm/dt = (m0 - m)/tau_m,  m0 = 1/(1 + exp(-(V + 60)/8.5)),
    tau_m = 1/(exp((V + 35.82)/19.69) + exp(-(V + 79.69)/12.7) + 0.37)/speed
dh/dt = (h0 - h)/tau_h,  h0 = 1/(1 + exp((V + 78)/6)),
    tau_h = 1/(exp((V + 46.05)/5) + exp(-(V + 238.4)/37.45))/speed below -63 mV, 19/speed above"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(10.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-95.0, "mV", text="reversal potential")
    speed: PerNeuron = parameter(3.0 ** ((36 - 23.5) / 10), "1", POSITIVE, "temperature factor of the gates")

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"m": sigmoid((V + 60.0) / 8.5), "h": sigmoid(-(V + 78.0) / 6.0)}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        target = self.initial_gates(V)
        rate_m = jnp.exp((V + 35.82) / 19.69) + jnp.exp(-(V + 79.69) / 12.7) + 0.37
        rate_h = jnp.where(V < -63.0, jnp.exp((V + 46.05) / 5.0) + jnp.exp(-(V + 238.4) / 37.45), 1.0 / 19.0)
        return {
            "m": self.speed * rate_m * (target["m"] - gates["m"]),
            "h": self.speed * rate_h * (target["h"] - gates["h"]),
        }

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] ** 4 * gates["h"] * (V - self.reversal)


class BazhenovCalcium(IonChannel):
    """Calcium of the local neurons, m²h; feeds the pool named `calcium`."""

    equations = """I = conductance * m^2 * h * (V - reversal)
dm/dt = (m0 - m)/1.5,  m0 = 1/(1 + exp(-(V + 20)/6.5))
dh/dt = (h0 - h)/tau_h,  h0 = 1/(1 + exp((V + 25)/12)),  tau_h = 0.3 exp((V - 40)/13) + 0.002 exp((60 - V)/29)"""
    reference = _SOURCE
    carries = "calcium"

    conductance: PerNeuron = parameter(3.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(140.0, "mV", text="reversal potential")

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"m": sigmoid((V + 20.0) / 6.5), "h": sigmoid(-(V + 25.0) / 12.0)}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        target = self.initial_gates(V)
        tau_h = 0.3 * jnp.exp((V - 40.0) / 13.0) + 0.002 * jnp.exp((60.0 - V) / 29.0)
        return {"m": (target["m"] - gates["m"]) / 1.5, "h": (target["h"] - gates["h"]) / tau_h}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] ** 2 * gates["h"] * (V - self.reversal)


class CalciumActivatedPotassium(IonChannel):
    """Potassium opened by calcium; reads the pool named `calcium` (mM)."""

    equations = """I = conductance * m * (V - reversal)
dm/dt = speed (a (1 - m) - b m),  a = 0.01 calcium,  b = 0.02"""
    reference = _SOURCE
    reads = ("calcium",)

    conductance: PerNeuron = parameter(0.3, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-90.0, "mV", text="reversal potential")
    speed: PerNeuron = parameter(2.3 ** ((26 - 23) / 10), "1", POSITIVE, "temperature factor of the gate")

    def initial_gates(self, V: jax.Array, calcium: jax.Array) -> Gates:
        return {"m": steady(0.01 * calcium, jnp.full_like(V, 0.02))}

    def gate_derivatives(self, gates: Gates, V: jax.Array, calcium: jax.Array) -> Gates:
        return {"m": relax(gates["m"], 0.01 * calcium, 0.02, self.speed)}

    def current(self, gates: Gates, V: jax.Array, calcium: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] * (V - self.reversal)


class CalciumPool(IonPool):
    """Calcium below the membrane: fed by the calcium current, cleared at one rate."""

    equations = "dcalcium/dt = -influx * I_calcium - (calcium - resting)/time_constant"
    reference = _SOURCE

    influx: PerNeuron = parameter(2e-4, "mM*cm^2/(uA*ms)", POSITIVE, "concentration per charge that enters")
    resting: PerNeuron = parameter(2.4e-4, "mM", POSITIVE, "concentration at rest")
    time_constant: PerNeuron = parameter(150.0, "ms", POSITIVE, "time constant of clearance")

    def initial_concentration(self, n: int) -> PerNeuron:
        return self.resting

    def derivative(self, concentration: jax.Array, current: jax.Array) -> jax.Array:
        return -self.influx * current - (concentration - self.resting) / self.time_constant
