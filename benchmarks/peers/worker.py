"""How the driver and a peer's process talk: lines of JSON, first what was built, then the result of one run for each line read."""

import contextlib
import json
import os
import sys
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
