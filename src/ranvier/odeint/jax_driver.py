"""The loop for JAX arrays: compiled once for an `f`, and open to jit, vmap and grad."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.errors import SimulationDiverged
from ranvier.kernels.dispatch import choose, jit_loop, platform
from ranvier.kernels.fast_functions import with_fast_functions
from ranvier.odeint import elementwise, march
from ranvier.odeint.problem import NOISE, REMEMBERED, Equations, Problem, optional
from ranvier.odeint.progress import Bar
from ranvier.odeint.recipe import Recipe
from ranvier.random import Draws, Key
from ranvier.same import Same

OFFERS = ("interval", "rate", "rate_and_slope", "diffusion", "normal")
WORTHWHILE = 16
"""Elements of a state; below, compiling our own elementary functions takes longer than it saves."""
CHUNKS = 100
"""Into how many parts a run with a progress bar is cut."""
LONG = 1e6
"""From how many steps times variables on a run may have one without being asked: some tenths of a second."""
VERY_LONG = 3e8
"""The same where the native kernel takes all steps, of which it tells nothing until the end: some seconds at most."""


def array_library() -> Any:
    return jnp


def outside_the_trace(function: Any) -> Any:
    """The function: in a trace of this library Python runs as it is."""
    return function


def floating(leaf: jax.Array) -> jax.Array:
    """An integer array in JAX's own floating dtype."""
    return leaf.astype(jnp.result_type(float))


class JaxEquations(Equations):
    """Equations whose slopes JAX can take, and whose elementary functions are Ranvier's own, as a network's are."""

    def rate(self, state: Any, t: Any) -> Any:
        if max((leaf.size for leaf in jax.tree.leaves(state)), default=0) < WORTHWHILE:
            return super().rate(state, t)
        return with_fast_functions(super().rate)(state, t)

    def rate_and_slope(self, state: Any, t: Any) -> tuple[Any, Any]:
        leaves, structure = jax.tree.flatten(state)

        def slope(i: int) -> Any:
            def own(x: Any) -> Any:
                return jax.tree.leaves(self.rate(jax.tree.unflatten(structure, [*leaves[:i], x, *leaves[i + 1 :]]), t))[i]

            size = leaves[i].size  # the diagonal of the Jacobian: elements may depend on each other
            return jnp.diagonal(jax.jacfwd(own)(leaves[i]).reshape(size, size)).reshape(leaves[i].shape)

        return self.rate(state, t), jax.tree.unflatten(structure, [slope(i) for i in range(len(leaves))])


class Loop:
    """The traced loop of one problem."""

    def __init__(self, recipe: Recipe, y0: Any, times: Any, lengths: Any, values: list[Any], seed: Any):
        self.problem = recipe.problem(y0, jnp.asarray(times), values, seed)
        self.lengths = jnp.asarray(lengths)
        self.seed = seed

    def step(self, k: Any, state: Any, memory: Any) -> tuple[Any, Any]:
        times = self.problem.times
        equations = JaxEquations(self.problem, jnp, self.problem.args, length=self.lengths[k])
        draws = None if self.problem.diffusion is None else Draws((self.seed[0], self.seed[1]), NOISE.stream, k)
        return equations.step(state, memory, times[k], times[k + 1], draws)

    def saved(self, state: Any, point: Any) -> Any:
        return JaxEquations(self.problem, jnp, self.problem.args).saved(state, self.problem.times[point])

    def write(self, buffer: Any, row: Any, state: Any, point: Any) -> Any:
        # Into one buffer, not a scan's stacked outputs: row 0 would need a copy of all of them. A row that is there needs no check.
        put = lambda rows, value: jax.lax.dynamic_update_index_in_dim(rows, jnp.asarray(value, rows.dtype), row, 0)
        return jax.tree.map(put, buffer, self.saved(state, point))

    def begin(self) -> tuple[Any, int]:
        y0 = self.problem.y0
        equations = JaxEquations(self.problem, jnp, self.problem.args)
        memory = self.problem.integrator.init(equations, y0, self.problem.times[0])
        first = jax.tree.map(jnp.asarray, self.saved(y0, 0))
        buffer = jax.tree.map(lambda x: jnp.empty((self.problem.rows, *x.shape), x.dtype).at[0].set(x), first)
        return march.begin(self.problem, self.step, jax.lax.fori_loop, self.write, (y0, memory, buffer))

    def rows(self, carry: Any, start: Any, stop: Any) -> Any:
        return march.rows(self.problem, self.step, jax.lax.fori_loop, self.write, carry, start, stop)


def _whole(recipe: Recipe, *numbers: Any) -> Any:
    """Every row: by the native kernel where elements of the state do not see each other; derivatives, batches and all else by XLA."""
    y0, times, _, values, seed = numbers
    by_xla = functools.partial(_by_xla, recipe)
    kernel = elementwise.march(lambda y0, values: recipe.problem(y0, times, values, seed), y0, values)
    shared = bool(jax.sharding.get_abstract_mesh().manual_axes)  # inside `jax.shard_map`, where results must say over which axes they vary
    if kernel is None or shared:
        return by_xla(*numbers)

    def natively(y0: Any, times: Any, lengths: Any, values: list[Any], _: Any) -> Any:
        first, structure = jax.tree.flatten(jax.tree.map(jnp.asarray, Loop(recipe, y0, times, lengths, values, seed).saved(y0, 0)))
        return jax.tree.unflatten(structure, kernel(times, lengths, first, jax.tree.leaves(y0), values))

    return _differentiable(functools.partial(choose, natively, by_xla), by_xla)(*numbers)


def _differentiable(function: Any, like: Any) -> Any:
    """`function`, whose derivatives and batches are those of another that computes the same."""
    batchable = jax.custom_batching.custom_vmap(function)

    @batchable.def_vmap
    def batched(size: int, is_batched: Any, *operands: Any) -> Any:
        axes = jax.tree.map(lambda batched: 0 if batched else None, is_batched)
        rows = jax.vmap(like, in_axes=axes, axis_size=size)(*operands)
        return rows, jax.tree.map(lambda _: True, rows)

    run = jax.custom_jvp(batchable)
    run.defjvp(lambda primals, tangents: jax.jvp(like, primals, tangents))
    return run


def _by_xla(recipe: Recipe, *numbers: Any) -> Any:
    loop = Loop(recipe, *numbers)
    carry, row = loop.begin()
    # Bounds that are Python numbers make a scan of it, which can be differentiated in reverse.
    return loop.rows(carry, row, loop.problem.rows)[2]


@dataclasses.dataclass(frozen=True)
class _Shapes:
    """Numbers of a problem, alike where their shapes, types and structure are."""

    numbers: Any = dataclasses.field(compare=False)
    key: Any = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        leaves, structure = jax.tree.flatten(self.numbers)
        shapes = [elementwise.shaped(x) for x in leaves]
        object.__setattr__(self, "numbers", jax.tree.unflatten(structure, shapes))
        object.__setattr__(self, "key", (structure, *((x.shape, x.dtype, x.weak_type) for x in shapes)))


@functools.lru_cache(maxsize=64)
def _is_native(recipe: Recipe, shapes: _Shapes) -> bool:
    """Whether the native kernel takes all steps of a problem with numbers of these shapes."""
    y0, times, _, values, seed = shapes.numbers
    return platform() == "cpu" and elementwise.march(lambda y0, values: recipe.problem(y0, times, values, seed), y0, values) is not None


@functools.lru_cache(maxsize=64)
def _compiled(recipe: Recipe, inside: bool = False, spread: bool = False) -> Any:
    """The loop; `inside` a program of the user's, that one's options count; XLA's for a state that is, and stays, `spread` over devices."""
    return (jax.jit if inside else jit_loop)(functools.partial(_by_xla if spread else _whole, recipe))


@functools.lru_cache(maxsize=16)
def _compiled_in_parts(recipe: Recipe) -> tuple[Any, Any]:
    def begin(*numbers: Any) -> Any:
        return Loop(recipe, *numbers).begin()

    def rows(carry: Any, start: Any, stop: Any, *numbers: Any) -> Any:
        return Loop(recipe, *numbers).rows(carry, start, stop)

    return jit_loop(begin), jit_loop(rows, donate_argnums=0)


def _double(problem: Problem) -> Any:
    """JAX's double precision for this call, where the state asks for it and the user has not turned it on."""
    wanted = problem.real == "float64" and not jax.config.jax_enable_x64  # type: ignore[attr-defined]
    return jax.enable_x64(True) if wanted else contextlib.nullcontext()


def _grid(times: Same, real: str) -> tuple[np.ndarray, np.ndarray]:
    """The times and the lengths of the steps: these from double times, for the difference of rounded ones is less exact."""
    return times.value.astype(real), np.diff(times.value).astype(real)


_remembered_grid = functools.lru_cache(maxsize=16)(_grid)


@functools.lru_cache(maxsize=16)
def _words(seed: int) -> np.ndarray:
    return np.array(Key(seed).seed_words, np.uint32)


def _numbers(problem: Problem, recipe: Recipe) -> tuple[Any, ...]:
    times: Any
    lengths: Any
    if isinstance(problem.times, np.ndarray):
        grid = _remembered_grid if problem.times.nbytes <= REMEMBERED else _grid
        times, lengths = grid(Same(problem.times), problem.real)
    else:
        times = problem.times.astype(problem.real)
        lengths = jnp.diff(times)
    seed = problem.seed
    words: Any = _words(seed) if isinstance(seed, int) else jnp.stack([seed.astype(jnp.uint32), jnp.uint32(0)])
    return jax.tree.map(_strong, problem.y0), times, lengths, recipe.values(problem), words


def _strong(x: jax.Array) -> jax.Array:
    """An array that is not weakly typed, as `jnp.full(2, 1.0)` is: it would be compiled for anew."""
    return jax.lax.convert_element_type(x, x.dtype) if getattr(x, "weak_type", False) else x


def integrate(problem: Problem) -> Any:
    """Every point that is kept, by a fixed-step method."""
    recipe = Recipe(problem)
    with _double(problem):
        numbers = _numbers(problem, recipe)
        if recipe.traced:  # a closure over traced values belongs to that trace alone
            return _by_xla(recipe, *numbers)
        traced = any(isinstance(x, jax.core.Tracer) for x in jax.tree.leaves(numbers))
        with Bar(problem.steps, problem.progress) as bar:
            work = problem.steps * sum(leaf.size for leaf in jax.tree.leaves(problem.y0))
            long = lambda: work > LONG and (work > VERY_LONG or not _is_native(recipe, _Shapes(numbers)))
            if bar.active and not traced and problem.rows > 2 and (problem.progress or long()):
                begin, rows = _compiled_in_parts(recipe)
                carry, row = begin(*numbers)
                row = int(row)
                part = max(1, problem.rows // CHUNKS)
                while row < problem.rows:
                    end = min(row + part, problem.rows)
                    carry = jax.block_until_ready(rows(carry, row, end, *numbers))
                    row = end
                    bar.update((row - 1) * problem.save_every)
                return carry[2]
        spread = not traced and any(len(leaf.sharding.device_set) > 1 for leaf in jax.tree.leaves(problem.y0))
        return _compiled(recipe, traced, spread)(*numbers)


def _adaptive(recipe: Recipe, y0: Any, times: Any, values: list[Any], which: Any) -> tuple[Any, Any]:
    """The kept points, and whether diffrax reached the end."""
    diffrax = optional("diffrax", "Adaptive on JAX arrays")
    problem = recipe.problem(y0, times, values, None)
    method: Any = problem.integrator
    equations = JaxEquations(problem, jnp, problem.args)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, _: equations.rate(y, t)),
        diffrax.Kvaerno5() if method.stiff else diffrax.Tsit5(),
        times[0],
        times[-1],
        None,
        y0,
        saveat=diffrax.SaveAt(ts=times),
        stepsize_controller=diffrax.PIDController(method.rtol, method.atol),
        max_steps=method.max_steps,
        throw=False,
    )
    return _kept(problem, solution.ys, times, which), diffrax.is_successful(solution.result)


def _kept(problem: Problem, points: Any, times: Any, which: Any) -> Any:
    if which is not None:
        points, times = jax.tree.map(lambda rows: rows[which], points), jnp.asarray(times)[which]
    return points if problem.save is None else jax.vmap(problem.save)(points, times)


@functools.lru_cache(maxsize=64)
def _compiled_adaptive(recipe: Recipe) -> Any:
    return jax.jit(functools.partial(_adaptive, recipe))


def integrate_adaptively(problem: Problem) -> Any:
    """The same points from diffrax."""
    recipe = Recipe(problem)
    which: Any
    with _double(problem):
        if isinstance(problem.times, np.ndarray):
            distinct, which = problem.distinct_times
            times = distinct.astype(problem.real)
        else:
            times, which = problem.times.astype(problem.real), np.arange(problem.rows) * problem.save_every
        if len(which) == len(times) and problem.save_every == 1:
            which = None  # every point once
        if len(times) == 1:
            return _kept(problem, jax.tree.map(lambda x: x[None], problem.y0), times, which)
        numbers = (problem.y0, times, recipe.values(problem), which)
        if recipe.traced:  # a closure over traced values belongs to that trace alone
            return _adaptive(recipe, *numbers)[0]
        points, successful = _compiled_adaptive(recipe)(*numbers)
        if not isinstance(successful, jax.core.Tracer) and not successful:
            raise SimulationDiverged(
                "diffrax gave up: Adaptive.max_steps were too few, or a step became too short. "
                "Adaptive(stiff=True) helps where f has very different time scales."
            )
        return points
