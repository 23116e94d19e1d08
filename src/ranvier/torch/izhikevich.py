"""Izhikevich's neuron."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.torch.functional import DEFAULT_SURROGATE
from ranvier.torch.layer import SpikingLayer, as_size, computing_dtype
from ranvier.torch.lif import above_reset, checked_dt, filled
from ranvier.torch.ranged import Ranged, checked_names, of_dtype
from ranvier.torch.surrogate import Surrogate


class IzhikevichState(NamedTuple):
    """The state of Izhikevich neurons, each `[B, …]`.

    Attributes:
        v: membrane potential (mV).
        u: recovery variable.
    """

    v: Tensor
    u: Tensor


class Izhikevich(SpikingLayer):
    """Izhikevich's two-variable neuron, by Euler's method.

    ```
    dv/dt = 0.04 v² + 5 v + 140 − u + x,    du/dt = a (b v − u)
    v ≥ peak: a spike, v = c, u = u + d
    ```

    The surrogate gradient takes the distance to the peak in units of `peak − c`.

    Args:
        size: the last dimensions of the input, or None for any.
        a, b, c, d: the published parameters (1/ms, 1, mV, 1); by default those of a regular spiking cell.
        peak: where a spike is cut off (mV).
        dt: the time step (ms), at most 0.5 for the published behaviour.
        surrogate, detach_reset: as of `LIF`.
        learn: which of `a`, `b`, `c`, `d` are learnt.

    Reference: Izhikevich 2003, IEEE Trans Neural Netw 14:1569.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, state = rt.Izhikevich(dt=0.1)(torch.full((10_000, 1), 10.0))     # one second
        >>> int(spikes.sum())
        23
    """

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        a: Any = 0.02,
        b: Any = 0.2,
        c: Any = -65.0,
        d: Any = 8.0,
        peak: Any = 30.0,
        dt: float = 0.5,
        surrogate: Surrogate = DEFAULT_SURROGATE,
        detach_reset: bool = False,
        learn: str | Iterable[str] = (),
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.size = as_size(size)
        self.dt = checked_dt(self._name, dt)
        learnt = checked_names(self._name, learn, ("a", "b", "c", "d"))
        given = {"shape": self.size, "device": device, "dtype": dtype}
        above_reset(self._name, peak, c, "peak", "c")
        self.a = Ranged("Izhikevich.a", a, low=0.0, learn="a" in learnt, **given)
        self.b = Ranged("Izhikevich.b", b, learn="b" in learnt, **given)
        self.c = Ranged("Izhikevich.c", c, learn="c" in learnt, **given)
        self.d = Ranged("Izhikevich.d", d, learn="d" in learnt, **given)
        self.peak = Ranged("Izhikevich.peak", peak, **given)
        self.surrogate, self.detach_reset = surrogate, detach_reset

    def initial_state(self, x: Tensor) -> IzhikevichState:
        dtype = computing_dtype(x)
        v = filled(x, of_dtype(self.c.value, dtype), dtype)
        return IzhikevichState(v, of_dtype(self.b.value, dtype) * v)

    def step(self, x: Tensor, state: IzhikevichState) -> tuple[Tensor, IzhikevichState]:
        v, u = state
        a, b, c, d, peak = (of_dtype(p.value, v.dtype) for p in (self.a, self.b, self.c, self.d, self.peak))
        after_v = v + self.dt * (0.04 * v * v + 5 * v + 140 - u + x.to(v.dtype))
        after_u = u + self.dt * (a * (b * v - u))
        spikes = self.surrogate((after_v - peak) / (peak - c))
        acting = spikes.detach() if self.detach_reset else spikes
        return spikes.to(x.dtype), IzhikevichState((1 - acting) * after_v + acting * c, after_u + acting * d)
