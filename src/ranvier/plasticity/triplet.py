"""Spike-timing-dependent plasticity by triplets of spikes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from ranvier.model import POSITIVE, parameter
from ranvier.plasticity.base import Change, SumOfProducts
from ranvier.plasticity.pair import share_of
from ranvier.plasticity.traces import Trace


class TripletSTDP(SumOfProducts):
    """Pairs strengthen more the more often the target has just fired, and weaken more the more often the source has.

    The slow traces are those before the event's own spike. Amplitudes are shares of `high` where that is finite, else in the
    weight's unit. The default is the full model with all spikes, fitted to visual cortex.

    Args:
        pair_potentiation, pair_depression, triplet_potentiation, triplet_depression: A₂⁺, A₂⁻, A₃⁺, A₃⁻ of the paper.
        tau_plus, tau_minus, tau_x, tau_y: its time constants (ms).
        nearest: only the last spike of each side counts; with other parameters (`visual_cortex(nearest=True)`).

    Example:
        >>> TripletSTDP.hippocampal().tau_x
        946.0
    """

    equations = """an arrival: w = w - o1 * (A2_minus + A3_minus * r2);  r1 = r1 + 1;  r2 = r2 + 1
a spike of the target: w = w + r1 * (A2_plus + A3_plus * o2);  o1 = o1 + 1;  o2 = o2 + 1
dr1/dt = -r1 / tau_plus,  dr2/dt = -r2 / tau_x,  do1/dt = -o1 / tau_minus,  do2/dt = -o2 / tau_y"""
    reference = "Pfister & Gerstner 2006, J Neurosci 26:9673, equations 3 and 4, tables 3 and 4"
    excitatory_only: ClassVar[bool] = True

    pair_potentiation: Any = parameter(5e-10, "1", None, "A₂⁺")
    triplet_potentiation: Any = parameter(6.2e-3, "1", None, "A₃⁺")
    pair_depression: Any = parameter(7e-3, "1", None, "A₂⁻")
    triplet_depression: Any = parameter(2.3e-4, "1", None, "A₃⁻")
    tau_plus: Any = parameter(16.8, "ms", POSITIVE, "time constant of r1")
    tau_minus: Any = parameter(33.7, "ms", POSITIVE, "time constant of o1")
    tau_x: Any = parameter(101.0, "ms", POSITIVE, "time constant of r2")
    tau_y: Any = parameter(125.0, "ms", POSITIVE, "time constant of o2")
    nearest: bool = False

    @classmethod
    def visual_cortex(cls, nearest: bool = False, full: bool = True, **more: Any) -> TripletSTDP:
        """Fitted to Sjöström, Turrigiano & Nelson 2001 (table 3): the full model, or the minimal one."""
        return cls(**{**_named(_VISUAL_CORTEX[full, nearest]), "nearest": nearest, **more})

    @classmethod
    def hippocampal(cls, nearest: bool = False, full: bool = True, **more: Any) -> TripletSTDP:
        """Fitted to hippocampal cultures of Wang, Gerkin, Nauen & Bi 2005 (table 4): the full model, or the minimal one."""
        return cls(**{**_named(_HIPPOCAMPAL[full, nearest]), "nearest": nearest, **more})

    def pre_traces(self) -> Mapping[str, Trace]:
        return {"r1": Trace(self.tau_plus, nearest=self.nearest), "r2": Trace(self.tau_x, nearest=self.nearest)}

    def post_traces(self) -> Mapping[str, Trace]:
        return {"o1": Trace(self.tau_minus, nearest=self.nearest), "o2": Trace(self.tau_y, nearest=self.nearest)}

    def at_pre(self) -> Change:
        scale = share_of(self.high)
        return Change({(None, "o1"): -self.pair_depression * scale, ("r2", "o1"): -self.triplet_depression * scale})

    def at_post(self) -> Change:
        scale = share_of(self.high)
        return Change({("r1", None): self.pair_potentiation * scale, ("r1", "o2"): self.triplet_potentiation * scale})


def _named(values: tuple[float, ...]) -> dict[str, float]:
    names = ("pair_potentiation", "triplet_potentiation", "pair_depression", "triplet_depression", "tau_x", "tau_y")
    return dict(zip(names, values, strict=True))


# A₂⁺, A₃⁺, A₂⁻, A₃⁻, τx, τy by (full, nearest). A minimal model has no use for τx.
_VISUAL_CORTEX = {
    (True, False): (5e-10, 6.2e-3, 7e-3, 2.3e-4, 101.0, 125.0),
    (False, False): (0.0, 6.5e-3, 7.1e-3, 0.0, 101.0, 114.0),
    (True, True): (8.8e-11, 5.3e-2, 6.6e-3, 3.1e-3, 714.0, 40.0),
    (False, True): (0.0, 5e-2, 8e-3, 0.0, 714.0, 40.0),
}
_HIPPOCAMPAL = {
    (True, False): (6.1e-3, 6.7e-3, 1.6e-3, 1.4e-3, 946.0, 27.0),
    (False, False): (5.3e-3, 8e-3, 3.5e-3, 0.0, 946.0, 40.0),
    (True, True): (4.6e-3, 9.1e-3, 3e-3, 7.5e-9, 575.0, 47.0),
    (False, True): (4.6e-3, 9.1e-3, 3e-3, 0.0, 575.0, 48.0),
}
