"""Plasticity that climbs towards reward, for neurons that fire at random."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ranvier.channels import ratio_to_expm1
from ranvier.model import INPUT, POSITIVE, component, parameter
from ranvier.plasticity.base import PlasticityRule, Values
from ranvier.plasticity.modulator import Modulator

_LARGER_THAN_0 = (1e-12, math.inf)


class RMaxSTDP(PlasticityRule):
    """R-max: a synapse is tagged by how much its spikes made the target fire that did, or did not, and changes as that is rewarded.

    The tag grows by what the synapse has added to the potential where the target fires, and shrinks by it where the target could have
    fired: the derivative of the logarithm of the spikes' probability by the weight. Change of weight is the tag times the reward, with
    nothing taken from the reward: on average along the gradient of the expected reward, whatever its mean is; only slower where that is
    far from 0.

    It is for `rv.neurons.EscapeNoiseIntegrateAndFire` with `rv.synapses.ExponentialCurrent`, whose parameters it is given, too. Without a
    refractory period the tag is that derivative, times `capacitance / (tau_membrane · tau_synapse)`, and decays.

    Args:
        reward: what releases the third factor.
        learning_rate: change of the weight per tag and reward, in a second.
        threshold, threshold_rate, softness: of the target neuron.
        tau_membrane, tau_synapse: the time constants of the potential and of the synaptic current (ms); they must differ.
        tau_eligibility: with which the tag decays (ms).

    Example:
        >>> import ranvier as rv
        >>> rule = RMaxSTDP(reward=rv.plasticity.Rewards(times=[500.0], amount=1.0), tau_membrane=20.0, tau_synapse=5.0)
        >>> sorted(rule.edge_state())
        ['eligibility', 'fast', 'slow']
    """

    equations = """psp = (exp(-s / tau_membrane) - exp(-s / tau_synapse)) / (tau_membrane - tau_synapse)
(summed over the arrivals, s ago, since the target fired)
de/dt = -e / tau_eligibility + psp / softness * (Y - hazard)  (Y: the target's spikes),  dw/dt = learning_rate * e * R"""
    reference = """Frémaux, Sprekeler & Gerstner 2010, J Neurosci 30:13326, eqs. 6-8
Frémaux & Gerstner 2016, Front Neural Circuits 9:85"""

    update_every = 0.0  # every step

    reward: Modulator = component(Modulator())
    low: Any = parameter(-math.inf, INPUT, None, "lowest weight")
    learning_rate: Any = parameter(1.0, "1", None, "change of the weight per tag and reward, in a second")
    threshold: Any = parameter(-50.0, "mV", None, "of the target neuron")
    threshold_rate: Any = parameter(0.1, "1/ms", POSITIVE, "the target's hazard at its threshold")
    softness: Any = parameter(1.0, "mV", _LARGER_THAN_0, "over which its hazard grows e-fold")
    tau_membrane: Any = parameter(20.0, "ms", _LARGER_THAN_0, "time constant of its potential")
    tau_synapse: Any = parameter(5.0, "ms", _LARGER_THAN_0, "time constant of the synaptic current")
    tau_eligibility: Any = parameter(500.0, "ms", _LARGER_THAN_0, "time constant of the tag")

    def modulator(self) -> Modulator:
        return self.reward

    def edge_state(self) -> Mapping[str, Any]:
        return {"eligibility": self.tau_eligibility, "slow": self.tau_membrane, "fast": self.tau_synapse}

    def _hazard(self, post: Values) -> jax.Array:
        """The probability per step, where it is small."""
        return self.threshold_rate * jnp.exp((post["V"] - self.threshold) / self.softness) * post["dt"]

    def _share(self, edge: Values) -> jax.Array:
        return (edge["slow"] - edge["fast"]) / (self.tau_membrane - self.tau_synapse) / self.softness

    def on_pre(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        return {"slow": edge["slow"] + 1.0, "fast": edge["fast"] + 1.0}

    def on_post(self, edge: Values, pre: Values, post: Values, third: Any) -> Values:
        change = self._share(edge) * ratio_to_expm1(self._hazard(post))
        return {"eligibility": edge["eligibility"] + change, "slow": edge["fast"]}  # the reset forgets what came before

    def update(self, edge: Values, post: Values, third: Any, total: Callable[[jax.Array], jax.Array], interval: Any) -> Values:
        eligibility = edge["eligibility"] - self._share(edge) * self._hazard(post)
        change = self.learning_rate * eligibility * third * interval / 1000.0
        return {"eligibility": eligibility, "weight": edge["weight"] + change}
