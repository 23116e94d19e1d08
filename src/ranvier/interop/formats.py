"""Writes a run in the formats of other programs."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from ranvier.errors import unknown
from ranvier.interop.source import Source, new

ENDINGS = {"nwb": ".nwb", "neo": ".nix", "sonata": "-sonata", "csv": "-csv", "npz": ".npz", "netcdf": ".nc", "zarr": ".zarr"}
"""The formats, and how the names of their files (or folders, where there is no dot) end."""


MODULES = {"zarr": "zarr_arrays"}


def format_of(path: str | Path) -> str:
    """The format that a name's ending says.

    Raises:
        UnknownNameError: it says none.

    Example:
        >>> format_of("run.nc")
        'netcdf'
    """
    for to, ending in ENDINGS.items():
        if Path(path).name.endswith(ending):
            return to
    raise unknown("ending, in the name", Path(path).name, ENDINGS.values())


def export(run: Any, path: str | Path, *, to: str) -> Path:
    """Writes a run to a file or folder, in pieces: the memory it takes does not grow with the run.

    Args:
        run: a `Result`, or a store opened with `rv.open_store`.
        path: of the file (`"nwb"`, `"neo"`, `"npz"`) or folder (`"sonata"`, `"csv"`).
        to: `"nwb"` (Neurodata Without Borders 2), `"neo"` (a NIX file, which
            `neo.io.NixIO` reads), `"sonata"`, `"csv"`, `"npz"`, `"netcdf"` or `"zarr"` (plain arrays for xarray; a store
            that can be gone on from is made by `rv.simulate(…, store=…)`).

    Returns:
        The path.

    Raises:
        UnknownNameError: there is no such format.
        ParameterError: the path exists already, or cannot be written.
        UnsupportedError: the format needs a library that is not installed.

    Example:
        >>> import tempfile, numpy as np, ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=20.0)
        >>> with tempfile.TemporaryDirectory() as folder, np.load(rv.interop.export(run, folder + "/run.npz", to="npz")) as data:
        ...     data["spikes/time"].round(2)
        array([ 1.9 , 16.82])
    """
    if to not in ENDINGS:
        raise unknown("format", to, ENDINGS)
    path = Path(path)
    write = importlib.import_module(f"ranvier.interop.{MODULES.get(to, to)}").write
    with new(path) as place:
        write(Source(run), place)
    return path
