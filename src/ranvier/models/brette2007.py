"""Three networks that simulators are compared by: CUBA, COBA and COBAHH."""

from __future__ import annotations

from typing import Any

from ranvier import doors
from ranvier.connect import pairwise_bernoulli
from ranvier.errors import ParameterError
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire, TraubMiles
from ranvier.neurons.base import NeuronModel
from ranvier.random import normal, uniform
from ranvier.synapses import ExponentialConductance, ExponentialCurrent
from ranvier.synapses.base import SynapseModel

EXCITATORY, INHIBITORY = 3200, 800
PROBABILITY = 0.02
AREA = 2e-4  # cm²: 20 000 µm²
LEAK = 10.0  # nS


@doors.checked(scale=checked_scale)
def cuba(scale: float = 1.0) -> Network:
    """CUBA: integrate-and-fire neurons whose synapses are currents; irregular firing that keeps itself up.

    Args:
        scale: the number of neurons as a share of the published 4000. Each keeps
            80 inputs on average: the probability of a connection is 0.02/scale.

    Returns:
        A network with the populations `"exc"` and `"inh"`. Run it with `dt=0.1`; it
        is linear, so it is advanced exactly. Expect 4.5 to 6.5 Hz, and a
        coefficient of variation of the intervals between spikes about 0.5.

    The paper's weights are in mV (1.62 and −9); here they are currents, that is
    times the leak of 10 nS. Spikes arrive at the end of the step they happen in.

    Source: Brette et al. 2007, J Comput Neurosci 23:349, benchmark 2, after
    Vogels & Abbott 2005; initial potentials as in Brian's example.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.cuba(scale=0.1), duration=50.0, dt=0.1, seed=1)
        >>> run.spikes.n, len(run.spikes) > 50
        (400, True)
    """
    cell = LeakyIntegrateAndFire(capacitance=200.0, leak=LEAK, rest=-49.0, threshold=-50.0, reset_potential=-60.0, refractory=5.0)
    excitation, inhibition = ExponentialCurrent(tau=5.0), ExponentialCurrent(tau=10.0)
    weights = (1.62 * LEAK, -9.0 * LEAK)
    return balanced(scale, cell, uniform(-60.0, -50.0), excitation, inhibition, weights)


@doors.checked(scale=checked_scale)
def coba(scale: float = 1.0) -> Network:
    """COBA: integrate-and-fire neurons whose synapses are conductances; bursty irregular firing that keeps itself up.

    Args:
        scale: the number of neurons as a share of the published 4000. Each keeps
            80 inputs on average: the probability of a connection is 0.02/scale.

    Returns:
        A network with the populations `"exc"` and `"inh"`. Run it with `dt=0.1` and
        `rv.ExponentialEuler()`. Expect 17 to 22 Hz, as the network drawn has it, and a coefficient of
        variation of the intervals between spikes about 1.65.

    From rest the network stays silent. The conductances at the start, which set
    it going, are those of Brian's example; the paper stimulates for 50 ms instead.
    Spikes arrive at the end of the step they happen in.

    Source: Brette et al. 2007, J Comput Neurosci 23:349, benchmark 1, after
    Vogels & Abbott 2005.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.coba(scale=0.1), duration=50.0, dt=0.1, seed=1, integrator=rv.ExponentialEuler())
        >>> run.spikes.n, len(run.spikes) > 50
        (400, True)
    """
    cell = LeakyIntegrateAndFire(capacitance=200.0, leak=LEAK, rest=-60.0, threshold=-50.0, reset_potential=-60.0, refractory=5.0)
    return _conductance_based(scale, cell, per=1.0)


@doors.checked(scale=checked_scale)
def cobahh(scale: float = 1.0) -> Network:
    """COBAHH: Hodgkin–Huxley neurons of Traub & Miles whose synapses are conductances.

    Args:
        scale: the number of neurons as a share of the published 4000. Each keeps
            80 inputs on average: the probability of a connection is 0.02/scale.

    Returns:
        A network with the populations `"exc"` and `"inh"`. Run it with `dt=0.1` and
        `rv.ExponentialEuler()`. Expect 30 to 44 Hz between 0.3 and 0.8 s, as the
        network drawn has it.

    Conductances are per area of the paper's cell of 20 000 µm² (6 nS are 0.03
    mS/cm²). A spike is an upward crossing of −20 mV; Brian's example counts
    potentials above −20 mV, at most one in 3 ms, which is the same for spikes that
    last less. The start is that of its example; the paper stimulates for 50 ms instead.

    Source: Brette et al. 2007, J Comput Neurosci 23:349, benchmark 3; Traub &
    Miles 1991.

    Example:
        >>> import ranvier as rv
        >>> run = rv.simulate(rv.models.cobahh(scale=0.05), duration=50.0, dt=0.1, seed=1, integrator=rv.ExponentialEuler())
        >>> run.spikes.n, len(run.spikes) > 50
        (200, True)
    """
    return _conductance_based(scale, TraubMiles(threshold=-20.0), per=AREA * 1e6)


def _conductance_based(scale: float, cell: NeuronModel, per: float) -> Network:
    """COBA's synapses and start; a conductance is given in nS, divided by `per`."""
    return balanced(
        scale,
        cell,
        normal(-65.0, 5.0),
        ExponentialConductance(tau=5.0, reversal=0.0),
        ExponentialConductance(tau=10.0, reversal=-80.0),
        (6.0 / per, 67.0 / per),
        {"g": normal(40.0 / per, 15.0 / per)},
        {"g": normal(200.0 / per, 120.0 / per)},
    )


def balanced(
    scale: float,
    cell: NeuronModel,
    V: Any,
    excitation: SynapseModel,
    inhibition: SynapseModel,
    weights: tuple[float, float],
    excited: dict[str, Any] | None = None,
    inhibited: dict[str, Any] | None = None,
) -> Network:
    """80 % excitatory and 20 % inhibitory neurons of one model, wired at random."""
    probability = PROBABILITY / scale
    if probability > 1:
        raise ParameterError(f"scale is {scale:g}, but at less than {PROBABILITY} there are fewer neurons than the 80 that each hears.")
    exc = Population(scaled(EXCITATORY, scale), cell, initial={"V": V}, name="exc")
    inh = Population(scaled(INHIBITORY, scale), cell, initial={"V": V}, name="inh")
    rule = pairwise_bernoulli(probability)
    return Network(
        exc,
        inh,
        Projection(exc, [exc, inh], excitation, rule, weight=weights[0], initial=excited, name="excitation"),
        Projection(inh, [exc, inh], inhibition, rule, weight=weights[1], initial=inhibited, name="inhibition"),
    )
