"""The channels of the stellate cell of Acker, Kopell & White."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from ranvier.channels.base import Gates, IonChannel, ratio_to_expm1, relax, sigmoid, steady
from ranvier.model import POSITIVE, PerNeuron, parameter

_SOURCE = "Acker, Kopell & White 2003, J Comput Neurosci 15:71"


class AckerSodium(IonChannel):
    """Fast sodium, m³h."""

    equations = """I = conductance * m^3 * h * (V - reversal)
dm/dt = a_m (1 - m) - b_m m,  a_m = 0.1 (V + 23)/(1 - exp(-(V + 23)/10)),  b_m = 4 exp(-(V + 48)/18)
dh/dt = a_h (1 - h) - b_h h,  a_h = 0.07 exp(-(V + 37)/20),  b_h = 1/(1 + exp(-(V + 7)/10))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(52.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(55.0, "mV", text="reversal potential")

    def _rates(self, V: jax.Array) -> dict[str, tuple[jax.Array, jax.Array]]:
        return {
            "m": (ratio_to_expm1(-(V + 23.0) / 10.0), 4.0 * jnp.exp(-(V + 48.0) / 18.0)),
            "h": (0.07 * jnp.exp(-(V + 37.0) / 20.0), sigmoid((V + 7.0) / 10.0)),
        }

    def initial_gates(self, V: jax.Array) -> Gates:
        return {gate: steady(*rates) for gate, rates in self._rates(V).items()}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {gate: relax(gates[gate], *rates) for gate, rates in self._rates(V).items()}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["m"] ** 3 * gates["h"] * (V - self.reversal)


class AckerPotassium(IonChannel):
    """Delayed-rectifier potassium, n⁴."""

    equations = """I = conductance * n^4 * (V - reversal)
dn/dt = a_n (1 - n) - b_n n,  a_n = 0.01 (V + 27)/(1 - exp(-(V + 27)/10)),  b_n = 0.125 exp(-(V + 37)/80)"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(11.0, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-90.0, "mV", text="reversal potential")

    def _rates(self, V: jax.Array) -> tuple[jax.Array, jax.Array]:
        return 0.1 * ratio_to_expm1(-(V + 27.0) / 10.0), 0.125 * jnp.exp(-(V + 37.0) / 80.0)

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"n": steady(*self._rates(V))}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"n": relax(gates["n"], *self._rates(V))}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["n"] ** 4 * (V - self.reversal)


class AckerPersistentSodium(IonChannel):
    """Persistent sodium, which opens below the threshold of spikes and does not inactivate."""

    equations = """I = conductance * p * (V - reversal)
dp/dt = (p_inf - p)/tau,  p_inf = 1/(1 + exp(-(V + 38)/6.5))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(0.5, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(55.0, "mV", text="reversal potential")
    tau: PerNeuron = parameter(0.15, "ms", (1e-12, float("inf")), "time constant of the gate")

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"p": sigmoid((V + 38.0) / 6.5)}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        return {"p": (sigmoid((V + 38.0) / 6.5) - gates["p"]) / self.tau}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * gates["p"] * (V - self.reversal)


class AckerHCurrent(IonChannel):
    """The cation current that hyperpolarisation opens, with a fast and a slow part: what keeps stellate cells at theta rates."""

    equations = """I = conductance * (0.65 fast + 0.35 slow) * (V - reversal)
d fast/dt = (fast_inf - fast)/tau_fast,  fast_inf = 1/(1 + exp((V + 79.2)/9.78)),
  tau_fast = 1 + 0.51/(exp((V - 1.7)/10) + exp(-(V + 340)/52))
d slow/dt = (slow_inf - slow)/tau_slow,  slow_inf = 1/(1 + exp((V + 71.3)/7.9)),
  tau_slow = 1 + 5.6/(exp((V - 1.7)/14) + exp(-(V + 260)/43))"""
    reference = _SOURCE

    conductance: PerNeuron = parameter(1.5, "mS/cm^2", POSITIVE, "maximal conductance")
    reversal: PerNeuron = parameter(-20.0, "mV", text="reversal potential")

    def initial_gates(self, V: jax.Array) -> Gates:
        return {"fast": sigmoid(-(V + 79.2) / 9.78), "slow": sigmoid(-(V + 71.3) / 7.9)}

    def gate_derivatives(self, gates: Gates, V: jax.Array) -> Gates:
        fast = 1.0 + 0.51 / (jnp.exp((V - 1.7) / 10.0) + jnp.exp(-(V + 340.0) / 52.0))
        slow = 1.0 + 5.6 / (jnp.exp((V - 1.7) / 14.0) + jnp.exp(-(V + 260.0) / 43.0))
        aim = self.initial_gates(V)
        return {"fast": (aim["fast"] - gates["fast"]) / fast, "slow": (aim["slow"] - gates["slow"]) / slow}

    def current(self, gates: Gates, V: jax.Array) -> jax.Array:
        return self.conductance * (0.65 * gates["fast"] + 0.35 * gates["slow"]) * (V - self.reversal)
