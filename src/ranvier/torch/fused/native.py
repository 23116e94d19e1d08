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
    if not hasattr(_module(), "LearntRows_f32"):
        return "Ranvier's native module is older than this version: install it again"
    return None


def forward(problem: LIFProblem, state: State, keep: bool) -> tuple[Tensor | None, ...]:
    """As `operator.lif_sequence`, but None for what is not there; x may have any shape `[T, …]`, and the state that of its steps."""
    x, (v, left, threshold) = problem.x, state
    elements = v.numel()
    spikes = torch.empty_like(x, memory_format=torch.contiguous_format)
    v, left, threshold = v.clone(memory_format=torch.contiguous_format), copied(left), copied(threshold)
    kept_v = kept_left = kept_threshold = None
    if keep:
        rows = (problem.kept_rows, elements)
        kept_v = x.new_empty(rows)
        kept_left = None if left is None else x.new_empty(rows, dtype=torch.int32)
        kept_threshold = None if threshold is None else x.new_empty(rows)
    sequence, given, alive = _sequence(problem, elements)
    results = (v, left, threshold, kept_v, kept_left, kept_threshold)
    sequence.forward(*given, *map(address, results), spikes.data_ptr(), torch.get_num_threads())
    del alive
    return spikes, *results


def backward(problem: LIFProblem, kept: State, incoming: Incoming, wanted: Wanted) -> tuple[Tensor | None, ...]:
    """As `operator.lif_sequence_backward`, but None for what is not there; shapes as of `forward`."""
    x = problem.x
    steps, elements = x.shape[0], kept[0].shape[1]
    kept = (kept[0].contiguous(), contiguous(kept[1]), contiguous(kept[2]))
    of_x = torch.empty_like(x, memory_format=torch.contiguous_format) if wanted.x else None
    of_noise = torch.empty_like(x, memory_format=torch.contiguous_format) if wanted.noise else None
    of_v = x.new_zeros(elements) if incoming.v is None else copied(incoming.v)
    of_threshold = copied(incoming.threshold)
    if of_threshold is None and problem.adaptive:
        of_threshold = x.new_zeros(elements)
    of_parameters = per_element = None
    if wanted.learnt:
        of_parameters = torch.zeros_like(problem.parameters, memory_format=torch.contiguous_format)
        per_element = x.new_empty((wanted.learnt.bit_count(), elements))
    spikes = None if incoming.spikes is None else rows_of(incoming.spikes)
    sequence, given, alive = _sequence(problem, elements)
    sequence.backward(
        *given,
        *map(address, kept),
        problem.surrogate,
        *problem.shape,
        address(spikes),
        0 if spikes is None or spikes.shape[0] < steps else elements,
        *map(address, (of_v, of_threshold, of_x, of_noise, per_element, of_parameters)),
        wanted.learnt,
        torch.get_num_threads(),
    )
    del alive
    return of_x, of_v, of_threshold, of_noise, of_parameters


def _sequence(problem: LIFProblem, elements: int) -> tuple[Any, tuple[int, ...], tuple[Tensor | None, ...]]:
    """The loops of a problem, what both directions are given first, and the tensors that must outlive the call."""
    x, parameters, steps = rows_of(problem.x), problem.parameters.contiguous(), problem.x.shape[0]
    noise, uniform, refractory = contiguous(problem.noise), contiguous(problem.uniform), contiguous(problem.refractory)
    if refractory is not problem.refractory:  # `vmap` may give one number for many
        problem = problem._replace(refractory=refractory)
    given = (x.data_ptr(), 0 if x.shape[0] < steps else elements, address(noise), address(uniform))
    return sequence(problem, parameters, steps, elements, problem.chunk), given, (x, noise, uniform, parameters, refractory)


def sequence(problem: LIFProblem, parameters: Tensor, steps: int, elements: int, chunk: int) -> Any:
    """The loops over so many steps of so many neurons: an object of C++, which reads `parameters` and `problem.refractory` by address."""
    return _class(problem.parameters.dtype)(
        steps, elements, parameters.shape[1], parameters.data_ptr(), address(problem.refractory), problem.adaptive, problem.by_subtraction,
        problem.detach_reset, problem.threshold_min, problem.threshold_max, chunk,
    )  # fmt: skip


def recurrent_forward(
    problem: LIFProblem, parameters: Tensor, x: Tensor, output: Tensor, weight: Tensor, bias: Tensor | None, state: list[Any],
    kept: list[Any], driven: Tensor,
) -> Tensor:  # fmt: skip
    """The spikes of neurons that a matrix connects; `kernels/native/lif_recurrent.h` says what is what. The state goes on in place."""
    spikes, elements, n = torch.empty_like(driven), state[0].numel(), x.shape[-1]
    alive = (parameters.contiguous(), x.contiguous(), contiguous(problem.noise), contiguous(problem.uniform), output.contiguous(),
             weight.contiguous(), contiguous(bias))  # fmt: skip
    parameters, x, noise, uniform, output, weight, bias = alive
    sequence(problem, parameters, 1, elements, 1).recurrent_forward(
        x.shape[0], n, weight.data_ptr(), address(bias), x.data_ptr(), address(noise), address(uniform), *map(address, state),
        *map(address, kept), output.data_ptr(), driven.data_ptr(), spikes.data_ptr(),
    )  # fmt: skip
    del alive
    return spikes


def recurrent_backward(
    problem: LIFProblem, parameters: Tensor, driven: Tensor, output: Tensor, spikes: Tensor, weight: Tensor, kept: list[Any],
    incoming: Tensor | None, of_v: Tensor, of_threshold: Tensor | None, of_parameters: Tensor | None, learnt: int,
    wants_weight: bool, wants_bias: bool,
) -> tuple[Tensor, Tensor | None, Tensor | None]:  # fmt: skip
    """The gradients of what the neurons got, of the weights and of the bias; those of the last state and of the parameters in place."""
    steps, n, elements = driven.shape[0], driven.shape[-1], of_v.numel()
    of_driven = torch.empty_like(driven)
    of_weight = driven.new_empty((n, n)) if wants_weight else None
    of_bias = driven.new_empty(n) if wants_bias else None
    once = work = None
    if of_parameters is not None:
        once, work = torch.zeros_like(of_parameters), driven.new_empty((learnt.bit_count(), elements))
    given = None if incoming is None else rows_of(incoming)
    alive = (parameters.contiguous(), contiguous(problem.noise), contiguous(problem.uniform), weight.contiguous(), output.contiguous())
    parameters, noise, uniform, weight, output = alive
    sequence(problem, parameters, 1, elements, 1).recurrent_backward(
        steps, n, weight.data_ptr(), driven.data_ptr(), address(noise), address(uniform), *map(address, kept), problem.surrogate,
        *problem.shape, address(given), 0 if given is None or len(given) < steps else elements, of_v.data_ptr(), address(of_threshold),
        of_driven.data_ptr(), address(work), address(of_parameters), learnt, output.data_ptr(), spikes.data_ptr(), address(once),
        address(of_weight), address(of_bias),
    )  # fmt: skip
    del alive
    return of_driven, of_weight, of_bias


def learnt_rows(dtype: torch.dtype, period: int, steps: list[Any], rows: list[int], numbers: list[float]) -> Any:
    """The loops of `kernels/native/learnt.h`."""
    return getattr(_module(), "LearntRows_" + _TYPES[dtype])(period, steps, rows, numbers)


class Steps:
    """The loops over one step at a time of a sequence that lies in memory as a whole.

    Args:
        problem: all but the input.
        x: the input `[T, …]`, contiguous; it may be written before each step.
        parameters: the rows.
    """

    def __init__(self, problem: LIFProblem, x: Tensor, parameters: Tensor):
        self.problem, self.x = problem, x
        self.elements = x[0].numel()
        self.parameters, self.noise = parameters.contiguous(), contiguous(problem.noise)
        self.uniform = contiguous(problem.uniform)
        self.sequence = sequence(problem, self.parameters, 1, self.elements, 1)
        self.size = x.element_size()
        self.work = x.new_empty((len(self.parameters), self.elements))
        self.starts = (x.data_ptr(), address(self.noise), address(self.uniform))

    def _given(self, t: int) -> tuple[int, int, int, int]:
        offset = t * self.elements * self.size
        x, noise, uniform = (start + offset if start else 0 for start in self.starts)
        return x, 0, noise, uniform

    def _kept(self, kept: list[Any], row: int) -> list[int]:
        return [0 if one is None else one.data_ptr() + row * self.elements * one.element_size() for one in kept]

    def forward(self, t: int, state: list[Any], kept: list[Any], row: int, spikes: Tensor) -> None:
        """Step t: the state goes on, that before goes into a row of the kept ones."""
        self.sequence.forward(*self._given(t), *map(address, state), *self._kept(kept, row), spikes.data_ptr(), 1)

    def backward(
        self,
        t: int,
        kept: list[Any],
        incoming: Tensor,
        of_v: Tensor,
        of_threshold: Tensor | None,
        of_x: Tensor,
        of_parameters: Any,
        learnt: int,
    ) -> None:
        """Step t back."""
        p = self.problem
        self.sequence.backward(
            *self._given(t), *self._kept(kept, t), p.surrogate, *p.shape, incoming.data_ptr(), self.elements, of_v.data_ptr(),
            address(of_threshold), of_x.data_ptr(), 0, self.work.data_ptr(), address(of_parameters), learnt, 1,
        )  # fmt: skip


def contiguous(x: Tensor | None) -> Tensor | None:
    """The same, in one piece."""
    return None if x is None else x.contiguous()


def copied(x: Tensor | None) -> Tensor | None:
    """A contiguous copy."""
    return None if x is None else x.clone(memory_format=torch.contiguous_format)


def address(tensor: Tensor | None) -> int:
    """0 for one that is not there."""
    return 0 if tensor is None else tensor.data_ptr()


@functools.cache
def _class(dtype: torch.dtype) -> Any:
    return getattr(_module(), "LifSequence_" + _TYPES[dtype])


def _module() -> Any:
    return importlib.import_module("ranvier.kernels._native")


def module_file() -> str:
    """Where the native module lies."""
    return _module().__file__
