"""The lines of a text of equations, each read for what it is."""

from __future__ import annotations

import ast
import dataclasses
import keyword
import re
from collections.abc import Iterator

from ranvier.equations import dimensions
from ranvier.equations.dimensions import Measure
from ranvier.equations.expressions import Expression, read
from ranvier.equations.functions import CONSTANTS, FUNCTIONS, RESERVED
from ranvier.equations.source import MOST_CHARACTERS, Span
from ranvier.errors import ParameterError, UnitError, UnsupportedError, did_you_mean

_PATTERNS = {
    "derivative": re.compile(r"d\s*([^\W\d]\w*)\s*/\s*d\s*t\s*="),
    "defined": re.compile(r"([^\W\d]\w*)\s*=(?!=)"),
    "declared": re.compile(r"([^\W\d]\w*)\s*:"),
}
_ASSIGNED = re.compile(r"([^\W\d]\w*)\s*(\+|-|\*\*?|/)?=(?!=)")
_FLAGS = {
    "unless refractory": "",
    "constant": "",
    "clock-driven": "",
    "event-driven": "",
    "summed": "",
    "shared": "A parameter that all share is given as one number.",
    "linked": "A variable of another population is no part of a model: connect the populations by a projection.",
    "constant over dt": "Every name has its value at the time that the integrator asks for.",
}
"""What may stand in parentheses behind a unit; with a text, what to do instead."""


@dataclasses.dataclass(frozen=True)
class Statement:
    """A line of a text of equations.

    Attributes:
        span: where it is written.
        kind: `"derivative"`, `"defined"` (a name for an expression) or `"declared"` (a parameter).
        name: what it says something of; `place` is where that stands.
        place: where the name is written.
        expression: the right side, none of what is declared.
        measure: the unit.
        flags: what stands in parentheses behind it.
        text: a comment behind it.
    """

    span: Span
    kind: str
    name: str
    place: Span
    expression: Expression | None
    measure: Measure
    flags: frozenset[str]
    text: str


@dataclasses.dataclass(frozen=True)
class Assignment:
    """What a spike does to a name: `w += b`.

    Attributes:
        span, place: where it is written, and where its name is.
        name: what changes.
        sign: `"="`, or `"+"`, `"-"`, `"*"`, `"/"` for what is combined with the old value.
        expression: the right side.
    """

    span: Span
    place: Span
    name: str
    sign: str
    expression: Expression


def _pieces(whole: Span) -> Iterator[tuple[Span, str]]:
    """The statements of a text, each with the comment behind it: one a line, or several with semicolons; open parentheses go on."""
    text, depth, begin, at, comment = whole.own, 0, 0, 0, ""
    while at <= len(text):
        sign = text[at] if at < len(text) else "\n"
        if sign == "#":
            stop = text.find("\n", at)
            stop = len(text) if stop < 0 else stop
            comment = comment or text[at + 1 : stop].strip()
            if depth <= 0:
                if text[begin:at].strip():
                    yield whole.part(begin, at), comment
                begin, comment = stop, ""
            at = stop
            continue
        depth += (sign == "(") - (sign == ")")
        end = sign == "\n" and text[at - 1 : at] != "\\"
        over = at == len(text) or (depth <= 0 and (end or sign == ";"))
        if over:
            if text[begin:at].strip():
                yield whole.part(begin, at), comment
            begin, comment, depth = at + 1, "", 0
        at += 1


def statements(text: str, what: str) -> list[Statement]:
    """Reads a text of equations.

    Raises:
        ParameterError: a line is none of what a line may be.

    Example:
        >>> [(s.kind, s.name, s.measure.unit) for s in statements("dV/dt = (E - V)/tau : mV\\ntau : ms  # slow", "equations")]
        [('derivative', 'V', 'mV'), ('declared', 'tau', 'ms')]
    """
    if len(text) > MOST_CHARACTERS:
        raise ParameterError(f"{what} has {len(text)} characters, and can have {MOST_CHARACTERS}.")
    return [_statement(span, comment) for span, comment in _pieces(Span.of(text, what))]


def _statement(span: Span, comment: str) -> Statement:
    own = span.own
    matches = ((kind, pattern.match(own)) for kind, pattern in _PATTERNS.items())
    kind, found = next(((kind, found) for kind, found in matches if found), ("", None))
    if found is None:
        raise span.refused(
            ParameterError,
            "this is no equation. A line is 'dx/dt = … : unit', 'x = … : unit', or 'x : unit' for a parameter.",
        )
    place = span.part(found.start(1), found.end(1))
    name = found[1]
    check_name(name, place)
    colon = found.end() - 1 if kind == "declared" else own.rfind(":")
    if colon < found.end() - 1:
        raise span.refused(ParameterError, f"what is {name} in? Write the unit behind it: '{own.strip()} : mV', or ': 1' for none.")
    unit, flags = _unit_and_flags(span.part(colon + 1, len(own)), name)
    expression = None if kind == "declared" else read(span.part(found.end(), colon))
    return Statement(span, kind, name, place, expression, unit, flags, comment)


def check_name(name: str, place: Span) -> None:
    """Refuses names that mean something else.

    Raises:
        ParameterError: it does.
    """
    if name.startswith("_") or keyword.iskeyword(name):
        raise place.refused(ParameterError, f"{name!r} cannot be a name here: choose another.")
    if name == "dt":
        raise place.refused(UnsupportedError, f"{name!r} cannot be defined. {RESERVED[name]}")
    if name in CONSTANTS or name in FUNCTIONS or name == "t" or name == "xi" or name.startswith("xi_"):
        raise place.refused(ParameterError, f"{name!r} means something else in equations: choose another name.")


def _unit_and_flags(span: Span, name: str) -> tuple[Measure, frozenset[str]]:
    own, flags = span.own, frozenset[str]()
    behind = re.search(r"\(([^()]*)\)\s*$", own)
    if behind and re.search(r"[a-z]{4}", behind[1]) and not _is_unit(own):
        words = [" ".join(word.split()) for word in behind[1].split(",")]
        place = span.part(behind.start(1), behind.end(1))
        for word in words:
            if word not in _FLAGS:
                raise place.refused(ParameterError, f"({word}) is not known. {did_you_mean(word, _FLAGS)}")
            if _FLAGS[word]:
                raise place.refused(UnsupportedError, f"({word}) is not there. {_FLAGS[word]}")
        flags, span = frozenset(words), span.part(0, behind.start())
    if span.own in ("boolean", "integer"):
        raise span.refused(UnsupportedError, f"{name} cannot be a {span.own}: variables are numbers. Write ': 1'.")
    if not span.own:
        raise span.refused(ParameterError, f"what is {name} in? Write its unit, or 1 for none.")
    try:
        return dimensions.measure(span.own), flags
    except ValueError as error:
        message = f"{str(error)!r} is no unit. Units are written as in 'mV', 'uA/cm**2', '1/ms', 'nS', and 1 for none."
        raise span.refused(UnitError, message) from None


def _is_unit(text: str) -> bool:
    try:
        dimensions.measure(text)
    except ValueError:
        return False
    return True


def assignments(text: str, what: str) -> list[Assignment]:
    """Reads what a spike does: `"V = V_r; w += b"`.

    Raises:
        ParameterError: a part is no assignment.
    """
    if len(text) > MOST_CHARACTERS:
        raise ParameterError(f"{what} has {len(text)} characters, and can have {MOST_CHARACTERS}.")
    result = []
    for span, _ in _pieces(Span.of(text, what)):
        found = _ASSIGNED.match(span.own)
        if not found or found[2] == "**":
            raise span.refused(ParameterError, "this changes nothing. Write 'V = V_r', 'w += b', several with semicolons.")
        expression = read(span.part(found.end(), len(span.own)))
        result.append(Assignment(span, span.part(found.start(1), found.end(1)), found[1], found[2] or "=", expression))
    return result


def combined(one: Assignment, old: ast.expr) -> ast.expr:
    """The tree of a new value, of the old one and the right side."""
    signs = {"+": ast.Add, "-": ast.Sub, "*": ast.Mult, "/": ast.Div}
    right = one.expression.node
    return right if one.sign == "=" else ast.copy_location(ast.BinOp(old, signs[one.sign](), right), right)
