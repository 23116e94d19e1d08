"""A number of sources for each target of its own."""

from __future__ import annotations

import dataclasses

import numpy as np

from ranvier.connect.base import RowRule, Rows, drawn_rows, sources_of
from ranvier.errors import ParameterError
from ranvier.random import Key


@dataclasses.dataclass(frozen=True, eq=False)
class InDegrees(RowRule):
    """As many sources for each target as are asked for."""

    fixed = "degrees"
    degrees: np.ndarray
    autapses: bool
    multapses: bool

    def rows(self, sources: int, targets: int, own: int | None, key: Key) -> Rows:
        if self.degrees.shape != (targets,):
            raise ParameterError(f"fixed_in_degree: there are {len(self.degrees)} degrees, but {targets} targets.")
        candidates = sources_of(sources, own, self.autapses)
        there = candidates.sizes(np.arange(targets))
        wrong = np.flatnonzero((self.degrees > 0) & ((there == 0) | ((self.degrees > there) & (not self.multapses))))
        if len(wrong):
            hint = " Allow several edges between one pair with multapses=True, or ask for fewer." if there[wrong[0]] else ""
            raise ParameterError(
                f"fixed_in_degree cannot be met: target {wrong[0]} is to have {self.degrees[wrong[0]]} sources, and there are only "
                f"{there[wrong[0]]} to choose from.{hint}"
            )
        return drawn_rows(np.array(self.degrees, np.int64), candidates, self.multapses, key)
