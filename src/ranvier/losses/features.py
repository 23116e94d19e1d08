"""Features of a membrane potential, as electrophysiologists count them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, unknown
from ranvier.losses.base import Loss, Seen, Target, Window, checked_part, trace_of
from ranvier.record.record import Record


@dataclasses.dataclass(frozen=True, eq=False)
class Trace:
    """One trace, its spikes found.

    Attributes:
        t, V: times (ms) and potentials (mV).
        start, stop: when the stimulus is (ms).
        begins: the samples at which the potential comes above the threshold.
        peaks: the samples of the spikes' highest potentials, at or after `start`.
    """

    t: np.ndarray
    V: np.ndarray
    start: float
    stop: float
    begins: np.ndarray
    peaks: np.ndarray

    @classmethod
    def of(cls, t: np.ndarray, V: np.ndarray, start: float, stop: float, threshold: float) -> Trace:
        """A trace; a spike is a stretch above the threshold that has an end."""
        above = threshold < V
        begins, ends = np.flatnonzero(~above[:-1] & above[1:]) + 1, np.flatnonzero(above[:-1] & ~above[1:]) + 1
        ends = ends[ends > begins[0]] if len(begins) else ends[:0]
        begins = begins[: len(ends)]
        peaks = np.array([a + np.argmax(V[a:b]) for a, b in zip(begins, ends, strict=True)], np.int64)
        inside = (t[peaks] >= start) & (t[peaks] <= stop) if len(peaks) else np.zeros(0, bool)
        return cls(t, V, start, stop, begins[inside], peaks[inside])

    def mean_between(self, first: float, last: float) -> float:
        """The mean potential of a stretch of time."""
        some = (self.t >= first) & (self.t <= last)
        return float(self.V[some].mean()) if some.any() else np.nan

    @property
    def lows(self) -> np.ndarray:
        """The lowest potential after each spike, before the next one or the stimulus's end."""
        ends = [*self.peaks[1:], int(np.searchsorted(self.t, self.stop, side="right"))]
        return np.array([self.V[a:b].min() for a, b in zip(self.peaks, ends, strict=False)])

    @property
    def intervals(self) -> np.ndarray:
        """The times between peaks (ms)."""
        return np.diff(self.t[self.peaks])


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _frequency(trace: Trace) -> float:
    if not len(trace.peaks):
        return np.nan
    return 1000.0 * len(trace.peaks) / float(trace.t[trace.peaks[-1]] - trace.start)


def _isi_cv(trace: Trace) -> float:
    intervals = trace.intervals[1:]
    return float(np.std(intervals, ddof=1) / np.mean(intervals)) if len(intervals) > 1 else np.nan


FEATURES: dict[str, tuple[Callable[[Trace], float], str, str]] = {
    "spike_count": (lambda trace: float(len(trace.peaks)), "1", "how many spikes there are during the stimulus"),
    "time_to_first_spike": (
        lambda trace: float(trace.t[trace.peaks[0]]) - trace.start if len(trace.peaks) else np.nan,
        "ms",
        "from the stimulus's start to the first peak",
    ),
    "mean_frequency": (_frequency, "Hz", "spikes over the time from the stimulus's start to the last peak"),
    "ISI_CV": (_isi_cv, "1", "how irregular the intervals after the first are: their standard deviation over their mean"),
    "peak_voltage": (lambda trace: _mean(trace.V[trace.peaks]), "mV", "the mean of the spikes' peaks"),
    "min_AHP_values": (lambda trace: _mean(trace.lows), "mV", "the mean of the lowest potentials after the spikes"),
    "voltage_base": (
        lambda trace: trace.mean_between(0.9 * trace.start, trace.start),
        "mV",
        "the mean potential in the last tenth before the stimulus",
    ),
    "steady_state_voltage_stimend": (
        lambda trace: trace.mean_between(trace.stop - 0.1 * (trace.stop - trace.start), trace.stop),
        "mV",
        "the mean potential in the last tenth of the stimulus",
    ),
    "maximum_voltage": (
        lambda trace: float(trace.V[(trace.t >= trace.start) & (trace.t <= trace.stop)].max()),
        "mV",
        "the highest potential during the stimulus",
    ),
    "minimum_voltage": (
        lambda trace: float(trace.V[(trace.t >= trace.start) & (trace.t <= trace.stop)].min()),
        "mV",
        "the lowest potential during the stimulus",
    ),
}
"""What a feature is computed by, its unit, and what it is. Where eFEL has one, it has this name there, and this value."""
SCALE_OF_NOTHING = 1.0


@dataclasses.dataclass(frozen=True)
class Features(Loss):
    """The mean squared difference of features, each in units of its own spread, as a mean over the neurons.

    Data are a trace, as of `rv.losses.Voltage`, or a mapping from features to their values, one for all neurons or one for each. A
    feature that one of the two does not have, such as an interval where there is one spike, counts as ten spreads. It has no
    derivative; CMA-ES fits by it.

    Args:
        names: which ones; `rv.losses.FEATURES` has them all.
        start, stop: when the stimulus is (ms).
        part: the population; may be left out where there is only one.
        threshold: the potential that a spike passes (mV).
        spreads: what a difference is measured in, by feature; a tenth of the data's value when left out.

    Source: the features' names and definitions are eFEL's (https://efel.readthedocs.io).

    Example:
        >>> import ranvier as rv
        >>> loss = Features(["spike_count", "peak_voltage"], start=20.0, stop=180.0)
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, 20.0, 180.0), duration=200.0)
        >>> {name: round(float(values[0]), 1) for name, values in loss.of(run).items()}
        {'spike_count': 11.0, 'peak_voltage': 31.4}
        >>> loss.between(run, {"spike_count": 11, "peak_voltage": loss.of(run)["peak_voltage"]})
        0.0
    """

    by_steps = True
    on_host = True
    data_by_name = True

    names: tuple[str, ...]
    start: float
    stop: float
    part: str | None = None
    threshold: float = -20.0
    spreads: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        if isinstance(self.names, str) or not isinstance(self.names, list | tuple) or not self.names:
            raise doors.refusal("names", self.names, "a list of features, such as ['spike_count', 'peak_voltage']")
        for name in self.names:
            doors.choice(name, "names", FEATURES)
        object.__setattr__(self, "names", tuple(self.names))
        object.__setattr__(self, "start", doors.duration(self.start, "start"))
        object.__setattr__(self, "stop", doors.interval(self.stop, "stop"))
        if self.stop <= self.start:
            raise ParameterError(f"Features: start is {self.start:g} ms and stop {self.stop:g} ms; the stimulus must end after it starts.")
        object.__setattr__(self, "part", checked_part(self.part))
        object.__setattr__(self, "threshold", doors.number(self.threshold, "threshold", unit="mV"))
        if self.spreads is not None:
            given = doors.mapping(self.spreads, "spreads", "{'peak_voltage': 2.0}")
            doors.only(given, self.names, "spreads")
            object.__setattr__(self, "spreads", {name: doors.positive(x, f"spreads[{name!r}]") for name, x in given.items()})

    def of(self, run: Any) -> dict[str, np.ndarray]:
        """The features of a run that recorded V, or of a `DataArray`, by name, each `[n]`; NaN where there is none."""
        part = self.part_of(run.network.populations) if hasattr(run, "network") else None
        V = run[part].V if part is not None else run
        times, values = np.asarray(V.coords["time"], float), np.asarray(V, float)
        found = self._features(times, values.reshape(len(times), -1))
        return dict(zip(self.names, found, strict=True))

    def _features(self, times: np.ndarray, values: np.ndarray) -> np.ndarray:
        traces = [Trace.of(times, V, self.start, self.stop, self.threshold) for V in values.T]
        return np.array([[FEATURES[name][0](trace) for trace in traces] for name in self.names])

    def target(self, data: Any, window: Window) -> Target:
        last = window.begin + np.ceil(round(self.stop / window.dt, 6)) * window.dt
        shown: Any = None
        if isinstance(data, Mapping):
            for name in self.names:
                if name not in data:
                    raise unknown("feature", name, data) if data else ParameterError("data has no features.")
            rows = [doors.numbers(data[name], f"data: {name}", rank=(0, 1), unit=FEATURES[name][1]) for name in self.names]
            wrong = [name for name, row in zip(self.names, rows, strict=True) if row.shape not in ((), (window.n,))]
            if wrong:
                raise ParameterError(f"data: {wrong[0]} must be one number, or one for each of the {window.n} neurons of {window.part}.")
            wanted = np.stack([np.broadcast_to(row, (window.n,)) for row in rows])
        else:
            steps, values = trace_of(data, "V", window)
            times = window.begin + steps * window.dt
            if times[-1] < self.stop - window.dt:
                raise ParameterError(f"data end at {times[-1]:g} ms, before the stimulus, which ends at {self.stop:g} ms (stop).")
            wanted, shown = self._features(times, values), (times, values)
        spreads = self.spreads or {}
        tenth = np.where(np.abs(wanted) > 0, 0.1 * np.abs(wanted), SCALE_OF_NOTHING)
        rows = [np.full(window.n, spreads[name]) if name in spreads else row for name, row in zip(self.names, tenth, strict=True)]
        numbers = {"wanted": wanted, "spread": np.where(np.isfinite(rows), rows, SCALE_OF_NOTHING), "dt": window.dt, "begin": window.begin}
        duration = round((last - window.begin) / window.dt) + 1
        return Target(numbers, (Record(window.part, "V", every_steps=1),), duration, wanted.size, shown)

    def value(self, seen: Seen, numbers: dict[str, Any]) -> Any:
        V = np.asarray(seen["V"], float)
        found = self._features(numbers["begin"] + np.arange(len(V)) * numbers["dt"], V)
        lacks, wanted = np.isnan(found), numbers["wanted"]
        off = np.where(lacks & np.isnan(wanted), 0.0, (found - wanted) / numbers["spread"])
        return float(np.mean(np.where(lacks != np.isnan(wanted), 10.0, off) ** 2))

    def draw(self, ax: Any, shown: Any, run: Any) -> None:
        from ranvier.plot import appearance

        if shown is not None:
            ax.plot(*shown, color=appearance.GREY, linewidth=0.6)
        ax.plot(run.V.coords["time"], run.V, color=appearance.colour(0))
        ax.set(xlabel="time (ms)", ylabel=appearance.labelled("V", "mV"))
