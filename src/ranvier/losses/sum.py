"""Sums of losses."""

from __future__ import annotations

import dataclasses
from typing import Any

from ranvier import doors


@dataclasses.dataclass(frozen=True)
class Sum:
    """Losses that count together: `rv.losses.Voltage() + 0.1 * rv.losses.VanRossum()`. All get the same data, such as a run.

    Attributes:
        terms: each loss, with the factor by which it counts.

    Example:
        >>> import ranvier as rv
        >>> both = rv.losses.VanRossum(tau=5.0) + 2.0 * rv.losses.Coincidence()
        >>> [(factor, type(loss).__name__) for factor, loss in both.terms]
        [(1.0, 'VanRossum'), (2.0, 'Coincidence')]
    """

    terms: tuple[tuple[float, Any], ...]

    def __add__(self, other: Any) -> Sum:
        return Sum((*self.terms, *as_sum(other).terms))

    def __mul__(self, factor: float) -> Sum:
        factor = doors.not_negative(factor, "the factor of a loss")
        return Sum(tuple((factor * own, loss) for own, loss in self.terms))

    __rmul__ = __mul__


def as_sum(loss: Any) -> Sum:
    """A loss as a sum of one."""
    from ranvier.losses.base import Loss  # whose sums these are

    return loss if isinstance(loss, Sum) else Sum(((1.0, doors.instance(loss, "loss", Loss, "rv.losses.Voltage()")),))
