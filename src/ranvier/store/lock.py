"""One writer a store. The lock ends with the process that holds it, however that ends."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ranvier.errors import StoreError
from ranvier.store.layout import LOCK

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two processes apart there
    fcntl = None  # type: ignore[assignment]


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
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
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

    def release(self) -> None:
        self._file.close()
