"""The van Rossum distance."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.losses.base import Loss, Seen, Target, Window, checked_part, dense_trains, draw_trains, trains_of


@dataclasses.dataclass(frozen=True)
class VanRossum(Loss):
    """The squared van Rossum distance between the neurons' spike trains and those of the data, as a mean over the neurons.

    Each train is filtered by a decaying exponential. 1 is the distance between a train of one spike and an empty one, as
    of `rv.analysis.van_rossum_distance`. Data are `run.spikes`, a run, or `rv.analysis.from_trains(…)`, of one train a neuron.

    Args:
        part: the population; may be left out where there is only one.
        tau: the time constant of the exponential (ms). A long one compares rates, a short one coincidences.

    Source: van Rossum 2001, Neural Comput 13:751.

    Example:
        >>> import ranvier as rv
        >>> silent = rv.simulate(rv.neurons.LeakyIntegrateAndFire(), duration=50.0, dt=0.1)
        >>> round(VanRossum(tau=5.0).between(silent, rv.analysis.from_trains([[10.0]], duration=50.0)), 9)
        1.0
    """

    by_spikes = True

    part: str | None = None
    tau: float = 10.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "part", checked_part(self.part))
        object.__setattr__(self, "tau", doors.interval(self.tau, "tau"))

    def target(self, data: Any, window: Window) -> Target:
        steps, neurons, duration = trains_of(data, window)
        numbers = {"spikes": dense_trains(steps, neurons, duration, window.n), "decay": np.exp(-window.dt / self.tau)}
        return Target(numbers, (), duration, len(steps), (window.begin + steps * window.dt, neurons))

    def value(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        decay = numbers["decay"]
        differences = seen["spikes"].astype(decay.dtype) - numbers["spikes"].astype(decay.dtype)

        def one(carried: Any, difference: Any) -> Any:
            trace, total = carried
            trace = decay * trace + difference
            return (trace, total + trace**2), None

        nothing = jnp.zeros(differences.shape[1], differences.dtype)
        (trace, total), _ = jax.lax.scan(one, (nothing, nothing), differences)
        # The sum over the steps, and what of the last trace comes after them: so a spike weighs the same wherever it is.
        return jnp.mean((1.0 - decay**2) * total + decay**2 * trace**2)

    def draw(self, ax: Any, shown: Any, run: Any) -> None:
        draw_trains(ax, shown, run)
