"""Leaky integrate-and-fire neurons that their own spikes reach a step later through a matrix: step by step in the C++ loops, and one
product over the whole sequence for the gradient of the matrix.

The products between steps are the loops' own where they are small (`SMALL`), else PyTorch's. Sums are in another order than the
reference's, so that a potential may differ by its rounding; spikes are the same but where that decides whether the threshold is met.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ranvier.torch.functional import LIFState
from ranvier.torch.fused import native
from ranvier.torch.fused.direct import plain
from ranvier.torch.fused.lif import prepared, unsupported
from ranvier.torch.fused.problem import LIFProblem

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
    return _run(problem, learnt, state, x, output, weight, bias)


def plan(x: Tensor, state: LIFState, output: Tensor, weight: Tensor, bias: Tensor | None, **arguments: Any) -> Any:
    """`sequence` for inputs, weights and biases like these, from this state; None where it cannot be."""
    if not fits(x, output, weight, bias, state) or unsupported(x, state, **arguments) is not None:
        return None
    problem = prepared(x, state, **arguments)[0]._replace(x=x.new_empty(0))
    return lambda x, weight, bias: _run(problem, 0, state, x, output, weight, bias)


def _run(
    problem: LIFProblem, learnt: int, state: LIFState, x: Tensor, output: Tensor, weight: Tensor, bias: Tensor | None
) -> tuple[Tensor, LIFState]:
    given = (x, problem.parameters, state.v, state.threshold, output, weight, bias)
    if torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in given):
        spikes, v, left, threshold = _Sequence.apply(problem, learnt, state.refractory, *given)
    else:
        (spikes, v, left, threshold), *_ = _forward(problem, state.refractory, given, keep=False)
    return spikes, LIFState(v, left, threshold)


def _forward(problem: LIFProblem, left: Tensor | None, given: Any, keep: bool) -> tuple[tuple[Any, ...], list[Any], Tensor]:
    """The spikes and the last state; the states before each step, where they are kept; and what the neurons got."""
    x, parameters, v, threshold, output, weight, bias = given
    driven = torch.empty_like(x, memory_format=torch.contiguous_format)
    state = [v.clone(memory_format=torch.contiguous_format), native.copied(left), native.copied(threshold)]
    kept = [None if one is None or not keep else one.new_empty((x.shape[0], one.numel())) for one in state]
    run = native.recurrent_forward if v.numel() * x.shape[-1] <= SMALL else _by_products
    return (run(problem, parameters, x, output, weight, bias, state, kept, driven), *state), kept, driven


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, problem: LIFProblem, learnt: int, left: Tensor | None, *given: Any) -> tuple[Any, ...]:
        _, parameters, v, _, output, weight, bias = given
        results, kept, driven = _forward(problem, left, given, keep=True)
        ctx.problem, ctx.learnt, ctx.shapes = problem, learnt, (v.shape, output.shape)
        ctx.save_for_backward(parameters, output, weight, bias, driven, results[0], *kept)
        ctx.set_materialize_grads(False)
        if left is not None:
            ctx.mark_non_differentiable(results[2])
        return results

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *incoming: Tensor | None) -> Any:
        parameters, output, weight, _, driven, spikes, *kept = ctx.saved_tensors
        problem, learnt, (of_state, of_first) = ctx.problem, ctx.learnt, ctx.shapes
        wants_x, _, wants_v, wants_threshold, wants_output, wants_weight, wants_bias = ctx.needs_input_grad[3:]
        of_v = torch.zeros_like(kept[0][0]) if incoming[1] is None else incoming[1].reshape(-1).clone()
        of_threshold = None
        if kept[2] is not None:
            of_threshold = torch.zeros_like(of_v) if incoming[3] is None else incoming[3].reshape(-1).clone()
        of_parameters = torch.zeros_like(parameters) if learnt else None
        back = native.recurrent_backward if of_v.numel() * driven.shape[-1] <= SMALL else _by_products_back
        of_driven, of_weight, of_bias = back(
            problem, parameters, driven, output, spikes, weight, kept, incoming[0], of_v, of_threshold, of_parameters, learnt,
            wants_weight, wants_bias,
        )  # fmt: skip
        return (
            *[None] * 3,
            of_driven if wants_x else None,
            of_parameters,
            of_v.view(of_state) if wants_v else None,
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
