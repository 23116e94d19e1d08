"""Ways to go through a sequence: with the states kept, in truncated pieces, or with less memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer, State, map_state

SEQUENCE = {
    "layer": arguments.instance(SpikingLayer, "rt.LIF(50)"),
    "x": arguments.sequence,
    "state": arguments.anything,
}


@checked(**SEQUENCE)
def trace(layer: SpikingLayer, x: Tensor, state: State = None) -> tuple[Tensor, State]:
    """The output and the state after every step, to plot or to put a loss on.

    Args:
        layer: a spiking layer, or an `rt.Sequential`.
        x: `[T, B, …]`.
        state: the state before the first step; None for the start.

    Returns:
        The output `[T, B, …]`, and a state whose tensors are `[T, …]`, the state after each step.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, states = rt.trace(rt.LIF(tau=10.0), torch.full((50, 1), 0.9))
        >>> states.v.shape, round(states.v[-1].item(), 3)
        (torch.Size([50, 1]), 0.894)
    """
    outputs, states = [], []
    for of_step in x.unbind():
        output, state = layer.cell(of_step, state)
        outputs.append(output)
        states.append(state)
    return torch.stack(outputs), _stacked(states)


def _stacked(states: list[State]) -> State:
    first = states[0]
    if first is None:
        return None
    if isinstance(first, Tensor):
        return torch.stack(states)
    parts = [_stacked(list(of_part)) for of_part in zip(*states, strict=True)]
    return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)


@checked(**SEQUENCE, every=arguments.whole(1))
def truncated(layer: SpikingLayer, x: Tensor, state: State = None, *, every: int) -> Iterator[tuple[Tensor, State]]:
    """A sequence in pieces of `every` steps, between which no gradient flows: truncated back-propagation through time.

    Args:
        layer, x, state: as of `trace`.
        every: how many steps the gradient goes back at most.

    Yields:
        The output of a piece, `[every, B, …]`, and the state after it. Call `backward` before asking for the next.

    Reference: Williams & Peng 1990, Neural Comput 2:490.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> net = rt.Sequential(torch.nn.Linear(3, 2), rt.LIF(2))
        >>> for spikes, state in rt.truncated(net, torch.rand(100, 8, 3), every=20):
        ...     spikes.mean().backward()
    """
    return _truncated(layer, x, state, every)


def _truncated(layer: SpikingLayer, x: Tensor, state: State, every: int) -> Iterator[tuple[Tensor, State]]:
    for piece in x.split(every):
        output, state = layer(piece, state)
        yield output, state
        state = map_state(torch.Tensor.detach, state)


@checked(**SEQUENCE, every=arguments.whole(1))
def checkpointed(layer: SpikingLayer, x: Tensor, state: State = None, *, every: int) -> tuple[Tensor, State]:
    """The same output, state and gradients with less memory: what is inside a piece is computed again in the backward pass.

    Args:
        layer, x, state: as of `trace`.
        every: the length of a piece; about √T needs least memory.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, state = rt.checkpointed(rt.LIF(learn="tau"), torch.rand(100, 4, 3), every=10)
        >>> spikes.shape
        torch.Size([100, 4, 3])
    """
    outputs = []
    for piece in x.split(every):
        output, state = checkpoint(layer, piece, state, use_reentrant=False)
        outputs.append(output)
    return torch.cat(outputs), state
