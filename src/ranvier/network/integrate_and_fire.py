"""Groups of neurons whose whole step the kernel `integrate_and_fire` can take, found by differentiation.

What it takes: equations that the integrator turns into linear ones (`ExactLinear`,
and `ExponentialEuler` where a variable's slope is a linear function of the
others, as a membrane's is of its conductances), a threshold on a linear function
of the variables, and a linear reset. Nothing is registered: a model of the
user's own qualifies by its equations.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.extend
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.integrate_and_fire import LinearForm, Moving, NeuronEquations
from ranvier.network.dependence import cut, depends, elementwise
from ranvier.network.exact import CONSTANT, INPUT, Name, acting_continuously, equations, reaching
from ranvier.network.plan import Built, GroupPlan, WholeStep

Terms = dict[Any, np.ndarray]
"""Coefficients by variable, `INPUT` and `CONSTANT`; each one number, or one a neuron."""


@dataclasses.dataclass(frozen=True)
class Motion:
    """How a variable moves: to `form`, or by exponential Euler on `form + slope · variable`."""

    form: Terms
    slope: Terms | None = None


@dataclasses.dataclass(frozen=True)
class Firing:
    """The test and the reset of a model: `test` is at least its `CONSTANT`."""

    test: Terms
    either_end: bool
    resets: dict[Name, Terms]


def whole_step(
    built: Built, group: GroupPlan, propagators: dict[str, dict[str, Any]] | None, dt: float
) -> tuple[WholeStep, dict[str, Any]] | None:
    """A group's step for the kernel, and its numbers, or None where it cannot take it.

    Args:
        propagators: of `ExactLinear`; None for exponential Euler.
    """
    if group.fires != "test" or not group.resets or group.diffuses or group.n == 0 or acting_continuously(built.plan, group):
        return None
    firing = _firing(built, group)
    if firing is None:
        return None
    motions = _relaxation(built, group, dt) if propagators is None else _propagation(built, group, propagators)
    if motions is None:
        return None
    found = _arranged(built, group, motions, firing)
    return found if found[0].equations.fits else None


def _variables(built: Built, group: GroupPlan) -> list[Name]:
    return [(group.name, v) for v in group.variables] + [(s.name, v) for s in reaching(built.plan, group) for v in s.variables]


def _propagation(built: Built, group: GroupPlan, propagators: dict[str, dict[str, Any]]) -> dict[Name, Motion]:
    label = {" ".join(name): name for name in _variables(built, group)}
    return {
        label[row]: Motion({label.get(column, column): np.asarray(x, np.float64) for column, x in columns.items()})
        for row, columns in propagators.items()
    }


# -- exponential Euler -------------------------------------------------------------------------------


def _relaxation(built: Built, group: GroupPlan, dt: float) -> dict[Name, Motion] | None:
    """The motions of exponential Euler; None where a variable's equation is not linear in it and in the others, one at a time."""
    names, derivatives = equations(built, group)
    moving = {*((group.name, v) for v in group.moving), *((s.name, v) for s in reaching(built.plan, group) for v in s.moving)}
    rows = [name for name in names if name in moving]
    zeros, ones = {name: jnp.zeros(group.n) for name in names}, jnp.ones(group.n)
    t = jnp.zeros(())

    def derivative(function: Any, row: Name, by: Any, values: dict[Name, Any], current: Any) -> Any:
        """Of a function of a row's own variable, the others and the current."""
        own = values[row]
        if by == INPUT:
            return jax.jvp(lambda x: function(own, values, x), (current,), (ones,))[1]
        vary = (lambda x: function(x, values, current)) if by == row else (lambda x: function(own, {**values, by: x}, current))
        return jax.jvp(vary, (values[by],), (ones,))[1]

    traced = jax.make_jaxpr(derivatives)(zeros, ones, t)
    rate_of = {name: cut(traced, [out]) for name, out in zip(sorted(names), traced.jaxpr.outvars, strict=True)}  # as a dict's leaves lie

    def of(row: Name) -> dict[str, Any]:
        """The intercept and the slope of a row's equation in its own variable."""
        rate = lambda own, others, current: rate_of[row](*jax.tree.leaves(({**others, row: own}, current, t)))[0]
        slope = lambda own, others, current: jax.jvp(lambda x: rate(x, others, current), (own,), (ones,))[1]
        return {"form": lambda own, others, current: rate(jnp.zeros(group.n), others, current), "slope": slope}

    def curvatures(values: dict[Name, Any], current: Any) -> list[Any]:
        return [[[derivative(f, row, by, values, current) for by in [*names, INPUT]] for f in of(row).values()] for row in rows]

    def origin() -> list[Any]:
        return [[f(zeros[row], zeros, jnp.zeros(group.n)) for f in of(row).values()] for row in rows]

    if not elementwise(traced) or depends(traced, {len(names) + 1}):
        return None
    if depends(jax.make_jaxpr(curvatures)(zeros, ones), set(range(len(names) + 1))):
        return None
    found, constants = jax.tree.map(np.asarray, (curvatures(zeros, ones), origin()))
    motions = {}
    for row, slopes, constant in zip(rows, found, constants, strict=True):
        form, slope = (
            _without_zeros({**dict(zip([*names, INPUT], by, strict=True)), CONSTANT: at}) for by, at in zip(slopes, constant, strict=True)
        )
        if row in slope or INPUT in slope:
            return None
        motions[row] = Motion(form, slope) if slope.keys() - {CONSTANT} else _decay(row, form, slope.get(CONSTANT, np.zeros(1)), dt)
    return motions


def _decay(row: Name, form: Terms, slope: np.ndarray, dt: float) -> Motion:
    """Exponential Euler where the slope is constant: the same linear map in every step."""
    safe = np.where(slope == 0, 1.0, slope)
    gain = np.where(slope == 0, dt, np.expm1(dt * safe) / safe)
    return Motion({row: np.exp(dt * slope), **{name: gain * x for name, x in form.items()}})


# -- the test and the reset --------------------------------------------------------------------------


def _firing(built: Built, group: GroupPlan) -> Firing | None:
    model = built.constants["groups"][group.name]["model"]
    zeros = {v: jnp.zeros(group.n) for v in group.variables}
    test = _test(model, group, zeros)
    if test is None:
        return None
    everyone = jnp.ones(group.n, bool)
    reset = lambda values: {v: jnp.broadcast_to(x, (group.n,)) for v, x in model.reset(values, everyone).items()}
    resets = _linear(reset, zeros, group.n)
    if resets is None or not elementwise(jax.make_jaxpr(lambda s, f: model.reset(s, f))(zeros, everyone)):
        return None
    somewhere = {v: np.linspace(-1.5, 2.0, group.n) * (i + 1) for i, v in enumerate(group.variables)}
    kept = model.reset(somewhere, ~everyone)
    if any(not np.array_equal(np.broadcast_to(x, (group.n,)), somewhere[v]) for v, x in kept.items()):
        return None  # it does something to neurons that did not spike
    own = lambda terms: {key if key == CONSTANT else (group.name, key): x for key, x in terms.items()}
    return Firing(own(test[0]), test[1], {(group.name, v): own(terms) for v, terms in resets.items()})


def _test(model: Any, group: GroupPlan, zeros: dict[str, Any]) -> tuple[Terms, bool] | None:
    """What is compared with the threshold (the `CONSTANT`), and whether at either end of the step."""
    traced = jax.make_jaxpr(lambda before, after: model.spiked(before, after))(zeros, zeros)
    made = {id(variable): equation for equation in traced.jaxpr.eqns for variable in equation.outvars}
    (out,) = traced.jaxpr.outvars
    comparison = made.get(id(out))
    if comparison is None or comparison.primitive.name != "ge" or not elementwise(traced):
        return None
    highest, threshold = comparison.invars
    largest = made.get(id(highest))
    sides = list(largest.invars) if largest is not None and largest.primitive.name == "max" else [highest]
    n = len(zeros)

    def at(side: Any) -> Callable[..., Any]:
        if isinstance(side, jax.extend.core.Literal):
            return lambda before, after: jnp.broadcast_to(side.val, (group.n,))
        compute = cut(traced, [side])
        return lambda before, after: jnp.broadcast_to(compute(*jax.tree.leaves((before, after)))[0], (group.n,))

    needed = [jax.make_jaxpr(at(side))(zeros, zeros) for side in (*sides, threshold)]
    of_before, of_after = ([depends(jaxpr, some) for jaxpr in needed] for some in (set(range(n)), set(range(n, 2 * n))))
    if of_before[-1] or of_after[-1]:
        return None
    if len(sides) == 1 and of_after[0] and not of_before[0]:
        ends = [sides[0]]
    elif len(sides) == 2 and of_before[:2] != of_after[:2] and sum(of_before[:2]) == sum(of_after[:2]) == 1:
        ends = sides if of_before[0] else sides[::-1]
    else:
        return None
    forms = [_linear(functools.partial(_named, at(end)), zeros, group.n) for end in ends]
    limit = np.asarray(at(threshold)(zeros, zeros), np.float64)
    if any(form is None for form in forms):
        return None
    first, last = forms[0][""], forms[-1][""]  # type: ignore[index]
    if first.keys() != last.keys() or any(not np.array_equal(first[key], last[key]) for key in first):
        return None
    return {**last, CONSTANT: limit - last.get(CONSTANT, 0.0)}, len(ends) == 2


def _named(compute: Callable[..., Any], values: dict[str, Any]) -> dict[str, Any]:
    """What is compared with the threshold, if the neuron's state is `values`."""
    return {"": compute(values, values)}


def _linear(function: Callable[[Any], dict[str, Any]], zeros: dict[str, Any], n: int) -> dict[str, Terms] | None:
    """The terms of linear functions of a group's variables, None where one is not linear."""
    ones = jnp.ones(n)

    def slopes(values: dict[str, Any]) -> dict[str, dict[str, Any]]:
        of = lambda v: jax.jvp(lambda x: function({**values, v: x}), (values[v],), (ones,))[1]
        by_variable = {v: of(v) for v in values}
        return {name: {v: by_variable[v][name] for v in values} for name in jax.eval_shape(function, values)}

    if depends(jax.make_jaxpr(slopes)(zeros), set(range(len(zeros)))):
        return None
    found, constant = jax.tree.map(lambda x: np.asarray(x, np.float64), (slopes(zeros), function(zeros)))
    return {name: _without_zeros({**found[name], CONSTANT: constant[name]}) for name in constant}


def _without_zeros(terms: Terms) -> Terms:
    return {key: x for key, x in terms.items() if np.any(x)}


# -- for the kernel ----------------------------------------------------------------------------------


def _arranged(built: Built, group: GroupPlan, motions: dict[Name, Motion], firing: Firing) -> tuple[WholeStep, dict[str, Any]]:
    """The variables in the kernel's order, and all numbers in the order of its forms."""
    names = _variables(built, group)
    order, copies = _in_order(motions)
    written = [*order, *(name for name in firing.resets if name not in motions)]
    read = [name for name in names if name not in written and _is_read(name, motions, firing)]
    number = {name: i for i, name in enumerate([*written, *read])}
    held = {(group.name, v) for v in built.constants["groups"][group.name]["model"].held} if group.refractory else set()
    dtype = built.plan.dtype
    shared: dict[str, list[float]] = {"coefficients": [], "gains": []}
    each: dict[str, dict[str, np.ndarray]] = {"coefficients": {}, "gains": {}}
    driven: list[int] = []

    def add(**numbers: Any) -> None:
        for what, number in numbers.items():
            number = np.atleast_1d(number)
            same = bool((number == number[0]).all())
            if not same:
                each[what][str(len(shared[what]))] = number.astype(dtype)
            shared[what].append(float(number[0]) if same else 0.0)

    def form(terms: Terms) -> LinearForm:
        own = [name for name in terms if name not in (INPUT, CONSTANT)]
        if INPUT in terms:
            driven.append(len(shared["coefficients"]))
        add(coefficients=terms.get(CONSTANT, 0.0), gains=terms.get(INPUT, 0.0))
        for name in own:
            add(coefficients=terms[name], gains=0.0)
        return LinearForm(tuple(number[name] for name in own))

    def motion(name: Name) -> Moving:
        moves = motions[name]
        return Moving(number[name], form(moves.form), None if moves.slope is None else form(moves.slope), name in held)

    equations = NeuronEquations(
        variables=len(number),
        written=len(written),
        moving=tuple(motion(name) for name in order),
        copies=copies,
        test=form(firing.test),
        either_end=firing.either_end,
        resets=tuple((number[name], form(terms)) for name, terms in firing.resets.items()),
    )
    numbers = {what: np.asarray(row, dtype) for what, row in shared.items()}
    return WholeStep(equations, tuple(number), tuple(driven)), {**numbers, "each": each}


def _reads(motion: Motion) -> set[Name]:
    return {key for terms in (motion.form, motion.slope or {}) for key in terms if key not in (INPUT, CONSTANT)}


def _is_read(name: Name, motions: dict[Name, Motion], firing: Firing) -> bool:
    return any(name in _reads(m) for m in motions.values()) or name in firing.test or any(name in r for r in firing.resets.values())


def _in_order(motions: dict[Name, Motion]) -> tuple[list[Name], bool]:
    """The variables such that none moves before one that reads it; and whether there is no such order."""
    left = list(motions)
    order: list[Name] = []
    while left:
        free = next((name for name in left if not any(name in _reads(motions[other]) for other in left if other != name)), None)
        if free is None:
            return order + left, True
        order.append(free)
        left.remove(free)
    return order, False
