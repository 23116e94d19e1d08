"""Conditions that end a run early."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier import units
from ranvier.errors import ParameterError
from ranvier.network.state import SimulationState


@dataclasses.dataclass(frozen=True)
class Moment:
    """What a stop condition is told.

    Attributes:
        time: simulated so far (ms).
        state: the `SimulationState`.
        rates: `{population: mean rate}` since the condition was asked last (Hz).
    """

    time: float
    state: SimulationState
    rates: dict[str, float]


class Until:
    """A stop condition, asked at multiples of `every`, so that it does not depend on the machine's speed where a run ends.

    Args:
        condition: called with a `Moment`; the run ends when it returns True.
        every: the time between questions (ms).

    Example:
        >>> import ranvier as rv
        >>> cell = rv.neurons.HodgkinHuxley()
        >>> run = rv.simulate(cell, current=10.0, duration=500.0, until=rv.Until(lambda now: now.rates["hodgkin_huxley"] > 0, every=5.0))
        >>> run.spikes.stop
        5.0
    """

    def __init__(self, condition: Callable[[Moment], Any], *, every: Any = 10.0):
        if not callable(condition):
            raise ParameterError(f"until takes a function of the moment, such as lambda now: now.rates['exc'] > 50, not {condition!r}.")
        self.condition = condition
        self.every = float(units.magnitude(every, "ms", "every"))
        if not (np.isfinite(self.every) and self.every > 0):
            raise ParameterError(f"every = {self.every:g} ms: the time between two questions must be positive.")
