"""Plasticity by the target's membrane potential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.base import PlasticityRule, Values
from ranvier.plasticity.traces import LowPass, Trace


class VoltageSTDP(PlasticityRule):
    """An arrival weakens where the target has been depolarized; a trace of arrivals strengthens while it is strongly depolarized.

    The potential at the end of each step counts, before a reset. Amplitudes are in the weight's unit; the paper's have a
    maximal weight of 3.

    Args:
        depression, potentiation: A_LTD (per mV) and A_LTP (per mV²) of the paper.
        theta_minus, theta_plus: its thresholds (mV).
        tau_minus, tau_plus: of the two averages of the potential (ms).
        tau_x: of the trace of arrivals (ms).

    Example:
        >>> VoltageSTDP.visual_cortex().theta_plus
        -45.3
    """

    equations = """an arrival: w = w - depression * max(u_minus - theta_minus, 0);  x = x + 1 / tau_x
always: dw/dt = potentiation * x * max(V - theta_plus, 0) * max(u_plus - theta_minus, 0)
tau_minus du_minus/dt = V - u_minus,  tau_plus du_plus/dt = V - u_plus,  tau_x dx/dt = -x"""
    reference = "Clopath, Büsing, Vasilaki & Gerstner 2010, Nat Neurosci 13:344; without the homeostatic factor of A_LTD"
    excitatory_only: ClassVar[bool] = True

    depression: Any = parameter(14e-5, "1/mV", POSITIVE, "amplitude of weakening (A_LTD)")
    potentiation: Any = parameter(8e-5, "1/mV^2", POSITIVE, "amplitude of strengthening (A_LTP)")
    theta_minus: Any = parameter(-70.6, "mV", None, "threshold of the averages (θ₋)")
    theta_plus: Any = parameter(-45.3, "mV", None, "threshold of the potential (θ₊)")
    tau_minus: Any = parameter(10.0, "ms", POSITIVE, "time constant of the average that weakens")
    tau_plus: Any = parameter(7.0, "ms", POSITIVE, "time constant of the average that strengthens")
    tau_x: Any = parameter(15.0, "ms", POSITIVE, "time constant of the trace of arrivals")

    @classmethod
    def visual_cortex(cls, **more: Any) -> VoltageSTDP:
        """The paper's parameters for visual cortex: the defaults."""
        return cls(**more)

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"x": Trace(self.tau_x, jump=1.0 / self.tau_x)}

    def post_traces(self) -> Mapping[str, Trace | LowPass]:
        return {"u_minus": LowPass("V", self.tau_minus), "u_plus": LowPass("V", self.tau_plus)}

    def post_event(self, before: Values, after: Values) -> jax.Array:
        return after["V"] > self.theta_plus

    def on_pre(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        return {"weight": edge["weight"] - self.depression * jnp.maximum(post["u_minus"] - self.theta_minus, 0.0)}

    def on_post(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        above = (post["V"] - self.theta_plus) * jnp.maximum(post["u_plus"] - self.theta_minus, 0.0)
        return {"weight": edge["weight"] + self.potentiation * pre["x"] * above * post["dt"]}
