"""A leaky membrane with currents that decay exponentially, in closed form: `dV/dt = drive − decay·V + gain·Σ i`, `di/dt = −rate·i`."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

SMALL = 1e-2  # below it a series, whose error is that of rounding


def relative_expm1(z: jax.Array) -> jax.Array:
    """`(exp(z) − 1) / z`, 1 at 0; its derivatives are exact there, too."""
    near = jnp.abs(z) < SMALL
    far = jnp.where(near, 1.0, z)
    series = 1 + z / 2 * (1 + z / 3 * (1 + z / 4 * (1 + z / 5 * (1 + z / 6))))
    return jnp.where(near, series, jnp.expm1(far) / far)


def of_drive(decay: jax.Array, s: jax.Array) -> jax.Array:
    """What a drive of 1 has added to the potential after a time `s`."""
    return s * relative_expm1(-decay * s)


def of_current(decay: jax.Array, rate: jax.Array, s: jax.Array) -> jax.Array:
    """What a current of 1, with a gain of 1, has added to the potential after a time `s`, while it decays."""
    return s * jnp.exp(-jnp.minimum(decay, rate) * s) * relative_expm1(-jnp.abs(rate - decay) * s)


class Cells(NamedTuple):
    """The numbers of neurons, `[n]`, and of their receptors, `[n, receptors]`; where it is of spikes, with their axis in between.

    Attributes:
        decay: leak by capacitance (1/ms).
        drive: what leak and current drive the potential with (mV/ms).
        gain: 1 by capacitance.
        rate: 1 by the time constant of each receptor (1/ms).
    """

    decay: Any
    drive: Any
    gain: Any
    rate: Any

    def at(self, *index: Any) -> Cells:
        """Those of some neurons."""
        return Cells(*(x[index] for x in self))

    def per_spike(self) -> Cells:
        """With an axis for spikes."""
        return Cells(*(x[:, None] for x in self))

    def speed(self, V: jax.Array, currents: jax.Array) -> jax.Array:
        """dV/dt (mV/ms)."""
        return self.drive - self.decay * V + self.gain * currents.sum(-1)

    def potential(self, V: jax.Array, currents: jax.Array, s: jax.Array) -> jax.Array:
        """The potential a time `s` later."""
        of_currents = (currents * of_current(self.decay[..., None], self.rate, s[..., None])).sum(-1)
        return V * jnp.exp(-self.decay * s) + self.drive * of_drive(self.decay, s) + self.gain * of_currents

    def currents(self, currents: jax.Array, s: jax.Array) -> jax.Array:
        """The currents a time `s` later."""
        return currents * jnp.exp(-self.rate * s[..., None])
