"""Where the random numbers of a scene come from: the engine's own streams."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from ranvier.random import Key


def of_cell(name: str, position: int, moving: int) -> dict[str, Any]:
    """The streams of one cell's spikes, of the noise in its current and of the noise of each moving variable.

    Args:
        name: of its population.
        position: of its population in the network.
        moving: how many variables it has that move.
    """
    if importlib.util.find_spec("ranvier.network.groups") is not None:  # streams by population
        stream = importlib.import_module("ranvier.network.groups").stream
        own = lambda what: {"stream": stream(name, what).stream, "index": 0}
    else:
        own = lambda what: {"stream": Key(0).child(what).stream, "index": position}
    diffusion = Key(0).child("integrator").child(f"['{name}']").stream
    return {
        "spikes": own("spikes"),
        "noise": own("current noise"),
        "diffusion": [{"stream": diffusion, "index": row} for row in range(moving)],
    }
