"""dx/dt = sin(x t), n = 1 … 10⁶ equations, in double precision: `odeint` and its peers, side by side, on one core and on two.

The question is PSST's own (its Fig. 1), but from x0 ≠ 0: at 0 nothing is computed. 500 points 0.01 apart
up to n = 10⁴, 100 at 10⁵ and 10 at 10⁶, for a NumPy loop over 500 takes a minute there.
Contenders take turns, of up to ten calls where those are short; the first call (tracing, compiling) is apart
from the later ones, of which the median counts. Fixed-step contenders take the same
points with four slopes a step, except diffrax (three, Bosh3, the nearest it has). PSST's loop over NumPy arrays writes
columns; one that writes rows, which NumPy likes better, stands beside it. Adaptive ones
(diffrax, torchdiffeq dopri5, SciPy's odeint and solve_ivp, and ranvier's Adaptive) run at
rtol 1e-6, atol 1e-9 and take some tens of steps: another question, with fewer slopes.
The limit is the same in plain C on one thread (limit/odeint.c, gcc -O3 -march=native
-ffast-math), which takes its own time, the processor's, in memory that it has had before.
Each number of cores is a process of its own that may use no others, in which every
contender has as many threads. Ratios are of processor time on one core, of time on
two. Each case replaces itself in the results that are kept, so that a run may be cut
into several.

    python benchmarks/odeint.py --machine "AMD EPYC 2 cores"
"""

import argparse
import functools
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import RESULTS, machine

FIXED = ("NumPy loop", "NumPy loop, rows", "PyTorch loop", "TensorFlow scan", "diffrax fixed", "torchdiffeq rk4")
"""The peers that take the same steps."""
ADAPTIVE = ("diffrax adaptive", "torchdiffeq dopri5", "SciPy odeint", "SciPy solve_ivp")
SIZES = (1, 10, 100, 1000, 10_000, 100_000, 1_000_000)
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp-simd"]
LSODA_LIMIT = 1000
"""SciPy's odeint reserves n² numbers, whether it needs them or not."""


def times(n):
    import numpy as np

    return np.arange(500 if n <= 10_000 else 100 if n <= 100_000 else 10) * 0.01


def runge_kutta_step(f, x, t, h):
    """As the tutorial writes it."""
    middle = t + h / 2
    k1 = f(x, t)
    k2 = f(x + h * k1 / 2, middle)
    k3 = f(x + h * k2 / 2, middle)
    k4 = f(x + h * k3, t + h)
    return (k1 + 2 * k2 + 2 * k3 + k4) * (h / 6) + x


def numpys(n):
    """RK4 in Python loops: over columns of an (equations, times) array, as the tutorial writes it, and over rows."""
    import numpy as np

    start, t = np.linspace(0.5, 2.0, n), times(n)

    def f(x, t):
        return np.sin(x * t)

    def columns():
        steps = t[1:] - t[:-1]
        x = np.zeros((start.shape[0], t.shape[0]))
        x[:, 0] = start
        for i in range(steps.shape[0]):
            x[:, i + 1] = runge_kutta_step(f, x[:, i], t[i], steps[i])
        return x.T

    def rows():
        steps = t[1:] - t[:-1]
        x = np.empty((t.shape[0], start.shape[0]))
        x[0] = start
        for i in range(steps.shape[0]):
            x[i + 1] = runge_kutta_step(f, x[i], t[i], steps[i])
        return x

    return {"NumPy loop": columns, "NumPy loop, rows": rows}


def scipys(n):
    import numpy as np
    import scipy.integrate

    start, t = np.linspace(0.5, 2.0, n), times(n)
    ivp = lambda: scipy.integrate.solve_ivp(lambda t, x: np.sin(x * t), (t[0], t[-1]), start, t_eval=t, rtol=1e-6, atol=1e-9).y.T
    calls = {"SciPy solve_ivp": ivp}
    if n <= LSODA_LIMIT:
        calls["SciPy odeint"] = lambda: scipy.integrate.odeint(lambda x, t: np.sin(x * t), start, t, rtol=1e-6, atol=1e-9)
    return calls


def torches(n, cores):
    import torch
    import torchdiffeq

    from ranvier.odeint import odeint

    torch.set_num_threads(cores)
    start, t = torch.linspace(0.5, 2.0, n, dtype=torch.float64), torch.tensor(times(n))
    steps = (t[1:] - t[:-1]).tolist()

    def f(x, t):
        return torch.sin(x * t)

    def swapped(t, x):
        return f(x, t)

    def loop():
        x = torch.empty((len(t), n), dtype=torch.float64)
        x[0] = start
        for i, h in enumerate(steps):
            x[i + 1] = runge_kutta_step(f, x[i], t[i], h)
        return x

    return {
        "ranvier PyTorch": lambda: odeint(f, start, t),
        "PyTorch loop": loop,
        "torchdiffeq rk4": lambda: torchdiffeq.odeint(swapped, start, t, method="rk4"),
        "torchdiffeq dopri5": lambda: torchdiffeq.odeint(swapped, start, t, rtol=1e-6, atol=1e-9),
    }


def tensorflows(n, cores):
    """RK4 in `tf.scan`, as the tutorial writes it, without compat.v1."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import numpy as np
    import tensorflow as tf

    from ranvier.odeint import odeint

    tf.config.threading.set_intra_op_parallelism_threads(cores)
    start, t = tf.constant(np.linspace(0.5, 2.0, n)), tf.constant(times(n))

    def f(x, t):
        return tf.sin(x * t)

    @tf.function
    def scan(x0, t):
        step = lambda x, t_and_h: runge_kutta_step(f, x, *t_and_h)
        return tf.concat([[x0], tf.scan(step, (t[:-1], t[1:] - t[:-1]), x0)], axis=0)

    return {
        "ranvier TensorFlow": lambda: odeint(f, start, times(n)).numpy(),
        "TensorFlow scan": lambda: scan(start, t).numpy(),
    }


def jaxes(n):
    import diffrax
    import jax
    import jax.numpy as jnp
    import numpy as np

    from ranvier.odeint import Adaptive, elementwise, odeint

    t = times(n)
    with jax.enable_x64(True):
        start, jax_t = jnp.asarray(np.linspace(0.5, 2.0, n)), jnp.asarray(t)
    chosen = Adaptive(rtol=1e-6, atol=1e-9)

    def f(x, t):
        return jnp.sin(x * t)

    def solver(adaptive):
        @jax.jit
        def solve(x0, t):
            return diffrax.diffeqsolve(
                diffrax.ODETerm(lambda t, x, args: f(x, t)),
                diffrax.Tsit5() if adaptive else diffrax.Bosh3(),
                t[0],
                t[-1],
                None,
                x0,
                saveat=diffrax.SaveAt(ts=t),
                stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-9) if adaptive else diffrax.StepTo(ts=t),
                max_steps=4096,
            ).ys

        def call():
            with jax.enable_x64(True):
                return solve(start, jax_t).block_until_ready()

        return call

    def by_xla():
        kept, elementwise.AT_LEAST = elementwise.AT_LEAST, n + 1
        try:
            return odeint(lambda x, t: jnp.sin(t * x), start, t).block_until_ready()
        finally:
            elementwise.AT_LEAST = kept

    return {
        "ranvier JAX, XLA's loop": by_xla,
        "ranvier JAX": lambda: odeint(f, start, t).block_until_ready(),
        "ranvier JAX, Adaptive": lambda: odeint(f, start, t, chosen).block_until_ready(),
        "diffrax fixed": solver(False),
        "diffrax adaptive": solver(True),
    }


def ranvier_numpy(n):
    import numpy as np

    from ranvier.odeint import odeint

    return {"ranvier NumPy": lambda: odeint(lambda x, t: np.sin(x * t), np.linspace(0.5, 2.0, n), times(n))}


def limit(folder):
    """The C program; what it is called with and returns is in its first lines."""
    program = Path(folder) / "odeint"
    subprocess.run(["gcc", *FLAGS, str(Path(__file__).parent / "limit" / "odeint.c"), "-o", str(program), "-lm"], check=True)

    def seconds(n):
        points = str(len(times(n)))
        printed = subprocess.run([str(program), str(n), "2", points], check=True, capture_output=True, text=True).stdout.split()
        return float(printed[0]), float(printed[1])

    return seconds


def measure(n, cores, seconds, in_c):
    """First call and later calls of every contender, in turns; and whether they agree."""
    import numpy as np

    calls = {**jaxes(n), **ranvier_numpy(n), **numpys(n), **scipys(n), **torches(n, cores), **tensorflows(n, cores)}
    first, later, ends = {}, {name: [] for name in calls}, {}
    processor, plain = {name: [] for name in calls}, [in_c(n)]
    for name, call in calls.items():
        began = time.perf_counter()
        result = call()
        first[name] = time.perf_counter() - began
        ends[name] = np.array(result[-1])
        del result
    agreement = {name: float(np.abs(end - ends["NumPy loop"]).max()) for name, end in ends.items()}
    assert max(agreement.values()) < 1e-4, agreement
    in_a_row = {}
    for name, call in calls.items():  # the first of short calls finds others in the caches, and the threads asleep
        began = time.perf_counter()
        began_here = time.process_time()
        call()
        later[name].append(time.perf_counter() - began)
        processor[name].append(time.process_time() - began_here)
        in_a_row[name] = min(10, max(1, int(0.02 / later[name][0])))
    until = time.perf_counter() + seconds
    while min(map(len, later.values())) < 3 or (time.perf_counter() < until and len(later["NumPy loop"]) < 21):
        for name, call in calls.items():
            for _ in range(in_a_row[name]):
                began, began_here = time.perf_counter(), time.process_time()
                call()
                later[name].append(time.perf_counter() - began)
                processor[name].append(time.process_time() - began_here)
        plain.append(in_c(n))
    assert abs(plain[0][1] - ends["NumPy loop"][-1]) < 1e-9
    return {
        "C": {"later_median_s": statistics.median(took for took, _ in plain), "calls": len(plain)},
    } | {
        name: {
            "first_s": first[name],
            "later_median_s": statistics.median(later[name]),
            "later_processor_s": statistics.median(processor[name]),
            "calls": len(later[name]),
            "error": agreement[name],
        }
        for name in calls
    }


def shown(n, cores, case):
    ours = case["contenders"]["ranvier JAX"]
    print(f"n = {n}, {cores} cores")
    for name, r in sorted(case["contenders"].items(), key=lambda item: item[1]["later_median_s"]):
        later, here = r["later_median_s"], r.get("later_processor_s", r["later_median_s"])
        took = f"first {r.get('first_s', 0):8.3f} s   later {1e3 * later:10.3f} ms   processor {1e3 * here:10.3f} ms"
        print(f"  {name:23} {took}   {later / ours['later_median_s']:8.2f} × ranvier JAX", flush=True)


def on_cores(cores, n, seconds):
    """One case, in this process, which has been started on so many cores."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(n, cores, seconds, limit(folder))
    clock = "later_processor_s" if cores == 1 else "later_median_s"
    ours = measured["ranvier JAX"][clock]
    ratios = {name: round(r.get(clock, r["later_median_s"]) / ours, 2) for name, r in measured.items()}
    best = lambda names: min(ratios[name] for name in names if name in ratios)
    return {
        "points": len(times(n)),
        "load": [load, os.getloadavg()[0]],
        "contenders": measured,
        "each / ranvier JAX": {"of": "processor time" if cores == 1 else "time", **ratios},
        "best fixed-step peer / ranvier JAX": best(FIXED),
        "best adaptive peer / ranvier JAX": best(ADAPTIVE),
    }


def in_its_own_process(cores, n, seconds):
    command = ["taskset", "-c", ",".join(map(str, range((os.cpu_count() or 1) - cores, os.cpu_count() or 1)))]
    command += [sys.executable, __file__, "--seconds", str(seconds), "--case", str(cores), str(n)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


@functools.cache
def versions():
    found = {}
    for package in ("ranvier", "jax", "numpy", "scipy", "torch", "tensorflow-cpu", "tensorflow", "diffrax", "torchdiffeq"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--sizes", type=int, nargs="*", default=SIZES)
    parser.add_argument("--cores", type=int, nargs="*", default=(1, 2))
    parser.add_argument("--seconds", type=float, default=6.0, help="how long to repeat each size, three times at least")
    parser.add_argument("--case", type=int, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        return print(json.dumps(on_cores(*options.case, options.seconds)))
    kept = RESULTS / f"{Path(__file__).stem}.json"
    cases = json.loads(kept.read_text()).get("cases", {}) if kept.exists() else {}
    for n in options.sizes:
        for cores in options.cores:
            case = cases[f"n = {n}, cores = {cores}"] = in_its_own_process(cores, n, options.seconds)
            shown(n, cores, case)
            found = {**machine(), **({"name": options.machine} if options.machine else {})}
            text = json.dumps({"question": __doc__.splitlines()[0], "machine": found, "versions": versions(), "cases": cases}, indent=1)
            kept.write_text(text + "\n")


if __name__ == "__main__":
    main()
