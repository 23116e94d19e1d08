"""What a traced function depends on, and whether it treats its elements one by one: read from its jaxpr."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_ACROSS = ("reduce_", "cum", "arg", "scatter", "dynamic_")
_ACROSS_EXACTLY = frozenset(
    ("sort", "dot_general", "conv_general_dilated", "gather", "slice", "concatenate", "rev", "top_k", "scan", "while", "fft", "iota", "pad")
)


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
    reached = {id(jaxpr.jaxpr.invars[i]) for i in inputs}
    for equation in jaxpr.jaxpr.eqns:
        if any(id(variable) in reached for variable in equation.invars):
            reached.update(id(variable) for variable in equation.outvars)
    return any(id(variable) in reached for variable in jaxpr.jaxpr.outvars)
