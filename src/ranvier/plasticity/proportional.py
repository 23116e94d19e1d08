"""Plasticity in proportion to the weight, by the nearest spikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.base import Change, SumOfProducts
from ranvier.plasticity.traces import Trace


class ProportionalSTDP(SumOfProducts):
    """Each spike of either side changes the weight by a share of itself, and meets the last one of the other side alone.

    This is the rule of Neurapse's plastic random network and of its `PLASTIC_SYNAPSE_B`, as its text means it; without an upper
    bound a weight grows exponentially where strengthening prevails.

    Args:
        potentiation, depression: the largest share by one pair. Neurapse has 0.01 and 0.07, both multiplied by its γ.
        tau: time constant of both sides of the window (ms).

    Example:
        >>> rule = ProportionalSTDP()
        >>> rule.at_pre().exponent, rule.at_post().terms["last arrival", None]
        (1.0, 0.01)
    """

    equations = """an arrival: w = w * (1 - depression * y);  x = 1
a spike of the target: w = w * (1 + potentiation * x);  y = 1
dx/dt = -x / tau,  dy/dt = -y / tau"""
    reference = "Neurapse (github.com/udion/Neurapse), DRN_Plastic and PLASTIC_SYNAPSE_B"

    potentiation: Any = parameter(0.01, "1", None, "largest strengthening by a pair, as a share of the weight")
    depression: Any = parameter(0.07, "1", None, "largest weakening by a pair, as a share of the weight")
    tau: Any = parameter(20.0, "ms", POSITIVE, "time constant of the window")

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"last arrival": Trace(self.tau, nearest=True)}

    def post_traces(self) -> Mapping[str, Trace]:
        return {"last spike": Trace(self.tau, nearest=True)}

    def at_pre(self) -> Change:
        return Change({(None, "last spike"): -self.depression}, 0.0, 1.0)

    def at_post(self) -> Change:
        return Change({("last arrival", None): self.potentiation}, 0.0, 1.0)
