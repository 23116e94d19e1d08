"""Ranvier's own elementary functions in the place of XLA's, in functions that users wrote with JAX's."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.exponential import exponential, exponential_minus_one
from ranvier.kernels.floats import FORMATS
from ranvier.kernels.logarithm import logarithm, power
from ranvier.kernels.relaxation import own_ratio, ratio_to_expm1
from ranvier.kernels.sine import cosine, sine

if TYPE_CHECKING:
    from jax.extend.core import Jaxpr  # which loads Pallas: a seventh of what Ranvier takes to load


def sigmoid(x: jax.Array) -> jax.Array:
    """1 / (1 + e^−x)."""
    return 1 / (1 + exponential(-x))


OWN: dict[str, Callable[..., Any]] = {
    "exp": exponential,
    "expm1": exponential_minus_one,
    "log": logarithm,
    "sin": sine,
    "cos": cosine,
    "pow": power,
    "logistic": sigmoid,
}
"""By the names of JAX's primitives. XLA's `tanh` takes as long as our exponential, and is within 8 units in the last place in
double, 5 in single precision."""
SLOW_TO_COMPILE = frozenset(("exp", "logistic"))
"""Of these, what XLA has in single precision as one operation: ours take it longer to compile than a method with stages gains by them."""


@functools.cache
def _of_ratio(dtype: np.dtype) -> tuple[str, ...]:
    """The operations of `ratio_to_expm1`, in the type of an argument."""
    return tuple(e.primitive.name for e in jax.make_jaxpr(ratio_to_expm1)(jax.ShapeDtypeStruct((), dtype)).eqns[0].params["jaxpr"].eqns)


def _is_ratio(equation: Any) -> bool:
    """Whether it is `ratio_to_expm1` itself: what derivatives and `vmap` make of it may have its name."""
    if not _inlined(equation) or equation.params["name"] != "ratio_to_expm1" or (len(equation.invars), len(equation.outvars)) != (1, 1):
        return False
    return tuple(e.primitive.name for e in equation.params["jaxpr"].eqns) == _of_ratio(equation.invars[0].aval.dtype)


def with_fast_functions(function: Callable[..., Any], all_in_single: bool = False) -> Callable[..., Any]:
    """`function`, with our own in place of each `exp`, `expm1`, `log`, `sin`, `cos`, power and sigmoid of JAX that it traces, and of
    each `ratio_to_expm1`.

    Those inside loops and conditionals are left as they are, and so is the whole
    function if it holds one with a derivative rule of its own.

    Args:
        function: of any pytrees of arrays.
        all_in_single: also exponentials and sigmoids in single precision, which are XLA's otherwise.

    Example:
        >>> fast = with_fast_functions(lambda x: 1 / (1 + jnp.exp(-x)))
        >>> float(fast(jnp.zeros(())))
        0.5
    """

    def fast(*arguments: Any) -> Any:
        traced, shape = jax.make_jaxpr(function, return_shape=True)(*arguments)
        if not _simple(traced.jaxpr):
            return function(*arguments)
        left = frozenset() if all_in_single else SLOW_TO_COMPILE
        results = _evaluate(traced.jaxpr, traced.consts, jax.tree.leaves(arguments), left)
        return jax.tree.unflatten(jax.tree.structure(shape), results)

    return fast


def _inlined(equation: Any) -> bool:
    return equation.primitive.name in ("jit", "pjit")


def _simple(jaxpr: Jaxpr) -> bool:
    """Whether every equation can be bound again as it stands."""
    return all(
        _simple(equation.params["jaxpr"].jaxpr) if _inlined(equation) else not equation.primitive.name.startswith("custom_")
        for equation in jaxpr.eqns
    )


def is_real(x: Any) -> bool:
    """Whether it is in single or double precision."""
    return jnp.result_type(x) in FORMATS


def is_literal(atom: Any) -> bool:
    """Whether what an equation of a trace takes is a number that stands there."""
    return hasattr(atom, "val")


def _needed(jaxpr: Jaxpr) -> list[Any]:
    """The equations on whose results those of the whole depend."""
    wanted: set[int] = {id(x) for x in jaxpr.outvars}
    needed: list[Any] = []
    for equation in reversed(jaxpr.eqns):
        if equation.effects or any(id(x) in wanted for x in equation.outvars):
            wanted.update(id(x) for x in equation.invars)
            needed.append(equation)
    return needed[::-1]


def _evaluate(jaxpr: Jaxpr, constants: Sequence[Any], arguments: Sequence[Any], left: frozenset[str]) -> list[Any]:
    """`left` are operations that stay in single precision."""
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    read = lambda atom: atom.val if is_literal(atom) else values[atom]
    for equation in _needed(jaxpr):
        inputs, parameters, name = [read(atom) for atom in equation.invars], equation.params, equation.primitive.name
        own = own_ratio if _is_ratio(equation) else OWN.get(name)
        kept = name in left and equation.invars[0].aval.dtype == np.float32
        if own is not None and not kept and parameters.get("accuracy") is None and all(is_real(x) for x in inputs):
            outputs: Any = [own(*inputs)]
        elif _inlined(equation):
            outputs = _evaluate(parameters["jaxpr"].jaxpr, parameters["jaxpr"].consts, inputs, left)
        else:
            outputs = equation.primitive.bind(*inputs, **parameters)
            outputs = outputs if equation.primitive.multiple_results else [outputs]
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(atom) for atom in jaxpr.outvars]
