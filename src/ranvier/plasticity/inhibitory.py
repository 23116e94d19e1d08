"""Plasticity of inhibitory synapses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ranvier.model import INPUT, POSITIVE, parameter
from ranvier.plasticity.base import Change, SumOfProducts
from ranvier.plasticity.traces import Trace


class InhibitorySTDP(SumOfProducts):
    """Near coincidences strengthen in either order, every arriving spike weakens: the target's rate settles at `target_rate`.

    Onto a synapse that is a conductance, weights may begin at 0. Onto one that adds a current or a kick they must begin below 0,
    however little: the rule acts on their size, and from 0 they would grow to excite.

    Example:
        >>> InhibitorySTDP(learning_rate=0.1, target_rate=3.0).at_post().terms["pre", None]
        0.1
    """

    equations = """an arrival: w = w + learning_rate * (y - 2 * target_rate * tau);  x = x + 1
a spike of the target: w = w + learning_rate * x;  y = y + 1
dx/dt = -x / tau,  dy/dt = -y / tau"""
    reference = "Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, Science 334:1569"
    inhibitory: ClassVar[bool] = True

    learning_rate: Any = parameter(0.01, INPUT, POSITIVE, "change by a coincidence, in the weight's unit (η)")
    target_rate: Any = parameter(5.0, "Hz", POSITIVE, "rate that the target is to have (ρ₀)")
    tau: Any = parameter(20.0, "ms", POSITIVE, "time constant of the window")

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"pre": Trace(self.tau)}

    def post_traces(self) -> Mapping[str, Trace]:
        return {"post": Trace(self.tau)}

    def at_pre(self) -> Change:
        depression = 2.0 * self.target_rate / 1000.0 * self.tau
        return Change({(None, None): -self.learning_rate * depression, (None, "post"): self.learning_rate})

    def at_post(self) -> Change:
        return Change({("pre", None): self.learning_rate})
