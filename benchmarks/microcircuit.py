"""Potjans and Diesmann's microcircuit at full scale: building it, running it, and whether its activity is the published one.

One run in one process: the time to build (drawing 299 million edges, and laying them out),
to compile, and to run after the first 100 ms of biological time; the peak of the process's
memory; the rate, the irregularity and the synchrony of each population.

    python benchmarks/microcircuit.py
    python benchmarks/microcircuit.py --quick      # a tenth of the size, 300 ms
"""

import resource
import sys
import time

import numpy as np
from harness import arguments, save

import ranvier as rv
from ranvier.models.microcircuit import RATES

SETTLED, SPAN = 100.0, 1000.0  # ms


def peak_gibibytes() -> float:
    """The largest the process has been."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def mean_cv(spikes) -> float | None:
    """The mean over the neurons that fired often enough; None where none did."""
    each = rv.analysis.coefficient_of_variation(spikes)
    each = each[np.isfinite(each)]
    return float(each.mean()) if len(each) else None


def main() -> None:
    options = arguments(__doc__)
    scale, span = (0.1, 200.0) if options.quick else (1.0, SPAN)
    network = rv.models.microcircuit(scale)
    began = time.perf_counter()
    start = rv.simulate(network, duration=SETTLED, dt=0.1, seed=1, precision="single", progress=True)
    first = time.perf_counter() - began
    built_peak = peak_gibibytes()
    again = rv.simulate(network, duration=span, dt=0.1, seed=1, precision="single", initial=start.state, progress=True)
    spikes = again.spikes
    activity = {
        name: {
            "published_rate_hz": float(published),
            "rate_hz": float(spikes[name].rate.mean()),
            "cv_of_intervals": mean_cv(spikes[name]),
            "synchrony": rv.analysis.synchrony(spikes[name]),
        }
        for name, published in zip(network.populations, RATES, strict=True)
    }
    save(
        __file__,
        options,
        {
            "scale": scale,
            "neurons": spikes.n,
            "synapses": sum(p.rule.number for p in network.projections.values()),
            "simulated_ms": span,
            "spikes": len(spikes),
            "rate_hz": float(spikes.rate.mean()),
            "seconds": {
                "first_call": first,
                "building": [start.info["build_seconds"], again.info["build_seconds"]],
                "compiling": start.info["compile_seconds"],
                "running": again.info["run_seconds"],
            },
            "times_real_time": again.info["run_seconds"] / (span / 1000.0),
            "peak_gibibytes": {"after_the_first_call": built_peak, "in_all": peak_gibibytes()},
            "populations": activity,
        },
    )


if __name__ == "__main__":
    main()
