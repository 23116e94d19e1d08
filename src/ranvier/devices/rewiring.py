"""Edges that come and go, where their targets lie on several devices.

A rule of structural plasticity sees all synapses of its projection. So every process knows which there are, for its rule to
be asked with the same draws; the arrays that are stepped with hold those of each device alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from ranvier.devices.shards import Shards
from ranvier.network.constants import Constants
from ranvier.network.draw import Drawn
from ranvier.network.learning import WEIGHT
from ranvier.network.rewiring import Rewirer, Wired
from ranvier.network.state import SimulationState
from ranvier.network.transfer import WIRING, Outside, Wiring


@dataclasses.dataclass(frozen=True, eq=False)
class WiredShares:
    """What changes where edges do, beside the state.

    Attributes:
        shards: the network.
        constants, outsides: of each share that is here.
    """

    shards: Shards
    constants: Mapping[int, Constants]
    outsides: Mapping[int, Outside]


class RewirerOnDevices:
    """What changes the edges of a run on several devices.

    Args:
        shards: the network.
        drawn: it, drawn.
        each: what changes the edges of each share that is here.
    """

    def __init__(self, shards: Shards, drawn: Drawn, each: Mapping[int, Rewirer]):
        targets = {name: sum(t.n for t in p.targets) for name, p in shards.net.projections.items()}
        self._plan = dataclasses.replace(
            shards.whole, plastic=tuple(dataclasses.replace(p, n=targets[p.name]) for p in shards.whole.plastic)
        )
        self._each = each
        self._whole = each[shards.here[0]].of_whole(self._plan, drawn)

    @property
    def periods(self) -> tuple[int, ...]:
        """As of a `Rewirer`."""
        return self._whole.periods

    def due(self, k: int) -> bool:
        """Whether edges change at step `k`."""
        return self._whole.due(k)

    def changed(self, wired: WiredShares, state: SimulationState, k: int) -> SimulationState:
        """The state of the whole network, in the user's order, after what is due at step `k`.

        Raises:
            ParameterError: a rule gives what cannot be.
        """
        constants = wired.constants[wired.shards.here[0]].plastic
        return self._whole.of_state(self._plan, state, {name: float(own.sign) for name, own in constants.items()}, k)

    def laid_out(self, wired: WiredShares, state: SimulationState) -> WiredShares:
        """The shares with the edges that a state of the whole has."""
        shards, constants, outsides = wired.shards, dict(wired.constants), dict(wired.outsides)
        plan, same = shards.plan, True
        for p in shards.plan.plastic:
            if p.structure is None:
                continue
            own = state.synapses[p.name]
            wiring = Wiring(*(np.asarray(own[name], np.int32) for name in WIRING))
            known = outsides[shards.here[0]].wirings[p.name]
            if all(np.array_equal(getattr(wiring, name), getattr(known, name)) for name in WIRING):
                continue
            same = False
            most = max(len(share.edges(p.name, wiring.post)) for share in shards.shares)
            for i, rewirer in self._each.items():
                rewirer.make_room(p.name, most, p.n)
                plan, constants[i], outsides[i] = rewirer.with_edges(
                    Wired(plan, constants[i], outsides[i]), p, wiring, np.asarray(own[WEIGHT])
                )
        return wired if same else WiredShares(shards if plan is shards.plan else shards.with_plan(plan), constants, outsides)


def rewirer_of(shards: Shards, drawn: Drawn) -> RewirerOnDevices | None:
    """What changes the edges of a run, where any come and go."""
    own = shards.of(drawn)
    each = {i: rewirer for i, layout in shards.layouts.items() if (rewirer := layout.rewirer(own[i])) is not None}
    return RewirerOnDevices(shards, drawn, each) if each else None
