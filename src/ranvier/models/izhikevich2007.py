"""Izhikevich's distal reward: one synapse of many is rewarded, seconds after it did its work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from ranvier import doors
from ranvier.connect import all_to_all
from ranvier.errors import unknown
from ranvier.model import POSITIVE, parameter
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire, PoissonSource
from ranvier.plasticity import Modulator, RewardModulatedSTDP
from ranvier.synapses import ExponentialCurrent

RATE = 2.0  # Hz
WEIGHT, STRONGEST = 150.0, 600.0  # pA
DRIVE, DRIVE_RATE = 150.0, 60.0  # pA, Hz
LEARNING, RATIO = 60.0, 1.8  # pA; weakening by strengthening: synapses that do nothing for a spike weaken
WAITING = 64  # rewards on their way at once, at most
GOLDEN = 0.6180339887498949  # its multiples fill the unit interval evenly


class RewardForPairs(Modulator):
    """A reward some seconds after each time that one source's spike is followed by one of the target's.

    Args:
        source, target: the populations' names, of which the first neuron is meant.
        within: how soon the target must fire (ms).
        shortest, longest: how long the reward is on its way (ms): each time another share of the span. The paper has 1000 and 3000.
        amount: what a reward adds to the dopamine.

    Example:
        >>> RewardForPairs(shortest=1000.0, longest=3000.0).within
        10.0
    """

    reference = "Izhikevich 2007, Cereb Cortex 17:2443, figure 1"

    source: str = "inputs"
    target: str = "cell"
    within: Any = parameter(10.0, "ms", POSITIVE, "how soon the target must fire")
    shortest: Any = parameter(500.0, "ms", POSITIVE, "shortest way of a reward")
    longest: Any = parameter(1500.0, "ms", POSITIVE, "longest way of a reward")
    amount: Any = parameter(0.5, "1", None, "what a reward adds to the dopamine")

    def check_parameters(self) -> None:
        super().check_parameters()
        doors.text(self.source, "RewardForPairs.source")
        doors.text(self.target, "RewardForPairs.target")

    def memory(self) -> Mapping[str, jax.Array]:
        never = jnp.asarray(-1e9, jnp.float32)
        return {"last": never, "due": jnp.full(WAITING, 1e9, jnp.float32), "pairs": jnp.zeros((), jnp.int32)}

    def release(
        self, memory: Mapping[str, jax.Array], spiked: Mapping[str, jax.Array], t: jax.Array
    ) -> tuple[Mapping[str, jax.Array], Any]:
        for name in (self.source, self.target):
            if name not in spiked:
                raise unknown("population", name, spiked)
        now = t.astype(jnp.float32)
        last = jnp.where(spiked[self.source][0], now, memory["last"])
        pair = spiked[self.target][0] & (now - last <= self.within)
        due = memory["due"]
        given = due <= now
        due = jnp.where(given, 1e9, due).astype(jnp.float32)
        share = memory["pairs"] * GOLDEN
        share = share - jnp.floor(share)
        when = now + self.shortest + (self.longest - self.shortest) * share
        place = jnp.mod(memory["pairs"], WAITING)
        due = jnp.where(pair & (jnp.arange(WAITING) == place), when, due).astype(jnp.float32)
        return {"last": last, "due": due, "pairs": memory["pairs"] + pair.astype(jnp.int32)}, self.amount * given.sum()


@doors.checked(synapses=doors.at_least(1), amount=doors.not_negative)
def distal_reward(synapses: int = 50, *, amount: float = 0.5) -> Network:
    """A neuron with many inputs, one of which is rewarded when its spike is followed by the neuron's own: seconds later.

    Args:
        synapses: how many inputs there are. The first is the one that is rewarded.
        amount: what each reward adds to the dopamine; 0 for none.

    Returns:
        A network with the populations `"inputs"` and `"cell"`; the projection `"inputs→cell"` learns. Run it with `dt=1`.
        Expect the first synapse to reach its bound of 600 pA within five minutes, and the others to be a quarter as strong on average.

    The rule and the dopamine are the paper's. Its network of 1000 neurons, in which one synapse of 80 000 is rewarded
    for an hour, is one neuron here, and rewards come after half a second to one and a half, where the paper has 1 to 3 s.

    Source: Izhikevich 2007, Cereb Cortex 17:2443.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.distal_reward(), duration=1000.0, dt=1.0, seed=1)
        >>> len(run.edges("inputs→cell"))
        50
    """
    inputs = Population(synapses, PoissonSource(RATE), name="inputs")
    model = LeakyIntegrateAndFire(capacitance=200.0, leak=10.0, rest=-70.0, threshold=-54.0, reset_potential=-70.0, refractory=2.0)
    cell = Population(1, model, name="cell")
    synapse = ExponentialCurrent(tau=5.0)
    rule = RewardModulatedSTDP(reward=RewardForPairs(amount=amount), high=STRONGEST, potentiation=LEARNING, depression=RATIO * LEARNING)
    return Network(
        inputs,
        cell,
        Projection(inputs, cell, synapse, all_to_all(), weight=WEIGHT, plasticity=rule, name="inputs→cell"),
        PoissonInput(cell, synapse, rate=DRIVE_RATE, weight=DRIVE, name="drive"),
    )
