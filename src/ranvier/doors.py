"""One door: a check for each kind of argument, by which everything public takes what its user gives.

Each function takes the value and what it is called (`"duration"`, `"Population.n"`), and
gives it back as the engine wants it: a plain number in its unit, an array of its own that
later changes of the user's do not reach. Or it raises a `ParameterError` that says what the
value is called, what was given, and what to write instead. A new function checks every
argument with one of these; `tests/errors/test_doors.py` walks all public signatures, and
fails for one that it does not know.

| kind of argument | door |
|---|---|
| a number within bounds | `number(dose, "dose", low=0.0, unit="mM")` |
| a time in ms | `time(start, "start")`, `duration(duration, "duration")` from 0, `interval(dt, "dt")` above 0 |
| a probability | `probability(p, "p")` |
| how many | `count(n, "n", low=1)` |
| a flag | `flag(autapses, "autapses")` |
| one of some words | `choice(precision, "precision", ("single", "double"))` |
| a path | `path(store, "store")` |
| a seed | `seed(seed, "seed")` |
| the name of a part | `name(name, "name")` |
| an array of numbers | `numbers(times, "times", unit="ms", rank=1)` |
| one number, one a neuron or edge, or a distribution | `values(weight, "weight", unit="nS")` |
| indices | `indices(neurons, "neurons")` |
| a model of some kind | `instance(model, "model", NeuronModel, "rv.neurons.HodgkinHuxley()")` |
| a function | `function(condition, "condition", "lambda now: now.time > 5")` |
| a mapping from names | `mapping(initial, "initial")` |

A function names the doors of all its arguments at once:

```python
@checked(spikes=spikes, bin_width=interval, smoothing=duration, n=optional(at_least(1)))
def rate_over_time(spikes, bin_width=5.0, *, smoothing=0.0, n=None): ...
```

Durations become steps by `ranvier.steps.in_steps`, which is bounded too.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers as kinds_of_numbers
import os
import re
import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import jax
import numpy as np

from ranvier import units
from ranvier.errors import ParameterError, did_you_mean, unknown

Kind = TypeVar("Kind")
Called = TypeVar("Called", bound=Callable[..., Any])
Door: TypeAlias = Callable[[Any, str], Any]
"""What takes an argument and its name, and gives the argument back."""

MOST_NEURONS = 2**31 - 1
"""What the index of a neuron, or of an edge's end, can count."""

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_ →+-]*$")
_TRACED = (
    "a value that jax.jit, vmap or grad is tracing; what they can transform is the function that "
    "rv.prepare(…).function() gives, not this call"
)


def said(value: Any) -> str:
    """A value as an error says it: short, and its type where that is what is wrong.

    Example:
        >>> said(3), said("long"), said(np.zeros((2, 3), complex)), said(int)
        ('3', "'long'", 'an array of shape (2, 3) and type complex128', 'the class int')
    """
    if isinstance(value, jax.core.Tracer):
        return _TRACED
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if units.is_quantity(value) and not isinstance(value, list | tuple):
        return f"a {type(value).__name__} in {units.unit_of(value)}"
    if isinstance(value, types.ModuleType):
        return f"the module {value.__name__}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        masked = "a masked array" if isinstance(value, np.ma.MaskedArray) else "an array"
        return _shortened(repr(value)) if np.ndim(value) == 0 else f"{masked} of shape {tuple(value.shape)} and type {value.dtype}"
    if callable(value) and hasattr(value, "__name__"):
        return f"the function {value.__name__}"
    if type(value).__repr__ is object.__repr__:
        return f"a {type(value).__name__}"
    try:
        return _shortened(repr(value))
    except Exception:  # a repr of the user's that fails must not hide what is wrong
        return f"a {type(value).__name__}"


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}…"


def refusal(what: str, value: Any, wanted: str, hint: str = "") -> ParameterError:
    """The error for a `value` that cannot be used, with what it must be."""
    return ParameterError(f"{what} is {said(value)}, but it must be {wanted}.{f' {hint}' if hint else ''}")


def _range(low: float, high: float, above: bool, unit: str) -> str:
    """Bounds in words."""
    of = "" if unit == "1" else f" {unit}"
    if math.isinf(low) and math.isinf(high):
        return f"a finite number{f' ({unit})' if of else ''}"
    if math.isinf(high):
        return f"positive and finite{f' ({unit})' if of else ''}" if above and low == 0 else f"at least {low:g}{of} and finite"
    if math.isinf(low):
        return f"at most {high:g}{of}"
    return f"within {'(' if above else '['}{low:g}, {high:g}]{of}"


def _plain(value: Any, what: str, unit: str, wanted: str) -> float:
    """One number, which may be infinite or NaN."""
    if type(value) is float:
        return value
    given, value = value, units.magnitude(value, unit, what)
    if isinstance(value, np.ndarray | jax.Array) and not isinstance(value, jax.core.Tracer) and value.shape == ():
        if np.ma.is_masked(value):
            raise refusal(what, given, wanted)
        value = value[()]
    if isinstance(value, jax.core.Tracer):
        raise refusal(what, given, wanted)
    if isinstance(value, jax.Array) and value.dtype.kind in "iuf":
        value = value.item()
    if not _is_number(value, kinds_of_numbers.Real):
        raise refusal(what, given, wanted)
    try:
        return float(value)
    except OverflowError:
        raise refusal(what, given, wanted) from None


def _is_number(value: Any, kind: Any) -> bool:
    """Whether a value is of a kind of number; truth values and spans of time, which Python and NumPy count among them, are not."""
    return isinstance(value, kind) and not isinstance(value, bool | np.bool_ | np.timedelta64)


def number(
    value: Any,
    what: str,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    above: bool = False,
    infinite: bool = False,
    unit: str = "1",
    hint: str = "",
) -> float:
    """One real number.

    Args:
        value: what the user gave: a number, an array with no axes, or a quantity.
        what: what it is called.
        low, high: what it may be, both included.
        above: whether `low` itself is excluded.
        infinite: whether it may be infinite.
        unit: what a plain number is in, and a quantity is converted to.
        hint: what else helps, for the error.

    Raises:
        ParameterError: it is no number, NaN, or out of its bounds.

    Example:
        >>> number("5", "gain")
        Traceback (most recent call last):
        ranvier.errors.ParameterError: gain is '5', but it must be a finite number.
    """
    wanted = _range(low, high, above, unit)
    result = _plain(value, what, unit, wanted)
    if not (low < result if above else low <= result) or not result <= high or (math.isinf(result) and not infinite):
        of = "" if unit == "1" or units.is_quantity(value) else f" {unit}"
        raise ParameterError(f"{what} is {result:g}{of}, but it must be {wanted}.{f' {hint}' if hint else ''}")
    return result


def time(value: Any, what: str, *, infinite: bool = False) -> float:
    """A moment (ms)."""
    return number(value, what, unit="ms", infinite=infinite, low=-math.inf)


def duration(value: Any, what: str, *, infinite: bool = False) -> float:
    """A time that passes (ms), perhaps none.

    Example:
        >>> duration(-1, "duration")
        Traceback (most recent call last):
        ranvier.errors.ParameterError: duration is -1 ms, but it must be at least 0 ms and finite.
    """
    return number(value, what, low=0.0, unit="ms", infinite=infinite)


def interval(value: Any, what: str, hint: str = "") -> float:
    """A time that passes (ms), and not none.

    Example:
        >>> import pint
        >>> interval(10 * pint.UnitRegistry().us, "dt")
        0.01
    """
    return number(value, what, low=0.0, above=True, unit="ms", hint=hint)


def probability(value: Any, what: str) -> float:
    """A number within [0, 1]."""
    return number(value, what, low=0.0, high=1.0, hint="It is a probability.")


def count(value: Any, what: str, *, low: int = 0, high: int = MOST_NEURONS, hint: str = "") -> int:
    """A whole number.

    Example:
        >>> count(2.5, "Population.n", low=1)
        Traceback (most recent call last):
        ranvier.errors.ParameterError: Population.n is 2.5, but it must be a whole number of at least 1.
    """
    if isinstance(value, np.ndarray | jax.Array) and not isinstance(value, jax.core.Tracer) and value.shape == ():
        value = value[()] if isinstance(value, np.ndarray) else np.asarray(value)[()]
    if not _is_number(value, (int, np.integer)) or units.is_quantity(value):
        raise refusal(what, value, f"a whole number of at least {low}", hint)
    if not low <= value <= high:
        raise refusal(what, value, f"a whole number of at least {low}" + (f", and at most {high}" if value > high else ""), hint)
    return int(value)


def seed(value: Any, what: str = "seed") -> int:
    """A whole number from 0 up to 2⁶⁴ − 1, from which everything random comes."""
    return count(value, what, high=2**64 - 1)


def flag(value: Any, what: str) -> bool:
    """True or False, and nothing that counts as one of them.

    Example:
        >>> flag("no", "check_disk")
        Traceback (most recent call last):
        ranvier.errors.ParameterError: check_disk is 'no', but it must be True or False.
    """
    if not isinstance(value, bool | np.bool_):
        raise refusal(what, value, "True or False")
    return bool(value)


def choice(value: Any, what: str, known: Iterable[str]) -> str:
    """One of some words.

    Raises:
        UnknownNameError: it is another word; the nearest are offered.
        ParameterError: it is no word.
    """
    words = list(known)
    if not isinstance(value, str):
        raise refusal(what, value, f"one of {', '.join(map(repr, words))}")
    if value not in words:
        raise unknown(what, value, words)
    return str(value)


def path(value: Any, what: str, hint: str = "") -> Path:
    """A file's or folder's place, by its name or as a `Path`."""
    if not isinstance(value, str | os.PathLike) or isinstance(os.fspath(value), bytes):
        raise refusal(what, value, "a path, such as 'run.zarr'", hint)
    text = os.fspath(value)
    if not text or "\0" in text:
        raise refusal(what, value, "a path with a name in it, such as 'run.zarr'", hint)
    return Path(text)


def text(value: Any, what: str) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise refusal(what, value, "a string")
    return str(value)


def name(value: Any, what: str, kind: str) -> str | None:
    """The name of a part, or None."""
    if value is not None and (not isinstance(value, str) or not _NAME.match(value)):
        raise ParameterError(
            f"{what} is {said(value)}, which cannot name a {kind}: use letters, digits, spaces and underscores, a letter first."
        )
    return value


def instance(value: Any, what: str, kind: type[Kind] | tuple[type[Any], ...], example: str) -> Kind:
    """An object of some kind, such as a neuron model.

    Args:
        value: what the user gave.
        what: what it is called.
        kind: its class, or several.
        example: what could be written.

    Raises:
        ParameterError: it is of another kind, or a class and not made yet.

    Example:
        >>> import ranvier as rv
        >>> instance(rv.channels.Leak, "HodgkinHuxley.leak", rv.IonChannel, "rv.channels.Leak()")
        Traceback (most recent call last):
        ranvier.errors.ParameterError: HodgkinHuxley.leak is the class Leak, but it must be an IonChannel such as rv.channels.Leak(). Did you mean Leak()?
    """  # noqa: E501
    if isinstance(value, kind):
        return value
    every = kind if isinstance(kind, tuple) else (kind,)
    called = " or ".join(k.__name__ for k in every)
    hint = f"Did you mean {value.__name__}()?" if isinstance(value, type) and issubclass(value, every) else ""
    raise refusal(what, value, f"{'an' if called[0] in 'AEIO' else 'a'} {called} such as {example}", hint)


def instances(value: Any, what: str, kind: type[Kind] | tuple[type[Any], ...], example: str) -> list[Kind]:
    """Some objects of one kind: a list or tuple of them, or one alone."""
    if isinstance(value, list | tuple):
        return [instance(one, f"{what}[{i}]", kind, example) for i, one in enumerate(value)]
    return [instance(value, what, kind, f"{example}, or a list of them")]


def function(value: Any, what: str, example: str) -> Callable[..., Any]:
    """A function, and neither a class nor a model, which may be called too."""
    if not callable(value) or isinstance(value, type) or hasattr(value, "check_parameters"):
        raise refusal(what, value, f"a function, such as {example}")
    return value


def mapping(value: Any, what: str, example: str) -> dict[str, Any]:
    """A dict from names."""
    if not isinstance(value, Mapping):
        raise refusal(what, value, f"a dict from names, such as {example}")
    for key in value:
        if not isinstance(key, str):
            raise ParameterError(f"{what} has {said(key)} among its names, but each must be a string: write {example}.")
    return dict(value)


def _array(value: Any, what: str, unit: str, wanted: str) -> np.ndarray:
    """An array of its own, of real numbers in float64."""
    return np.array(real_array(value, what, unit, wanted), np.float64)


def real_array(value: Any, what: str, unit: str, wanted: str) -> np.ndarray:
    """What holds real numbers, as an array; of a type of its own, and perhaps the user's.

    Args:
        value: what the user gave.
        what: what it is called.
        unit: what plain numbers are in, and quantities are converted to.
        wanted: what it must be, for the error.

    Raises:
        ParameterError: it holds anything else: truth values, complex numbers, masked values, times, words, objects.
    """
    given, value = value, units.magnitude(value, unit, what)
    if isinstance(value, jax.core.Tracer):
        raise refusal(what, given, wanted)
    if isinstance(value, np.ma.MaskedArray):
        if np.ma.is_masked(value):
            raise refusal(what, given, wanted, "A masked value has no number: fill it, or leave it out (array.compressed()).")
        value = value.data
    if isinstance(value, str | bytes | dict | set | frozenset) or value is None:
        raise refusal(what, given, wanted)
    try:
        array = np.asarray(value)
    except Exception:  # lists of unequal length, and whatever `__array__` of others raises
        raise refusal(what, given, wanted, "Rows must have one length.") from None
    if array.dtype.kind == "O" and array.size and all(isinstance(v, kinds_of_numbers.Real) for v in array.flat):
        try:
            array = array.astype(np.float64)  # fractions, and whole numbers beyond 64 bits
        except OverflowError:
            raise refusal(what, given, wanted, "It is too large.") from None
    if array.size == 0 and array.dtype.kind not in "iuf":
        array = np.zeros(array.shape)
    if array.dtype.kind not in "iuf" or _has_flags(value):
        raise refusal(what, given, wanted)
    return array


def _has_flags(value: Any) -> bool:
    """Whether a list holds True or False, which NumPy would take for numbers."""
    return isinstance(value, list | tuple) and any(isinstance(v, bool | np.bool_) or _has_flags(v) for v in value)


def numbers(
    value: Any,
    what: str,
    *,
    rank: int | tuple[int, ...] = 1,
    low: float = -math.inf,
    high: float = math.inf,
    infinite: bool = False,
    unit: str = "1",
    example: str = "[1.0, 2.0]",
) -> np.ndarray:
    """An array of real numbers, float64, of its own and read-only.

    Args:
        value: what the user gave: an array of any library, or lists.
        what: what it is called.
        rank: how many axes it has, or may have.
        low, high: what each may be, both included.
        infinite: whether they may be infinite.
        unit: what plain numbers are in, and quantities are converted to.
        example: what could be written.

    Raises:
        ParameterError: it does not hold real numbers, has another rank, or one is NaN or out of bounds; the first is named.

    Example:
        >>> numbers([1.0, -2.0], "times", low=0.0, unit="ms")
        Traceback (most recent call last):
        ranvier.errors.ParameterError: times is -2 ms at index 1, but it must be at least 0 ms and finite.
    """
    ranks = rank if isinstance(rank, tuple) else (rank,)
    shaped = {0: "one number", 1: "a row of numbers", 2: "a table of numbers"}
    wanted = f"{' or '.join(shaped[r] for r in ranks)}{'' if unit == '1' else f' ({unit})'}, such as {example}"
    array = _array(value, what, unit, wanted)
    if array.ndim not in ranks:
        raise ParameterError(f"{what} has the shape {array.shape}, but it must be {wanted}.")
    in_bounds(array, what, low, high, infinite, unit)
    array.flags.writeable = False
    return array


def in_bounds(array: np.ndarray, what: str, low: float, high: float, infinite: bool = False, unit: str = "1") -> None:
    """Raises where a value is NaN or out of its bounds, naming the first one."""
    bad = ~((array >= low) & (array <= high))  # NaN fails both
    if not infinite:
        bad |= np.isinf(array)
    if not bad.any():
        return
    where = "" if array.ndim == 0 else f" at index {', '.join(str(int(i[0])) for i in np.nonzero(bad))}"
    of = "" if unit == "1" else f" {unit}"
    wanted = _range(low, high, False, unit)
    if infinite:
        wanted = wanted.replace(" and finite", "").replace("a finite number", "a number")
    raise ParameterError(f"{what} is {array[bad].flat[0]:g}{of}{where}, but it must be {wanted}.")


def values(
    value: Any,
    what: str,
    *,
    rank: tuple[int, ...] = (0, 1),
    low: float = -math.inf,
    high: float = math.inf,
    infinite: bool = False,
    unit: str = "1",
    one: str = "neuron",
) -> Any:
    """One number for all, an array with one each, or a distribution to draw them from.

    Args:
        value, what, low, high, infinite, unit: as in `numbers`.
        rank: how many axes an array may have.
        one: what an array has one value for.

    Returns:
        A float, a read-only float64 array of its own, or a distribution in plain numbers.

    Example:
        >>> values(True, "weight", one="edge")
        Traceback (most recent call last):
        ranvier.errors.ParameterError: weight is True, but it must be a number, an array with one value an edge, or a distribution such as rv.normal(mean, sd).
    """  # noqa: E501
    from ranvier.random import Distribution  # which is checked by these doors itself

    value = units.magnitude(value, unit, what)
    if isinstance(value, Distribution):
        return value
    an = "an" if one[0] in "aeiou" else "a"
    of = "" if unit == "1" else f" ({unit})"
    wanted = f"a number{of}, an array with one value {an} {one}, or a distribution such as rv.normal(mean, sd)"
    if isinstance(value, bool | np.bool_) or callable(value):
        raise refusal(what, value, wanted)
    array = _array(value, what, unit, wanted)
    if array.ndim not in rank:
        raise ParameterError(f"{what} has the shape {array.shape}, but it must be {wanted}.")
    in_bounds(array, what, low, high, infinite, unit)
    if array.ndim == 0:
        return float(array)
    array.flags.writeable = False
    return array


def indices(value: Any, what: str, n: int | None = None) -> np.ndarray:
    """The numbers of some neurons, counted from 0; int64, of its own.

    Args:
        value: what the user gave.
        what: what it is called.
        n: how many neurons there are, where that is known.
    """
    wanted = "a list of whole numbers from 0, such as [0, 3, 5]"
    array = real_array(value, what, "1", wanted)
    if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
        raise refusal(what, value, wanted)
    if len(array) and (array.min() < 0 or array.max() > MOST_NEURONS):
        raise ParameterError(f"{what} holds {array.min() if array.min() < 0 else array.max():g}, but it must be {wanted}.")
    exact = np.array(array, np.int64)
    if n is not None and len(exact) and exact.max() >= n:
        raise ParameterError(f"{what} asks for neuron {int(exact.max())}, but there are {n} (0 … {n - 1}).")
    return exact


def only(given: Iterable[str], known: Iterable[str], what: str) -> None:
    """Raises where a name is none of the known ones."""
    words = list(known)
    for one in given:
        if one not in words:
            raise ParameterError(f"{what} has no {one!r}. {did_you_mean(str(one), words)}")


def spikes(value: Any, what: str) -> Any:
    """The spikes of a run or of one of its populations."""
    from ranvier.result import Spikes  # which uses these doors itself

    if not isinstance(value, Spikes):
        hint = "Write run.spikes." if hasattr(value, "spikes") else ""
        raise refusal(what, value, "the spikes of a run, such as run.spikes or run['exc'].spikes", hint)
    return value


def positive(value: Any, what: str) -> float:
    """A number above 0."""
    return number(value, what, low=0.0, above=True)


def not_negative(value: Any, what: str) -> float:
    """A number of at least 0."""
    return number(value, what, low=0.0)


def anything(value: Any, what: str) -> Any:
    """What the function looks at itself."""
    return value


def at_least(low: int) -> Door:
    """The door of a whole number of at least `low`."""
    return functools.partial(count, low=low)


def one_of(*words: str) -> Door:
    """The door of one of some words."""
    return functools.partial(choice, known=words)


def optional(door: Door) -> Door:
    """The door of what may be left out, as None."""
    return lambda value, what: None if value is None else door(value, what)


def checked(**doors_of: Door) -> Callable[[Called], Called]:
    """Makes a function take its arguments through their doors; each by its name, none left out.

    Example:
        >>> @checked(rate=not_negative, n=at_least(1))
        ... def trains(rate, *, n=1):
        ...     return rate * n
        >>> trains(5, n=0)
        Traceback (most recent call last):
        ranvier.errors.ParameterError: n is 0, but it must be a whole number of at least 1.
    """

    def decorate(made: Called) -> Called:
        names = list(inspect.signature(made).parameters)
        if set(names) != set(doors_of):
            raise TypeError(f"{made.__qualname__} takes {names}, and has doors for {list(doors_of)}.")

        @functools.wraps(made)
        def call(*args: Any, **kwargs: Any) -> Any:
            given = [doors_of[name](value, name) for name, value in zip(names, args, strict=False)]
            named = {name: doors_of[name](value, name) if name in doors_of else value for name, value in kwargs.items()}
            return made(*given, *args[len(names) :], **named)

        return call  # type: ignore[return-value]

    return decorate
