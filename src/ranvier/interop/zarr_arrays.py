"""Plain Zarr arrays with named dimensions, which xarray reads."""

from __future__ import annotations

from pathlib import Path

import zarr

from ranvier.interop.layout import variables
from ranvier.interop.source import BLOCK_BYTES, Source


def write(source: Source, path: Path) -> None:
    """Writes a whole run, in pieces: see `ranvier.interop.layout`."""
    group = zarr.create_group(path, attributes={"title": source.description, **source.settings})
    for v in variables(source):
        rows = max(1, BLOCK_BYTES // max(1, v.nbytes // max(1, v.shape[0])))
        array = group.create_array(
            v.name,
            shape=v.shape,
            dtype=v.dtype,
            chunks=(min(rows, max(v.shape[0], 1)), *v.shape[1:]),
            dimension_names=v.dims,
            attributes=dict(v.attributes),
        )
        at = 0
        for block in v.blocks():
            array[at : at + len(block)] = block
            at += len(block)
