"""What is recorded, and when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ranvier import units
from ranvier.errors import ParameterError


class Record:
    """Records variables of a population or a projection.

    Args:
        part: the population or projection, itself or its name.
        variables: one name or several: a state variable (`"V"`, `"sodium.m"`,
            `"open"`), a channel's `"sodium.current"` or `"sodium.conductance"`,
            `"injected_current"`, `"synaptic_current"`, `"synaptic_conductance"`,
            `"last_spike"`; of a projection also its `"current"` and
            `"conductance"` at each target. `rv.recordable(part)` lists them.
        every: the time between samples (ms); every step when left out.
        neurons: which ones, by index; all when left out.
        start, stop: the first and the last moment to record (ms).

    Example:
        >>> Record("cells", ["V", "sodium.current"], every=0.1)
        Record('cells', ['V', 'sodium.current'], every=0.1)
    """

    def __init__(
        self,
        part: Any,
        variables: str | Sequence[str],
        *,
        every: Any = None,
        neurons: Any = None,
        start: float = 0.0,
        stop: float = np.inf,
    ):
        self.part = part
        self.variables = [variables] if isinstance(variables, str) else list(variables)
        if not self.variables or not all(isinstance(v, str) for v in self.variables):
            raise ParameterError(f"A record needs the names of variables, not {variables!r}.")
        self.every = None if every is None else float(units.magnitude(every, "ms", "every"))
        if self.every is not None and not (np.isfinite(self.every) and self.every > 0):
            raise ParameterError(f"every = {self.every} ms: the time between samples must be positive.")
        self.neurons = None if neurons is None else np.asarray(neurons)
        if self.neurons is not None and (self.neurons.ndim != 1 or (self.neurons.size and self.neurons.dtype.kind not in "ui")):
            raise ParameterError(f"neurons must be a list of indices, not {neurons!r}.")
        self.start = float(units.magnitude(start, "ms", "start"))
        self.stop = float(units.magnitude(stop, "ms", "stop"))
        if not self.start < self.stop:
            raise ParameterError(f"The record would start at {self.start} ms and stop at {self.stop} ms: start must come first.")

    def __repr__(self) -> str:
        name = self.part if isinstance(self.part, str) else getattr(self.part, "name", None) or self.part
        more = "" if self.every is None else f", every={self.every:g}"
        return f"Record({name!r}, {self.variables!r}{more})"
