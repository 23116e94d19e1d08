"""Firing rates."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.losses.base import Loss, Seen, Target, Window, checked_part, draw_trains, trains_of
from ranvier.result import Result, Spikes


@dataclasses.dataclass(frozen=True)
class Rate(Loss):
    """The mean squared difference between the neurons' firing rates and those of the data, in Hz².

    Data are spikes, as of `rv.losses.VanRossum`, or rates: one for each neuron (Hz), or one for all, with `duration`.

    Args:
        part: the population; may be left out where there is only one.
        duration: how long runs are (ms), where the data are rates.
        start: from when on spikes count (ms).

    Example:
        >>> import ranvier as rv
        >>> cell = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cell")
        >>> sim = rv.prepare(cell, dt=0.1)
        >>> found = rv.fit(sim, [120.0], {"cell.current": (250.0, 600.0)}, rv.losses.Rate(duration=1000.0), iterations=20)
        >>> round(float(found.run().spikes.rate[0]))
        120
    """

    by_spikes = True

    part: str | None = None
    duration: float | None = None
    start: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "part", checked_part(self.part))
        if self.duration is not None:
            object.__setattr__(self, "duration", doors.interval(self.duration, "duration"))
        object.__setattr__(self, "start", doors.duration(self.start, "start"))

    def target(self, data: Any, window: Window) -> Target:
        first = round((self.start - window.begin) / window.dt)
        if isinstance(data, Result | Spikes):
            steps, neurons, duration = trains_of(data, window)
            counts = np.bincount(neurons[steps >= first], minlength=window.n)
            shown: Any = (window.begin + steps * window.dt, neurons)
        else:
            if self.duration is None:
                raise ParameterError("Rate: data are rates, so duration must say how long runs are: rv.losses.Rate(duration=1000.0).")
            given = doors.numbers(data, "data", rank=(0, 1), low=0.0, unit="Hz")
            if given.ndim and len(given) != window.n:
                raise ParameterError(
                    f"data has {len(given)} rates, but {window.part} has {window.n} neurons: give one for each, or one for all."
                )
            duration, counts, shown = round(self.duration / window.dt), None, None
        if not 0 <= first < duration:
            raise ParameterError(
                f"start is {self.start:g} ms, but the runs go from {window.begin:g} to {window.begin + duration * window.dt:g} ms."
            )
        seconds = (duration - first) * window.dt / 1000.0
        rates = counts / seconds if counts is not None else np.broadcast_to(given, (window.n,))
        counted = (np.arange(duration) >= first).astype(float)
        return Target({"rates": np.array(rates, float), "weight": counted / seconds}, (), duration, window.n, shown)

    def value(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        rates = numbers["weight"] @ seen["spikes"].astype(numbers["weight"].dtype)
        return jnp.mean((rates - numbers["rates"]) ** 2)

    def draw(self, ax: Any, shown: Any, run: Any) -> None:
        draw_trains(ax, shown, run)
