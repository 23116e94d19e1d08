"""What the engine keeps of a neuron's past for a rule."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError


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

    def __post_init__(self) -> None:
        check_tau("Trace.tau", self.tau)
        if not _is_traced(self.jump) and not _is_one(self.jump):
            raise ParameterError(f"Trace.jump is {self.jump!r}, but it must be one finite number: what a spike adds.")


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

    def __post_init__(self) -> None:
        check_tau("LowPass.tau", self.tau)


def check_tau(what: str, tau: Any) -> None:
    """Checks a time constant; one that is being differentiated is taken as it is.

    Raises:
        ParameterError: it is below 0 (what it is of would grow), or no number.
    """
    if not _is_traced(tau) and not (_is_one(tau, finite=False) and np.asarray(tau).item() >= 0):
        raise ParameterError(f"{what} is {tau!r}, but it must be one number of ms, at least 0; math.inf for what does not decay.")


def _is_traced(value: Any) -> bool:
    return isinstance(value, jax.core.Tracer) or type(value) is object  # JAX puts bare objects in the place of leaves


def _is_one(value: Any, finite: bool = True) -> bool:
    array = np.asarray(value)
    return array.ndim == 0 and array.dtype.kind in "iuf" and bool(np.isfinite(array) if finite else not np.isnan(array))
