"""Linear equations of a neighbourhood, and their exact propagators."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.network.linearity.exponential import closure, exponential_entries
from ranvier.network.linearity.expressions import Expressions, Level
from ranvier.network.linearity.neighbourhood import (
    INPUT,
    Equations,
    Name,
    Neighbourhood,
    Parts,
    by_member,
    equations,
    is_traced,
    numbers_of,
    remembered,
)
from ranvier.network.linearity.polynomials import CONSTANT, NotAffine, affine
from ranvier.network.stacked import spread

Column = Name | str
"""A variable, `INPUT` (the current) or `CONSTANT`."""


@dataclasses.dataclass(frozen=True)
class Exact:
    """The exact step of linear equations: what each moving variable is made of after it.

    Attributes:
        rows: for each moving variable what it is a weighted sum of.
        sizes: how many neurons each member has.
        entries: the matrix of the equations, `[(row, column, its coefficient)]` by places in `columns`.
        columns: all that moves or is read, in order.
        expressions: where the coefficients are.
        each: of the places in the rows, laid end to end, those with one coefficient a neuron.
    """

    rows: tuple[tuple[Name, tuple[Column, ...]], ...]
    sizes: tuple[int, ...]
    each: tuple[int, ...]
    columns: tuple[Column, ...] = dataclasses.field(compare=False, repr=False)
    entries: tuple[tuple[int, int, int], ...] = dataclasses.field(compare=False, repr=False)
    expressions: Expressions = dataclasses.field(compare=False, repr=False)

    @property
    def places(self) -> list[tuple[int, int]]:
        """For each coefficient its row and column in the matrix."""
        place = {column: i for i, column in enumerate(self.columns)}
        return [(place[name], place[column]) for name, terms in self.rows for column in terms]

    def numbers(self, parts: Parts, dt: Any, dtype: Any = np.float64) -> dict[str, Any]:
        """The coefficients of all rows, one after the other.

        Traced by JAX (and so differentiable) where a parameter or `dt` is; else by NumPy, compiling nothing.

        Returns:
            `{"coefficients": [members, count], "each": {place: [n]}}`, the second for the places in `self.each`;
            what the rows have there is 0.
        """
        with jax.enable_x64(True):
            found = self.coefficients(numbers_of(parts, dt))
            rows, each = by_member(found, self.each, len(self.sizes), dtype)
        return {"coefficients": rows, "each": each}

    def coefficients(self, leaves: Sequence[Any]) -> list[Any]:
        """The coefficients of all rows, in double precision: `[members]`, or `[n]` at the places in `self.each`.

        Args:
            leaves: of `numbers_of`.
        """
        n, members = sum(self.sizes), len(self.sizes)
        if not n or not self.rows:
            return [np.zeros(0 if place in self.each else members) for place, _ in enumerate(self.places)]
        values, of_neurons, of_members = self._values(leaves)
        count, dt = max((x.shape[0] for x in values if np.ndim(x)), default=1), leaves[-1]
        xp = jnp if is_traced(leaves) else np
        entries = {(i, j): xp.broadcast_to(x * dt, (count,)) for x, (i, j, _) in zip(values, self.entries, strict=True)}
        step = exponential_entries(entries, len(self.columns), self.places)
        return [x[of_neurons if place in self.each else of_members] for place, x in enumerate(step)]

    def _values(self, leaves: Sequence[Any]) -> tuple[list[Any], Any, Any]:
        """The entries of the matrices that differ, and which of those matrices each neuron and each member has.

        Returns:
            For each entry a number or `[matrices]`; then two indices, `[n]` and `[members]`, into the matrices.
        """
        wanted, n, members = [x for _, _, x in self.entries], sum(self.sizes), len(self.sizes)
        levels = [self.expressions.level(x) for x in wanted]
        known = not is_traced(leaves)
        evaluate = lambda at=None: self.expressions.evaluate(wanted, leaves, self.sizes, at)
        if Level.NEURON in levels:
            first: Any = None
            of_neurons: Any = np.arange(n)
            if known:  # neurons that are alike are computed once
                member = np.repeat(np.arange(members), self.sizes)
                first, of_neurons = distinct([member, *self.expressions.by_neuron(wanted, leaves)])
            wide = lambda x: x[member[first]] if known else spread(x, self.sizes)
            values = [wide(x) if level is Level.MEMBER else x for x, level in zip(evaluate(first), levels, strict=True)]
            starts = np.minimum(np.cumsum([0, *self.sizes[:-1]]), n - 1)  # of a member without neurons, any
            return values, of_neurons if known else slice(None), of_neurons[starts]
        if known:
            rows = [np.broadcast_to(x, (members,)) for x in evaluate()]
            first, of_members = distinct([np.zeros(members), *rows])
            return [x[first] for x in rows], None, of_members
        return evaluate(), None, np.arange(members) if Level.MEMBER in levels else np.zeros(members, np.int64)

    def advance(self, numbers: dict[str, Any], variables: dict[str, dict[str, Any]], current: Any = None) -> dict[str, dict[str, Any]]:
        """The moving variables after a step.

        Args:
            numbers: of `numbers`.
            variables: `{group or synapses: {variable: [n]}}`.
            current: what is injected, a number or `[n]`; None for none.
        """
        result: dict[str, dict[str, Any]] = {}
        place = 0
        for (owner, variable), columns in self.rows:
            total = None
            for column in columns:
                if str(place) in numbers["each"]:
                    coefficient = numbers["each"][str(place)]
                elif len(self.sizes) == 1:
                    coefficient = numbers["coefficients"][0, place]
                else:
                    coefficient = spread(numbers["coefficients"][:, place], self.sizes)
                place += 1
                if column == INPUT and current is None:
                    continue
                term = (
                    coefficient if column == CONSTANT else coefficient * (current if column == INPUT else variables[column[0]][column[1]])
                )
                total = term if total is None else total + term
            before = variables[owner][variable]
            result.setdefault(owner, {})[variable] = jnp.broadcast_to(jnp.asarray(total, before.dtype), before.shape)
        return result


def distinct(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Where each different row of numbers first stands, and for each row which of those it is.

    Args:
        columns: float64 `[rows]` each.

    Example:
        >>> first, which = distinct([np.array([1.0, 3.0, 1.0]), np.array([2.0, 4.0, 2.0])])
        >>> first.tolist(), which.tolist()
        ([0, 1], [0, 1, 0])
    """
    words = [np.ascontiguousarray(column, np.float64).view(np.uint64) for column in columns]
    mixed = np.zeros(len(words[0]), np.uint64)
    for word in words:
        if word[0] == word[-1] and (word == word[0]).all():
            continue
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    if (mixed == mixed[0]).all():
        first, which = np.zeros(1, np.int64), np.zeros(len(mixed), np.int64)
    else:
        _, first, which = np.unique(mixed, return_index=True, return_inverse=True)
    if not all(np.array_equal(word[first][which], word) for word in words):  # two that differ met by chance
        _, first, which = np.unique(np.stack(words, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    return first[order], place[which.reshape(-1)]


def why_not_here(near: Neighbourhood) -> str | None:
    """Why a group's equations are not those at its own neurons alone."""
    for name, site in near.elsewhere:
        return f"{name} acts on it continuously, from states at its {'sources' if site == 'source' else 'edges'}"
    return "white noise drives its variables" if near.diffuses else None


def _affine(found: Equations) -> dict[Name, dict[Any, int]] | NotAffine:
    near = found.near
    name_of = {near.called(name): name for name in near.names}
    rows: dict[Name, dict[Any, int]] = {}
    for name, value in found.derivatives.items():
        form = affine(value, f"{near.called(name)}'s equation", found.expressions)
        if isinstance(form, NotAffine):
            return form
        rows[name] = {name_of.get(column, column): x for column, x in form.terms.items()}
    return rows


def _exact(near: Neighbourhood, parts: Parts) -> Exact | NotAffine:
    reason = why_not_here(near)
    if reason is not None:
        return NotAffine(reason)
    found = equations(near, parts)
    terms_of = _affine(found)
    if isinstance(terms_of, NotAffine):
        return terms_of
    read = {column for terms in terms_of.values() for column in terms}
    columns: tuple[Any, ...] = (
        *(name for name in near.names if name in terms_of or name in read),
        *(column for column in (INPUT, CONSTANT) if column in read),
    )
    place = {column: i for i, column in enumerate(columns)}
    entries = tuple((place[name], place[column], x) for name, terms in terms_of.items() for column, x in terms.items())
    edges, by_neuron = np.zeros((2, len(columns), len(columns)), bool)
    for i, j, x in entries:
        edges[i, j] = True
        by_neuron[i, j] = found.expressions.level(x) is Level.NEURON
    reach = closure(edges)
    differs = (reach.astype(int) @ by_neuron.astype(int) @ reach.astype(int)) > 0
    rows, each, count = [], [], 0
    for name in terms_of:
        reached = [column for column in columns if reach[place[name], place[column]]]
        terms = (name, *(column for column in reached if column != name))
        each += [count + k for k, column in enumerate(terms) if differs[place[name], place[column]]]
        rows.append((name, terms))
        count += len(terms)
    return Exact(tuple(rows), near.sizes, tuple(each), columns, entries, found.expressions)


_remembered = remembered(_exact)


def exact(near: Neighbourhood, parts: Parts) -> Exact | NotAffine:
    """The exact step of a group with the synapses at it, or why it has none.

    It depends on which terms the equations have, never on their values. Quick when asked again for the same structure.

    Args:
        parts: `{"model": Stacked, "synapses": {name: model whose parameters are numbers or [n]}}`.
    """
    return _remembered(near, parts)
