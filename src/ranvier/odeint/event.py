"""Events: what happens to the state when something crosses a threshold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ranvier import doors


@dataclass(frozen=True)
class Event:
    """A threshold, and what its crossing does to the state.

    An element of `threshold(y, t, *args)` has an event in a step at whose start it is below
    zero and at whose end it is zero or above; then the state becomes
    `reset(y, t, happened, *args)`. As everywhere in Ranvier, the time of an event is
    the time at the *start* of the step in which it is seen, and that is the `t`
    that `reset` gets. There is no other record: what to remember (the time of the
    last spike, a count) is a variable of the state that `reset` writes.

    What is above zero from the start, or is put there by a reset, does not cross. With
    `level=True` every element that is zero or above at either end of a step has an event:
    so a kick over the threshold counts, and so does every step that is spent above it.

    Attributes:
        threshold: a function of the state and the time; an array or a scalar.
        reset: the new state; `happened` is an array of booleans shaped like the threshold.
        level: whether an event is being above zero, and not rising to it.

    Example:
        Two leaky integrate-and-fire neurons, of which the second has input enough to spike.

        >>> import numpy as np, ranvier as rv
        >>> current = np.array([9.0, 25.0])
        >>> spike = rv.Event(
        ...     threshold=lambda y, t: y["V"] + 50,
        ...     reset=lambda y, t, spiked: {"V": np.where(spiked, -65.0, y["V"]), "last": np.where(spiked, t, y["last"])},
        ... )
        >>> y = rv.odeint(
        ...     lambda y, t: {"V": (-65.0 - y["V"] + current) / 10, "last": np.zeros(2)},
        ...     {"V": np.full(2, -65.0), "last": np.full(2, -np.inf)},
        ...     np.arange(0, 50, 0.1),
        ...     events=spike,
        ... )
        >>> y["last"][-1].round(1).tolist()
        [-inf, 45.9]
    """

    threshold: Callable[..., Any]
    reset: Callable[..., Any]
    level: bool = False

    def __post_init__(self) -> None:
        doors.function(self.threshold, "Event.threshold", "lambda y, t: y['V'] + 50")
        doors.function(self.reset, "Event.reset", "lambda y, t, spiked: {'V': np.where(spiked, -65.0, y['V'])}")
        doors.flag(self.level, "Event.level")

    def apply(self, before: Any, after: Any, t: Any, t_next: Any, args: tuple[Any, ...]) -> Any:
        """The state after the step, with the reset where the event happened."""
        low, high = self.threshold(before, t, *args), self.threshold(after, t_next, *args)
        happened = (low >= 0) | (high >= 0) if self.level else (low < 0) & (high >= 0)
        return self.reset(after, t, happened, *args)
