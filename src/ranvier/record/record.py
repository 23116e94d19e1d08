"""What is recorded, and when."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ranvier import units
from ranvier.errors import ParameterError
from ranvier.record.reduce import Reduction, reduction


class Record:
    """Records variables of a population or a projection, or any function of the state.

    Args:
        part: the population or projection, itself or its name. None for a
            function of the whole network's state.
        variables: one name or several: a state variable (`"V"`, `"sodium.m"`,
            `"open"`), a channel's `"sodium.current"` or `"sodium.conductance"`,
            `"injected_current"`, `"synaptic_current"`, `"synaptic_conductance"`,
            `"last_spike"`; of a projection also its `"current"` and
            `"conductance"` at each target. `rv.recordable(part)` lists them.
            Or a pure function, written with `jax.numpy`: it gets what can be
            recorded of the part by name (of None: that of every part by its
            name) and returns a number or a vector.
        every: the time between samples (ms); every step when left out.
        every_steps: the same in steps.
        neurons: which ones, by index; all when left out.
        start, stop: the first and the last moment to record (ms).
        windows: several stretches of time instead, as pairs `(start, stop)` (ms).
        reduce: records one number instead of one a neuron: `"mean"`, `"std"`,
            `"min"`, `"max"`, `"sum"`, `("percentile", 90)`, or a function of the
            values `[n]`. The record is then called `"V.mean"`, for example.
        keep: only the last so many milliseconds, in memory, also where the run
            goes to a store.
        name, unit: what a function's record is called and measured in.

    Example:
        >>> Record("cells", ["V", "sodium.current"], every=0.1)
        Record('cells', ['V', 'sodium.current'], every=0.1)
        >>> Record("cells", "V", reduce=("percentile", 90), every=1.0).names
        ['V.percentile_90']
    """

    def __init__(
        self,
        part: Any,
        variables: str | Sequence[str] | Callable[..., Any],
        *,
        every: Any = None,
        every_steps: int | None = None,
        neurons: Any = None,
        start: float = 0.0,
        stop: float = np.inf,
        windows: Sequence[tuple[float, float]] | None = None,
        reduce: Any = None,
        keep: Any = None,
        name: str | None = None,
        unit: str = "1",
    ):
        self.part = part
        self.function = variables if callable(variables) else None
        self.variables = [] if callable(variables) else [variables] if isinstance(variables, str) else list(variables)
        if self.function is None and (not self.variables or not all(isinstance(v, str) for v in self.variables)):
            raise ParameterError(f"A record needs the names of variables, or a function of them, not {variables!r}.")
        if part is None and self.function is None:
            raise ParameterError(f"Record(None, …) is for a function of the whole state; {self.variables} belong to a population: name it.")
        self.every = None if every is None else _positive(every, "every", "the time between samples")
        self.every_steps = every_steps
        if every_steps is not None and (isinstance(every_steps, bool) or not isinstance(every_steps, int | np.integer) or every_steps < 1):
            raise ParameterError(f"every_steps is {every_steps!r}, but it must be a whole number of at least 1.")
        if every is not None and every_steps is not None:
            raise ParameterError("every and every_steps both say how often; give one of them.")
        self.neurons = None if neurons is None else np.asarray(neurons)
        if self.neurons is not None and (self.neurons.ndim != 1 or (self.neurons.size and self.neurons.dtype.kind not in "ui")):
            raise ParameterError(f"neurons must be a list of indices, not {neurons!r}.")
        self.windows = _windows(start, stop, windows)
        self.reduce: Reduction | None = None if reduce is None else reduction(reduce, name)
        self.keep = None if keep is None else _positive(keep, "keep", "the stretch of time to keep")
        self.name, self.unit = name, unit
        if self.function is not None:
            self._check_function()
        elif name is not None and self.reduce is None:
            raise ParameterError("name= is for the record of a function; a variable has a name already.")

    def _check_function(self) -> None:
        given: str = getattr(self.function, "__name__", "")
        self.name = self.name or given
        if not self.name.replace("_", "").isalnum():
            raise ParameterError(f"The record of a function needs a name: rv.Record(…, {given or 'function'}, name='highest').")
        if self.reduce is not None or self.neurons is not None:
            raise ParameterError(f"reduce and neurons are for variables; the function {self.name!r} can do both itself.")

    @property
    def names(self) -> list[str]:
        """What the recorded variables are called in the result."""
        if self.function is not None:
            return [str(self.name)]
        return [v if self.reduce is None else f"{v}.{self.reduce.name}" for v in self.variables]

    def __repr__(self) -> str:
        name = self.part if isinstance(self.part, str) or self.part is None else getattr(self.part, "name", None) or self.part
        more = "" if self.every is None else f", every={self.every:g}"
        return f"Record({name!r}, {self.names!r}{more})"


def _positive(value: Any, what: str, meaning: str) -> float:
    number = float(units.magnitude(value, "ms", what))
    if not (np.isfinite(number) and number > 0):
        raise ParameterError(f"{what} = {number} ms: {meaning} must be positive.")
    return number


def _windows(start: Any, stop: Any, windows: Sequence[tuple[float, float]] | None) -> tuple[tuple[float, float], ...]:
    pairs = [(start, stop)] if windows is None else list(windows)
    if windows is not None and (start != 0.0 or stop != np.inf):
        raise ParameterError("start and stop are one window, windows are several; give one or the other.")
    if not pairs or not all(np.shape(pair) == (2,) for pair in pairs):
        raise ParameterError(f"windows must be pairs (start, stop) in ms, such as [(0, 100), (500, 600)], not {windows!r}.")
    cleaned = [(float(units.magnitude(a, "ms", "start")), float(units.magnitude(b, "ms", "stop"))) for a, b in pairs]
    for begin, end in cleaned:
        if not begin < end:
            raise ParameterError(f"The record would start at {begin} ms and stop at {end} ms: start must come first.")
    for (_, before), (after, _) in itertools.pairwise(cleaned):
        if not before < after:
            raise ParameterError(f"The windows must follow each other, but one ends at {before} ms and the next begins at {after} ms.")
    return tuple(cleaned)
