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
import weakref
from collections.abc import Hashable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

SMALL = 1 << 12
"""Bytes of a NumPy array up to which its values are kept; of a larger one it is their digest."""
DEEP = 5000
"""How many values are looked at; what lies beyond is compared by identity."""
OPAQUE = ("jax", "jaxlib", "torch", "tensorflow", "keras")
"""Packages whose objects are compared by identity: they do not change, or change with what is compiled."""
TABLES = ("pandas",)
"""Packages whose objects have their numbers where only they find them."""
_PLAIN = frozenset((bool, int, str, bytes))


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
    held: list[Any] = dataclasses.field(default_factory=list)
    """What is compared by identity. While it lives, nothing else has its identity: so who keeps a fingerprint keeps this too."""
    looked_at: list[Any] = dataclasses.field(default_factory=list)

    def of(self, x: Any) -> Hashable:
        """A value that is equal as long as `x` would compute the same."""
        kind: Any = type(x)
        if x is None or kind in _PLAIN:
            return (kind, x)
        if kind is float or kind is complex:
            return (kind, repr(x))  # 0.0 == -0.0, and nan differs from itself
        if kind is types.ModuleType or kind is np.ufunc or isinstance(x, types.ModuleType):
            return self._same(x)
        if isinstance(x, jax.core.Tracer):
            self.traced = True
            return self._same(x)
        number = self.seen.get(id(x))
        if number is not None:
            return ("seen", number)
        if len(self.seen) >= DEEP:
            return self._same(x)
        self.seen[id(x)] = len(self.seen)
        self.looked_at.append(x)  # also what was made for this look alone: its identity must not be given to the next
        if kind is types.FunctionType:
            return self._of_function(x)
        if _has_attributes_alone(kind):
            return (kind, self.of(dict(x.__dict__))) if x.__dict__ else (kind,)
        return self._of_object(x, kind)

    def _same(self, x: Any) -> Hashable:
        self.held.append(x)
        return ("is", id(x))

    def _of_function(self, x: types.FunctionType) -> Hashable:
        defaults = () if x.__defaults__ is None and x.__kwdefaults__ is None else (self.of(x.__defaults__), self.of(x.__kwdefaults__))
        own = (self.of(dict(x.__dict__)),) if x.__dict__ else ()
        return ("function", x.__code__, defaults, own, *self._reads(x))

    def _of_object(self, x: Any, kind: Any) -> Hashable:
        if isinstance(x, np.ndarray | np.generic):
            return (kind, self.of(x.tolist())) if x.dtype == object else (kind, x.shape, str(x.dtype), _values(x))
        if isinstance(x, bytearray | memoryview | array.array):
            return (kind, bytes(x))
        if isinstance(x, tuple | list | set | frozenset | collections.deque):
            return (kind, *map(self.of, x), *self._attributes(x))
        if isinstance(x, Mapping):
            missing = (self.of(x.default_factory),) if isinstance(x, collections.defaultdict) else ()
            return (kind, missing, *((self.of(k), self.of(v)) for k, v in x.items()), *self._attributes(x))
        if isinstance(x, types.MethodType):
            return (kind, self.of(x.__func__), self.of(x.__self__))
        if isinstance(x, types.BuiltinFunctionType | types.MethodWrapperType):
            own = x.__self__
            return self._same(x) if own is None or isinstance(own, types.ModuleType) else (kind, x.__name__, self.of(own))
        if isinstance(x, functools.partial):
            return (kind, self.of(x.func), self.of(x.args), self.of(x.keywords))
        if isinstance(x, property):
            return (kind, self.of(x.fget))
        if isinstance(x, staticmethod | classmethod):
            return (kind, self.of(x.__func__))
        if isinstance(x, weakref.ReferenceType):
            return (kind, self.of(x()))
        if isinstance(x, type):
            return (self._same(x), *self._of_classes(x))
        package = kind.__module__.partition(".")[0]
        if package in OPAQUE:
            return (self._same(x), _version(x))
        if package in TABLES and hasattr(x, "__array__"):
            return (self._same(x), self.of(np.asarray(x)))
        if hasattr(x, "__dict__") or _slots(kind):
            return (kind, *self._attributes(x), *self._of_classes(kind))
        return self._same(x)

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
        names, known = _names(function.__code__), function.__globals__
        for name in names:
            if name in known:
                value = known[name]
                yield (name, self.of(value))
            else:
                value = sys.modules.get(name)  # which the function may import
            if isinstance(value, types.ModuleType) and not _of_a_library(value.__name__):
                yield from self._read_of(value, names)

    def _read_of(self, module: types.ModuleType, names: tuple[str, ...]) -> Iterator[Hashable]:
        """What a function may read of a user's module: what has a name that stands in the function."""
        if id(module) in self.seen:
            return
        self.seen[id(module)] = len(self.seen)
        self.looked_at.append(module)
        for name in names:
            if name in vars(module):
                value = vars(module)[name]
                yield (name, self.of(value))
                if isinstance(value, types.ModuleType) and not _of_a_library(value.__name__):
                    yield from self._read_of(value, names)


_OWN = __name__.partition(".")[0]
_LIBRARIES = (*(sysconfig.get_path(place) for place in ("stdlib", "purelib", "platlib")), str(Path(__file__).parents[1]))
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
def _has_attributes_alone(kind: type) -> bool:
    """Whether an object of a class is nothing but its attributes: of Ranvier's integrators, whose methods stay as they are."""
    return all(base is object or base.__module__.partition(".")[0] == _OWN for base in kind.__mro__) and not _slots(kind)


@functools.lru_cache(maxsize=1024)
def _slots(kind: type) -> tuple[str, ...]:
    """The names of a class's slots, those of the classes that it is derived from too."""
    named = [vars(base).get("__slots__", ()) for base in kind.__mro__]
    flat = [name for names in named for name in ((names,) if isinstance(names, str) else names)]
    return tuple(name for name in flat if name not in ("__dict__", "__weakref__") and not name.startswith("__"))


@functools.lru_cache(maxsize=1024)
def _of_a_library(module: str | None) -> bool:
    """Whether a module is Python's own or Ranvier's, or was installed: not one that a user changes while it is imported."""
    if module is None:
        return False
    package = module.partition(".")[0]
    if package == _OWN or (package in sys.stdlib_module_names and package != "__main__"):
        return True
    file = getattr(sys.modules.get(package), "__file__", None)
    return file is not None and _lies_in_a_library(file)


@functools.lru_cache(maxsize=1024)
def _lies_in_a_library(file: str) -> bool:
    """Whether a file is Python's own or Ranvier's, or was installed."""
    return any(file.startswith(place) for place in _LIBRARIES)


@functools.lru_cache(maxsize=1024)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """The names that a function and the functions inside it look up, each once."""
    inner = (name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part))
    return tuple(dict.fromkeys((*code.co_names, *inner)))
