"""Units at the door.

Inside, everything is a plain number in the unit that its field declares. A
`pint` quantity is converted and its dimension checked once, when it arrives;
pint itself is imported only by the user who makes one.
"""

from __future__ import annotations

from typing import Any

from ranvier.errors import UnitError


def is_quantity(value: object) -> bool:
    """Whether `value` is a `pint` quantity (asked without importing pint)."""
    return hasattr(value, "magnitude") and hasattr(value, "dimensionality") and hasattr(value, "to")


def magnitude(value: Any, unit: str, what: str) -> Any:
    """`value` as a plain number or array in `unit`.

    Args:
        value: a number or array, taken to be in `unit` already, or a `pint`
            quantity, converted to `unit`.
        unit: the unit wanted, as pint spells it (`"mS/cm^2"`, `"1"`).
        what: what the value is, for the error message.

    Raises:
        UnitError: the quantity has another dimension.

    Example:
        >>> import pint
        >>> magnitude(0.2 * pint.UnitRegistry().volt, "mV", "threshold")
        200.0
    """
    if not is_quantity(value):
        return value
    wanted = "dimensionless" if unit == "1" else unit
    try:
        return value.to(wanted).magnitude
    except Exception as error:
        # pint's DimensionalityError, recognised by name: pint stays optional.
        if type(error).__name__ != "DimensionalityError":
            raise
        raise UnitError(
            f"{what} is in {unit}, but the quantity given is in {value.units}: the dimensions differ. "
            f"Give a quantity that converts to {unit}, or a plain number in {unit}."
        ) from None
