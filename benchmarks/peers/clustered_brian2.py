"""The clustered network of Litwin-Kumar & Doiron 2012, and the uniform one, in Brian2: rates and Fano factors, for several seeds.

    python benchmarks/peers/clustered_brian2.py --seeds 3 --out benchmarks/results/clustered_brian2.json

It needs Brian2 alone. What it prints `tests/models/test_litwin_kumar2012.py` keeps.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

EXC, INH, CLUSTERS = 4000, 1000, 50
WEIGHTS = {"ee": 10 / (15 * 800**0.5), "ie": 4 / (10 * 800**0.5), "ei": -19.2 / (15 * 800**0.5), "ii": -16 / (10 * 800**0.5)}
SETTLED, DURATION, WINDOW = 500, 2500, 100  # ms


def run(seed: int, ratio: float, within: float, scale: float) -> dict[str, float]:
    """Mean rates (Hz), and the mean Fano factor of excitatory counts in windows of 100 ms."""
    import brian2 as b

    b.prefs.codegen.target = "cython"
    b.start_scope()
    b.seed(seed)
    b.defaultclock.dt = 0.1 * b.ms
    n_e, n_i, clusters = round(EXC * scale), round(INH * scale), min(CLUSTERS, round(EXC * scale))
    ms, rng = b.ms, np.random.default_rng(seed)
    equations = """
    dv/dt = (mu - v)/tau + (de - re)/(2*ms) + (di - ri)/(1*ms) : 1 (unless refractory)
    dre/dt = -re/(1*ms) : 1
    dde/dt = -de/(3*ms) : 1
    dri/dt = -ri/(1*ms) : 1
    ddi/dt = -di/(2*ms) : 1
    mu : 1
    tau : second
    """
    cells = b.NeuronGroup(n_e + n_i, equations, threshold="v > 1", reset="v = 0", refractory=5 * ms, method="euler")
    exc, inh = cells[:n_e], cells[n_e:]
    exc.tau, inh.tau = 15 * ms, 10 * ms
    exc.mu, inh.mu = "1.1 + 0.1*rand()", "1 + 0.05*rand()"
    cells.v = "rand()"
    size = n_e // clusters
    outside = 0.2 * n_e / (size * (ratio - 1) + n_e)
    mask = np.repeat(np.repeat(np.eye(clusters, dtype=bool), size, 0), size, 1)
    made = rng.random((n_e, n_e)) < np.where(mask, ratio * outside, outside)
    np.fill_diagonal(made, False)
    objects = [cells]

    def wire(i, j, source, target, on_pre, weight):
        synapses = b.Synapses(source, target, "w : 1", on_pre=on_pre)
        synapses.connect(i=i, j=j)
        synapses.w = weight
        objects.append(synapses)

    i, j = np.nonzero(made)
    share = 1 / scale
    wire(i, j, exc, exc, "re += w; de += w", share * WEIGHTS["ee"] * np.where(mask[i, j], within, 1.0))
    for name, source, target, on_pre in (
        ("ie", exc, inh, "re += w; de += w"),
        ("ei", inh, exc, "ri += w; di += w"),
        ("ii", inh, inh, "ri += w; di += w"),
    ):
        i, j = np.nonzero(rng.random((len(source), len(target))) < 0.5)
        wire(i, j, source, target, on_pre, share * WEIGHTS[name])
    spikes = b.SpikeMonitor(cells)
    b.Network(*objects, spikes).run(DURATION * ms)
    t, k = np.asarray(spikes.t / ms), np.asarray(spikes.i)
    late = t >= SETTLED
    counts = np.zeros((n_e + n_i, (DURATION - SETTLED) // WINDOW))
    np.add.at(counts, (k[late], ((t[late] - SETTLED) // WINDOW).astype(int)), 1)
    rates = counts.mean(axis=1) * 1000 / WINDOW
    fires = counts[:n_e].sum(axis=1) > 0
    fano = counts[:n_e][fires].var(axis=1, ddof=1) / counts[:n_e][fires].mean(axis=1)
    return {"exc (Hz)": float(rates[:n_e].mean()), "inh (Hz)": float(rates[n_e:].mean()), "Fano": float(fano.mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    runs = []
    for name, ratio, within in (("uniform", 1.0, 1.0), ("clustered", 2.5, 1.9)):
        for seed in range(options.seeds):
            runs.append({"network": name, "seed": seed, **run(seed, ratio, within, options.scale)})
            print(runs[-1], flush=True)
            if options.out:
                kept = {"scale": options.scale, "window (ms)": WINDOW, "from, to (ms)": [SETTLED, DURATION], "runs": runs}
                options.out.write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
