"""Units at the door.

Inside, everything is a plain number in the unit that its field declares. A
quantity of `pint`, `quantities` (and so of Neo), `astropy`, Brian2 or `unyt` is
converted and its dimension checked once, when it arrives. What carries a unit
in another way is refused: nothing loses its unit in silence. None of these
packages is imported here; they are known by the attributes of their objects.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ranvier.errors import UnitError

_BASE = ("m", "kg", "s", "A", "K", "mol", "cd")
_UNITS: dict[str, tuple[float, dict[str, int]]] = {
    "m": (1.0, {"m": 1}),
    "g": (1e-3, {"kg": 1}),
    "s": (1.0, {"s": 1}),
    "min": (60.0, {"s": 1}),
    "h": (3600.0, {"s": 1}),
    "A": (1.0, {"A": 1}),
    "K": (1.0, {"K": 1}),
    "mol": (1.0, {"mol": 1}),
    "cd": (1.0, {"cd": 1}),
    "Hz": (1.0, {"s": -1}),
    "N": (1.0, {"kg": 1, "m": 1, "s": -2}),
    "Pa": (1.0, {"kg": 1, "m": -1, "s": -2}),
    "J": (1.0, {"kg": 1, "m": 2, "s": -2}),
    "W": (1.0, {"kg": 1, "m": 2, "s": -3}),
    "C": (1.0, {"A": 1, "s": 1}),
    "V": (1.0, {"kg": 1, "m": 2, "s": -3, "A": -1}),
    "F": (1.0, {"kg": -1, "m": -2, "s": 4, "A": 2}),
    "ohm": (1.0, {"kg": 1, "m": 2, "s": -3, "A": -2}),
    "S": (1.0, {"kg": -1, "m": -2, "s": 3, "A": 2}),
    "H": (1.0, {"kg": 1, "m": 2, "s": -2, "A": -2}),
    "L": (1e-3, {"m": 3}),
    "M": (1e3, {"mol": 1, "m": -3}),
}
_PREFIXES = {
    "": 1.0,
    "f": 1e-15,
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "µ": 1e-6,
    "m": 1e-3,
    "c": 1e-2,
    "d": 1e-1,
    "k": 1e3,
    "M": 1e6,
    "G": 1e9,
}
_TOKEN = re.compile(r"\s*(\*\*|\^|[*/()]|[A-Za-zµ]+|[-+]?\d+(?:\.\d+)?)")
_PLAIN = frozenset({float, int, bool, complex, str, bytes, type(None)})


class Unit(NamedTuple):
    """A unit in terms of the base units of the SI: so many of them, with these exponents."""

    factor: float
    exponents: tuple[float, ...]


@functools.cache
def parsed(unit: str) -> Unit:
    """A unit as a factor and exponents of the SI's base units.

    Raises:
        ValueError: it is not spelled as units are here.

    Example:
        >>> parsed("mS/cm^2") == parsed("1/(100*mohm*m**2)")
        True
    """
    unit = unit.replace("\u03bc", "\u00b5")  # two signs for micro
    tokens = _TOKEN.findall(unit)
    if "".join(tokens) != re.sub(r"\s", "", unit):
        raise ValueError(unit)
    tokens.append("end")
    at = 0

    def product() -> tuple[float, dict[str, float]]:
        nonlocal at
        factor, exponents = power()
        while tokens[at] in ("*", "/"):
            sign = 1 if tokens[at] == "*" else -1
            at += 1
            more, others = power()
            factor *= more**sign
            exponents = {b: exponents.get(b, 0.0) + sign * others.get(b, 0.0) for b in _BASE}
        return factor, exponents

    def power() -> tuple[float, dict[str, float]]:
        nonlocal at
        factor, exponents = atom()
        if tokens[at] in ("**", "^"):
            exponent = float(tokens[at + 1])
            at += 2
            factor, exponents = factor**exponent, {b: e * exponent for b, e in exponents.items()}
        return factor, exponents

    def atom() -> tuple[float, dict[str, float]]:
        nonlocal at
        token = tokens[at]
        at += 1
        if token == "(":
            inside = product()
            if tokens[at] != ")":
                raise ValueError(unit)
            at += 1
            return inside
        if token[0].isdigit():
            return float(token), {}
        for prefix, size in _PREFIXES.items():
            known = _UNITS.get(token[len(prefix) :]) if token.startswith(prefix) else None
            if known is not None:
                return size * known[0], {b: float(e) for b, e in known[1].items()}
        raise ValueError(unit)

    factor, exponents = product()
    if tokens[at] != "end":
        raise ValueError(unit)
    return Unit(factor, tuple(exponents.get(b, 0.0) for b in _BASE))


def _in_base_units(exponents: tuple[float, ...], times: str = "*") -> str:
    """Base units with exponents, as every package reads them."""
    return times.join(f"{b}**({e:g})" for b, e in zip(_BASE, exponents, strict=True) if e)


def _package(value: Any) -> str | None:
    """Whose quantity a value is, or None where it carries no unit."""
    if type(value) in _PLAIN or isinstance(value, type):
        return None
    if hasattr(value, "magnitude") and hasattr(value, "dimensionality"):
        return "pint" if hasattr(value, "to") else "quantities" if hasattr(value, "rescale") else "unknown"
    if hasattr(value, "dim") and hasattr(value, "has_same_dimensions"):
        return "brian2"
    if hasattr(value, "to") and hasattr(value, "value"):
        if hasattr(value, "unit"):
            return "astropy"
        if hasattr(value, "units"):
            return "unyt"
    attributes = getattr(value, "attrs", None)
    if isinstance(attributes, Mapping) and attributes.get("units") not in (None, "", "1"):
        return "attributes"
    if any(hasattr(value, a) for a in ("unit", "units", "dimensionality")) and any(
        hasattr(value, a) for a in ("__float__", "__array__", "mantissa")
    ):
        return "unknown"
    return None


def is_quantity(value: object) -> bool:
    """Whether a value, or one in a list or an array of objects, carries a unit (asked without importing anything).

    Example:
        >>> import pint
        >>> is_quantity([0.0, 1.0 * pint.UnitRegistry().volt]), is_quantity([0.0, 1.0])
        (True, False)
    """
    if type(value) in _PLAIN:
        return False
    if isinstance(value, list | tuple):
        return not _PLAIN.issuperset(map(type, value)) and any(map(is_quantity, value))
    if type(value) is np.ndarray:
        return value.dtype == object and any(map(is_quantity, value.flat))
    return getattr(value, "has_units", False) is True or _package(value) is not None


def magnitude(value: Any, unit: str, what: str) -> Any:
    """`value` as a plain number or array in `unit`.

    Args:
        value: a number, an array or a distribution, taken to be in `unit` already,
            or a quantity (of any package that this module knows), a list of
            quantities, or a distribution of them, converted to `unit`.
        unit: the unit wanted, as pint spells it (`"mS/cm^2"`, `"1"`).
        what: what the value is, for the error message.

    Raises:
        UnitError: the quantity has another dimension, or is of a package that is not known here.

    Example:
        >>> import pint
        >>> magnitude(0.2 * pint.UnitRegistry().volt, "mV", "threshold")
        200.0
    """
    if not is_quantity(value):
        return value
    if isinstance(value, list | tuple):
        return [magnitude(one, unit, what) for one in value]
    if type(value) is np.ndarray:
        return np.array([magnitude(one, unit, what) for one in value.flat]).reshape(value.shape)
    if getattr(value, "has_units", False) is True:  # a distribution
        return value.in_unit(unit, what)
    package = _package(value)
    try:
        converted = _CONVERT[package](value, unit) if package in _CONVERT else None
    except Exception:  # each package has its own errors; all of them mean that it does not convert
        raise UnitError(
            f"{what} is in {unit}, but the quantity given is in {unit_of(value)}: the dimensions differ. "
            f"Give a quantity that converts to {unit}, or a plain number in {unit}."
        ) from None
    if converted is None:
        raise UnitError(
            f"{what} was given as a {type(value).__module__.partition('.')[0]} {type(value).__name__} with a unit, "
            "which Ranvier cannot read. "
            f"Give a plain number in {unit}, or a quantity of pint, quantities, astropy, Brian2 or unyt."
        )
    return float(f"{float(converted):.15g}") if np.ndim(converted) == 0 else np.array(converted)


def unit_of(value: Any) -> str:
    """What a quantity is in, in words."""
    for name in ("units", "unit", "dim"):
        if hasattr(value, name):
            return str(getattr(value, name)).removeprefix("1 ").removeprefix("1.0 ")
    return str(getattr(value, "attrs", {}).get("units", "another unit"))


def _from_pint(value: Any, unit: str) -> Any:
    return value.to("dimensionless" if unit == "1" else unit).magnitude


def _from_quantities(value: Any, unit: str) -> Any:
    wanted = parsed(unit)
    return value.rescale(_in_base_units(wanted.exponents) or "dimensionless").magnitude / wanted.factor


def _from_astropy(value: Any, unit: str) -> Any:
    wanted = parsed(unit)
    return value.to(_in_base_units(wanted.exponents, " ")).value / wanted.factor


def _from_unyt(value: Any, unit: str) -> Any:
    wanted = parsed(unit)
    return np.asarray(value.to(_in_base_units(wanted.exponents) or "dimensionless").value) / wanted.factor


def _from_brian(value: Any, unit: str) -> Any:
    wanted = parsed(unit)
    given = [float(value.dim.get_dimension(b)) for b in _BASE]
    if not all(math.isclose(a, b, abs_tol=1e-12) for a, b in zip(given, wanted.exponents, strict=True)):
        raise ValueError("dimensions differ")
    return np.array(np.asarray(value), np.float64) / wanted.factor


def _from_attributes(value: Any, unit: str) -> Any:
    given, wanted = parsed(str(value.attrs["units"])), parsed(unit)
    if not np.allclose(given.exponents, wanted.exponents):
        raise ValueError("dimensions differ")
    return np.asarray(value) * (given.factor / wanted.factor)


_CONVERT = {
    "pint": _from_pint,
    "quantities": _from_quantities,
    "astropy": _from_astropy,
    "unyt": _from_unyt,
    "brian2": _from_brian,
    "attributes": _from_attributes,
}
