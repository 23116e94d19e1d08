"""The numbers of the networks that learn, the same for all who run them. Imports nobody.

The first is Brunel's (2000) with excitatory synapses among excitatory neurons
that learn by pairs or by triplets. With fewer inputs a neuron their weights are
larger, so that fluctuations stay. The second is that of Vogels et al. (2011),
whose inhibitory synapses learn to keep excitatory neurons at a rate.
"""

import dataclasses

TAU, THRESHOLD, RESET, REFRACTORY, DELAY = 20.0, 20.0, 10.0, 2.0, 1.5  # ms, mV
G, ETA = 5.0, 1.5
SHARE_OF_BOUND = 0.5  # of a weight at the start


@dataclasses.dataclass(frozen=True)
class Brunel:
    """Sizes, in-degrees, the weight (mV) and the drive's rate in all (Hz)."""

    n_e: int
    n_i: int
    c_e: int
    c_i: int
    weight: float
    drive: float

    @property
    def high(self) -> float:
        """The upper bound of the weights."""
        return self.weight / SHARE_OF_BOUND


def brunel(neurons: int) -> Brunel:
    n_e = neurons * 4 // 5
    c_e = min(1000, n_e // 8)
    weight = 0.1 * (1000 / c_e) ** 0.5
    return Brunel(n_e, neurons - n_e, c_e, c_e // 4, weight, 1000.0 * ETA * THRESHOLD / (weight * TAU))


# As shares of the upper bound; ms.
PAIR = {"potentiation": 1e-3, "depression": 1.05e-3, "tau_plus": 20.0, "tau_minus": 20.0}
TRIPLET = {
    "pair_potentiation": 5e-4,
    "triplet_potentiation": 5e-4,
    "pair_depression": 1e-3,
    "triplet_depression": 1e-4,
    "tau_plus": 16.8,
    "tau_minus": 33.7,
    "tau_x": 101.0,
    "tau_y": 125.0,
}

# Vogels et al.: ms, mV, pF, nS, pA, Hz
VOGELS = {"C": 200.0, "leak": 10.0, "rest": -60.0, "threshold": -50.0, "refractory": 5.0, "current": 200.0}
VOGELS_TAU_E, VOGELS_TAU_I, VOGELS_INHIBITION = 5.0, 10.0, -80.0
VOGELS_CONNECTED, VOGELS_EXCITATORY, VOGELS_INHIBITORY = 0.02, 0.3, 3.0
LEARNING_RATE, TARGET_RATE, TAU_STDP = 0.01, 3.0, 20.0
