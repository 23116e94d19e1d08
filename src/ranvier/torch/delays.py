"""Connections with a weight and a delay each, both learnt."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ranvier.errors import ParameterError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer, computing_dtype
from ranvier.torch.ranged import Ranged


class Delays(SpikingLayer):
    """A linear layer whose every connection has a delay: `y_o(t) = Σ_i weight[o, i] · x_i(t − delay[o, i])`.

    A delay between two steps takes both in proportion (linear interpolation), so the gradient
    with respect to it is exact for that interpolation.

    Args:
        inputs, outputs: how many.
        max_delay: the longest delay (ms), a multiple of dt.
        dt: the time step (ms).
        delay: the delays (ms), a number or `[outputs, inputs]`; drawn uniformly from (0, max_delay) by default.
        width: how many steps to either side a delay reaches: 1 is the interpolation; more gives a gradient
            from further away. It may be changed while training (`layer.width = 1.0` at the end).
        learn: which of `weight`, `delay` are learnt; both by default.

    The state is the last inputs, `[max_delay / dt, B, inputs]`, oldest first.

    Reference: Hammouamri, Khalfaoui-Hassani & Masquelier 2024, ICLR.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> layer = rt.Delays(1, 1, max_delay=5.0, delay=2.0, learn="weight")
        >>> x = torch.zeros(6, 1, 1)
        >>> x[1] = 1.0
        >>> y, _ = layer(x)
        >>> (y / layer.weight).abs().flatten().tolist()
        [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]
    """

    learnable = ("weight", "delay")
    stated = ("dt", "steps", "width")
    dt: float

    @checked(
        inputs=arguments.whole(1),
        outputs=arguments.whole(1),
        max_delay=arguments.duration,
        dt=arguments.time_step,
        delay=arguments.optional(arguments.value),
        width=arguments.number(1e-3, 1e9),
        learn=arguments.words,
        device=arguments.device,
        dtype=arguments.dtype,
    )
    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        max_delay: float,
        dt: float = 1.0,
        delay: Any = None,
        width: float = 1.0,
        learn: str | Iterable[str] = ("weight", "delay"),
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self._begin(size=(inputs,), dt=dt, learn=learn, device=device, dtype=dtype)
        self.inputs, self.outputs, self.width = inputs, outputs, width
        if max_delay < dt:
            raise ParameterError(f"Delays.max_delay must be a number of at least dt = {dt:g} ms, not {max_delay!r}.")
        self.steps = arguments.in_steps("Delays.max_delay", max_delay, dt, least=1)
        shape = (outputs, inputs)
        weight = torch.empty(shape, device=device, dtype=dtype).uniform_(-1, 1) / math.sqrt(inputs)
        self.weight = nn.Parameter(weight, requires_grad="weight" in self._learnt)
        if delay is None:
            delay = torch.rand(shape, device=device, dtype=dtype).clamp(1e-3, 1 - 1e-3) * max_delay
        self.delay = Ranged(
            "Delays.delay",
            delay,
            low=0.0,
            high=max_delay,
            closed=True,
            learn="delay" in self._learnt,
            shape=shape,
            device=device,
            dtype=dtype,
        )

    def kernel(self, dtype: torch.dtype) -> Tensor:
        """What each connection makes of an input 0, 1, 2 … steps ago: `[outputs, inputs, max_delay / dt + 1]`."""
        delay = torch.as_tensor(self.delay.value, dtype=dtype, device=self.weight.device) / self.dt
        ago = torch.arange(self.steps + 1, dtype=dtype, device=self.weight.device)
        bump = torch.clamp(1 - (ago - delay[..., None]).abs() / self.width, min=0)
        return self.weight.to(dtype)[..., None] * (bump / bump.sum(-1, keepdim=True))

    def _fit(self, shape: torch.Size) -> None:
        """Nothing: its delays are one a connection."""

    def initial_state(self, x: Tensor) -> Tensor:
        return torch.zeros(self.steps, *x.shape, dtype=computing_dtype(x), device=x.device)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        recent = torch.cat([state, x.to(state.dtype)[None]])
        y = torch.einsum("k...i,oik->...o", recent, self.kernel(state.dtype).flip(-1))
        return y.to(x.dtype), recent[1:]

    def sequence(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        recent = torch.cat([state, x.to(state.dtype)])
        flat = recent.reshape(len(recent), -1, self.inputs).permute(1, 2, 0)
        y = F.conv1d(flat, self.kernel(state.dtype).flip(-1)).permute(2, 0, 1)
        return y.reshape(*x.shape[:-1], self.outputs).to(x.dtype), recent[len(recent) - self.steps :]
