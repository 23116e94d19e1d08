"""The fused sequence as two PyTorch operators, `ranvier::lif_sequence` and its backward pass.

Registered with the dispatcher: shapes for `torch.compile` and export, the
derivative, and what `torch.func.vmap` does. Tensors are flat: `[T, M]` with M the
neurons of the whole batch. An empty tensor stands for a result that is not there.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ranvier.errors import UnsupportedError
from ranvier.torch.fused import native, triton
from ranvier.torch.fused.problem import Incoming, LIFProblem, Wanted

_PROBLEM = (
    "Tensor x, Tensor? noise, Tensor? uniform, Tensor parameters, Tensor? refractory, bool adaptive, bool by_subtraction, "
    "bool detach_reset, float threshold_min, float threshold_max, int surrogate, float[] shape, int chunk"
)
_FIELDS = len(LIFProblem._fields)
_TENSORS = 5
"""The first fields of a problem are tensors."""


@torch.library.custom_op(
    "ranvier::lif_sequence",
    mutates_args=(),
    schema=f"({_PROBLEM}, Tensor v, Tensor? left, Tensor? threshold, int learn, bool keep) -> "
    "(Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def lif_sequence(*arguments: Any) -> tuple[Tensor, ...]:
    """Spikes `[T, M]`, the last state (v, left, threshold) and the kept states, three of `[rows, M]`."""
    problem, (*state, _, keep) = LIFProblem(*arguments[:_FIELDS]), arguments[_FIELDS:]
    results = _kernels(problem.x).forward(problem, tuple(state), keep)
    whole = (False, False, True, False, False, True, False)
    return tuple(
        problem.x.new_empty(0, dtype=torch.int32 if steps else None) if one is None else one
        for one, steps in zip(results, whole, strict=True)
    )


@torch.library.custom_op(
    "ranvier::lif_sequence_backward",
    mutates_args=(),
    schema=f"({_PROBLEM}, Tensor kept_v, Tensor? kept_left, Tensor? kept_threshold, Tensor? grad_spikes, Tensor? grad_v, "
    "Tensor? grad_threshold, bool wants_x, bool wants_noise, int learn) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
)
def lif_sequence_backward(*arguments: Any) -> tuple[Tensor, ...]:
    """Gradients of x `[T, M]`, of the first v and threshold `[M]`, of noise `[T, M]` and of the parameters `[8, P]`."""
    problem, others = LIFProblem(*arguments[:_FIELDS]), arguments[_FIELDS:]
    results = _kernels(problem.x).backward(problem, others[:3], Incoming(*others[3:6]), Wanted(*others[6:]))
    return tuple(problem.x.new_empty(0) if one is None else one for one in results)


def _kernels(x: Tensor) -> Any:
    return native if x.device.type == "cpu" else triton


@lif_sequence.register_fake
def _(*arguments: Any) -> tuple[Tensor, ...]:
    problem, (v, left, threshold, _, keep) = LIFProblem(*arguments[:_FIELDS]), arguments[_FIELDS:]
    x, rows = problem.x, problem.kept_rows if keep else 0
    types = (x.dtype, torch.int32, x.dtype)

    def like(*shape: int) -> list[Tensor]:
        there = ((0,) if s is None else shape for s in (v, left, threshold))
        return [x.new_empty(one, dtype=dtype) for one, dtype in zip(there, types, strict=True)]

    return x.new_empty(x.shape), *like(x.shape[1]), *like(rows, x.shape[1])


@lif_sequence_backward.register_fake
def _(*arguments: Any) -> tuple[Tensor, ...]:
    problem, (wants_x, wants_noise, learn) = LIFProblem(*arguments[:_FIELDS]), arguments[-3:]
    x = problem.x
    elements = x.shape[1:]
    return (
        x.new_empty(x.shape if wants_x else (0,)),
        x.new_empty(elements),
        x.new_empty(elements if problem.adaptive else (0,)),
        x.new_empty(x.shape if wants_noise else (0,)),
        x.new_empty(problem.parameters.shape if learn else (0,)),
    )


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    ctx.set_materialize_grads(False)
    *tensors, left, threshold, learn, _ = (*inputs[:_TENSORS], *inputs[_FIELDS + 1 :])
    ctx.save_for_backward(*tensors, *output[4:])
    ctx.others, ctx.learn = inputs[_TENSORS:_FIELDS], learn
    ctx.has_left, ctx.has_threshold = left is not None, threshold is not None


def _backward(ctx: Any, *incoming: Tensor | None) -> tuple[Any, ...]:
    *tensors, kept_v, kept_left, kept_threshold = ctx.saved_tensors
    grad_spikes, grad_v, _, grad_threshold = incoming[:4]
    wants_x, wants_noise, *_ = ctx.needs_input_grad
    grad_x, grad_v, grad_threshold, grad_noise, grad_parameters = gradients(
        *tensors,
        *ctx.others,
        kept_v,
        kept_left if ctx.has_left else None,
        kept_threshold if ctx.has_threshold else None,
        grad_spikes,
        grad_v,
        grad_threshold if ctx.has_threshold else None,
        wants_x,
        wants_noise,
        ctx.learn,
    )
    return (
        grad_x if wants_x else None,
        grad_noise if wants_noise else None,
        None,
        grad_parameters if ctx.learn else None,
        *[None] * (_FIELDS - 4),
        grad_v,
        None,
        grad_threshold if ctx.has_threshold else None,
        None,
        None,
    )


lif_sequence.register_autograd(_backward, setup_context=_save)


# `torch.func` does not know the derivatives of operators, but those of functions: here is the same once more.


class _Sequence(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, ...]:
        return lif_sequence(*arguments)

    setup_context = staticmethod(_save)
    backward = staticmethod(_backward)


class _SequenceBackward(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(*arguments: Any) -> tuple[Tensor, ...]:
        return lif_sequence_backward(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is needed, for there is no second derivative."""

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise UnsupportedError("The fused LIF kernel has no second derivative. Use backend='reference'.")


def differentiable_lif_sequence(*arguments: Any) -> tuple[Tensor, ...]:
    """`lif_sequence` with a derivative that composes with everything: compilation, export, and the transforms of `torch.func`."""
    return lif_sequence(*arguments) if torch.compiler.is_compiling() else _Sequence.apply(*arguments)


def gradients(*arguments: Any) -> tuple[Tensor, ...]:
    return lif_sequence_backward(*arguments) if torch.compiler.is_compiling() else _SequenceBackward.apply(*arguments)


# A batch of problems is one problem with more columns: [T, M] and [P] become [T, M/P · batch · P] and [batch · P].


class _Fold:
    """Takes the batch axis of `vmap` into the elements of one larger problem, and out again."""

    def __init__(self, batch: int, period: int):
        self.batch, self.period = batch, period

    def tensor(self, x: Tensor | None, axis: int | None) -> Tensor | None:
        """[…, n·P] and a batch axis, or none, to […, n·batch·P]."""
        if x is None:
            return None
        x = x.unsqueeze(0).expand(self.batch, *x.shape) if axis is None else x.movedim(axis, 0)
        x = x.unflatten(-1, (-1, self.period)).movedim(0, -2)
        return x.flatten(-3)

    def back(self, x: Tensor) -> Tensor:
        """[…, n·batch·P] to [batch, …, n·P]."""
        return x.unflatten(-1, (-1, self.batch, self.period)).movedim(-2, 0).flatten(-2)

    def call(self, operator: Any, axes: tuple[Any, ...], arguments: tuple[Any, ...]) -> tuple[tuple[Tensor, ...], tuple[int | None, ...]]:
        folded = (self.tensor(x, axis) if isinstance(x, Tensor) else x for x, axis in zip(arguments, axes, strict=True))
        results = operator(*folded)
        absent = [x.shape == (0,) for x in results]
        return (
            tuple(x if empty else self.back(x) for x, empty in zip(results, absent, strict=True)),
            tuple(None if empty else 0 for empty in absent),
        )


def _vmap(operator: Any) -> Any:
    def batched(info: Any, axes: tuple[Any, ...], *arguments: Any) -> Any:
        place = LIFProblem._fields.index("parameters")
        parameters, axis = arguments[place], axes[place]
        period = parameters.shape[-1] if axis is None else parameters.movedim(axis, 0).shape[-1]
        return _Fold(info.batch_size, period).call(operator, axes, arguments)

    return batched


lif_sequence.register_vmap(_vmap(lif_sequence))
lif_sequence_backward.register_vmap(_vmap(lif_sequence_backward))
