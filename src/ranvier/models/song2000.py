"""Song, Miller and Abbott's neuron, for which a thousand synapses compete."""

from __future__ import annotations

import numpy as np

from ranvier import doors
from ranvier.connect import all_to_all
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import InhomogeneousPoissonSource, LeakyIntegrateAndFire, PoissonSource
from ranvier.plasticity import PairSTDP
from ranvier.random import Key, uniform
from ranvier.stimuli import Sampled
from ranvier.synapses import ExponentialConductance

EXCITATORY, INHIBITORY = 1000, 200
INHIBITORY_RATE = 10.0  # Hz
LEAK = 10.0  # nS
STRONGEST, INHIBITION = 0.015 * LEAK, 0.05 * LEAK  # nS
DEPRESSION = 1.05  # of what strengthens
HELD = 20.0  # ms: how long a common fluctuation lasts
FLUCTUATIONS = 100_000


@doors.checked(rate=doors.positive, potentiation=doors.not_negative, correlation=doors.not_negative, seed=doors.seed)
def song_miller_abbott(*, rate: float = 20.0, potentiation: float = 0.005, correlation: float = 0.0, seed: int = 0) -> Network:
    """One neuron that hears a thousand excitatory inputs, whose synapses compete: most become weak, some as strong as they may.

    Args:
        rate: of each excitatory input (Hz).
        potentiation: the largest strengthening by a pair, as a share of the strongest weight (A₊); weakening is 1.05 times that.
        correlation: how much the rate of half of the inputs fluctuates together: its standard deviation as a share of it.
            A new value comes every 20 ms. Then these inputs are the population `"together"`.
        seed: the fluctuations are drawn from this.

    Returns:
        A network with the populations `"apart"` (and `"together"`), `"inh"` and `"cell"`; the projections `"apart→cell"`
        (and `"together→cell"`) learn. Run it with `dt=0.25` and `rv.ExponentialEuler()`. Expect, after some 300 s, more than
        60 % of the weights within a tenth of an edge, and with a correlation of 0.5 the strong ones among those that fire together.

    Source: Song, Miller & Abbott 2000, Nat Neurosci 3:919.

    Example:
        >>> import ranvier as rv
        >>> net = rv.models.song_miller_abbott()
        >>> run = rv.simulate(net, duration=500.0, dt=0.25, seed=1, integrator=rv.ExponentialEuler())
        >>> edges = run.edges("apart→cell")
        >>> len(edges), bool((edges.weight <= 0.15).all())
        (1000, True)
    """
    cell = LeakyIntegrateAndFire(capacitance=20.0 * LEAK, leak=LEAK, rest=-70.0, threshold=-54.0, reset_potential=-60.0, refractory=0.0)
    target = Population(1, cell, name="cell")
    inh = Population(INHIBITORY, PoissonSource(INHIBITORY_RATE), name="inh")
    inputs = [Population(EXCITATORY if correlation == 0 else EXCITATORY // 2, PoissonSource(rate), name="apart")]
    if correlation > 0:
        common = Key(seed).child("song_miller_abbott").normal(FLUCTUATIONS)
        together = InhomogeneousPoissonSource(Sampled(rate * np.maximum(1.0 + correlation * common, 0.0), every=HELD))
        inputs.append(Population(EXCITATORY // 2, together, name="together"))
    rule = PairSTDP(high=STRONGEST, potentiation=potentiation, depression=DEPRESSION * potentiation)
    excitation, inhibition = ExponentialConductance(tau=5.0, reversal=0.0), ExponentialConductance(tau=5.0, reversal=-70.0)
    return Network(
        *inputs,
        inh,
        target,
        *(
            Projection(
                source, target, excitation, all_to_all(), weight=uniform(0.0, STRONGEST), plasticity=rule, name=f"{source.name}→cell"
            )
            for source in inputs
        ),
        Projection(inh, target, inhibition, all_to_all(), weight=INHIBITION, name="inh→cell"),
    )
