"""What the compiled loop carries from step to step, and what the stages of one step hand on."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

Variables = dict[str, dict[str, Any]]
"""`{group or synapses: {variable: values}}`"""

LONG_AGO = -(2**30)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class StepState:
    """The simulation's state as the compiled loop carries it.

    Attributes:
        step: the steps done, int64.
        moving: the variables that have a derivative, packed where that is faster.
        fixed: the others.
        since: the step at which this form of the state was made.
        before: the step of each neuron's last spike before that, in the user's order, int64 `[neurons]`.
        recent: the step of its last spike less `since`, int32 `[neurons]`, `LONG_AGO` where `before` says it: half as much to move.
        in_flight: the histories of spikes.
        crossed: for groups without a reset, who was kicked over the threshold at the end of the last step, bool `[n]`.
        memory: what the integrator remembers.
        learning: what plasticity carries, by projection: weights and the edges' own variables in the order of delivery, traces.
        sent: what continuous synapses with delays sent in the last steps, `[steps, states]`; step `k` in row `k mod steps`.
    """

    step: Any
    moving: Any
    fixed: Variables
    since: Any
    before: Any
    recent: Any
    in_flight: dict[str, dict[str, Any]]
    crossed: dict[str, Any]
    memory: Any
    learning: Variables
    sent: Variables = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Working:
    """One step on its way: each stage takes it and returns it with what the stage did.

    Attributes:
        k: the step; it goes from `t` to `t_next` (ms, float64).
        state: as the step began.
        before: all variables as the step began.
        variables: all variables now.
        written: which of them changed after they were integrated.
        moving: the moving variables as the integrator left them.
        memory: the integrator's.
        noise: the noise of the currents, held over the step: `{population: [n]}`.
        now: the step less `state.since`, int32.
        recent: the last spikes by group, as in `StepState`.
        spiked: who spiked, by group.
        heard: who spiked in the whole network, in the user's order, where it lies on several devices.
        in_flight: the histories.
        crossed, learning, sent: see `StepState`.
        recalled: what arrives of what was sent earlier.
    """

    k: jax.Array
    t: jax.Array
    t_next: jax.Array
    state: StepState
    before: Variables
    variables: Variables
    written: frozenset[tuple[str, str]]
    moving: Any
    memory: Any
    noise: dict[str, Any]
    now: jax.Array
    recent: dict[str, Any]
    spiked: dict[str, Any]
    in_flight: dict[str, dict[str, Any]]
    crossed: dict[str, Any]
    learning: Variables
    heard: Any = None
    sent: Variables = dataclasses.field(default_factory=dict)
    recalled: Any = None

    def learnt(self, name: str, values: Mapping[str, Any]) -> Working:
        """With what a projection that learns carries now."""
        return dataclasses.replace(self, learning={**self.learning, name: dict(values)})

    def write(self, name: str, values: Mapping[str, Any]) -> Working:
        """With new values of a group's or synapses' variables."""
        own = self.variables[name]
        changed = {v: x for v, x in values.items() if x is not own[v]}
        if not changed:
            return self
        written = self.written | {(name, v) for v in changed}
        return dataclasses.replace(self, variables={**self.variables, name: {**own, **changed}}, written=written)
