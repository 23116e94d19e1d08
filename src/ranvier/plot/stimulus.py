"""The stimulus panel: what was injected, recorded or worked out from the stimulus itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.plot import appearance
from ranvier.plot.series import Series, as_series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from ranvier.network.spec import Population

LINES_AT_MOST = 24  # different time courses; more are drawn as a band
POINTS = 2000
VALUES_AT_MOST = 5_000_000


def current_of(population: Population, name: str, seed: int, start: float, stop: float, dt: float) -> Series | None:
    """The stimulus of a population as it was drawn from `seed`, over time; None where it has none.

    Of a population too large to hold, the columns are the lowest, the mean and
    the highest current.
    """
    import jax
    import jax.numpy as jnp

    from ranvier.model import drawn
    from ranvier.random import Key

    if population.current is None:
        return None
    n, unit = population.n, population.model.input_unit
    steps = np.unique(np.linspace(round(start / dt), round(stop / dt), POINTS).round())
    times = steps * dt
    with jax.enable_x64(True):
        key = Key(seed).child("population").child(name).child("current")  # as the network's own draw
        stimulus = drawn(population.current, key, f"current of {name}", {"neuron": (n, "neuron")}, unit)

        def at(t: Any) -> Any:
            current = jnp.atleast_1d(jnp.asarray(stimulus(t), float))
            if current.size * len(times) > VALUES_AT_MOST:
                current = jnp.stack([current.min(), current.mean(), current.max()])
            return current

        values = np.asarray(jax.lax.map(at, jnp.asarray(times)))
    return Series(times, values, np.arange(values.shape[1]), "neuron", "injected_current", unit)


def distinct(series: Series) -> np.ndarray:
    """The different time courses `[time, courses]` of a stimulus."""
    return np.unique(series.values, axis=1) if series.values.shape[1] <= 5000 else series.values


def draw_stimulus(
    ax: Axes, stimulus: Any, times: np.ndarray, *, color: str = "black", linestyle: str = "-", label: str | None = None
) -> Axes:
    """Draws a stimulus: each different time course once, or where there are many, their range and mean."""
    series = _as_series(stimulus, times)
    courses = distinct(series)
    if 0 < courses.shape[1] <= LINES_AT_MOST:
        for i in range(courses.shape[1]):
            ax.plot(
                series.times,
                courses[:, i],
                color=color,
                linestyle=linestyle,
                linewidth=1.0 if courses.shape[1] < 7 else 0.5,
                label=label if i == courses.shape[1] - 1 else None,
            )
    elif courses.size:
        ax.fill_between(series.times, courses.min(1), courses.max(1), color=color, alpha=0.25, linewidth=0)
        ax.plot(series.times, series.values.mean(1), color=color, linestyle=linestyle, linewidth=1.0, label=label)
    name = {"injected_current": "I", "": "stimulus"}.get(series.name, appearance.readable(series.name))
    ax.set_ylabel(appearance.labelled(name, series.unit))
    ax.set_xlabel(series.time_label)
    ax.margins(x=0, y=0.12)
    if courses.size and np.ptp(courses) < 0.1 * np.abs(courses).max():
        ax.update_datalim([(series.times[0], 0.0)], updatex=False)  # a constant is seen as one beside zero
    ax.autoscale_view(scalex=False)
    return ax


def _as_series(stimulus: Any, times: np.ndarray) -> Series:
    if isinstance(stimulus, Series):
        return stimulus
    if hasattr(stimulus, "dims"):
        return as_series(stimulus)
    if callable(stimulus):
        import jax
        import jax.numpy as jnp

        with jax.enable_x64(True):
            values = np.asarray(jax.lax.map(lambda t: jnp.asarray(stimulus(t), float), jnp.asarray(times, float)))
        return as_series(values, times)
    values = np.asarray(stimulus, float)
    if values.ndim == 0:
        values = np.full(len(times), values)
    if len(values) != len(times):
        raise ParameterError(
            f"The stimulus has {len(values)} values, but there are {len(times)} times. Give one for each, or a function of t."
        )
    return as_series(values, times)
