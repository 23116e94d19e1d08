"""Spikes into numbers. Every decoder takes the time first, `[T, …]`, and returns `[…]`."""

from __future__ import annotations

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked


@checked(spikes=arguments.tensor)
def count(spikes: Tensor) -> Tensor:
    """How many spikes each neuron fired. Gradients flow through it.

    Example:
        >>> count(torch.tensor([[1.0, 0.0], [1.0, 1.0]])).tolist()
        [2.0, 1.0]
    """
    _time_first("count", "spikes", spikes)
    return spikes.sum(0)


@checked(spikes=arguments.tensor)
def first_spike(spikes: Tensor) -> Tensor:
    """The step of each neuron's first spike; T where there is none.

    It is the number of steps without a spike so far, `Σ_t Π_k≤t (1 − s[k])`, and that sum's gradient.

    Example:
        >>> first_spike(torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]])).tolist()
        [1.0, 3.0]
    """
    _time_first("first_spike", "spikes", spikes)
    silent = torch.cumprod(1 - spikes, 0)  # 1 up to the step before the first spike
    return silent.sum(0)


@checked(v=arguments.tensor, over_time=arguments.word("last", "mean", "max"))
def membrane(v: Tensor, over_time: str = "last") -> Tensor:
    """A readout's potential as one number a neuron.

    Args:
        v: `[T, …]`, such as the output of `rt.LeakyReadout`.
        over_time: `"last"`, `"mean"` or `"max"`.

    Example:
        >>> membrane(torch.tensor([[1.0], [3.0], [2.0]]), "max").tolist()
        [3.0]
    """
    _time_first("membrane", "v", v)
    if over_time == "last":
        return v[-1]
    if over_time == "mean":
        return v.mean(0)
    return v.amax(0)


def _time_first(function: str, name: str, values: Tensor) -> None:
    if values.ndim == 0 or len(values) == 0:
        raise ParameterError(f"{function}: {name} must have at least one step, [T, …], not the shape {list(values.shape)}.")
