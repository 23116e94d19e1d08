"""A function of a neuron's variables read from its jaxpr as polynomials of at most second degree in them.

Nothing is differentiated: each operation is followed in exact algebra, so that
what only looks linear at a point (a rounding, a choice by comparison, an
absolute value) is told apart from what is. The coefficients are expressions of
the parameters, and which terms there are never depends on their values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.fast_functions import is_literal
from ranvier.network.linearity.expressions import ELEMENTWISE, Expressions
from ranvier.network.linearity.jaxprs import called

Monomial = tuple[str, ...]
"""The variables that are multiplied, in alphabetical order: none, one or two."""

_SAME = frozenset(("copy", "copy_p", "reshape", "squeeze", "expand_dims", "broadcast_in_dim", "optimization_barrier", "reduce_precision"))
_JOINS = {
    "or": "joins comparisons with `|`",
    "and": "joins comparisons with `&`",
    "xor": "joins comparisons with `^`",
    "not": "denies a comparison",
}
_COMPARISONS = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!="}


@dataclasses.dataclass(frozen=True)
class Known:
    """A value that depends on no variable."""

    expression: int


@dataclasses.dataclass(frozen=True)
class Polynomial:
    """A sum of terms, each a coefficient by its monomial."""

    terms: dict[Monomial, int]

    @property
    def variables(self) -> set[str]:
        return {variable for monomial in self.terms for variable in monomial}


@dataclasses.dataclass(frozen=True)
class Unreadable:
    """What is no polynomial: what is done, as the predicate of a sentence, and from which variables it comes."""

    reason: str
    variables: frozenset[str]


def affine(value: Value, what: str, expressions: Expressions) -> Affine | NotAffine:
    """What was read as a linear form, or why it is none, of `what`: "V's equation", "the reset of V"."""
    if isinstance(value, Known):
        return Affine({} if expressions.is_number(value.expression, 0.0) else {CONSTANT: value.expression})
    if TIME in value.variables:
        return NotAffine(f"{what} changes in time")
    if isinstance(value, Unreadable):
        return NotAffine(f"{what} {value.reason}")
    more = next((monomial for monomial in value.terms if len(monomial) > 1), None)
    if more is not None:
        return NotAffine(f"{what} {multiplied(more)}")
    return Affine({monomial[0] if monomial else CONSTANT: x for monomial, x in value.terms.items()})


def multiplied(monomial: Monomial) -> str:
    """What two variables are, as the predicate of a sentence."""
    return f"takes the square of {monomial[0]}" if monomial[0] == monomial[1] else f"multiplies {listed(monomial)}"


@dataclasses.dataclass(frozen=True)
class Largest(Unreadable):
    """The larger of two polynomials."""

    sides: tuple[Polynomial, Polynomial]


@dataclasses.dataclass(frozen=True)
class Comparison(Unreadable):
    """Whether `left` is `sign` (`>=`, `>` …) `right`."""

    sign: str
    left: Any
    right: Any


@dataclasses.dataclass(frozen=True)
class AnyOf(Unreadable):
    """Whether one of two comparisons holds."""

    sides: tuple[Comparison, Comparison]


Value = Known | Polynomial | Unreadable
CONSTANT, TIME = "(constant)", "the time"


@dataclasses.dataclass(frozen=True)
class Affine:
    """A linear form: its coefficients by variable, and by `CONSTANT` what is added. What is not there is 0 whatever the parameters."""

    terms: dict[str, int]


@dataclasses.dataclass(frozen=True)
class NotAffine:
    """Why something is not linear: a clause."""

    reason: str


def listed(names: Any) -> str:
    """Names as a sentence has them, in alphabetical order."""
    names = sorted(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _two(names: Any) -> str:
    return listed(names) if len(names) > 1 else f"{listed(names)} and another value"


class Reader:
    """Reads polynomials from jaxprs.

    Args:
        expressions: where the coefficients are kept.
        n: how many neurons there are.
    """

    def __init__(self, expressions: Expressions, n: int):
        self.expressions = expressions
        self.shapes = ((), (1,), (n,))

    # -- values ----------------------------------------------------------------------------------

    def terms(self, value: Known | Polynomial) -> dict[Monomial, int]:
        if isinstance(value, Polynomial):
            return value.terms
        return {} if self.expressions.is_number(value.expression, 0.0) else {(): value.expression}

    def polynomial(self, terms: dict[Monomial, int]) -> Known | Polynomial:
        kept = {monomial: x for monomial, x in terms.items() if not self.expressions.is_number(x, 0.0)}
        if not kept:
            return Known(self.expressions.value(0.0))
        return Known(kept[()]) if kept.keys() == {()} else Polynomial(kept)

    def _constant(self, value: Any, shape: tuple[int, ...]) -> Value:
        if shape not in self.shapes:
            return Unreadable(f"reads an array of the shape {list(shape)}", frozenset())
        return Known(self.expressions.value(value))

    # -- jaxprs ----------------------------------------------------------------------------------

    def read(self, closed: Any, values: Sequence[Value]) -> list[Value]:
        """What a jaxpr makes of its inputs."""
        jaxpr = getattr(closed, "jaxpr", closed)
        known: dict[Any, Value] = dict(zip(jaxpr.invars, values, strict=True))
        for variable, constant in zip(jaxpr.constvars, getattr(closed, "consts", ()), strict=True):
            known[variable] = self._constant(constant, np.shape(constant))
        of = lambda x: self._constant(x.val, np.shape(x.val)) if is_literal(x) else known[x]
        for equation in jaxpr.eqns:
            operands = [of(x) for x in equation.invars]
            inner = called(equation)
            if inner is not None:
                results = self.read(inner, operands)
            elif equation.primitive.name == "optimization_barrier":
                results = operands
            else:
                results = [self._apply(equation, operands)] * len(equation.outvars)
            known.update(zip(equation.outvars, results, strict=True))
        return [of(x) for x in jaxpr.outvars]

    def _apply(self, equation: Any, operands: list[Value]) -> Value:
        name = equation.primitive.name
        name = "add" if name == "add_any" else name
        variables: set[str] = set()
        for operand in operands:
            variables |= getattr(operand, "variables", set())
        refuse = lambda reason: Unreadable(reason, frozenset(variables))
        tested = any(isinstance(operand, Largest) for operand in operands)
        first = next((operand for operand in operands if isinstance(operand, Unreadable)), None)
        if first is not None and name not in (*_JOINS, "select_n") and not (name in _COMPARISONS and tested):
            return Unreadable(first.reason, frozenset(variables))
        if any(out.aval.shape not in self.shapes for out in equation.outvars) or name not in ELEMENTWISE | _SAME:
            return refuse(f"uses {name}, which does not take neurons one by one")
        if name in _SAME:
            return operands[0]
        known = [operand.expression for operand in operands if isinstance(operand, Known)]
        if len(known) == len(operands):
            return Known(self.expressions.apply(name, known, **equation.params))
        rule = getattr(self, f"_{name}", None)
        if rule is not None:
            return rule(equation, operands, refuse)
        if name in _COMPARISONS:
            left, right = operands
            return Comparison(f"chooses by a comparison of {listed(variables)}", frozenset(variables), _COMPARISONS[name], left, right)
        if name in _JOINS:
            return refuse(_JOINS[name])
        if name in ("min", "clamp"):
            return refuse(f"takes the smaller of {_two(variables)}" if name == "min" else f"clips {listed(variables)}")
        return refuse(f"takes {name} of {listed(variables)}")

    # -- operations on polynomials ---------------------------------------------------------------

    def _add(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        result = dict(self.terms(operands[0]))
        for monomial, x in self.terms(operands[1]).items():
            result[monomial] = self.expressions.apply("add", [result[monomial], x]) if monomial in result else x
        return self.polynomial(result)

    def _neg(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        return self.polynomial({monomial: self.expressions.apply("neg", [x]) for monomial, x in self.terms(operands[0]).items()})

    def _sub(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        result = dict(self.terms(operands[0]))
        for monomial, x in self.terms(operands[1]).items():
            both = monomial in result
            result[monomial] = self.expressions.apply("sub", [result[monomial], x]) if both else self.expressions.apply("neg", [x])
        return self.polynomial(result)

    def _mul(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        result: dict[Monomial, int] = {}
        for one, x in self.terms(operands[0]).items():
            for other, y in self.terms(operands[1]).items():
                monomial = tuple(sorted((*one, *other)))
                if len(monomial) > 2:
                    return refuse(f"multiplies {listed(set(monomial))}" if len(set(monomial)) > 1 else f"takes a power of {monomial[0]}")
                product = self.expressions.apply("mul", [x, y])
                result[monomial] = self.expressions.apply("add", [result[monomial], product]) if monomial in result else product
        return self.polynomial(result)

    def _div(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        by = operands[1]
        if not isinstance(by, Known):
            return refuse(f"divides by {listed(by.variables)}")
        return self.polynomial({m: self.expressions.apply("div", [x, by.expression]) for m, x in self.terms(operands[0]).items()})

    def _square(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        return self._mul(equation, [operands[0], operands[0]], refuse)

    def _power(self, exponent: float, equation: Any, operands: list[Any], refuse: Any) -> Value:
        if exponent == 0:
            return Known(self.expressions.value(1.0))
        if exponent == 1:
            return operands[0]
        return self._square(equation, operands, refuse) if exponent == 2 else refuse(f"takes a power of {listed(operands[0].variables)}")

    def _integer_pow(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        return self._power(equation.params["y"], equation, operands, refuse)

    def _pow(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        base, exponent = operands
        number = self.expressions.known(exponent.expression) if isinstance(exponent, Known) else None
        if number is None or number.ndim:
            return refuse(f"takes a power of {listed({*getattr(base, 'variables', ()), *getattr(exponent, 'variables', ())})}")
        return self._power(float(number), equation, operands, refuse)

    def _convert_element_type(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        if jnp.issubdtype(equation.params["new_dtype"], jnp.floating):
            return operands[0]
        return refuse(f"rounds {listed(operands[0].variables)}")

    def _stop_gradient(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        return self.polynomial({m: self.expressions.apply("stop_gradient", [x]) for m, x in self.terms(operands[0]).items()})

    def _select_n(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        which, cases = operands[0], operands[1:]
        if not isinstance(which, Known):
            return refuse(which.reason if isinstance(which, Unreadable) else f"chooses by {listed(which.variables)}")
        number = self.expressions.known(which.expression)
        if number is not None and number.ndim == 0:
            return cases[int(number)]
        bad = next((case for case in cases if isinstance(case, Unreadable)), None)
        if bad is not None:
            return refuse(bad.reason)
        each = [self.terms(case) for case in cases]
        nothing = self.expressions.value(0.0)
        monomials = dict.fromkeys(monomial for terms in each for monomial in terms)
        chosen = {m: [terms.get(m, nothing) for terms in each] for m in monomials}
        return self.polynomial({m: self.expressions.apply("select_n", [which.expression, *given]) for m, given in chosen.items()})

    def _max(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        both = refuse("")
        sides = [operand if isinstance(operand, Polynomial) else Polynomial(self.terms(operand)) for operand in operands]
        return Largest(f"takes the larger of {_two(both.variables)}", both.variables, (sides[0], sides[1]))

    def _or(self, equation: Any, operands: list[Any], refuse: Any) -> Value:
        if all(isinstance(operand, Comparison) for operand in operands):
            both = refuse("")
            return AnyOf("joins two comparisons", both.variables, (operands[0], operands[1]))
        return refuse(_JOINS["or"])


def read(
    function: Callable[..., dict[str, Any]],
    parameters: Any,
    shapes: Mapping[str, tuple[int, ...]],
    n: int,
    expressions: Expressions,
) -> dict[str, Value]:
    """What `function(parameters, variables)` makes of the variables, for each of its results.

    Args:
        function: gives a dict of numbers or arrays `[n]`.
        parameters: a pytree of `jax.ShapeDtypeStruct`, float64.
        shapes: of each variable, `()` or `(n,)`.
        n: how many neurons there are.
        expressions: of the leaves of the parameters; the coefficients are added to them.
    """
    reader = Reader(expressions, n)
    variables = {name: jax.ShapeDtypeStruct(shape, np.float64) for name, shape in shapes.items()}
    with jax.enable_x64(True):
        traced, results = jax.make_jaxpr(function, return_shape=True)(parameters, variables)
    values: list[Value] = [
        Known(expressions.leaf(i))
        if leaf.shape in reader.shapes
        else Unreadable(f"reads a parameter of the shape {list(leaf.shape)}", frozenset())
        for i, leaf in enumerate(jax.tree.leaves(parameters))
    ]
    one = expressions.value(1.0)
    values += [Polynomial({(name,): one}) for name in sorted(variables)]  # as a dict's leaves lie
    return dict(zip(sorted(results), reader.read(traced, values), strict=True))
