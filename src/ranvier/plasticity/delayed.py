"""Plasticity whose window begins at 0 and is largest some ms away."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.base import Change, SumOfProducts
from ranvier.plasticity.traces import Trace


class DelayedWindowSTDP(SumOfProducts):
    """A weight changes by a share of itself, most where the two spikes are some ms apart: a window of two exponentials.

    This is `PLASTIC_SYNAPSE_A` of Neurapse, as its text means it: the change by a pair is `± gain · w · (exp(−s/tau) − exp(−s/tau_rise))`,
    and each spike meets the last one of the other side alone.

    Args:
        gain: Neurapse's γ.
        tau, tau_rise: time constants of the window (ms); Neurapse's rise is a quarter of tau.
        low, high: Neurapse has 1 and 500.

    Example:
        >>> rule = DelayedWindowSTDP(gain=0.8)
        >>> sorted(rule.pre_traces())
        ['fast', 'slow']
    """

    equations = """an arrival: w = w - gain * w * (y_slow - y_fast);  x_slow = x_fast = 1
a spike of the target: w = w + gain * w * (x_slow - x_fast);  y_slow = y_fast = 1
dx_slow/dt = -x_slow / tau,  dx_fast/dt = -x_fast / tau_rise, and so y"""
    reference = "Neurapse (github.com/udion/Neurapse), PLASTIC_SYNAPSE_A"

    gain: Any = parameter(1.0, "1", None, "size of the change, as a share of the weight")
    tau: Any = parameter(15.0, "ms", POSITIVE, "time constant of the window's end")
    tau_rise: Any = parameter(3.75, "ms", POSITIVE, "time constant of the window's beginning")

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"slow": Trace(self.tau, nearest=True), "fast": Trace(self.tau_rise, nearest=True)}

    def post_traces(self) -> Mapping[str, Trace]:
        return self.pre_traces()

    def at_pre(self) -> Change:
        return Change({(None, "slow"): -self.gain, (None, "fast"): self.gain}, 0.0, 1.0)

    def at_post(self) -> Change:
        return Change({("slow", None): self.gain, ("fast", None): -self.gain}, 0.0, 1.0)
