"""A rule of plasticity is tried on shapes before a network is compiled, so that what does not fit is said in the rule's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError, did_you_mean
from ranvier.network.learning import WEIGHT, post_traces
from ranvier.network.straight import straightened
from ranvier.plasticity.base import PlasticityRule, overrides
from ranvier.plasticity.homeostasis import Homeostasis
from ranvier.plasticity.traces import LowPass, Trace

_EDGES = 7  # unlike any number that somebody would write down


def check_rule(name: str, rule: PlasticityRule, variables: tuple[str, ...]) -> bool:
    """Looks at what a rule keeps and tries what it does.

    Args:
        name: the projection's.
        rule: its rule.
        variables: of the target neurons.

    Returns:
        Whether it sees any of them, and not the targets' spikes alone.

    Raises:
        ParameterError: traces that are none, a variable that the target does not have, a name that is not there, a result that is not one
            real number an edge.
    """
    _check_traces(f"{name}: {type(rule).__name__}", rule, variables)
    vector = jax.ShapeDtypeStruct((_EDGES,), np.float32)
    one = jax.ShapeDtypeStruct((), np.float32)
    target = {v: jax.ShapeDtypeStruct((_EDGES,), np.float32) for v in variables}  # known by their identity
    edge = dict.fromkeys((WEIGHT, *rule.edge_state()), vector)
    pre = dict.fromkeys(rule.pre_traces(), vector)
    seen = lambda traces: {**target, **dict.fromkeys(traces, vector), "dt": one}
    post = seen(rule.post_traces())
    third = None if rule.modulator() is None else one
    of = f"{name}: {type(rule).__name__}"
    sees = overrides(rule, "post_event") or any(isinstance(trace, LowPass) for trace in post_traces(rule).values())
    for what in ("on_pre", "on_post"):
        if overrides(rule, what):
            sees |= _try(f"{of}.{what}", rule, getattr(rule, what), (edge, pre, post, third), edge, target)
    total = lambda x: x
    if overrides(rule, "update"):
        update = lambda edge, post, third, interval: rule.update(edge, post, third, total, interval)
        sees |= _try(f"{of}.update", rule, update, (edge, post, third, one), edge, target)
    if type(rule.homeostasis).update is not Homeostasis.update:
        homeostasis = rule.homeostasis
        keep = lambda edge, post, interval: {WEIGHT: homeostasis.update(edge, post, total, interval)}
        of = f"{name}: {type(homeostasis).__name__}.update"
        sees |= _try(of, rule, keep, (edge, seen(homeostasis.post_traces()), one), {WEIGHT: vector}, target)
    if overrides(rule, "post_event"):
        _try(f"{of}.post_event", rule, rule.post_event, (target, target), None, target)
    return sees


def _check_traces(of: str, rule: PlasticityRule, variables: tuple[str, ...]) -> None:
    for what, known in (("pre_traces", (Trace,)), ("post_traces", (Trace, LowPass))):
        traces = getattr(rule, what)()
        wanted = 'a dict such as {"x": rv.plasticity.Trace(20.0)}'
        if not isinstance(traces, Mapping):
            raise ParameterError(f"{of}.{what} gives {traces!r}, but it must give {wanted}.")
        for name, trace in traces.items():
            if not isinstance(trace, known):
                raise ParameterError(f"{of}.{what} gives {trace!r} as {name!r}, but it must give {wanted}.")
            if isinstance(trace, LowPass) and trace.variable not in variables:
                raise ParameterError(
                    f"{of}.{what} averages {trace.variable!r}, which the targets do not have. {did_you_mean(trace.variable, variables)}"
                )


def _try(
    of: str, rule: PlasticityRule, function: Any, given: tuple[Any, ...], edge: Mapping[str, Any] | None, target: Mapping[str, Any]
) -> bool:
    """Whether what a function makes of shapes depends on the targets' variables."""
    try:
        trace, new = jax.make_jaxpr(function, return_shape=True)(*given)
    except KeyError as error:
        asked = error.args[0] if error.args else ""
        known = dict.fromkeys(n for values in given if isinstance(values, Mapping) for n in values)
        raise ParameterError(f"{of} asks for {asked!r}, which is not there. {did_you_mean(str(asked), known)}") from error
    except Exception as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(f"{of} cannot be computed: {_why(error, rule)}") from error
    if edge is None:
        if new is not None and (getattr(new, "shape", None) != (_EDGES,) or new.dtype != np.bool_):
            raise ParameterError(f"{of} must give None, or whether each target has an event, bool [targets], not {_told(new)}.")
        return True
    allowed = " or ".join(map(repr, edge))
    if not isinstance(new, Mapping) or any(n not in edge for n in new):
        wrong = _told(new) if not isinstance(new, Mapping) else ", ".join(map(repr, new))
        raise ParameterError(f"{of} gave {wrong}; it must give a dict with new values of {allowed}.")
    for n, value in new.items():
        if getattr(value, "shape", None) not in ((), (_EDGES,)):
            raise ParameterError(f"{of} gave {n!r} as {_told(value)}; it must give one value an edge of {allowed}.")
        if not (np.issubdtype(value.dtype, np.floating) or np.issubdtype(value.dtype, np.integer)):
            raise ParameterError(f"{of} gave {n!r} of type {value.dtype}; it must give real numbers.")
    straight, own = straightened(trace.jaxpr), {id(x) for x in target.values()}
    needed = {id(x) for x in (*straight.results, *(x for operation in straight.operations for x in operation.operands))}
    return any(id(leaf) in own and id(x) in needed for leaf, x in zip(jax.tree.leaves(given), straight.arguments, strict=True))


def _told(value: Any) -> str:
    if not hasattr(value, "shape"):
        return repr(value)
    return f"an array [{', '.join('edges' if n == _EDGES else str(n) for n in value.shape)}]" if value.shape else "one number"


def _why(error: Exception, rule: PlasticityRule) -> str:
    said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'nothing more'}"
    if isinstance(error, jax.errors.TracerBoolConversionError) or "truth value" in said:
        return "it decides by a value, with `if`, `and` or `while`, but is asked for many edges at once. Write jax.numpy.where(…)."
    if "NoneType" in said and rule.modulator() is None:
        return f"{said}. Its last argument, the third factor, is None: `modulator()` gives none. Let it give an rv.plasticity.Modulator."
    if isinstance(error, TypeError) and "positional argument" in said:
        return f"{said}. Its arguments are those of rv.PlasticityRule's."
    said = said.replace(f"({_EDGES},)", "(edges,)")
    return f"{said if said.endswith('.') else said + '.'} It is given arrays [edges], and must give one value an edge."
