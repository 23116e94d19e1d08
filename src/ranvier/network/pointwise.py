"""Functions of each neuron's own numbers, computed by one native kernel, block by block.

What a trace does to every element alike becomes a list of operations, each a loop over a few
hundred neurons whose numbers stay in the first-level cache. So a step of any such model is one pass over memory, shared
among threads, and what a neuron does is the same to the bit whoever stands beside it. XLA's fusions need fewer
instructions and more launches; what products and sums they join depends on what stands around.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun

from ranvier.kernels import dispatch
from ranvier.network.straight import SAME_ELEMENTS, TYPES, Known, Operation, Straight, Value, straightened

_OPERATIONS = (
    "copy",
    "neg",
    "abs",
    "sign",
    "floor",
    "ceil",
    "round",
    "round_away",
    "sqrt",
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sin",
    "cos",
    "tan",
    "erf",
    "is_finite",
    "relaxation",
    "not",
    "add",
    "sub",
    "mul",
    "div",
    "max",
    "min",
    "pow",
    "rem",
    "atan2",
    "lt",
    "le",
    "gt",
    "ge",
    "eq",
    "ne",
    "and",
    "or",
    "xor",
    "product_and_sum",
    "select",
    "convert",
)
# As the handler numbers them (kernels/native/pointwise.h).
_NUMBER = {name: number for number, name in enumerate(_OPERATIONS)}
_WHOLES_TOO = frozenset(("neg", "abs", "sign", "add", "sub", "mul", "max", "min", "lt", "le", "gt", "ge", "eq", "ne", "and", "or", "xor"))
_FLAGS = frozenset(("not", "and", "or", "xor", "eq", "ne"))
_MOST = 2048  # operations


class NotPointwise(Exception):
    """Why a function is not computed by the kernel."""


@dataclasses.dataclass(frozen=True)
class Program:
    """What the kernel does.

    Attributes:
        numbers: as it reads it, int64.
        operands: what it takes, each with whether it is a row.
        results: what it makes, likewise.
        aliases: operands in whose memory results lie, by their numbers.
        before: the operations that come first and are not its own.
        straight: the whole trace.
    """

    numbers: np.ndarray
    operands: list[tuple[Value, bool]]
    results: list[tuple[Value, bool]]
    aliases: dict[int, int]
    before: list[Operation]
    straight: Straight

    @property
    def n(self) -> int:
        """How many neurons a row has."""
        return int(self.numbers[0])

    def run(self, *arguments: Any) -> tuple[Any, ...]:
        """The results of the trace, from its constants and arguments."""
        values = {id(v): x for v, x in zip([*self.straight.constants, *self.straight.arguments], arguments, strict=True)}
        read = lambda v: jax.numpy.asarray(v.value, v.aval.dtype) if isinstance(v, Known) else values[id(v)]
        for operation in self.before:
            made = operation.again(*(x.value if isinstance(x, Known) else values[id(x)] for x in operation.operands))
            values.update(zip(map(id, operation.results), made, strict=True))
        flat = [jax.numpy.reshape(read(v), (-1,) if row else ()) for v, row in self.operands]
        shapes = [jax.ShapeDtypeStruct((self.n,) if row else (), v.aval.dtype) for v, row in self.results]
        made = dispatch.native_call("pointwise", shapes, *flat, aliases=self.aliases, numbers=self.numbers)
        values.update({id(v): jax.numpy.reshape(x, v.aval.shape) for x, (v, _) in zip(made, self.results, strict=True)})
        return tuple(read(v) for v in self.straight.results)


@dataclasses.dataclass(eq=False)
class _Register:
    row: bool
    kind: str  # "operand", "constant", "kept", "result"
    type: str
    index: int = -1  # of an operand, a constant or a result
    moves: bool = False  # whether it depends on what changes in a step
    last: int = -1  # the instruction that reads it last
    place: int = -1  # among those of its kind


@dataclasses.dataclass(eq=False)
class _Instruction:
    operation: str
    type: str
    to: str
    out: _Register
    operands: list[_Register]


def _called(operation: Operation) -> str:
    """Its name; derivatives are added by a sum of their own."""
    return "add" if operation.name == "add_any" else operation.name


def _width(register: _Register) -> int:
    return np.dtype(register.type).itemsize


class _Writer:
    """Writes a trace down, whose first results are what the arguments with these numbers become; `in_place`, they are to lie there."""

    def __init__(self, straight: Straight, updated: Sequence[int], in_place: bool):
        self.straight, self.updated, self.in_place = straight, updated, in_place
        self.changing = {id(straight.arguments[i]) for i in updated}
        self.n = max((self.size(v) for v in straight.results), default=1)
        self.registers: dict[int, _Register] = {}
        self.operands: list[tuple[Value, bool]] = []
        self.constants: dict[tuple[str, bytes], _Register] = {}
        self.instructions: list[_Instruction] = []
        self.made: dict[Any, _Register] = {}
        self.same: dict[int, Value] = {}

    # -- what is the kernel's own --------------------------------------------------------------------

    def size(self, value: Value) -> int:
        return int(np.prod(value.aval.shape, dtype=np.int64))

    def is_row(self, value: Value) -> bool:
        return self.size(value) != 1

    def own(self, operation: Operation) -> bool:
        """Whether the kernel can do it."""
        name, params = _called(operation), operation.params
        values = (*operation.operands, *operation.results)
        if any(v.aval.dtype.name not in TYPES or self.size(v) not in (1, self.n) for v in values):
            return False
        if name in SAME_ELEMENTS:
            return all(self.size(a) == self.size(b) for a, b in zip(operation.operands, operation.results, strict=True))
        if name == "broadcast_in_dim":
            return self.size(operation.operands[0]) in (1, self.size(operation.results[0]))
        if len(operation.results) != 1 or not operation.operands or params.get("accuracy") is not None:
            return False
        dtype = np.dtype(operation.operands[-1].aval.dtype)
        if name == "relaxation":
            return dtype.kind == "f"
        if name in ("select_n", "integer_pow", "square", "logistic", "rsqrt", "clamp", "exp2", "cbrt"):
            flags = np.dtype(operation.operands[0].aval.dtype).kind == "b"
            if name == "select_n":
                return flags and len(operation.operands) == 3
            return dtype.kind == "f" and name not in ("exp2", "cbrt") and abs(params.get("y", 1)) <= 64
        if name == "convert_element_type":
            return np.dtype(operation.results[0].aval.dtype) != bool
        if name not in _NUMBER or name in ("product_and_sum", "select", "convert", "copy"):
            return False
        if dtype.kind == "b":
            return name in _FLAGS
        if dtype == np.uint32 or (name == "not"):
            return False
        return dtype.kind == "f" or name in _WHOLES_TOO

    def written(self) -> Program:
        """The program.

        Raises:
            NotPointwise: there is too little or too much to do.
        """
        outside: set[int] = set()
        for operation in reversed(self.straight.operations):  # what others than the kernel need is not its own
            if not self.own(operation) or any(id(v) in outside for v in operation.results):
                outside.update(id(v) for v in operation.operands)
        own = [o for o in self.straight.operations if self.own(o) and not any(id(v) in outside for v in o.results)]
        mine = {id(o) for o in own}
        before = [o for o in self.straight.operations if id(o) not in mine]
        made = {id(v) for o in own for v in o.results}
        results = [v for v in dict.fromkeys(self.straight.results) if id(v) in made]
        if not results or not self.n or len(own) > _MOST:
            raise NotPointwise(f"it is {len(own)} operations" if results and self.n else "there is nothing for it to do")
        for operation in own:
            self._write(operation)
        return self._encoded(results, before)

    # -- instructions --------------------------------------------------------------------------------

    def _of(self, value: Value) -> _Register:
        value = self._same(value)
        if id(value) in self.registers:
            return self.registers[id(value)]
        name = np.dtype(value.aval.dtype).name
        if isinstance(value, Known) and self.size(value) == 1:
            register = self._constant(np.asarray(value.value, value.aval.dtype).reshape(()))
        else:
            register = _Register(self.is_row(value), "operand", name, len(self.operands), id(value) in self.changing)
            self.operands.append((value, register.row))
        self.registers[id(value)] = register
        return register

    def _same(self, value: Value) -> Value:
        while id(value) in self.same:
            value = self.same[id(value)]
        return value

    def _constant(self, value: np.ndarray) -> _Register:
        key = value.dtype.name, value.tobytes()
        if key not in self.constants:
            self.constants[key] = _Register(False, "constant", value.dtype.name, len(self.constants))
        return self.constants[key]

    def _number(self, register: _Register) -> Any:
        """The value of a constant, None of others."""
        return next((np.frombuffer(key[1], key[0])[0] for key, x in self.constants.items() if x is register), None)

    def _do(self, operation: str, *operands: _Register, to: str | None = None) -> _Register:
        kind = operands[-1].type
        for one in (a for a in operands if operation in ("mul", "div") and a.kind == "constant"):
            others = [a for a in operands if a is not one]
            if self._number(one) == 1 and others and (operation == "mul" or operands[1] is one):
                return others[0]
        compares = operation in ("lt", "le", "gt", "ge", "eq", "ne", "is_finite")
        if operation == "div" and kind.startswith("float") and not operands[1].moves:
            # The same for a number and a row, so that neurons do not see whether others have other parameters.
            one = self._constant(np.asarray(1, kind))
            if operands[0] is not one:
                return self._do("mul", operands[0], self._do("div", one, operands[1]))
        to = to or ("bool" if compares else kind)
        key = operation, to, *map(id, operands)
        if key not in self.made:
            out = _Register(any(x.row for x in operands), "kept", to, moves=any(x.moves for x in operands))
            self.instructions.append(_Instruction(operation, kind, to, out, list(operands)))
            self.made[key] = out
        return self.made[key]

    def _write(self, operation: Operation) -> None:
        name, results = _called(operation), operation.results
        if name in SAME_ELEMENTS or (name == "broadcast_in_dim" and self.size(operation.operands[0]) <= self.size(results[0])):
            for a, b in zip(operation.operands, results, strict=True):
                self.same[id(b)] = a
            return
        operands = [self._of(x) for x in operation.operands]
        self.registers[id(results[0])] = self._made(name, operands, operation)

    def _made(self, name: str, operands: list[_Register], operation: Operation) -> _Register:
        do, kind = self._do, operands[0].type
        number = lambda x: self._constant(np.asarray(x, kind))
        if name == "select_n":
            return do("select", *operands)
        if name == "square":
            return do("mul", operands[0], operands[0])
        if name == "integer_pow":
            return self._power(operands[0], int(operation.params["y"]), number)
        if name == "logistic":
            return do("div", number(1), do("add", number(1), do("exp", do("neg", operands[0]))))
        if name == "rsqrt":
            return do("div", number(1), do("sqrt", operands[0]))
        if name == "clamp":
            low, x, high = operands
            return do("min", do("max", x, low), high)
        if name == "convert_element_type":
            to = np.dtype(operation.results[0].aval.dtype).name
            return operands[0] if to == kind else do("convert", operands[0], to=to)
        if name == "round" and int(operation.params["rounding_method"]) == 0:
            return do("round_away", operands[0])
        return do(name, *operands)

    def _power(self, x: _Register, y: int, number: Any) -> _Register:
        if y < 0:
            return self._do("div", number(1), self._power(x, -y, number))
        if y == 0:
            return number(1)
        result, square = None, x
        while True:
            if y % 2:
                result = square if result is None else self._do("mul", result, square)
            y //= 2
            if not y:
                assert result is not None
                return result
            square = self._do("mul", square, square)

    # -- as numbers ----------------------------------------------------------------------------------

    def _joined(self, results: list[Value]) -> None:
        """Products that are only added to something are one instruction with the sum."""
        uses: dict[int, int] = {}
        kept = {id(self._of(v)) for v in results}
        for x in self.instructions:
            for operand in x.operands:
                uses[id(operand)] = uses.get(id(operand), 0) + 1
        product = {id(x.out): x for x in self.instructions if x.operation == "mul" and x.type.startswith("float")}
        gone = set()
        for x in self.instructions:
            if x.operation != "add" or not x.type.startswith("float"):
                continue
            for place in (0, 1):
                factor = product.get(id(x.operands[place]))
                if factor is None or uses[id(factor.out)] != 1 or id(factor.out) in kept:
                    continue
                x.operation, x.operands = "product_and_sum", [*factor.operands, x.operands[1 - place]]
                gone.add(id(factor))
                break
        self.instructions = [x for x in self.instructions if id(x) not in gone]

    def _encoded(self, results: list[Value], before: list[Operation]) -> Program:
        self._joined(results)
        order = [*(x for x in self.instructions if not x.out.row), *(x for x in self.instructions if x.out.row)]
        for i, x in enumerate(order):
            for operand in x.operands:
                operand.last = i
        aliases = self._aliases(results)
        lies_at = {result: operand for operand, result in aliases.items()}
        made = {id(x.out): i for i, x in enumerate(order)}
        for place, value in enumerate(results):
            kind, source = np.dtype(value.aval.dtype).name, self._of(value)
            result = _Register(self.is_row(value), "result", kind, place)
            by = made.get(id(source))
            before_it = next((r for r in self.registers.values() if r.kind == "operand" and r.index == lies_at.get(place)), None)
            soon = by is not None and source.row == result.row and (before_it is None or before_it.last <= by)
            if by is not None and soon and source.last < 0:  # nobody else reads it
                order[by].out = result
                del made[id(source)]
            else:
                source.last = len(order)
                operands = [source] if source.row or not result.row else [self._constant(np.asarray(True)), source, source]
                order.append(_Instruction("copy" if len(operands) == 1 else "select", kind, kind, result, operands))
        order = [*(x for x in order if not x.out.row), *(x for x in order if x.out.row)]
        for i, x in enumerate(order):
            for operand in x.operands:
                operand.last = i
        numbers = 0
        free: list[int] = []
        rows = 0
        for i, x in enumerate(order):
            ended = list({id(o): o for o in x.operands if o.kind == "kept" and o.row and o.last == i}.values())
            if x.out.kind == "kept" and not x.out.row:
                x.out.place, numbers = numbers, numbers + 1
            elif x.out.kind == "kept":
                # An element's place may be written once it is read, unless that reaches into the next one's.
                fits = next((o for o in ended if _width(o) >= _width(x.out)), None)
                if fits is not None:
                    x.out.place = fits.place
                    ended.remove(fits)
                elif free:
                    x.out.place = free.pop()
                else:
                    x.out.place, rows = rows, rows + 1
            free += [o.place for o in ended]
        first = len(self.operands)
        begins = {"constant": first, "number": first + len(self.constants)}
        begins["row"] = begins["number"] + numbers
        begins["result"] = begins["row"] + rows

        def number(x: _Register) -> int:
            if x.kind == "operand":
                return x.index
            if x.kind == "kept":
                return begins["row" if x.row else "number"] + x.place
            return begins[x.kind] + x.index

        bits = lambda kind, raw: int(np.frombuffer(raw.ljust(8, b"\0"), np.int64)[0])
        of = lambda row, value: (int(row), TYPES[np.dtype(value.aval.dtype).name])
        encoded: list[int] = [self.n, len(self.operands), *(x for value, row in self.operands for x in of(row, value))]
        encoded += [len(self.constants), *(bits(*key) for key in self.constants), numbers, rows]
        encoded += [len(results), *(x for value in results for x in of(self.is_row(value), value))]
        for wanted in (False, True):
            mine = [x for x in order if x.out.row == wanted]
            encoded.append(len(mine))
            for x in mine:
                kind = x.operands[-1].type if x.operation == "select" else x.type
                encoded += [_NUMBER[x.operation], TYPES[kind], TYPES[x.to], len(x.operands), *map(number, x.operands), number(x.out)]
        made_of = [(v, self.is_row(v)) for v in results]
        return Program(np.array(encoded, np.int64), self.operands, made_of, aliases, before, self.straight)

    def _aliases(self, results: list[Value]) -> dict[int, int]:
        """The operands in whose memory results lie, by their numbers."""
        found: dict[int, int] = {}
        if not self.in_place:
            return found
        handed_on = {id(self._of(v)) for v in results}  # an operand that is a result as it is must last to the end
        for place, result in zip(self.updated, self.straight.results, strict=False):
            register = self.registers.get(id(self.straight.arguments[place]))
            if register is not None and register.kind == "operand" and result in results and id(register) not in handed_on:
                found[register.index] = results.index(result)
        return found


def pointwise(function: Callable[..., Any], updated: Any, *others: Any) -> Any:
    """`function(updated, *others)`, by the kernel where that can be.

    Args:
        function: of pytrees; it returns what `updated` becomes, of the same structure, and something else.
        updated: arrays whose memory the results may take.
        others: what else it takes. It may use arrays from around, too.

    Example:
        >>> decayed = lambda x, by: (x * by, x > 2.0)
        >>> now, large = pointwise(decayed, jax.numpy.array([1.0, 4.0]), 0.5)
        >>> now.tolist(), large.tolist()
        ([0.5, 2.0], [False, True])
    """
    if not dispatch.native_available():
        return function(updated, *others)
    closed, shape = jax.make_jaxpr(function, return_shape=True)(updated, *others)
    arguments = [*closed.consts, *jax.tree.leaves((updated, *others))]
    n, leaves = len(closed.consts), len(jax.tree.leaves(updated))
    results = _by_kernel(lambda *x: tuple(jaxpr_as_fun(type(closed)(closed.jaxpr, x[:n]))(*x[n:])), arguments, range(n, n + leaves))
    return jax.tree.unflatten(jax.tree.structure(shape), results)


def written(straight: Straight, updated: Sequence[int]) -> Program:
    """The program of a trace whose arguments with these numbers change from one run of it to the next; results lie apart from operands.

    Raises:
        NotPointwise: there is too little or too much to do.
    """
    return _Writer(straight, updated, in_place=False).written()


def computed(function: Callable[..., Any], *arguments: Any) -> Any:
    """`function(*arguments)` of pytrees, by the kernel where that can be; nothing is updated in place."""
    return pointwise(lambda _, *given: ((), function(*given)), (), *arguments)[1]


def _by_kernel(
    function: Callable[..., tuple[Any, ...]], arguments: Sequence[Any], updated: Sequence[int], in_place: bool = True
) -> tuple[Any, ...]:
    """`function(*arguments)`, of arrays, whose first results are what the arguments with these numbers become, and may lie there."""
    straight = straightened(jax.make_jaxpr(function)(*arguments).jaxpr)
    try:
        program = _Writer(straight, updated, in_place).written()
    except NotPointwise:
        return function(*arguments)
    places = {id(v): i for i, v in enumerate([*straight.constants, *straight.arguments])}
    chosen = functools.partial(dispatch.choose, program.run, function)
    alike = dispatch.updating(chosen, *(places[id(program.operands[i][0])] for i in program.aliases))
    call = jax.custom_batching.custom_vmap(chosen)

    @call.def_vmap
    def batched(size: int, is_batched: list[bool], *operands: Any) -> Any:
        axes = [0 if batched else None for batched in is_batched]
        if program.n == 1:  # one neuron each: they are the row
            together = jax.vmap(function, in_axes=axes, axis_size=size)
            results = _by_kernel(lambda *x: tuple(together(*x)), operands, updated, in_place=False)
        else:
            results = jax.vmap(alike, in_axes=axes, axis_size=size)(*operands)
        return results, (True,) * len(results)

    run = jax.custom_jvp(call)
    run.defjvp(lambda primals, tangents: jax.jvp(function, primals, tangents))
    return tuple(run(*arguments))
