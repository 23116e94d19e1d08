"""Short-term plasticity."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.layer import SpikingLayer, computing_dtype
from ranvier.torch.lif import LAYER, decayed, filled
from ranvier.torch.ranged import of_dtype


class ShortTermPlasticityState(NamedTuple):
    """The state of synapses with short-term plasticity, each `[B, …]`.

    Attributes:
        u: the share of the resources that the next spike uses, before it is facilitated.
        r: the resources that are there.
    """

    u: Tensor
    r: Tensor


class ShortTermPlasticity(SpikingLayer):
    """Makes of spikes the amplitudes that a depressing, facilitating synapse passes on.

    ```
    du/dt = (use − u) / facilitation_tau      a spike: u = u + use·(1 − u)
    dr/dt = (1 − r) / recovery_tau            then: amplitude u·r, and r = r − u·r
    ```

    A spike arrives at the start of its step; the rest of the step is solved exactly.

    Args:
        size: the last dimensions of the input, or None for any.
        use: the share of the resources that a spike uses at rest, within [0, 1].
        facilitation_tau, recovery_tau: time constants (ms).
        dt: the time step (ms).
        learn: which of `use`, `facilitation_tau`, `recovery_tau` are learnt.

    Reference: Markram, Wang & Tsodyks 1998, PNAS 95:5323; Mongillo, Barak & Tsodyks 2008, Science 319:1543.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> depressing = rt.ShortTermPlasticity(use=0.5, facilitation_tau=1e-3, recovery_tau=800.0)
        >>> amplitudes, state = depressing(torch.ones(3, 1))
        >>> [round(a, 3) for a in amplitudes.flatten().tolist()]    # use·(2 − use) = 0.75 of what is left, each time
        [0.75, 0.188, 0.048]
    """

    learnable = ("use", "facilitation_tau", "recovery_tau")
    dt: float

    @checked(**LAYER, **dict.fromkeys(("use", "facilitation_tau", "recovery_tau"), arguments.value))
    def __init__(
        self,
        size: int | tuple[int, ...] | None = None,
        *,
        use: Any = 0.2,
        facilitation_tau: Any = 1500.0,
        recovery_tau: Any = 200.0,
        dt: float = 1.0,
        learn: str | Iterable[str] = (),
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self._begin(size=size, dt=dt, learn=learn, device=device, dtype=dtype)
        self.use = self._ranged("use", use, low=0.0, high=1.0, closed=True)
        self.facilitation_tau = self._time_constant("facilitation_tau", facilitation_tau)
        self.recovery_tau = self._time_constant("recovery_tau", recovery_tau)

    def initial_state(self, x: Tensor) -> ShortTermPlasticityState:
        dtype = computing_dtype(x)
        return ShortTermPlasticityState(filled(x, self.use.value, dtype), filled(x, 1.0, dtype))

    def step(self, x: Tensor, state: ShortTermPlasticityState) -> tuple[Tensor, ShortTermPlasticityState]:
        dtype = state.u.dtype
        use = of_dtype(self.use.value, dtype)
        kept_u, _ = decayed(self.dt, of_dtype(self.facilitation_tau.value, dtype))
        kept_r, _ = decayed(self.dt, of_dtype(self.recovery_tau.value, dtype))
        spikes = x.to(dtype)
        u = state.u + use * (1 - state.u) * spikes
        amplitude = u * state.r * spikes
        r = state.r - amplitude
        return amplitude.to(x.dtype), ShortTermPlasticityState(use + kept_u * (u - use), 1 + kept_r * (r - 1))
