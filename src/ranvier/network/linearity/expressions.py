"""Arithmetic on parameters, kept as data: evaluated by NumPy where the values are known, traced by JAX where they are not.

A coefficient of a linear form is such an expression. It is made once for a
structure and evaluated for every set of values, without compiling anything
where the values are numbers.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from ranvier.network.stacked import repeated, spread


class Level(enum.IntEnum):
    """What a value has one number for."""

    ALL = 0
    MEMBER = 1
    NEURON = 2


def _special(name: str) -> Callable[..., Any]:
    def function(*operands: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*operands)

    return function


def _divided(x: Any, y: Any) -> Any:
    return (
        np.divide(x, y) if np.issubdtype(np.result_type(x, y), np.inexact) else np.asarray(np.trunc(np.divide(x, y)), np.result_type(x, y))
    )


def _rounded(x: Any, rounding_method: Any) -> Any:
    return np.rint(x) if int(rounding_method) == 1 else np.copysign(np.floor(np.abs(x) + 0.5), x)


def _select(which: Any, *cases: Any) -> Any:
    return np.choose(np.asarray(which, np.int64), cases)


def relaxation(slope: Any, dt: Any, xp: Any = np) -> Any:
    """`(exp(slope · dt) − 1) / slope`, which is `dt` at a slope of 0."""
    z = slope * dt
    small = xp.abs(z) < 1e-5
    safe = xp.where(small, 1.0, z)
    return dt * xp.where(small, 1 + z / 2 + z * z / 6, xp.expm1(safe) / safe)


def _above(x: Any, dtype: Any, xp: Any, next_after: Callable[..., Any]) -> Any:
    """The smallest number of a type that is larger than `x`, and normal: so that `≥` of it is `>` of `x`."""
    x = xp.asarray(x, dtype)
    following = next_after(x, xp.full_like(x, np.inf))
    tiny = np.finfo(dtype).tiny
    return xp.where((following > 0) & (following < tiny), tiny, following)


_NUMPY: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, numpy) for name, numpy in {"neg": "negative", "mul": "multiply", "sub": "subtract", "max": "maximum"}.items()},
    **{name: getattr(np, numpy) for name, numpy in {"min": "minimum", "pow": "power", "rem": "fmod", "is_finite": "isfinite"}.items()},
    **{name: getattr(np, numpy) for name, numpy in {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2"}.items()},
    **{name: getattr(np, numpy) for name, numpy in {"asinh": "arcsinh", "acosh": "arccosh", "atanh": "arctanh"}.items()},
    **{name: getattr(np, numpy) for name, numpy in {"eq": "equal", "ne": "not_equal", "lt": "less", "le": "less_equal"}.items()},
    **{name: getattr(np, numpy) for name, numpy in {"gt": "greater", "ge": "greater_equal", "and": "bitwise_and"}.items()},
    **{name: getattr(np, numpy) for name, numpy in {"or": "bitwise_or", "xor": "bitwise_xor", "not": "invert"}.items()},
    **{name: getattr(np, name) for name in ("add", "sign", "abs", "exp", "exp2", "expm1", "log", "log1p", "sqrt", "cbrt", "square")},
    **{name: getattr(np, name) for name in ("tanh", "sin", "cos", "tan", "sinh", "cosh", "floor", "ceil", "nextafter")},
    **{name: _special(scipy) for name, scipy in {"erf": "erf", "erfc": "erfc", "erf_inv": "erfinv", "logistic": "expit"}.items()},
    **{name: _special(scipy) for name, scipy in {"lgamma": "gammaln", "digamma": "psi"}.items()},
    "div": _divided,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "integer_pow": lambda x, y: np.asarray(x) ** y if y >= 0 else 1 / np.asarray(x) ** -y,
    "convert_element_type": lambda x, new_dtype: np.asarray(x, new_dtype),
    "round": _rounded,
    "select_n": _select,
    "clamp": lambda low, x, high: np.minimum(np.maximum(x, low), high),
    "stop_gradient": lambda x: x,
    "relaxation": relaxation,
    "above": lambda x, dtype: _above(x, dtype, np, np.nextafter),
}
_JAX: dict[str, Callable[..., Any]] = {
    **{name: getattr(lax, name, None) or getattr(lax, f"bitwise_{name}") for name in _NUMPY if name not in ("relaxation", "above")},
    "relaxation": lambda slope, dt: relaxation(slope, dt, jnp),
    "above": lambda x, dtype: _above(lax.stop_gradient(x), dtype, jnp, lax.nextafter),
}
ELEMENTWISE = frozenset(_NUMPY)
"""The operations of which an expression may be made, by the names of JAX's primitives."""
_PARAMETERS = {"integer_pow": ("y",), "convert_element_type": ("new_dtype",), "round": ("rounding_method",), "above": ("dtype",)}


@dataclasses.dataclass(frozen=True)
class _Node:
    """A leaf (by its number), a value, or an operation on other nodes."""

    level: Level
    leaf: int | None = None
    value: Any = None
    operation: str = ""
    parameters: tuple[Any, ...] = ()
    operands: tuple[int, ...] = ()


class Expressions:
    """Expressions of some leaves. Each is known by a number; equal ones have one number.

    Args:
        levels: what each leaf has one number for.

    Example:
        >>> graph = Expressions([Level.MEMBER])
        >>> twice = graph.apply("mul", [graph.value(2.0), graph.leaf(0)])
        >>> graph.evaluate([twice], [np.array([1.0, 5.0])], (1, 3))[0].tolist()
        [2.0, 10.0]
    """

    def __init__(self, levels: Sequence[Level]):
        self.nodes: list[_Node] = []
        self._numbers: dict[Any, int] = {}
        self._kept: list[Any] = []
        self.leaves = [self._add(("leaf", i), _Node(level, leaf=i)) for i, level in enumerate(levels)]

    def _add(self, key: Any, node: _Node) -> int:
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append(node)
        return self._numbers[key]

    def leaf(self, number: int) -> int:
        return self.leaves[number]

    def value(self, value: Any) -> int:
        """A value of the code's own, the same whatever the parameters: a number, or an array `[n]`."""
        array = np.asarray(value)
        if array.size == 1:
            array = array.reshape(())
            return self._add((array.dtype, array.tobytes()), _Node(Level.ALL, value=array))
        self._kept.append(value)  # so that its id stays its own
        return self._add(id(value), _Node(Level.NEURON, value=array))

    def level(self, expression: int) -> Level:
        return self.nodes[expression].level

    def known(self, expression: int) -> Any:
        """The value of an expression without parameters, None for others."""
        return self.nodes[expression].value

    def is_number(self, expression: int, number: float) -> bool:
        """Whether it is that number whatever the parameters."""
        value = self.nodes[expression].value
        return value is not None and value.dtype != bool and bool(np.all(value == number))

    def apply(self, operation: str, operands: Sequence[int], **parameters: Any) -> int:
        """An operation of `ELEMENTWISE` on expressions."""
        simple = self._simplified(operation, operands)
        if simple is not None:
            return simple
        names = _PARAMETERS.get(operation, ())
        given = tuple((name, parameters[name]) for name in names)
        values = [self.nodes[operand].value for operand in operands]
        if all(value is not None for value in values):
            with np.errstate(all="ignore"):
                return self.value(np.asarray(_NUMPY[operation](*values, **dict(given))))
        level = max(self.nodes[operand].level for operand in operands)
        key = (operation, tuple((name, str(value)) for name, value in given), tuple(operands))
        return self._add(key, _Node(level, operation=operation, parameters=given, operands=tuple(operands)))

    def _simplified(self, operation: str, operands: Sequence[int]) -> int | None:
        """Where an operand is 0 or 1 whatever the parameters: the code's own zeros are no terms."""
        if operation == "select_n":
            which = self.nodes[operands[0]].value
            if which is not None and which.ndim == 0:
                return operands[1 + int(which)]
            return operands[1] if len(set(operands[1:])) == 1 else None
        if operation not in ("add", "sub", "mul", "div"):
            return None
        first, second = operands
        if operation == "sub" and first == second:
            return self.value(0.0)
        if operation in ("add", "mul") and self.is_number(first, 0.0 if operation == "add" else 1.0):
            return second
        if self.is_number(second, 0.0 if operation in ("add", "sub") else 1.0):
            return first
        if operation == "mul" and (self.is_number(first, 0.0) or self.is_number(second, 0.0)):
            return self.value(0.0)
        return self.value(0.0) if operation == "div" and self.is_number(first, 0.0) else None

    @staticmethod
    def operation(name: str, xp: Any) -> Callable[..., Any]:
        """An operation on values, by NumPy or by `jax.numpy`."""
        return (_JAX if xp is jnp else _NUMPY)[name]

    def evaluate(self, wanted: Iterable[int], leaves: Sequence[Any], sizes: Sequence[int], at: np.ndarray | None = None) -> list[Any]:
        """The values of some expressions: numbers, `[members]` or `[n]`, by their level.

        Args:
            leaves: float64, of the shapes of their levels; traced by JAX if any is a tracer.
            sizes: how many neurons each member has.
            at: the neurons for which they are wanted, instead of all `n`; only of known leaves.
        """
        wanted = list(wanted)
        traced = any(isinstance(leaf, jax.core.Tracer) for leaf in leaves)
        functions, widened = (_JAX, spread) if traced else (_NUMPY, repeated)
        picked = lambda x: x if at is None else x[at]
        values: dict[int, Any] = {}
        for number in sorted(self._needed(wanted)):
            node = self.nodes[number]
            if not node.operation:
                value = leaves[node.leaf] if node.leaf is not None else node.value
                values[number] = picked(value) if node.level is Level.NEURON else value
                continue
            operands = [values[operand] for operand in node.operands]
            if node.level is Level.NEURON:
                narrow = [self.nodes[operand].level is Level.MEMBER for operand in node.operands]
                operands = [picked(widened(x, sizes)) if member else x for x, member in zip(operands, narrow, strict=True)]
            if traced:
                shape = np.broadcast_shapes(*(np.shape(x) for x in operands))
                operands = [jnp.broadcast_to(x, shape) for x in operands]
            with np.errstate(all="ignore"):
                values[number] = functions[node.operation](*operands, **dict(node.parameters))
        return [values[number] for number in wanted]

    def by_neuron(self, wanted: Iterable[int], leaves: Sequence[Any]) -> list[Any]:
        """What makes some expressions differ among the neurons of one member: the leaves and values `[n]` that they are made of."""
        nodes = [self.nodes[number] for number in sorted(self._needed(wanted))]
        own = [node for node in nodes if node.level is Level.NEURON and not node.operation]
        return [leaves[node.leaf] if node.leaf is not None else node.value for node in own]

    def _needed(self, wanted: Iterable[int]) -> set[int]:
        needed: set[int] = set()
        left = list(wanted)
        while left:
            number = left.pop()
            if number not in needed:
                needed.add(number)
                left += self.nodes[number].operands
        return needed
