"""A whole sequence of a cell in one pass forward and one backward: the loops of `kernels/native/cell_sequence.h`, by their names."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.errors import UnsupportedError
from ranvier.torch.fused import native
from ranvier.torch.fused.direct import plain
from ranvier.torch.fused.lif import _common_shape, _forward_mode, _numbers, _rows, _unfit
from ranvier.torch.fused.problem import CHUNK, SURROGATES, rows_of
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


def plan(name: str, x: Tensor, states: list[Tensor], rows: list[Any], surrogate: Surrogate | None = None) -> Loops | None:
    """The loops of a built-in cell for inputs like `x`, where all parameters are numbers and the state at the start is this."""
    cell = _fitting(name, x, states, rows, surrogate)
    return None if cell is None else Loops(cell, x, _numbers(tuple(rows), x.dtype), surrogate, states, _stacked(x, states))


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
    numbers = not any(isinstance(row, Tensor) for row in rows)
    parameters = _numbers(tuple(rows), x.dtype) if numbers else _rows(x, rows, _common_shape(x, rows))
    loops = Loops(cell, x, parameters, surrogate, states)
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, parameters, *states)):
        output, *after = _Sequence.apply(loops, x, parameters, *states)
        return output, tuple(after)
    output, state = loops.forward(x, _stacked(x, states), None)
    return output, loops.parted(state)


class Loops:
    """The loops of a cell over inputs of one shape.

    Args:
        cell: which.
        x: like the input `[T, …]`.
        parameters: a row of each, `[parameters, period]`.
        surrogate: of its spike, where the cell leaves it open.
        states: like the states.
        start: the states before the first step where that is always the same, as `_stacked` puts them together.
    """

    def __init__(
        self, cell: Cell, x: Tensor, parameters: Tensor, surrogate: Surrogate | None, states: Sequence[Tensor], start: Tensor | None = None
    ):
        self.steps, self.of_step = x.shape[0], x.shape[1:]
        self.elements, self.chunk = math.prod(self.of_step), min(CHUNK, self.steps)
        self.parameters, self.types, self.start = parameters.detach().contiguous(), [one.dtype for one in states], start
        self.ints = [one for one, kind in enumerate(self.types) if not kind.is_floating_point]
        self.kind = 0 if surrogate is None else SURROGATES.index(type(surrogate))
        self.shape = (ctypes.c_double * 3)(*([0.0] * 3 if surrogate is None else [*vars(surrogate).values(), 0.0, 0.0, 0.0][:3]))
        self.functions = cell.function("forward", x.dtype), cell.function("backward", x.dtype)
        self.extents = (self.steps, self.elements, self.parameters.shape[1], self.chunk)

    def __call__(self, x: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The output and the last states of an input, from the start."""
        assert self.start is not None
        if x.requires_grad and torch.is_grad_enabled():
            output, *after = _Sequence.apply(self, x, None)
            return output, tuple(after)
        output, state = self.forward(x, self.start.clone(), None)
        return output, self.parted(state)

    def new_kept(self, state: Tensor) -> Tensor:
        """Room for the states before every chunk."""
        return state.new_empty((-(-self.steps // self.chunk), *state.shape))

    def parted(self, state: Tensor) -> tuple[Tensor, ...]:
        """The states, each in its own dtype: rows of one tensor."""
        return tuple([row if row.dtype == kind else row.to(kind) for row, kind in zip(state.unbind(), self.types, strict=True)])

    def forward(self, x: Tensor, state: Tensor, kept: Tensor | None) -> tuple[Tensor, Tensor]:
        """The output, and the states after the last step, in the place of those before."""
        output, x = torch.empty_like(x, memory_format=torch.contiguous_format), rows_of(x)
        self._call(0, x, (state.data_ptr(), native.address(kept), 0, 0, 0, 0, 0), output.data_ptr())
        return output, state

    def backward(
        self, x: Tensor, kept: Tensor, incoming: Tensor | None, of_state: Tensor, of_x: Tensor | None, of_parameters: Tensor | None
    ) -> None:
        """The gradients, that of the state in the place of that after."""
        x, incoming = rows_of(x), None if incoming is None else rows_of(incoming)
        addresses = (
            0, kept.data_ptr(), native.address(incoming), self._stride(incoming),
            of_state.data_ptr(), native.address(of_x), native.address(of_parameters),
        )  # fmt: skip
        self._call(1, x, addresses, 0)

    def _call(self, direction: int, x: Tensor, addresses: tuple[int, ...], output: int) -> None:
        numbers = (ctypes.c_int64 * 16)(
            *self.extents, x.data_ptr(), self._stride(x), self.parameters.data_ptr(), *addresses, self.kind, output
        )
        self.functions[direction](numbers, self.shape, torch.get_num_threads())

    def _stride(self, x: Tensor | None) -> int:
        return 0 if x is None or x.shape[0] < self.steps else self.elements


def _stacked(x: Tensor, states: Sequence[Tensor]) -> Tensor:
    return torch.stack([one if one.dtype == x.dtype else one.to(x.dtype) for one in states])


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loops: Loops, x: Tensor, parameters: Tensor | None, *states: Tensor) -> tuple[Tensor, ...]:
        state = _stacked(x, states) if loops.start is None else loops.start.clone()
        kept = loops.new_kept(state)
        output, state = loops.forward(x, state, kept)
        ctx.loops = loops
        ctx.save_for_backward(x, kept)
        ctx.set_materialize_grads(False)
        # Rows of one tensor, which a user may change in place: each its own.
        after = [row.clone() if row.dtype == kind else row.to(kind) for row, kind in zip(state.unbind(), loops.types, strict=True)]
        if loops.ints:
            ctx.mark_non_differentiable(*(after[k] for k in loops.ints))
        return output, *after

    @staticmethod
    def backward(ctx: Any, of_output: Tensor | None, *of_states: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise UnsupportedError("A fused sequence has no second derivative.")
        (x, kept), loops = ctx.saved_tensors, ctx.loops
        wants_x, wants_parameters, *wants_states = ctx.needs_input_grad[1:]
        of_x = torch.empty_like(x, memory_format=torch.contiguous_format) if wants_x else None
        count = loops.parameters.shape[0]
        state = torch.zeros_like(kept[0])
        for k, one in enumerate(of_states):
            if one is not None:
                state[k] = one
        of_parameters = x.new_empty((count, loops.elements)) if wants_parameters else None
        loops.backward(x, kept, of_output, state, of_x, of_parameters)
        if of_parameters is not None:
            of_parameters = of_parameters.view(count, -1, loops.parameters.shape[1]).sum(1)
        return None, of_x, of_parameters, *(state[k] if wanted else None for k, wanted in enumerate(wants_states))
