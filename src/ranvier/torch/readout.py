"""Membranes that do not spike, to read a network out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.torch import arguments, fused
from ranvier.torch.arguments import checked
from ranvier.torch.layer import computing_dtype
from ranvier.torch.lif import INPUT, LAYER, decayed, filled
from ranvier.torch.planned import PlannedLayer


class LeakyReadout(PlannedLayer):
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

    learnable: ClassVar[tuple[str, ...]] = ("tau", "leak", "rest")
    settings: ClassVar[tuple[str, ...]] = ("size", "dt", "input")
    dt: float

    @checked(**LAYER, **dict.fromkeys(("tau", "leak", "rest"), arguments.value), input=INPUT)
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
        self._begin(size=size, dt=dt, learn=learn, device=device, dtype=dtype)
        self.input = input
        self.tau = self._time_constant("tau", tau)
        self.leak = self._ranged("leak", leak, low=0.0)
        self.rest = self._ranged("rest", rest)
        if input == "impulse" and "leak" in self._learnt:
            raise ParameterError("LeakyReadout.learn: an impulse moves the potential whatever the leak; learn tau, or use input='current'.")

    def initial_state(self, x: Tensor) -> Tensor:
        return filled(x, self.rest.value, computing_dtype(x))

    def _rows(self, values: dict[str, Any]) -> list[Any]:
        """What is left after a step, how far an input moves the potential, and the resting potential."""
        decay, moved = decayed(self.dt, values["tau"])
        return [decay, 1.0 if self.input == "impulse" else moved / values["leak"], values["rest"]]

    def coefficients(self, dtype: torch.dtype) -> list[Any]:
        return self._rows(self._values(dtype))

    def step(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        decay, gain, rest = self.coefficients(state.dtype)
        v = (rest + decay * (state - rest)) + gain * x.to(state.dtype)
        return v.to(x.dtype), v

    def _loops(self, x: Tensor) -> Any:
        return fused.from_rest("leak", x, [self.initial_state(x[0])], self.coefficients(x.dtype))

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, Tensor]:
        return results[0], results[1]

    def _start(self, values: dict[str, Any]) -> list[Any]:
        return [values["rest"]]

    def sequence(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        done = fused.attempt("leak", x.to(state.dtype), [state], self.coefficients(state.dtype))
        if done is None:
            return self.step_by_step(x, state)
        v, (last,) = done
        return v.to(x.dtype), last
