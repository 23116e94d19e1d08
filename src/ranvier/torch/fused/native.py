"""The C++ loops of `kernels/native/loops/lif_sequence.cc`, called with the addresses of tensors."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import torch
from torch import Tensor

from ranvier.kernels import native_available
from ranvier.torch.fused.problem import Incoming, LIFProblem, State, Wanted, rows_of

_TYPES = {torch.float32: "f32", torch.float64: "f64"}


@torch.compiler.assume_constant_result
def missing() -> str | None:
    """Why the loops cannot be used; None if they can."""
    if not native_available():
        return "Ranvier's native module is not there (RANVIER_KERNELS=native says why)"
    if not hasattr(_module(), "lif_forward_f32"):
        return "Ranvier's native module is older than this version: install it again"
    return None


def forward(problem: LIFProblem, state: State, keep: bool) -> tuple[Tensor, ...]:
    """As `operator.lif_sequence`; x may have any shape `[T, …]`, and the state that of its steps."""
    x, (v, left, threshold) = problem.x, state
    rows, elements = problem.kept_rows if keep else 0, v.numel()
    spikes = torch.empty_like(x, memory_format=torch.contiguous_format)
    v, kept_v = _copy(v), x.new_empty((rows, elements))
    left, kept_left = _copied(left, x, torch.int32), x.new_empty((rows, elements) if left is not None else 0, dtype=torch.int32)
    threshold, kept_threshold = _copied(threshold, x, x.dtype), x.new_empty((rows, elements) if threshold is not None else 0)
    sequence, alive = _sequence(problem, elements)
    call = getattr(_module(), "lif_forward_" + _TYPES[x.dtype])
    results = (spikes, v, left, threshold, kept_v, kept_left, kept_threshold)
    call(sequence, *map(_address, results[1:]), spikes.data_ptr(), torch.get_num_threads())
    del alive
    return results


def _copied(tensor: Tensor | None, x: Tensor, dtype: torch.dtype) -> Tensor:
    return x.new_empty(0, dtype=dtype) if tensor is None else _copy(tensor)


def backward(problem: LIFProblem, kept: State, incoming: Incoming, wanted: Wanted) -> tuple[Tensor, ...]:
    """As `operator.lif_sequence_backward`; shapes as of `forward`."""
    x, steps = problem.x, len(problem.x)
    elements = kept[0].shape[1]
    of_x, of_noise = (torch.empty_like(x, memory_format=torch.contiguous_format) if one else x.new_empty(0) for one in (wanted.x, wanted.noise))
    of_v = x.new_zeros(elements) if incoming.v is None else _copy(incoming.v)
    none = x.new_zeros(elements if problem.adaptive else 0)
    of_threshold = none if incoming.threshold is None else _copy(incoming.threshold)
    of_parameters = torch.zeros_like(problem.parameters, memory_format=torch.contiguous_format) if wanted.learnt else x.new_empty(0)
    per_element = x.new_empty((wanted.learnt.bit_count(), elements) if wanted.learnt else 0)
    spikes = None if incoming.spikes is None else rows_of(incoming.spikes)
    sequence, alive = _sequence(problem, elements)
    call = getattr(_module(), "lif_backward_" + _TYPES[x.dtype])
    call(
        sequence,
        *map(_address, kept),
        problem.surrogate,
        *problem.shape,
        _address(spikes),
        0 if spikes is None or len(spikes) < steps else elements,
        *map(_address, (of_v, of_threshold, of_x, of_noise, per_element, of_parameters)),
        wanted.learnt,
        torch.get_num_threads(),
    )
    del alive
    return of_x, of_v, of_threshold, of_noise, of_parameters


def _sequence(problem: LIFProblem, elements: int) -> tuple[Any, tuple[Tensor | None, ...]]:
    """The arguments that both directions share, and the tensors that must outlive the call."""
    steps = len(problem.x)
    x, parameters, refractory = rows_of(problem.x), problem.parameters.contiguous(), problem.refractory
    noise = None if problem.noise is None else problem.noise.contiguous()
    uniform = None if problem.uniform is None else problem.uniform.contiguous()
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


def _copy(x: Tensor) -> Tensor:
    return x.clone(memory_format=torch.contiguous_format)


def _address(tensor: Tensor | None) -> int:
    """0 for one that is not there."""
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()


@functools.cache
def _module() -> Any:
    return importlib.import_module("ranvier.kernels._native")
