"""What the checks of all kinds of models have in common."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import inspect
import io
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.describe import as_text
from ranvier.model import INPUT, Model, parameters
from ranvier.random import Key

PRECISIONS = ("float32", "float64")


class ConformanceError(AssertionError):
    """A model does not do what the engine relies on."""


def require(condition: Any, message: str) -> None:
    """Raises `ConformanceError` with `message` unless `condition` holds."""
    if not condition:
        raise ConformanceError(message)


def is_a(value: Any, kind: type, what: str) -> None:
    """Refuses a class in place of an instance, and everything else that is no `kind`."""
    hint = f" Give an instance: {value.__name__}(...)." if isinstance(value, type) else ""
    require(isinstance(value, kind), f"{value!r} is no {what} (a {kind.__module__}.{kind.__qualname__}).{hint}")


# -- what it says of itself --------------------------------------------------------------------


def check_description(model: Model, published: bool) -> None:
    """It has a docstring; a published one has its equations and its source too; `rv.describe` can print it."""
    kind = type(model)
    require(
        kind.__dict__.get("__doc__") and not (kind.__doc__ or "").startswith(f"{kind.__name__}("),
        f"{kind.__name__} has no docstring of its own.",
    )
    first = (inspect.getdoc(kind) or "").split("\n")[0]
    require(first.endswith((".", ":")), f"The first line of {kind.__name__}'s docstring is not a sentence: {first!r}.")
    if published:
        require(model.equations, f"{kind.__name__} states no equations: set the class attribute `equations`.")
        require(model.reference, f"{kind.__name__} names no source: set the class attribute `reference`.")
    with contextlib.redirect_stdout(io.StringIO()):
        require(first in as_text(model), f"rv.describe({kind.__name__}) does not show its docstring.")


@functools.cache
def _registry() -> Any:
    import pint

    return pint.UnitRegistry()


def unit(text: str, what: str) -> Any:
    """The unit that a text spells, as pint reads it."""
    try:
        return _registry().parse_units("dimensionless" if text == "1" else text)
    except Exception as error:
        raise ConformanceError(f"The unit {text!r} of {what} is none that pint knows: {error}") from None


def _same(a: Any, b: Any) -> bool:
    return a.dimensionality == b.dimensionality


def check_units(model: Model, input_unit: str | None = None, variable_units: Mapping[str, str] | None = None) -> None:
    """Every unit parses, and conductances, capacitances and currents fit the unit of the input.

    Args:
        model: the model.
        input_unit: of the current that its equations take; None where it has none of its own.
        variable_units: of its state variables.
    """
    name = type(model).__name__
    mV, ms = unit("mV", "V"), unit("ms", "t")
    of_input = None if input_unit is None else unit(input_unit, f"{name}'s input")
    for variable, text in (variable_units or {}).items():
        unit(text, f"{name}'s variable {variable}")
    for parameter, info, _ in parameters(model):
        require(info.low <= info.high, f"{name}.{parameter}: its bounds are the wrong way round.")
        if info.unit == INPUT:
            continue
        own = unit(info.unit, f"{name}.{parameter}")
        if of_input is None:
            continue
        for kind, example, as_input in (
            ("conductance", ("mS/cm^2", "nS"), lambda u: u * mV),
            ("capacitance", ("uF/cm^2", "pF"), lambda u: u * mV / ms),
            ("current", ("uA/cm^2", "pA"), lambda u: u),
        ):
            if any(_same(own, unit(e, kind)) for e in example):
                require(
                    _same(as_input(own), of_input),
                    f"{name}.{parameter} is a {kind} in {info.unit}, which does not go with an input in {input_unit}: "
                    "one is per area, the other per cell.",
                )


# -- values ----------------------------------------------------------------------------------------


def varied(model: Any, n: int) -> tuple[Any, list[Any]]:
    """A model whose parameters per neuron differ from neuron to neuron, and the `n` models of one neuron each.

    The values are within 2 % of the given ones, and within their bounds.
    """
    key = Key(1).child("varied")

    def vary(part: Any, path: str) -> tuple[Any, list[Any]]:
        if isinstance(part, Mapping):
            pairs = {name: vary(inner, f"{path}.{name}") for name, inner in part.items()}
            return {k: v[0] for k, v in pairs.items()}, [{k: v[1][i] for k, v in pairs.items()} for i in range(n)]
        if not isinstance(part, Model):
            return part, [part] * n
        whole, single = _blank(part), [_blank(part) for _ in range(n)]
        for field in dataclasses.fields(part):  # type: ignore[arg-type]
            value = getattr(part, field.name)
            info = field.metadata.get("parameter")
            if info is not None and info.per != "sample" and np.ndim(value) == 0:
                draws = key.child(f"{path}.{field.name}").uniform(n) * 0.04 - 0.02
                many = np.clip(float(value) * (1 + draws) + (0.02 * draws if value == 0 else 0.0), info.low, info.high)
                many = np.where(np.isfinite(float(value)), many, float(value))
                value, each = many, [float(x) for x in many]
            elif info is None and "component" in field.metadata:
                value, each = vary(value, f"{path}.{field.name}")
            else:
                each = [value] * n
            object.__setattr__(whole, field.name, value)
            for one, own in zip(single, each, strict=True):
                object.__setattr__(one, field.name, own)
        return whole, single

    return vary(model, type(model).__name__)


def _blank(model: Model) -> Any:
    return object.__new__(type(model))


def check_arrays(values: Mapping[str, Any], expected: Iterable[str] | None, n: int, dtype: str, what: str, scalars: bool = False) -> None:
    """Names, shapes and types of what a model's function returned (or would: shapes suffice)."""
    require(isinstance(values, Mapping), f"{what} returns {type(values).__name__}, not a dict of arrays by name.")
    if expected is not None:
        require(set(values) == set(expected), f"{what} returns {sorted(values)}, where {sorted(expected)} are expected.")
    for name, value in values.items():
        check_array(value, n, dtype, f"{what}: {name!r}", scalars)


def check_array(value: Any, n: int, dtype: str, what: str, scalars: bool = False) -> None:
    """The shape `(n,)` (or, where `scalars`, `()`) and the type."""
    shape, own = np.shape(value), np.result_type(value)
    require(shape == (n,) or (scalars and shape == ()), f"{what} has the shape {shape} for {n} neurons; it must be ({n},).")
    weak = getattr(value, "weak_type", False)  # a Python number's: it takes the type of what it meets
    require(
        own == np.dtype(dtype) or (weak and own.kind == np.dtype(dtype).kind),
        f"{what} is {own} where the state is {dtype}. The time t is always float64: "
        "cast what comes of it with .astype(state['...'].dtype).",
    )


def check_close(a: Any, b: Any, what: str, rtol: float = 1e-10, atol: float = 1e-12) -> None:
    """Two trees of arrays are equal to rounding."""
    for (path, x), y in zip(jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True):
        x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
        if not np.allclose(x, y, rtol=rtol, atol=atol, equal_nan=True):
            worst = float(np.max(np.abs(x - y)))
            raise ConformanceError(f"{what}{jax.tree_util.keystr(path)}: they differ by {worst:g} ({x.ravel()[:4]} and {y.ravel()[:4]}).")


def check_finite(values: Any, what: str, where: Any = None) -> None:
    """Nothing is NaN or infinite; `where` (V, say) tells the place in the message."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(values):
        bad = ~np.isfinite(np.asarray(leaf, np.float64))
        if bad.any():
            index = int(np.flatnonzero(bad)[0])
            place = "" if where is None else f" at V = {float(np.asarray(where)[index]):g} mV"
            raise ConformanceError(f"{what}{jax.tree_util.keystr(path)} is {np.asarray(leaf).ravel()[index]}{place}.")


def check_gradient(function: Callable[[Any], Any], at: Any, what: str) -> None:
    """The derivative that JAX takes is that of finite differences, along a few directions.

    Args:
        function: from a tree of float64 numbers to a tree of them.
        at: where. Numbers that are infinite stay as they are.
    """
    leaves, tree = jax.tree.flatten(at)
    leaves = [np.asarray(x, np.float64) for x in leaves]
    key, h = Key(2).child("directions"), 1e-6

    @jax.jit  # its operations one by one would each be compiled
    def at_both_sides(leaves: Any, direction: Any) -> Any:
        along = lambda s: function(jax.tree.unflatten(tree, [x + s * d for x, d in zip(leaves, direction, strict=True)]))
        return jax.jvp(along, (jnp.float64(0.0),), (jnp.float64(1.0),))[1], along(h), along(-h)

    for trial in range(3):
        direction = [
            np.where(
                np.isfinite(x),
                key.child(f"{trial}.{i}").normal(x.size).reshape(x.shape) * np.maximum(np.abs(np.where(np.isfinite(x), x, 0.0)), 1e-3),
                0.0,
            )
            for i, x in enumerate(leaves)
        ]
        slope, ahead, behind = at_both_sides(leaves, direction)
        for (path, d), a, b in zip(
            jax.tree_util.tree_leaves_with_path(slope), jax.tree.leaves(ahead), jax.tree.leaves(behind), strict=True
        ):
            label = f"{what}{jax.tree_util.keystr(path)}"
            check_finite(d, f"The gradient of {label}")
            difference = (np.asarray(a, np.float64) - np.asarray(b, np.float64)) / (2 * h)
            size = np.abs(np.asarray(d)) + np.abs(np.asarray(a, np.float64)) + 1e-9
            off = np.abs(difference - np.asarray(d)) / size
            require(
                off.max(initial=0.0) < 1e-5,
                f"The gradient of {label} is not that of finite differences: {np.asarray(d).ravel()[:3]} and {difference.ravel()[:3]}.",
            )


def check_value_semantics(model: Model) -> None:
    """It is frozen, can be copied with `replace`, and is a pytree that comes back as it was."""
    name = type(model).__name__
    require(type(model).__dataclass_params__.frozen, f"{name} is not a frozen dataclass.")  # type: ignore[attr-defined]
    replaced = model.replace()
    require(repr(replaced) == repr(model), f"{name}.replace() gives {replaced!r}, not {model!r}.")
    leaves, tree = jax.tree.flatten(model)
    again = jax.tree.unflatten(tree, leaves)
    require(repr(again) == repr(model), f"{name} does not come back from jax.tree.flatten and unflatten as it was.")
    functions = {id(x): x for x in (getattr(model, f.name) for f in dataclasses.fields(model)) if callable(x)}  # type: ignore[arg-type]
    try:
        same = bool(tree == jax.tree.structure(copy.deepcopy(model, functions)))  # type: ignore[operator]
    except (TypeError, ValueError) as error:
        raise ConformanceError(f"{name}'s structure cannot be compared ({error}): arrays belong into parameters.") from None
    require(
        same, f"Two equal {name} differ in structure, so each would be compiled anew: fields that are no parameters must compare by value."
    )
    for parameter, info, value in parameters(model):
        if np.ndim(value) == 0 and not math.isnan(float(value)):
            require(info.low <= float(value) <= info.high, f"{name}.{parameter} = {value} is out of its own bounds.")
