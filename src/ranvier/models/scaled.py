"""How large a ready-made network is made."""

from __future__ import annotations

from typing import Any

from ranvier import doors


def checked_scale(value: Any, what: str = "scale") -> float:
    """The factor of a network's size.

    Raises:
        ParameterError: it is no positive, finite number, or so large that the neurons could not be counted.
    """
    return doors.number(value, what, low=0.0, above=True, high=1e4, hint="1.0 is the published size.")


def scaled(n: int, scale: float) -> int:
    """A number of neurons, scaled; at least one.

    Example:
        >>> scaled(3200, 0.01)
        32
    """
    return max(1, round(n * scale))
