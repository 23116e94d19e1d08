"""Devices that are the cores of one processor: they share their memory, so that a network need not be cut for them.

To cut it costs them more than it saves where native kernels go through the steps: threads share each step then, and nothing is told to
anybody. Where XLA goes through the steps it uses one core, and a share a device is what gives work to the others.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import jax

from ranvier.devices.mesh import check_sizes
from ranvier.network.explain import Explanation
from ranvier.network.layout import Layout
from ranvier.simulation import GRID, Simulation

CUT = "RANVIER_CUT"
"""The environment's word for cutting every network, as other devices need it: `RANVIER_CUT=1`."""


class _ToBeCut(Exception):
    """XLA goes through the steps."""


def of_one_processor(devices: Sequence[jax.Device]) -> bool:
    """Whether devices are cores of this process's processor, and may have a network whole.

    Example:
        >>> import jax
        >>> of_one_processor(jax.devices("cpu"))
        True
    """
    return jax.process_count() == 1 and all(d.platform == "cpu" for d in devices) and os.environ.get(CUT, "0") != "1"


def whole(network: Any, devices: Sequence[jax.Device], *, spike_timing: str = GRID, **how: Any) -> Simulation | None:
    """A network that lies whole on the cores of a processor; None where it is better cut."""
    if spike_timing != GRID:
        return None
    check_sizes({name: p.n for name, p in network.populations.items()}, len(devices))
    try:
        made = SimulationOnCores(network, devices, **how)
    except _ToBeCut:
        return None
    return made if made.explain().native else None


class SimulationOnCores(Simulation):
    """A network that lies whole on several devices, which are cores of one processor."""

    def __init__(self, network: Any, devices: Sequence[jax.Device], **how: Any):
        self.devices = tuple(devices)
        super().__init__(network, device=devices[0], **how)

    def _laid_out(self, *args: Any, **kwargs: Any) -> Layout:
        layout = super()._laid_out(*args, **kwargs)
        if not all(group.native for group in layout.chosen.groups.values()):
            raise _ToBeCut  # before an edge is drawn
        return layout

    def explain(self) -> Explanation:
        told = f"on {len(self.devices)} devices that are cores of one processor: they have it whole, and threads share each step"
        return dataclasses.replace(super().explain(), on_cores=told)
