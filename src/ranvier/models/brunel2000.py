"""Brunel's sparsely connected network of excitatory and inhibitory neurons."""

from __future__ import annotations

from ranvier import doors
from ranvier.connect import fixed_in_degree
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, PoissonInput, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.synapses import Delta

EXCITATORY, INHIBITORY = 10_000, 2_500
FROM_EXCITATORY, FROM_INHIBITORY = 1_000, 250
JUMP = 0.1  # mV
DELAY = 1.5  # ms
TIME_CONSTANT, THRESHOLD, RESET, REFRACTORY = 20.0, 20.0, 10.0, 2.0  # ms, mV, mV, ms

REGIMES = {"A": (3.0, 2.0), "B": (6.0, 4.0), "C": (5.0, 2.0), "D": (4.5, 0.9)}
"""Relative strength of the inhibition `g`, and drive in units of what reaches the threshold, of the paper's figure 8."""


@doors.checked(
    regime=doors.one_of(*REGIMES), scale=checked_scale, g=doors.optional(doors.not_negative), drive=doors.optional(doors.not_negative)
)
def brunel(regime: str = "C", *, scale: float = 1.0, g: float | None = None, drive: float | None = None) -> Network:
    """Sparsely connected integrate-and-fire neurons under a Poisson drive: four kinds of activity.

    Args:
        regime: `"A"` synchronous and regular (g = 3, drive 2), `"B"` synchronous and
            irregular with a fast rhythm (6, 4), `"C"` asynchronous and irregular
            (5, 2), `"D"` synchronous and irregular with a slow rhythm (4.5, 0.9).
        scale: the number of neurons as a share of the published 12 500. Each keeps
            its 1000 excitatory and 250 inhibitory inputs, so that below 1 neurons
            share more of them, and above the network is sparser.
        g: how much stronger an inhibitory spike is; the regime's when left out.
        drive: the rate of the Poisson spikes, in units of that which brings a neuron
            to the threshold on average (10 Hz from each of 1000 sources); the regime's when left out.

    Returns:
        A network with the populations `"exc"` and `"inh"`. Run it with `dt=0.1`; it
        is linear, so it is advanced exactly. Expect 37.9 Hz in regime C, about
        56 Hz in B, 6.5 Hz in D.

    Potentials are from rest (0 mV), the threshold at 20 mV. As in the paper, an
    input may be drawn twice; unlike there, a neuron may be drawn as its own input.

    Source: Brunel 2000, J Comput Neurosci 8:183, model A.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.brunel("C", scale=0.1), duration=30.0, dt=0.1, seed=1)
        >>> run.spikes.n, len(run.spikes) > 200
        (1250, True)
    """
    g, drive = (own if given is None else given for given, own in zip((g, drive), REGIMES[regime], strict=True))
    cell = LeakyIntegrateAndFire(
        capacitance=10.0 * TIME_CONSTANT, leak=10.0, rest=0.0, threshold=THRESHOLD, reset_potential=RESET, refractory=REFRACTORY
    )
    exc = Population(scaled(EXCITATORY, scale), cell, name="exc")
    inh = Population(scaled(INHIBITORY, scale), cell, name="inh")
    everyone, kick = [exc, inh], Delta()
    threshold_rate = 1000.0 * THRESHOLD / (JUMP * FROM_EXCITATORY * TIME_CONSTANT)  # Hz
    return Network(
        exc,
        inh,
        Projection(exc, everyone, kick, fixed_in_degree(FROM_EXCITATORY), weight=JUMP, delay=DELAY, name="excitation"),
        Projection(inh, everyone, kick, fixed_in_degree(FROM_INHIBITORY), weight=-g * JUMP, delay=DELAY, name="inhibition"),
        PoissonInput(everyone, kick, rate=drive * threshold_rate, sources=FROM_EXCITATORY, weight=JUMP, name="drive"),
    )
