"""What is kept of each run of a sweep: numbers with names, dimensions and units."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError
from ranvier.result import Result

MEASURES = ("spike_count", "mean_rate", "first_spike", "neuron_rate")
"""What can be asked of each population."""

_TEXT = {
    "spike_count": ("1", "spikes of each neuron of"),
    "mean_rate": ("Hz", "mean firing rate of"),
    "first_spike": ("ms", "first spike of each neuron of"),
    "neuron_rate": ("Hz", "firing rate of each neuron of"),
}


@dataclasses.dataclass(frozen=True, eq=False)
class Found:
    """One quantity of one run.

    Attributes:
        values: of any shape.
        dims: the names of its axes.
        coords: what labels them, by dimension.
        attrs: unit and meaning.
    """

    values: np.ndarray
    dims: tuple[str, ...] = ()
    coords: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    attrs: Mapping[str, str] = dataclasses.field(default_factory=dict)


Outcome = dict[str, Found]


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What is kept of each run: measures of the spikes, all that is recorded, and functions of the result."""

    measures: tuple[str, ...]
    functions: tuple[tuple[str, Callable[[Result], Any]], ...]

    def of(self, result: Result) -> Outcome:
        """It, of one run."""
        found: Outcome = {}
        axes = _Axes()
        for population, (_, n) in result.spikes.populations.items():
            axes.named(f"{population}.neuron", np.arange(n))
            found.update(_measured(result, population, self.measures))
        for record in result.records:
            times = np.asarray(record.times)
            dims = [axes.named("time", times)]
            values = np.asarray(record.values)
            alone = result.spikes.populations.get(record.part, (0, 0))[1] == 1
            if values.shape[1] == 1 and (record.label == "value" or alone):
                values = values[:, 0]
            else:
                dims.append(axes.named(f"{record.part}.{record.label}", np.asarray(record.neurons)))
            coords = {dim: axes.coords[dim] for dim in dims}
            attrs = {"units": record.unit, "long_name": f"{record.variable} of {record.part}"}
            found[f"{record.part}.{record.variable}"] = Found(values, tuple(dims), coords, attrs)
        for name, function in self.functions:
            found[name] = _computed(name, function, result)
        return found


class _Axes:
    """Names for axes: one name for equal ones, numbered where they differ."""

    def __init__(self) -> None:
        self.coords: dict[str, np.ndarray] = {}

    def named(self, base: str, values: np.ndarray) -> str:
        name, count = base, 1
        while name in self.coords and not np.array_equal(self.coords[name], values):
            count += 1
            name = f"{base}_{count}"
        self.coords[name] = values
        return name


def same(a: Result, b: Result) -> bool:
    """Whether two runs are one and the same, bit for bit: all spikes, all records, and the state at the end."""
    pairs = [(a.spikes.steps, b.spikes.steps), (a.spikes.neurons, b.spikes.neurons)]
    pairs += [(x.values, y.values) for x, y in zip(a.records, b.records, strict=True)]
    known = {name: min(len(x), len(b.state.in_flight[name])) for name, x in a.state.in_flight.items()}  # how far back both look
    compared = lambda s: dataclasses.replace(s, memory=(), in_flight={name: s.in_flight[name][:n] for name, n in known.items()})
    mine, theirs = (jax.tree.leaves(compared(r.state)) for r in (a, b))
    pairs += list(zip(mine, theirs, strict=True))
    return all(np.array_equal(x, y, equal_nan=np.asarray(x).dtype.kind == "f") for x, y in pairs)


def _measured(result: Result, population: str, measures: Sequence[str]) -> Outcome:
    spikes = result.spikes[population]
    span = spikes.stop - spikes.start
    counts = spikes.counts
    rates = counts / span * 1000.0 if span > 0 else np.zeros(spikes.n)
    values: dict[str, Any] = {
        "spike_count": counts.astype(np.float64),
        "mean_rate": np.float64(rates.mean()) if spikes.n else np.float64(0.0),
        "neuron_rate": rates,
    }
    if "first_spike" in measures:
        first = np.full(spikes.n, np.nan)
        who, where = np.unique(spikes.neurons, return_index=True)
        first[who] = spikes.times[where]
        values["first_spike"] = first
    found: Outcome = {}
    for measure in measures:
        unit, text = _TEXT[measure]
        attrs = {"units": unit, "long_name": f"{text} {population}"}
        array = np.asarray(values[measure])
        if array.ndim and spikes.n == 1:
            array = array[0]
        dim = f"{population}.neuron"
        coords = {dim: np.arange(spikes.n)} if array.ndim else {}
        found[f"{population}.{measure}"] = Found(np.asarray(array), (dim,) if array.ndim else (), coords, attrs)
    return found


def _computed(name: str, function: Callable[[Result], Any], result: Result) -> Found:
    try:
        value = function(result)
    except Exception as error:
        error.add_note(
            f"The sweep's function {name!r} raised it, of a run with {len(result.spikes)} spikes and the seed {result.info['seed']}."
        )
        raise
    dims = getattr(value, "dims", None)
    attrs = {k: v for k, v in getattr(value, "attrs", {}).items() if isinstance(v, str)}
    coords = {d: np.asarray(value.coords[d]) for d in dims if d in value.coords} if dims is not None else {}
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        raise ParameterError(
            f"The function {name!r} gave {type(value).__name__}, but it must give a number, or an array of numbers that has the same shape "
            "in every run."
        )
    if array.dtype.kind != "f":
        array = array.astype(np.float64)  # there is a NaN where a run diverges
    return Found(array, tuple(dims) if dims is not None else tuple(f"{name}.axis_{i}" for i in range(array.ndim)), coords, attrs)
