"""Says what a model is: its equations, parameters, units and source."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from ranvier.model import Model, parameters


def describe(model: Model | type[Model]) -> str:
    """Prints what a model is, and returns the text.

    Args:
        model: a model, or a class of one (shown with its defaults).

    Example:
        >>> import ranvier as rv
        >>> text = rv.describe(rv.channels.Leak())
        Leak: A conductance that is always open.
        <BLANKLINE>
        Equations
            I = conductance * (V - reversal)
        Parameters
            conductance  0.3 mS/cm^2      maximal conductance (at least 0)
            reversal     -54.387 mV       reversal potential
        Source
            Hodgkin & Huxley 1952, J Physiol 117:500, eq. 6
    """
    text = "\n".join(_lines(model() if isinstance(model, type) else model))
    print(text)
    return text


def _lines(model: Model) -> Iterator[str]:
    summary = (inspect.getdoc(type(model)) or "").split("\n")[0]
    yield f"{type(model).__name__}: {summary}"
    yield ""
    if model.equations:
        yield "Equations"
        yield from _indented(model.equations)
    own = [(name, info, value) for name, info, value in parameters(model) if "." not in name]
    if own:
        yield "Parameters"
        width = max(len(name) for name, _, _ in own)
        for name, info, value in own:
            amount = f"{_number(value)} {'' if info.unit == '1' else info.unit}".strip()
            yield f"    {name:{width}}  {amount:16} {info.text}{_bounds(info.low, info.high)}".rstrip()
    for field in fields(model):  # type: ignore[arg-type]
        part = getattr(model, field.name)
        named = part.items() if isinstance(part, Mapping) else [(field.name, part)]
        for name, inner in named:
            if isinstance(inner, Model):
                yield f"{name}:"
                yield from _indented("\n".join(_lines(inner)))
    if model.reference:
        yield "Source"
        yield from _indented(model.reference)


def _indented(text: str) -> Iterator[str]:
    return (f"    {line}".rstrip() for line in text.splitlines())


def _number(value: Any) -> str:
    if np.ndim(value) == 0 and isinstance(value, float | int | np.number):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray):
        return f"{value.min():.6g} … {value.max():.6g}"
    return repr(value)


def _bounds(low: float, high: float) -> str:
    if low == -math.inf and high == math.inf:
        return ""
    if high == math.inf:
        return " (positive)" if 0 < low < 1e-6 else f" (at least {low:g})"
    return f" ({low:g} to {high:g})"
