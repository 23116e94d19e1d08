"""One writer a store. The lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

from ranvier.errors import StoreError
from ranvier.store.files import why
from ranvier.store.layout import LOCK

LOOKS = 5
_BEYOND = 2**30  # the byte that is locked on Windows, where what is locked cannot be read: behind the writer's name

if sys.platform == "win32":
    import msvcrt

    def _try(file: Any, shared: bool) -> None:
        file.seek(_BEYOND)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            raise BlockingIOError from None

else:
    import fcntl

    def _try(file: Any, shared: bool) -> None:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def is_written(store: Path) -> bool | None:
    """Whether a process writes a store now; None where that cannot be told."""
    try:
        _refuse_no_file(store / LOCK)
        with open(store / LOCK, "rb") as file:
            _try(file, shared=True)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks, or no right to look
        return None
    return False


class Lock:
    """Held while a store is written.

    Raises:
        StoreError: another process (or another run of this one) writes it, or the store cannot be written.
    """

    def __init__(self, store: Path):
        self.store = store
        try:
            _refuse_no_file(store / LOCK)
            self._file: Any = open(store / LOCK, "a+", encoding="utf-8", errors="replace")  # noqa: SIM115
        except OSError as error:
            if isinstance(error, StoreError):
                raise
            raise StoreError(f"{store} cannot be written: {why(error)}.") from error
        try:
            self._take()
            self._file.seek(0)
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()}")
            self._file.flush()
        except BlockingIOError:
            self._file.seek(0)
            who = "".join(c for c in self._file.read(100) if c.isprintable()).strip() or "another process"
            self._file.close()
            raise StoreError(f"{store} is being written by {who}. Wait until that has ended; reading is possible at any time.") from None
        except OSError:  # a file system without locks goes without, and a full disk without the name of who holds it
            return

    def _take(self) -> None:
        for _ in range(LOOKS):
            try:
                return _try(self._file, shared=False)
            except BlockingIOError:  # perhaps by `is_written`, for an instant
                time.sleep(0.02)
        _try(self._file, shared=False)

    @property
    def held_here(self) -> bool:
        """Whether the store still has the file that is locked: nobody has put another folder in its place."""
        try:
            return os.path.samestat(os.stat(self.store / LOCK), os.fstat(self._file.fileno()))
        except (OSError, ValueError):
            return False

    def release(self) -> None:
        """Lets others write."""
        with contextlib.suppress(OSError):  # a full disk, on which who held it could not be noted
            self._file.close()


def _refuse_no_file(path: Path) -> None:
    """Refuses a lock that is a pipe, a link or the like, which opening would wait for or follow."""
    try:
        if not stat.S_ISREG(os.stat(path, follow_symlinks=False).st_mode):
            raise StoreError(f"{path} is not a file. A store with such a lock is not written.")
    except FileNotFoundError:
        pass
