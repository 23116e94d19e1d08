"""The C++ loops of `kernels/native/loops/lif_sequence.cc`, called with the addresses of tensors."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch import Tensor

from ranvier.kernels import native_available
from ranvier.torch.fused.problem import Incoming, LIFProblem, State, Wanted, new_gradients, new_results, rows_of

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
    """As `operator.lif_sequence`."""
    results = new_results(problem, state, keep)
    sequence, alive = _sequence(problem)
    call = getattr(_module(), "lif_forward_" + _TYPES[problem.x.dtype])
    spikes, *states = results
    call(sequence, *map(_address, (*states, spikes)), torch.get_num_threads())
    del alive
    return results


def backward(problem: LIFProblem, kept: State, incoming: Incoming, wanted: Wanted) -> tuple[Tensor, ...]:
    """As `operator.lif_sequence_backward`."""
    steps, elements = problem.x.shape
    grad_x, grad_v, grad_threshold, grad_noise, grad_parameters = gradients = new_gradients(problem, incoming, wanted)
    per_element = problem.x.new_empty((wanted.learnt.bit_count(), elements))
    spikes = None if incoming.spikes is None else rows_of(incoming.spikes)
    sequence, alive = _sequence(problem)
    call = getattr(_module(), "lif_backward_" + _TYPES[problem.x.dtype])
    call(
        sequence,
        *map(_address, kept),
        problem.surrogate,
        *problem.shape,
        _address(spikes),
        0 if spikes is None or len(spikes) < steps else elements,
        *map(_address, (grad_v, grad_threshold, grad_x, grad_noise, per_element, grad_parameters)),
        wanted.learnt,
        torch.get_num_threads(),
    )
    del alive
    return gradients


def _sequence(problem: LIFProblem) -> tuple[Any, tuple[Tensor | None, ...]]:
    """The arguments that both directions share, and the tensors that must outlive the call."""
    steps, elements = problem.x.shape
    x, parameters, refractory = rows_of(problem.x), problem.parameters.contiguous(), problem.refractory
    noise, uniform = (None if draws is None else draws.contiguous() for draws in (problem.noise, problem.uniform))
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
    """0 for one that is not there."""
    return 0 if tensor is None or tensor.numel() == 0 else tensor.data_ptr()


def _module() -> Any:
    return importlib.import_module("ranvier.kernels._native")
