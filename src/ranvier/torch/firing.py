"""Stochastic firing."""

from __future__ import annotations

from typing import Any

from ranvier.torch import arguments
from ranvier.torch.arguments import checked
from ranvier.torch.ranged import Parametrised


class SigmoidFiring(Parametrised):
    """A spike in a step has the probability `sigmoid(slope · (v − threshold))`: escape noise.

    The gradient of a spike is that of its probability.

    Args:
        slope: how sharp the threshold is (per unit of the potential); large values come near to a fixed threshold.
        learn: whether the slope is learnt (it stays positive).

    Reference: Gerstner et al. 2014, Neuronal Dynamics, chapter 9.

    Example:
        >>> import torch, ranvier.torch as rt
        >>> layer = rt.LIF(1000, firing=rt.SigmoidFiring(slope=5.0), generator=torch.Generator().manual_seed(0))
        >>> spikes, _ = layer(torch.zeros(100, 1000))
        >>> round(spikes.mean().item(), 3)          # sigmoid(-5) = 0.0067
        0.007
    """

    learnable = ("slope",)

    @checked(slope=arguments.value, learn=arguments.flag)
    def __init__(self, slope: Any = 5.0, *, learn: bool = False):
        super().__init__()
        self._begin(learn=("slope",) if learn else ())
        self.slope = self._ranged("slope", slope, low=0.0)
