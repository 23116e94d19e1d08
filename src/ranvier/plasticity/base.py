"""What a rule of synaptic plasticity is: traces, and what happens to an edge at a spike of either side."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp

from ranvier.errors import ParameterError
from ranvier.kernels.plasticity import power
from ranvier.model import INPUT, component, parameter
from ranvier.plasticity.homeostasis import Homeostasis, NoHomeostasis
from ranvier.plasticity.modulator import Modulator
from ranvier.plasticity.numbers import OfProjection
from ranvier.plasticity.traces import LowPass, Trace

Values = dict[str, jax.Array]


class Change(NamedTuple):
    """How much a weight changes: `|w − origin|^exponent · Σ terms[s, t] · pre_s · post_t`, then kept within the rule's bounds.

    Attributes:
        terms: `{(pre trace, post trace): factor}`; None in the place of a trace stands for 1.
        origin, exponent: with exponent 0 the change does not depend on the weight.

    Example:
        >>> Change({(None, "post"): -0.01})
        Change(terms={(None, 'post'): -0.01}, origin=0.0, exponent=0.0)
    """

    terms: Mapping[tuple[str | None, str | None], Any]
    origin: Any = 0.0
    exponent: Any = 0.0


class PlasticityRule(OfProjection):
    """Base of rules by which weights change. The engine owns traces and geometry; a rule states what happens at an edge.

    At one step all spikes that arrive come first: each is delivered with the weight as it is, then `on_pre` changes that. Then
    `on_post` is called for the edges onto the targets that fired. Each sees the traces just before its own spike is
    added to its neuron's trace, with what arrived or fired before.

    Where no weight is below 0, or where all are below 0 and `low` is not, the rule sees the weights' size, and they keep
    their sign. Parameters are one number each.

    Args:
        low, high: the bounds of the weights, in the unit of the projection's weights. With a `low` below 0 weights may change their sign.
        homeostasis: what keeps all weights onto a target in order, now and then.

    Example:
        >>> import ranvier as rv
        >>> class OnlyDown(rv.PlasticityRule):
        ...     step: float = rv.parameter(0.01, "1")
        ...     def on_pre(self, edge, pre, post, third):
        ...         return {"weight": edge["weight"] - self.step}
        >>> source = rv.Population(1, rv.neurons.SpikeTimes([1.0, 2.0]), name="source")
        >>> cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cell")
        >>> wire = rv.Projection(source, cell, rv.synapses.ExponentialCurrent(), [[1]], weight=1.0, plasticity=OnlyDown())
        >>> run = rv.simulate(rv.Network(source, cell, wire), duration=5.0, dt=0.1)
        >>> run.edges(wire).weight.round(2).tolist()
        [0.98]
    """

    low: Any = parameter(0.0, INPUT, None, "lowest weight")
    high: Any = parameter(math.inf, INPUT, None, "highest weight")
    homeostasis: Homeostasis = component(NoHomeostasis())

    update_every: ClassVar[float] = 1.0
    """how often `update` is called (ms); 0 for every step"""

    excitatory_only: ClassVar[bool] = False
    """whether it is for excitatory sources alone, and is refused for inhibitory ones"""
    inhibitory: ClassVar[bool] = False
    """whether it is meant for inhibitory sources: then weights that are all 0 must have a synapse that says that it inhibits"""

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.low, self.high
        if all(isinstance(x, int | float) for x in (low, high)) and low > high:
            raise ParameterError(f"{type(self).__name__}: low = {low:g} is above high = {high:g}, so no weight can be within them.")

    def pre_traces(self) -> Mapping[str, Trace]:
        """The traces of the sources' spikes, as they arrive at the synapse, by name."""
        return {}

    def post_traces(self) -> Mapping[str, Trace | LowPass]:
        """The traces of the targets' spikes, and averages of the targets' variables, by name."""
        return {}

    def edge_state(self) -> Mapping[str, Any]:
        """Variables of each edge beside its weight, 0 at the start, with the time constants (ms) they decay with; `math.inf` for none."""
        return {}

    def modulator(self) -> Modulator | None:
        """What gives the third factor, or None."""
        return None

    def on_pre(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        """What changes where a spike arrives.

        Args:
            edge: the edges' `"weight"` and own variables, each `[edges]`.
            pre: the sources' traces.
            post: the targets' traces, and their state by variable; `"dt"` is the step (ms).
            third: the modulator's value, or None.

        Returns:
            What is new, of `edge`.
        """
        return {}

    def on_post(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        """What changes where the target fires; as `on_pre`."""
        return {}

    def post_event(self, before: Values, after: Values) -> jax.Array | None:
        """When `on_post` is called, bool `[targets]`, from the targets' state before and after a step. None: when they spike."""
        return None

    def update(self, edge: Values, post: Values, third: Any, total: Callable[[jax.Array], jax.Array], interval: Any) -> Values:
        """What changes at every edge now and then: homeostasis, scaling, a reward.

        Args:
            edge, post, third: as of `on_pre`.
            total: gives each edge the sum of a value over all edges of the projection onto its target.
            interval: the time since the last call (ms).
        """
        return {}


class SumOfProducts(PlasticityRule):
    """Base of rules whose changes are sums of products of traces of a source and a target: native kernels take them in one pass.

    Instead of `on_pre` and `on_post` it states `at_pre` and `at_post`.
    """

    def at_pre(self) -> Change | None:
        """The change where a spike arrives, or None."""
        return None

    def at_post(self) -> Change | None:
        """The change where the target fires, or None."""
        return None

    def on_pre(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        return self._changed(self.at_pre(), edge, pre, post)

    def on_post(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        return self._changed(self.at_post(), edge, pre, post)

    @staticmethod
    def _changed(change: Change | None, edge: Values, pre: Values, post: Values) -> Values:
        if change is None:
            return {}
        weight = edge["weight"]
        one = jnp.ones((), weight.dtype)
        total = sum(factor * (one if s is None else pre[s]) * (one if t is None else post[t]) for (s, t), factor in change.terms.items())
        return {"weight": weight + power(jnp.abs(weight - change.origin), jnp.asarray(change.exponent, weight.dtype)) * total}


def overrides(rule: PlasticityRule, method: str) -> bool:
    """Whether a rule has its own form of a method."""
    return getattr(type(rule), method) is not getattr(PlasticityRule, method)


def by_potential(rule: PlasticityRule) -> bool:
    """Whether a rule sees more of the target than its spikes."""
    return overrides(rule, "post_event") or any(isinstance(t, LowPass) for t in rule.post_traces().values())


def fused(rule: PlasticityRule) -> bool:
    """Whether native kernels take a rule as it is."""
    own = type(rule)
    plain = all(getattr(own, m) is getattr(SumOfProducts, m, None) for m in ("on_pre", "on_post"))
    return isinstance(rule, SumOfProducts) and plain and not by_potential(rule) and not rule.edge_state()
