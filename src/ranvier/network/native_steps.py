"""Steps of a network of which every stage is a native kernel, without XLA between the kernels.

Launching an operation from XLA's loop costs about as much as a kernel on a
few thousand neurons. The step is traced as XLA would compile it. Where nothing
is left in the trace but calls of native kernels and what stands between them
(whole numbers, comparisons, choices, sums), it is written down as a list of
numbers, and one handler does the whole loop: the same kernels on the same
memory in the same order, so the same bits. Elsewhere, in batches and on other
platforms XLA's loop remains.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxpr_as_fun

from ranvier.kernels import dispatch
from ranvier.network.straight import SAME_ELEMENTS, TYPES, Known, Operation, Straight, Value, straightened

# As the handler numbers them (kernels/native/elementwise.h, run_steps.h).
_ELEMENTWISE = (
    "copy",
    "add",
    "sub",
    "and",
    "or",
    "not",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
    "select_n",
    "convert_element_type",
    "concatenate",
    "mul",
    "div",
    "max",
    "min",
    "floor",
    "ceil",
    "dynamic_slice",
)
_REAL = ("mul", "div", "max", "min", "floor", "ceil")
_SPREADS = ("broadcast_in_dim",)
_OPERAND, _RESULT, _SCRATCH = range(3)
_LINE = 64
_MOST_RANK = 8
_MOST_NAMED = 6


class NotNative(Exception):
    """Why the steps are not native throughout."""


class _Foreign(Exception):
    """An operation that no native kernel does, by name."""


STOP = Value(jax.ShapeDtypeStruct((), np.int64))
"""Stands among the operands for the step to stop at."""


@dataclasses.dataclass(eq=False)
class _Memory:
    """Where values lie: an operand, a result (which begins as an operand) or scratch."""

    place: int
    index: int
    values: list[Value] = dataclasses.field(default_factory=list)
    """All that lay there."""


@dataclasses.dataclass(frozen=True)
class NativeSteps:
    """A loop over steps as the handler takes it.

    Attributes:
        program: what it does, int64.
        operands: what it takes, beside what changes.
        changes: which leaves of the carry change.
        straight: the trace of one turn.
        once: the operations that do not depend on what the loop carries.
    """

    program: np.ndarray
    operands: list[Value]
    changes: tuple[int, ...]
    straight: Straight
    once: list[Operation]

    def run(self, constants: Sequence[Any], carry: Sequence[Any], stop: Any) -> list[Any]:
        """What the loop carries when it has stopped: at a step, or where more spikes might not fit."""
        values = {
            id(v): x for v, x in zip([*self.straight.constants, *self.straight.arguments, STOP], [*constants, *carry, stop], strict=True)
        }
        read = lambda v: jnp.asarray(v.value, v.aval.dtype) if isinstance(v, Known) else values[id(v)]
        for operation in self.once:
            made = operation.again(*(x.value if isinstance(x, Known) else values[id(x)] for x in operation.operands))
            values.update(zip(map(id, operation.results), made, strict=True))
        operands = [*map(read, self.operands), *(carry[i] for i in self.changes)]
        shapes = [jax.ShapeDtypeStruct(carry[i].shape, carry[i].dtype) for i in self.changes]
        aliases = {len(self.operands) + i: i for i in range(len(self.changes))}
        changed = dispatch.native_call(dispatch.STEPS, shapes, *operands, aliases=aliases, program=self.program)
        after = list(carry)
        for i, value in zip(self.changes, changed, strict=True):
            after[i] = value
        return after


@dataclasses.dataclass(frozen=True)
class Turns:
    """A loop that does `carry = turn(carry)` while `step(carry) < stop` and `spikes(carry) <= room`.

    A turn is one step and adds up to `most` spikes; XLA takes `several` at once.

    `otherwise`, of carry and stop, is what XLA does in its place, where that is something else.
    """

    turn: Callable[[Any], Any]
    step: Callable[[Any], Any]
    spikes: Callable[[Any], Any]
    room: int
    most: int
    several: int = 1
    otherwise: Callable[[Any, Any], Any] | None = None

    def traced(self, carry: Any) -> tuple[Any, Any]:
        """The trace of one turn, which takes and returns the leaves of what the loop carries, and their structure."""
        leaves, tree = jax.tree.flatten(carry)
        return jax.make_jaxpr(lambda *leaves: jax.tree.leaves(self.turn(jax.tree.unflatten(tree, leaves))))(*leaves), tree

    def native(self, closed: Any, tree: Any) -> NativeSteps:
        """The loop as native kernels.

        Raises:
            NotNative: something in a turn is not native; what.
        """
        places = jax.tree.unflatten(tree, range(tree.num_leaves))
        return _Writer(straightened(closed.jaxpr)).written(self.step(places), self.spikes(places), self.room)

    def why_not_native(self, carry: Any) -> str:
        """Why XLA does the loop; nothing where native kernels do."""
        if not dispatch.native_available():
            return "there are no native kernels"
        try:
            self.native(*self.traced(carry))
        except NotNative as problem:
            return str(problem)
        return ""

    def by_xla(self, carry: Any, stop: Any) -> Any:
        """XLA's own loop: of several turns at once, where that helps, as far as they fit, then of the turns that are left."""
        for several in sorted({self.several, 1}, reverse=True):
            more = several - 1
            fit = lambda c, more=more: (self.step(c) + more < stop) & (self.spikes(c) + more * self.most <= self.room)
            carry = jax.lax.while_loop(fit, functools.partial(self._turns, several), carry)
        return carry

    def _turns(self, several: int, carry: Any) -> Any:
        for left in reversed(range(several)):
            carry = self.turn(carry)
            # Each turn is compiled as if it were alone, so that results do not depend on where a loop ends.
            carry = jax.lax.optimization_barrier(carry) if left else carry
        return carry

    def run(self, carry: Any, stop: jax.Array) -> Any:
        """What the loop carries when it has stopped: of native kernels where that is possible."""
        if not dispatch.native_available():
            return self.by_xla(carry, stop)
        closed, tree = self.traced(carry)
        n = len(closed.consts)

        def by_xla(stop: Any, *arrays: Any) -> list[Any]:
            if self.otherwise is not None:
                return jax.tree.leaves(self.otherwise(jax.tree.unflatten(tree, arrays[n:]), stop))
            again = jaxpr_as_fun(type(closed)(closed.jaxpr, arrays[:n]))  # a turn is traced once
            same = lambda carry: jax.tree.unflatten(tree, again(*jax.tree.leaves(carry)))
            return jax.tree.leaves(dataclasses.replace(self, turn=same).by_xla(jax.tree.unflatten(tree, arrays[n:]), stop))

        try:
            native = self.native(closed, tree)
        except NotNative:
            return jax.tree.unflatten(tree, by_xla(stop, *closed.consts, *jax.tree.leaves(carry)))

        @jax.custom_batching.custom_vmap
        def run(stop: Any, *arrays: Any) -> list[Any]:
            return dispatch.choose(lambda stop, *arrays: native.run(arrays[:n], arrays[n:], stop), by_xla, stop, *arrays)

        @run.def_vmap
        def batched(_: int, is_batched: list[bool], *arrays: Any) -> Any:
            results = jax.vmap(by_xla, in_axes=[0 if batched else None for batched in is_batched])(*arrays)
            return results, [True] * len(results)

        return jax.tree.unflatten(tree, run(stop, *closed.consts, *jax.tree.leaves(carry)))


class _Writer:
    def __init__(self, straight: Straight):
        self.straight, self.carry, self.results = straight, straight.arguments, straight.results
        self.operands: list[Value] = []
        self.memories: dict[int, tuple[_Memory, int]] = {}  # of a value: where it lies, how many bytes further
        self.slots: dict[tuple[int, ...], int] = {}
        self.scratch = 0
        self.calls: list[list[int]] = []
        moving = {id(v) for v in self.carry}
        self.once: list[Operation] = []
        self.turns: list[Operation] = []
        for operation in straight.operations:
            if any(id(x) in moving for x in operation.operands):
                moving.update(id(v) for v in operation.results)
                self.turns.append(operation)
            else:
                self.once.append(operation)

        # XLA may make one instruction of a product and a sum, which rounds once where two would twice.
        self.summands: set[int] = set()
        for operation in reversed(straight.operations):
            through = operation.name in (*SAME_ELEMENTS, *_SPREADS) and operation.name != "optimization_barrier"
            if operation.name in ("add", "sub") or (through and id(operation.results[0]) in self.summands):
                self.summands.update(map(id, operation.operands))

    def written(self, step: int, spikes: int, room: int) -> NativeSteps:
        changes = tuple(i for i, (before, after) in enumerate(zip(self.carry, self.results, strict=True)) if before is not after)
        if step not in changes or spikes not in changes:
            raise NotNative("the steps or the spikes are not counted")
        for i, value in enumerate(self.carry):
            if i in changes:
                self._lies(value, _Memory(_RESULT, changes.index(i)))
        self.last_use = {id(x): len(self.turns) for x in self.results}  # at the end they must be there
        for i, operation in reversed(list(enumerate(self.turns))):
            for x in operation.operands:
                self.last_use.setdefault(id(x), i)
        self.homes = {id(self.results[i]): self._where(self.carry[i])[0] for i in changes}
        foreign = []
        for i, operation in enumerate(self.turns):
            try:
                self._operation(i, operation)
            except _Foreign as problem:
                foreign.append(str(problem))
                for result in operation.results:
                    self._lies(result, self._new(result.aval))
        if foreign:
            raise NotNative(f"no native kernel does {_listed(foreign)}")
        self._bring_home(changes)
        ends = [self._slot(self.carry[step]), self._slot(STOP), self._slot(self.carry[spikes]), room]
        slots, calls = ([n for row in rows for n in row] for rows in (self.slots, self.calls))
        program = np.array([self.scratch, len(self.slots), *slots, len(self.calls), *calls, *ends], np.int64)
        return NativeSteps(program, self.operands, changes, self.straight, self.once)

    # -- memory ------------------------------------------------------------------------------------

    def _lies(self, value: Value, memory: _Memory, further: int = 0) -> None:
        memory.values.append(value)
        self.memories[id(value)] = (memory, further)

    def _where(self, value: Value) -> tuple[_Memory, int]:
        if id(value) not in self.memories:
            self.operands.append(value)
            self._lies(value, _Memory(_OPERAND, len(self.operands) - 1))
        return self.memories[id(value)]

    def _new(self, aval: Any) -> _Memory:
        memory = _Memory(_SCRATCH, self.scratch)
        self.scratch += -(-max(_bytes(aval), 1) // _LINE) * _LINE
        return memory

    def _slot(self, value: Value) -> int:
        memory, further = self._where(value)
        shape, dtype = value.aval.shape, np.dtype(value.aval.dtype).name
        if dtype not in TYPES or len(shape) > _MOST_RANK:
            raise _Foreign(f"arrays of {dtype}" if dtype not in TYPES else f"arrays of {len(shape)} dimensions")
        return self.slots.setdefault((memory.place, memory.index, further, TYPES[dtype], len(shape), *shape), len(self.slots))

    def _free_after(self, i: int, memory: _Memory) -> bool:
        """Whether nobody needs what lies in a memory after operation `i`, so that its result may take that place."""
        return memory.place != _OPERAND and all(self.last_use.get(id(v), -1) <= i for v in memory.values)

    # -- operations --------------------------------------------------------------------------------

    def _operation(self, i: int, operation: Operation) -> None:
        name, operands, results = operation.name, operation.operands, operation.results
        if name == "ffi_call":
            return self._kernel(i, operation)
        if name in SAME_ELEMENTS or (name in _SPREADS and _size(operands[0].aval) == _size(results[0].aval)) or _same(operation):
            for operand, result in zip(operands, results, strict=True):
                self._lies(result, *self._where(operand))
            return None
        if name == "slice" and (first := _stretch(operation)) is not None:
            memory, further = self._where(operands[0])
            return self._lies(results[0], memory, further + first * np.dtype(results[0].aval.dtype).itemsize)
        if name in _SPREADS and _size(operands[0].aval) == 1:
            name = "copy"
        if name not in _ELEMENTWISE or not _simple(operation) or (name == "mul" and id(results[0]) in self.summands):
            raise _Foreign(name)
        operands = operands[:2] if name == "dynamic_slice" else operands  # along other axes it takes all
        home = self.homes.get(id(results[0]))
        memory = home if home is not None and self._in_place(i, name, operands, results[0], home) else self._new(results[0].aval)
        call = [-1 - _ELEMENTWISE.index(name), len(operands), *map(self._slot, operands), 1]
        self._lies(results[0], memory)
        self.calls.append([*call, self._slot(results[0]), 0])
        return None

    def _in_place(self, i: int, name: str, operands: Sequence[Value], result: Value, memory: _Memory) -> bool:
        """Whether an operation on each element may write where some of its operands lie."""
        if name in ("concatenate", "dynamic_slice") or not self._free_after(i, memory):
            return False
        there = [(x, self._where(x)[1]) for x in operands if self._where(x)[0] is memory]
        return all(further == 0 and _bytes(x.aval) == _bytes(result.aval) for x, further in there)

    def _kernel(self, i: int, operation: Operation) -> None:
        params, kernels = operation.params, dispatch.kernel_numbers()
        target = params["target_name"].removeprefix(dispatch.PREFIX)
        if target not in kernels:
            raise _Foreign(target)
        aliases = {result: operand for operand, result in params["input_output_aliases"]}
        memories = [id(self._where(x)[0]) for x in operation.operands]
        call = [kernels[target], len(operation.operands), *map(self._slot, operation.operands), len(operation.results)]
        for place, result in enumerate(operation.results):
            there = self._where(operation.operands[aliases[place]]) if place in aliases else None
            if there is None or not self._free_after(i, there[0]) or memories.count(id(there[0])) > 1:
                there = self._new(result.aval), 0
            self._lies(result, *there)
            call.append(self._slot(result))
        attributes = sorted(dict(params["attributes"]).items())
        call.append(len(attributes))
        for name, value in attributes:
            numbers = np.asarray(getattr(value, "val", value))
            if numbers.dtype != np.int64 or numbers.ndim > 1:
                raise _Foreign(f"{target}({name}=)")
            call += [len(name), *name.encode(), numbers.ndim, *([numbers.size] if numbers.ndim else []), *numbers.ravel().tolist()]
        self.calls.append(call)

    def _bring_home(self, changes: tuple[int, ...]) -> None:
        """What changes lies in its own memory at the end."""
        moves = []
        for i in changes:
            home, (memory, further) = self.memories[id(self.carry[i])][0], self._where(self.results[i])
            if memory is not home:
                if memory.place == _RESULT:
                    raise NotNative("two parts of the state change places")
                moves.append((self._slot(self.results[i]), self._slot(self.carry[i])))
            elif further:
                raise NotNative("a part of the state moves within itself")
        self.calls += [[-1, 1, source, 1, target, 0] for source, target in moves]


def _listed(names: Sequence[str]) -> str:
    """Each once, the first few of them."""
    names = list(dict.fromkeys(names))
    return ", ".join(names[:_MOST_NAMED]) + (f" and {len(names) - _MOST_NAMED} more operations" if len(names) > _MOST_NAMED else "")


def _size(aval: Any) -> int:
    return int(np.prod(aval.shape, dtype=np.int64))


def _bytes(aval: Any) -> int:
    return _size(aval) * np.dtype(aval.dtype).itemsize


def _same(operation: Operation) -> bool:
    """A conversion to the type that it has."""
    return operation.name == "convert_element_type" and operation.operands[0].aval.dtype == operation.results[0].aval.dtype


def _stretch(operation: Operation) -> int | None:
    """The first element of a slice that lies in one piece, or None."""
    params, shape = operation.params, operation.operands[0].aval.shape
    if params["strides"] is not None and any(s != 1 for s in params["strides"]):
        return None
    if any((low, high) != (0, n) for low, high, n in zip(params["start_indices"][1:], params["limit_indices"][1:], shape[1:], strict=True)):
        return None
    return int(params["start_indices"][0] * np.prod(shape[1:], dtype=np.int64)) if shape else 0


def _simple(operation: Operation) -> bool:
    """Whether the handler does it for these types."""
    name, types = operation.name, [np.dtype(x.aval.dtype).kind for x in operation.operands]
    if name in ("and", "or", "not"):
        return types[0] == "b"
    if name == "convert_element_type":
        return "b" not in (types[0], np.dtype(operation.results[0].aval.dtype).kind)
    if name == "dynamic_slice":  # a row
        of, sizes = operation.operands[0].aval.shape, operation.params["slice_sizes"]
        return bool(sizes) and sizes[0] == 1 and tuple(sizes[1:]) == tuple(of[1:]) and types[1] == "i"
    if name == "concatenate":
        return bool(operation.params["dimension"] == 0)
    if name == "select_n":
        return types[0] == "b" and len(types) == 3
    if name in _SPREADS:
        return True
    return types[0] == "f" if name in _REAL else types[0] != "b"
