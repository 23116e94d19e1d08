"""The leaky integrate-and-fire neuron as a pure function: one step, and a whole sequence.

This is the reference that every faster path is compared with. One step, in this
order, each line one floating-point operation an element and nothing fused:

```
u = (rest + decay * (v - rest)) + gain * x          the exact solution over a step of constant input
u = u + noise                                        where noise is given
u = v                 where refractory > 0           held; no spike
at = given + threshold_decay * (threshold - given)   the threshold of the state where it adapts, else the given one
d = u - at
s = 1 if d >= 0 else 0                               backward: surrogate.derivative(d)
s = 1 if uniform < sigmoid(slope * d) else 0         where firing is stochastic; backward: p·(1 − p) for slope·d
s = 0                 where refractory > 0
r = s, detached from the gradient if detach_reset
v' = (1 - r) * u + r * reset                         reset to a value
v' = u - r * (at - reset)                            reset by subtraction
refractory' = steps if s else max(refractory - 1, 0)
threshold' = at + threshold_jump * r                 clamped to [min, max]
```

A spike in a step with `R` refractory steps holds the potential through the next `R`
steps, as the engine does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.torch.surrogate import FastSigmoid, Surrogate

DEFAULT_SURROGATE = FastSigmoid()


class LIFState(NamedTuple):
    """The state of leaky integrate-and-fire neurons, each of the shape of one step's input `[B, …]`.

    Attributes:
        v: membrane potential, after reset.
        refractory: whole steps left, int32; None where there is no refractory period.
        threshold: the firing threshold, after the spikes; None where it does not adapt.
    """

    v: Tensor
    refractory: Tensor | None = None
    threshold: Tensor | None = None


class _StochasticSpike(torch.autograd.Function):
    """1 where the uniform draw is below sigmoid(z); backward the derivative of that probability."""

    generate_vmap_rule = True

    @staticmethod
    def forward(z: Tensor, uniform: Tensor) -> Tensor:
        return (uniform < torch.sigmoid(z)).to(z.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        z, _ = inputs
        ctx.save_for_backward(z)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        p = torch.sigmoid(ctx.saved_tensors[0])
        return grad * (p * (1 - p)), None


class _DualStochasticSpike(_StochasticSpike):
    """With forward-mode derivatives too, which the compiler cannot trace."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _StochasticSpike.setup_context(ctx, inputs, output)
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Tensor:
        p = torch.sigmoid(ctx.saved_tensors[0])
        return tangent * (p * (1 - p))


def stochastic_spike(z: Tensor, uniform: Tensor) -> Tensor:
    """Spikes with probability sigmoid(z). The gradient is that of the probability: of the mean, exactly.

    Args:
        z: log-odds of a spike, any shape.
        uniform: draws from [0, 1), of the same shape.

    Example:
        >>> stochastic_spike(torch.tensor([-5.0, 5.0]), torch.tensor([0.5, 0.5]))
        tensor([0., 1.])
    """
    return (_StochasticSpike if torch.compiler.is_compiling() else _DualStochasticSpike).apply(z, uniform)


def lif_step(
    x: Tensor,
    state: LIFState,
    *,
    decay: Tensor | float,
    gain: Tensor | float,
    rest: Tensor | float = 0.0,
    threshold: Tensor | float = 1.0,
    reset: Tensor | float = 0.0,
    reset_by_subtraction: bool = False,
    refractory: Tensor | int = 0,
    threshold_decay: Tensor | float = 1.0,
    threshold_jump: Tensor | float = 0.0,
    threshold_min: float = -math.inf,
    threshold_max: float = math.inf,
    noise: Tensor | None = None,
    uniform: Tensor | None = None,
    slope: Tensor | float = 1.0,
    surrogate: Surrogate = DEFAULT_SURROGATE,
    detach_reset: bool = False,
) -> tuple[Tensor, LIFState]:
    """One step of leaky integrate-and-fire neurons.

    Numbers and tensors that broadcast against `x` are parameters alike.

    Args:
        x: input of this step, `[B, …]`.
        state: the state before. `state.refractory` None means no refractory period, `state.threshold` None a fixed threshold.
        decay: what is left of `v − rest` after a step: `exp(−dt/τ)`.
        gain: how far a step of the input moves the potential: `(1 − decay)/leak` for a current, 1 for impulses.
        rest: resting potential.
        threshold: firing threshold; where it adapts, what it decays to.
        reset: potential after a spike.
        reset_by_subtraction: a spike subtracts `threshold − reset` instead, and keeps the overshoot.
        refractory: how many steps the potential is held after a spike; an integer, or an integer tensor.
        threshold_decay, threshold_jump: what is left of the threshold's excess after a step, and what a spike adds to it.
        threshold_min, threshold_max: where an adaptive threshold is clamped.
        noise: added to the potential in this step, `[B, …]`.
        uniform: draws from [0, 1), `[B, …]`: firing is then stochastic, with probability `sigmoid(slope·(u − threshold))`.
        slope: of that probability.
        surrogate: the gradient of a spike where firing is not stochastic.
        detach_reset: no gradient through what a spike does to the state.

    Returns:
        The spikes (0 or 1, in the dtype of `x`) and the state after.

    Example:
        >>> spikes, state = lif_step(torch.tensor([0.5, 3.0]), LIFState(torch.zeros(2)), decay=0.5, gain=0.5)
        >>> spikes, state.v
        (tensor([0., 1.]), tensor([0.2500, 0.0000]))
    """
    v, held, adapted = state
    u = (rest + decay * (v - rest)) + gain * x
    if noise is not None:
        u = u + noise
    waiting = None if held is None else held > 0
    if waiting is not None:
        u = torch.where(waiting, v, u)
    at = threshold if adapted is None else threshold + threshold_decay * (adapted - threshold)
    d = u - at
    spikes = surrogate(d) if uniform is None else stochastic_spike(slope * d, uniform)
    if waiting is not None:
        spikes = torch.where(waiting, 0.0, spikes)
    acting = spikes.detach() if detach_reset else spikes
    v = u - acting * (at - reset) if reset_by_subtraction else (1 - acting) * u + acting * reset
    if held is not None:
        fresh = torch.as_tensor(refractory, dtype=held.dtype, device=held.device)
        held = torch.where(spikes > 0, fresh, torch.clamp(held - 1, min=0))
    if adapted is not None:
        adapted = torch.clamp(at + threshold_jump * acting, threshold_min, threshold_max)
    return spikes, LIFState(v, held, adapted)


def lif_sequence(
    x: Tensor, state: LIFState, *, noise: Tensor | None = None, uniform: Tensor | None = None, **parameters: Any
) -> tuple[Tensor, LIFState]:
    """`lif_step` over a whole sequence.

    Args:
        x: input, `[T, B, …]`.
        state: the state before the first step, each `[B, …]`.
        noise, uniform: as in `lif_step`, for every step: `[T, B, …]`.
        parameters: those of `lif_step`, the same in every step.

    Returns:
        The spikes `[T, B, …]` and the state after the last step.

    Example:
        >>> x = torch.full((4, 1), 1.5)
        >>> spikes, state = lif_sequence(x, LIFState(torch.zeros(1)), decay=0.5, gain=0.5)
        >>> spikes[:, 0], state.v
        (tensor([0., 1., 0., 1.]), tensor([0.]))
    """
    spikes = []
    for t in range(len(x)):
        of_step, state = lif_step(
            x[t], state, noise=None if noise is None else noise[t], uniform=None if uniform is None else uniform[t], **parameters
        )
        spikes.append(of_step)
    return (torch.stack(spikes) if spikes else torch.empty_like(x)), state
