"""A thread that writes while the simulation computes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

WAITING = 4  # pieces of work; then the simulation waits, so that memory stays bounded


class Writer:
    """Does what it is given, one thing after the other, in a thread of its own. After an error it does nothing more."""

    def __init__(self) -> None:
        self._work: queue.Queue[Callable[[], Any] | None] = queue.Queue(WAITING)
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="ranvier store", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            if self.error is None:
                try:
                    work()
                except BaseException as error:  # raised where the simulation sees it
                    self.error = error

    def put(self, work: Callable[[], Any]) -> None:
        """Has something done after all that was given before.

        Raises:
            BaseException: what went wrong before.
        """
        if self.error is not None:
            raise self.error
        self._work.put(work)

    def close(self, *last: Callable[[], Any]) -> None:
        """Has the last things done, unless something went wrong before, and waits until all is done."""
        if self._thread.is_alive():
            for work in (*last, None):
                self._work.put(work)
            self._thread.join()
