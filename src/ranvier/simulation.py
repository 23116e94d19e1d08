"""`prepare`: a network drawn, laid out and ready: to run with any numbers, or as a pure function of its parameters and state."""

from __future__ import annotations

import collections
import contextlib
import copy
import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors, units
from ranvier.compiled import turn_on_where_asked
from ranvier.connect.part import draw as draw_edges
from ranvier.devices.mesh import checked_devices
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.given import (
    as_network,
    check_run,
    checked_initial,
    checked_precision,
    checked_progress,
    checked_records,
    checked_until,
    checked_watch,
    seed_of,
    store_place,
)
from ranvier.integrators.base import Integrator
from ranvier.model import parameters, with_parameters
from ranvier.network import loop
from ranvier.network.changing import check_rates
from ranvier.network.choice import by_population
from ranvier.network.draw import Drawn, draw
from ranvier.network.explain import Explanation, explained
from ranvier.network.layout import Layout
from ranvier.network.numbers import (
    Numbers,
    PopulationNumbers,
    ProjectionNumbers,
    is_moment,
    is_setting,
    is_start,
    network_with,
    numbers_of,
    paths_of,
    split,
    with_numbers,
)
from ranvier.network.plan import LayoutChanged
from ranvier.network.rewiring import Wired, refuse_structure
from ranvier.network.scan import ALL, checked_memory, scan_steps
from ranvier.network.spec import Network, Population
from ranvier.network.spike_times.check import check as check_spike_times
from ranvier.network.state import SimulationState, with_step
from ranvier.network.step import Stepper
from ranvier.network.surrogate import (
    SurrogateStepper,
    acting,
    check_plan,
    drawn_sources,
    moment,
    spiking,
    without_derivative,
    without_whole_steps,
)
from ranvier.network.transfer import check_enters, continued
from ranvier.network.within import with_fractions
from ranvier.neurons.base import NeuronModel
from ranvier.progress import BuildingBar, ProgressCallback, building
from ranvier.random import Distribution
from ranvier.record.memory import MemorySink
from ranvier.record.plan import Readable, RecordPlan, everything
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.run import PACKED, Run, Sink
from ranvier.steps import in_steps
from ranvier.stimuli.base import Constant, Stimulus
from ranvier.surrogates import FixedSpikes, SpikeDerivative, SpikeTimes, Surrogate
from ranvier.surroundings import inside, refuse_traced
from ranvier.until import Moment, Until
from ranvier.watch import EVERY, Chunk, Watching

GRID, INTERPOLATED = "grid", "interpolated"
MERGE = True  # benchmarks/populations.py turns it off to show what it is worth
FORMER = 3  # layouts that are kept for numbers to come back to
LARGEST_FORMER = 2**24  # bytes of the numbers of one
SMALL = 2**18  # bytes of numbers that are given to each call from the host
KEPT = 8  # prepared networks that `simulate` may find again
KEPT_BYTES = 2**26  # of a prepared network's numbers, above which it is not kept


class _Placed(NamedTuple):
    """The numbers of a drawn network on the host and on the device, and what they were made of."""

    drawn: Drawn
    layout: Layout
    whole: frozenset[str]
    """projections that learn, of which all edges are read in the user's order"""
    constants: Any
    shared: loop.Shared


class Simulation:
    """A network that is prepared: drawn, laid out, and compiled when it first runs. `rv.prepare` makes it.

    Attributes:
        network: the network.
        dt: the step (ms).
        precision: `"double"` or `"single"`.
        seed: the seed that it was prepared with.
        records: what its runs record.

    For those who open the engine: `drawn` is the network with everything drawn, `layout` how it lies inside the compiled step.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.Population(1, rv.neurons.HodgkinHuxley(), current=10.0, name="cell"), dt=0.01)
        >>> [len(sim.run(100.0, parameters={"cell.current": I}).spikes) for I in (0.0, 7.0, 10.0)]
        [0, 6, 7]
    """

    def __init__(
        self,
        network: Network,
        *,
        dt: float,
        integrators: Mapping[str, Integrator | None],
        records: list[Record] | None,
        seed: int,
        precision: str,
        progress: bool = False,
        spike_timing: str = GRID,
        device: jax.Device | None = None,
    ):
        self.device = device
        self.network, self.dt, self.seed, self.precision = network, dt, seed, precision
        self.integrators, self.records, self.spike_timing = integrators, records, spike_timing
        self.numbers = numbers_of(network)
        self._dtype = {"double": "float64", "single": "float32"}[precision]
        refuse_traced({f"{name}.{within}": value for name, part in self.numbers.items() for within, value in paths_of(part)})
        began = time.perf_counter()
        turn_on_where_asked()
        with self._inside(), building(progress) as bar:
            self.drawn = self._located(draw(network, self.numbers, seed=seed, dt=dt))
            self._prepare(bar)
        self._build_seconds = time.perf_counter() - began

    # -- inside ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """What JAX settings it is computed under, and on which device."""
        with inside(), contextlib.nullcontext() if self.device is None else jax.default_device(self.device):
            yield

    def _prepare(self, told: BuildingBar | None) -> None:
        self.layout = self._laid_out(self.drawn, told=told)
        self._former: list[Layout] = []
        self._check_currents(self.drawn)
        self._placed: _Placed | None = None
        constants, _ = self.constants_of(self.drawn)
        self.readable = Readable(self.layout.plan, constants, self.layout.initial(self.drawn), self.layout.outside(self.drawn))

    def _laid_out(self, drawn: Drawn, apart: frozenset[str] = frozenset(), told: BuildingBar | None = None) -> Layout:
        return Layout(self.network, drawn, self._dtype, self.integrators, apart=apart, merge=MERGE, progress=told)

    def constants_of(
        self, drawn: Drawn, told: BuildingBar | None = None, records: Sequence[Record] | None = None
    ) -> tuple[Any, loop.Shared]:
        """The numbers of a drawn network, on the host and on the device. A layout that cannot hold them is replaced by one that can."""
        whole = self._read_whole(records if records is not None else self.records or ())
        placed = self._placed
        if placed is not None and placed.drawn is drawn and placed.layout is self.layout and placed.whole == whole:
            return placed.constants, placed.shared
        constants = self._fitting(drawn, told, whole)
        shared = loop.Shared(constants)
        if shared.bytes > SMALL:
            shared = jax.device_put(shared)  # once: else every call would copy them
        self._placed = _Placed(drawn, self.layout, whole, constants, shared)
        return constants, shared

    def _fitting(self, drawn: Drawn, told: BuildingBar | None, whole: frozenset[str]) -> Any:
        """The numbers, in the layout that was used last, in one from before, or in a new one: whichever can hold them."""
        for layout in (self.layout, *self._former):
            with contextlib.suppress(LayoutChanged):
                constants = layout.constants(drawn, told, whole)
                break
        else:
            layout = self._laid_out(drawn, told=told)
            constants = layout.constants(drawn, told, whole)
        if layout is not self.layout:
            last = [self.layout] if self._placed is None or self._placed.shared.bytes <= LARGEST_FORMER else []
            self._former = [*last, *(former for former in self._former if former is not layout)][:FORMER]
            self.layout = layout
        return constants

    def _read_whole(self, records: Sequence[Record]) -> frozenset[str]:
        """The projections that learn, of which a record reads all edges in the user's order."""
        plastic = [name for name, p in self.network.projections.items() if p.plasticity is not None and p.structure is None]
        if not plastic:
            return frozenset()
        functions = [r for r in records if r.function is not None or r.reduce is not None]
        if any(r.part is None for r in functions):
            return frozenset(plastic)
        return frozenset(plastic).intersection(self.network.find(r.part)[0] for r in functions if r.part is not None)

    def _drawn_with(self, given: Mapping[str, Any] | None, seed: int) -> Drawn:
        numbers = with_numbers(self.network, self.numbers, given) if given else self.numbers
        if numbers is self.numbers and seed == self.drawn.seed and self.drawn.numbers is numbers:
            return self.drawn
        before = self.drawn
        self.drawn = self._located(draw(self.network, numbers, seed=seed, dt=self.dt, like=before))
        self._check_currents(self.drawn, before)
        return self.drawn

    def _located(self, drawn: Drawn) -> Drawn:
        return with_fractions(self.network, drawn) if self.spike_timing == INTERPOLATED else drawn

    def _check_currents(self, drawn: Drawn, before: Drawn | None = None) -> None:
        """Lets the currents that are new say what a step is too long for, where the method does not hold them over the step."""
        for name, population in drawn.populations.items():
            known = before is not None and before.populations[name].stimulus is population.stimulus
            if population.stimulus is not None and not known and not self.layout.plan.group_of(name).held_current:
                population.stimulus.check_step(self.dt, f"The current of {name}")

    @property
    def bytes(self) -> int:
        """How much memory its numbers take."""
        assert self._placed is not None
        return int(self._placed.shared.bytes)

    @property
    def recorded(self) -> list[Record]:
        """What its runs record: everything of a single population, where nothing was said."""
        return self.records if self.records is not None else [everything(self.readable, next(iter(self.network.populations)))]

    def matches(self, network: Network) -> bool:
        """Whether a network still has the numbers that this was prepared with."""
        now = numbers_of(network)
        sizes = [p.n for p in network.populations.values()] == [p.n for p in self.drawn.populations.values()]
        return (
            sizes and list(now) == list(self.numbers) and all(_same(a, b) for a, b in zip(now.values(), self.numbers.values(), strict=True))
        )

    def start(
        self,
        duration_steps: int | Callable[[SimulationState], int],
        *,
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        initial: SimulationState | None = None,
        records: list[Record] | None = None,
        sink: Callable[[Run], Sink] | None = None,
        until: Until | None = None,
        watch: Watching | None = None,
        first: int | None = None,
        counts: np.ndarray | None = None,
        info: Mapping[str, Any] | None = None,
        told: BuildingBar | None = None,
    ) -> Run:
        """A `Run`, ready to be executed inside `jax.enable_x64(True)`. What runs and stores are made of."""
        began = time.perf_counter()
        drawn = self._drawn_with(parameters, self.seed if seed is None else seed)
        if records is None:
            records = self.recorded
        constants, shared = self.constants_of(drawn, told, records)
        own = self._initial(drawn)
        if initial is not None:
            self._check_weights(parameters, initial)
        state = own if initial is None else continued(own, with_step(initial, self.dt))
        steps = duration_steps if isinstance(duration_steps, int) else duration_steps(state)
        begin = int(state.step) if first is None else first
        self._read_from(drawn, constants, own)
        for name, population in drawn.populations.items():
            population.model.check_times(int(state.step), begin + steps, self.dt, name)
        for name, outside_input in drawn.inputs.items():
            check_rates(name, outside_input, int(state.step), begin + steps, self.dt)
        plan = RecordPlan(self.network, self.readable, records, begin, begin + steps, self.dt)
        how = {
            "network": self.network if drawn.numbers is self.numbers else network_with(self.network, drawn.numbers),
            "state": state,
            "records": plan,
            "sink": sink or (lambda run: MemorySink(run.plan)),
            "first": first,
            "duration_steps": steps,
            "until": until,
            "watch": watch,
            "counts": counts,
            "info": {**self._facts(drawn), **(info or {}), "build_seconds": self._build_seconds + time.perf_counter() - began},
        }
        self._build_seconds = 0.0
        return self._run_of(drawn, constants, shared, initial is not None, how)

    # -- what several devices do in another way ----------------------------------------------------

    def _initial(self, drawn: Drawn) -> SimulationState:
        """The state at the start, in the user's order."""
        return self.layout.initial(drawn)

    def _read_from(self, drawn: Drawn, constants: Any, own: SimulationState) -> None:
        """Makes sure that records are planned for what runs now; `own` is the state at the start."""
        if self.readable.plan is not self.layout.plan or self.layout.plan.plastic:
            self.readable = Readable(self.layout.plan, constants, own, self.layout.outside(drawn))

    def _run_of(self, drawn: Drawn, constants: Any, shared: loop.Shared, goes_on: bool, how: dict[str, Any]) -> Run:
        """The run; `how` are the arguments of a `Run` that do not depend on where it lies."""
        layout, outside, rewirer = self.layout, self.layout.outside(drawn), self.layout.rewirer(drawn)
        if rewirer is not None and goes_on:
            wired = rewirer.laid_out(Wired(layout.plan, shared.tree(), outside), how["state"])
            layout, shared, outside = copy.copy(layout), loop.Shared(wired.constants), wired.outside
            layout.plan = wired.plan
        return Run(layout=layout, constants=shared, outside=outside, rewirer=rewirer, **how)

    # -- inside ------------------------------------------------------------------------------------

    def _facts(self, drawn: Drawn) -> dict[str, Any]:
        """What a result says of how it was computed."""
        return {
            "dt": self.dt,
            "integrator": type(self.layout.integrator).__name__,
            "seed": drawn.seed,
            "precision": self.precision,
            "native": {p.name: self.layout.chosen.groups[p.group].native for p in self.layout.plan.populations},
        }

    def _check_weights(self, given: Mapping[str, Any] | None, initial: SimulationState) -> None:
        for path in given or ():
            name, within = split(path, self.numbers)
            if within == "weight" and name in initial.traces:
                raise ParameterError(
                    f"{path} says what the weights begin with, and they are state, for {name} learns: those of `initial` would go on. "
                    f"Leave it out, or change them in the state: initial.synapses[{name!r}]['weight']."
                )

    # -- for everybody -----------------------------------------------------------------------------

    @property
    def parameters(self) -> dict[str, Any]:
        """What the network depends on smoothly, by path: parameters, weights, currents, as they are drawn.

        `run` and `function` take a mapping like it, whole or in part.

        Example:
            >>> import ranvier as rv
            >>> list(rv.prepare(rv.Population(2, rv.neurons.Passive(), current=1.0, name="cells")).parameters)
            ['cells.capacitance', 'cells.leak', 'cells.rest', 'cells.current']
        """
        result: dict[str, Any] = {}
        drawn = self._drawn_with(None, self.seed)
        for name, part in self._drawn_numbers(drawn).items():
            for within, value in paths_of(part):
                if is_setting(part, within) or is_moment(part, within) or value is None or within.startswith("structure."):
                    continue
                if is_start(part, within):
                    continue  # as is the state that it says
                if within == "weight" and getattr(part, "plasticity", None) is not None:
                    continue  # they are state
                if within == "weight" and isinstance(part, ProjectionNumbers):
                    value = self._weight(drawn, name)
                    if value is None:
                        continue
                result[f"{name}.{within}"] = np.asarray(value, self._dtype)
        return result

    @staticmethod
    def _drawn_numbers(drawn: Drawn) -> Numbers:
        """The numbers with everything drawn."""
        result: Numbers = {}
        for name, part in drawn.numbers.items():
            if isinstance(part, PopulationNumbers):
                own = drawn.populations[name]
                result[name] = dataclasses.replace(part, model=own.model, current=own.stimulus)
            elif isinstance(part, ProjectionNumbers):
                projection = drawn.projections[name]
                synapse = projection.synapse
                if projection.edges is not None and projection.site == "edge":
                    synapse = _one_an_edge(synapse, projection.edges, projection.edges.as_listed)
                short, release = projection.short_term, projection.release
                release = _of_edges(release, projection.part, "as_listed")
                short = short if projection.edge_rule is None else _of_edges(projection.edge_rule, projection.part, "as_listed")
                result[name] = dataclasses.replace(part, synapse=synapse, short_term_plasticity=short, release=release)
            else:
                result[name] = dataclasses.replace(part, synapse=drawn.inputs[name].synapse)
        return result

    @staticmethod
    def _weight(drawn: Drawn, name: str) -> Any:
        """A projection's weight: one number where it was given so, else one an edge as they are given; None where none is stored."""
        given = drawn.projections[name].part.weight
        if not isinstance(given, Distribution) and not callable(given) and np.ndim(given) == 0:
            return given
        return drawn_weights(drawn, name) if drawn.projections[name].part.rule.stored else None

    def state(self, seed: int | None = None, parameters: Mapping[str, Any] | None = None) -> SimulationState:
        """The state at the start.

        Args:
            seed: what it is drawn with; that of `prepare` when left out.
            parameters: other numbers, by path.
        """
        with jax.ensure_compile_time_eval(), self._inside():  # it may be asked for in a function that is being traced
            drawn = self._drawn_with(parameters, self.seed if seed is None else doors.seed(seed))
            self.constants_of(drawn)
            return self._initial(drawn).on_host()

    def run(
        self,
        duration: Any,
        *,
        seed: int | None = None,
        parameters: Mapping[str, Any] | None = None,
        initial: Any = None,
        progress: bool | ProgressCallback = False,
        until: Until | Callable[[Moment], Any] | None = None,
        watch: Callable[[Chunk], Any] | None = None,
        watch_every: Any = EVERY,
        store: Any = None,
        checkpoint_every: Any = None,
        overwrite: bool = False,
        check_disk: bool = True,
    ) -> Result:
        """Runs the network: what `rv.simulate` does, with new numbers if wanted, compiling nothing again.

        Args:
            duration: how long (ms).
            seed: of everything random; that of `prepare`, or of the state in `initial`, when left out.
            parameters: other values by path, such as `{"exc.tau": 12.0, "exc→inh.weight": 5.0, "exc.current": 300.0}`: whatever
                the part itself would take (numbers, arrays, distributions, quantities).
            initial: a `SimulationState` to go on from, or a `Result` whose state is meant. Its time goes on.
            progress, until, watch, watch_every, store, checkpoint_every, overwrite, check_disk: as of `rv.simulate`.

        Returns:
            A `Result`.

        Raises:
            ParameterError, UnknownNameError: before anything runs.

        Example:
            >>> import ranvier as rv
            >>> cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cells")
            >>> sim = rv.prepare(cells, dt=0.1)
            >>> first = sim.run(50.0)
            >>> more = sim.run(50.0, parameters={"cells.refractory": 10.0}, initial=first.state)
            >>> more.spikes.start, more.spikes.stop
            (50.0, 100.0)
        """
        check_run(duration, self.dt, progress, until, store, checkpoint_every, overwrite, check_disk, watch, watch_every)
        steps = int(in_steps(doors.duration(duration, "duration"), self.dt, "duration"))
        given = checked_initial(initial)
        seed = seed_of(seed, given, self.seed)
        until, shown, watching = checked_until(until), checked_progress(progress), checked_watch(watch, watch_every, self.dt)
        if store is not None and self.spike_timing == INTERPOLATED:
            raise UnsupportedError(
                "store: a store holds the steps of spikes, so that spike_timing='interpolated' is for runs in memory. Leave out store."
            )
        place, every = store_place(store, checkpoint_every, overwrite)

        def sink(run: Run) -> Sink:
            if place is None:
                return MemorySink(run.plan)
            from ranvier.store.start import start

            plain = {path: value for path, value in (parameters or {}).items() if isinstance(value, int | float)}
            how: dict[str, Any] = {"checkpoint_every": every, "overwrite": overwrite, "fits": check_disk, "given": plain}
            return start(run, place, self.recorded, self.integrators, **how)

        with self._inside():
            with building(progress is True) as bar:
                run = self.start(steps, parameters=parameters, seed=seed, initial=given, sink=sink, until=until, watch=watching, told=bar)
            return run.execute(shown)

    def function(
        self, steps: int | None = None, *, gradient_memory: str | int = "root", surrogate: SpikeDerivative | None = None
    ) -> Callable[..., Any]:
        """The network as a pure function, for `jax.jit`, `vmap`, `grad` and the rest. 64-bit numbers must be on where it is called.

        Args:
            steps: how many steps it takes. Without it, one.
            gradient_memory: how many states a gradient keeps on its way back: `"root"`, about 2 √steps, computing each step twice, of
                neurons alone three times; `"all"`, every step's; or how many are kept between stretches that are computed again.
            surrogate: what stands in for the derivative of a spike, such as `rv.surrogates.FastSigmoid()`; `"spikes"` are then numbers.
                With `rv.surrogates.SpikeTimes()` the function gives the spikes' times instead, `"times"`, with exact derivatives.
                The runs are the same.

        Returns:
            For one step a function of `(parameters, state)` that returns the state after it. For many, one that
            returns `(state, recorded)`: the state after them, and for each part what the simulation records of it,
            `{part: {variable: [rows, n]}}`, with `"spikes"`, bool `[steps, n]`, for each population.

            `parameters` is `sim.parameters` or a part of it; what is left out is as prepared. Gradients pass through
            them, the state and all smooth equations. A spike is there or not: where spikes act, a gradient is refused without a word
            on them, `surrogate=`. With `rv.surrogates.FixedSpikes()` it is that of a run whose spikes stay in their steps.

        Raises:
            UnsupportedError: 64-bit numbers are off; the surrogate's gradient does not pass through something in the network; or a
                gradient is taken through spikes without one.

        Example:
            >>> import jax, ranvier as rv
            >>> sim = rv.prepare(rv.Population(1, rv.neurons.Passive(), current=1.0, name="cell"), dt=0.1)
            >>> end = lambda p: sim.function(steps=100)(p, sim.state())[0].neurons["cell"]["V"][0]
            >>> with jax.enable_x64(True):
            ...     slope = jax.grad(end)({"cell.current": 1.0})["cell.current"]
            ...     bool(abs(slope - (end({"cell.current": 1.5}) - end({"cell.current": 0.5}))) < 1e-9)
            True
        """
        if self.spike_timing == INTERPOLATED:
            raise UnsupportedError(
                "spike_timing='interpolated' looks for crossings in a loop through which no gradient passes, so that it is for runs: "
                "sim.run(…). Prepare the function with spike_timing='grid'."
            )
        if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int | np.integer) or steps < 0):
            raise ParameterError(f"steps is {steps!r}, but it must be a whole number of at least 0.")
        refuse_structure((name for name, p in self.network.projections.items() if p.structure is not None), "sim.function")
        memory = checked_memory(gradient_memory)
        if surrogate is not None:
            doors.instance(surrogate, "surrogate", (Surrogate, SpikeTimes, FixedSpikes), "rv.surrogates.FastSigmoid()")
        if isinstance(surrogate, Surrogate):
            check_plan(self.layout.plan)
        if isinstance(surrogate, SpikeTimes):
            if steps is None:
                raise ParameterError("surrogate=SpikeTimes() gives the spikes of a run: say how many steps, sim.function(steps=…).")
            check_spike_times(self.layout, self.drawn, self.records)

        def one(parameters: Mapping[str, Any], state: SimulationState) -> SimulationState:
            return self._advanced(parameters, state, None, surrogate=surrogate)[0]

        def many(parameters: Mapping[str, Any], state: SimulationState) -> tuple[SimulationState, dict[str, dict[str, Any]]]:
            return self._advanced(parameters, state, int(steps or 0), memory, surrogate)

        return one if steps is None else many

    def _advanced(
        self,
        parameters: Mapping[str, Any],
        state: SimulationState,
        steps: int | None,
        kept: str | int = ALL,
        surrogate: SpikeDerivative | None = None,
    ) -> Any:
        if jax.dtypes.canonicalize_dtype(np.int64) != np.int64:
            raise UnsupportedError(
                "sim.function counts steps in 64 bits, and they are off in this process. "
                'Turn them on: jax.config.update("jax_enable_x64", True), or call it inside `with jax.enable_x64(True):`.'
            )
        if not isinstance(parameters, Mapping):
            raise doors.refusal("parameters", parameters, "a mapping from paths to numbers, such as sim.parameters or {'exc.tau': 12.0}")
        for path, value in parameters.items():
            _check_plain(path, value)
        if not isinstance(state, SimulationState):
            raise ParameterError(
                f"The function takes (parameters, state); the state is sim.state() or run.state, not a {type(state).__name__}."
            )
        with jax.ensure_compile_time_eval():  # a run with other numbers may have come between, and this may be traced
            base = self._drawn_with(None, self.seed)
            self.constants_of(base)
        delays = {}
        if isinstance(surrogate, SpikeTimes):  # they are as prepared, and may be differentiated by
            delays = {path: x for path, x in parameters.items() if split(path, self.numbers)[1] == "delay"}
            parameters = {path: x for path, x in parameters.items() if path not in delays}
        check_enters(self.layout.plan, state, self.dt)
        parameters = {path: without_derivative(moment(path))(x) if self._is_moment(path) else x for path, x in parameters.items()}
        if surrogate is None:
            parameters, state = self._closed(parameters, state)
        parameters = self._without_kinetics_as_they_are(parameters)
        drawn = self._substituted(base, parameters)
        layout = self._layout_for(base, parameters)
        if isinstance(surrogate, Surrogate):
            layout = copy.copy(layout)
            layout.plan = without_whole_steps(layout.plan)
        whole = self._read_whole(self.records or ())
        try:
            constants = layout.constants(drawn, placed=whole)
        except LayoutChanged:
            raise self._as_prepared(parameters) from None
        constants = dataclasses.replace(constants, seed=(jnp.asarray(state.seed)[0], jnp.asarray(state.seed)[1]))
        integrator = layout.integrator
        outside = layout.outside(base)
        if isinstance(surrogate, SpikeTimes):
            delays = {split(path, self.numbers)[0]: x for path, x in delays.items()}
            return self._spike_times(layout, drawn, constants, state, int(steps or 0), surrogate, delays)
        kind = functools.partial(SurrogateStepper, surrogate=surrogate) if isinstance(surrogate, Surrogate) else Stepper
        make = lambda: kind(layout.plan, constants, integrator, PACKED and not integrator.by_name, outside, everywhere=True)
        stepper = make()
        entered = stepper.with_memory(jax.tree.map(jnp.asarray, stepper.enter(state)))
        if steps is None:
            return stepper.leave(stepper.step(entered)[0]), {}
        records = self.records or []
        plan = (
            RecordPlan(
                self.network,
                Readable(layout.plan, layout.constants(base, placed=whole), layout.initial(base), outside),
                records,
                0,
                steps,
                self.dt,
            )
            if records
            else None
        )

        def body(carried: Any) -> Any:
            stepper = make()
            seen = [] if plan is None else [loop.read(stepper, carried, g.reads, s) for g, s in zip(plan.groups, plan.subsets, strict=True)]
            after, spiked = stepper.step(carried)
            return after, (seen, spiked)

        alone = not (layout.plan.synapses or layout.plan.plastic or layout.plan.wires or layout.plan.histories)
        final, (seen, spiked) = scan_steps(body, entered, steps, kept, one=alone)
        recorded: dict[str, dict[str, Any]] = {}
        for p in layout.plan.populations:
            recorded[p.name] = {"spikes": spiked[:, p.first : p.first + p.n]}
        if plan is not None:
            for part, variable, rows in plan.columns_of(seen):
                recorded.setdefault(part, {})[variable] = rows
        return stepper.leave(final), recorded

    def _as_prepared(self, given: Mapping[str, Any]) -> ParameterError:
        """The error of numbers that what the network was laid out for cannot hold: mostly several where it has one."""
        known = self.parameters
        several = [path for path, value in given.items() if np.shape(value) != np.shape(known.get(path, value))]
        hint = f" {several[0]} has the shape {np.shape(given[several[0]])}, and {np.shape(known[several[0]])} there." if several else ""
        return ParameterError(
            f"The function takes {', '.join(several or given)} as the network was prepared: with one number for all, or an array.{hint} "
            "Prepare the network with an array, such as weight=np.full(edges, 30.0), for one value each."
        )

    def _is_moment(self, path: str) -> bool:
        """Whether a parameter says in which step something begins, and so has no derivative; a current with a mean of its own may have."""
        name, within = split(path, self.numbers)
        part = self.numbers[name]
        if within.startswith("current.") and type(part.current).average is not Stimulus.average:  # type: ignore[union-attr]
            return False
        return is_moment(part, within)

    def _closed(self, parameters: Mapping[str, Any], state: SimulationState) -> tuple[Mapping[str, Any], SimulationState]:
        """What a function without a word on the derivative of spikes takes: nobody may differentiate by what decides on spikes."""
        if (name := acting(self.layout)) is not None:
            return without_derivative(spiking(name))((dict(parameters), state))
        close = {name: without_derivative(spiking(name)) for name in drawn_sources(self.layout)}
        part = lambda path: split(path, self.numbers)[0]
        return {path: close[part(path)](x) if part(path) in close else x for path, x in parameters.items()}, state

    def _spike_times(
        self,
        layout: Layout,
        drawn: Drawn,
        constants: Any,
        state: SimulationState,
        steps: int,
        chosen: SpikeTimes,
        delays: Mapping[str, Any],
    ) -> tuple[SimulationState, dict[str, dict[str, Any]]]:
        from ranvier.network import spike_times

        spike_times.check_start(state)
        outside = layout.outside(drawn)
        make = lambda constants: Stepper(layout.plan, constants, layout.integrator, PACKED and not layout.integrator.by_name, outside)
        entered = jax.tree.map(jnp.asarray, make(constants).enter(state))
        wiring, numbers = spike_times.wired(self.network, layout, drawn, constants, self.dt, delays)
        most = max(chosen.most, wiring.given)
        times, counts, final = spike_times.spike_times(make, constants, entered, numbers, wiring, steps, self.dt, most)
        recorded = {
            p.name: {"times": times[p.first : p.first + p.n, : chosen.most], "counts": counts[p.first : p.first + p.n]}
            for p in layout.plan.populations
        }
        return make(constants).leave(final), recorded

    def _layout_for(self, drawn: Drawn, given: Mapping[str, Any]) -> Layout:
        """The layout; where kinetics are given apart, projections that share their states get states of their own."""
        apart = frozenset(split(path, self.numbers)[0] for path in given if self._is_kinetics(path))
        shared = {user.name for r in self.layout.receptors if len(r.users) > 1 for user in r.users}
        apart &= shared
        if not apart:
            return self.layout
        if not hasattr(self, "_apart"):
            self._apart: dict[frozenset[str], Layout] = {}
        if apart not in self._apart:
            self._apart[apart] = self._laid_out(drawn, apart)
        return self._apart[apart]

    def _is_kinetics(self, path: str) -> bool:
        """Whether it is a parameter of a synapse, which projections that share their states have in common."""
        name, within = split(path, self.numbers)
        return (
            not isinstance(self.numbers[name], PopulationNumbers)
            and within not in ("weight", "delay", "rate", "sources")
            and not within.startswith(("short_term_plasticity.", "plasticity.", "release."))
        )

    def _without_kinetics_as_they_are(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """What is given, but for kinetics that are plain numbers and what the network has: they take nothing apart."""

        def as_it_is(path: str, value: Any) -> bool:
            if isinstance(value, jax.core.Tracer) or not self._is_kinetics(path):
                return False
            name, within = split(path, self.numbers)
            known = dict(paths_of(self.numbers[name])).get(within)
            plain = isinstance(known, int | float | np.generic | np.ndarray)
            return plain and np.array_equal(np.asarray(value, self._dtype), np.asarray(known, self._dtype))

        return {path: value for path, value in given.items() if not as_it_is(path, value)}

    def _substituted(self, drawn: Drawn, given: Mapping[str, Any]) -> Drawn:
        """The drawn network with numbers that may be traced in the place of its own."""
        populations, projections, inputs = dict(drawn.populations), dict(drawn.projections), dict(drawn.inputs)
        numbers = dict(drawn.numbers)
        by_part: dict[str, dict[str, Any]] = {}
        for path, value in given.items():
            name, within = split(path, self.numbers)
            if is_setting(self.numbers[name], within):
                raise UnsupportedError(
                    f"{path} has no derivative: it decides in which step something happens, or how often. "
                    "sim.run(parameters=…) takes it; sim.function takes what is in sim.parameters."
                )
            if is_start(self.numbers[name], within):
                raise UnsupportedError(
                    f"{path} says what runs begin with, and no step looks at it: the function takes a state. "
                    f"Give it that of sim.state(parameters={{{path!r}: …}}), or differentiate by the state."
                )
            if within == "weight" and getattr(self.numbers[name], "plasticity", None) is not None:
                raise UnsupportedError(
                    f"{path} says what the weights begin with; {name} learns, so they are state. "
                    f"Change them there: sim.state().synapses[{name!r}]['weight']."
                )
            by_part.setdefault(name, {})[within] = jnp.asarray(value)
            if name in populations:
                known, n = dict(paths_of(numbers[name]))[within], populations[name].n
                if np.shape(value) not in ((), (n,), np.shape(known)):
                    raise ParameterError(f"{path} has the shape {np.shape(value)}; it must be one number or ({n},), one a neuron.")
            elif within != "weight" and np.shape(value) and np.shape(value) != np.shape(self.parameters[path]):
                raise self._as_prepared({path: value})
        for name, values in by_part.items():
            if name in populations:
                own = populations[name]
                of_model = {k: v for k, v in values.items() if k != "current" and not k.startswith("current.")}
                stimulus = own.stimulus
                if "current" in values:
                    if not isinstance(stimulus, Constant):
                        raise UnsupportedError(
                            f"{name}.current is a {type(stimulus).__name__}; give its parameters, such as {name}.current.amplitude."
                        )
                    stimulus = stimulus.with_values({"amplitude": values["current"]})
                inner = {k.partition(".")[2]: v for k, v in values.items() if k.startswith("current.")}
                stimulus = with_parameters(stimulus, inner) if inner else stimulus
                populations[name] = dataclasses.replace(own, model=with_parameters(own.model, of_model), stimulus=stimulus)
                if stimulus is not own.stimulus:
                    numbers[name] = dataclasses.replace(numbers[name], current=stimulus)
            elif name in projections:
                projections[name] = _projection_with(projections[name], values)
            else:
                weight = values.pop("weight", inputs[name].weight)
                inputs[name] = dataclasses.replace(inputs[name], synapse=with_parameters(inputs[name].synapse, values), weight=weight)
        return Drawn(drawn.seed, drawn.dt, numbers, populations, projections, inputs)

    def explain(self) -> Explanation:
        """How it is computed; `rv.explain` prints it."""
        constants, _ = self.constants_of(self.drawn)
        of_parts = explained(self.network, self.layout, self.drawn, constants)
        stepper = Stepper(self.layout.plan, constants, self.layout.integrator, False, self.layout.outside(self.drawn))
        with self._inside():
            begins = stepper.with_memory(stepper.enter(self.layout.initial(self.drawn)))
        return dataclasses.replace(of_parts, why_not_native=loop.why_not_native(self.layout, constants, begins))

    def __repr__(self) -> str:
        n = sum(p.n for p in self.network.populations.values())
        return f"<Simulation of {n} neurons, dt = {self.dt:g} ms, {self.precision} precision>"


def _check_plain(path: str, value: Any) -> None:
    """Refuses what is no plain number: a function's numbers may be traced, so that nothing of them is converted."""
    wanted = "a number or an array of numbers"
    if units.is_quantity(value):
        raise doors.refusal(f"parameters[{path!r}]", value, wanted, "A function takes plain numbers, in the units that rv.describe names.")
    try:
        kind = None if value is None or isinstance(value, str | bytes) else jnp.asarray(value).dtype
    except (TypeError, ValueError):
        kind = None
    real = kind is not None and (jnp.issubdtype(kind, np.floating) or jnp.issubdtype(kind, np.integer))
    if not real:
        raise doors.refusal(f"parameters[{path!r}]", value, wanted)


def _projection_with(projection: Any, values: dict[str, Any]) -> Any:
    of_rules = {
        rule: {k.partition(".")[2]: v for k, v in values.items() if k.startswith(f"{rule}.")}
        for rule in ("short_term_plasticity", "plasticity", "release")
    }
    of_synapse = {k: v for k, v in values.items() if k != "weight" and k.partition(".")[0] not in of_rules}
    synapse = with_parameters(projection.synapse, of_synapse)
    if projection.site == "edge":
        changed = _one_an_edge(synapse, projection.edges, projection.edges.sorted_like)
        synapse = with_parameters(synapse, {name: value for name, _, value in parameters(changed) if name in of_synapse})
    changes: dict[str, Any] = {"synapse": synapse}
    short = "short_term" if projection.edge_rule is None else "edge_rule"
    for rule, field in (("short_term_plasticity", short), ("plasticity", "plasticity"), ("release", "release")):
        if of_rules[rule] and (field == "edge_rule" or rule == "release"):
            changes[field] = _of_edges(with_parameters(getattr(projection, field), of_rules[rule]), projection.part, "sorted_like")
        elif of_rules[rule]:
            changes[field] = with_parameters(getattr(projection, field), of_rules[rule])
    if "weight" in values:
        changes["part"] = dataclasses.replace(projection.part, weight=values["weight"])
        if projection.edges is not None:
            given = values["weight"]
            each = projection.edges.sorted_like(given) if jnp.ndim(given) == 1 else jnp.broadcast_to(given, (len(projection.edges),))
            changes["weight"] = each if projection.edges.values is None else each * projection.edges.values
    return dataclasses.replace(projection, **changes)


def drawn_weights(drawn: Drawn, name: str) -> np.ndarray:
    """The weights that a projection's edges multiply what their rule gives them by, in the order in which they are given; `[edges]`."""
    everything = draw_edges(drawn.projections[name].part)
    edges = everything.edges(range(everything.part.size))
    return edges.as_listed(everything.weights(dataclasses.replace(edges, values=None)))


def _of_edges(rule: Any, part: Any, sort: str) -> Any:
    """A rule with one value an edge, sorted: in the order in which edges are given, or by target, then source."""
    if rule is None or not any(np.ndim(value) for _, _, value in parameters(rule)):
        return rule
    edges = draw_edges(part).edges(range(part.size))
    return _one_an_edge(rule, edges, getattr(edges, sort))


def _one_an_edge(synapse: Any, edges: Any, sort: Callable[[Any], Any]) -> Any:
    """A synapse whose parameters with one value an edge are sorted."""
    if edges.listed is None:
        return synapse
    mine = {name: value for name, info, value in parameters(synapse) if info.per == "neuron" and np.shape(value) == (len(edges),)}
    return with_parameters(synapse, {name: sort(value) for name, value in mine.items()})


def _same(a: Any, b: Any) -> bool:
    """Whether two parts' numbers are one and the same."""
    for field in dataclasses.fields(a):
        mine, theirs = getattr(a, field.name), getattr(b, field.name)
        if field.name == "initial":
            if mine.keys() != theirs.keys() or any(mine[k] is not theirs[k] for k in mine):
                return False
        elif mine is not theirs:
            return False
    return True


# -- the way in -------------------------------------------------------------------------------------------


def prepare(
    network: Network | Population | NeuronModel,
    *,
    dt: Any = 0.01,
    current: Any = None,
    integrator: Integrator | Mapping[Any, Integrator] | None = None,
    record: Record | Sequence[Record] | None = None,
    seed: int = 0,
    precision: str = "double",
    progress: bool = False,
    spike_timing: str = "grid",
    devices: Any = None,
) -> Simulation:
    """Draws a network and lays it out, so that it can run many times: with other parameters, seeds and states nothing is compiled again.

    But for what is shared while its numbers are equal, and is then given apart: the kinetics of projections onto one receptor, and one
    stimulus of several populations. That compiles once more, once.

    Args:
        network, dt, current, integrator, record, seed, precision, spike_timing, devices: as of `rv.simulate`.
        progress: whether a bar shows how far a large network is built.

    Returns:
        A `Simulation`, with `run`, `function`, `state` and `parameters`.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: something cannot be.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.neurons.LeakyIntegrateAndFire(), current=300.0, dt=0.1)
        >>> len(sim.run(100.0).spikes), len(sim.run(100.0, parameters={"leaky_integrate_and_fire.refractory": 5.0}).spikes)
        (12, 7)
    """
    net, single = as_network(network, current, None)
    return made(
        net,
        checked_devices(devices),
        dt=doors.interval(dt, "dt"),
        integrators=by_population(net, integrator),
        records=checked_records(record, single),
        seed=doors.seed(seed),
        precision=checked_precision(precision),
        progress=doors.flag(progress, "progress"),
        spike_timing=doors.choice(spike_timing, "spike_timing", (GRID, INTERPOLATED)),
    )


def explain(network: Network | Population | NeuronModel | Simulation, **how: Any) -> Explanation:
    """How a network is computed: for each part the integrator and why, native or not and why, where its state lies, memory.

    Args:
        network: what `rv.prepare` takes, or what it made.
        how: further arguments of `rv.prepare`.

    Example:
        >>> import ranvier as rv
        >>> rv.explain(rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cells"))
        cells: 3 LeakyIntegrateAndFire, 96 B
          ExactLinear() (its equations are linear)
          native: one kernel takes the whole step
        in flight: nothing
        steps: native kernels, one after the other
        in all: 228 B
    """
    return (network if isinstance(network, Simulation) else prepare(network, **how)).explain()


def made(network: Network, devices: tuple[jax.Device, ...] | None, **how: Any) -> Simulation:
    """A network, prepared on one device or on several."""
    if devices is None or len(devices) == 1:
        return Simulation(network, device=None if devices is None else devices[0], **how)
    from ranvier.devices.simulation import SimulationOnDevices

    return SimulationOnDevices(network, devices=devices, **how)


_kept: collections.OrderedDict[Any, Simulation] = collections.OrderedDict()


def found_or_prepared(
    net: Network,
    *,
    dt: float,
    integrators: Mapping[str, Integrator | None],
    records: list[Record] | None,
    seed: int,
    precision: str,
    progress: bool = False,
    spike_timing: str = GRID,
    devices: tuple[jax.Device, ...] | None = None,
) -> Simulation:
    """A network, prepared; the same object that ran before, if it is small and unchanged, is not prepared anew."""
    key = (id(net), dt, precision, tuple(integrators.items()), spike_timing, devices, MERGE)
    kept = _kept.get(key)
    if kept is not None and kept.network is net and kept.matches(net):
        kept.records = records
        return kept
    sim = made(
        net,
        devices,
        dt=dt,
        integrators=integrators,
        records=records,
        seed=seed,
        precision=precision,
        progress=progress,
        spike_timing=spike_timing,
    )
    if sim.bytes <= KEPT_BYTES:
        _kept[key] = sim
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
    return sim
