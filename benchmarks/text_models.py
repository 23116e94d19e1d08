"""Brian2's example models as text: every spike held against Brian2's, and how long building and running take.

    python benchmarks/text_models.py --brian2 benchmarks/peers/.venv/bin/python

Thirty models. Sixteen are those of the tests (`tests/equations`), fourteen are in `peers/text_examples.py`, one text for both simulators.
Brian2 runs with its NumPy target here: what is compared is spikes.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "peers"), str(HERE.parent)]

from text_examples import EXAMPLES, size  # noqa: E402

import ranvier as rv  # noqa: E402

METHODS = {"exact": rv.ExactLinear(), "rk4": rv.RungeKutta4(), "euler": rv.Euler(), "exponential_euler": rv.ExponentialEuler()}


def in_ranvier(model):
    """The same of a model as `in_brian2` gives."""
    began, worked = time.perf_counter(), time.process_time()
    each = model.get("each", {})
    bases = {"mV": "mV", "nS": "nS", "pA": "pA", "pF": "pF", "ms": "ms", "1": "1"}
    equations = "\n".join([model["equations"], *(f"{name} : {bases[unit]}" for name, (unit, _) in each.items())])
    cell = rv.neurons.from_equations(
        equations,
        threshold=model["threshold"],
        **({"reset": model["reset"]} if "reset" in model else {}),
        **({"refractory": f"{model['refractory']} ms"} if "refractory" in model else {}),
        parameters=model.get("parameters", {}),
        initial=model.get("initial", {}),
    )
    class_built = time.process_time() - worked
    given = {name: np.array(values) for name, (_, values) in each.items()}
    start = {name: np.array(values) for name, values in model.get("start", {}).items()}
    current = np.array(model["current"]) if "current" in model else None
    cells = rv.Population(size(model), cell(**given), current=current, initial=start or None, name="cells")
    parts = [cells]
    for number, wire in enumerate(model.get("wires", [])):
        on_pre = wire["on_pre"].replace("{w}*pA", "w").replace("{w}*nS", "w").replace("{w}", "w")
        text = wire["equations"] + (f"\nI = {wire['current']} : pA" if "current" in wire else "")
        made = rv.synapses.from_equations(text, on_pre=on_pre, parameters=wire["parameters"])()
        delays = np.broadcast_to(np.asarray(wire["delay"], float), len(wire["pre"]))
        parts.append(
            rv.Projection(
                cells, cells, made, rv.connect.edge_list(wire["pre"], wire["post"], None, delays), weight=wire["w"], name=f"w{number}"
            )
        )
    sim = rv.prepare(rv.Network(*parts), dt=model["dt"], integrator=METHODS[model["method"]])
    sim.run(model["duration"])
    built = time.perf_counter()
    run = sim.run(model["duration"])
    ended = time.perf_counter()
    spikes = sorted([int(k), int(i)] for k, i in zip(run.spikes.steps, run.spikes.neurons, strict=True))
    return {"spikes": spikes, "class_s": class_built, "build_s": built - began, "run_s": ended - built}


def compared(found, kept):
    """How many spikes there are, and how many are the same, neuron and step."""
    ours, theirs = set(map(tuple, found)), set(map(tuple, kept))
    return {"spikes": len(found), "brian2": len(kept), "same": len(ours & theirs), "all_same": sorted(found) == sorted(kept)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brian2", default=str(HERE / "peers/.venv/bin/python"), help="a Python that has Brian2")
    parser.add_argument("--only", nargs="*", help="some of the fourteen")
    parser.add_argument("--out", default=str(HERE / "results/text_models.json"))
    given = parser.parse_args()
    names = given.only or list(EXAMPLES)
    answer = subprocess.run([given.brian2, HERE / "peers/text_examples.py", *names], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(answer.stderr[-3000:])
    theirs = json.loads(answer.stdout.splitlines()[-1])
    in_ranvier(EXAMPLES["if_curve"])  # what the first class loads
    results = {}
    for name in names:
        ours = in_ranvier(EXAMPLES[name])
        times = {"class_ms": 1e3 * ours["class_s"], "run_s": ours["run_s"], "brian2_numpy_run_s": theirs[name]["run_s"]}
        results[name] = {
            "of": EXAMPLES[name]["of"],
            **compared(ours["spikes"], theirs[name]["spikes"]),
            **{k: round(v, 4) for k, v in times.items()},
        }
        print(name, results[name], flush=True)
    if not given.only:
        from tests.equations.models import MODELS

        kept = json.loads((HERE.parent / "tests/equations/brian2.json").read_text())
        for name, model in MODELS.items():
            ours, those = model(), kept[name]
            pairs = [sorted(zip(one["steps"], one["neurons"], strict=True)) for one in (ours, those)]
            results[name] = {"of": model.__doc__, **compared(*pairs)}
            print(name, results[name], flush=True)
        from harness import machine

        same = sum(r["all_same"] for r in results.values())
        Path(given.out).write_text(
            json.dumps({"machine": machine(), "models": len(results), "all_spikes_same": same, "results": results}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
