"""Networks that learn: beside Brian2 (C++ standalone) and NEST, beside a loop in C++, and their own parts beside each other.

    python benchmarks/plasticity.py --peers benchmarks/peers/.venv/bin/python [--only "learning 10000"] [--largest]

Brunel's network with pair or triplet STDP among its excitatory neurons, and that
of Vogels et al. (2011), run in turns with a peer on the same cores, as in
`event_driven.py`: processor time on one thread, the clock on the wall on two;
time to compile and to build is apart. Everything else is processor time on one core:

step        10⁷ edges with pair STDP at about 32 Hz in a network of 10⁴ neurons, beside `plasticity.cc`, which has the edges alone
song        Song, Miller & Abbott 2000: 1000 Poisson inputs on one cell, 100 s
own rule    the same pair rule from a kernel, and as a user writes it in Python
homeostasis what scaling all weights once a second adds
memory      bytes that one more plastic edge takes

What the time of a step is does not hold what a run does once (the edges of a state are put in order for it, and back).
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from event_driven import Case, compare
from harness import RESULTS, save

HERE = Path(__file__).parent
CELLS = 10_000


def learning(neurons: int, rule: str, peer: str, precision: str = "double", threads: int = 1) -> Case:
    duration = {1000: "1000", 10_000: "300"}.get(neurons, "300")
    both = ("learning", str(neurons), "--rule", rule, "--duration", duration, "--discard", "100")
    name = f"learning {neurons} {rule} {precision}, {threads} thread(s), {peer}"
    return Case(name, peer, both, 5.0, precision, threads)


CASES = [
    *(
        learning(n, rule, peer, precision, threads)
        for n in (1000, 10_000)
        for rule in ("pair", "triplet")
        for peer, precision in (("brian2", "double"), ("brian2", "single"), ("nest", "double"))
        for threads in (1, 2)
        if rule == "pair" or precision == "double"
    ),
    Case("vogels 10000, brian2", "brian2", ("vogels", "10000", "--duration", "2000", "--discard", "1000"), 5.0),
]
LARGEST = [
    *(learning(30_000, rule, peer, threads=threads) for rule in ("pair", "triplet") for peer in ("brian2", "nest") for threads in (1, 2)),
    Case("vogels 10000 for 60 s, brian2", "brian2", ("vogels", "10000", "--duration", "60000", "--discard", "1000"), 5.0, rounds=1),
]


def seconds_a_step(simulation, short: float, long: float) -> float:
    """Processor time of a step, without what a run does once."""
    began = time.process_time()
    simulation.run(short)
    between = time.process_time()
    simulation.run(long)
    return (time.process_time() - between - (between - began)) / round((long - short) / simulation.dt)


def spread(values: list[float]) -> dict:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def regular(degree: int, rule=None):
    """10⁴ cells that fire at about 32 Hz whatever arrives, each at its own pace; edges of one step's delay."""
    import ranvier as rv

    cell = rv.neurons.LeakyIntegrateAndFire(
        capacitance=200.0, leak=10.0, rest=-65.0, threshold=-50.0, reset_potential=-65.0, refractory=2.0
    )
    current = rv.uniform(194.5, 196.0).draw(rv.random.Key(1), CELLS)
    cells = rv.Population(CELLS, cell, initial={"V": rv.uniform(-65.0, -50.0)}, current=current, name="cells")
    synapse, edges = rv.synapses.ExponentialCurrent(tau=2.0), rv.connect.fixed_in_degree(degree)
    how = {} if rule is None else {"plasticity": rule}
    return rv.Network(cells, rv.Projection(cells, cells, synapse, edges, weight=0.5e-6, delay=0.1, **how))


def step(options: argparse.Namespace) -> dict:
    import ranvier as rv

    n, degree = CELLS, 100 if options.quick else 1000
    rules = {"edges that learn": rv.plasticity.PairSTDP(high=1e-6), "edges that do not": None}
    prepared = {name: rv.prepare(regular(degree, rule), dt=0.1, precision="single", record=[]) for name, rule in rules.items()}
    rate = 0.0
    for simulation in prepared.values():
        rate = len(simulation.run(100.0).spikes) / n / 0.1
    found: dict[str, list] = {name: [] for name in (*prepared, "arrivals in C++", "spikes of targets in C++", "C++")}
    with tempfile.TemporaryDirectory() as folder:
        program = f"{folder}/plasticity"
        compiler = shutil.which("c++") or shutil.which("g++") or "clang++"
        subprocess.run([compiler, "-O3", "-march=native", "-o", program, HERE / "plasticity.cc"], check=True)
        for _ in range(options.rounds):
            for name, simulation in prepared.items():
                found[name].append(seconds_a_step(simulation, 50.0, 250.0) * 1e6)
            told = subprocess.run([program, str(n), str(degree), f"{rate:.2f}", "400"], check=True, capture_output=True, text=True)
            for name, value in zip(list(found)[2:], told.stdout.split(), strict=True):
                found[name].append(float(value))
    medians = {name: statistics.median(values) for name, values in found.items()}
    return {
        "edges": n * degree,
        "rate_hz": rate,
        "microseconds_a_step": {name: spread(values) for name, values in found.items()},
        "whole_step_times_c": medians["edges that learn"] / medians["C++"],
        "edges_alone_times_c": (medians["edges that learn"] - medians["edges that do not"]) / medians["C++"],
        "goal": 1.3,
    }


def song(options: argparse.Namespace) -> dict:
    import ranvier as rv

    seconds = 5 if options.quick else 100
    simulation = rv.prepare(
        rv.models.song_miller_abbott(), dt=0.25, integrator=rv.ExponentialEuler(), precision="single", seed=1, record=[]
    )
    simulation.run(100.0)
    found, rate, weights = [], 0.0, None
    for _ in range(options.rounds):
        began = time.process_time()
        run = simulation.run(seconds * 1000.0)
        found.append(time.process_time() - began)
        rate, weights = len(run["cell"].spikes) / seconds, run.edges("apart→cell").weight / 0.15
    return {
        "simulated_seconds": seconds,
        "dt": 0.25,
        "seconds": spread(found),
        "rate_of_the_cell_hz": rate,
        "share_of_weights_within_a_tenth_of_an_edge": float(((weights < 0.1) | (weights > 0.9)).mean()),
        "goal": seconds / 100,
    }


def network_of(rule: str, neurons: int):
    sys.path.insert(0, str(HERE / "peers"))
    import ranvier_networks

    return ranvier_networks.learning_brunel(argparse.Namespace(neurons=neurons, rule=rule))[0]


def beside_each_other(options: argparse.Namespace, rules: tuple[str, ...]) -> dict:
    """Microseconds a step of Brunel's network with each rule."""
    import ranvier as rv

    found = {}
    for neurons in (1000,) if options.quick else (1000, 10_000):
        prepared = {rule: rv.prepare(network_of(rule, neurons), dt=0.1, precision="single", record=[]) for rule in rules}
        for simulation in prepared.values():
            simulation.run(10.0)
        seconds: dict[str, list] = {rule: [] for rule in rules}
        rates = {}
        for _ in range(options.rounds):
            for rule, simulation in prepared.items():
                seconds[rule].append(seconds_a_step(simulation, 50.0, 1050.0 if neurons == 1000 else 250.0) * 1e6)
        for rule, simulation in prepared.items():
            rates[rule] = len(simulation.run(200.0).spikes) / neurons / 0.2
        medians = [statistics.median(values) for values in seconds.values()]
        found[neurons] = {
            "microseconds_a_step": {rule: spread(values) for rule, values in seconds.items()},
            "rates_hz": rates,
            "second_over_first": medians[1] / medians[0],
        }
    return found


def own_rule(options: argparse.Namespace) -> dict:
    return {**beside_each_other(options, ("pair", "own")), "goal": 4.0}


def homeostasis(options: argparse.Namespace) -> dict:
    return beside_each_other(options, ("pair", "normalized"))


MEASURE = """
import gc, resource, sys
sys.path[:0] = [{here!r}]
import ranvier as rv
from plasticity import regular
def now():
    gc.collect()
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
rule = lambda: rv.plasticity.PairSTDP(high=1e-6) if {learns} else None
simulation = rv.prepare(regular(10, rule()), dt=0.1, precision="single", record=[])
simulation.run(1.0)
before = now()
simulation = rv.prepare(regular({degree}, rule()), dt=0.1, precision="single", record=[])
print(now() - before)
run = simulation.run(1.0)
print(now() - before)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before)
"""


def memory(options: argparse.Namespace) -> dict:
    """Bytes that one more edge takes in single precision: what the system says of two sizes."""
    found = {}
    degrees = (50, 100) if options.quick else (200, 800)
    for name, learns in (("edges that learn", True), ("edges that do not", False)):
        sizes = []
        for degree in degrees:
            code = MEASURE.format(here=str(HERE), learns=learns, degree=degree)
            told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
            sizes.append([int(line) for line in told.stdout.split()])
        more = (degrees[1] - degrees[0]) * CELLS
        each = [(large - small) / more for small, large in zip(*sizes, strict=True)]
        found[name] = dict(zip(("prepared", "after a run, its result kept", "at the worst"), each, strict=True))
    return {"bytes_an_edge": found, "goal": 16}


PARTS = {"step": step, "song": song, "own rule": own_rule, "homeostasis": homeostasis, "memory": memory}


def kept() -> dict:
    """What was measured before: parts and cases can be measured a few at a time, with `--only`."""
    results = RESULTS / "plasticity.json"
    return json.loads(results.read_text()) if results.exists() else {}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", default=str(HERE / "peers/.venv/bin/python"), help="the Python of the peers' environment")
    parser.add_argument("--only", default="", help="a regular expression: the cases and parts to run")
    parser.add_argument(
        "--largest", action="store_true", help="also 30 000 neurons and 2.4 · 10⁷ plastic edges, and 60 s of Vogels: an hour, and 8 GiB"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs")
    parser.add_argument("--machine", default=None, help="a name for the machine, kept with the numbers")
    parser.add_argument("--quick", action="store_true", help="small sizes, and do not keep the numbers")
    options = parser.parse_args()
    for name, measure in PARTS.items():
        if re.search(options.only, name):
            with on_one_core():
                keep(options, {name: {**measure(options), "load": os.getloadavg()[0]}})
    for case in [*CASES, *(LARGEST if options.largest else ())]:
        if re.search(options.only, case.name):
            row = {**compare(case, options), "load": os.getloadavg()[0]}
            rates = f"{row['ranvier']['rate_hz']:.1f} and {row[case.peer]['rate_hz']:.1f} Hz"
            print(f"{row['case']:50} {row['times_faster']:5.1f} × {case.peer}, at {rates}", flush=True)
            keep(options, {"table": [row]})


@contextlib.contextmanager
def on_one_core():
    """One core for this thread and those that it starts, where the system has such a thing."""
    every = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    if every:
        os.sched_setaffinity(0, sorted(every)[:1])
    yield
    if every:
        os.sched_setaffinity(0, every)


def keep(options: argparse.Namespace, new: dict) -> None:
    """Writes what is new beside what was measured before."""
    result = {name: value for name, value in kept().items() if name in (*PARTS, "table")}
    told = {row["case"] for row in new.get("table", [])}
    table = [*(row for row in result.get("table", []) if row["case"] not in told), *new.get("table", [])]
    save(__file__, options, {**result, **new, "table": table})


if __name__ == "__main__":
    main()
