"""Networks beside whole steps written by hand in C, and beside XLA's loop over the same kernels: processor time a step, one core.

All take turns. The C draws its own network of the same statistics, so the rates stand beside the times.

    python benchmarks/native_steps.py --rounds 5
    python benchmarks/native_steps.py --rounds 5 --only coba 4000    # measured anew, beside what is kept of the others
"""

import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from harness import RESULTS, arguments, save

FLAGS = ("-O3", "-march=native", "-ffast-math")
LIMIT = Path(__file__).parent / "limit"
REAL = {"double": "double", "single": "float"}


def in_c(model: str, precision: str, folder: str) -> Path:
    program = Path(folder) / f"{model}_{precision}"
    subprocess.run(["gcc", *FLAGS, f"-DREAL={REAL[precision]}", str(LIMIT / f"{model}.c"), "-o", str(program), "-lm"], check=True)
    return program


class Work(NamedTuple):
    """A ready-made network: its size, how the program in C is told it, and how many steps are measured."""

    model: str
    scale: float
    neurons: int
    told: str
    steps: int
    precisions: tuple[str, ...] = ("double", "single")


WORKS = (
    *(Work(model, n / 4000, n, str(n), steps) for model in ("cuba", "coba") for n, steps in ((4000, 20_000), (40_000, 4000))),
    Work("brunel", 1.0, 12_500, "12500", 10_000),
    Work("microcircuit", 0.2, 15_434, "0.2", 10_000),
    Work("microcircuit", 1.0, 77_169, "1", 2000, ("single",)),
)


def ours(work: Work, precision: str, native: bool):
    """A warm simulation whose steps native kernels go through, or XLA, and the program that does it."""
    import ranvier as rv
    from ranvier.network import loop, native_steps

    run = native_steps.Turns.run
    if not native:
        native_steps.Turns.run = native_steps.Turns.by_xla
    try:
        loop._programs.clear()
        integrator = rv.ExponentialEuler() if work.model == "coba" else None
        sim = rv.prepare(getattr(rv.models, work.model)(scale=work.scale), dt=0.1, precision=precision, integrator=integrator)
        assert sim.explain().native or not native
        sim.run(50.0, seed=1)
    finally:
        native_steps.Turns.run = run
    return sim, dict(loop._programs)


def kept_of_others(works: list[Work]) -> list[dict]:
    path = RESULTS / f"{Path(__file__).stem}.json"
    again = [(w.model, w.neurons) for w in works]
    return [row for row in json.loads(path.read_text())["rows"] if (row["model"], row["n"]) not in again]


def main() -> None:
    from ranvier.network import loop

    only = lambda parser: parser.add_argument("--only", nargs=2, metavar=("MODEL", "N"), help="one network of so many neurons")
    options = arguments(__doc__.splitlines()[0], only)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    works = [w for w in WORKS if not options.quick or w.neurons in (4000, 12_500)]
    if options.only:
        works = [w for w in works if [w.model, str(w.neurons)] == options.only]
    rows = kept_of_others(works) if options.only else []
    with tempfile.TemporaryDirectory() as folder:
        for work in works:
            for precision in work.precisions:
                program = in_c(work.model, precision, folder)
                sims = {"native": ours(work, precision, True), "xla": ours(work, precision, False)}
                # After 100 ms, in which activity settles.
                begins = {name: sim.run(100.0, seed=1).state for name, (sim, _) in sims.items()}
                times = {"c": [], **{name: [] for name in sims}}
                rates = {}
                for _ in range(options.rounds):
                    told = [str(program), work.told, str(work.steps)]
                    printed = subprocess.run(told, capture_output=True, text=True, check=True).stdout.split()
                    times["c"].append(float(printed[0]))
                    rates["c"] = float(printed[1])
                    for name, (sim, programs) in sims.items():
                        loop._programs.clear()
                        loop._programs.update(programs)  # both have the same key
                        began = time.process_time()
                        run = sim.run(work.steps * 0.1, seed=1, initial=begins[name])
                        times[name].append(1e6 * (time.process_time() - began) / work.steps)
                        rates[name] = len(run.spikes) / work.neurons / (work.steps * 1e-4)
                medians = {name: round(statistics.median(t), 2) for name, t in times.items()}
                row = {
                    "model": work.model,
                    "n": work.neurons,
                    "precision": precision,
                    "us_a_step": medians,
                    "min": {k: round(min(t), 2) for k, t in times.items()},
                    "rate_hz": {k: round(r, 2) for k, r in rates.items()},
                    "times_c": round(medians["native"] / medians["c"], 2),
                    "load": round(os.getloadavg()[0], 1),
                }
                print(row, flush=True)
                rows.append(row)
    order = [(w.model, w.neurons) for w in WORKS]
    save(__file__, options, {"rows": sorted(rows, key=lambda row: order.index((row["model"], row["n"])))})


if __name__ == "__main__":
    main()
