"""Izhikevich's network of a thousand spiking neurons."""

from __future__ import annotations

from ranvier import doors
from ranvier.connect import all_to_all
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import Izhikevich2003
from ranvier.random import Key, uniform
from ranvier.stimuli import WhiteNoise
from ranvier.synapses import StepCurrent

EXCITATORY, INHIBITORY = 800, 200


@doors.checked(seed=doors.seed)
def izhikevich(*, seed: int = 0) -> Network:
    """A thousand neurons of mixed kinds, all connected to all, under noise: rhythms of about 10 and about 40 Hz.

    The excitatory neurons lie between regular spiking and chattering, more of them
    near the first; the inhibitory ones between fast spiking and low-threshold spiking.

    Args:
        seed: where their parameters are drawn from.

    Returns:
        A network with the populations `"exc"` and `"inh"`. It is the published program
        when run with `dt=1.0` and `integrator=rv.SplitEuler()`: its noise is drawn once a
        ms, and a spike is a current of the ms after it. Expect some 7 500 spikes in a second.

    Source: Izhikevich 2003, IEEE Trans Neural Netw 14:1569, the program and figure 3.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.izhikevich(), duration=200.0, dt=1.0, integrator=rv.SplitEuler(), seed=1)
        >>> run.spikes.n, 500 < len(run.spikes) < 3000
        (1000, True)
    """
    key = Key(seed).child("izhikevich")
    mix = key.child("exc").uniform(EXCITATORY) ** 2
    exc = Population(EXCITATORY, Izhikevich2003(c=-65 + 15 * mix, d=8 - 6 * mix), current=WhiteNoise(intensity=5.0), name="exc")
    mix = key.child("inh").uniform(INHIBITORY)
    cells = Izhikevich2003(a=0.02 + 0.08 * mix, b=0.25 - 0.05 * mix, d=2.0)
    inh = Population(INHIBITORY, cells, current=WhiteNoise(intensity=2.0), name="inh")
    everyone, synapse = [exc, inh], StepCurrent()
    return Network(
        exc,
        inh,
        Projection(exc, everyone, synapse, all_to_all(), weight=uniform(0.0, 0.5), name="excitation"),
        Projection(inh, everyone, synapse, all_to_all(), weight=uniform(-1.0, 0.0), name="inhibition"),
    )
