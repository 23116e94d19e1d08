"""The exponential integrate-and-fire neuron."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError
from ranvier.model import POSITIVE, PerNeuron, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, reached
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


_LARGEST_EXPONENT = 600.0  # exp of it times a conductance is still far from what a double holds


def check_onset(model: str, slope: Any, threshold: Any, peak: Any) -> None:
    """Refuses an exponential onset of the spike that no number can hold at its peak.

    Raises:
        ParameterError: `exp((peak − threshold) / slope)` is too large.
    """
    exponent = np.max((np.asarray(peak) - np.asarray(threshold)) / np.asarray(slope), initial=0.0)
    if exponent > _LARGEST_EXPONENT:
        raise ParameterError(
            f"{model}.slope is {np.min(slope):g} mV: at the peak of the spike exp((peak - threshold) / slope) = exp({exponent:.3g}), "
            "which no "
            f"number holds, whatever dt is. A slope of {np.max(np.asarray(peak) - np.asarray(threshold)) / 100:.2g} mV is sharp "
            "already; for a "
            "sharper onset lower the peak, or use rv.neurons.LeakyIntegrateAndFire, whose spike begins at once."
        )


class ExponentialIntegrateAndFire(NeuronModel):
    """A leaky membrane whose spike grows exponentially, as sodium channels make it.

    A constant current above `leak · (threshold − rest − slope)` makes it fire. The equation
    takes a potential beyond `peak` to be at `peak`: a stage of the integrator may lie there,
    the solution does not, and the exponential cannot overflow.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(ExponentialIntegrateAndFire(), current=[0.1, 0.2, 1.0], duration=500.0)
        >>> run.spikes.counts
        array([ 0,  4, 29])
    """

    equations = """capacitance * dV/dt = -leak * (V - rest) + leak * slope * exp((V - threshold)/slope) + I_input
V >= peak: a spike, V = reset, and V is held there for `refractory`"""
    reference = "Fourcaud-Trocmé, Hansel, van Vreeswijk & Brunel 2003, J Neurosci 23:11628"
    held = ("V",)

    capacitance: PerNeuron = parameter(1.0, "uF/cm^2", _LARGER_THAN_0, "membrane capacitance")
    leak: PerNeuron = parameter(0.1, "mS/cm^2", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-65.0, "mV", text="resting potential of the leak")
    threshold: PerNeuron = parameter(-59.9, "mV", text="potential at which the slope of the I-V curve vanishes (V_T)")
    slope: PerNeuron = parameter(3.48, "mV", _LARGER_THAN_0, "sharpness of the onset of the spike (Δ_T)")
    peak: PerNeuron = parameter(-30.0, "mV", text="potential at which the spike is cut off")
    reset_potential: PerNeuron = parameter(-68.0, "mV", text="potential after a spike", alias="reset")
    refractory: PerNeuron = parameter(1.7, "ms", POSITIVE, "how long the potential stays reset")

    def check_parameters(self) -> None:
        check_onset(type(self).__name__, self.slope, self.threshold, self.peak)

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = jnp.minimum(state["V"], self.peak)
        spike = self.slope * jnp.exp((V - self.threshold) / self.slope)
        return {"V": (inputs.current(V) + self.leak * (spike - (V - self.rest))) / self.capacitance}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return reached(before["V"], after["V"], self.peak)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        return {"V": jnp.where(spiked, self.reset_potential, state["V"])}
