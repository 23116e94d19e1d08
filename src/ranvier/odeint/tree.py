"""States and arguments as arrays with names: pytrees, and a bare array without going through JAX's.

The short way is faster, and the one that `torch.compile` can follow.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


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


def changeable(library: str) -> bool:
    """Whether a function can change an array that it is given: of PyTorch and NumPy, and where nothing traces what is done.

    Example:
        >>> changeable("numpy"), changeable("jax")
        (True, False)
    """
    return library == "numpy" or (library == "torch" and not sys.modules["torch"].compiler.is_compiling())


def copied(tree: Any) -> Any:
    """The tree with memory of its own."""
    arrays, rebuilt = flatten(tree)
    return rebuilt([x.copy() if isinstance(x, np.ndarray) else x.clone() if hasattr(x, "clone") else x for x in arrays])


def _bytes(x: np.ndarray) -> memoryview:
    """An array's bytes, where they lie."""
    return np.ascontiguousarray(x).reshape(-1).view(np.uint8).data


def was_changed(now: Any, before: Any) -> bool:
    """Whether any element of a tree is another one."""

    def differ(a: Any, b: Any) -> bool:
        if isinstance(a, np.ndarray):
            return bool(_bytes(a) != _bytes(np.asarray(b)))
        return getattr(a, "_version", 0) != 0 if _is_plain(a) else False

    return any(map(differ, leaves(now), leaves(before)))


def shares_memory(tree: Any, others: list[Any]) -> bool:
    """Whether arrays of a tree may lie in the memory of those of others."""
    one, rest = leaves(tree), [x for other in others for x in leaves(other)]

    def share(a: Any, b: Any) -> bool:
        if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
            return np.may_share_memory(a, b)
        plain = _is_plain(a) and _is_plain(b) and a.numel() > 0
        return plain and bool(a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr())

    return any(share(a, b) for a in one for b in rest)


def _is_plain(x: Any) -> bool:
    """Whether a tensor of PyTorch has memory and counts its changes: not within one of `torch.func`'s transformations."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(x, torch.Tensor) or x.is_inference() or x.device.type == "meta":
        return False
    return not torch._C._functorch.is_functorch_wrapped_tensor(x)
