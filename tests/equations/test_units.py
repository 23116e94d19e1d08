"""Units of equations as text, against pint's."""

import pint
import pytest

from ranvier.equations.dimensions import in_words, is_unit, measure
from ranvier.units import parsed

PINT = pint.UnitRegistry()
UNITS = {
    "mV": "millivolt",
    "mvolt": "millivolt",
    "nS": "nanosiemens",
    "nsiemens": "nanosiemens",
    "pA": "picoampere",
    "namp": "nanoampere",
    "uF/cm**2": "microfarad / centimeter ** 2",
    "ufarad/cmetre**2": "microfarad / centimeter ** 2",
    "mS/cm^2": "millisiemens / centimeter ** 2",
    "uA/cm2": "microampere / centimeter ** 2",
    "Mohm": "megaohm",
    "Hz": "1 / second",
    "kHz": "1 / millisecond",
    "1/(mM*ms)": "1 / (mole / meter ** 3 * millisecond)",
    "mmolar": "mole / meter ** 3",
    "um**2": "micrometer ** 2",
    "nA/mV": "microsiemens",
    "mV/ms": "volt / second",
    "kelvin": "kelvin",
}


@pytest.mark.parametrize("written", UNITS)
def test_units_are_pints(written):
    found, wanted = measure(written), PINT.Quantity(1.0, UNITS[written]).to_base_units()
    assert parsed(found.unit).factor == pytest.approx(_si(wanted), rel=1e-12)
    own = PINT.Quantity(1.0, "*".join(f"{n}**({e})" for n, e in zip(("m", "kg", "s", "A", "K", "mol", "cd"), found.exponents, strict=True)))
    assert own.dimensionality == wanted.dimensionality


def _si(quantity):
    return quantity.to(PINT.get_base_units(quantity.units)[1]).magnitude


@pytest.mark.parametrize(
    "pair", [("nS*mV", "pA"), ("pA/pF", "mV/ms"), ("mS/cm^2*mV", "uA/cm^2"), ("uA/cm^2/(uF/cm^2)", "mV/ms"), ("mV/pA", "Gohm")]
)
def test_what_is_kept_in_usual_units_costs_nothing(pair):
    one, other = map(measure, pair)
    assert one.exponents == other.exponents and one.scale == other.scale == 1.0


def test_a_bare_unit_says_the_dimension():
    for bare, kept in {
        "volt": "mV",
        "siemens": "nS",
        "second": "ms",
        "amp": "pA",
        "siemens/cm**2": "mS/cm^2",
        "volt/second": "mV/ms",
    }.items():
        assert measure(bare).unit == kept and measure(bare).scale == 1.0
    assert measure("volt").written == 1000.0 and measure("second").written == 1000.0


@pytest.mark.parametrize("wrong", ["", "foo", "mV*", "mVV", "(mV", "2 mV", "mV^", "1/", "import os"])
def test_what_is_no_unit(wrong):
    with pytest.raises(ValueError):
        measure(wrong)


def test_single_letters_are_names_in_equations():
    assert not any(map(is_unit, ("V", "A", "S", "m", "h", "n", "g", "min", "tau", "w_max")))
    assert all(map(is_unit, ("mV", "ms", "nS", "volt", "Hz", "cm2")))


def test_dimensions_in_words():
    assert in_words(parsed("V").exponents) == "mV"
    assert in_words(parsed("1").exponents) == "a number without a unit"
    assert in_words(parsed("kg").exponents) == "kg"
