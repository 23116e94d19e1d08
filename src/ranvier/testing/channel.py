"""Checks of ion channels and ion pools."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.channels.base import IonChannel, IonPool
from ranvier.channels.leak import Leak
from ranvier.model import PerNeuron, in_precision, parameter
from ranvier.neurons.conductance_based import ConductanceBased
from ranvier.testing.common import (
    PRECISIONS,
    check_array,
    check_arrays,
    check_close,
    check_description,
    check_finite,
    check_gradient,
    check_units,
    check_value_semantics,
    is_a,
    require,
    varied,
)
from ranvier.testing.runs import check_runs

POTENTIALS = np.arange(-1200, 601) / 10.0  # mV, so that every tenth is met exactly
SOME_POTENTIALS = np.array([-91.3, -64.7, -48.2, -12.6, 23.9])
CONCENTRATION = 5e-4  # mM


def _ions(channel: IonChannel, like: Any) -> dict[str, Any]:
    return {ion: jnp.full_like(like, CONCENTRATION) for ion in channel.reads}


def check_channel(channel: IonChannel, *, published: bool = False) -> None:
    """Checks an ion channel.

    Its description and units; shapes and types, in both precisions and for 0, 1 and many
    neurons; that rates and currents, and their gradients, are finite at every tenth of a
    millivolt from −120 to 60 mV; that the initial gates are at rest; that neurons do not
    mix; that `vmap` over parameters is a loop; gradients against finite differences; and
    that it runs in a neuron.

    Args:
        channel: the channel, with any parameters.
        published: whether equations and a source must be stated.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_channel(rv.channels.Leak())
    """
    is_a(channel, IonChannel, "ion channel")
    name = type(channel).__name__
    check_description(channel, published)
    check_units(channel, "uA/cm^2")
    check_value_semantics(channel)
    require(
        isinstance(channel.reads, tuple) and isinstance(channel.carries, str), f"{name}: reads must be a tuple of names, carries a name."
    )
    with jax.enable_x64(True):
        for dtype in PRECISIONS:
            for n in (0, 1, 5):
                _check_shapes(in_precision(channel, dtype), n, dtype, name)
            _check_finite_everywhere(in_precision(channel, dtype), dtype, name)
        _check_rest(channel, name)
        _check_neurons_apart(channel, name)
        check_gradient(lambda at: _everything(*at), (channel, SOME_POTENTIALS), name)
    check_runs(_neuron_with(channel), name, sizes=())


def _everything(channel: IonChannel, V: Any, away: float = 0.1) -> dict[str, Any]:
    """What a channel computes, its gates a little away from rest."""
    ions = _ions(channel, V)
    gates = {gate: x + away * (0.5 - x) for gate, x in channel.initial_gates(V, **ions).items()}
    return {"gates": channel.gate_derivatives(gates, V, **ions), "current": channel.current(gates, V, **ions)}


def _check_shapes(channel: IonChannel, n: int, dtype: str, name: str) -> None:
    def shapes(V: Any) -> Any:
        ions = _ions(channel, V)
        gates = channel.initial_gates(V, **ions)
        return (
            gates,
            channel.gate_derivatives(gates, V, **ions),
            channel.current(gates, V, **ions),
            channel.open_conductance(gates, V, **ions),
        )

    gates, rates, current, conductance = jax.eval_shape(shapes, jax.ShapeDtypeStruct((n,), dtype))
    check_arrays(gates, None, n, dtype, f"{name}.initial_gates")
    check_arrays(rates, gates, n, dtype, f"{name}.gate_derivatives")
    check_array(current, n, dtype, f"{name}.current")
    check_array(conductance, n, dtype, f"{name}.open_conductance")


def _check_finite_everywhere(channel: IonChannel, dtype: str, name: str) -> None:
    V = POTENTIALS.astype(dtype)
    values, slopes = jax.jit(lambda V: jax.jvp(lambda v: _everything(channel, v), (V,), (jnp.ones_like(V),)))(V)
    check_finite(values, f"{name} in {dtype}: ", V)
    check_finite(slopes, f"The gradient in V of {name} in {dtype}: ", V)


def _check_rest(channel: IonChannel, name: str) -> None:
    V = jnp.asarray(POTENTIALS[::50])
    at_rest, moved = _everything(channel, V, 0.0)["gates"], _everything(channel, V, 0.1)["gates"]
    for gate, rate in at_rest.items():
        worst = float(jnp.max(jnp.abs(rate) / (jnp.abs(moved[gate]) + 1e-12)))
        require(
            worst < 1e-6,
            f"{name}.initial_gates: {gate!r} is not at rest at its potential (it moves at {worst:.2g} of the speed it has 10 % away).",
        )


def _check_neurons_apart(channel: IonChannel, name: str) -> None:
    V = jnp.asarray(SOME_POTENTIALS)
    order = np.array([3, 0, 4, 1, 2])
    check_close(
        _everything(channel, V[order]),
        jax.tree.map(lambda x: x[order], _everything(channel, V)),
        f"{name}, permuting the neurons: ",
        rtol=1e-10,
    )
    many, single = varied(channel, len(V))
    together = _everything(many, V)
    mapped = jax.vmap(_everything)(many, V[:, None])
    for i, one in enumerate(single):
        alone = _everything(one, V[i : i + 1])
        check_close(jax.tree.map(lambda x, i=i: x[i : i + 1], together), alone, f"{name}, parameters as an array and one by one: ")
        check_close(jax.tree.map(lambda x, i=i: x[i], mapped), alone, f"{name}, vmap over parameters and a loop: ")


class _Pool(IonPool):
    """A concentration that stays where it is, for channels that read one."""

    level: PerNeuron = parameter(CONCENTRATION, "mM")

    def initial_concentration(self, n: int) -> Any:
        return self.level

    def derivative(self, concentration: jax.Array, current: Any) -> Any:
        return self.level - concentration


def _neuron_with(channel: IonChannel) -> ConductanceBased:
    pools = {ion: _Pool() for ion in {*channel.reads, *([channel.carries] if channel.carries else [])}}
    return ConductanceBased(channels={"it": channel, "leak": Leak()}, pools=pools)


def check_pool(pool: IonPool, *, published: bool = False) -> None:
    """Checks an ion pool, as `check_channel` does a channel.

    Args:
        pool: the pool, with any parameters.
        published: whether equations and a source must be stated.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_pool(rv.channels.CalciumPool())
    """
    is_a(pool, IonPool, "ion pool")
    name = type(pool).__name__
    check_description(pool, published)
    check_units(pool)
    check_value_semantics(pool)

    def derivative(pool: IonPool, current: Any, n: int) -> Any:
        start = jnp.broadcast_to(jnp.asarray(pool.initial_concentration(n), current.dtype), (n,))
        return pool.derivative(start * 1.1, current)

    with jax.enable_x64(True):
        for dtype in PRECISIONS:
            for n in (0, 1, 5):
                own = in_precision(pool, dtype)
                shape = jax.eval_shape(lambda c, own=own, n=n: derivative(own, c, n), jax.ShapeDtypeStruct((n,), dtype))
                check_array(shape, n, dtype, f"{name}.derivative")
        rest = jnp.asarray(pool.initial_concentration(1), float)
        require(
            float(jnp.max(jnp.abs(pool.derivative(rest, jnp.zeros(1))))) < 1e-12,
            f"{name}.initial_concentration is not at rest without current.",
        )
        current = jnp.asarray([-0.5, 0.0, 0.3, 1.0, -2.0])
        many, single = varied(pool, 5)
        together, mapped = derivative(many, current, 5), jax.vmap(lambda p, c: derivative(p, c, 1))(many, current[:, None])
        for i, one in enumerate(single):
            alone = derivative(one, current[i : i + 1], 1)
            check_close(together[i : i + 1], alone, f"{name}, parameters as an array and one by one")
            check_close(mapped[i], alone, f"{name}, vmap over parameters and a loop")
        check_gradient(lambda at: derivative(at[0], at[1], 5), (pool, np.asarray(current)), name)
