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
from ranvier.plasticity.modulator import Modulator
from ranvier.plasticity.traces import LowPass, Trace, check_tau

_EDGES = 7  # unlike any number that somebody would write down


def check_numbers(name: str, rule: PlasticityRule) -> None:
    """Looks at what depends on a rule's numbers.

    Raises:
        ParameterError: a time constant of an edge's variable that is no time, or a third factor that is 0 for ever.
    """
    of, state, modulator = f"{name}: {type(rule).__name__}", rule.edge_state(), rule.modulator()
    if not isinstance(state, Mapping):
        raise ParameterError(f'{of}.edge_state gives {state!r}, but it must give a dict such as {{"tag": 1000.0}}.')
    for variable, tau in state.items():
        if not isinstance(tau, jax.core.Tracer):
            check_tau(f"{of}.edge_state()[{variable!r}]", tau)
            if not float(tau):
                raise ParameterError(f"{of}.edge_state()[{variable!r}] is 0, and so it would be gone at once. Give a time constant in ms.")
    if modulator is not None and type(modulator).release is Modulator.release:
        baseline = modulator.baseline
        if not isinstance(baseline, jax.core.Tracer) and not np.any(baseline):
            raise ParameterError(
                f"{of} has no modulator that ever releases anything, so its third factor is 0 and no weight would change. Give it one, "
                "such as rv.plasticity.Rewards(times=[500.0]), or one that is constant: rv.plasticity.Modulator(baseline=1.0)."
            )


def check_rule(
    name: str,
    rule: PlasticityRule,
    variables: tuple[str, ...],
    own: tuple[str, ...] = (),
    populations: tuple[tuple[str, int], ...] = (),
    dendrite: bool = False,
) -> bool:
    """Looks at what a rule keeps and tries what it does.

    Args:
        name: the projection's.
        rule: its rule.
        variables: of the target neurons.
        own: of the projection's synapses.
        populations: their names and sizes, as a modulator sees who spikes.
        dendrite: whether spikes of the targets take time to come back to the synapses.

    Returns:
        Whether it sees any of them, and not the targets' spikes alone.

    Raises:
        ParameterError: traces that are none, a variable that the target does not have, a name that is not there, a result that is not one
            real number an edge.
    """
    of = f"{name}: {type(rule).__name__}"
    _check_traces(of, rule, variables)
    _check_traces(f"{name}: {type(rule.homeostasis).__name__}", rule.homeostasis, variables)
    for variable in rule.edge_state():
        if not isinstance(variable, str) or variable == WEIGHT or variable in own:
            what = "the synapse has a variable of that name" if variable in own else "further variables have other names, strings"
            raise ParameterError(f"{of}.edge_state gives {variable!r}, but {what}. Choose another.")
    every = rule.update_every
    if not isinstance(every, int | float) or not every >= 0:
        raise ParameterError(f"{of}.update_every is {every!r}, but it must be a time of at least 0 ms, 0 for every step.")
    vector = jax.ShapeDtypeStruct((_EDGES,), np.float32)
    one = jax.ShapeDtypeStruct((), np.float32)
    target = {v: jax.ShapeDtypeStruct((_EDGES,), np.float32) for v in variables}  # known by their identity
    edge = dict.fromkeys((WEIGHT, *rule.edge_state()), vector)
    pre = dict.fromkeys(rule.pre_traces(), vector)
    seen = lambda traces: {**target, **dict.fromkeys(traces, vector), "dt": one}
    post = seen(rule.post_traces())
    third = None if rule.modulator() is None else one
    sees = overrides(rule, "post_event") or any(isinstance(trace, LowPass) for trace in post_traces(rule).values())
    for what in ("on_pre", "on_post"):
        if overrides(rule, what):
            sees |= _try(f"{of}.{what}", rule, getattr(rule, what), (edge, pre, post, third), edge, target)
    total = lambda x: x
    if overrides(rule, "update"):
        update = lambda edge, post, third, interval: rule.update(edge, post, third, total, interval)
        sees |= _try(f"{of}.update", rule, update, (edge, post, third, one), edge, target)
    if sees and dendrite:
        raise ParameterError(f"{of} sees the targets' variables as they are at the soma, and cannot have a dendritic_delay. Leave it out.")
    if (modulator := rule.modulator()) is not None:
        _try_release(f"{name}: {type(modulator).__name__}.release", modulator, dict(populations))
    if type(rule.homeostasis).update is not Homeostasis.update:
        homeostasis = rule.homeostasis
        keep = lambda edge, post, interval: {WEIGHT: homeostasis.update(edge, post, total, interval)}
        at = f"{name}: {type(homeostasis).__name__}.update"
        sees |= _try(at, rule, keep, (edge, seen(homeostasis.post_traces()), one), {WEIGHT: vector}, target)
    if overrides(rule, "post_event"):
        _try(f"{of}.post_event", rule, rule.post_event, (target, target), None, target)
    return sees


def _try_release(of: str, modulator: Modulator, populations: Mapping[str, int]) -> None:
    memory, spiked = dict(modulator.memory()), {name: jax.ShapeDtypeStruct((n,), np.bool_) for name, n in populations.items()}
    try:
        given = jax.eval_shape(modulator.release, memory, spiked, jax.ShapeDtypeStruct((), np.float32))
    except KeyError as error:
        asked = str(error.args[0] if error.args else "")
        raise ParameterError(f"{of} asks for {asked!r}, which is not there. {did_you_mean(asked, [*memory, *spiked])}") from error
    except Exception as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError(
            f"{of} cannot be computed: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else error!r}"
        ) from error
    if not isinstance(given, tuple) or len(given) != 2 or not isinstance(given[0], Mapping):
        raise ParameterError(f"{of} gave {_told(given)}; it must give two things: its new memory, a dict, and the amount.")
    new, amount = given
    if set(new) != set(memory) or any(np.shape(new[v]) != np.shape(memory[v]) for v in memory):
        raise ParameterError(f"{of} gave the memory {_shapes(new)}; it must be as it begins: {_shapes(memory)}.")
    if getattr(amount, "shape", None) != () or amount.dtype.kind not in "iuf":
        raise ParameterError(f"{of} gave the amount {_told(amount)}; it must be one number.")


def _shapes(memory: Mapping[str, Any]) -> str:
    return ", ".join(f"{name!r} {list(np.shape(x))}" for name, x in memory.items()) or "of nothing"


def _check_traces(of: str, rule: PlasticityRule | Homeostasis, variables: tuple[str, ...]) -> None:
    for what, known in (("pre_traces", (Trace,)), ("post_traces", (Trace, LowPass))):
        if not hasattr(rule, what):
            continue
        traces = getattr(rule, what)()
        wanted = 'a dict such as {"x": rv.plasticity.Trace(20.0)}'
        if not isinstance(traces, Mapping):
            raise ParameterError(f"{of}.{what} gives {traces!r}, but it must give {wanted}.")
        for name, trace in traces.items():
            if not isinstance(trace, known):
                raise ParameterError(f"{of}.{what} gives {trace!r} as {name!r}, but it must give {wanted}.")
            if not isinstance(name, str) or (what == "post_traces" and name in (*variables, "dt")):
                why = "the targets have a variable of that name" if name in variables else "names of traces are other strings"
                raise ParameterError(f"{of}.{what} names a trace {name!r}, but {why}. Choose another.")
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
