"""What a method of fitting is, and what it leaves."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import numpy as np

from ranvier.errors import not_written


@dataclasses.dataclass(frozen=True)
class Found:
    """What a search leaves.

    Attributes:
        places: the best place of each start, `[starts, size]`.
        losses: theirs.
        curve: the least loss of each start after each iteration, `[iterations + 1, starts]`.
    """

    places: np.ndarray
    losses: np.ndarray
    curve: np.ndarray


class Method:
    """Base of methods: how the space is searched. One has a function `search`.

    Class attributes:
        needs: what of the loss: `"gradient"`, `"residuals"` (of a mean of squares, and their derivatives), or `""`.
        iterations: how many, where none are given.
    """

    needs: ClassVar[str] = ""
    iterations: ClassVar[int] = 100

    def search(self, problem: Any, starts: np.ndarray, iterations: int, seed: int, told: Any) -> Found:
        """Searches from each start.

        Args:
            problem: a `Problem`: the loss, its gradient and more, as functions of a place.
            starts: places, `[starts, size]`.
            iterations: how many at most.
            seed: of what is random.
            told: to be called with the least loss after each iteration.
        """
        raise not_written(self, Method.search)
