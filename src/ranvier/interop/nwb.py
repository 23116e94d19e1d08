"""Neurodata Without Borders 2 (NWB), written by column.

Adding units one by one takes 87 µs each; as columns ten thousand take a millisecond. A unit's spikes lie together
in the file, so the list of all spikes is sorted by neuron on the way: in a scratch file, not in memory.
"""

from __future__ import annotations

import datetime
import re
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import UnsupportedError
from ranvier.interop.hdf5 import Written, written
from ranvier.interop.source import CONVENTION, Signal, Source, reserved

SI = {
    "mV": ("volts", 1e-3),
    "ms": ("seconds", 1e-3),
    "pA": ("amperes", 1e-12),
    "nA": ("amperes", 1e-9),
    "nS": ("siemens", 1e-9),
    "uS": ("siemens", 1e-6),
    "uA/cm^2": ("amperes/meter^2", 1e-2),
    "mS/cm^2": ("siemens/meter^2", 10.0),
    "mM": ("moles/meter^3", 1.0),
    "Hz": ("hertz", 1.0),
    "1/ms": ("hertz", 1e3),
    "1": ("unitless", 1.0),
}
"""The SI unit of a unit, and what its values are to be multiplied by to be in it."""


def write(source: Source, path: Path) -> None:
    """Writes the file: spikes as `units`, and each recorded variable as a `TimeSeries` in `acquisition`, an injected current in `stimulus`.

    Times are in seconds. Values stay as they were recorded; `conversion`
    takes them to the SI unit that is named.

    Raises:
        UnsupportedError: pynwb is not installed.
    """
    try:
        import pynwb
        from hdmf.backends.hdf5.h5_utils import H5DataIO
    except ImportError:
        raise UnsupportedError("NWB files need pynwb. Install it with: pip install 'ranvier[nwb]'") from None
    file = _file(pynwb, source)
    file.units = _units(pynwb, source, path.with_name("spike-times"))
    with written(path) as (target, disk):
        for name, s in _named(source.signals):
            rows = H5DataIO(_rows(s, disk), compression="gzip", compression_opts=1, shuffle=True)
            add = file.add_stimulus if s.variable == "injected_current" else file.add_acquisition
            add(_series(pynwb, name, s, rows))
        with pynwb.NWBHDF5IO(file=target, mode="w") as io:
            io.write(file)


def _file(pynwb: Any, source: Source) -> Any:
    script = source.provenance.get("script")
    said = {**source.settings, **({"script": f"{script['name']}, SHA-256 {script['sha256']}"} if script else {})}
    return pynwb.NWBFile(
        session_description=source.description,
        identifier=uuid.uuid4().hex,
        session_start_time=_moment(source.provenance.get("started")),
        experiment_description=source.description,
        keywords=["simulation"],
        notes="\n".join([CONVENTION, *(f"{key}: {value}" for key, value in said.items() if value != CONVENTION)]),
        was_generated_by=[["ranvier", str(source.settings.get("ranvier_version", "unknown"))]],
    )


def _moment(text: Any) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        moment = datetime.datetime.now(datetime.UTC)  # a result in memory does not know when it began
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _units(pynwb: Any, source: Source, scratch: Path) -> Any:
    from hdmf.common import VectorData, VectorIndex

    times, ends = _by_neuron(source, scratch)
    spike_times = VectorData(name="spike_times", description=f"seconds. {CONVENTION}", data=times)
    observed = VectorData(
        name="obs_intervals",
        description="seconds: what was simulated",
        data=np.tile([[source.start / 1e3, source.stop / 1e3]], (source.n, 1)),
    )
    columns = [
        spike_times,
        VectorIndex(name="spike_times_index", target=spike_times, data=ends),
        observed,
        VectorIndex(name="obs_intervals_index", target=observed, data=np.arange(1, source.n + 1)),
        VectorData(name="population", description="the neuron's population", data=source.names()),
        VectorData(name="neuron_index", description="the neuron's number within its population, from 0", data=source.within()),
    ]
    return pynwb.misc.Units(name="units", description="the simulated neurons", columns=columns, resolution=source.dt / 1e3)


def _by_neuron(source: Source, scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    """All spike times (s) by neuron, then time, in a scratch file; and where each neuron's end."""
    counts = np.zeros(source.n, np.int64)
    for _, neurons in source.pieces():
        counts += np.bincount(neurons, minlength=source.n)
    ends = np.cumsum(counts)
    total = int(ends[-1]) if source.n else 0
    if not total:
        return np.zeros(0), ends
    reserved(scratch, total * np.dtype(np.float64).itemsize)
    times = np.memmap(scratch, np.float64, "r+", shape=(total,))
    next_place = ends - counts
    for steps, neurons in source.pieces():
        order = np.argsort(neurons, kind="stable")
        mine = neurons[order]
        begins = np.searchsorted(mine, mine, side="left")  # of the same neuron in this piece
        times[next_place[mine] + np.arange(len(mine)) - begins] = steps[order] * (source.dt / 1e3)
        next_place += np.bincount(neurons, minlength=source.n)
    return times, ends


def _named(signals: list[Signal]) -> list[tuple[str, Signal]]:
    """Each signal with a name that HDF5 takes: `exc_V`."""
    return [(re.sub(r"[/:]", "_", f"{s.part}_{s.variable}"), s) for s in signals]


def _series(pynwb: Any, name: str, s: Signal, rows: Any) -> Any:
    unit, conversion = SI.get(s.unit, (s.unit, 1.0))
    if s.every is None:
        when: dict[str, Any] = {"timestamps": s.times(0, s.shape[0]) / 1e3}
    else:
        when = {"starting_time": s.start / 1e3, "rate": 1e3 / s.every}
    return pynwb.TimeSeries(
        name=name,
        data=rows,
        unit=unit,
        conversion=conversion,
        description=f"{s.variable} of {s.part}, in {s.unit}",
        comments=f"columns are the {s.label}s {_listed(s.neurons)} of {s.part}",
        **when,
    )


def _listed(numbers: np.ndarray) -> str:
    if len(numbers) and np.array_equal(numbers, np.arange(numbers[0], numbers[0] + len(numbers))):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers.tolist()))


def _rows(s: Signal, disk: Written) -> Any:
    """The rows of a signal as HDMF reads data that is not in memory."""
    from hdmf.data_utils import GenericDataChunkIterator

    class Rows(GenericDataChunkIterator):
        def _get_data(self, selection: tuple[slice, ...]) -> np.ndarray:
            disk.check()
            return s.rows(selection[0].start, selection[0].stop)[:, selection[1]]

        def _get_maxshape(self) -> tuple[int, ...]:
            return s.shape

        def _get_dtype(self) -> np.dtype:
            return s.dtype

    rows, columns = s.shape
    chunk = (min(rows, 4096), min(columns, 256))
    at_once = max(chunk[0], s.rows_at_once // chunk[0] * chunk[0])
    return Rows(chunk_shape=chunk, buffer_shape=(min(rows, at_once), columns))
