"""Leaky integrate-and-fire neurons that their own spikes reach a step later through a matrix: step by step in the C++ loops, and one
product over the whole sequence for the gradient of the matrix.

The products between steps are the loops' own where they are small (`SMALL`), else PyTorch's. Sums are in another order than the
reference's, so that a potential may differ by its rounding; spikes are the same but where that decides whether the threshold is met.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ranvier.torch.functional import LIFState
from ranvier.torch.fused import native
from ranvier.torch.fused.direct import plain
from ranvier.torch.fused.lif import prepared, unsupported
from ranvier.torch.fused.membranes import Membranes
from ranvier.torch.fused.problem import Asked, Gradients, LIFProblem, without_second_derivative

SMALL = 1 << 18
"""Products of a step: below, calling PyTorch for them takes longer than they do."""


def fits(x: Tensor, output: Tensor, weight: Tensor, bias: Tensor | None, state: LIFState) -> bool:
    """Whether `sequence` can run on these; that `unsupported` has nothing against the neurons is the caller's to ask."""
    tensors = [x, output, weight, *([] if bias is None else [bias])]
    return plain(*tensors, *state) and all(t.dtype == x.dtype for t in tensors) and weight.shape == (x.shape[-1], x.shape[-1])


def sequence(x: Tensor, state: LIFState, output: Tensor, weight: Tensor, bias: Tensor | None, **arguments: Any) -> tuple[Tensor, LIFState]:
    """Spikes `[T, …, N]` of an input `x[t] + weight · spikes[t − 1] + bias`, and the state after.

    Args:
        x, state, arguments: as of `fused.lif_sequence`.
        output: the spikes before the first step.
        weight, bias: `[N, N]` and `[N]`, as of `nn.Linear`.
    """
    problem, learnt = prepared(x, state, **arguments)
    given = (x, problem.parameters, state.v, state.threshold, output, weight, bias)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given):
        spikes, v, left, threshold = _Sequence.apply(problem, learnt, state.refractory, *given)
    else:
        start = (state.v, state.refractory, state.threshold)
        (spikes, v, left, threshold), _ = _forward(problem, problem.parameters, x, start, output, weight, bias, keep=False)
    return spikes, LIFState(v, left, threshold)


def from_rest(
    x: Tensor, state: LIFState, output: Tensor, weight: Tensor, bias: Tensor | None, **arguments: Any
) -> RecurrentMembranes | None:
    """The loops for inputs, weights and biases like these, from this state; None where they cannot be."""
    if not fits(x, output, weight, bias, state) or unsupported(x, state, **arguments) is not None:
        return None
    return RecurrentMembranes(x, state, output, arguments)


class RecurrentMembranes(Membranes):
    """The loops over one shape of inputs, from one state, as a plan (`quick.py`) runs them; beside x they take the weights and the bias.

    Args:
        output: the spikes before the first step.
        others: as of `Membranes`.
    """

    def __init__(self, x: Tensor, state: LIFState, output: Tensor, arguments: dict[str, Any]):
        super().__init__(x, state, arguments)
        self.output = output

    def forward(
        self, x: Tensor, rows: Tensor | None, start: Any, given: Sequence[Any], keep: bool
    ) -> tuple[Sequence[Tensor | None], Sequence[Tensor | None]]:
        problem, rows = self.of(rows)
        results, kept = _forward(problem, rows, x, self.start if start is None else start, self.output, *given, keep=keep)
        return results, (results[0], *kept)

    def backward(
        self, x: Tensor, rows: Tensor | None, given: Sequence[Any], kept: Any, incoming: Sequence[Tensor | None], asked: Asked
    ) -> Gradients:
        problem, rows = self.of(rows)
        of_driven, of_rows, of_start, of_weight, of_bias = _backward(
            problem, rows, asked.rows, self.output, kept, given[0], incoming, *asked.given
        )
        return Gradients(of_driven, of_rows, of_start, (of_weight, of_bias))


def _forward(
    problem: LIFProblem, parameters: Tensor, x: Tensor, start: Sequence[Tensor | None], output: Tensor, weight: Tensor,
    bias: Tensor | None, *, keep: bool,
) -> tuple[tuple[Any, ...], tuple[Tensor | None, ...]]:  # fmt: skip
    """The spikes and the last state; what the neurons got and the states before each step, where they are kept."""
    driven = torch.empty_like(x, memory_format=torch.contiguous_format)
    state = [native.copied(one) for one in start]
    kept = [None if one is None or not keep else one.new_empty((x.shape[0], one.numel())) for one in state]
    run = native.recurrent_forward if output.numel() * x.shape[-1] <= SMALL else _by_products
    return (run(problem, parameters, x, output, weight, bias, state, kept, driven), *state), (driven, *kept)


def _backward(
    problem: LIFProblem, parameters: Tensor, learnt: int, output: Tensor, kept: Sequence[Any], weight: Tensor,
    incoming: Sequence[Tensor | None], wants_weight: bool, wants_bias: bool,
) -> tuple[Tensor, Tensor | None, tuple[Tensor | None, ...], Tensor | None, Tensor | None]:  # fmt: skip
    """The gradients of what the neurons got, of the rows, of the state at the start, of the weights and of the bias. Kept are the spikes,
    what the neurons got, and the states before each step."""
    spikes, driven, *states = kept
    of_v = torch.zeros_like(states[0][0]) if incoming[1] is None else incoming[1].reshape(-1).clone()
    of_threshold = None
    if states[2] is not None:
        of_threshold = torch.zeros_like(of_v) if incoming[3] is None else incoming[3].reshape(-1).clone()
    of_rows = torch.zeros_like(parameters) if learnt else None
    back = native.recurrent_backward if of_v.numel() * driven.shape[-1] <= SMALL else _by_products_back
    of_driven, of_weight, of_bias = back(
        problem, parameters, driven, output, spikes, weight, states, incoming[0], of_v, of_threshold, of_rows, learnt,
        wants_weight, wants_bias,
    )  # fmt: skip
    return of_driven, of_rows, (of_v, None, of_threshold), of_weight, of_bias


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, problem: LIFProblem, learnt: int, left: Tensor | None, *given: Any) -> tuple[Any, ...]:
        x, parameters, v, threshold, output, weight, bias = given
        results, kept = _forward(problem, parameters, x, (v, left, threshold), output, weight, bias, keep=True)
        ctx.problem, ctx.learnt, ctx.shapes = problem, learnt, (v.shape, output.shape)
        ctx.save_for_backward(parameters, output, weight, results[0], *kept)
        ctx.set_materialize_grads(False)
        if left is not None:
            ctx.mark_non_differentiable(results[2])
        return results

    @staticmethod
    @without_second_derivative
    def backward(ctx: Any, *incoming: Tensor | None) -> Any:
        parameters, output, weight, *kept = ctx.saved_tensors
        of_state, of_first = ctx.shapes
        wants_x, _, wants_v, wants_threshold, wants_output, wants_weight, wants_bias = ctx.needs_input_grad[3:]
        of_driven, of_rows, (of_v, _, of_threshold), of_weight, of_bias = _backward(
            ctx.problem, parameters, ctx.learnt, output, kept, weight, incoming, wants_weight, wants_bias
        )
        return (
            *[None] * 3,
            of_driven if wants_x else None,
            of_rows,
            of_v.view(of_state) if wants_v and of_v is not None else None,
            of_threshold.view(of_state) if wants_threshold and of_threshold is not None else None,
            (of_driven[0].view(-1, weight.shape[0]) @ weight).view(of_first) if wants_output else None,
            of_weight,
            of_bias,
        )


def _by_products(
    problem: LIFProblem, parameters: Tensor, x: Tensor, output: Tensor, weight: Tensor, bias: Tensor | None, state: list[Any],
    kept: list[Any], driven: Tensor,
) -> Tensor:  # fmt: skip
    """As `native.recurrent_forward`, with PyTorch's products."""
    steps, n = x.shape[0], x.shape[-1]
    spikes = torch.empty_like(driven)
    loops = native.Steps(problem, driven, parameters)
    rows, inputs = spikes.view(steps, -1, n).unbind(), driven.view(steps, -1, n).unbind()
    given_rows, before = x.reshape(steps, -1, n).unbind(), output.reshape(-1, n)
    for t in range(steps):
        torch.add(given_rows[t], F.linear(before, weight, bias), out=inputs[t])
        loops.forward(t, state, kept, t, rows[t])
        before = rows[t]
    return spikes


def _by_products_back(
    problem: LIFProblem, parameters: Tensor, driven: Tensor, output: Tensor, spikes: Tensor, weight: Tensor, kept: list[Any],
    incoming: Tensor | None, of_v: Tensor, of_threshold: Tensor | None, of_parameters: Tensor | None, learnt: int,
    wants_weight: bool, wants_bias: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:  # fmt: skip
    """As `native.recurrent_backward`, with PyTorch's products."""
    steps, n = driven.shape[0], driven.shape[-1]
    of_driven = torch.empty_like(driven)
    given_rows = (torch.zeros_like(driven) if incoming is None else incoming).reshape(steps, -1, n).unbind()
    rows = of_driven.view(steps, -1, n).unbind()
    once = None if of_parameters is None else torch.zeros_like(of_parameters)
    loops = native.Steps(problem, driven, parameters)
    into = given_rows[-1].contiguous()
    for t in range(steps - 1, -1, -1):
        loops.backward(t, kept, into, of_v, of_threshold, rows[t], once, learnt)
        if of_parameters is not None and once is not None:
            of_parameters += once
        if t:
            into = torch.addmm(given_rows[t - 1], rows[t], weight)
    of_weight = None
    if wants_weight:
        of_weight = rows[0].mT @ output.reshape(-1, n)
        of_weight += of_driven.view(steps, -1, n)[1:].reshape(-1, n).mT @ spikes.view(steps, -1, n)[:-1].reshape(-1, n)
    return of_driven, of_weight, of_driven.view(-1, n).sum(0) if wants_bias else None
