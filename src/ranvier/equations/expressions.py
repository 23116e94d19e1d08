"""Arithmetic written as text: read by Python's own parser into a tree, of which only what is listed here is let through.

Nothing is ever compiled or evaluated by Python: trees are walked, with JAX's functions at their nodes.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import keyword
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import jax.numpy as jnp

from ranvier.equations import dimensions
from ranvier.equations.dimensions import NUMBER, ZERO, Dimension, Unknown
from ranvier.equations.functions import CONSTANTS, FUNCTIONS, OTHERS, RESERVED, Function
from ranvier.equations.source import Span
from ranvier.errors import ParameterError, UnitError, UnknownNameError, UnsupportedError, did_you_mean

Node = ast.expr
MOST_DEEP = 100
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod)
_COMPARISONS = (ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq)
_INSTEAD: dict[type, str] = {
    ast.BitXor: "A power is written **.",
    ast.FloorDiv: "Write floor(a / b).",
    ast.BitAnd: "Write 'and'.",
    ast.BitOr: "Write 'or'.",
    ast.Attribute: "A name has no dot in it.",
    ast.Subscript: "There are no indices: each neuron's equations see its own variables.",
    ast.Tuple: "There is a comma too many.",
    ast.Lambda: "Give functions as functions={'name': function}.",
}


_TYPED = {
    "^": "A power is written **.",
    "\N{MINUS SIGN}": "A minus is written -, as on the keyboard.",
    "\N{EN DASH}": "A minus is written -, as on the keyboard.",
    "\N{MULTIPLICATION SIGN}": "To multiply, write *.",
    "\N{MIDDLE DOT}": "To multiply, write *.",
    "\N{DOT OPERATOR}": "To multiply, write *.",
    "\N{DIVISION SIGN}": "To divide, write /.",
    "\N{SUPERSCRIPT TWO}": "A power is written **2.",
    "\N{SUPERSCRIPT THREE}": "A power is written **3.",
    "\N{LESS-THAN OR EQUAL TO}": "Write <=.",
    "\N{GREATER-THAN OR EQUAL TO}": "Write >=.",
    "\N{NOT EQUAL TO}": "Write !=.",
}
_WORD = re.compile(r"(?<![\w.])(?>(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+))?([^\W\d]\w*)")
_WORDS = ("and", "or", "not", "if", "else", "True", "False")


@dataclasses.dataclass(frozen=True)
class Expression:
    """An expression, read.

    Attributes:
        span: where it is written.
        node: its tree.
    """

    span: Span
    node: Node

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """All names in it, those of functions apart."""
        return frozenset(name.id for name in names_in(self.node))

    def place(self, node: Node) -> Span:
        """Where a node is written."""
        return _place(self.span, node)

    def refused(self, node: Node, kind: type[Any], message: str) -> Any:
        """An error that points at a node."""
        return self.place(node).refused(kind, message)

    def with_node(self, node: Node) -> Expression:
        """A part of it, or what was made of it."""
        return Expression(self.span, node)


def names_in(node: Node) -> Iterator[ast.Name]:
    """The names in a tree, without those of functions."""
    if isinstance(node, ast.Name):
        yield node
    elif isinstance(node, ast.Call):
        for argument in node.args:
            yield from names_in(argument)
    else:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                yield from names_in(child)


def _place(span: Span, node: Node) -> Span:
    own = span.own
    # Columns count bytes, and a parenthesis was put before the text.
    column = lambda at: len(_flat(own).encode()[: max(0, at - 1)].decode(errors="ignore"))
    return span.part(column(node.col_offset), column(node.end_col_offset or node.col_offset + 1))


def _flat(text: str) -> str:
    """A text as one line of the same length: comments and ends of lines are blanks."""
    lines = text.replace("\\\n", "  ").split("\n")
    return " ".join(line.partition("#")[0] + " " * (len(line) - len(line.partition("#")[0])) for line in lines)


def read(span: Span) -> Expression:
    """Reads an expression.

    Raises:
        ParameterError: it is none, or has in it what equations have not.

    Example:
        >>> sorted(read(Span.of("(E - V) / tau", "equations")).names)
        ['E', 'V', 'tau']
    """
    text = _flat(span.own)
    if not text.strip():
        raise span.refused(ParameterError, "here should be an expression.")
    _check_parentheses(span, text)
    try:
        node = ast.parse(f"({text})", mode="eval").body
    except SyntaxError as error:
        at = max(0, min((error.offset or 1) - 2, len(text.rstrip()) - 1))
        raise span.part(at, at + 1).refused(ParameterError, f"this cannot be read ({error.msg}).") from None
    except (RecursionError, MemoryError, ValueError):
        raise span.refused(ParameterError, "this is too deep or too strange to be read.") from None
    found = Expression(span, node)
    _check(found, node)
    return found


def _check_parentheses(span: Span, text: str) -> None:
    opened = []
    for at, sign in enumerate(text):
        if sign == "(":
            opened.append(at)
        elif sign == ")":
            if not opened:
                raise span.part(at, at + 1).refused(ParameterError, "this parenthesis closes nothing.")
            opened.pop()
        elif sign in _TYPED:
            raise span.part(at, at + 1).refused(ParameterError, f"{sign} is not for equations. {_TYPED[sign]}")
        elif sign in "[]{}@$?!`\"':" and text[at : at + 2] != "!=":
            raise span.part(at, at + 1).refused(ParameterError, f"there is no {sign} in equations.")
        elif sign == "=" and not opened and text[at - 1 : at] not in ("<", ">", "=", "!") and text[at + 1 : at + 2] != "=":
            raise span.part(at, at + 1).refused(ParameterError, "one = gives something a value. A comparison is ==, <= or >=.")
    if opened:
        raise span.part(opened[-1], opened[-1] + 1).refused(ParameterError, "this parenthesis is not closed.")
    for found in _WORD.finditer(text):
        number, word = found.groups()
        if number:
            message = f"a number and a name stand side by side. To multiply, write {number} * {word}."
            raise span.part(*found.span()).refused(ParameterError, message)
        if keyword.iskeyword(word) and word not in _WORDS:
            raise span.part(*found.span()).refused(ParameterError, f"{word!r} is a reserved word, which cannot be a name: write {word}_.")


def _check(of: Expression, node: Node, depth: int = 0) -> None:
    """Lets through what equations may have, and nothing else."""
    if depth > MOST_DEEP:
        raise of.span.refused(ParameterError, "this is too deep to be read: give parts of it names, in lines of their own.")
    refuse = lambda one, message: of.refused(one, ParameterError, message)
    match node:
        case ast.Constant(value=int() | float() as value) if not abs(value) < 1e300:
            raise refuse(node, "this number is too large.")
        case ast.Name() | ast.Constant(value=bool() | int() | float()):
            return
        case ast.BinOp(left=left, op=op, right=right):
            if not isinstance(op, _ARITHMETIC):
                raise refuse(node, f"{_sign(op)} is not for equations. {_INSTEAD.get(type(op), '')}".strip())
            parts: Iterable[Node] = (left, right)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() | ast.Not(), operand=operand):
            parts = (operand,)
        case ast.BoolOp(values=values):
            parts = values
        case ast.Compare(left=left, ops=ops, comparators=others):
            for sign in ops:
                if not isinstance(sign, _COMPARISONS):
                    raise refuse(node, "equations compare with <, <=, >, >=, == and !=.")
            parts = (left, *others)
        case ast.IfExp(test=test, body=body, orelse=other):
            parts = (test, body, other)
        case ast.Call(func=ast.Name(), args=args, keywords=[]) if not any(isinstance(a, ast.Starred) for a in args):
            parts = args
        case ast.Call(func=ast.BinOp() | ast.Constant() as factor):
            raise refuse(factor, "this is no function. To multiply, write * between the two.")
        case ast.Call():
            raise refuse(node, "a function is called by its name, with its arguments in their order.")
        case _:
            hint = _INSTEAD.get(type(node), "There are numbers, names, + - * / **, comparisons and functions.")
            raise refuse(node, f"this is not for equations. {hint}")
    for part in parts:
        _check(of, part, depth + 1)
    if isinstance(node, ast.BinOp) and constant(node) is None and constant(node.left) is not None and constant(node.right) is not None:
        raise refuse(node, "this is no finite number.")


def _sign(op: ast.operator) -> str:
    return {ast.BitXor: "^", ast.FloorDiv: "//", ast.BitAnd: "&", ast.BitOr: "|", ast.MatMult: "@"}.get(type(op), type(op).__name__)


# -- dimensions -------------------------------------------------------------------------------------------------------


class Condition:
    """In the place of a dimension: what is true or false."""


CONDITION = Condition()
Kind = Dimension | Condition


class Vocabulary:
    """What the names in an expression are.

    Args:
        kinds: the dimension of each name.
        functions: the user's functions, each with the dimension of its result.
        unknown: the dimension that is looked for.
        why_not: names that are known but may not be used here, and why.
        plain: names of parameters that were given without a unit, which may be what is wrong.
    """

    def __init__(
        self,
        kinds: Mapping[str, Dimension],
        functions: Mapping[str, Dimension],
        unknown: Unknown,
        why_not: Mapping[str, str] | None = None,
        plain: Iterable[str] = (),
    ):
        self.kinds, self.functions, self.unknown, self.why_not, self.plain = kinds, functions, unknown, why_not or {}, frozenset(plain)

    def kind_of(self, of: Expression, node: Node) -> Kind:
        """The dimension of a node.

        Raises:
            UnitError: sides differ.
            UnknownNameError: a name is not known.
        """
        match node:
            case ast.Constant(value=bool()):
                return CONDITION
            case ast.Constant(value=value):
                return ZERO if value == 0 else NUMBER
            case ast.Name():
                return self._name(of, node)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                self.condition(of, operand)
                return CONDITION
            case ast.UnaryOp(operand=operand):
                return self.value(of, operand)
            case ast.BoolOp(values=values):
                for condition in values:
                    self.condition(of, condition)
                return CONDITION
            case ast.Compare(left=left, comparators=others):
                self._same(of, node, [left, *others], "compared")
                return CONDITION
            case ast.IfExp(test=test, body=body, orelse=other):
                self.condition(of, test)
                return self._same(of, node, [body, other], "two cases of one value")
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mod(), right=right):
                return self._same(of, node, [left, right], "added" if isinstance(node.op, ast.Add) else "subtracted")
            case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right):
                first, second = self.value(of, left), self.value(of, right)
                product = first.times(second, 1.0 if isinstance(node.op, ast.Mult) else -1.0)
                return product._replace(zero=first.zero or (second.zero and isinstance(node.op, ast.Mult)))
            case ast.BinOp(left=left, right=right):
                return self._power(of, left, right)
            case ast.Call():
                return self._call(of, node)
        raise AssertionError(node)

    def value(self, of: Expression, node: Node) -> Dimension:
        """The dimension of what is a number; a condition counts as 1 or 0."""
        kind = self.kind_of(of, node)
        return NUMBER if isinstance(kind, Condition) else kind

    def condition(self, of: Expression, node: Node) -> None:
        """Checks what must be true or false."""
        if not isinstance(self.kind_of(of, node), Condition):
            raise of.refused(node, ParameterError, "this is a number, and here should be a comparison, such as V > V_t.")

    def expect(self, of: Expression, wanted: Dimension, says: str) -> None:
        """Checks the dimension of a whole expression."""
        kind = self.value(of, of.node)
        if self.unknown.agree(kind, wanted) is None:
            kind, wanted = self.unknown.known(kind), self.unknown.known(wanted)
            raise of.span.refused(UnitError, f"{says}, and this is {_in_words(kind)}.{self._without_unit(of, of.node)}")

    def _name(self, of: Expression, node: ast.Name) -> Dimension:
        name = node.id
        if name in self.kinds:
            return self.kinds[name]
        if name in self.why_not:
            raise of.refused(node, UnsupportedError, self.why_not[name])
        if name in CONSTANTS:
            return NUMBER
        if dimensions.is_unit(name):
            return Dimension(dimensions.measure(name).exponents)
        if name in RESERVED:
            raise of.refused(node, UnsupportedError, f"{name!r} is not there. {RESERVED[name]}")
        if name in FUNCTIONS or name in self.functions:
            raise of.refused(node, ParameterError, f"{name!r} is a function: call it, {name}(…).")
        known = (*self.kinds, *self.functions, "pi")
        hint = " Single letters are no units here: write volt, amp, second." if name in ("V", "A", "S", "F", "s") else ""
        message = f"{name!r} is not known here. {did_you_mean(name, known)}{hint} A parameter is given by parameters={{{name!r}: '1 mV'}}."
        raise of.refused(node, UnknownNameError, message)

    def _same(self, of: Expression, node: Node, parts: list[Node], what: str) -> Dimension:
        first = self.value(of, parts[0])
        for part in parts[1:]:
            other = self.value(of, part)
            found = self.unknown.agree(first, other)
            if found is None:
                one, two = _in_words(self.unknown.known(first)), _in_words(self.unknown.known(other))
                hint = _hint(of, parts[0], part, first, other) or self._without_unit(of, node)
                raise of.refused(part, UnitError, f"{one} and {two} cannot be {what}.{hint}")
            first = found
        return first

    def _without_unit(self, of: Expression, node: Node) -> str:
        """A hint where a parameter has no unit."""
        found = [name.id for name in names_in(node) if name.id in self.plain]
        return f" {found[0]} was given as a number without a unit: write it as in '10 ms'." if found else ""

    def _power(self, of: Expression, base: Node, exponent: Node) -> Dimension:
        kind, power = self.value(of, base), self.value(of, exponent)
        if self.unknown.agree(power, NUMBER) is None:
            raise of.refused(exponent, UnitError, f"an exponent has no unit, and this is {_in_words(power)}.")
        if not any(kind.exponents) and not kind.unknown:
            return NUMBER
        number = constant(exponent)
        if number is None:
            message = f"what has a unit ({_in_words(kind)}) can only be raised to a power that is written as a number."
            raise of.refused(exponent, UnitError, message)
        return kind.to_the(number)

    def _call(self, of: Expression, node: ast.Call) -> Dimension:
        assert isinstance(node.func, ast.Name)
        name = node.func.id
        if name in self.functions:
            for argument in node.args:
                self.value(of, argument)
            return self.functions[name]
        function = FUNCTIONS.get(name)
        if function is None:
            hint = OTHERS.get(name) or (
                f"To multiply, write {name} * (…)." if name in self.kinds or dimensions.is_unit(name) else did_you_mean(name, FUNCTIONS)
            )
            raise of.refused(node.func, UnknownNameError, f"{name!r} is no function that equations have. {hint}")
        if len(node.args) != function.arguments:
            wanted = f"{function.arguments} argument{'s' * (function.arguments != 1)}"
            raise of.refused(node, ParameterError, f"{name} takes {wanted}, not {len(node.args)}.")
        return self._result(of, node, name, function)

    def _result(self, of: Expression, node: ast.Call, name: str, function: Function) -> Dimension:
        if function.takes == "same":
            return self._same(of, node, node.args, "two cases of one value")
        if function.takes == "condition":
            self.condition(of, node.args[0])
            return self._same(of, node, node.args[1:], "two cases of one value")
        kind = self.value(of, node.args[0])
        if function.takes == "any":
            return kind.to_the(function.power)
        if self.unknown.agree(kind, NUMBER) is None:
            message = f"{name} takes a number without a unit, and this is {_in_words(self.unknown.known(kind))}."
            raise of.refused(node.args[0], UnitError, f"{message} Divide by something of the same unit.")
        return NUMBER


def _in_words(kind: Dimension) -> str:
    return dimensions.in_words(kind.exponents) + (" (with the input's unit, which is not known yet)" if kind.unknown else "")


def _hint(of: Expression, one: Node, other: Node, first: Dimension, second: Dimension) -> str:
    """What may be meant where a number stands beside what has a unit."""
    for node, kind, wanted in ((one, first, second), (other, second, first)):
        if not any(kind.exponents) and not kind.unknown and constant(node) is not None:
            return f" Give the number its unit: {of.place(node).own} * {dimensions.in_words(wanted.exponents).split(' ')[0]}."
    return ""


def constant(node: Node) -> float | None:
    """The value of a tree of numbers alone, or None."""
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return float(value) if abs(value) < 1e300 else None
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inner = constant(operand)
            return None if inner is None else -inner
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return constant(operand)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = constant(left), constant(right)
            if a is None or b is None:
                return None
            try:
                match op:
                    case ast.Add():
                        return a + b
                    case ast.Sub():
                        return a - b
                    case ast.Mult():
                        return a * b
                    case ast.Div():
                        return a / b
                    case ast.Mod():
                        return a % b
                    case ast.Pow():
                        power = a**b
                        return power if isinstance(power, float) and abs(power) < 1e300 else None
            except (ZeroDivisionError, OverflowError):
                return None
    return None


# -- values -----------------------------------------------------------------------------------------------------------


class Scope(Protocol):
    """What gives names their values, in coherent units."""

    def __getitem__(self, name: str) -> Any:
        """The value of a name."""
        ...

    def call(self, name: str, arguments: list[Any]) -> Any:
        """What a user's function gives."""
        ...


def evaluate(node: Node, scope: Scope) -> Any:
    """The value of a tree, on JAX's arrays (Python's numbers stay such for as long as they can)."""
    of = functools.partial(evaluate, scope=scope)
    match node:
        case ast.Constant(value=bool() as value):
            return value
        case ast.Constant(value=value):
            return float(value)  # type: ignore[arg-type]
        case ast.Name(id=name):
            return scope[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(of(operand))
        case ast.UnaryOp(op=ast.UAdd(), operand=operand):
            return _number(of(operand))
        case ast.UnaryOp(operand=operand):
            return jnp.logical_not(of(operand))
        case ast.BoolOp(op=op, values=values):
            join = jnp.logical_and if isinstance(op, ast.And) else jnp.logical_or
            return functools.reduce(join, map(of, values))
        case ast.Compare(left=left, ops=ops, comparators=others):
            sides = [_number(of(side)) for side in (left, *others)]
            compared = [_COMPARE[type(op)](a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False)]
            return functools.reduce(jnp.logical_and, compared)
        case ast.IfExp(test=test, body=body, orelse=other):
            return jnp.where(of(test), _number(of(body)), _number(of(other)))
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATE[type(op)](_number(of(left)), _number(of(right)))
        case ast.Call(func=ast.Name(id=name), args=args):
            values = [of(argument) for argument in args]
            function = FUNCTIONS.get(name)
            own = function is None or name in getattr(scope, "own_functions", ())
            return scope.call(name, values) if own or function is None else function.call(*values)
    raise AssertionError(node)


def _number(value: Any) -> Any:
    """A condition as 1 or 0; anything else as it is."""
    if isinstance(value, bool):
        return float(value)
    return jnp.where(value, 1.0, 0.0) if getattr(value, "dtype", None) == jnp.bool_ else value


def _power(base: Any, exponent: Any) -> Any:
    """Whole powers by multiplication, as they are exact and differentiable at 0."""
    if isinstance(exponent, float) and exponent == int(exponent) and abs(exponent) < 64:
        return base ** int(exponent)
    return base**exponent


_OPERATE: dict[type, Any] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
    ast.Mod: lambda a, b: jnp.mod(a, b),
    ast.Pow: _power,
}
_COMPARE: dict[type, Any] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
    ast.Eq: lambda a, b: a == b,
    ast.NotEq: lambda a, b: a != b,
}


# -- trees made of trees ----------------------------------------------------------------------------------------------


def made(like: Node, new: Node) -> Node:
    """A new node in the place of an old one, for errors."""
    return ast.copy_location(new, like)


def product(one: Node | None, other: Node, like: Node) -> Node:
    """`one · other`; `other` where there is no `one`."""
    return other if one is None else made(like, ast.BinOp(one, ast.Mult(), other))


def noise_apart(of: Expression, node: Node, is_noise: Any) -> tuple[Node | None, dict[str, Node]]:
    """What of a sum has no noise in it, and what each noise is multiplied by.

    Raises:
        UnsupportedError: noise is not a factor of a term.
    """
    if not any(is_noise(name.id) for name in names_in(node)):
        return node, {}
    message = "white noise can be a factor of a term, as in sigma * sqrt(2 / tau) * xi, and nothing else."
    refuse = lambda one: of.refused(one, UnsupportedError, message)
    match node:
        case ast.Name(id=name):
            return None, {name: made(node, ast.Constant(1.0))}
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as op, operand=operand):
            plain, noisy = noise_apart(of, operand, is_noise)
            sign = lambda part: made(node, ast.UnaryOp(op, part))
            return None if plain is None else sign(plain), {n: sign(part) for n, part in noisy.items()}
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
            one, first = noise_apart(of, left, is_noise)
            two, second = noise_apart(of, right, is_noise)
            if first.keys() & second.keys():
                raise refuse(node)
            sign = lambda part: part if isinstance(op, ast.Add) else made(part, ast.UnaryOp(ast.USub(), part))
            noisy = {**first, **{n: sign(part) for n, part in second.items()}}
            if one is None or two is None:
                return one if two is None else sign(two), noisy
            return made(node, ast.BinOp(one, op, two)), noisy
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div() as op, right=right):
            one, first = noise_apart(of, left, is_noise)
            two, second = noise_apart(of, right, is_noise)
            if (first and second) or (second and isinstance(op, ast.Div)):
                raise refuse(node)
            with_factor = lambda part: made(node, ast.BinOp(part, op, right) if first else ast.BinOp(left, op, part))
            plain = one if first else two
            return None if plain is None else with_factor(plain), {n: with_factor(part) for n, part in (first or second).items()}
    raise refuse(node)
