"""A network, its records and its integrator as JSON, by which they are compared and rebuilt.

Numbers, arrays and Ranvier's own classes are described whole. A class of the
user's is described by its name and parameters, a function by its name and a
checksum of its code: such a network can be compared, not rebuilt.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import inspect
import json
import math
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier import units
from ranvier.connect.base import ConnectionRule
from ranvier.connect.pairs import PairFunction
from ranvier.equations.classes import class_of
from ranvier.errors import StoreError, UnsupportedError
from ranvier.integrators.base import Integrator
from ranvier.model import Model
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.random import Distribution
from ranvier.record.record import Record
from ranvier.store.names import class_named, name_of

BASES = (Model, ConnectionRule, PairFunction, Distribution, Integrator)
_ATTRIBUTE = {"connect": "rule"}  # where it is not called as the constructor's argument


Arrays = dict[str, np.ndarray]
"""The arrays of a description, by a checksum that stands for them there."""


def described(value: Any, arrays: Arrays) -> Any:
    """Anything that a network or a record is made of, as JSON; its arrays are put into `arrays`."""
    if value is None or isinstance(value, bool | str):
        return value
    if units.is_quantity(value):
        return {"$quantity": described(value.magnitude, arrays), "unit": str(value.units)}
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, BASES):
        text = getattr(type(value), "definition", None)
        made = {} if text is None else {"equations": described(text.entries(), arrays)}
        return {"$class": name_of(type(value)), **made, "fields": {n: described(v, arrays) for n, v in _fields(value)}}
    if isinstance(value, Mapping):
        return {"$mapping": {str(k): described(v, arrays) for k, v in value.items()}}
    if isinstance(value, list | tuple):
        return {"$list": [described(v, arrays) for v in value]}
    if hasattr(value, "tocoo"):
        coo = value.tocoo()
        return {
            "$sparse": list(coo.shape),
            "row": described(coo.row, arrays),
            "column": described(coo.col, arrays),
            "data": described(coo.data, arrays),
        }
    if callable(value):
        return _function(value)
    array = np.asarray(value)
    if array.dtype.kind not in "biuf":
        return {"$unknown": f"{type(value).__module__}.{type(value).__qualname__}"}
    array = np.array(array, array.dtype.newbyteorder("<"), order="C")
    checksum = checksum_of_array(array)
    arrays[checksum] = array
    return {"$array": checksum, "shape": list(array.shape)}


def checksum_of_array(array: np.ndarray) -> str:
    """The name of an array in a description: a checksum of all that it is."""
    return hashlib.sha256(array.dtype.str.encode() + repr(array.shape).encode() + array.tobytes()).hexdigest()[:32]


def _fields(value: Any) -> Iterator[tuple[str, Any]]:
    if not dataclasses.is_dataclass(value):
        yield from sorted(vars(value).items())
        return
    for field in dataclasses.fields(value):
        info = field.metadata.get("parameter")
        yield (info.alias or field.name) if info is not None else field.name, getattr(value, field.name)


def _function(function: Any) -> dict[str, Any]:
    inner = function.func if isinstance(function, functools.partial) else function
    name = f"{getattr(inner, '__module__', '')}.{getattr(inner, '__qualname__', type(inner).__qualname__)}"
    code = getattr(inner, "__code__", None)
    return {"$function": name, "code": _checksum(code) if code is not None else None}


def _checksum(code: types.CodeType) -> str:
    """Of what a function does, without where it stands. Values that it reads from around it are not in it."""
    digest = hashlib.sha256(code.co_code)
    digest.update(repr(code.co_names).encode())
    for constant in code.co_consts:
        digest.update(_checksum(constant).encode() if isinstance(constant, types.CodeType) else repr(constant).encode())
    return digest.hexdigest()[:16]


def described_network(network: Network, arrays: Arrays) -> dict[str, Any]:
    """A network as JSON."""

    def part(one: Population | Projection | PoissonInput, name: str) -> dict[str, Any]:
        arguments = [p for p in inspect.signature(type(one)).parameters if p not in ("name", "source", "target")]
        wired: dict[str, Any] = {}
        if isinstance(one, Projection):
            names = [network.name_of(source) for source in one.sources]
            wired["source"] = names[0] if len(names) == 1 else names
        if not isinstance(one, Population):
            wired["target"] = [network.name_of(target) for target in one.targets]
        if getattr(one, "structure", None) is None:
            arguments = [a for a in arguments if a != "structure"]  # as stores have it that are older than it
        return {"name": name, **wired, **{a: described(getattr(one, _ATTRIBUTE.get(a, a)), arrays) for a in arguments}}

    return {kind: [part(one, name) for name, one in getattr(network, kind).items()] for kind in ("populations", "projections", "poisson")}


def described_record(record: Record, network: Network, arrays: Arrays) -> dict[str, Any]:
    """A record as JSON."""
    part = None if record.part is None else network.find(record.part)[0]
    reduce = None if record.reduce is None else record.reduce.how
    return {
        "part": part,
        "variables": described(record.function, arrays) if record.function is not None else list(record.variables),
        **{key: described(getattr(record, key), arrays) for key in ("every", "every_steps", "neurons", "keep", "name", "unit")},
        "windows": [[described(a, arrays), described(b, arrays)] for a, b in record.windows],
        "reduce": described(reduce, arrays),
    }


def hash_of(description: Any) -> str:
    """A checksum of a description: equal for equal networks."""
    return hashlib.sha256(json.dumps(description, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def unverified(description: Any) -> list[str]:
    """The functions and classes of the user's in a description: what they do beyond their names and code is not compared."""
    found: list[str] = []
    if isinstance(description, Mapping):
        for kind in ("$function", "$unknown", "$class"):
            name = description.get(kind)
            if isinstance(name, str) and not (kind == "$class" and name.startswith("ranvier.")):
                found.append(name)
        for value in description.values():
            found += unverified(value)
    elif isinstance(description, list):
        for value in description:
            found += unverified(value)
    return list(dict.fromkeys(found))


# -- comparing --------------------------------------------------------------------------------------


def difference(stored: Any, given: Any, where: str = "") -> str | None:
    """The first difference between two descriptions in words, or None."""
    if stored == given:
        return None
    if isinstance(stored, Mapping) and isinstance(given, Mapping):
        if set(stored) == set(given) and not {"$array", "$class", "$function"} & set(stored):
            return _first(difference(stored[k], given[k], _joined(where, k)) for k in stored)
        if "$class" in stored and stored.get("$class") == given.get("$class"):
            first = difference(stored.get("equations"), given.get("equations"), where)
            return first or difference(stored["fields"], given["fields"], where)
    if isinstance(stored, list) and isinstance(given, list):
        names = [[v.get("name") for v in side if isinstance(v, Mapping) and "name" in v] for side in (stored, given)]
        if names[0] != names[1] and (names[0] or names[1]):
            return (
                f"{where or 'it'}: {', '.join(map(str, names[0])) or 'none'} in the store, {', '.join(map(str, names[1])) or 'none'} given"
            )
        if len(stored) == len(given):
            at = names[0] if len(names[0]) == len(stored) else [str(i) for i in range(len(stored))]
            return _first(difference(a, b, _joined(where, n)) for a, b, n in zip(stored, given, at, strict=True))
    return f"{where or 'it'} is {in_words(stored)} in the store, {in_words(given)} now"


def _joined(where: str, key: Any) -> str:
    key = str(key)
    return where if key in ("$mapping", "$list", "fields") else f"{where}.{key}" if where else key


def _first(found: Iterator[str | None]) -> str | None:
    return next((f for f in found if f is not None), None)


def in_words(description: Any) -> str:
    """A description for a sentence."""
    if isinstance(description, Mapping):
        if "$array" in description:
            return f"an array {tuple(description['shape'])} (checksum {description['$array'][:8]})"
        if "$class" in description:
            fields = ", ".join(f"{k}={in_words(v)}" for k, v in description["fields"].items())
            return f"{description['$class'].rpartition('.')[2]}({fields})"
        if "$function" in description:
            return f"the function {description['$function']} (code {description['code']})"
        if "$quantity" in description:
            return f"{in_words(description['$quantity'])} {description['unit']}"
        if "$float" in description:
            return description["$float"]
        if "$mapping" in description:
            return in_words(description["$mapping"])
        return "{" + ", ".join(f"{k}: {in_words(v)}" for k, v in description.items() if k != "$list") + "}"
    return f"{description:g}" if isinstance(description, float) else repr(description)


# -- rebuilding -------------------------------------------------------------------------------------


@functools.cache
def _known(name: str) -> Any:
    """A class of Ranvier's by its name, among those that are there: a name imports nothing and calls nothing else."""
    cls = class_named(name, _models()) if name.startswith("ranvier.") else None
    if cls is None:
        raise StoreError(f"{name} is not part of this version of Ranvier.")
    return cls


def _models() -> Iterator[type]:
    """Ranvier's classes of everything that a description is made of."""
    pending = list(BASES)
    while pending:
        cls = pending.pop()
        if cls.__module__.partition(".")[0] == "ranvier":
            yield cls
        pending += cls.__subclasses__()


def rebuilt(description: Any, arrays: Arrays) -> Any:
    """What `described` described.

    Raises:
        StoreError: it is the user's own.
    """
    if description is None or isinstance(description, bool | str | int | float):
        return description
    if "$quantity" in description:
        import pint

        return pint.get_application_registry().Quantity(rebuilt(description["$quantity"], arrays), description["unit"])
    if "$float" in description:
        return float(description["$float"])
    if "$class" in description:
        text = description.get("equations")
        cls = _known(description["$class"]) if text is None else class_of(rebuilt(text, arrays))
        return cls(**{k: rebuilt(v, arrays) for k, v in description["fields"].items()})
    if "$mapping" in description:
        return {k: rebuilt(v, arrays) for k, v in description["$mapping"].items()}
    if "$list" in description:
        return [rebuilt(v, arrays) for v in description["$list"]]
    if "$sparse" in description:
        import scipy.sparse

        row, column, data = (rebuilt(description[k], arrays) for k in ("row", "column", "data"))
        return scipy.sparse.coo_array((data, (row, column)), shape=tuple(description["$sparse"]))
    if "$array" in description:
        return arrays[description["$array"]].copy()
    raise StoreError(f"{in_words(description)} cannot be rebuilt.")


def rebuilt_network(description: Mapping[str, Any], arrays: Arrays, store: Path) -> Network:
    """The network that was described.

    Raises:
        StoreError: it has classes or functions of the user's own, or of another version of Ranvier.
    """
    own = unverified(description)
    if own:
        raise StoreError(
            f"The network of {store} is made with {', '.join(own)}, which cannot be rebuilt from a description. "
            f"Pass the network again: rv.resume({str(store)!r}, network), or ranvier resume {store} --file my_model.py"
        )
    try:
        populations: dict[str, Population] = {}
        for population in description["populations"]:
            arguments = {k: rebuilt(v, arrays) for k, v in population.items()}
            populations[population["name"]] = Population(**arguments)
        wires = []
        wire_types: tuple[tuple[Any, str], ...] = ((Projection, "projections"), (PoissonInput, "poisson"))
        for make, kind in wire_types:
            for wire in description[kind]:
                arguments = {k: rebuilt(v, arrays) for k, v in wire.items() if k not in ("source", "target")}
                sources = wire.get("source", [])
                named = [populations[name] for name in ([sources] if isinstance(sources, str) else sources)]
                ends = [named if len(named) > 1 else named[0]] if named else []
                wires.append(make(*ends, [populations[name] for name in wire["target"]], **arguments))
        return Network(*populations.values(), *wires)
    except (KeyError, TypeError, ValueError, AttributeError, UnsupportedError) as error:
        raise StoreError(
            f"The network of {store} cannot be rebuilt by this version of Ranvier ({type(error).__name__}: {error}). "
            f"Pass the network again: rv.resume({str(store)!r}, network)."
        ) from error


def rebuilt_record(description: Mapping[str, Any], arrays: Arrays) -> Record:
    """The record that was described.

    Raises:
        StoreError: it uses a function of the user's.
    """
    values = {k: rebuilt(description[k], arrays) for k in ("every", "every_steps", "neurons", "keep", "unit")}
    reduce = rebuilt(description["reduce"], arrays)
    windows = [(rebuilt(a, arrays), rebuilt(b, arrays)) for a, b in description["windows"]]
    variables = description["variables"]
    variables = variables if isinstance(variables, list) else rebuilt(variables, arrays)
    return Record(description["part"], variables, windows=windows, reduce=tuple(reduce) if isinstance(reduce, list) else reduce, **values)
