"""One number, or a few, from the values of all neurons."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp

from ranvier import doors
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
            raise unknown("Record.reduce", how, [*_BY_NAME, "percentile"])
        return Reduction(how, _BY_NAME[how], how)
    if isinstance(how, tuple | list) and len(how) == 2 and isinstance(how[0], str) and how[0] == "percentile":
        q = doors.number(how[1], "Record.reduce: a percentile", low=0.0, high=100.0)
        return Reduction(f"percentile_{q:g}", _percentile(q), ("percentile", q))
    if not callable(how) or isinstance(how, type):
        raise doors.refusal("Record.reduce", how, "'mean', ('percentile', 90) or a function of the values")
    called = str(name or getattr(how, "__name__", ""))
    if not called.replace("_", "").isalnum():
        raise ParameterError("A reduction by a function without a name needs one: rv.Record(…, reduce=lambda V: …, name='spread').")
    return Reduction(called, how, how)
