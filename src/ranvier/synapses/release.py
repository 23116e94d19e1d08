"""The random release of transmitter."""

from __future__ import annotations

from ranvier import doors
from ranvier.model import Model, PerNeuron, parameter

MOST_SITES = 64


class VesicleRelease(Model):
    """Each spike that arrives at a synapse releases at random: from each of its sites one vesicle or none.

    The weight is what the synapse does when all `sites` release. So a spike brings `weight · k / sites`, where `k` is binomial: its
    mean is `weight · probability`, its variance `weight² · probability (1 − probability) / sites`.

    With short-term plasticity the probability is multiplied by the amplitude, `u x` of `TsodyksMarkram`. Each spike alone then has the
    distribution that it has where every site loses its vesicle and recovers at random; what it leaves to the next is the mean.

    The draws belong to the edge and the step. No other part, number of cores or of devices changes them.

    Example:
        >>> import ranvier as rv
        >>> source = rv.Population(1, rv.neurons.SpikeTimes([0.0, 10.0, 20.0, 30.0], [0, 0, 0, 0]), name="source")
        >>> cells = rv.Population(1000, rv.neurons.Passive(leak=0.0, capacitance=1.0), initial={"V": 0.0}, name="cells")
        >>> release = rv.synapses.VesicleRelease(sites=2, probability=0.3)
        >>> fibres = rv.Projection(source, cells, rv.synapses.Delta(), rv.connect.all_to_all(), weight=1.0, release=release)
        >>> V = rv.simulate(rv.Network(source, cells, fibres), duration=40.0, dt=0.1, seed=1).state.neurons["cells"]["V"]
        >>> bool(abs(V.mean() - 4 * 0.3) < 0.05), bool(abs(V.var() - 4 * 0.3 * 0.7 / 2) < 0.05)
        (True, True)
    """

    equations = "a spike that arrives brings weight * k / sites,  k is binomial of sites and probability * amplitude"
    reference = "del Castillo & Katz 1954, J Physiol 124:560"

    probability: PerNeuron = parameter(0.5, "1", (0.0, 1.0), "that one site releases at a spike; one number, or one an edge")
    sites: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "sites", doors.count(self.sites, "VesicleRelease.sites", low=1, high=MOST_SITES))
