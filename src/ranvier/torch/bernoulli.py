"""Neurons that fire at random: memoryless, and with a memory of their own spikes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.functional import fired
from ranvier.torch.layer import SpikingLayer, computing_dtype
from ranvier.torch.lif import LAYER, decayed, filled
from ranvier.torch.ranged import of_dtype


class Bernoulli(SpikingLayer):
    """Memoryless neurons: each step a spike with the probability `sigmoid(slope · x)`.

    Args:
        size: the last dimensions of the input, or None for any.
        slope: how sharp the probability rises.
        learn: `"slope"`, or nothing.
        generator: where it draws from; PyTorch's own by default.

    There is no state: it is None. The gradient of a spike is that of its probability.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, _ = rt.Bernoulli(generator=torch.Generator().manual_seed(0))(torch.zeros(1000, 10))
        >>> round(spikes.mean().item(), 2)
        0.5
    """

    learnable = ("slope",)

    @checked(**{name: kind for name, kind in LAYER.items() if name != "dt"}, slope=arguments.value, generator=arguments.generator)
    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        slope: Any = 1.0,
        learn: str | Iterable[str] = (),
        generator: torch.Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self._begin(size=size, learn=learn, device=device, dtype=dtype)
        self.slope = self._ranged("slope", slope, low=0.0)
        self.generator = generator

    def initial_state(self, x: Tensor) -> None:
        return None

    def step(self, x: Tensor, state: None, uniform: Tensor | None = None) -> tuple[Tensor, None]:
        dtype = computing_dtype(x)
        if uniform is None:
            uniform = torch.rand(x.shape, dtype=dtype, device=x.device, generator=self.generator)
        return fired(of_dtype(self.slope.value, dtype) * x.to(dtype), uniform).to(x.dtype), None

    def sequence(self, x: Tensor, state: None) -> tuple[Tensor, None]:
        return self.step(x, state)


class AutoregressiveState(NamedTuple):
    """The state of `AutoregressiveBernoulli` neurons, each `[B, …]`.

    Attributes:
        v: the log-odds that the neuron carries.
        spikes: the spikes of the step before.
    """

    v: Tensor
    spikes: Tensor


class AutoregressiveBernoulli(SpikingLayer):
    """Neurons whose spike probability remembers input and own spikes.

    ```
    v = v·exp(−dt/tau) + (1 − exp(−dt/tau))·x + feedback · spikes[t − 1]
    P(spike) = sigmoid(v), and a spike sets v to `reset`
    ```

    Args:
        size: the last dimensions of the input, or None for any.
        tau: how long the input is remembered (ms).
        dt: the time step (ms).
        feedback: what a spike adds in the next step; negative for refractoriness.
        reset: v after a spike.
        euler: the Euler form of the decay.
        learn: which of `tau`, `feedback` are learnt.
        generator: where it draws from; PyTorch's own by default.

    Reference: Pillow et al. 2008, Nature 454:995 (a generalised linear model with spike history).

    Example:
        >>> import torch, ranvier.torch as rt
        >>> draws = torch.Generator().manual_seed(0)
        >>> bursting = rt.AutoregressiveBernoulli(tau=20.0, feedback=3.0, generator=draws)
        >>> spikes, _ = bursting(torch.full((1000, 10), -3.0))
        >>> after, before = spikes[1:].flatten(), spikes[:-1].flatten()
        >>> bool(after[before == 1].mean() > after[before == 0].mean())
        True
    """

    learnable = ("tau", "feedback")
    dt: float

    @checked(
        **LAYER,
        tau=arguments.value,
        feedback=arguments.value,
        reset=arguments.number(),
        euler=arguments.flag,
        generator=arguments.generator,
    )
    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        tau: Any = 20.0,
        dt: float = 1.0,
        feedback: Any = 0.0,
        reset: float = 0.0,
        euler: bool = False,
        learn: str | Iterable[str] = (),
        generator: torch.Generator | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self._begin(size=size, dt=dt, learn=learn, device=device, dtype=dtype)
        self.tau = self._time_constant("tau", tau, euler=euler)
        self.feedback = self._ranged("feedback", feedback)
        self.reset, self.euler, self.generator = reset, euler, generator

    def initial_state(self, x: Tensor) -> AutoregressiveState:
        dtype = computing_dtype(x)
        return AutoregressiveState(filled(x, 0.0, dtype), filled(x, 0.0, dtype))

    def step(self, x: Tensor, state: AutoregressiveState, uniform: Tensor | None = None) -> tuple[Tensor, AutoregressiveState]:
        dtype = state.v.dtype
        decay, moved = decayed(self.dt, of_dtype(self.tau.value, dtype), self.euler)
        v = (decay * state.v + moved * x.to(dtype)) + of_dtype(self.feedback.value, dtype) * state.spikes
        if uniform is None:
            uniform = torch.rand(v.shape, dtype=dtype, device=v.device, generator=self.generator)
        spikes = fired(v, uniform)
        v = (1 - spikes) * v + spikes * self.reset
        return spikes.to(x.dtype), AutoregressiveState(v, spikes)
