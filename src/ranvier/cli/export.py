"""`ranvier export`."""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

from ranvier.errors import unknown
from ranvier.interop.formats import ENDINGS, export
from ranvier.progress import stage
from ranvier.store.reader import open_store


def run(arguments: argparse.Namespace) -> None:
    """Writes a store in another program's format, beside it or where `--out` says, and prints where.

    Raises:
        RanvierError: it is no store, there is no such format, the place is taken, or a library is missing.
    """
    if arguments.to not in ENDINGS:
        raise unknown("format", arguments.to, ENDINGS)
    store = open_store(arguments.store)
    beside = store.path.with_name(store.path.resolve().name.removesuffix(".zarr") + ENDINGS[arguments.to])
    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = lambda message, *rest: print(f"ranvier: {message}", file=sys.stderr)
        with stage(f"writing as {arguments.to}"):
            written = export(store, Path(arguments.out) if arguments.out else beside, to=arguments.to)
    print(written)
