"""What a SONATA simulation puts in: spikes of virtual nodes, and currents."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.interop.sonata_in.config import Config
from ranvier.interop.sonata_in.nodes import NodePopulation, NodeSets
from ranvier.stimuli.base import Stimulus
from ranvier.stimuli.pulses import SquarePulse

Trains = dict[str, list[tuple[np.ndarray, np.ndarray]]]
HDF5 = ("h5", "sonata")


class Inputs:
    """What comes in.

    Attributes:
        trains: of each SONATA population, pairs of rows and times (ms).
        currents: of each population that nodes became, what is injected.
    """

    def __init__(self, nodes: Mapping[str, NodePopulation], sets: NodeSets):
        self._nodes, self._sets = nodes, sets
        self.trains: Trains = {}
        self.currents: dict[str, Stimulus] = {}

    def read(self, config: Config) -> None:
        """Reads all inputs of a configuration.

        Raises:
            UnsupportedError: one is of a kind that there is nothing for.
            ParameterError: a file cannot be read.
        """
        for name, given in config.section("inputs").items():
            what = f"the input {name!r}"
            if not isinstance(given, dict):
                raise ParameterError(f"SONATA: {what} must be an object, not {given!r}.")
            if given.get("enabled", True) is False:
                continue
            kind, module = given.get("input_type"), given.get("module")
            if kind == "spikes" and module in (*HDF5, "csv"):
                self._spikes(given, config.place(given.get("input_file"), f"input_file of {what}"), str(module), what)
            elif kind == "current_clamp" and module == "IClamp" and "input_file" not in given:
                self._clamp(given, what)
            else:
                raise UnsupportedError(
                    f"SONATA: {what} has the input_type {kind!r} and the module {module!r}. "
                    "There are 'spikes' from 'sonata', 'h5' and 'csv' files, and 'current_clamp' by 'IClamp' with amp, delay and duration."
                )

    def _spikes(self, given: Mapping[str, Any], path: Path, module: str, what: str) -> None:
        allowed = self._sets.find(given.get("node_set"), what)
        read = _from_csv if module == "csv" else _from_hdf5
        for name, ids, times in read(path, what):
            if name is None:
                if len(allowed) != 1:
                    raise ParameterError(
                        f"SONATA: {path} does not say whose its spikes are, and {what} is for {', '.join(allowed)}: choose one."
                    )
                name = next(iter(allowed))
            if name not in allowed:
                continue
            population = self._nodes[name]
            rows = population.rows(ids, what)
            mine = np.isin(rows, allowed[name])
            if not mine.any():
                continue
            if any(population.groups[g].cells is not None for g in np.unique(population.group_of[rows[mine]])):
                raise ParameterError(f"SONATA: {what} gives spikes to nodes of {name!r} that are not virtual.")
            self.trains.setdefault(name, []).append((rows[mine], np.asarray(times, np.float64)[mine]))

    def _clamp(self, given: Mapping[str, Any], what: str) -> None:
        amount, start, length = (doors.number(given.get(key), f"SONATA: {key} of {what}") for key in ("amp", "delay", "duration"))
        for name, rows in self._sets.find(given.get("node_set"), what).items():
            population = self._nodes[name]
            for group in population.groups:
                chosen = np.isin(group.rows, rows)
                if not chosen.any():
                    continue
                if group.cells is None or group.cells.currents is None:
                    raise UnsupportedError(f"SONATA: {what} injects a current into {group.name!r} ({group.template}), which takes none.")
                pulse = SquarePulse(amount * group.cells.currents * chosen, start=start, stop=start + length)
                self.currents[group.name] = self.currents[group.name] + pulse if group.name in self.currents else pulse


def _from_hdf5(path: Path, what: str) -> list[tuple[str | None, np.ndarray, np.ndarray]]:
    """Whose spikes, which nodes, when."""
    import h5py

    try:
        with h5py.File(path) as file:
            spikes = file["spikes"]
            if "timestamps" in spikes:  # before populations were in it
                return [(None, spikes["gids" if "gids" in spikes else "node_ids"][:], _times(spikes))]
            return [(name, group["node_ids"][:], _times(group)) for name, group in spikes.items()]
    except (OSError, KeyError) as error:
        raise ParameterError(f"SONATA: the spikes of {what} cannot be read from {path}: {error}") from None


def _times(group: Any) -> np.ndarray:
    unit = group["timestamps"].attrs.get("units", "ms")
    unit = unit.decode() if isinstance(unit, bytes) else str(unit)
    scale = {"ms": 1.0, "milliseconds": 1.0, "s": 1000.0, "seconds": 1000.0}.get(unit)
    if scale is None:
        raise ParameterError(f"SONATA: spike times are in {unit!r}; they must be in 'ms'.")
    return scale * np.asarray(group["timestamps"][:], np.float64)


def _from_csv(path: Path, what: str) -> list[tuple[str | None, np.ndarray, np.ndarray]]:
    """The same from columns `timestamps`, `population` and `node_ids`."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [row for row in csv.reader(file, delimiter=" ", skipinitialspace=True) if row]
        head = rows[0] if rows else []
        columns = {key: [row[head.index(key)] for row in rows[1:]] for key in head}
        times, ids = np.array(columns["timestamps"], np.float64), np.array(columns["node_ids"], np.int64)
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise ParameterError(f"SONATA: the spikes of {what} cannot be read from {path}: {error}") from None
    if "population" not in columns:
        return [(None, ids, times)]
    names = np.array(columns["population"])
    return [(str(name), ids[names == name], times[names == name]) for name in dict.fromkeys(columns["population"])]
