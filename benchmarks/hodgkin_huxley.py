"""Hodgkin–Huxley cells beside a hand-written C loop: nanoseconds of processor time a neuron and step.

RK4 (dt 0.01) and exponential Euler (dt 0.05), n = 1 … 10⁵, double and single,
nothing recorded but spikes. The C loop (limit/hodgkin_huxley.c) is compiled here
with gcc -O3 -march=native -ffast-math and records nothing at all.

    taskset -c 0 python benchmarks/hodgkin_huxley.py
"""

import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import arguments, save, take_turns

import ranvier as rv

LIMIT = Path(__file__).parent / "limit" / "hodgkin_huxley.c"
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp-simd"]


def main() -> None:
    options = arguments(__doc__)
    sizes = (1, 1000) if options.quick else (1, 20, 1000, 100_000)
    table = []
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("double", "single"):
            program = Path(folder) / precision
            single = ["-DSINGLE"] if precision == "single" else []
            subprocess.run(["gcc", *FLAGS, *single, str(LIMIT), "-o", str(program), "-lm"], check=True)
            for method, integrator, dt in (("RK4", rv.RungeKutta4(), 0.01), ("exponential", rv.ExponentialEuler(), 0.05)):
                for n in sizes:
                    table.append(compared(program, precision, method, integrator, dt, n, options.rounds))
                    print(table[-1], flush=True)
    save(__file__, options, {"flags": " ".join(FLAGS), "table": table})


def compared(program, precision, method, integrator, dt, n, rounds) -> dict:
    steps = max(20, min(200_000, 4_000_000 // n))
    population = rv.Population(
        n,
        rv.neurons.BazhenovNeuron(),
        initial={"V": -71.0, "m": 0.0, "h": 0.0, "n": 0.0},
        current=np.linspace(0, 10, n) if n > 1 else 10.0,
        name="cells",
    )
    net = rv.Network(population)
    sim = rv.prepare(net, dt=dt, integrator=integrator, precision=precision)
    last: dict = {}

    def ours() -> float:
        began = time.process_time()
        last["run"] = sim.run(steps * dt)
        return time.process_time() - began

    def c() -> float:
        out = subprocess.run([str(program), str(n), str(steps), method], check=True, capture_output=True, text=True).stdout.split()
        last["V"] = float(out[1])
        return float(out[0])

    ours()
    compile_seconds = last["run"].info["compile_seconds"]
    times = take_turns({"ranvier": ours, "C": c}, rounds)
    nanoseconds = {name: t["median"] * 1e9 / steps / n for name, t in times.items()}
    V = float(last["run"].state.neurons["cells"]["V"][-1])
    return {
        "n": n,
        "precision": precision,
        "method": method,
        "steps": steps,
        "nanoseconds_a_neuron_step": nanoseconds,
        "ratio": nanoseconds["ranvier"] / nanoseconds["C"],
        "compile_seconds": compile_seconds,
        "rate_hz": float(last["run"].spikes.rate.mean()),
        "V_of_the_last_neuron": {"ranvier": V, "C": last["V"]},
    }


if __name__ == "__main__":
    main()
