"""The ready-made models by name: what `ranvier models` lists and `ranvier run NAME` runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from ranvier.errors import ParameterError, unknown
from ranvier.models.antennal_lobe import antennal_lobe
from ranvier.network.spec import Network
from ranvier.record import Record


@dataclasses.dataclass(frozen=True)
class ReadyMade:
    """A published network with the settings it is usually run with.

    Attributes:
        name: what it is called, as in `ranvier.models`.
        title: what its report is headed.
        summary: one line.
        make: makes the network; takes `seed` and what `switches` set.
        duration, dt: how long and in what steps (ms).
        record: from the network to what is recorded of it.
        aliases: other names.
        switches: the command line's switches that it knows, and the arguments of `make` they stand for.
        source: the paper.
    """

    name: str
    title: str
    summary: str
    make: Callable[..., Network]
    duration: float
    dt: float
    record: Callable[[Network], list[Record]]
    aliases: tuple[str, ...] = ()
    switches: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
    source: str = ""

    def network(self, seed: int = 0, *switches: str) -> Network:
        """The network drawn from `seed`.

        Raises:
            ParameterError: it has no such switch.
        """
        options: dict[str, Any] = {}
        for switch in switches:
            if switch not in self.switches:
                known = f"it knows {', '.join('--' + s for s in self.switches)}" if self.switches else "it has none"
                raise ParameterError(f"--{switch} means nothing to {self.name}: {known}.")
            options.update(self.switches[switch])
        return self.make(seed=seed, **options)


CATALOGUE: tuple[ReadyMade, ...] = (
    ReadyMade(
        name="antennal_lobe",
        aliases=("locust",),
        title="The locust antennal lobe",
        summary="The locust antennal lobe: 90 projection and 30 local neurons smell an odor for half a second.",
        make=antennal_lobe,
        duration=1000.0,
        dt=0.01,
        record=lambda network: [
            Record("PN", "V", every=0.5),
            Record("LN", ["V", "calcium.concentration"], every=0.5),
        ],
        switches={"no-gaba": {"gaba": False}},
        source="Mohanta & Assisi 2019 (PSST), Day 6, after Bazhenov et al. 2001, Neuron 30:553 and 569",
    ),
)


def find(name: str) -> ReadyMade:
    """The ready-made model of that name or alias.

    Raises:
        UnknownNameError: there is none; the nearest names are offered.

    Example:
        >>> find("locust").name
        'antennal_lobe'
    """
    wanted = name.lower().replace("-", "_")
    known = {word: entry for entry in CATALOGUE for word in (entry.name, *entry.aliases)}
    if wanted not in known:
        raise unknown("model", name, known)
    return known[wanted]
