"""A run as named arrays over named dimensions, as NetCDF and Zarr hold it and xarray reads it.

`POPULATION_spike_time` (ms) and `POPULATION_spike_neuron` (within the population) over `POPULATION_spike`; `PART_VARIABLE` over
`PART_time` (ms) and `PART_neuron`, which are variables too. A second schedule of a part has `PART_time_2` and so on.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ranvier.interop.source import Signal, Source


@dataclasses.dataclass(frozen=True)
class Variable:
    """An array: its name, dimensions, attributes, and its values in blocks of rows."""

    name: str
    dims: tuple[str, ...]
    attributes: dict[str, str]
    shape: tuple[int, ...]
    dtype: np.dtype
    blocks: Callable[[], Iterable[np.ndarray]]

    @property
    def nbytes(self) -> int:
        """Of all its values."""
        return math.prod(self.shape) * self.dtype.itemsize


def variables(source: Source) -> list[Variable]:
    """All of a run."""
    counts = dict.fromkeys(source.populations, 0)
    for _, neurons in source.pieces():
        for name, (first, n) in source.populations.items():
            counts[name] += int(((neurons >= first) & (neurons < first + n)).sum())
    found = []
    for name, count in counts.items():
        for what, unit, dtype in (("time", "ms", np.float64), ("neuron", "1", np.int64)):
            about = {"units": unit, "long_name": f"{what} of each spike of {name}"}
            values = functools.partial(_spikes, source, name, what)
            found.append(Variable(f"{name}_spike_{what}", (f"{name}_spike",), about, (count,), np.dtype(dtype), values))
    axes: dict[str, list[Any]] = {}
    for s in source.signals:
        rows, columns = s.shape
        schedule = (s.start, s.every, rows) if s.every is not None else s.times(0, rows).tolist()
        across = {"long_name": f"{s.label} of {s.part}"}
        dims = []
        of_axes: list[tuple[str, Any, int, type, dict[str, str], Callable[[], Iterable[np.ndarray]]]] = [
            (f"{s.part}_time", schedule, rows, np.float64, {"units": "ms", "long_name": "time"}, functools.partial(_times, s)),
            (f"{s.part}_{s.label}", s.neurons.tolist(), columns, np.int64, across, functools.partial(list, [s.neurons])),
        ]
        for axis, same, size, kind, about_axis, coordinates in of_axes:
            known = axes.setdefault(axis, [])
            if new := same not in known:
                known.append(same)
            number = known.index(same) + 1
            dims.append(axis if number == 1 else f"{axis}_{number}")
            if new:
                found.append(Variable(dims[-1], (dims[-1],), about_axis, (size,), np.dtype(kind), coordinates))
        about = {"units": s.unit, "long_name": f"{s.variable} of {s.part}"}
        found.append(Variable(f"{s.part}_{s.variable}", tuple(dims), about, s.shape, s.dtype, functools.partial(_rows, s)))
    return found


def _spikes(source: Source, population: str, what: str) -> Iterator[np.ndarray]:
    first, n = source.populations[population]
    for steps, neurons in source.pieces():
        mine = (neurons >= first) & (neurons < first + n)
        yield steps[mine] * source.dt if what == "time" else (neurons[mine] - first).astype(np.int64)


def _rows(signal: Signal) -> Iterator[np.ndarray]:
    return (block for _, block in signal.blocks())


def _times(signal: Signal) -> Iterator[np.ndarray]:
    return (signal.times(first, first + len(block)) for first, block in signal.blocks())
