"""Functions of a pair: what they are given, and what may come out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ranvier.errors import ParameterError


def evaluated(function: Callable[[np.ndarray, np.ndarray], Any], pre: np.ndarray, post: np.ndarray, what: str) -> np.ndarray:
    """A function's value for each pair.

    Args:
        function: of the sources' and the targets' numbers, int64 `[pairs]` each.
        pre, post: the pairs, `[pairs]`.
        what: its value is, for errors.

    Returns:
        float64 `[pairs]`.

    Raises:
        ParameterError: it gives neither one number nor one for each pair.

    Example:
        >>> evaluated(lambda pre, post: abs(post - pre), np.array([0, 5]), np.array([3, 3]), "The distance").tolist()
        [3.0, 2.0]
    """
    if not len(pre):
        return np.zeros(0)
    try:
        value = function(np.asarray(pre, np.int64), np.asarray(post, np.int64))
    except Exception as error:
        error.add_note(f"{what} is a function; it was called with the numbers of {len(pre)} sources and targets, int64 [{len(pre)}] each.")
        raise
    array = np.asarray(value)
    if array.dtype.kind not in "buif" or array.shape not in ((), (len(pre),)):
        raise ParameterError(
            f"{what} is a function of the sources' and the targets' numbers; for {len(pre)} pairs it must give {len(pre)} numbers, or one, "
            f"not {array.dtype} of the shape {array.shape}."
        )
    return np.broadcast_to(array.astype(np.float64), len(pre))
