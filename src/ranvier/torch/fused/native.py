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


def forward(problem: LIFProblem, state: State, keep: bool) -> tuple[Tensor | None, ...]:
    """As `operator.lif_sequence`, but None for what is not there; x may have any shape `[T, …]`, and the state that of its steps."""
    x, (v, left, threshold) = problem.x, state
    elements = v.numel()
    spikes = torch.empty_like(x, memory_format=torch.contiguous_format)
    v, left, threshold = v.clone(memory_format=torch.contiguous_format), _copy(left), _copy(threshold)
    kept_v = kept_left = kept_threshold = None
    if keep:
        rows = (problem.kept_rows, elements)
        kept_v = x.new_empty(rows)
        kept_left = None if left is None else x.new_empty(rows, dtype=torch.int32)
        kept_threshold = None if threshold is None else x.new_empty(rows)
    sequence, alive = _sequence(problem, elements)
    results = (v, left, threshold, kept_v, kept_left, kept_threshold)
    forward, _ = _loops(x.dtype)[1:]
    forward(sequence, *map(_address, results), spikes.data_ptr(), torch.get_num_threads())
    del alive
    return spikes, *results


def backward(problem: LIFProblem, kept: State, incoming: Incoming, wanted: Wanted) -> tuple[Tensor | None, ...]:
    """As `operator.lif_sequence_backward`, but None for what is not there; shapes as of `forward`."""
    x = problem.x
    steps, elements = x.shape[0], kept[0].shape[1]
    of_x = torch.empty_like(x, memory_format=torch.contiguous_format) if wanted.x else None
    of_noise = torch.empty_like(x, memory_format=torch.contiguous_format) if wanted.noise else None
    of_v = x.new_zeros(elements) if incoming.v is None else _copy(incoming.v)
    of_threshold = _copy(incoming.threshold)
    if of_threshold is None and problem.adaptive:
        of_threshold = x.new_zeros(elements)
    of_parameters = per_element = None
    if wanted.learnt:
        of_parameters = torch.zeros_like(problem.parameters, memory_format=torch.contiguous_format)
        per_element = x.new_empty((wanted.learnt.bit_count(), elements))
    spikes = None if incoming.spikes is None else rows_of(incoming.spikes)
    sequence, alive = _sequence(problem, elements)
    _, backward = _loops(x.dtype)[1:]
    backward(
        sequence,
        *map(_address, kept),
        problem.surrogate,
        *problem.shape,
        _address(spikes),
        0 if spikes is None or spikes.shape[0] < steps else elements,
        *map(_address, (of_v, of_threshold, of_x, of_noise, per_element, of_parameters)),
        wanted.learnt,
        torch.get_num_threads(),
    )
    del alive
    return of_x, of_v, of_threshold, of_noise, of_parameters


def _sequence(problem: LIFProblem, elements: int) -> tuple[Any, tuple[Tensor | None, ...]]:
    """The arguments that both directions share, and the tensors that must outlive the call."""
    x, parameters, steps = rows_of(problem.x), problem.parameters.contiguous(), problem.x.shape[0]
    noise = None if problem.noise is None else problem.noise.contiguous()
    uniform = None if problem.uniform is None else problem.uniform.contiguous()
    sequence = _loops(x.dtype)[0](
        steps,
        elements,
        parameters.shape[1],
        x.data_ptr(),
        0 if x.shape[0] < steps else elements,
        _address(noise),
        _address(uniform),
        parameters.data_ptr(),
        _address(problem.refractory),
        problem.adaptive,
        problem.by_subtraction,
        problem.detach_reset,
        problem.threshold_min,
        problem.threshold_max,
        problem.chunk,
    )
    return sequence, (x, noise, uniform, parameters)


def _copy(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.clone(memory_format=torch.contiguous_format)


def _address(tensor: Tensor | None) -> int:
    """0 for one that is not there."""
    return 0 if tensor is None else tensor.data_ptr()


@functools.cache
def _loops(dtype: torch.dtype) -> tuple[Any, Any, Any]:
    """The class of a sequence, and the functions forward and backward."""
    module = _module()
    return tuple(getattr(module, name + _TYPES[dtype]) for name in ("LifSequence_", "lif_forward_", "lif_backward_"))


def _module() -> Any:
    return importlib.import_module("ranvier.kernels._native")


def module_file() -> str:
    """Where the native module lies."""
    return _module().__file__
