"""Building networks: seconds, bytes an edge and peak memory for 10⁷ and 10⁸ edges, on one and two threads; the microcircuit at full scale.

Each case is built in a process of its own, so that its peak of memory is its own. Where others use
the machine, look at the processor's seconds.

    python benchmarks/building.py
"""

import multiprocessing
import resource
import statistics
import time

import numpy as np
from harness import arguments, save

import ranvier as rv
from ranvier.connect import Part, assemble
from ranvier.random import Key

WIRING = {
    "one weight, one delay": {"weight": 1.0, "delay": 1.5},
    "drawn weights": {"weight": rv.normal(1.0, 0.1, low=0.0), "delay": 1.5},
    "drawn weights and delays": {"weight": rv.normal(1.0, 0.1, low=0.0), "delay": rv.normal(1.5, 0.75, low=0.1, redraw=True)},
}
RULES = {
    "pairwise_bernoulli(0.1)": lambda n: rv.connect.pairwise_bernoulli(0.1),
    "fixed_in_degree": lambda n: rv.connect.fixed_in_degree(n // 10),
    "fixed_in_degree, no multapses": lambda n: rv.connect.fixed_in_degree(n // 10, multapses=False),
    "fixed_out_degree": lambda n: rv.connect.fixed_out_degree(n // 10),
    "fixed_total_number": lambda n: rv.connect.fixed_total_number(n * n // 10),
    "small_world(0.1)": lambda n: rv.connect.small_world(n // 10, 0.1),
    "clustered, 50": lambda n: rv.connect.clustered(0.1, 50, 2.5),
    "topographic": lambda n: rv.connect.topographic(n // 10, 0.1),
    "distance_dependent": lambda n: rv.connect.distance_dependent(
        rv.connect.gaussian(0.126), np.random.default_rng(0).random((n, 2)), extent=1.0
    ),  # 2π · 0.126² is a tenth of the square
}


def build(n: int, rule: str, wiring: str, threads: int) -> dict:
    """Builds a network of `n` neurons and n²/10 edges in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    part = Part("it", RULES[rule](n), n, 0, ((n, 0),), Key(1), **WIRING[wiring])
    reports = []
    began, began_cpu = time.perf_counter(), time.process_time()
    edges = assemble([part], n, n, "float32", blocks=2, threads=threads, progress=lambda *done: reports.append(done))
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    size, count = sum(array.nbytes for array in edges if array is not None), len(edges.target)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    return {
        "edges": count,
        "delays": len(edges.delays),
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "bytes_an_edge": size / count,
        "peak_bytes_an_edge": peak / count,
        "progress_reports": len(reports),
    }


def build_microcircuit(scale: float) -> dict:
    """Prepares the microcircuit in this process, 299 million edges at full scale, and runs one step."""
    network = rv.models.microcircuit(scale)
    run = rv.simulate(network, duration=0.1, dt=0.1, seed=1, precision="single")
    return {
        "scale": scale,
        "edges": sum(p.rule.number for p in network.projections.values()),
        "seconds": run.info["build_seconds"],
        "peak_gibibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def in_its_own_process(what, *case) -> dict:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(what, case)


def main() -> None:
    options = arguments(__doc__)
    rounds = min(options.rounds, 3)
    sizes = (1_000, 3_162) if options.quick else (10_000, 31_623)
    cases = [(n, "fixed_in_degree", wiring, threads) for n in sizes for wiring in WIRING for threads in (1, 2)]
    cases += [(sizes[0], rule, "one weight, one delay", 2) for rule in RULES if rule != "fixed_in_degree"]
    found: dict = {case: [] for case in cases}
    for _ in range(rounds):
        for case in cases:
            found[case].append(in_its_own_process(build, *case))
    rows = []
    for (n, rule, wiring, threads), told in found.items():
        medians = {what: statistics.median(t[what] for t in told) for what in ("seconds", "cpu_seconds")}
        row = {"neurons": n, "rule": rule, "wiring": wiring, "threads": threads, **told[0], **medians}
        rows.append({**row, "nanoseconds_an_edge": 1e9 * row["seconds"] / row["edges"]})
        print(rows[-1], flush=True)
    circuits = [in_its_own_process(build_microcircuit, 0.1 if options.quick else 1.0) for _ in range(rounds)]
    circuit = {**circuits[0], "seconds": statistics.median(c["seconds"] for c in circuits)}
    print(circuit, flush=True)
    save(__file__, options, {"rounds": rounds, "table": rows, "microcircuit": circuit})


if __name__ == "__main__":
    main()
