"""Stochastic firing."""

from __future__ import annotations

from typing import Any

from torch import nn

from ranvier.torch.ranged import Ranged


class SigmoidFiring(nn.Module):
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

    def __init__(self, slope: Any = 5.0, *, learn: bool = False):
        super().__init__()
        self.slope = Ranged("SigmoidFiring.slope", slope, low=0.0, learn=learn)
