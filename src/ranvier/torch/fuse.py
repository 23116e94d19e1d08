"""Layers of one's own in one pass over a sequence."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ranvier.same import Same
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer, State, leaves

KEPT = 8
"""Loops for so many settings of a layer."""


def _told(value: Any) -> Any:
    """What stands for an attribute: equal as long as the step would read the same."""
    if isinstance(value, Tensor | torch.nn.Module):
        return Same(value)
    if isinstance(value, bool | int | float | str | tuple | list | dict) or dataclasses.is_dataclass(value) or value is None:
        return repr(value)
    return value.tobytes() if isinstance(value, np.ndarray) else Same(value)


class Fused(SpikingLayer):
    """A layer whose sequences run in loops of C++ that are written from its step and the step's derivative, and compiled once.

    The step must be made of PyTorch's element-wise functions: it does not look at values, draws nothing, and neurons do not see each
    other. Its parameters, buffers and ranged parameters may change and learn. Where another attribute of the layer has changed (a number, a
    surrogate, `training`), loops are written anew; what its functions read elsewhere is as it was when this was made.
    Where the loops cannot run (another device, half precision, inside `torch.compile` or `torch.func`), steps run one by one.

    It needs a C++ compiler (`CXX`, `c++`, `g++` or `clang++`); what was compiled is kept in the user's cache directory, or in
    `RANVIER_CACHE`.

    Args:
        layer: the layer. It stays as it is, and shares its parameters with this one.

    Raises:
        UnsupportedError: the step cannot be traced, or there is no compiler: by name.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> class Quadratic(rt.SpikingLayer):
        ...     surrogate = rt.ArcTangent()
        ...     def initial_state(self, x):
        ...         return torch.zeros_like(x)
        ...     def step(self, x, v):
        ...         v = v + 0.1 * (v * (v - 1) + x)
        ...         spikes = self.surrogate(v - 2)
        ...         return spikes, v * (1 - spikes)
        >>> layer = rt.Fused(Quadratic())                      # doctest: +SKIP
        >>> spikes, state = layer(torch.ones(200, 1))           # doctest: +SKIP
        >>> int(spikes.sum())                                   # doctest: +SKIP
        4
    """

    @checked(layer=arguments.instance(SpikingLayer, "rt.LIF(50)"))
    def __init__(self, layer: SpikingLayer):
        super().__init__()
        self._begin(size=getattr(layer, "size", ()))
        self.layer = layer
        self._cells: dict[Any, tuple[tuple[str, ...], Any]] = {}
        self._current()

    def _current(self) -> tuple[tuple[str, ...], Any]:
        """The names of the parameters, and the loops, for the layer's attributes as they are now."""
        from ranvier.torch.fused.build import built
        from ranvier.torch.fused.source import struct, traced

        now = tuple(
            (place, name, _told(x)) for place, part in self.layer.named_modules() for name, x in vars(part).items() if name[0] != "_"
        )
        found = self._cells.get(now)
        if found is None:
            whole = traced(self.layer, torch.float32)
            if len(self._cells) >= KEPT:
                self._cells.clear()
            found = self._cells[now] = whole.parameters, built(struct("Own", whole))
        return found

    def initial_state(self, x: Tensor) -> State:
        return self.layer.initial_state(x)

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        return self.layer.step(x, state)

    def sequence(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        from ranvier.torch.fused import cell
        from ranvier.torch.fused.source import rebuilt

        states = [leaf for _, leaf in leaves(state)]
        if torch.compiler.is_compiling():
            return self.layer.sequence(x, state)
        names, loops = self._current()
        rows = [self._value(name) for name in names]
        if not cell.fits(x, states, rows):
            return self.layer.sequence(x, state)
        output, after = cell.sequence(loops, x, states, rows)
        return output, rebuilt(state, list(after))

    def _value(self, name: str) -> Any:
        *path, last = name.split(".")
        made: Any = self.layer.get_submodule(".".join(path))
        number = getattr(made, "number", None)
        return number if last == "fixed" and number is not None else getattr(made, last)

    def __deepcopy__(self, memo: Any) -> Fused:
        import copy

        return Fused(copy.deepcopy(self.layer, memo))

    def __reduce__(self) -> Any:
        return Fused, (self.layer,)
