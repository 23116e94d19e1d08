"""Where the random numbers of a scene come from: the engine's own streams."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ranvier.network.groups import stream


def of_cell(name: str, moving: Sequence[str]) -> dict[str, Any]:
    """The streams of one cell's spikes, of the noise in its current and of the noise of each moving variable.

    Args:
        name: of its population.
        moving: its variables that have a derivative.
    """
    own = lambda what: stream(name, what).stream
    return {"spikes": own("spikes"), "noise": own("current noise"), "diffusion": [own(f"noise {v}") for v in moving]}
