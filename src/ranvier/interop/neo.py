"""Neo, and through it Elephant: a run as a `neo.Block`, or as a NIX file that Neo reads.

Spikes go in as one flat list (`SpikeTrainList.from_spike_time_array`). Neo makes a `SpikeTrain` of each neuron when a train
is first asked for, which takes some 0.4 ms a neuron; `spiketrains.multiplexed` gives the list itself, at once.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import UnsupportedError, warn
from ranvier.interop.hdf5 import Written, nix
from ranvier.interop.source import Signal, Source

QUANTITIES = {"uA/cm^2": "uA/cm**2", "mS/cm^2": "mS/cm**2", "uF/cm^2": "uF/cm**2", "1": "dimensionless", "mM": "mmol/L"}
"""Where `quantities` writes a unit otherwise than Ranvier."""


MANY = 1000  # neurons, from which writing a NIX file is slow enough to be told
SECONDS_A_NEURON, BYTES_A_NEURON = 0.03, 43e3


def to_neo(run: Any) -> Any:
    """A run as a `neo.Block` with one segment.

    Its `spiketrains` are those of all neurons, silent ones too, in order; each
    has the annotations `population` and `neuron` (counted within it). Each
    recorded variable is an `AnalogSignal` of its name with the array
    annotation `channel_index`. A `Group` for each population or projection
    holds its signals. Seed, step, versions and the rule of spike times are
    annotations of the block.

    Args:
        run: a `Result`, or a store opened with `rv.open_store`; what it holds is read into memory.

    Raises:
        UnsupportedError: neo is not installed.

    Example (with Neo and Elephant installed):

        block = run.to_neo()
        elephant.statistics.time_histogram(block.segments[0].spiketrains, 5 * pq.ms)
    """
    source = Source(run)
    pieces = list(source.pieces())
    steps = np.concatenate([np.zeros(0, np.int64), *(p[0] for p in pieces)])
    neurons = np.concatenate([np.zeros(0, np.int64), *(p[1] for p in pieces)])
    return _block(source, steps, neurons, lambda s: s.shape[0])


def _block(source: Source, steps: np.ndarray, neurons: np.ndarray, rows: Any) -> Any:
    """The block, with these spikes and as many rows of each signal as `rows` says."""
    try:
        import neo
        import quantities as pq
        from neo.core.spiketrainlist import SpikeTrainList
    except ImportError:
        raise UnsupportedError("Neo objects need neo. Install it with: pip install 'ranvier[neo]'") from None
    block = neo.Block(name="run", description=source.description, **source.settings)
    segment = neo.Segment(name="run", index=0)
    block.segments.append(segment)
    if source.n:
        segment.spiketrains = SpikeTrainList.from_spike_time_array(
            steps * source.dt * pq.ms,
            neurons.astype(np.int64),
            all_channel_ids=list(range(source.n)),
            t_start=source.start * pq.ms,
            t_stop=source.stop * pq.ms,
            population=source.names(),
            neuron=source.within().tolist(),
        )
        segment.spiketrains.segment = segment
    groups = {name: neo.Group(name=name, first_neuron=first, neurons=n) for name, (first, n) in source.populations.items()}
    for s in source.signals:
        signal = _signal(neo, pq, s, rows(s))
        if s.every is None:
            segment.irregularlysampledsignals.append(signal)
        else:
            segment.analogsignals.append(signal)
        groups.setdefault(s.part, neo.Group(name=s.part)).add(signal)
    block.groups.extend(groups.values())
    return block


def _signal(neo: Any, pq: Any, s: Signal, rows: int) -> Any:
    said = {
        "name": s.variable,
        "description": f"{s.variable} of {s.part} ({s.unit})",
        "array_annotations": {"channel_index": s.neurons},
        "part": s.part,
    }
    values = pq.Quantity(s.rows(0, rows), _unit(pq, s.unit))
    if s.every is None:
        return neo.IrregularlySampledSignal(s.times(0, rows) * pq.ms, values, **said)
    return neo.AnalogSignal(values, t_start=s.start * pq.ms, sampling_period=s.every * pq.ms, **said)


def _unit(pq: Any, unit: str) -> str:
    """The unit as `quantities` has it; one that it does not know goes without."""
    written = QUANTITIES.get(unit, re.sub(r"\^", "**", unit))
    try:
        pq.Quantity(1.0, written)
    except (LookupError, ValueError, SyntaxError):
        return "dimensionless"
    return written


def write(source: Source, path: Path) -> None:
    """Writes a NIX file that `neo.io.NixIO` reads as a block like `to_neo`'s.

    Neo writes it with every train and signal empty; their values are then
    appended piece by piece, because Neo itself wants the whole run in memory.

    Raises:
        UnsupportedError: neo or nixio is not installed.
    """
    try:
        import nixio
        from neo.io import NixIO
    except ImportError:
        raise UnsupportedError("NIX files need neo and nixio. Install them with: pip install 'ranvier[neo]'") from None
    if source.n > MANY:
        warn(
            f"A NIX file holds an object a neuron: {source.n} will take some {source.n * SECONDS_A_NEURON / 60:.0f} minutes and "
            f"{source.n * BYTES_A_NEURON / 1e6:.0f} MB. NWB takes seconds: to='nwb'."
        )
    none = np.zeros(0, np.int64)
    block = _block(source, none, none, lambda s: 0)
    with nix(path) as disk:
        io = NixIO(str(path), mode="ow")
        io.write_block(block)
        io.close()
        disk.check()
        segment = block.segments[0]
        trains = [train.annotations["nix_name"] for train in segment.spiketrains] if source.n else []
        signals = [signal.annotations["nix_name"] for signal in [*segment.analogsignals, *segment.irregularlysampledsignals]]
        with nixio.File.open(str(path), nixio.FileMode.ReadWrite) as file:
            _fill(file.blocks[0].data_arrays, source, trains, signals, disk)


def _fill(arrays: Any, source: Source, trains: list[str], signals: list[str], disk: Written) -> None:
    """Appends spikes and values, piece by piece."""
    for steps, neurons in source.pieces():
        disk.check()
        order = np.argsort(neurons, kind="stable")
        present, begins = np.unique(neurons[order], return_index=True)
        for neuron, times in zip(present, np.split(steps[order] * source.dt, begins[1:]), strict=True):
            arrays[f"{trains[neuron]}.times"].append(times)
    for name, s in zip(signals, sorted(source.signals, key=lambda s: s.every is None), strict=True):
        columns = [arrays[f"{name}.{i}"] for i in range(s.shape[1])]
        if s.every is None:
            for column in columns:
                column.dimensions[0].ticks = s.times(0, s.shape[0])
        for _, rows in s.blocks():
            disk.check()
            for column, values in zip(columns, rows.T, strict=True):
                column.append(values)
