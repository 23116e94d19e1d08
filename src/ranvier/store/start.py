"""A new store for a new run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ranvier.errors import StoreError
from ranvier.integrators.base import Integrator
from ranvier.random import STREAMS_VERSION
from ranvier.record.record import Record
from ranvier.run import Run
from ranvier.steps import in_steps
from ranvier.store import layout, provenance
from ranvier.store.build import this_build
from ranvier.store.checkpoint import save_tree
from ranvier.store.description import Arrays, described, described_network, described_record, hash_of, unverified
from ranvier.store.estimate import check_disk
from ranvier.store.files import free_space, why
from ranvier.store.place import Place
from ranvier.store.sink import StoreSink


def start(
    run: Run,
    path: Path,
    records: Sequence[Record],
    integrators: Mapping[str, Integrator | None],
    *,
    checkpoint_every: float | None,
    overwrite: bool,
    fits: bool,
    branch_of: dict[str, Any] | None = None,
    given: Mapping[str, float] | None = None,
) -> StoreSink:
    """Makes a store for a run that is about to start.

    Args:
        fits: refuse a run whose store may not fit on the disk.
        branch_of: where the state comes from, for a run that branches off another.
        given: parameters that the run was given in the place of the network's own, by path, to be noted.

    Raises:
        StoreError: the store cannot be made; nothing was changed.
    """
    if fits:
        check_disk(run, path)
    place = Place(path, overwrite)
    try:
        description = describe(run, records, integrators, checkpoint_every)
        facts = facts_of_run(run, description)
        if place.replaced is not None:
            facts["replaces"] = place.replaced.name
        sink = StoreSink(path, run.plan, facts, identity(description), steps_of(checkpoint_every, run.dt), place.lock)
        sink.mark()
        arrays = description.pop("arrays")
        save_tree(path / layout.ARRAYS, arrays, {})
        sink.origin = {**description, **provenance.origin(), "branch_of": branch_of, "sessions": []}
        if given:
            sink.origin["given"] = dict(given)
        provenance.begin_session(path, sink.origin, run.k0)
        sink.begin(run.at_start)
    except BaseException as error:
        place.undo()
        if isinstance(error, OSError) and not isinstance(error, StoreError):
            free = free_space(path) / 2**20
            raise StoreError(f"The store {path} cannot be written: {why(error)} ({free:.0f} MiB are free).") from error
        raise
    return sink


def steps_of(checkpoint_every: float | None, dt: float) -> int:
    """The steps from checkpoint to checkpoint; 0 where that is left to the clock."""
    return 0 if checkpoint_every is None else max(1, int(in_steps(checkpoint_every, dt, "checkpoint_every")))


def describe(
    run: Run, records: Sequence[Record], integrators: Mapping[str, Integrator | None], checkpoint_every: float | None
) -> dict[str, Any]:
    """All that decides a run, as JSON, with its arrays apart."""
    arrays: Arrays = {}
    network = described_network(run.network, arrays)
    return {
        "network": network,
        "network_hash": hash_of(network),
        "not_verified": unverified(network),
        "records": [described_record(record, run.network, arrays) for record in records],
        "integrators": described(integrators, arrays),
        "integrator": run.info["integrator"],
        "until": None if run.until is None else {"every": run.until.every, "condition": described(run.until.condition, arrays)},
        "dt": run.dt,
        "seed": run.info["seed"],
        "precision": run.info["precision"],
        "checkpoint_every": checkpoint_every,
        "arrays": arrays,
    }


def identity(description: dict[str, Any]) -> dict[str, Any]:
    """What a checkpoint says of its run."""
    keys = ("network_hash", "dt", "seed", "precision", "integrator")
    return {**{key: description[key] for key in keys}, "build": this_build()}


def facts_of_run(run: Run, description: dict[str, Any]) -> dict[str, Any]:
    """What the root of the store says of its run."""
    populations = {
        p.name: {"first": p.first, "n": p.n, "model": repr(run.network.populations[p.name].model)} for p in run.structure.populations
    }
    projections = {name: {"synapse": repr(p.synapse)} for name, p in run.network.projections.items()}
    return {
        "store_version": layout.STORE_VERSION,
        "streams_version": STREAMS_VERSION,
        "status": "running",
        "dt": run.dt,
        "seed": description["seed"],
        "precision": description["precision"],
        "integrator": run.info["integrator"],
        "start_step": run.first,
        "written_step": run.first,
        "target_step": run.k1,
        "n": run.structure.n,
        "populations": populations,
        "projections": projections,
        "network_hash": description["network_hash"],
        "versions": this_build()["versions"],
    }
