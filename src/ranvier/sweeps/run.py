"""`sweep`: a network run with many sets of numbers, and everything that came of it in one dataset."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import jax

from ranvier import doors
from ranvier.errors import ParameterError, SimulationDiverged
from ranvier.given import checked_initial, checked_records, seed_of
from ranvier.integrators.base import Integrator
from ranvier.kernels.draws import Streams
from ranvier.memory import available_memory
from ranvier.network.draw import Drawn
from ranvier.network.spec import Network, Population
from ranvier.neurons.base import NeuronModel
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.simulation import Simulation, prepare
from ranvier.steps import in_steps
from ranvier.surroundings import inside
from ranvier.sweeps import islands, workers
from ranvier.sweeps import sets as sets_of
from ranvier.sweeps.islands import Islands, NotAlike
from ranvier.sweeps.members import Task
from ranvier.sweeps.outcome import MEASURES, Outcome, Wanted, same
from ranvier.sweeps.sets import Sets, chunks
from ranvier.sweeps.table import FINISHED, MESSAGE, StoredTable, Table

if TYPE_CHECKING:
    import xarray

NEURONS_AT_ONCE = 4096
"""How many neurons stand side by side in a batch: enough that a step is work and not overhead, few enough for the caches."""


SETS_CHECKED = 2  # from beginning to end
SETS_PROBED, STEPS_PROBED = 8, 8
"""How many sets go on for a few steps more, alone and side by side: what differs in a last bit is seen before it is forgotten."""
FEWER = (256, 64)
"""How many neurons stand side by side where more have other last bits than one alone, whose steps are one function: so are theirs."""
MOST_SETS_BEFORE, MOST_STEPS_BEFORE, SHARE_BEFORE = 32, 4096, 8
"""How many sets' first steps are looked at before all others: at most so many, and this part of either."""
ONE_BY_ONE = 16  # so many sets between two reports of progress, where each runs alone


class _TooMany(Exception):
    """So many sets side by side do not have the bits of single runs; fewer may."""


@dataclasses.dataclass(frozen=True)
class SweepProgress:
    """What a sweep's progress callback is told after each batch.

    Attributes:
        done, total: sets.
        elapsed: seconds since the sweep began.
        remaining: seconds left, at the pace so far.
    """

    done: int
    total: int
    elapsed: float
    remaining: float


def sweep(
    network: Network | Population | NeuronModel | Simulation,
    sets: Mapping[str, Any] | Sets,
    duration: Any,
    *,
    dt: Any = None,
    current: Any = None,
    integrator: Integrator | Mapping[Any, Integrator] | None = None,
    record: Record | Sequence[Record] | None = None,
    measure: str | Sequence[str] = ("spike_count", "mean_rate", "first_spike"),
    functions: Mapping[str, Callable[[Result], Any]] | None = None,
    seed: int | None = None,
    initial: Any = None,
    precision: str | None = None,
    batch: int | None = None,
    exact: bool = True,
    executor: Any = None,
    store: Any = None,
    overwrite: bool = False,
    progress: bool | Callable[[SweepProgress], Any] = False,
) -> xarray.Dataset:
    """Runs a network with many sets of parameters, inputs, seeds or initial states.

    Each set gives the numbers that `rv.prepare(network, …).run(duration, parameters=…, seed=…)` gives, bit for bit. Where the network
    allows it, many sets run side by side in one compiled loop, on every core; the dataset's attribute `"computed"` says whether.

    Args:
        network: what `rv.prepare` takes, or what it made.
        sets: lists of values by path, of which every combination is run; or `rv.zipped`, `rv.latin_hypercube`, `rv.sobol` of them,
            which can be multiplied. A path names a parameter (`"exc.tau"`, `"exc→inh.weight"`, `"exc.current"`), or is `"seed"` (of
            everything random, edges too) or `"initial"` (states to go on from).
        duration: how long each run is (ms).
        dt, current, integrator, precision: as of `rv.prepare`, for a network that is not prepared.
        record: what is recorded of each run, whole traces or reduced; of a prepared network its own.
        measure: what is kept of each population's spikes: `"spike_count"` (of each neuron), `"mean_rate"` (of all
            neurons, Hz), `"first_spike"` (of each neuron, ms; NaN for none), `"neuron_rate"` (of each neuron, Hz).
        functions: more, by name: functions of the `Result` of a run that give a number or an array.
        seed, initial: of all sets, where they are not swept.
        batch: how many sets run side by side; by default what suits the network and fits the memory.
        exact: whether some sets are run alone too, and compared: where one bit differs, fewer stand side by side, or all run one by
            one. False leaves that out: last bits may then differ from those of single runs.
        executor: where batches run: any `concurrent.futures.Executor`, a Dask client, or Ray (the module `ray`).
        store: a path: what is finished is written there batch by batch, and not run again when the same call is made again.
        overwrite: whether another sweep's store there is replaced.
        progress: True for a bar with the time left, or a function that is called with `SweepProgress` after each batch.

    Returns:
        An `xarray.Dataset` with one dimension for each path, for zipped or drawn ones `"set"`. `"message"` says what went wrong in sets
        that diverged, whose numbers are NaN.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: a set cannot be; before anything runs.
        StoreError: the store is of another sweep.

    Example:
        >>> import ranvier as rv
        >>> cell = rv.Population(1, rv.neurons.HodgkinHuxley(), current=0.0, name="cell")
        >>> curve = rv.sweep(cell, {"cell.current": [0.0, 7.0, 10.0]}, 100.0, record=[])
        >>> curve["cell.spike_count"].values.tolist()
        [0.0, 6.0, 7.0]
    """
    span = doors.duration(duration, "duration")
    lists = sets_of.as_sets(sets)
    wanted = Wanted(_measures(measure), _functions(functions))
    own_seed, state = None if seed is None else doors.seed(seed), checked_initial(initial)
    size = None if batch is None else doors.count(batch, "batch", low=1)
    exact, overwrite = doors.flag(exact, "exact"), doors.flag(overwrite, "overwrite")
    place = None if store is None else doors.path(store, "store")
    shown, executor = _shown(progress), workers.checked(executor)
    if place is None and overwrite:
        raise ParameterError("overwrite is for a sweep with a store. Write sweep(…, store='sweep.zarr', overwrite=True).")
    sim = _prepared(network, dt, current, integrator, record, precision)
    steps = int(in_steps(span, sim.dt, "duration"))
    given = sets_of.checked(lists, sim.network, sim._drawn_with(None, sim.seed))
    task = Task(sim, steps, own_seed, state, wanted, exact)
    _check_names(task, given)
    _check_seeds(task, given)
    units = {path: sets_of.unit_of(sim.network, sim.numbers, path) for path in given.paths}
    if place is None:
        table = Table(given, units)
    else:
        from ranvier.sweeps.describe import describe

        table = StoredTable(given, units, place, describe(task, given), overwrite)
    _run(task, given, table, size, executor, shown)
    return table.dataset()


def _run(task: Task, sets: Sets, table: Table, size: int | None, executor: Any, shown: Callable[[SweepProgress], Any] | None) -> None:
    todo = table.todo()
    began, before = time.perf_counter(), len(sets) - len(todo)
    if not todo:
        return
    runner = Runner(task, sets, todo, size, workers.workers_of(executor))
    try:
        for outcomes in runner.outcomes() if executor is None else workers.outcomes(executor, runner):
            table.take(outcomes)
            table.computed = runner.computed
            if shown is not None:
                done, elapsed = int(table.finished.sum()), time.perf_counter() - began
                shown(SweepProgress(done, len(sets), elapsed, elapsed * (len(sets) - done) / max(done - before, 1)))
    except workers.Lost as error:
        left = len(table.todo())
        again = "Make the same call to run the rest" if isinstance(table, StoredTable) else "With store='sweep.zarr' the rest could be run"
        stopped = workers.SweepStopped(
            f"The executor is gone, or a worker of it was killed ({error}): {left} of {len(sets)} sets have not run. "
            f"The others are in the error's `dataset`. {again} with a new executor, or without one."
        )
        stopped.dataset = table.dataset()
        raise stopped from error


class Runner:
    """Runs batches of sets, each in one thread.

    Attributes:
        batches: the sets of each.
        why_apart: why sets run one by one; empty where they run side by side.
    """

    def __init__(self, task: Task, sets: Sets, todo: Sequence[int], size: int | None, cores: int):
        self.task, self.sets, self.cores = task, sets, cores
        self.why_apart = islands.why_not(task.sim, sets.paths)
        n = sum(p.n for p in task.sim.network.populations.values())
        if not self.why_apart and size == 1:
            self.why_apart = "one at a time was asked for"
        groups = [list(todo)]
        if not self.why_apart and _draws_while_running(task.sim):  # from one seed: sets of one seed stand side by side
            by_seed: dict[int, list[int]] = {}
            for i in todo:
                by_seed.setdefault(task.parts(sets[i])[1], []).append(i)
            groups = list(by_seed.values())
            if len(todo) > 1 and max(map(len, groups)) == 1:
                self.why_apart, groups = "each has a seed of its own, and the network draws while it runs", [list(todo)]
        if self.why_apart:
            self.size = size or max(1, min(ONE_BY_ONE, -(-len(todo) // cores)))
        else:
            most = size or max(1, min(NEURONS_AT_ONCE // max(n, 1), self._fits(cores)))
            self.size = min(most, max(1, -(-len(todo) // cores)))
        self.todo = list(todo) if len(groups) == 1 else []
        self.batches = [some for group in groups for some in chunks(group, self.size)]
        self.size = max(map(len, self.batches), default=1)
        self._islands: Islands | None = None
        self._lock = task.lock
        self._checking = threading.Lock()
        self._checked = self._probed = not task.exact

    @property
    def computed(self) -> str:
        """How sets are run, in words."""
        return f"one by one: {self.why_apart}" if self.why_apart else f"{self.size} sets side by side"

    def outcomes(self) -> Iterator[dict[int, Outcome | str]]:
        """What the sets gave, as they are finished, on every core."""
        with concurrent.futures.ThreadPoolExecutor(self.cores) as pool:
            waiting = {pool.submit(self._try, some) for some in self.batches}
            try:
                while waiting:
                    done, waiting = concurrent.futures.wait(waiting, return_when=concurrent.futures.FIRST_COMPLETED)
                    for future in done:
                        found = future.result()
                        if isinstance(found, list):  # not so many side by side: a few at a time, on all cores
                            some_of_it = chunks(found, ONE_BY_ONE if self.why_apart else self.size)
                            waiting |= {pool.submit(self.run, some) for some in some_of_it}
                        else:
                            yield found
            except BaseException:
                for future in waiting:
                    future.cancel()
                raise

    def _try(self, indices: list[int]) -> dict[int, Outcome | str] | list[int]:
        """What some sets gave, or they themselves where they cannot run side by side."""
        found = None if self.why_apart or len(indices) == 1 else self._together(indices)
        return indices if found is None else found

    def _fits(self, cores: int) -> int:
        """How many sets' records and numbers fit into memory."""
        sim = self.task.sim
        rows = self.task.steps
        of_one = 4 * sim.bytes + 64 * sum(p.n for p in sim.network.populations.values())
        with inside():
            plan = sim.start(rows, seed=sim.seed).plan
        of_one += 3 * sum(t.rows * len(t.neurons) * c.dtype.itemsize for t in plan.tracks for c in t.columns)
        return max(1, int(0.5 * available_memory() / cores / max(of_one, 1)))

    def run(self, indices: list[int]) -> dict[int, Outcome | str]:
        """What some sets gave."""
        found = None if self.why_apart or len(indices) == 1 else self._together(indices)
        if found is None and not self.why_apart and len(indices) > self.size:
            return {i: outcome for some in chunks(indices, self.size) for i, outcome in self.run(some).items()}
        return {i: self.task.outcome(self.sets[i]) for i in indices} if found is None else found

    def _together(self, indices: list[int]) -> dict[int, Outcome | str] | None:
        """What some sets gave side by side, or None where they, or so many, cannot run so."""
        try:
            return self._side_by_side(indices)
        except _TooMany:
            return None
        except NotAlike as error:
            self.why_apart = str(error)
            return None
        except Exception as error:
            if not _out_of_memory(error):
                raise
        half = len(indices) // 2
        with self._lock:
            self.size, self._islands = min(self.size, -(-len(indices) // 2)), None
        return {**self.run(indices[:half]), **self.run(indices[half:])}

    def _side_by_side(self, indices: list[int]) -> dict[int, Outcome | str]:
        task = self.task
        with self._checking:  # the others wait for the verdict
            if not self._probed and task.steps:
                self._probe(indices)
            self._probed = True
        with inside():
            with self._lock:
                own, drawn, values, run = self._started(indices, task.steps)
            result = run.execute(None)
        result_of = own.results(result, drawn)
        with self._checking:
            if self.why_apart:
                raise NotAlike(self.why_apart)
            if own.count > self.size:
                raise _TooMany
            if not self._checked:
                self._check(own, drawn, values, result, run.wrong)
        return {
            i: task.outcome(self.sets[i]) if place in run.wrong else task.wanted.of(result_of(place)) for place, i in enumerate(indices)
        }

    def _started(self, indices: list[int], steps: int) -> tuple[Islands, list[Drawn], Sequence[Mapping[str, Any]], Any]:
        """Some sets side by side, ready to be executed."""
        if len(indices) > self.size:
            raise _TooMany
        values = [self.sets[i] for i in indices]
        values += [values[-1]] * (self.size - len(values))  # one size for all batches: one compilation
        if self._islands is None or self._islands.count != len(values):
            self._islands = Islands(self.task.sim, len(values), self.sets.paths)
        own = self._islands
        drawn, initials = self._drawn(values)
        run = own.start(drawn, initials, steps)
        run.compiled()
        return own, drawn, values, run

    def _probe(self, indices: list[int]) -> None:
        """Runs the first steps of some sets alone too: mostly they show already what differs.

        Raises:
            NotAlike, _TooMany: a bit differs.
        """
        steps = min(self.task.steps, max(STEPS_PROBED, min(MOST_STEPS_BEFORE, self.task.steps // SHARE_BEFORE)))
        sets = max(SETS_CHECKED, min(MOST_SETS_BEFORE, len(self.todo or indices) // SHARE_BEFORE))
        if len(self.todo) > len(indices):  # a worker knows its batch alone, and what stands side by side may be of one seed
            indices = [self.todo[i * (len(self.todo) - 1) // (len(indices) - 1)] for i in range(len(indices))]  # the first, the last, …
        with inside():
            with self._lock:
                own, drawn, values, run = self._started(indices, steps)
            result = own.results(run.execute(None), drawn)
        for i in [i for i in range(len(indices)) if i not in run.wrong][:: max(1, len(indices) // sets)]:
            alone = self._alone(values[i], steps=steps)
            if alone is not None and not same(result(i), alone):
                self._differs(own.count)

    def _differs(self, count: int) -> None:
        """What is done about so many sets side by side that have other last bits than single runs.

        Raises:
            _TooMany: fewer may do.
            NotAlike: or not.
        """
        neurons = sum(p.n for p in self.task.sim.network.populations.values())
        fewer = [n // neurons for n in FEWER if 2 * neurons <= n < count * neurons]
        if not fewer:
            self.why_apart = (
                "side by side the compiler arranges the arithmetic of this model otherwise, and last bits differ; "
                "rv.sweep(…, exact=False) does not ask for them"
            )
            raise NotAlike(self.why_apart)
        with self._lock:
            self.size, self._islands = min(self.size, fewer[0]), None
        raise _TooMany

    def _check(self, own: Islands, drawn: list[Drawn], values: Sequence[Mapping[str, Any]], result: Result, wrong: Any) -> None:
        """Runs some of the sets alone too, and more of them for a few steps from where they ended.

        Raises:
            NotAlike: a bit differs.
        """
        places = [i for i in range(len(values)) if i not in wrong]
        some = lambda n: places[:: max(1, len(places) // n)][:n]
        if jax.tree.leaves(result.state.memory):
            self.why_apart = "the integrator remembers earlier steps"
            raise NotAlike(self.why_apart)
        whole = own.results(result, drawn)
        with inside():
            with self._lock:
                run = own.start(drawn, [], STEPS_PROBED, at=result.state)
                run.compiled()
            after = own.results(run.execute(None), drawn)

        def alike(i: int, state: Any = None) -> bool:
            alone = self._alone(values[i], state)
            return alone is None or same((whole if state is None else after)(i), alone)

        with concurrent.futures.ThreadPoolExecutor(self.cores) as pool:
            found = [pool.submit(alike, i) for i in some(SETS_CHECKED)]
            found += [pool.submit(alike, i, whole(i).state) for i in some(SETS_PROBED) if i not in run.wrong]
        if not all(one.result() for one in found):
            self._differs(own.count)
        self._checked = True

    def _alone(self, values: Mapping[str, Any], state: Any = None, steps: int | None = None) -> Result | None:
        """A set alone, or some steps of it, or, from a state on, a few; None where it goes wrong."""
        try:
            return self.task.run(values, steps) if state is None else self.task.run(values, STEPS_PROBED, state)
        except SimulationDiverged:
            return None

    def _drawn(self, values: Sequence[Mapping[str, Any]]) -> tuple[list[Drawn], list[Any]]:
        drawn, initials = [], []
        for one in values:
            given, seed, initial = self.task.parts(one)
            drawn.append(self.task.sim._drawn_with(given, seed))
            initials.append(initial)
        return drawn, initials


def _draws_while_running(sim: Simulation) -> bool:
    with inside():
        constants, _ = sim.constants_of(sim._drawn_with(None, sim.seed))
    return any(isinstance(x, Streams) for x in jax.tree.leaves(constants, is_leaf=lambda x: isinstance(x, Streams)))


def _out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error) or "of memory are free" in str(error)


# -- arguments -------------------------------------------------------------------------------------------


def _prepared(network: Any, dt: Any, current: Any, integrator: Any, record: Any, precision: Any) -> Simulation:
    if not isinstance(network, Simulation):
        how = {"current": current, "integrator": integrator, "record": [] if record is None else record}
        how |= {} if dt is None else {"dt": dt}
        how |= {} if precision is None else {"precision": precision}
        return prepare(network, **how)
    for name, value in (("dt", dt), ("current", current), ("integrator", integrator), ("precision", precision)):
        if value is not None:
            raise ParameterError(f"{name} is settled in a network that is prepared. Give it to rv.prepare(…, {name}=…).")
    if record is None:
        return network if network.records is not None else _with_records(network, [])
    return _with_records(network, checked_records(record, False))


def _with_records(sim: Simulation, records: Any) -> Simulation:
    """The same network with other records."""
    other = object.__new__(Simulation)
    other.__dict__.update(sim.__dict__)
    other.records = records
    return other


def _measures(given: Any) -> tuple[str, ...]:
    words = [given] if isinstance(given, str) else given
    if not isinstance(words, list | tuple):
        raise doors.refusal("measure", given, f"some of {', '.join(map(repr, MEASURES))}, such as ['mean_rate']")
    return tuple(dict.fromkeys(doors.choice(word, "measure", MEASURES) for word in words))


def _functions(given: Any) -> tuple[tuple[str, Callable[[Result], Any]], ...]:
    if given is None:
        return ()
    example = "{'cv': lambda run: rv.analysis.cv(run.spikes)}"
    found = doors.mapping(given, "functions", example)
    return tuple((name, doors.function(value, f"functions[{name!r}]", "lambda run: len(run.spikes)")) for name, value in found.items())


def _check_names(task: Task, sets: Sets) -> None:
    """Refuses two things of one name in the dataset."""
    taken = {*sets.paths, *(axis.name for axis in sets.axes), "time", FINISHED, MESSAGE}
    taken |= {f"{name}.{measure}" for name in task.sim.network.populations for measure in task.wanted.measures}
    for name, _ in task.wanted.functions:
        if name in taken:
            raise ParameterError(f"functions has {name!r}, and so is something else in the dataset called. Choose another name.")
    for record in task.sim.records or ():
        part = "" if record.part is None else task.sim.network.find(record.part)[0]
        for variable in record.names:
            if f"{part}.{variable}" in sets.paths:
                raise ParameterError(
                    f"{part}.{variable} is swept, and a record would be called so in the dataset, too. Give that another name, such as "
                    f"rv.Record({part!r}, {variable!r}, name={f'{variable}_recorded'!r})."
                )


def _check_seeds(task: Task, sets: Sets) -> None:
    """Refuses, before anything runs, what is given twice, and a seed beside an initial state."""
    for name, one in ((sets_of.SEED, task.seed), (sets_of.INITIAL, task.initial)):
        if one is not None and name in sets.paths:
            raise ParameterError(f"{name} is swept, and given for all sets as well: {name}=…. Leave out one of them.")
    if task.initial is None and sets_of.INITIAL not in sets.paths:
        return
    for values in sets:
        initial = values.get(sets_of.INITIAL, task.initial)
        seed_of(values.get(sets_of.SEED, task.seed), initial, task.sim.seed)


def _shown(progress: Any) -> Callable[[SweepProgress], Any] | None:
    if callable(progress) and not isinstance(progress, type):
        return progress
    if not isinstance(progress, bool):
        raise doors.refusal("progress", progress, "True, False, or a function that is called with rv.sweeps.SweepProgress")
    if not progress:
        return None
    from ranvier.sweeps.bar import SweepBar

    return SweepBar()
