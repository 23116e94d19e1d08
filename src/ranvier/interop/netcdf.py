"""NetCDF (the classic format with 64-bit offsets), by SciPy's writer: for xarray, MATLAB, R and others."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ranvier.errors import ParameterError
from ranvier.interop.layout import Variable, variables
from ranvier.interop.source import Source
from ranvier.memory import require_memory
from ranvier.result import Recorded

LARGEST = 2**32 - 4  # bytes of a variable that the format can say


def write(source: Source, path: Path) -> None:
    """Writes a whole run: see `ranvier.interop.layout`. It is held in memory while it is written.

    Raises:
        ParameterError: it does not fit into memory, or a variable is larger than the format allows.
    """
    found = variables(source)
    hint = "Write it in pieces: to='zarr', 'nwb' or 'npz'."
    for v in found:
        if v.nbytes > LARGEST:
            raise ParameterError(f"{v.name} takes {v.nbytes / 2**30:.1f} GiB, and NetCDF's classic format holds 4. {hint}")
    require_memory(sum(v.nbytes for v in found), "The NetCDF file", hint)
    said = {"title": source.description, **{name: str(value) for name, value in source.settings.items()}}
    _write(path, [v for v in found if all(v.shape)], said)  # the format has no empty dimension


def write_records(path: Path, records: Sequence[Recorded], title: str) -> None:
    """Writes variables that were recorded at the same times of the same neurons.

    Args:
        path: of the file.
        records: one or more, none of them empty (the format has no empty dimension).
        title: said in the file.
    """
    first = records[0]
    over_time, across = ("time",), (first.label,)
    found = [
        Variable("time", over_time, {"units": "ms", "long_name": "time"}, first.times.shape, np.dtype(np.float64), lambda: [first.times]),
        Variable(first.label, across, {"long_name": first.label}, first.neurons.shape, np.dtype(np.int32), lambda: [first.neurons]),
        *(
            Variable(
                r.variable,
                (*over_time, *across),
                {"units": r.unit, "long_name": f"{r.variable} of {r.part}"},
                r.values.shape,
                r.values.dtype,
                functools.partial(list, [r.values]),
            )
            for r in records
        ),
    ]
    _write(path, found, {"title": title, "part": first.part})


def _write(path: Path, found: Sequence[Variable], attributes: Mapping[str, str]) -> None:
    from scipy.io import netcdf_file

    with netcdf_file(path, "w", version=2) as file:
        for name, text in attributes.items():
            setattr(file, _plain(name), text.encode())
        for v in found:
            dims = tuple(_plain(d) for d in v.dims)
            for name, size in zip(dims, v.shape, strict=True):
                if name not in file.dimensions:
                    file.createDimension(name, size)
            small = {np.dtype(np.int64): np.dtype(np.int32)}.get(v.dtype, v.dtype)  # the format has no 64-bit integers
            made = file.createVariable(_plain(v.name), small, dims)
            for name, text in v.attributes.items():
                setattr(made, name, text.encode())
            at = 0
            for block in v.blocks():
                made[at : at + len(block)] = block
                at += len(block)


def _plain(name: str) -> str:
    """A name in the letters that SciPy's writer takes."""
    return re.sub(r"[^\w.+@-]", "_", name, flags=re.ASCII) or "_"
