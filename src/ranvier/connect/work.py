"""Jobs on threads, with progress."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, CancelledError, Future, ThreadPoolExecutor, wait
from typing import Any

REPORT_EVERY = 0.2  # seconds


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Work:
    """Does jobs on threads, tells how far they are, and stops them all when one fails.

    Args:
        threads: how many; with one, everything happens in the caller's thread.
        progress: called by the caller's thread with the work done and the work in all.
    """

    def __init__(self, threads: int, progress: Callable[[int, int], Any] | None = None):
        self.threads, self.progress = threads, progress
        self.done = self.total = 0
        self._lock, self._stop = threading.Lock(), threading.Event()

    def did(self, amount: int) -> None:
        """For jobs to say what they have done."""
        with self._lock:
            self.done += amount
        if self._stop.is_set():
            raise CancelledError
        if self.threads == 1:
            self._tell()

    def map(self, job: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The results of `job(*a)` for each of the arguments.

        Raises:
            Exception: what the first job that failed has raised.
        """
        if self.threads == 1 or (len(arguments) == 1 and not self.total):  # a thread would take longer to start than most jobs
            return [job(*a) for a in arguments]
        with ThreadPoolExecutor(self.threads) as pool:
            futures = [pool.submit(job, *a) for a in arguments]
            try:
                self._watch(futures)
            finally:
                self._stop.set()  # after a failure or an interrupt; otherwise nobody is left to see it
                pool.shutdown(cancel_futures=True)
        self._stop.clear()
        failed = [f.exception() for f in futures if not f.cancelled() and f.exception() is not None]
        for error in failed:
            if error is not None and not isinstance(error, CancelledError):
                raise error
        return [f.result() for f in futures]

    def _watch(self, futures: list[Future[Any]]) -> None:
        while True:
            done, left = wait(futures, REPORT_EVERY, FIRST_EXCEPTION)
            self._tell()
            if not left or any(f.exception() for f in done):
                return

    def _tell(self) -> None:
        if self.progress is not None and self.total:
            self.progress(self.done, self.total)
