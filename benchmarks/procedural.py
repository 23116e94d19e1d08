"""Edges that each spike draws again, beside the same edges stored: memory, and time per event.

    python benchmarks/procedural.py            10⁵ neurons of 1000 synapses, stored and drawn; 10⁶ of 1000, drawn
    python benchmarks/procedural.py --one N STORED   one of them, in this process; prints JSON

Each runs in a process of its own, whose peak memory is measured. The neurons fire by a current, at 20 Hz, unsynchronised, and
the synapses are too weak to change that. Times are the processor's, of all threads, for 50 ms; those of a run without synapses are
subtracted.
"""

from __future__ import annotations

import json
import pathlib
import resource
import subprocess
import sys
import time

from harness import machine

SYNAPSES, DURATION, DT = 1000, 50.0, 0.1
CASES = [(100_000, True), (100_000, False), (1_000_000, False)]


def run(n: int, how: str) -> dict[str, float]:
    """One network: `"stored"`, `"drawn"` or `"none"` for no synapses."""
    import ranvier as rv

    model = rv.neurons.LeakyIntegrateAndFire(capacitance=200, leak=10, rest=-60, threshold=-50, reset_potential=-60, refractory=60)
    cells = rv.Population(n, model, current=rv.uniform(110, 130), initial={"V": rv.uniform(-60, -50)}, name="cells")
    parts = [cells]
    if how != "none":
        rule = (
            rv.connect.fixed_out_degree(SYNAPSES, by="source") if how == "stored" else rv.connect.fixed_out_degree(SYNAPSES, stored=False)
        )
        parts.append(rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(tau=5.0), rule, weight=1e-6, delay=1.5))
    began = time.perf_counter()
    sim = rv.prepare(rv.Network(*parts), dt=DT, precision="single", record=[])
    built = time.perf_counter() - began
    sim.run(DT * 10)
    began = time.process_time()
    result = sim.run(DURATION)
    worked = time.process_time() - began
    spikes = len(result.spikes)
    return {
        "neurons": n,
        "build_seconds": round(built, 2),
        "run_seconds": round(result.info["run_seconds"], 3),
        "processor_seconds": round(worked, 3),
        "rate_Hz": round(spikes / n / DURATION * 1000, 2),
        "events": spikes * SYNAPSES,
        "peak_GiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 3),
    }


def measured(n: int, how: str) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, "--one", str(n), how], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    results = []
    silent = {n: measured(n, "none")["processor_seconds"] for n in sorted({n for n, _ in CASES})}
    for n, stored in CASES:
        one = measured(n, "stored" if stored else "drawn")
        one["stored"] = stored
        one["ns_per_event"] = round((one["processor_seconds"] - silent[n]) / one["events"] * 1e9, 2)
        print(one, flush=True)
        results.append(one)
    place = pathlib.Path(__file__).with_name("results") / "procedural.json"
    place.write_text(
        json.dumps(
            {
                "machine": machine(),
                "synapses": SYNAPSES,
                "duration_ms": DURATION,
                "dt_ms": DT,
                "processor seconds without synapses": silent,
                "runs": results,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    if "--one" in sys.argv:
        print(json.dumps(run(int(sys.argv[2]), sys.argv[3])))
    else:
        main()
