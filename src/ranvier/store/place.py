"""The folder that a new store gets, and the older store that was there."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

from ranvier.errors import StoreError
from ranvier.store import layout
from ranvier.store.files import why
from ranvier.store.lock import Lock

TRIES = 5


class Place:
    """A folder for a new store, locked. Until the new one stands, the older one that it replaces lies beside it.

    Args:
        path: the folder.
        overwrite: replaces a store that is there.

    Attributes:
        lock: held until the run has ended.
        replaced: where the older store lies; None where there was none.

    Raises:
        StoreError: something else is there, also if it came only a moment ago; or the folder cannot be written.
    """

    def __init__(self, path: Path, overwrite: bool):
        self.path, self.replaced = path, None
        self._made = not path.exists()
        self._mine = False  # whether what is in the folder is the new store's
        self.lock = self._locked()
        try:
            layout.make_room(path, overwrite)  # again: another run may have come since it was asked before
            if not layout.is_bare(path):
                self.replaced = self._aside()
                _move(path, self.replaced)
            self._mine = True
        except BaseException as error:
            self.undo()
            if isinstance(error, OSError) and not isinstance(error, StoreError):
                raise StoreError(f"{path} cannot be replaced: {why(error)}. It is as it was.") from error
            raise

    def _locked(self) -> Lock:
        for _ in range(TRIES):
            try:
                self.path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(f"{self.path} cannot be written: {why(error)}. Choose another path for the store.") from error
            try:
                lock = Lock(self.path)
            except StoreError:
                if self._made:
                    with contextlib.suppress(OSError):
                        self.path.rmdir()  # not where another run has put something in it meanwhile
                raise
            if lock.held_here:
                return lock
            lock.release()  # another run has just removed what it had begun there
        raise StoreError(f"{self.path} is made and removed by other runs all the time. Choose another path for the store.")

    def _aside(self) -> Path:
        count = 1
        while True:
            place = self.path.with_name(f"{self.path.name}.replaced{f'-{count}' if count > 1 else ''}")
            if (
                not (place / layout.METADATA).exists() and not place.is_symlink()
            ):  # there is none, or half of one, when a process was killed
                place.mkdir(exist_ok=True)
                return place
            count += 1

    def undo(self) -> None:
        """Removes what there is of the new store, and puts the older one back."""
        if self.replaced is not None:
            layout.remove(self.path, but=(layout.LOCK,))
            _move(self.replaced, self.path)
            self.replaced = None
            self.lock.release()
            return
        if self._mine:
            layout.remove(self.path)
            with contextlib.suppress(OSError):  # something of the user's is in it
                self.path.rmdir()
        self.lock.release()


def _move(source: Path, target: Path) -> None:
    """Moves a store's own files; what else lies in its folder stays, and the lock. The root's mark goes last."""
    for name in sorted(set(layout.OWN) - {layout.LOCK}, key=lambda name: name == layout.METADATA):
        if (source / name).exists() or (source / name).is_symlink():
            os.rename(source / name, target / name)
    with contextlib.suppress(OSError):
        source.rmdir()


def remove_replaced(path: Path, name: object) -> None:
    """Removes the store that the one at `path` has replaced. The name came out of a file: only one beside it, and of it, is removed."""
    if not isinstance(name, str) or not re.fullmatch(re.escape(path.name) + r"\.replaced(-\d+)?", name):
        return
    older = path.with_name(name)
    if older.is_dir() and not older.is_symlink():
        layout.remove(older)
        with contextlib.suppress(OSError):
            older.rmdir()
