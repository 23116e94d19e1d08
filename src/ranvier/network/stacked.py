"""The parameters of populations that advance together, one above the other."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

SELECT_UP_TO = 4
"""members whose numbers are chosen by comparing the neuron's index; for more, an array is read"""


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass(frozen=True)
class Stacked:
    """The models of several populations as one, each parameter with one value a member, or one a neuron.

    Which of the two is structure: it follows from what kind of value each population gave (a number
    or an array), never from the values, so that another value compiles nothing.

    Attributes:
        tree: a model whose leaves are `[members]`, or `[neurons]`.
        per_neuron: for each leaf, in the order of `jax.tree.leaves`, whether it has one value a neuron.
        sizes: how many neurons each member has.

    Example:
        >>> import ranvier as rv
        >>> both = Stacked.of([rv.channels.Leak(conductance=0.1), rv.channels.Leak(conductance=0.3)], (2, 1))
        >>> both.tree.conductance.tolist(), both.at_neurons().conductance.tolist()
        ([0.1, 0.3], [0.1, 0.1, 0.3])
    """

    tree: Any
    per_neuron: tuple[bool, ...]
    sizes: tuple[int, ...]

    @classmethod
    def of(cls, models: Sequence[Any], sizes: Sequence[int]) -> Stacked:
        """From one model a member, whose leaves are numbers or `[size]`. All have one structure."""
        columns = list(zip(*(jax.tree.leaves(model) for model in models), strict=True))
        structure = jax.tree.structure(models[0])
        per_neuron = tuple(any(np.ndim(value) for value in column) for column in columns)
        library = jnp if any(isinstance(value, jax.Array) for column in columns for value in column) else np

        def stacked(column: Any, each: bool) -> Any:
            if not each:
                return library.stack([library.asarray(value) for value in column])
            if len(column) == 1:
                return column[0]
            return library.concatenate([library.broadcast_to(library.asarray(v), (n,)) for v, n in zip(column, sizes, strict=True)])

        leaves = [stacked(column, each) for column, each in zip(columns, per_neuron, strict=True)]
        return cls(jax.tree.unflatten(structure, leaves), per_neuron, tuple(sizes))

    @property
    def n(self) -> int:
        """How many neurons there are."""
        return sum(self.sizes)

    @property
    def rows(self) -> int:
        """How many different sets of parameters there may be: one a member, or one a neuron where any parameter has that."""
        return self.n if any(self.per_neuron) else len(self.sizes)

    def _map(self, of_member: Any) -> Any:
        leaves = jax.tree.leaves(self.tree)
        mapped = [leaf if each else of_member(leaf) for leaf, each in zip(leaves, self.per_neuron, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(self.tree), mapped)

    def at_neurons(self) -> Any:
        """The model with its leaves as its equations take them: a number where there is one member, else `[neurons]`."""
        return self._map(lambda leaf: leaf[0] if len(self.sizes) == 1 else spread(leaf, self.sizes))

    def at_rows(self) -> Any:
        """The model with its leaves `[rows]`."""
        if self.rows != self.n or not any(self.per_neuron):
            return self.tree
        return self._map(lambda leaf: repeated(leaf, self.sizes))

    def in_columns(self) -> Any:
        """The model with its leaves `[members, 1]` or `[neurons]`: which of the two stays plain where these are as many."""
        return self._map(lambda leaf: leaf[:, None])

    def tree_flatten(self) -> Any:
        return (self.tree,), (self.per_neuron, self.sizes)

    @classmethod
    def tree_unflatten(cls, aux: Any, children: Any) -> Stacked:
        return cls(children[0], *aux)


def repeated(values: Any, sizes: Sequence[int]) -> Any:
    """One value a member, `[members]`, as an array with one value a neuron."""
    which = np.repeat(np.arange(len(sizes)), sizes)
    return values[which]


def spread(values: Any, sizes: Sequence[int]) -> Any:
    """As `repeated`, in a traced step: of few members by comparison, which costs no memory to read."""
    if len(sizes) > SELECT_UP_TO or isinstance(values, np.ndarray):
        return repeated(values, sizes)
    neuron = jax.lax.iota(jnp.int32, sum(sizes))
    result = jnp.broadcast_to(values[-1], neuron.shape)
    for i, end in reversed(list(enumerate(itertools.accumulate(sizes[:-1])))):
        result = jnp.where(neuron < end, values[i], result)
    return result
