"""What a function reads, so that a compiled loop is used again only while all of it is the same."""

from __future__ import annotations

import array
import collections
import dataclasses
import functools
import hashlib
import sys
import sysconfig
import types
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import jax
import numpy as np

from ranvier.same import Same

SMALL = 1 << 12
"""Bytes of a NumPy array up to which its values are kept; of a larger one it is their digest."""
DEEP = 5000
"""How many values are looked at; what lies beyond is compared by identity."""
OPAQUE = ("jax", "jaxlib", "torch", "tensorflow", "keras")
"""Packages whose objects are compared by identity: they do not change, or change with what is compiled."""


@dataclasses.dataclass
class Fingerprint:
    """Collects what determines the result of functions.

    A change of a number, string, list, dict, array or attribute that the function
    reads through its globals, its closure, its defaults, the object whose method it
    is, a class or a module changes the fingerprint, and so does another function
    body: neither `jax.jit` nor `tf.function` would notice.

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
        kind: Any = type(x)
        if x is None or kind in (bool, int, str, bytes, float, complex):
            return (kind, repr(x) if kind in (float, complex) else x)  # 0.0 == -0.0, and nan differs from itself
        if isinstance(x, jax.core.Tracer):
            self.traced = True
            return Same(x)
        if isinstance(x, types.ModuleType | types.BuiltinFunctionType | np.ufunc):
            return Same(x)
        if id(x) in self.seen:
            return ("seen", self.seen[id(x)])
        if len(self.seen) >= DEEP:
            return Same(x)
        self.seen[id(x)] = len(self.seen)
        if isinstance(x, np.ndarray | np.generic):
            return (kind, self.of(x.tolist())) if x.dtype == object else (kind, x.shape, str(x.dtype), _values(x))
        if isinstance(x, bytearray | memoryview | array.array):
            return (kind, bytes(x))
        if isinstance(x, tuple | list | set | frozenset | collections.deque):
            return (kind, *map(self.of, x), *self._attributes(x))
        if isinstance(x, Mapping):
            return (kind, *((self.of(k), self.of(v)) for k, v in x.items()), *self._attributes(x))
        if isinstance(x, types.FunctionType):
            return (x.__code__, self.of(x.__defaults__), self.of(x.__kwdefaults__), *self._attributes(x), *self._reads(x))
        if isinstance(x, types.MethodType):
            return (kind, self.of(x.__func__), self.of(x.__self__))
        if isinstance(x, functools.partial):
            return (kind, self.of(x.func), self.of(x.args), self.of(x.keywords))
        if isinstance(x, property):
            return (kind, self.of(x.fget))
        if isinstance(x, staticmethod | classmethod):
            return (kind, self.of(x.__func__))
        if isinstance(x, type):
            return (Same(x), *self._of_classes(x))
        if kind.__module__.partition(".")[0] in OPAQUE:
            return (Same(x), _version(x))
        if hasattr(x, "__dict__") or _slots(kind):
            return (kind, *self._attributes(x), *self._of_classes(kind))
        return Same(x)

    def _attributes(self, x: Any) -> Iterator[Hashable]:
        """What an object has of its own."""
        own = getattr(x, "__dict__", None)
        if own:
            yield self.of(dict(own))
        kind: Any = type(x)
        for name in _slots(kind):
            yield (name, self.of(getattr(x, name, None)))

    def _of_classes(self, kind: type) -> Iterator[Hashable]:
        """What a user's class, and those that it is derived from, have: also their methods."""
        for base in kind.__mro__:
            if not _of_a_library(base.__module__):
                yield tuple((name, self.of(value)) for name, value in vars(base).items() if name not in _OF_EVERY_CLASS)

    def _reads(self, function: types.FunctionType) -> Iterator[Hashable]:
        for cell in function.__closure__ or ():
            try:
                yield self.of(cell.cell_contents)
            except ValueError:  # not assigned yet
                yield None
        if _lies_in_a_library(function.__code__.co_filename):
            return  # its globals stay as they are
        names = dict.fromkeys(_names(function.__code__))
        for name in names:
            if name in function.__globals__:
                value = function.__globals__[name]
                yield (name, self.of(value))
                if isinstance(value, types.ModuleType):
                    yield from self._read_of(value, names)

    def _read_of(self, module: types.ModuleType, names: dict[str, None]) -> Iterator[Hashable]:
        """What a function may read of a user's module: what has a name that stands in the function."""
        if _of_a_library(module.__name__) or id(module) in self.seen:
            return
        self.seen[id(module)] = len(self.seen)
        for name in names:
            if name in vars(module):
                value = vars(module)[name]
                yield (name, self.of(value))
                if isinstance(value, types.ModuleType):
                    yield from self._read_of(value, names)


_OF_EVERY_CLASS = frozenset(vars(type("", (), {}))) | {"__annotations__", "__slots__", "__static_attributes__", "__firstlineno__"}


def _values(x: Any) -> bytes:
    raw = np.ascontiguousarray(x)
    return raw.tobytes() if raw.nbytes <= SMALL else hashlib.blake2b(raw.view(np.uint8).reshape(-1).data).digest()


def _version(x: Any) -> Any:
    """How often a tensor of PyTorch was changed in place."""
    try:
        return getattr(x, "_version", None)
    except RuntimeError:  # not counted for some
        return None


@functools.lru_cache(maxsize=1024)
def _slots(kind: type) -> tuple[str, ...]:
    """The names of a class's slots, those of the classes that it is derived from too."""
    named = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    flat = [name for names in named for name in ((names,) if isinstance(names, str) else names)]
    return tuple(name for name in flat if name not in ("__dict__", "__weakref__") and not name.startswith("__"))


@functools.lru_cache(maxsize=1024)
def _of_a_library(module: str | None) -> bool:
    """Whether a module is Python's own, or was installed: not one that a user changes while it is imported."""
    if module is None:
        return False
    package = module.partition(".")[0]
    if package in sys.stdlib_module_names and package != "__main__":
        return True
    file = getattr(sys.modules.get(package), "__file__", None)
    return file is not None and _lies_in_a_library(file)


@functools.lru_cache(maxsize=1024)
def _lies_in_a_library(file: str) -> bool:
    """Whether a file is Python's own, or was installed."""
    return any(file.startswith(sysconfig.get_path(place)) for place in ("stdlib", "purelib", "platlib"))


@functools.lru_cache(maxsize=1024)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """The names that a function and the functions inside it look up."""
    inner = (name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part))
    return (*code.co_names, *inner)
