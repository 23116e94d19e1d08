"""Membranes that do not spike, to read a network out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from ranvier.torch.layer import SpikingLayer, as_size, computing_dtype
from ranvier.torch.lif import INPUTS, checked_dt, decayed, filled, one_of
from ranvier.torch.ranged import Ranged, checked_names, of_dtype, shortest


class LeakyReadout(SpikingLayer):
    """Leaky integrators: the output is the membrane potential.

    Args:
        size, tau, dt, leak, rest, input: as of `LIF`.
        learn: which of `tau`, `leak`, `rest` are learnt.

    The state is the potential, `[B, …]`.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> v, state = rt.LeakyReadout(10, tau=20.0)(torch.ones(100, 8, 10))
        >>> v.shape, round(v[-1, 0, 0].item(), 4)               # 1 − exp(−100/20)
        (torch.Size([100, 8, 10]), 0.9933)
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        tau: Any = 20.0,
        dt: float = 1.0,
        leak: Any = 1.0,
        rest: Any = 0.0,
        input: str = "current",
        learn: str | Iterable[str] = (),
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.size = as_size(size)
        self.dt = checked_dt(self._name, dt)
        self.input = one_of("input", input, INPUTS)
        learnt = checked_names(self._name, learn, ("tau", "leak", "rest"))
        given = {"shape": self.size, "device": device, "dtype": dtype}
        self.tau = Ranged("LeakyReadout.tau", tau, low=shortest(self.dt, "tau" in learnt), learn="tau" in learnt, **given)
        self.leak = Ranged("LeakyReadout.leak", leak, low=0.0, learn="leak" in learnt, **given)
        self.rest = Ranged("LeakyReadout.rest", rest, learn="rest" in learnt, **given)

    def initial_state(self, x: Tensor) -> Tensor:
        return filled(x, self.rest.value, computing_dtype(x))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        dtype = state.dtype
        decay, moved = decayed(self.dt, of_dtype(self.tau.value, dtype))
        rest = of_dtype(self.rest.value, dtype)
        gain = 1.0 if self.input == "impulse" else moved / of_dtype(self.leak.value, dtype)
        v = (rest + decay * (state - rest)) + gain * x.to(dtype)
        return v.to(x.dtype), v
