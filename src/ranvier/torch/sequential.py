"""Layers one after the other, spiking and ordinary."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ranvier.errors import ParameterError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer, State, called, checked_input


class Sequential(SpikingLayer):
    """Layers one after the other. Returns `(output, state)`, whatever they are.

    An ordinary layer (`nn.Linear`, `nn.Conv2d`, `nn.BatchNorm2d`, `nn.Dropout` …) works on every step alike:
    it sees time and batch as one dimension, `[T·B, …]`.

    Args:
        layers: modules, or one `OrderedDict` of named ones. Each returns a tensor, or is a `SpikingLayer`.

    The state is a tuple with one entry a layer, None for ordinary ones.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> net = rt.Sequential(nn.Conv2d(1, 4, 3), rt.LIF((4, 1, 1), learn="tau"), nn.Flatten(), nn.Linear(144, 10))
        >>> y, state = net(torch.randn(20, 2, 1, 8, 8))
        >>> y.shape, state[1].v.shape
        (torch.Size([20, 2, 10]), torch.Size([2, 4, 6, 6]))
        >>> y, state = net(torch.randn(20, 2, 1, 8, 8), state)         # goes on where it was
    """

    @checked(layers=arguments.anything)
    def __init__(self, *layers: Any):
        super().__init__()
        named = layers[0].items() if len(layers) == 1 and isinstance(layers[0], dict) else ((str(i), m) for i, m in enumerate(layers))
        for name, layer in OrderedDict(named).items():
            if not isinstance(name, str) or not name or "." in name or hasattr(self, name):
                raise ParameterError(f"Sequential: layers must have names that are texts without a point, not {arguments.shown(name)}.")
            if not isinstance(layer, nn.Module):
                hint = f" Did you mean {layer.__name__}()?" if isinstance(layer, type) else ""
                raise ParameterError(f"Sequential takes modules; of its layers, layer {name!r} is {arguments.shown(layer)}.{hint}")
            self.add_module(name, layer)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.children())

    def __getitem__(self, index: int) -> nn.Module:
        return list(self.children())[index]

    def cell(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        checked_input(self._name, x, "B")
        return self._through(x, state, one_step=True)

    def forward(self, x: Tensor, state: State = None) -> tuple[Tensor, State]:
        checked_input(self._name, x, "T, B")
        return self._through(x, state, one_step=False)

    def _through(self, x: Tensor, state: State, one_step: bool) -> tuple[Tensor, State]:
        layers = list(self._modules.items())
        if state is None:
            state = (None,) * len(layers)
        if not isinstance(state, tuple) or len(state) != len(layers):
            raise ParameterError(
                f"{self._name}: state must be a tuple with one entry for each of the {len(layers)} layers, or None for the start."
            )
        after = []
        for (name, layer), before in zip(layers, state, strict=True):
            now: State = None
            if isinstance(layer, SpikingLayer):
                x, now = layer.cell(x, before) if one_step else layer(x, before)
            else:
                x = ordinary(name, layer, x, one_step)
            after.append(now)
        return x, tuple(after)


def ordinary(name: str, layer: Any, x: Tensor, one_step: bool) -> Tensor:
    """An ordinary layer's output for every step."""
    flat = x if one_step or x.ndim < 3 else x.flatten(0, 1)
    y = called("Sequential", f"layer {name!r}", layer, flat)
    if not isinstance(y, Tensor):
        raise ParameterError(
            f"Sequential: layer {name!r} ({type(layer).__name__}) returned a {type(y).__name__}, but an ordinary layer must "
            "return a tensor. Wrap what has a state of its own in a class derived from rt.SpikingLayer."
        )
    return y if flat is x else y.unflatten(0, x.shape[:2])
