"""Spike times one by one."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from ranvier.losses.base import Loss, Seen, Target, Window, checked_part, draw_trains, trains_of
from ranvier.result import Result


@dataclasses.dataclass(frozen=True)
class SpikeTimes(Loss):
    """The mean squared difference between each neuron's first, second, … spike and that of the data, in ms².

    A spike that only one side has counts as if the other had it at the end of the data. Data are spikes, as of
    `rv.losses.VanRossum`; those that are rounded to steps count as in the middle of theirs. With
    `surrogate=rv.surrogates.SpikeTimes()` the derivative is exact.

    Args:
        part: the population; may be left out where there is only one.

    Source: Bohté, Kok & La Poutré 2002, Neurocomputing 48:17.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cell"), dt=0.1)
        >>> data = rv.analysis.from_trains([[9.5, 19.1]], duration=25.0)
        >>> found = rv.fit(sim, data, {"cell.current": (220.0, 500.0)}, rv.losses.SpikeTimes(), surrogate=rv.surrogates.SpikeTimes())
        >>> found.method, round(found.parameters["cell.current"])
        ('Levenberg–Marquardt', 263)
    """

    by_spikes = True
    by_times = True
    mean_square = True

    part: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "part", checked_part(self.part))

    def target(self, data: Any, window: Window) -> Target:
        steps, neurons, duration = trains_of(data, window)
        spikes = (
            data[window.part].spikes
            if isinstance(data, Result) and window.part in data.network.populations
            else getattr(data, "spikes", data)
        )
        moments = np.asarray(spikes.times, float)
        on_grid = np.isclose(moments, np.asarray(spikes.steps) * spikes.dt, rtol=0.0, atol=1e-9)
        moments = moments + np.where(on_grid, spikes.dt / 2, 0.0)
        end = window.begin + duration * window.dt
        counts = np.bincount(neurons, minlength=window.n)
        times = np.full((window.n, max(1, counts.max(initial=0))), end)
        order = np.argsort(neurons, kind="stable")
        which = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
        times[neurons[order], which] = moments[order]
        numbers = {"times": times, "end": np.float64(end), "begin": np.float64(window.begin), "dt": np.float64(window.dt)}
        return Target(numbers, (), duration, max(1, len(steps)), (window.begin + steps * window.dt, neurons))

    def residuals(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        wanted, end = jnp.asarray(numbers["times"]), numbers["end"]
        if "times" in seen:
            # NaN stays what it is: of such a run nothing is known.
            found = jnp.where(seen["times"] >= end, end, seen["times"])
        else:
            found = _times_of(jnp.asarray(seen["spikes"]) > 0, wanted.shape[1] + 4, numbers)
        width = max(found.shape[1], wanted.shape[1])
        filled = lambda x: jnp.pad(x, ((0, 0), (0, width - x.shape[1])), constant_values=np.inf)
        found, wanted = (jnp.minimum(filled(x), end) for x in (found, wanted))
        some = jnp.maximum((wanted < end).sum(), 1)
        return ((found - wanted) / jnp.sqrt(some)).ravel()

    def value(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        return jnp.sum(self.residuals(seen, numbers) ** 2)

    def draw(self, ax: Any, shown: Any, run: Any) -> None:
        draw_trains(ax, shown, run)


def _times_of(flags: Any, most: int, numbers: dict[str, Any]) -> Any:
    """The first spikes of each neuron, from flags `[steps, n]`, in the middle of their steps; `[n, most]`."""
    steps, n = flags.shape
    which = jnp.where(flags, jnp.cumsum(flags, axis=0) - 1, most)
    moments = numbers["begin"] + (jnp.arange(steps) + 0.5) * numbers["dt"]
    neuron = jnp.broadcast_to(jnp.arange(n)[None], flags.shape)
    times = jnp.full((n, most), numbers["end"])
    return times.at[neuron, which].set(jnp.broadcast_to(moments[:, None], flags.shape), mode="drop")
