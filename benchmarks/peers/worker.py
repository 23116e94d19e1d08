"""How the driver and a peer's process talk: lines of JSON, first what was built, then the result of one run for each line read.

On one thread both sides count processor time, as Brian2 does by itself: what
else the machine does then matters less. On several threads it is the clock on the wall.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable


@contextlib.contextmanager
def quiet():
    """Everything that a library or a compiler prints goes to standard error, so that only JSON is left."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def serve(build: Callable[[], tuple[dict, Callable[[], dict]]]) -> None:
    """Prints what `build` says of the built network, then what its second result returns, once for each line of the input."""
    with quiet():
        facts, once = build()
    print(json.dumps(facts), flush=True)
    for _ in sys.stdin:
        with quiet():
            result = once()
        print(json.dumps(result), flush=True)


def clock(threads: int) -> Callable[[], float]:
    return time.process_time if threads == 1 else time.perf_counter
