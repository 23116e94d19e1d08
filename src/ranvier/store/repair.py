"""Computing again what a store has lost."""

from __future__ import annotations

import warnings
from typing import Any

from ranvier.errors import StoreError
from ranvier.progress import ProgressBar, ProgressCallback
from ranvier.store import documents, layout
from ranvier.store.check import Damage, damages
from ranvier.store.checkpoint import checkpoints
from ranvier.store.files import write_whole
from ranvier.store.lock import Lock
from ranvier.store.reader import as_path
from ranvier.store.resume import going_on


def check(store: Any) -> list[Damage]:
    """Reads all of a store and says what in it is not as it was written.

    Args:
        store: the store's folder.

    Returns:
        What is damaged, a list of `Damage` (`file`, `why`, `what`, `lost`, `words`); an empty one where the store is whole.

    Raises:
        StoreError: there is no store, or nothing in it can be known.
    """
    return damages(as_path(store))


def repair(
    store: Any, network: Any = None, *, record: Any = None, progress: bool | ProgressCallback = False, check_disk: bool = True
) -> list[Damage]:
    """Computes again what a store has lost, from the newest place to go on from before it, and writes anew what is known otherwise.

    What came after that place is computed again too, up to where the run had come: the numbers are the same, bit for bit, on the
    versions, device and instruction set that the store was written with (elsewhere a warning says what is not).

    Args:
        store: the store's folder.
        network: the network, where it holds classes or functions of your own.
        record: the records again, where they use functions of your own.
        progress, check_disk: as for `simulate`.

    Returns:
        What was damaged.

    Raises:
        StoreError: the network is not known, or no place before the damage is whole.
    """
    path = as_path(store)
    root = layout.root_of(path, or_copy=True)
    found = damages(path, root)
    if not found:
        return []
    described = [damage for damage in found if damage.file.name in (layout.PROVENANCE, layout.ARRAYS)]
    if described:
        raise StoreError(
            f"{' '.join(damage.words for damage in described)} Without it the network is not known, and nothing can be computed again. "
            f"What is not lost can be read: rv.open_store({str(path)!r}, damaged='skip')."
        )
    places = {damage.file for damage in found if damage.file.parent == path / layout.CHECKPOINTS}
    if root.problem or places or any(damage.data for damage in found):
        if any(checkpoint.path not in places for checkpoint in checkpoints(path / layout.CHECKPOINTS)):
            for file in places:
                file.unlink(missing_ok=True)  # another is whole
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*is used: what came after is computed again")
            bar = ProgressBar() if progress is True else progress or None
            how: dict[str, Any] = {"duration": None, "until": None, "checkpoint_every": None, "check_disk": check_disk}
            going_on(path, network, dict.fromkeys(("dt", "seed", "precision", "integrator")), bar, record=record, found=found, **how)
        return found
    lock = Lock(path)
    try:
        sealed = documents.sealed_root(layout.MARK, root.facts, root.described)
        write_whole(path / layout.COPY, documents.text_of(sealed))
        for place, document in root.described.items():
            write_whole(path / place / layout.METADATA, documents.text_of(document))
    finally:
        lock.release()
    return found
