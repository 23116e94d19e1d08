"""What `simulate`, `prepare` and `sim.run` take, checked before anything is drawn."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, warn
from ranvier.kernels.dispatch import has_double_precision
from ranvier.model import parameters
from ranvier.network.spec import Network, Population
from ranvier.network.state import SimulationState
from ranvier.neurons.base import NeuronModel
from ranvier.progress import ProgressBar, ProgressCallback
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.steps import in_steps
from ranvier.stimuli.base import as_stimulus, plain
from ranvier.surroundings import require_platform
from ranvier.until import Until
from ranvier.watch import Watching


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
        if current is not None:
            current = as_stimulus(current)
            sizes |= {
                len(values) for _, info, value in parameters(current) if info.per == "neuron" and np.ndim(values := plain(value)) == 1
            }
        if len(sizes) > 1:
            raise ParameterError(
                f"The model's parameters and its current have {' and '.join(map(str, sorted(sizes)))} values: "
                "say how many neurons there are with rv.Population(n, model). "
                "A current that changes in time is rv.stimuli.Sampled(values, every=dt)."
            )
        network = Population(sizes.pop() if sizes else 1, network)
    elif not isinstance(network, Population):
        doors.instance(network, "network", (Network, Population, NeuronModel), "rv.neurons.HodgkinHuxley()")
    if current is not None and network.current is not None:
        raise ParameterError("The population has a current already; give it in one place.")
    values = {**network.initial, **(initial if isinstance(initial, Mapping) else {})}
    driven = Population(
        network.n, network.model, initial=values, current=network.current if current is None else current, name=network.name
    )
    return Network(driven, stands_for={driven: network}), True


def checked_precision(precision: Any) -> str:
    """`"double"` or `"single"`; single where the platform has no other, which is said once."""
    chosen = doors.choice(precision, "precision", ("double", "single"))
    require_platform()
    if chosen == "double" and not has_double_precision():
        warn_of_single_precision()
        return "single"
    return chosen


@functools.cache
def warn_of_single_precision() -> None:
    """Says, once in a process, that a TPU computes in single precision."""
    warn(
        "A TPU has no double precision: the network runs as with precision='single' (what must be double, such as times, XLA "
        "computes there with pairs of single numbers). "
        "precision='single' says so and is silent; JAX_PLATFORMS=cpu computes in double precision."
    )


def checked_records(record: Any, single: bool) -> list[Record] | None:
    """What is recorded; None for everything of a single population."""
    if record is None:
        return None if single else []
    return doors.instances(record, "record", Record, "rv.Record(population, 'V')")


def checked_initial(initial: Any) -> SimulationState | None:
    """A state to go on from; of a result, its own.

    Raises:
        ParameterError: it is something else.
    """
    if initial is None:
        return None
    if isinstance(initial, Result):
        return initial.state
    if isinstance(initial, SimulationState):
        initial.check_one("initial")
        return initial
    raise ParameterError(
        f"initial is {doors.said(initial)}; it takes a state to go on from (run.state, rv.SimulationState.load(file)) "
        "or, for a single population, a mapping of initial values: initial={'V': -60.0}."
    )


def checked_progress(progress: Any) -> ProgressCallback | None:
    """What shows how far a run is."""
    if callable(progress) and not isinstance(progress, type):
        return progress
    if not isinstance(progress, bool | np.bool_):
        raise doors.refusal("progress", progress, "True, False, or a function that is called with rv.Progress")
    return ProgressBar() if progress else None


def checked_until(until: Any) -> Until | None:
    """A stop condition."""
    if until is None or isinstance(until, Until):
        return until
    return Until(doors.function(until, "until", "lambda now: now.rates['exc'] > 50"))


def checked_watch(watch: Any, watch_every: Any, dt: float) -> Watching | None:
    """What looks on, about every so many seconds."""
    every = doors.number(watch_every, "watch_every", low=0.0, above=True, unit="s")
    if watch is None:
        return None
    return Watching(doors.function(watch, "watch", "lambda chunk: print(chunk.time, len(chunk.steps))"), every, dt)


def seed_of(seed: int | None, initial: SimulationState | None, default: int) -> int:
    """The seed of a run: that of the state it goes on from.

    Raises:
        ParameterError: another one was given.
    """
    given = None if seed is None else doors.seed(seed)
    if initial is None:
        return default if given is None else given
    own = initial.seed_number
    if given is not None and given != own:
        raise ParameterError(
            f"The state was made with the seed {own}, and seed={given} would draw another network. Leave out seed; "
            f"or, if that is what you want, go on from initial=state.with_seed({given})."
        )
    return own


def check_run(
    duration: Any,
    dt: float,
    progress: Any,
    until: Any,
    store: Any,
    checkpoint_every: Any,
    overwrite: Any,
    check_disk: Any,
    watch: Any = None,
    watch_every: Any = 1.0,
) -> None:
    """Refuses arguments of a run that cannot be, before anything is drawn.

    Raises:
        ParameterError: naming the first.
    """
    in_steps(doors.duration(duration, "duration"), dt, "duration")
    checked_progress(progress)
    checked_until(until)
    checked_watch(watch, watch_every, dt)
    doors.flag(overwrite, "overwrite")
    doors.flag(check_disk, "check_disk")
    if store is not None:
        doors.path(store, "store")
    if checkpoint_every is not None:
        doors.interval(checkpoint_every, "checkpoint_every")


def store_place(store: Any, checkpoint_every: Any, overwrite: bool) -> tuple[Path | None, float | None]:
    """Where the store goes and how often it gets a checkpoint (ms), checked."""
    overwrite = doors.flag(overwrite, "overwrite")
    every = None if checkpoint_every is None else doors.interval(checkpoint_every, "checkpoint_every")
    if store is None:
        for name, given in (("checkpoint_every", checkpoint_every is not None), ("overwrite", overwrite)):
            if given:
                raise ParameterError(f"{name} is for a run with a store. Write simulate(…, store='run.zarr', {name}=…).")
        return None, None
    from ranvier.store.layout import make_room
    from ranvier.store.reader import as_path

    place = as_path(store)
    make_room(place, overwrite)
    return place, every
