"""One number, or a few, from the values of all neurons."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from ranvier.errors import ParameterError, unknown

_BY_NAME: dict[str, Callable[[Any], Any]] = {"mean": jnp.mean, "std": jnp.std, "min": jnp.min, "max": jnp.max, "sum": jnp.sum}


@dataclasses.dataclass(frozen=True)
class Reduction:
    """A function of the values `[n]` of a variable, what its record is called, and how it was asked for."""

    name: str
    function: Callable[[Any], Any]
    how: Any


@functools.cache
def _percentile(q: float) -> Callable[[Any], Any]:
    return lambda values: jnp.percentile(values, q)


def reduction(how: Any, name: str | None = None) -> Reduction:
    """What `rv.Record(reduce=…)` takes, as a `Reduction`.

    Raises:
        ParameterError, UnknownNameError: it is none.

    Example:
        >>> reduction(("percentile", 50)).name
        'percentile_50'
    """
    if isinstance(how, str):
        if how not in _BY_NAME:
            raise unknown("reduction", how, [*_BY_NAME, "percentile"])
        return Reduction(how, _BY_NAME[how], how)
    if isinstance(how, tuple | list) and len(how) == 2 and how[0] == "percentile":
        try:
            q = float(how[1])
        except (TypeError, ValueError):
            q = -1.0
        if not 0 <= q <= 100:
            raise ParameterError(f"A percentile is between 0 and 100, not {how[1]!r}.")
        return Reduction(f"percentile_{q:g}", _percentile(q), ("percentile", q))
    if not callable(how):
        raise ParameterError(f"reduce takes 'mean', ('percentile', 90) or a function of the values, not {how!r}.")
    called = str(name or getattr(how, "__name__", ""))
    if not called.replace("_", "").isalnum():
        raise ParameterError("A reduction by a function without a name needs one: rv.Record(…, reduce=lambda V: …, name='spread').")
    return Reduction(called, how, how)
