"""Starts the lab's server on this machine."""

from __future__ import annotations

import contextlib
import errno
import secrets
import socket
import webbrowser
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ranvier.errors import ParameterError, UnsupportedError


def listening(host: str, port: int) -> socket.socket:
    """A socket at that port, or at a free one.

    Raises:
        ParameterError: another program has the port; the address is not this machine's.
    """
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((host, port))
        made.listen(64)
    except (OSError, OverflowError) as error:
        made.close()
        if isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
            raise ParameterError(f"This machine has no address {host} ({error}). Leave out --host: the lab is at 127.0.0.1 then.") from None
        raise ParameterError(f"Port {port} of {host} cannot be used ({error}). Leave out --port: a free one is found.") from None
    return made


def serve(
    root: Path,
    *,
    own: Any = None,
    show: str = "",
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = True,
    allow_remote: bool = False,
) -> None:
    """Serves the lab until Ctrl-C.

    Args:
        root: the folder whose stores are shown, or a store.
        own: a `ranvier.lab.server.networks.Choice` beside the ready-made networks: a file of the user's, or a network.
        show: the network that the page begins with.
        host: the address to listen at; another than this machine's own asks for `allow_remote`.
        port: to listen at; 0 for a free one.
        browser: shows it in the browser.
        allow_remote: whether other machines may call.

    Raises:
        ParameterError: there is no such folder; the port is taken; the host is not this machine.
        UnsupportedError: the extra `lab` is not installed.
    """
    if not root.is_dir():
        raise ParameterError(f"There is no folder {root}.")
    if host not in ("127.0.0.1", "localhost") and not allow_remote:
        raise ParameterError(
            f"--host {host} would open the lab to other machines. From another machine write there\n"
            "    ssh -L PORT:127.0.0.1:PORT this-machine\n"
            "and open the address that `ranvier lab --port PORT` prints here. (--allow-remote does it all the same.)"
        )
    try:
        import uvicorn

        from ranvier.lab.server.app import HOSTS, LARGEST_MESSAGE, application
        from ranvier.lab.server.networks import Networks
    except ImportError as error:
        raise UnsupportedError(f"The lab's server needs {error.name}. Write pip install 'ranvier[lab]'.") from None
    at = listening(host, port)
    port = at.getsockname()[1]
    networks = Networks(own)
    if show:
        networks.find(show)
    token = secrets.token_urlsafe(32)
    address = f"http://{'127.0.0.1' if host in HOSTS else host}:{port}/#token={token}" + (f"&show={quote(show)}" if show else "")
    hosts = HOSTS if host in HOSTS else (*HOSTS, host)
    settings: dict[str, Any] = {"log_level": "warning", "ws_max_size": LARGEST_MESSAGE, "server_header": False, "date_header": False}
    settings["ws_per_message_deflate"] = False  # packing the spikes would take from the run what it saves on a line that is not there
    server = uvicorn.Server(uvicorn.Config(application(root, token, port, hosts, networks), lifespan="off", **settings))
    print(address, flush=True)
    if browser:
        webbrowser.open(address)
    with contextlib.suppress(KeyboardInterrupt):  # Ctrl-C is how it ends
        server.run(sockets=[at])
