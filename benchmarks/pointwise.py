"""A step of integrate-and-fire neurons that are not linear: in one native kernel, and by XLA as before.

Processor time of warm runs in turns, one core, the rate beside. By XLA the same network is laid
out as if the kernel did not know it; delivery is the same native kernel in both.

    taskset -c 0 python benchmarks/pointwise.py
"""

import contextlib
import time
from unittest import mock

import numpy as np
from harness import arguments, save, take_turns

import ranvier as rv

DT = 0.1
CASES = {
    "AdEx": (rv.neurons.AdaptiveExponentialIntegrateAndFire, 700.0),
    "Izhikevich": (rv.neurons.Izhikevich2003, 10.0),
    "quadratic": (rv.neurons.QuadraticIntegrateAndFire, 300.0),
    "exponential": (rv.neurons.ExponentialIntegrateAndFire, 400.0),
}
METHODS = {"exponential Euler": rv.ExponentialEuler(), "RK4": rv.RungeKutta4()}


def prepared(model: str, method: str, n: int, precision: str, by_kernel: bool) -> rv.Simulation:
    neuron, current = CASES[model]
    cells = rv.Population(n, neuron(), current=current, initial={"V": rv.normal(-70, 3)}, name="cells")
    wires = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(tau=5.0), rv.connect.fixed_in_degree(20), weight=1.0, delay=1.0)
    unknown = mock.patch("ranvier.network.choice._by_itself", lambda *of: False)
    with contextlib.nullcontext() if by_kernel else unknown:
        sim = rv.prepare(rv.Network(cells, wires), dt=DT, integrator=METHODS[method], precision=precision)
        sim.run(DT)
    assert sim.explain().native == by_kernel
    return sim


def measured(model: str, method: str, n: int, precision: str, rounds: int) -> dict:
    sims = {name: prepared(model, method, n, precision, name == "kernel") for name in ("kernel", "XLA")}
    steps = max(200, min(20_000, 40_000_000 // n))
    results: dict = {}

    def timed(name: str):
        def run() -> float:
            began = time.process_time()
            results[name] = sims[name].run(steps * DT)
            return (time.process_time() - began) / steps * 1e6

        run()
        return run

    microseconds = take_turns({name: timed(name) for name in sims}, rounds)
    rate = len(results["kernel"].spikes) / n / (steps * DT / 1000)
    assert np.isclose(len(results["XLA"].spikes) / n / (steps * DT / 1000), rate, rtol=0.02, atol=0.1)
    return {
        "microseconds a step": microseconds,
        "Hz": rate,
        "kernel by XLA": microseconds["kernel"]["median"] / microseconds["XLA"]["median"],
    }


def main() -> None:
    options = arguments(__doc__)
    cases = [(model, method, n) for model in CASES for method in METHODS for n in (100, 4_000)]
    cases += [] if options.quick else [("AdEx", "exponential Euler", 40_000), ("Izhikevich", "RK4", 40_000)]
    found = {
        f"{model}, {method}, {n}, {precision}": measured(model, method, n, precision, options.rounds)
        for model, method, n in cases
        for precision in ("double", "single")
    }
    for name, row in found.items():
        print(f"{name}: {row['microseconds a step']['kernel']['median']:.2f} µs, {row['kernel by XLA']:.2f} × XLA's, {row['Hz']:.1f} Hz")
    save(__file__, options, {"cases": found})


if __name__ == "__main__":
    main()
