"""How the numbers that loops read come of what is learnt, and their gradients.

A layer's formulas are traced once, with symbols, into a list of operations (`kernels/native/learnt.h`), which goes forward and back on
rows of numbers: PyTorch's graph of so many small tensors would take longer than the sequence. What a library computes in its own way is
PyTorch's, so that the numbers are those of the formulas to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.torch.fused import native
from ranvier.torch.fused.lif import _common_shape, _row
from ranvier.torch.fused.problem import Gradients
from ranvier.torch.ranged import inside

OPERATIONS = (
    "given", "add", "subtract", "multiply", "divide", "add_number", "from_number", "times_number", "over_number", "reciprocal", "negative",
    "limited", "safe", "ratio", "exp", "expm1", "sigmoid",
)  # fmt: skip
"""As `native/learnt.h` numbers them."""
OF_PYTORCH = ("exp", "expm1", "sigmoid")


class Step(NamedTuple):
    """An operation: what it reads (steps by their places; of `given` the place of the tensor), and a number."""

    operation: str
    a: int
    b: int = -1
    number: float = 0.0


class Symbol:
    """A row of numbers that there is not yet: what is done with it is written down.

    Args:
        steps: where.
        place: of the step that makes it.
    """

    def __init__(self, steps: list[Step], place: int):
        self.steps, self.place = steps, place

    def _then(self, operation: str, b: int = -1, number: float = 0.0) -> Symbol:
        self.steps.append(Step(operation, self.place, b, number))
        return Symbol(self.steps, len(self.steps) - 1)

    def _with(self, other: Any, of_both: str, with_number: str, number: float) -> Symbol:
        return self._then(of_both, other.place) if isinstance(other, Symbol) else self._then(with_number, -1, number)

    def __add__(self, other: Any) -> Symbol:
        return self._with(other, "add", "add_number", other)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Symbol:
        return self._then("subtract", other.place) if isinstance(other, Symbol) else self._then("add_number", -1, -other)

    def __rsub__(self, other: float) -> Symbol:
        return self._then("from_number", -1, other)

    def __mul__(self, other: Any) -> Symbol:
        return self._with(other, "multiply", "times_number", other)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Symbol:
        return self._with(other, "divide", "over_number", other)

    def __rtruediv__(self, other: float) -> Symbol:
        return self.reciprocal() * other  # as PyTorch does it

    def __neg__(self) -> Symbol:
        return self._then("negative")

    def reciprocal(self) -> Symbol:
        return self._then("reciprocal")

    def clamp(self, low: float, high: float) -> Symbol:
        assert (low, high) == (-50, 50)  # the bounds that the loops know
        return self._then("limited")

    def exp(self) -> Symbol:
        return self._then("exp")

    def expm1(self) -> Symbol:
        return self._then("expm1")

    def sigmoid(self) -> Symbol:
        return self._then("sigmoid")

    def ratio(self) -> Symbol:
        """(exp(z) − 1)/z, 1 at 0."""
        return self._then("ratio", self._then("safe").expm1().place)


class Part(NamedTuple):
    """Steps that are done together.

    Attributes:
        first, last: those of the loops.
        by_pytorch: what PyTorch does then, in place, and where.
    """

    first: int
    last: int
    by_pytorch: list[tuple[str, int, int]]


class Made(NamedTuple):
    """The numbers of a call.

    Attributes:
        rows, start: as of `Loops.forward`.
        work: all steps `[steps, period]`.
    """

    rows: Tensor | None
    start: list[Tensor | None] | None
    work: Tensor | None


class Learnt:
    """What calls have in common of this.

    Args:
        neurons: a layer with the parameters.
        x: like the input.
        first: the state at the start.
    """

    def __init__(self, neurons: Any, x: Tensor, first: Sequence[Tensor | None]):
        self.first, self.like, self.of_step, self.elements = first, x.new_empty(0), x.shape[1:], math.prod(x.shape[1:])
        values = neurons._values(x.dtype)
        steps: list[Step] = []
        tensors: list[Tensor] = []
        for name, value in values.items():
            if isinstance(value, Tensor):
                made = neurons._modules[name]
                steps.append(Step("given", len(tensors)))
                tensors.append(made.tensor)
                values[name] = inside(made.kind, Symbol(steps, len(steps) - 1), made.low, made.high)
        self.shapes, self.shape = [tensor.shape for tensor in tensors], _common_shape(x, tensors)
        self.period = math.prod(self.shape)
        rows, start = neurons._rows(values), neurons._start(values)
        place, in_order = _in_order(steps, {value.place for value in (*rows, *start) if isinstance(value, Symbol)})
        self.steps, self.parts = len(in_order), _parts(in_order)
        self.starts = {k: place[value.place] for k, value in enumerate(start) if isinstance(value, Symbol)}
        rows_of = [place[value.place] if isinstance(value, Symbol) else -1 for value in rows]
        self.learnt = sum(1 << row for row, step in enumerate(rows_of) if step >= 0)
        self.loops = native.learnt_rows(
            x.dtype, self.period, [(OPERATIONS.index(step.operation), *step[1:]) for step in in_order], rows_of,
            [0.0 if isinstance(value, Symbol) else value for value in rows],
        )  # fmt: skip
        self.count = len(rows)

    def made(self, tensors: Sequence[Tensor]) -> Made:
        """The numbers of a call."""
        if not tensors:
            return Made(None, None, None)
        given = [self._row(tensor) for tensor in tensors]
        work, rows = self.like.new_empty((self.steps, self.period)), self.like.new_empty((self.count, self.period))
        addresses, address = [tensor.data_ptr() for tensor in given], work.data_ptr()
        for first, last, by_pytorch in self.parts:
            self.loops.run(first, last, addresses, address)
            for operation, begin, end in by_pytorch:
                getattr(work[begin:end], operation)()
        self.loops.collect(address, rows.data_ptr())
        start = None
        if self.starts:
            start = list(self.first)
            for place, step in self.starts.items():
                start[place] = work[step].view(self.shape).expand(self.of_step).clone(memory_format=torch.contiguous_format)
        return Made(rows, start, work)

    def _row(self, tensor: Tensor) -> Tensor:
        if tensor.is_contiguous() and tensor.numel() == self.period:
            return tensor
        return _row(tensor, self.like, self.shape).contiguous()

    def gradients(self, made: Made, wanted: Sequence[bool], of: Gradients) -> list[Tensor | None]:
        """The gradients of the tensors, from those of the loops."""
        found: list[Tensor | None] = [self.like.new_empty(self.period) if one else None for one in wanted]
        if made.work is None or not any(wanted):
            return found
        filled, of_start = list(self.starts.values()), [native.contiguous(of.start[place]) for place in self.starts]
        addresses = [native.address(one) for one in of_start], [native.address(one) for one in found]
        self.loops.back(made.work.data_ptr(), native.address(of.rows), self.elements, filled, *addresses)
        return [None if one is None else self._summed(one, shape) for one, shape in zip(found, self.shapes, strict=True)]

    def _summed(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """What has been broadcast from a shape, summed to it."""
        if gradient.shape == shape:
            return gradient
        return gradient.view((1,) * (len(shape) - len(self.shape)) + self.shape).sum_to_size(shape)


def _in_order(steps: list[Step], wanted: set[int]) -> tuple[dict[int, int], list[Step]]:
    """The new places of the steps that some are made of, ordered so that PyTorch is asked seldom, and the steps in them: what needs nothing
    of PyTorch first, then what PyTorch makes of that, by operation, and so on."""
    levels: list[int] = []
    needed = {place for place, step in enumerate(steps) if step.operation == "given"} | wanted
    for place in range(len(steps) - 1, -1, -1):
        if place in needed and steps[place].operation != "given":
            needed |= {steps[place].a, steps[place].b} - {-1}
    for step in steps:
        of_arguments = 0 if step.operation == "given" else max(levels[step.a], levels[step.b] if step.b >= 0 else 0)
        levels.append(of_arguments + (step.operation in OF_PYTORCH))

    def turn(place: int) -> tuple[int, bool, str, int]:
        by_loops = steps[place].operation not in OF_PYTORCH
        return levels[place], by_loops, "" if by_loops else steps[place].operation, place

    order = sorted(needed, key=turn)
    places = {-1: -1, **{old: new for new, old in enumerate(order)}}
    moved = [steps[old] for old in order]
    return places, [one if one.operation == "given" else one._replace(a=places[one.a], b=places[one.b]) for one in moved]


def _parts(steps: list[Step]) -> list[Part]:
    """What is done together: steps of the loops up to the next of PyTorch's, those with them."""
    parts, first, place = [], 0, 0
    while place < len(steps):
        while place < len(steps) and steps[place].operation not in OF_PYTORCH:
            place += 1
        by_pytorch: list[tuple[str, int, int]] = []
        while place < len(steps) and steps[place].operation in OF_PYTORCH:
            operation, begin = f"{steps[place].operation}_", place
            while place < len(steps) and f"{steps[place].operation}_" == operation:
                place += 1
            by_pytorch.append((operation, begin, place))
        parts.append(Part(first, place, by_pytorch))
        first = place
    return parts
