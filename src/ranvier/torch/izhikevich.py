"""Izhikevich's neuron."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.neurons import Izhikevich2003
from ranvier.torch import arguments, fused
from ranvier.torch.arguments import checked
from ranvier.torch.engine_parameters import parameters_of
from ranvier.torch.functional import DEFAULT_SURROGATE, within_range
from ranvier.torch.layer import computing_dtype
from ranvier.torch.lif import LAYER, SURROGATE, above_reset, filled
from ranvier.torch.planned import PlannedLayer
from ranvier.torch.ranged import of_dtype
from ranvier.torch.surrogate import Surrogate

LARGEST = 1e6
"""Far beyond what a parameter can mean; what comes of it can still be squared in single precision."""


PARAMETERS = ("a", "b", "c", "d", "peak", "initial_potential")
"""As the loops take them."""


class IzhikevichState(NamedTuple):
    """The state of Izhikevich neurons, each `[B, …]`.

    Attributes:
        v: membrane potential (mV).
        u: recovery variable.
    """

    v: Tensor
    u: Tensor


class Izhikevich(PlannedLayer):
    """Izhikevich's two-variable neuron of 2003.

    ```
    dv/dt = 0.04 v² + 5 v + 140 − u + x,    du/dt = a (b v − u)
    v ≥ peak: a spike, v = c, u = u + d
    ```

    The surrogate gradient takes the distance to the peak in units of `peak − c`. Far below rest, where the explicit step of v is
    unstable (1 + h·(0.08 v + 5) < −1 with h the step, or half of it: below −112.5 mV by default), it is divided by
    1 − h·(0.08 v + 5): strong inhibition makes no spikes.

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

    learnable = ("a", "b", "c", "d")
    settings = ("size", "dt", "scheme", "surrogate", "detach_reset")
    dt: float

    @checked(
        **LAYER,
        **dict.fromkeys(("a", "b", "c", "d", "peak", "initial_potential"), arguments.value),
        scheme=arguments.word("published", "euler"),
        surrogate=SURROGATE,
        detach_reset=arguments.flag,
    )
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
        self._begin(size=size, dt=dt, learn=learn, device=device, dtype=dtype)
        above_reset(self._name, peak, c, "peak", "c")
        self.a = self._ranged("a", a, low=0.0, high=1 / dt if "a" in self._learnt else math.inf)
        self.b, self.c, self.d = (
            self._ranged("b", b, largest=LARGEST),
            self._ranged("c", c, largest=LARGEST),
            self._ranged("d", d, largest=LARGEST),
        )
        self.peak = self._ranged("peak", peak, largest=LARGEST)
        self.initial_potential = self._ranged("initial_potential", initial_potential, largest=LARGEST)
        if self.a.most() * dt > 1:
            raise ParameterError(f"Izhikevich.a is {self.a.most():g} / ms: at dt = {dt:g} ms the step of u is unstable; use a smaller dt.")
        self.scheme, self.surrogate, self.detach_reset = scheme, surrogate, detach_reset

    @classmethod
    @checked(model=arguments.anything, dt=arguments.time_step)
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

    def _rows(self, values: dict[str, Any]) -> list[Any]:
        return [self.dt, *(values[name] for name in PARAMETERS)]

    def _given(self, x: Tensor, state: IzhikevichState) -> tuple[Any, ...]:
        """What the loops of C++ are given."""
        return f"izhikevich_{self.scheme}", x, list(state), self._rows(self._values(x.dtype)), self.surrogate

    def _loops(self, x: Tensor) -> Any:
        return None if self.detach_reset else fused.from_rest(*self._given(x, self.initial_state(x[0])))

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, IzhikevichState]:
        spikes, *after = results
        return spikes, IzhikevichState(*after)

    def _start(self, values: dict[str, Any]) -> list[Any]:
        v = values["initial_potential"]
        return [v, values["b"] * v]

    def sequence(self, x: Tensor, state: IzhikevichState) -> tuple[Tensor, IzhikevichState]:
        done = None if self.detach_reset else fused.attempt(*self._given(x, state))
        return self.step_by_step(x, state) if done is None else self._packed((done[0], *done[1]))

    def step(self, x: Tensor, state: IzhikevichState) -> tuple[Tensor, IzhikevichState]:
        v, u = state
        a, b, c, d, peak = (of_dtype(p.value, v.dtype) for p in (self.a, self.b, self.c, self.d, self.peak))
        current = x.to(v.dtype)

        def moved(at: Tensor, h: float) -> Tensor:
            step = h * (0.04 * at**2 + 5 * at + 140 - u + current)
            tilt = h * (0.08 * at + 5)
            return within_range(at + torch.where(tilt < -2, step / (1 - tilt), step))

        if self.scheme == "published":
            after_v = moved(moved(v, 0.5 * self.dt), 0.5 * self.dt)
            after_u = u + self.dt * (a * (b * after_v - u))
        else:
            after_v = moved(v, self.dt)
            after_u = u + self.dt * (a * (b * v - u))
        spikes = self.surrogate((after_v - peak) / (peak - c))
        acting = spikes.detach() if self.detach_reset else spikes
        return spikes.to(x.dtype), IzhikevichState((1 - acting) * after_v + acting * c, after_u + acting * d)
