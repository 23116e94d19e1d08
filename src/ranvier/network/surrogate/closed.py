"""What refuses a derivative that would be 0 where a spike has none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.errors import UnsupportedError
from ranvier.network.layout import Layout
from ranvier.network.plan import EdgePlan, SourcePlan

CHOICES = (
    "Say what stands in for it: surrogate=rv.surrogates.FastSigmoid(); surrogate=rv.surrogates.SpikeTimes() for exact spike times; or "
    "surrogate=rv.surrogates.FixedSpikes(), for which every spike stays in its step."
)


def acting(layout: Layout) -> str | None:
    """A population whose spikes depend on its state and do something, to itself or to others; None where there is none."""
    plan = layout.plan
    heard = {*layout.heard, *(h.source for h in plan.histories)}
    heard |= {s.source for s in plan.synapses if isinstance(s, SourcePlan | EdgePlan) and s.emits}
    groups = (g for g in plan.groups if g.fires != "given" and g.variables)
    return next((name for g in groups for name in g.members if g.resets or name in heard), None)


def drawn_sources(layout: Layout) -> list[str]:
    """The populations without a state that fire at random: their spikes depend on their own parameters alone."""
    return [name for g in layout.plan.groups if g.fires == "hazard" and not g.variables for name in g.members]


def reason(name: str) -> str:
    """Why there is no derivative."""
    return f"a spike of {name} is there or not: it has no derivative, and what depends on it would have 0"


def spiking(name: str) -> str:
    """Why there is no derivative, and what to write instead."""
    return f"{reason(name)}. {CHOICES}"


def moment(path: str) -> str:
    """Why there is no derivative by what is compared with the time."""
    return (
        f"{path} has no derivative: it decides in which step something begins or ends. Leave it out of what is differentiated; rv.fit "
        "searches it with rv.fitting.CMAES(), which needs no derivative."
    )


def without_derivative(why: str) -> Callable[[Any], Any]:
    """What numbers go through that nobody may differentiate by."""

    @jax.custom_jvp
    def closed(x: Any) -> Any:
        return x

    @closed.defjvp
    def refuse(primals: Any, tangents: Any) -> Any:
        raise UnsupportedError(f"sim.function: {why}")

    traced = lambda x: isinstance(x, jax.core.Tracer) and jnp.issubdtype(x.dtype, jnp.floating)
    return lambda tree: jax.tree.map(lambda x: closed(x) if traced(x) else x, tree)
