"""The rules of Neurapse (github.com/udion/Neurapse, MIT), in Ranvier's parts, for the tests that compare both.

Its quirks, which these parts follow and the library does not:

- A spike stays on the trace for one sample (2 mV, three or ten times the threshold), and the reset comes a sample later;
  meanwhile nothing moves. That is a refractory period of one step in which the recovery is held too.
- A LIF neuron is advanced by a Taylor polynomial of second order, with the current of the start of the step.
- Its synaptic currents are sums of kernels, exact at every sample.
- `15e-3 // 1e-4` is 149: delays and windows lose a sample to floating-point floor division.
- In the random network the delay shortens the kernel instead of shifting its end, the axonal delay is one sample shorter
  than stated, and of two synapses between the same neurons the last one counts.
- Its Hodgkin–Huxley rates are per ms but multiplied by a step in seconds: the gates are 1000 times too slow, and it does not spike.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

import ranvier as rv

DT = 0.1  # ms
LIF = {"capacitance": 300.0, "leak": 30.0, "rest": -70.0, "threshold": 20.0, "reset": -70.0, "refractory": 2.0}
TAU = 15.0  # ms; the rise is a quarter of it


class AdEx(rv.neurons.AdaptiveExponentialIntegrateAndFire):
    """Held in both variables for the sample of the spike."""

    held = ("V", "w")


class Izhikevich(rv.neurons.Izhikevich2007):
    """Held in both variables for the sample of the spike."""

    held = ("V", "u")


class Sodium(rv.channels.HodgkinHuxleySodium):
    """With 0.0556 where the paper has 1/18, and the speed of the gates."""

    speed: rv.PerNeuron = rv.parameter(1.0)

    def _rates(self, V):
        am, _, ah, bh = super()._rates(V)
        return tuple(self.speed * rate for rate in (am, 4.0 * jnp.exp(-0.0556 * (V + 65.0)), ah, bh))


class Potassium(rv.channels.HodgkinHuxleyPotassium):
    """With the speed of its gate."""

    speed: rv.PerNeuron = rv.parameter(1.0)

    def _rates(self, V):
        return tuple(self.speed * rate for rate in super()._rates(V))


def hodgkin_huxley(speed):
    return rv.neurons.HodgkinHuxley(sodium=Sodium(speed=speed), potassium=Potassium(speed=speed), leak=rv.channels.Leak(reversal=-55.0))


@dataclass(frozen=True)
class Scheme(rv.Integrator):
    """Potentials by Taylor's polynomial of second order, everything else exactly, the currents those of the start of the step."""

    order = 1
    needs = ("rate_and_slope",)
    by_name = True

    def step(self, system, state, memory, t, t_next, key=None):
        h = system.interval(t, t_next)
        rates, slopes = system.rate_and_slope(state, t)

        def advance(path, x, rate, slope):
            if path[-1].key == "V":
                return x + h * rate * (1.0 + h * slope / 2.0)
            return x + jnp.expm1(h * slope) / slope * rate

        return jax.tree_util.tree_map_with_path(advance, state, rates, slopes), memory


def kernel(source, target, weight, delay, window=None, rule=None, name=""):
    """Projections that make the current `weight · (exp(−t/τ) − exp(−4t/τ))` after a spike, in pA, cut off `window` steps after it.

    Args:
        weight, delay: matrices `[targets, sources]`; the delays are in steps.
        window: the step after a spike from which its kernel is 0, whatever the delay; None: never.
        rule: by which the weights of both parts of the kernel change, in proportion to themselves; they do so alike.
        name: of both, with what they are.
    """
    there = weight != 0
    order = np.nonzero(there)
    parts = []
    for sign, tau in ((1.0, TAU), (-1.0, TAU / 4)):
        synapse = rv.synapses.ExponentialCurrent(tau=tau)
        connect = there.astype(float)
        how = {} if rule is None else {"plasticity": rule, "name": f"{name} {'decay' if sign > 0 else 'rise'}"}
        parts.append(rv.Projection(source, target, synapse, connect, weight=sign * weight[order], delay=DT * delay[order], **how))
        if window is not None:
            left = np.exp(-(window - delay) * DT / tau)
            parts.append(rv.Projection(source, target, synapse, connect, weight=-sign * (weight * left)[order], delay=DT * window))
    return parts
