"""`compare_methods`: how large the error of a step is, by each method that applies, found by halving the step."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import SimulationDiverged, UnsupportedError
from ranvier.given import as_network, check_run, checked_precision
from ranvier.integrators import EulerMaruyama, ExactLinear, ExponentialEuler, Integrator, Midpoint, Milstein, RungeKutta4, StochasticHeun
from ranvier.network.choice import by_population
from ranvier.network.spec import Network, Population
from ranvier.neurons.base import NeuronModel
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.simulation import Simulation

LOOKED_AT = 100  # neurons of a population whose potential is compared

METHODS = (ExactLinear(), ExponentialEuler(), Midpoint(), RungeKutta4())
STOCHASTIC = (EulerMaruyama(), StochasticHeun(), Milstein())


@dataclasses.dataclass(frozen=True)
class MethodError:
    """What a step costs by one method.

    Attributes:
        method: its name.
        reason: why it does not apply, or what became of it; empty where all is well.
        spikes: how many spikes there are with `dt`, and with half of it.
        shift: by how much halving the step moves a spike (ms; median over all, each with the one of the same number of
            its neuron); NaN where there is none to compare.
        potential: by how much it moves the potential (mV; root of the mean square over time and neurons); NaN where it
            cannot be compared.
        seconds: how long the run with `dt` took, building and compiling aside.
    """

    method: str
    reason: str = ""
    spikes: tuple[int, int] = (0, 0)
    shift: float = np.nan
    potential: float = np.nan
    seconds: float = np.nan


@dataclasses.dataclass(frozen=True)
class MethodComparison:
    """Methods side by side. Printing it shows a table; `comparison["RungeKutta4"]` is one of them.

    Attributes:
        dt: the step (ms), which is compared with its half.
        duration: of each run (ms).
        random: whether something is drawn in every step, so that spikes and potentials of two steps are of
            different draws, and only numbers of spikes compare.
        methods: one `MethodError` each.
    """

    dt: float
    duration: float
    random: bool
    methods: tuple[MethodError, ...]

    def __getitem__(self, name: str) -> MethodError:
        return next(m for m in self.methods if m.method == name)

    def __str__(self) -> str:
        half = self.dt / 2
        rows: list[tuple[str, ...]] = [
            ("method", f"spikes, dt = {self.dt:g}", f"dt = {half:g}", "a spike moves by", "V moves by", "seconds")
        ]
        for m in self.methods:
            if m.reason:
                rows.append((m.method, m.reason))
                continue
            number = lambda x, unit: "–" if np.isnan(x) else f"{x:.2g} {unit}"
            rows.append(
                (m.method, str(m.spikes[0]), str(m.spikes[1]), number(m.shift, "ms"), number(m.potential, "mV"), f"{m.seconds:.2g}")
            )
        columns = len(rows[0])
        widths = [max(len(row[i]) for row in rows if len(row) == columns) for i in range(columns)]
        widths[0] = max(len(row[0]) for row in rows)
        first = lambda row: row[0].ljust(widths[0])
        lines = [
            "  ".join([first(row), *(x.rjust(w) for x, w in zip(row[1:], widths[1:], strict=True))])
            if len(row) == columns
            else f"{first(row)}  {row[1]}"
            for row in rows
        ]
        if self.random:
            lines.append("Something is drawn in every step: of two steps only the numbers of spikes compare, as two seeds' do.")
        return "\n".join(lines)

    __repr__ = __str__


def compare_methods(
    network: Network | Population | NeuronModel,
    *,
    duration: Any,
    dt: Any = 0.1,
    current: Any = None,
    methods: Integrator | Sequence[Integrator] | None = None,
    seed: int = 0,
    precision: str = "double",
) -> MethodComparison:
    """Shows what a step costs, by each method that applies: runs with it and with half of it, and by how much the two differ.

    With a method of order 1 the error that remains is about as large as that difference; of order 2 a third of it; of order 4
    a fifteenth.

    Args:
        network, current, precision: as of `rv.simulate`.
        duration: how long each run is (ms).
        dt: the step (ms).
        methods: which integrators; by default `ExactLinear`, `ExponentialEuler`, `Midpoint` and `RungeKutta4`, or, where
            noise drives variables, `EulerMaruyama`, `StochasticHeun` and `Milstein`. What does not apply says why.
        seed: the same for all runs: they have the same network and begin from the same state.

    Returns:
        A `MethodComparison`, which prints as a table.

    Raises:
        ParameterError, UnknownNameError: something cannot be.

    Example:
        >>> import ranvier as rv
        >>> found = compare_methods(rv.neurons.HodgkinHuxley(), current=10.0, duration=50.0, dt=0.05)
        >>> [m.method for m in found.methods if not m.reason]
        ['ExponentialEuler', 'Midpoint', 'RungeKutta4']
        >>> found["RungeKutta4"].potential < 0.1 < 1.0 < found["ExponentialEuler"].potential
        True
        >>> print(found["ExactLinear"].reason[:40])
        ExactLinear cannot advance hodgkin_huxle
    """
    dt, seed, precision = doors.interval(dt, "dt"), doors.seed(seed), checked_precision(precision)
    check_run(duration, dt, False, None, None, None, False, True)
    duration = doors.duration(duration, "duration")
    given = None if methods is None else doors.instances(methods, "methods", Integrator, "rv.RungeKutta4()")
    net, _ = as_network(network, current, None)
    if given is None:
        given = list(STOCHASTIC if any(p.model.noisy for p in net.populations.values()) else METHODS)
    found, random = [], bool(net.poisson)
    for method in given:
        name = type(method).__name__
        try:
            sims = [_prepared(net, step, method, dt, seed, precision) for step in (dt, dt / 2)]
            random = random or any(g.fires == "hazard" or any(g.noisy) or g.diffuses for g in sims[0].layout.plan.groups)
            run, half = (sim.run(duration) for sim in sims)
        except UnsupportedError as error:
            found.append(MethodError(name, str(error).partition("\n")[0]))
        except SimulationDiverged as error:
            found.append(MethodError(name, f"diverges at {error.time:g} ms with one of the steps"))
        else:
            found.append(_compared(name, net, run, half, random))
    return MethodComparison(dt, duration, random, tuple(found))


def _prepared(net: Network, dt: float, method: Integrator, every: float, seed: int, precision: str) -> Simulation:
    """A network that records potentials."""
    sim = Simulation(net, dt=dt, integrators=by_population(net, method), records=[], seed=seed, precision=precision)
    sim.records = [
        Record(p.name, "V", every=every, neurons=range(min(p.n, LOOKED_AT)))
        for p in sim.layout.plan.populations
        if p.n and "V" in p.variables
    ]
    return sim


def _compared(name: str, net: Network, run: Result, half: Result, random: bool) -> MethodError:
    spikes = (len(run.spikes), len(half.spikes))
    seconds = float(run.info["run_seconds"])
    if random:
        return MethodError(name, "", spikes, seconds=seconds)
    moved: list[np.ndarray] = []
    squares: list[np.ndarray] = []
    for part in net.populations:
        for ours, theirs in zip(run[part].spikes.trains, half[part].spikes.trains, strict=True):
            both = min(len(ours), len(theirs))
            moved.append(np.abs(ours[:both] - theirs[:both]))
        if "V" in run[part].variables:
            V = [result[part].V.values for result in (run, half)]
            both = min(map(len, V))
            squares.append(((V[0][:both] - V[1][:both]) ** 2).ravel())
    shifts, differences = (np.concatenate(found) if found else np.zeros(0) for found in (moved, squares))
    shift = float(np.median(shifts)) if shifts.size else np.nan
    potential = float(np.sqrt(differences.mean())) if differences.size else np.nan
    return MethodError(name, "", spikes, shift, potential, seconds)
