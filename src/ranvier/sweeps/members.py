"""The sets of a sweep run one by one, through one compiled program."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Mapping
from typing import Any

from ranvier.errors import SimulationDiverged
from ranvier.given import seed_of
from ranvier.result import Result
from ranvier.simulation import Simulation
from ranvier.surroundings import inside
from ranvier.sweeps.islands import knowing_as_much
from ranvier.sweeps.outcome import Outcome, Wanted
from ranvier.sweeps.sets import INITIAL, SEED


@dataclasses.dataclass(frozen=True)
class Task:
    """What all sets of a sweep have in common.

    Attributes:
        sim: the network, prepared.
        steps: how long each run is.
        seed, initial: of sets that have none of their own.
        wanted: what is kept.
        exact: whether a set must have every bit of a single run.
    """

    sim: Simulation
    steps: int
    seed: int | None
    initial: Any
    wanted: Wanted
    exact: bool = True
    lock: Any = dataclasses.field(default_factory=threading.RLock)

    def parts(self, values: Mapping[str, Any]) -> tuple[dict[str, Any], int, Any]:
        """A set's parameters, its seed and its initial state."""
        given = {path: value for path, value in values.items() if path not in (SEED, INITIAL)}
        initial = values.get(INITIAL, self.initial)
        return given, seed_of(values.get(SEED, self.seed), initial, self.sim.seed), initial

    def run(self, values: Mapping[str, Any], steps: int | None = None, state: Any = None) -> Result:
        """One set, as `sim.run` runs it, or some steps of it from a state on.

        Raises:
            SimulationDiverged: it went wrong.
        """
        with inside():
            with self.lock:  # the network is drawn and compiled by one thread at a time, and runs in many
                given, seed, initial = self.parts(values)
                if state is not None:
                    drawn = self.sim._drawn_with(given, seed)
                    self.sim.constants_of(drawn)  # settles in which layout it runs
                    state = knowing_as_much(state, self.sim.layout.initial(drawn))
                run = self.sim.start(steps or self.steps, parameters=given, seed=seed, initial=state or initial)
                run.compiled()
            return run.execute(None)

    def outcome(self, values: Mapping[str, Any]) -> Outcome | str:
        """What is kept of one set, or what went wrong."""
        try:
            return self.wanted.of(self.run(values))
        except SimulationDiverged as error:
            return str(error)
