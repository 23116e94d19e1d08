"""`ranvier models`."""

from __future__ import annotations

from ranvier.cli import train_digits
from ranvier.models.catalogue import CATALOGUE


def show() -> None:
    """Prints a line for each ready-made model, and for what else `ranvier run` does."""
    listed = [(" / ".join((*entry.aliases, entry.name)), entry.summary) for entry in CATALOGUE]
    listed.append((train_digits.NAME, train_digits.SUMMARY))
    width = max(len(name) for name, _ in listed)
    for name, summary in listed:
        print(f"{name:{width}}  {summary}")
