"""The networks that a page can run: the ready-made ones, and what a file of the user's defines, read again when it changes."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import math
import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import ParameterError, RanvierError, unknown
from ranvier.model import INPUT
from ranvier.model import parameters as parameters_of
from ranvier.models.catalogue import CATALOGUE, ReadyMade
from ranvier.network.numbers import InputNumbers, numbers_of, paths_of
from ranvier.network.spec import Network, weight_unit
from ranvier.random import Distribution

LARGEST_SCALE = {"microcircuit": 0.2}
LONGEST_READING = 10.0  # s that a page waits for a file
DURATION = 1000.0  # ms that a run is planned for where nothing is said


@dataclasses.dataclass(frozen=True)
class Setup:
    """A network with how it is run.

    Attributes:
        name: what its stores are called after.
        network, dt, integrator, precision, duration: as of `rv.simulate`.
        record: what it records where the page says nothing.
    """

    name: str
    network: Network
    dt: float
    integrator: Any = None
    precision: str = "double"
    duration: float = DURATION
    record: list[Any] = dataclasses.field(default_factory=list)


class Choice:
    """One entry of the page's list: what it is called, and what makes it."""

    def __init__(self, name: str, title: str, summary: str):
        self.name, self.title, self.summary = name, title, summary
        self.scalable, self.largest = False, 1.0

    @property
    def stamp(self) -> str:
        """Changes when the network does."""
        return ""

    def make(self, scale: Any = None, seed: Any = 0) -> Setup:
        """The network.

        Raises:
            RanvierError: it cannot be made.
        """
        raise NotImplementedError

    def listed(self) -> dict[str, Any]:
        """What the page's list says of it."""
        return {"name": self.name, "title": self.title, "summary": self.summary, "scalable": self.scalable, "largest": self.largest}


class _ReadyMade(Choice):
    def __init__(self, entry: ReadyMade):
        super().__init__(entry.name, entry.title, re.sub(r" \(--[^)]*\)", "", entry.summary))
        self.entry = entry
        self.scalable = "scale" in entry.options
        self.largest = LARGEST_SCALE.get(entry.name, 1.0)

    def make(self, scale: Any = None, seed: Any = 0) -> Setup:
        entry, options = self.entry, {}
        if self.scalable:
            scale = min(0.1, self.largest) if scale is None and entry.name in LARGEST_SCALE else 1.0 if scale is None else scale
            if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= self.largest:
                raise ParameterError(f"scale must be above 0 and at most {self.largest:g}, not {scale!r}.")
            options["scale"] = scale
        network = entry.network(seed, **options)
        return Setup(entry.name, network, entry.dt, entry.integrator, entry.precision, entry.duration, entry.record(network))


class _GivenUp(BaseException):
    """Ends a file that has been changed before it came to its end."""


class _Reading:
    """A file that is being executed, in a thread, so that one without an end stops nobody.

    Args:
        path: the file.
        stamp: how it is now.
    """

    def __init__(self, path: Path, stamp: str):
        self.path, self.stamp = path, stamp
        self.found: dict[str, Any] | ParameterError | None = None
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._read, daemon=True, name=f"lab reads {path.name}")
        self._thread.start()

    def _read(self) -> None:
        from ranvier.cli.job import executed

        try:
            if self.stamp == "gone":
                raise ParameterError(f"There is no file {self.path.name} any more.")
            self.found = executed(self.path)
        except ParameterError as error:
            self.found = error
        except BaseException as error:  # such as a KeyboardInterrupt of its own: it ends the file, not the lab
            self.found = ParameterError(f"{self.path.name}: {type(error).__name__}{f': {error}' if str(error) else ''}")

    def wait(self) -> bool:
        """Waits for its end, all callers together for a while; whether it has come."""
        self._thread.join(max(0.05, self._began + LONGEST_READING - time.monotonic()))
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """Ends it where it is, if that is in Python."""
        if self._thread.ident is not None and self._thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread.ident), ctypes.py_object(_GivenUp))


class ModelFile(Choice):
    """A Python file that defines `network`, or `model` or `scene`; executed when it is first needed and after each change.

    Args:
        path: the file.
    """

    def __init__(self, path: Path):
        super().__init__(path.name, path.name, "")
        self.path = path.resolve()
        self._was_scene = False
        self._reading: _Reading | None = None
        self._drawn: tuple[str, str | RanvierError] | None = None
        self._lock = threading.Lock()

    @property
    def stamp(self) -> str:
        try:
            found = self.path.stat()
        except OSError:
            return "gone"
        return f"{found.st_mtime_ns} {found.st_size}"

    def defined(self) -> dict[str, Any]:
        """What the file defines, as it is now.

        Raises:
            ParameterError: it is gone, raises (with the line), or has not ended yet.
        """
        with self._lock:
            stamp = self.stamp
            if self._reading is None or self._reading.stamp != stamp:
                if self._reading is not None:
                    self._reading.give_up()
                self._reading = _Reading(self.path, stamp)
            reading = self._reading
        if not reading.wait():
            raise ParameterError(f"{self.path.name} has not ended yet. Is there a loop without an end? It is read again when it changes.")
        if isinstance(reading.found, ParameterError):
            raise ParameterError(str(reading.found))
        assert reading.found is not None
        return reading.found

    def listed(self) -> dict[str, Any]:
        with contextlib.suppress(ParameterError):
            self.summary = str(self.defined().get("__doc__") or "").strip().partition("\n")[0]
        return super().listed()

    def looked_at(self) -> dict[str, Any]:
        """How the file is now, for a page that looks again and again."""
        problem, ended = "", True
        try:
            self.defined()
            if self.is_scene:
                self.document()
        except RanvierError as error:
            problem, ended = str(error), self._reading is None or self._reading.found is not None
        stamp = self.stamp if ended else f"{self.stamp} not ended"
        return {"name": self.name, "stamp": stamp, "scene": self.is_scene, "problem": problem}

    @property
    def is_scene(self) -> bool:
        """Whether it defines a cell or a scene, and no network; a file that raises counts as what it was before."""
        try:
            defined = self.defined()
        except ParameterError:
            return self._was_scene
        self._was_scene = "network" not in defined and ("scene" in defined or "model" in defined)
        return self._was_scene

    def scene(self) -> Any:
        """The scene that it defines.

        Raises:
            RanvierError: there is none.
        """
        from ranvier.cli.scene import of_defined

        return of_defined(self.path, self.defined())

    def document(self) -> str:
        """The page of the scene that it defines; written once for each change of the file.

        Raises:
            RanvierError: there is none, or it holds what a scene cannot show.
        """
        stamp = self.stamp
        if self._drawn is None or self._drawn[0] != stamp:
            try:
                self._drawn = (stamp, self.scene().html())
            except RanvierError as error:
                self._drawn = (stamp, error)
        found = self._drawn[1]
        if isinstance(found, RanvierError):
            raise type(found)(str(found))
        return found

    def make(self, scale: Any = None, seed: Any = 0) -> Setup:
        from ranvier.cli.job import of_defined
        from ranvier.given import as_network

        none = dict.fromkeys(("duration", "dt", "precision"))
        job = of_defined(self.path, self.defined(), argparse.Namespace(**none, seed=seed or None), None, DURATION)
        network, _ = as_network(job.network, job.current, job.initial)
        return Setup(self.path.stem, network, float(job.dt), job.integrator, job.precision, float(job.duration), list(job.record or []))


class Given(Choice):
    """A network that a program hands over."""

    def __init__(self, setup: Setup):
        super().__init__(setup.name, setup.name, "")
        self._setup = setup

    def make(self, scale: Any = None, seed: Any = 0) -> Setup:
        return self._setup


class Networks:
    """What can be run, by name.

    Args:
        own: a file of the user's, or a network that a program hands over; first in the list.
    """

    def __init__(self, own: Choice | None = None):
        self.own = own
        self._known: dict[str, Choice] = {c.name: c for c in ([own] if own is not None else [])}
        self._known |= {entry.name: _ReadyMade(entry) for entry in CATALOGUE if entry.name not in self._known}

    def listed(self) -> list[dict[str, Any]]:
        """The entries of the page's list; a file that is a scene is not among them."""
        return [c.listed() for c in self._known.values() if not (isinstance(c, ModelFile) and c.is_scene)]

    @property
    def scene_file(self) -> ModelFile | None:
        """The user's file, where it is a scene."""
        return self.own if isinstance(self.own, ModelFile) and self.own.is_scene else None

    def find(self, name: Any) -> Choice:
        """One of them.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if not isinstance(name, str) or name not in self._known:
            raise unknown("network", name if isinstance(name, str) else repr(name), self._known)
        return self._known[name]


def checked_seed(seed: Any) -> int:
    """A seed that came from a page.

    Raises:
        ParameterError: it is none.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**53:
        raise ParameterError(f"seed must be a whole number, not {seed!r}.")
    return seed


def described(choice: Choice, scale: Any = None) -> dict[str, Any]:
    """What a page is told of a network before it runs: its populations, its parameters, what can be recorded of them.

    Raises:
        RanvierError: it cannot be made.
    """
    setup = choice.make(scale)
    net = setup.network
    return {
        **choice.listed(),
        "stamp": choice.stamp,
        "dt": setup.dt,
        "duration": setup.duration,
        "populations": populations_of({name: p.n for name, p in net.populations.items()}),
        "parameters": parameters(net),
        "recordable": {name: list(_variables(p.model)) for name, p in net.populations.items() if p.n},
        "learning": [name for name, p in net.projections.items() if p.plasticity is not None],
    }


def populations_of(sizes: Mapping[str, int]) -> list[dict[str, Any]]:
    """Where each population's neurons are."""
    first, found = 0, []
    for name, n in sizes.items():
        found.append({"name": name, "first": first, "n": n})
        first += n
    return found


def _variables(model: Any) -> list[str]:
    from ranvier.lab.parts import _variables as names
    from ranvier.random import Key

    try:
        return [name for name in names(model, Key(0)) if name != "last_spike"]
    except Exception:  # a model whose parameters have a value a neuron: it is not asked with one
        return ["V"]


def parameters(net: Network) -> list[dict[str, Any]]:
    """Each parameter that is one number: its path, its value, its unit, bounds and meaning."""
    declared = _declared(net)
    found = []
    for part, numbers in numbers_of(net).items():
        for within, value in paths_of(numbers):
            last = within.rpartition(".")[2]
            if last in ("delay", "sources") or (within == "weight" and getattr(numbers, "plasticity", None) is not None):
                continue
            if value is None or callable(value) or isinstance(value, Distribution | str) or np.ndim(value) != 0:
                continue
            number = float(getattr(value, "magnitude", value))
            if not math.isfinite(number):
                continue
            entry = {"name": f"{part}.{within}", "value": number, "unit": "1", **declared.get(f"{part}.{within}", {})}
            if within == "rate" and isinstance(numbers, InputNumbers):
                entry |= {"unit": "Hz", "low": 0.0}
            found.append(entry)
    return found


def _declared(network: Network) -> dict[str, dict[str, Any]]:
    """Unit, bounds and meaning of each parameter of the parts, by its path."""
    found: dict[str, dict[str, Any]] = {}
    parts: list[tuple[str, Any, str]] = []
    for name, population in network.populations.items():
        unit = population.model.input_unit
        parts.append((name, population.model, unit))
        if population.current is not None:
            found[f"{name}.current"] = {"unit": unit, "text": "what is injected"}
            parts += [(f"{name}.current", population.current, unit)] if hasattr(population.current, "noise") else []
    for name, projection in network.projections.items():
        parts.append((name, projection.synapse, "1"))
        found[f"{name}.weight"] = {"unit": weight_unit(name, projection.synapse, projection.targets)}
        for rule in ("short_term_plasticity", "plasticity"):
            own = getattr(projection, rule)
            parts += [(f"{name}.{rule}", own, "1")] if own is not None else []
    for name, given in network.poisson.items():
        parts.append((name, given.synapse, "1"))
        found[f"{name}.weight"] = {"unit": weight_unit(name, given.synapse, given.targets)}
    for part, model, input_unit in parts:
        for name, info, _ in parameters_of(model):
            entry: dict[str, Any] = {"unit": input_unit if info.unit == INPUT else info.unit, "text": info.text}
            entry |= {end: value for end, value in (("low", info.low), ("high", info.high)) if math.isfinite(value)}
            found[f"{part}.{name}"] = entry
    return found


def records(setup: Setup, asked: Any) -> list[Any]:
    """What a page wants to see of some neurons, as records: at most 8 variables of at most 16 neurons.

    Raises:
        ParameterError, UnknownNameError: it asks for what is not there.
    """
    from ranvier.record import Record

    if asked is None:
        return []
    if not isinstance(asked, list) or not all(isinstance(one, dict) for one in asked) or len(asked) > 8:
        raise ParameterError("record must be a list of at most 8 entries {part, variable, neurons}.")
    made = []
    for one in asked:
        part, variable, neurons = one.get("part"), one.get("variable"), one.get("neurons", [0])
        if part not in setup.network.populations:
            raise unknown("population", str(part), setup.network.populations)
        n = setup.network.populations[part].n
        known = _variables(setup.network.populations[part].model)
        if variable not in known:
            raise unknown("variable", str(variable), known)
        right = isinstance(neurons, list) and 0 < len(neurons) <= 16
        if not right or not all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < n for i in neurons):
            raise ParameterError(f"neurons must be at most 16 whole numbers from 0 to {n - 1}, not {neurons!r}.")
        every = max(1, round(0.2 / setup.dt)) * setup.dt
        made.append(Record(part, variable, every=every, neurons=np.array(sorted(set(neurons)))))
    return made
