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
        description="Shows the stores below a folder in the browser, running or finished: rasters by zooming, statistics, traces, where "
        "they come from; and runs the ready-made networks there. Nothing is written, and only this machine can call. It runs until Ctrl-C.",
    )
    parser.add_argument("root", nargs="?", default=".", metavar="DIR|STORE", help="a folder that holds stores, or a store (default: here)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="the port to serve at (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="print the address, open nothing")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen at")
    parser.add_argument("--allow-remote", action="store_true", help="let other machines call: whoever has the address sees the stores")


def run(arguments: argparse.Namespace) -> None:
    """Serves until it is stopped."""
    from ranvier.lab.server.serve import serve

    serve(
        Path(arguments.root),
        host=arguments.host,
        port=arguments.port,
        browser=not arguments.no_browser,
        allow_remote=arguments.allow_remote,
    )
