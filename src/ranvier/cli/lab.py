"""`ranvier lab`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def add_to(commands: Any) -> None:
    """The command's options."""
    parser = commands.add_parser(
        "lab",
        help="explore stores and run networks in the browser",
        description="Shows the stores below a folder in the browser, running or finished: rasters by zooming, statistics, traces, who is "
        "wired to whom, where they come from; and runs networks there, the ready-made ones or that of a file, in memory or into a store. "
        "Only this machine can call. It runs until Ctrl-C.",
        epilog="A file defines `network`, or `model` or `scene`, as for `ranvier run` and `ranvier scene`; a change is read at once.",
    )
    parser.add_argument(
        "what",
        nargs="?",
        default=None,
        metavar="DIR|STORE|NAME|FILE.py",
        help="a folder that holds stores, a store, a ready-made network, or a file",
    )
    parser.add_argument("--root", metavar="DIR", help="the folder whose stores are shown and where runs are kept (default: here)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port to serve at (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--allow-remote", action="store_true", help="let other machines call: whoever has the address sees the stores")


def run(arguments: argparse.Namespace, cache: bool = False) -> None:
    """Serves until it is stopped.

    Args:
        cache: whether what is compiled is kept for the next time.

    Raises:
        RanvierError: there is nothing of that name.
    """
    from ranvier.errors import ParameterError, unknown
    from ranvier.lab.server.serve import serve
    from ranvier.models.catalogue import CATALOGUE, find

    what, own, show = arguments.what, None, ""
    root = Path(arguments.root or ".")
    if what is not None and what.endswith(".py"):
        from ranvier.lab.server.networks import ModelFile

        if not Path(what).is_file():
            raise ParameterError(f"There is no file {what}.")
        own = ModelFile(Path(what))
        show = own.name
    elif what is not None and Path(what).is_dir():
        if arguments.root is not None:
            raise ParameterError(f"Both {what} and --root {arguments.root} are folders to look in. Give one of them.")
        root = Path(what)
    elif what is not None:
        names = [name for entry in CATALOGUE for name in (entry.name, *entry.aliases)]
        if what not in names:
            if Path(what).is_file():
                raise ParameterError(
                    f"{what} is a file. The lab takes a folder, a store, the name of a network, or a file that ends in .py."
                )
            if "/" in what or what.endswith(".zarr"):
                raise ParameterError(f"There is no folder {what}.")
            raise unknown("network, folder or file", what, names)
        show = find(what).name
    if cache:
        from ranvier.compiled import turn_on_where_asked

        turn_on_where_asked(by_default=True)
    serve(
        root,
        own=own,
        show=show,
        host=arguments.host,
        port=arguments.port,
        browser=not arguments.no_browser,
        allow_remote=arguments.allow_remote,
    )
