"""dx/dt = sin(x t), 500 points, n = 1 … 10⁵ equations, in double precision: `odeint` and its peers, side by side, on one core and on two.

The question is PSST's own (its Fig. 1), but from x0 ≠ 0: at 0 nothing is computed.
Contenders take turns, call by call; the first call (tracing, compiling) is apart
from the later ones, of which the median counts. Fixed-step contenders take the same
500 points with four slopes a step, except diffrax (three, Bosh3, the nearest it has);
adaptive ones (diffrax, torchdiffeq dopri5, SciPy odeint, and ranvier's Adaptive) run at
rtol 1e-6, atol 1e-9 and take some tens of steps: another question, shown for scale.
The limit is the same in plain C on one thread (limit/odeint.c, gcc -O3 -march=native
-ffast-math), which takes its own time, the processor's.
Each number of cores is a process of its own that may use no others, in which every
contender has as many threads. Ratios are of processor time on one core, of time on
two. Each case replaces itself in the results that are kept, so that a run may be cut
into several.

    python benchmarks/odeint.py --machine "AMD EPYC 2 cores"
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import scipy.integrate
import tensorflow as tf
import torch
import torchdiffeq
from harness import RESULTS, machine

from ranvier.odeint import Adaptive, odeint

T = np.arange(0, 5, 0.01)
FIXED = ("NumPy loop", "TensorFlow scan", "diffrax fixed", "torchdiffeq rk4")
"""The peers that take the same steps."""
SIZES = (1, 1000, 10_000, 100_000)
FLAGS = ["-O3", "-march=native", "-ffast-math", "-fopenmp-simd"]
LSODA_LIMIT = 1000
"""SciPy's odeint reserves n² numbers, whether it needs them or not."""


def numpy_f(x, t):
    return np.sin(x * t)


def jax_f(x, t):
    return jnp.sin(x * t)


def torch_f(x, t):
    return torch.sin(x * t)


def tensorflow_f(x, t):
    return tf.sin(x * t)


def numpy_loop(x0, t):
    """RK4 in a Python loop over columns of an (equations, times) array, as the tutorial writes it."""
    steps = t[1:] - t[:-1]
    x = np.zeros((x0.shape[0], t.shape[0]))
    x[:, 0] = x0
    for i in range(steps.shape[0]):
        middle = t[i] + steps[i] / 2
        k1 = numpy_f(x[:, i], t[i])
        k2 = numpy_f(x[:, i] + steps[i] * k1 / 2, middle)
        k3 = numpy_f(x[:, i] + steps[i] * k2 / 2, middle)
        k4 = numpy_f(x[:, i] + steps[i] * k3, t[i] + steps[i])
        x[:, i + 1] = (k1 + 2 * k2 + 2 * k3 + k4) * (steps[i] / 6) + x[:, i]
    return x


@tf.function
def tensorflow_scan(x0, t):
    """RK4 in `tf.scan`, as the tutorial writes it, without compat.v1."""

    def step(x, t_and_h):
        t, h = t_and_h
        k1 = tensorflow_f(x, t)
        k2 = tensorflow_f(x + h * k1 / 2, t + h / 2)
        k3 = tensorflow_f(x + h * k2 / 2, t + h / 2)
        k4 = tensorflow_f(x + h * k3, t + h)
        return x + tf.add_n([k1, 2 * k2, 2 * k3, k4]) * (h / 6)

    return tf.concat([[x0], tf.scan(step, (t[:-1], t[1:] - t[:-1]), x0)], axis=0)


def diffrax_solver(adaptive):
    def solve(x0, t):
        return diffrax.diffeqsolve(
            diffrax.ODETerm(lambda t, x, args: jax_f(x, t)),
            diffrax.Tsit5() if adaptive else diffrax.Bosh3(),
            t[0],
            t[-1],
            None,
            x0,
            saveat=diffrax.SaveAt(ts=t),
            stepsize_controller=diffrax.PIDController(rtol=1e-6, atol=1e-9) if adaptive else diffrax.StepTo(ts=t),
            max_steps=4096,
        ).ys

    return jax.jit(solve)


def contenders(n):
    """For each contender what one call does, up to the result being there."""
    start = np.linspace(0.5, 2.0, n)
    with jax.enable_x64(True):
        jax_start, jax_t = jnp.asarray(start), jnp.asarray(T)
    torch_start, torch_t = torch.tensor(start), torch.tensor(T)
    tf_start, tf_t = tf.constant(start), tf.constant(T)
    fixed, adaptive = diffrax_solver(False), diffrax_solver(True)
    chosen = Adaptive(rtol=1e-6, atol=1e-9)

    def swapped(t, x):
        return torch_f(x, t)

    def double(solve):
        def call():
            with jax.enable_x64(True):
                return solve(jax_start, jax_t).block_until_ready()

        return call

    calls = {
        "ranvier NumPy": lambda: odeint(numpy_f, start, T),
        "ranvier JAX": lambda: odeint(jax_f, jax_start, T).block_until_ready(),
        "ranvier PyTorch": lambda: odeint(torch_f, torch_start, T),
        "ranvier TensorFlow": lambda: odeint(tensorflow_f, tf_start, T).numpy(),
        "ranvier JAX, Adaptive": lambda: odeint(jax_f, jax_start, T, chosen).block_until_ready(),
        "NumPy loop": lambda: numpy_loop(start, T),
        "TensorFlow scan": lambda: tensorflow_scan(tf_start, tf_t).numpy(),
        "diffrax fixed": double(fixed),
        "diffrax adaptive": double(adaptive),
        "torchdiffeq rk4": lambda: torchdiffeq.odeint(swapped, torch_start, torch_t, method="rk4"),
        "torchdiffeq dopri5": lambda: torchdiffeq.odeint(swapped, torch_start, torch_t, rtol=1e-6, atol=1e-9),
    }
    if n <= LSODA_LIMIT:
        calls["SciPy odeint"] = lambda: scipy.integrate.odeint(numpy_f, start, T, rtol=1e-6, atol=1e-9)
    return calls


def limit(folder):
    """The C program; what it is called with and returns is in its first lines."""
    program = Path(folder) / "odeint"
    subprocess.run(["gcc", *FLAGS, str(Path(__file__).parent / "limit" / "odeint.c"), "-o", str(program), "-lm"], check=True)

    def seconds(n):
        printed = subprocess.run([str(program), str(n), "2"], check=True, capture_output=True, text=True).stdout.split()
        return float(printed[0]), float(printed[1])

    return seconds


def measure(n, seconds, in_c):
    """First call and later calls of every contender, in turns; and whether they agree."""
    calls = contenders(n)
    first, later, ends = {}, {name: [] for name in calls}, {}
    processor, plain = {name: [] for name in calls}, [in_c(n)]
    for name, call in calls.items():
        began = time.perf_counter()
        result = call()
        first[name] = time.perf_counter() - began
        result = np.asarray(result)
        ends[name] = result[:, -1] if name == "NumPy loop" else result[-1]
        del result
    agreement = {name: float(np.abs(end - ends["NumPy loop"]).max()) for name, end in ends.items()}
    assert max(agreement.values()) < 1e-4, agreement
    until = time.perf_counter() + seconds
    while min(map(len, later.values())) < 3 or (time.perf_counter() < until and len(later["NumPy loop"]) < 21):
        for name, call in calls.items():
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
        print(f"  {name:21} {took}   {later / ours['later_median_s']:8.2f} × ranvier JAX", flush=True)


def on_cores(cores, n, seconds):
    """One case, in this process, which has been started on so many cores."""
    torch.set_num_threads(cores)
    tf.config.threading.set_intra_op_parallelism_threads(cores)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        measured = measure(n, seconds, limit(folder))
    clock = "later_processor_s" if cores == 1 else "later_median_s"
    ours = measured["ranvier JAX"][clock]
    ratios = {name: round(r.get(clock, r["later_median_s"]) / ours, 2) for name, r in measured.items()}
    return {
        "load": [load, os.getloadavg()[0]],
        "contenders": measured,
        "each / ranvier JAX": {"of": "processor time" if cores == 1 else "time", **ratios},
        "best fixed-step peer / ranvier JAX": min(ratios[name] for name in FIXED),
    }


def in_its_own_process(cores, n, seconds):
    command = ["taskset", "-c", ",".join(map(str, range((os.cpu_count() or 1) - cores, os.cpu_count() or 1)))]
    command += [sys.executable, __file__, "--seconds", str(seconds), "--case", str(cores), str(n)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


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
