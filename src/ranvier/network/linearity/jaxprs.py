"""What a traced function depends on, and whether it treats its elements one by one: read from its jaxpr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax

_ACROSS = ("reduce_", "cum", "arg", "scatter", "dynamic_")
_ACROSS_EXACTLY = frozenset(
    ("sort", "dot_general", "conv_general_dilated", "gather", "slice", "concatenate", "rev", "top_k", "scan", "while", "fft", "iota", "pad")
)
CALLS = {
    **dict.fromkeys(("jit", "pjit", "remat2", "checkpoint"), "jaxpr"),
    **dict.fromkeys(("closed_call", "core_call", "custom_jvp_call", "custom_vjp_call"), "call_jaxpr"),
    "custom_vmap_call": "call",
}
"""Operations that call a function with their own operands and do nothing else, and the parameter that holds it."""


def called(equation: Any) -> Any:
    """The jaxpr that an operation calls with its own operands, closed or not, if that is all it does."""
    inner = equation.params.get(CALLS.get(equation.primitive.name, ""))
    return inner if inner is not None and len(getattr(inner, "jaxpr", inner).invars) == len(equation.invars) else None


def _equations(jaxpr: Any) -> Iterator[Any]:
    for equation in jaxpr.eqns:
        yield equation
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else (value,):
                inner = getattr(inner, "jaxpr", inner)
                if hasattr(inner, "eqns"):
                    yield from _equations(inner)


def elementwise(jaxpr: Any) -> bool:
    """Whether no operation looks across the elements of an array."""
    names = (equation.primitive.name for equation in _equations(jaxpr.jaxpr))
    return not any(name in _ACROSS_EXACTLY or name.startswith(_ACROSS) for name in names)


def of_any_length(jaxpr: Any) -> bool:
    """Whether arrays may be laid end to end: no operation looks across them, and none brings an array of its own."""
    return elementwise(jaxpr) and not any(getattr(constant, "ndim", 0) for constant in jaxpr.consts)


def depends(jaxpr: Any, inputs: set[int]) -> bool:
    """Whether any output may depend on the inputs of these numbers. An operation depends on all that goes into it."""
    return any(_depending(jaxpr.jaxpr, inputs))


def _depending(jaxpr: Any, inputs: set[int]) -> list[bool]:
    """For each output whether it may depend on the inputs of these numbers."""
    reached = {id(jaxpr.invars[i]) for i in inputs}
    for equation in jaxpr.eqns:
        into = {i for i, variable in enumerate(equation.invars) if id(variable) in reached}
        if into:
            inner = called(equation)
            outputs = [True] * len(equation.outvars) if inner is None else _depending(getattr(inner, "jaxpr", inner), into)
            reached.update(id(variable) for variable, depends in zip(equation.outvars, outputs, strict=True) if depends)
    return [id(variable) in reached for variable in jaxpr.outvars]


def adds_to(function: Callable[..., Any], values: dict[str, Any], n: int, dtype: Any) -> str | None:
    """The name of the array that `function(values, x)` adds its `x`, `[n]`, to, if that is all it does."""
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype), values)
    traced, result = jax.make_jaxpr(function, return_shape=True)(shapes, jax.ShapeDtypeStruct((n,), dtype))
    operands = dict(zip([*sorted(shapes), ""], traced.jaxpr.invars, strict=True))  # a dict's leaves are in the order of its keys
    if len(traced.jaxpr.eqns) != 1 or sorted(result) != sorted(shapes):
        return None
    (sum_,) = traced.jaxpr.eqns
    changed = [name for name, out in zip(sorted(result), traced.jaxpr.outvars, strict=True) if out is not operands[name]]
    if sum_.primitive.name != "add" or len(changed) != 1 or shapes[changed[0]].shape != (n,):
        return None
    (name,) = changed
    made = traced.jaxpr.outvars[sorted(result).index(name)] is sum_.outvars[0]
    return name if made and {id(v) for v in sum_.invars} == {id(operands[name]), id(operands[""])} else None
