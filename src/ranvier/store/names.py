"""What a class of Ranvier's is called in a store: by the name that it is used by, so that its module can move."""

from __future__ import annotations

import sys
from collections.abc import Iterable

RENAMED: dict[str, str] = {}
"""Classes that have another name now: the name in older stores, then today's."""


def name_of(cls: type) -> str:
    """The shortest public name of a class of Ranvier's; for another class its module and name.

    Example:
        >>> import ranvier as rv
        >>> name_of(rv.neurons.LeakyIntegrateAndFire), name_of(rv.RungeKutta4), name_of(rv.SimulationState)
        ('ranvier.neurons.LeakyIntegrateAndFire', 'ranvier.RungeKutta4', 'ranvier.SimulationState')
        >>> name_of(type(rv.connect.all_to_all()))
        'ranvier.connect.AllToAll'
    """
    package, _, rest = cls.__module__.partition(".")
    if package != "ranvier":
        return f"{cls.__module__}.{cls.__qualname__}"
    part = f"ranvier.{rest.partition('.')[0]}"
    for place in ("ranvier", part):
        # What is loaded on first use counts as well: a name must not depend on what a process has asked for.
        if cls.__qualname__ in dir(sys.modules[place]) and getattr(sys.modules[place], cls.__qualname__, None) is cls:
            return f"{place}.{cls.__qualname__}"
    return f"{part}.{cls.__qualname__}"


def class_named(name: str, among: Iterable[type]) -> type | None:
    """The class that a store names, today's or an older way, among those that may be meant; None where it is none of them.

    Older stores name the module that a class was written in: `ranvier.neurons.integrate_and_fire.LeakyIntegrateAndFire`.
    """
    name = RENAMED.get(name, name)
    among = list(among)
    for cls in among:
        if name in (name_of(cls), f"{cls.__module__}.{cls.__qualname__}"):
            return cls
    parts = name.split(".")
    if parts[0] != "ranvier" or len(parts) < 3:
        return None
    found = [cls for cls in among if cls.__qualname__ == parts[-1] and cls.__module__.split(".")[:2] == parts[:2]]
    return found[0] if len(found) == 1 else None
