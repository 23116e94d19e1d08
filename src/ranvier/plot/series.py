"""What a function is given to draw over time, brought into one form."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from ranvier.errors import ParameterError
from ranvier.plot.appearance import labelled, readable


@dataclasses.dataclass(frozen=True)
class Series:
    """Values over time: `values[time, column]`, with the names of the columns."""

    times: np.ndarray
    values: np.ndarray
    columns: np.ndarray
    one: str
    name: str
    unit: str

    @property
    def label(self) -> str:
        return labelled(readable(self.name), self.unit)

    @property
    def time_label(self) -> str:
        return "time (ms)"


def as_series(values: Any, time: Any = None, neurons: Any = None, at_most: int | None = None) -> Series:
    """Brings a DataArray, or an array `[time]` or `[time, neuron]` with its times, into one form.

    Args:
        values: what to draw.
        time: the times of an array's rows (ms); a DataArray has its own.
        neurons: which columns, by their label in a DataArray, else by their number.
        at_most: how many columns to keep, evenly spaced.

    Raises:
        ParameterError: an array without times, or of another shape.
    """
    own_time = hasattr(values, "dims") and "time" in values.dims
    if own_time:
        others = [d for d in values.dims if d != "time"]
        if len(others) > 1:
            raise ParameterError(
                f"Only (time, neuron) can be drawn over time, but the array has the dimensions {values.dims}. Select from it first."
            )
        array = np.asarray(values.transpose("time", *others).values)
        times = np.asarray(values["time"].values) if "time" in values.coords else np.arange(len(array))
        one = others[0] if others else "neuron"
        columns = np.asarray(values[one].values) if others and one in values.coords else np.arange(array.shape[1] if others else 1)
        if not others and "neuron" in values.coords:
            columns = np.atleast_1d(np.asarray(values["neuron"].values))
        name, unit = str(values.name or ""), str(values.attrs.get("units", ""))
    else:
        array = np.asarray(values)
        if time is None:
            raise ParameterError("An array has no times of its own: give time=… (ms), or a DataArray such as run.V.")
        times, one, name, unit = np.asarray(time, float), "neuron", "", ""
        columns = np.arange(array.shape[1] if array.ndim == 2 else 1)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or len(array) != len(times):
        raise ParameterError(f"Values of shape {array.shape} do not go with {len(times)} times. Give them as (time, neuron).")
    if neurons is not None:
        wanted = np.atleast_1d(np.asarray(neurons))
        missing = [w for w in wanted if w not in columns]
        if missing:
            raise ParameterError(f"There is no {one} {missing[0]} among those recorded ({_span(columns)}).")
        picked = np.array([int(np.flatnonzero(columns == w)[0]) for w in wanted], int)
        array, columns = array[:, picked], columns[picked]
    elif at_most is not None and array.shape[1] > at_most:
        picked = np.unique(np.linspace(0, array.shape[1] - 1, at_most).round().astype(int))
        array, columns = array[:, picked], columns[picked]
    return Series(times, array, columns, one, name, unit)


def _span(columns: np.ndarray) -> str:
    return ", ".join(map(str, columns)) if len(columns) <= 10 else f"{columns[0]} … {columns[-1]}"
