"""The C++ loops of `kernels/native/loops/lif_sequence.cc`, called with the addresses of tensors."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from ranvier.kernels import native_available
from ranvier.torch.fused.problem import ROWS, LIFProblem

_TYPES = {torch.float32: "f32", torch.float64: "f64"}


@torch.compiler.assume_constant_result
def missing() -> str | None:
    """Why the loops cannot be used; None if they can."""
    if not native_available():
        return "Ranvier's native module is not there (RANVIER_KERNELS=native says why)"
    if not hasattr(_module(), "lif_forward_f32"):
        return "Ranvier's native module is older than this version: install it again"
    return None


def forward(problem: LIFProblem, v: Tensor, left: Tensor | None, threshold: Tensor | None, keep: bool) -> tuple[Tensor, ...]:
    """As `operator.lif_sequence`, with `left` and `threshold` None where neurons have none."""
    steps, elements = problem.x.shape
    rows = problem.kept_rows if keep else 0
    state, kept = [], []
    for of_state in (v, left, threshold):
        # A copy, for it is updated in place.
        state.append(None if of_state is None else of_state.clone(memory_format=torch.contiguous_format))
        kept.append(None if of_state is None else of_state.new_empty((rows, elements)))
    spikes = problem.x.new_empty((steps, elements))
    sequence, alive = _sequence(problem)
    call = getattr(_module(), "lif_forward_" + _TYPES[problem.x.dtype])
    # An empty tensor's address is 0: nothing is kept.
    call(sequence, *map(_address, (*state, *kept, spikes)), torch.get_num_threads())
    del alive
    types = (problem.x.dtype, torch.int32, problem.x.dtype) * 2
    return (spikes, *(torch.empty(0, dtype=dtype) if x is None else x for x, dtype in zip(state + kept, types, strict=True)))


def backward(
    problem: LIFProblem,
    kept: tuple[Tensor, Tensor | None, Tensor | None],
    grad_spikes: Tensor | None,
    grad_v: Tensor | None,
    grad_threshold: Tensor | None,
    wants: tuple[bool, bool],
    learn: int,
) -> tuple[Tensor, ...]:
    """As `operator.lif_sequence_backward`."""
    x = problem.x
    steps, elements = x.shape
    grad_v = x.new_zeros(elements) if grad_v is None else grad_v.clone(memory_format=torch.contiguous_format)
    if grad_threshold is None:
        grad_threshold = x.new_zeros(elements if problem.adaptive else 0)
    else:
        grad_threshold = grad_threshold.clone(memory_format=torch.contiguous_format)
    grad_x, grad_noise = (x.new_empty((steps, elements)) if wanted else x.new_empty(0) for wanted in wants)
    per_element = x.new_empty((learn.bit_count(), elements)) if learn else x.new_empty(0)
    grad_parameters = torch.zeros_like(problem.parameters) if learn else x.new_empty(0)
    incoming = None if grad_spikes is None else rows_of(grad_spikes)
    sequence, alive = _sequence(problem)
    call = getattr(_module(), "lif_backward_" + _TYPES[x.dtype])
    call(
        sequence,
        *map(_address, kept),
        problem.surrogate,
        *problem.shape,
        _address(incoming),
        0 if incoming is None or len(incoming) < steps else elements,
        *map(_address, (grad_v, grad_threshold, grad_x, grad_noise, per_element, grad_parameters)),
        learn,
        torch.get_num_threads(),
    )
    del alive
    return grad_x, grad_v, grad_threshold, grad_noise, grad_parameters


def rows_of(x: Tensor) -> Tensor:
    """`x` [T, M] contiguous, or its one row [1, M] where all steps share it: a constant input, the gradient of a count."""
    return (x[:1] if x.stride(0) == 0 else x).contiguous()


def _sequence(problem: LIFProblem) -> tuple[Any, tuple[Tensor | None, ...]]:
    """The arguments that both directions share, and the tensors that must outlive the call."""
    steps, elements = problem.x.shape
    x, parameters, refractory = rows_of(problem.x), problem.parameters.contiguous(), problem.refractory
    noise, uniform = (None if draws is None else draws.contiguous() for draws in (problem.noise, problem.uniform))
    assert parameters.shape == (len(ROWS), parameters.shape[1])
    sequence = getattr(_module(), "LifSequence_" + _TYPES[x.dtype])(
        steps,
        elements,
        parameters.shape[1],
        _address(x),
        0 if len(x) < steps else elements,
        *map(_address, (noise, uniform, parameters, refractory)),
        problem.adaptive,
        problem.by_subtraction,
        problem.detach_reset,
        problem.threshold_min,
        problem.threshold_max,
        problem.chunk,
    )
    return sequence, (x, noise, uniform, parameters)


def _address(tensor: Tensor | None) -> int:
    return 0 if tensor is None else tensor.data_ptr()


def _module() -> Any:
    return importlib.import_module("ranvier.kernels._native")
