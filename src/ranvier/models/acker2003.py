"""Stellate cells of Acker, Kopell and White that excite each other into step."""

from __future__ import annotations

from typing import Any

from ranvier import doors
from ranvier.connect import all_to_all
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import Stellate
from ranvier.random import uniform
from ranvier.synapses import Cholinergic

CURRENT = -2.25  # µA/cm²: theta, 8 Hz
WEIGHT = 0.01  # mS/cm², from all others together


def _several(value: Any, what: str) -> int:
    return doors.count(value, what, low=2)


def _current(value: Any, what: str) -> float:
    return doors.number(value, what)


@doors.checked(n=_several, current=_current, weight=doors.not_negative)
def stellate_cells(n: int = 20, current: float = CURRENT, weight: float = WEIGHT) -> Network:
    """Stellate cells of the entorhinal cortex, all to all by fast excitation: they fire at theta, and fall into step.

    Args:
        n: cells.
        current: into each (µA/cm²). Near −2.5 their spikes begin, at a few Hz; −2.25 gives 8 Hz.
        weight: the conductance onto a cell when all receptors of all others are open (mS/cm²).

    Returns:
        A network with the population `"stellate"` and the projection `"ampa"`. Run it with `dt=0.05`.

    Source: Acker, Kopell & White 2003, J Comput Neurosci 15:71.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.stellate_cells(2), duration=500.0, dt=0.05)
        >>> bool((run["stellate"].spikes.counts >= 2).all())
        True
    """
    cells = Population(n, Stellate(), current=current, initial={"V": uniform(-80.0, -50.0), "h.slow": uniform(0.0, 0.3)}, name="stellate")
    receptor = Cholinergic(opening=1.1, closing=0.19, concentration=1.0, pulse=1.0, reversal=0.0)  # AMPA's kinetics
    return Network(cells, Projection(cells, cells, receptor, all_to_all(autapses=False), weight=weight / (n - 1), name="ampa"))
