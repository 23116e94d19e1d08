"""CUBA and COBA beside whole steps written by hand in C, and beside XLA's loop over the same kernels: processor time a step, one core.

All take turns. The C draws its own network of the same statistics, so the rates stand beside the times.

    python benchmarks/native_steps.py --rounds 5
"""

import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from harness import arguments, save

FLAGS = ("-O3", "-march=native", "-ffast-math")
LIMIT = Path(__file__).parent / "limit"
REAL = {"double": "double", "single": "float"}


def in_c(model: str, precision: str, folder: str) -> Path:
    program = Path(folder) / f"{model}_{precision}"
    subprocess.run(["gcc", *FLAGS, f"-DREAL={REAL[precision]}", str(LIMIT / f"{model}.c"), "-o", str(program), "-lm"], check=True)
    return program


def ours(model: str, n: int, precision: str, native: bool):
    """A warm simulation whose steps native kernels go through, or XLA, and the program that does it."""
    import ranvier as rv
    from ranvier.network import loop, native_steps

    run = native_steps.Turns.run
    if not native:
        native_steps.Turns.run = native_steps.Turns.by_xla
    try:
        loop._programs.clear()
        integrator = None if model == "cuba" else rv.ExponentialEuler()
        sim = rv.prepare(getattr(rv.models, model)(scale=n / 4000), dt=0.1, precision=precision, integrator=integrator)
        assert sim.explain().native or not native
        sim.run(50.0, seed=1)
    finally:
        native_steps.Turns.run = run
    return sim, dict(loop._programs)


def main() -> None:
    from ranvier.network import loop

    options = arguments(__doc__.splitlines()[0])
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sizes = (4000,) if options.quick else (4000, 40_000)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for model in ("cuba", "coba"):
            for n in sizes:
                steps = 20_000 if n == 4000 else 4000
                for precision in ("double", "single"):
                    program = in_c(model, precision, folder)
                    sims = {"native": ours(model, n, precision, True), "xla": ours(model, n, precision, False)}
                    times = {"c": [], **{name: [] for name in sims}}
                    rates = {}
                    for _ in range(options.rounds):
                        told = subprocess.run([str(program), str(n), str(steps)], capture_output=True, text=True, check=True).stdout.split()
                        times["c"].append(float(told[0]))
                        rates["c"] = float(told[1])
                        for name, (sim, programs) in sims.items():
                            loop._programs.clear()
                            loop._programs.update(programs)  # both have the same key
                            began = time.process_time()
                            run = sim.run(steps * 0.1, seed=1)
                            times[name].append(1e6 * (time.process_time() - began) / steps)
                            rates[name] = len(run.spikes) / n / (steps * 1e-4)
                    medians = {name: round(statistics.median(t), 2) for name, t in times.items()}
                    row = {
                        "model": model,
                        "n": n,
                        "precision": precision,
                        "us_a_step": medians,
                        "min": {k: round(min(t), 2) for k, t in times.items()},
                        "rate_hz": {k: round(r, 2) for k, r in rates.items()},
                        "times_c": round(medians["native"] / medians["c"], 2),
                        "load": round(os.getloadavg()[0], 1),
                    }
                    print(row, flush=True)
                    rows.append(row)
    save(__file__, options, {"rows": rows})


if __name__ == "__main__":
    main()
