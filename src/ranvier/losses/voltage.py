"""The squared difference of traces."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.losses.base import Loss, Seen, Target, Window, checked_part, trace_of
from ranvier.record.record import Record


@dataclasses.dataclass(frozen=True)
class Voltage(Loss):
    """The mean squared difference between a recorded variable and data, in the variable's unit squared.

    Data are a `DataArray` with times (ms), `(times, values)` or a run; their times are steps of the run, not all of them.

    Args:
        part: the population; may be left out where there is only one.
        variable: what is compared: the membrane potential, or anything that can be recorded.
        spike_weight: by how much more a value counts that is near a spike of the data. Below 1 it counts less: spikes
            a moment too early then weigh less than the course between them.
        spike_window: how near (ms).
        spike_threshold: what the data cross upwards at a spike.

    Example:
        >>> import numpy as np, ranvier as rv
        >>> cell = rv.Population(1, rv.neurons.Passive(), current=1.0, name="cell")
        >>> sim = rv.prepare(cell, dt=0.1)
        >>> data = sim.run(50.0, parameters={"cell.leak": 0.2}).V
        >>> fit = rv.fit(sim, data, {"cell.leak": (0.05, 1.0)}, rv.losses.Voltage())
        >>> round(fit.parameters["cell.leak"], 3)
        0.2
    """

    mean_square = True

    part: str | None = None
    variable: str = "V"
    spike_weight: float = 1.0
    spike_window: float = 2.0
    spike_threshold: float = -20.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "part", checked_part(self.part))
        object.__setattr__(self, "variable", doors.text(self.variable, "variable"))
        object.__setattr__(self, "spike_weight", doors.number(self.spike_weight, "spike_weight", low=0.0))
        object.__setattr__(self, "spike_window", doors.duration(self.spike_window, "spike_window"))
        object.__setattr__(self, "spike_threshold", doors.number(self.spike_threshold, "spike_threshold", unit="mV"))

    def target(self, data: Any, window: Window) -> Target:
        steps, values = trace_of(data, self.variable, window)
        every = int(np.gcd.reduce(steps)) or 1 if window.first == 0 else 1
        weight = np.ones_like(values)
        if self.spike_weight != 1.0:
            times = steps * window.dt
            for neuron, trace in enumerate(values.T):
                crossed = np.flatnonzero((trace[:-1] < self.spike_threshold) & (trace[1:] >= self.spike_threshold)) + 1
                near = (np.abs(times[:, None] - times[crossed]) <= self.spike_window).any(axis=1)
                weight[near, neuron] = self.spike_weight
        if not weight.any():
            raise ParameterError(
                "Voltage: with spike_weight=0 nothing is left to compare, as every value of the data is "
                f"within {self.spike_window:g} ms of a crossing of {self.spike_threshold:g} mV. "
                "Give a shorter spike_window, or another spike_threshold."
            )
        numbers = {"rows": steps // every, "values": values, "root": np.sqrt(weight / weight.sum())}
        record = Record(window.part, self.variable, every_steps=every)
        return Target(numbers, (record,), int(steps[-1]) + 1, int((weight > 0).sum()), (window.begin + steps * window.dt, values))

    def residuals(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        return jnp.ravel(numbers["root"] * (seen[self.variable][numbers["rows"]] - numbers["values"]))

    def value(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        return jnp.sum(self.residuals(seen, numbers) ** 2)

    def draw(self, ax: Any, shown: Any, run: Any) -> None:
        from ranvier.plot import appearance

        times, values = shown
        found = run[self.variable]
        for i in range(values.shape[1]):
            colour = appearance.colour(i)
            ax.plot(times, values[:, i], color=appearance.GREY, linewidth=0.6, label="data" if i == 0 else None)
            ax.plot(found.coords["time"], found[:, i], color=colour, linewidth=1.2, label="fit" if i == 0 else None)
        ax.set(xlabel="time (ms)", ylabel=appearance.labelled(self.variable, found.attrs.get("units", "1")))
        ax.legend(fontsize=appearance.SMALL, frameon=False)
