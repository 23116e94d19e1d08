"""SONATA output: a folder with `spikes.h5` and a report for each recorded variable.

The format: https://github.com/AllenInstitute/sonata, docs/SONATA_DEVELOPER_GUIDE.md, "Output file formats". One point
follows the reference reader (libsonata), not the guide: `index_pointers` has one entry more than there are nodes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import UnsupportedError, warn
from ranvier.interop.hdf5 import Written, written
from ranvier.interop.source import Signal, Source

SORTING = {"none": 0, "by_id": 1, "by_time": 2}
CHUNK = 2**13


def write(source: Source, path: Path) -> None:
    """Writes the folder: `spikes.h5`, and `VARIABLE_report.h5` for each variable, with a group for each population.

    Node ids count within the population, from 0; times are in ms; values are
    single precision, as the format asks. Reports are of nodes: what was
    recorded of a projection has no place in them and is left out, with a warning.

    Raises:
        UnsupportedError: h5py is not installed.
    """
    try:
        import h5py
    except ImportError:
        raise UnsupportedError("SONATA files need h5py. Install it with: pip install 'ranvier[sonata]'") from None
    path.mkdir()
    with written(path / "spikes.h5") as (file, disk):
        _describe(file, source)
        _write_spikes(file, source, h5py.enum_dtype(SORTING, basetype="u1"), disk)
    reports: dict[str, list[Signal]] = {}
    for s in source.signals:
        if why := _unfit(s, source):
            warn(f"{s.variable} of {s.part} is not in the SONATA files: {why}.")
        else:
            reports.setdefault(s.variable.replace("/", "_"), []).append(s)
    for variable, signals in reports.items():
        with written(path / f"{variable}_report.h5") as (file, disk):
            _describe(file, source)
            for s in signals:
                _write_report(file.create_group(f"report/{s.part}"), s, disk)


def _unfit(s: Signal, source: Source) -> str | None:
    """Why a report cannot hold a variable; None where it can."""
    if s.part not in source.populations:
        return "it is of a projection, and reports are of nodes"
    if s.label != "neuron":
        return "it is computed from all nodes, and reports are of each"
    return "its times are not evenly spaced" if s.every is None else None


def _describe(file: Any, source: Source) -> None:
    file.attrs["magic"] = np.uint32(0x0A7A)
    file.attrs["version"] = np.array([0, 1], np.uint32)
    file.attrs["description"] = source.description
    for name, value in source.settings.items():
        file.attrs[f"ranvier_{name}"] = value


def _write_spikes(file: Any, source: Source, sorting: Any, disk: Written) -> None:
    groups = []
    for name in source.populations:
        group = file.create_group(f"spikes/{name}")
        group.attrs.create("sorting", SORTING["by_time"], dtype=sorting)
        group.create_dataset("timestamps", shape=(0,), maxshape=(None,), chunks=(CHUNK,), dtype="f8").attrs["units"] = "ms"
        group.create_dataset("node_ids", shape=(0,), maxshape=(None,), chunks=(CHUNK,), dtype="u8")
        groups.append(group)
    for steps, neurons in source.pieces():
        disk.check()
        for group, (first, n) in zip(groups, source.populations.values(), strict=True):
            mine = (neurons >= first) & (neurons < first + n)
            _append(group["timestamps"], steps[mine] * source.dt)
            _append(group["node_ids"], neurons[mine] - first)


def _append(dataset: Any, values: np.ndarray) -> None:
    filled = len(dataset)
    dataset.resize((filled + len(values),))
    dataset[filled:] = values


def _write_report(group: Any, s: Signal, disk: Written) -> None:
    rows, columns = s.shape
    data = group.create_dataset("data", shape=(rows, columns), chunks=(min(rows, s.rows_at_once, 4096), min(columns, 256)), dtype="f4")
    data.attrs["units"] = s.unit
    for first, block in s.blocks():
        disk.check()
        data[first : first + len(block)] = block
    mapping = group.create_group("mapping")
    mapping.create_dataset("node_ids", data=s.neurons.astype(np.uint64)).attrs["sorted"] = np.int8((np.diff(s.neurons) > 0).all())
    mapping.create_dataset("index_pointers", data=np.arange(columns + 1, dtype=np.uint64))
    mapping.create_dataset("element_ids", data=np.ones(columns, np.uint32))
    mapping.create_dataset("element_pos", data=np.ones(columns, np.float32))
    assert s.every is not None
    time = mapping.create_dataset("time", data=np.array([s.start, s.start + rows * s.every, s.every]))  # open on the right
    time.attrs["units"] = "ms"
