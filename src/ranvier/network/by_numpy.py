"""What JAX has traced, computed by NumPy: a few operations on few numbers take XLA a tenth of a second to compile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np

OPERATIONS: dict[str, Callable[..., Any]] = {
    "abs": np.abs,
    "add": np.add,
    "add_any": np.add,
    "and": np.bitwise_and,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "copy": lambda x: x,
    "cos": np.cos,
    "cosh": np.cosh,
    "eq": np.equal,
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "floor": np.floor,
    "ge": np.greater_equal,
    "gt": np.greater,
    "is_finite": np.isfinite,
    "le": np.less_equal,
    "log": np.log,
    "log1p": np.log1p,
    "lt": np.less,
    "max": np.maximum,
    "min": np.minimum,
    "mul": np.multiply,
    "ne": np.not_equal,
    "neg": np.negative,
    "not": np.invert,
    "or": np.bitwise_or,
    "sin": np.sin,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "square": np.square,
    "stop_gradient": lambda x: x,
    "sub": np.subtract,
    "tan": np.tan,
    "tanh": np.tanh,
}
"""Those that NumPy computes in the same way, whatever they are given."""
OF_FLOATS: dict[str, Callable[..., Any]] = {
    "div": np.divide,
    "integer_pow": lambda x, y: np.power(x, float(y)),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "pow": np.power,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "sign": np.sign,
}
WITHIN = {"jit": "jaxpr", "pjit": "jaxpr", "closed_call": "call_jaxpr", "custom_jvp_call": "call_jaxpr"}
"""Operations that are others, and where these stand."""


class NotByNumpy(Exception):
    """An operation that is not known here, or that came out otherwise, by name."""


def evaluated(traced: Any, *arguments: Any) -> list[np.ndarray]:
    """The results of a closed jaxpr, each of the type and shape that it says.

    Args:
        traced: from `jax.make_jaxpr`.
        *arguments: arrays or numbers, as it takes them.

    Raises:
        NotByNumpy: it has an operation that is not known here.

    Example:
        >>> import jax, jax.numpy as jnp
        >>> evaluated(jax.make_jaxpr(lambda x: jnp.exp(-x) + jnp.full(2, 1.0, "float32"))(jnp.float32(0.0)), 0.0)
        [array([2., 2.], dtype=float32)]
    """
    with np.errstate(all="ignore"):
        return _evaluated(traced.jaxpr, traced.consts, arguments)


def _evaluated(jaxpr: Any, constants: Sequence[Any], arguments: Sequence[Any]) -> list[np.ndarray]:
    values: dict[Any, np.ndarray] = {}

    def bind(variable: Any, value: Any) -> None:
        kind = variable.aval
        made = np.asarray(value, kind.dtype)
        if made.shape != kind.shape:
            raise NotByNumpy(f"a {made.shape} where a {kind.shape} was traced")
        values[variable] = made

    read = lambda atom: np.asarray(atom.val, atom.aval.dtype) if hasattr(atom, "val") else values[atom]
    for variable, value in zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True):
        bind(variable, value)
    for equation in jaxpr.eqns:
        for variable, value in zip(equation.outvars, _computed(equation, [read(x) for x in equation.invars]), strict=True):
            bind(variable, value)
    return [read(x) for x in jaxpr.outvars]


def _computed(equation: Any, given: list[np.ndarray]) -> Sequence[Any]:
    name, params = equation.primitive.name, equation.params
    if name in WITHIN:
        inner = params[WITHIN[name]]
        return _evaluated(inner.jaxpr, inner.consts, given)
    if name in OPERATIONS:
        return [OPERATIONS[name](*given)]
    if name in OF_FLOATS and all(np.issubdtype(x.dtype, np.floating) for x in given):
        return [OF_FLOATS[name](*given, **({"y": params["y"]} if name == "integer_pow" else {}))]
    if name == "broadcast_in_dim" and len(given) == 1:
        (x,), shape = given, params["shape"]
        spread = [1] * len(shape)
        for at, length in zip(params["broadcast_dimensions"], x.shape, strict=True):
            spread[at] = length
        return [np.broadcast_to(x.reshape(spread), shape)]
    if name == "convert_element_type":
        return [given[0].astype(params["new_dtype"])]
    if name in ("reshape", "squeeze", "expand_dims"):
        return [given[0].reshape(equation.outvars[0].aval.shape)]
    if name == "select_n" and given[0].dtype == bool and len(given) == 3:
        return [np.where(*(given[i] for i in (0, 2, 1)))]
    if name == "iota":
        shape, along = params["shape"], params["dimension"]
        return [np.broadcast_to(np.arange(shape[along]).reshape([-1 if i == along else 1 for i in range(len(shape))]), shape)]
    if name == "concatenate":
        return [np.concatenate(given, axis=params["dimension"])]
    raise NotByNumpy(name)


def is_concrete(tree: Any) -> bool:
    """Whether a tree has numbers alone, and nothing that is traced."""
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))
