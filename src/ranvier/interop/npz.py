"""NumPy's .npz: columns of spikes, and each recorded variable as an array.

Written member by member, because `numpy.savez` wants whole arrays.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from ranvier.interop.source import Source


def write(source: Source, path: Path) -> None:
    """Writes `spikes/time` (ms), `spikes/time_step`, `spikes/neuron` and `spikes/population`, and for each variable `PART/VARIABLE`
    with its `PART/VARIABLE/time` (ms) and `PART/VARIABLE/neuron`. `description` is JSON: settings, units, the populations' names.

    `spikes/neuron` is counted within the population, whose place in the list of `description` is `spikes/population`.
    """
    firsts = np.array([first for first, _ in source.populations.values()], np.int64)

    def of_spikes(column: str) -> Iterable[np.ndarray]:
        for steps, neurons in source.pieces():
            which = np.searchsorted(firsts, neurons, side="right") - 1
            yield {"time": steps * source.dt, "time_step": steps, "neuron": neurons - firsts[which], "population": which}[column]

    count = sum(len(steps) for steps, _ in source.pieces())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for column, dtype in (("time", np.float64), ("time_step", np.int64), ("neuron", np.int64), ("population", np.int64)):
            _member(archive, f"spikes/{column}", (count,), np.dtype(dtype), of_spikes(column))
        units = {}
        for s in source.signals:
            name = f"{s.part}/{s.variable}"
            units[name] = s.unit
            _member(archive, name, s.shape, s.dtype, (block for _, block in s.blocks()))
            _member(
                archive,
                f"{name}/time",
                (s.shape[0],),
                np.dtype(np.float64),
                (s.times(first, first + len(block)) for first, block in s.blocks()),
            )
            _member(archive, f"{name}/neuron", (s.shape[1],), np.dtype(np.int64), [s.neurons])
        said = {"description": source.description, **source.settings, "populations": list(source.populations), "time": "ms", "units": units}
        text = np.array(json.dumps(said, ensure_ascii=False))
        _member(archive, "description", (), text.dtype, [text])


def _member(archive: zipfile.ZipFile, name: str, shape: tuple[int, ...], dtype: np.dtype, blocks: Iterable[np.ndarray]) -> None:
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        npy.write_array_header_2_0(file, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape})
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).tobytes())
