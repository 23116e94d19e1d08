"""Groups of neurons whose whole step the kernel `integrate_and_fire` can take.

What it takes: equations that the integrator turns into linear ones (`ExactLinear`,
and `ExponentialEuler` where a variable's slope is a linear function of the
others, as a membrane's is of its conductances), a threshold on a linear function
of the variables, and a linear reset. Nothing is registered: a model of the
user's own qualifies by its equations.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels.integrate_and_fire import MOST_TERMS, MOST_VARIABLES, LinearForm, Moving, NeuronEquations
from ranvier.network.linearity.exact import Exact, exact, why_not_here
from ranvier.network.linearity.expressions import Expressions, Level
from ranvier.network.linearity.neighbourhood import (
    INPUT,
    Equations,
    Name,
    Neighbourhood,
    Parts,
    after,
    before,
    by_member,
    equations,
    is_traced,
    numbers_of,
    remembered,
)
from ranvier.network.linearity.polynomials import (
    CONSTANT,
    TIME,
    AnyOf,
    Comparison,
    Known,
    Largest,
    Monomial,
    NotAffine,
    Polynomial,
    Unreadable,
    Value,
    affine,
    listed,
    multiplied,
)

Source = int
"""Where a number comes from: an expression, or, below 0, `−1 − place` among the coefficients of the exact step."""
Terms = dict[Any, Source]
"""Numbers by variable, `INPUT` and `CONSTANT`."""


@dataclasses.dataclass(frozen=True)
class Motion:
    """How a variable moves: to `form`, or by exponential Euler on `form + slope · variable`, both times the step's length."""

    form: Terms
    slope: Terms | None = None


@dataclasses.dataclass(frozen=True)
class Firing:
    """The test and the reset of a model: `test` is at least its `CONSTANT`, or, where it is `strict`, larger."""

    test: Terms
    either_end: bool
    strict: bool
    resets: dict[Name, Terms]


@dataclasses.dataclass(frozen=True)
class WholeStep:
    """A group's step as one kernel takes it.

    Attributes:
        equations: what the kernel does.
        variables: its variables: (group or synapses, name).
        driven: the places of the coefficients that a current is added to.
        each: of all places, those with one coefficient a neuron.
        gains_each: of the driven places, those with one gain a neuron.
        sizes: how many neurons each member has.
        strict: the place of the threshold, if it must be exceeded and not only reached.
    """

    equations: NeuronEquations
    variables: tuple[Name, ...]
    driven: tuple[int, ...]
    each: tuple[int, ...]
    gains_each: tuple[int, ...]
    sizes: tuple[int, ...]
    strict: int | None
    sources: tuple[tuple[Source | None, ...], tuple[Source | None, ...]] = dataclasses.field(compare=False, repr=False)
    expressions: Expressions = dataclasses.field(compare=False, repr=False)
    exact: Exact | None = dataclasses.field(compare=False, repr=False)

    def numbers(self, parts: Parts, dt: Any, dtype: Any = np.float64) -> dict[str, Any]:
        """The kernel's coefficients and what a current is multiplied with at each place.

        Traced by JAX (and so differentiable) where a parameter or `dt` is; else by NumPy, compiling nothing.

        Returns:
            `{"coefficients": [members, count], "gains": [members, count], "each": {"coefficients": {place: [n]}, "gains": {place: [n]}}}`,
            the last for the places where neurons of one member differ; what the rows have there is 0.
        """
        with jax.enable_x64(True):
            leaves = numbers_of(parts, dt)
            wanted = sorted({source for row in self.sources for source in row if source is not None and source >= 0})
            values = dict(zip(wanted, self.expressions.evaluate(wanted, leaves, self.sizes), strict=True))
            values |= {-1 - place: x for place, x in enumerate(self.exact.coefficients(leaves) if self.exact else ())}
            coefficients, gains = ([0.0 if source is None else values[source] for source in row] for row in self.sources)
            if self.strict is not None:
                above = Expressions.operation("above", jnp if is_traced(leaves) else np)
                coefficients[self.strict] = above(coefficients[self.strict], dtype=np.dtype(dtype))
            rows, each = by_member(coefficients, self.each, len(self.sizes), dtype)
            rows_of_gains, each_gain = by_member(gains, self.gains_each, len(self.sizes), dtype)
        return {"coefficients": rows, "gains": rows_of_gains, "each": {"coefficients": each, "gains": each_gain}}


# -- how the variables move --------------------------------------------------------------------------


def _propagation(step: Exact) -> dict[Name, Motion]:
    motions, place = {}, 0
    for name, columns in step.rows:
        motions[name] = Motion({column: -1 - (place + k) for k, column in enumerate(columns)})
        place += len(columns)
    return motions


def _relaxation(found: Equations) -> dict[Name, Motion] | NotAffine:
    """The motions of exponential Euler, where each variable's equation is linear in it and in the others, one at a time."""
    near = found.near
    name_of = {near.called(name): name for name in near.names}
    motions: dict[Name, Motion] = {}
    for name, value in found.derivatives.items():
        own = near.called(name)
        if isinstance(value, Unreadable) or TIME in getattr(value, "variables", ()):
            return cast(NotAffine, affine(value, f"{own}'s equation", found.expressions))
        form: Terms = {}
        slope: Terms = {}
        for monomial, x in _monomials(found.expressions, value).items():
            others = list(monomial)
            place = form
            if own in others:
                others.remove(own)
                place = slope
            if len(others) > 1 or own in others or (place is slope and INPUT in others):
                return NotAffine(f"{own}'s equation {multiplied(monomial)}")
            place[name_of.get(others[0], others[0]) if others else CONSTANT] = x
        ordered = {key: form[key] for key in (*near.names, INPUT, CONSTANT) if key in form}
        if slope.keys() - {CONSTANT}:
            in_a_step = lambda terms: {key: found.expressions.apply("mul", [found.dt, x]) for key, x in terms.items()}
            motions[name] = Motion(in_a_step(ordered), in_a_step({key: slope[key] for key in (*near.names, CONSTANT) if key in slope}))
        else:
            motions[name] = _decay(found, name, ordered, slope.get(CONSTANT))
    return motions


def _monomials(expressions: Expressions, value: Value) -> dict[Monomial, int]:
    if isinstance(value, Known):
        return {} if expressions.is_number(value.expression, 0.0) else {(): value.expression}
    assert isinstance(value, Polynomial)
    return value.terms


def _decay(found: Equations, name: Name, form: Terms, slope: int | None) -> Motion:
    """Exponential Euler where the slope is constant: the same linear map in every step."""
    apply, dt = found.expressions.apply, found.dt
    if slope is None:
        kept, gain = found.expressions.value(1.0), dt
    else:
        kept, gain = apply("exp", [apply("mul", [slope, dt])]), apply("relaxation", [slope, dt])
    return Motion({name: kept, **{key: apply("mul", [gain, x]) for key, x in form.items()}})


# -- the test and the reset --------------------------------------------------------------------------


def _firing(found: Equations) -> Firing | NotAffine:
    near, expressions = found.near, found.expressions
    test = _test(found)
    if isinstance(test, NotAffine):
        return test
    resets: dict[Name, Terms] = {}
    for variable, value in found.resets.items():
        form = affine(value, f"the reset of {variable}", expressions)
        if isinstance(form, NotAffine):
            return form
        resets[near.group, variable] = {key if key == CONSTANT else (near.group, key): x for key, x in form.terms.items()}
    if not found.untouched:
        return NotAffine("its reset changes neurons that did not spike, or cannot be seen not to")
    return dataclasses.replace(test, resets=resets)


def _test(found: Equations) -> Firing | NotAffine:
    """What is compared with the threshold, and whether at either end of the step."""
    near, expressions, value = found.near, found.expressions, found.test
    either: list[Comparison]
    if isinstance(value, AnyOf):
        either = list(value.sides)
    elif isinstance(value, Comparison):
        either = [value]
    else:
        what = getattr(value, "reason", "does not depend on the variables")
        return NotAffine(f"spiked {what}, where the kernel takes one comparison with a threshold")
    forms: list[dict[Monomial, int]] = []
    signs = {"<=": ">=", "<": ">"}
    for comparison in either:
        sign, above, below = comparison.sign, comparison.left, comparison.right
        if sign in signs:
            sign, above, below = signs[sign], below, above
        if sign not in (">=", ">"):
            return NotAffine(f"spiked compares with {sign} where the kernel takes >=")
        for side in above.sides if isinstance(above, Largest) else (above,):
            difference = _difference(expressions, side, below)
            if isinstance(difference, NotAffine):
                return difference
            if isinstance(above, Largest) and not any(difference):
                return NotAffine(f"spiked {above.reason}")
            forms.append(difference)
    strict = [signs.get(c.sign, c.sign) == ">" for c in either]
    ends: dict[str, dict[str, int]] = {}
    for form in forms:
        end, terms = _of_one_end(near, form)
        if end is None:
            return NotAffine("spiked compares the variables at the two ends of the step with each other")
        if end in ends:
            return NotAffine(f"spiked compares twice at one end of the step ({listed(set(terms) - {CONSTANT})})")
        ends[end] = terms
    first, last = ends.get("before"), ends.get("after")
    if last is None:
        return NotAffine("spiked looks at the variables before the step alone")
    if (first is not None and first != last) or len(set(strict)) > 1:
        return NotAffine("spiked compares different things before and after the step")
    threshold = expressions.apply("neg", [last.get(CONSTANT, expressions.value(0.0))])
    form_tested: Terms = {(near.group, v): last[v] for v in near.variables if v in last}
    return Firing({**form_tested, CONSTANT: threshold}, first is not None, strict[0], {})


def _difference(expressions: Expressions, above: Value, below: Value) -> dict[Monomial, int] | NotAffine:
    """`above − below`, or why it is not linear."""
    result: dict[Monomial, int] = {}
    for side, sign in ((above, 1), (below, -1)):
        form = affine(side, "spiked", expressions)
        if isinstance(form, NotAffine):
            return form
        for key, x in form.terms.items():
            monomial = () if key == CONSTANT else (key,)
            signed = x if sign == 1 else expressions.apply("neg", [x])
            result[monomial] = expressions.apply("add", [result[monomial], signed]) if monomial in result else signed
    return {monomial: x for monomial, x in result.items() if not expressions.is_number(x, 0.0)}


def _of_one_end(near: Neighbourhood, form: dict[Monomial, int]) -> tuple[str | None, dict[str, int]]:
    """The end of the step whose variables a form has, None where it is not one, and the form in the variables' own names."""
    for end, name in (("before", before), ("after", after)):
        own = {name(v): v for v in near.variables}
        if any(monomial for monomial in form) and all(monomial[0] in own for monomial in form if monomial):
            return end, {own[monomial[0]] if monomial else CONSTANT: x for monomial, x in form.items()}
    return None, {}


# -- for the kernel ----------------------------------------------------------------------------------


def _arranged(near: Neighbourhood, motions: dict[Name, Motion], firing: Firing, level: Callable[[Source], Level]) -> dict[str, Any]:
    """The variables in the kernel's order, and where all numbers come from, in the order of its forms."""
    order, copies = _in_order(motions)
    written = [*order, *(name for name in firing.resets if name not in motions)]
    read = [name for name in near.names if name not in written and _is_read(name, motions, firing)]
    number = {name: i for i, name in enumerate([*written, *read])}
    held = {(near.group, v) for v in near.held} if near.refractory else set()
    coefficients: list[Source | None] = []
    gains: list[Source | None] = []
    driven: list[int] = []

    def form(terms: Terms) -> LinearForm:
        own = [name for name in terms if name not in (INPUT, CONSTANT)]
        if INPUT in terms:
            driven.append(len(coefficients))
        coefficients.append(terms.get(CONSTANT))
        gains.append(terms.get(INPUT))
        for name in own:
            coefficients.append(terms[name])
            gains.append(None)
        return LinearForm(tuple(number[name] for name in own))

    def motion(name: Name) -> Moving:
        moves = motions[name]
        return Moving(number[name], form(moves.form), None if moves.slope is None else form(moves.slope), name in held)

    moving = tuple(motion(name) for name in order)
    threshold = len(coefficients)
    found = NeuronEquations(
        variables=len(number),
        written=len(written),
        moving=moving,
        copies=copies,
        test=form(firing.test),
        either_end=firing.either_end,
        resets=tuple((number[name], form(terms)) for name, terms in firing.resets.items()),
    )
    differ = lambda row: tuple(place for place, x in enumerate(row) if x is not None and level(x) is Level.NEURON)
    return {
        "equations": found,
        "variables": tuple(number),
        "driven": tuple(driven),
        "each": differ(coefficients),
        "gains_each": differ(gains),
        "sizes": near.sizes,
        "strict": threshold if firing.strict else None,
        "sources": (tuple(coefficients), tuple(gains)),
    }


def _reads(motion: Motion) -> set[Any]:
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


def _whole_step(near: Neighbourhood, parts: Parts, exactly: bool) -> WholeStep | NotAffine:
    if near.n == 0:
        return NotAffine("it has no neurons")
    if near.fires != "test":
        return NotAffine("it spikes at random" if near.fires == "hazard" else "its spikes are given")
    if not near.resets:
        return NotAffine("it has no reset")
    reason = why_not_here(near)
    if reason is not None:
        return NotAffine(reason)
    found = equations(near, parts)
    firing = _firing(found)
    if isinstance(firing, NotAffine):
        return firing
    step = exact(near, parts) if exactly else None
    if isinstance(step, NotAffine):
        return step
    motions = _relaxation(found) if step is None else _propagation(step)
    if isinstance(motions, NotAffine):
        return motions
    level = lambda source: (
        found.expressions.level(source) if source >= 0 or step is None else Level.NEURON if -1 - source in step.each else Level.MEMBER
    )
    result = WholeStep(**_arranged(near, motions, firing, level), expressions=found.expressions, exact=step)
    if not result.equations.fits:
        return NotAffine(f"it has more than {MOST_VARIABLES} variables, or more than {MOST_TERMS} in one equation")
    return result


_remembered = remembered(_whole_step)


def whole_step(near: Neighbourhood, parts: Parts, *, exactly: bool) -> WholeStep | NotAffine:
    """A group's step for the kernel `integrate_and_fire`, or why that cannot take it.

    It depends on which terms the equations have, never on their values. Quick when asked again for the same structure.

    Args:
        parts: `{"model": Stacked, "synapses": {name: model whose parameters are numbers or [n]}}`.
        exactly: as `ExactLinear` advances it; if not, as `ExponentialEuler` does.
    """
    return _remembered(near, parts, exactly)
