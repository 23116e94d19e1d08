"""Going on with a run from its store."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

from ranvier import doors
from ranvier.devices.mesh import checked_devices
from ranvier.devices.processes import first_process
from ranvier.errors import ParameterError, StoreError, warn
from ranvier.given import as_network, checked_progress, checked_until, checked_watch
from ranvier.integrators.base import Integrator
from ranvier.network.choice import by_population
from ranvier.network.spec import Network, Population
from ranvier.network.state import with_step
from ranvier.neurons.base import NeuronModel
from ranvier.progress import ProgressBar, ProgressCallback
from ranvier.random import STREAMS_VERSION
from ranvier.record.record import Record
from ranvier.result import Result, Spikes
from ranvier.run import Run
from ranvier.simulation import Simulation, made
from ranvier.steps import in_steps
from ranvier.store import layout, provenance
from ranvier.store.build import changed_since
from ranvier.store.check import Damage, damages
from ranvier.store.checkpoint import Checkpoint, OlderFormError, checkpoint_path, checkpoints, other_streams
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
from ranvier.store.files import refuse_strange, remove_partial, why
from ranvier.store.lock import Lock, is_written
from ranvier.store.reader import Stored, as_path
from ranvier.store.sink import StoreSink, kept_records
from ranvier.store.start import identity, start, steps_of
from ranvier.until import Moment, Until
from ranvier.watch import EVERY, Chunk


@dataclasses.dataclass(frozen=True)
class Origin:
    """What a store says of its run, checked.

    Attributes:
        root: the groups and arrays, and the facts.
        description: what ran, how, and in which sessions.
        arrays: of the description.
    """

    root: layout.Root
    description: dict[str, Any]
    arrays: Arrays

    @property
    def path(self) -> Path:
        """The store's folder."""
        return self.root.path

    @property
    def facts(self) -> dict[str, Any]:
        """What the root says of the run."""
        return self.root.facts


def origin_of(path: Path) -> Origin:
    """What a store says of its run.

    Raises:
        StoreError: there is nothing that could be gone on from, or it is damaged.
    """
    root = layout.root_of(path, or_copy=True)
    refuse_strange(path)
    Stored(root)  # nothing in it but what Ranvier writes
    if root.problem:
        warn(f"{root.problem} Its copy of t = {_time(root)} is used: what came after is computed again.")
    if not any(checkpoints(path / layout.CHECKPOINTS)) and root.facts["written_step"] == root.facts["start_step"]:
        raise layout.nothing_in(path)
    try:
        return Origin(root, provenance.read(path, root.facts), provenance.arrays(path))
    except StoreError as error:
        raise StoreError(f"{error} The run cannot be resumed; its data can be read.") from None


def _time(root: layout.Root) -> str:
    return f"{root.facts['written_step'] * root.facts['dt']:g} ms"


def _refuse_other_streams(stored: Origin) -> None:
    """Refuses to go on with numbers that the run would never have drawn, or in a form that is no longer written.

    Raises:
        StoreError: it says what can be done instead.
    """
    facts, path = stored.facts, stored.path
    streams = facts.get("streams_version", 1)
    if streams == STREAMS_VERSION and facts["store_version"] == layout.STORE_VERSION:
        return
    if streams != STREAMS_VERSION:
        why = f"is of {other_streams(streams)}: going on would draw other numbers"
    else:
        why = f"is a store of version {facts['store_version']}, and this Ranvier writes version {layout.STORE_VERSION}"
    said = f"{path} {why}, so it is not resumed. It can be read and exported (rv.open_store, ranvier export)"
    try:
        next(checkpoints(path / layout.CHECKPOINTS)).load()
    except OlderFormError:
        raise StoreError(f"{said}; its state is of a form that is no longer known.") from None
    except (StoreError, StopIteration):
        pass
    raise StoreError(
        f"{said}, and a new run can start from its state, with what is random drawn anew: rv.resume({str(path)!r}, branch=True)."
    )


def network_in(path: Path) -> Network:
    """The network of a store, rebuilt.

    Raises:
        StoreError: it holds classes or functions of the user's own.
    """
    origin = origin_of(path)
    return rebuilt_network(origin.description["network"], origin.arrays, path)


def newest_whole(
    path: Path, root: layout.Root | None = None, lost: Sequence[Damage] = (), *, then: str = ": what came after is computed again"
) -> tuple[Checkpoint, dict[str, Any], dict[str, Any]]:
    """The newest checkpoint of a store that is not damaged, its tree and its facts. It says which ones are.

    Args:
        path: the store's folder.
        root: what its root says, for a run that is to go on: then no later checkpoint than it knows of will do.
        lost: what of the data is damaged: then only a checkpoint before that.
        then: what is said of what came after it.

    Raises:
        StoreError: there is none.
    """
    root = layout.root_of(path, or_copy=True) if root is None else root
    dt = root.facts["dt"]
    problems = [damage.words for damage in lost]
    whole_until = min((damage.step(dt) for damage in lost), default=math.inf)
    newest = root.facts.get("checkpoint")
    if newest is not None and not checkpoint_path(path / layout.CHECKPOINTS, newest).exists():
        problems.append(f"The checkpoint of t = {newest * dt:g} ms is missing.")
    other_forms = []
    for checkpoint in checkpoints(path / layout.CHECKPOINTS):
        first = checkpoint.step == root.facts["start_step"]
        if (checkpoint.step > whole_until and not first) or checkpoint.step > root.facts["written_step"]:
            continue
        try:
            tree, facts = checkpoint.load()
        except OlderFormError as error:
            other_forms.append(error)
            continue
        except StoreError as error:
            problems.append(str(error))
            continue
        if problems:
            warn(
                f"{' '.join(problems)} The checkpoint of t = {checkpoint.step * dt:g} ms is used{then}.",
            )
        return checkpoint, tree, facts
    if other_forms:
        raise other_forms[0]
    why = "what it would go on from is damaged: " + " ".join(problems) if problems else "it has no checkpoint"
    raise StoreError(f"{path} cannot be resumed: {why} What it holds can be read; start the run again with overwrite=True.")


def _moment_or_false(value: Any, what: str) -> Any:
    return value if value is False else checked_until(value)


def _watch(value: Any, what: str) -> Any:
    checked_watch(value, EVERY, 1.0)
    return value


def _progress(value: Any, what: str) -> Any:
    checked_progress(value)
    return value


def _network(value: Any, what: str) -> Any:
    return doors.instance(value, what, (Network, Population, NeuronModel), "the network of the run")


def _records(value: Any, what: str) -> list[Record]:
    return doors.instances(value, what, Record, "rv.Record(population, 'V')")


def _devices(value: Any, what: str) -> Any:
    return value if value is None else checked_devices(value)


def _integrator(value: Any, what: str) -> Any:
    return value if isinstance(value, Mapping) else doors.instance(value, what, Integrator, "rv.RungeKutta4()")


@doors.checked(
    store=doors.path,
    network=doors.optional(_network),
    duration=doors.optional(doors.interval),
    record=doors.optional(_records),
    until=_moment_or_false,
    watch=_watch,
    watch_every=doors.positive,
    checkpoint_every=doors.optional(doors.interval),
    branch=doors.flag,
    into=doors.optional(doors.path),
    dt=doors.optional(doors.interval),
    seed=doors.optional(doors.seed),
    precision=doors.optional(doors.one_of("double", "single")),
    integrator=doors.optional(_integrator),
    progress=_progress,
    check_disk=doors.flag,
    devices=_devices,
)
def resume(
    store: Any,
    network: Network | Population | NeuronModel | None = None,
    *,
    duration: Any = None,
    record: Record | Sequence[Record] | None = None,
    until: Until | Callable[[Moment], Any] | bool | None = None,
    watch: Callable[[Chunk], Any] | None = None,
    watch_every: Any = EVERY,
    checkpoint_every: Any = None,
    branch: bool = False,
    into: Any = None,
    dt: Any = None,
    seed: int | None = None,
    precision: str | None = None,
    integrator: Any = None,
    progress: bool | ProgressCallback = False,
    check_disk: bool = True,
    devices: Any = None,
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
        watch, watch_every: what looks on, as for `simulate`.
        checkpoint_every: as for `simulate`; as before when left out.
        branch: starts a new store from the state of the checkpoint instead,
            with whatever else is given changed; the old store stays as it is.
        into: where the branch goes; `NAME-branch.zarr` beside the old store when left out.
        dt, seed, precision, integrator: what must be as it was, or with `branch` may change.
        progress, check_disk, devices: as for `simulate`; on another number of devices the numbers are the same.

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
    path = as_path(store)
    if not branch and into is not None:
        raise ParameterError("into= is for a branch: rv.resume(store, branch=True, into='other.zarr').")
    given = {"dt": dt, "seed": seed, "precision": precision, "integrator": integrator}
    how = {
        "duration": duration,
        "record": record,
        "until": until,
        "watch": watch,
        "watch_every": watch_every,
        "checkpoint_every": checkpoint_every,
        "check_disk": check_disk,
        "devices": devices,
    }
    bar = ProgressBar() if progress is True else progress or None
    if branch:
        return _branch(path, network, given, into, bar, **how)
    return going_on(path, network, given, bar, **how)


def going_on(
    path: Path,
    network: Network | Population | NeuronModel | None,
    given: Mapping[str, Any],
    progress: ProgressCallback | None,
    *,
    duration: Any,
    record: Record | Sequence[Record] | None,
    until: Any,
    checkpoint_every: Any,
    check_disk: bool,
    devices: Any = None,
    found: Sequence[Damage] | None = None,
    watch: Callable[[Chunk], Any] | None = None,
    watch_every: float = EVERY,
) -> Result:
    """Goes on with a run in its own store; for the arguments see `resume`.

    Args:
        given: what must be as it was.
        found: what of the store is damaged, where it was read for that; it is then computed again up to where the run has come.
    """
    began = time.perf_counter()
    origin = origin_of(path)
    _refuse_other_streams(origin)
    if is_written(path) is not True and found is None and duration is None and until is None and origin.facts["status"] == "complete":
        plan = _Plan(origin, network, record, None, given, branch=False, ended=True, reading=True)
        whole = not damages(path, origin.root, thorough=False) if origin.root.problem is None else False
        if whole and (result := _as_it_is(origin, plan)) is not None:
            return result
    lock: Any = Lock(path) if first_process() else contextlib.nullcontext()  # of several processes the first one writes
    try:
        origin = origin_of(path)  # again: another process may have gone on with it meanwhile
        root = origin.root
        repairing = found is not None
        lost = [damage for damage in (damages(path, root, thorough=False) if found is None else found) if damage.data]
        checkpoint, tree, checked = newest_whole(path, root, lost)
        if checked["network_hash"] != origin.description["network_hash"]:
            raise StoreError(
                f"{checkpoint.path} is of another network than {path / layout.PROVENANCE} describes. They do not belong together."
            )
        ended = root.facts["status"] == "complete" and duration is None and until is None
        plan = _Plan(origin, network, record, until, given, branch=False, ended=ended or repairing)
        changed = changed_since(checked["build"])
        if changed:
            warn(
                f"{path} goes on under other conditions than it was written under: {'; '.join(changed)}. "
                "It is resumed correctly, but its numbers may differ from those of an unbroken run in their last bits.",
            )
        if ended or repairing:  # what was damaged, up to where the run has come
            target = max(root.facts["written_step"], checkpoint.step)
        else:
            target = _target(origin, plan.dt, duration, checkpoint.step, branch=False)
        every = origin.description["checkpoint_every"] if checkpoint_every is None else doors.interval(checkpoint_every, "checkpoint_every")
        with jax.enable_x64(True):
            sim = _prepared(plan, devices)

            def sink(run: Run) -> StoreSink:
                if check_disk:
                    check_that_it_fits(run, path, sum(1 for _ in checkpoints(path / layout.CHECKPOINTS)))
                planned = root.facts["target_step"] if ended or repairing else target
                sink = _again(run, origin, checkpoint, tree, checked, every, lock, planned)
                if repairing and root.facts["status"] != "complete":
                    sink.ends_as = "diverged" if root.facts["status"] == "diverged" else "interrupted"
                return sink

            run = sim.start(
                target - root.facts["start_step"],
                initial=tree["state"],
                first=root.facts["start_step"],
                sink=sink,
                until=plan.until,
                watch=checked_watch(watch, watch_every, plan.dt),
                counts=tree["counts"],
                info={"bit_identical": not changed, "not_verified": plan.not_verified},
            )
            run.info["build_seconds"] = time.perf_counter() - began
    except BaseException as error:
        if first_process():
            lock.release()
        if isinstance(error, OSError) and not isinstance(error, StoreError):
            raise StoreError(f"{path} cannot be written: {why(error)}.") from error
        raise
    with jax.enable_x64(True):
        return run.execute(progress)


def _branch(
    path: Path,
    network: Network | Population | NeuronModel | None,
    given: Mapping[str, Any],
    into: Any,
    progress: ProgressCallback | None,
    *,
    duration: Any,
    record: Record | Sequence[Record] | None,
    until: Any,
    checkpoint_every: Any,
    check_disk: bool,
    devices: Any = None,
    watch: Callable[[Chunk], Any] | None = None,
    watch_every: float = EVERY,
) -> Result:
    """A new run from the state of the newest checkpoint, in a store of its own; for the arguments see `resume`."""
    began = time.perf_counter()
    origin = origin_of(path)
    checkpoint, tree, checked = newest_whole(path, origin.root)
    plan = _Plan(origin, network, record, until, given, branch=True)
    target = _target(origin, plan.dt, duration, checkpoint.step, branch=True)
    every = origin.description["checkpoint_every"] if checkpoint_every is None else doors.interval(checkpoint_every, "checkpoint_every")
    place = _branch_place(path, into)
    try:
        state = with_step(tree["state"].with_seed(plan.seed), plan.dt)
    except ParameterError as error:
        raise StoreError(f"{path}: {error}") from None
    first = int(state.step)
    with jax.enable_x64(True):

        def sink(run: Run) -> StoreSink:
            source = {"store": str(path), "step": checkpoint.step, "network_hash": origin.description["network_hash"]}
            how: dict[str, Any] = {"checkpoint_every": every, "overwrite": False, "fits": check_disk, "branch_of": source}
            return start(run, place, plan.records, plan.integrators, **how)

        run = _prepared(plan, devices).start(
            target - first,
            initial=state,
            sink=sink,
            until=plan.until,
            watch=checked_watch(watch, watch_every, plan.dt),
            info={"bit_identical": not changed_since(checked["build"]), "not_verified": plan.not_verified},
        )
        run.info["build_seconds"] = time.perf_counter() - began
        return run.execute(progress)


def _prepared(plan: _Plan, devices: Any) -> Simulation:
    """The network of a resumed run, drawn and laid out."""
    return made(
        plan.network,
        checked_devices(devices),
        dt=plan.dt,
        integrators=plan.integrators,
        records=plan.records,
        seed=plan.seed,
        precision=plan.precision,
    )


def _again(
    run: Run,
    origin: Origin,
    checkpoint: Checkpoint,
    tree: Mapping[str, Any],
    checked: Mapping[str, Any],
    every: float | None,
    lock: Lock,
    target: int,
) -> StoreSink:
    """The store, open for writing at the checkpoint."""
    facts = {**origin.facts, "target_step": target}
    sink = StoreSink(origin.path, run.plan, facts, identity(origin.description), steps_of(every, run.dt), lock)
    remove_partial(origin.path)
    sink.go_on(checkpoint.step, checked["lengths"], tree["kept"], origin.root.described)
    sink.origin = origin.description
    provenance.begin_session(origin.path, sink.origin, checkpoint.step)
    return sink


def _target(stored: Origin, dt: float, duration: Any, reached: int, branch: bool) -> int:
    """The step that the run ends at."""
    facts = stored.facts
    if duration is None:
        end = facts["target_step"] * facts["dt"]
        return int(in_steps(end, dt, "The duration")) if branch else facts["target_step"]
    start = facts["start_step"] * facts["dt"]
    length = doors.interval(duration, "duration")
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

    def __init__(
        self,
        stored: Origin,
        network: Any,
        record: Any,
        until: Any,
        given: Mapping[str, Any],
        branch: bool,
        *,
        ended: bool = False,
        reading: bool = False,
    ):
        self._stored, self._branch = stored, branch
        description, path = stored.description, stored.path
        arrays: Arrays = {}
        if network is None:
            self.network = rebuilt_network(description["network"], stored.arrays, path)
        else:
            self.network, _ = as_network(network, None, None)
            self._compare("The network", description["network"], described_network(self.network, arrays))
        self.dt = self._chosen("dt", None if given["dt"] is None else doors.interval(given["dt"], "dt"))
        self.seed = self._chosen("seed", given["seed"])
        self.precision = self._chosen("precision", given["precision"])
        before = rebuilt(description["integrators"], stored.arrays)
        everywhere = next(iter(before.values()), None) if len({repr(given) for given in before.values()}) == 1 else None
        self.integrators = {name: before.get(name, everywhere) for name in self.network.populations}  # a branch may have others
        if given["integrator"] is not None:
            self.integrators = by_population(self.network, given["integrator"])
            self._compare("The integrator", description["integrators"], described(self.integrators, arrays))
        self.records = [] if reading and record is None else self._records(record, arrays)
        self.until = None if ended else self._until(until, arrays)  # whatever it asked, the run has ended
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


def _as_it_is(origin: Origin, plan: _Plan) -> Result | None:
    """The result of a run that is complete; None where the place that it ended at is lost, or rows that were in memory."""
    facts, path = origin.facts, origin.path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # said when it is gone back to
        checkpoint, tree, checked = newest_whole(path, origin.root)
    if checkpoint.step != facts["written_step"]:
        return None
    stored = Stored(origin.root)
    dt = facts["dt"]
    spikes = Spikes.from_source(
        stored.spikes,
        n=facts["n"],
        dt=dt,
        start=facts["start_step"] * dt,
        stop=facts["written_step"] * dt,
        populations={name: (p["first"], p["n"]) for name, p in facts["populations"].items()},
    )
    info = {key: facts[key] for key in ("dt", "integrator", "seed", "precision", "versions")}
    info |= {"steps": 0, "run_seconds": 0.0, "compile_seconds": 0.0, "build_seconds": 0.0, "device": checked["build"]["device"]}
    info |= {"bit_identical": True, "not_verified": plan.not_verified}
    kept = [record for table, said in zip(tree["kept"].values(), checked["kept"], strict=True) for record in kept_records(table, said, dt)]
    return Result(plan.network, spikes, [*stored.records(), *kept], tree["state"], info)
