"""A user's own channel, neuron, synapse, rule of plasticity, stimulus, integrator, connection rule: a class each, nothing registered.

The classes are in `skeletons/`, a file each; the guide for contributors shows them.
"""

import numpy as np
import pytest

import ranvier as rv
from ranvier import testing
from ranvier.random import Key

from .skeletons.channel import MCurrent
from .skeletons.connection_rule import SmallWorld
from .skeletons.integrator import Kutta3
from .skeletons.neuron import QuadraticIntegrateAndFire
from .skeletons.plasticity_rule import CentredSTDP
from .skeletons.stimulus import Chirp
from .skeletons.structural_rule import LoseAndFind
from .skeletons.synapse import AlphaCurrent


@pytest.mark.parametrize(
    ("check", "model"),
    [
        (testing.check_channel, MCurrent()),
        (testing.check_neuron, QuadraticIntegrateAndFire()),
        (testing.check_synapse, AlphaCurrent()),
        (testing.check_plasticity_rule, CentredSTDP(high=2.0)),
        (testing.check_stimulus, Chirp()),
        (testing.check_integrator, Kutta3()),
        (testing.check_connection_rule, SmallWorld(neighbours=3, rewiring=0.2)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_they_pass_the_published_checks(check, model):
    check(model)


def test_channel():
    """The M current slows firing down (spike-frequency adaptation)."""
    c = rv.channels

    def cell(conductance):
        channels = {
            "sodium": c.TraubMilesSodium(),
            "potassium": c.TraubMilesPotassium(),
            "leak": c.Leak(conductance=0.1, reversal=-70.0),
            "m": MCurrent(conductance=conductance),
        }
        return rv.neurons.ConductanceBased(channels=channels, initial_potential=-70.0)

    run = rv.simulate(cell([0.0, 0.3]), current=3.0, duration=300.0, dt=0.02, integrator=rv.ExponentialEuler())
    without, adapted = (np.diff(t) for t in run.spikes.trains)
    assert adapted[-1] > 1.5 * adapted[0]
    assert without[-1] == pytest.approx(without[1], rel=0.02)
    assert run["conductance_based"]["m.current"].attrs["units"] == "uA/cm^2"
    assert run["conductance_based"]["m.w"].shape == run.V.shape


def test_neuron():
    """Its period has a formula: dV/dt = V² + d goes from −p to p in 2 atan(p/√d)/√d."""
    excess = np.array([0.5, 1.0, 2.0])
    run = rv.simulate(QuadraticIntegrateAndFire(), current=1.0 + excess, duration=60.0, dt=0.001, record=[])
    periods = [np.diff(t).mean() for t in run.spikes.trains]
    assert periods == pytest.approx(2 * np.arctan(10 / np.sqrt(excess)) / np.sqrt(excess), abs=0.002)  # within a step or two


def test_synapse():
    """After one spike the current is the weight times x·exp(1 − x), x = t/tau."""
    source = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -49.0})
    target = rv.Population(1, rv.neurons.Passive(), name="target")
    rise = rv.Projection(source, target, AlphaCurrent(tau=2.0), rv.connect.all_to_all(), weight=0.5, name="alpha")
    run = rv.simulate(rv.Network(source, target, rise), duration=10.0, record=rv.Record("alpha", "i"))
    assert len(run.spikes) == 1
    t = run["alpha"].i.time.values[1:] - 0.01  # the spike of the first step arrives at its end
    assert run["alpha"].i.values[1:, 0] == pytest.approx(0.5 * t / 2 * np.exp(1 - t / 2), abs=1e-9)


def test_stimulus():
    run = rv.simulate(rv.neurons.Passive(), current=np.array([1.0, 2.0]) * Chirp(), duration=50.0, record=None)
    t = run.V.time.values
    expected = np.sin(2 * np.pi * (0.001 + 1e-5 * t / 2) * t)
    assert run.injected_current.values == pytest.approx(np.stack([expected, 2 * expected], axis=1), abs=1e-12)


def test_integrator():
    """It is better than the second order and worse than the fourth."""

    def end(integrator, dt):
        run = rv.simulate(rv.neurons.HodgkinHuxley(), current=10.0, duration=5.0, dt=dt, integrator=integrator, record=[])
        return float(run.state.neurons["hodgkin_huxley"]["V"][0])

    exact = end(rv.RungeKutta4(), 0.0025)
    second, third, fourth = (abs(end(i, 0.025) - exact) for i in (rv.Midpoint(), Kutta3(), rv.RungeKutta4()))
    assert fourth < third < second


def test_connection_rule():
    """Without rewiring a ring; with it about as many edges elsewhere as the rule says. In a network it is a rule like any other."""
    edges = SmallWorld(3, 0.0).edges(100, 100, range(100), 0, Key(1))
    assert set(((edges.pre - edges.post) % 100).tolist()) == {1, 2, 3}
    edges = SmallWorld(10, 0.2).edges(1000, 1000, range(1000), 0, Key(1))
    assert np.mean((edges.pre - edges.post) % 1000 > 10) == pytest.approx(0.2, abs=0.02)
    cells = rv.Population(50, rv.neurons.LeakyIntegrateAndFire(), initial={"V": rv.uniform(-65, -49)}, name="cells")
    wires = rv.Projection(cells, cells, rv.synapses.Delta(), SmallWorld(5, 0.1), weight=3.0, delay=1.0)
    assert len(rv.simulate(rv.Network(cells, wires), duration=10.0).spikes) > 0


def test_plasticity_rule():
    """Three arrivals, two spikes of the target: each arrival counts once for the spike after it."""
    net = lambda: rv.Network(
        source := rv.Population(1, rv.neurons.SpikeTimes([10.0, 20.0, 40.0]), name="source"),
        clock := rv.Population(1, rv.neurons.SpikeTimes([24.0, 54.0]), name="clock"),
        cell := rv.Population(1, rv.neurons.LeakyIntegrateAndFire(refractory=5.0), name="cell"),
        rv.Projection(clock, cell, rv.synapses.ExponentialCurrent(tau=0.1), [[1.0]], weight=60_000.0),
        rv.Projection(source, cell, rv.synapses.ExponentialCurrent(), [[1]], weight=1.0, plasticity=CentredSTDP(), name="wire"),
    )
    run = rv.simulate(net(), duration=100.0, dt=0.1)
    first, second = run.spikes["cell"].times
    f = lambda s: np.exp(-s / 20.0)
    wanted = 1.0 + 0.01 * (f(first - 10.0) + f(first - 20.0) + f(second - 40.0)) - 0.0105 * f(40.0 - first)
    assert run.edges("wire").weight[0] == pytest.approx(wanted, abs=1e-12)


def test_structural_rule():
    """Synapses from the silent sources, which are the weak ones, are lost, and most of those that come are from the source that fires."""
    source = rv.Population(20, rv.neurons.SpikeTimes.of_trains([np.arange(5.0, 99.0, 5.0), *[[]] * 19]), name="source")
    cells = rv.Population(30, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    weight = lambda pre, post: np.where(pre == 0, 1.0, 0.1)
    synapse, rule = rv.synapses.ExponentialCurrent(), LoseAndFind(every=20.0)
    wires = rv.Projection(source, cells, synapse, rv.connect.fixed_in_degree(3, multapses=False), weight=weight, structure=rule)
    run = rv.simulate(rv.Network(source, cells, wires), duration=100.0, dt=0.5, seed=1)
    before, after = run.network.edges(wires, seed=1), run.edges(wires)
    assert (before.pre == 0).mean() < 0.3 and (after.pre == 0).sum() == 30 and len(after) < len(before)
