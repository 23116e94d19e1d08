"""What is recorded, and when."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError
from ranvier.record.reduce import Reduction, reduction
from ranvier.subpopulation import Subpopulation

_FROM_THE_BEGINNING, _TO_THE_END = 0.0, np.inf


class Record:
    """Records variables of a population or a projection, or any function of the state.

    Args:
        part: the population or projection, itself or its name, or some neurons of a population, `exc[:240]`. None for a
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
        name: what the record is called: that of a function, or of one variable, so that two records of it can stand side by side.
        unit: what a function's record is measured in.

    Example:
        >>> Record("cells", ["V", "sodium.current"], every=0.1)
        Record('cells', ['V', 'sodium.current'], every=0.1)
        >>> Record("cells", "V", reduce=("percentile", 90), every=1.0).names
        ['V.percentile_90']
        >>> Record("cells", "V", start=900.0, name="V_late").names  # beside another of V
        ['V_late']
    """

    def __init__(
        self,
        part: Any,
        variables: str | Sequence[str] | Callable[..., Any],
        *,
        every: Any = None,
        every_steps: int | None = None,
        neurons: Any = None,
        start: Any = _FROM_THE_BEGINNING,
        stop: Any = _TO_THE_END,
        windows: Sequence[tuple[float, float]] | None = None,
        reduce: Any = None,
        keep: Any = None,
        name: str | None = None,
        unit: str = "1",
    ):
        if part is not None and not isinstance(part, str | Subpopulation) and (not hasattr(part, "name") or isinstance(part, os.PathLike)):
            raise doors.refusal("Record.part", part, "a population or a projection, or the name of one, or None for the whole state")
        if isinstance(part, Subpopulation):
            chosen = part.neurons if neurons is None else part.neurons[doors.indices(neurons, "Record.neurons", part.n)]
            part, neurons = part.population, chosen
        self.part = part
        self.function = None
        self.variables: list[str] = []
        if callable(variables):
            self.function = doors.function(variables, "Record.variables", "lambda state: state['V'].max()")
        elif isinstance(variables, str):
            self.variables = [variables]
        elif isinstance(variables, list | tuple) and variables and all(isinstance(v, str) for v in variables):
            self.variables = list(variables)
        else:
            raise doors.refusal("Record.variables", variables, "the names of variables, or a function of them")
        if part is None and self.function is None:
            raise ParameterError(
                f"Record.part is None, which is for a function of the whole state; {self.variables} belong to a population: name it."
            )
        self.every = None if every is None else doors.interval(every, "Record.every", "It is the time between samples.")
        self.every_steps = None if every_steps is None else doors.count(every_steps, "Record.every_steps", low=1)
        if every is not None and every_steps is not None:
            raise ParameterError("every and every_steps both say how often; give one of them.")
        self.neurons = None if neurons is None else doors.indices(neurons, "Record.neurons")
        self.windows = _windows(start, stop, windows)
        self.reduce: Reduction | None = None if reduce is None else reduction(reduce, name)
        self.keep = None if keep is None else doors.interval(keep, "Record.keep", "It is the stretch of time to keep.")
        self.name = None if name is None else doors.text(name, "Record.name")
        self.unit = doors.text(unit, "Record.unit")
        if self.function is not None:
            self._check_function()
        elif name is not None and self.reduce is None:
            if len(self.variables) > 1:
                raise ParameterError(f"Record.name is one name for {len(self.variables)} variables. Make one record for each.")
            if not str(name).replace("_", "").isalnum():
                raise ParameterError(f"Record.name is {name!r}, but it must be of letters, digits and underscores, such as 'V_late'.")

    def _check_function(self) -> None:
        given: str = getattr(self.function, "__name__", "")
        self.name = self.name or given
        if not self.name.replace("_", "").isalnum():
            raise ParameterError(f"Record.variables is a function that needs a name: rv.Record(…, {given or 'function'}, name='highest').")
        if self.reduce is not None or self.neurons is not None:
            raise ParameterError(f"reduce and neurons are for variables; the function {self.name!r} can do both itself.")

    def check_within(self, begin: float, end: float) -> None:
        """Refuses a record that a run from `begin` to `end` (ms) never reaches.

        One that is over at the beginning is none's fault: a run that goes on has the records of the one before.

        Raises:
            ParameterError: it begins after the end.
        """
        for start, stop in self.windows:
            if start > end * (1 + 1e-12):
                raise ParameterError(
                    f"{self!r} records from {start:g} to {stop:g} ms, but the run goes from {begin:g} to {end:g} ms: nothing would be "
                    "recorded. Change its start, stop or windows, or the duration."
                )

    @property
    def names(self) -> list[str]:
        """What the recorded variables are called in the result."""
        if self.function is not None:
            return [str(self.name)]
        if self.name is not None and self.reduce is None:
            return [self.name]
        return [v if self.reduce is None else f"{v}.{self.reduce.name}" for v in self.variables]

    def __repr__(self) -> str:
        name = self.part if isinstance(self.part, str) or self.part is None else getattr(self.part, "name", None) or self.part
        more = "" if self.every is None else f", every={self.every:g}"
        return f"Record({name!r}, {self.names!r}{more})"


def _windows(start: Any, stop: Any, windows: Any) -> tuple[tuple[float, float], ...]:
    if windows is None:
        pairs: Sequence[Any] = [(start, stop)]
        names = [("Record.start", "Record.stop")]
    else:
        if isinstance(windows, np.ndarray) and windows.ndim == 2:
            windows = list(windows)
        pairs_wanted = "pairs (start, stop) in ms, such as [(0, 100), (500, 600)]"
        if not isinstance(windows, list | tuple) or not windows:
            raise doors.refusal("Record.windows", windows, pairs_wanted)
        for pair in windows:
            if not isinstance(pair, list | tuple | np.ndarray) or len(pair) != 2:
                raise doors.refusal("Record.windows", windows, pairs_wanted)
        pairs, names = windows, [(f"Record.windows[{i}][0]", f"Record.windows[{i}][1]") for i in range(len(windows))]
        if _given(start, _FROM_THE_BEGINNING) or _given(stop, _TO_THE_END):
            raise ParameterError("Record.start and Record.stop are one window, Record.windows are several; give one or the other.")
    cleaned = [
        (doors.time(begin, first, infinite=True), doors.time(end, last, infinite=True))
        for (begin, end), (first, last) in zip(pairs, names, strict=True)
    ]
    for (begin, end), (first, _) in zip(cleaned, names, strict=True):
        if -np.inf < begin < 0:
            raise ParameterError(f"{first} is {begin:g} ms, but it must be at least 0 ms: no run begins before.")
        if not begin < end:
            raise ParameterError(
                f"Record.windows, or its start and stop: the record would start at {begin} ms and stop at {end} ms: start must come first."
            )
    for (_, before), (after, _) in itertools.pairwise(cleaned):
        if not before < after:
            raise ParameterError(f"Record.windows must follow each other, but one ends at {before} ms and the next begins at {after} ms.")
    return tuple(cleaned)


def _given(value: Any, default: float) -> bool:
    return not (isinstance(value, float | int) and value == default)
