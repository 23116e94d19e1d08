"""What a namespace lists at the keyboard: `rv.neurons.<tab>`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any


def listed(namespace: Mapping[str, Any], *also: str, own: bool = False) -> list[str]:
    """The names that a package offers: no modules, no private names, nothing that it only uses itself.

    Args:
        namespace: its `globals()`.
        also: names that are offered besides, such as modules.
        own: only what is defined there: for a module that imports names for itself.

    Example:
        >>> listed({"f": listed, "_g": listed, "base": ModuleType("base")}, "psst")
        ['f', 'psst']
    """
    offered = (
        name
        for name, value in namespace.items()
        if name[0] != "_" and not isinstance(value, ModuleType) and (not own or getattr(value, "__module__", "") == namespace["__name__"])
    )
    return sorted({*offered, *also})


def on_first_use(package: str, places: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`, for names that are loaded when they are first asked for.

    Args:
        package: its `__name__`.
        places: the module of each such name.

    Example:
        >>> on_first_use("ranvier.neurons", {"from_equations": "ranvier.equations.neuron"})("from_equations").__name__
        'from_equations'
    """

    def find(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module {package!r} has no attribute {name!r}.")
        return getattr(importlib.import_module(places[name]), name)

    return find
