"""Checks of connection rules."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier.connect.base import ConnectionRule, Edges
from ranvier.random import Key
from ranvier.testing.common import is_a, require


def check_connection_rule(rule: ConnectionRule, sources: int = 7, targets: int = 7) -> None:
    """Checks a connection rule.

    That its edges are int32, sorted by target then source, and between neurons that exist;
    that the same key draws the same edges; that targets drawn in blocks have the edges they
    have when they are drawn at once, by `edges` and by `rows`; and that a rule for any size gives none where there is
    nobody.

    Args:
        rule: the rule.
        sources, targets: numbers of neurons that it can wire.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_connection_rule(rv.connect.pairwise_bernoulli(0.3))
    """
    is_a(rule, ConnectionRule, "connection rule")
    name, key = type(rule).__name__, Key(5)
    for own in (0,) if rule.alone else (None, 0) if sources <= targets else (None,):
        whole = rule.edges(sources, targets, range(targets), own, key)
        require(isinstance(whole, Edges), f"{name}.edges returns {type(whole).__name__}, not rv.connect.Edges.")
        require(
            whole.pre.dtype == np.int32 and whole.post.dtype == np.int32,
            f"{name}: pre and post must be int32, not {whole.pre.dtype} and {whole.post.dtype}.",
        )
        require(
            whole.pre.shape == whole.post.shape == (len(whole),),
            f"{name}: pre and post have the shapes {whole.pre.shape} and {whole.post.shape}.",
        )
        for what, given in (("value", whole.values), ("delay", whole.delays)):
            require(given is None or given.shape == (len(whole),), f"{name}: there must be one {what} an edge.")
        for label, ids, n in (("pre", whole.pre, sources), ("post", whole.post, targets)):
            require(not len(ids) or (ids.min() >= 0 and ids.max() < n), f"{name}: {label} names a neuron that is not among the {n}.")
        order = whole.post.astype(np.int64) * sources + whole.pre
        require((np.diff(order) >= 0).all(), f"{name}: edges must be sorted by target, then source.")
        again = rule.edges(sources, targets, range(targets), own, key)
        require(_equal(whole, [again]), f"{name}: the same key draws other edges when it is asked again.")
        middle = targets // 3
        parts = [rule.edges(sources, targets, block, own, key) for block in (range(middle), range(middle, targets))]
        require(
            _equal(whole, parts), f"{name}: targets drawn in blocks have other edges than drawn at once; draw with the target's own index."
        )
        require(len(rule.edges(sources, targets, range(0), own, key)) == 0, f"{name}: a block of no targets must have no edges.")
        rows = rule.rows(sources, targets, own, key)
        counted = np.bincount(whole.post, minlength=targets)
        require(np.array_equal(rows.degrees, counted), f"{name}.rows promises {rows.degrees.sum()} edges, or gives them other targets.")
        parts = [rows.block(block) for block in (range(middle), range(middle, targets))]
        require(_equal(whole, parts), f"{name}.rows gives other edges than {name}.edges.")


def _equal(whole: Edges, parts: list[Edges]) -> bool:
    for field in dataclasses.fields(Edges):
        given, others = getattr(whole, field.name), [getattr(p, field.name) for p in parts]
        if given is None or any(x is None for x in others):
            if given is not None or any(x is not None for x in others):
                return False
        elif not np.array_equal(given, np.concatenate(others)):
            return False
    return True
