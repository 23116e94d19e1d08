"""Comma-separated values: a folder with `spikes.csv`, a file for each recorded variable, and `description.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

from ranvier.interop.source import Signal, Source, as_file_name

LINES = 2**15  # of text, or numbers on them, that are in memory at once


def write(source: Source, path: Path) -> None:
    """Writes the folder. `description.json` says what each file and column holds, in which unit."""
    path.mkdir()
    columns = {"time": "ms, the start of its step", "neuron": "counted within its population", "population": "its name"}
    files: dict[str, Mapping[str, str]] = {"spikes.csv": columns}
    write_spikes(path / "spikes.csv", source.pieces(), source.populations, source.dt)
    for s in source.signals:
        name = _free(f"{as_file_name(s.part)}-{as_file_name(s.variable)}", files)
        files[name] = {"time": "ms", "each other column": f"{s.variable} of {s.part} ({s.unit}); its heading is the {s.label}"}
        _write_signal(path / name, s, source.dt)
    said = {"description": source.description, **source.settings, "files": files}
    (path / "description.json").write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_spikes(
    path: Path, pieces: Iterable[tuple[np.ndarray, np.ndarray]], populations: Mapping[str, tuple[int, int]], dt: float
) -> None:
    """Writes a line for each spike: time (ms), neuron within its population, population.

    Args:
        path: of the file.
        pieces: the spikes' steps and neurons (counted over all populations), in order.
        populations: the first neuron and the size of each.
        dt: the length of a step (ms).
    """
    names = list(populations)
    firsts = np.array([first for first, _ in populations.values()], np.int64)
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write("time,neuron,population\n")
        for steps, neurons in pieces:
            for some in _slices(len(steps), LINES):
                which = np.searchsorted(firsts, neurons[some], side="right") - 1
                within = (neurons[some] - firsts[which]).tolist()
                times = _plain(steps[some] * dt, dt)
                file.writelines(f"{t!r},{n},{names[p]}\n" for t, n, p in zip(times, within, which.tolist(), strict=True))


def _plain(times: np.ndarray, dt: float) -> list[float]:
    """Times without the digits that only multiplying by `dt` has made: 0.3, not 0.30000000000000004."""
    return np.round(times, max(0, int(np.ceil(-np.log10(dt))) + 6)).tolist()


def _write_signal(path: Path, s: Signal, dt: float) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        file.write(",".join(["time", *map(str, s.neurons.tolist())]) + "\n")
        for first, block in s.blocks():
            times = _plain(s.times(first, first + len(block)), dt)
            for some in _slices(len(block), max(1, LINES // block.shape[1])):
                rows = block[some].astype(str).tolist()  # the shortest digits that give the number back, in its own precision
                file.writelines(",".join([repr(t), *row]) + "\n" for t, row in zip(times[some], rows, strict=True))


def _slices(length: int, size: int) -> Iterator[slice]:
    return (slice(first, first + size) for first in range(0, length, size))


def _free(stem: str, taken: Mapping[str, object]) -> str:
    name, count = f"{stem}.csv", 1
    while name in taken:
        count += 1
        name = f"{stem}-{count}.csv"
    return name
