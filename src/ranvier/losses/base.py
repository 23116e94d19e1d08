"""What a loss is, and how it takes its data."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, TypeAlias

import numpy as np

from ranvier import doors, units
from ranvier.errors import ParameterError, not_written, unknown
from ranvier.losses.sum import Sum, as_sum
from ranvier.record.record import Record
from ranvier.result import Result, Spikes
from ranvier.surroundings import inside

Seen: TypeAlias = dict[str, Any]
"""What a run shows of one part: `{variable: [rows, n]}`, and `"spikes"`, `[steps, n]`, bool, or numbers where a surrogate stands in;
with `rv.surrogates.SpikeTimes()` instead `"times"`, `[n, most]`, and `"counts"`, `[n]`."""


@dataclasses.dataclass(frozen=True)
class Window:
    """What the data of a loss are compared with: one part of a prepared network, and its steps.

    Attributes:
        part: the population's name.
        n: its neurons.
        dt: the step (ms).
        first: the step at which the run begins.
    """

    part: str
    n: int
    dt: float
    first: int = 0

    @property
    def begin(self) -> float:
        """When the run begins (ms)."""
        return self.first * self.dt

    def steps_of(self, times: np.ndarray, what: str) -> np.ndarray:
        """The steps of the run, from 0, at which data were taken.

        Raises:
            ParameterError: a time is before the run, or between two steps.
        """
        steps = np.rint(times / self.dt).astype(np.int64)
        off = np.flatnonzero(~np.isclose(steps * self.dt, times, rtol=0.0, atol=1e-6 * max(1.0, self.dt)))
        if len(off):
            raise ParameterError(
                f"{what} has a value at {times[off[0]]:g} ms, which is no step of a run with dt = {self.dt:g} ms: "
                "prepare the network with a dt that the data's times are multiples of, or take the data at the run's times (data.interp)."
            )
        if len(steps) and steps[0] < self.first:
            raise ParameterError(f"{what} begins at {times[0]:g} ms, before the run, which begins at {self.begin:g} ms.")
        if (np.diff(steps) <= 0).any():
            raise ParameterError(f"{what} has times that do not rise.")
        return steps - self.first


@dataclasses.dataclass(frozen=True)
class Target:
    """Data as a loss compares them.

    Attributes:
        numbers: arrays, by name: they are arguments of what is compiled.
        records: what the run must record for it.
        steps: how many steps the run must have at least.
        points: how many values count in it.
        shown: what `Fit.plot` draws: times (ms) and values, or the trains.
    """

    numbers: dict[str, Any]
    records: tuple[Record, ...]
    steps: int
    points: int
    shown: Any


class Loss:
    """Base of losses: how far what a run shows is from data, as one number that is 0 where they agree.

    A loss is a frozen dataclass with two functions: `target` takes the data, checks them, and says what is recorded;
    `value` compares. The part that it is of, a population, may be left out where there is only one.

    Class attributes:
        by_spikes: whether it sees nothing but spikes, through which a gradient passes only with a surrogate.
        by_times: whether it compares spike times, and so goes with `rv.surrogates.SpikeTimes()`.
        by_steps: whether it has no derivative at all, not even with a surrogate: then only methods that ask for none fit by it.
        mean_square: whether it is the (weighted) mean of squares of `residuals`, so that its curvature says how uncertain the
            parameters are.
        on_host: whether `value` is for NumPy arrays.
        data_by_name: whether its data may be a mapping of its own, by names that are not parts'.
    """

    by_spikes: ClassVar[bool] = False
    by_times: ClassVar[bool] = False
    by_steps: ClassVar[bool] = False
    mean_square: ClassVar[bool] = False
    on_host: ClassVar[bool] = False
    data_by_name: ClassVar[bool] = False

    part: str | None

    def __add__(self, other: Any) -> Sum:
        return as_sum(self) + other

    def __mul__(self, factor: float) -> Sum:
        return as_sum(self) * factor

    __rmul__ = __mul__

    def target(self, data: Any, window: Window) -> Target:
        """The data, checked.

        Args:
            data: what the user gave.
            window: what they are compared with.
        """
        raise not_written(self, Loss.target)

    def value(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        """How far it is: a number.

        Args:
            seen: what the run shows of the part.
            numbers: those of the target.
        """
        raise not_written(self, Loss.value)

    def residuals(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        """Of a loss that is a mean of squares the numbers whose squares it sums up, in a row."""
        raise not_written(self, Loss.residuals)

    def between(self, run: Result, data: Any) -> float:
        """How far a run is from data.

        Args:
            run: a run that recorded what the loss compares, in every step where it compares a trace.
            data: as `rv.fit` takes them.

        Example:
            >>> import ranvier as rv
            >>> runs = [rv.simulate(rv.neurons.HodgkinHuxley(), current=I, duration=100.0) for I in (10.0, 10.1)]
            >>> bool(rv.losses.Coincidence(precision=3.0).between(*runs) < rv.losses.Coincidence(precision=0.1).between(*runs))
            True
        """
        part = self.part_of(run.network.populations)
        spikes = run[part].spikes
        window = Window(part, spikes.n, spikes.dt, round(spikes.start / spikes.dt))
        with inside():
            target = self.target(data, window)
            return float(self.value(seen_of(run, part, target), target.numbers))

    def draw(self, ax: Any, shown: Any, run: Any) -> None:
        """Draws a run over the data.

        Args:
            ax: where to draw.
            shown: that of the target.
            run: the part of a run with what the target records.
        """
        raise not_written(self, Loss.draw)

    def part_of(self, populations: Any) -> str:
        """The population that it is of.

        Raises:
            ParameterError, UnknownNameError: there is none of the name, or several and none is named.
        """
        names = list(populations)
        if self.part is None:
            if len(names) > 1:
                raise ParameterError(
                    f"{type(self).__name__} must say which population it is of, as there are {', '.join(names)}: "
                    f"rv.losses.{type(self).__name__}(part={names[0]!r})."
                )
            return names[0]
        if self.part not in names:
            raise unknown("population", self.part, names)
        return self.part


def checked_part(part: Any) -> str | None:
    """The name of a population, which may be given itself."""
    if part is None or isinstance(part, str):
        return part
    if not isinstance(getattr(part, "name", None), str):
        raise doors.refusal("part", part, "a population, or the name of one")
    return str(part.name)


def _of_part(run: Result, window: Window) -> Any:
    """The part of a run that has the name; of a run with one population, that one."""
    names = list(run.network.populations)
    if window.part in names:
        return run[window.part]
    if len(names) > 1:
        raise ParameterError(f"data is a run without a population {window.part!r}; it has {', '.join(names)}.")
    return run[names[0]]


def trace_of(data: Any, variable: str, window: Window) -> tuple[np.ndarray, np.ndarray]:
    """The steps and values `[rows, n]` of data that are a trace.

    Args:
        data: an `xarray.DataArray` with a coordinate `time` (ms) and perhaps a dimension of neurons, a pair
            `(times, values)`, or a `Result` that recorded the variable.
        variable: which one.
        window: what it is compared with.

    Raises:
        ParameterError: it is something else, holds NaN, or has another number of neurons or other times than the run.
    """
    wanted = "a DataArray with a coordinate 'time' (ms), a pair (times, values), or a run that recorded it"
    if isinstance(data, Result):
        own = _of_part(data, window)
        if variable not in own.variables:
            raise ParameterError(
                f"data is a run that recorded {', '.join(own.variables) or 'nothing'} of the population, and {variable} is compared. "
                f"Record it: rv.Record({window.part!r}, {variable!r})."
            )
        data = getattr(own, variable)
    if hasattr(data, "coords") and hasattr(data, "dims"):
        if "time" not in data.coords or data.dims[:1] != ("time",):
            raise doors.refusal("data", data, wanted, "The time is the first dimension.")
        times = np.asarray(units.magnitude(data.coords["time"], "ms", "data: times"), float)
        values = np.asarray(units.magnitude(data, "mV", "data") if variable == "V" else data)
    elif isinstance(data, tuple) and len(data) == 2:
        times, values = doors.numbers(data[0], "data: times", unit="ms", rank=1), data[1]
    else:
        raise doors.refusal("data", data, wanted)
    values = np.asarray(doors.numbers(values, "data", unit="mV" if variable == "V" else "1", rank=(1, 2)))
    values = values[:, None] if values.ndim == 1 else values
    if len(times) != len(values) or not len(values):
        raise ParameterError(f"data has {len(times)} times and {len(values)} values; there must be as many of each, and at least one.")
    if values.shape[1] != window.n:
        raise ParameterError(f"data has {values.shape[1]} traces, but {window.part} has {window.n} neurons: give one for each.")
    return window.steps_of(times, "data"), values


def trains_of(data: Any, window: Window) -> tuple[np.ndarray, np.ndarray, int]:
    """The steps and neurons of data that are spikes, and how many steps they are of.

    Raises:
        ParameterError: they are something else, or of another number of neurons.
    """
    if isinstance(data, Result):
        data = _of_part(data, window).spikes
    if not isinstance(data, Spikes):
        raise doors.refusal("data", data, "spikes: a run, run.spikes, or rv.analysis.from_trains([[10.0, 31.5], …], duration=…)")
    if data.n != window.n:
        raise ParameterError(f"data has {data.n} spike trains, but {window.part} has {window.n} neurons: give one for each.")
    if abs(data.start - window.begin) > 1e-6 * window.dt:
        raise ParameterError(f"data has the spikes from {data.start:g} ms on, but the run begins at {window.begin:g} ms.")
    if not data.stop > data.start:
        raise ParameterError(f"data has the spikes from {data.start:g} to {data.stop:g} ms: there is nothing to compare.")
    steps = np.floor((np.asarray(data.times, float) - data.start) / window.dt + 1e-6).astype(np.int64)
    return steps, np.asarray(data.neurons), max(1, round((data.stop - data.start) / window.dt))


def seen_of(run: Result, part: str, target: Target) -> Seen:
    """What a run shows of a part, as `sim.function` gives it."""
    spikes, seen = run[part].spikes, {}
    steps = spikes.steps - round(spikes.start / spikes.dt)
    for record in target.records:
        for variable in record.names:
            values = run[part][variable]
            times = np.asarray(values.coords["time"])
            every = round((times[1] - times[0]) / spikes.dt) if len(times) > 1 else 1
            wanted = int(record.every_steps or 1)
            if wanted % every:
                raise ParameterError(f"The run recorded {variable} every {every} steps, and the data ask for it every {wanted}.")
            seen[variable] = np.asarray(values)[:: wanted // every]
    return {"spikes": dense_trains(steps, spikes.neurons, target.steps, spikes.n), **seen}


def dense_trains(steps: np.ndarray, neurons: np.ndarray, duration: int, n: int) -> np.ndarray:
    """Spike trains as flags, bool `[duration, n]`."""
    dense = np.zeros((duration, n), bool)
    inside = (steps >= 0) & (steps < duration)
    dense[steps[inside], neurons[inside]] = True
    return dense


def draw_trains(ax: Any, shown: Any, run: Any) -> None:
    """Draws a run's spikes, each neuron's beside those of the data."""
    from ranvier.plot import appearance

    if shown is not None:
        ax.plot(shown[0], shown[1] + 0.2, "|", color=appearance.GREY, label="data")
    ax.plot(run.spikes.times, run.spikes.neurons - 0.2, "|", color=appearance.colour(0), label="fit")
    ax.set(xlabel="time (ms)", ylabel="neuron", ylim=(-0.6, run.spikes.n - 0.4), yticks=range(run.spikes.n) if run.spikes.n < 10 else None)
    ax.legend(fontsize=appearance.SMALL, frameon=False, loc="upper right")
