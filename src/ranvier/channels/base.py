"""What an ion channel is, what an ion pool is, and rate functions that are safe everywhere."""

from __future__ import annotations

from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from ranvier.errors import not_written
from ranvier.kernels.relaxation import ratio_to_expm1 as ratio_to_expm1
from ranvier.model import Model

Gates = dict[str, jax.Array]


class IonChannel(Model):
    """Base of ion channels: gates, how they move, and the current they let through.

    Class attributes:
        reads: the ion pools whose concentration the methods get as keyword
            arguments of the same name, e.g. `("calcium",)`.
        carries: the ion pool that the channel's current feeds, or `""`.

    (The `*args` in the signatures below only tell type checkers that a method
    may take less, or concentrations by name.)

    Example:
        >>> class Persistent(IonChannel):
        ...     conductance: float = 0.1
        ...     def initial_gates(self, V): return {"p": 1 / (1 + jnp.exp(-(V + 50) / 5))}
        ...     def gate_derivatives(self, gates, V): return {"p": (1 / (1 + jnp.exp(-(V + 50) / 5)) - gates["p"]) / 10}
        ...     def current(self, gates, V): return self.conductance * gates["p"] * (V - 50)
    """

    reads: ClassVar[tuple[str, ...]] = ()
    carries: ClassVar[str] = ""

    def initial_gates(self, V: jax.Array, *args: Any, **concentrations: Any) -> Gates:
        """The gates at rest at the potential `V` (mV, `[n]`): a dict of arrays `[n]`."""
        return {}

    def gate_derivatives(self, gates: Gates, V: jax.Array, *args: Any, **concentrations: Any) -> Gates:
        """The time derivative of each gate (1/ms)."""
        return {}

    def current(self, gates: Gates, V: jax.Array, *args: Any, **concentrations: Any) -> Any:
        """The current out of the cell (µA/cm², `[n]`)."""
        raise not_written(self, IonChannel.current)

    def open_conductance(self, gates: Gates, V: jax.Array, *args: Any, **concentrations: Any) -> Any:
        """The conductance that is open (mS/cm², `[n]`), for records alone.

        As it stands, the slope of `current` in `V` with the gates held: right for every
        channel that is ohmic but for its gates. One that opens with `V` itself, at once,
        says here what is open.
        """
        _, slope = jax.jvp(lambda v: self.current(gates, v, **concentrations) + 0.0 * v, (V,), (jnp.ones_like(V),))
        return slope


class IonPool(Model):
    """Base of ion pools: one concentration a neuron, fed by the channels that carry the ion."""

    def initial_concentration(self, n: int) -> Any:
        """The concentration at rest (mM), a number or `[n]`."""
        raise not_written(self, IonPool.initial_concentration)

    def derivative(self, concentration: jax.Array, current: Any) -> Any:
        """Its time derivative (mM/ms), given the summed current of its channels (µA/cm², outward)."""
        raise not_written(self, IonPool.derivative)


def sigmoid(x: jax.Array) -> jax.Array:
    """`1 / (1 + exp(−x))`."""
    return 1.0 / (1.0 + jnp.exp(-x))


def relax(gate: jax.Array, opening: Any, closing: Any, speed: Any = 1.0) -> jax.Array:
    """The derivative of a two-state gate, `speed · (opening · (1 − gate) − closing · gate)`."""
    return speed * (opening * (1.0 - gate) - closing * gate)


def steady(opening: jax.Array, closing: jax.Array) -> jax.Array:
    """The value a two-state gate relaxes to, `opening / (opening + closing)`."""
    return opening / (opening + closing)
