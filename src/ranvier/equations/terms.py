"""Expressions taken apart into terms and factors: what a synapse's sides do, and how a current depends on the potential."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ranvier.equations.expressions import Expression, Node, made, names_in, product
from ranvier.errors import UnsupportedError

MOST_TERMS = 64


@dataclasses.dataclass(frozen=True)
class Term:
    """A product of what the presynaptic side gives, what the postsynaptic side gives, and so many weights."""

    pre: Node | None
    post: Node | None
    weights: int


def terms(of: Expression, side: Callable[[str], str], defined: Mapping[str, Expression], weight: str) -> list[Term]:
    """An expression as a sum of products of two sides.

    Args:
        of: the expression.
        side: for each name `"pre"`, `"post"` or `""` where it does not matter.
        defined: names that stand for expressions.
        weight: the name that stands apart.

    Raises:
        UnsupportedError: something depends on both sides in another way.
    """

    def sides(node: Node) -> set[str]:
        found: set[str] = set()
        for name in names_in(node):
            inner = defined.get(name.id)
            found |= sides(inner.node) if inner is not None else {"w" if name.id == weight else side(name.id)}
        return found - {""}

    def refuse(node: Node) -> Any:
        message = (
            "this depends on both sides of the synapse other than by a product or a sum, so that it would be another for each pair. "
            "Write a class with rv.SynapseModel, at the site 'edge'."
        )
        return of.refused(node, UnsupportedError, message)

    def expanded(node: Node) -> list[Term]:
        found = sides(node)
        if found == {"w"} and isinstance(node, ast.Name):
            return [Term(None, None, 1)]
        if "w" not in found and len(found) < 2:
            return [Term(node, None, 0) if found == {"pre"} else Term(None, node, 0)]
        match node:
            case ast.Name(id=name) if name in defined:
                return expanded(defined[name].node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return [negative(term, node) for term in expanded(operand)]
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return expanded(operand)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return expanded(left) + expanded(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return expanded(left) + [negative(term, node) for term in expanded(right)]
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                all_of_it = [multiplied(a, b, node) for a in expanded(left) for b in expanded(right)]
                if len(all_of_it) > MOST_TERMS:
                    raise refuse(node)
                return all_of_it
            case ast.BinOp(left=left, op=ast.Div(), right=right) if "w" not in sides(right) and len(sides(right)) < 2:
                part = "pre" if sides(right) == {"pre"} else "post"
                return [divided(term, right, part, node) for term in expanded(left)]
        raise refuse(node)

    return expanded(of.node)


def negative(term: Term, like: Node) -> Term:
    """A term with the other sign."""
    return dataclasses.replace(term, post=minus(term.post or made(like, ast.Constant(1.0))))


def multiplied(one: Term, other: Term, like: Node) -> Term:
    """The product of two terms."""
    pre = one.pre if other.pre is None else times(one.pre, other.pre, like)
    post = one.post if other.post is None else times(one.post, other.post, like)
    return Term(pre, post, one.weights + other.weights)


def divided(term: Term, by: Node, part: str, like: Node) -> Term:
    """A term divided by what belongs to one side."""
    over = lambda node: made(like, ast.BinOp(node or made(like, ast.Constant(1.0)), ast.Div(), by))
    return dataclasses.replace(term, pre=over(term.pre)) if part == "pre" else dataclasses.replace(term, post=over(term.post))


def times(one: Node | None, other: Node, like: Node) -> Node:
    """A product, without factors of 1."""
    if one is None or _is(one, 1.0):
        return other
    return one if _is(other, 1.0) else product(one, other, like)


def minus(node: Node) -> Node:
    """The negative of a tree."""
    match node:
        case ast.Constant(value=int() | float() as value):
            return made(node, ast.Constant(-value))
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return operand
    return made(node, ast.UnaryOp(ast.USub(), node))


def _is(node: Node, value: float) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def in_potential(node: Node, is_potential: Callable[[str], bool], defined: Mapping[str, Expression]) -> tuple[Node | None, Node | None]:
    """A tree as `offset − conductance · V`: both trees, None for 0. What is not linear in V stays in the offset, or a factor."""

    def has(one: Node) -> bool:
        return any(is_potential(n.id) or (n.id in defined and has(defined[n.id].node)) for n in names_in(one))

    def apart(one: Node) -> tuple[Node | None, Node | None]:
        if not has(one):
            return one, None
        match one:
            case ast.Name(id=name):
                return (None, made(one, ast.Constant(-1.0))) if is_potential(name) else apart(defined[name].node)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return _both(apart(operand), minus)
            case ast.BinOp(left=left, op=ast.Add() | ast.Sub() as op, right=right):
                first, second = apart(left), apart(right)
                if isinstance(op, ast.Sub):
                    second = _both(second, minus)
                return _sum(first[0], second[0], one), _sum(first[1], second[1], one)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                for affine, factor in ((right, left), (left, right)):
                    split = apart(affine)
                    if split[1] is not None:
                        return _both(split, lambda part, f=factor: times(f, part, one))  # type: ignore[misc]
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                split = apart(left)
                if split[1] is not None:
                    return _both(split, lambda part: made(one, ast.BinOp(part, ast.Div(), right)))
        return one, None

    return apart(node)


def _both(split: tuple[Node | None, Node | None], change: Callable[[Node], Node]) -> tuple[Node | None, Node | None]:
    return (None if split[0] is None else change(split[0]), None if split[1] is None else change(split[1]))


def _sum(one: Node | None, other: Node | None, like: Node) -> Node | None:
    if one is None or other is None:
        return one or other
    return made(like, ast.BinOp(one, ast.Add(), other))


def degree(node: Node, degree_of: Callable[[str], int | None]) -> int | None:
    """The power with which a tree is homogeneous in some names; None where it is not.

    Args:
        node: the tree.
        degree_of: 1 for those names, 0 for the others, and of a name that stands for an expression that of the expression.
    """
    match node:
        case ast.Name(id=name):
            return degree_of(name)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return degree(operand, degree_of)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = degree(left, degree_of), degree(right, degree_of)
            if one is None or other is None:
                return None
            match op:
                case ast.Add() | ast.Sub():
                    return one if one == other else None
                case ast.Mult():
                    return one + other
                case ast.Div():
                    return one if other == 0 else None
            return 0 if one == other == 0 else None
        case ast.Constant():
            return 0
    return 0 if all(degree_of(name.id) == 0 for name in names_in(node)) else None
