"""How far a state is from where a test turns: a test made of comparisons, read as numbers.

`a >= b` is as far as `a − b`; both of two tests hold as far as the nearer one, one of two as far as the farther,
and the opposite of a test is minus its distance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp

from ranvier.kernels.fast_functions import is_literal

if TYPE_CHECKING:
    from jax.extend.core import Jaxpr

_INLINED = ("jit", "pjit", "closed_call", "custom_jvp_call")
_SAME_PLACES = ("broadcast_in_dim", "reshape", "squeeze", "copy", "transpose")


def distance(test: Callable[..., jax.Array], *arguments: Any) -> jax.Array | None:
    """How far the arguments are from where a test turns: at least 0 where it holds. None where it compares no numbers.

    Args:
        test: returns flags, and does it by comparing numbers.
        arguments: what it takes.

    Example:
        >>> inside = lambda x: (x >= 1.0) & (x < 4.0)
        >>> distance(inside, jnp.array([0.0, 1.5, 3.0, 6.0])).tolist()
        [-1.0, 0.5, 1.0, -2.0]
    """
    traced = jax.make_jaxpr(test)(*arguments)
    _, distances = _read(traced.jaxpr, traced.consts, jax.tree.leaves(arguments))
    return distances[0]


def _read(jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any], known: Sequence[Any] = ()) -> tuple[list[Any], list[Any]]:
    values: dict[Any, Any] = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    distances: dict[Any, Any] = dict(zip(jaxpr.invars, known, strict=True)) if known else {}
    value = lambda atom: atom.val if is_literal(atom) else values[atom]
    far = lambda atom: None if is_literal(atom) else distances.get(atom)
    for equation in jaxpr.eqns:
        inputs, name = [value(atom) for atom in equation.invars], equation.primitive.name
        own = [far(atom) for atom in equation.invars]
        if name in _INLINED:
            inner = equation.params["call_jaxpr" if "call_jaxpr" in equation.params else "jaxpr"]
            outputs, found = _read(inner.jaxpr, inner.consts, inputs, own)
        else:
            bound = equation.primitive.bind(*inputs, **equation.params)
            outputs = list(bound) if equation.primitive.multiple_results else [bound]
            found = [_far(name, equation, inputs, own)] + [None] * (len(outputs) - 1)
        values.update(zip(equation.outvars, outputs, strict=True))
        distances.update(zip(equation.outvars, found, strict=True))
    return [value(atom) for atom in jaxpr.outvars], [far(atom) for atom in jaxpr.outvars]


def _far(name: str, equation: Any, inputs: list[Any], own: list[Any]) -> Any:
    if name in ("ge", "gt", "le", "lt"):
        a, b = inputs
        if not jnp.issubdtype(jnp.result_type(a, b), jnp.floating):
            return None
        return a - b if name in ("ge", "gt") else b - a
    if all(d is None for d in own):
        return None
    if name == "not":
        return -own[0]
    if name in ("and", "or"):
        closer = jnp.minimum if name == "and" else jnp.maximum
        return closer(*(_sure(flag) if d is None else d for flag, d in zip(inputs, own, strict=True)))
    if name == "select_n" and own[1] is not None and own[2] is not None:
        return jnp.where(inputs[0], own[2], own[1])
    if name in _SAME_PLACES:
        return equation.primitive.bind(own[0], **equation.params)
    return None


def _sure(flag: Any) -> Any:
    """A test that has no distance: it holds by far, or by far it does not."""
    return jnp.where(flag, jnp.inf, -jnp.inf)
