"""The errors Ranvier raises, and the words it finds for them."""

from __future__ import annotations

import difflib
import inspect
import sys
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ranvier.result import Result


_NOT_THE_USERS = (
    str(Path(__file__).parent),
    *(str(Path(p) / library) for p in sys.path if p.endswith("site-packages") for library in ("jax", "torch")),
)


class RanvierError(Exception):
    """Base of every error Ranvier raises on purpose."""


class ParameterError(RanvierError, ValueError):
    """A value that cannot be used: wrong shape, not finite, out of its bounds."""


class UnitError(ParameterError):
    """A quantity whose dimension is not the one asked for."""


class UnknownNameError(RanvierError, KeyError):
    """A name that nothing carries: a variable, a population, a model."""

    def __str__(self) -> str:  # KeyError would print the message quoted
        return str(self.args[0])


class UnsupportedError(RanvierError, NotImplementedError):
    """A combination that Ranvier does not do. Refused before anything runs."""


class SimulationDiverged(RanvierError, ArithmeticError):
    """The state became NaN, infinite or absurdly large during a run.

    Attributes:
        result: everything recorded up to the first bad step.
        time: the time of the first bad state (ms).
    """

    def __init__(self, message: str, result: Result | None = None, time: float | None = None):
        super().__init__(message)
        self.result = result
        self.time = time


class StoreError(RanvierError, OSError):
    """A store that cannot be made, written, read or gone on from. Nothing of the user's was changed."""

    def __str__(self) -> str:  # OSError would print its number
        return str(self.args[0])


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """A warning that points at the user's line: the nearest one that is neither in this package nor in JAX or PyTorch."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_NOT_THE_USERS):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def not_written(owner: object, method: Callable[..., Any]) -> NotImplementedError:
    """The error of a class that lacks a method which its base leaves to it.

    Example:
        >>> import ranvier as rv
        >>> print(not_written(rv.IonChannel(), rv.IonChannel.current))
        IonChannel must define current(gates, V, ...): The current out of the cell (µA/cm², `[n]`).
    """
    names = [
        "..." if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) else name for name, p in list(inspect.signature(method).parameters.items())[1:]
    ]
    asked = ", ".join(dict.fromkeys(names))
    what = " ".join((inspect.getdoc(method) or "").partition("\n\n")[0].split())
    return NotImplementedError(f"{type(owner).__name__} must define {method.__name__}({asked}): {what}")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known names, or lists them all."""
    names = sorted({str(k) for k in known})
    lower = {n.lower(): n for n in names}  # "v" for "V" is a near miss
    close = [lower[c] for c in difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)]
    if close:
        return f"Did you mean {' or '.join(repr(c) for c in close)}?"
    if not names:
        return "There are none."
    return "Known: " + ", ".join(names) + "."


def unknown(kind: str, name: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a `name` that no `kind` of thing has, with the nearest names."""
    return UnknownNameError(f"Unknown {kind} {name!r}. {did_you_mean(str(name), known)}")
