"""Sweeps beside a loop over warm runs: Hodgkin–Huxley cells with a current each, and seeds of the COBA network.

Compiling is left out on both sides (a first sweep and a first run come before). The loop runs some of the sets, and is
said for all of them. With `taskset -c 0` both sides have one core; seconds of the processor are said beside those of the clock, for
machines on which others run too.

    taskset -c 0 python benchmarks/sweep.py
    python benchmarks/sweep.py --peer jaxley=PYTHON --peer brian2=PYTHON --peer brainpy=PYTHON

Each peer computes the Hodgkin–Huxley cells with the Python that has it (benchmarks/peers/sweep_hh.py); those not named are left out.
"""

import json
import os
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
from harness import RESULTS, arguments, save, take_turns

import ranvier as rv


def cells(sets: int, duration: float, integrator):
    cell = rv.Population(1, rv.neurons.HodgkinHuxley(), current=0.0, name="cell")
    sim = rv.prepare(cell, dt=0.02, record=[], integrator=integrator)
    return sim, {"cell.current": np.linspace(5.0, 20.0, sets)}, duration


def seeds(sets: int, duration: float, scale: float):
    sim = rv.prepare(rv.models.coba(scale), dt=0.1, record=[], integrator=rv.ExponentialEuler())
    return sim, {"seed": range(sets)}, duration


def compared(name, sim, sets, duration, singles, rounds) -> dict:
    path, values = next(iter(sets.items()))
    total = len(values)
    chosen = list(values)[:: max(1, total // singles)][:singles]
    facts: dict = {}
    computed: dict = {}

    used: dict = {}

    def one_after_the_other() -> float:
        began, before = time.perf_counter(), time.process_time()
        for value in chosen:
            given = {"seed": int(value)} if path == "seed" else {"parameters": {path: float(value)}}
            facts["rate"] = float(sim.run(duration, **given).spikes.rate.mean())
        share = total / len(chosen)
        used.setdefault("one after the other", []).append((time.process_time() - before) * share)
        return (time.perf_counter() - began) * share

    def swept(called, **how):
        def run_once() -> float:
            began, before = time.perf_counter(), time.process_time()
            seen = rv.sweep(sim, sets, duration, measure="mean_rate", **how)
            computed[called] = seen.computed
            used.setdefault(called, []).append(time.process_time() - before)
            return time.perf_counter() - began

        return run_once

    contenders = {
        "one after the other": one_after_the_other,
        "sweep": swept("sweep"),
        "sweep, not exact": swept("sweep, not exact", exact=False),
    }
    for call in contenders.values():
        call()
    used.clear()
    seconds = take_turns(contenders, rounds)
    row = {
        "what": name,
        "sets": total,
        "duration": duration,
        "computed": computed,
        "rate": facts["rate"],
        "seconds": {k: v["median"] for k, v in seconds.items()},
        "processor_seconds": {k: statistics.median(v) for k, v in used.items()},
        "times_as_fast": {k: seconds["one after the other"]["median"] / v["median"] for k, v in seconds.items()},
    }
    if path == "seed":  # what no sweep can save: each set has edges of its own, and its steps are the same native kernels
        alone = []
        for value in [chosen[0]] * 8:
            began = time.perf_counter()
            sim.run(duration, seed=int(value))
            alone.append(time.perf_counter() - began)
        row["seconds_of_a_run_drawn_before"] = statistics.median(alone[1:])
        cores = len(os.sched_getaffinity(0))
        row["at_most_times_as_fast"] = cores * row["seconds"]["one after the other"] / total / row["seconds_of_a_run_drawn_before"]
    row["times_less_processor"] = {k: row["processor_seconds"]["one after the other"] / v for k, v in row["processor_seconds"].items()}
    print(row, flush=True)
    return row


def main() -> None:
    options = arguments(__doc__, lambda parser: parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON"))
    share = 0.05 if options.quick else 1.0
    table = []
    for integrator in (rv.ExponentialEuler(), rv.RungeKutta4()):
        sim, sets, duration = cells(1000, 1000.0 * share, integrator)
        table.append(compared(f"Hodgkin–Huxley, {type(integrator).__name__}", sim, sets, duration, 8, options.rounds))
    sim, sets, duration = seeds(100, 1000.0 * share, 0.1)
    table.append(compared("COBA, 400 cells", sim, sets, duration, 10, options.rounds))
    kept = RESULTS / "sweep.json"  # peers that are not asked for keep what was measured of them, with the load at that time
    peers = json.loads(kept.read_text())["peers"] if kept.exists() and not options.quick else {}
    for name, _, python in (peer.partition("=") for peer in options.peer):
        script = Path(__file__).parent / "peers" / "sweep_hh.py"
        longest = 1000.0 if name == "brian2" else 100.0  # the others keep what they compute of every step
        done = subprocess.run([python, script, name, "1000", str(longest * share)], capture_output=True, text=True)
        peers[name] = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else {"missing": done.stderr.strip()[-200:]}
        peers[name]["load"] = os.getloadavg()[0]
        print(name, peers[name], flush=True)
    save(__file__, options, {"cores_used": len(os.sched_getaffinity(0)), "load": os.getloadavg()[0], "table": table, "peers": peers})


if __name__ == "__main__":
    main()
