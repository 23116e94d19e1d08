"""A network that runs while a page looks on: freely, its parameters under the hand; or into a store, from which it can go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import ParameterError, unknown
from ranvier.lab.server.live import WALL, Live
from ranvier.lab.server.networks import Choice, Setup, checked_seed, parameters, populations_of, records
from ranvier.network.numbers import network_with, numbers_of, with_numbers
from ranvier.network.spec import Network, weight_unit
from ranvier.watch import Chunk

LONGEST = 500.0  # ms of a step that a page asks for
LONGEST_PASS = 5000.0  # ms simulated before the host looks at the whole again
PASS = 0.25  # s, about, that this takes; a change of parameters, a pause and a stop are taken up sooner
LONGEST_KEPT = 1e9  # ms


def checked_duration(value: Any, most: float, what: str) -> float:
    """A time that came from a page.

    Raises:
        ParameterError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
        raise ParameterError(f"{what} is above 0 and at most {most:g} ms, not {value!r}.")
    return float(value)


class _OfNetwork(Live):
    """What both kinds of runs share: what `rv.simulate(watch=…)` shows them goes to the page."""

    def __init__(self, name: str):
        super().__init__(name)
        self._learning: dict[str, tuple[float, str]] = {}
        self._moment = time.perf_counter()
        self._at = 0.0

    def _tell_of(self, net: Network, sizes: Mapping[str, int], dt: float, **more: Any) -> None:
        """The facts that a page needs before anything has happened."""
        self._learning = {
            name: (float(np.asarray(p.plasticity.high)), weight_unit(name, p.synapse, p.targets))
            for name, p in net.projections.items()
            if p.plasticity is not None
        }
        self._dt, self._n = dt, sum(sizes.values())
        facts = {
            "dt": dt,
            "n": self._n,
            "populations": populations_of(sizes),
            "parameters": parameters(net),
            "learning": list(self._learning),
        }
        self._tell({**facts, **more})
        self._say("compiling")
        self._moment = time.perf_counter()

    def _show(self, chunk: Chunk) -> None:
        self._take(chunk.steps, chunk.neurons)
        self._take_rows(chunk.rows)
        self._take_weights(chunk, self._learning)
        now = time.perf_counter()
        speed = (chunk.time - self._at) / 1000 / max(now - self._moment, 1e-9)
        self._moment, self._at = now, chunk.time
        self._say("running" if self._go.is_set() else "paused", t=chunk.time, speed=round(speed, 3))


class LiveRun(_OfNetwork):
    """A run in memory, without an end, whose parameters a page changes while it goes on.

    Args:
        choice: which network.
        scale: its size, where it has one.
        seed: of everything random.
        given: parameters, by path, that differ from the network's own.
        record: what the page wants to see: `[{part, variable, neurons}]`.

    Raises:
        RanvierError: there is no such network or scale; too many run already.
    """

    def __init__(self, choice: Choice, scale: Any = None, seed: Any = 0, given: Mapping[str, Any] | None = None, record: Any = None):
        self._setup, self._seed = choice.make(scale, checked_seed(seed)), seed
        self._known = {p["name"]: p for p in parameters(self._setup.network)}
        self._asked = checked_parameters(given, self._known)
        self._records = records(self._setup, record)
        super().__init__(choice.name)
        self._once: float | None = None
        self._stepping = False

    def resume(self) -> None:
        self._once = None
        super().resume()

    def step(self, duration: Any) -> None:
        """Goes on for a little (ms), then pauses."""
        self._once = checked_duration(duration, LONGEST, "A step")
        self._go.set()

    def set(self, name: Any, value: Any) -> None:
        """Changes a parameter from the next call of the loop on.

        Raises:
            UnknownNameError, ParameterError: there is no such parameter, or the value is no number.
        """
        new = checked_parameters({name: value}, self._known)
        with self._lock:
            self._asked.update(new)

    def _look(self, chunk: Chunk) -> bool:
        """Shows what is new, and ends this call of the engine where the page wants a pause, another number or an end."""
        self._show(chunk)
        return self._ended or not (self._stepping or (self._go.is_set() and not self._asked and self._once is None))

    def _loop(self) -> None:
        import ranvier as rv

        setup = self._setup
        sim = rv.prepare(
            setup.network,
            dt=setup.dt,
            integrator=setup.integrator,
            precision=setup.precision,
            seed=self._seed,
            record=self._records,
        )
        self._tell_of(setup.network, {name: p.n for name, p in sim.network.populations.items()}, setup.dt)
        current: dict[str, float] = {}
        state, length = None, 5.0
        while not self._ended:
            self._go.wait()
            if self._ended:
                return
            once = self._once
            self._stepping = once is not None
            steps = max(1, round((once or length) / setup.dt))
            with self._lock:
                new, self._asked = self._asked, {}
            self._moment = began = time.perf_counter()
            at = self._at
            try:
                run = sim.run(
                    steps * setup.dt, parameters={**current, **new} or None, initial=state, watch=self._look, watch_every=self._pace
                )
            except ParameterError as error:
                if not new:
                    raise
                self._problem = str(error)  # the old values stay
                self._changed = True
                continue
            took, state = time.perf_counter() - began, run.state
            current |= new
            for name, value in new.items():
                self._tell({"changed": {"t": at, "step": round(at / setup.dt), "name": name, "value": value}})
            if once is None:
                whole = run.info["steps"] == steps
                length = min(LONGEST_PASS, max(setup.dt, length * min(2.0, max(0.5, PASS / took)))) if whole else length
            else:
                self._once = None
                self._go.clear()
            self._say("running" if self._go.is_set() else "paused", set=dict(current))


class KeptRun(_OfNetwork):
    """A run into a store: started here, or gone on with. Stopped or killed, it can go on.

    Args:
        name: of the thread.
        execute: is called with this and runs, until `_look` says that it is enough.
        path: the store.
        store: what the page is told of it.
    """

    def __init__(self, name: str, execute: Callable[[KeptRun], Any], path: Path, store: dict[str, Any]):
        super().__init__(name)
        self._execute, self._path, self._store = execute, path, store

    @classmethod
    def started(
        cls, choice: Choice, place: Path, store: dict[str, Any], *, scale: Any = None, seed: Any = 0,
        given: Mapping[str, Any] | None = None, record: Any = None, duration: Any = None,
    ) -> KeptRun:  # fmt: skip
        """A new run into a new store.

        Raises:
            RanvierError: it cannot be.
        """
        setup = choice.make(scale, checked_seed(seed))
        changed = checked_parameters(given, {p["name"]: p for p in parameters(setup.network)})
        asked = records(setup, record) or setup.record
        planned = setup.duration if duration is None else checked_duration(duration, LONGEST_KEPT, "A duration")
        return cls(choice.name, lambda own: own._start(setup, changed, asked, planned, seed), place, store)

    @classmethod
    def resumed(cls, path: Path, store: dict[str, Any], own: Choice | None = None, duration: Any = None) -> KeptRun:
        """A run that goes on from its store.

        Args:
            path: the store.
            store: what the page is told of it.
            own: whose network is taken where the store cannot rebuild it, for it holds the user's own classes.
            duration: how long it is to be as a whole (ms); as planned when left out.
        """
        whole = None if duration is None else checked_duration(duration, LONGEST_KEPT, "A duration")
        return cls(path.name, lambda run: run._go_on(own, whole), path, store)

    def _start(self, setup: Setup, changed: dict[str, float], asked: list[Any], planned: float, seed: int) -> None:
        import ranvier as rv

        sim = rv.prepare(setup.network, dt=setup.dt, integrator=setup.integrator, precision=setup.precision, seed=seed, record=asked)
        self._tell_of(setup.network, {name: p.n for name, p in sim.network.populations.items()}, setup.dt, kept=self._store)
        duration = round(planned / setup.dt) * setup.dt
        sim.run(duration, parameters=changed or None, store=self._path, watch=self._look, watch_every=WALL)

    def _go_on(self, own: Choice | None, duration: float | None) -> None:
        import ranvier as rv
        from ranvier.store.resume import network_in

        stored = rv.open_store(self._path)
        if own is not None and stored.provenance.get("not_verified"):
            network = own.make(None, int(stored.info["seed"])).network
            given = stored.provenance.get("given")
            if given:
                network = network_with(network, with_numbers(network, numbers_of(network), given))
        else:
            network = network_in(self._path)
        self._at = float(stored.info["written_step"] * stored.info["dt"])
        self._tell_of(network, {name: p["n"] for name, p in stored.info["populations"].items()}, stored.info["dt"], kept=self._store)
        rv.resume(self._path, network, duration=duration, watch=self._look, watch_every=WALL)

    def _look(self, chunk: Chunk) -> bool:
        self._show(chunk)
        if not self._go.is_set():
            self._go.wait()  # and the run with it
            self._moment = time.perf_counter()
        return self._ended

    def _loop(self) -> None:
        from ranvier import open_store

        self._execute(self)
        self._say("complete" if open_store(self._path).status == "complete" else "stopped")


def checked_parameters(given: Any, known: Mapping[str, Any]) -> dict[str, float]:
    """Parameters that came from a page, by path.

    Raises:
        UnknownNameError, ParameterError: there is no such parameter, or a value is no number.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping) or len(given) > 1000:
        raise ParameterError("parameters must be numbers by path, such as {'exc.leak': 10.0}.")
    for name, value in given.items():
        if name not in known:
            raise unknown("parameter", str(name), list(known))
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ParameterError(f"{name} must be a number, not {value!r}.")
    return {name: float(value) for name, value in given.items()}
