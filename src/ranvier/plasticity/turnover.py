"""Weak synapses go, others come at random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ranvier.model import INPUT, POSITIVE, parameter
from ranvier.plasticity.structure import Rewiring, StructuralRule, Synapses


class Turnover(StructuralRule):
    """Synapses whose weight, whatever its sign, is below a bound go, and as many come between pairs drawn at random.

    With a rule of plasticity beside it, a network looks for the pairs that are worth a synapse. A pair that has one already, or a neuron
    and itself, gets none, and the next time tries again: the number of synapses stays about what it was.

    Args:
        every: time between two changes (ms).
        below: weights whose size is below it go.
        autapses, multapses: whether a neuron may get a synapse with itself, and a pair several.

    Example:
        >>> rule = Turnover(below=0.5, every=100.0)
        >>> synapses = Synapses(np.array([0, 1]), np.array([0, 0]), np.array([0.1, 2.0]), 2, 1, np.array([-1, -1]))
        >>> rule.rewire(synapses, {}, {"wanted": np.array([2.0])}, np.random.default_rng(1), 100.0).keep.tolist()
        [False, True]
    """

    equations = "size of w < below: the synapse goes, and one comes between two neurons drawn at random"
    reference = "Chklovskii, Mel & Svoboda 2004, Nature 431:782"

    below: Any = parameter(0.0, INPUT, POSITIVE, "bound below which synapses go")
    autapses: bool = False
    multapses: bool = False

    def target_state(self) -> Mapping[str, float]:
        return {"wanted": -1.0}  # how many a target is to have, less than none before it was counted

    def rewire(
        self,
        synapses: Synapses,
        source: Mapping[str, np.ndarray],
        target: Mapping[str, np.ndarray],
        draws: np.random.Generator,
        interval: float,
    ) -> Rewiring:
        keep = np.abs(synapses.weight) >= self.below
        wanted = np.where(target["wanted"] < 0, synapses.in_degree, target["wanted"])
        left = np.bincount(synapses.post[keep], minlength=synapses.targets)
        post = np.repeat(np.arange(synapses.targets), np.maximum(wanted - left, 0).astype(np.int64))
        pre = draws.integers(synapses.sources, size=len(post))
        fits = synapses.new_among(pre, post, keep, autapses=self.autapses, multapses=self.multapses)
        return Rewiring(keep, pre[fits], post[fits], incoming={"wanted": wanted})
