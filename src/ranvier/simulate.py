"""`simulate`: runs a network, a population or a neuron."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from ranvier import units
from ranvier.errors import ParameterError, unknown
from ranvier.integrators.base import Integrator
from ranvier.model import Model, parameters
from ranvier.network.build import build
from ranvier.network.choice import by_population, chosen
from ranvier.network.plan import Built
from ranvier.network.spec import Network, Population, Projection
from ranvier.network.state import SimulationState
from ranvier.neurons.base import NeuronModel
from ranvier.progress import ProgressBar, ProgressCallback
from ranvier.record.memory import MemorySink
from ranvier.record.plan import everything, shapes
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.run import Run, Sink
from ranvier.steps import in_steps
from ranvier.until import Moment, Until


def simulate(
    network: Network | Population | NeuronModel,
    *,
    duration: Any,
    dt: Any = 0.01,
    current: Any = None,
    integrator: Integrator | Mapping[Any, Integrator] | None = None,
    record: Record | Sequence[Record] | None = None,
    initial: SimulationState | Mapping[str, Any] | None = None,
    seed: int = 0,
    precision: str = "double",
    progress: bool | ProgressCallback = False,
    until: Until | Callable[[Moment], Any] | None = None,
    store: Any = None,
    checkpoint_every: Any = None,
    overwrite: bool = False,
    check_disk: bool = True,
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
        initial: a `SimulationState` to go on from (its time goes on too), or,
            for a single population, initial values by name.
        seed: the whole number that everything random comes from.
        precision: `"double"` or `"single"`.
        progress: True shows a bar on a terminal; a function is called with `Progress`.
        until: ends the run early: a function of a `Moment` (time, state, rates)
            that returns True, asked every 10 ms, or `rv.Until(function, every=…)`.
        store: a folder that spikes and records are written to while the run
            goes on, such as `"run.zarr"`; memory then does not grow with the
            duration, and `rv.resume` goes on after whatever stops the run.
        checkpoint_every: the simulated time between two places in the store to go on from (ms), by
            default what takes half a minute; the beginning, the end and a Ctrl-C always make one.
        overwrite: replaces a store that is there.
        check_disk: refuses a run whose store may not fit on the disk.

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
    net, single = as_network(network, current, initial)
    duration = checked_time(duration, "duration", allow_zero=True)
    dt = checked_time(dt, "dt")
    integrators = by_population(net, integrator)
    if precision not in ("double", "single"):
        raise unknown("precision", precision, ("double", "single"))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ParameterError(f"seed must be a whole number of at least 0, not {seed!r}.")
    until = until if until is None or isinstance(until, Until) else Until(until)
    place, every = _store_place(store, checkpoint_every, overwrite)
    began = time.perf_counter()

    def sink(run: Run) -> Sink:
        if place is None:
            return MemorySink(run.plan)
        from ranvier.store.start import start

        return start(run, place, records, integrators, checkpoint_every=every, overwrite=overwrite, fits=check_disk)

    with jax.enable_x64(True):
        built, method = prepared(net, integrators, dt, int(seed), precision)
        if record is None:
            records = [everything(built, next(iter(net.populations)))] if single else []
        else:
            records = [record] if isinstance(record, Record) else list(record)
        run = Run(
            net,
            built,
            initial=initial if isinstance(initial, SimulationState) else None,
            duration_steps=int(in_steps(duration, dt, "The duration")),
            dt=dt,
            integrator=method,
            records=records,
            fixed_buffers=place is not None,
            sink=sink,
            until=until,
            info={"dt": dt, "integrator": type(method).__name__, "seed": int(seed), "precision": precision},
        )
        run.info["build_seconds"] = time.perf_counter() - began
        return run.execute(ProgressBar() if progress is True else progress or None)


def prepared(net: Network, integrators: Mapping[str, Integrator | None], dt: float, seed: int, precision: str) -> tuple[Built, Integrator]:
    """The network drawn and laid out, and the method that advances it. Call inside `jax.enable_x64(True)`."""
    built = build(net, dt=dt, seed=seed, dtype={"double": "float64", "single": "float32"}[precision], integrators=integrators)
    return chosen(built, integrators, dt)


def _store_place(store: Any, checkpoint_every: Any, overwrite: bool) -> tuple[Path | None, float | None]:
    """Where the store goes and how often it gets a checkpoint (ms), checked."""
    if store is None:
        for name, given in (("checkpoint_every", checkpoint_every is not None), ("overwrite", overwrite)):
            if given:
                raise ParameterError(f"{name} is for a run with a store. Write simulate(…, store='run.zarr', {name}=…).")
        return None, None
    from ranvier.store.layout import make_room

    place = Path(store)
    make_room(place, overwrite)
    return place, None if checkpoint_every is None else checked_time(checkpoint_every, "checkpoint_every")


def recordable(part: NeuronModel | Population | Projection) -> list[str]:
    """The names of everything that can be recorded of a neuron model, a population or a projection.

    Example:
        >>> import ranvier as rv
        >>> recordable(rv.neurons.Passive())
        ['V', 'injected_current', 'last_spike', 'synaptic_conductance', 'synaptic_current']
    """
    if isinstance(part, Projection):
        net = Network(*{id(p): p for p in (part.source, *part.targets)}.values(), part)
        name = net.name_of(part)
    else:
        net, _ = as_network(part, None, None)
        name = next(iter(net.populations))
    with jax.enable_x64(True):
        return sorted(shapes(build(net, dt=0.01, seed=0, dtype="float64"), name))


def checked_time(value: Any, what: str, allow_zero: bool = False) -> float:
    """A time (ms) that the user gave, as a positive number.

    Raises:
        ParameterError: it is none.
    """
    value = units.magnitude(value, "ms", what)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"{what} must be a number (ms), not {value!r}.") from None
    if not np.isfinite(number) or number < 0 or (number == 0 and not allow_zero):
        raise ParameterError(f"{what} is {number:g} ms, but it must be {'at least 0' if allow_zero else 'positive'} and finite.")
    return number


def as_network(network: Any, current: Any, initial: Any) -> tuple[Network, bool]:
    """The network to run, and whether it is a single population given on its own."""
    if isinstance(network, Network):
        if current is not None:
            raise ParameterError("A network takes no current; give it to the population: rv.Population(n, model, current=…).")
        if isinstance(initial, Mapping):
            raise ParameterError("In a network initial values belong to the population: rv.Population(n, model, initial={…}).")
        return network, False
    if isinstance(network, NeuronModel):
        sizes = {np.shape(value)[0] for _, info, value in parameters(network) if info.per == "neuron" and np.ndim(value) == 1}
        if current is not None and not callable(current) and np.ndim(getattr(current, "magnitude", current)) == 1:
            sizes.add(len(current))
        elif isinstance(current, Model):
            sizes |= {np.shape(value)[0] for _, info, value in parameters(current) if info.per == "neuron" and np.ndim(value) == 1}
        if len(sizes) > 1:
            raise ParameterError(
                f"The model's parameters and its current have {' and '.join(map(str, sorted(sizes)))} values: "
                "say how many neurons there are with rv.Population(n, model). "
                "A current that changes in time is rv.stimuli.Sampled(values, every=dt)."
            )
        network = Population(sizes.pop() if sizes else 1, network)
    elif not isinstance(network, Population):
        hint = f" Did you mean {network.__name__}()?" if isinstance(network, type) else ""
        raise ParameterError(f"simulate takes a network, a population or a neuron model, not {network!r}.{hint}")
    if current is not None and network.current is not None:
        raise ParameterError("The population has a current already; give it in one place.")
    values = {**network.initial, **(initial if isinstance(initial, Mapping) else {})}
    driven = Population(
        network.n, network.model, initial=values, current=network.current if current is None else current, name=network.name
    )
    return Network(driven, stands_for={driven: network}), True
