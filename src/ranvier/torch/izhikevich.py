"""Izhikevich's neuron."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.neurons import Izhikevich2003
from ranvier.torch.engine_parameters import parameters_of
from ranvier.torch.functional import DEFAULT_SURROGATE
from ranvier.torch.layer import SpikingLayer, as_size, computing_dtype
from ranvier.torch.lif import above_reset, checked_dt, filled, one_of
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
    """Izhikevich's two-variable neuron of 2003.

    ```
    dv/dt = 0.04 v² + 5 v + 140 − u + x,    du/dt = a (b v − u)
    v ≥ peak: a spike, v = c, u = u + d
    ```

    The surrogate gradient takes the distance to the peak in units of `peak − c`.

    Args:
        size: the last dimensions of the input, or None for any.
        a, b, c, d: the published parameters (1/ms, 1, mV, 1); by default those of a regular spiking cell.
        peak: where a spike is cut off (mV).
        initial_potential: v at the start, with u = b v.
        dt: the time step (ms).
        scheme: `"published"`, that of the paper's program: two half steps for v, then one for u from the new v,
            made for dt = 1; or `"euler"`, with a dt of at most 0.1.
        surrogate, detach_reset: as of `LIF`.
        learn: which of `a`, `b`, `c`, `d` are learnt.

    Reference: Izhikevich 2003, IEEE Trans Neural Netw 14:1569.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, state = rt.Izhikevich()(torch.full((500, 1), 10.0, dtype=torch.float64))
        >>> int(spikes.sum())
        10
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
        initial_potential: Any = -65.0,
        dt: float = 1.0,
        scheme: str = "published",
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
        self.initial_potential = Ranged("Izhikevich.initial_potential", initial_potential, **given)
        self.scheme = one_of("scheme", scheme, ("published", "euler"))
        self.surrogate, self.detach_reset = surrogate, detach_reset

    @classmethod
    def from_neuron(cls, model: Izhikevich2003, *, dt: float = 1.0, **others: Any) -> Izhikevich:
        """The engine's neuron as a layer: the same spikes as `rv.simulate` with `rv.SplitEuler()`, or `rv.Euler()` for `scheme="euler"`.

        Args:
            model: an `rv.neurons.Izhikevich2003`.
            dt: the time step (ms).
            others: as of the class.
        """
        return cls(dt=dt, **{**parameters_of(model, Izhikevich2003), **others})

    def initial_state(self, x: Tensor) -> IzhikevichState:
        dtype = computing_dtype(x)
        v = filled(x, self.initial_potential.value, dtype)
        return IzhikevichState(v, of_dtype(self.b.value, dtype) * v)

    def step(self, x: Tensor, state: IzhikevichState) -> tuple[Tensor, IzhikevichState]:
        v, u = state
        a, b, c, d, peak = (of_dtype(p.value, v.dtype) for p in (self.a, self.b, self.c, self.d, self.peak))
        current = x.to(v.dtype)

        def slope(at: Tensor) -> Tensor:
            return 0.04 * at**2 + 5 * at + 140 - u + current

        if self.scheme == "published":
            half = v + (0.5 * self.dt) * slope(v)
            after_v = half + (0.5 * self.dt) * slope(half)
            after_u = u + self.dt * (a * (b * after_v - u))
        else:
            after_v = v + self.dt * slope(v)
            after_u = u + self.dt * (a * (b * v - u))
        spikes = self.surrogate((after_v - peak) / (peak - c))
        acting = spikes.detach() if self.detach_reset else spikes
        return spikes.to(x.dtype), IzhikevichState((1 - acting) * after_v + acting * c, after_u + acting * d)
