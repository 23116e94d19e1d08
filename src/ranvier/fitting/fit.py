"""`fit`: parameters with which a network does what data show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, SimulationDiverged, UnsupportedError
from ranvier.fitting.evolution import CMAES
from ranvier.fitting.gradient import Gradient, is_optimizer
from ranvier.fitting.least_squares import LevenbergMarquardt
from ranvier.fitting.method import Method
from ranvier.fitting.problem import FORWARD_UP_TO, Compared, Problem
from ranvier.fitting.progress import FitCallback, Told, checked_progress
from ranvier.fitting.result import Fit
from ranvier.fitting.search import Space, space_of
from ranvier.given import checked_initial
from ranvier.losses.base import Loss, Window
from ranvier.losses.sum import Sum, as_sum
from ranvier.losses.voltage import Voltage
from ranvier.memory import require_memory
from ranvier.network.scan import checked_memory
from ranvier.network.state import SimulationState
from ranvier.network.surrogate import acting, reason
from ranvier.network.surrogate.closed import CHOICES
from ranvier.simulation import Simulation
from ranvier.surrogates import FixedSpikes, SpikeDerivative, SpikeTimes, Surrogate
from ranvier.surroundings import inside


def fit(
    sim: Simulation,
    data: Any,
    parameters: Sequence[str] | Mapping[str, tuple[float, float] | None],
    loss: Loss | Sum | None = None,
    *,
    method: Any = None,
    iterations: int | None = None,
    start: Fit | Mapping[str, Any] | None = None,
    starts: int = 1,
    initial: Any = None,
    surrogate: SpikeDerivative | None = None,
    gradient_memory: str | int = "root",
    seed: int = 0,
    progress: bool | FitCallback = False,
) -> Fit:
    """Searches parameters with which a prepared network does what data show.

    Args:
        sim: the network, prepared; its numbers are where the search starts.
        data: what the loss compares with: for `rv.losses.Voltage` a `DataArray` with times (ms), `(times, values)` or a run,
            one trace for each neuron of the part. Where losses are of several parts, a run, or `{part: data}`.
        parameters: what is searched: paths, or a mapping from paths to ranges `(low, high)`, within the bounds of the model's
            field, which count where None is given. A search never leaves a range nor reaches its ends.
        loss: how far a run is from the data, or a sum of losses; `rv.losses.Voltage()` when left out.
        method: an optimiser of optax, which goes along the gradient; `rv.fitting.LevenbergMarquardt()` for a mean of squares;
            or `rv.fitting.CMAES()`, which needs no gradient. When left out: for a mean of squares of at most 16 numbers the second, else
            Adam, and where there is no gradient CMA-ES.
        iterations: how many at most; the method's own number when left out.
        start: where the search starts, if not from the prepared numbers: parameters by path, or a fit, whose best are refined.
        starts: from how many places it searches at once: that one, and others drawn within the ranges (about the first, where a
            range has no end).
        initial: a state or a run to begin from, if not the network's own start. All runs of the fit begin in the same state.
        surrogate: what stands in for the derivative of a spike, such as `rv.surrogates.FastSigmoid()`: with it losses of spikes
            have a gradient. With `rv.surrogates.SpikeTimes()` that of `rv.losses.SpikeTimes()` is exact.
        gradient_memory: as of `sim.function`; for more than 16 numbers, whose gradient is computed backwards.
        seed: of the other starts, and of CMA-ES.
        progress: whether the loss, its curve and the time left are shown; or a function that is called with `rv.fitting.FitProgress`.

    Returns:
        A `Fit`, with `parameters`, `loss`, `losses`, `uncertainty`, `run()` and `plot()`.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: before anything runs, where something cannot be.
        SimulationDiverged: the loss is not a number at any place that was tried.

    Example:
        >>> import ranvier as rv
        >>> sim = rv.prepare(rv.Population(1, rv.neurons.Passive(), current=1.0, name="cell"), dt=0.1)
        >>> data = sim.run(50.0, parameters={"cell.leak": 0.2, "cell.capacitance": 1.5}).V
        >>> found = rv.fit(sim, data, {"cell.leak": (0.05, 1.0), "cell.capacitance": (0.5, 5.0)})
        >>> {path: round(value, 3) for path, value in found.parameters.items()}
        {'cell.leak': 0.2, 'cell.capacitance': 1.5}
    """
    doors.instance(sim, "sim", Simulation, "rv.prepare(net, dt=0.1)")
    losses = as_sum(Voltage() if loss is None else loss).terms
    starts, seed = doors.count(starts, "starts", low=1), doors.seed(seed)
    memory, callback = checked_memory(gradient_memory), checked_progress(progress)
    iterations = None if iterations is None else doors.count(iterations, "iterations", low=1)
    begin = checked_initial(initial)
    if surrogate is not None:
        doors.instance(surrogate, "surrogate", (Surrogate, SpikeTimes, FixedSpikes), "rv.surrogates.FastSigmoid()")
    with inside():
        space = space_of(sim, parameters, checked_start(start))
        method = checked_method(method, [own for _, own in losses], space, surrogate, acting(sim.layout))
        state = sim.state() if begin is None else _of(sim, begin)
        terms = []
        for factor, own in losses:
            part = own.part_of(sim.network.populations)
            window = Window(part, sim.drawn.populations[part].n, sim.dt, int(state.step))
            by_part = isinstance(data, Mapping) and (part in data or not own.data_by_name)
            if by_part and part not in data:
                raise ParameterError(f"data is of {', '.join(map(str, data)) or 'nothing'}, and {part} is compared: give {{{part!r}: …}}.")
            given = data[part] if by_part else data
            terms.append(Compared(factor, own, own.target(given, window), part))
            if own.by_times and isinstance(surrogate, SpikeTimes) and (most := terms[-1].target.numbers["times"].shape[1]) > surrogate.most:
                raise ParameterError(
                    f"surrogate=SpikeTimes(most={surrogate.most}) keeps fewer spikes of a neuron than the data of {part} have, {most}: "
                    f"of a run with more nothing is known. Give it a few more than that, SpikeTimes(most={most + 4})."
                )
        problem = Problem.of(sim, space, tuple(terms), state, surrogate, gradient_memory=memory)
        require_memory(
            starts * problem.bytes,
            f"A fit of data that last {problem.steps * sim.dt:g} ms, of {problem.steps} steps,",
            "Fit a shorter stretch, or fewer starts at once.",
        )
        return searched(problem, method, iterations, starts, seed, callback)


def checked_start(start: Any) -> Mapping[str, Any]:
    """The parameters that a search starts from, by path."""
    if start is None:
        return {}
    if hasattr(start, "parameters") and isinstance(start.parameters, Mapping):
        return start.parameters
    if not isinstance(start, Mapping):
        raise doors.refusal("start", start, "a mapping from paths to numbers, such as {'cell.tau': 12.0}, or a fit")
    return start


def _of(sim: Simulation, state: SimulationState) -> SimulationState:
    if set(state.neurons) != set(sim.network.populations):
        raise ParameterError(f"initial is a state of {', '.join(state.neurons)}, but the network has {', '.join(sim.network.populations)}.")
    return state


def searched(problem: Problem, method: Method, iterations: int | None, starts: int, seed: int, callback: FitCallback | None) -> Fit:
    """Searches, when all is checked."""
    iterations = iterations or method.iterations
    found = method.search(problem, problem.space.starts(starts, seed), iterations, seed, Told(callback, iterations))
    if not np.isfinite(found.losses).any():
        raise SimulationDiverged(
            "The loss was not a number at any place that the fit tried: its runs diverge, or the data cannot be compared. "
            "See sim.run() with the prepared numbers; give narrower ranges, or a shorter dt"
            + (
                "; or surrogate=SpikeTimes(most=…) with more spikes, as of a run with more nothing is known."
                if problem.exact_times
                else "."
            )
        )
    return Fit(problem, found, str(method))


EXAMPLES = "an optimiser of optax, such as optax.adam(0.1), rv.fitting.LevenbergMarquardt(), or rv.fitting.CMAES()"


def checked_method(method: Any, losses: Sequence[Loss], space: Space, surrogate: SpikeDerivative | None, spikes: str | None) -> Method:
    """How it is searched: what the user gave, else what suits the losses.

    Raises:
        ParameterError: it is something else.
        UnsupportedError: it needs a gradient that does not exist, or a package that is not installed.
    """
    why = no_gradient(losses, space, surrogate, spikes)
    other = next((type(loss).__name__ for loss in losses if not loss.mean_square), None)
    if method is None:
        if why is not None:
            return CMAES()
        return LevenbergMarquardt() if other is None and space.size <= FORWARD_UP_TO else Gradient()
    method = Gradient(method) if is_optimizer(method) else method
    if isinstance(method, type) or not callable(getattr(method, "search", None)):
        raise doors.refusal("method", method, EXAMPLES)
    if method.needs and why is not None:
        raise UnsupportedError(f"{why}. Leave out method, or give rv.fitting.CMAES(), which needs no derivative.")
    if method.needs == "residuals" and other is not None:
        raise UnsupportedError(f"{method} needs a loss that is a mean of squares, and {other} is none. Leave out method.")
    return method


def no_gradient(losses: Sequence[Loss], space: Space, surrogate: SpikeDerivative | None, spikes: str | None) -> str | None:
    """Why a fit has no gradient, if it has none; `spikes` is a population whose spikes act."""
    settings = [s.path for s in space.searched if not s.smooth]
    if settings:
        have, decide = ("has", "it decides") if len(settings) == 1 else ("have", "they decide")
        return f"{' and '.join(settings)} {have} no derivative: {decide} in which step something happens, or how often"
    for loss in losses:
        name = type(loss).__name__
        if loss.by_times and not isinstance(surrogate, SpikeTimes):
            return f"{name} has a derivative only with surrogate=rv.surrogates.SpikeTimes()"
        if isinstance(surrogate, SpikeTimes) and not loss.by_times:
            return (
                f"{name} has no derivative with surrogate=SpikeTimes(), which gives spike times and nothing else: rv.losses.SpikeTimes(). "
                "For others a surrogate can stand in: surrogate=rv.surrogates.FastSigmoid()"
            )
        if loss.by_spikes and not isinstance(surrogate, Surrogate | SpikeTimes):
            return (
                f"{name} has no derivative: it sees nothing but in which steps there are spikes. "
                "A surrogate can stand in: surrogate=rv.surrogates.FastSigmoid()"
            )
        if loss.by_steps:
            return f"{name} has no derivative: it counts spikes that are near enough"
        if loss.on_host:
            return f"{name} has no derivative"
    if surrogate is None and spikes is not None:
        return f"{reason(spikes)}. {CHOICES.removesuffix('.')}"
    return None
