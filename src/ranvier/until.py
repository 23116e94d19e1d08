"""Conditions that end a run early."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ranvier import doors
from ranvier.network.state import SimulationState
from ranvier.steps import in_steps

EVERY = 10.0  # ms


class Moment:
    """What a stop condition is told.

    Attributes:
        time: simulated so far (ms).
        rates: `{population: mean rate}` since the condition was asked last (Hz).
    """

    def __init__(self, time: float, state: SimulationState | Callable[[], SimulationState], rates: dict[str, float]):
        self.time, self._state, self.rates = time, state, rates

    @functools.cached_property
    def state(self) -> SimulationState:
        """The state; it leaves the device when it is asked for."""
        return self._state() if callable(self._state) else self._state


class Until:
    """A stop condition, asked at multiples of `every`, so that it does not depend on the machine's speed where a run ends.

    Args:
        condition: called with a `Moment`; the run ends when it returns True.
        every: the time between questions (ms); 10 ms, or a step where steps are longer.

    Example:
        >>> import ranvier as rv
        >>> cell = rv.neurons.HodgkinHuxley()
        >>> run = rv.simulate(cell, current=10.0, duration=500.0, until=rv.Until(lambda now: now.rates["hodgkin_huxley"] > 0, every=5.0))
        >>> run.spikes.stop
        5.0
    """

    def __init__(self, condition: Callable[[Moment], Any], *, every: Any = None):
        self.condition = doors.function(condition, "Until.condition", "lambda now: now.rates['exc'] > 50")
        self.every = EVERY if every is None else doors.interval(every, "Until.every", "It is the time between two questions.")
        self._default = every is None

    def steps(self, dt: float) -> int:
        """The time between two questions in steps of `dt` (ms); at least one.

        Raises:
            ParameterError: `every` was given, and is shorter than a step.
        """
        if self._default:
            return max(1, round(self.every / dt))
        return int(in_steps(self.every, dt, "Until.every", least=1))
