"""The antennal lobe of PSST's Day 6: 1000 ms, RK4, dt 0.01, V of all 120 neurons every 0.5 ms and all spikes.

How much processor time a step takes, what compiling takes, and the process's peak memory. Beside
it the same steps written out by hand in C (limit/antennal_lobe.c, compiled here with
gcc -O3 -march=native -ffast-math), from the same start, over the same edges: how
many spikes both have in the same step. The published code (TensorFlow) took 246 s
and 13.5 GiB on one core; it is quoted, not run. `ExponentialEuler` at 0.05 and
single precision run beside RK4.

    taskset -c 0 python benchmarks/antennal_lobe.py
"""

import resource
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from harness import arguments, save, take_turns

import ranvier as rv

LIMIT = Path(__file__).parent / "limit" / "antennal_lobe.c"
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp-simd"]
VARIABLES = {
    "PN": ("V", "sodium.m", "sodium.h", "potassium.n", "transient.m", "transient.h"),
    "LN": ("V", "potassium.n", "calcium_current.m", "calcium_current.h", "calcium_potassium.m", "calcium.concentration"),
}
SYNAPSES = {"PN": "acetylcholine", "LN": "GABA"}

PUBLISHED = {
    "seconds": 246.0,
    "gibibytes": 13.5,
    "source": "the published code under TensorFlow 2.21, one core of a 2.3 GHz AVX-512 machine",
}


def main() -> None:
    options = arguments(__doc__)
    duration = 300.0 if options.quick else 1000.0
    net, start = antennal_lobe()
    record = [rv.Record(p, "V", every=0.5) for p in ("PN", "LN")]
    facts: dict = {}
    spikes: dict = {}
    sims: dict = {}

    def contender(name, **how):
        def call() -> float:
            sim, began = sims.setdefault(name, rv.prepare(net, record=record, **how)), time.process_time()
            run = sim.run(duration)
            took = time.process_time() - began
            fact = facts.setdefault(name, {"compile_seconds": run.info["compile_seconds"], "steps": run.info["steps"]})
            fact["rate_hz"] = {p: float(run[p].spikes.rate.mean()) for p in ("PN", "LN")}
            steps = lambda p: np.rint(np.asarray(run[p].spikes.times) / 0.01).astype(int)
            firsts = {"PN": 0, "LN": 90}
            spikes[name] = {(int(k), int(i)) for p in firsts for k, i in zip(steps(p), run[p].spikes.neurons + firsts[p], strict=True)}
            return took

        return call

    def by_hand(name, program, file):
        def call() -> float:
            command = [str(program), str(file), str(round(duration / 0.01))]
            lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
            seconds, count = lines[0].split()
            spikes[name] = {(int(k), int(i)) for k, i in map(str.split, lines[1 : 1 + int(count)])}
            return float(seconds)

        return call

    contenders = {
        "RK4 0.01 double": contender("RK4 0.01 double"),
        "RK4 0.01 single": contender("RK4 0.01 single", precision="single"),
        "exponential Euler 0.05 double": contender("exponential Euler 0.05 double", integrator=rv.ExponentialEuler(), dt=0.05),
    }
    contenders["RK4 0.01 double"]()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # before the others add to it
    for call in list(contenders.values())[1:]:
        call()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "start"
        file.write_bytes(start.tobytes())
        for precision in ("double", "single"):
            program = Path(folder) / precision
            single = ["-DSINGLE"] if precision == "single" else []
            subprocess.run(["gcc", *FLAGS, *single, str(LIMIT), "-o", str(program), "-lm"], check=True)
            contenders[f"C {precision}"] = by_hand(f"C {precision}", program, file)
            facts[f"C {precision}"] = {"steps": round(duration / 0.01)}
        times = take_turns(contenders, options.rounds)
    beside = {}
    for precision in ("double", "single"):
        ours, c = f"RK4 0.01 {precision}", f"C {precision}"
        beside[precision] = {
            "ratio": times[ours]["median"] / times[c]["median"],
            "spikes": {"ranvier": len(spikes[ours]), "C": len(spikes[c]), "in the same step": len(spikes[ours] & spikes[c])},
        }
    result = {
        name: {**facts[name], "seconds": times[name], "microseconds_a_step": times[name]["median"] * 1e6 / facts[name]["steps"]}
        for name in contenders
    }
    ours = times["RK4 0.01 double"]["median"]
    save(
        __file__,
        options,
        {
            "runs": result,
            "beside C": {"flags": " ".join(FLAGS), **beside},
            "peak_gibibytes": peak,
            "published": PUBLISHED,
            "times_faster_than_published": PUBLISHED["seconds"] / ours * duration / 1000,
        },
    )


def antennal_lobe() -> tuple[rv.Network, np.ndarray]:
    """The network, and what the C program reads: the state, who is driven, and the weights by source and target."""
    draws = np.random.default_rng(0)
    excites, inhibits = draws.random((30, 90)) < 0.5, draws.random((120, 30)) < 0.5
    inhibits[90 + np.arange(30), np.arange(30)] = False
    driven = np.sort(draws.permutation(120)[:39])
    ach, gaba, drive = np.zeros((120, 120)), np.zeros((120, 120)), np.zeros(120)
    ach[90:, :90], gaba[:, 90:], drive[driven] = excites, inhibits, 1.0
    net = rv.models.antennal_lobe(ach_mat=ach, fgaba_mat=gaba, driven=driven)
    state = rv.prepare(net).state()
    parts = []
    for population, names in VARIABLES.items():
        parts += [state.neurons[population][name] for name in names]
        parts.append(state.synapses[SYNAPSES[population]]["open"])
    weights = [0.3 * excites.T, 0.8 * inhibits.T]
    return net, np.concatenate([np.ravel(np.asarray(x, np.float64)) for x in (*parts, drive, *weights)])


if __name__ == "__main__":
    main()
