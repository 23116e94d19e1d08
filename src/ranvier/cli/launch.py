"""`ranvier launch`: several processes compute one network."""

from __future__ import annotations

import argparse
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from ranvier.errors import ParameterError

GRACE = 5.0  # seconds that processes get to end by themselves when another has failed
COMMANDS = ("run", "resume")


def add_to(commands: Any) -> None:
    """Adds the command to the parser's."""
    parser = commands.add_parser(
        "launch",
        help="compute one network in several processes",
        description="Starts processes on this machine that compute one network together: `ranvier launch -n 2 -- run brunel`. Each draws "
        "only the edges of its own neurons. Where a cluster starts the processes (srun, mpirun), leave -n out: "
        "`srun ranvier launch -- run brunel`.",
    )
    parser.add_argument("-n", "--processes", type=int, metavar="N", help="how many processes")
    parser.add_argument("--port", type=int, metavar="PORT", help="where the first process waits for the others (default: a free one)")
    parser.add_argument("--patience", type=float, default=60.0, metavar="S", help="how long they wait for each other (s, default 60)")
    parser.add_argument("program", nargs=argparse.REMAINDER, metavar="-- run …|resume …|FILE.py …", help="what each of them does")


def launch(arguments: argparse.Namespace) -> int:
    """Starts the processes and waits for them.

    Returns:
        0, or what the first process that failed ended with.

    Raises:
        ParameterError: nothing to do, not a number of processes, a port in use.
    """
    program = [word for i, word in enumerate(arguments.program) if not (i == 0 and word == "--")]
    if not program or not (program[0] in COMMANDS or program[0].endswith(".py")):
        said = f", not {program[0]!r}" if program else ""
        raise ParameterError(f"launch starts `run …`, `resume …` or a FILE.py{said}: ranvier launch -n 2 -- run brunel")
    if arguments.processes is None:
        return _in_cluster(program, arguments.patience)
    if arguments.processes < 1:
        raise ParameterError(f"-n is {arguments.processes}; there must be at least one process.")
    return _started(program, arguments.processes, _free_port(arguments.port), arguments.patience)


def _in_cluster(program: Sequence[str], patience: float) -> int:
    """This process is one of those that a cluster started."""
    from ranvier.devices import join

    join(patience=patience)
    if program[0].endswith(".py"):
        import runpy

        sys.argv = list(program)
        runpy.run_path(program[0], run_name="__main__")
        return 0
    from ranvier.cli import main

    return main(program)


def _free_port(wanted: int | None) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", wanted or 0))
        except (OSError, OverflowError) as error:
            raise ParameterError(f"Port {wanted} cannot be used ({error}). Leave --port out: a free one is found.") from None
        return int(probe.getsockname()[1])


def _started(program: Sequence[str], count: int, port: int, patience: float) -> int:
    from ranvier.devices.processes import ADDRESS, COUNT, NUMBER, PATIENCE_NAME

    command = [sys.executable, *program] if program[0].endswith(".py") else [sys.executable, "-m", "ranvier.cli", *program]
    running = []
    for number in range(count):
        environment = {**os.environ, ADDRESS: f"127.0.0.1:{port}", COUNT: str(count), NUMBER: str(number), PATIENCE_NAME: str(patience)}
        running.append(subprocess.Popen(command, env=environment))
    try:
        return _waited_for(running)
    except KeyboardInterrupt:
        for process in running:  # they were told by the terminal too, and end at a safe place
            process.wait()
        raise
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()


def _waited_for(running: list[subprocess.Popen[Any]]) -> int:
    while True:
        codes = [process.poll() for process in running]
        # One that a signal ended comes first: that is why others may have failed meanwhile.
        failed = min(((i, code) for i, code in enumerate(codes) if code), key=lambda pair: pair[1], default=None)
        if failed is not None:
            return _ended(running, *failed)
        if all(code == 0 for code in codes):
            return 0
        time.sleep(0.05)


def _ended(running: list[subprocess.Popen[Any]], number: int, code: int) -> int:
    """One process failed: the others get a moment to notice, then they are ended."""
    how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    end = time.monotonic() + GRACE
    while time.monotonic() < end and any(process.poll() is None for process in running):
        time.sleep(0.05)
    left = [i for i, process in enumerate(running) if process.poll() is None]
    for i in left:
        running[i].terminate()
    for i in left:
        try:
            running[i].wait(GRACE)
        except subprocess.TimeoutExpired:
            running[i].kill()
    others = f"; {'process' if len(left) == 1 else 'processes'} {', '.join(map(str, left))} {'was' if len(left) == 1 else 'were'} ended too"
    print(f"ranvier: process {number} of {len(running)} {how}{others if left else ''}.", file=sys.stderr)
    return code if code > 0 else 128 - code
