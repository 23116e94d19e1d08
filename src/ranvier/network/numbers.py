"""The numbers that a network's parts are given, apart from what is wired to what; and how they are named and replaced.

A path is a part's name and what `rv.describe` calls the parameter: `"exc.tau"`, `"cells.sodium.conductance"`,
`"exc→inh.weight"`, `"exc.current"`.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

from ranvier.errors import ParameterError, UnsupportedError, unknown
from ranvier.model import Model, ParameterInfo, parameters
from ranvier.network.facts import structure
from ranvier.network.spec import Network
from ranvier.stimuli.base import Constant, Stimulus, as_stimulus


@dataclasses.dataclass(frozen=True)
class PopulationNumbers:
    """What a population is given: its model, its current, its initial values."""

    model: Any
    current: Any
    initial: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class ProjectionNumbers:
    """What a projection is given."""

    synapse: Any
    weight: Any
    delay: Any
    short_term_plasticity: Any
    initial: Mapping[str, Any]
    plasticity: Any = None
    structure: Any = None
    release: Any = None

    @classmethod
    def of(cls, p: Any) -> ProjectionNumbers:
        """Those of a projection."""
        rules = (p.plasticity, p.structure, p.release)
        return cls(p.synapse, p.weight, p.delay, p.short_term_plasticity, p.initial, *rules)


@dataclasses.dataclass(frozen=True)
class InputNumbers:
    """What a Poisson input is given."""

    synapse: Any
    rate: Any
    sources: Any
    weight: Any


PartNumbers = PopulationNumbers | ProjectionNumbers | InputNumbers
Numbers = dict[str, PartNumbers]

SETTINGS = {"delay", "rate", "sources", "refractory"}
"""What has no derivative: it decides in which step something happens, or how often it is drawn."""


def is_setting(part: PartNumbers, within: str) -> bool:
    """Whether a parameter is given to runs alone, and has no derivative."""
    return within.rpartition(".")[2] in SETTINGS or (isinstance(part, InputNumbers) and within.startswith("rate."))


def is_moment(part: PartNumbers, within: str) -> bool:
    """Whether a parameter is compared with the time: it says in which step something begins or ends, and has no derivative either."""
    return any(info.double for info in _declared(part, within))


def is_start(part: PartNumbers, within: str) -> bool:
    """Whether a parameter says what a run begins with, and no step looks at it."""
    return any(info.at_start for info in _declared(part, within))


def _declared(part: PartNumbers, within: str) -> Iterator[ParameterInfo]:
    """What a model's field declares of a parameter; nothing of a weight and what else is no field."""
    prefix, model = within.rpartition(".")[0], getattr(part, "model", None) or part.synapse  # type: ignore[union-attr]
    for name in ("current", "rate", "short_term_plasticity", "plasticity", "release", "structure"):
        if prefix == name or prefix.startswith(f"{name}."):
            model, within = getattr(part, name, None), within[len(name) + 1 :]
            break
    if isinstance(model, Model):
        yield from (info for name, info, _ in parameters(model) if name == within)


def numbers_of(net: Network) -> Numbers:
    """What each part of a network is given, by name."""
    result: Numbers = {name: PopulationNumbers(p.model, p.current, p.initial) for name, p in net.populations.items()}
    for name, p in net.projections.items():
        result[name] = ProjectionNumbers.of(p)
    result.update({name: InputNumbers(p.synapse, p.rate, p.sources, p.weight) for name, p in net.poisson.items()})
    return result


def paths_of(part: PartNumbers) -> Iterator[tuple[str, Any]]:
    """What can be given anew, by its path within the part, with its value."""
    if isinstance(part, PopulationNumbers):
        yield from ((name, value) for name, _, value in parameters(part.model))
        if isinstance(part.current, Constant):
            yield "current", part.current.amplitude
        elif part.current is not None:
            yield from ((f"current.{name}", value) for name, _, value in parameters(part.current))
        return
    yield from ((name, value) for name, _, value in parameters(part.synapse))
    if isinstance(part, InputNumbers):
        if isinstance(part.rate, Stimulus):
            yield from ((f"rate.{name}", value) for name, _, value in parameters(part.rate))
        else:
            yield "rate", part.rate
        yield from (("sources", part.sources), ("weight", part.weight))
        return
    yield from (("weight", part.weight), ("delay", part.delay))
    if part.short_term_plasticity is not None:
        yield from ((f"short_term_plasticity.{name}", value) for name, _, value in parameters(part.short_term_plasticity))
    if part.plasticity is not None:
        yield from ((f"plasticity.{name}", value) for name, _, value in parameters(part.plasticity))
    if part.release is not None:
        yield from ((f"release.{name}", value) for name, _, value in parameters(part.release))
    if part.structure is not None:
        yield from ((f"structure.{name}", value) for name, _, value in parameters(part.structure))


def split(path: Any, numbers: Numbers) -> tuple[str, str]:
    """A path's part, and what within it.

    Raises:
        ParameterError, UnknownNameError: there is no such parameter.
    """
    if not isinstance(path, str):
        raise ParameterError(f"A parameter is named by a path such as 'exc.tau' or 'exc→inh.weight', not {path!r}.")
    part, dot, within = path.partition(".")
    if part not in numbers or not dot:
        every = [f"{name}.{inner}" for name, own in numbers.items() for inner, _ in paths_of(own)]
        if part in numbers:
            raise ParameterError(
                f"{path!r} names a part of the network, not a parameter of it. It has {', '.join(every_of(numbers, part))}."
            )
        raise unknown("parameter", path, every)
    if within != "current" and all(inner != within for inner, _ in paths_of(numbers[part])):
        raise unknown("parameter", path, every_of(numbers, part))
    return part, within


def every_of(numbers: Numbers, part: str) -> list[str]:
    """All paths of one part."""
    return [f"{part}.{inner}" for inner, _ in paths_of(numbers[part])]


def with_numbers(net: Network, numbers: Numbers, given: Mapping[str, Any]) -> Numbers:
    """The numbers with some replaced, checked as they were when the parts were made.

    Args:
        net: whose they are.
        numbers: the numbers so far.
        given: new values by path.

    Raises:
        ParameterError, UnknownNameError: a path that is not there, or a value that cannot be.
    """
    if not isinstance(given, Mapping):
        raise ParameterError(f"parameters is a mapping from paths to values, such as {{'exc.tau': 12.0}}, not {given!r}.")
    result = dict(numbers)
    for path, value in given.items():
        name, within = split(path, numbers)
        result[name] = _with(net, name, result[name], within, value, path)
    return result


def _with(net: Network, name: str, part: Any, within: str, value: Any, path: str) -> PartNumbers:
    if isinstance(part, PopulationNumbers):
        if within == "current" or within.startswith("current."):
            return dataclasses.replace(part, current=_current(name, part.current, within, value))
        return dataclasses.replace(part, model=replaced(part.model, within, value, path))
    for which in ("short_term_plasticity", "plasticity", "structure", "release"):
        if isinstance(part, ProjectionNumbers) and within.startswith(f"{which}."):
            return dataclasses.replace(part, **{which: replaced(getattr(part, which), within.partition(".")[2], value, path)})
    if isinstance(part, InputNumbers) and within.startswith("rate."):
        return dataclasses.replace(part, rate=replaced(part.rate, within.partition(".")[2], value, path))
    if within in ("weight", "delay", "rate", "sources"):
        return dataclasses.replace(part, **{within: value})
    return dataclasses.replace(part, synapse=replaced(part.synapse, within, value, path))


def _current(name: str, current: Any, within: str, value: Any) -> Any:
    if within != "current":
        return replaced(current, within.partition(".")[2], value, f"{name}.{within}")
    new = as_stimulus(value)
    if current is None:
        raise UnsupportedError(
            f"No current is injected into {name}, and whether one is decides what is compiled. "
            f"Give the population one to begin with: rv.Population(…, current=0.0)."
        )
    if structure(new)[0] != structure(current)[0]:
        raise UnsupportedError(
            f"The current of {name} is a {type(current).__name__}; another kind ({type(new).__name__}) is other equations. "
            "Give new numbers for the one that is there, or prepare the network with the other."
        )
    return new


def replaced(model: Any, within: str, value: Any, path: str) -> Any:
    """A model with one parameter, which may be a component's, replaced and checked.

    Raises:
        ParameterError, UnknownNameError: it is out of its bounds, or not there.
    """
    first, dot, rest = within.partition(".")
    if not dot:
        return model.replace(**{first: value})
    for field in dataclasses.fields(model):
        inner = getattr(model, field.name)
        if field.name == first and isinstance(inner, Model):
            return model.replace(**{first: replaced(inner, rest, value, path)})
        if isinstance(inner, Mapping) and first in inner:
            return model.replace(**{field.name: {**inner, first: replaced(inner[first], rest, value, path)}})
    raise unknown("parameter", path, [p for p, _, _ in parameters(model)])


def network_with(net: Network, numbers: Numbers) -> Network:
    """The network as it would be described with other numbers. Its parts may still be named by those of the first."""
    made: dict[int, Any] = {}

    def changed(part: Any, **values: Any) -> Any:
        new = copy.copy(part)
        for name, value in values.items():
            setattr(new, name, value)
        made[id(part)] = new
        return new

    parts: list[Any] = []
    for name, p in net.populations.items():
        own: Any = numbers[name]
        parts.append(changed(p, model=own.model, current=own.current, initial=own.initial))
    for name, q in net.projections.items():
        own = numbers[name]
        ends = {"sources": tuple(made[id(s)] for s in q.sources), "targets": tuple(made[id(t)] for t in q.targets)}
        kinds = ("synapse", "weight", "delay", "short_term_plasticity", "initial", "plasticity", "structure", "release")
        values = {k: getattr(own, k) for k in kinds}
        parts.append(changed(q, **ends, **values))
    for name, r in net.poisson.items():
        own = numbers[name]
        targets = tuple(made[id(t)] for t in r.targets)
        parts.append(changed(r, targets=targets, synapse=own.synapse, rate=own.rate, sources=own.sources, weight=own.weight))
    everything = [*net.populations.values(), *net.projections.values(), *net.poisson.values()]
    result = Network(*parts)
    result.name_also({id(part): (part, made[id(part)]) for part in everything})
    return result
