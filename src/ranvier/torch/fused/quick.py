"""A whole sequence from rest where every parameter is a number: all but the tensors of a call is made once and kept.

What is left of a call is room for its results, PyTorch's own record of the derivative, and the loops. Other calls go through `lif.py`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ranvier.torch.functional import LIFState
from ranvier.torch.fused import direct, native
from ranvier.torch.fused.lif import prepared, unsupported
from ranvier.torch.fused.problem import Incoming, LIFProblem, Wanted, rows_of

LARGEST = 1 << 16
"""Neurons of a batch; above, the loops take so long that nothing else counts, and the start is not worth keeping."""

_plans: dict[Any, Any] = {}
_MOST = 256


def sequence(layer: Any, key: Any, x: Tensor, *given: Any) -> tuple[Tensor, Any] | None:
    """The output and the state after; None where this way is not for the layer or the input.

    Args:
        layer: one with a `_plan`.
        key: all that its coefficients and its first state are made of.
        x: what the layer is called with.
        given: what its plan takes beside x.
    """
    if torch.compiler.is_compiling() or type(x) is not Tensor or not direct.plain(x):
        return None
    if forward_ad._current_level >= 0 or not x.is_contiguous() or (x.ndim and x.stride(0) == 0):
        return None
    key = (key, x.shape, x.dtype)
    if key in _plans:
        plan = _plans[key]
    else:
        if len(_plans) >= _MOST:
            _plans.clear()
        plan = _plans[key] = _made(layer, x)
    return None if plan is None else plan(x, *given)


def _made(layer: Any, x: Tensor) -> Any:
    layer._check(x)
    if x.numel() == 0 or x[0].numel() > LARGEST or x.dtype not in (torch.float32, torch.float64):
        return None
    with torch.inference_mode(False), torch.no_grad():  # later calls may train
        return layer._plan(x)


def lif(x: Tensor, state: LIFState, **arguments: Any) -> Plan | None:
    """The plan of leaky integrate-and-fire neurons; arguments as of `fused.lif_sequence`."""
    return Plan(prepared(x, state, **arguments)[0], state) if unsupported(x, state, **arguments) is None else None


class Plan:
    """What calls have in common.

    Args:
        problem: of one of them.
        state: before the first step.
    """

    def __init__(self, problem: LIFProblem, state: LIFState):
        self.steps, self.of_step = len(problem.x), state.v.shape
        self.elements, self.kept_rows = state.v.numel(), problem.kept_rows
        self.others = problem[1:]
        self.state = (state.v, state.refractory, state.threshold)
        self.loops = native.sequence(problem, problem.parameters, self.steps, self.elements, problem.chunk)

    def __call__(self, x: Tensor) -> tuple[Tensor, LIFState]:
        results = _Sequence.apply(self, x) if x.requires_grad and torch.is_grad_enabled() else _forward(self, x, None)
        return results[0], LIFState(*results[1:])

    def problem(self, x: Tensor) -> LIFProblem:
        return LIFProblem(x, *self.others)


def _forward(plan: Plan, x: Tensor, kept: Any) -> tuple[Any, ...]:
    v, left, threshold = plan.state
    spikes, v = torch.empty_like(x), v.clone()
    left, threshold = None if left is None else left.clone(), None if threshold is None else threshold.clone()
    rows = (0, 0, 0) if kept is None else tuple(map(native.address, kept))
    plan.loops.forward(
        x.data_ptr(), plan.elements, 0, 0, v.data_ptr(), native.address(left), native.address(threshold), *rows, spikes.data_ptr(),
        torch.get_num_threads(),
    )  # fmt: skip
    return spikes, v, left, threshold


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, x: Tensor) -> tuple[Any, ...]:
        # The first state that is kept is the start, which there is.
        kept = None
        if plan.kept_rows > 1:
            kept = [None if one is None else one.new_empty((plan.kept_rows, plan.elements)) for one in plan.state]
        results = _forward(plan, x, kept)
        ctx.plan = plan
        ctx.save_for_backward(x, *(kept or ()))
        ctx.set_materialize_grads(False)
        if results[2] is not None:
            ctx.mark_non_differentiable(results[2])
        return results

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        plan: Plan = ctx.plan
        x, *kept = ctx.saved_tensors
        kept = kept or plan.state
        of_spikes, of_v, _, of_threshold = gradients
        if torch.is_grad_enabled():
            rows = [None if one is None else one.view(plan.kept_rows, plan.elements) for one in kept]
            incoming, wanted = Incoming(of_spikes, of_v, of_threshold), Wanted(True, False, 0)
            return None, direct.with_no_second_derivative(plan.problem(x), rows, incoming, wanted)[0].view(x.shape)
        of_x = torch.empty_like(x)
        of_spikes = None if of_spikes is None else rows_of(of_spikes)
        stride = 0 if of_spikes is None or len(of_spikes) < plan.steps else plan.elements
        of_v, of_threshold = native.copied(of_v), native.copied(of_threshold)
        surrogate, shape = plan.others[-3:-1]
        plan.loops.backward(
            x.data_ptr(), plan.elements, 0, 0, *map(native.address, kept), surrogate, *shape, native.address(of_spikes), stride,
            native.address(of_v), native.address(of_threshold), of_x.data_ptr(), 0, 0, 0, 0, torch.get_num_threads(),
        )  # fmt: skip
        return None, of_x
