"""The shortest way from tensors to the C++ loops: no operator, no flattening, one object for all that is not a tensor.

`operator.py` is the way through PyTorch's dispatcher, for compilation, `torch.func` and tensors that are not plain.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ranvier.torch.fused import native
from ranvier.torch.fused.problem import Incoming, LIFProblem, Wanted, without_second_derivative


def plain(*tensors: Tensor | None) -> bool:
    """Whether these are plain CPU tensors, and nobody listens to what is done with them."""
    if torch._C._len_torch_dispatch_stack() or torch._C._are_functorch_transforms_active() or torch._C._get_tracing_state():
        return False
    return all([t is None or (type(t) in (Tensor, nn.Parameter) and t.is_cpu) for t in tensors])  # noqa: C419  half a generator's time


def lif_sequence(problem: LIFProblem, v: Tensor, left: Tensor | None, threshold: Tensor | None, learn: int) -> tuple[Any, ...]:
    """As `operator.lif_sequence`, but in the shapes of the input `[T, …]` and of the state; without the kept states."""
    noise, wanted = problem.noise, torch.is_grad_enabled()
    if wanted:
        wanted = problem.x.requires_grad or v.requires_grad or problem.parameters.requires_grad
        wanted = wanted or (noise is not None and noise.requires_grad) or (threshold is not None and threshold.requires_grad)
    if not wanted:
        return native.forward(problem, (v, left, threshold), keep=False)[:4]
    return _Sequence.apply(problem, learn, left, problem.x, problem.noise, problem.parameters, v, threshold)


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, problem: LIFProblem, learn: int, left: Tensor | None, *given: Any) -> tuple[Any, ...]:
        x, noise, parameters, v, threshold = given
        results = native.forward(problem, (v, left, threshold), keep=True)
        ctx.problem, ctx.learn, ctx.shape = problem[5:], learn, v.shape
        ctx.save_for_backward(x, noise, problem.uniform, parameters, problem.refractory, *results[4:])
        ctx.set_materialize_grads(False)
        if left is not None:
            ctx.mark_non_differentiable(results[2])
        return results[:4]

    @staticmethod
    @without_second_derivative
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        *tensors, kept_v, kept_left, kept_threshold = ctx.saved_tensors
        problem, kept = LIFProblem(*tensors, *ctx.problem), (kept_v, kept_left, kept_threshold)
        x, shape = problem.x, ctx.shape
        needs = ctx.needs_input_grad[3:]
        incoming = Incoming(gradients[0], gradients[1], gradients[3])
        wanted = Wanted(needs[0], needs[1], ctx.learn)
        of_x, of_v, of_threshold, of_noise, of_parameters = native.backward(problem, kept, incoming, wanted)
        return (
            None,
            None,
            None,
            _as(of_x, x.shape),
            _as(of_noise, x.shape),
            of_parameters if ctx.learn else None,
            _as(of_v, shape),
            _as(of_threshold, shape) if needs[4] else None,
        )


def _as(gradient: Tensor | None, shape: torch.Size) -> Tensor | None:
    return gradient.view(shape) if gradient is not None and gradient.numel() else None
