"""How fast a neuron grows what synapses are made of, by the calcium that its spikes leave behind."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ranvier.errors import ParameterError, not_written
from ranvier.model import parameter
from ranvier.plasticity.numbers import OfProjection


class GrowthCurve(OfProjection):
    """Base of curves of growth."""

    rate: Any = parameter(1e-4, "1/ms", None, "fastest growth, in elements")

    def growth(self, calcium: np.ndarray) -> np.ndarray:
        """How fast elements grow, or are lost (1/ms), at each neuron."""
        raise not_written(self, GrowthCurve.growth)


class GaussianGrowth(GrowthCurve):
    """Elements grow where the calcium is between two values, fastest midway, and are lost below and above.

    Args:
        rate: the fastest growth (elements per ms).
        least, target: where nothing grows and nothing is lost, η and ε: below `least` too little goes on, above `target` too much.

    Example:
        >>> GaussianGrowth(rate=1e-3, least=0.0, target=0.1).growth(np.array([0.0, 0.05, 0.1, 0.5])).round(6).tolist()
        [0.0, 0.001, 0.0, -0.001]
    """

    equations = """dz/dt = rate * (2 * exp(-((Ca - xi) / zeta) ** 2) - 1)
xi = (least + target) / 2,  zeta = (target - least) / (2 * sqrt(ln 2))"""
    reference = "Butz & van Ooyen 2013, PLoS Comput Biol 9:e1003259, eq. 4"

    least: Any = parameter(0.0, "1", None, "calcium below which elements are lost", alias="eta")
    target: Any = parameter(0.05, "1", None, "calcium above which elements are lost", alias="epsilon")

    def check_parameters(self) -> None:
        if not self.target > self.least:
            raise ParameterError(
                f"GaussianGrowth: elements grow between least and target, but least = {self.least:g} is not below target = {self.target:g}."
            )

    def growth(self, calcium: np.ndarray) -> np.ndarray:
        middle, width = (self.least + self.target) / 2, (self.target - self.least) / (2 * math.sqrt(math.log(2)))
        return np.asarray(self.rate * (2 * np.exp(-(((calcium - middle) / width) ** 2)) - 1))


class LinearGrowth(GrowthCurve):
    """Elements grow the faster the less calcium there is, and are lost above the target.

    Args:
        rate: the growth without calcium (elements per ms).
        target: where nothing grows and nothing is lost.

    Example:
        >>> LinearGrowth(rate=1e-3, target=0.1).growth(np.array([0.0, 0.05, 0.1, 0.2])).round(6).tolist()
        [0.001, 0.0005, 0.0, -0.001]
    """

    equations = "dz/dt = rate * (1 - Ca / target)"
    reference = "Butz & van Ooyen 2013, PLoS Comput Biol 9:e1003259"

    target: Any = parameter(0.05, "1", (1e-12, math.inf), "calcium above which elements are lost", alias="epsilon")

    def growth(self, calcium: np.ndarray) -> np.ndarray:
        return np.asarray(self.rate * (1 - calcium / self.target))
