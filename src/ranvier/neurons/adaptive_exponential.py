"""The adaptive exponential integrate-and-fire neuron (AdEx)."""

from __future__ import annotations

from typing import ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, reached
from ranvier.neurons.exponential import check_onset
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


class AdaptiveExponentialIntegrateAndFire(NeuronModel):
    """AdEx: an exponential integrate-and-fire neuron with an adaptation current `w`.

    The equations take a potential beyond `peak` to be at `peak`: a stage of the integrator
    may lie there, the solution does not, so neither the exponential nor `w` can run away.
    A spike ends a step, so spike times are of first order in `dt` whatever the integrator.

    The default parameters are those of the paper's figures; `tonic()`, `adapting()`,
    `initial_burst()`, `bursting()` and `delayed_accelerating()` are patterns of Naud et al.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(
        ...     AdaptiveExponentialIntegrateAndFire(), current=rv.stimuli.SquarePulse(1000.0, start=20, stop=120), duration=120.0
        ... )
        >>> run.spikes.times.round(1)
        array([ 31.7,  45.2,  61. ,  79.5, 101.3])
    """

    equations = """capacitance * dV/dt = -leak * (V - rest) + leak * slope * exp((V - threshold)/slope) - w + I_input
adaptation_tau * dw/dt = adaptation * (V - rest) - w
V >= peak: a spike, V = reset, w = w + adaptation_jump, and V is held for `refractory`"""
    reference = """Brette & Gerstner 2005, J Neurophysiol 94:3637
Naud, Marcille, Clopath & Gerstner 2008, Biol Cybern 99:335, table 1: the firing patterns"""
    input_unit = "pA"
    held = ("V",)
    variable_units: ClassVar[dict[str, str]] = {"V": "mV", "w": "pA"}

    capacitance: PerNeuron = parameter(281.0, "pF", _LARGER_THAN_0, "membrane capacitance")
    leak: PerNeuron = parameter(30.0, "nS", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-70.6, "mV", text="resting potential of the leak")
    threshold: PerNeuron = parameter(-50.4, "mV", text="potential around which a spike begins (V_T)")
    slope: PerNeuron = parameter(2.0, "mV", _LARGER_THAN_0, "sharpness of the onset of the spike (Δ_T)")
    adaptation: PerNeuron = parameter(4.0, "nS", text="adaptation by the potential (a)")
    adaptation_tau: PerNeuron = parameter(144.0, "ms", _LARGER_THAN_0, "time constant of the adaptation (τ_w)")
    adaptation_jump: PerNeuron = parameter(80.5, "pA", text="adaptation by each spike (b)")
    peak: PerNeuron = parameter(-40.4, "mV", text="potential at which the spike is cut off")
    reset_potential: PerNeuron = parameter(-70.6, "mV", text="potential after a spike", alias="reset")
    refractory: PerNeuron = parameter(0.0, "ms", POSITIVE, "how long the potential stays reset")

    @classmethod
    def tonic(cls) -> AdaptiveExponentialIntegrateAndFire:
        """Tonic spiking at 500 pA."""
        return _naud(200.0, 10.0, -70.0, 2.0, 30.0, 0.0, -58.0)

    @classmethod
    def adapting(cls) -> AdaptiveExponentialIntegrateAndFire:
        """Spike frequency adaptation at 500 pA."""
        return _naud(200.0, 12.0, -70.0, 2.0, 300.0, 60.0, -58.0)

    @classmethod
    def initial_burst(cls) -> AdaptiveExponentialIntegrateAndFire:
        """A burst, then single spikes, at 400 pA."""
        return _naud(130.0, 18.0, -58.0, 4.0, 150.0, 120.0, -50.0)

    @classmethod
    def bursting(cls) -> AdaptiveExponentialIntegrateAndFire:
        """Regular bursting at 210 pA."""
        return _naud(200.0, 10.0, -58.0, 2.0, 120.0, 100.0, -46.0)

    @classmethod
    def delayed_accelerating(cls) -> AdaptiveExponentialIntegrateAndFire:
        """Silence, then ever faster spikes, at 300 pA."""
        return _naud(200.0, 12.0, -70.0, -10.0, 300.0, 0.0, -58.0)

    def check_parameters(self) -> None:
        check_onset(type(self).__name__, self.slope, self.threshold, self.peak)

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest), "w": jnp.zeros(n)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, w = jnp.minimum(state["V"], self.peak), state["w"]
        spike = self.slope * jnp.exp((V - self.threshold) / self.slope)
        return {
            "V": (inputs.current(V) + self.leak * (spike - (V - self.rest)) - w) / self.capacitance,
            "w": (self.adaptation * (V - self.rest) - w) / self.adaptation_tau,
        }

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"], after["V"], self.peak)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {
            "V": jnp.where(spiked, self.reset_potential, state["V"]),
            "w": jnp.where(spiked, state["w"] + self.adaptation_jump, state["w"]),
        }


def _naud(
    capacitance: float, leak: float, rest: float, adaptation: float, tau: float, jump: float, reset: float
) -> AdaptiveExponentialIntegrateAndFire:
    """A pattern of Naud et al.; the onset of the spike and its peak are the same in all of them."""
    return AdaptiveExponentialIntegrateAndFire().replace(
        capacitance=capacitance,
        leak=leak,
        rest=rest,
        threshold=-50.0,
        slope=2.0,
        adaptation=adaptation,
        adaptation_tau=tau,
        adaptation_jump=jump,
        peak=0.0,
        reset=reset,
    )
