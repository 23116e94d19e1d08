"""A synapse of your own: what a spike does to its state, and what its state does to the target."""

import jax.numpy as jnp

import ranvier as rv


class AlphaCurrent(rv.SynapseModel):
    """A current that rises and falls after each spike, to the weight at its peak `tau` after it arrived."""

    equations = """I = -i
di/dt = (rise - i)/tau,  d rise/dt = -rise/tau;  a spike that arrives: rise = rise + e * weight"""
    reference = "Rall 1967, J Neurophysiol 30:1138"
    site = "target"  # one state a target neuron: it is linear in the spikes that arrive
    weight = "current"

    tau: rv.PerNeuron = rv.parameter(2.0, "ms", bounds=(1e-12, float("inf")))

    def initial_state(self, n, key):
        return {"i": jnp.zeros(n), "rise": jnp.zeros(n)}

    def derivatives(self, state, pre, t):
        return {"i": (state["rise"] - state["i"]) / self.tau, "rise": -state["rise"] / self.tau}

    def receive(self, state, arriving):
        return {"rise": state["rise"] + jnp.e * arriving}

    def transmit(self, state, pre, t):
        return state["i"]

    def membrane_input(self, transmitted, V):
        return jnp.zeros_like(transmitted), transmitted  # conductance, offset: the current is offset − conductance · V
