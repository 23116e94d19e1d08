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
CHECKPOINTS_AT_ONCE = 5  # the first, the last two, the one that the disk was made to hold, and the one that is written


def needed(run: Run, checkpoints: int = 0) -> tuple[int, int]:
    """Bytes without compression, with every neuron at 20 Hz, of what is still to come: of all, and of the records alone.

    Args:
        run: it goes on from step `k0`.
        checkpoints: how many there are already.
    """
    records = sum(
        (t.rows - t.rows_before(run.k0)) * (len(t.neurons) * c.dtype.itemsize + 8)
        for t in run.plan.tracks
        if t.keep is None
        for c in t.columns
    )
    seconds = (run.k1 - run.k0) * run.dt / 1000
    spikes = run.structure.n * seconds * EXPECTED_RATE * BYTES_PER_SPIKE
    state = sum(np.asarray(leaf).nbytes for leaf in jax.tree.leaves(run.state))
    return int(records + spikes + max(1, CHECKPOINTS_AT_ONCE - checkpoints) * state), records


def check_disk(run: Run, path: Path, checkpoints: int = 0) -> None:
    """Refuses a run whose store will hardly fit.

    Args:
        run: it goes on from step `k0`.
        path: the store's folder.
        checkpoints: how many there are already.

    Raises:
        StoreError: it says how much is needed and how much there is.
    """
    (wanted, records), free = needed(run, checkpoints), free_space(path)
    if wanted > free:
        raise StoreError(
            f"The store may take {_amount(wanted)}{' more' if checkpoints else ''}, {_amount(records)} of them for the records, before "
            f"compression, and {_amount(free)} are free at {path.parent}. Record less often (every=…), fewer neurons (neurons=…), "
            "choose another place, or say check_disk=False to start anyway: a run whose disk fills up can be resumed. "
            "(A store that is replaced is kept until the new one stands.)"
        )


def _amount(size: float) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**29 else f"{size / 2**20:.1f} MiB"
