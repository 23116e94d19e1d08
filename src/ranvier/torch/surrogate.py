"""Surrogate gradients: what stands in for the derivative of the spike, a step function, in the backward pass.

Forward, a spike is `1 where d >= 0 else 0` with `d` the distance to the
threshold. Backward, its derivative is replaced by `derivative(d)`, which is the
exact derivative of `smoothed(d)`.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from ranvier.errors import not_written
from ranvier.torch import arguments


class Surrogate:
    """Base of the surrogates: a frozen dataclass with a derivative and the function that it is the derivative of.

    Class attributes:
        formula: the derivative, in plain text.
        reference: the paper.

    Example:
        >>> d = torch.tensor([-0.1, 0.0, 0.2], requires_grad=True)
        >>> spikes = FastSigmoid(slope=10.0)(d)
        >>> spikes.tolist()
        [0.0, 1.0, 1.0]
        >>> spikes.sum().backward()
        >>> d.grad.round(decimals=3).tolist()
        [0.25, 1.0, 0.1110...]
    """

    formula: ClassVar[str]
    reference: ClassVar[str]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = arguments.number(arguments.SMALLEST)(f"{type(self).__name__}.{field.name}", getattr(self, field.name))
            object.__setattr__(self, field.name, value)

    def derivative(self, d: Tensor) -> Tensor:
        """What the backward pass uses for the derivative of the spike, in the shape of `d`."""
        raise not_written(self, Surrogate.derivative)

    def smoothed(self, d: Tensor) -> Tensor:
        """The smooth function whose derivative that is."""
        raise not_written(self, Surrogate.smoothed)

    def __call__(self, d: Tensor) -> Tensor:
        """Spikes: 1 where the distance to the threshold `d` is at least 0, else 0; NaN where it is NaN. In the dtype of `d`."""
        if not torch.compiler.is_compiling():
            arguments.tensor(f"{type(self).__name__}: d", d)
        return (_Spike if torch.compiler.is_compiling() else _DualSpike).apply(d, self)


class _Spike(torch.autograd.Function):
    """A step forward, the surrogate's derivative backward."""

    generate_vmap_rule = True

    @staticmethod
    def forward(d: Tensor, surrogate: Surrogate) -> Tensor:
        return torch.where(d.isnan(), d, (d >= 0).to(d.dtype))

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        d, ctx.surrogate = inputs
        ctx.save_for_backward(d)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (d,) = ctx.saved_tensors
        return grad * ctx.surrogate.derivative(d), None


class _DualSpike(_Spike):
    """With forward-mode derivatives too, which the compiler cannot trace."""

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _Spike.setup_context(ctx, inputs, output)
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def jvp(ctx: Any, tangent: Tensor, _: Any) -> Tensor:
        (d,) = ctx.saved_tensors
        return tangent * ctx.surrogate.derivative(d)


def _normal(d: Tensor, mean: float, deviation: float) -> Tensor:
    return torch.exp(-0.5 * ((d - mean) / deviation) ** 2) * (1 / (deviation * math.sqrt(2 * math.pi)))


def _normal_integral(d: Tensor, mean: float, deviation: float) -> Tensor:
    return 0.5 * (1 + torch.erf((d - mean) / (deviation * math.sqrt(2))))


@dataclasses.dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """The derivative of the fast sigmoid. Heavy tails: a neuron far from its threshold still learns.

    Args:
        slope: how narrow it is; the peak is 1 whatever the slope.
    """

    formula = "1 / (1 + slope·|d|)²"
    reference = "Zenke & Ganguli 2018, Neural Comput 30:1514"

    slope: float = 25.0

    def derivative(self, d: Tensor) -> Tensor:
        return 1 / (1 + self.slope * d.abs()) ** 2

    def smoothed(self, d: Tensor) -> Tensor:
        return d / (1 + self.slope * d.abs())


@dataclasses.dataclass(frozen=True)
class ArcTangent(Surrogate):
    """The derivative of an arc tangent that rises from 0 to 1.

    Args:
        slope: the derivative at the threshold is `slope / 2`.
    """

    formula = "(slope / 2) / (1 + (π/2 · slope · d)²)"
    reference = "Fang et al. 2021, ICCV, 2641"

    slope: float = 2.0

    def derivative(self, d: Tensor) -> Tensor:
        return (0.5 * self.slope) / (1 + ((0.5 * math.pi * self.slope) * d) ** 2)

    def smoothed(self, d: Tensor) -> Tensor:
        return torch.atan((0.5 * math.pi * self.slope) * d) / math.pi + 0.5


@dataclasses.dataclass(frozen=True)
class Triangle(Surrogate):
    """A triangle around the threshold, 0 beyond `width`.

    Args:
        height: its value at the threshold.
        width: half its base, in the unit of the membrane potential.
    """

    formula = "height · max(0, 1 − |d| / width)"
    reference = "Esser et al. 2016, PNAS 113:11441; Bellec et al. 2018, NeurIPS 31"

    height: float = 0.3
    width: float = 1.0

    def derivative(self, d: Tensor) -> Tensor:
        return self.height * torch.clamp(1 - d.abs() / self.width, min=0)

    def smoothed(self, d: Tensor) -> Tensor:
        near = torch.clamp(d, -self.width, self.width)
        return self.height * (near - near * near.abs() / (2 * self.width) + self.width / 2)


@dataclasses.dataclass(frozen=True)
class Gaussian(Surrogate):
    """A normal density: the smoothed spike is the probability of reaching the threshold with normal noise.

    Args:
        width: its standard deviation, in the unit of the membrane potential.
    """

    formula = "exp(−d² / (2·width²)) / (width·√(2π))"
    reference = "Yin, Corradi & Bohté 2020, ICONS"

    width: float = 0.5

    def derivative(self, d: Tensor) -> Tensor:
        return _normal(d, 0.0, self.width)

    def smoothed(self, d: Tensor) -> Tensor:
        return _normal_integral(d, 0.0, self.width)


@dataclasses.dataclass(frozen=True)
class StraightThrough(Surrogate):
    """The gradient passes as if the spike were the distance itself."""

    formula = "1"
    reference = "Bengio, Léonard & Courville 2013, arXiv:1308.3432"

    def derivative(self, d: Tensor) -> Tensor:
        return torch.ones_like(d)

    def smoothed(self, d: Tensor) -> Tensor:
        return d


@dataclasses.dataclass(frozen=True)
class MultiGaussian(Surrogate):
    """A Gaussian with a shallow negative one at each side.

    With N(d; μ, σ) the normal density.

    Args:
        width: the standard deviation of the middle one, and how far out the others' centres are.
        stretch: how many times wider the others are.
        weight: how deep the others are.
    """

    formula = "(1 + weight)·N(d; 0, width) − weight·N(d; width, stretch·width) − weight·N(d; −width, stretch·width)"
    reference = "Yin, Corradi & Bohté 2021, Nat Mach Intell 3:905"

    width: float = 0.5
    stretch: float = 6.0
    weight: float = 0.15

    def _combined(self, bell: Any, d: Tensor) -> Tensor:
        wide = self.stretch * self.width
        return (1 + self.weight) * bell(d, 0.0, self.width) - self.weight * (bell(d, self.width, wide) + bell(d, -self.width, wide))

    def derivative(self, d: Tensor) -> Tensor:
        return self._combined(_normal, d)

    def smoothed(self, d: Tensor) -> Tensor:
        return self._combined(_normal_integral, d)
