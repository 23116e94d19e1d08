"""One network on one core, on two cores as threads, as devices and as processes: time a step, and what the exchange takes of it.

    python benchmarks/devices.py [--rounds N] [--quick]

Each case is a process of its own (or two), warmed up by a first run; medians, the cases in turn. One core is
`taskset -c 0`. Strong scaling: one network on one core and on two. Weak scaling: `brunel, twice` has twice as many cells on two cores
(each has 1 250 inputs at any size). Efficiency is the gain over one core, over two; of weak scaling that in cells a second. On a machine
that others use the clock tells little: by processor time efficiency is that of one core over that of two (a thread that waits looks out for
work, which counts).

A bare exchange is `EXCHANGES` times who of `FLAGS` neurons on each of two devices spiked, one after the other in a compiled loop, by native
kernels and by XLA's collectives; what a row says of its exchange is the bare one of its own neurons and spikes, over the steps between two.
Of the bare exchanges of `SPIKES` spikes the shortest of this time and those before is kept: what
others do at the machine only lengthens it. `flags` are the same two devices with the dense exchange: a bit for each neuron
and step, through XLA, where `devices` and `processes` tell lists of spikes.
"""

import json
import math
import os
import socket
import statistics
import subprocess
import sys

from harness import RESULTS, arguments, save

EXCHANGES = 2000
FLAGS, SPIKES = 20_000, 200
HOWS = ("one core", "threads", "devices", "processes")
WORKS = [
    ("coba", 10.0, 100.0, "double", HOWS),
    ("brunel", 1.0, 200.0, "double", (*HOWS, "flags")),
    ("microcircuit", 0.2, 100.0, "single", HOWS),
    ("microcircuit", 1.0, 100.0, "single", HOWS),
    ("cobahh", 1.0, 50.0, "double", ("one core", "threads", "devices")),
    ("brunel, twice", 0.5, 200.0, "double", HOWS),
]
QUICK = [("brunel", 0.2, 100.0, "double", HOWS), ("brunel, twice", 0.1, 100.0, "double", HOWS)]
"""model, its size as a share of the published one, duration (ms), precision"""

PROGRAM = """
import json, os, sys, time
case = json.loads(sys.argv[1])
import jax
if case["how"] in ("devices", "flags"):
    jax.config.update("jax_num_cpu_devices", 2)
import ranvier as rv
if case["how"] == "processes":
    rv.devices.join()
if case["how"] == "flags":
    from ranvier.devices import shards
    shards.packs = lambda mesh: True
if case["model"] == "exchange":
    import numpy as np
    from jax.sharding import NamedSharding, PartitionSpec
    from ranvier.devices.circle import circle_of
    from ranvier.devices.mesh import mesh_of
    from ranvier.network.exchange import Exchange
    jax.config.update("jax_enable_x64", True)
    size, devices = case["flags"], jax.devices()
    mesh, cut = mesh_of(devices), PartitionSpec("devices")
    exchange = Exchange(mesh, (("cells", size * len(devices)),), True, circle=0 if case["by_xla"] else circle_of(devices))
    def again(_, x):
        return jax.lax.dynamic_slice(exchange.of_all(x), (jax.lax.axis_index("devices") * size,), (size,))
    def tell(x):
        return jax.lax.fori_loop(0, case["exchanges"], again, x[0])[None]
    told = jax.jit(jax.shard_map(tell, mesh=mesh, in_specs=cut, out_specs=cut, check_vma=False))
    flags = np.zeros((1, size), bool)
    flags[0, np.linspace(0, size - 1, case["spikes"]).astype(int)] = True
    own = [jax.device_put(flags, d) for d in jax.local_devices()]
    x = jax.make_array_from_single_device_arrays((2, size), NamedSharding(mesh, cut), own)
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
devices = 2 if case["how"] in ("devices", "flags") else None
dt = 0.05 if case["model"] == "cobahh" else 0.1
sim = rv.prepare(net, dt=dt, integrator=integrator, devices=devices, precision=case["precision"])
sim.run(20.0)
cpu = time.process_time()
run = sim.run(case["duration"])
cpu = time.process_time() - cpu
steps = round(case["duration"] / dt)
every, here, native = 0, 0, True
if hasattr(sim, "shards"):
    exchange = sim.shards.exchange
    here, every, native = sim.shards.plan.n, min(exchange.later, 15) or 1, not sim.explain().why_not_native
print(json.dumps({"us": 1e6 * run.info["run_seconds"] / steps, "cpu_us": 1e6 * cpu / steps, "every": every, "here": here, "native": native,
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
    exchange: dict[tuple[object, ...], float] = {}

    def exchange_us(how: str, flags: int, spikes: int, by_xla: bool = False) -> float:
        what = (how, flags, spikes, by_xla)
        if what not in exchange:
            case = {"model": "exchange", "exchanges": EXCHANGES, "flags": flags, "spikes": spikes, "how": how, "by_xla": by_xla}
            exchange[what] = statistics.median(once(case)["us"] for _ in range(rounds))
        return exchange[what]

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
                every, steps = own[0]["every"], duration / (0.05 if model == "cobahh" else 0.1)
                spikes = round(own[0]["spikes"] / 2 / steps * every)
                row["steps_between_exchanges"], row["spikes_a_device"], row["native"] = every, spikes, own[0]["native"]
                on = "processes" if how == "processes" else "devices"
                row["exchange_us_a_step"] = round(exchange_us(on, own[0]["here"], spikes, how == "flags") / every, 2)
            rows.append(row)
            print(row, flush=True)
    known = RESULTS / "devices.json"
    before = json.loads(known.read_text())["exchange_us"] if known.exists() else {}
    bare = {}
    for how in ("devices", "processes"):
        for by_xla in (False, True):
            name = f"{how}, by XLA" if by_xla else how
            bare[name] = min(round(exchange_us(how, FLAGS, SPIKES, by_xla), 1), before.get(name, math.inf))
    save(__file__, options, {"rounds": rounds, "exchange_us": bare, "exchange_flags": FLAGS, "exchange_spikes": SPIKES, "rows": rows})


if __name__ == "__main__":
    main()
