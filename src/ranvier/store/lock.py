"""One writer a store. The lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from ranvier.errors import StoreError
from ranvier.store.layout import LOCK

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two processes apart there
    fcntl = None  # type: ignore[assignment]


LOOKS = 5


def is_written(store: Path) -> bool | None:
    """Whether a process writes a store now; None where that cannot be told."""
    if fcntl is None:
        return None
    try:
        with open(store / LOCK, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
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
        StoreError: another process (or another run of this one) writes it.
    """

    def __init__(self, store: Path):
        self._file: Any = open(store / LOCK, "a+", encoding="utf-8")  # noqa: SIM115
        if fcntl is None:
            return
        try:
            self._take()
        except BlockingIOError:
            self._file.seek(0)
            who = self._file.read().strip() or "another process"
            self._file.close()
            raise StoreError(f"{store} is being written by {who}. Wait until that has ended; reading is possible at any time.") from None
        except OSError:  # a file system without locks
            return
        self._file.truncate(0)
        self._file.write(f"process {os.getpid()}")
        self._file.flush()

    def _take(self) -> None:
        for _ in range(LOOKS):
            try:
                return fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # perhaps by `is_written`, for an instant
                time.sleep(0.02)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        self._file.close()
