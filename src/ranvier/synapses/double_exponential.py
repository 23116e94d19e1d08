"""Synapses that answer a spike with the difference of two exponentials; state shared per target."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import PerNeuron, parameter
from ranvier.random import Key
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState

_POSITIVE_TIME = (1e-12, float("inf"))
_SOURCE = "Roth & van Rossum 2009, in De Schutter (ed.), Computational Modeling Methods for Neuroscientists"


def drive_for_unit_peak(rise: Any, decay: Any) -> Any:
    """The factor `k` (1/ms) with which `dg/dt = k x − g/decay`, `dx/dt = −x/rise` from `x = 1` peaks at 1.

    It is `rᶻ / decay` with `r = decay/rise` and `z = r/(r − 1)`, and `e/decay` where both times are equal.

    Example:
        >>> round(float(drive_for_unit_peak(2.0, 2.0) * 2.0), 4)  # the alpha function
        2.7183
    """
    excess = decay / rise - 1.0
    near_zero = jnp.abs(excess) < 1e-4
    safe = jnp.where(near_zero, 1.0, excess)
    logarithm = jnp.where(near_zero, 1.0 - excess / 2.0 + excess**2 / 3.0, jnp.log1p(safe) / safe)
    return jnp.exp((1.0 + excess) * logarithm) / decay


class DoubleExponential(SynapseModel):
    """Base of the synapses that rise and fall exponentially: two variables, of which a spike moves the first.

    A subclass names its second variable, `response`, and says what that does to a membrane.
    """

    response: ClassVar[str]

    rise: PerNeuron = parameter(0.5, "ms", _POSITIVE_TIME, "time constant of the rise")
    decay: PerNeuron = parameter(5.0, "ms", _POSITIVE_TIME, "time constant of the decay")

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"rising": jnp.zeros(n), self.response: jnp.zeros(n)}

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        rising, response = state["rising"], state[self.response]
        drive = drive_for_unit_peak(self.rise, self.decay)
        return {"rising": -rising / self.rise, self.response: drive * rising - response / self.decay}

    def receive(self, state: SynapseState, arriving: jax.Array) -> SynapseState:
        return {"rising": state["rising"] + arriving}

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        return state[self.response]


class DoubleExponentialConductance(DoubleExponential):
    """A conductance that rises and falls exponentially, and is at most the weight after one spike.

    Its peak comes `rise · decay / (decay − rise) · ln(decay / rise)` after the spike's arrival.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -50.0})  # spikes at once
        >>> target = rv.Population(1, rv.neurons.Passive())
        >>> synapse = rv.synapses.DoubleExponentialConductance(rise=1.0, decay=5.0)
        >>> fibre = rv.Projection(source, target, synapse, [[1]], weight=0.1, name="fibre")
        >>> g = rv.simulate(rv.Network(source, target, fibre), duration=10.0, record=rv.Record(fibre, "g"))["fibre"].g
        >>> round(float(g.max()), 4), float(g.idxmax("time").round(2)[0])
        (0.1, 2.02)
    """

    equations = """I = g * (V - reversal)
dg/dt = k * rising - g / decay,  d rising/dt = -rising / rise;  a spike that arrives: rising = rising + weight
k = r^(r/(r - 1)) / decay,  r = decay / rise: one spike's g is at most its weight"""
    reference = _SOURCE
    response = "g"

    reversal: PerNeuron = parameter(0.0, "mV", text="reversal potential", per="target")

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return transmitted, transmitted * self.reversal


class DoubleExponentialCurrent(DoubleExponential):
    """A current that rises and falls exponentially, and is at most the weight after one spike."""

    equations = """I = -i
di/dt = k * rising - i / decay,  d rising/dt = -rising / rise;  a spike that arrives: rising = rising + weight
k = r^(r/(r - 1)) / decay,  r = decay / rise: one spike's i is at most its weight"""
    reference = _SOURCE
    weight = "current"
    response = "i"

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return 0.0, transmitted
