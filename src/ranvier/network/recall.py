"""Continuous synapses with delays: what each sent in the last steps, and what of it arrives now.

What is sent is kept at the ends of steps and taken as straight in between, so its sum onto the targets is made once a step.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.weighted_sum import weighted_sum
from ranvier.network.constants import CoupledConstants
from ranvier.network.draw import DrawnPopulation, DrawnProjection
from ranvier.network.plan import Delayed, EdgePlan, LayoutChanged, Plan, SourcePlan
from ranvier.network.room import require_history
from ranvier.synapses.base import Presynaptic

SENT = "sent"
"""The first word of the names under which a state has what was sent."""


def plan_delays(projection: DrawnProjection, states: int) -> Delayed | None:
    """How the delays of a projection that acts continuously are kept; None where it has none."""
    delay = np.asarray(projection.delay if projection.whole_delay is None else projection.whole_delay)
    if projection.delivered or not delay.size or not delay.any():
        return None
    slots = 1 << int(delay.max()).bit_length()
    require_history(slots, states)
    return Delayed(slots, bool((delay == delay.flat[0]).all()), bool((delay == 0).any()))


def delays_of(projection: DrawnProjection, plan: SourcePlan | EdgePlan, width: int) -> Any:
    """The delays in steps, int32: one number, or `[width]`, one an edge; None where there are none.

    Raises:
        LayoutChanged: they are of another kind, or longer.
    """
    now = plan_delays(projection, plan.states)
    if now != plan.delayed and (now is None or plan.delayed is None or now.slots > plan.delayed.slots):
        raise LayoutChanged(projection.name)
    if now is None or plan.delayed is None:
        return None
    if (now.one, now.some) != (plan.delayed.one, plan.delayed.some):
        raise LayoutChanged(projection.name)
    if plan.delayed.one:
        return np.asarray(projection.delay if projection.whole_delay is None else projection.whole_delay, np.int32).flat[0]
    delay = np.asarray(projection.delay, np.int32)
    return np.pad(delay, (0, width - len(delay)), constant_values=1)


def named(sent: Any) -> dict[str, Any]:
    """What is sent, by the names that a state has for it: `"sent"`, or `"sent V"` where it is several."""
    leaves, _ = jax.tree_util.tree_flatten_with_path(sent)
    return {" ".join([SENT, *(str(getattr(key, "key", key)) for key in path)]): leaf for path, leaf in leaves}


def sent_before(projection: DrawnProjection, plan: SourcePlan | EdgePlan, source: DrawnPopulation, dtype: str) -> dict[str, np.ndarray]:
    """What a projection sent before the start: in all steps what it sends then, `[steps, states]`."""
    assert plan.delayed is not None and projection.edges is not None
    at = projection.edges.pre if isinstance(plan, EdgePlan) else slice(None)
    with jax.enable_x64(True):
        pre = Presynaptic({v: jnp.asarray(x)[at] for v, x in source.values.items()})
        own = {v: jnp.asarray(x) for v, x in projection.values.items()}
        sent = named(projection.synapse.transmit(own, pre, jnp.zeros(())))
    shape = (plan.delayed.slots, plan.states)
    return {name: np.array(np.broadcast_to(np.asarray(x), shape), dtype) for name, x in sent.items()}


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Recalled:
    """What was sent before and reaches the targets in one step, summed onto them.

    Attributes:
        t, t_next: the ends of the step (ms, float64).
        first, last: what arrives at either end, by projection, as `transmit` gives it.
    """

    t: jax.Array
    t_next: jax.Array
    first: dict[str, Any]
    last: dict[str, Any]

    def at(self, synapses: str, t: jax.Array) -> Any:
        """What arrives at the time `t` of the step."""
        share = (t - self.t) / (self.t_next - self.t)
        between = lambda a, b: (1.0 - share).astype(a.dtype) * a + share.astype(a.dtype) * b
        return jax.tree.map(between, self.first[synapses], self.last[synapses])


def recall(system: Any, variables: Any, sent: Mapping[str, Any], k: Any, t: Any, t_next: Any) -> tuple[dict[str, Any], Recalled]:
    """What was sent with what is sent at `t`, and what of it arrives in step `k`."""
    plan: Plan = system.plan
    kept = dict(sent)
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for synapses in plan.delayed:
        constants: CoupledConstants = system.constants.synapses[synapses.name]
        delayed = synapses.delayed
        assert delayed is not None
        now = constants.synapse.transmit(variables[synapses.name], system.presynaptic(synapses, variables), t)
        if isinstance(synapses, SourcePlan):  # on several devices each keeps what all sources send
            now = jax.tree.map(lambda x, s=synapses: system.of_all(jnp.broadcast_to(x, (s.states,)), s.source), now)
        row = jnp.mod(k, delayed.slots)
        rings = {
            name: (before := sent[synapses.name][name]).at[row].set(jnp.broadcast_to(x, before.shape[1:]).astype(before.dtype))
            for name, x in named(now).items()
        }
        kept[synapses.name] = rings
        for into, step in ((first, k), (last, k + 1)):
            sums = [_arriving(synapses, constants, ring, step) for ring in rings.values()]
            into[synapses.name] = jax.tree.unflatten(jax.tree.structure(now), sums)
    return kept, Recalled(t, t_next, first, last)


def _arriving(plan: SourcePlan | EdgePlan, constants: CoupledConstants, ring: jax.Array, step: Any) -> jax.Array:
    """The weighted sum onto each target of what was sent so many steps before `step`. Edges without a delay add nothing."""
    from ranvier.network.system import sum_over_edges

    delayed = plan.delayed
    assert delayed is not None
    row = jnp.mod(step - constants.delay, delayed.slots).astype(jnp.int32)
    if delayed.one:
        return sum_over_edges(plan, constants, ring[row])
    at = jnp.arange(plan.states, dtype=jnp.int32) if isinstance(plan, EdgePlan) else jnp.asarray(constants.pre)
    weight = jnp.where(constants.delay > 0, constants.weight, 0.0) if delayed.some else constants.weight
    return weighted_sum(constants.rows, row * ring.shape[1] + at, weight, ring.reshape(-1))
