"""Layers whose calls from rest, where every parameter is a number, are planned once and kept."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor

from ranvier.torch import fused
from ranvier.torch.fused.problem import SURROGATES
from ranvier.torch.layer import SpikingLayer, State


class PlannedLayer(SpikingLayer):
    """A layer of which `fused.quick` keeps what calls have in common.

    Class attributes:
        settings: the attributes that a sequence depends on, beside the parameters.
    """

    settings: ClassVar[tuple[str, ...]] = ()

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        if state is None and (key := self._key()) is not None and (done := fused.quick.sequence(self, key, x)) is not None:
            return done
        return super().forward(x, state)

    def _key(self) -> Any:
        """All that a sequence from rest depends on besides its input, where that is numbers; else None."""
        kind, attributes = type(self), self.__dict__
        numbers = tuple([getattr(made, "number", None) for made in self._modules.values()])
        if "settings" not in kind.__dict__ or None in numbers:  # a class derived from it may do anything
            return None
        settings = tuple([attributes[name] for name in kind.settings])
        surrogate = attributes.get("surrogate")
        return None if surrogate is not None and type(surrogate) not in SURROGATES else (kind, numbers, settings)

    def _plan(self, x: Tensor) -> Any:
        """What makes the output and the last state of an input like `x`; None where the loops cannot."""
        raise NotImplementedError
