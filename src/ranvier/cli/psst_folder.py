"""`ranvier run psst-folder DIR`: a folder that PSST's Day 5 left runs as it stands, and is compared with what was saved."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

import numpy as np

from ranvier.cli.figures import Picture, general
from ranvier.cli.job import Job
from ranvier.errors import ParameterError
from ranvier.integrators.base import Integrator
from ranvier.integrators.runge_kutta import RungeKutta4
from ranvier.interop.psst import SavedRun, load_run
from ranvier.interop.source import as_file_name
from ranvier.record import Record

if TYPE_CHECKING:
    from ranvier.result import Result

EVERY = 10  # steps between the rows that are recorded and compared


def job(arguments: argparse.Namespace, integrator: Integrator | None) -> Job:
    """The run that a folder holds.

    Raises:
        ParameterError: no folder was named, it cannot be read, or an option has no meaning for it.
    """
    if arguments.folder is None:
        raise ParameterError("Say which folder: ranvier run psst-folder DIR. It holds what PSST's call.py and run.py saved.")
    for option, why in (
        ("dt", "the time step is that of time.npy"),
        ("seed", "nothing in it is drawn"),
        ("no_gaba", "it is for locust"),
        ("scale", "its size is that of its matrices"),
        ("regime", "it is for brunel"),
        ("gamma", "it is for drn"),
        ("plastic", "it is for drn"),
    ):
        if getattr(arguments, option) not in (None, False):
            raise ParameterError(f"--{option.replace('_', '-')} means nothing to a saved run: {why}.")
    saved = load_run(arguments.folder)
    return Job(
        name=f"psst-{as_file_name(saved.folder.resolve().name)}",
        title=f"PSST's run in {saved.folder.resolve().name}",
        summary=f"{saved.network.populations['X'].n} neurons, from the matrices, the current and the state that PSST saved.",
        source="Mohanta & Assisi 2019 (PSST), Day 5",
        model="psst-folder",
        network=saved.network,
        duration=arguments.duration if arguments.duration is not None else saved.duration,
        dt=saved.dt,
        integrator=integrator or RungeKutta4(),
        record=[Record("X", "V", every=EVERY * saved.dt)],
        seed=0,
        precision=arguments.precision or "double",
        initial=saved.initial,
        own=Own(saved),
    )


class Own:
    """What the report of such a run says besides."""

    def __init__(self, saved: SavedRun):
        self.saved = saved

    def pictures(self, run: Result) -> list[Picture]:
        """The pictures that any run has."""
        return general(run)

    def table(self, run: Result) -> list[tuple[str, str]]:
        """How far the run agrees with the saved rows, and what is wrong with those."""
        rows = [("saved rows", f"{len(self.saved.times)}")]
        if found := self._difference(run):
            rows.append(("difference from them", f"{found[0]:.1e} mV at most, up to {found[1]:g} ms"))
        return rows + [("found", finding) for finding in self.saved.findings]

    def words(self, run: Result) -> list[str]:
        """What was found in the saved rows, as sentences."""
        return [finding[0].upper() + finding[1:] for finding in self.saved.findings]

    def _difference(self, run: Result) -> tuple[float, float] | None:
        """The largest difference of V from the saved rows before one began anew, and the last time compared."""
        V = run["X"].V
        end = min([np.inf, *self.saved.restarts])
        ours = np.rint(V.time.values / self.saved.dt).astype(np.int64)
        theirs = np.rint(self.saved.times[self.saved.times < end - self.saved.dt / 2] / self.saved.dt).astype(np.int64)
        _, mine, saved = np.intersect1d(ours, theirs, return_indices=True)
        if not len(mine):
            return None
        difference = np.abs(V.values[mine] - self.saved.states[saved, : V.shape[1]])
        return float(difference.max()), float(V.time[mine[-1]])
