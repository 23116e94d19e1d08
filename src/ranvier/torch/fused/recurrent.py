"""Leaky integrate-and-fire neurons that their own spikes reach a step later through a matrix: step by step in the C++ loops, the
products between them PyTorch's, and one product over the whole sequence for the gradient of the matrix."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from ranvier.torch.functional import LIFState
from ranvier.torch.fused import native
from ranvier.torch.fused.direct import plain
from ranvier.torch.fused.lif import prepared
from ranvier.torch.fused.problem import LIFProblem


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
    others = (problem.noise, problem.uniform, problem.refractory, state.refractory)
    spikes, v, left, threshold = _Sequence.apply(
        problem, learnt, others, x, problem.parameters, state.v, state.threshold, output, weight, bias
    )
    return spikes, LIFState(v, left, threshold)


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, problem: LIFProblem, learnt: int, others: Any, *given: Any) -> tuple[Any, ...]:
        x, parameters, v, threshold, output, weight, bias = given
        _, _, _, left = others
        steps, n = x.shape[0], x.shape[-1]
        spikes, driven = (torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(2))
        state = [v.clone(memory_format=torch.contiguous_format), native.copied(left), native.copied(threshold)]
        keep = any(ctx.needs_input_grad)
        kept = [None if one is None else one.new_empty((steps if keep else 1, one.numel())) for one in state]
        loops = native.Steps(problem, driven, parameters)
        rows, inputs = spikes.view(steps, -1, n).unbind(), driven.view(steps, -1, n).unbind()
        given_rows, before = x.reshape(steps, -1, n).unbind(), output.reshape(-1, n)
        for t in range(steps):
            torch.add(given_rows[t], F.linear(before, weight, bias), out=inputs[t])
            loops.forward(t, state, kept, t if keep else 0, rows[t])
            before = rows[t]
        ctx.problem, ctx.learnt, ctx.shapes = problem, learnt, (v.shape, output.shape)
        if keep:
            ctx.save_for_backward(parameters, output, weight, bias, driven, spikes, *kept)
        ctx.set_materialize_grads(False)
        if left is not None:
            ctx.mark_non_differentiable(state[1])
        return spikes, *state

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *incoming: Tensor | None) -> Any:
        parameters, output, weight, bias, driven, spikes, *kept = ctx.saved_tensors
        problem, learnt, (of_state, of_first) = ctx.problem, ctx.learnt, ctx.shapes
        wants = dict(zip(("x", "parameters", "v", "threshold", "output", "weight", "bias"), ctx.needs_input_grad[3:], strict=True))
        steps, n = driven.shape[0], driven.shape[-1]
        given = torch.zeros_like(driven) if incoming[0] is None else incoming[0]
        given_rows = given.reshape(steps, -1, n).unbind()
        of_driven = torch.empty_like(driven)
        rows = of_driven.view(steps, -1, n).unbind()
        of_v = torch.zeros_like(kept[0][0]) if incoming[1] is None else incoming[1].reshape(-1).clone()
        of_threshold = None
        if kept[2] is not None:
            of_threshold = torch.zeros_like(of_v) if incoming[3] is None else incoming[3].reshape(-1).clone()
        of_parameters, once = (torch.zeros_like(parameters) if learnt else None for _ in range(2))
        loops = native.Steps(problem, driven, parameters)
        into = given_rows[-1].contiguous()
        for t in range(steps - 1, -1, -1):
            loops.backward(t, kept, into, of_v, of_threshold, rows[t], once, learnt)
            if of_parameters is not None and once is not None:
                of_parameters += once
            if t:
                into = torch.addmm(given_rows[t - 1], rows[t], weight)
        flat, after = of_driven.view(-1, n), spikes.view(steps, -1, n)[:-1].reshape(-1, n)
        first = rows[0]
        of_weight = None
        if wants["weight"]:
            of_weight = first.mT @ output.reshape(-1, n)
            of_weight += of_driven.view(steps, -1, n)[1:].reshape(-1, n).mT @ after
        return (
            *[None] * 3,
            of_driven if wants["x"] else None,
            of_parameters,
            of_v.view(of_state) if wants["v"] else None,
            of_threshold.view(of_state) if wants["threshold"] and of_threshold is not None else None,
            (first @ weight).view(of_first) if wants["output"] else None,
            of_weight,
            flat.sum(0) if wants["bias"] and bias is not None else None,
        )
