"""The space that is searched: every parameter's range, stretched to the whole line, so that no step can leave it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, UnknownNameError, UnsupportedError, unknown
from ranvier.model import parameters as parameters_of
from ranvier.network.numbers import InputNumbers, PopulationNumbers, is_moment, is_setting, is_start, paths_of, split
from ranvier.simulation import Simulation
from ranvier.surrogates import FixedSpikes

SETTING_BOUNDS = {"delay": (0.0, math.inf), "refractory": (0.0, math.inf), "rate": (0.0, math.inf)}


@dataclasses.dataclass(frozen=True)
class Searched:
    """One parameter that is searched.

    Attributes:
        path: its path.
        start: as the network was prepared, of any shape.
        low, high: its range, which it never reaches.
        unit: its unit.
        setting: whether it decides in which step something happens and is given to runs alone.
        smooth: whether there is a derivative by it.
    """

    path: str
    start: np.ndarray
    low: float
    high: float
    unit: str
    setting: bool
    smooth: bool

    @property
    def scale(self) -> float:
        """What a step of 1 is worth, where the range does not say it."""
        largest = float(np.max(np.abs(self.start), initial=0.0))
        if math.isfinite(self.low):
            return float(np.mean(self.start) - self.low)
        if math.isfinite(self.high):
            return float(self.high - np.mean(self.start))
        return 0.1 * largest or 1.0

    def value(self, u: Any) -> Any:
        """The parameter at a place of the line."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            return self.low + (self.high - self.low) * jax.nn.sigmoid(u)
        if math.isfinite(self.low):
            return self.low + self.scale * jax.nn.softplus(u)
        if math.isfinite(self.high):
            return self.high - self.scale * jax.nn.softplus(u)
        return u * self.scale

    def place(self, value: np.ndarray) -> np.ndarray:
        """Where on the line a value is, `value` undone."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            part = (value - self.low) / (self.high - self.low)
            return np.log(part) - np.log1p(-part)
        if math.isfinite(self.low) or math.isfinite(self.high):
            y = np.abs(value - (self.low if math.isfinite(self.low) else self.high)) / self.scale
            return y + np.log(-np.expm1(-y))
        return value / self.scale

    def drawn(self, rng: np.random.Generator) -> np.ndarray:
        """A place to start from: anywhere in the range where it has two ends, else about the start."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            return self.place(self.low + (self.high - self.low) * rng.uniform(0.02, 0.98, self.start.shape))
        return self.place(self.start) + rng.normal(size=self.start.shape)


@dataclasses.dataclass(frozen=True)
class Space:
    """All that is searched, as one vector."""

    searched: tuple[Searched, ...]

    @property
    def size(self) -> int:
        """How many numbers are searched."""
        return sum(s.start.size for s in self.searched)

    def values(self, u: Any) -> dict[str, Any]:
        """The parameters at a place, by path; it may be traced."""
        return {s.path: s.value(part) for s, part in self._parts(u)}

    def numbers(self, u: Any) -> dict[str, Any]:
        """The parameters at a place, as numbers and arrays."""
        result = {}
        for s, part in self._parts(np.asarray(u)):
            value = np.asarray(s.value(part))
            result[s.path] = float(value) if value.ndim == 0 else value
        return result

    def _parts(self, u: Any) -> Iterable[tuple[Searched, Any]]:
        first = 0
        for s in self.searched:
            yield s, u[first : first + s.start.size].reshape(s.start.shape)
            first += s.start.size

    def starts(self, count: int, seed: int) -> np.ndarray:
        """Places to start from, the prepared numbers' first: `[count, size]`."""
        rng = np.random.default_rng(seed)
        own = np.concatenate([np.ravel(s.place(s.start)) for s in self.searched])
        others = [np.concatenate([np.ravel(s.drawn(rng)) for s in self.searched]) for _ in range(count - 1)]
        return np.stack([own, *others])

    def flat(self, values: Mapping[str, Any]) -> Any:
        """Parameters in a row."""
        return jnp.concatenate([jnp.ravel(values[s.path]) for s in self.searched])

    def unflat(self, row: Any) -> dict[str, Any]:
        """Parameters in a row, by path."""
        return {s.path: part for s, part in self._parts(row)}

    @property
    def labels(self) -> list[str]:
        """A name for each number."""
        return [s.path if s.start.ndim == 0 else f"{s.path}[{i}]" for s in self.searched for i in range(s.start.size)]


def space_of(sim: Simulation, given: Any, starts: Mapping[str, Any]) -> Space:
    """The space of the parameters that a user names.

    Args:
        sim: the prepared network.
        given: paths, or a mapping from paths to ranges `(low, high)`, None for the bounds of the model's field.
        starts: where to start, by path, where it is not from the prepared number.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: a path that is not there or is structure, a range that excludes the start.
    """
    if isinstance(given, str):
        given = [given]
    wanted = "a mapping from paths to ranges, such as {'cell.sodium.conductance': (60.0, 200.0)}, or a list of paths"
    if isinstance(given, Mapping):
        ranges = dict(given)
    elif isinstance(given, Sequence) and all(isinstance(path, str) for path in given):
        ranges = dict.fromkeys(given)
        if len(ranges) < len(given):
            twice = next(path for path in ranges if list(given).count(path) > 1)
            raise ParameterError(f"parameters names {twice!r} twice; one search has one number for it.")
    else:
        raise doors.refusal("parameters", given, wanted)
    if not ranges:
        raise doors.refusal("parameters", given, wanted, "Without any there is nothing to fit.")
    smooth = sim.parameters
    for path in starts:
        if path not in ranges:
            raise unknown("start", path, ranges)
    return Space(tuple(_searched(sim, smooth, path, bounds, starts.get(path)) for path, bounds in ranges.items()))


def _searched(sim: Simulation, smooth: Mapping[str, Any], path: Any, bounds: Any, other: Any) -> Searched:
    try:
        name, within = split(path, sim.numbers)
    except (UnknownNameError, ParameterError) as error:
        structure = structure_of(sim, path)
        raise UnsupportedError(structure) if structure else type(error)(f"parameters: {error}") from None
    if is_start(sim.numbers[name], within):
        raise UnsupportedError(
            f"{path} says what runs begin with, and all runs of a fit begin in the same state. "
            f"Give that state: initial=sim.state(parameters={{{path!r}: …}}); of several, compare the fits."
        )
    low, high, unit = _field(sim, name, within)
    setting, moment = is_setting(sim.numbers[name], within), is_moment(sim.numbers[name], within)
    if setting and within == "sources":
        raise UnsupportedError(f"{path} is how many sources there are, and cannot be fitted. Fit {name}.rate or {name}.weight.")
    start = smooth.get(path) if not (setting or moment) else _setting(sim, name, within, path)
    if start is None:
        raise UnsupportedError(
            f"{path} cannot be fitted: it has no value in the prepared network, or its value decides what is compiled. "
            f"What can be: {', '.join(smooth)}."
        )
    start = np.asarray(start, np.float64)
    if other is not None:
        shape, start = start.shape, np.asarray(doors.numbers(other, f"start: {path}", rank=(0, 1), unit=unit))
        if start.shape != shape:
            raise ParameterError(f"start: {path} has the shape {start.shape}, but the parameter has {shape}.")
    if bounds is not None:
        if not isinstance(bounds, tuple | list | np.ndarray) or len(bounds) != 2:
            raise doors.refusal(f"parameters: the range of {path}", bounds, "a pair (low, high), or None")
        ends = [doors.number(b, f"parameters: the range of {path}", unit=unit, infinite=True) for b in bounds]
        if not ends[0] < ends[1]:
            raise ParameterError(f"parameters: the range of {path} goes from {ends[0]:g} to {ends[1]:g}; its first end must be the lower.")
        if ends[0] < low or ends[1] > high:
            raise ParameterError(
                f"parameters: the range of {path} goes from {ends[0]:g} to {ends[1]:g}, "
                f"but it may only be within [{low:g}, {high:g}] {unit}."
            )
        low, high = ends
    if not ((start > low) & (start < high)).all():
        outside = start[~((start > low) & (start < high))].flat[0]
        raise ParameterError(
            f"parameters: the search of {path} starts at {outside:g}, which its range ({low:g}, {high:g}) excludes (the ends are never "
            f"reached). Give another range, or another start: start={{{path!r}: …}}."
        )
    return Searched(path, start, low, high, unit, setting, not setting and not (moment and _jumps(sim, path, start)))


def structure_of(sim: Simulation, path: Any) -> str | None:
    """Why a path cannot be fitted, where it names something that is no parameter but structure."""
    part, _, within = str(path).partition(".")
    fixed = {"n": "the number of neurons", "connect": "the connection rule", "model": "the model", "site": "the site of a synapse"}
    if part in sim.numbers and within in fixed:
        return (
            f"{path} is {fixed[within]}: structure, which decides what is compiled, and no parameter. "
            "Prepare a network for each and compare their fits."
        )
    if part in ("dt", "seed", "integrator"):
        return f"{path} is no parameter of the network but of rv.prepare."
    return None


def _jumps(sim: Simulation, path: str, start: np.ndarray) -> bool:
    """Whether there is no derivative by what is compared with the time: it depends on the method of the population."""
    run, state = sim.function(1, surrogate=FixedSpikes()), sim.state()
    try:
        jax.eval_shape(lambda x: jax.jvp(lambda x: run({path: x}, state)[0].neurons, (x,), (x,)), start)
    except UnsupportedError:
        return True
    return False


def _setting(sim: Simulation, name: str, within: str, path: str) -> Any:
    part: Any = sim.numbers[name]
    value = part.delay if within == "delay" else part.rate if within == "rate" else None
    if value is None:
        value = dict(paths_of(part)).get(within)
    if value is None or callable(value) or not np.issubdtype(np.asarray(value).dtype, np.number):
        raise UnsupportedError(f"{path} is drawn or a function; only numbers are fitted. Give numbers where the part is made.")
    return value


def _field(sim: Simulation, name: str, within: str) -> tuple[float, float, str]:
    """The bounds and the unit that a parameter's field declares."""
    part: Any = sim.numbers[name]
    of: list[tuple[str, Any]] = [("", part.model if isinstance(part, PopulationNumbers) else part.synapse)]
    if isinstance(part, PopulationNumbers):
        of.append(("current.", part.current))
    elif not isinstance(part, InputNumbers):
        of += [(f"{rule}.", getattr(part, rule)) for rule in ("short_term_plasticity", "release")]
    for prefix, model in of:
        if model is not None:
            for path, info, _ in parameters_of(model):
                if prefix + path == within:
                    return info.low, info.high, "1" if info.unit == "input" else info.unit
    low, high = SETTING_BOUNDS.get(within, (-math.inf, math.inf))
    return low, high, "ms" if within == "delay" else "1"
