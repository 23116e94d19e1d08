"""Clusters that come and go (Litwin-Kumar & Doiron 2012): rates and Fano factors beside Brian2's, at the published size."""

import json
from pathlib import Path

import numpy as np
import pytest

import ranvier as rv
from tests.reproduces import record_reproduction

PAPER = "Litwin-Kumar & Doiron 2012, Nat Neurosci 15:1498"
KEPT = json.loads((Path(__file__).parents[2] / "benchmarks" / "results" / "clustered_brian2.json").read_text(encoding="utf-8"))
SETTLED, DURATION = KEPT["from, to (ms)"]


def fano(spikes):
    """The mean over neurons that fire of the variance of counts in windows by their mean."""
    window = KEPT["window (ms)"]
    counts = np.zeros((spikes.n, int((DURATION - SETTLED) // window)))
    late = spikes.times >= SETTLED
    np.add.at(counts, (spikes.neurons[late], ((spikes.times[late] - SETTLED) // window).astype(int)), 1)
    counts = counts[counts.any(axis=1)]
    return (counts.var(axis=1, ddof=1) / counts.mean(axis=1)).mean()


@pytest.mark.parametrize(("name", "ratio"), [("uniform", 1.0), ("clustered", 2.5)])
def test_rates_and_fano_factors_are_brian2s(name, ratio):
    """Of four seeds of Brian2's; within four standard deviations of its seeds, as one seed here is one more draw of network and start."""
    run = rv.simulate(rv.models.clustered(ratio=ratio), duration=float(DURATION), dt=0.1, seed=0)
    found = {
        "exc (Hz)": run["exc"].spikes.between(SETTLED, DURATION).rate.mean(),
        "inh (Hz)": run["inh"].spikes.between(SETTLED, DURATION).rate.mean(),
        "Fano": fano(run["exc"].spikes),
    }
    for key, value in found.items():
        seeds = np.array([r[key] for r in KEPT["runs"] if r["network"] == name])
        what = "Fano factor in 100 ms" if key == "Fano" else f"rate of {key[:3]}"
        source = f"{PAPER}, beside Brian2 2.x on the same network (benchmarks/peers/clustered_brian2.py)"
        unit = "" if key == "Fano" else "Hz"
        record_reproduction("Litwin-Kumar & Doiron 2012", source, f"{name}: {what}", seeds.mean(), value, 4 * seeds.std(ddof=1), unit)
    assert (found["Fano"] > 1.0) == (name == "clustered")  # the paper's point: more variable than a Poisson process, or less
