"""How much disk a run will need at most, before it starts."""

from __future__ import annotations

from pathlib import Path

import jax
import numpy as np

from ranvier.errors import StoreError
from ranvier.run import Run
from ranvier.store.files import free_space

EXPECTED_RATE = 20.0  # Hz, of every neuron: nobody knows before
BYTES_PER_SPIKE = 12
CHECKPOINTS_AT_ONCE = 3  # two are kept while the next is written


def needed(run: Run) -> tuple[int, int]:
    """Bytes without compression, with every neuron at 20 Hz: of all, and of the records alone."""
    records = sum(t.rows * (len(t.neurons) * c.dtype.itemsize + 8) for t in run.plan.tracks if t.keep is None for c in t.columns)
    seconds = (run.k1 - run.first) * run.dt / 1000
    spikes = run.built.plan.n * seconds * EXPECTED_RATE * BYTES_PER_SPIKE
    state = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(run.state))
    return int(records + spikes + CHECKPOINTS_AT_ONCE * state), records


def check_disk(run: Run, path: Path) -> None:
    """Refuses a run whose store will hardly fit.

    Raises:
        StoreError: it says how much is needed and how much there is.
    """
    (wanted, records), free = needed(run), free_space(path)
    if wanted > free:
        raise StoreError(
            f"The store may take {wanted / 2**30:.1f} GiB, {records / 2**30:.1f} GiB of them for the records, before compression, "
            f"and {free / 2**30:.1f} GiB are free at {path.parent}. Record less often (every=…), fewer neurons (neurons=…), "
            "choose another place, or say check_disk=False to start anyway: a run whose disk fills up can be resumed."
        )
