"""Leaky integrate-and-fire neurons with a synaptic current."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.torch import arguments, fused
from ranvier.torch.arguments import checked
from ranvier.torch.functional import LIFState, step
from ranvier.torch.layer import computing_dtype
from ranvier.torch.lif import LIF, decayed, filled
from ranvier.torch.ranged import divided, expm1, exponential, of_dtype


class CurrentLIFState(NamedTuple):
    """The state of `CurrentLIF` neurons.

    Attributes:
        lif: the membrane.
        current: the synaptic current, `[B, …]`.
    """

    lif: LIFState
    current: Tensor


class CurrentLIF(LIF):
    """Leaky integrate-and-fire neurons whose input charges a synaptic current that decays exponentially.

    ```
    synapse_tau · di/dt = −i,     i = i + x at the start of a step
    tau · dv/dt = −(v − rest) + i / leak
    ```

    Both are solved exactly over a step.

    Args:
        synapse_tau: time constant of the current (ms).
        others: as of `LIF`, but for `input` and `euler`; `synapse_tau` can be learnt too.

    Reference: Rotter & Diesmann 1999, Biol Cybern 81:381.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> x = torch.zeros(50, 1)
        >>> x[0] = 1.0
        >>> _, states = rt.trace(rt.CurrentLIF(tau=10.0, synapse_tau=5.0), x)
        >>> int(states.lif.v.argmax()) + 1                     # the peak is at 10·ln 2 = 6.9 ms
        7
    """

    learnable = (*LIF.learnable, "synapse_tau")
    settings = LIF.settings

    @checked(size=arguments.size, synapse_tau=arguments.value)
    def __init__(self, size: int | tuple[int, ...] | None = None, *, synapse_tau: Any = 5.0, **others: Any):
        for name in ("input", "euler"):
            if name in others:
                raise ParameterError(f"CurrentLIF takes no {name}: its input charges a current, and its step is exact.")
        super().__init__(size, **others)
        self.synapse_tau = self._time_constant("synapse_tau", synapse_tau)

    def initial_state(self, x: Tensor) -> CurrentLIFState:  # type: ignore[override]
        return CurrentLIFState(super().initial_state(x), filled(x, 0.0, computing_dtype(x)))

    def step(self, x: Tensor, state: CurrentLIFState, **changes: Any) -> tuple[Tensor, CurrentLIFState]:  # type: ignore[override]
        spikes, state = self._advance(x, state, {**self._coupled(computing_dtype(x)), **self.draws(x), **changes})
        return spikes, state

    def _loops(self, x: Tensor) -> Any:
        state, coefficients = self.initial_state(x[0]), self._coupled(x.dtype)
        currents = fused.from_rest("leaky_sum", x, [state.current], [coefficients.pop("current_decay")])
        membranes = fused.membranes.from_rest(x, state.lif, **coefficients)
        return None if currents is None or membranes is None else fused.quick.Chain(currents, membranes)

    @staticmethod
    def _packed(results: Sequence[Any]) -> tuple[Tensor, CurrentLIFState]:  # type: ignore[override]
        return results[0], CurrentLIFState(LIFState(*results[1:4]), results[4])

    def _rows(self, values: dict[str, Any]) -> list[Any]:
        return [*super()._rows(values), decayed(self.dt, values["synapse_tau"])[0]]

    def _start(self, values: dict[str, Any]) -> list[Any]:
        return [*super()._start(values), None]

    def sequence(self, x: Tensor, state: CurrentLIFState) -> tuple[Tensor, CurrentLIFState]:  # type: ignore[override]
        dtype = computing_dtype(x)
        coefficients, draws = self._coupled(dtype), self.draws(x)
        done = None
        if self.backend != "reference":
            done = fused.attempt("leaky_sum", x.to(dtype), [state.current], [coefficients["current_decay"]])
        if done is not None:
            currents, (current,) = done
            del coefficients["current_decay"]
            spikes, lif = self._run(currents, state.lif, {**coefficients, **draws})
            return spikes.to(x.dtype), CurrentLIFState(lif, current)
        if self.backend == "fused":
            raise UnsupportedError("The fused loops cannot run on this input. Use backend='reference', or 'auto'.")
        outputs = []
        for t in range(len(x)):
            of_step = {name: None if drawn is None else drawn[t] for name, drawn in draws.items()}
            spikes, state = self._advance(x[t], state, {**coefficients, **of_step})
            outputs.append(spikes)
        return torch.stack(outputs), state

    def _advance(self, x: Tensor, state: CurrentLIFState, coefficients: dict[str, Any]) -> tuple[Tensor, CurrentLIFState]:
        kept = coefficients.pop("current_decay")
        current = state.current + x.to(state.current.dtype)
        spikes, lif = step(current, state.lif, **coefficients)
        return spikes.to(x.dtype), CurrentLIFState(lif, kept * current)

    def _coefficients(self, values: dict[str, Any]) -> dict[str, Any]:
        gain = charge(self.dt, values["tau"], values["synapse_tau"]) / values["leak"]
        return {**super()._coefficients(values), "gain": gain}

    def _coupled(self, dtype: torch.dtype) -> dict[str, Any]:
        return {**self.coefficients(dtype), "current_decay": decayed(self.dt, of_dtype(self.synapse_tau.value, dtype))[0]}


def charge(dt: float, tau: Any, synapse: Any) -> Any:
    """How far a unit current that decays over the step moves the potential (times the leak), also where both time constants are equal."""
    z = dt * (divided(1.0, tau) - divided(1.0, synapse))
    return divided(dt, tau) * exponential(divided(-dt, tau)) * ratio(z)


def ratio(z: Any) -> Any:
    """(exp(z) − 1)/z, 1 at 0."""
    if isinstance(z, float | int):
        return 1 + z / 2 if abs(z) < 1e-8 else expm1(z) / z
    if not isinstance(z, Tensor):
        return z.ratio()
    near = z.abs() < 1e-4
    safe = torch.where(near, 1.0, z)
    return torch.where(near, 1 + z / 2 + z * z / 6, torch.expm1(safe) / safe)
