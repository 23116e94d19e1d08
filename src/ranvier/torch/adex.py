"""The adaptive exponential integrate-and-fire neuron."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.neurons import AdaptiveExponentialIntegrateAndFire
from ranvier.torch import arguments, fused
from ranvier.torch.arguments import checked
from ranvier.torch.engine_parameters import one_refractory, parameters_of
from ranvier.torch.functional import DEFAULT_SURROGATE, within_range
from ranvier.torch.layer import computing_dtype
from ranvier.torch.lif import LAYER, SURROGATE, above_reset, filled
from ranvier.torch.planned import PlannedLayer
from ranvier.torch.ranged import Ranged, of_dtype
from ranvier.torch.surrogate import Surrogate

STEEPEST = 50.0
"""The largest exponent of the upstroke: beyond any peak in one step, and a number in single precision."""
PARAMETERS = (
    "capacitance", "leak", "rest", "threshold", "slope", "adaptation", "adaptation_tau", "adaptation_jump", "reset", "peak",
)  # fmt: skip


class AdExState(NamedTuple):
    """The state of `AdEx` neurons, each `[B, …]`.

    Attributes:
        v: membrane potential (mV).
        w: adaptation current (pA).
        refractory: whole steps left, int32; None where there is no refractory period.
    """

    v: Tensor
    w: Tensor
    refractory: Tensor | None = None


class AdEx(PlannedLayer):
    """Adaptive exponential integrate-and-fire neurons, by Euler's method.

    ```
    capacitance · dv/dt = −leak·(v − rest) + leak·slope·exp((v − threshold)/slope) − w + x
    adaptation_tau · dw/dt = adaptation·(v − rest) − w
    v ≥ peak: a spike, v = reset, w = w + adaptation_jump, and v is held for the refractory period
    ```

    The surrogate gradient takes the distance to the peak in units of `peak − reset`.

    Args:
        size: the last dimensions of the input (pA), or None for any.
        capacitance: pF. leak, adaptation: nS. rest, threshold, slope, reset, peak: mV. adaptation_tau: ms. adaptation_jump: pA.
            The defaults are the published ones, those of `rv.neurons.AdaptiveExponentialIntegrateAndFire`.
        refractory: how long the potential is held after a spike (ms), a multiple of dt; the adaptation goes on.
        dt: the time step (ms).
        surrogate, detach_reset: as of `LIF`.
        learn: which of `leak`, `adaptation`, `adaptation_tau`, `adaptation_jump` are learnt.

    Reference: Brette & Gerstner 2005, J Neurophysiol 94:3637.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> spikes, state = rt.AdEx(dt=0.1)(torch.full((5_000, 1), 1_000.0))         # half a second of 1 nA
        >>> times = spikes.flatten().nonzero().flatten() * 0.1
        >>> bool(times[-1] - times[-2] > times[1] - times[0])                       # it adapts
        True
    """

    learnable = ("leak", "adaptation", "adaptation_tau", "adaptation_jump")
    settings = ("size", "dt", "refractory", "surrogate", "detach_reset")
    capacitance: Ranged
    leak: Ranged
    rest: Ranged
    stated = ("dt", "refractory")
    dt: float

    @checked(
        **LAYER,
        **dict.fromkeys(PARAMETERS, arguments.value),
        refractory=arguments.duration,
        surrogate=SURROGATE,
        detach_reset=arguments.flag,
    )
    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        capacitance: Any = 281.0,
        leak: Any = 30.0,
        rest: Any = -70.6,
        threshold: Any = -50.4,
        slope: Any = 2.0,
        adaptation: Any = 4.0,
        adaptation_tau: Any = 144.0,
        adaptation_jump: Any = 80.5,
        reset: Any = -70.6,
        peak: Any = -40.4,
        refractory: float = 0.0,
        dt: float = 0.1,
        surrogate: Surrogate = DEFAULT_SURROGATE,
        detach_reset: bool = False,
        learn: str | Iterable[str] = (),
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self._begin(size=size, dt=dt, learn=learn, device=device, dtype=dtype)
        above_reset(self._name, peak, reset, "peak")
        self.refractory = arguments.in_steps("AdEx.refractory", refractory, dt)
        values = (capacitance, leak, rest, threshold, slope, adaptation, adaptation_tau, adaptation_jump, reset, peak)
        for name, value in zip(PARAMETERS, values, strict=True):
            bounds = {"low": 0.0 if name in ("capacitance", "leak", "slope") else -math.inf, "largest": 1e9}
            made = self._time_constant(name, value, euler=True) if name == "adaptation_tau" else self._ranged(name, value, **bounds)
            self.add_module(name, made)
        membrane = float((torch.as_tensor(self.capacitance.value) / torch.as_tensor(self.leak.value)).detach().min())
        if membrane < dt:
            raise ParameterError(
                f"AdEx.capacitance / AdEx.leak is {membrane:g} ms, below dt = {dt:g} ms: Euler's method is unstable; use a smaller dt."
            )
        self.surrogate, self.detach_reset = surrogate, detach_reset

    @classmethod
    @checked(model=arguments.anything, dt=arguments.time_step)
    def from_neuron(cls, model: AdaptiveExponentialIntegrateAndFire, *, dt: float = 0.1, **others: Any) -> AdEx:
        """The engine's neuron as a layer: the same spikes as `rv.simulate` with `rv.Euler()`.

        Args:
            model: an `rv.neurons.AdaptiveExponentialIntegrateAndFire`; its neurons must have one refractory period.
            dt: the time step (ms).
            others: as of the class.
        """
        values = parameters_of(model, AdaptiveExponentialIntegrateAndFire)
        return cls(dt=dt, **{**values, "refractory": one_refractory(values["refractory"]), **others})

    def initial_state(self, x: Tensor) -> AdExState:
        dtype = computing_dtype(x)
        return AdExState(
            v=filled(x, self.rest.value, dtype),
            w=filled(x, 0.0, dtype),
            refractory=torch.zeros(x.shape, dtype=torch.int32, device=x.device) if self.refractory else None,
        )

    def _rows(self, values: dict[str, Any]) -> list[Any]:
        return [self.dt, float(self.refractory), *(values[name] for name in PARAMETERS)]

    def _given(self, x: Tensor, state: AdExState) -> tuple[Any, ...]:
        """What the loops of C++ are given."""
        held = torch.zeros_like(state.v) if state.refractory is None else state.refractory
        return "adex", x, [state.v, state.w, held], self._rows(self._values(x.dtype)), self.surrogate

    def _loops(self, x: Tensor) -> Any:
        return None if self.detach_reset else fused.from_rest(*self._given(x, self.initial_state(x[0])))

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, AdExState]:
        spikes, v, w, held = results
        return spikes, AdExState(v, w, None if held.is_floating_point() else held)  # without a refractory period it is zeros

    def _start(self, values: dict[str, Any]) -> list[Any]:
        return [values["rest"], None, None]

    def sequence(self, x: Tensor, state: AdExState) -> tuple[Tensor, AdExState]:
        done = None if self.detach_reset else fused.attempt(*self._given(x, state))
        return self.step_by_step(x, state) if done is None else self._packed((done[0], *done[1]))

    def step(self, x: Tensor, state: AdExState) -> tuple[Tensor, AdExState]:
        v, w, held = state
        p = {name: of_dtype(made.value, v.dtype) for name, made in self.named_children() if isinstance(made, Ranged)}
        upstroke = p["leak"] * p["slope"] * torch.exp(torch.clamp((v - p["threshold"]) / p["slope"], max=STEEPEST))
        dv = (-p["leak"] * (v - p["rest"]) + upstroke - w + x.to(v.dtype)) / p["capacitance"]
        dw = (p["adaptation"] * (v - p["rest"]) - w) / p["adaptation_tau"]
        after_v, after_w = within_range(v + self.dt * dv), w + self.dt * dw
        if held is not None:
            after_v = torch.where(held > 0, v, after_v)
        spikes = self.surrogate((after_v - p["peak"]) / (p["peak"] - p["reset"]))
        if held is not None:
            spikes = torch.where(held > 0, 0.0, spikes)
            held = torch.where(spikes > 0, self.refractory, torch.clamp(held - 1, min=0)).to(held.dtype)
        acting = spikes.detach() if self.detach_reset else spikes
        return spikes.to(x.dtype), AdExState((1 - acting) * after_v + acting * p["reset"], after_w + acting * p["adaptation_jump"], held)
