"""Ten populations of eight variables with twenty projections: compile time and time a step, packed and not.

Guards the layout: without the barriers that close every stage, XLA computes
slopes anew for each row that uses them, and a step takes many times longer.

    taskset -c 0 python benchmarks/populations.py
"""

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


def main() -> None:
    options = arguments(__doc__)
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
    save(__file__, options, {"table": rows})


if __name__ == "__main__":
    main()
