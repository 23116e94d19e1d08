"""A whole sequence from rest: all but the tensors of a call is made once and kept.

What is left of a call is the numbers that come of what is learnt, with their derivatives, room for its results, one node in PyTorch's
graph, and the loops. Other calls go through `lif.py`, `cell.py` and `recurrent.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ranvier.torch.fused import direct
from ranvier.torch.fused.learnt import Learnt
from ranvier.torch.fused.problem import Asked, Gradients, without_second_derivative

LARGEST = 1 << 16
"""Neurons of a batch; above, the loops take so long that nothing else counts, and the start is not worth keeping."""

_plans: dict[Any, Any] = {}
_MOST = 256


def sequence(layer: Any, key: Any, tensors: Sequence[Tensor], x: Tensor, *given: Tensor | None) -> tuple[Tensor, Any] | None:
    """The output and the state after; None where this way is not for the layer or the input.

    Args:
        layer: one with `_loops`.
        key: all that its loops are made of, but for what is in tensors.
        tensors: what its parameters are computed of, where they are not numbers.
        x: what the layer is called with.
        given: the tensors that its loops take beside x.
    """
    if torch.compiler.is_compiling() or type(x) is not Tensor or not direct.plain(x, *tensors, *given):
        return None
    if forward_ad._current_level >= 0 or not x.is_contiguous() or (x.ndim and x.stride(0) == 0):
        return None
    key = (key, x.shape, x.dtype)
    if key in _plans:
        plan = _plans[key]
    else:
        if len(_plans) >= _MOST:
            _plans.clear()
        plan = _plans[key] = _made(layer, tensors, x)
    return None if plan is None else plan(x, tensors, given)


def _made(layer: Any, tensors: Sequence[Tensor], x: Tensor) -> Plan | None:
    layer._check(x)
    if any(tensor.dtype != x.dtype for tensor in tensors):
        return None
    if x.numel() == 0 or x[0].numel() > LARGEST or x.dtype not in (torch.float32, torch.float64):
        return None
    with torch.inference_mode(False), torch.no_grad():  # later calls may train
        loops = layer._loops(x)
        return None if loops is None else Plan(layer, x, loops)


class Loops(Protocol):
    """What a plan runs.

    Attributes:
        count: of rows of numbers.
        start: the state that it was made with.
    """

    @property
    def count(self) -> int: ...

    @property
    def start(self) -> Sequence[Tensor | None]: ...

    def forward(
        self, x: Tensor, rows: Tensor | None, start: Any, given: Sequence[Any], keep: bool
    ) -> tuple[Sequence[Tensor | None], Sequence[Tensor | None]]:
        """The output with the last state, and what `backward` needs. `rows` and `start` None: those that it was made with."""

    def backward(
        self, x: Tensor, rows: Tensor | None, given: Sequence[Any], kept: Any, incoming: Sequence[Tensor | None], wanted: Asked
    ) -> Gradients:
        """The gradients."""


class Chain:
    """Loops whose input is the output of a cell. The rows, and the states, of the first come behind those of the second."""

    def __init__(self, first: Loops, second: Loops):
        self.first, self.second = first, second
        self.count, self.start = second.count + first.count, (*second.start, *first.start)

    def forward(
        self, x: Tensor, rows: Tensor | None, start: Any, given: Sequence[Any], keep: bool
    ) -> tuple[Sequence[Tensor | None], Sequence[Tensor | None]]:
        states = len(self.second.start)
        of_first, of_second = self._rows(rows)
        (between, *after), kept = self.first.forward(x, of_first, start and start[states:], given, keep)
        assert between is not None
        results, kept_too = self.second.forward(between, of_second, start and start[:states], given, keep)
        return (*results, *after), (between, *kept_too, *kept)

    def backward(
        self, x: Tensor, rows: Tensor | None, given: Sequence[Any], kept: Any, incoming: Sequence[Tensor | None], asked: Asked
    ) -> Gradients:
        states, count = len(self.second.start), self.second.count
        of_first, of_second = self._rows(rows)
        between, *kept_by_second, kept_by_first = kept
        of_membrane = Asked(True, asked.rows & ((1 << count) - 1), asked.start, ())
        of_cell = Asked(asked.x, asked.rows >> count, asked.start, ())
        second = self.second.backward(between, of_second, given, kept_by_second, incoming[: 1 + states], of_membrane)
        first = self.first.backward(x, of_first, given, (kept_by_first,), (second.x, *incoming[1 + states :]), of_cell)
        of_rows = None
        if rows is not None and asked.rows:
            both = zip((second.rows, first.rows), rows.split((count, len(rows) - count)), strict=True)
            of_rows = torch.cat([torch.zeros_like(numbers) if of is None else of for of, numbers in both])
        return Gradients(first.x, of_rows, (*second.start, *first.start))

    def _rows(self, rows: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """Those of the first and of the second."""
        return (None, None) if rows is None else (rows[self.second.count :], rows[: self.second.count])


class Plan:
    """What calls have in common.

    Args:
        layer: one of those that it is for.
        x: like the input.
        loops: of the layer.
    """

    def __init__(self, layer: Any, x: Tensor, loops: Loops):
        self.loops, self.packed, self.learnt = loops, layer._packed, Learnt(layer.neurons, x, loops.start)

    def __call__(self, x: Tensor, tensors: Sequence[Tensor], given: tuple[Any, ...]) -> tuple[Tensor, Any]:
        if torch.is_grad_enabled() and (x.requires_grad or any(t is not None and t.requires_grad for t in (*given, *tensors))):
            return self.packed(_Sequence.apply(self, len(given), x, *given, *tensors))
        rows, start, _ = self.learnt.made(tensors)
        return self.packed(self.loops.forward(x, rows, start, given, False)[0])


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, others: int, x: Tensor, *tensors: Any) -> tuple[Any, ...]:
        given = tensors[:others]
        ctx.made = made = plan.learnt.made(tensors[others:])
        results, kept = plan.loops.forward(x, made.rows, made.start, given, True)
        ctx.plan, ctx.others = plan, others
        ctx.save_for_backward(x, *given, *kept)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(*[one for one in results if one is not None and not one.is_floating_point()])
        return tuple(results)

    @staticmethod
    @without_second_derivative
    def backward(ctx: Any, *incoming: Tensor | None) -> Any:
        plan, made, others, (wants_x, *wants) = ctx.plan, ctx.made, ctx.others, ctx.needs_input_grad[2:]
        x, *kept = ctx.saved_tensors
        learns = any(wants[others:])
        asked = Asked(wants_x, plan.learnt.learnt if learns else 0, learns and bool(plan.learnt.starts), wants[:others])
        of = plan.loops.backward(x, made.rows, kept[:others], kept[others:], incoming, asked)
        return None, None, of.x, *of.given, *plan.learnt.gradients(made, wants[others:], of)
