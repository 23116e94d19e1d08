"""Small loops that XLA makes one function of on a CPU, rather than launching their operations one by one.

XLA:CPU launches every operation (each group of fused ones) from a list; 50 ns each, which is most of what a step of few
neurons costs. It makes one function of a loop whose step touches less than 1 kB; the limit cannot be set for one program, but what
XLA marks such a loop with can be said of any call. It does not check what it is told so: here that is done, once all
transformations (derivatives, `vmap`) are through and the operations are known.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import jax

MOST_COMPUTED = 256
"""Elements of a result that is computed. XLA would share out larger ones over threads, which it cannot inside one function."""
MOST_MOVED = 2**15
"""Elements of an array that is kept, read or written in parts."""


def _named(words: str) -> frozenset[str]:
    return frozenset(words.split())


MOVING = _named("broadcast_in_dim concatenate constant dynamic_slice dynamic_update_slice iota pad reshape slice transpose")
STRUCTURE = _named("call case return while optimization_barrier")
COMPUTING = _named(
    """abs add and atan2 bitcast_convert cbrt ceil clamp compare convert cosine divide exponential exponential_minus_one floor is_finite
    log log_plus_one logistic maximum minimum multiply negate not or power reduce remainder reverse round_nearest_afz round_nearest_even
    rsqrt select shift_left shift_right_arithmetic shift_right_logical sign sine sqrt subtract tan tanh xor"""
)
NAME = "ranvier_one_function"  # as the function in `as_one_function` is called: JAX names what it calls after it
MARKS = {"inlineable": "false", "xla_cpu_small_call": "true"}


def as_one_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of arrays, computed as one where XLA can and it is small: also what its derivatives are made of.

    Args:
        function: what takes and returns trees of arrays.

    Returns:
        A function of the same arguments, with the same results.

    Example:
        >>> import jax.numpy as jnp
        >>> from ranvier.kernels.one_function import as_one_function
        >>> float(jax.jit(as_one_function(lambda x: 2.0 * x))(jnp.float32(3.0)))
        6.0
    """

    @jax.jit
    def ranvier_one_function(*arguments: Any) -> Any:
        return function(*arguments)

    marked = functools.partial(jax.tree.map, _mark)
    # Also before the call: what comes of it when it is transposed.
    return lambda *arguments: marked(ranvier_one_function(*marked(arguments)))


def _mark(x: Any) -> Any:
    return _primitive().bind(x)


@functools.cache
def _primitive() -> Any:
    from jax.extend.core import Primitive  # which loads Pallas: a seventh of what Ranvier takes to load
    from jax.interpreters import ad, batching, mlir

    mark = Primitive(NAME)
    mark.def_impl(lambda x: x)
    mark.def_abstract_eval(lambda x: x)
    batching.defvectorized(mark)
    ad.deflinear2(mark, lambda cotangent, _: [mark.bind(cotangent)])
    mlir.register_lowering(mark, lambda ctx, x: [x])
    mlir.register_lowering(mark, _marked, platform="cpu", cacheable=False)
    return mark


def _marked(ctx: Any, x: Any) -> list[Any]:
    """Judges the calls that were lowered before, in this block: also those whose results are all kept for a derivative, and unmarked."""
    from jax.interpreters.mlir import ir

    judged = "mhlo.frontend_attributes"
    marks: dict[str, ir.Attribute] = {key: ir.StringAttr.get(value) for key, value in MARKS.items()}
    for operation in ir.InsertionPoint.current.block.operations:
        if operation.name == "func.call" and operation.attributes["callee"].value.startswith(NAME) and judged not in operation.attributes:
            functions = ctx.module_context.symbol_table
            called = functions[operation.attributes["callee"].value]
            small = _is_small(operation.operation, functions) and _use_all_arguments(called)
            operation.attributes[judged] = ir.DictAttr.get(marks if small else {})
            if small:
                _hide_constants(operation)
    return [x]


def _hide_constants(call: Any) -> None:
    """Puts a barrier before a call: XLA moves a constant that is an argument into what is called, and then nothing uses the argument."""
    from jax.interpreters.mlir import ir

    given = list(call.operands)
    with ir.InsertionPoint(call), ir.Location.unknown():
        barrier = ir.Operation.create("stablehlo.optimization_barrier", results=[value.type for value in given], operands=given)
    for i, hidden in enumerate(barrier.results):
        call.operands[i] = hidden


def _use_all_arguments(function: Any) -> bool:
    """Lets every result depend on every argument, in a way that XLA cannot see through and that changes no bit of it.

    XLA ends the process where an argument of such a call is used by nothing: also one that it has simplified away itself. So the first
    element of each result is chosen by a comparison that is always false: a sum of all arguments both above 1 and below -1.
    """
    from jax.interpreters.mlir import ir

    block = function.regions[0].blocks[0]
    given = block.operations[len(block.operations) - 1]
    kinds = [value.type for value in (*block.arguments, *given.operands)]
    if not all(isinstance(kind, ir.RankedTensorType) and 0 not in kind.shape and "complex" not in str(kind) for kind in kinds):
        return False
    if not block.arguments:
        return True

    def made(name: str, kind: ir.Type, *operands: ir.Value, **attributes: str) -> ir.Value:
        parsed = {key: ir.Attribute.parse(text) for key, text in attributes.items()}
        return ir.Operation.create(f"stablehlo.{name}", results=[kind], operands=operands, attributes=parsed).result

    def first(value: ir.Value) -> ir.Value:
        kind = value.type
        if not kind.rank:
            return value
        each = lambda n: "array<i64: " + ", ".join([str(n)] * kind.rank) + ">"
        one = made(
            "slice",
            ir.RankedTensorType.get([1] * kind.rank, kind.element_type),
            value,
            start_indices=each(0),
            limit_indices=each(1),
            strides=each(1),
        )
        return made("reshape", ir.RankedTensorType.get([], kind.element_type), one)

    def constant(kind: ir.Type, text: str) -> ir.Value:
        return made("constant", kind, value=f"dense<{text}> : {kind}")

    with ir.InsertionPoint(given), ir.Location.unknown():
        number, truth, index = (ir.Type.parse(f"tensor<{kind}>") for kind in ("f32", "i1", "i32"))
        firsts = [made("convert", number, first(argument)) for argument in block.arguments]
        total = functools.reduce(lambda a, b: made("add", number, a, b), firsts)
        above, below = (
            made("compare", truth, total, constant(number, bound), comparison_direction=f"#stablehlo<comparison_direction {direction}>")
            for bound, direction in (("1.0", "GT"), ("-1.0", "LT"))
        )
        never = made("and", truth, above, below)
        for i, result in enumerate(given.operands):
            own = first(result)
            kind = own.type.element_type
            zero = constant(own.type, "false" if str(kind) == "i1" else "0.0" if isinstance(kind, ir.FloatType) else "0")
            chosen = made("select", own.type, never, zero, own)
            if result.type.rank:
                update = made("reshape", ir.RankedTensorType.get([1] * result.type.rank, kind), chosen)
                starts = [constant(index, "0")] * result.type.rank
                chosen = made("dynamic_update_slice", result.type, result, update, *starts)
            given.operands[i] = chosen
    return True


def _operations(operation: Any, functions: Any) -> Iterator[Any]:
    """An operation and all within it, those of the functions that are called too."""
    yield operation
    if operation.name == "func.call":
        yield from _operations(functions[operation.attributes["callee"].value].operation, functions)
    if operation.name == "stablehlo.reduce":
        return
    for region in operation.regions:
        for block in region.blocks:
            for inner in block.operations:
                yield from _operations(inner.operation, functions)


def _is_small(call: Any, functions: Any) -> bool:
    loops = False
    for operation in _operations(call, functions):
        dialect, _, name = operation.name.partition(".")
        loops |= name == "while"
        if operation.name == "func.func":
            continue
        known = dialect in ("func", "stablehlo")
        most = MOST_COMPUTED if known and name in COMPUTING else MOST_MOVED if known and name in MOVING | STRUCTURE else 0
        values = (*operation.results, *operation.operands) if name == "reduce" else operation.results
        if not most or any(math.prod(value.type.shape) > most for value in values):
            return False
    return loops
