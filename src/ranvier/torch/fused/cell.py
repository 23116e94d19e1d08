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
from ranvier.torch.fused.lif import _common_shape, _numbers, _rows, _unfit
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
    cell = built_in(name)
    if cell is None or (surrogate is not None and type(surrogate) not in SURROGATES) or not fits(x, states, rows):
        return None
    return sequence(cell, x, states, rows, surrogate)


def fits(x: Tensor, states: list[Tensor], rows: list[Any]) -> bool:
    """Whether loops can run on these."""
    return (
        x.dtype in _TYPES
        and x.numel() > 0
        and plain(x, *states)
        and all(s.dtype in (x.dtype, torch.int32) for s in states)
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
    given = (
        [0, [0.0, 0.0, 0.0]] if surrogate is None else [SURROGATES.index(type(surrogate)), [*vars(surrogate).values(), 0.0, 0.0, 0.0][:3]]
    )
    numbers = not any(isinstance(row, Tensor) for row in rows)
    parameters = _numbers(tuple(rows), x.dtype) if numbers else _rows(x, rows, _common_shape(x, rows))
    if torch.is_grad_enabled() and any(t.requires_grad for t in (x, parameters, *states)):
        output, *after = _Sequence.apply(cell, given, x, parameters, *states)
        return output, tuple(after)
    output, state, _ = _forward(cell, given, x, parameters, states, keep=False)
    return output, _in_types(state, states)


def _forward(
    cell: Cell, surrogate: Any, x: Tensor, parameters: Tensor, states: Sequence[Tensor], keep: bool
) -> tuple[Tensor, Tensor, Tensor | None]:
    """The output, the states after the last step in one tensor, and those that are kept."""
    steps = x.shape[0]
    output = torch.empty_like(x, memory_format=torch.contiguous_format)
    state = torch.stack([one if one.dtype == x.dtype else one.to(x.dtype) for one in states])
    chunk = min(CHUNK, steps)
    kept = x.new_empty((-(-steps // chunk), *state.shape)) if keep else None
    _call(cell, "forward", x, parameters, surrogate, chunk, state, kept, output=output)
    return output, state, kept


def _in_types(state: Tensor, states: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return tuple([row if row.dtype == one.dtype else row.to(one.dtype) for row, one in zip(state.unbind(), states, strict=True)])


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, cell: Cell, surrogate: Any, x: Tensor, parameters: Tensor, *states: Tensor) -> tuple[Tensor, ...]:
        output, state, kept = _forward(cell, surrogate, x, parameters, states, keep=True)
        ctx.cell, ctx.surrogate = cell, surrogate
        ctx.save_for_backward(x, parameters, kept)
        ctx.set_materialize_grads(False)
        # Rows of one tensor, which a user may change in place: each its own.
        after = [row.clone() if row.dtype == one.dtype else row.to(one.dtype) for row, one in zip(state.unbind(), states, strict=True)]
        ctx.mark_non_differentiable(*(one for one in after if not one.is_floating_point()))
        return output, *after

    @staticmethod
    def backward(ctx: Any, of_output: Tensor | None, *of_states: Tensor | None) -> Any:
        if torch.is_grad_enabled():
            raise UnsupportedError("A fused sequence has no second derivative.")
        x, parameters, kept = ctx.saved_tensors
        wants_x, wants_parameters, *wants_states = ctx.needs_input_grad[2:]
        of_x = torch.empty_like(x, memory_format=torch.contiguous_format) if wants_x else None
        count, elements = parameters.shape[0], kept[0, 0].numel()
        state = torch.zeros_like(kept[0])
        for k, one in enumerate(of_states):
            if one is not None:
                state[k] = one
        of_parameters = x.new_empty((count, elements)) if wants_parameters else None
        incoming = None if of_output is None else rows_of(of_output)
        _call(ctx.cell, "backward", x, parameters, ctx.surrogate, min(CHUNK, x.shape[0]), None, kept, incoming, state, of_x, of_parameters)
        if of_parameters is not None:
            of_parameters = of_parameters.view(count, -1, parameters.shape[1]).sum(1)
        return None, None, of_x, of_parameters, *(state[k] if wanted else None for k, wanted in enumerate(wants_states))


def _call(
    cell: Cell,
    direction: str,
    x: Tensor,
    parameters: Tensor,
    surrogate: Any,
    chunk: int,
    state: Tensor | None,
    kept: Tensor | None,
    incoming: Tensor | None = None,
    of_state: Tensor | None = None,
    of_x: Tensor | None = None,
    of_parameters: Tensor | None = None,
    output: Tensor | None = None,
) -> None:
    steps, elements = x.shape[0], math.prod(x.shape[1:])
    x, parameters = rows_of(x), parameters.contiguous()
    address = lambda t: 0 if t is None else t.data_ptr()
    stride = lambda t: 0 if t is None or t.shape[0] < steps else elements
    kind, shape = surrogate
    numbers = (ctypes.c_int64 * 16)(
        steps, elements, parameters.shape[1], chunk, x.data_ptr(), stride(x), parameters.data_ptr(), address(state), address(kept),
        address(incoming), stride(incoming), address(of_state), address(of_x), address(of_parameters), kind, address(output),
    )  # fmt: skip
    cell.function(direction, x.dtype)(numbers, (ctypes.c_double * 3)(*shape), ctypes.c_int(torch.get_num_threads()))
