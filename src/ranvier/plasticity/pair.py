"""Spike-timing-dependent plasticity by pairs of spikes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp

from ranvier.errors import ParameterError
from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.base import Change, SumOfProducts
from ranvier.plasticity.traces import Trace


class PairSTDP(SumOfProducts):
    """A synapse strengthens where a spike arrives before its target fires, and weakens where it arrives after.

    Each pair of an arrival and a spike of the target, `s` ms apart, changes the weight by

        high · potentiation · (1 − w / high) ^ potentiation_exponent · exp(−s / tau_plus)     arrival first,
        −high · depression · (w / high) ^ depression_exponent · exp(−s / tau_minus)           target first.

    Exponents of 0 are the additive rule, of 1 the multiplicative one, between them the power law of Gütig et al. (2003).
    Without a finite `high` the change does not depend on the weight, and `potentiation` and `depression` are in the weight's unit.

    Args:
        low, high, homeostasis: see `PlasticityRule`.
        potentiation, depression: the largest change by one pair, as a share of `high`.
        tau_plus, tau_minus: time constants of the window (ms).
        potentiation_exponent, depression_exponent: how the change depends on the weight.
        nearest: each spike is paired with the last one of the other side alone (Morrison et al. 2008, "symmetric").

    Example:
        >>> rule = PairSTDP(high=10.0, potentiation=0.01, depression=0.0105)
        >>> round(float(rule.at_post().terms["pre", None]), 4), round(float(rule.at_pre().terms[None, "post"]), 4)
        (0.1, -0.105)
    """

    equations = """an arrival: w = w - high * depression * (w / high) ** depression_exponent * y;  x = x + 1
a spike of the target: w = w + high * potentiation * (1 - w / high) ** potentiation_exponent * x;  y = y + 1
dx/dt = -x / tau_plus,  dy/dt = -y / tau_minus"""
    reference = """Song, Miller & Abbott 2000, Nat Neurosci 3:919: additive
van Rossum, Bi & Turrigiano 2000, J Neurosci 20:8812: in proportion to the weight
Gütig, Aharonov, Rotter & Sompolinsky 2003, J Neurosci 23:3697: the power law
Morrison, Diesmann & Gerstner 2008, Biol Cybern 98:459: which spikes pair"""

    potentiation: Any = parameter(0.01, "1", None, "largest strengthening by a pair, as a share of high")
    depression: Any = parameter(0.0105, "1", None, "largest weakening by a pair, as a share of high")
    tau_plus: Any = parameter(20.0, "ms", POSITIVE, "time constant of strengthening")
    tau_minus: Any = parameter(20.0, "ms", POSITIVE, "time constant of weakening")
    potentiation_exponent: Any = parameter(0.0, "1", POSITIVE, "exponent of 1 − w / high")
    depression_exponent: Any = parameter(0.0, "1", POSITIVE, "exponent of w / high")
    nearest: bool = False

    def check_parameters(self) -> None:
        for name in ("potentiation_exponent", "depression_exponent"):
            if math.isinf(self.high) and getattr(self, name):
                raise ParameterError(
                    f"PairSTDP.{name} is {getattr(self, name):g}, and a change that depends on the weight is measured by `high`. "
                    "Give it one, such as high=10.0."
                )

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"pre": Trace(self.tau_plus, nearest=self.nearest)}

    def post_traces(self) -> Mapping[str, Trace]:
        return {"post": Trace(self.tau_minus, nearest=self.nearest)}

    def at_pre(self) -> Change:
        return Change({(None, "post"): -self.depression * share_of(self.high, self.depression_exponent)}, 0.0, self.depression_exponent)

    def at_post(self) -> Change:
        bounded = jnp.isfinite(self.high)
        change = self.potentiation * share_of(self.high, self.potentiation_exponent)
        return Change({("pre", None): change}, jnp.where(bounded, self.high, 0.0), self.potentiation_exponent)

    @classmethod
    def anti_hebbian(cls, **more: Any) -> PairSTDP:
        """The window turned upside down: an arrival before the target's spike weakens."""
        return cls(**{"potentiation": -0.01, "depression": -0.0105, **more})


def share_of(high: Any, exponent: Any = 0.0) -> Any:
    """What a share of `high` is multiplied by; 1 where that is infinite."""
    bounded = jnp.isfinite(high)
    return jnp.where(bounded, jnp.where(bounded, high, 1.0) ** (1.0 - exponent), 1.0)
