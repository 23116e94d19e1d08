"""Going on with a run from its store."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from ranvier.errors import ParameterError, StoreError
from ranvier.network.choice import by_population
from ranvier.network.spec import Network, Population
from ranvier.neurons.base import NeuronModel
from ranvier.progress import ProgressBar, ProgressCallback
from ranvier.random import STREAMS_VERSION
from ranvier.record.record import Record
from ranvier.result import Result, Spikes
from ranvier.run import Run
from ranvier.simulate import as_network, checked_time, prepared
from ranvier.steps import in_steps
from ranvier.store import layout, provenance
from ranvier.store.branch import in_steps_of
from ranvier.store.build import changed_since
from ranvier.store.checkpoint import Checkpoint, checkpoints, load_tree, other_streams
from ranvier.store.description import (
    Arrays,
    described,
    described_network,
    described_record,
    difference,
    rebuilt,
    rebuilt_network,
    rebuilt_record,
    unverified,
)
from ranvier.store.estimate import check_disk as check_that_it_fits
from ranvier.store.files import refuse_links, remove_partial
from ranvier.store.lock import Lock
from ranvier.store.reader import StoredSpikes, opened, stored_records
from ranvier.store.sink import StoreSink
from ranvier.store.start import identity, start, steps_of
from ranvier.until import Moment, Until


@dataclasses.dataclass(frozen=True)
class Stored:
    """What a store says of its run."""

    path: Path
    facts: dict[str, Any]
    description: dict[str, Any]
    arrays: Arrays


def _stored(path: Path) -> Stored:
    facts = layout.facts_of(path)
    refuse_links(path)
    if not any(checkpoints(path / layout.CHECKPOINTS)) and facts["written_step"] == facts["start_step"]:
        raise layout.nothing_in(path)
    try:
        description = provenance.read(path)
    except (OSError, ValueError) as error:
        raise StoreError(
            f"{path / layout.PROVENANCE} is missing or damaged ({error}): the run cannot be resumed, its data can be read."
        ) from None
    return Stored(path, facts, description, load_tree(path / layout.ARRAYS)[0])


def _refuse_other_streams(stored: Stored) -> None:
    """Refuses to go on with numbers that the run would never have drawn."""
    version = stored.facts.get("streams_version", 1)
    if version != STREAMS_VERSION:
        raise StoreError(
            f"{stored.path} is of {other_streams(version)}: going on would draw other numbers, so it is not resumed. It can be read and "
            f"exported (rv.open_store, ranvier export), and a new run can start from its state, with what is random drawn anew: "
            f"rv.resume({str(stored.path)!r}, branch=True)."
        )


def network_in(path: Path) -> Network:
    """The network of a store, rebuilt.

    Raises:
        StoreError: it holds classes or functions of the user's own.
    """
    stored = _stored(path)
    return rebuilt_network(stored.description["network"], stored.arrays, path)


def newest_whole(path: Path) -> tuple[Checkpoint, dict[str, Any], dict[str, Any]]:
    """The newest checkpoint of a store that is not damaged, its tree and its facts. It says which ones are.

    Raises:
        StoreError: there is none.
    """
    found = list(checkpoints(path / layout.CHECKPOINTS))
    problems = []
    for checkpoint in found:
        try:
            tree, facts = checkpoint.load()
        except StoreError as error:
            problems.append(str(error))
            continue
        if problems:
            dt = facts["dt"]
            warnings.warn(
                f"{' '.join(problems)} The one before it, of t = {checkpoint.step * dt:g} ms, is used: what came after is computed again.",
                stacklevel=3,
            )
        return checkpoint, tree, facts
    why = "all its checkpoints are damaged: " + " ".join(problems) if problems else "it has no checkpoint"
    raise StoreError(f"{path} cannot be resumed: {why}. What it holds can be read; start the run again with overwrite=True.")


def resume(
    store: Any,
    network: Network | Population | NeuronModel | None = None,
    *,
    duration: Any = None,
    record: Record | Sequence[Record] | None = None,
    until: Until | Callable[[Moment], Any] | bool | None = None,
    checkpoint_every: Any = None,
    branch: bool = False,
    into: Any = None,
    dt: Any = None,
    seed: int | None = None,
    precision: str | None = None,
    integrator: Any = None,
    progress: bool | ProgressCallback = False,
    check_disk: bool = True,
) -> Result:
    """Goes on with a run from the last checkpoint in its store, as if it had never stopped.

    What was written after the checkpoint is dropped and computed again. The
    result is equal bit for bit to that of an unbroken run where versions,
    device and instruction set are the same; elsewhere a warning says what is not.

    Args:
        store: the store's folder.
        network: the network, needed where it holds classes or functions of
            your own; it must be the one that ran. Others are rebuilt.
        duration: how long the run is to be as a whole, from its beginning (ms);
            as long as planned when left out.
        record: the records again, where they use functions of your own.
        until: the stop condition again, where there was one; False goes on without.
        checkpoint_every: as for `simulate`; as before when left out.
        branch: starts a new store from the state of the checkpoint instead,
            with whatever else is given changed; the old store stays as it is.
        into: where the branch goes; `NAME-branch.zarr` beside the old store when left out.
        dt, seed, precision, integrator: what must be as it was, or with `branch` may change.
        progress, check_disk: as for `simulate`.

    Returns:
        The `Result` of the whole run. Its `info["bit_identical"]` says whether bit-equality is
        promised, `info["not_verified"]` names functions of yours of which only name and code were compared.

    Raises:
        StoreError: there is nothing to go on from; or the network, the records, dt, the seed or the precision differ (it says which).

    Example:
        >>> import tempfile, pathlib
        >>> import ranvier as rv
        >>> folder = pathlib.Path(tempfile.mkdtemp()) / "run.zarr"
        >>> short = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=50.0, store=folder)
        >>> rv.resume(folder, duration=100.0).spikes
        <7 spikes of 1 neuron, 70.00 Hz on average>
    """
    path = Path(store)
    stored = _stored(path)
    if not branch:
        _refuse_other_streams(stored)
    if not branch and into is not None:
        raise ParameterError("into= is for a branch: rv.resume(store, branch=True, into='other.zarr').")
    if duration is None and not branch and stored.facts["status"] == "complete" and until is None:
        return _as_it_is(stored, network)
    began = time.perf_counter()
    checkpoint, tree, checked = newest_whole(path)
    if checked["network_hash"] != stored.description["network_hash"]:
        raise StoreError(f"{checkpoint.path} is of another network than {path / layout.PROVENANCE} describes. They do not belong together.")
    given = {"dt": dt, "seed": seed, "precision": precision, "integrator": integrator}
    plan = _Plan(stored, network, record, until, given, branch)
    changed = changed_since(checked["build"])
    if changed and not branch:
        warnings.warn(
            f"{path} goes on under other conditions than it was written under: {'; '.join(changed)}. "
            "It is resumed correctly, but its numbers may differ from those of an unbroken run in their last bits.",
            stacklevel=2,
        )
    target = _target(stored, plan.dt, duration, checkpoint.step, branch)
    every = stored.description["checkpoint_every"] if checkpoint_every is None else checked_time(checkpoint_every, "checkpoint_every")
    state = tree["state"]
    with jax.enable_x64(True):
        built, method = prepared(plan.network, plan.integrators, plan.dt, plan.seed, plan.precision)
        if branch:
            state = in_steps_of(state, stored.facts["dt"], plan.dt, built.state)
        first = int(state.step) if branch else stored.facts["start_step"]

        def sink(run: Run) -> StoreSink:
            if branch:
                place = _branch_place(path, into)
                source = {"store": str(path), "step": checkpoint.step, "network_hash": stored.description["network_hash"]}
                how: dict[str, Any] = {"checkpoint_every": every, "overwrite": False, "fits": check_disk, "branch_of": source}
                return start(run, place, plan.records, plan.integrators, **how)
            if check_disk:
                check_that_it_fits(run, path)
            return _again(run, stored, checkpoint, tree, checked, every, target)

        run = Run(
            plan.network,
            built,
            initial=state,
            first=first,
            duration_steps=target - first,
            dt=plan.dt,
            integrator=method,
            records=plan.records,
            fixed_buffers=True,
            sink=sink,
            until=plan.until,
            counts=None if branch else tree["counts"],
            info={
                "dt": plan.dt,
                "integrator": type(method).__name__,
                "seed": plan.seed,
                "precision": plan.precision,
                "bit_identical": not changed,
                "not_verified": plan.not_verified,
            },
        )
        run.info["build_seconds"] = time.perf_counter() - began
        return run.execute(ProgressBar() if progress is True else progress or None)


def _again(
    run: Run, stored: Stored, checkpoint: Checkpoint, tree: Mapping[str, Any], checked: Mapping[str, Any], every: float | None, target: int
) -> StoreSink:
    """The store, open for writing at the checkpoint."""
    path = stored.path
    try:
        lock = Lock(path)
    except PermissionError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
    facts = {**stored.facts, "target_step": target}
    sink = StoreSink(path, run.plan, facts, identity(stored.description), steps_of(every, run.dt), lock)
    try:
        remove_partial(path)
        sink.go_on(checkpoint.step, checked["lengths"], tree["kept"])
        provenance.begin_session(path, checkpoint.step)
    except BaseException as error:
        lock.release()
        if isinstance(error, OSError):
            raise StoreError(f"{path} cannot be written: {error.strerror or error}.") from error
        raise
    return sink


def _target(stored: Stored, dt: float, duration: Any, reached: int, branch: bool) -> int:
    """The step that the run ends at."""
    facts = stored.facts
    if duration is None:
        end = facts["target_step"] * facts["dt"]
        return int(in_steps(end, dt, "The duration")) if branch else facts["target_step"]
    start = facts["start_step"] * facts["dt"]
    length = checked_time(duration, "duration")
    at = reached * facts["dt"]
    if start + length < at - 1e-9:
        raise StoreError(
            f"{stored.path} has come to t = {at:g} ms already, and duration = {length:g} ms ends before. "
            "duration is that of the whole run, from its beginning."
        )
    return int(in_steps(start + length, dt, "The duration")) if branch else facts["start_step"] + int(in_steps(length, dt, "The duration"))


class _Plan:
    """What a resumed run is made of: rebuilt from the store, or given and compared with it.

    Raises:
        StoreError: what is given is not what ran, or something of the user's own is missing.
    """

    def __init__(self, stored: Stored, network: Any, record: Any, until: Any, given: Mapping[str, Any], branch: bool):
        self._stored, self._branch = stored, branch
        description, path = stored.description, stored.path
        arrays: Arrays = {}
        if network is None:
            self.network = rebuilt_network(description["network"], stored.arrays, path)
        else:
            self.network, _ = as_network(network, None, None)
            self._compare("The network", description["network"], described_network(self.network, arrays))
        self.dt = self._chosen("dt", None if given["dt"] is None else checked_time(given["dt"], "dt"))
        self.seed = self._chosen("seed", given["seed"])
        self.precision = self._chosen("precision", given["precision"])
        self.integrators = rebuilt(description["integrators"], stored.arrays)
        if given["integrator"] is not None:
            self.integrators = by_population(self.network, given["integrator"])
            self._compare("The integrator", description["integrators"], described(self.integrators, arrays))
        self.records = self._records(record, arrays)
        self.until = self._until(until, arrays)
        self.not_verified = unverified(description["network"])

    def _compare(self, what: str, stored: Any, given: Any) -> None:
        found = None if self._branch else difference(stored, given)
        if found is not None:
            raise StoreError(
                f"{what} is not the one of {self._stored.path}: {found}. To go on from its state with what is changed, "
                f"in a new store: rv.resume({str(self._stored.path)!r}, …, branch=True)."
            )

    def _chosen(self, name: str, given: Any) -> Any:
        stored = self._stored.description[name]
        if given is None:
            return stored
        self._compare(f"{name} = {given!r}", {name: stored}, {name: given})
        return given

    def _records(self, record: Any, arrays: Arrays) -> list[Record]:
        stored = self._stored.description["records"]
        if record is not None:
            records = [record] if isinstance(record, Record) else list(record)
            self._compare("What is recorded", stored, [described_record(r, self.network, arrays) for r in records])
            return records
        own = unverified(stored)
        if own:
            raise StoreError(
                f"{self._stored.path} records {', '.join(own)}, which cannot be rebuilt from a description: "
                "pass the records again, record=[…]."
            )
        return [rebuilt_record(r, self._stored.arrays) for r in stored]

    def _until(self, until: Any, arrays: Arrays) -> Until | None:
        stored = self._stored.description["until"]
        if until is False:
            return None
        if until is None:
            if stored is None:
                return None
            raise StoreError(
                f"{self._stored.path} was to end by the condition {stored['condition'].get('$function')}, which cannot be rebuilt from a "
                "description: pass it again, until=…, or go on without it, until=False."
            )
        condition = until if isinstance(until, Until) else Until(until)
        if stored is not None:
            now = {"every": condition.every, "condition": described(condition.condition, arrays)}
            self._compare("The stop condition", stored, now)
        return condition


def _branch_place(path: Path, into: Any) -> Path:
    if into is not None:
        place = Path(into)
    else:
        count = 1
        place = path.with_name(f"{path.stem}-branch{path.suffix}")
        while place.exists():
            count += 1
            place = path.with_name(f"{path.stem}-branch-{count}{path.suffix}")
    layout.make_room(place, overwrite=False)
    return place


def _as_it_is(stored: Stored, network: Any) -> Result:
    """The result of a run that is complete."""
    facts, path = stored.facts, stored.path
    if network is None:
        net = rebuilt_network(stored.description["network"], stored.arrays, path)
    else:
        net, _ = as_network(network, None, None)
        found = difference(stored.description["network"], described_network(net, {}))
        if found is not None:
            raise StoreError(f"The network is not the one of {path}: {found}.")
    _, tree, checked = newest_whole(path)
    root = opened(path)
    dt = facts["dt"]
    spikes = Spikes.from_source(
        StoredSpikes(root),
        n=facts["n"],
        dt=dt,
        start=facts["start_step"] * dt,
        stop=facts["written_step"] * dt,
        populations={name: (p["first"], p["n"]) for name, p in facts["populations"].items()},
    )
    info = {key: facts[key] for key in ("dt", "integrator", "seed", "precision", "versions")}
    info |= {"steps": 0, "run_seconds": 0.0, "compile_seconds": 0.0, "build_seconds": 0.0, "device": checked["build"]["device"]}
    info |= {"bit_identical": True, "not_verified": unverified(stored.description["network"])}
    return Result(net, spikes, stored_records(path, root), tree["state"], info)
