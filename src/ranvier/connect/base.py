"""Edges, and the rules that draw them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranvier.random import Key


@dataclasses.dataclass(frozen=True)
class Edges:
    """Who is wired to whom: edge *e* goes from neuron `pre[e]` to neuron `post[e]`.

    Sorted by `(post, pre)`. Where a projection has several targets, `post`
    counts through them in the order they were given.

    Attributes:
        pre, post: int32 `[edges]`.
        values: float64 `[edges]` that the projection's weight multiplies, or None.
    """

    pre: np.ndarray
    post: np.ndarray
    values: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.pre)


class ConnectionRule:
    """Base of connection rules. Drawable for one block of targets alone."""

    def edges(self, sources: int, targets: int, block: range, own: int | None, key: Key) -> Edges:
        """The edges onto the targets in `block`.

        Args:
            sources, targets: how many neurons there are on each side.
            block: the targets whose edges are wanted.
            own: where the sources begin among the targets, when they are among
                them (then source *i* and target `own + i` are one neuron), or None.
            key: where the rule draws from; a draw depends on the target alone,
                so that blocks may be drawn in any order.
        """
        raise NotImplementedError


def from_mask(mask: np.ndarray, first: int, values: Any = None) -> Edges:
    """The edges of a boolean block `[targets, sources]` whose first row is target `first`."""
    post, pre = np.nonzero(mask)
    return Edges(pre.astype(np.int32), (post + first).astype(np.int32), values)
