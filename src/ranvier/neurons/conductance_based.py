"""Neurons made of ion channels."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.channels.base import IonChannel, IonPool
from ranvier.errors import ParameterError
from ranvier.model import POSITIVE, PerNeuron, component, parameter
from ranvier.neurons.base import Inputs, NeuronModel, NeuronState, crossed_upward
from ranvier.random import Key


class ConductanceBasedNeuron(NeuronModel):
    """Base of one-compartment neurons whose channels are its components.

    Every component that is an `IonChannel` contributes its current and its
    gates, every `IonPool` its concentration. State variables are named after
    the component: `"sodium.m"`, `"calcium.concentration"`.

    Example:
        >>> import ranvier as rv
        >>> class Axon(rv.ConductanceBasedNeuron):
        ...     sodium: rv.IonChannel = rv.component(rv.channels.HodgkinHuxleySodium())
        ...     potassium: rv.IonChannel = rv.component(rv.channels.HodgkinHuxleyPotassium())
        ...     leak: rv.IonChannel = rv.component(rv.channels.Leak())
        >>> sorted(Axon().initial_state(1, rv.random.Key(0)))
        ['V', 'potassium.n', 'sodium.h', 'sodium.m']
    """

    capacitance: PerNeuron = parameter(1.0, "uF/cm^2", (1e-12, float("inf")), "membrane capacitance")
    threshold: PerNeuron = parameter(0.0, "mV", text="a spike is an upward crossing of this potential")
    initial_potential: PerNeuron = parameter(-65.0, "mV", text="potential at the start, the gates at rest there", at_start=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        pools = dict(self._parts(IonPool))
        for name, channel in self._parts(IonChannel):
            for pool in (*channel.reads, *([channel.carries] if channel.carries else [])):
                if pool in channel.reads and pool not in pools:
                    raise ParameterError(
                        f"{type(self).__name__}: the channel {name!r} reads the ion pool {pool!r}, which the neuron does not have. "
                        f"Add a component {pool} = rv.component(rv.channels.CalciumPool()) or the like."
                    )

    def _parts(self, kind: type[Any]) -> Iterator[tuple[str, Any]]:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, kind):
                yield field.name, value
            elif isinstance(value, Mapping):
                yield from ((name, part) for name, part in value.items() if isinstance(part, kind))

    def _concentrations(self, state: NeuronState) -> dict[str, jax.Array]:
        return {name: state[f"{name}.concentration"] for name, _ in self._parts(IonPool)}

    @staticmethod
    def _gates(name: str, state: NeuronState) -> dict[str, jax.Array]:
        return {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(name + ".")}

    def initial_state(self, n: int, key: Key) -> NeuronState:
        V = jnp.full(n, self.initial_potential)
        state = {"V": V}
        pools = {name: jnp.full(n, pool.initial_concentration(n)) for name, pool in self._parts(IonPool)}
        state.update({f"{name}.concentration": value for name, value in pools.items()})
        for name, channel in self._parts(IonChannel):
            gates = channel.initial_gates(V, **{ion: pools[ion] for ion in channel.reads})
            state.update({f"{name}.{gate}": value for gate, value in gates.items()})
        return state

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V, ions = state["V"], self._concentrations(state)
        total = inputs.current(V)
        result: NeuronState = {}
        influx: dict[str, Any] = {}
        for name, channel in self._parts(IonChannel):
            gates, seen = self._gates(name, state), {ion: ions[ion] for ion in channel.reads}
            current = channel.current(gates, V, **seen)
            total = total - current
            result.update({f"{name}.{gate}": d for gate, d in channel.gate_derivatives(gates, V, **seen).items()})
            if channel.carries in ions:
                influx[channel.carries] = influx.get(channel.carries, 0.0) + current
        for name, pool in self._parts(IonPool):
            result[f"{name}.concentration"] = pool.derivative(ions[name], influx.get(name, jnp.zeros_like(V)))
        result["V"] = total * (1 / self.capacitance)  # a quotient of two numbers, where there is one for all
        return result

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return crossed_upward(before["V"], after["V"], self.threshold)

    def observables(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> dict[str, Any]:
        V, ions = state["V"], self._concentrations(state)
        result: dict[str, Any] = {}
        for name, channel in self._parts(IonChannel):
            gates, seen = self._gates(name, state), {ion: ions[ion] for ion in channel.reads}
            result[f"{name}.current"] = channel.current(gates, V, **seen)
            result[f"{name}.conductance"] = channel.open_conductance(gates, V, **seen)
        return result

    def unit_of(self, name: str) -> str:
        if name.endswith(".concentration"):
            return "mM"
        if name.endswith(".current"):
            return self.input_unit
        if name.endswith(".conductance"):
            return "mS/cm^2"
        return super().unit_of(name)


class ConductanceBased(ConductanceBasedNeuron):
    """A neuron put together on the spot, from channels and pools by name.

    Example:
        >>> import ranvier as rv
        >>> cell = ConductanceBased(channels={"leak": rv.channels.Leak(reversal=-70.0)}, initial_potential=-60.0)
        >>> run = rv.simulate(cell, duration=100.0)
        >>> round(float(run.V[-1, 0]), 3)
        -70.0
    """

    equations = "capacitance * dV/dt = I_input - sum of the channels' currents"

    channels: Mapping[str, IonChannel] = component({})
    pools: Mapping[str, IonPool] = component({})


class Passive(NeuronModel):
    """A passive membrane: the RC circuit. It never spikes.

    Charged by a constant current `I` it follows
    `V(t) = rest + I/leak · (1 − exp(−t · leak / capacitance))`.
    """

    equations = "capacitance * dV/dt = -leak * (V - rest) + I_input"
    reference = "Koch 1999, Biophysics of Computation, eq. 1.5"
    has_spikes = False

    capacitance: PerNeuron = parameter(1.0, "uF/cm^2", (1e-12, float("inf")), "membrane capacitance")
    leak: PerNeuron = parameter(0.1, "mS/cm^2", POSITIVE, "leak conductance")
    rest: PerNeuron = parameter(-65.0, "mV", text="resting potential")

    @property
    def largest_potential(self) -> float:
        return math.inf  # it cannot run away, and without a leak it is a perfect counter

    def initial_state(self, n: int, key: Key) -> NeuronState:
        return {"V": jnp.full(n, self.rest)}

    def derivatives(self, state: NeuronState, inputs: Inputs, t: jax.Array) -> NeuronState:
        V = state["V"]
        return {"V": (inputs.current(V) - self.leak * (V - self.rest)) / self.capacitance}

    def spiked(self, before: NeuronState, after: NeuronState) -> jax.Array:
        return jnp.zeros(before["V"].shape, bool)
