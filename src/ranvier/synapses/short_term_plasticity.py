"""Short-term plasticity: spikes whose amplitude depends on the spikes before."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from ranvier.errors import not_written
from ranvier.model import POSITIVE, Model, PerNeuron, parameter
from ranvier.random import Key
from ranvier.synapses.base import SynapseState


class ShortTermPlasticity(Model):
    """Base of models of short-term plasticity: the amplitude of each spike of a presynaptic neuron.

    Its state belongs to the source and is touched by spikes alone: it holds what was true
    just after the last one, and `emit` takes it from there to the next in one formula. So it
    costs nothing between spikes, and no integrator sees it.
    """

    def initial_state(self, n: int, key: Key) -> SynapseState:
        """The state of `n` sources at the start: a dict of arrays `[n]`."""
        raise not_written(self, ShortTermPlasticity.initial_state)

    def emit(self, state: SynapseState, spiked: jax.Array, since_last_spike: jax.Array) -> tuple[SynapseState, jax.Array]:
        """What the spikes of one step carry.

        Args:
            state: the variables after each source's last spike, each `[n]`.
            spiked: which sources spike now, bool `[n]`.
            since_last_spike: the time since each source's last spike before this one
                (ms, float64 `[n]`); infinite where there was none.

        Returns:
            The new state, and by how much the weight of each source's spike is multiplied: `[n]`, 0 where there is none.
        """
        raise not_written(self, ShortTermPlasticity.emit)


class TsodyksMarkram(ShortTermPlasticity):
    """Depression and facilitation: a spike uses the share `u` of the resources `x` that are there.

    The weight is the absolute efficacy: a spike that used all resources at once would have
    the amplitude 1, and the first spike after a long silence has `utilization`. Depression
    alone has `facilitation=0`, facilitation alone `recovery=0`. With `inactivation` used resources stay active for that long on
    average before they begin to recover, as in the paper, where it is the time constant of the synapse's current; as it stands
    they begin at once.

    Under regular spikes of the period T the amplitude settles at `u x` with
    `u = U / (1 − (1 − U) exp(−T/facilitation))` and
    `x = (1 − exp(−T/recovery)) / (1 − (1 − u) exp(−T/recovery))`.

    Example:
        >>> rule = TsodyksMarkram(utilization=0.5, recovery=800.0)
        >>> state, spiked = rule.initial_state(1, Key(0)), jnp.array([True])
        >>> state, first = rule.emit(state, spiked, jnp.array([jnp.inf]))
        >>> state, second = rule.emit(state, spiked, jnp.array([50.0]))
        >>> round(float(first[0]), 3), round(float(second[0]), 3)
        (0.5, 0.265)
    """

    equations = """a spike: u = u + utilization * (1 - u);  amplitude = u * x;  x = x - u * x
between spikes: du/dt = -u / facilitation,  dy/dt = -y / inactivation,  dx/dt = (1 - x - y) / recovery
(a spike adds to y what it takes from x; inactivation = 0: y = 0)"""
    reference = """Tsodyks & Markram 1997, PNAS 94:719
Tsodyks, Pawelzik & Markram 1998, Neural Comput 10:821: with facilitation and inactivation"""

    utilization: PerNeuron = parameter(0.5, "1", (0.0, 1.0), "share of the resources that the first spike uses (U)")
    recovery: PerNeuron = parameter(800.0, "ms", POSITIVE, "time constant with which resources return (τ_rec)")
    facilitation: PerNeuron = parameter(0.0, "ms", POSITIVE, "time constant with which facilitation fades (τ_facil)")
    inactivation: PerNeuron = parameter(0.0, "ms", POSITIVE, "how long used resources are active before they recover (τ_in)")

    @classmethod
    def depressing(cls) -> TsodyksMarkram:
        """The depressing synapse of 1998, between pyramidal neurons: the default parameters."""
        return cls()

    @classmethod
    def facilitating(cls) -> TsodyksMarkram:
        """The facilitating synapse of 1998, from a pyramidal neuron onto an interneuron."""
        return cls(utilization=0.03, recovery=130.0, facilitation=530.0)

    def initial_state(self, n: int, key: Key) -> SynapseState:
        return {"u": jnp.zeros(n), "x": jnp.ones(n), "y": jnp.zeros(n)}

    def emit(self, state: SynapseState, spiked: jax.Array, since_last_spike: jax.Array) -> tuple[SynapseState, jax.Array]:
        u, x, y = state["u"], state["x"], state["y"]
        since = since_last_spike.astype(x.dtype)
        left = u * _remains(since, self.facilitation)
        used = left + self.utilization * (1.0 - left)
        active = y * _remains(since, self.inactivation)
        lost = (1.0 - x - y) * _remains(since, self.recovery) + y * _passed_on(since, self.inactivation, self.recovery)
        ready = 1.0 - active - lost
        stays = jnp.asarray(self.inactivation) > 0
        after = {
            "u": jnp.where(spiked, used, u),
            "x": jnp.where(spiked, ready * (1.0 - used), x),
            "y": jnp.where(spiked, jnp.where(stays, active + used * ready, 0.0), y),
        }
        return after, jnp.where(spiked, used * ready, jnp.zeros_like(x))


def _remains(since: jax.Array, tau: Any) -> jax.Array:
    """`exp(−since/tau)`; 0 after an infinite time, and for a time constant of 0. Its gradient is finite there too."""
    some = (jnp.asarray(tau) > 0) & jnp.isfinite(since)
    return jnp.where(some, jnp.exp(-jnp.where(some, since, 0.0) / jnp.where(some, tau, 1.0)), 0.0)


def _passed_on(since: jax.Array, first: Any, second: Any) -> jax.Array:
    """The share of what was in a store that is in the next one, which it empties into; both empty with a time constant of their own."""
    both = (jnp.asarray(first) > 0) & (jnp.asarray(second) > 0) & jnp.isfinite(since)
    time, one, other = jnp.where(both, since, 0.0), jnp.where(both, first, 1.0), jnp.where(both, second, 1.0)
    # The longer of the two decays stands before what remains, so that nothing overflows; both may be the same.
    apart = jnp.abs(time / one - time / other)
    mean = jnp.where(apart > 1e-4, -jnp.expm1(-apart) / jnp.where(apart > 1e-4, apart, 1.0), 1.0 - apart / 2)
    return jnp.where(both, time / one * jnp.exp(-time / jnp.maximum(one, other)) * mean, 0.0)
