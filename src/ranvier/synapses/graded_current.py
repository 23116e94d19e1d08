"""A current in proportion to a variable of its source."""

from __future__ import annotations

from typing import Any

import jax

from ranvier import doors
from ranvier.synapses.base import Presynaptic, SynapseModel, SynapseState


class GradedCurrent(SynapseModel):
    """A synapse whose current is the weight times a variable of its source at every instant: what couples neurons that are rates.

    A negative weight inhibits. With a projection's `delay` it is the variable of so long ago.

    Args:
        variable: its name in the source's state.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(2, rv.neurons.ThresholdLinearRate(), current=[3.0, 2.0], name="cells")
        >>> each_other = rv.Projection(cells, cells, GradedCurrent("rate"), [[0, 1], [1, 0]], weight=-2.0)
        >>> run = rv.simulate(rv.Network(cells, each_other), duration=300.0, dt=0.5, record=rv.Record(cells, "rate"))
        >>> run["cells"]["rate"][-1].values.round(3)  # the stronger one wins
        array([3., 0.])
    """

    equations = "I = -weight * variable_pre"
    reference = "Dayan & Abbott 2001, Theoretical Neuroscience, eq. 7.11"
    site = "source"
    weight = "current"

    variable: str = "V"

    def __post_init__(self) -> None:
        super().__post_init__()
        doors.text(self.variable, "GradedCurrent.variable")

    def transmit(self, state: SynapseState, pre: Presynaptic | None, t: jax.Array) -> jax.Array:
        assert pre is not None
        return pre[self.variable]

    def membrane_input(self, transmitted: Any, V: jax.Array) -> tuple[Any, Any]:
        return 0.0, transmitted
