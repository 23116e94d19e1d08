"""The whole check of Ranvier on a GPU, in one command: `make gpu-check`, or

    python benchmarks/gpu/check.py [--device gpu] [--only kernels agreement …] [--models coba …] [--quick] [--out FILE]

On a machine without a GPU it says so and ends with 2; where something does not pass, with 1. `--device cpu` puts the processor in the
GPU's place, which tests the check. Each item runs in processes of its own with a limit of time, so that one that hangs costs no other,
and what was found is written after each.

Items:
    kernels     noting, delivery and listing of spikes against exact sums; twice the same bits
    agreement   every ready-made model on the device and on the processor: states after ten steps, spikes of every population;
                and twice on the device, the same bits
    speed       time a step of ready-made models, with kernels of our own and with the reference
    scale       neurons of Hodgkin and Huxley, a step
    tests       the test suite, with the device as JAX's first
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

HERE = pathlib.Path(__file__).resolve()
ROOT = HERE.parents[2]
NO_GPU = 2
LIMIT = {"kernels": 600, "agreement": 900, "speed": 900, "scale": 600, "tests": 7200}  # seconds, of each process
SCALES = {
    "cuba": 0.25,
    "coba": 0.25,
    "cobahh": 0.1,
    "brunel": 0.1,
    "vogels_abbott": 0.25,
    "microcircuit": 0.02,
    "inhibitory_balance": 0.1,
    "dynamic_random_network": 1.0,
}
SPEED = [("coba", 1.0), ("coba", 10.0), ("coba", 100.0), ("brunel", 1.0), ("microcircuit", 0.1), ("microcircuit", 1.0)]
REFERENCE_UP_TO = 1.0
WITHIN = {"double": 1e-9, "single": 1e-4}
"""How far states may be apart after ten steps, relative to the largest of a variable: last bits, and what the equations make of them."""
COUNTS_WITHIN = 0.1
"""How far spike counts may be apart, beside three standard deviations of a Poisson count: networks are chaotic, so last bits make
other spikes."""


def environment(device: str, **more: str) -> dict[str, str]:
    """That of a process whose JAX has one kind of device."""
    platform = {"gpu": "cuda,cpu", "cpu": "cpu"}[device]
    return {**os.environ, "JAX_PLATFORMS": platform, "XLA_PYTHON_CLIENT_PREALLOCATE": "false", **more}


def child(what: str, device: str, *words: str, **more: str) -> dict[str, Any]:
    """What an item says in a process of its own."""
    command = [sys.executable, str(HERE), "--child", what, *words]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT[what], env=environment(device, **more), check=False)
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {LIMIT[what]} s"}
    if done.returncode:
        return {"error": done.stderr.strip()[-1500:] or f"ended with {done.returncode}"}
    return json.loads(done.stdout.strip().splitlines()[-1])


# -- what runs in processes of their own ---------------------------------------------------------------


def kernels() -> dict[str, Any]:
    """Delivery against exact sums, and lists against NumPy's."""
    import jax
    import jax.numpy as jnp

    from ranvier import kernels as k

    own = k.dispatch.gpu_kernels()
    found: dict[str, Any] = {"worst": 0.0, "same bits": True, "lists": True}
    rng = np.random.default_rng(1)
    with jax.enable_x64(True):
        for n_pre, n_post, edges, longest, dtype in (
            (1, 1, 3, 0, "float32"),
            (70, 33, 5000, 4, "float64"),
            (5000, 3000, 400_000, 9, "float32"),
        ):
            pre, post = rng.integers(0, n_pre, edges), rng.integers(0, n_post, edges)
            delay, weights = rng.integers(0, longest + 1, edges), rng.normal(size=edges).astype(dtype)
            sorted_, order = k.sort_edges(pre, post, delay, n_pre, n_post)
            history, noted = k.empty_history(n_pre, longest + 1, dtype, amplitudes=False), []
            for step in range(longest + 1):
                flags = rng.random(n_pre) < 0.3
                noted.append(flags)
                history = jax.jit(k.note_spikes, static_argnums=2)(history, jnp.asarray(flags), 1.0, jnp.int64(step))
            deliver = jax.jit(
                lambda history, w, e=sorted_, s=longest, n=n_post, d=dtype: k.deliver_events(history, s, e, w, jnp.zeros(n, d))
            )
            got = [np.asarray(deliver(history, weights[order])) for _ in range(5)]
            due = np.array(noted)[longest - delay, pre]
            wanted = np.bincount(post[due], weights[due].astype(np.float64), minlength=n_post)
            of = np.bincount(post[due], np.abs(weights[due]).astype(np.float64), minlength=n_post).max(initial=0.0) or 1.0
            rounded = float(k.on_gpu.most_arriving(post, weights, n_post)[1]) / 2 * np.bincount(post[due]).max(initial=0) if own else 0.0
            apart = max(0.0, float(np.abs(got[0] - wanted).max()) - rounded)
            found["worst"] = max(found["worst"], float(apart / of / np.finfo(dtype).eps))
            found["same bits"] &= all(np.array_equal(got[0], x) for x in got)
            flags = noted[-1]
            _, neurons, count = k.compact_spikes(jnp.asarray(flags), 7, jnp.zeros(n_pre + 5, jnp.int64), jnp.zeros(n_pre + 5, jnp.int32), 2)
            listed = np.flatnonzero(flags)
            found["lists"] &= bool(int(count) == 2 + len(listed) and np.array_equal(np.asarray(neurons)[2 : 2 + len(listed)], listed))
            row = np.asarray(history.source)[longest % (longest + 1), : len(listed)]
            found["lists"] &= bool(np.array_equal(row, listed))
    # Kernels of a GPU's own round events to quanta and then a sum once, the reference at every event: of 400 000 onto 3000 targets, a
    # third of them due.
    found["may be"] = 1.5 if own else 100
    return {**found, "passed": bool(found["same bits"] and found["lists"] and found["worst"] <= found["may be"])}


def prepared(name: str, scale: float | None = None, precision: str | None = None) -> tuple[Any, Any]:
    import ranvier as rv
    from ranvier.models.catalogue import CATALOGUE

    model = next(m for m in CATALOGUE if m.name == name)
    scale = SCALES.get(name) if scale is None else scale
    network = model.network(0, **({} if scale is None or "scale" not in model.options else {"scale": scale}))
    how = {"dt": model.dt, "integrator": model.integrator, "precision": precision or model.precision, "record": []}
    return model, rv.prepare(network, **how)


def agreement(name: str, duration: str, file: str) -> dict[str, Any]:
    """One model, run twice, into a file."""
    import jax

    model, sim = prepared(name)
    early = sim.run(10 * model.dt)
    run, again = sim.run(float(duration)), sim.run(float(duration))
    leaves, _ = jax.tree_util.tree_flatten_with_path(early.state)
    states = {f"state {jax.tree_util.keystr(path)}": np.asarray(x) for path, x in leaves if np.asarray(x).dtype.kind == "f"}
    np.savez(file, steps=run.spikes.steps, neurons=run.spikes.neurons, **states)
    return {
        "device": jax.devices()[0].device_kind,
        "precision": model.precision,
        "dt": model.dt,
        "same bits": bool(
            np.array_equal(run.spikes.steps, again.spikes.steps) and np.array_equal(run.spikes.neurons, again.spikes.neurons)
        ),
        "populations": {p: list(map(int, where)) for p, where in run.spikes.populations.items()},
    }


def speed(name: str, scale: str, duration: str) -> dict[str, Any]:
    """Microseconds a step."""
    began = time.perf_counter()
    model, sim = prepared(name, float(scale))
    sim.run(20.0)
    built = time.perf_counter() - began
    us = []
    for _ in range(3):
        run = sim.run(float(duration))
        us.append(1e6 * run.info["run_seconds"] / round(float(duration) / model.dt))
    rate = len(run.spikes) / run.spikes.n / float(duration) * 1000
    return {"neurons": run.spikes.n, "us_a_step": round(sorted(us)[1], 2), "rate_Hz": round(rate, 2), "start_s": round(built, 1)}


def scale(n: str, precision: str) -> dict[str, Any]:
    """Neurons without connections."""
    import ranvier as rv

    cells = rv.Population(int(n), rv.neurons.HodgkinHuxley(), current=rv.uniform(0.0, 15.0))
    sim = rv.prepare(rv.Network(cells), dt=0.01, precision=precision, record=[])
    sim.run(1.0)
    run = sim.run(20.0)
    return {"neurons": int(n), "precision": precision, "us_a_step": round(1e6 * run.info["run_seconds"] / 2000, 2)}


CHILDREN = {"kernels": kernels, "agreement": agreement, "speed": speed, "scale": scale}

# -- what compares ------------------------------------------------------------------------------------


def compared(said: dict[str, Any], mine: Any, theirs: Any) -> dict[str, Any]:
    """A model on the device beside the same on the processor."""
    worst = 0.0
    for name in (n for n in mine.files if n.startswith("state ")):
        one, other = mine[name], theirs[name]
        size = np.abs(other, where=np.isfinite(other), out=np.zeros(other.shape)).max(initial=0.0)
        apart = np.abs(np.where(np.isfinite(one) & np.isfinite(other), one - other, 0.0)).max(initial=0.0)
        apart = np.inf if not np.array_equal(np.isfinite(one), np.isfinite(other)) else apart
        worst = max(worst, float(apart / size) if size else float(apart))
    counts, unlike = {}, []
    for population, (first, n) in said["populations"].items():
        a, b = (int(np.sum((x["neurons"] >= first) & (x["neurons"] < first + n))) for x in (mine, theirs))
        counts[population] = [a, b]
        if abs(a - b) > 3 * np.sqrt(a + b) + COUNTS_WITHIN * max(a, b):
            unlike.append(population)
    pairs = [np.stack([x["steps"], x["neurons"]]) for x in (mine, theirs)]
    both = min(p.shape[1] for p in pairs)
    differs = np.flatnonzero((pairs[0][:, :both] != pairs[1][:, :both]).any(axis=0))
    same = both == max(p.shape[1] for p in pairs) and not len(differs)
    at = None if same else round(float(pairs[1][0, differs[0]] if len(differs) else pairs[0][0, -1:].sum()) * said["dt"], 3)
    return {
        "states apart": worst,
        "spikes": counts,
        "first other spike (ms)": at,
        "same bits twice": said["same bits"],
        "passed": worst <= WITHIN[said["precision"]] and not unlike and said["same bits"],
    }


def of_model(device: str, model: Any, quick: bool) -> dict[str, Any]:
    """A model on the device and on the processor, compared."""
    with tempfile.TemporaryDirectory() as folder:
        files = [str(pathlib.Path(folder) / f"{which}.npz") for which in ("device", "cpu")]
        duration = str(round((300 if quick else 2000) * model.dt, 6))
        said = [child("agreement", on, model.name, duration, file) for on, file in zip((device, "cpu"), files, strict=True)]
        wrong = next((s for s in said if "error" in s), None)
        found = {**wrong, "passed": False} if wrong else compared(said[0], *map(np.load, files))
    print(model.name, json.dumps(found), flush=True)
    return found


def of_models(device: str, models: list[str], quick: bool) -> dict[str, Any]:
    from ranvier.models.catalogue import CATALOGUE

    chosen = [model for model in CATALOGUE if not models or model.name in models]
    with ThreadPoolExecutor(max(1, (os.cpu_count() or 1) // 2)) as several:
        found = dict(zip((m.name for m in chosen), several.map(lambda m: of_model(device, m, quick), chosen), strict=True))
    return {"models": found, "passed": bool(found) and all(m["passed"] for m in found.values())}


def of_speed(device: str, models: list[str], quick: bool) -> dict[str, Any]:
    rows = []
    for name, size in [("coba", 0.1)] if quick else SPEED:
        if models and name not in models:
            continue
        for own in ("", "reference") if size <= REFERENCE_UP_TO else ("",):
            said = child("speed", device, name, str(size), "20" if quick else "500", RANVIER_KERNELS=own)
            rows.append({"model": name, "scale": size, "kernels": own or "own", **said})
            print(json.dumps(rows[-1]), flush=True)
    return {"rows": rows, "passed": not any("error" in row for row in rows)}


def of_scale(device: str, models: list[str], quick: bool) -> dict[str, Any]:
    sizes = ("1000",) if quick else ("1000", "10000", "100000", "1000000")
    rows = []
    for n in reversed(sizes):
        for precision in ("single", "double"):
            rows.append(child("scale", device, n, precision))
            print(json.dumps(rows[-1]), flush=True)
    return {"rows": rows, "passed": not any("error" in row for row in rows)}


def of_tests(device: str, models: list[str], quick: bool) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels" if quick else "tests"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT["tests"], env=environment(device), check=False
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done within {LIMIT['tests']} s", "passed": False}
    lines = done.stdout.strip().splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return {"said": lines[-1] if lines else done.stderr[-500:], "failed": failed[:200], "passed": done.returncode == 0}


def of_kernels(device: str, models: list[str], quick: bool) -> dict[str, Any]:
    said = child("kernels", device)
    return {"passed": False, **said}


ITEMS = {"kernels": of_kernels, "agreement": of_models, "speed": of_speed, "scale": of_scale, "tests": of_tests}


def present(device: str) -> str | None:
    """Why there is no such device for JAX, or None."""
    code = f"import jax; print(jax.devices('{device}')[0].device_kind)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(device), check=False)
    if done.returncode == 0:
        print(f"The device under check: {done.stdout.strip().splitlines()[-1]}", flush=True)
        return None
    if not pathlib.Path("/dev/nvidiactl").exists():
        return "There is no GPU here (no /dev/nvidiactl): nothing was checked. Run `make gpu-check` on a machine that has one."
    return (
        "There is a GPU, but JAX does not find it: nothing was checked. `make gpu-check` installs jax[cuda13] beside Ranvier; its driver "
        f"must be of CUDA 13. JAX said: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'nothing'}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="The check of Ranvier on a GPU")
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--only", nargs="*", choices=tuple(ITEMS), default=list(ITEMS))
    parser.add_argument("--models", nargs="*", default=[], help="these ready-made models alone")
    parser.add_argument("--quick", action="store_true", help="small and short, to see that it works")
    parser.add_argument("--out", default=str(ROOT / "benchmarks" / "results" / "gpu_check.json"))
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, *words = options.child
        print(json.dumps(CHILDREN[what](*words)))
        return 0
    missing = present(options.device)
    if missing:
        print(missing, file=sys.stderr)
        return NO_GPU
    sys.path.insert(0, str(ROOT / "benchmarks"))
    from harness import machine

    from ranvier.run import versions

    found: dict[str, Any] = {"device": options.device, "machine": machine(), "versions": versions(), "items": {}}
    for item in options.only:
        began = time.perf_counter()
        result = ITEMS[item](options.device, options.models, options.quick)
        found["items"][item] = {**result, "seconds": round(time.perf_counter() - began, 1)}
        pathlib.Path(options.out).write_text(json.dumps(found, indent=1) + "\n")
        print(f"{item}: {'passed' if result['passed'] else 'NOT passed'}", flush=True)
    return 0 if all(i["passed"] for i in found["items"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
