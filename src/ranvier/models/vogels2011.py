"""The network of Vogels and others whose inhibition learns to balance its excitation."""

from __future__ import annotations

from ranvier import doors
from ranvier.connect import fixed_in_degree
from ranvier.models.scaled import checked_scale, scaled
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons import LeakyIntegrateAndFire
from ranvier.plasticity import InhibitorySTDP
from ranvier.random import uniform
from ranvier.synapses import ExponentialConductance

EXCITATORY, INHIBITORY = 8000, 2000
FROM_EXCITATORY, FROM_INHIBITORY = 160, 40  # 2 %
EXCITATION, INHIBITION, STRONGEST = 0.3, 3.0, 100.0  # nS
CURRENT = 200.0  # pA


@doors.checked(scale=checked_scale, target_rate=doors.positive, learning_rate=doors.not_negative)
def inhibitory_balance(scale: float = 1.0, *, target_rate: float = 3.0, learning_rate: float = 0.01) -> Network:
    """A network that would fire as fast as it can, until its inhibitory synapses have learnt to hold it at a given rate.

    Args:
        scale: the number of neurons as a share of 10 000. Each keeps its 160 excitatory and 40 inhibitory inputs.
        target_rate: of the excitatory neurons (Hz).
        learning_rate: what a pair of spikes adds to an inhibitory weight (nS); 0.01 takes some ten seconds, 0.1 a few.

    Returns:
        A network with the populations `"exc"` and `"inh"`; the projection `"inh→exc"`
        learns, from weights of 0. Run it with `dt=0.1` and `rv.ExponentialEuler()`. Expect it to
        begin above 100 Hz and to come near `target_rate`, firing irregularly: to a fifth or so above it, as
        a neuron is a little less likely to fire just after an inhibitory spike, which the rule takes for a lower rate.

    Source: Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, Science 334:1569, figure 2.

    Example:
        >>> import ranvier as rv
        >>> net = rv.models.inhibitory_balance(scale=0.05)
        >>> run = rv.simulate(net, duration=100.0, dt=0.1, seed=1, integrator=rv.ExponentialEuler())
        >>> bool(run.edges("inh→exc").weight.mean() > 0)
        True
    """
    cell = LeakyIntegrateAndFire(capacitance=200.0, leak=10.0, rest=-60.0, threshold=-50.0, reset_potential=-60.0, refractory=5.0)
    ampa, gaba = ExponentialConductance(tau=5.0, reversal=0.0), ExponentialConductance(tau=10.0, reversal=-80.0)
    exc, inh = (
        Population(scaled(n, scale), cell, initial={"V": uniform(-60.0, -50.0)}, current=CURRENT, name=name)
        for n, name in ((EXCITATORY, "exc"), (INHIBITORY, "inh"))
    )
    from_exc, from_inh = fixed_in_degree(FROM_EXCITATORY), fixed_in_degree(FROM_INHIBITORY)
    rule = InhibitorySTDP(learning_rate=learning_rate, target_rate=target_rate, high=STRONGEST)
    return Network(
        exc,
        inh,
        Projection(exc, [exc, inh], ampa, from_exc, weight=EXCITATION, name="excitation"),
        Projection(inh, inh, gaba, from_inh, weight=INHIBITION, name="inh→inh"),
        Projection(inh, exc, gaba, from_inh, weight=0.0, plasticity=rule, name="inh→exc"),
    )
