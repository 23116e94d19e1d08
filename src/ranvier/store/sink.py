"""A run's way to its store."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from ranvier.errors import StoreError, warn
from ranvier.record.memory import Table
from ranvier.record.plan import RecordPlan, Rows, Track
from ranvier.result import Recorded, SpikeSource
from ranvier.run import Progression
from ranvier.store import documents, layout, provenance
from ranvier.store.checkpoint import checkpoint_path, checkpoints, save_tree
from ranvier.store.counts import FACTOR, LEVELS, SpikeCounts
from ranvier.store.files import size_of, size_of_file, why, write_whole
from ranvier.store.growing import Series, Tree
from ranvier.store.lock import Lock
from ranvier.store.place import remove_replaced
from ranvier.store.reader import Stored
from ranvier.store.writer import Writer

VISIBLE_EVERY = 2.0  # s, about: how often readers get to see what is new
CHECKPOINT_EVERY = 30.0  # s, about: where no simulated time is given for it
SHARE = 0.03  # of the time at most for either
KEPT = 2  # checkpoints; also the first, from which all can be computed again, and the last one that the disk was made to hold
DURABLE_EVERY = 10.0  # s: the disk is asked to hold a checkpoint and all before it, so that a loss of power costs no more


class StoreSink:
    """Writes spikes and records to a store, in a thread.

    Args:
        path: the store's folder; it exists, and `lock` is held.
        plan: what is recorded.
        facts: what the root says of the run.
        identity: what a checkpoint says of it.
        checkpoint_steps: how often a checkpoint is written; 0 leaves it to the clock.
    """

    def __init__(
        self,
        path: Path,
        plan: RecordPlan,
        facts: dict[str, Any],
        identity: Mapping[str, Any],
        checkpoint_steps: int,
        lock: Lock,
    ):
        self.path, self._checkpoint_steps, self._identity, self._lock = path, checkpoint_steps, identity, lock
        self.way_on = f"Go on with rv.resume({str(path)!r}), or: ranvier resume {path}"
        self._dt, self._facts = plan.dt, facts
        self._replaces = facts.get("replaces")
        self._tables = layout.table_names([t for t in plan.tracks if t.keep is None])
        self._kept = {f"{i}": Table(t) for i, t in enumerate(t for t in plan.tracks if t.keep is not None)}
        self._group_of = {id(track): f"{layout.RECORDS}/{name}" for name, track in self._tables.items()}
        self._columns = {id(track): layout.column_names(track) for track in self._tables.values()}
        self._tree = Tree(path, layout.MARK, facts)
        self._counts = SpikeCounts(facts["n"], plan.dt, facts["start_step"])
        self._checkpoints = path / layout.CHECKPOINTS
        self._on_disk = 0
        self._visible_next = time.monotonic() + VISIBLE_EVERY
        self._durable_next = time.monotonic() + DURABLE_EVERY
        self._checkpoint_next = time.monotonic() + CHECKPOINT_EVERY
        self._checkpoint_seconds = 0.0  # that the last one took
        self._durable_step = -1
        self._ended = False
        self._writer: Writer | None = None
        self.origin: dict[str, Any] = {}  # what provenance.json says
        self.ends_as: str | None = None  # where a run that comes to its end is not complete: one that only computes again what was lost

    # -- beginning --------------------------------------------------------------------------------

    def _series(self) -> dict[str, Series]:
        records = {f"{layout.RECORDS}/{name}": layout.record_series(name, track) for name, track in self._tables.items()}
        return {**layout.spike_series(), **self._counts.series, **records}

    def mark(self) -> None:
        """Makes the folder a store, before anything else is in it: whenever the process ends, it is known for one."""
        self._tree.create()

    def begin(self, at: Progression) -> None:
        """Fills the store with empty arrays and a first checkpoint."""
        tree = self._tree
        spikes = {key: self._facts[key] for key in ("dt", "n", "populations")}
        convention = "a spike in the step from t_k to t_{k+1} has the time t_k = time_step * dt (ms)"
        tree.group(layout.SPIKES, {**spikes, "convention": convention})
        tree.group(layout.COUNTS, {"neurons_per_row": self._counts.neurons_per_row, "dt": self._dt, "first_step": self._counts.first})
        tree.group(layout.RECORDS, {})
        for name, track in self._tables.items():
            tree.group(f"{layout.RECORDS}/{name}", self._table_facts(track))
            tree.fixed(f"{layout.RECORDS}/{name}/{track.label}", track.neurons.astype(np.int64), (track.label,), {"long_name": track.label})
        for name, series in self._series().items():
            tree.grow(name, series)
        tree.commit()
        self._checkpoints.mkdir()
        self._facts["first_checkpoint"] = int(at.state.step)
        self._write_checkpoint(at, self._kept_now(), durable=False)
        self._writer = Writer()

    @staticmethod
    def _table_facts(track: Track) -> dict[str, Any]:
        regular = {"first_step": track.schedule.first, "every_steps": track.schedule.every} if track.regular else {}
        return {"part": track.part, "label": track.label, **regular}

    def go_on(self, at: int, lengths: Mapping[str, int], kept: Mapping[str, Any], described: Mapping[str, dict[str, Any]]) -> None:
        """Opens a store again at the step of a checkpoint; what was written after it is dropped.

        Args:
            at: the step.
            lengths: of every series at that step.
            kept: the rows that were in memory.
            described: what the root says of every group and array.

        Raises:
            StoreError: what it goes on in is damaged.
        """
        first = self._facts["start_step"]
        first = first if checkpoint_path(self._checkpoints, first).exists() else at
        self._facts.update(status="running", written_step=at, checkpoint=at, first_checkpoint=first)
        self._tree.reopen(self._series(), lengths, described)
        for later in list(checkpoints(self._checkpoints)):
            if later.step > at:
                later.path.unlink()
        for name, table in self._kept.items():
            before = kept[name]["steps"] < at  # the run's last row is due again where it is not the last any more
            table.steps, table.values = kept[name]["steps"][before], [values[before] for values in kept[name]["values"]]
            table.filled = len(table.steps)
        self._restore_counts()
        self._on_disk = size_of(self.path) - self._tree.files.bytes
        self._writer = Writer()

    def _restore_counts(self) -> None:
        stored = Stored(layout.root_of(self.path))
        counts = self._counts
        finest = counts.series[f"{layout.COUNTS}/0"].length
        spikes = stored.spikes.between(counts.first + finest * counts.steps_per_bin(0), 2**62)
        lengths = [counts.series[f"{layout.COUNTS}/{i}"].length for i in range(LEVELS)]
        summed = [*(FACTOR * above for above in lengths[1:]), lengths[-1]]
        levels = [stored.arrays[f"{layout.COUNTS}/{i}"][summed[i] : lengths[i]] for i in range(LEVELS)]
        counts.restore(*spikes, levels)

    # -- while the run goes on --------------------------------------------------------------------

    def size(self) -> int:
        """Bytes on disk."""
        return self._on_disk + self._tree.files.bytes

    def _put(self, work: Any) -> None:
        assert self._writer is not None
        try:
            self._writer.put(work)
        except BaseException as error:
            self._raise(error)

    def _raise(self, error: BaseException) -> NoReturn:
        """Raises what went wrong while the store was written; where the system said it, in the store's words."""
        if not isinstance(error, OSError) or isinstance(error, StoreError):
            raise error
        newest = next(checkpoints(self._checkpoints), None)
        since = f" from t = {newest.step * self._dt:g} ms" if newest else ""
        raise StoreError(
            f"The store {self.path} cannot be written: {why(error)}. What is in it up to "
            f"t = {self._facts['written_step'] * self._dt:g} ms can be read. When there is room, the run goes on{since}. {self.way_on}"
            + (f". The store that it was to replace is kept at {self.path.with_name(self._replaces)}" if self._replaces else "")
        ) from error

    def take(self, steps: np.ndarray, neurons: np.ndarray, rows: Iterable[Rows], reached: int) -> None:
        """Takes over the spikes and rows of the steps before `reached`."""
        to_store = []
        for new in rows:
            kept = next((table for table in self._kept.values() if table.track is new.track), None)
            if kept is not None:
                kept.take(new)
            else:
                to_store.append(new)
        self._put(lambda: self._append(steps, neurons, to_store, reached))

    def _append(self, steps: np.ndarray, neurons: np.ndarray, rows: list[Rows], reached: int) -> None:
        series = self._tree.series
        before = series[layout.SPIKES].length
        starts = np.arange(-(-before // layout.SPIKES_PER_CHUNK) * layout.SPIKES_PER_CHUNK - before, len(steps), layout.SPIKES_PER_CHUNK)
        if len(starts):
            series["chunks"].append(**{layout.CHUNK_FIRST_STEP: steps[starts]})
        if len(steps):
            series[layout.SPIKES].append(**{layout.STEP: steps, layout.NEURON: neurons})
        self._counts.take(steps, neurons, reached)
        for new in rows:
            names = self._columns[id(new.track)]
            columns = dict(zip(names, new.values, strict=True))
            series[self._group_of[id(new.track)]].append(time=new.steps * self._dt, **columns)
        self._facts["reached"] = reached
        if time.monotonic() > self._visible_next:
            self._commit(reached)

    def _commit(self, reached: int, **facts: Any) -> None:
        began = time.monotonic()
        facts = {**self._facts, "written_step": reached, **facts}
        facts.pop("reached", None)
        self._tree.facts = facts
        self._tree.commit()
        self._facts.update(written_step=reached)
        now = time.monotonic()
        self._visible_next = now + max(VISIBLE_EVERY, (now - began) / SHARE)

    @property
    def checkpoint_steps(self) -> int:
        """A checkpoint is due at every multiple of so many steps; 0 for none now. By the clock it is due at any step, once it is time."""
        return self._checkpoint_steps or int(time.monotonic() >= self._checkpoint_next)

    def checkpoint(self, at: Progression) -> None:
        """Keeps what the run needs to go on from here."""
        self._checkpoint_next = time.monotonic() + max(CHECKPOINT_EVERY, self._checkpoint_seconds / SHARE)
        kept = self._kept_now()
        self._put(lambda: self._checkpoint(at, kept))

    def _kept_now(self) -> dict[str, Any]:
        """The rows of the last stretch, in memory; later rows make new arrays."""
        return {
            name: {"steps": table.steps, "values": list(table.values), "neurons": table.track.neurons} for name, table in self._kept.items()
        }

    def _checkpoint(self, at: Progression, kept: dict[str, Any]) -> None:
        began = time.monotonic()
        self._commit(int(at.state.step))
        durable = time.monotonic() > self._durable_next
        if durable:
            self._tree.files.sync()
        self._write_checkpoint(at, kept, durable)
        self._checkpoint_seconds = time.monotonic() - began

    def _write_checkpoint(self, at: Progression, kept: dict[str, Any], durable: bool) -> None:
        step = int(at.state.step)
        tree = {"state": at.state, "counts": at.counts, "kept": kept}
        said = [
            {"part": t.track.part, "label": t.track.label, "columns": [[c.name, c.unit] for c in t.track.columns]}
            for t in self._kept.values()
        ]
        facts = {**self._identity, "step": step, "lengths": self._lengths_at(step), "kept": said}
        path = checkpoint_path(self._checkpoints, step)
        before = size_of_file(path)
        write_whole(self.path / layout.COPY, documents.text_of(self._tree.root), durable=durable)
        save_tree(path, tree, facts, durable=durable)
        self._facts["checkpoint"] = step
        self._on_disk += size_of_file(path) - before
        if durable:
            self._durable_step = step
            self._durable_next = time.monotonic() + DURABLE_EVERY
        for old in list(checkpoints(self._checkpoints))[KEPT:]:
            if old.step not in (self._durable_step, self._facts["first_checkpoint"]):
                self._on_disk -= size_of_file(old.path)
                old.path.unlink()

    def _lengths_at(self, step: int) -> dict[str, int]:
        spikes = self._tree.series[layout.SPIKES].length
        records = {self._group_of[id(track)]: track.rows_before(step) for track in self._tables.values()}
        chunks = -(-spikes // layout.SPIKES_PER_CHUNK)
        return {layout.SPIKES: spikes, "chunks": chunks, **self._counts.lengths_at(step), **records}

    # -- the end ----------------------------------------------------------------------------------

    def finish(self, status: str, at: Progression | None) -> None:
        """Writes what is left, and the place to go on from where there is one.

        Raises:
            StoreError: it could not be written; not when the run has failed anyway.
        """
        if self._ended:
            return
        self._ended = True
        status = self.ends_as or status if status == "complete" else status
        assert self._writer is not None
        try:
            kept = self._kept_now()
            last = [] if at is None else [lambda: self._checkpoint(at, kept)]
            self._writer.close(*last, lambda: self._end(status))
            if self._writer.error is not None and status != "failed":
                self._raise(self._writer.error)
            if self._writer.error is None and status != "failed":
                try:
                    remove_replaced(self.path, self._replaces)
                except OSError as error:  # the new store stands all the same
                    warn(f"The store that {self.path} replaces cannot be removed: {why(error)}.")
        finally:
            self._lock.release()

    def _end(self, status: str) -> None:
        reached = self._facts.get("reached", self._facts["written_step"])
        if status != "failed":
            self._facts.pop("replaces", None)
        self._commit(reached, status=status)
        write_whole(self.path / layout.COPY, documents.text_of(self._tree.root))
        provenance.end_session(self.path, self.origin, reached, status)

    def spikes(self) -> SpikeSource:
        """All spikes, in the store."""
        return Stored(layout.root_of(self.path)).spikes

    def records(self) -> list[Recorded]:
        """All records: in the store, and those of the last stretch in memory."""
        return [*Stored(layout.root_of(self.path)).records(), *(r for table in self._kept.values() for r in table.recorded(self._dt))]


def kept_records(table: Mapping[str, Any], said: Mapping[str, Any], dt: float) -> list[Recorded]:
    """The records of the last stretch, out of a checkpoint.

    Args:
        table: the steps, values and neurons.
        said: the part, the label, and each column's name and unit.
        dt: the step (ms).
    """
    times, part, label = table["steps"] * dt, said["part"], said["label"]
    columns = zip(said["columns"], table["values"], strict=True)
    return [Recorded(part, name, unit, times, values, table["neurons"], label) for (name, unit), values in columns]
