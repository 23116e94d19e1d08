"""States and arguments as arrays with names: pytrees, and a bare array without going through JAX's.

The short way is faster, and the one that `torch.compile` can follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax


def is_bare(x: Any) -> bool:
    """Whether a state is one array and not a structure of them."""
    return hasattr(x, "dtype")


def leaves(tree: Any) -> list[Any]:
    """The arrays of a tree."""
    return [tree] if is_bare(tree) else jax.tree.leaves(tree)


def flatten(tree: Any) -> tuple[list[Any], Callable[[Any], Any]]:
    """The arrays of a tree, and what puts others in their places.

    Example:
        >>> arrays, rebuilt = flatten({"b": 1.0, "a": 2.0})
        >>> rebuilt([10 * x for x in arrays])
        {'a': 20.0, 'b': 10.0}
    """
    if is_bare(tree):
        return [tree], lambda arrays: arrays[0]
    arrays, structure = jax.tree.flatten(tree)
    return arrays, lambda others: jax.tree.unflatten(structure, others)


def named(tree: Any) -> list[tuple[str, Any]]:
    """The arrays of a tree with their places in it, as Python would spell them.

    Example:
        >>> named({"a": (1.0, 2.0)})
        [("['a'][0]", 1.0), ("['a'][1]", 2.0)]
    """
    if is_bare(tree):
        return [("", tree)]
    return [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)]


def map_named(function: Callable[[str, Any], Any], tree: Any, name: str = "") -> Any:
    """`function(place, leaf)` for every leaf."""
    if is_bare(tree):
        return function(name, tree)
    if type(tree) is tuple:
        return tuple([map_named(function, part, f"{name}[{i}]") for i, part in enumerate(tree)])
    return jax.tree_util.tree_map_with_path(lambda path, leaf: function(name + jax.tree_util.keystr(path), leaf), tree)
