"""Numbers into spikes. Every encoder puts the time first: `[T, …]`."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked

STEPS = arguments.whole(1)


@checked(values=arguments.concrete, steps=STEPS, generator=arguments.generator)
def rate(values: Tensor, steps: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Spikes at random, each step with the value as its probability.

    Args:
        values: probabilities within [0, 1], any shape; scale an image first (`image / 255`).
        steps: how many.
        generator: where it draws from; PyTorch's own by default.

    Returns:
        0 and 1 in the dtype of `values`, `[steps, …]`.

    Example:
        >>> spikes = rate(torch.tensor([0.0, 0.25, 1.0]), 1000, generator=torch.Generator().manual_seed(0))
        >>> [round(p, 2) for p in spikes.mean(0).tolist()]
        [0.0, 0.24, 1.0]
    """
    _within_01("rate", values)
    draws = torch.rand((steps, *values.shape), dtype=values.dtype, device=values.device, generator=generator)
    return (draws < values).to(values.dtype)


@checked(
    values=arguments.concrete,
    steps=STEPS,
    tau=arguments.optional(arguments.number(1e-9, 1e9)),
    threshold=arguments.number(0.0, 1 - 1e-9),
)
def latency(values: Tensor, steps: int, *, tau: float | None = None, threshold: float = 0.0) -> Tensor:
    """One spike for each value, the earlier the larger it is; none for one that is not above `threshold`.

    Args:
        values: within [0, 1], any shape.
        steps: how many.
        tau: None: the time falls linearly from the last step (at the threshold) to the first (at 1). A number:
            the time at which a membrane with this time constant (in steps) and the input `values` reaches the
            threshold, `tau · ln(v / (v − threshold))`, at most the last step; the threshold must then be above 0.
        threshold: below or at it there is no spike.

    Example:
        >>> latency(torch.tensor([0.0, 0.5, 1.0]), 5).argmax(0).tolist(), latency(torch.tensor([0.0]), 5).sum().item()
        ([0, 2, 0], 0.0)
    """
    _within_01("latency", values)
    if tau is not None and threshold == 0:
        raise ParameterError(f"latency: threshold is 0 and tau is {tau:g}: with a membrane the threshold must be above 0.")
    last = steps - 1
    fires = values > threshold
    if tau is None:
        when = torch.round(last * (1 - values) / (1 - threshold))
    else:
        above = torch.where(fires, values, 1.0)
        when = torch.round(tau * torch.log(above / (above - threshold))).clamp(max=last)
    at = torch.arange(steps, device=values.device).reshape(-1, *[1] * values.ndim)
    return ((at == when) & fires).to(values.dtype)


@checked(signal=arguments.tensor, threshold=arguments.number(arguments.SMALLEST))
def delta(signal: Tensor, threshold: float = 0.1) -> Tensor:
    """Changes as spikes: +1 where the signal rose by at least the threshold since the step before, −1 where it fell.

    Args:
        signal: `[T, …]`.
        threshold: the smallest change that shows.

    Returns:
        −1, 0 and 1 in the shape of `signal`; 0 in the first step.

    Example:
        >>> delta(torch.tensor([0.0, 0.5, 0.45, 0.1]), 0.2).tolist()
        [0.0, 1.0, 0.0, -1.0]
    """
    if signal.ndim == 0:
        raise ParameterError("delta: signal must have the time first, [T, …], not the shape [].")
    change = torch.diff(signal, dim=0, prepend=signal[:1])
    return (change >= threshold).to(signal.dtype) - (change <= -threshold).to(signal.dtype)


@checked(
    values=arguments.concrete,
    neurons=arguments.whole(2),
    low=arguments.number(),
    high=arguments.number(),
    width=arguments.number(1e-9, 1e9),
)
def population(values: Tensor, neurons: int, *, low: float = 0.0, high: float = 1.0, width: float = 1.0) -> Tensor:
    """The activity of neurons with Gaussian tuning curves, their centres evenly from `low` to `high`.

    Args:
        values: any shape.
        neurons: how many for each value, at least 2.
        low, high: the outer centres.
        width: the curves' standard deviation, in distances between centres.

    Returns:
        Activity within (0, 1], `[…, neurons]`; `rate(…)` makes spikes of it.

    Reference: Bohte, Kok & La Poutré 2002, Neurocomputing 48:17.

    Example:
        >>> population(torch.tensor([0.5]), 3).round(decimals=2).tolist()
        [[0.61..., 1.0, 0.61...]]
    """
    if not high > low:
        raise ParameterError(f"population: high must be above low, but it is {high:g}, and low is {low:g}.")
    centres = torch.linspace(low, high, neurons, dtype=values.dtype, device=values.device)
    distance = (values[..., None] - centres) * ((neurons - 1) / ((high - low) * width))
    return torch.exp(-0.5 * distance**2)


def _within_01(name: str, values: Tensor) -> None:
    low, high = (float(values.min()), float(values.max())) if values.numel() else (0.0, 1.0)
    if not (low >= 0 and high <= 1) or math.isnan(low + high):
        raise ParameterError(
            f"{name}: values must be within [0, 1], but they reach from {low:g} to {high:g}: scale them first (an image: image / 255)."
        )
