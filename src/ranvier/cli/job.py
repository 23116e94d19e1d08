"""What is to be run: a ready-made model or a user's file, with the options of the command line."""

from __future__ import annotations

import argparse
import dataclasses
import re
import runpy
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np

from ranvier import integrators
from ranvier.errors import ParameterError, RanvierError, unknown
from ranvier.integrators.base import Integrator
from ranvier.models import catalogue
from ranvier.network.spec import Network, Population
from ranvier.neurons.base import NeuronModel
from ranvier.record import Record

DEFAULT_DT = 0.01
NEURONS_RECORDED = 100  # of a population whose file says nothing about records
OPTIONS = ("scale", "regime", "gamma")  # of ready-made models
SWITCHES = ("no-gaba", "plastic")  # of theirs likewise
ABBREVIATIONS = {"rk4": "runge-kutta4"}


@dataclasses.dataclass(frozen=True)
class Job:
    """One run: what, how, and what it is called.

    `own` has the pictures, the rows of the table and the words that this kind of run has besides.
    """

    name: str
    title: str
    summary: str
    source: str
    model: str | None
    network: Any
    duration: float
    dt: float
    integrator: Integrator | None
    record: list[Record] | None
    seed: int
    precision: str
    current: Any = None
    initial: Any = None
    until: Any = None
    watch: Any = None
    watch_every: Any = None
    options: tuple[str, ...] = ()
    own: Any = None
    devices: Any = None


def devices_of(arguments: argparse.Namespace) -> Any:
    """The devices that `--devices` asks for; a processor is made as many as that, which must come before JAX starts."""
    given = arguments.devices
    if given is None or not given.isdigit():
        return given
    import jax

    if int(given) > 1 and not jax.distributed.is_initialized():
        jax.config.update("jax_num_cpu_devices", int(given))
    return int(given)


def integrator_named(name: str) -> Integrator:
    """The integrator whose class has that name: `exponential-euler` is `ExponentialEuler()`.

    Raises:
        UnknownNameError: there is none.
    """
    words = {_words(cls.__name__): cls for cls in vars(integrators).values() if _usable(cls)}
    wanted = name.lower().replace("_", "-")
    wanted = ABBREVIATIONS.get(wanted, wanted)
    if wanted not in words:
        raise unknown("integrator", name, [*words, *ABBREVIATIONS])
    return words[wanted]()


def _words(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()


def _usable(cls: Any) -> bool:
    return isinstance(cls, type) and issubclass(cls, Integrator) and hasattr(cls, "order") and hasattr(cls, "step")


def job_of(arguments: argparse.Namespace) -> Job:
    """What the command line asks for, checked as far as it can be before anything runs.

    Raises:
        RanvierError: there is no such model or file, or an option cannot be used.
    """
    for option in ("duration", "dt"):
        value = getattr(arguments, option)
        if value is not None and not (np.isfinite(value) and value > 0):
            raise ParameterError(f"--{option} is {value:g} ms, but it must be positive and finite.")
    if arguments.seed is not None and arguments.seed < 0:
        raise ParameterError(f"--seed is {arguments.seed}, but it must be at least 0.")
    integrator = integrator_named(arguments.integrator) if arguments.integrator else None
    if arguments.what == "psst-folder":
        from ranvier.cli import psst_folder

        return psst_folder.job(arguments, integrator)
    if arguments.folder is not None:
        raise ParameterError(f"Only psst-folder takes a folder; {arguments.folder!r} after {arguments.what!r} means nothing.")
    if arguments.what.endswith(".py") or "/" in arguments.what or "\\" in arguments.what:
        return _of_file(arguments, integrator)
    return _of_model(arguments, integrator)


def _of_model(arguments: argparse.Namespace, integrator: Integrator | None) -> Job:
    try:
        entry = catalogue.find(arguments.what)
    except RanvierError as error:
        hint = f" There is a file {arguments.what}: its name must end in .py to be run." if Path(arguments.what).exists() else ""
        raise type(error)(f"{error} `ranvier models` lists them; a file of your own must end in .py.{hint}") from None
    switches = tuple(name for name in SWITCHES if getattr(arguments, name.replace("-", "_")))
    options = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    seed = arguments.seed or 0
    network = entry.network(seed, *switches, **options)
    said = [f"{name}-{value:g}" if isinstance(value, float) else f"{name}-{value}" for name, value in options.items()]
    return Job(
        name="-".join((arguments.what.lower().replace("_", "-"), *switches, *said)),
        title=entry.title,
        summary=entry.summary,
        source=entry.source,
        model=entry.name,
        network=network,
        duration=arguments.duration if arguments.duration is not None else entry.duration,
        dt=arguments.dt if arguments.dt is not None else entry.dt,
        integrator=integrator or entry.integrator,
        record=entry.record(network),
        seed=seed,
        precision=arguments.precision or entry.precision,
        own=_own(entry),
        options=(*switches, *(f"{name} {value}" for name, value in options.items())),
    )


def _own(entry: catalogue.ReadyMade) -> Any:
    """The module or object with a model's own pictures, table and words."""
    if entry.name == "antennal_lobe":
        from ranvier.cli import antennal_lobe

        return antennal_lobe
    if entry.name == "feedforward":
        from ranvier.cli import feedforward

        return feedforward
    if entry.name == "grid_cells":
        from ranvier.cli import grid_cells

        return grid_cells
    from ranvier.cli.spiking_network import Own

    return Own(entry)


def _of_file(arguments: argparse.Namespace, integrator: Integrator | None) -> Job:
    path = Path(arguments.what)
    if not path.exists():
        raise ParameterError(f"There is no file {path}. `ranvier models` lists the ready-made models.")
    if not path.is_file():
        raise ParameterError(f"{path} is not a file.")
    for option in (*SWITCHES, *OPTIONS):
        if getattr(arguments, option.replace("-", "_")) not in (None, False):
            raise ParameterError(f"--{option} is for ready-made models; what {path.name} contains is said in the file.")
    return of_defined(path, executed(path), arguments, integrator)


def of_defined(
    path: Path, defined: dict[str, Any], arguments: argparse.Namespace, integrator: Integrator | None = None, usual: float | None = None
) -> Job:
    """The run that a file asks for.

    Args:
        path: the file.
        defined: what it defines.
        arguments: `duration`, `dt`, `seed` and `precision` that go before the file's own, or None each.
        integrator: likewise.
        usual: how long to run where nobody says it (ms).

    Raises:
        ParameterError: it defines no network, or nobody says how long to run.
    """
    network = defined.get("network")
    if isinstance(network, type) or not isinstance(network, Network | Population | NeuronModel):
        was = "defines no `network`" if network is None else f"defines `network` as {network!r}, which cannot be run"
        raise ParameterError(
            f"{path} {was}. Write, for example: network = rv.Network(cells, ...), or network = rv.neurons.HodgkinHuxley()."
        )
    duration = arguments.duration if arguments.duration is not None else defined.get("duration", usual)
    if duration is None:
        raise ParameterError(f"{path} does not say how long to run. Write duration = 1000.0 (ms) in it, or give --duration 1000.")
    dt = arguments.dt if arguments.dt is not None else defined.get("dt", DEFAULT_DT)
    chosen = integrator or defined.get("integrator")
    if isinstance(chosen, str):
        chosen = integrator_named(chosen)
    record = defined.get("record")
    if record is None and isinstance(network, Network):
        record = _potentials(network, dt)
    return Job(
        name=path.stem,
        title=path.name,
        summary=(defined.get("__doc__") or "").strip().partition("\n")[0],
        source="",
        model=None,
        network=network,
        duration=duration,
        dt=dt,
        integrator=chosen,
        record=[record] if isinstance(record, Record) else record,
        seed=arguments.seed if arguments.seed is not None else defined.get("seed", 0),
        precision=arguments.precision or defined.get("precision", "double"),
        current=defined.get("current"),
        initial=defined.get("initial"),
        until=defined.get("until"),
        watch=defined.get("watch"),
        watch_every=defined.get("watch_every"),
    )


def executed(path: Path) -> dict[str, Any]:
    """What a file defines. Its folder can be imported from, as when Python runs it.

    Raises:
        ParameterError: it raises; with the line.
    """
    folder = str(path.resolve().parent)
    sys.path.insert(0, folder)
    try:
        return runpy.run_path(str(path), run_name="__ranvier__")
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if Path(f.filename).resolve() == path.resolve()]
        line = frames[-1].lineno if frames else getattr(error, "lineno", None)
        where = f"{path}, line {line}" if line else str(path)
        kind = "" if isinstance(error, RanvierError) else f"{type(error).__name__}: "
        raise ParameterError(f"{where}: {kind}{error}") from error
    finally:
        sys.path.remove(folder)


def _potentials(network: Network, dt: Any) -> list[Record]:
    """V of the first neurons of every population that has one, about every half millisecond."""
    from ranvier.simulate import recordable

    try:
        every = max(1, round(0.5 / float(dt))) * float(dt)
    except (TypeError, ValueError, ZeroDivisionError):
        every = None  # a quantity, or what simulate will refuse by name
    records = []
    for name, population in network.populations.items():
        if population.n and "V" in recordable(population.model):
            records.append(Record(name, "V", every=every, neurons=np.arange(min(population.n, NEURONS_RECORDED))))
    return records
