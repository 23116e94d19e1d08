"""What lies where in a store. `docs/explanation/store.md` is the specification."""

from __future__ import annotations

import dataclasses
import math
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import StoreError
from ranvier.record.plan import Track
from ranvier.store import documents
from ranvier.store.files import PARTIAL, nearest_folder, why
from ranvier.store.growing import METADATA, Column, Series, chunk_rows, chunk_width

STORE_VERSION = 2
READABLE = (1, 2)
"""1: without checksums of chunks and documents."""

MARK = "ranvier"  # the attribute of the root that makes a Zarr a store
SPIKES, RECORDS, COUNTS, CHECKPOINTS = "spikes", "records", "spike_counts", "checkpoints"
PROVENANCE, ARRAYS, LOCK = "provenance.json", "network.npz", ".lock"
COPY = "manifest.json"
"""The root as it was at the newest checkpoint, for when the root itself is damaged."""

OWN = (METADATA, SPIKES, RECORDS, COUNTS, CHECKPOINTS, PROVENANCE, ARRAYS, COPY, LOCK)
"""Everything that a store is made of; nothing else in its folder is ever removed."""

BARE = {LOCK, f".{METADATA}{PARTIAL}"}
"""What a process can leave that is killed before its store has the root's mark."""

SPIKES_PER_CHUNK = 10**6
STEP, NEURON, CHUNK_FIRST_STEP = "time_step", "neuron", "chunk_first_step"


@dataclasses.dataclass(frozen=True)
class Root:
    """What the root of a store says.

    Attributes:
        path: the store's folder.
        facts: of the run.
        described: the `zarr.json` of each group and array by its place.
        problem: where the root is damaged and this is its copy: what is wrong with it.
    """

    path: Path
    facts: dict[str, Any]
    described: dict[str, Any]
    problem: str | None = None


def facts_of(path: Path) -> dict[str, Any]:
    """What the root of a store says of its run.

    Raises:
        StoreError: there is no store, it is another program's, damaged, or of a newer version.
    """
    return root_of(path).facts


def root_of(path: Path, *, or_copy: bool = False) -> Root:
    """What the root of a store says.

    Args:
        or_copy: takes its copy where it is damaged.

    Raises:
        StoreError: there is no store, it is another program's, damaged, or of a newer version.
    """
    try:
        if not path.exists():
            raise StoreError(f"There is no store {path}.")
        if not path.is_dir():
            raise StoreError(f"{path} is a file; a store is a folder.")
        os.scandir(path).close()
    except (OSError, ValueError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path} cannot be read: {why(error) if isinstance(error, OSError) else error}.") from None
    try:
        return _root_in(path, METADATA)
    except (StoreError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, NewerStoreError):
            raise
        if is_bare(path):
            raise StoreError(f"There is no store {path}: its folder is empty.") from None
        problem = str(error) if isinstance(error, StoreError) else f"{path / METADATA} is damaged: {error}."
    try:
        copy = copy_of(path)
    except StoreError:
        if (path / PROVENANCE).exists() and (path / CHECKPOINTS).is_dir():
            raise StoreError(f"{problem} The store {path} cannot be read.") from None
        what = "a Zarr of another program" if any((path / name).exists() for name in (METADATA, ".zgroup", ".zarray")) else "no store"
        raise StoreError(f"{path} is {what}: Ranvier did not write it.") from None
    if not or_copy:
        raise StoreError(
            f"{problem} Its copy {COPY} is whole up to t = {copy.facts['written_step'] * copy.facts['dt']:g} ms: read that with "
            f"rv.open_store({str(path)!r}, damaged='skip'), or repair the store: ranvier repair {path}."
        )
    return dataclasses.replace(copy, problem=problem)


def copy_of(path: Path) -> Root:
    """The copy of the root.

    Raises:
        StoreError: it is missing, or not as it was written.
    """
    try:
        return _root_in(path, COPY)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path / COPY} is damaged: {error}.") from None


class NewerStoreError(StoreError):
    """A store that a newer version of Ranvier wrote."""


def _root_in(path: Path, name: str) -> Root:
    document = documents.read_document(path / name)
    version = document["attributes"][MARK]["store_version"]
    if isinstance(version, int) and version > max(READABLE):
        raise NewerStoreError(
            f"{path} is a store of version {version}, and this Ranvier reads up to {max(READABLE)}: it was written by a newer one "
            f"({document['attributes'][MARK].get('versions', {}).get('ranvier', 'unknown')}). Install that to read it."
        )
    if version not in READABLE or isinstance(version, bool):
        raise ValueError(f"it says that its version is {version!r}")
    facts, described = documents.opened_root(document, MARK, summed=version > 1)
    return Root(path, _checked(facts), described)


def _checked(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts, each of the kind that it must be.

    Raises:
        ValueError: one is not.
    """
    whole = lambda value: isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**62
    words = lambda value: isinstance(value, str)
    tests = {
        **dict.fromkeys(("start_step", "written_step", "target_step"), whole),
        **dict.fromkeys(("status", "precision", "integrator", "network_hash"), words),
        "seed": lambda seed: isinstance(seed, int),
        "n": lambda n: whole(n) and 0 <= n < 2**32,
        "dt": lambda dt: isinstance(dt, int | float) and math.isfinite(dt) and dt > 0,
        "populations": lambda found: all(whole(p["first"]) and whole(p["n"]) and 0 <= p["n"] <= facts["n"] for p in found.values()),
        "projections": lambda found: isinstance(found, Mapping),
        "versions": lambda found: all(words(version) for version in found.values()),
    }
    for name, test in tests.items():
        if not test(facts[name]):
            raise ValueError(f"its {name} is {facts[name]!r}"[:200])
    for name in ("checkpoint", "first_checkpoint"):
        if not whole(facts.get(name, 0)):
            raise ValueError(f"its {name} is {facts[name]!r}"[:200])
    documents.chunk_sums(facts)
    if facts["written_step"] < facts["start_step"]:
        raise ValueError(f"it begins at step {facts['start_step']} and ends at {facts['written_step']}")
    return facts


def is_bare(path: Path) -> bool:
    """Whether a folder holds nothing, or nothing but what a process left that was killed at once."""
    return {entry.name for entry in path.iterdir()} <= BARE


def nothing_in(path: Path) -> StoreError:
    """What is said of a store without a place to go on from."""
    return StoreError(f"{path} holds nothing: the run was stopped while its store was made. Start it with overwrite=True.")


def make_room(path: Path, overwrite: bool) -> None:
    """Sees to it that a new store can be made, and removes an older one where that was asked for.

    Raises:
        StoreError: something else is there, or the place cannot be written.
    """
    try:
        _look(path, overwrite)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"{path} cannot be used: {why(error)}. Choose another path for the store.") from None


def _look(path: Path, overwrite: bool) -> None:
    if path.is_symlink() or path.exists():
        if not path.is_dir() or path.is_symlink():
            raise StoreError(
                f"{path} is a {'link' if path.is_symlink() else 'file'}; a store needs a folder of its own. Choose another path."
            )
        if not is_bare(path):
            try:
                root_of(path, or_copy=True)
            except StoreError as error:
                raise StoreError(f"{error} It is left as it is; choose another path for the store.") from None
            if not overwrite:
                raise StoreError(
                    f"There is a store at {path} already. Go on from it with rv.resume({str(path)!r}), replace it with overwrite=True, "
                    "or choose another path."
                )
    above = nearest_folder(path)
    if not above.is_dir():
        raise StoreError(f"{above} is a file, so no store {path} can be made. Choose another path.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise StoreError(f"{above} cannot be written to. Choose another path for the store.")


def remove(path: Path, but: Sequence[str] = ()) -> None:
    """Removes a store; what else lies in its folder stays. The root's mark goes last, so that half a removal can be done again."""
    for name in sorted(set(OWN) - set(but), key=lambda name: name == METADATA):
        own = path / name
        if own.is_dir() and not own.is_symlink():
            shutil.rmtree(own)
        else:
            own.unlink(missing_ok=True)


def plain_name(name: str, taken: Mapping[str, Any] | None = None) -> str:
    """A name in letters that every file system and Zarr library takes, unlike those that are taken.

    Example:
        >>> plain_name("exc→inh"), plain_name("sodium.current"), plain_name("../x"), plain_name("V", {"V": 1})
        ('exc-inh', 'sodium.current', 'x', 'V-2')
    """
    plain = re.sub(r"[^A-Za-z0-9_.+-]+", "-", name).strip(".-") or "part"
    unlike, count = plain, 1
    while unlike in (taken or {}) or unlike in ("c", METADATA):
        count += 1
        unlike = f"{plain}-{count}"
    return unlike


def table_names(tracks: list[Track]) -> dict[str, Track]:
    """The group in `records` for each track."""
    names: dict[str, Track] = {}
    for track in tracks:
        names[plain_name(track.part, names)] = track
    return names


def column_names(track: Track) -> list[str]:
    """The array for each column of a track."""
    names: dict[str, Any] = {"time": None, track.label: None}
    for column in track.columns:
        names[plain_name(column.name, names)] = column
    return list(names)[2:]


def spike_series() -> dict[str, Series]:
    """The arrays of the spikes."""
    spikes = {STEP: Column(np.dtype(np.int64), ("spike",)), NEURON: Column(np.dtype(np.uint32), ("spike",))}
    chunks = {CHUNK_FIRST_STEP: Column(np.dtype(np.int64), ("chunk",))}
    return {SPIKES: Series(SPIKES, spikes, SPIKES_PER_CHUNK), "chunks": Series(SPIKES, chunks, 2**10)}


def record_series(group: str, track: Track) -> Series:
    """The arrays of a table of records."""
    width = len(track.neurons)
    itemsize = max(c.dtype.itemsize for c in track.columns)
    rows = chunk_rows(width * len(track.columns), itemsize)
    dims = ("time", track.label)
    columns = {"time": Column(np.dtype(np.float64), ("time",), attributes={"units": "ms", "long_name": "time"})}
    for name, column in zip(column_names(track), track.columns, strict=True):
        attributes = {"units": column.unit, "long_name": f"{column.name} of {track.part}", "variable": column.name}
        chunk = (chunk_width(width, itemsize, rows),)
        columns[name] = Column(column.dtype, dims, (width,), chunk, attributes)
    return Series(f"{RECORDS}/{group}", columns, rows)
