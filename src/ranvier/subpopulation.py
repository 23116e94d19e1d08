"""Some neurons of a population: `exc[:240]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError

if TYPE_CHECKING:
    from ranvier.network.spec import Population


class Subpopulation:
    """Some neurons of a population, in its order: what projections, Poisson inputs, records and results take in its place.

    It is a view: the population stays one, so at run time it costs nothing.

    Attributes:
        population: whose neurons they are.
        neurons: their numbers there, ascending, int64 `[n]`.

    Example:
        >>> import ranvier as rv
        >>> exc = rv.Population(1000, rv.neurons.LeakyIntegrateAndFire(), name="exc")
        >>> exc[:240], exc[[3, 5, 8]].n
        (<240 of <Population 'exc': 1000 LeakyIntegrateAndFire>>, 3)
    """

    def __init__(self, population: Population, chosen: Any):
        self.population = population
        self.neurons = _numbers(chosen, population.n, population.name or "the population")

    @property
    def n(self) -> int:
        """How many there are."""
        return len(self.neurons)

    @property
    def label(self) -> str:
        """What it is called in figures: `"exc[:240]"`, `"exc[240:480]"`, or `"3 of exc"`."""
        name = self.population.name or type(self.population.model).__name__
        if not self.contiguous:
            return f"{self.n} of {name}"
        first, stop = int(self.neurons[0]), int(self.neurons[-1]) + 1
        return f"{name}[{first or ''}:{'' if stop == self.population.n else stop}]"

    @property
    def contiguous(self) -> bool:
        """Whether none is left out between the first and the last."""
        return not self.n or int(self.neurons[-1] - self.neurons[0]) + 1 == self.n

    def __repr__(self) -> str:
        return f"<{self.n} of {self.population!r}>"


def _numbers(chosen: Any, n: int, name: str) -> np.ndarray:
    if isinstance(chosen, slice):
        numbers = np.arange(n, dtype=np.int64)[chosen]
    elif isinstance(chosen, bool | np.bool_):
        raise doors.refusal(f"{name}[…]", chosen, "a slice, whole numbers, or a mask with one flag a neuron")
    elif isinstance(chosen, int | np.integer) and not isinstance(chosen, np.timedelta64):
        if not -n <= chosen < n:
            raise IndexError(f"{name} has {n} neurons; there is no neuron {chosen}.")
        numbers = np.array([chosen % n], np.int64)
    elif isinstance(chosen, np.ndarray) and chosen.dtype == bool:
        if chosen.shape != (n,):
            raise ParameterError(f"{name}[…]: the mask has the shape {chosen.shape}, but there are {n} neurons.")
        numbers = np.flatnonzero(chosen)
    else:
        numbers = doors.indices(chosen, f"{name}[…]", n)
    if not len(numbers):
        raise ParameterError(f"{name}[…] is empty: it must be at least one neuron.")
    if (np.diff(numbers) <= 0).any():
        raise ParameterError(f"{name}[…] must be ascending, each neuron once: its neurons keep the population's order.")
    return numbers
