"""Reading all of a store to find what is not as it was written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ranvier.errors import StoreError
from ranvier.store import documents, layout, provenance
from ranvier.store.checkpoint import OlderFormError, checkpoint_path, checkpoints
from ranvier.store.chunks import Chunks, DamagedError
from ranvier.store.files import entries
from ranvier.store.reader import Stored

MOST_LISTED = 10**5  # files that are missing of one array


@dataclasses.dataclass(frozen=True)
class Damage:
    """One file of a store that is not as it was written.

    Attributes:
        file: the file, in the store's folder.
        why: what is wrong with it.
        what: what it holds.
        lost: the span of time that is lost (ms); None where no data are, or the span is not known.
        data: whether spikes or records are lost, which have to be computed again.
    """

    file: Path
    why: str
    what: str
    lost: tuple[float, float] | None = None
    data: bool = False

    @property
    def words(self) -> str:
        """The damage in a sentence."""
        span = f" from t = {self.lost[0]:g} to {self.lost[1]:g} ms" if self.lost else ""
        gone = f": {self.what}{span} {'is' if self.data else 'cannot be'} {'lost' if self.data else 'used'}"
        return f"{self.file}: {self.why.rstrip('.')}{gone}."

    def step(self, dt: float) -> float:
        """The first step that is lost; without an end where none is, without a beginning where that is not known."""
        if not self.data:
            return math.inf
        return -math.inf if self.lost is None else math.floor(self.lost[0] / dt + 1e-6)


def damages(path: Path, root: layout.Root | None = None, *, thorough: bool = True) -> list[Damage]:
    """What of a store is not as it was written.

    Args:
        path: its folder.
        root: what its root says, where that was read already.
        thorough: reads every chunk; else it is only seen that each is there and as long as it says.

    Raises:
        StoreError: there is no store, or nothing in it can be known.
    """
    root = layout.root_of(path, or_copy=True) if root is None else root
    return [*_of_documents(path, root), *_of_arrays(Stored(root), thorough), *_of_checkpoints(path, root)]


def _of_documents(path: Path, root: layout.Root) -> Iterator[Damage]:
    if root.problem:
        until = f"what was written after its copy of t = {root.facts['written_step'] * root.facts['dt']:g} ms"
        yield Damage(path / layout.METADATA, _reason(path / layout.METADATA, root.problem), until)
    if root.facts["store_version"] > 1 and not root.problem and root.facts.get("checkpoint") is not None:
        try:
            layout.copy_of(path)
        except StoreError as error:
            yield Damage(path / layout.COPY, _reason(path / layout.COPY, str(error)), "the copy of the root")
    for place, described in root.described.items():
        file = path / place / layout.METADATA
        try:
            if _without_size(documents.read_document(file)) != _without_size(described):
                yield Damage(file, "it is not what the root says", "what other programs read without the root")
        except StoreError as error:
            yield Damage(file, _reason(file, str(error)), "what other programs read without the root")
    try:
        provenance.read(path, root.facts)
    except StoreError as error:
        yield Damage(path / layout.PROVENANCE, _reason(path / layout.PROVENANCE, str(error)), "the network's description")
    try:
        provenance.arrays(path)
    except StoreError as error:
        yield Damage(path / layout.ARRAYS, _reason(path / layout.ARRAYS, str(error)), "the arrays of the network's description")


def _without_size(document: dict[str, Any]) -> dict[str, Any]:
    """A group's or array's description without what changes while a run is written."""
    shape = document.get("shape")
    kept = {**document, "shape": shape[1:]} if isinstance(shape, list) and "chunk_grid" in document else dict(document)
    kept.pop("consolidated_metadata", None)
    return kept


def _of_arrays(stored: Stored, thorough: bool) -> Iterator[Damage]:
    for place in sorted(stored.arrays):
        array = stored.arrays[place]
        folder = stored.path / place / "c"
        missing = math.prod(array.form.grid) - sum(entry.is_file(follow_symlinks=False) for entry in entries(folder))
        if missing > MOST_LISTED and not array.zeros_absent:
            yield Damage(folder, f"{missing} of its {math.prod(array.form.grid)} chunks are missing", array.what, data=True)
            continue
        for index in array.indices():
            try:
                _look(array, index, thorough)
            except DamagedError as error:
                yield Damage(error.file, error.why, array.what, error.lost, data=True)


def _look(array: Chunks, index: tuple[int, ...], thorough: bool) -> None:
    if thorough:
        array.chunk(index)
    else:
        array.look(index)


def _of_checkpoints(path: Path, root: layout.Root) -> Iterator[Damage]:
    for checkpoint in checkpoints(path / layout.CHECKPOINTS):
        when = f"the place to go on from at t = {checkpoint.step * root.facts['dt']:g} ms"
        try:
            checkpoint.load()
        except OlderFormError:
            continue
        except StoreError as error:
            yield Damage(checkpoint.path, _reason(checkpoint.path, str(error)), when)
    newest = root.facts.get("checkpoint")
    for step in [] if newest is None else dict.fromkeys((root.facts["first_checkpoint"], newest)):
        file = checkpoint_path(path / layout.CHECKPOINTS, step)
        if not file.exists():
            yield Damage(file, "it is missing", f"the place to go on from at t = {step * root.facts['dt']:g} ms")


def _reason(file: Path, said: str) -> str:
    """What is said of a file, without its name before it."""
    return said.removeprefix(f"{file} ").removeprefix("is damaged: ").removeprefix("is damaged, or ")
