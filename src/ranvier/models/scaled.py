"""How large a ready-made network is made."""

from __future__ import annotations

import math
from typing import Any

from ranvier.errors import ParameterError


def checked_scale(scale: Any) -> float:
    """The factor of a network's size.

    Raises:
        ParameterError: it is no positive, finite number.
    """
    if isinstance(scale, bool) or not isinstance(scale, int | float) or not (math.isfinite(scale) and scale > 0):
        raise ParameterError(f"scale is {scale!r}, but it must be a positive, finite number; 1.0 is the published size.")
    return float(scale)


def scaled(n: int, scale: float) -> int:
    """A number of neurons, scaled; at least one.

    Example:
        >>> scaled(3200, 0.01)
        32
    """
    return max(1, round(n * scale))
