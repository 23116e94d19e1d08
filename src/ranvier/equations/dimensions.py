"""Units of equations as text: which there are, and whether the two sides of an equation agree.

Inside an equation everything is in one coherent system of units: mV, ms, pA, and 10 µm for lengths, so that nS, pF, and also
µA/cm², mS/cm² and µF/cm² are 1. What is kept in these units costs no multiplication.
"""

from __future__ import annotations

import functools
import math
import re
from typing import NamedTuple

from ranvier.units import parsed

Exponents = tuple[float, ...]
"""Of metre, kilogram, second, ampere, kelvin, mole and candela."""

NONE: Exponents = (0.0,) * 7
_LONG = {
    "volt": "V",
    "amp": "A",
    "ampere": "A",
    "siemens": "S",
    "farad": "F",
    "second": "s",
    "metre": "m",
    "meter": "m",
    "hertz": "Hz",
    "molar": "M",
    "mole": "mol",
    "kelvin": "K",
    "coulomb": "C",
    "watt": "W",
    "joule": "J",
    "gram": "g",
    "liter": "L",
    "litre": "L",
}
_LONG_PREFIXES = {"femto": "f", "pico": "p", "nano": "n", "micro": "u", "milli": "m", "centi": "c", "kilo": "k", "mega": "M", "giga": "G"}
_KEPT = ("mV", "pA", "nS", "pF", "ms", "Gohm", "uA/cm^2", "mS/cm^2", "uF/cm^2", "mV/ms", "pA/ms", "nS/ms")
_SHOWN = (*_KEPT, "1/ms", "1/mV", "1/(mV*ms)", "mV^2", "1/ms^2", "mM", "um", "um^2", "K", "pA*ms", "mM/ms", "mV/ms^0.5")


class Measure(NamedTuple):
    """A unit as equations see it.

    Attributes:
        unit: how it is written.
        scale: what one of it is in the coherent system.
        exponents: its dimension.
        written: how many of it are one of the unit that was written, where that is another.
    """

    unit: str
    scale: float
    exponents: Exponents
    written: float = 1.0


def coherent(exponents: Exponents) -> float:
    """The coherent unit of a dimension, in SI units.

    Example:
        >>> coherent(parsed("nS").exponents)
        1e-09
    """
    metre, kilogram, second, ampere, _, mole, _ = exponents
    # kg = V s³ A / m²: volts in place of kilograms
    powers = {1e-3: kilogram + (second + 3 * kilogram), 1e-12: ampere + kilogram, 1e-5: metre - 2 * kilogram, 1e-15: mole}
    return _rounded(10.0 ** sum(math.log10(base) * power for base, power in powers.items()))


def _rounded(number: float) -> float:
    return float(f"{number:.13g}")


@functools.cache
def _spelled(word: str) -> str | None:
    """A unit's name as `ranvier.units` spells it: `mvolt` and `millivolt` are `mV`. None where it is none."""
    found = re.fullmatch(r"([A-Za-zµμ]+?)([23]?)", word)
    if not found:
        return None
    name, power = found[1], found[2]
    for long, short in _LONG.items():
        for one in (long, f"{long}s"):
            if name.endswith(one):
                before = name[: -len(one)]
                name = _LONG_PREFIXES.get(before, before) + short
                break
        else:
            continue
        break
    try:
        parsed(name)
    except ValueError:
        return None
    return f"{name}^{power}" if power else name


def is_unit(word: str) -> bool:
    """Whether a name inside an equation is a unit: single letters are not, since they are names of variables.

    Example:
        >>> is_unit("mV"), is_unit("volt"), is_unit("V"), is_unit("w_max")
        (True, True, False, False)
    """
    return len(word) > 1 and word != "min" and _spelled(word) is not None


def measure(text: str) -> Measure:
    """A unit as a user writes it. Of a bare `volt`, `siemens` and so on the dimension is meant: it is kept in mV, nS and so on.

    Raises:
        ValueError: with the word that is no unit.

    Example:
        >>> measure("volt").unit, measure("uA/cm**2").scale, measure("nA").scale
        ('mV', 1.0, 1000.0)
    """
    bare = False
    if text.strip() == "1":
        return Measure("1", 1.0, NONE)

    def replaced(found: re.Match[str]) -> str:
        nonlocal bare
        spelled = _spelled(found[0])
        if spelled is None:
            raise ValueError(found[0])
        bare = bare or spelled in ("V", "A", "S", "F", "s", "ohm")
        return spelled

    try:
        spelled = re.sub(r"[A-Za-zµμ]+(?:(?<=m)[23])?", replaced, text.strip())
        factor, exponents = parsed(spelled.replace("**", "^"))
    except IndexError:
        raise ValueError(text) from None
    scale = _rounded(factor / coherent(exponents))
    kept = _KEPT_BY.get(exponents) if bare else None
    if kept is not None:
        return Measure(kept, 1.0, exponents, scale)
    return Measure(spelled.replace("**", "^").replace(" ", ""), scale, exponents)


_KEPT_BY = {parsed(unit).exponents: unit for unit in _KEPT}
_SHOWN_BY = {parsed(unit).exponents: unit for unit in reversed(_SHOWN)}
VOLTAGE, TIME, CURRENT = (parsed(unit).exponents for unit in ("mV", "ms", "pA"))
CONDUCTANCE, CURRENT_DENSITY, CONDUCTANCE_DENSITY = (parsed(unit).exponents for unit in ("nS", "uA/cm^2", "mS/cm^2"))
NOISE = tuple(-0.5 * e for e in TIME)


def per_time(exponents: Exponents, power: float = 1.0) -> Exponents:
    """The dimension of a derivative in time."""
    return tuple(a - power * b for a, b in zip(exponents, TIME, strict=True))


def in_words(exponents: Exponents) -> str:
    """A dimension, by the unit that it is usually given in.

    Example:
        >>> in_words(VOLTAGE), in_words(NONE)
        ('mV', 'a number without a unit')
    """
    if not any(exponents):
        return "a number without a unit"
    known = _SHOWN_BY.get(tuple(round(e, 9) + 0.0 for e in exponents))
    names = ("m", "kg", "s", "A", "K", "mol", "cd")
    return known or " ".join(n if e == 1 else f"{n}^{e:g}" for n, e in zip(names, exponents, strict=True) if e)


def usual(exponents: Exponents) -> Measure | None:
    """The unit that values of a dimension are usually kept in, where there is one."""
    if not any(exponents):
        return measure("1")
    unit = _SHOWN_BY.get(exponents)
    return measure(unit) if unit else None


class Dimension(NamedTuple):
    """The dimension of an expression; `unknown` counts how often it has that of the input, before that is known."""

    exponents: Exponents
    unknown: float = 0.0
    zero: bool = False

    def times(self, other: Dimension, power: float = 1.0) -> Dimension:
        """Of a product with a power of another."""
        exponents = tuple(round(a + power * b, 9) + 0.0 for a, b in zip(self.exponents, other.exponents, strict=True))
        return Dimension(exponents, round(self.unknown + power * other.unknown, 9))

    def to_the(self, power: float) -> Dimension:
        """Of a power."""
        return Dimension(NONE).times(self, power)


NUMBER = Dimension(NONE)
ZERO = Dimension(NONE, zero=True)
"""Of the number 0, which may stand for 0 of any unit."""


class Unknown:
    """The dimension of what comes from outside, found where it is added to something."""

    def __init__(self) -> None:
        self.found: Exponents | None = None

    def known(self, one: Dimension) -> Dimension:
        """A dimension with what has been found put in."""
        if self.found is None or not one.unknown:
            return one
        return Dimension(one.exponents).times(Dimension(self.found), one.unknown)._replace(zero=one.zero)

    def agree(self, one: Dimension, other: Dimension) -> Dimension | None:
        """What both are, or None where they differ. It may find the unknown."""
        if one.zero or other.zero:
            return other if one.zero else one
        one, other = self.known(one), self.known(other)
        if one.unknown != other.unknown:
            share = one.unknown - other.unknown
            self.found = tuple(round((b - a) / share, 9) + 0.0 for a, b in zip(one.exponents, other.exponents, strict=True))
            one, other = self.known(one), self.known(other)
        return one if one[:2] == other[:2] else None
