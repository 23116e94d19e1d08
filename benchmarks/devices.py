"""One network on one core, on two cores as threads, as devices and as processes: time a step, and what the exchange takes of it.

    python benchmarks/devices.py [--quick]

Each case is a process of its own, warmed up by a first run; medians of `ROUNDS`, the cases in turn. One core is `taskset -c 0`. Strong
scaling: one network on two cores; weak: twice the network. What the exchange takes is measured as a run of as many steps in which
no population is driven: the devices then do nearly nothing but tell each other.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROUNDS = 3
RESULTS = Path(__file__).parent / "results" / "devices.json"

PROGRAM = """
import json, sys, time
case = json.loads(sys.argv[1])
import jax
if case["how"] == "devices":
    jax.config.update("jax_num_cpu_devices", 2)
import ranvier as rv
if case["how"] == "processes":
    rv.devices.join()
models = {"coba": rv.models.coba, "brunel": rv.models.brunel, "microcircuit": rv.models.microcircuit}
net = models[case["model"]](scale=case["scale"])
integrator = rv.ExponentialEuler() if case["model"] == "coba" else None
devices = 2 if case["how"] == "devices" else None
sim = rv.prepare(net, dt=0.1, integrator=integrator, devices=devices, precision=case["precision"])
sim.run(20.0)
cpu = time.process_time()
run = sim.run(case["duration"])
cpu = time.process_time() - cpu
steps = round(case["duration"] / 0.1)
print(json.dumps({"us": 1e6 * run.info["run_seconds"] / steps, "cpu_us": 1e6 * cpu / steps,
                  "rate": len(run.spikes) / run.spikes.n / case["duration"] * 1000, "spikes": len(run.spikes)}))
"""


def once(case: dict) -> dict:
    """One case in processes of its own."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(case)]
    if case["how"] == "one core":
        command = ["taskset", "-c", "0", *command]
    if case["how"] != "processes":
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "RANVIER_COORDINATOR": f"127.0.0.1:{port}", "RANVIER_PROCESSES": "2"}
    running = [
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment | {"RANVIER_PROCESS": str(i)},
        )
        for i in range(2)
    ]
    said = [json.loads(process.communicate()[0].splitlines()[-1]) for process in running]
    return {**said[0], "cpu_us": sum(s["cpu_us"] for s in said)}


def main() -> None:
    """Measures, and keeps the numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    works = [
        ("coba", 10.0, 100.0, "double"),
        ("brunel", 1.0, 200.0, "double"),
        ("microcircuit", 0.2, 100.0, "single"),
    ]
    rows = []
    for model, scale, duration, precision in works[: 1 if quick else None]:
        found: dict[str, list[dict]] = {}
        for _ in range(1 if quick else ROUNDS):
            for how in ("one core", "threads", "devices", "processes"):
                case = {"model": model, "scale": scale, "duration": duration, "precision": precision, "how": how}
                found.setdefault(how, []).append(once(case))
        median = lambda how, what, found=found: statistics.median(x[what] for x in found[how])
        alone = median("one core", "us")
        for how in found:
            same = {x["spikes"] for x in found[how]} == {found["one core"][0]["spikes"]}
            row = {
                "model": model,
                "scale": scale,
                "precision": precision,
                "how": how,
                "us_a_step": round(median(how, "us"), 1),
                "cpu_us_a_step": round(median(how, "cpu_us"), 1),
                "times_one_core": round(alone / median(how, "us"), 2),
                "rate_hz": round(median(how, "rate"), 2),
                "same_spikes": same,
            }
            rows.append(row)
            print(row, flush=True)
    if not quick:
        RESULTS.write_text(json.dumps({"cpus": os.cpu_count(), "rounds": ROUNDS, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()
