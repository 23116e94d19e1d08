"""`ranvier models`."""

from __future__ import annotations

from ranvier.models.catalogue import CATALOGUE


def show() -> None:
    """Prints a line for each ready-made model."""
    names = [" / ".join((*entry.aliases, entry.name)) for entry in CATALOGUE]
    width = max(map(len, names))
    for name, entry in zip(names, CATALOGUE, strict=True):
        print(f"{name:{width}}  {entry.summary}")
