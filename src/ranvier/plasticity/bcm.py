"""Plasticity by rates, with a threshold that slides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier.model import INPUT, POSITIVE, parameter
from ranvier.plasticity.base import PlasticityRule, Values
from ranvier.plasticity.traces import Trace


class SlidingThreshold(PlasticityRule):
    """Arrivals strengthen where the target fires faster than a threshold that follows its rate, else weaken.

    The rule of Bienenstock, Cooper and Munro, with rates estimated from spikes.

    Args:
        learning_rate: change by an arrival where the target fires at twice the threshold and that is `rate_scale`, in the weight's unit.
        rate_scale: the rate (Hz) at which the threshold is the rate itself.
        tau_rate: over how long the target's rate is averaged (ms).
        tau_threshold: over how long the threshold is (ms).

    Example:
        >>> SlidingThreshold(learning_rate=0.01).rate_scale
        10.0
    """

    equations = """an arrival: w = w + learning_rate * y * (y - theta) / (2 * rate_scale ** 2)
y: the target's rate over tau_rate,  theta = (its rate over tau_threshold) ** 2 / rate_scale"""
    reference = "Bienenstock, Cooper & Munro 1982, J Neurosci 2:32"

    learning_rate: Any = parameter(0.01, INPUT, POSITIVE, "size of the changes, in the weight's unit")
    rate_scale: Any = parameter(10.0, "Hz", POSITIVE, "rate at which the threshold equals the rate")
    tau_rate: Any = parameter(100.0, "ms", POSITIVE, "over how long the rate is averaged")
    tau_threshold: Any = parameter(10_000.0, "ms", POSITIVE, "over how long the threshold is averaged")

    def post_traces(self) -> Mapping[str, Trace]:
        rate = lambda tau: Trace(tau, jump=1000.0 / tau)
        return {"rate": rate(self.tau_rate), "slow rate": rate(self.tau_threshold)}

    def on_pre(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        rate, threshold = post["rate"], post["slow rate"] ** 2 / self.rate_scale
        return {"weight": edge["weight"] + self.learning_rate * rate * (rate - threshold) / (2.0 * self.rate_scale**2)}
