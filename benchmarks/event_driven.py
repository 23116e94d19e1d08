"""Networks of point neurons beside Brian2 (C++ standalone) and NEST: time a step, firing rate, memory, building.

Both sides are built, then run in turns on the same cores; quoted is the ratio
of the medians: of processor time on one thread, of the clock on the wall on
two. The peers live in an environment of their own, which
`benchmarks/peers/setup.sh` makes. Brian2 does in single precision what it does
in double; NEST has double only, so Ranvier runs Brunel's network and the
microcircuit in double beside it.

    python benchmarks/event_driven.py --peers benchmarks/peers/.venv/bin/python --only "coba 4000"
"""

import argparse
import dataclasses
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import RESULTS, save

HERE = Path(__file__).parent / "peers"


@dataclasses.dataclass(frozen=True)
class Case:
    """What both sides run. `both` are options of both workers, `goal` is how many times faster Ranvier is to be.

    `peer_threads` are more than `threads`, the cores that both sides have, where NEST holds only so many connections a thread.
    """

    name: str
    peer: str
    both: tuple[str, ...]
    goal: float
    precision: str = "double"
    threads: int = 1
    rounds: int | None = None
    peer_threads: int | None = None

    def command(self, worker: str, python: str) -> list[str]:
        own = {
            "brian2": ["--precision", self.precision, "--threads", str(self.threads)],
            "nest": ["--threads", str(self.peer_threads or self.threads)],
            "ranvier": ["--precision", self.precision, "--threads", str(self.threads)],
        }
        return [python, str(HERE / f"{worker}_networks.py"), *self.both, *own[worker]]


def brette(model: str, neurons: int, precision: str, goal: float) -> Case:
    duration = 1000 if neurons < 10_000 else 500
    both = (model, str(neurons), "--duration", str(duration), "--discard", "300")
    return Case(f"{model} {neurons} {precision}", "brian2", both, goal, precision)


CASES = [
    *(brette(m, n, p, g) for m in ("coba", "cuba") for n in (4000, 40_000) for p, g in (("double", 4.0), ("single", 5.0))),
    brette("cobahh", 4000, "double", 5.0),
    *(
        Case(
            f"brunel V_r {reset}, {threads} thread(s)",
            "nest",
            ("brunel", "--reset", reset, "--duration", "500", "--discard", "100"),
            10.0,
            threads=threads,
        )
        for reset in ("0", "10")
        for threads in (1, 2)
    ),
    *(
        Case(
            f"microcircuit 0.1, {threads} thread(s)",
            "nest",
            ("microcircuit", "--scale", "0.1", "--duration", "1000", "--discard", "100"),
            30.0,
            threads=threads,
        )
        for threads in (1, 2)
    ),
    Case(
        "microcircuit 1.0, 2 thread(s)",
        "nest",
        ("microcircuit", "--duration", "300", "--discard", "100"),
        30.0,
        threads=2,
        rounds=1,
        peer_threads=4,
    ),
]


class Worker:
    """One side of a case, in a process of its own, on so many cores."""

    def __init__(self, command: list[str], threads: int):
        cores = sorted(os.sched_getaffinity(0))[:threads] if hasattr(os, "sched_getaffinity") else []
        self.complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115  (as long as the process)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.complaints,
            text=True,
            preexec_fn=(lambda: os.sched_setaffinity(0, cores)) if cores else None,
        )
        self.facts = self._line()
        self.runs: list[dict] = []

    def _line(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            self.complaints.seek(0)
            raise RuntimeError(f"{' '.join(self.process.args)} ended: {self.complaints.read()[-2000:]}")
        return json.loads(line)

    def run(self) -> None:
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        self.runs.append(self._line())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()

    def summary(self) -> dict:
        times = [run["microseconds_a_step"] for run in self.runs]
        spread = {"median": statistics.median(times), "min": min(times), "max": max(times)}
        rates = [run["rate_hz"] for run in self.runs]
        return {**self.facts, **self.runs[-1], "rate_hz": statistics.mean(rates), "microseconds_a_step": spread}


def compare(case: Case, options: argparse.Namespace) -> dict:
    """Builds both sides, lets them take turns, and says how they compare."""
    sides = {"ranvier": sys.executable, case.peer: options.peers}
    workers = {side: Worker(case.command(side, python), case.threads) for side, python in sides.items()}
    try:
        for _ in range(options.rounds or case.rounds or 5):
            for worker in workers.values():
                worker.run()
    finally:
        for worker in workers.values():
            worker.close()
    summaries = {side: worker.summary() for side, worker in workers.items()}
    medians = {side: summary["microseconds_a_step"]["median"] for side, summary in summaries.items()}
    return {"case": case.name, "times_faster": medians[case.peer] / medians["ranvier"], "goal": case.goal, **summaries}


def kept() -> list[dict]:
    """The rows of the last time: cases can be measured a few at a time, with `--only`."""
    results = RESULTS / "event_driven.json"
    return json.loads(results.read_text())["table"] if results.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=str(HERE / ".venv/bin/python"), help="the Python of the peers' environment")
    parser.add_argument("--only", default="", help="a regular expression: the cases to run")
    parser.add_argument("--rounds", type=int, default=None, help="how often each side runs")
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--quick", action="store_true", help="do not keep the numbers")
    options = parser.parse_args()
    if not Path(options.peers).exists():
        parser.error(f"{options.peers} does not exist: make it with benchmarks/peers/setup.sh, or name it with --peers")
    table = []
    for case in CASES:
        if re.search(options.only, case.name):
            table.append(compare(case, options))
            row = table[-1]
            print(f"{row['case']:34} {row['times_faster']:6.1f} × {case.peer} (goal {case.goal:g})", json.dumps(row), flush=True)
    run_now = {row["case"] for row in table}
    save(__file__, options, {"table": [*table, *(row for row in kept() if row["case"] not in run_now)]})


if __name__ == "__main__":
    main()
