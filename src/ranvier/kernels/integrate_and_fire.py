"""One step of integrate-and-fire neurons: integrate, hold, fire, reset.

For neurons whose equations are linear, or linear in each variable while the
others are held (conductances), whose test compares a weighted sum of the
variables with a threshold, and whose reset is linear too, a step is little
arithmetic on much memory. Written as one operation for each part of the step it
is many passes over the state; here it is one.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import ParameterError
from ranvier.kernels import dispatch
from ranvier.kernels.segments import segment_of

MOST_VARIABLES = 12
MOST_TERMS = 12


class LinearForm(NamedTuple):
    """`constant + Σ coefficient · variable`: the numbers of the variables; the coefficients are operands."""

    terms: tuple[int, ...] = ()


@dataclasses.dataclass(frozen=True)
class Moving:
    """A variable that moves: to `form`, or, where a `slope` is given, by exponential Euler on `form + slope · variable`.

    Both are then times the step's length.

    Attributes:
        held: whether it stays as it is while the neuron is refractory.
    """

    variable: int
    form: LinearForm
    slope: LinearForm | None = None
    held: bool = False


@dataclasses.dataclass(frozen=True)
class NeuronEquations:
    """What `integrate_and_fire` does, but for the numbers.

    Attributes:
        variables: how many variables there are.
        written: how many of them change; those come first.
        moving: those that move, in the order in which they may be overwritten one after the other.
        copies: whether there is no such order.
        test: what is compared with the threshold, which stands in the place of its constant.
        either_end: whether it is at the start of the step, too.
        resets: the variables that a spike sets, and to what, given the variables after the step.
    """

    variables: int
    written: int
    moving: tuple[Moving, ...]
    copies: bool
    test: LinearForm
    either_end: bool
    resets: tuple[tuple[int, LinearForm], ...]

    @property
    def forms(self) -> list[LinearForm]:
        """All forms, in the order of their coefficients."""
        moving = [form for m in self.moving for form in (m.form, m.slope) if form is not None]
        return [*moving, self.test, *(form for _, form in self.resets)]

    @property
    def fits(self) -> bool:
        """Whether the kernel has room for it."""
        longest = max((len(form.terms) for form in self.forms), default=0)
        return self.variables <= MOST_VARIABLES and longest <= MOST_TERMS

    def numbers(self) -> np.ndarray:
        """As the native kernel reads it."""
        written: list[int] = [self.variables, int(self.copies), len(self.moving)]
        of = lambda form: [len(form.terms), *form.terms]
        for m in self.moving:
            written += [m.variable, int(m.held), int(m.slope is not None), *of(m.form), *(of(m.slope) if m.slope is not None else ())]
        written += [int(self.either_end), *of(self.test), len(self.resets)]
        for variable, form in self.resets:
            written += [variable, *of(form)]
        return np.array(written, np.int64)


def integrate_and_fire(
    equations: NeuronEquations,
    variables: Sequence[jax.Array],
    coefficients: jax.Array,
    step: jax.Array,
    recent: jax.Array,
    refractory: jax.Array | None = None,
    each: Mapping[int, jax.Array] | None = None,
    since: jax.Array | int = 0,
    ends: jax.Array | None = None,
) -> tuple[list[jax.Array], jax.Array, jax.Array]:
    """Advance neurons by one step.

    The neurons are those of one member or of several that differ in their numbers,
    one behind the other. What a neuron does is the same to the bit whoever stands
    beside it. Each variable moves from the state at the start of the step. A neuron is
    refractory while `step <= since + recent + refractory`: what is held stays, and
    it does not fire. Another fires where the test is at least the threshold.

    Args:
        equations: what is done.
        variables: `[n]` each; those that change are updated in place where XLA can.
        coefficients: for each of `equations.forms` its constant and its coefficients, all in a row; a row a member,
            `[members, coefficients]`.
        step: this step, int64 scalar.
        recent: the step of each neuron's last spike, less `since`, int32 `[n]`.
        refractory: for how many steps after that it is refractory, int32, one a member, `[members, 1]`, or one a neuron, `[n]`;
            None for none.
        each: coefficients that differ among the neurons, `[n]` each, by their places in the row.
        since: what `recent` counts from, int64 scalar.
        ends: member `m` has the neurons `ends[m - 1]` … `ends[m] - 1`, and the last one all that follow, int32 `[members]`;
            may be left out for one member. Members may have no neurons.

    Returns:
        The variables that change, `recent`, and who fires, bool `[n]`.

    Raises:
        ParameterError: a wrong number, shape or type of the operands; int64 needs `jax.enable_x64`.

    Example:
        >>> decay = NeuronEquations(1, 1, (Moving(0, LinearForm((0,)), held=True),), False, LinearForm((0,)), True, ((0, LinearForm()),))
        >>> with jax.enable_x64(True):
        ...     (V,), recent, fires = integrate_and_fire(
        ...         decay, [jnp.array([8.0, 12.0])], jnp.array([[2.0, 0.5, 10.0, 1.0, 0.0]]), jnp.int64(7),
        ...         recent=jnp.full(2, -100, jnp.int32), refractory=jnp.array([[20]], jnp.int32),
        ...     )
        >>> V.tolist(), fires.tolist(), recent.tolist()                   # 2 + V/2; fires from 10 on; falls back to 0
        ([6.0, 0.0], [False, True], [-100, 7])
    """
    variables = [jnp.asarray(x) for x in variables]
    coefficients, recent = jnp.asarray(coefficients), jnp.asarray(recent)
    step, since = dispatch.as_step(step, "integrate_and_fire"), dispatch.as_step(since, "integrate_and_fire: since")
    wanted = sum(1 + len(form.terms) for form in equations.forms)
    members = coefficients.shape[0] if coefficients.ndim == 2 else 0
    if len(variables) != equations.variables or coefficients.shape != (members, wanted) or members == 0 or not variables:
        raise ParameterError(
            f"integrate_and_fire: the equations have {equations.variables} variables and [members, {wanted}] coefficients, "
            f"not {len(variables)} and {list(coefficients.shape)}."
        )
    dtype = variables[0].dtype
    places = tuple(sorted(each or {}))
    own = [jnp.asarray(each[place], dtype) for place in places] if each else []
    n = recent.shape[0] if recent.ndim == 1 else -1
    steps = jnp.zeros(0, jnp.int32) if refractory is None else jnp.asarray(refractory)
    ends = jnp.full(1, n, jnp.int32) if ends is None else jnp.asarray(ends)
    if ends.dtype != jnp.int32 or ends.shape != (members,):
        raise ParameterError(
            f"integrate_and_fire: the ends of {members} members must be int32 [{members}], not {ends.dtype} {list(ends.shape)}."
        )
    if steps.shape == (members, 1):
        steps = steps[:, 0] if members != n else steps[segment_of(ends, n), 0]  # in one column, as many as neurons are one a neuron
    elif steps.shape not in ((0,), (n,)):
        raise ParameterError(
            f"integrate_and_fire: refractory must be int32 [{members}, 1] or [{n}], not {steps.dtype} {list(steps.shape)}."
        )
    bad = any(x.shape != (n,) or x.dtype != dtype for x in (*variables, *own)) or not all(0 <= place < wanted for place in places)
    if bad or coefficients.dtype != dtype or recent.dtype != jnp.int32 or steps.dtype != jnp.int32:
        raise ParameterError(
            "integrate_and_fire: variables and what differs among neurons must be [n] of the coefficients' type, recent int32 [n] and "
            f"refractory int32, not {[f'{x.dtype} {list(x.shape)}' for x in (*variables, *own, recent, steps)]}."
        )
    operands = step, since, recent, steps, coefficients, ends, *variables, *own
    *moved, recent, fires = _advance(equations, places, *operands)
    return moved, recent, fires


@functools.partial(jax.custom_jvp, nondiff_argnums=(0, 1))
def _advance(equations, places, *operands):
    native, reference = (functools.partial(function, equations, places) for function in (_native, _reference))
    if operands[4].dtype.name not in dispatch.FLOATS or not equations.fits:
        return reference(*operands)
    advance = dispatch.updating(functools.partial(dispatch.choose, native, reference), 2, *(6 + v for v in range(equations.variables)))
    return advance(*operands)


def _native(equations, places, step, since, recent, refractory, coefficients, ends, *operands):
    of_shape = lambda x, dtype=None: jax.ShapeDtypeStruct(x.shape, dtype or x.dtype)
    written = operands[: equations.written]
    recent, fires, *moved = dispatch.native_call(
        "integrate_and_fire_" + dispatch.FLOATS[coefficients.dtype.name],
        (of_shape(recent), of_shape(recent, jnp.bool_), *(of_shape(x) for x in written)),
        *(step, since, recent, refractory, coefficients, ends, *operands),
        aliases={2: 0, **{6 + v: 2 + v for v in range(equations.written)}},
        numbers=equations.numbers(),
        each=np.array(places, np.int64),
    )
    return *moved, recent, fires


def _reference(equations, places, step, since, recent, refractory, shared, ends, *operands):
    now = (step - since).astype(jnp.int32)
    variables, n = operands[: equations.variables], recent.shape
    own = dict(zip(places, operands[equations.variables :], strict=True))
    member = segment_of(ends, *n)
    of_member = lambda values: jnp.broadcast_to(values[0], n) if values.shape[0] == 1 else values[member]
    coefficients = iter([own[i] if i in own else of_member(shared[:, i]) for i in range(shared.shape[1])])

    def evaluate(form, values):
        total = next(coefficients)
        for variable in form.terms:
            total = total + next(coefficients) * values[variable]
        return total

    if refractory.shape[0] not in (0, *n):
        refractory = of_member(refractory)
    waiting = now <= recent + refractory if refractory.shape[0] else jnp.zeros(n, bool)
    after = list(variables)
    for m in equations.moving:
        before = variables[m.variable]
        moved = evaluate(m.form, variables)
        if m.slope is not None:
            slope = evaluate(m.slope, variables)
            moved = before + _relaxed(slope) * (moved + slope * before)
        after[m.variable] = jnp.where(waiting, before, moved) if m.held else moved
    threshold = next(coefficients)
    weights = [next(coefficients) for _ in equations.test.terms]
    tested = lambda values: sum(w * values[variable] for w, variable in zip(weights, equations.test.terms, strict=True))
    highest = jnp.maximum(tested(variables), tested(after)) if equations.either_end else tested(after)
    fires = (highest >= threshold) & ~waiting
    fresh = {variable: evaluate(form, after) for variable, form in equations.resets}
    for variable, value in fresh.items():
        after[variable] = jnp.where(fires, value, after[variable])
    return *after[: equations.written], jnp.where(fires, now, recent), fires


def _relaxed(z):
    """(e^z − 1) / z."""
    small = abs(z) < 1e-4
    safe = jnp.where(small, 1.0, z)
    return jnp.where(small, 1 + z / 2 + z * z / 6, jnp.expm1(safe) / safe)


@_advance.defjvp
def _advance_jvp(equations, places, primals, tangents):
    return jax.jvp(functools.partial(_reference, equations, places), primals, tangents)
