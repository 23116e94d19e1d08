"""What the engine keeps of a neuron's past for a rule."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Trace:
    """What a neuron's spikes leave behind: it decays exactly, and a spike adds to it.

    Attributes:
        tau: time constant (ms).
        jump: what a spike adds.
        nearest: a spike sets the trace to `jump` instead, so that only the last one counts.

    Example:
        >>> Trace(20.0)
        Trace(tau=20.0, jump=1.0, nearest=False)
    """

    tau: Any
    jump: Any = 1.0
    nearest: bool = False


@dataclasses.dataclass(frozen=True)
class LowPass:
    """A variable of the target, averaged over the past with weights that fall off exponentially: `tau du/dt = V − u`.

    Attributes:
        variable: which variable of the target neuron.
        tau: time constant (ms).

    Example:
        >>> LowPass("V", 10.0)
        LowPass(variable='V', tau=10.0)
    """

    variable: str
    tau: Any
