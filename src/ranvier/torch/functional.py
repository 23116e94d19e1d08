"""The leaky integrate-and-fire neuron as a pure function: one step, and a whole sequence.

This is the reference that every faster path is compared with. One step, in this
order, each line one floating-point operation an element and nothing fused:

```
u = (rest + decay * (v - rest)) + gain * x          the exact solution over a step of constant input
u = u + noise                                        where noise is given
u = u                 within the largest numbers that the dtype holds
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

An infinite input is thus the largest potential: a spike, and the reset. NaN stays NaN, in the spikes too.

A spike in a step with `R` refractory steps holds the potential through the next `R`
steps, as the engine does.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
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
        return torch.where(z.isnan(), z, (uniform < torch.sigmoid(z)).to(z.dtype))

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


@checked(z=arguments.tensor, uniform=arguments.tensor)
def stochastic_spike(z: Tensor, uniform: Tensor) -> Tensor:
    """Spikes with probability sigmoid(z). The gradient is that of the probability: of the mean, exactly.

    Args:
        z: log-odds of a spike, any shape.
        uniform: draws from [0, 1), of the same shape.

    Example:
        >>> stochastic_spike(torch.tensor([-5.0, 5.0]), torch.tensor([0.5, 0.5]))
        tensor([0., 1.])
    """
    if z.shape != uniform.shape:
        raise ParameterError(f"stochastic_spike: uniform has the shape {list(uniform.shape)}, but z has {list(z.shape)}.")
    return fired(z, uniform)


def fired(z: Tensor, uniform: Tensor) -> Tensor:
    """`stochastic_spike` inside the door."""
    return (_StochasticSpike if torch.compiler.is_compiling() else _DualStochasticSpike).apply(z, uniform)


STEP: dict[str, arguments.Kind] = {
    "x": arguments.tensor,
    "state": arguments.instance(LIFState, "rt.LIFState(…)"),
    **dict.fromkeys(("decay", "gain", "rest", "threshold", "reset", "threshold_decay", "threshold_jump", "slope"), arguments.coefficient),
    "reset_by_subtraction": arguments.flag,
    "refractory": arguments.steps,
    "threshold_min": arguments.bound,
    "threshold_max": arguments.bound,
    "noise": arguments.optional(arguments.tensor),
    "uniform": arguments.optional(arguments.tensor),
    "surrogate": arguments.instance(Surrogate, "rt.FastSigmoid()"),
    "detach_reset": arguments.flag,
}
"""What the arguments of a step may be."""


def fit(owner: str, x: Tensor, shape: torch.Size, state: LIFState, **others: Any) -> None:
    """Raises where a state has another shape than one step's input, or a parameter one that does not broadcast against it."""
    for name, tensor in state._asdict().items():
        if not isinstance(tensor, Tensor | None) or (name == "v" and tensor is None):
            raise ParameterError(f"{owner}: state.{name} must be a tensor, not {arguments.shown(tensor)}.")
        if tensor is not None and tensor.device != x.device:
            raise ParameterError(f"{owner}: state.{name} is on {tensor.device}, but x is on {x.device}.")
        if tensor is not None and tensor.shape != shape:
            raise ParameterError(f"{owner}: state.{name} has the shape {list(tensor.shape)}, but x of a step has {list(shape)}.")
    for name, value in others.items():
        if isinstance(value, Tensor) and value.ndim and value.device != x.device:
            raise ParameterError(f"{owner}: {name} is on {value.device}, but x is on {x.device}.")
        if isinstance(value, Tensor) and not arguments.broadcasts(value.shape, shape):
            raise ParameterError(
                f"{owner}: {name} has the shape {list(value.shape)}, which does not broadcast against x of a step, {list(shape)}."
            )


@checked(**STEP)
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
    fit(
        "lif_step", x, x.shape, state, decay=decay, gain=gain, rest=rest, threshold=threshold, reset=reset, refractory=refractory,
        threshold_decay=threshold_decay, threshold_jump=threshold_jump, noise=noise, uniform=uniform, slope=slope,
    )  # fmt: skip
    return step(
        x, state, decay, gain, rest, threshold, reset, reset_by_subtraction, refractory, threshold_decay, threshold_jump,
        threshold_min, threshold_max, noise, uniform, slope, surrogate, detach_reset,
    )  # fmt: skip


def step(
    x: Tensor,
    state: LIFState,
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
    """`lif_step` inside the door."""
    v, held, adapted = state
    u = (rest + decay * (v - rest)) + gain * x
    if noise is not None:
        u = u + noise
    u = within_range(u)
    waiting = None if held is None else held > 0
    if waiting is not None:
        u = torch.where(waiting, v, u)
    at = threshold if adapted is None else threshold + threshold_decay * (adapted - threshold)
    d = u - at
    spikes = surrogate(d) if uniform is None else fired(slope * d, uniform)
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


def within_range(u: Tensor) -> Tensor:
    """Infinities as the largest numbers of the dtype."""
    largest = torch.finfo(u.dtype).max
    return torch.clamp(u, -largest, largest)


@checked(**STEP)
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
    if x.ndim == 0:
        raise ParameterError("lif_sequence: x must have the time first, [T, B, …], not the shape [].")
    for name, drawn in (("noise", noise), ("uniform", uniform)):
        if drawn is not None and (drawn.shape != x.shape or drawn.device != x.device):
            raise ParameterError(
                f"lif_sequence: {name} has the shape {list(drawn.shape)} on {drawn.device}, but x has {list(x.shape)} on {x.device}."
            )
    fit("lif_sequence", x, x.shape[1:], state, **parameters)
    return sequence(x, state, noise=noise, uniform=uniform, **parameters)


def sequence(
    x: Tensor, state: LIFState, *, noise: Tensor | None = None, uniform: Tensor | None = None, **parameters: Any
) -> tuple[Tensor, LIFState]:
    """`lif_sequence` inside the door."""
    spikes = []
    for t in range(len(x)):
        of_step, state = step(
            x[t], state, noise=None if noise is None else noise[t], uniform=None if uniform is None else uniform[t], **parameters
        )
        spikes.append(of_step)
    return (torch.stack(spikes) if spikes else torch.empty_like(x)), state
