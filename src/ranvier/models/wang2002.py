"""The cortical network of Wang that decides between two stimuli, slowly and for one of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ranvier import doors
from ranvier.connect import all_to_all
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.random import Key, uniform
from ranvier.stimuli import Steps
from ranvier.synapses import ExponentialConductance, SaturatingNMDA

EXCITATORY, INHIBITORY = 1600, 400
SELECTIVE = 0.15  # share of the excitatory neurons in each of the two pools
STRONGER = 1.7  # weights within a pool; those onto it from outside are weaker, so that the sum stays
DELAY = 0.5  # ms
OUTSIDE = 2400.0  # Hz, to each neuron
RESAMPLED = 50.0  # ms
NOISE = 4.0  # Hz
EXTERNAL, AMPA, NMDA, GABA = {"e": 2.1, "i": 1.62}, {"e": 0.05, "i": 0.04}, {"e": 0.165, "i": 0.13}, {"e": 1.3, "i": 1.0}  # nS


def _percent(value: Any, what: str) -> float:
    return doors.number(value, what, low=-100.0, high=100.0)


def _moment(value: Any, what: str) -> float:
    return doors.number(value, what, low=0.0, high=1e7)


@doors.checked(
    scale=checked_scale,
    coherence=_percent,
    stimulus=doors.not_negative,
    start=_moment,
    stop=_moment,
    seed=doors.seed,
)
def wang(
    scale: float = 1.0,
    *,
    coherence: float = 0.0,
    stimulus: float = 40.0,
    start: float = 500.0,
    stop: float = 1500.0,
    seed: int = 0,
) -> Network:
    """A network that decides: two pools hear a stimulus each, and after a second one of them fires and has silenced the other.

    Excitation is recurrent and slow, by NMDA receptors, so evidence is gathered over hundreds of milliseconds, and the
    decision stays when the stimulus is gone.

    Args:
        scale: the number of neurons as a share of 2000. Weights grow as it shrinks, so that each neuron hears as much; rates
            fluctuate more.
        coherence: of the stimulus in %: pool A hears `stimulus · (1 + coherence/100)`, B `stimulus · (1 − coherence/100)`.
        stimulus: the mean rate that is added to what the neurons of both pools hear from outside (Hz).
        start, stop: when it begins and ends (ms).
        seed: of the stimulus: every 50 ms its two rates are drawn anew, with a standard deviation of 4 Hz.

    Returns:
        A network with the populations `"A"`, `"B"` (the pools), `"others"` and `"inh"`. Run it with `dt=0.1`: Runge and Kutta's
        method, the default. (One that holds conductances over a step has 2 % more excitation at this step, and decides
        sooner.)
        Expect some 2 Hz (`"inh"`: 7 Hz) before the stimulus, and at its end 10 Hz or more in one pool.

    Source: Wang 2002, Neuron 36:955, after Brunel & Wang 2001, J Comput Neurosci 11:63.

    Example:
        >>> import ranvier as rv
        >>> net = rv.models.wang(scale=0.05, coherence=51.2, start=50.0, stop=100.0)
        >>> run = rv.simulate(net, duration=100.0, dt=0.1)
        >>> list(run.network.populations), len(run["inh"].spikes) > 0
        (['A', 'B', 'others', 'inh'], True)
    """
    pool = scaled(round(SELECTIVE * EXCITATORY), scale)
    sizes = {"A": pool, "B": pool, "others": max(1, scaled(EXCITATORY, scale) - 2 * pool), "inh": scaled(INHIBITORY, scale)}
    pyramidal = LeakyIntegrateAndFire(capacitance=500.0, leak=25.0, rest=-70.0, threshold=-50.0, reset_potential=-55.0, refractory=2.0)
    inter = LeakyIntegrateAndFire(capacitance=200.0, leak=20.0, rest=-70.0, threshold=-50.0, reset_potential=-55.0, refractory=1.0)
    cells = {n: Population(m, inter if n == "inh" else pyramidal, initial={"V": uniform(-70.0, -50.0)}, name=n) for n, m in sizes.items()}
    everywhere, kind = list(cells.values()), lambda name: "i" if name == "inh" else "e"
    ampa, gaba, nmda = ExponentialConductance(tau=2.0, reversal=0.0), ExponentialConductance(tau=5.0, reversal=-70.0), SaturatingNMDA()
    weaker = 1.0 - SELECTIVE * (STRONGER - 1.0) / (1.0 - SELECTIVE)
    share = EXCITATORY / (sizes["others"] + 2 * pool)

    def onto(source: str, each: dict[str, float], by: float) -> np.ndarray:
        """The weights onto all neurons, a column: those of a pool are stronger within it and weaker from outside."""

        def strength(target: str) -> float:
            if source == "inh" or target not in ("A", "B"):
                return 1.0
            return STRONGER if target == source else weaker

        return np.concatenate([np.full(n, by * each[kind(t)] * strength(t)) for t, n in sizes.items()])[:, None]

    wires = [
        Projection(cells[s], everywhere, synapse, all_to_all(), weight=onto(s, each, share), delay=DELAY, name=f"{what} from {s}")
        for what, synapse, each in (("AMPA", ampa, AMPA), ("NMDA", nmda, NMDA))
        for s in ("A", "B", "others")
    ]
    by = INHIBITORY / sizes["inh"]
    wires.append(Projection(cells["inh"], everywhere, gaba, all_to_all(), weight=onto("inh", GABA, by), delay=DELAY, name="GABA"))
    outside = [PoissonInput(cells[n], ampa, rate=OUTSIDE, weight=EXTERNAL[kind(n)], name=f"outside→{n}") for n in sizes]
    times = np.arange(start, stop, RESAMPLED)
    for name, sign in (("A", 1.0), ("B", -1.0)):
        drawn = Key(seed).child("stimulus").child(name).normal(len(times))
        heard = np.maximum(stimulus * (1.0 + sign * coherence / 100.0) + NOISE * drawn, 0.0)
        rate = Steps([*times, max(start, stop)], [*heard, 0.0])
        outside.append(PoissonInput(cells[name], ampa, rate=rate, weight=EXTERNAL["e"], name=f"stimulus→{name}"))
    return Network(*everywhere, *wires, *outside)
