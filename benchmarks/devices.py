"""One network on one core, on two cores as threads, as devices and as processes: time a step, and what the exchange takes of it.

    python benchmarks/devices.py [--rounds N] [--quick]

Each case is a process of its own (or two), warmed up by a first run; medians, the cases in turn. One core is
`taskset -c 0`. Strong scaling: one network on one core and on two. Weak scaling: `brunel, twice` has twice as many cells on two cores
(each has 1 250 inputs at any size). Efficiency is the gain over one core, over two; of weak scaling that in cells a second. On a machine
that others use the clock tells little: by processor time efficiency is that of one core over that of two (a thread that waits looks out for
work, which counts).

A bare exchange is `EXCHANGES` gatherings of `BYTES` a device, one after the other in a compiled loop; what a row says of its exchange is
that of its own bytes, over the steps between two. Of the bare exchange of `BYTES` the shortest of this time and those before is kept: what
others do at the machine only lengthens it. `devices` are what a user gets of two that are cores of one processor: they have the
network whole where native kernels go through the steps. `cut` are the same two with a share each, as devices with a memory of their own
have it, and `flags` those with the dense exchange: a bit for each neuron and step, where `cut` and `processes` tell lists of spikes.
"""

import json
import math
import os
import socket
import statistics
import subprocess
import sys

from harness import RESULTS, arguments, save

EXCHANGES = 1000
BYTES = 20_000
HOWS = ("one core", "threads", "devices", "processes")
WORKS = [
    ("coba", 10.0, 100.0, "double", (*HOWS, "cut")),
    ("brunel", 1.0, 200.0, "double", (*HOWS, "cut", "flags")),
    ("microcircuit", 0.2, 100.0, "single", (*HOWS, "cut")),
    ("microcircuit", 1.0, 100.0, "single", HOWS),
    ("cobahh", 1.0, 50.0, "double", ("one core", "threads", "devices")),
    ("brunel, twice", 0.5, 200.0, "double", HOWS),
]
QUICK = [("brunel", 0.2, 100.0, "double", HOWS), ("brunel, twice", 0.1, 100.0, "double", HOWS)]
"""model, its size as a share of the published one, duration (ms), precision"""

PROGRAM = """
import json, os, sys, time
case = json.loads(sys.argv[1])
os.environ["RANVIER_CUT"] = str(int(case["how"] in ("cut", "flags")))
import jax
if case["how"] in ("devices", "cut", "flags"):
    jax.config.update("jax_num_cpu_devices", 2)
import ranvier as rv
if case["how"] == "processes":
    rv.devices.join()
if case["how"] == "flags":
    from ranvier.devices import shards
    shards.packs = lambda mesh: True
if case["model"] == "exchange":
    import numpy as np
    from jax.sharding import Mesh, NamedSharding, PartitionSpec
    mesh, cut = Mesh(np.array(jax.devices()), ("d",)), PartitionSpec("d")
    def tell(x):
        return jax.lax.fori_loop(0, case["exchanges"], lambda i, x: jax.lax.all_gather(x[0], "d").sum(axis=0, dtype=x.dtype)[None], x)
    told = jax.jit(jax.shard_map(tell, mesh=mesh, in_specs=cut, out_specs=cut, check_vma=False))
    own = [jax.device_put(np.ones((1, case["bytes"]), np.uint8), d) for d in jax.local_devices()]
    x = jax.make_array_from_single_device_arrays((2, case["bytes"]), NamedSharding(mesh, cut), own)
    told(x).block_until_ready()
    began, cpu = time.perf_counter(), time.process_time()
    told(x).block_until_ready()
    us = [1e6 * (now - then) / case["exchanges"] for now, then in ((time.perf_counter(), began), (time.process_time(), cpu))]
    print(json.dumps({"us": us[0], "cpu_us": us[1]}))
    sys.exit()
def twice(scale):
    return rv.models.brunel(scale=scale if case["how"] == "one core" else 2 * scale)
make = twice if case["model"] == "brunel, twice" else getattr(rv.models, case["model"])
net = make(scale=case["scale"])
integrator = rv.ExponentialEuler() if case["model"] == "coba" else None
devices = 2 if case["how"] in ("devices", "cut", "flags") else None
dt = 0.05 if case["model"] == "cobahh" else 0.1
sim = rv.prepare(net, dt=dt, integrator=integrator, devices=devices, precision=case["precision"])
sim.run(20.0)
cpu = time.process_time()
run = sim.run(case["duration"])
cpu = time.process_time() - cpu
steps = round(case["duration"] / dt)
every = size = 0
if hasattr(sim, "shards"):
    exchange = sim.shards.exchange
    here, every = sim.shards.plan.n, min(exchange.later, 15) or 1
    size = 4 * (exchange.at_once + 2) if exchange.listed else here * every // (8 if exchange.in_bits else 1)
print(json.dumps({"us": 1e6 * run.info["run_seconds"] / steps, "cpu_us": 1e6 * cpu / steps, "every": every, "bytes": size,
                  "n": run.spikes.n, "rate": len(run.spikes) / run.spikes.n / case["duration"] * 1000, "spikes": len(run.spikes)}))
"""


def once(case: dict) -> dict:
    """One case in processes of its own."""
    command = [sys.executable, "-c", PROGRAM, json.dumps(case)]
    if case["how"] == "one core":
        command = ["taskset", "-c", "0", *command]
    if case["how"] != "processes":
        return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
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
    options = arguments("One network on several devices and in several processes")
    rounds = 1 if options.quick else options.rounds
    exchange: dict[tuple[str, int], float] = {}

    def exchange_us(how: str, size: int) -> float:
        if (how, size) not in exchange:
            case = {"model": "exchange", "exchanges": EXCHANGES, "bytes": size, "how": how}
            exchange[how, size] = statistics.median(once(case)["us"] for _ in range(rounds))
        return exchange[how, size]

    rows = []
    for model, scale, duration, precision, hows in QUICK if options.quick else WORKS:
        found: dict[str, list[dict]] = {how: [] for how in hows}
        for _ in range(rounds):
            for how, own in found.items():
                own.append(once({"model": model, "scale": scale, "duration": duration, "precision": precision, "how": how}))
        alone = found["one core"]
        for how, own in found.items():
            of = {what: statistics.median(x[what] for x in own) for what in ("us", "cpu_us", "rate")}
            times = statistics.median(x["us"] for x in alone) / of["us"] * own[0]["n"] / alone[0]["n"]
            row = {
                "model": model,
                "scale": scale,
                "neurons": own[0]["n"],
                "precision": precision,
                "how": how,
                "us_a_step": round(of["us"], 1),
                "cpu_us_a_step": round(of["cpu_us"], 1),
                "times_one_core": round(times, 2),
                "rate_hz": round(of["rate"], 2),
                "rounds": rounds,
            }
            if how != "one core":
                row["efficiency"] = round(times / 2, 2)
                cpu = statistics.median(x["cpu_us"] for x in alone) / of["cpu_us"] * own[0]["n"] / alone[0]["n"]
                row["efficiency_by_processor_time"] = round(cpu, 2)
            if own[0]["n"] == alone[0]["n"]:
                row["same_spikes"] = {x["spikes"] for x in own} == {alone[0]["spikes"]}
            if own[0]["every"]:
                row["steps_between_exchanges"], row["bytes_a_device"] = own[0]["every"], own[0]["bytes"]
                on = "processes" if how == "processes" else "devices"
                row["exchange_us_a_step"] = round(exchange_us(on, own[0]["bytes"]) / own[0]["every"], 1)
            rows.append(row)
            print(row, flush=True)
    known = RESULTS / "devices.json"
    before = json.loads(known.read_text())["exchange_us"] if known.exists() else {}
    bare = {how: min(round(exchange_us(how, BYTES), 1), before.get(how, math.inf)) for how in ("devices", "processes")}
    save(__file__, options, {"rounds": rounds, "exchange_us": bare, "exchange_bytes": BYTES, "rows": rows})


if __name__ == "__main__":
    main()
