"""A channel of your own: a current, and how its gates move."""

import jax.numpy as jnp

import ranvier as rv


def steady(V):
    return 1 / (1 + jnp.exp(-(V + 35) / 10))


def time_constant(V):
    return 400 / (3.3 * jnp.exp((V + 35) / 20) + jnp.exp(-(V + 35) / 20))


class MCurrent(rv.IonChannel):
    """Slow non-inactivating potassium current."""

    equations = """I = conductance * w * (V - reversal)
dw/dt = (w0 - w)/tau,  w0 = 1/(1 + exp(-(V + 35)/10)),  tau = 400/(3.3 exp((V + 35)/20) + exp(-(V + 35)/20))"""
    reference = "Yamada, Koch & Adams 1989, in Methods in Neuronal Modeling, chapter 4"

    conductance: rv.PerNeuron = rv.parameter(0.07, "mS/cm^2")
    reversal: rv.PerNeuron = rv.parameter(-90.0, "mV")

    def initial_gates(self, V):
        return {"w": steady(V)}

    def gate_derivatives(self, gates, V):
        return {"w": (steady(V) - gates["w"]) / time_constant(V)}

    def current(self, gates, V):
        return self.conductance * gates["w"] * (V - self.reversal)
