"""Membranes that do not spike, behind a synaptic current."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ranvier.errors import ParameterError
from ranvier.torch import arguments, fused
from ranvier.torch.arguments import checked
from ranvier.torch.current_lif import charge
from ranvier.torch.layer import computing_dtype
from ranvier.torch.lif import decayed, filled
from ranvier.torch.readout import LeakyReadout


class CurrentReadoutState(NamedTuple):
    """The state of a `CurrentReadout`, each `[B, …]`.

    Attributes:
        v: membrane potential.
        current: the synaptic current.
    """

    v: Tensor
    current: Tensor


class CurrentReadout(LeakyReadout):
    """Leaky integrators whose input charges a synaptic current that decays exponentially; the output is the membrane potential.

    ```
    synapse_tau · di/dt = −i,     i = i + x at the start of a step
    tau · dv/dt = −(v − rest) + i / leak
    ```

    Both are solved exactly over a step.

    Args:
        synapse_tau: time constant of the current (ms).
        others: as of `LeakyReadout`, but for `input`; `synapse_tau` can be learnt too.

    Reference: Rotter & Diesmann 1999, Biol Cybern 81:381.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> x = torch.zeros(50, 1)
        >>> x[0] = 1.0
        >>> v, state = rt.CurrentReadout(tau=10.0, synapse_tau=5.0)(x)
        >>> int(v.argmax()) + 1                                # the peak is at 10·ln 2 = 6.9 ms
        7
    """

    learnable = (*LeakyReadout.learnable, "synapse_tau")
    settings = ("size", "dt")

    @checked(size=arguments.size, synapse_tau=arguments.value)
    def __init__(self, size: int | tuple[int, ...] | None = None, *, synapse_tau: Any = 5.0, **others: Any):
        if "input" in others:
            raise ParameterError("CurrentReadout takes no input: its input charges a current.")
        super().__init__(size, **others)
        self.synapse_tau = self._time_constant("synapse_tau", synapse_tau)

    def initial_state(self, x: Tensor) -> CurrentReadoutState:  # type: ignore[override]
        dtype = computing_dtype(x)
        return CurrentReadoutState(filled(x, self.rest.value, dtype), filled(x, 0.0, dtype))

    def _rows(self, values: dict[str, Any]) -> list[Any]:
        tau, synapse = values["tau"], values["synapse_tau"]
        gain = charge(self.dt, tau, synapse) / values["leak"]
        return [decayed(self.dt, tau)[0], gain, values["rest"], decayed(self.dt, synapse)[0]]

    def step(self, x: Tensor, state: CurrentReadoutState) -> tuple[Tensor, CurrentReadoutState]:  # type: ignore[override]
        dtype = state.v.dtype
        decay, gain, rest, kept = self.coefficients(dtype)
        current = state.current + x.to(dtype)
        v = (rest + decay * (state.v - rest)) + gain * current
        return v.to(x.dtype), CurrentReadoutState(v, kept * current)

    def _loops(self, x: Tensor) -> Any:
        state, (*of_membrane, kept) = self.initial_state(x[0]), self.coefficients(x.dtype)
        currents = fused.from_rest("leaky_sum", x, [state.current], [kept])
        membranes = fused.from_rest("leak", x, [state.v], of_membrane)
        return None if currents is None or membranes is None else fused.quick.Chain(currents, membranes)

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, CurrentReadoutState]:  # type: ignore[override]
        return results[0], CurrentReadoutState(results[1], results[2])

    def _start(self, values: dict[str, Any]) -> list[Any]:
        return [*super()._start(values), None]

    def sequence(self, x: Tensor, state: CurrentReadoutState) -> tuple[Tensor, CurrentReadoutState]:  # type: ignore[override]
        dtype = state.v.dtype
        *of_membrane, kept = self.coefficients(dtype)
        charged = fused.attempt("leaky_sum", x.to(dtype), [state.current], [kept])
        done = None if charged is None else fused.attempt("leak", charged[0], [state.v], of_membrane)
        if charged is None or done is None:
            return self.step_by_step(x, state)
        return done[0].to(x.dtype), CurrentReadoutState(done[1][0], charged[1][0])
