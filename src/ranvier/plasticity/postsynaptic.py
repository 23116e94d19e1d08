"""Plasticity at the target's spikes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ranvier.errors import ParameterError
from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.base import Change, SumOfProducts
from ranvier.plasticity.pair import share_of
from ranvier.plasticity.traces import Trace


class PostsynapticSTDP(SumOfProducts):
    """When the target fires, synapses strengthen whose source has just fired, and those weaken whose source has not.

    The trace of the last arrival is 1 at once and decays; what is above `offset` strengthens.

    Args:
        rate: how fast it learns, as a share of `high`.
        offset: the trace that changes nothing.
        tau: time constant of the trace (ms).
        exponent: how the change depends on what is left to the upper bound, `(1 − w / high) ^ exponent`.

    Example:
        >>> rule = PostsynapticSTDP(high=1.0, rate=0.05, offset=0.4)
        >>> rule.at_pre() is None, round(float(rule.at_post().terms["last arrival", None]), 4)
        (True, 0.05)
    """

    equations = """a spike of the target: w = w + rate * high * (1 - w / high) ** exponent * (x - offset)
an arrival: x = 1;  dx/dt = -x / tau"""
    reference = "Diehl & Cook 2015, Front Comput Neurosci 9:99"

    rate: Any = parameter(0.01, "1", None, "how fast it learns, as a share of high")
    offset: Any = parameter(0.4, "1", None, "trace that changes nothing")
    tau: Any = parameter(20.0, "ms", POSITIVE, "time constant of the trace")
    exponent: Any = parameter(1.0, "1", POSITIVE, "exponent of 1 − w / high")

    def check_parameters(self) -> None:
        if math.isinf(self.high):
            raise ParameterError("PostsynapticSTDP: changes are measured by `high`. Give it one, such as high=1.0.")

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"last arrival": Trace(self.tau, nearest=True)}

    def at_post(self) -> Change:
        change = self.rate * share_of(self.high, self.exponent)
        return Change({("last arrival", None): change, (None, None): -change * self.offset}, self.high, self.exponent)
