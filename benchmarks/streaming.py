"""What streaming to a store costs: wall time beside the same run in memory, checkpoints, memory over time.

COBA with 4 000 neurons and all spikes, and the antennal lobe with the potential
of every neuron every 0.1 ms, each in memory and to a store, in turns: wall time
of the steps, and processor time of all threads, building included, which tells
more where other work runs. A checkpoint of 10⁵ neurons and 10⁷ edge states,
beside the same bytes in a plain file. The process's memory while the antennal
lobe runs to a store (`--minutes` of simulated time; 60 is the hour), drawn in
results/streaming.png.

    python benchmarks/streaming.py --minutes 1
"""

import argparse
import contextlib
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import RESULTS, save, take_turns

import ranvier as rv
from ranvier.interruption import RunInterrupted
from ranvier.network.state import SimulationState
from ranvier.store.checkpoint import load_tree, save_tree
from ranvier.store.files import write_whole

PARTS = ("memory", "checkpoint", "wall_time")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each contender runs (default 7)")
    parser.add_argument("--minutes", type=float, default=0.5, help="of simulated time for the memory's curve (default 0.5)")
    parser.add_argument("--every", type=float, default=0.1, help="of simulated ms a row in that run (default 0.1)")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="what is measured; the other kept numbers stay")
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    return parser.parse_args()


def wall_times(folder: Path, options: argparse.Namespace) -> dict:
    """Seconds of steps in memory and to a store, writing to the end included."""
    share = 0.02 if options.quick else 1.0
    coba, lobe = rv.models.coba(), rv.models.antennal_lobe(seed=0)
    cases = {
        "COBA, 4000 neurons, all spikes": (coba, {"duration": 5000.0 * share, "dt": 0.1, "seed": 1}),
        "antennal lobe, all potentials every 0.1 ms": (
            lobe,
            {"duration": 2000.0 * share, "dt": 0.01, "record": [rv.Record(p, "V", every=0.1) for p in ("PN", "LN")]},
        ),
    }
    found = {}
    for name, (network, how) in cases.items():
        processor = {"memory": [], "store": []}

        def run(where, network=network, how=how, processor=processor, **store) -> float:
            began = time.process_time()
            seconds = rv.simulate(network, **how, **store).info["run_seconds"]
            processor[where].append(time.process_time() - began)
            return seconds

        def in_memory(run=run) -> float:
            return run("memory")

        def to_store(run=run, how=how) -> float:
            return run("store", store=folder / "run.zarr", overwrite=True, checkpoint_every=how["duration"] / 4)

        in_memory(), to_store()  # these compile
        times = take_turns({"memory": in_memory, "store": to_store}, options.rounds)
        spent = {where: statistics.median(seconds[1:]) for where, seconds in processor.items()}
        size = rv.open_store(folder / "run.zarr")
        found[name] = {
            **times,
            "store_over_memory": times["store"]["median"] / times["memory"]["median"],
            "fastest_store_over_memory": times["store"]["min"] / times["memory"]["min"],
            "processor_seconds": spent,
            "processor_store_over_memory": spent["store"] / spent["memory"],
            "spikes": len(size.spikes),
            "bytes_on_disk": size.size,
        }
    return found


def checkpoint(folder: Path, options: argparse.Namespace) -> dict:
    """Seconds to write (to the disk, not to its cache) and to read a state of 10⁵ neurons and 10⁷ edges."""
    neurons, edges = (1000, 10**5) if options.quick else (10**5, 10**7)
    random = np.random.default_rng(0)
    state = SimulationState(
        step=np.int64(1000),
        neurons={"cells": {name: random.normal(size=neurons) for name in ("V", "g_exc", "g_inh")}},
        synapses={"cells→cells": {"weight": random.normal(size=edges)}},
        last_spike={"cells": random.integers(0, 1000, neurons)},
        in_flight={"spikes": {"source": random.integers(0, neurons, (16, neurons)).astype(np.int32), "count": np.zeros(16, np.int32)}},
    )
    path = folder / "step-000000001000.npz"
    save_tree(path, {"state": state}, {})
    content = path.read_bytes()
    contenders = {
        "write": lambda: save_tree(path, {"state": state}, {}, durable=True),
        "plain_file": lambda: write_whole(folder / "plain", content, durable=True),
        "read": lambda: load_tree(path),
    }
    times = take_turns(contenders, options.rounds)
    return {**times, "bytes": path.stat().st_size}


def memory(folder: Path, options: argparse.Namespace) -> dict:
    """The resident memory of this process while the antennal lobe runs to a store, at equal stretches of simulated time."""
    duration = 200.0 if options.quick else options.minutes * 60_000.0
    record = [rv.Record(p, "V", every=options.every) for p in ("PN", "LN")]
    times, resident = [], []

    def look(progress) -> None:
        if not times or progress.time >= times[-1] + duration / 200:
            times.append(progress.time)
            resident.append(_resident())

    began, processor = time.perf_counter(), time.process_time()
    with contextlib.suppress(RunInterrupted):  # Ctrl-C: what there is until then
        rv.simulate(
            rv.models.antennal_lobe(seed=0),
            duration=duration,
            dt=0.05,
            integrator=rv.ExponentialEuler(),
            record=record,
            store=folder / "long.zarr",
            checkpoint_every=duration / 10,
            progress=look,
        )
    seconds, processor = time.perf_counter() - began, time.process_time() - processor
    store, half = rv.open_store(folder / "long.zarr"), len(resident) // 2
    return {
        "simulated_ms": store.spikes.stop,
        "recorded_every_ms": options.every,
        "bytes_recorded": sum(r.values.nbytes for r in store.records),
        "bytes_on_disk": store.size,
        "seconds": seconds,
        "processor_seconds": processor,
        "spikes": len(store.spikes),
        "time_ms": times,
        "resident_bytes": resident,
        "peak_of_second_half_over_first": max(resident[half:]) / max(resident[:half]),
    }


def _resident() -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def draw(found: dict) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
    axes.plot(np.array(found["time_ms"]) / 60_000, np.array(found["resident_bytes"]) / 2**20, color="#0072B2")
    axes.set(xlabel="simulated time (min)", ylabel="memory of the process (MiB)", ylim=(0, None))
    figure.savefig(RESULTS / "streaming.png", dpi=150)


def main() -> None:
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="streaming-", dir="."))
    try:
        measure = {"memory": memory, "checkpoint": checkpoint, "wall_time": wall_times}
        result = {part: {"load_before": os.getloadavg()[0], **measure[part](folder, options)} for part in PARTS if part in options.only}
    finally:
        shutil.rmtree(folder)
    kept = RESULTS / "streaming.json"
    if kept.exists():
        before = json.loads(kept.read_text())
        result = {part: result.get(part, before.get(part)) for part in PARTS}
    if not options.quick and "memory" in options.only:
        draw(result["memory"])
    save(__file__, options, result)


if __name__ == "__main__":
    main()
