"""Grid cells over ten minutes (Burak & Fiete 2009): how far the path that the sheet tells drifts, and how triangular neurons' maps are.

    python benchmarks/grid_cells.py

Its numbers are kept in results/grid_cells.json, its picture in results/grid_cells.png.
"""

from __future__ import annotations

import argparse

import numpy as np
from harness import RESULTS, arguments, save

import ranvier as rv
from ranvier.cli.grid_cells import Followed, _map
from ranvier.models.burak2009 import SETTLING, grid_score, rate_map


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, default=2)


def main() -> None:
    options = arguments(__doc__, more)
    minutes, seeds = (0.25, 1) if options.quick else (options.minutes, options.seeds)
    runs = []
    for seed in range(seeds):
        net = rv.models.grid_cells(seed=seed)
        run = rv.simulate(
            net,
            duration=SETTLING + 60_000.0 * minutes,
            dt=0.5,
            integrator=rv.ExponentialEuler(),
            precision="single",
            record=rv.Record("sheet", "rate", every=20.0),
            seed=seed,
        )
        seen = Followed(run)
        scores = [grid_score(rate_map(seen.rate[:, i], seen.true)) for i in range(0, seen.rate.shape[1], 37)]
        at = lambda s, seen=seen: round(float(seen.error[seen.seconds <= s].max()), 2)
        runs.append(
            {
                "seed": seed,
                "path (m)": round(seen.length, 1),
                "neurons a metre": round(seen.gain, 2),
                "largest error (cm) until": {f"{s} s": at(s) for s in (60, 120, 300, 600) if s <= 60 * minutes + 1},
                "error at the end (cm)": round(float(seen.error[-1]), 2),
                "grid score": {"median": round(float(np.median(scores)), 3), "least": round(float(min(scores)), 3), "maps": len(scores)},
            }
        )
        print(runs[-1], flush=True)
        if seed == 0 and not options.quick:
            _map(seen).savefig(RESULTS / "grid_cells.png", dpi=110)
    save(__file__, options, {"neurons": 1024, "minutes": minutes, "runs": runs})


if __name__ == "__main__":
    main()
