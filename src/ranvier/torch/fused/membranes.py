"""Leaky integrate-and-fire neurons from rest, as a plan (`quick.py`) runs them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ranvier.torch.functional import LIFState
from ranvier.torch.fused import native
from ranvier.torch.fused.lif import prepared, unsupported
from ranvier.torch.fused.problem import Asked, Gradients, LIFProblem, rows_of


def from_rest(x: Tensor, state: LIFState, **arguments: Any) -> Membranes | None:
    """The loops for inputs like `x`, from this state; None where they cannot be. Arguments as of `fused.lif_sequence`."""
    return Membranes(x, state, arguments) if unsupported(x, state, **arguments) is None else None


class Membranes:
    """The loops over one shape of inputs, from one state.

    Args:
        x: like the input.
        state: before the first step.
        arguments: as of `fused.lif_sequence`.
    """

    def __init__(self, x: Tensor, state: LIFState, arguments: dict[str, Any]):
        problem, _ = prepared(x, state, **arguments)
        self.steps, self.elements, self.kept_rows = len(x), state.v.numel(), problem.kept_rows
        self.problem = problem._replace(x=x.new_empty(0))
        self.numbers, self.start = problem.parameters.contiguous(), (state.v, state.refractory, state.threshold)
        self.count, self.held = len(self.numbers), {self.numbers.shape[1]: problem.refractory}
        self.fixed = self._loops(None)

    def of(self, rows: Tensor | None) -> tuple[LIFProblem, Tensor]:
        """The problem with the refractory period of rows like these, and the rows."""
        if rows is None:
            return self.problem, self.numbers
        period, held = rows.shape[1], self.problem.refractory
        if period not in self.held and held is not None:  # one number for all
            self.held[period] = held[:1].expand(period).contiguous()
        return self.problem._replace(refractory=self.held.get(period)), rows

    def _loops(self, rows: Tensor | None) -> Any:
        problem, rows = self.of(rows)
        return native.sequence(problem, rows, self.steps, self.elements, problem.chunk)

    def forward(
        self, x: Tensor, rows: Tensor | None, start: Any, given: Sequence[Any], keep: bool
    ) -> tuple[Sequence[Tensor | None], Sequence[Tensor | None]]:
        kept: Sequence[Tensor | None] = () if start is None else start  # the first state that is kept is the start, which there is
        start = self.start if start is None else start
        v, left, threshold = start[0].clone(), native.copied(start[1]), native.copied(start[2])
        spikes, rooms = torch.empty_like(x), (0, 0, 0)
        if keep and self.kept_rows > 1:
            kept = [None if one is None else one.new_empty((self.kept_rows, self.elements)) for one in start]
            rooms = tuple(map(native.address, kept))  # type: ignore[assignment]
        loops = self.fixed if rows is None else self._loops(rows)
        loops.forward(
            x.data_ptr(), self.elements, 0, 0, v.data_ptr(), native.address(left), native.address(threshold), *rooms, spikes.data_ptr(),
            torch.get_num_threads(),
        )  # fmt: skip
        return (spikes, v, left, threshold), kept

    def backward(
        self, x: Tensor, rows: Tensor | None, given: Sequence[Any], kept: Any, incoming: Sequence[Tensor | None], asked: Asked
    ) -> Gradients:
        of_spikes, of_v, _, of_threshold = incoming
        kept = kept or self.start
        of_x = torch.empty_like(x) if asked.x else None
        of_spikes = None if of_spikes is None else rows_of(of_spikes)
        stride = 0 if of_spikes is None or len(of_spikes) < self.steps else self.elements
        of_v, of_threshold = native.copied(of_v), native.copied(of_threshold)
        if asked.start:
            of_v = x.new_zeros(self.elements) if of_v is None else of_v
            if of_threshold is None and self.problem.adaptive:
                of_threshold = x.new_zeros(self.elements)
        of_rows = work = None
        if asked.rows and rows is not None:
            of_rows, work = torch.zeros_like(rows), x.new_empty((asked.rows.bit_count(), self.elements))
        loops = self.fixed if rows is None else self._loops(rows)
        loops.backward(
            x.data_ptr(), self.elements, 0, 0, *map(native.address, kept), self.problem.surrogate, *self.problem.shape,
            native.address(of_spikes), stride, native.address(of_v), native.address(of_threshold), native.address(of_x), 0,
            native.address(work), native.address(of_rows), asked.rows, torch.get_num_threads(),
        )  # fmt: skip
        return Gradients(of_x, of_rows, (of_v, None, of_threshold))
