"""What building populations and building projections share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ranvier import units
from ranvier.errors import ParameterError, did_you_mean, unknown
from ranvier.random import Distribution, Key


def resolve(name: str, known: Iterable[str], what: str) -> str:
    """The full name of a variable that may be given in short: `"m"` for `"sodium.m"`.

    Raises:
        UnknownNameError: nothing has that name, or several things have it.
    """
    names = list(known)
    if name in names:
        return name
    matches = [k for k in names if k.endswith(f".{name}")] or [k for k in names if k.startswith(f"{name}.")]
    if len(matches) == 1:
        return matches[0]
    if matches:
        error = unknown(what, name, matches)
        error.args = (f"{name!r} could be {' or '.join(repr(m) for m in sorted(matches))}: write the full name.",)
        raise error
    raise unknown(what, name, [*names, *(k.rpartition(".")[2] for k in names)])


def initial_values(
    given: Mapping[str, Any], state: Mapping[str, Any], n: int, key: Key, what: str, one: str, unit_of: Any
) -> dict[str, np.ndarray]:
    """The values at the start, `[n]` each: those of `state`, where `given` has no other."""
    values = {}
    for name, value in state.items():
        array = np.asarray(value, np.float64)
        if array.shape not in ((), (n,)):
            raise ParameterError(
                f"{what}: the initial value of {name!r} that its model gives has the shape {array.shape}; it must be ({n},)."
            )
        values[name] = np.array(np.broadcast_to(array, (n,)))
    for short, value in given.items():
        name = resolve(short, state, f"variable of {what}")
        value = units.magnitude(value, unit_of(name), f"The initial {name} of {what}")
        if isinstance(value, Distribution):
            value = value.draw(key.child("initial").child(name), n)
        array = np.asarray(value, np.float64)
        if array.shape not in ((), (n,)):
            raise ParameterError(
                f"The initial {name} of {what} has the shape {array.shape}, but there are {n} {one}s: "
                f"give one number, or an array of shape ({n},)."
            )
        if np.isnan(array).any():
            raise ParameterError(f"The initial {name} of {what} is NaN.")
        values[name] = np.array(np.broadcast_to(array, (n,)))
    return values


def moving_variables(model: Any, derivatives: Any, state: Mapping[str, Any], what: str) -> tuple[str, ...]:
    """The variables that have a derivative.

    Raises:
        ParameterError: a derivative is of what is not in the state.
    """
    for name in derivatives:
        if name not in state:
            raise ParameterError(
                f"{type(model).__name__}.derivatives returns {name!r}, which is not in its initial_state. {did_you_mean(name, state)}"
            )
    return tuple(name for name in state if name in derivatives)
