"""The adaptive exponential integrate-and-fire neuron."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.torch.functional import DEFAULT_SURROGATE
from ranvier.torch.layer import SpikingLayer, as_size, computing_dtype
from ranvier.torch.lif import above_reset, checked_dt, filled
from ranvier.torch.ranged import Ranged, checked_names, of_dtype
from ranvier.torch.surrogate import Surrogate


class AdExState(NamedTuple):
    """The state of `AdEx` neurons, each `[B, …]`.

    Attributes:
        v: membrane potential (mV).
        w: adaptation current (pA).
    """

    v: Tensor
    w: Tensor


class AdEx(SpikingLayer):
    """Adaptive exponential integrate-and-fire neurons, by Euler's method.

    ```
    capacitance · dv/dt = −leak·(v − rest) + leak·slope·exp((v − threshold)/slope) − w + x
    tau · dw/dt = coupling·(v − rest) − w
    v ≥ peak: a spike, v = reset, w = w + jump
    ```

    The surrogate gradient takes the distance to the peak in units of `peak − reset`.

    Args:
        size: the last dimensions of the input (pA), or None for any.
        capacitance: pF. leak: nS. rest, threshold, slope, reset, peak: mV. tau: ms. coupling: nS. jump: pA.
            The defaults are the published ones.
        dt: the time step (ms).
        surrogate, detach_reset: as of `LIF`.
        learn: which of `leak`, `tau`, `coupling`, `jump` are learnt.

    Reference: Brette & Gerstner 2005, J Neurophysiol 94:3637.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, state = rt.AdEx(dt=0.1)(torch.full((5_000, 1), 1_000.0))         # half a second of 1 nA
        >>> times = spikes.flatten().nonzero().flatten() * 0.1
        >>> bool(times[-1] - times[-2] > times[1] - times[0])                       # it adapts
        True
    """

    learnable = ("leak", "tau", "coupling", "jump")
    rest: Ranged

    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        capacitance: Any = 281.0,
        leak: Any = 30.0,
        rest: Any = -70.6,
        threshold: Any = -50.4,
        slope: Any = 2.0,
        tau: Any = 144.0,
        coupling: Any = 4.0,
        jump: Any = 80.5,
        reset: Any = -70.6,
        peak: Any = 20.0,
        dt: float = 0.1,
        surrogate: Surrogate = DEFAULT_SURROGATE,
        detach_reset: bool = False,
        learn: str | Iterable[str] = (),
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.size = as_size(size)
        self.dt = checked_dt(self._name, dt)
        learnt = checked_names(self._name, learn, self.learnable)
        above_reset(self._name, peak, reset, "peak")
        values = {
            "capacitance": capacitance, "leak": leak, "rest": rest, "threshold": threshold, "slope": slope,
            "tau": tau, "coupling": coupling, "jump": jump, "reset": reset, "peak": peak,
        }  # fmt: skip
        for name, value in values.items():
            low = 0.0 if name in ("capacitance", "leak", "slope", "tau") else -math.inf
            made = Ranged(f"AdEx.{name}", value, low=low, learn=name in learnt, shape=self.size, device=device, dtype=dtype)
            self.add_module(name, made)
        self.surrogate, self.detach_reset = surrogate, detach_reset

    def initial_state(self, x: Tensor) -> AdExState:
        dtype = computing_dtype(x)
        return AdExState(filled(x, self.rest.value, dtype), filled(x, 0.0, dtype))

    def step(self, x: Tensor, state: AdExState) -> tuple[Tensor, AdExState]:
        v, w = state
        p = {name: of_dtype(made.value, v.dtype) for name, made in self.named_children() if isinstance(made, Ranged)}
        upstroke = p["leak"] * p["slope"] * torch.exp((v - p["threshold"]) / p["slope"])
        dv = (-p["leak"] * (v - p["rest"]) + upstroke - w + x.to(v.dtype)) / p["capacitance"]
        dw = (p["coupling"] * (v - p["rest"]) - w) / p["tau"]
        after_v, after_w = v + self.dt * dv, w + self.dt * dw
        spikes = self.surrogate((after_v - p["peak"]) / (p["peak"] - p["reset"]))
        acting = spikes.detach() if self.detach_reset else spikes
        return spikes.to(x.dtype), AdExState((1 - acting) * after_v + acting * p["reset"], after_w + acting * p["jump"])
