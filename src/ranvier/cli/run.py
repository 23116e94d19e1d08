"""`ranvier run`."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.cli import train_digits
from ranvier.cli.folder import Folder
from ranvier.cli.job import Job, devices_of, job_of
from ranvier.describe import in_one_line
from ranvier.devices.processes import first_process
from ranvier.errors import ParameterError, RanvierError, SimulationDiverged, StoreError
from ranvier.interop import netcdf
from ranvier.interop.csv import write_spikes
from ranvier.interop.formats import ENDINGS, export
from ranvier.interop.source import Source, as_file_name
from ranvier.plot.appearance import pretty_unit
from ranvier.progress import stage
from ranvier.simulate import simulate
from ranvier.store.reader import as_path

if TYPE_CHECKING:
    from ranvier.network.spec import Projection
    from ranvier.result import PartResult, Recorded, Result

DESCRIPTIONS = {
    "spikes.csv": "every spike: time (ms, the start of its step), neuron within its population, population",
    "parameters.json": "what ran, with which versions, seed and options, and how long it took",
}


def run(arguments: argparse.Namespace) -> None:
    """Runs what the command line asks for and leaves a folder of results.

    Raises:
        RanvierError: before anything runs where it can be known; after a run
            that diverged, what it recorded is in the folder.
    """
    if arguments.what == train_digits.NAME:
        train_digits.run(arguments)
        return
    _refuse_ignored(arguments)
    began = time.perf_counter()
    devices = devices_of(arguments)
    job = dataclasses.replace(job_of(arguments), devices=devices)
    if arguments.store is not None:
        from ranvier.cli.store import run_into_store

        run_into_store(job, arguments, _simulate)
        return
    folder = Folder(arguments.out or Path("results") / f"{job.name}-seed{job.seed}")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *rest: print(f"ranvier: {message}", file=sys.stderr)
        try:
            result = _simulate(job)
        except SimulationDiverged as error:
            if error.result is not None:
                folder.begin(_parameters(job, error.result) | {"diverged_at_ms": error.time})
                _write_data(error.result, folder)
                raise SimulationDiverged(f"{error} It was written to {folder.path}.", error.result, error.time) from None
            raise
    if not first_process():
        return
    with _kept_elsewhere(result, folder):
        folder.begin(_parameters(job, result))
        traces = _write_data(result, folder)
    drawing = time.perf_counter()
    own = job.own
    figures = [] if arguments.no_plots else _draw(result, folder, own)
    drawing = time.perf_counter() - drawing
    rows = _rows(job, result, own)
    wall = time.perf_counter() - began
    times = {
        "compile_seconds": result.info["compile_seconds"],
        "run_seconds": result.info["run_seconds"],
        "pictures_seconds": drawing,
        "wall_seconds": wall,
    }
    rows.append(
        (
            "wall time",
            f"{times['run_seconds']:.2f} s of steps, {times['compile_seconds']:.2f} s of compiling, "
            f"{drawing:.2f} s of pictures, {wall:.2f} s in all",
        )
    )
    folder.note(**{key: round(value, 3) for key, value in times.items()})
    if figures:
        _report(job, result, folder, own, rows, figures, traces)
    _print(rows, folder)


def _refuse_ignored(arguments: argparse.Namespace) -> None:
    """Refuses options that would do nothing.

    Raises:
        ParameterError: it names the option.
    """
    if arguments.store is not None:
        as_path(arguments.store)
        for name, value in (("out", arguments.out), ("no-plots", arguments.no_plots)):
            if value:
                raise ParameterError(f"--{name} is for a folder of results; with --store there is none. Leave one of them out.")
        return
    for name, value in (("checkpoint-every", arguments.checkpoint_every is not None), ("overwrite", arguments.overwrite)):
        if value:
            raise ParameterError(f"--{name} is for a run with a store. Add --store run.zarr, or leave it out.")


@contextlib.contextmanager
def _kept_elsewhere(result: Result, folder: Folder) -> Iterator[None]:
    """Where the folder cannot be written, the results go where there is room, so that no run was in vain.

    Raises:
        StoreError: it says what happened and where they are.
    """
    try:
        yield
    except OSError as error:
        said = f"The results cannot be written to {folder.path}: {error.strerror or error}."
        for place in (Path.cwd(), Path(tempfile.gettempdir()), Path.home()):
            path = place / f"ranvier-{os.getpid()}{ENDINGS['npz']}"
            try:
                export(result, path, to="npz")
            except (RanvierError, OSError):
                continue
            raise StoreError(f"{said} All that was recorded is in {path} (NumPy's .npz) instead.") from error
        raise StoreError(f"{said} There is no room for them elsewhere either.") from error


def _simulate(job: Job, **more: Any) -> Result:
    options: dict[str, Any] = {"current": job.current} if job.current is not None else {}
    if job.initial is not None:
        options["initial"] = job.initial
    for name in ("until", "watch", "watch_every"):
        if getattr(job, name) is not None:
            options[name] = getattr(job, name)
    return simulate(
        job.network,
        duration=job.duration,
        dt=job.dt,
        integrator=job.integrator,
        record=job.record,
        seed=job.seed,
        precision=job.precision,
        progress=True,
        devices=job.devices,
        **options,
        **more,
    )


# -- what is written --------------------------------------------------------------------------------


def _parameters(job: Job, result: Result) -> dict[str, Any]:
    info = result.info
    populations = {
        name: {"neurons": p.n, "model": repr(p.model), "current": None if p.current is None else repr(p.current)}
        for name, p in result.network.populations.items()
    }
    projections = {name: {"synapse": repr(p.synapse), "weight": _short(p.weight)} for name, p in result.network.projections.items()}
    return {
        "name": job.name,
        "model": job.model,
        "source": job.source,
        "options": [f"--{option}" for option in job.options],
        "duration_ms": result.spikes.stop - result.spikes.start,
        **{key: info[key] for key in ("dt", "integrator", "seed", "precision", "device", "versions")},
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "spikes": len(result.spikes),
        "populations": populations,
        "projections": projections,
    }


def _write_data(result: Result, folder: Folder) -> list[tuple[str, str]]:
    """Spikes as CSV and what was recorded as NetCDF; the file of each with what is in it."""
    source = Source(result)
    write_spikes(folder.file("spikes.csv"), source.pieces(), source.populations, source.dt)
    written = []
    for part in result:
        for i, records in enumerate(_by_schedule(result[part])):
            file = f"traces-{as_file_name(part)}{f'-{i + 1}' if i else ''}.nc"
            netcdf.write_records(folder.file(file), records, f"{part}, recorded by Ranvier")
            names = ", ".join(record.variable for record in records)
            written.append((file, f"{names} of {part}: NetCDF, for xarray, MATLAB, R and others"))
    return written


def _by_schedule(part: PartResult) -> list[list[Recorded]]:
    """The recorded variables that share times and neurons, together: one file each. Empty ones have none."""
    groups: dict[tuple[Any, ...], list[Recorded]] = {}
    for record in part._records.values():
        if record.values.size:
            groups.setdefault((record.label, record.times.tobytes(), record.neurons.tobytes()), []).append(record)
    return list(groups.values())


def _draw(result: Result, folder: Folder, own: Any) -> list[tuple[str, str, Path]]:
    from ranvier.cli.figures import general, save

    drawn = []
    pictures = own.pictures(result) if own else general(result)
    for i, picture in enumerate(pictures, 1):
        path = folder.file(picture.name)
        with stage(f"drawing {picture.name}, {i} of {len(pictures)}"):
            save(picture, path)
        drawn.append((picture.heading, picture.caption, path))
    return drawn


def _rows(job: Job, result: Result, own: Any) -> list[tuple[str, str]]:
    spikes = result.spikes
    span = spikes.stop - spikes.start
    populations = result.network.populations
    rows = [("simulated", f"{span:g} ms of {spikes.n} neurons")]
    if any(population.model.has_spikes for population in populations.values()):
        rows.append(("spikes", f"{len(spikes)}"))
    for name, population in populations.items():
        if not population.model.has_spikes:
            rows.append((f"{population.model.membrane} of {name}", f"{_at_the_end(result, name)} ({population.n} neurons without spikes)"))
            continue
        count = len(result[name].spikes)
        rate = count / population.n / span * 1000 if population.n and span > 0 else 0.0
        rows.append((f"mean rate of {name}", f"{rate:.2f} Hz ({count} spikes of {population.n} neurons)"))
    return rows + (own.table(result) if own else [])


def _at_the_end(result: Result, name: str) -> str:
    """The mean and the range of what stands for the potential of a population that has no spikes."""
    model = result.network.populations[name].model
    values, unit = result.state.neurons[name][model.membrane], model.variable_units.get(model.membrane, "")
    if not len(values):
        return "none"
    return f"{np.mean(values):.3g} {unit}".rstrip() + f" on average at the end, from {np.min(values):.3g} to {np.max(values):.3g}"


def _report(
    job: Job,
    result: Result,
    folder: Folder,
    own: Any,
    rows: list[tuple[str, str]],
    figures: list[tuple[str, str, Path]],
    traces: list[tuple[str, str]],
) -> None:
    from ranvier.cli import report

    info = result.info
    populations = list(result.network.populations.items())
    parameters = [
        ("duration", f"{result.spikes.stop - result.spikes.start:g} ms"),
        ("step", f"{info['dt']:g} ms"),
        ("integrator", info["integrator"]),
        ("seed", str(info["seed"])),
        ("precision", info["precision"]),
        ("options", " ".join(f"--{option}" for option in job.options) or "none"),
        ("device", info["device"]),
        ("versions", ", ".join(f"{name} {version}" for name, version in info["versions"].items())),
        *((f"population {name}", f"{p.n} × {in_one_line(p.model)}") for name, p in populations),
        *((f"current into {name}", in_one_line(p.current, p.model.input_unit)) for name, p in populations if p.current is not None),
        *(
            (f"projection {name}", f"{in_one_line(p.synapse)}, weight {_short(p.weight)} {_weight_unit(p)}".rstrip())
            for name, p in result.network.projections.items()
        ),
    ]
    path = folder.file("report.html")
    report.write(
        path,
        title=f"{job.title}, seed {job.seed}" + "".join(f", {option.replace('no-gaba', 'without GABA')}" for option in job.options),
        source=job.source,
        words=[*([job.summary] if job.summary else []), *(own.words(result) if own else [])],
        summary=rows,
        figures=figures,
        parameters=parameters,
        files=[*DESCRIPTIONS.items(), *traces],
    )


def _short(weight: Any) -> str:
    return f"<{'×'.join(map(str, np.shape(weight)))} values>" if np.ndim(weight) else f"{weight}"


def _weight_unit(projection: Projection) -> str:
    """What a weight is in: a conductance is the input's unit per mV."""
    unit = projection.targets[0].model.input_unit
    conductance = {"pA": "nS", "nA": "µS", "uA/cm^2": "mS/cm²"}.get(unit, f"({pretty_unit(unit)})/mV")
    return {"conductance": conductance, "potential": "mV"}.get(projection.synapse.weight, pretty_unit(unit))


def _print(rows: list[tuple[str, str]], folder: Folder) -> None:
    rows = [*rows, ("folder", str(folder.path))]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name:{width}}  {value}")
