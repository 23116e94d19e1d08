"""Says what a model is: its equations, parameters, units and source."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import fields
from html import escape
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.equations import mathml
from ranvier.model import Model, parameters
from ranvier.progress import in_notebook


def describe(model: Model | type[Model]) -> None:
    """Shows what a model is: in a notebook with its equations drawn, elsewhere as text.

    Args:
        model: a model, or a class of one (shown with its defaults).

    Example:
        >>> import ranvier as rv
        >>> rv.describe(rv.channels.Leak())
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
    if isinstance(model, type) and issubclass(model, Model):
        model = model()
    shown: Model = doors.instance(model, "model", Model, "rv.channels.Leak()")
    if in_notebook():
        from IPython.display import HTML, display

        display(HTML(as_html(shown)))
    else:
        print(as_text(shown))


def as_text(model: Model) -> str:
    """What `describe` prints."""
    return "\n".join(_lines(model))


def _lines(model: Model) -> Iterator[str]:
    yield f"{type(model).__name__}: {_summary(model)}"
    yield ""
    if model.equations:
        yield "Equations"
        yield from _indented(model.equations)
    own = _own_parameters(model)
    if own:
        yield "Parameters"
        width = max(len(name) for name, _, _ in own)
        for name, info, value in own:
            amount = f"{_number(value)} {'' if info.unit == '1' else info.unit}".strip()
            about = f"{info.text} ({_bounds(info.low, info.high)})" if _bounds(info.low, info.high) else info.text
            yield f"    {name:{width}}  {amount:16} {about}".rstrip()
    for name, inner in _components(model):
        yield f"{name}:"
        yield from _indented(as_text(inner))
    if model.reference:
        yield "Source"
        yield from _indented(model.reference)


def in_one_line(model: Model, input_unit: str = "") -> str:
    """A model with its parameters and their units, in one line.

    Args:
        model: what to write out.
        input_unit: what currents are in, where it is a stimulus.

    Example:
        >>> import ranvier as rv
        >>> in_one_line(rv.channels.Leak())
        'Leak (conductance 0.3 mS/cm², reversal -54.387 mV)'
    """
    from ranvier.plot.appearance import pretty_unit

    told = [
        f"{name} {_number(value)} {pretty_unit(input_unit if info.unit == 'input' else info.unit)}".strip()
        for name, info, value in _own_parameters(model)
    ]
    told += [f"{name}: {in_one_line(inner, input_unit)}" for name, inner in _components(model)]
    return f"{type(model).__name__} ({', '.join(told)})" if told else type(model).__name__


def as_html(model: Model) -> str:
    """A model as HTML: no scripts, nothing loaded; its channels folded.

    Example:
        >>> import ranvier as rv
        >>> "<math" in as_html(rv.channels.Leak())
        True
    """
    from ranvier.plot.html import STYLE

    return f'{STYLE}<div class="ranvier-result">{model_section(model)}</div>'


def model_section(model: Model) -> str:
    """The inside of `as_html`: equations, parameters, parts and source."""
    from ranvier.plot.appearance import pretty_unit

    out = f"<header><b>{type(model).__name__}</b>: {escape(_summary(model))}</header>"
    if model.equations:
        out += f'<div class="equations">{mathml(model.equations)}</div>'
    rows = "".join(
        f"<tr><td><code>{name}</code></td><td class=number>{escape(_number(value))}</td><td>{escape(pretty_unit(info.unit))}</td>"
        f"<td>{escape(info.text)}</td><td>{_bounds(info.low, info.high)}</td></tr>"
        for name, info, value in _own_parameters(model)
    )
    if rows:
        heads = "<tr><th>parameter</th><th>value</th><th>unit</th><th>what it is</th><th>allowed</th></tr>"
        out += f"<table>{heads}{rows}</table>"
    for name, inner in _components(model):
        out += f"<details><summary>{escape(name)}: {type(inner).__name__}</summary>{model_section(inner)}</details>"
    return out + (f"<footer>{escape(model.reference)}</footer>" if model.reference else "")


def _summary(model: Model) -> str:
    return (inspect.getdoc(type(model)) or "").split("\n")[0]


def _own_parameters(model: Model) -> list[tuple[str, Any, Any]]:
    return [(name, info, value) for name, info, value in parameters(model) if "." not in name]


def _components(model: Model) -> Iterator[tuple[str, Model]]:
    for field in fields(model):  # type: ignore[arg-type]
        part = getattr(model, field.name)
        for name, inner in part.items() if isinstance(part, Mapping) else [(field.name, part)]:
            if isinstance(inner, Model):
                yield name, inner


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
        return "positive" if 0 < low < 1e-6 else f"at least {low:g}"
    return f"{low:g} to {high:g}"
