"""Weights that stay as they are."""

from __future__ import annotations

import math
from typing import Any

from ranvier.model import INPUT, parameter
from ranvier.plasticity.base import SumOfProducts


class FixedWeights(SumOfProducts):
    """No spike changes a weight: what a projection has whose synapses come and go (`structure=`) and that learns by no other rule.

    Example:
        >>> FixedWeights().at_pre() is None
        True
    """

    equations = "dw/dt = 0"

    low: Any = parameter(-math.inf, INPUT, None, "lowest weight")
