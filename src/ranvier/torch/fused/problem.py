"""What the fused kernels are given: flat tensors, parameters in rows, flags."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

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
