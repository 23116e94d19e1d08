"""The coincidence factor Γ."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.losses.base import Loss, Seen, Target, Window, checked_part, dense_trains, draw_trains, trains_of


@dataclasses.dataclass(frozen=True)
class Coincidence(Loss):
    """1 − Γ, as a mean over the neurons. Γ is 1 where all spikes of both trains coincide, and 0 for a Poisson train of the same rate.

    Γ = (N_coincident − 2 ν Δ N_data) / ((N_data + N_model) / 2) / (1 − 2 ν Δ), with ν the model's rate.
    Data are spikes, as of `rv.losses.VanRossum`. It has no derivative; CMA-ES fits by it.

    Args:
        part: the population; may be left out where there is only one.
        precision: Δ, how far apart two spikes may be that coincide (ms).

    Source: Kistler, Gerstner & van Hemmen 1997, Neural Comput 9:1015; Jolivet et al. 2008, J Neurosci Methods 169:417.

    Example:
        >>> import ranvier as rv
        >>> cell = rv.Population(1, rv.neurons.SpikeTimes([10.0, 30.0]), name="cell")
        >>> run = rv.simulate(cell, duration=50.0, dt=0.1)
        >>> gamma = lambda *times: 1 - Coincidence(precision=2.0).between(run, rv.analysis.from_trains([times], duration=50.0))
        >>> round(gamma(10.0, 30.0), 3), round(gamma(11.0, 33.0), 3)         # by 1 ms, and by 3 ms
        (1.0, 0.405)
    """

    by_steps = True

    part: str | None = None
    precision: float = 2.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "part", checked_part(self.part))
        object.__setattr__(self, "precision", doors.interval(self.precision, "precision"))

    def target(self, data: Any, window: Window) -> Target:
        steps, neurons, duration = trains_of(data, window)
        reach = max(0, round(self.precision / window.dt))
        numbers = {
            "spikes": dense_trains(steps, neurons, duration, window.n),
            "ends": np.stack([np.maximum(np.arange(duration) - reach, 0), np.minimum(np.arange(duration) + reach + 1, duration)]),
            "chance": np.float64(2 * self.precision / (duration * window.dt)),
        }
        return Target(numbers, (), duration, len(steps), (window.begin + steps * window.dt, neurons))

    def value(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        data, model = (x.astype(jnp.int32) for x in (numbers["spikes"], seen["spikes"]))
        so_far = jnp.concatenate([jnp.zeros((1, model.shape[1]), jnp.int32), jnp.cumsum(model, axis=0)])
        near = so_far[numbers["ends"][1]] > so_far[numbers["ends"][0]]
        of_data, of_model = data.sum(axis=0), model.sum(axis=0)
        coincident = jnp.minimum((near & (data > 0)).sum(axis=0), of_model)  # a spike of the model coincides with one
        by_chance = numbers["chance"] * of_model
        half = jnp.maximum((of_data + of_model) / 2, 1)
        gamma = (coincident - by_chance * of_data) / half / jnp.maximum(1.0 - by_chance, 1e-3)
        return jnp.mean(1.0 - gamma)

    def draw(self, ax: Any, shown: Any, run: Any) -> None:
        draw_trains(ax, shown, run)
