"""How native kernels tell each other who spiked, on the devices of a network that are processors' cores: by memory within a process, by
sockets between processes, which are opened once.

XLA's own collectives are the reference, and what other devices use.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import secrets
import socket
import struct
import time
from collections.abc import Sequence

import jax

from ranvier.devices import processes
from ranvier.errors import warn
from ranvier.kernels import dispatch

LOOPBACK = ("127.", "localhost", "[::1]")
TOKEN = 16  # bytes by which those of one run know each other
GREETING = struct.Struct(f"<{TOKEN}sII")
OF_DEVICES, OF_HOSTS = CONNECTIONS = range(2)
"""What a connection is for: neither waits for the other."""
SECONDS_TO_GREET = 30.0
SECONDS_OF_SILENCE = 30.0  # within an exchange of devices, for which all are there, before another counts as lost
SECONDS_OF_WORK = 24 * 3600.0  # the same on the host: one that writes may take long, and JAX finds one that stands still

_known: dict[tuple[int, ...], int] = {}


def circle_of(devices: Sequence[jax.Device]) -> int:
    """The number under which native kernels know these devices as a circle; 0 where XLA's collectives are used.

    All processes ask this in the same order.
    """
    if any(d.platform != "cpu" for d in devices) or (module := dispatch.native_module()) is None:
        return 0
    ids = tuple(d.id for d in devices)
    if ids not in _known:
        hosts = _opened()
        if not hosts:
            return 0
        number = int.from_bytes(hashlib.sha256(repr(ids).encode()).digest()[:7], "little") | 1
        of = [d.process_index for d in devices]
        on = [hosts[p] for p in of]
        places = [on[:d].count(host) for d, host in enumerate(on)]
        module.open_circle(number, of, places, on.count(hosts[jax.process_index()]), SECONDS_OF_SILENCE)
        _known[ids] = number
    return _known[ids]


@functools.cache
def _opened() -> list[str]:
    """The host of each process, once there is a connection to every other one; none where there is no way."""
    if jax.process_count() == 1:
        return [socket.gethostname()]
    if os.name != "posix":
        return []
    own, listening = jax.process_index(), None
    token, problem = secrets.token_bytes(TOKEN), ""
    hosts = [message.decode() for message in processes.told_to_all(socket.gethostname().encode())]
    try:
        listening = _listening(hosts)
        address = listening.getsockname()[:2]
    except OSError as error:
        address, problem = ("", 0), str(error)
    said = [json.loads(message) for message in processes.told_to_all(json.dumps([*address, token.hex(), hosts[own]]).encode())]
    sockets: dict[tuple[int, int], socket.socket] = {}
    if listening is not None and all(port for _, port, _, _ in said):
        try:
            sockets = _greeted(own, listening, [((host, port), bytes.fromhex(other)) for host, port, other, _ in said])
        except OSError as error:
            problem = str(error)
    if listening is not None:
        listening.close()
    problems = [message.decode() for message in processes.told_to_all(("" if sockets else problem or "others cannot be reached").encode())]
    if any(problems):
        for each in sockets.values():
            each.close()
        warn(f"Processes tell each other who spiked through XLA, which is slower: {next(filter(None, problems))}.")
        return []
    module = dispatch.native_module()
    assert module is not None
    numbers = {what: each.detach() for what, each in sockets.items()}
    each_way = ([numbers.get((p, way), -1) for p in range(len(hosts))] for way in CONNECTIONS)
    module.open_peers(own, *each_way, SECONDS_OF_SILENCE, SECONDS_OF_WORK)
    processes.tell_by(module.tell)
    return hosts


def _listening(hosts: Sequence[str]) -> socket.socket:
    """A socket at the address by which the others reach this process."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.bind((_own_address(hosts), 0))
        listening.listen(len(hosts))
    except OSError:
        listening.close()
        raise
    return listening


def _own_address(hosts: Sequence[str]) -> str:
    """This host's address on the way to the first process, or of that to another."""
    coordinator = processes.coordinator()
    if coordinator.startswith(LOOPBACK) or (not coordinator and len(set(hosts)) == 1):
        return "127.0.0.1"
    known = coordinator.rpartition(":")[0].strip("[]")
    there = known if known and jax.process_index() else next((h for h in hosts if h != socket.gethostname()), hosts[0])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # nothing is sent
        probe.connect((there, 9))
        return str(probe.getsockname()[0])


def _greeted(own: int, listening: socket.socket, others: Sequence[tuple[tuple[str, int], bytes]]) -> dict[tuple[int, int], socket.socket]:
    """Connections to every other process, by its number and what they are for: this one calls those before it, the others call it.

    Raises:
        OSError: some cannot be reached, or do not come.
    """
    end = time.monotonic() + SECONDS_TO_GREET
    found: dict[tuple[int, int], socket.socket] = {}
    try:
        for number, (address, token) in enumerate(others[:own]):
            for way in CONNECTIONS:
                found[number, way] = calling = socket.create_connection(address, timeout=SECONDS_TO_GREET)
                calling.sendall(GREETING.pack(token, own, way))
                if _read(calling, TOKEN) != others[own][1]:
                    raise OSError(f"something else answers at {address[0]}:{address[1]}")
        while len(found) < len(CONNECTIONS) * (len(others) - 1):
            listening.settimeout(max(0.01, end - time.monotonic()))
            called, _ = listening.accept()
            called.settimeout(max(0.01, end - time.monotonic()))
            with contextlib.suppress(OSError):
                token, number, way = GREETING.unpack(_read(called, GREETING.size))
                expected = own < number < len(others) and way in CONNECTIONS and (number, way) not in found
                if secrets.compare_digest(token, others[own][1]) and expected:
                    called.sendall(others[number][1])
                    found[number, way] = called
                    continue
            called.close()  # a stranger
    except OSError:
        for each in found.values():
            each.close()
        raise
    for each in found.values():
        each.settimeout(None)
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found


def _read(stream: socket.socket, size: int) -> bytes:
    """So many bytes.

    Raises:
        OSError: it was closed before.
    """
    message = b""
    while len(message) < size:
        some = stream.recv(size - len(message))
        if not some:
            raise OSError("a process closed its connection")
        message += some
    return message
