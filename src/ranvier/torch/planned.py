"""Layers whose calls from rest are planned once and kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ranvier.torch import fused
from ranvier.torch.fused.problem import SURROGATES
from ranvier.torch.layer import SpikingLayer, State
from ranvier.torch.ranged import Ranged, of_dtype


class PlannedLayer(SpikingLayer):
    """A layer of which `fused.quick` keeps what calls have in common.

    A call's numbers come of the parameters' values (`_rows`, `_start`), and their derivatives are written out : PyTorch's own
    graph of so many small tensors would take longer than the sequence.

    Class attributes:
        settings: the attributes that a sequence depends on, beside the parameters.
    """

    settings: ClassVar[tuple[str, ...]] = ()

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        if state is None and (known := self._known()) is not None and (done := fused.quick.sequence(self, *known, x)) is not None:
            return done
        return super().forward(x, state)

    @property
    def neurons(self) -> PlannedLayer:
        """The layer that has the parameters."""
        return self

    def _known(self) -> tuple[Any, list[Tensor]] | None:
        """All that the loops of a sequence from rest depend on besides its input and what is in tensors, and those tensors; None where
        anything else may count."""
        kind, attributes = type(self), self.__dict__
        if torch.compiler.is_compiling():
            return None
        if "settings" not in kind.__dict__:  # a class derived from it may do anything
            return None
        numbers: list[Any] = []
        tensors = []
        for made in self._modules.values():
            if type(made) is not Ranged:
                return None
            number: Any = made.number
            if number is None:
                tensor = made.tensor
                tensors.append(tensor)
                number = tensor.shape, tensor.dtype, made.low, made.high, made.learnt
            numbers.append(number)
        surrogate = attributes.get("surrogate")
        if surrogate is not None and type(surrogate) not in SURROGATES:
            return None
        return (kind, tuple(numbers), tuple([attributes[name] for name in kind.settings])), tensors

    def _values(self, dtype: torch.dtype) -> dict[str, Any]:
        """The parameters: numbers, or tensors in the dtype that a step computes in."""
        return {name: of_dtype(made.value, dtype) for name, made in self._modules.items() if isinstance(made, Ranged)}

    def _loops(self, x: Tensor) -> Any:
        """What runs inputs like `x` from rest; None where nothing can."""
        raise NotImplementedError

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, State]:
        """The output and the state, of the loops' results: the output, and each tensor of the state."""
        raise NotImplementedError

    def _rows(self, values: dict[str, Any]) -> list[Any]:
        """What the parameters come to in a step, in the order of the loops."""
        raise NotImplementedError

    def _start(self, values: dict[str, Any]) -> list[Any]:
        """For each tensor of the state at the start what it is filled with, None where that comes of no parameter."""
        raise NotImplementedError
