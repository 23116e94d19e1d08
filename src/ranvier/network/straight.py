"""A trace without calls: every operation in one row, each with its operands, those that nobody needs left out.

Where a function says what it does on each platform, what it does on the CPU is taken.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ranvier.kernels.fast_functions import is_literal
from ranvier.network.linearity.jaxprs import called

_PLATFORM = "cpu"
TYPES = {"bool": 1, "int32": 4, "int64": 5, "uint32": 8, "float32": 11, "float64": 12}
"""The types of arrays that native handlers are told of, as XLA numbers them."""
SAME_ELEMENTS = frozenset(("reshape", "squeeze", "expand_dims", "copy", "copy_p", "optimization_barrier", "stop_gradient"))
"""Operations whose results are their operands, element by element in the same order."""
NAMED = frozenset(("relaxation",))
"""Functions that stay one operation, by the names under which they are traced."""


class Value:
    """What goes into a trace or an operation makes, known by its identity; `aval` is its shape and type."""

    __slots__ = ("aval",)

    def __init__(self, aval: Any):
        self.aval = aval


class Known(Value):
    """A number or array that stands in the trace."""

    __slots__ = ("value",)

    def __init__(self, aval: Any, value: Any):
        super().__init__(aval)
        self.value = value


@dataclasses.dataclass(frozen=True, eq=False)
class Operation:
    """One operation: its name and parameters, what goes in, what comes out."""

    primitive: Any
    params: dict[str, Any]
    operands: tuple[Value, ...]
    results: tuple[Value, ...]

    @property
    def name(self) -> str:
        """As the trace calls it, or the function that it calls."""
        return str(self.params["name"]) if _is_named(self.primitive, self.params) else str(self.primitive.name)

    def again(self, *operands: Any) -> list[Any]:
        """What it makes of other operands."""
        out = self.primitive.bind(*operands, **self.params)
        return list(out) if self.primitive.multiple_results else [out]


@dataclasses.dataclass(frozen=True, eq=False)
class Straight:
    """A function as a row of operations: its constants, arguments and results, and what is done."""

    constants: list[Value]
    arguments: list[Value]
    operations: list[Operation]
    results: list[Value]


def straightened(jaxpr: Any) -> Straight:
    """A jaxpr as a row of operations, without those that nobody needs."""
    constants, arguments = ([Value(v.aval) for v in variables] for variables in (jaxpr.constvars, jaxpr.invars))
    operations: list[Operation] = []
    results = _walk(jaxpr, constants, arguments, operations)
    needed = {id(x) for x in results}
    kept = []
    for operation in reversed(operations):
        if any(id(x) in needed for x in operation.results):
            needed.update(id(x) for x in operation.operands)
            kept.append(operation)
    return Straight(constants, arguments, kept[::-1], results)


def _walk(jaxpr: Any, constants: Sequence[Value], arguments: Sequence[Value], into: list[Operation]) -> list[Value]:
    values = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))
    read = lambda atom: Known(atom.aval, atom.val) if is_literal(atom) else values[atom]
    for equation in jaxpr.eqns:
        operands = [read(atom) for atom in equation.invars]
        values.update(zip(equation.outvars, _made(equation, operands, into), strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _walk_into(closed: Any, operands: Sequence[Value], into: list[Operation]) -> list[Value]:
    inner = getattr(closed, "jaxpr", closed)
    constants = [Known(v.aval, c) for v, c in zip(inner.constvars, getattr(closed, "consts", ()), strict=True)]
    return _walk(inner, constants, operands, into)


def _made(equation: Any, operands: list[Value], into: list[Operation]) -> Sequence[Value]:
    name, params = equation.primitive.name, equation.params
    if name == "platform_index":
        place = next(i for i, platforms in enumerate(params["platforms"]) if platforms is None or _PLATFORM in platforms)
        return [Known(equation.outvars[0].aval, place)]
    if name == "cond" and isinstance(operands[0], Known):
        return _walk_into(params["branches"][int(operands[0].value)], operands[1:], into)
    if not _is_named(equation.primitive, params) and (inner := called(equation)) is not None:
        return _walk_into(inner, operands, into)
    results = tuple(Value(v.aval) for v in equation.outvars)
    into.append(Operation(equation.primitive, params, tuple(operands), results))
    return results


def _is_named(primitive: Any, params: dict[str, Any]) -> bool:
    return primitive.name in ("jit", "pjit") and params.get("name") in NAMED
