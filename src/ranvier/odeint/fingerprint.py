"""What a function reads, so that a compiled loop is used again only while all of it is the same."""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Hashable, Iterator
from typing import Any

import jax
import numpy as np

SMALL = 1 << 20
"""Bytes of a NumPy array up to which its values are compared; a larger one is compared by identity."""
DEEP = 5000
"""How many values are looked at; what lies beyond is compared by identity."""


class _Same:
    """Compares by identity, and keeps the object alive so that its identity is not given away."""

    def __init__(self, value: Any):
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.value is other.value


@dataclasses.dataclass
class Fingerprint:
    """Collects what determines the result of functions.

    A change of a number, string, list, dict, dataclass or small NumPy array that
    the function reads through its globals, its closure or its defaults changes
    the fingerprint, and so does another function body: neither `jax.jit` nor
    `tf.function` would notice.

    Attributes:
        traced: whether a traced JAX value was among it.

    Example:
        >>> rate = 2.0
        >>> f = lambda x, t: -rate * x
        >>> before = Fingerprint().of(f)
        >>> before == Fingerprint().of(f)
        True
        >>> rate = 3.0
        >>> before == Fingerprint().of(f)
        False
    """

    traced: bool = False
    seen: dict[int, int] = dataclasses.field(default_factory=dict)

    def of(self, x: Any) -> Hashable:
        """A value that is equal as long as `x` would compute the same."""
        kind = type(x)
        if x is None or kind in (bool, int, str, bytes, float, complex):
            return (kind, repr(x) if kind in (float, complex) else x)  # 0.0 == -0.0, and nan differs from itself
        if isinstance(x, jax.core.Tracer):
            self.traced = True
            return _Same(x)
        if isinstance(x, types.ModuleType | type | types.BuiltinFunctionType):
            return _Same(x)
        if id(x) in self.seen:
            return ("seen", self.seen[id(x)])
        if len(self.seen) >= DEEP:
            return _Same(x)
        self.seen[id(x)] = len(self.seen)
        if isinstance(x, np.ndarray | np.generic):
            return (kind, x.shape, str(x.dtype), x.tobytes()) if x.nbytes <= SMALL and x.dtype != object else _Same(x)
        if isinstance(x, tuple | list | set | frozenset):
            return (kind, *map(self.of, x))
        if isinstance(x, dict):
            return (kind, *((self.of(k), self.of(v)) for k, v in x.items()))
        if isinstance(x, types.FunctionType):
            return (x.__code__, self.of(x.__defaults__), self.of(x.__kwdefaults__), *self._reads(x))
        if isinstance(x, types.MethodType):
            return (kind, self.of(x.__func__), self.of(x.__self__))
        if isinstance(x, functools.partial):
            return (kind, self.of(x.func), self.of(x.args), self.of(x.keywords))
        if isinstance(x, types.SimpleNamespace) or dataclasses.is_dataclass(x):
            return (kind, self.of(vars(x)))
        call = getattr(kind, "__call__", None)  # noqa: B004
        if (
            isinstance(call, types.FunctionType)
            and hasattr(x, "__dict__")
            and kind.__module__.partition(".")[0] not in ("jax", "torch", "tensorflow", "keras")
        ):
            return (kind, self.of(call), self.of(vars(x)))  # an instance of the user's own class
        return _Same(x)

    def _reads(self, function: types.FunctionType) -> Iterator[Hashable]:
        for cell in function.__closure__ or ():
            try:
                yield self.of(cell.cell_contents)
            except ValueError:  # not assigned yet
                yield None
        names = dict.fromkeys(_names(function.__code__))
        for name in names:
            if name in function.__globals__:
                yield (name, self.of(function.__globals__[name]))


@functools.lru_cache(maxsize=1024)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """The names that a function and the functions inside it look up."""
    inner = (name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part))
    return (*code.co_names, *inner)
