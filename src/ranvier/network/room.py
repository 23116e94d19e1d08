"""What a network will take at the least, before any of it is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ranvier.memory import require_memory
from ranvier.network.facts import count_variables

BYTES_OF_COUPLED_EDGE = 48.0  # source, target, weight and delay as they are drawn, source and weight as they are summed
LOOKED_AT_FROM = 2**22  # neurons of one population


def require_room(populations: Mapping[str, Any]) -> None:
    """Refuses populations that there is no memory for.

    Args:
        populations: those of a network, by name.

    Raises:
        ParameterError: naming the largest.
    """
    large = {name: p for name, p in populations.items() if p.n >= LOOKED_AT_FROM}
    if not large:
        return
    # Each variable as it is drawn, in the state and in the loop's copy; the last spike in 64 and in 32 bits, and flags.
    needed = {name: p.n * (24.0 * count_variables(p.model) + 14.0) for name, p in large.items()}
    name = max(needed, key=lambda one: needed[one])
    require_memory(
        sum(needed.values()),
        f"The network, with {populations[name].n:.3g} neurons in {name},",
        "Fewer neurons take less; so does precision='single'.",
    )


def require_history(slots: int, n: int) -> None:
    """Refuses a history of spikes that there is no memory for.

    Args:
        slots: how many steps it holds.
        n: of how many sources.

    Raises:
        ParameterError: naming both.
    """
    # Who spiked, as the step holds it (int32) and as the state does (a flag, and the copy that a run begins with).
    require_memory(
        6.0 * slots * n,
        f"Spikes on their way, of {n:.3g} neurons for {slots} steps (the longest delay, up to the next power of two),",
        "Take shorter delays, or a longer dt.",
    )
