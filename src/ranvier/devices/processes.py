"""Several processes, on one machine or on many: how they find each other, and what they tell each other on the host.

All run the same program. What one device has is told to all where the host needs it; the list of spikes, the rows of
records and the state between two visits of the host are so known to every process, the edges never.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import io
import os
import pathlib
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, RanvierError
from ranvier.kernels import dispatch

ADDRESS, COUNT, NUMBER, PATIENCE_NAME = "RANVIER_COORDINATOR", "RANVIER_PROCESSES", "RANVIER_PROCESS", "RANVIER_PATIENCE"
"""The environment that `ranvier launch` gives to the processes that it starts."""

HEARTBEAT = 10  # seconds without a sign of life after which a process counts as lost
AT_ONCE = 4096  # bytes of a message that need no second one
PATIENCE = 60  # seconds that processes wait for the last of them at the start

ABORTED = (
    "\nranvier: JAX ended this process, as above: another process of the run ended, or gave no sign of life for {seconds} s, or is not the "
    "one that was asked for. What is in a store is whole up to its last checkpoint; `ranvier resume` goes on from it.\n"
)


_coordinator = ""
_tell: Callable[[bytes], list[bytes]] | None = None


def tell_by(way: Callable[[bytes], list[bytes]]) -> None:
    """From now on processes tell each other in another way than by XLA's collectives; it raises a `ConnectionError` where one is lost."""
    global _tell
    _tell = way


def coordinator() -> str:
    """Address and port of the first process; nothing where the cluster's environment alone says it."""
    return _coordinator


class ProcessesDiffer(RanvierError, RuntimeError):
    """The processes of one run were started with different programs or arguments."""


class ProcessLost(RanvierError, RuntimeError):
    """Another process of the run ended or cannot be reached."""


def join(
    coordinator: str | None = None, processes: int | None = None, process: int | None = None, *, patience: float | None = None
) -> None:
    """Makes this process one of several that compute one network together. To be called before anything else of JAX.

    Without arguments they are found in the environment: that of `ranvier launch`, or of the cluster (Slurm, Open MPI,
    Kubernetes, as `jax.distributed.initialize` finds it). `ranvier launch` calls it for its processes.

    Args:
        coordinator: address and port of the first process, `"10.0.0.1:1234"`.
        processes: how many there are.
        process: which of them this is, from 0.
        patience: how long to wait for the others (s); a minute when left out.

    Raises:
        ParameterError: nothing says where the others are, or JAX has started already.
        ProcessLost: some did not come.

    Example:
        In a program that `srun python program.py` starts on many machines::

            import ranvier as rv
            rv.devices.join()
            run = rv.simulate(network, duration=1000.0, dt=0.1)
    """
    environment = os.environ
    if coordinator is None and ADDRESS in environment:
        coordinator, processes, process = environment[ADDRESS], int(environment[COUNT]), int(environment[NUMBER])
    if coordinator is not None:
        if processes is None or process is None:
            raise ParameterError("join(coordinator, …) also takes how many processes there are, and which of them this is.")
        if not 0 <= int(process) < int(processes):
            raise ParameterError(f"process is {process}; of {processes} processes it can be 0 … {int(processes) - 1}.")
    if jax.distributed.is_initialized():
        return
    global _coordinator
    _coordinator = coordinator or ""
    _leave_at_once()
    wait = (
        float(environment.get(PATIENCE_NAME, PATIENCE))
        if patience is None
        else doors.number(patience, "patience", low=0.0, above=True, unit="s")
    )
    if coordinator is not None and process:
        _wait_for_the_first(coordinator, wait)
    elif coordinator is not None:
        _check_port(coordinator)
    try:
        jax.distributed.initialize(
            coordinator,
            processes,
            process,
            initialization_timeout=max(1, int(wait)),
            heartbeat_timeout_seconds=HEARTBEAT,
            coordinator_bind_address=coordinator if coordinator is not None and coordinator.startswith(("127.", "localhost")) else None,
        )
    except ValueError as error:
        raise ParameterError(
            f"Nothing says where the other processes are ({error}). Start them with `ranvier launch -n 2 -- …`, on a cluster with its "
            "own launcher (srun, mpirun), or write rv.devices.join('address:port', processes, process)."
        ) from None
    except RuntimeError as error:
        if "before any JAX" in str(error) or "already" in str(error):
            raise ParameterError("rv.devices.join() comes too late: JAX has started in this process. Call it first.") from None
        where = f" at {coordinator}" if coordinator else ""
        raise ProcessLost(
            f"Not all of the {processes or 'other'} processes came within {wait:g} s{where}: one did not start, cannot reach the first, "
            f"or its port is in use. ({_first_line(error)})"
        ) from None


def _host_and_port(coordinator: str) -> tuple[str, int]:
    """The two parts of an address.

    Raises:
        ParameterError: it has others.
    """
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit():
        raise ParameterError(f"The first process's address is {coordinator!r}; write address and port, '10.0.0.1:1234'.")
    return host.strip("[]"), int(port)


def _check_port(coordinator: str) -> None:
    """Refuses an address at which another program of this machine waits, of which JAX says nothing.

    Raises:
        ParameterError: its port is in use.
    """
    address = _host_and_port(coordinator)
    try:
        family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise ParameterError(
                f"The first process was to wait for the others at {coordinator}, but that port is in use: another program has it. "
                "Take another port; `ranvier launch` without --port finds a free one."
            ) from None


def _wait_for_the_first(coordinator: str, wait: float) -> None:
    """Waits until the first process is there: JAX ends a process that it does not find.

    Raises:
        ProcessLost: it did not come.
    """
    address = _host_and_port(coordinator)
    end = time.monotonic() + wait
    while True:
        try:
            socket.create_connection(address, timeout=max(0.1, end - time.monotonic())).close()
            return
        except OSError as error:
            if time.monotonic() >= end:
                raise ProcessLost(
                    f"The first process did not come within {wait:g} s at {coordinator}: it did not start, ended, or cannot be reached "
                    f"from here. ({error})"
                ) from None
        time.sleep(0.05)


def _leave_at_once() -> None:
    """Lets an error end this process at once, for at its exit JAX would wait for the others, who wait for it; and says what JAX does not
    where it is JAX that ends it.
    """
    module = dispatch.native_module()
    if module is not None:
        module.say_when_aborted(ABORTED.format(seconds=HEARTBEAT))
    before = sys.excepthook

    def hook(*error: Any) -> None:
        before(*error)
        if jax.distributed.is_initialized():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)

    sys.excepthook = hook


def first_process() -> bool:
    """Whether this process is the one that writes and prints, where there are several."""
    return jax.process_index() == 0 if jax.distributed.is_initialized() else True


def gathered(shards: Any, each: Mapping[int, Any]) -> list[Any]:
    """What all devices have, in their order, of what those of this process have: trees of NumPy arrays of one structure."""
    if jax.process_count() == 1:
        return [each[i] for i in range(len(shards.devices))]
    structure = jax.tree.structure(next(iter(each.values())))
    own = {i: jax.tree.leaves(tree) for i, tree in each.items()}
    found: list[Any] = [None] * len(shards.devices)
    for message in told_to_all(_written(own)):
        for i, leaves in _read(message).items():
            found[i] = jax.tree.unflatten(structure, leaves)
    return found


def told_to_all(message: bytes) -> list[bytes]:
    """What every process says, in their order.

    Raises:
        ProcessLost: one is gone.
    """
    if jax.process_count() == 1:
        return [message]
    if _tell is not None:
        try:
            return _tell(message)
        except ConnectionError as error:
            raise _lost(error) from None
    from jax.experimental import multihost_utils

    with losses():
        told = lambda own: np.ascontiguousarray(
            np.asarray(multihost_utils.process_allgather(own.view(np.uint32))).reshape(jax.process_count(), -1)
        ).view(np.uint8)
        # What is short goes with its length, at one go.
        head = np.zeros(8 + AT_ONCE, np.uint8)
        head[:8] = np.frombuffer(np.int64(len(message)).tobytes(), np.uint8)
        head[8 : 8 + len(message)] = np.frombuffer(message[:AT_ONCE], np.uint8)
        rows = told(head)
        lengths = np.ascontiguousarray(rows[:, :8]).view(np.int64)[:, 0]
        rows, more = rows[:, 8:], int(lengths.max()) - AT_ONCE
        if more > 0:
            # A power of two, for JAX compiles one program a length.
            rest = np.zeros(1 << max(6, (more - 1).bit_length()), np.uint8)
            rest[: max(len(message) - AT_ONCE, 0)] = np.frombuffer(message[AT_ONCE:], np.uint8)
            rows = np.concatenate([rows, told(rest)], axis=1)
    return [row[:length].tobytes() for row, length in zip(rows, lengths, strict=True)]


@contextlib.contextmanager
def losses() -> Iterator[None]:
    """Says in words that another process is gone, where JAX says that a connection broke."""
    try:
        yield
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # JAX raises what breaks in a collective as one or the other.
        broken = isinstance(error, jax.errors.JaxRuntimeError) or (type(error) is ValueError and "Gloo" in str(error))
        if not broken or jax.process_count() == 1:
            raise
        raise _lost(error) from None


def _lost(error: Exception) -> ProcessLost:
    return ProcessLost(
        f"Another process of this run ended or cannot be reached, so that this one (number {jax.process_index()} of "
        f"{jax.process_count()}) ends too. What is in the store is whole up to its last checkpoint. ({_first_line(error)})"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:200]


def _written(own: Mapping[int, Sequence[Any]]) -> bytes:
    """Arrays of some devices as bytes, in NumPy's own format."""
    stream = io.BytesIO()
    np.save(stream, np.array([len(own), len(next(iter(own.values())))], np.int64), allow_pickle=False)
    for i, leaves in own.items():
        np.save(stream, np.int64(i), allow_pickle=False)
        for leaf in leaves:
            np.save(stream, np.asarray(leaf), allow_pickle=False)
    return stream.getvalue()


def _read(message: bytes) -> dict[int, list[np.ndarray]]:
    stream = io.BytesIO(message)
    devices, leaves = np.load(stream, allow_pickle=False)
    found = {}
    for _ in range(devices):
        i = int(np.load(stream, allow_pickle=False))
        found[i] = [np.load(stream, allow_pickle=False) for _ in range(leaves)]
    return found


@functools.cache
def code_hash() -> str:
    """A hash of the package's own code."""
    root = pathlib.Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def check_same(facts: Mapping[str, Any]) -> None:
    """Refuses to go on where processes differ in something, on each of them.

    Args:
        facts: what must be the same, by what it is called.

    Raises:
        ProcessesDiffer: naming it.
    """
    if jax.process_count() == 1:
        return
    names = list(facts)
    own = [hashlib.sha256(repr(facts[name]).encode()).hexdigest() for name in names]
    said = [message.decode().split("\n") for message in told_to_all("\n".join(own).encode())]
    for at, name in enumerate(names):
        other = next((p for p, theirs in enumerate(said) if theirs[at] != said[0][at]), None)
        if other is not None:
            here = facts[name] if isinstance(facts[name], str) else doors.said(facts[name])
            raise ProcessesDiffer(
                f"The processes of this run differ in {name}: process {other} has another than process 0. All must run the same program "
                f"with the same arguments, code and versions. Here it is {here[:200]}."
            )
