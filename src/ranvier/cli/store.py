"""`ranvier run --store`, `ranvier resume`, `ranvier info`, `ranvier check` and `ranvier repair`."""

from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from ranvier.cli.job import Job, devices_of, job_of
from ranvier.devices.processes import first_process
from ranvier.errors import RanvierError, StoreError
from ranvier.given import as_network
from ranvier.result import Result
from ranvier.store.checkpoint import OlderFormError
from ranvier.store.description import unverified
from ranvier.store.reader import StoredRun, open_store
from ranvier.store.repair import check as check_store
from ranvier.store.repair import repair as repair_store
from ranvier.store.resume import resume as resume_run


def run_into_store(job: Job, arguments: argparse.Namespace, simulate: Callable[..., Result]) -> None:
    """Runs a job into the store that `--store` names, and says what is in it."""
    with _said():
        result = simulate(job, store=arguments.store, checkpoint_every=arguments.checkpoint_every, overwrite=arguments.overwrite)
    if not first_process():
        return
    _print([*_rows(open_store(arguments.store)), _wall(result)])


def resume(arguments: argparse.Namespace, run_arguments: Callable[[str], argparse.Namespace]) -> None:
    """Goes on with a run.

    Args:
        run_arguments: what `ranvier run FILE` would be given.

    Raises:
        RanvierError: it cannot go on.
    """
    devices = devices_of(arguments)
    given = _given(arguments, run_arguments)
    if arguments.file:
        job = job_of(run_arguments(arguments.file))
        given |= {name: getattr(job, name) for name in ("watch", "watch_every") if getattr(job, name) is not None}
        if open_store(arguments.store).provenance["until"] is not None:
            given["until"] = job.until
    with _said():
        result = resume_run(
            arguments.store,
            duration=arguments.duration,
            checkpoint_every=arguments.checkpoint_every,
            progress=True,
            devices=devices,
            **given,
        )
    if not first_process():
        return
    for name in result.info["not_verified"]:
        print(f"ranvier: of {name} only the name and the code were compared, not what it reads.", file=sys.stderr)
    store = open_store(arguments.store)
    begun = store.provenance["sessions"][-1]["from_step"] * store.info["dt"]
    went_on = [("went on from", f"t = {begun:g} ms")] if result.info["steps"] else []
    _print([*_rows(store), *went_on, _wall(result)])


def check(arguments: argparse.Namespace) -> int:
    """Reads all of a store.

    Returns:
        0 where it is whole, 1 where it is not.
    """
    found = check_store(arguments.store)
    for damage in found:
        _line(damage.words)
    if found:
        _line(f"To compute again what is lost: ranvier repair {arguments.store}")
    else:
        _line(f"{arguments.store} is whole.")
    return int(bool(found))


def repair(arguments: argparse.Namespace, run_arguments: Callable[[str], argparse.Namespace]) -> None:
    """Computes again what a store has lost.

    Args:
        run_arguments: what `ranvier run FILE` would be given.

    Raises:
        RanvierError: it cannot be.
    """
    given = _given(arguments, run_arguments)
    with _said():
        found = repair_store(arguments.store, progress=True, **given)
    for damage in found:
        _line(damage.words)
    left = check_store(arguments.store)
    if left:
        raise StoreError(f"{arguments.store} is not whole yet: " + " ".join(damage.words for damage in left))
    _line(f"{arguments.store} is whole{' again' if found else ''}.")


def _given(arguments: argparse.Namespace, run_arguments: Callable[[str], argparse.Namespace]) -> dict[str, Any]:
    """The network, and the records where they are asked for, of the file that `--file` names."""
    given: dict[str, Any] = {}
    if arguments.file:
        job = job_of(run_arguments(arguments.file))
        given["network"], _ = as_network(job.network, job.current, job.initial)
        if unverified(open_store(arguments.store).provenance["records"]):
            given["record"] = job.record
    return given


def info(arguments: argparse.Namespace) -> None:
    """Says what a store holds."""
    store = open_store(arguments.store)
    _print([*_rows(store), *_details(store), *_way_on(store)])


def explain(arguments: argparse.Namespace) -> None:
    """Says how a model is computed."""
    from ranvier.simulation import explain as explained

    job = job_of(arguments)
    print(explained(job.network, dt=job.dt, current=job.current, integrator=job.integrator, precision=job.precision, seed=job.seed))


def plan(arguments: argparse.Namespace, devices: int) -> None:
    """Says how much memory a model will take, and refuses what does not fit."""
    from ranvier.memory_plan import plan_memory

    job = job_of(arguments)
    network, _ = as_network(job.network, job.current, job.initial)
    planned = plan_memory(network, devices, dt=job.dt, duration=job.duration, record=job.record, precision=job.precision, seed=job.seed)
    print(planned)
    planned.require()


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """Warnings in the command's own words."""
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest: print(f"ranvier: {message}", file=sys.stderr)
        yield


def _rows(store: StoredRun) -> list[tuple[str, str]]:
    info, spikes = store.info, store.spikes
    target = info["target_step"] * info["dt"]
    rows = [("store", f"{store.path}, {store.status}"), ("simulated", f"{spikes.stop:g} of {target:g} ms of {spikes.n} neurons")]
    seconds = (spikes.stop - spikes.start) / 1000
    try:
        counts = spikes.counts
    except StoreError as error:
        return [*rows, ("damaged", str(error)), ("size", _bytes(store.size))]
    for name, (first, n) in spikes.populations.items():
        count = int(counts[first : first + n].sum())
        if not count and not _spikes(store, name):
            rows.append((name, f"{n} neurons without spikes"))
            continue
        rate = count / n / seconds if n and seconds > 0 else 0.0
        rows.append((f"mean rate of {name}", f"{rate:.2f} Hz ({count} spikes of {n} neurons)"))
    return [*rows, ("size", _bytes(store.size))]


def _spikes(store: StoredRun, population: str) -> bool:
    """Whether a population's model ever spikes, as far as the store tells."""
    try:
        return store.rebuilt_network().populations[population].model.has_spikes
    except RanvierError:  # it has parts of the user's own
        return True


def _details(store: StoredRun) -> Iterator[tuple[str, str]]:
    info = store.info
    for record in store.records:
        rows, width = record.values.shape
        yield f"{record.variable} of {record.part}", f"{rows} times × {width} {record.label}s, {_bytes(record.values.nbytes)} uncompressed"
    yield "step", f"{info['dt']:g} ms, {info['integrator']}, {info['precision']} precision, seed {info['seed']}"
    yield "network", f"checksum {info['network_hash'][:16]}"
    for checkpoint in store.checkpoints:
        try:
            checkpoint.load()
            state = "whole"
        except OlderFormError:
            state = "of an older form"
        except StoreError:
            state = "damaged"
        size = _bytes(checkpoint.path.stat().st_size)
        yield "checkpoint", f"t = {checkpoint.step * info['dt']:g} ms, {size}, {state}"
    yield "versions", ", ".join(f"{name} {version}" for name, version in info["versions"].items())
    try:
        sessions = store.provenance["sessions"]
    except StoreError as error:
        yield "damaged", str(error)
        return
    for session in sessions:
        begun = f"from t = {session['from_step'] * info['dt']:g} ms, {session['started']}"
        ended = f" to t = {session['to_step'] * info['dt']:g} ms, {session['status']}" if "to_step" in session else ", not ended"
        yield "session", f"{begun}{ended}"


def _way_on(store: StoredRun) -> Iterator[tuple[str, str]]:
    if store.status in ("stopped", "interrupted", "failed") and store.checkpoints:
        yield "to go on", f"ranvier resume {store.path}"


def _wall(result: Result) -> tuple[str, str]:
    return "wall time", f"{result.info['run_seconds']:.2f} s of steps, {result.info['compile_seconds']:.2f} s of compiling"


def _bytes(count: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return ""


def _print(rows: list[tuple[str, str]]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        _line(f"{name:{width}}  {value}")


def _line(text: str) -> None:
    """Prints what may come out of a stranger's file: nothing in it moves the terminal's cursor."""
    print("".join(letter if letter.isprintable() else "\ufffd" for letter in text))
