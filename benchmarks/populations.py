"""Ten populations of eight variables with twenty projections: compile time and time a step, packed and not; and a thousand of each.

Guards the layout: without the barriers that close every stage, XLA computes
slopes anew for each row that uses them, and a step takes many times longer.

    taskset -c 0 python benchmarks/populations.py
"""

import json
import resource
import subprocess
import sys
import time

import numpy as np
from harness import arguments, save, take_turns

import ranvier as rv
import ranvier.run


class EightVariables(rv.ConductanceBasedNeuron):
    """A cell with V, six gates and calcium."""

    sodium: rv.IonChannel = rv.component(rv.channels.BazhenovSodium())
    potassium: rv.IonChannel = rv.component(rv.channels.BazhenovPotassium())
    transient: rv.IonChannel = rv.component(rv.channels.TransientPotassium())
    calcium_potassium: rv.IonChannel = rv.component(rv.channels.CalciumActivatedPotassium())
    leak: rv.IonChannel = rv.component(rv.channels.Leak(conductance=0.15, reversal=-55.0))
    calcium: rv.IonPool = rv.component(rv.channels.CalciumPool())


def network(n: int, populations: int = 10, projections: int = 20) -> rv.Network:
    draw = np.random.default_rng(0)
    cells = [rv.Population(n, EightVariables(), current=3.0, name=f"p{i}") for i in range(populations)]
    wires = [
        rv.Projection(
            cells[draw.integers(populations)],
            cells[draw.integers(populations)],
            rv.synapses.GradedGABA(),
            draw.random((n, n)),
            weight=0.1 / n,
            name=f"w{i}",
        )
        for i in range(projections)
    ]
    return rv.Network(*cells, *wires)


def many(populations: int, projections: int) -> dict:
    """What a network of single cells costs until it runs, in this process."""
    draw = np.random.default_rng(0)
    begin = time.perf_counter()
    cells = [rv.Population(1, rv.neurons.HodgkinHuxley(), current=3.0, name=f"p{i}") for i in range(populations)]
    pairs = draw.integers(populations, size=(projections, 2))
    wires = [
        rv.Projection(cells[pre], cells[post], rv.synapses.GradedGABA(), rv.connect.all_to_all(), weight=0.001, name=f"w{i}")
        for i, (pre, post) in enumerate(pairs)
    ]
    sim = rv.prepare(rv.Network(*cells, *wires), dt=0.05)
    built = time.perf_counter() - begin
    run = sim.run(10.0)
    return {
        "populations": populations,
        "graded projections": projections,
        "build_seconds": built,
        "compile_seconds": run.info["compile_seconds"],
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    if sys.argv[1:2] == ["--many"]:
        print(json.dumps(many(*map(int, sys.argv[2:]))))
        return
    options = arguments(__doc__)
    each_alone = []
    for sizes in ((1, 0), (10, 0), (100, 0), (1000, 0), (30, 10), (30, 100), (30, 1000)):
        if options.quick and sum(sizes) > 200:
            continue
        done = subprocess.run([sys.executable, __file__, "--many", *map(str, sizes)], stdout=subprocess.PIPE, check=True)
        each_alone.append(json.loads(done.stdout))
        print(each_alone[-1], flush=True)
    rows = []
    for populations, n in ((1, 60), (1, 1000), (10, 100), (10, 1000)):
        if options.quick and populations * n > 1000:
            continue
        net = network(n, populations, 2 * populations)
        steps = max(50, 400_000 // (populations * n))
        for name, integrator, dt in (("RK4", rv.RungeKutta4(), 0.01), ("exponential Euler", rv.ExponentialEuler(), 0.05)):
            facts: dict = {}

            def contender(packed, net=net, integrator=integrator, dt=dt, steps=steps, facts=facts):
                def run_once() -> float:
                    ranvier.run.PACKED = packed
                    run = rv.simulate(net, duration=steps * dt, dt=dt, integrator=integrator)
                    facts.setdefault(packed, run.info["compile_seconds"])
                    return run.info["run_seconds"]

                return run_once

            contenders = {"packed": contender(True), "not packed": contender(False)}
            for call in contenders.values():
                call()
            times = take_turns(contenders, options.rounds)
            row = {
                "populations": populations,
                "n": n,
                "projections": 2 * populations,
                "integrator": name,
                "compile_seconds": {"packed": facts[True], "not packed": facts[False]},
                "microseconds_a_step": {k: t["median"] * 1e6 / steps for k, t in times.items()},
            }
            row["nanoseconds_a_neuron_step"] = {k: v * 1e3 / (populations * n) for k, v in row["microseconds_a_step"].items()}
            rows.append(row)
            print(row, flush=True)
    save(__file__, options, {"table": rows, "many": each_alone})


if __name__ == "__main__":
    main()
