"""`simulate`: runs a network, a population or a neuron."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ranvier import doors
from ranvier.integrators.base import Integrator
from ranvier.network.spec import Network, Population, Projection
from ranvier.network.state import SimulationState
from ranvier.neurons.base import NeuronModel
from ranvier.progress import ProgressCallback
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.stimuli.base import refuse_time_series
from ranvier.surroundings import inside
from ranvier.until import Moment, Until
from ranvier.watch import EVERY, Chunk


def simulate(
    network: Network | Population | NeuronModel,
    *,
    duration: Any,
    dt: Any = 0.01,
    current: Any = None,
    integrator: Integrator | Mapping[Any, Integrator] | None = None,
    record: Record | Sequence[Record] | None = None,
    initial: SimulationState | Result | Mapping[str, Any] | None = None,
    seed: int | None = None,
    precision: str = "double",
    progress: bool | ProgressCallback = False,
    until: Until | Callable[[Moment], Any] | None = None,
    watch: Callable[[Chunk], Any] | None = None,
    watch_every: Any = EVERY,
    store: Any = None,
    checkpoint_every: Any = None,
    overwrite: bool = False,
    check_disk: bool = True,
    spike_timing: str = "grid",
    devices: Any = None,
) -> Result:
    """Runs a network, a population or a single neuron.

    Args:
        network: what to run. A neuron model alone is a population as large as
            its `current` or parameters say (one neuron where they are numbers).
        duration: how long (ms).
        dt: the time step (ms).
        current: what is injected into a single population: a number, an array
            `[n]`, a function of t, or a stimulus. In a network each
            `Population` has its own.
        integrator: by default `ExactLinear()` for populations whose equations are linear,
            with synapses whose response is, and currents that do not change in time;
            `RungeKutta4()` for the others. One for all, or a mapping from populations
            (themselves or their names) to integrators.
        record: what to record. By default a single model or population records
            its variables and currents at every step, a network its spikes alone.
        initial: a `SimulationState` to go on from (its time goes on too), the `Result` that has it, or,
            for a single population, initial values by name.
        seed: the whole number that everything random comes from: 0, or that of the state in `initial`, when left out.
        precision: `"double"` or `"single"`.
        progress: True shows how far building, compiling and running are: a bar on a terminal or in a notebook, elsewhere
            a line every half minute. A function is called with a `ranvier.progress.Progress` instead, a few times a second.
        until: ends the run early: a function of a `Moment` (time, state, rates)
            that returns True, asked every 10 ms, or `rv.Until(function, every=…)`.
        watch: looks on: a function that is called with a `Chunk`, what is new (the spikes, what was recorded, the state), in the thread
            of the run. One that computes for long is called less often, with all that has come since, so that it takes no more than
            3 % of the run's time; one that waits makes the run wait. If it returns True the run ends there, as after a Ctrl-C: a store
            can be resumed.
        watch_every: about how often it is called (s).
        store: a folder that spikes and records are written to while the run
            goes on, such as `"run.zarr"`; memory then does not grow with the
            duration, and `rv.resume` goes on after whatever stops the run.
        checkpoint_every: the simulated time between two places in the store to go on from (ms), by
            default what takes half a minute; the beginning, the end and a Ctrl-C always make one.
        overwrite: replaces a store that is there.
        check_disk: refuses a run whose store may not fit on the disk.
        spike_timing: `"grid"`, or `"interpolated"` for models with a reset whose spikes go nowhere: the threshold is crossed, the
            neuron reset and its refractory period begun within the step, so that spike times are of second order in `dt`.
        devices: where it is computed: by default on the device that JAX takes; `"cpu"`, `"gpu"` or `"tpu"`, a number of
            devices, or a list of JAX's. On several each has an equal share of every population, with the same spikes.

    Returns:
        A `Result`. Record rows are the state at `t_k = k·dt`; the first is the
        initial state, the last the state at the end.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: before anything runs.
        StoreError: the store cannot be made (before anything runs) or written.
        SimulationDiverged: the state became NaN or absurdly large; it carries
            what was recorded until then.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, start=20, stop=80), duration=100.0)
        >>> run.spikes.times.round(2)
        array([21.89, 36.82, 51.47, 66.1 , 80.91])
    """
    # The engine is loaded when it first runs, so that importing Ranvier stays quick.
    from ranvier.given import as_network, check_run, checked_initial, checked_precision, checked_records, seed_of
    from ranvier.network.choice import by_population
    from ranvier.simulation import GRID, INTERPOLATED, checked_devices, found_or_prepared

    dt = doors.interval(dt, "dt")
    check_run(duration, dt, progress, until, store, checkpoint_every, overwrite, check_disk, watch, watch_every)
    if isinstance(network, NeuronModel):
        refuse_time_series(current, round(doors.duration(duration, "duration") / dt))
    net, single = as_network(network, current, initial)
    given = None if isinstance(initial, Mapping) else checked_initial(initial)
    sim = found_or_prepared(
        net,
        dt=dt,
        integrators=by_population(net, integrator),
        records=checked_records(record, single),
        seed=seed_of(seed, given, 0),
        precision=checked_precision(precision),
        progress=progress is True,
        spike_timing=doors.choice(spike_timing, "spike_timing", (GRID, INTERPOLATED)),
        devices=checked_devices(devices),
    )
    return sim.run(
        duration,
        seed=seed_of(seed, given, 0),
        initial=given,
        progress=progress,
        until=until,
        watch=watch,
        watch_every=watch_every,
        store=store,
        checkpoint_every=checkpoint_every,
        overwrite=overwrite,
        check_disk=check_disk,
    )


def recordable(part: NeuronModel | Population | Projection) -> list[str]:
    """The names of everything that can be recorded of a neuron model, a population or a projection.

    Example:
        >>> import ranvier as rv
        >>> recordable(rv.neurons.Passive())
        ['V', 'injected_current', 'last_spike', 'synaptic_conductance', 'synaptic_current']
    """
    from ranvier.given import as_network
    from ranvier.network.choice import by_population
    from ranvier.simulation import Simulation

    doors.instance(part, "part", (NeuronModel, Population, Projection), "rv.neurons.HodgkinHuxley()")
    if isinstance(part, Projection):
        net = Network(*{id(p): p for p in (*part.sources, *part.targets)}.values(), part)
        name = net.name_of(part)
    else:
        net, _ = as_network(part, None, None)
        name = next(iter(net.populations))
    sim = Simulation(net, dt=0.01, integrators=by_population(net, None), records=[], seed=0, precision="double")
    with inside():
        return sorted(sim.readable.shapes(name))
