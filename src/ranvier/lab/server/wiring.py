"""Who is wired to whom in a stored run, in as much detail as a screen shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier.errors import unknown
from ranvier.lab.server.networks import Choice
from ranvier.network.edges import edges_of
from ranvier.store.reader import StoredRun

MOST_CELLS = 64  # rows and columns of the picture
MOST_EDGES = 2_000_000  # that are looked at; of larger projections some targets
BINS = 40


def wiring(run: StoredRun, projection: str, own: Choice | None = None) -> dict[str, Any]:
    """A projection's edges counted by groups of sources and targets, its degrees, weights and delays.

    Args:
        run: the stored run.
        projection: its name.
        own: whose network is taken where the store cannot rebuild it.

    Raises:
        UnknownNameError: there is no such projection.
        StoreError: the network cannot be rebuilt.
    """
    if projection not in run.info["projections"]:
        raise unknown("projection", projection, run.info["projections"])
    if own is not None and run.provenance.get("not_verified"):
        network = own.make(None, int(run.info["seed"])).network
    else:
        network = run.rebuilt_network()
    learnt = network.projections[projection].plasticity is not None
    edges = edges_of(network, projection, seed=run.info["seed"], dt=run.info["dt"], state=run.state if learnt else None)
    total, targets = len(edges), edges.targets
    seen = targets if total <= MOST_EDGES else max(1, int(targets * MOST_EDGES / total))
    some = edges if seen == targets else edges.between(0, seen)
    pre, post = np.asarray(some.pre, np.int64), np.asarray(some.post, np.int64)
    weight = np.asarray(some.weight, np.float64)
    rows, columns = min(MOST_CELLS, seen), min(MOST_CELLS, edges.sources)
    cells = (post * rows // max(1, seen)) * columns + pre * columns // max(1, edges.sources)
    counts = np.bincount(cells, minlength=rows * columns)
    return {
        "projection": projection,
        "source": edges.source,
        "targets": list(edges.populations),
        "sources": edges.sources,
        "n_targets": targets,
        "seen": seen,
        "edges": total,
        "unit": edges.unit,
        "learnt": learnt,
        "rows": rows,
        "columns": columns,
        "counts": counts.tolist(),
        "in_degree": _histogram(np.bincount(post, minlength=seen), whole=True),
        "out_degree": _histogram(np.bincount(pre, minlength=edges.sources), whole=True),
        "weights": _histogram(weight),
        "delays": _histogram(np.asarray(some.delay, np.float64)),
    }


def _histogram(values: np.ndarray, whole: bool = False) -> dict[str, Any]:
    if not len(values):
        return {"from": 0.0, "step": 1.0, "values": [], "mean": None}
    low, high = float(values.min()), float(values.max())
    if whole:
        step = max(1, -(-int(high - low + 1) // BINS))
        bounds = np.arange(int(low), int(high) + step + 1, step) - 0.5
    else:
        room = (high - low) or abs(high) * 0.1 or 1.0
        bounds = np.linspace(low - (high == low) * room, high + (high == low) * room, BINS + 1)
    counts, bounds = np.histogram(values, bounds)
    return {"from": float(bounds[0]), "step": float(bounds[1] - bounds[0]), "values": counts.tolist(), "mean": float(values.mean())}
