"""Synapses with first-order kinetics, driven by the presynaptic side alone."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.lax import optimization_barrier

from ranvier.channels.base import relax, sigmoid
from ranvier.errors import warn
from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.random import Key
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState

_SOURCE = "Destexhe, Mainen & Sejnowski 1994, Neural Comput 6:14; parameters as in Mohanta & Assisi 2019 (PSST)"


class Cholinergic(SynapseModel):
    """A fast cholinergic synapse: each spike releases a square pulse of transmitter.

    The window of the pulse is open at both ends, and `last_spike` is the start
    of the step in which the neuron spiked. With `published_rounding` it is
    computed as the published code does, `last_spike + (t − last_spike)`, which
    rounds: a neuron's first pulse may then end one stage earlier or later.
    """

    equations = """I = weight * open * (V - reversal)
d open/dt = opening * (1 - open) * [T] - closing * open
[T] = concentration while last_spike + delay < t < last_spike + pulse + delay, else 0"""
    reference = _SOURCE
    site = "source"
    variable_units: ClassVar[dict[str, str]] = {"last_spike": "ms"}

    opening: PerNeuron = parameter(10.0, "1/(mM*ms)", POSITIVE, "binding rate")
    closing: PerNeuron = parameter(0.2, "1/ms", POSITIVE, "unbinding rate")
    concentration: PerNeuron = parameter(0.5, "mM", POSITIVE, "transmitter during the pulse")
    pulse: PerNeuron = parameter(0.3, "ms", POSITIVE, "length of the pulse", double=True)
    delay: PerNeuron = parameter(0.0, "ms", POSITIVE, "from the spike to the pulse", double=True)
    reversal: PerNeuron = parameter(0.0, "mV", text="reversal potential", per="target")
    published_rounding: bool = False

    def check_step(self, dt: float, what: str) -> None:
        pulses = np.asarray(self.pulse, np.float64)
        if ((pulses > 0) & (pulses < dt * (1 - 1e-9))).any():
            warn(
                f"The pulse of transmitter of {what} lasts {pulses[pulses > 0].min():g} ms, which is shorter than dt = {dt:g} ms: a "
                "step sees it "
                "at the times that its method asks for alone, or not at all. Take a shorter dt."
            )

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"open": jnp.zeros(n), "last_spike": jnp.full(n, -jnp.inf)}

    def emit(self, state: SynapseState, spiked: jax.Array, t: jax.Array) -> tuple[SynapseState, Any]:
        last = state["last_spike"]
        now = last + optimization_barrier(t - last) if self.published_rounding else t
        return {**state, "last_spike": jnp.where(spiked, now, last)}, spiked

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        last = state["last_spike"]
        inside = (t > last + self.delay) & (t < last + self.pulse + self.delay)
        transmitter = jnp.where(inside, self.concentration, 0.0).astype(state["open"].dtype)
        return {"open": relax(state["open"], self.opening * transmitter, self.closing)}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state["open"]

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return transmitted, transmitted * self.reversal


class GradedGABA(SynapseModel):
    """A fast GABA_A synapse whose release follows the presynaptic potential at every instant."""

    equations = """I = weight * open * (V - reversal)
d open/dt = opening * (1 - open) * [T] - closing * open
[T] = 1 / (1 + exp(-(V_pre - half_release)/slope))"""
    reference = _SOURCE
    site = "source"

    opening: PerNeuron = parameter(10.0, "1/ms", POSITIVE, "opening rate at full release")
    closing: PerNeuron = parameter(0.16, "1/ms", POSITIVE, "closing rate")
    half_release: PerNeuron = parameter(-20.0, "mV", text="presynaptic potential of half release")
    slope: PerNeuron = parameter(1.5, "mV", (1e-12, float("inf")), "steepness of the release")
    reversal: PerNeuron = parameter(-70.0, "mV", text="reversal potential", per="target")

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"open": jnp.zeros(n)}

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        assert pre is not None
        release = sigmoid((pre["V"] - self.half_release) / self.slope)
        return {"open": relax(state["open"], self.opening * release, self.closing)}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state["open"]

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return transmitted, transmitted * self.reversal
