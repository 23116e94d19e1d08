"""What the fused kernels are given: flat tensors, parameters in rows, flags."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ranvier.errors import UnsupportedError
from ranvier.torch.surrogate import ArcTangent, FastSigmoid, Gaussian, MultiGaussian, StraightThrough, Surrogate, Triangle

ROWS = ("decay", "gain", "rest", "threshold", "reset", "threshold_decay", "threshold_jump", "slope")
"""The rows of the parameters, in the order of the enumeration in C++."""

SURROGATES: tuple[type[Surrogate], ...] = (FastSigmoid, ArcTangent, Triangle, Gaussian, StraightThrough, MultiGaussian)
"""The kernels know these by their place here."""

CHUNK = 32
"""The state is kept once in so many steps. Between them the backward pass computes it again, in the cache: that costs less
than writing and reading it, and a training step needs a thirtieth more memory than its inputs and outputs."""


class LIFProblem(NamedTuple):
    """Everything but the state.

    Attributes:
        x: input `[T, M]`.
        noise, uniform: `[T, M]` or None.
        parameters: `[8, P]`, one row for each of `ROWS`; they repeat every P elements. The row of reset holds
            `reset − threshold`, what a spike adds, where the reset is by subtraction and the threshold fixed.
        refractory: steps, int32 `[P]`; None without a refractory period.
        adaptive: whether there is a threshold in the state.
        surrogate: its place in `SURROGATES`; `shape`: three numbers, its fields.
        chunk: how many steps lie between two kept states.
    """

    x: Tensor
    noise: Tensor | None
    uniform: Tensor | None
    parameters: Tensor
    refractory: Tensor | None
    adaptive: bool
    by_subtraction: bool
    detach_reset: bool
    threshold_min: float
    threshold_max: float
    surrogate: int
    shape: list[float]
    chunk: int

    @property
    def kept_rows(self) -> int:
        """How many states are kept for the backward pass."""
        return -(-self.x.shape[0] // self.chunk)


State = tuple[Tensor, Tensor | None, Tensor | None]
"""v, left and threshold, flat; None for what the neurons do not have."""


class Incoming(NamedTuple):
    """Gradients of the spikes `[T, M]`, of the last v and of the last threshold `[M]`; None for zeros."""

    spikes: Tensor | None
    v: Tensor | None
    threshold: Tensor | None


class Wanted(NamedTuple):
    """Which gradients are wanted: of x, of noise, and a bit for each of `ROWS`."""

    x: bool
    noise: bool
    learnt: int


class Asked(NamedTuple):
    """Which gradients are wanted: of x, of the rows (a bit for each), of the state at the start, and of the other tensors."""

    x: bool
    rows: int
    start: bool
    given: Sequence[bool]


class Gradients(NamedTuple):
    """Of x, of the rows `[rows, period]`, of the state at the start, and of the other tensors that loops take."""

    x: Tensor | None
    rows: Tensor | None
    start: Sequence[Tensor | None]
    given: Sequence[Tensor | None] = ()


def rows_of(x: Tensor) -> Tensor:
    """`x` [T, M] contiguous, or its one row [1, M] where all steps share it: a constant input, the gradient of a count."""
    return (x[:1] if x.stride(0) == 0 else x).contiguous()


def new_results(problem: LIFProblem, state: State, keep: bool) -> tuple[Tensor, ...]:
    """Room for the spikes, copies of the state to go on from, and room for the kept states; empty where there is none."""
    x, rows = problem.x, problem.kept_rows if keep else 0
    kinds = [x.new_empty(0), x.new_empty(0, dtype=torch.int32), x.new_empty(0)]
    going_on = (_copy(one) if one is not None else kind for one, kind in zip(state, kinds, strict=True))
    kept = (kind.new_empty((rows, x.shape[1]) if one is not None else (0,)) for one, kind in zip(state, kinds, strict=True))
    return torch.empty_like(x, memory_format=torch.contiguous_format), *going_on, *kept


def new_gradients(problem: LIFProblem, incoming: Incoming, wanted: Wanted) -> tuple[Tensor, ...]:
    """Room for the gradients of x, v, threshold, noise and parameters; those of v and threshold start as the last state's."""
    x = problem.x
    of_x, of_noise = (x.new_empty(x.shape if one else (0,)) for one in (wanted.x, wanted.noise))
    of_v = x.new_zeros(x.shape[1]) if incoming.v is None else _copy(incoming.v)
    none = x.new_zeros(x.shape[1] if problem.adaptive else 0)
    of_threshold = none if incoming.threshold is None else _copy(incoming.threshold)
    of_parameters = torch.zeros_like(problem.parameters, memory_format=torch.contiguous_format) if wanted.learnt else x.new_empty(0)
    return of_x, of_v, of_threshold, of_noise, of_parameters


def _copy(x: Tensor) -> Tensor:
    return x.clone(memory_format=torch.contiguous_format)


def without_second_derivative(backward: Callable[..., Any]) -> Callable[..., Any]:
    """The backward pass of a function; where a graph of the gradients is asked for, it refuses to be differentiated."""

    @functools.wraps(backward)
    def run(ctx: Any, *incoming: Tensor | None) -> Any:
        if not torch.is_grad_enabled():
            return backward(ctx, *incoming)
        with torch.no_grad():
            gradients = backward(ctx, *incoming)
        return _Refusing.apply(torch.zeros((), requires_grad=True), *gradients)

    return run


class _Refusing(torch.autograd.Function):
    """What it is given, whose derivative there is not."""

    @staticmethod
    def forward(ctx: Any, graph: Tensor, *gradients: Tensor | None) -> tuple[Any, ...]:
        return tuple(None if one is None else one.detach() for one in gradients)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        raise UnsupportedError(
            "A fused sequence has no second derivative. Go through it step by step (`layer.cell`), or use backend='reference'."
        )
