"""The response to one spike, and to several, against its formula."""

import numpy as np
import pytest
from scipy.integrate import quad

import ranvier as rv

DT = 0.05
WEIGHT = 0.1
AT_ONCE = {"V": -50.0}


def alpha(t, tau):
    return t / tau * np.exp(1 - t / tau)


def double_exponential(t, rise, decay):
    if rise == decay:
        return alpha(t, rise)
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    shape = lambda t: np.exp(-t / decay) - np.exp(-t / rise)
    return shape(t) / shape(peak)


CASES = [
    (rv.synapses.AlphaConductance(tau=2.0), "g", lambda t: alpha(t, 2.0)),
    (rv.synapses.AlphaCurrent(tau=0.5), "i", lambda t: alpha(t, 0.5)),
    *[
        (rv.synapses.DoubleExponentialConductance(rise=r, decay=d), "g", lambda t, r=r, d=d: double_exponential(t, r, d))
        for r, d in ((0.5, 5.0), (1.0, 1.0), (2.0, 1.0), (1.0, 1.00003))
    ],
    (rv.synapses.DoubleExponentialCurrent(rise=1.0, decay=8.0), "i", lambda t: double_exponential(t, 1.0, 8.0)),
    (rv.synapses.NMDA(rise=2.0, decay=30.0), "g", lambda t: double_exponential(t, 2.0, 30.0)),
]


@pytest.mark.parametrize(("synapse", "variable", "shape"), CASES, ids=lambda x: repr(x) if isinstance(x, rv.SynapseModel) else "")
def test_responses_add_up(synapse, variable, shape):
    """Two sources that spike at once, two delays, two weights: RK4 is within 1e-6 of the weight."""
    source = rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), initial=AT_ONCE)
    target = rv.Population(1, rv.neurons.Passive(leak=1.0))
    weight, delay = np.array([WEIGHT, 3 * WEIGHT]), np.array([0.0, 4.0])
    fibres = rv.Projection(source, target, synapse, [[1, 1]], weight=weight, delay=delay, name="fibres")
    run = rv.simulate(rv.Network(source, target, fibres), duration=20.0, dt=DT, record=rv.Record(fibres, variable))
    response = run["fibres"][variable]
    expected = sum(w * np.where(response.time >= d + DT, shape(response.time - d - DT), 0.0) for w, d in zip(weight, delay, strict=True))
    tolerance = 2e-6 if synapse.__class__.__name__ != "AlphaCurrent" else 3e-5  # τ is ten steps there
    np.testing.assert_allclose(response.values[:, 0], expected, atol=tolerance)


def test_a_current_and_a_conductance_move_the_membrane():
    """The charge that a current carries is the integral of its formula; a conductance pulls towards its reversal."""
    source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial=AT_ONCE)
    free = rv.Population(1, rv.neurons.Passive(leak=0.0, capacitance=2.0), initial={"V": 0.0}, name="free")
    charge = quad(lambda t: double_exponential(t, 1.0, 4.0), 0, 100)[0]
    current = rv.Projection(source, free, rv.synapses.DoubleExponentialCurrent(rise=1.0, decay=4.0), [[1]], weight=0.5)
    run = rv.simulate(rv.Network(source, free, current), duration=100.0, dt=DT)
    assert run.state.neurons["free"]["V"][0] == pytest.approx(0.5 * charge / 2.0, rel=1e-4)
    pulled = rv.Projection(source, free, rv.synapses.AlphaConductance(tau=5.0, reversal=-30.0), [[1]], weight=10.0)
    run = rv.simulate(rv.Network(source, free, pulled), duration=100.0, dt=DT)
    assert run.state.neurons["free"]["V"][0] == pytest.approx(-30.0, rel=1e-6)


@pytest.mark.parametrize("kind", ["AlphaCurrent", "DoubleExponentialCurrent"])
def test_currents_leave_it_linear(kind):
    """The kernels of several variables are advanced exactly too, whatever the step."""
    source = rv.Population(1, rv.neurons.SpikeTimes(times=[1.0]), name="source")
    cells = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    net = rv.Network(source, cells, rv.Projection(source, cells, getattr(rv.synapses, kind)(), [[1]], weight=50.0))
    # A spike of the step from 1 ms on has its effect from the end of that step on.
    coarse = rv.simulate(net, duration=11.0, dt=1.0, integrator=rv.ExactLinear()).state.neurons["cells"]["V"]
    fine = rv.simulate(net, duration=10.01, dt=0.01, integrator=rv.RungeKutta4()).state.neurons["cells"]["V"]
    np.testing.assert_allclose(coarse, fine, rtol=0, atol=1e-7)
