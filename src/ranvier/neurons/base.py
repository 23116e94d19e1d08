"""What a neuron model is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import not_written
from ranvier.model import Model
from ranvier.random import Distribution, Key

LARGEST_POTENTIAL = 1e4  # mV: no membrane has such a potential
NeuronState = dict[str, jax.Array]
"""One array `[n]` for each variable, by name."""


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Inputs:
    """What reaches the membranes of a population: `offset − conductance · V`.

    Everything electrical and chemical arrives as these two numbers, so an
    integrator needs to know no synapse type.

    Attributes:
        conductance: `[n]`, in the neuron's `input_unit` per mV.
        offset: `[n]`, in the neuron's `input_unit`: injected current, and
            conductance times reversal potential of the synapses.
        conducts: whether any of it is a conductance; if not, that is all zeros.
        ports: what reaches the model's ports, by name: `inputs["dendrite"]`.
    """

    conductance: Any
    offset: Any
    conducts: bool = dataclasses.field(default=True, metadata={"static": True})
    ports: Mapping[str, Inputs] = dataclasses.field(default_factory=dict)

    def __getitem__(self, port: str) -> Inputs:
        """What reaches a port; nothing where no synapse does."""
        if port in self.ports:
            return self.ports[port]
        return Inputs(jnp.zeros_like(self.conductance), jnp.zeros_like(self.offset), conducts=False)

    def current(self, V: jax.Array) -> jax.Array:
        """The current into the cell at the potential `V`."""
        return self.offset - self.conductance * V if self.conducts else self.offset


class NeuronModel(Model):
    """Base of neuron models: state, equations, and when it spikes.

    Class attributes:
        input_unit: the unit of the current its equations take.
        variable_units: the unit of each state variable, where it has one.
        held: the variables that stay as they are while the neuron is refractory.
        takes_input: whether currents and synapses reach it. False for sources of
            spikes, which have no membrane: a projection onto one is refused.
        ports: further places that synapses reach, each with the variable that is its potential: `{"dendrite": "V_dendrite"}`. A
            projection says `onto="dendrite"`, the model reads `inputs["dendrite"]`; without a word they reach `V`.
        membrane: the variable that synapses see as the potential; another than `V` where the model has none, such as one of rates.
        takes_current: whether currents and conductances move it; without them only
            kicks of the potential reach it.
        has_spikes: False for what never spikes, such as a rate: reports then say what its `membrane` is instead of how often it fires.

    `largest_potential` (mV) bounds `V`: a run in which it is passed has gone wrong. A model
    whose potential may be larger, such as one that counts, has another value there.

    A model with a refractory period has a parameter `refractory` (ms).

    When it spikes, a model says in one of three ways: by `spiked`, a test of the
    state; by `spike_hazard`, a probability for each step; or by `spike_times`.

    Example:
        >>> import ranvier as rv
        >>> class QuadraticIntegrateAndFire(rv.NeuronModel):
        ...     peak: rv.PerNeuron = rv.parameter(10.0)
        ...     def initial_state(self, n, key): return {"V": jnp.zeros(n)}
        ...     def derivatives(self, state, inputs, t): return {"V": state["V"] ** 2 + inputs.current(state["V"])}
        ...     def spiked(self, before, after): return after["V"] >= self.peak
        ...     def reset(self, state, spiked): return {"V": jnp.where(spiked, -self.peak, state["V"])}
        >>> run = rv.simulate(QuadraticIntegrateAndFire(), current=1.0, duration=10.0)
        >>> len(run.spikes)
        3
    """

    input_unit: ClassVar[str] = "uA/cm^2"
    variable_units: ClassVar[Mapping[str, str]] = {"V": "mV"}
    held: ClassVar[tuple[str, ...]] = ()
    takes_input: ClassVar[bool] = True
    takes_current: ClassVar[bool] = True
    ports: ClassVar[Mapping[str, str]] = {}
    has_spikes: ClassVar[bool] = True
    membrane: ClassVar[str] = "V"

    def initial_state(self, n: int, key: Key) -> NeuronState:
        """The state of `n` neurons at the start: a dict of arrays `[n]` (or numbers)."""
        raise not_written(self, NeuronModel.initial_state)

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        """The time derivative of each variable. A variable left out does not move.

        Args:
            state: the variables, each `[n]`.
            inputs: what reaches the membrane.
            t: the time asked for (ms, float64), which may be inside a step.
        """
        raise not_written(self, NeuronModel.derivatives)

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        """Which neurons spike in a step, from the state at both its ends: bool `[n]`."""
        raise not_written(self, NeuronModel.spiked)

    def spike_hazard(self, state: NeuronState, t: jax.Array) -> jax.Array:
        """The rate (1/ms) at which neurons fire at random, given their state: `[n]`, or one number for all.

        In a step of length `dt` a neuron that is not refractory fires with the
        probability `1 − exp(−hazard · dt)`. A model that has this needs no `spiked`.

        Args:
            state: the variables at the end of the step, each `[n]`.
            t: the start of the step (ms, float64).
        """
        raise not_written(self, NeuronModel.spike_hazard)

    def spike_times(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Spikes known beforehand: their times (ms) and their neurons, each `[spikes]`; None where there are none.

        A time becomes the step whose start is nearest. A model that has this needs no `spiked`.
        """
        return None

    def diffusion(self, state: NeuronState) -> dict[str, Any]:
        """How strongly each variable's own white noise drives it (the variable's unit per √ms).

        A variable left out has no noise. Noise asks for a stochastic integrator, such as `rv.EulerMaruyama()`.
        """
        return {}

    def reset(self, state: NeuronState, spiked: jax.Array) -> NeuronState:
        """The variables that a spike changes. Without a reset, none."""
        return {}

    def observables(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> dict[str, Any]:
        """What can be recorded besides the state: name to array `[n]`."""
        return {}

    @property
    def largest_potential(self) -> float:
        """How far from 0 a potential can be before the run counts as diverged."""
        return LARGEST_POTENTIAL

    @property
    def fires_by_hazard(self) -> bool:
        """Whether it spikes at random, by `spike_hazard`."""
        return type(self).spike_hazard is not NeuronModel.spike_hazard

    @property
    def noisy(self) -> bool:
        """Whether white noise drives a variable of it, by `diffusion`."""
        return type(self).diffusion is not NeuronModel.diffusion

    def unit_of(self, name: str) -> str:
        """The unit of a variable or observable (`"1"` where it has none)."""
        return self.variable_units.get(name, "1")


def beyond(*potentials: Any) -> float:
    """What a linear membrane between such potentials does not pass: ten times the largest, and at least `LARGEST_POTENTIAL`."""
    some = [p.draw(Key(0), 64) if isinstance(p, Distribution) else np.asarray(p) for p in potentials]
    return max(LARGEST_POTENTIAL, *(10.0 * float(np.max(np.abs(p), initial=0.0)) for p in some))


def crossed_upward(before: jax.Array, after: jax.Array, threshold: Any) -> jax.Array:
    """The test for models without a reset: below the threshold before, at or above it after."""
    return (before < threshold) & (after >= threshold)


def reached(before: jax.Array, after: jax.Array, threshold: Any) -> jax.Array:
    """The test for models with a reset: at or above the threshold at either end of the step.

    The start counts because a synapse may have kicked the potential over the
    threshold at the very end of the step before.
    """
    return jnp.maximum(before, after) >= threshold
