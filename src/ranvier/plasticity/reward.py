"""Plasticity that waits for a reward."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax

from ranvier.model import POSITIVE, component, parameter
from ranvier.plasticity.base import PlasticityRule, Values
from ranvier.plasticity.modulator import Modulator
from ranvier.plasticity.traces import Trace


class RewardModulatedSTDP(PlasticityRule):
    """Pairs of spikes tag a synapse; the tag fades in a second or so, and becomes a change of weight while there is dopamine.

    Args:
        reward: what releases the third factor.
        potentiation, depression: by how much a pair changes the tag; the weight changes by tag × third factor a second.
        tau_plus, tau_minus: time constants of the window (ms).
        tau_eligibility: of the tag (ms).

    Example:
        >>> import ranvier as rv
        >>> class Every(rv.plasticity.Modulator):
        ...     def release(self, memory, spiked, t):
        ...         return memory, 0.001
        >>> rv.plasticity.RewardModulatedSTDP(reward=Every(), high=4.0).tau_eligibility
        1000.0
    """

    equations = """an arrival: c = c - depression * y;  a spike of the target: c = c + potentiation * x
dc/dt = -c / tau_eligibility,  dw/dt = c * d  (d: the third factor; a second is the unit of time)"""
    reference = "Izhikevich 2007, Cereb Cortex 17:2443"

    update_every = 1.0

    reward: Modulator = component(Modulator())
    potentiation: Any = parameter(1.0, "1", None, "change of the tag where the target fires after an arrival")
    depression: Any = parameter(1.5, "1", None, "change of the tag where a spike arrives after the target fired")
    tau_plus: Any = parameter(20.0, "ms", POSITIVE, "time constant of strengthening")
    tau_minus: Any = parameter(20.0, "ms", POSITIVE, "time constant of weakening")
    tau_eligibility: Any = parameter(1000.0, "ms", POSITIVE, "time constant of the tag")

    def modulator(self) -> Modulator:
        return self.reward

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"x": Trace(self.tau_plus)}

    def post_traces(self) -> Mapping[str, Trace]:
        return {"y": Trace(self.tau_minus)}

    def edge_state(self) -> Mapping[str, Any]:
        return {"eligibility": self.tau_eligibility}

    def on_pre(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        return {"eligibility": edge["eligibility"] - self.depression * post["y"]}

    def on_post(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        return {"eligibility": edge["eligibility"] + self.potentiation * pre["x"]}

    def update(self, edge: Values, post: Values, third: Any, total: Callable[[jax.Array], jax.Array], interval: Any) -> Values:
        return {"weight": edge["weight"] + edge["eligibility"] * third * interval / 1000.0}
