"""Synapses that come and go with the elements that neurons grow by their activity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ranvier.model import POSITIVE, component, parameter
from ranvier.plasticity.growth import GaussianGrowth, GrowthCurve
from ranvier.plasticity.structure import Rewiring, StructuralRule, Synapses
from ranvier.plasticity.traces import Trace


class SynapticElements(StructuralRule):
    """Neurons grow and lose elements of synapses by their calcium, and free elements meet at random.

    Each source has axonal elements and each target dendritic ones, which belong to this projection alone; a synapse takes one of either.
    A neuron that has lost more elements than are free loses synapses, drawn at random, whose other elements are free again; then all
    free ones are paired at random. Calcium and elements are recorded as `"outgoing calcium"` and `"outgoing elements"` of the sources,
    `"incoming calcium"` and `"incoming elements"` of the targets. Growth of an interval is by the calcium at its end.

    Args:
        every: time between two changes (ms).
        axonal, dendritic: how elements grow.
        calcium_per_spike, tau: what a spike leaves behind, and how long (ms). At a rate of *r* the calcium is `calcium_per_spike · r · tau`
            on average.
        elements: of each kind that a neuron has at the start, beside those in synapses.
        decay: the share of its free elements that a neuron loses at each change.
        autapses, multapses: whether a neuron may get a synapse with itself, and a pair several.

    Example:
        >>> rule = SynapticElements(dendritic=GaussianGrowth(target=0.1), axonal=GaussianGrowth(target=0.1))
        >>> rule.dendritic.target / (rule.calcium_per_spike * rule.tau) * 1000   # Hz
        10.0
    """

    equations = """a spike: Ca = Ca + calcium_per_spike;  dCa/dt = -Ca / tau
free = floor(z) - synapses;  where it is below 0 so many synapses go, then the free ones of both sides are paired at random"""
    reference = """Butz & van Ooyen 2013, PLoS Comput Biol 9:e1003259
Diaz-Pier, Naveau, Butz-Ostendorf & Morrison 2016, Front Neuroanat 10:57: as NEST has it, with multapses"""

    every: Any = parameter(100.0, "ms", POSITIVE, "time between two changes")
    axonal: GrowthCurve = component(GaussianGrowth())
    dendritic: GrowthCurve = component(GaussianGrowth())
    calcium_per_spike: Any = parameter(1e-3, "1", POSITIVE, "calcium that a spike brings", alias="beta")
    tau: Any = parameter(10_000.0, "ms", POSITIVE, "time constant of the calcium")
    elements: Any = parameter(0.0, "1", POSITIVE, "free elements at the start")
    decay: Any = parameter(0.0, "1", (0.0, 1.0), "share of the free elements that is lost at each change")
    autapses: bool = False
    multapses: bool = True

    def source_traces(self) -> Mapping[str, Trace]:
        return {"calcium": Trace(self.tau, jump=self.calcium_per_spike)}

    def target_traces(self) -> Mapping[str, Trace]:
        return {"calcium": Trace(self.tau, jump=self.calcium_per_spike)}

    def source_state(self) -> Mapping[str, float]:
        return {"elements": -1.0}  # less than none: they are counted at the first change

    def target_state(self) -> Mapping[str, float]:
        return {"elements": -1.0}

    def rewire(
        self,
        synapses: Synapses,
        source: Mapping[str, np.ndarray],
        target: Mapping[str, np.ndarray],
        draws: np.random.Generator,
        interval: float,
    ) -> Rewiring:
        axons = self._grown(source, self.axonal, synapses.out_degree, interval)
        dendrites = self._grown(target, self.dendritic, synapses.in_degree, interval)
        keep = np.ones(len(synapses), bool)
        for elements, ends in ((axons, synapses.pre), (dendrites, synapses.post)):
            keep &= ~_lost(np.floor(elements), ends, keep, draws)
        free = [
            np.floor(elements).astype(np.int64) - np.bincount(ends[keep], minlength=len(elements))
            for elements, ends in ((axons, synapses.pre), (dendrites, synapses.post))
        ]
        pre, post = (draws.permutation(np.repeat(np.arange(len(own)), np.maximum(own, 0))) for own in free)
        pairs = min(len(pre), len(post))
        pre, post = pre[:pairs], post[:pairs]
        fits = synapses.new_among(pre, post, keep, autapses=self.autapses, multapses=self.multapses)
        return Rewiring(keep, pre[fits], post[fits], outgoing={"elements": axons}, incoming={"elements": dendrites})

    def _grown(self, neuron: Mapping[str, np.ndarray], curve: GrowthCurve, degree: np.ndarray, interval: float) -> np.ndarray:
        elements = np.where(neuron["elements"] < 0, degree + float(self.elements), neuron["elements"])
        elements = elements - self.decay * np.maximum(np.floor(elements) - degree, 0)
        return np.maximum(elements + interval * curve.growth(neuron["calcium"]), 0)


def _lost(elements: np.ndarray, ends: np.ndarray, keep: np.ndarray, draws: np.random.Generator) -> np.ndarray:
    """Which of the synapses that stay go as their neuron has too few elements, drawn at random; bool `[synapses]`."""
    gone = np.zeros(len(ends), bool)
    some = draws.permutation(np.flatnonzero(keep))
    some = some[np.argsort(ends[some], kind="stable")]
    degree = np.bincount(ends[some], minlength=len(elements))
    rank = np.arange(len(some)) - (np.cumsum(degree) - degree)[ends[some]]
    gone[some] = rank < np.maximum(degree - elements, 0)[ends[some]]
    return gone
