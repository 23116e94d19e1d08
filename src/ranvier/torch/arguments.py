"""The door that every public function and class of the layers has: what each argument may be, by the checks of `ranvier.doors`.

A kind is a function of the argument's name and its value that returns the value to go on with, or raises. `checked`
puts kinds before a function and fails at import where an argument has none, so that none can be forgotten.
"""

from __future__ import annotations

import fractions
import functools
import inspect
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, ParamSpec, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ranvier import doors
from ranvier.errors import ParameterError, unknown

P = ParamSpec("P")
R = TypeVar("R")
Kind = Callable[[str, Any], Any]

LARGEST, SMALLEST = 1e30, 1e-30
"""The size that numbers may have, so that their products and quotients are numbers in single precision too."""
MOST = 2**31 - 1
"""The largest count: of steps, of neurons."""


def checked(**kinds: Kind) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Puts the kinds of its arguments before a function.

    Args:
        kinds: one for each argument but `self`, `cls`, and for `*these`, whose values are checked one by one. `**others` has none:
            it goes on to a function that has a door of its own.

    Raises:
        TypeError: when it is applied, an argument without a kind, or a kind without an argument.

    Example:
        >>> @checked(dt=time_step)
        ... def steps_of(dt):
        ...     return 10 / dt
        >>> steps_of(0)
        Traceback (most recent call last):
        ranvier.errors.ParameterError: steps_of: dt is 0 ms, but it must be within [1e-09, 1e+09] ms.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        of_object = next(iter(signature.parameters), "") in ("self", "cls")
        given = {name: p.kind for name, p in signature.parameters.items() if name not in ("self", "cls")}
        catches_all = any(kind is inspect.Parameter.VAR_KEYWORD for kind in given.values())
        several = next((name for name, kind in given.items() if kind is inspect.Parameter.VAR_POSITIONAL), None)
        expected = {name for name, kind in given.items() if kind is not inspect.Parameter.VAR_KEYWORD}
        if expected != set(kinds) and not (catches_all and expected < set(kinds)):
            raise TypeError(f"{function.__qualname__}: kinds of {sorted(kinds)}, but arguments {sorted(expected)}.")
        order = [name for name in given if name in expected and name != several]
        order += [name for name in kinds if name not in expected]
        takes_all = catches_all and expected == set(kinds)

        @functools.wraps(function)
        def door(*args: Any, **named: Any) -> Any:
            if torch.compiler.is_compiling():
                return function(*args, **named)
            owner = _owner(args[0]) if of_object else function.__name__
            for name in () if takes_all else named.keys() - kinds.keys():
                raise unknown(f"argument of {owner}", name, _names(args[0]) if of_object and function.__name__ == "__init__" else order)
            join = "." if of_object else ": "
            first = 1 if of_object else 0
            values = list(args)
            for place in range(first, len(values)):
                which = order[place - first] if place - first < len(order) else several
                if which is not None:
                    values[place] = kinds[which](f"{owner}{join}{which}", values[place])
            for name, value in named.items():
                if name in kinds:
                    named[name] = kinds[name](f"{owner}{join}{name}", value)
            return function(*values, **named)

        return door

    return decorate


def _owner(of: Any) -> str:
    return of.__name__ if isinstance(of, type) else type(of).__name__


def _names(of: Any) -> list[str]:
    """The arguments of a class and of those it is derived from."""
    ours = [kind for kind in type(of).__mro__ if kind.__module__.startswith("ranvier") and "__init__" in vars(kind)]
    found = [name for kind in ours for name in inspect.signature(vars(kind)["__init__"]).parameters]
    return [name for name in found if name not in ("self", "args", "kwargs", "others")]


# Kinds


def anything(name: str, value: Any) -> Any:
    """What the function itself checks."""
    return value


def flag(name: str, value: Any) -> bool:
    """True or False."""
    return doors.flag(value, name)


def whole(least: int, most: int = MOST) -> Kind:
    """A whole number within bounds."""
    return lambda name, value: doors.count(value, name, low=least, high=most)


def number(low: float = -LARGEST, high: float = LARGEST, unit: str = "1") -> Kind:
    """A finite number within bounds, not a tensor; or a quantity, which is converted."""
    return lambda name, value: doors.number(value, name, low=low, high=high, unit=unit)


def bound(name: str, value: Any) -> float:
    """A number or an infinity: what something is kept within."""
    return value if is_number(value) and math.isinf(value) else number()(name, value)


def optional(kind: Kind) -> Kind:
    """That, or None."""
    return lambda name, value: None if value is None else kind(name, value)


time_step = number(1e-9, 1e9, "ms")
duration = number(0.0, LARGEST, "ms")


def word(*known: str) -> Kind:
    """One of the words."""
    return lambda name, value: doors.choice(value, name, known)


def text(name: str, value: Any) -> str:
    """A text."""
    return doors.text(value, name)


def words(name: str, value: Any) -> tuple[str, ...]:
    """A word or several: the names of what is learnt."""
    if isinstance(value, str):
        return (value,)
    given = tuple(value) if isinstance(value, tuple | list | set | frozenset) else None
    if given is None or not all(isinstance(one, str) for one in given):
        raise ParameterError(f"{name} must be a name such as 'tau', or a tuple of names, not {shown(value)}.")
    return given


def instance(of: type | tuple[type, ...], such_as: str) -> Kind:
    """An object of a class; a class in its place is told to be called."""
    return lambda name, value: doors.instance(value, name, of, such_as)


def function(name: str, value: Any) -> Any:
    """Something that is called with a tensor."""
    if not callable(value) or isinstance(value, type):
        hint = f" Did you mean {value.__name__}()?" if isinstance(value, type) and issubclass(value, nn.Module) else ""
        raise ParameterError(f"{name} must be a function of a tensor, not {shown(value)}.{hint}")
    return value


module = instance(nn.Module, "nn.Linear(50, 50)")


def seed(name: str, value: Any) -> int:
    """From which everything random comes."""
    return doors.seed(value, name)


generator = optional(instance(torch.Generator, "torch.Generator().manual_seed(0), or None"))


def device(name: str, value: Any) -> torch.device | None:
    """A device that is here, or None."""
    if value is None:
        return None
    if not isinstance(value, str | torch.device | int) or isinstance(value, bool):
        raise ParameterError(f"{name} must be a device such as 'cpu' or 'cuda:0', not {shown(value)}.")
    try:
        found = torch.device(value)
        torch.empty(0, device=found)
    except Exception as error:
        raise ParameterError(f"{name} is {shown(value)}, which PyTorch cannot use here: {str(error).splitlines()[0]}") from None
    return found


def dtype(name: str, value: Any) -> torch.dtype | None:
    """A floating-point dtype that can be computed in, or None."""
    if value is None or (isinstance(value, torch.dtype) and value in (torch.float32, torch.float64, torch.float16, torch.bfloat16)):
        return value
    raise ParameterError(f"{name} must be torch.float32, torch.float64, torch.float16 or torch.bfloat16, not {shown(value)}.")


def size(name: str, value: Any) -> tuple[int, ...]:
    """The last dimensions of an input: a whole number, a tuple of them, or None for any."""
    sizes = () if value is None else tuple(value) if isinstance(value, tuple | list) else (value,)
    if not all(is_whole(n) and n >= 1 for n in sizes):
        raise ParameterError(f"{name} must be a positive whole number, a tuple of them, or None for any; not {shown(value)}.")
    if math.prod(map(int, sizes)) > MOST:
        raise ParameterError(f"{name} must be at most {MOST} neurons, not {shown(value)}.")
    return tuple(map(int, sizes))


def value(name: str, given: Any) -> Any:
    """A number, or a tensor of numbers: what `Ranged` takes. Arrays and lists become tensors in double precision."""
    if is_number(given):
        return float(given)
    if isinstance(given, Tensor):
        return _plain_tensor(name, given)
    if type(given) is np.ndarray or isinstance(given, tuple | list) or type(given).__module__.startswith("jaxlib"):
        try:
            array = np.asarray(given)
        except Exception:
            array = np.array(None)
        if array.dtype.kind in "iuf" and array.size and _plain_numbers(given):
            return torch.from_numpy(np.array(array, dtype=np.float64))
    raise ParameterError(f"{name} must be a number or a tensor, not {shown(given)}.{_units(given)}")


def coefficient(name: str, given: Any) -> Any:
    """A number, or a tensor of numbers, as it is."""
    if isinstance(given, Tensor):
        return _plain_tensor(name, given)
    if not is_number(given) or not abs(given) <= LARGEST:
        raise ParameterError(f"{name} must be a number or a tensor, not {shown(given)}.{_units(given)}")
    return float(given)


def steps(name: str, given: Any) -> Any:
    """A number of steps of at least 0, or an integer tensor of them."""
    if not isinstance(given, Tensor):
        return whole(0)(name, given)
    if given.is_floating_point() or given.is_complex() or given.dtype is torch.bool or (given.numel() and bool((given < 0).any())):
        raise ParameterError(f"{name} must be whole numbers of at least 0, not {shown(given)}.")
    return given


def broadcasts(shape: Iterable[int], against: Iterable[int]) -> bool:
    """Whether a shape broadcasts against another without making it larger."""
    shape, against = tuple(shape), tuple(against)
    while shape and shape[0] == 1:
        shape = shape[1:]
    return len(shape) <= len(against) and all(have in (1, want) for have, want in zip(shape[::-1], against[::-1], strict=False))


def tensor(name: str, given: Any) -> Tensor:
    """A tensor of floating-point numbers that lies in memory."""
    if not isinstance(given, Tensor):
        raise ParameterError(f"{name} must be a tensor, not {shown(given)}.{_units(given)}")
    if given.layout is not torch.strided or given.is_quantized:
        raise ParameterError(f"{name} must be a plain tensor, not {shown(given)}: give {name.split()[-1].split('.')[-1]}.to_dense().")
    if not given.is_floating_point():
        raise ParameterError(f"{name} must be a floating-point tensor, not {shown(given)}: give values.float().")
    return given


def concrete(name: str, given: Any) -> Tensor:
    """A tensor of floating-point numbers whose values can be looked at."""
    given = tensor(name, given)
    if given.is_meta:
        raise ParameterError(f"{name} is a tensor on the device 'meta', which has no values.")
    return given


def sequence(name: str, given: Any) -> Tensor:
    """A tensor with at least one step, the time first."""
    given = tensor(name, given)
    if given.ndim == 0 or len(given) == 0:
        raise ParameterError(f"{name} has the shape {list(given.shape)}: a sequence must have at least one step, [T, …].")
    return given


def values(name: str, given: Any) -> np.ndarray:
    """Numbers to draw or to fit, as an array in double precision."""
    if isinstance(given, Tensor):
        if given.layout is not torch.strided or given.is_quantized or given.is_complex() or given.device.type == "meta":
            raise ParameterError(f"{name} must be numbers, not {shown(given)}.")
        return given.detach().cpu().double().numpy()
    if is_number(given):
        return np.array(given, dtype=np.float64)
    try:
        array = np.asarray(given) if type(given) is np.ndarray or (isinstance(given, tuple | list) and _plain_numbers(given)) else None
    except ValueError:  # rows of different lengths
        array = None
    if array is None or array.dtype.kind not in "iufb":
        raise ParameterError(f"{name} must be a tensor of numbers, not {shown(given)}.{_units(given)}")
    return array.astype(np.float64)


def axes(name: str, given: Any) -> Any:
    """Axes of Matplotlib, or None."""
    if given is not None and not (hasattr(given, "plot") and hasattr(given, "figure")):
        raise ParameterError(f"{name} must be the Axes of a figure or None, not {shown(given)}.")
    return given


def colour(name: str, given: Any) -> Any:
    """What Matplotlib takes for a colour, or None."""
    from matplotlib.colors import is_color_like

    if given is not None and not (isinstance(given, str | tuple | list) and is_color_like(given)):
        raise ParameterError(f"{name} must be a colour such as 'C0', not {shown(given)}.")
    return given


def _plain_tensor(name: str, given: Tensor) -> Tensor:
    kind = given.dtype
    if given.layout is not torch.strided or given.is_quantized or given.is_complex() or kind is torch.bool or given.numel() == 0:
        raise ParameterError(f"{name} must be a number or a tensor of numbers, not {shown(given)}.")
    if given.device.type == "meta":
        raise ParameterError(f"{name} is a tensor on the device 'meta', which has no values.")
    return given


def _plain_numbers(given: Any) -> bool:
    """Whether nothing in nested lists carries a unit or stands for something else."""
    if isinstance(given, tuple | list):
        return all(_plain_numbers(one) for one in given)
    return is_number(given) or type(given) is np.ndarray or isinstance(given, Tensor) or type(given).__module__.startswith("jaxlib")


def _units(given: Any) -> str:
    carries = any(hasattr(given, name) for name in ("units", "unit", "dimensionality", "dimensions", "dim")) and not isinstance(
        given, Tensor
    )
    return " It carries units: give the number in the unit of the layer (ms for times)." if carries else ""


def is_whole(given: Any) -> bool:
    """Whether it is a whole number of Python or NumPy."""
    return isinstance(given, numbers.Integral) and not isinstance(given, bool | np.bool_)


def is_number(given: Any) -> bool:
    """Whether it is a plain real number: of Python, or of NumPy."""
    plain = isinstance(given, int | float | np.number | fractions.Fraction) and not isinstance(given, bool | np.complexfloating)
    return plain and (not isinstance(given, int) or abs(given) < 10**300)


def in_steps(name: str, duration: float, dt: float, *, least: int = 0) -> int:
    """A duration as a whole number of steps; one that is none raises."""
    if not duration / dt < MOST:
        raise ParameterError(f"{name} is {duration:g} ms, more than {MOST} steps of dt = {dt:g} ms.")
    steps = round(duration / dt)
    if not math.isclose(steps * dt, duration, rel_tol=1e-6, abs_tol=1e-9 * dt):
        raise ParameterError(f"{name} is {duration:g} ms, not a multiple of dt = {dt:g} ms: give {max(steps, least) * dt:g}.")
    return steps


def learnt_names(kind: str, learn: Iterable[str], known: Iterable[str]) -> frozenset[str]:
    """The names of what is learnt; an unknown one raises, with the nearest."""
    known = tuple(known)
    for name in sorted(learn):
        if name not in known:
            raise unknown(f"learnable parameter of {kind} in {kind}.learn", name, known)
    return frozenset(learn)


def shown(given: Any) -> str:
    """A value in an error: short, and never the numbers of a tensor."""
    if isinstance(given, Tensor):
        return f"a tensor of shape {list(given.shape)} and {given.dtype}"
    return doors.said(given)
