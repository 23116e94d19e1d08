"""Spike trains made by themselves: to drive a network (`rv.neurons.SpikeTimes.of_trains(spikes.trains)`), or to test a measure.

Each function returns `Spikes`, as a run does. Times are rounded down to steps of `dt`; two spikes of a neuron in one step are one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.memory import require_memory
from ranvier.model import Model
from ranvier.result import Spikes
from ranvier.steps import in_steps

DT = 0.1  # ms


def _rate(value: Any, what: str) -> Any:
    """A rate (Hz), or one for each train."""
    return doors.numbers(value, what, rank=(0, 1), low=0.0, unit="Hz", example="20.0")


def _rate_or_function(value: Any, what: str) -> Any:
    """A rate (Hz), one for each train, or a function of the time (ms)."""
    return value if callable(value) and not isinstance(value, type | Model) else _rate(value, what)


def _list_of_trains(value: Any, what: str) -> list[np.ndarray]:
    """The times of the spikes of each neuron (ms)."""
    if not isinstance(value, list | tuple | np.ndarray) or np.ma.isMaskedArray(value):
        raise doors.refusal(what, value, "a list of spike trains (ms), one a neuron, such as [[1.0, 7.0], [], [5.0]]")
    if isinstance(value, np.ndarray):
        return list(doors.numbers(value, what, rank=2, low=0.0, unit="ms", example="[[1.0, 7.0], [], [5.0]]"))
    return [np.atleast_1d(doors.numbers(train, f"{what}[{i}]", rank=(0, 1), low=0.0, unit="ms")) for i, train in enumerate(value)]


def _times(value: Any, what: str) -> np.ndarray:
    """The times of spikes (ms)."""
    return doors.numbers(value, what, low=0.0, unit="ms")


def _require_room(rates: np.ndarray, n: int, duration: float, dt: float) -> None:
    """Refuses trains whose spikes would not fit, or whose steps cannot be counted."""
    in_steps(duration - duration % dt, dt, "duration")
    expected = float(np.max(rates, initial=0.0)) / 1000.0 * duration * n
    require_memory(
        64.0 * expected,
        f"Trains (rate, correlation, n, duration): a rate of {np.max(rates, initial=0.0):g} Hz for a duration of {duration:g} ms (n = {n})",
        "Take fewer, shorter or slower ones.",
    )


@doors.checked(
    rate=_rate_or_function, duration=doors.duration, n=doors.at_least(0), refractory=doors.duration, seed=doors.seed, dt=doors.interval
)
def poisson_trains(rate: Any, *, duration: float, n: int = 1, refractory: float = 0.0, seed: int = 0, dt: float = DT) -> Spikes:
    """Poisson processes, with a constant rate or one that changes in time, with or without refractoriness.

    Args:
        rate: the mean rate (Hz): a number, one a neuron `[n]`, or a function of the time (ms, an array) for all.
            With refractoriness it is the rate that comes out: the hazard is rate / (1 − rate·refractory).
        duration: how long (ms).
        n: how many trains.
        refractory: how long after a spike there is none (ms).
        seed: of the random numbers.
        dt: the time step that times are rounded down to (ms).

    Raises:
        ParameterError: a rate that is negative, or too high for the refractoriness.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.poisson_trains(50.0, duration=20_000.0, n=100, refractory=5.0, seed=1)
        >>> bool(abs(trains.rate.mean() - 50) < 1), bool(rv.analysis.intervals(trains)[0].min() > 4.8)
        (True, True)
        >>> wave = rv.analysis.poisson_trains(lambda t: 20 + 20 * np.sin(t / 50), duration=10_000.0, n=10)
        >>> bool(abs(wave.rate.mean() - 20) < 2)
        True
    """
    random = np.random.default_rng(seed)
    if not callable(rate):
        _require_room(rate, n, duration, dt)
        hazard = _hazard(_rates(rate, n), refractory)
        mean = np.divide(1000.0, hazard, out=np.full(n, np.inf), where=hazard > 0)
        return _renewal(lambda k: refractory + mean[:, None] * random.exponential(size=(n, k)), mean + refractory, duration, dt, n)
    steps = int(in_steps(duration, dt, "duration"))
    require_memory(32.0 * steps, f"A rate over a duration of {steps} steps of dt = {dt:g} ms", "Take a longer dt.")
    rates = np.broadcast_to(np.asarray(rate((np.arange(steps) + 0.5) * dt), float), steps)
    hazard = _hazard(rates, refractory)
    if refractory == 0.0:
        passed = np.append(0.0, np.cumsum(hazard * dt / 1000.0))  # in it, spikes come at rate 1
        unit = _renewal(lambda k: random.exponential(size=(n, k)), np.ones(n), passed[-1], None, n)
        times = np.interp(unit[0], passed, np.arange(steps + 1) * dt)
        return from_times(times, unit[1], n=n, duration=duration, dt=dt)
    chance = -np.expm1(-hazard * dt / 1000.0)
    free = np.zeros(n)
    found = []
    for k in range(steps):
        fired = np.flatnonzero((random.random(n) < chance[k]) & (free <= k * dt))
        if len(fired):
            free[fired] = k * dt + refractory
            found.append((np.full(len(fired), k), fired))
    if not found:
        return from_times([], [], n=n, duration=duration, dt=dt)
    steps_of_spikes, neurons = (np.concatenate(part) for part in zip(*found, strict=True))
    return _spikes(steps_of_spikes, neurons, n, duration, dt)


@doors.checked(rate=_rate, shape=doors.positive, duration=doors.duration, n=doors.at_least(0), seed=doors.seed, dt=doors.interval)
def gamma_trains(rate: Any, shape: float, *, duration: float, n: int = 1, seed: int = 0, dt: float = DT) -> Spikes:
    """Renewal processes whose intervals have a gamma distribution: more regular than Poisson for a `shape` above 1, burstier below.

    The coefficient of variation is 1/√shape.

    Args:
        rate: the mean rate (Hz), a number or one a neuron `[n]`.
        shape: of the distribution; 1 is a Poisson process.
        duration, n, seed, dt: as for `poisson_trains`.

    Raises:
        ParameterError: a rate that is negative, or a shape that is not positive.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.gamma_trains(20.0, 4.0, duration=100_000.0, n=10, seed=1)
        >>> float(rv.analysis.coefficient_of_variation(trains).mean().round(1))
        0.5
    """
    _require_room(rate, n, duration, dt)
    random = np.random.default_rng(seed)
    rates = _rates(rate, n)
    mean = np.divide(1000.0, rates, out=np.full(n, np.inf), where=rates > 0)
    return _renewal(lambda k: mean[:, None] * random.gamma(shape, 1 / shape, size=(n, k)), mean, duration, dt, n)


@doors.checked(
    rate=_rate, duration=doors.duration, n=doors.at_least(0), phase=doors.optional(doors.not_negative), seed=doors.seed, dt=doors.interval
)
def regular_trains(rate: Any, *, duration: float, n: int = 1, phase: float | None = None, seed: int = 0, dt: float = DT) -> Spikes:
    """Clocks.

    Args:
        rate: Hz, a number or one a neuron `[n]`.
        phase: when the first spike is, as a share of the interval, one for all; drawn for each when left out.
        duration, n, seed, dt: as for `poisson_trains`.

    Raises:
        ParameterError: a rate that is negative.

    Example:
        >>> import ranvier as rv
        >>> rv.analysis.regular_trains(100.0, duration=35.0, phase=0.5).times
        array([ 5., 15., 25.])
    """
    _require_room(rate, n, duration, dt)
    random = np.random.default_rng(seed)
    rates = _rates(rate, n)
    period = np.divide(1000.0, rates, out=np.full(n, np.inf), where=rates > 0)
    first = random.random(n) if phase is None else np.full(n, float(phase))
    number = np.maximum(np.ceil(duration / period - first), 0).astype(int)
    neurons = np.repeat(np.arange(n), number)
    k = np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return from_times((k + first[neurons]) * period[neurons], neurons, n=n, duration=duration, dt=dt)


@doors.checked(spikes=doors.spikes, spread=doors.duration, seed=doors.seed)
def jittered_trains(spikes: Spikes, spread: float, *, seed: int = 0) -> Spikes:
    """Spike trains with every spike moved by a normal number; those moved out of the run are folded back into it.

    Args:
        spikes: the trains, of a run or of another function here.
        spread: the standard deviation (ms).
        seed: of the random numbers.

    Example:
        >>> import ranvier as rv
        >>> clock = rv.analysis.regular_trains(10.0, duration=100_000.0, phase=0.5)
        >>> moved = rv.analysis.jittered_trains(clock, 2.0, seed=1)
        >>> len(moved) == len(clock), bool(2.5 < rv.analysis.intervals(moved)[0].std() < 3.2)
        (True, True)
    """
    span = spikes.stop - spikes.start
    times = spikes.times - spikes.start + spikes.dt / 2 + spread * np.random.default_rng(seed).normal(size=len(spikes))
    folded = span - np.abs(times % (2 * span) - span)
    first = round(spikes.start / spikes.dt)
    steps = np.minimum((folded / spikes.dt).astype(np.int64), round(span / spikes.dt) - 1)
    moved = _spikes(steps + first, spikes.neurons, spikes.n, spikes.stop, spikes.dt, spikes.start)
    moved.populations = dict(spikes.populations)
    return moved


@doors.checked(
    rate=doors.not_negative,
    correlation=doors.probability,
    duration=doors.duration,
    n=doors.at_least(0),
    kind=doors.one_of("pairwise", "common"),
    jitter=doors.duration,
    seed=doors.seed,
    dt=doors.interval,
)
def correlated_trains(
    rate: float,
    correlation: float,
    *,
    duration: float,
    n: int = 2,
    kind: str = "pairwise",
    jitter: float = 0.0,
    seed: int = 0,
    dt: float = DT,
) -> Spikes:
    """Poisson processes of one rate of which every two have the same correlation of their counts.

    Args:
        rate: of each (Hz).
        correlation: from 0 to 1.
        kind: `"pairwise"`: each takes a spike of one fast process with the probability `correlation`, so that pairs share spikes;
            `"common"`: a share `correlation` of each one's spikes is common to all at once.
        jitter: the standard deviation of what each copy is moved by (ms).
        duration, n, seed, dt: as for `poisson_trains`.

    Raises:
        ParameterError: a correlation that is not from 0 to 1, or another kind.

    Source: Kuhn, Aertsen & Rotter 2003, Neural Comput 15:67: multiple and single interaction processes.

    Example:
        >>> import ranvier as rv
        >>> trains = rv.analysis.correlated_trains(20.0, 0.2, kind="common", duration=200_000.0, n=3, seed=2)
        >>> bool(abs(rv.analysis.correlation(trains, 5.0)[0, 2] - 0.2) < 0.02)
        True
    """
    with np.errstate(over="ignore"):
        fastest = np.asarray(rate) / (correlation if kind == "pairwise" and correlation else 1.0)
    _require_room(fastest, n, duration, dt)
    random = np.random.default_rng(seed)
    seeds = random.integers(2**32, size=2)
    if correlation == 0.0 or n == 0:
        return poisson_trains(rate, duration=duration, n=n, seed=int(seeds[0]), dt=dt)
    mother = poisson_trains(rate / correlation if kind == "pairwise" else rate * correlation, duration=duration, seed=int(seeds[0]), dt=dt)
    taken = random.random((n, len(mother))) < (correlation if kind == "pairwise" else 1.0)
    neurons, which = np.nonzero(taken)
    times = mother.times[which] + dt / 2
    if jitter > 0:
        times = duration - np.abs((times + jitter * random.normal(size=len(times))) % (2 * duration) - duration)
    if kind == "common":
        alone = poisson_trains(rate * (1 - correlation), duration=duration, n=n, seed=int(seeds[1]), dt=dt)
        times, neurons = np.append(times, alone.times + dt / 2), np.append(neurons, alone.neurons)
    return from_times(times, neurons, n=n, duration=duration, dt=dt)


@doors.checked(trains=_list_of_trains, duration=doors.duration, dt=doors.interval)
def from_trains(trains: Sequence[Any], *, duration: float, dt: float = DT) -> Spikes:
    """Spikes from data: a list with one array of times (ms) a neuron.

    Raises:
        ParameterError: a time that is not from 0 to the duration.

    Example:
        >>> import ranvier as rv
        >>> rv.analysis.from_trains([[1.0, 7.0], [], [5.0]], duration=10.0).counts.tolist()
        [2, 0, 1]
    """
    arrays = list(trains)
    neurons = np.repeat(np.arange(len(arrays)), [len(a) for a in arrays])
    return from_times(np.concatenate([np.empty(0), *arrays]), neurons, n=len(arrays), duration=duration, dt=dt)


@doors.checked(times=_times, neurons=doors.indices, n=doors.optional(doors.at_least(0)), duration=doors.duration, dt=doors.interval)
def from_times(times: Any, neurons: Any, *, n: int | None = None, duration: float, dt: float = DT) -> Spikes:
    """Spikes from data: the time of each (ms), and its neuron.

    Args:
        times, neurons: `[spikes]`, in any order.
        n: how many neurons there are; as many as the highest number says when left out.
        duration: how long the recording is (ms).
        dt: the time step that times are rounded down to (ms).

    Raises:
        ParameterError: a time that is not from 0 to the duration, or a neuron that is not there.

    Example:
        >>> import ranvier as rv
        >>> rv.analysis.from_times([7.0, 1.0, 5.0], [0, 0, 2], duration=10.0).times
        array([1., 5., 7.])
    """
    in_steps(duration - duration % dt, dt, "duration")
    n = int(neurons.max(initial=-1)) + 1 if n is None else n
    if times.shape != neurons.shape or times.ndim != 1:
        raise ParameterError(
            f"There are times of the shape {times.shape} and neurons of the shape {neurons.shape}; give each spike one of both."
        )
    if len(times) and not (times.min() >= 0 and times.max() < duration):
        wrong = times[~((times >= 0) & (times < duration))][0]
        raise ParameterError(f"times: a spike at {wrong:g} ms is not in a recording with a duration of {duration:g} ms (dt = {dt:g} ms).")
    if len(neurons) and not (neurons.min() >= 0 and neurons.max() < n):
        raise ParameterError(
            f"n says that there are neurons 0 to {n - 1}, but a spike is of neuron {neurons[(neurons < 0) | (neurons >= n)][0]}."
        )
    return _spikes(np.floor(times / dt * (1 + 1e-12) + 1e-9).astype(np.int64), neurons, n, duration, dt)


def _rates(rate: Any, n: int) -> np.ndarray:
    rates = np.asarray(rate, float)
    if rates.shape not in ((), (n,)):
        raise ParameterError(f"rate has the shape {rates.shape}, but there are {n} trains: give one number, or ({n},).")
    if not (rates >= 0).all():
        raise ParameterError(f"A rate is {rates[~(rates >= 0)].flat[0] if rates.ndim else rates:g} Hz, but it must be at least 0.")
    return np.broadcast_to(rates, n)


def _hazard(rates: np.ndarray, refractory: float) -> np.ndarray:
    if not refractory >= 0:
        raise ParameterError(f"refractory is {refractory} ms, but it must be at least 0.")
    if not (rates >= 0).all():
        raise ParameterError(f"A rate is {rates.min():g} Hz, but it must be at least 0.")
    share = rates * refractory / 1000.0
    if not (share < 1).all():
        raise ParameterError(f"A rate of {rates.max():g} Hz leaves no room for a refractory period of {refractory:g} ms.")
    return rates / (1 - share)


def _renewal(draw: Callable[[int], np.ndarray], mean: np.ndarray, duration: float, dt: float | None, n: int) -> Any:
    """Intervals added up until every train is past the end. Without `dt`: the times and neurons themselves."""
    expected = duration / mean.min(initial=np.inf) if n else 0.0
    times = np.zeros((n, 1))
    parts = []
    while n and (times[:, -1] < duration).any():
        with np.errstate(invalid="ignore"):
            times = times[:, -1:] + np.cumsum(draw(int(expected + 4 * np.sqrt(expected)) + 8), axis=1)
        parts.append(times)
    every = np.concatenate(parts, axis=1) if parts else np.zeros((n, 0))
    neurons, _ = np.nonzero(every < duration)
    inside = every[every < duration]
    if dt is None:
        return inside, neurons
    return from_times(inside, neurons, n=n, duration=duration, dt=dt)


def _spikes(steps: np.ndarray, neurons: np.ndarray, n: int, stop: float, dt: float, start: float = 0.0) -> Spikes:
    """Sorted by time, then neuron, each once."""
    flat = np.unique(np.asarray(steps, np.int64) * max(n, 1) + neurons)
    return Spikes(
        flat // max(n, 1), (flat % max(n, 1)).astype(np.int32), n=n, dt=dt, start=start, stop=stop, populations={"trains": (0, n)}
    )
