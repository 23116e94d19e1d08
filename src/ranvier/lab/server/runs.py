"""A network that runs while a page looks on: started, paused, changed and stopped from there."""

from __future__ import annotations

import math
import threading
import time
from typing import Any

import numpy as np

from ranvier.errors import ParameterError, RanvierError, unknown
from ranvier.model import INPUT
from ranvier.model import parameters as parameters_of
from ranvier.models.catalogue import CATALOGUE, ReadyMade
from ranvier.network.spec import Network

MOST_RUNS = 2
MOST_WAITING = 200_000  # spikes that wait for a page; older ones are counted only
WALL = 0.05  # s, about, that one call of the loop takes
LONGEST = 500.0  # ms simulated in one call
LARGEST_SCALE = {"microcircuit": 0.2}

_slots = threading.BoundedSemaphore(MOST_RUNS)


def known() -> list[dict[str, Any]]:
    """The networks that can be run, for the page."""
    return [
        {"name": e.name, "title": e.title, "summary": e.summary, "scalable": "scale" in e.options, "largest": _largest(e)}
        for e in CATALOGUE
    ]


def _largest(entry: ReadyMade) -> float:
    return LARGEST_SCALE.get(entry.name, 1.0)


class LiveRun:
    """One run, in a thread of its own. What it has to say is taken by `news`.

    Args:
        model: the name of a ready-made network.
        scale: its size, where it has one.
        seed: of everything random.

    Raises:
        UnknownNameError, ParameterError: there is no such network or scale; too many run already.
    """

    def __init__(self, model: Any, scale: Any = None, seed: Any = 0):
        entry = next((e for e in CATALOGUE if e.name == model), None)
        if entry is None:
            raise unknown("network", model if isinstance(model, str) else repr(model), [e.name for e in CATALOGUE])
        if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**53:
            raise ParameterError(f"seed must be a whole number, not {seed!r}.")
        self._options: dict[str, Any] = {}
        if "scale" in entry.options:
            scale = min(0.1, _largest(entry)) if scale is None and entry.name in LARGEST_SCALE else 1.0 if scale is None else scale
            if isinstance(scale, bool) or not isinstance(scale, int | float) or not 0 < scale <= _largest(entry):
                raise ParameterError(f"scale must be above 0 and at most {_largest(entry):g}, not {scale!r}.")
            self._options["scale"] = scale
        if not _slots.acquire(blocking=False):
            raise ParameterError(f"{MOST_RUNS} networks run already; stop one of them.")
        if entry.seeded:
            self._options["seed"] = seed
        self._entry, self._seed = entry, seed
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._go.set()
        self._once: float | None = None
        self._ended = False
        self._asked: dict[str, float] = {}
        self._spikes: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting = self._skipped = 0
        self._facts: dict[str, Any] | None = None
        self._status = {"status": "building", "t": 0.0, "speed": 0.0}
        self._changed = True
        self._problem: str | None = None
        self.log: list[tuple[float, str, float]] = []
        self._thread = threading.Thread(target=self._work, name=f"lab {entry.name}", daemon=True)
        self._thread.start()

    # -- from the page -----------------------------------------------------------------------------

    def pause(self) -> None:
        self._go.clear()
        self._say("paused")

    def resume(self) -> None:
        self._once = None
        self._go.set()
        self._say("running")

    def step(self, duration: Any) -> None:
        """Goes on for a little (ms), then pauses."""
        if isinstance(duration, bool) or not isinstance(duration, int | float) or not 0 < duration <= LONGEST:
            raise ParameterError(f"A step is above 0 and at most {LONGEST:g} ms, not {duration!r}.")
        self._once = float(duration)
        self._go.set()

    def set(self, name: Any, value: Any) -> None:
        """Changes a parameter from the next call of the loop on.

        Raises:
            UnknownNameError, ParameterError: there is no such parameter, or the value is no number.
        """
        parameters = (self._facts or {}).get("parameters", [])
        if name not in {p["name"] for p in parameters}:
            raise unknown("parameter", str(name), [p["name"] for p in parameters])
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ParameterError(f"{name} must be a number, not {value!r}.")
        with self._lock:
            self._asked[name] = float(value)

    def stop(self, wait: float = 0.0) -> None:
        """Ends the run after the call that goes on."""
        self._ended = True
        self._go.set()
        if wait:
            self._thread.join(wait)

    # -- to the page -------------------------------------------------------------------------------

    def news(self) -> tuple[dict[str, Any] | None, dict[str, Any] | None, tuple[np.ndarray, np.ndarray] | None, str | None]:
        """What is new: the facts (once), the status, the spikes (steps, neurons), a problem."""
        with self._lock:
            facts = None
            if self._facts is not None and not self._facts.get("told"):
                facts = {name: value for name, value in self._facts.items() if name != "told"}
                self._facts["told"] = True
            status = {**self._status, "skipped": self._skipped} if self._changed else None
            spikes = None
            if self._spikes:
                spikes = (np.concatenate([s for s, _ in self._spikes]), np.concatenate([n for _, n in self._spikes]))
                self._spikes, self._waiting = [], 0
            problem, self._problem = self._problem, None
            self._changed = False
        return facts, status, spikes, problem

    def _say(self, status: str, **more: Any) -> None:
        with self._lock:
            if self._status["status"] not in ("failed", "stopped"):
                self._status.update(status=status, **more)
                self._changed = True

    def _take(self, steps: np.ndarray, neurons: np.ndarray) -> None:
        with self._lock:
            self._spikes.append((steps, neurons))
            self._waiting += len(steps)
            while self._waiting > MOST_WAITING and len(self._spikes) > 1:
                gone = len(self._spikes.pop(0)[0])
                self._waiting -= gone
                self._skipped += gone

    # -- the thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._loop()
            self._say("stopped")
        except RanvierError as error:
            self._problem = str(error)
            self._say("failed")
        finally:
            _slots.release()

    def _loop(self) -> None:
        import ranvier as rv

        entry = self._entry
        network = entry.make(**self._options)
        sim = rv.prepare(network, dt=entry.dt, integrator=entry.integrator, precision=entry.precision, seed=self._seed)
        parameters = {name: float(value) for name, value in sim.parameters.items() if np.ndim(value) == 0 and np.isfinite(value)}
        declared = _declared(network)
        first, populations = 0, []
        for name, population in network.populations.items():
            populations.append({"name": name, "first": first, "n": population.n})
            first += population.n
        with self._lock:
            self._facts = {
                "name": entry.name,
                "dt": entry.dt,
                "n": first,
                "populations": populations,
                "parameters": [{"name": name, "value": value, **declared.get(name, {})} for name, value in parameters.items()],
            }
        self._say("compiling")
        current: dict[str, float] = {}
        state, length = None, 5.0
        while not self._ended:
            self._go.wait()
            if self._ended:
                return
            once = self._once
            ask = max(entry.dt, round((once or length) / entry.dt) * entry.dt)
            with self._lock:
                new, self._asked = self._asked, {}
            began = time.perf_counter()
            try:
                run = sim.run(ask, initial=state, parameters={**current, **new} or None)
            except ParameterError as error:
                if not new:
                    raise
                self._problem = str(error)  # the old values stay
                self._changed = True
                continue
            took = time.perf_counter() - began
            current |= new
            state = run.state
            reached = float(run.spikes.stop)
            self.log += [(reached - ask, name, value) for name, value in new.items()]
            self._take(np.asarray(run.spikes.steps), np.asarray(run.spikes.neurons))
            if once is None:
                length = min(LONGEST, max(entry.dt, length * min(2.0, max(0.5, WALL / took))))
            else:
                self._once = None
                self._go.clear()
            self._say("running" if self._go.is_set() else "paused", t=reached, speed=round(ask / 1000 / took, 3), set=dict(current))


def _declared(network: Network) -> dict[str, dict[str, Any]]:
    """Unit, bounds and meaning of each parameter of the parts, by its path."""
    found: dict[str, dict[str, Any]] = {}
    parts: list[tuple[str, Any, str]] = [(name, p.model, p.model.input_unit) for name, p in network.populations.items()]
    parts += [(name, p.synapse, "1") for name, p in network.projections.items()]
    for part, model, input_unit in parts:
        for name, info, _ in parameters_of(model):
            entry: dict[str, Any] = {"unit": input_unit if info.unit == INPUT else info.unit, "text": info.text}
            entry |= {end: value for end, value in (("low", info.low), ("high", info.high)) if math.isfinite(value)}
            found[f"{part}.{name}"] = entry
    return found
