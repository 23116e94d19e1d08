"""A whole sequence of a cell in one pass forward and one backward: the loops of `kernels/native/cell_sequence.h`, by their names."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.torch.fused import native
from ranvier.torch.fused.direct import plain
from ranvier.torch.fused.lif import _common_shape, _forward_mode, _numbers, _rows, _unfit
from ranvier.torch.fused.problem import CHUNK, SURROGATES, Asked, Gradients, rows_of, without_second_derivative
from ranvier.torch.surrogate import Surrogate

_TYPES = {torch.float32: "f32", torch.float64: "f64"}


class Cell(NamedTuple):
    """A compiled cell.

    Attributes:
        library: where its functions are.
        name: of them.
    """

    library: ctypes.CDLL
    name: str

    def function(self, direction: str, dtype: torch.dtype) -> Any:
        return getattr(self.library, f"ranvier_{self.name}_{direction}_{_TYPES[dtype]}")


@functools.cache
def built_in(name: str) -> Cell | None:
    """A cell of the native module; None where it has none."""
    if native.missing() is not None:
        return None
    library = ctypes.CDLL(native.module_file())
    return Cell(library, name) if hasattr(library, f"ranvier_{name}_forward_f32") else None


def attempt(
    name: str, x: Tensor, states: list[Tensor], rows: list[Any], surrogate: Surrogate | None = None
) -> tuple[Tensor, tuple[Tensor, ...]] | None:
    """`sequence` of a built-in cell; None where its loops cannot run on these."""
    if torch.compiler.is_compiling():
        return None
    cell = _fitting(name, x, states, rows, surrogate)
    return None if cell is None else sequence(cell, x, states, rows, surrogate)


def from_rest(name: str, x: Tensor, states: list[Tensor], rows: list[Any], surrogate: Surrogate | None = None) -> FromRest | None:
    """The loops of a built-in cell for inputs like `x`, from this state; None where it cannot be."""
    cell = _fitting(name, x, states, rows, surrogate)
    return None if cell is None else FromRest(cell, x, _parameters(x, rows), surrogate, states)


def _fitting(name: str, x: Tensor, states: list[Tensor], rows: list[Any], surrogate: Surrogate | None) -> Cell | None:
    cell = built_in(name)
    known = surrogate is None or type(surrogate) in SURROGATES
    return cell if cell is not None and known and fits(x, states, rows) else None


def fits(x: Tensor, states: list[Tensor], rows: list[Any]) -> bool:
    """Whether loops can run on these."""
    return (
        x.dtype in _TYPES
        and x.numel() > 0
        and plain(x, *states)
        and all(s.dtype in (x.dtype, torch.int32) and s.shape == x.shape[1:] for s in states)
        and not _forward_mode(x, *states, *rows)
        and _unfit(x, {str(k): row for k, row in enumerate(rows) if isinstance(row, Tensor)}) is None
    )


def sequence(
    cell: Cell, x: Tensor, states: list[Tensor], rows: list[Any], surrogate: Surrogate | None = None
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The output `[T, …]` and the states after the last step.

    Args:
        cell: which.
        x: `[T, …]`.
        states: in the order of the layer's state.
        rows: the parameters, in the order of the cell: numbers, or tensors that broadcast against the input of a step.
        surrogate: of its spike, where the cell leaves it open.
    """
    parameters, loops = _parameters(x, rows), Loops(cell, x, surrogate, states)
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, parameters, *states)):
        output, *after = _Sequence.apply(loops, x, parameters, *states)
        return output, tuple(after)
    output, state = loops.run(x, parameters.contiguous(), loops.stacked(states), None)
    return output, loops.parted(state)


def _parameters(x: Tensor, rows: list[Any]) -> Tensor:
    """A row of each parameter, `[parameters, period]`."""
    numbers = not any(isinstance(row, Tensor) for row in rows)
    return _numbers(tuple(rows), x.dtype) if numbers else _rows(x, rows, _common_shape(x, rows))


class Loops:
    """The loops of a cell over inputs of one shape.

    Args:
        cell: which.
        x: like the input `[T, …]`.
        surrogate: of its spike, where the cell leaves it open.
        states: like the states.
    """

    def __init__(self, cell: Cell, x: Tensor, surrogate: Surrogate | None, states: Sequence[Tensor]):
        self.steps, self.dtype = x.shape[0], x.dtype
        self.elements, self.chunk = math.prod(x.shape[1:]), min(CHUNK, self.steps)
        self.types = [one.dtype for one in states]
        self.kind = 0 if surrogate is None else SURROGATES.index(type(surrogate))
        self.shape = (ctypes.c_double * 3)(*([0.0] * 3 if surrogate is None else [*vars(surrogate).values(), 0.0, 0.0, 0.0][:3]))
        self.functions = cell.function("forward", x.dtype), cell.function("backward", x.dtype)

    def stacked(self, states: Sequence[Tensor]) -> Tensor:
        """The states as rows of one tensor, in the dtype of the input."""
        return torch.stack([one if one.dtype == self.dtype else one.to(self.dtype) for one in states])

    def parted(self, state: Tensor) -> tuple[Tensor, ...]:
        """The states, each in its own dtype: rows of one tensor."""
        return tuple([row if row.dtype == kind else row.to(kind) for row, kind in zip(state.unbind(), self.types, strict=True)])

    def apart(self, state: Tensor) -> list[Tensor]:
        """The states, each a tensor of its own, which a user may change in place."""
        return [row.clone() if row.dtype == kind else row.to(kind) for row, kind in zip(state.unbind(), self.types, strict=True)]

    def new_kept(self, state: Tensor) -> Tensor:
        """Room for the states before every chunk."""
        return state.new_empty((-(-self.steps // self.chunk), *state.shape))

    def run(self, x: Tensor, parameters: Tensor, state: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        """The output, and the states after the last step, in the place of those before."""
        output, x = torch.empty_like(x, memory_format=torch.contiguous_format), rows_of(x)
        self._call(0, x, parameters, (state.data_ptr(), native.address(kept), 0, 0, 0, 0, 0), output.data_ptr())
        return output, state

    def run_back(
        self, x: Tensor, parameters: Tensor, kept: Tensor, of_output: Tensor | None, of_states: Sequence[Tensor | None], wants_x: bool,
        wants_parameters: bool,
    ) -> tuple[Tensor | None, Tensor | None, Tensor]:  # fmt: skip
        """The gradients of the input, of the rows of parameters, and of the states at the start."""
        of_x = torch.empty_like(x, memory_format=torch.contiguous_format) if wants_x else None
        state = torch.zeros_like(kept[0])
        for k, one in enumerate(of_states):
            if one is not None:
                state[k] = one
        count, period = parameters.shape
        of_parameters = x.new_empty((count, self.elements)) if wants_parameters else None
        x, incoming = rows_of(x), None if of_output is None else rows_of(of_output)
        addresses = (
            0, kept.data_ptr(), native.address(incoming), self._stride(incoming), state.data_ptr(), native.address(of_x),
            native.address(of_parameters),
        )  # fmt: skip
        self._call(1, x, parameters, addresses, 0)
        return of_x, None if of_parameters is None else of_parameters.view(count, -1, period).sum(1), state

    def _call(self, direction: int, x: Tensor, parameters: Tensor, addresses: tuple[int, ...], output: int) -> None:
        extents = (self.steps, self.elements, parameters.shape[1], self.chunk)
        numbers = (ctypes.c_int64 * 16)(*extents, x.data_ptr(), self._stride(x), parameters.data_ptr(), *addresses, self.kind, output)
        self.functions[direction](numbers, self.shape, torch.get_num_threads())

    def _stride(self, x: Tensor | None) -> int:
        return 0 if x is None or x.shape[0] < self.steps else self.elements


class FromRest(Loops):
    """The loops from one state, as a plan (`quick.py`) runs them.

    Args:
        parameters: the rows.
        states: those before the first step.
        others: as of `Loops`.
    """

    def __init__(self, cell: Cell, x: Tensor, parameters: Tensor, surrogate: Surrogate | None, states: Sequence[Tensor]):
        super().__init__(cell, x, surrogate, states)
        self.numbers, self.start, self.count = parameters.contiguous(), states, len(parameters)
        self.first = self.stacked(states)

    def forward(
        self, x: Tensor, rows: Tensor | None, start: Any, given: Sequence[Any], keep: bool
    ) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        state = self.first.clone() if start is None else self.stacked(start)
        kept = self.new_kept(state) if keep else None
        output, state = self.run(x, self.numbers if rows is None else rows, state, kept)
        return ((output, *self.parted(state)), ()) if kept is None else ((output, *self.apart(state)), (kept,))

    def backward(
        self, x: Tensor, rows: Tensor | None, given: Sequence[Any], kept: Any, incoming: Sequence[Tensor | None], asked: Asked
    ) -> Gradients:
        of_output, *of_states = incoming
        rows = self.numbers if rows is None else rows
        of_x, of_rows, state = self.run_back(x, rows, kept[0], of_output, of_states, asked.x, asked.rows != 0)
        return Gradients(of_x, of_rows, state.unbind())


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loops: Loops, x: Tensor, parameters: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        state, rows = loops.stacked(states), parameters.contiguous()
        kept = loops.new_kept(state)
        output, state = loops.run(x, rows, state, kept)
        ctx.loops = loops
        ctx.save_for_backward(x, rows, kept)
        ctx.set_materialize_grads(False)
        after = loops.apart(state)
        ctx.mark_non_differentiable(*[one for one in after if not one.is_floating_point()])
        return output, *after

    @staticmethod
    @without_second_derivative
    def backward(ctx: Any, of_output: Tensor | None, *of_states: Tensor | None) -> Any:
        (x, rows, kept), loops = ctx.saved_tensors, ctx.loops
        wants_x, wants_parameters, *wants_states = ctx.needs_input_grad[1:]
        of_x, of_parameters, state = loops.run_back(x, rows, kept, of_output, of_states, wants_x, wants_parameters)
        return None, of_x, of_parameters, *(state[k] if wanted else None for k, wanted in enumerate(wants_states))
