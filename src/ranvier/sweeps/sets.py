"""Sets of numbers to run a network with: products, zipped lists, and designs that fill a space evenly."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ranvier import doors, surroundings, units
from ranvier.connect.part import draw as draw_edges
from ranvier.errors import ParameterError, RanvierError, UnsupportedError, did_you_mean, unknown
from ranvier.model import Model, parameters
from ranvier.network.draw import Drawn, draw
from ranvier.network.numbers import Numbers, PopulationNumbers, every_of, split, with_numbers
from ranvier.network.spec import Network, weight_unit
from ranvier.network.state import SimulationState
from ranvier.random import Distribution
from ranvier.result import Result

SEED, INITIAL = "seed", "initial"
"""What else a set may hold, beside parameters by path."""

_STRUCTURE = {"n", "model", "synapse", "connect", "site", "share", "source", "target", "name"}
_OF_ALL = ("dt", "duration", "integrator", "precision")
_ENDS: dict[str, Any] = {"weight": {}, "delay": {"low": 0.0}}
_NO_ENDS: dict[str, Any] = {"infinite": True}
_EXAMPLE = "{'exc.tau': [5.0, 10.0, 20.0], 'seed': range(10)}"


@dataclasses.dataclass(frozen=True, eq=False)
class Axis:
    """One direction of a sweep: what changes together along it.

    Attributes:
        name: of the dimension in the dataset.
        values: for each path as many values as the axis is long.
    """

    name: str
    values: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))


@dataclasses.dataclass(frozen=True, eq=False)
class Sets:
    """Sets of values, along one axis or several: `sets[i]` is a mapping from paths to values. `*` gives every pair.

    Attributes:
        axes: the directions, the last one changing fastest.

    Example:
        >>> both = zipped({"exc.tau": [5.0, 10.0], "exc.leak": [10.0, 20.0]}) * {"seed": [1, 2]}
        >>> len(both), both.shape, both[3]
        (4, (2, 2), {'exc.tau': 10.0, 'exc.leak': 20.0, 'seed': 2})
    """

    axes: tuple[Axis, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """How long each axis is."""
        return tuple(len(axis) for axis in self.axes)

    @property
    def paths(self) -> list[str]:
        """What changes."""
        return [path for axis in self.axes for path in axis.values]

    def __len__(self) -> int:
        return math.prod(self.shape)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} sets; {index} is none of them.")
        places = np.unravel_index(index % len(self), self.shape) if self.axes else ()
        return {path: own[int(place)] for axis, place in zip(self.axes, places, strict=True) for path, own in axis.values.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[i] for i in range(len(self)))

    def __mul__(self, other: Any) -> Sets:
        """All pairs of a set of each."""
        return _joined([self, as_sets(other)])

    def __rmul__(self, other: Any) -> Sets:
        return _joined([as_sets(other), self])

    def __repr__(self) -> str:
        axes = " × ".join(f"{len(axis)} of {', '.join(axis.values)}" for axis in self.axes)
        return f"<{len(self)} sets: {axes}>"


def as_sets(given: Any) -> Sets:
    """What `rv.sweep` takes, as sets: a mapping is the product of its lists.

    Raises:
        ParameterError: it is neither, or a list is empty or none.
    """
    if isinstance(given, Sets):
        return given
    if not isinstance(given, Mapping):
        raise doors.refusal("sets", given, f"a mapping from paths to lists of values, such as {_EXAMPLE}, or rv.zipped(…) of one")
    values = _lists(given, "sets")
    return Sets(tuple(Axis(path, {path: own}) for path, own in values.items()))


def zipped(values: Mapping[str, Sequence[Any]], name: str = "set") -> Sets:
    """Lists that change together: the first values of all are the first set, the second ones the second.

    Args:
        values: lists of one length, by path.
        name: of the dimension that they share in the dataset.

    Returns:
        The sets, for `rv.sweep`; `rv.zipped(…) * dict(seed=range(5))` runs each of them with every seed.

    Raises:
        ParameterError: the lists differ in length, are empty, or are none.

    Example:
        >>> import ranvier as rv
        >>> list(rv.zipped({"exc.tau": [5.0, 10.0], "exc.current": [300.0, 200.0]}))
        [{'exc.tau': 5.0, 'exc.current': 300.0}, {'exc.tau': 10.0, 'exc.current': 200.0}]
    """
    lists = _lists(values, "values")
    name = doors.text(name, "name")
    lengths = {path: len(own) for path, own in lists.items()}
    if len(set(lengths.values())) > 1:
        raise ParameterError(
            f"zipped lists have one length, but {' and '.join(f'{path} has {n}' for path, n in lengths.items())} values. "
            "Make them equal; every pair of values is the product, which a plain mapping gives."
        )
    return Sets((Axis(name, lists),))


def latin_hypercube(bounds: Mapping[str, Any], n: int, *, seed: int = 0, log: bool | Sequence[str] = False, name: str = "set") -> Sets:
    """Sets drawn so that each path's range, cut into `n` stretches, has one value in each: a Latin hypercube.

    Args:
        bounds: `(low, high)` by path.
        n: how many sets.
        seed: of the draw.
        log: the paths whose values are spread over their logarithm; True for all.
        name: of the dimension in the dataset.

    Raises:
        ParameterError: bounds that are none, or a low one of at most 0 on a logarithmic scale.

    Example:
        >>> import ranvier as rv
        >>> sets = rv.latin_hypercube({"exc.tau": (5.0, 25.0), "exc.leak": (1.0, 100.0)}, 4, seed=1, log=["exc.leak"])
        >>> sorted(int((s["exc.tau"] - 5) // 5) for s in sets)
        [0, 1, 2, 3]
    """
    from scipy.stats import qmc

    checked = _bounds(bounds)
    count, word = doors.count(n, "n", low=1), doors.seed(seed)
    points = qmc.LatinHypercube(len(checked), rng=np.random.default_rng(word)).random(count)
    return _spread(checked, points, log, name)


def sobol(bounds: Mapping[str, Any], n: int, *, seed: int = 0, log: bool | Sequence[str] = False, name: str = "set") -> Sets:
    """Sets from a scrambled Sobol sequence: more even than random ones, in many dimensions too.

    Args:
        bounds, log, name: as of `rv.latin_hypercube`.
        n: how many sets; a power of two is the most even.
        seed: of the scrambling.

    Raises:
        ParameterError: as of `rv.latin_hypercube`.

    Example:
        >>> import ranvier as rv
        >>> len(rv.sobol({"exc.tau": (5.0, 25.0), "exc.leak": (1.0, 100.0)}, 8))
        8
    """
    from scipy.stats import qmc

    checked = _bounds(bounds)
    count, word = doors.count(n, "n", low=1), doors.seed(seed)
    engine = qmc.Sobol(len(checked), rng=np.random.default_rng(word))
    points = engine.random_base2(max(count - 1, 0).bit_length())[:count]
    return _spread(checked, points, log, name)


def _bounds(given: Any) -> dict[str, np.ndarray]:
    found = {}
    for path, pair in doors.mapping(given, "bounds", "{'exc.tau': (5.0, 20.0)}").items():
        if units.is_quantity(pair) or not isinstance(pair, tuple | list | np.ndarray) or np.shape(pair) != (2,):
            raise doors.refusal(f"bounds[{path!r}]", pair, "a pair (low, high) of plain numbers, such as (5.0, 20.0)")
        low, high = (doors.number(value, f"bounds[{path!r}]") for value in pair)
        if not low < high:
            raise ParameterError(f"bounds[{path!r}] is ({low:g}, {high:g}), but the low one must come first.")
        found[path] = np.array([low, high])
    if not found:
        raise ParameterError("bounds is empty: say what changes and between what, such as {'exc.tau': (5.0, 20.0)}.")
    return found


def _spread(bounds: dict[str, np.ndarray], points: np.ndarray, log: Any, name: str) -> Sets:
    """Points in the unit cube, within the bounds."""
    logarithmic = list(bounds) if log is True else [] if log is False else doors.instances(log, "log", str, "'exc.tau'")
    for path in logarithmic:
        if path not in bounds:
            raise unknown("path in log", path, bounds)
    values = {}
    for (path, ends), column in zip(bounds.items(), points.T, strict=True):
        if path in logarithmic:
            if ends[0] <= 0:
                raise ParameterError(f"{path!r} is on a logarithmic scale, so its low bound must be above 0, not {ends[0]:g}.")
            values[path] = [float(x) for x in np.exp(np.log(ends[0]) + column * np.log(ends[1] / ends[0]))]
        else:
            values[path] = [float(x) for x in ends[0] + column * (ends[1] - ends[0])]
    return zipped(values, name)


def _lists(given: Any, what: str) -> dict[str, list[Any]]:
    """Lists of values by path."""
    found = {}
    for path, own in doors.mapping(given, what, _EXAMPLE).items():
        found[path] = _list(own, f"{what}[{path!r}]")
    if not found:
        raise ParameterError(f"{what} is empty: say what changes and through which values, such as {_EXAMPLE}.")
    return found


def _list(own: Any, what: str) -> list[Any]:
    wanted = "a list of the values to run with, such as [5.0, 10.0, 20.0]"
    if isinstance(own, Distribution):
        raise doors.refusal(what, own, wanted, "To draw sets evenly: rv.latin_hypercube({path: (low, high)}, n).")
    if isinstance(own, set | frozenset):
        raise doors.refusal(what, own, wanted, "A set has no order.")
    if isinstance(own, str | bytes | Mapping | Model | SimulationState | Result) or not _has_many(own):
        raise doors.refusal(what, own, wanted)
    values = list(own)
    if not values:
        raise ParameterError(f"{what} is empty: with no value of it there is nothing to run. Leave the path out, or give it values.")
    return values


def _has_many(own: Any) -> bool:
    return hasattr(own, "__iter__") and not (hasattr(own, "shape") and np.shape(own) == ())


def _joined(parts: Sequence[Sets]) -> Sets:
    axes = [axis for part in parts for axis in part.axes]
    paths = [path for axis in axes for path in axis.values]
    for path in paths:
        if paths.count(path) > 1:
            raise ParameterError(f"{path!r} is swept twice; give its values in one place.")
    taken: set[str] = set()
    named = []
    for axis in axes:
        name, count = axis.name, 1
        while name in taken:
            count += 1
            name = f"{axis.name}_{count}"
        taken.add(name)
        named.append(dataclasses.replace(axis, name=name))
    return Sets(tuple(named))


# -- against a network --------------------------------------------------------------------------------


def checked(sets: Sets, net: Network, drawn: Drawn) -> Sets:
    """The sets with every value looked at, before anything runs.

    Raises:
        ParameterError, UnknownNameError, UnsupportedError: naming the path and the value.
    """
    return Sets(tuple(Axis(a.name, {path: _checked(path, own, net, drawn) for path, own in a.values.items()}) for a in sets.axes))


def _checked(path: str, values: list[Any], net: Network, drawn: Drawn) -> list[Any]:
    if path == SEED:
        return [doors.seed(v, f"seed, value {i}") for i, v in enumerate(values)]
    if path == INITIAL:
        return [_state(v, i) for i, v in enumerate(values)]
    _check_path(path, drawn.numbers)
    unit = unit_of(net, drawn.numbers, path)
    plain = all(type(value) in (int, float, np.float64) for value in values) and bool(np.isfinite(np.array(values, float)).all())
    if plain and len(values) > 2:  # bounds are those of an interval: what holds for its ends holds within
        try:
            for value in (min(values), max(values)):
                _check_value(net, drawn, path, value, unit, 0)
            return values
        except RanvierError:
            pass  # the first one is named below
    for i, value in enumerate(values):
        _check_value(net, drawn, path, value, unit, i)
    return values


def _state(value: Any, i: int) -> SimulationState:
    if isinstance(value, Result):
        value = value.state
    return doors.instance(value, f"initial, value {i}", SimulationState, "run.state")


def _check_path(path: Any, numbers: Numbers) -> None:
    if path in _OF_ALL and path not in numbers:
        raise UnsupportedError(
            f"{path!r} is no parameter of the network: all sets of a sweep have one {path}. Make a sweep for each: "
            f"rv.sweep(net, sets, {'200.0' if path == 'duration' else f'duration, {path}=…'})."
        )
    if isinstance(path, str) and "." not in path and path not in numbers:
        raise ParameterError(
            f"{path!r} is no path. {did_you_mean(path, [SEED, INITIAL, *numbers])} A parameter is named like 'exc.tau' or "
            f"'exc→inh.weight'; beside parameters there are {SEED!r} and {INITIAL!r}."
        )
    if isinstance(path, str):
        part, _, within = path.partition(".")
        known = every_of(numbers, part) if part in numbers else []
        inside = [k for k in known if k.startswith(f"{path}.")]
        if part in numbers and path not in known and within != "current" and (within in _STRUCTURE or inside):
            hint = f"Its numbers can be swept: {', '.join(inside)}." if inside else f"What can be swept of it: {', '.join(known)}."
            raise UnsupportedError(f"{path!r} is structure, which decides what is compiled: prepare a network for each. {hint}")
    split(path, numbers)


def _check_value(net: Network, drawn: Drawn, path: str, value: Any, unit: str | None, i: int) -> None:
    try:
        given = with_numbers(net, drawn.numbers, {path: value})
        if unit is not None and not isinstance(value, Model | Distribution) and not callable(value):
            doors.values(value, path, rank=(0, 1, 2), **_ENDS.get(path.rpartition(".")[2], _NO_ENDS), unit=unit, one="neuron or edge")
            if np.ndim(value):  # does its length fit?
                with surroundings.inside():
                    part = draw(net, given, seed=drawn.seed, dt=drawn.dt, like=drawn).projections.get(path.partition(".")[0])
                    if part is not None:
                        draw_edges(part.part)
    except RanvierError as error:
        raise type(error)(f"Value {i} of {path!r} cannot be: {error.args[0]}") from None


def unit_of(net: Network, numbers: Numbers, path: str) -> str | None:
    """The unit of what a path names; None where it has none of its own."""
    if path in (SEED, INITIAL):
        return None
    name, within = split(path, numbers)
    part: Any = numbers[name]
    if isinstance(part, PopulationNumbers):
        if within == "current":
            return str(part.model.input_unit)
        model, inner = (part.current, within[8:]) if within.startswith("current.") else (part.model, within)
        found = {n: info.unit for n, info, _ in parameters(model)}.get(inner, "1")
        return str(part.model.input_unit) if found == "input" else found
    plain = {"delay": "ms", "rate": "Hz", "sources": "1"}
    if within in plain:
        return plain[within]
    if within == "weight":
        targets = (net.projections.get(name) or net.poisson[name]).targets
        return weight_unit(name, part.synapse, targets)
    model, inner = part.synapse, within
    for rule in ("short_term_plasticity", "release"):
        if within.startswith(f"{rule}."):
            model, inner = getattr(part, rule), within.partition(".")[2]
    return {n: info.unit for n, info, _ in parameters(model)}.get(inner, "1")


def coordinate(values: list[Any], unit: str | None) -> tuple[np.ndarray, list[str] | None]:
    """What labels an axis, and, where values are no numbers, what they are in words."""
    plain = []
    for value in values:
        if unit is not None and units.is_quantity(value):
            value = units.magnitude(value, unit, "a value")
        if isinstance(value, bool) or not isinstance(value, int | float | np.number | np.ndarray) or np.ndim(value):
            return np.arange(len(values)), [doors.said(v) for v in values]
        plain.append(value.item() if isinstance(value, np.ndarray | np.number) else value)
    array = np.array(plain)
    return (array, None) if array.dtype.kind in "iuf" else (np.arange(len(values)), [str(v) for v in plain])


def chunks(indices: Sequence[int], size: int) -> list[list[int]]:
    """Some indices in stretches of at most `size`, of nearly equal length."""
    if not indices:
        return []
    count = -(-len(indices) // max(size, 1))
    size = -(-len(indices) // count)
    iterator = iter(indices)
    return [list(itertools.islice(iterator, size)) for _ in range(count)]
