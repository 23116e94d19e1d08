"""`simulate`: runs a network, a population or a neuron."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ranvier import units
from ranvier.errors import ParameterError, unknown
from ranvier.integrators.base import Integrator
from ranvier.model import Model, parameters
from ranvier.network.build import build
from ranvier.network.choice import by_population, chosen
from ranvier.network.spec import Network, Population, Projection
from ranvier.network.state import SimulationState
from ranvier.neurons.base import NeuronModel
from ranvier.progress import ProgressBar, ProgressCallback
from ranvier.record.memory import MemoryRecorder, everything, shapes
from ranvier.record.record import Record
from ranvier.result import Result
from ranvier.run import Run
from ranvier.steps import in_steps


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

    Returns:
        A `Result`. Record rows are the state at `t_k = k·dt`; the first is the
        initial state, the last the state at the end.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: before anything runs.
        SimulationDiverged: the state became NaN or absurdly large; it carries
            what was recorded until then.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.neurons.HodgkinHuxley(), current=rv.stimuli.SquarePulse(10.0, start=20, stop=80), duration=100.0)
        >>> run.spikes.times.round(2)
        array([21.89, 36.82, 51.47, 66.1 , 80.91])
    """
    net, single = _as_network(network, current, initial)
    duration = _positive(duration, "duration", allow_zero=True)
    dt = _positive(dt, "dt")
    integrators = by_population(net, integrator)
    if precision not in ("double", "single"):
        raise unknown("precision", precision, ("double", "single"))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ParameterError(f"seed must be a whole number of at least 0, not {seed!r}.")
    began = time.perf_counter()
    with jax.enable_x64(True):
        built = build(net, dt=dt, seed=int(seed), dtype={"double": "float64", "single": "float32"}[precision], integrators=integrators)
        built, method = chosen(built, integrators, dt)
        if record is None:
            records = [everything(built, next(iter(net.populations)))] if single else []
        else:
            records = [record] if isinstance(record, Record) else list(record)
        run = Run(
            net,
            built,
            initial=initial if isinstance(initial, SimulationState) else None,
            steps=int(in_steps(duration, dt, "The duration")),
            dt=dt,
            integrator=method,
            recorder=lambda k0, k1: MemoryRecorder(net, built, records, k0, k1, dt),
            info={"dt": dt, "integrator": type(method).__name__, "seed": int(seed), "precision": precision},
        )
        run.info["build_seconds"] = time.perf_counter() - began
        return run.execute(ProgressBar() if progress is True else progress or None)


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
        net, _ = _as_network(part, None, None)
        name = next(iter(net.populations))
    with jax.enable_x64(True):
        return sorted(shapes(build(net, dt=0.01, seed=0, dtype="float64"), name))


def _positive(value: Any, what: str, allow_zero: bool = False) -> float:
    value = units.magnitude(value, "ms", what)
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"{what} must be a number (ms), not {value!r}.") from None
    if not np.isfinite(number) or number < 0 or (number == 0 and not allow_zero):
        raise ParameterError(f"{what} is {number:g} ms, but it must be {'at least 0' if allow_zero else 'positive'} and finite.")
    return number


def _as_network(network: Any, current: Any, initial: Any) -> tuple[Network, bool]:
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
