"""What runs in a thread of its own while a page looks on: paused, resumed and stopped from there."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.errors import ParameterError, RanvierError
from ranvier.lab.server import frames

if TYPE_CHECKING:
    from ranvier.result import Recorded
    from ranvier.watch import Chunk

MOST_RUNS = 2
MOST_IN_FRAME = 100_000  # spikes that a page is sent one by one; of more it gets counts
MOST_WAITING = 1_000_000  # spikes that wait for a page; older ones are in a sum only
TILE_SPAN, TILE_COLUMNS, TILE_ROWS = 500.0, 250, 400  # ms, of a frame of counts
MOST_ROWS_WAITING = 20_000
WALL = 1 / 18  # s, about, between two looks at what runs, and two pictures of it
WEIGHTS_EVERY = 0.25  # s between two looks at the weights
A_CORE = 0.75  # of the clock's time that a run computes, at least, where nothing else wants the cores
FEWER = 3  # how many times fewer pictures there are, at most, where others want them
STATUS_EVERY = 0.25  # s between two words on how far it is
PACED_EVERY = 0.5  # s
BINS = 40

_slots = threading.BoundedSemaphore(MOST_RUNS)


def told(error: BaseException) -> str:
    """An error in words: Ranvier's own as it is, another's with its kind and the line of the user's code."""
    if isinstance(error, RanvierError):
        return str(error)
    from ranvier.lab.javascript import place_where

    return f"{type(error).__name__}: {error}{place_where(error)}"


Message = tuple[int, dict[str, Any], list[np.ndarray]]


class Live:
    """Work in a thread. What it has to say is taken by `news`.

    Args:
        name: of the thread.

    Raises:
        ParameterError: too many run already.
    """

    def __init__(self, name: str):
        if not _slots.acquire(blocking=False):
            raise ParameterError(f"{MOST_RUNS} networks run already; stop one of them.")
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._go.set()
        self._ended = False
        self._spikes: list[tuple[np.ndarray, np.ndarray]] = []
        self._rows: dict[tuple[str, str], list[tuple[np.ndarray, np.ndarray]]] = {}
        self._units: dict[tuple[str, str], dict[str, Any]] = {}
        self._waiting = self._older = 0
        self._dt, self._n = 1.0, 0
        self._said: list[dict[str, Any]] = []
        self._weights: dict[str, Any] | None = None
        self._weights_next = self._status_next = 0.0
        self._clock = (time.perf_counter(), time.process_time())
        self._pace = WALL
        self._status: dict[str, Any] = {"status": "building", "t": 0.0, "speed": 0.0}
        self._changed = True
        self._problem: str | None = None
        self._thread = threading.Thread(target=self._work, name=f"lab {name}", daemon=True)

    def begin(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def _loop(self) -> None:
        raise NotImplementedError

    # -- from the page -----------------------------------------------------------------------------

    def pause(self) -> None:
        self._go.clear()
        self._say("paused")

    def resume(self) -> None:
        self._go.set()
        self._say("running")

    def step(self, duration: Any) -> None:
        raise ParameterError("A run that is kept in a store does not go step by step. Pause and resume it.")

    def set(self, name: Any, value: Any) -> None:
        raise ParameterError(
            "The parameters of a run that is kept in a store stay as they were at its start, so that it can be resumed bit for bit. "
            "Change them before the start, or run without a store."
        )

    def stop(self, wait: float = 0.0) -> None:
        """Ends the run after the call that goes on."""
        self._ended = True
        self._go.set()
        if wait:
            self._thread.join(wait)

    # -- to the page -------------------------------------------------------------------------------

    def news(self) -> list[Message]:
        """What is new, as frames: facts, status, a problem, spikes, rows, weights."""
        found: list[Message] = []
        with self._lock:
            found += [(frames.STATUS, said, []) for said in self._said]
            self._said = []
            if self._problem:
                found.append((frames.ERROR, {"error": self._problem}, []))
                self._problem = None
            if self._changed:
                found.append((frames.STATUS, dict(self._status), []))
                self._changed, self._status_next = False, time.monotonic() + STATUS_EVERY
            for (part, variable), pieces in self._rows.items():
                times, values = (np.concatenate([piece[i] for piece in pieces]) for i in (0, 1))
                header = {"part": part, "variable": variable, "rows": len(times), **self._units[part, variable]}
                found.append((frames.ROWS, header, [times.astype(np.float32), values.astype(np.float32)]))
            self._rows = {}
            if self._weights:
                found.append((frames.STATUS, {"weights": self._weights}, []))
                self._weights = None
            if self._spikes:
                steps, neurons = (np.concatenate([piece[i] for piece in self._spikes]) for i in (0, 1))
                older, self._older = self._older, 0
                self._spikes, self._waiting = [], 0
                if older + len(steps) > MOST_IN_FRAME:
                    found.append(self._tile(steps, neurons, older))
                    return found
                first = int(steps[0]) if len(steps) else 0
                blocks = [(steps - first).astype(np.uint32), neurons.astype(np.uint32)]
                now = {"t": self._status["t"], "speed": self._status["speed"]}
                found.append((frames.SPIKES, {"k0": first, "spikes": len(steps), **now}, blocks))
        return found

    def pace(self) -> float:
        """Seconds from one picture to the next: more where other programs want the cores too, for a picture is drawn in their time."""
        now, used = time.perf_counter(), time.process_time()
        if now - self._clock[0] > PACED_EVERY:
            share = (used - self._clock[1]) / (now - self._clock[0])
            self._clock = (now, used)
            self._pace = WALL * min(FEWER, max(1.0, 1.0 + 6.0 * (A_CORE - share)))
        return self._pace

    def _tile(self, steps: np.ndarray, neurons: np.ndarray, older: int) -> Message:
        """Counts of the last half second, `[neurons, time]`, where spikes are too many to be sent; `spikes` is how many they are."""
        end = round(self._status["t"] / self._dt)
        k0, height = end - max(1, round(TILE_SPAN / self._dt)), min(self._n, TILE_ROWS)
        seen = steps >= k0
        column, row = (steps[seen] - k0) * TILE_COLUMNS // (end - k0), neurons[seen].astype(np.int64) * height // self._n
        counts = np.bincount(row * TILE_COLUMNS + column.clip(0, TILE_COLUMNS - 1), minlength=height * TILE_COLUMNS)
        header = {"t0": k0 * self._dt, "t1": end * self._dt, "width": TILE_COLUMNS, "height": height}
        header |= {"t": self._status["t"], "speed": self._status["speed"]}
        return frames.TILE, {**header, "spikes": older + len(steps)}, [np.minimum(counts, 65535).astype(np.uint16)]

    def _tell(self, facts: dict[str, Any]) -> None:
        with self._lock:
            self._said.append(facts)

    def _say(self, status: str, **more: Any) -> None:
        with self._lock:
            if self._status["status"] not in ("failed", "stopped", "complete"):
                own = status != self._status["status"] or bool(set(more) - {"t", "speed"})
                self._changed |= own or time.monotonic() > self._status_next  # between them the spikes say how far it is
                self._status.update(status=status, **more)

    def _fail(self, error: BaseException) -> None:
        self._problem = told(error)
        self._say("failed")

    def _take(self, steps: np.ndarray, neurons: np.ndarray) -> None:
        with self._lock:
            self._spikes.append((steps, neurons))
            self._waiting += len(steps)
            while self._waiting > MOST_WAITING and len(self._spikes) > 1:
                gone = len(self._spikes.pop(0)[0])
                self._waiting -= gone
                self._older += gone

    def _take_rows(self, rows: list[Recorded]) -> None:
        with self._lock:
            for new in rows:
                if new.label != "neuron" or not len(new.times):
                    continue
                neurons = np.asarray(new.neurons)[:16]
                key = (new.part, new.variable)
                self._units[key] = {"unit": new.unit, "neurons": neurons.tolist()}
                kept = self._rows.setdefault(key, [])
                kept.append((new.times, new.values[:, : len(neurons)]))
                while len(kept) > 1 and sum(len(times) for times, _ in kept) > MOST_ROWS_WAITING:
                    kept.pop(0)

    def _take_weights(self, chunk: Chunk, learning: dict[str, tuple[float, str]]) -> None:
        """Counts the weights of each projection that learns, now and then."""
        now = time.monotonic()
        if not learning or now < self._weights_next:
            return
        began, found, synapses = now, {}, chunk.state.synapses
        for name, (high, unit) in learning.items():
            weights = np.asarray(synapses[name]["weight"], np.float64).ravel()
            if not len(weights):
                continue
            low = min(0.0, float(weights.min()))
            top = high if np.isfinite(high) and high > low else max(float(weights.max()), low + 1e-9)
            counts, _ = np.histogram(weights, BINS, (low, top))
            found[name] = {
                "from": low,
                "step": (top - low) / BINS,
                "values": counts.tolist(),
                "mean": float(weights.mean()),
                "n": len(weights),
                "unit": unit,
            }
        with self._lock:
            self._weights = found
        self._weights_next = time.monotonic() + max(WEIGHTS_EVERY, 10 * (time.monotonic() - began))

    # -- the thread --------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            self._loop()
            self._say("stopped")
        except Exception as error:  # of a user's own code, too: the page says it, the server goes on
            self._fail(error)
        finally:
            _slots.release()
