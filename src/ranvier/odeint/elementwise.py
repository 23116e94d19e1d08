"""Equations whose elements do not see each other, by a native kernel that takes a block of them through all steps.

XLA goes through memory once for each step, and hands each step to its threads anew. Here a block stays in the
first-level cache, and threads meet once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.kernels import dispatch
from ranvier.odeint.problem import Equations, Problem

AT_LEAST = 2
"""Elements; of one XLA makes a program without arrays."""
SCALAR = frozenset(("pow", "log1p", "tan", "erf", "rem", "atan2"))
"""Operations for which the kernel asks the C library for one element at a time."""


@dataclasses.dataclass(frozen=True)
class March:
    """What the kernel is told, and what it is given beside times, lengths and states.

    Attributes:
        numbers: the description, as the handler reads it.
        given: the constants of the step that are not numbers, and which of the arguments' values it reads.
        shapes: of the rows that are kept.
    """

    numbers: np.ndarray
    given: list[Any]
    shapes: list[Any]

    def __call__(self, times: Any, lengths: Any, first: Sequence[Any], state: Sequence[Any], values: Sequence[Any]) -> list[Any]:
        """The rows, of which `first` are the first."""
        given = [values[x] if isinstance(x, int) else x for x in self.given]
        operands = [times, lengths, *first, *state, *given]
        made = dispatch.native_call("march", self.shapes, *(jnp.reshape(x, (-1,)) for x in operands), numbers=self.numbers)
        return [jnp.reshape(rows, (rows.shape[0], *x.shape)) for rows, x in zip(made, first, strict=True)]


def shaped(x: Any) -> jax.ShapeDtypeStruct:
    """The shape and type of an array or number, weak as that of a plain number is."""
    if not hasattr(x, "dtype"):
        return jax.ShapeDtypeStruct((), jnp.result_type(x), weak_type=True)
    return jax.ShapeDtypeStruct(x.shape, x.dtype, weak_type=getattr(x, "weak_type", False))


def march(problem: Callable[[Any, Sequence[Any]], Problem], y0: Any, values: Sequence[Any]) -> March | None:
    """What the kernel does, or None where it cannot or would not gain.

    Args:
        problem: makes one of an initial state and the values of its arguments.
        y0: the initial state, of arrays, perhaps traced, or their shapes.
        values: numbers and arrays among the arguments, likewise.
    """
    leaves, structure = jax.tree.flatten(y0)
    posed = problem(y0, values)
    sizes = {leaf.size for leaf in leaves}
    real = np.dtype(posed.real)
    if len(sizes) != 1 or sizes.pop() < AT_LEAST or posed.steps == 0 or posed.integrator.startup_steps or posed.diffusion is not None:
        return None
    if "rate_and_slope" in posed.integrator.needs or any(leaf.dtype != real for leaf in leaves) or not dispatch.native_available():
        return None
    from ranvier.network.pointwise import NotPointwise, written
    from ranvier.network.straight import Known, straightened

    def step(state: Sequence[Any], t: Any, t_next: Any, length: Any, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        tree = jax.tree.unflatten(structure, state)
        own = problem(tree, values)
        equations = Equations(own, jnp, own.args, length=length)
        after, _ = equations.step(tree, own.integrator.init(equations, tree, t), t, t_next, None)
        return jax.tree.leaves(after), [jnp.asarray(x) for x in jax.tree.leaves(equations.saved(after, t_next))]

    number = jax.ShapeDtypeStruct((), real)
    traced = jax.make_jaxpr(step)([shaped(x) for x in leaves], number, number, number, [shaped(x) for x in values])
    straight = straightened(traced.jaxpr)
    n = len(leaves)
    if traced.effects or any(operation.name in SCALAR for operation in straight.operations):
        return None
    if any(isinstance(x, jax.core.Tracer) for x in traced.consts):
        return None
    try:
        program = written(straight, range(n + 3))
    except NotPointwise:
        return None
    results = [value for value, _ in program.results]
    made = {id(value): place for place, value in enumerate(results)}
    places = [made.get(id(value)) for value in straight.results]
    if program.before or None in places or not all(row for _, row in program.results) or len(set(places[n:])) < len(places[n:]):
        return None
    argument = {id(value): place for place, value in enumerate(straight.arguments)}
    constant = {id(value): x for value, x in zip(straight.constants, traced.consts, strict=True)}
    given: list[Any] = []

    def source(value: Any) -> int:
        place = argument.get(id(value))
        if place is not None and place < n + 3:
            return place
        given.append(place - n - 3 if place is not None else value.value if isinstance(value, Known) else constant[id(value)])
        return n + 3 + len(given) - 1

    sources = [source(value) for value, _ in program.operands]
    kept = [places[n:].index(place) if place in places[n:] else -1 for place in range(len(results))]
    about = [posed.rows, posed.save_every, len(places) - n, len(sources), n, *sources, len(results), *kept, *places[:n]]
    shapes = [jax.ShapeDtypeStruct((posed.rows, value.aval.size), value.aval.dtype) for value in straight.results[n:]]
    return March(np.array([*about, *program.numbers], np.int64), given, shapes)
