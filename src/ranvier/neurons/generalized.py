"""The generalised integrate-and-fire neuron (GIF)."""

from __future__ import annotations

from collections.abc import Mapping

import jax
import jax.numpy as jnp

from ranvier.errors import ParameterError
from ranvier.model import POSITIVE, Model, PerNeuron, component, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState
from ranvier.random import Key

_LARGER_THAN_0 = (1e-12, float("inf"))


class SpikeTriggeredCurrent(Model):
    """A current that jumps with each spike of its neuron and decays. It counts out of the cell: a positive jump adapts."""

    equations = "d current/dt = -current / tau;  a spike: current = current + jump"

    jump: PerNeuron = parameter(10.0, "pA", text="how much a spike adds")
    tau: PerNeuron = parameter(50.0, "ms", _LARGER_THAN_0, "time constant of the decay")


class SpikeTriggeredThreshold(Model):
    """A part of the threshold that jumps with each spike of its neuron and decays."""

    equations = "d threshold/dt = -threshold / tau;  a spike: threshold = threshold + jump"

    jump: PerNeuron = parameter(5.0, "mV", text="how much a spike adds")
    tau: PerNeuron = parameter(50.0, "ms", _LARGER_THAN_0, "time constant of the decay")


class GeneralizedIntegrateAndFire(NeuronModel):
    """GIF: spike-triggered currents, a threshold that moves with each spike, and escape noise.

    Both memories are sums of exponentials, as many as are given, by name: the variables are
    `"<name>.current"` and `"<name>.threshold"`. The default parameters are round numbers for a
    pyramidal cell, not a fit to one.

    Example:
        >>> import ranvier as rv
        >>> cell = GeneralizedIntegrateAndFire(
        ...     currents={"fast": SpikeTriggeredCurrent(jump=20.0, tau=10.0), "slow": SpikeTriggeredCurrent(jump=5.0, tau=200.0)},
        ...     thresholds={"slow_part": SpikeTriggeredThreshold(jump=3.0, tau=100.0)},
        ... )
        >>> run = rv.simulate(rv.Population(200, cell, current=400.0), duration=500.0, dt=0.1, record=[], seed=1)
        >>> early, late = (run.spikes.times < 100).sum(), (run.spikes.times > 400).sum()
        >>> bool(early > 1.2 * late > 0)  # it adapts
        True
    """

    equations = """capacitance * dV/dt = -leak * (V - rest) - sum of currents + I_input
hazard = threshold_rate * exp((V - threshold - sum of thresholds)/softness)
a spike: V = reset, held there for `refractory`;  each current and threshold = itself + its jump, and decays with its tau"""
    reference = """Mensi et al. 2012, J Neurophysiol 107:1756
Pozzorini et al. 2015, PLoS Comput Biol 11:e1004275"""
    input_unit = "pA"
    held = ("V",)

    capacitance: PerNeuron = parameter(200.0, "pF", _LARGER_THAN_0, "membrane capacitance")
    leak: PerNeuron = parameter(10.0, "nS", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-65.0, "mV", text="resting potential")
    reset_potential: PerNeuron = parameter(-60.0, "mV", text="potential after a spike", alias="reset")
    refractory: PerNeuron = parameter(4.0, "ms", POSITIVE, "how long the potential stays reset and no spike comes")
    threshold: PerNeuron = parameter(-45.0, "mV", text="threshold of a neuron that has long been silent (V_T*)")
    threshold_rate: PerNeuron = parameter(1.0, "1/ms", POSITIVE, "hazard at the threshold (λ_0)")
    softness: PerNeuron = parameter(1.0, "mV", _LARGER_THAN_0, "over which the hazard grows e-fold (ΔV)")
    currents: Mapping[str, SpikeTriggeredCurrent] = component({"adaptation": SpikeTriggeredCurrent()})
    thresholds: Mapping[str, SpikeTriggeredThreshold] = component({"fatigue": SpikeTriggeredThreshold()})

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, kind in (("currents", SpikeTriggeredCurrent), ("thresholds", SpikeTriggeredThreshold)):
            parts = getattr(self, field)
            if not isinstance(parts, Mapping) or not all(isinstance(part, kind) for part in parts.values()):
                raise ParameterError(
                    f"GeneralizedIntegrateAndFire.{field} must be a dict such as "
                    f'{{"slow": rv.neurons.{kind.__name__}(jump=5.0, tau=100.0)}}, not {parts!r}.'
                )

    def _decaying(self) -> dict[str, SpikeTriggeredCurrent | SpikeTriggeredThreshold]:
        """What a spike moves and time brings back, by the name of its variable."""
        currents = {f"{name}.current": part for name, part in self.currents.items()}
        return {**currents, **{f"{name}.threshold": part for name, part in self.thresholds.items()}}

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest), **{name: jnp.zeros(n) for name in self._decaying()}}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = state["V"]
        out = self.leak * (V - self.rest)
        for name in self.currents:
            out = out + state[f"{name}.current"]
        decay = {name: -state[name] / part.tau for name, part in self._decaying().items()}
        return {"V": (inputs.current(V) - out) / self.capacitance, **decay}

    def spike_hazard(self, state: NeuronState, t: jax.Array) -> jax.Array:
        above = state["V"] - self.threshold
        for name in self.thresholds:
            above = above - state[f"{name}.threshold"]
        return self.threshold_rate * jnp.exp(above / self.softness)

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        jumped = {name: jnp.where(spiked, state[name] + part.jump, state[name]) for name, part in self._decaying().items()}
        return {"V": jnp.where(spiked, self.reset_potential, state["V"]), **jumped}

    def unit_of(self, name: str) -> str:
        if name.endswith(".current"):
            return self.input_unit
        return "mV" if name.endswith(".threshold") else super().unit_of(name)
