"""A fixed delay of each element."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer, computing_dtype
from ranvier.torch.lif import LAYER


class Delay(SpikingLayer):
    """Each element of the input comes later by a fixed time. `rt.Delays` has one for each connection, and learns them.

    Args:
        size: the last dimensions of the input, or None for any.
        delay: how much later (ms), a multiple of dt: a number, or a tensor that broadcasts against the input of a step.
        dt: the time step (ms).

    The state is the last inputs, `[longest delay / dt, B, …]`, oldest first.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> y, state = rt.Delay(2, delay=torch.tensor([1.0, 3.0]))(torch.eye(4)[:, :1].expand(4, 2))
        >>> y.T.tolist()
        [[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
    """

    dt: float
    in_steps: Tensor

    @checked(size=LAYER["size"], delay=arguments.value, dt=arguments.time_step)
    def __init__(self, size: int | tuple[int, ...] | None = None, *, delay: Any, dt: float = 1.0):
        super().__init__()
        self._begin(size=size, dt=dt)
        self.delay = self._ranged("delay", delay, low=0.0, high=1e9, closed=True)
        self.register_buffer("in_steps", None, persistent=False)
        self._count_steps()
        self.register_load_state_dict_post_hook(Delay._count_steps)

    def _count_steps(self, _: Any = None) -> None:
        """The delays in steps, as they are now."""
        steps = torch.as_tensor(self.delay.value).to(torch.float64) / self.dt
        whole = steps.round()
        if bool((whole - steps).abs().gt(1e-6 * whole.clamp(min=1)).any()):
            raise ParameterError(f"Delay.delay must be a multiple of dt = {self.dt:g} ms.")
        if whole.max() > arguments.MOST:
            raise ParameterError(
                f"Delay.delay is {float(whole.max()) * self.dt:g} ms, more than {arguments.MOST} steps of dt = {self.dt:g} ms."
            )
        self.in_steps = whole.long()
        self.longest = int(whole.max())

    def initial_state(self, x: Tensor) -> Tensor:
        return torch.zeros(self.longest, *x.shape, dtype=computing_dtype(x), device=x.device)

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        y, after = self.sequence(x[None], state)
        return y[0], after

    def sequence(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        recent = torch.cat([state, x.to(state.dtype)])
        ago = self.longest - self.in_steps.expand(x.shape[1:]).to(x.device)
        at = ago + torch.arange(len(x), device=x.device).reshape(-1, *[1] * (x.ndim - 1))
        return recent.gather(0, at).to(x.dtype), recent[len(x) :]
