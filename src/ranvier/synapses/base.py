"""What a synapse model is."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier.errors import not_written, unknown
from ranvier.model import Model
from ranvier.random import Key

SynapseState = dict[str, jax.Array]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Presynaptic:
    """The presynaptic side, as a synapse sees it, one entry a source neuron (or an edge's source).

    Attributes:
        variables: the presynaptic state, by name: `pre["V"]`.
    """

    variables: dict[str, jax.Array]

    def __getitem__(self, name: str) -> jax.Array:
        if name not in self.variables:
            raise unknown("variable of the source", name, self.variables)
        return self.variables[name]


class SynapseModel(Model):
    """Base of synapse models.

    A model says what state it has and where (`site`), how that moves, what it
    sends to its targets per unit weight (`transmit`), and what the weighted sum
    of that does to a membrane (`membrane_input`). The engine applies the
    weights, sums over the edges and delivers spikes.

    Sites (where the state lives, and so how many there are):
        - `"source"`: one state a presynaptic neuron; what drives it is
          presynaptic alone, and may act continuously.
        - `"target"`: one state a postsynaptic neuron; linear in the spikes that
          arrive, which `receive` adds, weighted already.
        - `"edge"`: one state a synapse.

    Class attributes:
        site: see above.
        weight: what a weight is, in terms of the target's `input_unit`:
            `"conductance"` (per mV), `"current"`, or `"potential"` (mV).
        variable_units: the unit of each state variable, where it has one. A
            variable in ms is a time, and stays in double precision.
    """

    site: ClassVar[str] = "target"
    weight: ClassVar[str] = "conductance"
    variable_units: ClassVar[dict[str, str]] = {}

    def initial_state(self, n: int, key: Key) -> SynapseState:
        """The state at the start: a dict of arrays `[n]`, `n` the number of states at the site."""
        return {}

    def derivatives(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> SynapseState:
        """The time derivative of each variable. A variable left out does not move.

        Args:
            state: the variables.
            pre: the presynaptic side, at every stage of the integrator; None at
                the site `"target"`.
            t: the time asked for (ms, float64).
        """
        return {}

    def emit(self, state: SynapseState, spiked: jax.Array, t: jax.Array) -> tuple[SynapseState, Any]:
        """What the source side does when its neurons spike, once a step.

        Args:
            state: the variables.
            spiked: which presynaptic neurons spiked in this step.
            t: the time of those spikes, the start of the step (ms, float64).

        Returns:
            The new state, and the amplitude of each spike (0 where there is none).
        """
        return state, spiked.astype(jnp.result_type(float))

    def receive(self, state: SynapseState, arriving: jax.Array) -> SynapseState:
        """The state after the weighted spikes that arrive in this step (sites `"target"` and `"edge"`)."""
        return state

    def kick(self, arriving: jax.Array) -> jax.Array | None:
        """The jump of the membrane potential (mV) that the arriving weighted spikes make, if any."""
        return None

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> Any:
        """What goes to the targets per unit weight: an array, or a dict of them. None: nothing continuous."""
        return None

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        """`(conductance, offset)` at the target, from the weighted sum of what was transmitted.

        The current into the cell is `offset − conductance · V`. A conductance of the
        number `0.0` says that there is none: then the membrane stays linear.
        """
        raise not_written(self, SynapseModel.membrane_input)

    @property
    def emits(self) -> bool:
        """Whether its state takes note of presynaptic spikes."""
        return type(self).emit is not SynapseModel.emit

    @property
    def event_driven(self) -> bool:
        """Whether spikes are delivered to it one by one."""
        return type(self).receive is not SynapseModel.receive or type(self).kick is not SynapseModel.kick
