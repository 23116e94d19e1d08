"""The same sequence on a GPU, in Triton: a program takes a block of neurons through all steps, their state in registers.

In the backward pass a program computes a chunk of steps again into a scratch of
its own, then goes back over it. Sums over the batch are PyTorch's.
"""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import torch
from torch import Tensor

from ranvier.torch.fused.problem import ROWS, Incoming, LIFProblem, State, Wanted, new_gradients, new_results, rows_of

HERE = importlib.util.find_spec("triton") is not None
"""Whether Triton is installed; PyTorch for CUDA brings it."""

if HERE:
    from ranvier.torch.fused.triton_kernels import backward_kernel, forward_kernel

BLOCK = 128
"""Neurons a program. Few, for there are as many programs as blocks, and a whole sequence in each."""


@torch.compiler.assume_constant_result
def missing() -> str | None:
    """Why the kernels cannot be used; None if they can."""
    return None if HERE else "Triton is not installed"


def forward(problem: LIFProblem, state: State, keep: bool) -> tuple[Tensor, ...]:
    """As `operator.lif_sequence`."""
    results = new_results(problem, state, keep)
    steps, elements = problem.x.shape
    operands, alive = _operands(problem)
    forward_kernel[(-(-elements // BLOCK),)](
        *operands,
        *results,
        steps,
        elements,
        **_features(problem),
        KEEP=keep,
        enable_fp_fusion=False,  # the reference rounds every product
    )
    del alive
    return results


def backward(problem: LIFProblem, kept: State, incoming: Incoming, wanted: Wanted) -> tuple[Tensor, ...]:
    """As `operator.lif_sequence_backward`."""
    gradients = new_gradients(problem, incoming, wanted)
    x, (steps, elements) = problem.x, problem.x.shape
    spikes = torch.zeros_like(x[:1]).expand(x.shape) if incoming.spikes is None else incoming.spikes
    spikes = rows_of(spikes)
    scratch = x.new_empty((5, min(steps, problem.chunk), elements))
    per_element = x.new_zeros((len(ROWS), elements) if wanted.learnt else (0,))
    operands, alive = _operands(problem)
    backward_kernel[(-(-elements // BLOCK),)](
        *operands,
        *(x if one is None else one for one in kept),
        spikes,
        0 if len(spikes) < steps else elements,
        scratch,
        *gradients[:4],
        per_element,
        steps,
        elements,
        **_features(problem),
        SURROGATE=problem.surrogate,
        DETACH=problem.detach_reset,
        WANTS_X=wanted.x,
        WANTS_NOISE=wanted.noise,
        LEARNS=wanted.learnt != 0,
        enable_fp_fusion=False,
    )
    del alive
    if wanted.learnt:
        gradients[4].copy_(per_element.view(len(ROWS), -1, problem.parameters.shape[1]).sum(1))
    return gradients


def _operands(problem: LIFProblem) -> tuple[tuple[Any, ...], tuple[Tensor, ...]]:
    x = rows_of(problem.x)
    noise, uniform = (x if draws is None else draws.contiguous() for draws in (problem.noise, problem.uniform))
    parameters = problem.parameters.contiguous()
    refractory = x if problem.refractory is None else problem.refractory.contiguous()
    # Not as numbers: Triton takes those in single precision.
    numbers = x.new_tensor([problem.threshold_min, problem.threshold_max, *problem.shape, math.pi, torch.finfo(x.dtype).max])
    stride = 0 if len(x) < len(problem.x) else x.shape[1]
    alive = (x, noise, uniform, parameters, refractory, numbers)
    return (x, stride, noise, uniform, parameters, refractory, parameters.shape[1], numbers), alive


def _features(problem: LIFProblem) -> dict[str, Any]:
    return {
        "WAITING": problem.refractory is not None,
        "ADAPTIVE": problem.adaptive,
        "STOCHASTIC": problem.uniform is not None,
        "NOISY": problem.noise is not None,
        "SUBTRACT": problem.by_subtraction,
        "CHUNK": problem.chunk,
        "BLOCK": BLOCK,
    }
