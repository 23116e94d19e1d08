"""The stores under a folder, and windows on what is in them."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import ParameterError, RanvierError, StoreError, unknown
from ranvier.store import layout
from ranvier.store.counts import FACTOR, LEVELS, ROWS
from ranvier.store.reader import StoredRun, open_store

DEEPEST = 4  # folders below the root
MOST_STORES = 500
MOST_EVENTS = 20_000
MOST_RAW = 10**6  # spikes that are read one by one; beyond, the pyramid of counts
MOST_PIXELS = 4096
MOST_TRACES = 16


@dataclasses.dataclass(frozen=True)
class Window:
    """A part of a raster: times (ms), neurons, and into how many pixels it goes."""

    t0: float
    t1: float
    n0: int
    n1: int
    width: int
    height: int

    @classmethod
    def of(cls, message: dict[str, Any], run: StoredRun) -> Window:
        """From what a page asked for, kept inside the run.

        Raises:
            ParameterError: it is no window.
        """
        begin, end = run.info["start_step"] * run.info["dt"], run.info["written_step"] * run.info["dt"]
        number = lambda name, default: _number(message, name, default)
        t0, t1 = max(begin, number("t0", begin)), min(end, number("t1", end))
        n0, n1 = max(0, int(number("n0", 0))), min(run.info["n"], int(number("n1", run.info["n"])))
        width, height = (min(MOST_PIXELS, max(1, int(number(name, 800)))) for name in ("width", "height"))
        if end > begin and not (t0 < t1 and n0 < n1):
            raise ParameterError(f"There is nothing from {t0:g} to {t1:g} ms of neurons {n0} to {n1}.")
        return cls(t0, t1, n0, n1, width, height)


def _number(message: dict[str, Any], name: str, default: float) -> float:
    value = message.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ParameterError(f"{name} must be a number, not {value!r}.")
    return float(value)


class Stores:
    """The stores under a root, by an id that says nothing about where they are.

    Args:
        root: the folder to look in, or a store itself.
    """

    def __init__(self, root: Path):
        self.root = root.resolve()
        self._opened: dict[str, tuple[tuple[int, int], StoredRun]] = {}

    def _folders(self) -> Iterator[Path]:
        waiting, found = [(self.root, 0)], 0
        while waiting and found < MOST_STORES:
            folder, depth = waiting.pop()
            if (folder / layout.METADATA).is_file() and (folder / layout.PROVENANCE).exists():
                found += 1
                yield folder
            elif depth < DEEPEST:
                try:
                    below = sorted(Path(e.path) for e in os.scandir(folder) if e.is_dir(follow_symlinks=False) and e.name[0] != ".")
                except OSError:
                    continue
                waiting += [(path, depth + 1) for path in reversed(below)]

    def name_of(self, path: Path) -> str:
        """A store's path below the root."""
        return str(path.relative_to(self.root)) if path != self.root else path.name

    def id_of(self, path: Path) -> str:
        return hashlib.sha256(self.name_of(path).encode()).hexdigest()[:16]

    def place_for(self, name: str, seed: Any) -> Path:
        """Where a new run can be kept: a place below the root where nothing is.

        Raises:
            ParameterError: the root is a store itself.
        """
        if (self.root / layout.METADATA).is_file():
            raise ParameterError("This lab was started on a single store. Start it on a folder, ranvier lab DIR, to keep runs there.")
        stem = f"{re.sub(r'[^A-Za-z0-9_-]+', '-', name.removesuffix('.py'))}-seed{int(seed)}"
        places = (self.root / f"{stem}{'' if i == 1 else f'-{i}'}.zarr" for i in itertools.count(1))
        return next(place for place in places if not os.path.lexists(place))

    def listed(self) -> list[dict[str, Any]]:
        """One entry a store; of one that cannot be read, why."""
        entries = []
        for path in self._folders():
            entry: dict[str, Any] = {"id": self.id_of(path), "name": self.name_of(path), "root": path == self.root}
            try:
                run = self.opened(entry["id"], path)
                info = run.info
                entry |= {
                    "status": run.status,
                    "reached": info["written_step"] * info["dt"],
                    "target": info["target_step"] * info["dt"],
                    "neurons": info["n"],
                    "spikes": len(run.spikes),
                    "written": (path / layout.METADATA).stat().st_mtime,
                }
            except (RanvierError, KeyError, OSError) as error:
                entry["problem"] = str(error)
            entries.append(entry)
        return sorted(entries, key=lambda entry: -entry.get("written", 0.0))

    def opened(self, name: Any, path: Path | None = None) -> StoredRun:
        """A store by its id, as it is now; a link out of the root is none.

        Raises:
            UnknownNameError: there is no such store.
            StoreError: it cannot be read.
        """
        if path is None:
            path = next((p for p in self._folders() if self.id_of(p) == name), None)
        if path is None or not path.resolve().is_relative_to(self.root):
            raise unknown("store", name if isinstance(name, str) else repr(name), ())
        try:
            stat = (path / layout.METADATA).stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
            known = self._opened.get(str(name))
            if known is None or known[0] != stamp:
                self._opened[str(name)] = known = (stamp, open_store(path))
            return known[1]
        except (KeyError, OSError) as error:
            if isinstance(error, RanvierError):
                raise
            raise StoreError(f"{self.name_of(path)} is being made; look again in a moment.") from None


def described(run: StoredRun) -> dict[str, Any]:
    """What a page is told of a store."""
    info = run.info
    records = [
        {
            "part": r.part,
            "variable": r.variable,
            "unit": r.unit,
            "columns": [int(i) for i in np.asarray(r.neurons)[:1000]],
            "label": r.label,
        }
        for r in run.records
    ]
    try:
        came = run.provenance
        provenance = {name: came[name] for name in ("network_hash", "script", "git", "sessions") if came.get(name)}
        provenance |= came.get("build", {}).get("versions", {})
    except (RanvierError, KeyError):
        provenance = {}
    shown = ("dt", "seed", "precision", "integrator", "n")
    return {
        "status": run.status,
        "resumable": run.status in ("stopped", "interrupted", "failed") and any(run.checkpoints),
        "start": info["start_step"] * info["dt"],
        "reached": info["written_step"] * info["dt"],
        "target": info["target_step"] * info["dt"],
        "spikes": len(run.spikes),
        "facts": {name: info[name] for name in shown if name in info},
        "populations": [{"name": name, "first": p["first"], "n": p["n"]} for name, p in info["populations"].items()],
        "projections": list(info["projections"]),
        "records": records,
        "provenance": provenance,
    }


def raster(run: StoredRun, window: Window) -> tuple[str, dict[str, Any], list[np.ndarray]]:
    """The spikes in a window: one by one where they are few, else counted by pixel.

    Returns:
        `"events"` (steps since the header's `k0`, neurons) or `"tile"` (counts, row by row from the lowest neuron), the header, numbers.
    """
    dt = run.info["dt"]
    k0, k1 = math.floor(window.t0 / dt), math.ceil(window.t1 / dt)
    source = run._stored.spikes
    header: dict[str, Any] = {"t0": window.t0, "t1": window.t1, "n0": window.n0, "n1": window.n1, "dt": dt, "k0": k0}
    level = _level(run, k0, k1, window.width) if _at_most(run, k0, k1) > MOST_RAW else None
    if level is None:
        steps, neurons = source.between(k0, k1)
        inside = (neurons >= window.n0) & (neurons < window.n1)
        steps, neurons = steps[inside], neurons[inside]
        header["spikes"] = len(steps)
        if len(steps) <= MOST_EVENTS:
            return "events", header, [(steps - k0).astype(np.uint32), neurons.astype(np.uint32)]
        height = min(window.height, window.n1 - window.n0)
        return "tile", {**header, "width": window.width, "height": height}, [_counted(steps, neurons, k0, k1, window, height)]
    counts = _from_pyramid(run, k0, k1, window, level)
    header |= {"spikes": int(counts.sum()), "width": counts.shape[1], "height": counts.shape[0], "coarse": True}
    return "tile", header, [np.minimum(counts, 65535).astype(np.uint16)]


def _at_most(run: StoredRun, k0: int, k1: int) -> int:
    """How many spikes a window of steps can hold, from the list of chunks alone."""
    firsts = run._stored.arrays[f"{layout.SPIKES}/{layout.CHUNK_FIRST_STEP}"][:]
    begin, end = (int(np.searchsorted(firsts, k, side="left")) for k in (k0, k1))
    return (end - max(0, begin - 1)) * layout.SPIKES_PER_CHUNK


def _counted(steps: np.ndarray, neurons: np.ndarray, k0: int, k1: int, window: Window, height: int) -> np.ndarray:
    column = (steps - k0) * window.width // (k1 - k0)
    row = (neurons.astype(np.int64) - window.n0) * height // (window.n1 - window.n0)
    counts = np.bincount(row * window.width + column, minlength=height * window.width)
    return np.minimum(counts, 65535).astype(np.uint16)


def _level(run: StoredRun, k0: int, k1: int, width: int) -> int:
    """The coarsest level of the pyramid that still has a bin for each column."""
    finest = run._stored.arrays[f"{layout.COUNTS}/0"].form.attributes["steps_per_bin"]
    fitting = [i for i in range(LEVELS) if (k1 - k0) // (finest * FACTOR**i) >= width]
    return max(fitting, default=0)


def _from_pyramid(run: StoredRun, k0: int, k1: int, window: Window, level: int) -> np.ndarray:
    """Counts `[rows, columns]` of a window: bins of a level, of the finer ones where that is not over yet, then single spikes."""
    n, first = int(run.info["n"]), int(run.info["start_step"])
    per_row = max(1, -(-n // ROWS))
    rows = -(-n // per_row)
    height = min(window.height, rows)
    counts = np.zeros((height, window.width), np.int64)
    row = np.arange(rows) * per_row
    place = (row - window.n0) * height // max(1, window.n1 - window.n0)
    seen = (row + per_row > window.n0) & (row < window.n1)
    place = np.clip(place, 0, height - 1)
    at = max(k0, first)
    for i in range(level, -1, -1):
        array = run._stored.arrays[f"{layout.COUNTS}/{i}"]
        size = int(array.form.attributes["steps_per_bin"])
        begin, end = (at - first) // size, min(int(array.shape[0]), -(-(k1 - first) // size))
        if end > begin:
            bins = np.asarray(array[begin:end], np.int64)[:, seen]
            column = np.clip((first + np.arange(begin, end) * size - k0) * window.width // (k1 - k0), 0, window.width - 1)
            np.add.at(counts, (place[seen][None, :], column[:, None]), bins)
            at = first + end * size
    if at < k1:
        steps, neurons = run._stored.spikes.between(at, k1)
        inside = (neurons >= window.n0) & (neurons < window.n1)
        steps, neurons = steps[inside], neurons[inside].astype(np.int64)
        np.add.at(counts, ((neurons - window.n0) * height // (window.n1 - window.n0), (steps - k0) * window.width // (k1 - k0)), 1)
    return counts


def traces(run: StoredRun, message: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
    """Records in a window: least and greatest value of each column of pixels, float32 `[traces, width, 2]`.

    Raises:
        UnknownNameError: nothing of that name was recorded.
    """
    window = Window.of(message, run)
    part, variable = message.get("part"), message.get("variable")
    found = next((r for r in run.records if r.part == part and r.variable == variable), None)
    if found is None:
        raise unknown("record", f"{part}.{variable}", [f"{r.part}.{r.variable}" for r in run.records])
    asked = message.get("columns", [0])
    if not isinstance(asked, list) or not all(isinstance(i, int) and 0 <= i < found.values.shape[1] for i in asked):
        raise ParameterError(f"columns must be whole numbers from 0 to {found.values.shape[1] - 1}, not {asked!r}.")
    asked = asked[:MOST_TRACES]
    times = np.asarray(found.times)
    first, stop = np.searchsorted(times, [window.t0, window.t1])
    first, stop = max(0, int(first) - 1), min(len(times), int(stop) + 1)
    values = np.stack([np.asarray(found.values[first:stop, i]) for i in asked]) if asked else np.zeros((0, stop - first))
    bins = min(window.width, max(1, stop - first))
    edges = np.linspace(0, stop - first, bins + 1).astype(int)[:-1]
    if stop > first:
        both = np.stack([np.minimum.reduceat(values, edges, axis=1), np.maximum.reduceat(values, edges, axis=1)], axis=-1)
        span = [float(times[first]), float(times[stop - 1])]
    else:
        both, span = np.zeros((len(asked), 0, 2)), [window.t0, window.t1]
    header = {
        "part": part,
        "variable": variable,
        "unit": found.unit,
        "t0": span[0],
        "t1": span[1],
        "columns": asked,
        "width": both.shape[1],
    }
    return header, both.astype(np.float32)


def statistics(run: StoredRun, message: dict[str, Any]) -> dict[str, Any]:
    """Of a population in a window: rates, intervals, their variation, the rate over time and its spectrum. At most a million spikes."""
    window = Window.of(message, run)
    population = message.get("population")
    parts = run.info["populations"]
    if population not in parts:
        raise unknown("population", str(population), parts)
    first, n, dt = parts[population]["first"], parts[population]["n"], run.info["dt"]
    k0, k1 = math.floor(window.t0 / dt), math.ceil(window.t1 / dt)
    whole = True
    while _at_most(run, k0, k1) > 4 * MOST_RAW and k1 - k0 > 2:
        k1, whole = (k0 + k1) // 2, False
    steps, neurons = run._stored.spikes.between(k0, k1)
    mine = (neurons >= first) & (neurons < first + n)
    steps, neurons = steps[mine], neurons[mine] - first
    seconds = (k1 - k0) * dt / 1000
    rates = np.bincount(neurons, minlength=n) / seconds
    order = np.lexsort((steps, neurons))
    gaps, same = np.diff(steps[order]) * dt, np.diff(neurons[order]) == 0
    intervals, owner = gaps[same], neurons[order][1:][same]
    many = np.bincount(owner, minlength=n)
    mean = np.bincount(owner, intervals, minlength=n) / np.maximum(many, 1)
    square = np.bincount(owner, intervals**2, minlength=n) / np.maximum(many, 1)
    variation = (np.sqrt(np.maximum(square - mean**2, 0)) / np.maximum(mean, 1e-12))[many >= 3]
    width = max(dt, 1.0)
    bins = max(1, math.ceil((k1 - k0) * dt / width))
    over_time = np.bincount(((steps - k0) * dt / width).astype(int).clip(0, bins - 1), minlength=bins) / max(n, 1) / width * 1000
    shown = min(bins, 400)
    grouped = np.add.reduceat(over_time, np.linspace(0, bins, shown + 1).astype(int)[:-1]) / (bins / shown)
    return {
        "population": population,
        "neurons": n,
        "t0": k0 * dt,
        "t1": k1 * dt,
        "whole": whole,
        "spikes": len(steps),
        "rate": float(rates.mean()) if n else 0.0,
        "cv": float(variation.mean()) if len(variation) else None,
        "rates": _histogram(rates, 0.0, max(1.0, float(rates.max(initial=0.0)))),
        "intervals": _histogram(intervals, 0.0, float(np.quantile(intervals, 0.99)) if len(intervals) else 1.0),
        "variations": _histogram(variation, 0.0, max(2.0, float(np.quantile(variation, 0.995)) if len(variation) else 0.0)),
        "over_time": {"from": k0 * dt, "step": (k1 - k0) * dt / shown, "values": [round(float(x), 4) for x in grouped]},
        "spectrum": _spectrum(over_time, width),
    }


def _histogram(values: np.ndarray, low: float, high: float, bins: int = 40) -> dict[str, Any]:
    counts, edges = np.histogram(values, bins, (low, high if high > low else low + 1.0))
    return {"from": float(edges[0]), "step": float(edges[1] - edges[0]), "values": counts.tolist()}


def _spectrum(rate: np.ndarray, width: float) -> dict[str, Any]:
    """The power of the rate over frequency, averaged over half-overlapping pieces (Welch)."""
    length = min(len(rate), 512)
    if length < 16:
        return {"from": 0.0, "step": 1.0, "values": []}
    taper = np.hanning(length)
    pieces = [rate[i : i + length] for i in range(0, len(rate) - length + 1, length // 2)]
    power = np.mean([np.abs(np.fft.rfft((p - p.mean()) * taper)) ** 2 for p in pieces], axis=0) * 2 * width / 1000 / (taper**2).sum()
    step = 1000 / (length * width)
    return {"from": step, "step": step, "values": [round(float(x), 6) for x in power[1:]]}
