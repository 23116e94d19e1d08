"""What holds for whole networks: permutation, recompilation, precision, gradients through a step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.network import loop
from ranvier.testing import measured_order

RNG = np.random.default_rng(1)
V0 = RNG.uniform(-70, -55, 6)
WEIGHT = RNG.uniform(0.0, 0.3, (6, 6)) * (RNG.uniform(size=(6, 6)) < 0.6)
GAP = np.triu(RNG.uniform(0.0, 0.05, (6, 6)), 1)
CURRENT = RNG.uniform(0, 15, 6)
ORDER = np.array([3, 5, 0, 2, 1, 4])


def network(order, scale=1.0):
    """Six Bazhenov cells with spiking, graded and electrical coupling, taken in some order."""
    square = np.ix_(order, order)
    cells = rv.Population(6, rv.neurons.BazhenovNeuron(), initial={"V": V0[order]}, current=scale * CURRENT[order], name="cells")
    return rv.Network(
        cells,
        rv.Projection(cells, cells, rv.synapses.Cholinergic(), WEIGHT[square], weight=scale, name="acetylcholine"),
        rv.Projection(cells, cells, rv.synapses.GradedGABA(), WEIGHT.T[square], weight=0.1 * scale, name="GABA"),
        rv.Projection(cells, cells, rv.synapses.GapJunction(), (GAP + GAP.T)[square], weight=scale, name="gap"),
    )


def test_permuting_the_neurons_permutes_the_run():
    run = rv.simulate(network(np.arange(6)), duration=60.0)
    other = rv.simulate(network(ORDER), duration=60.0)
    assert len(run.spikes) > 10
    assert run.spikes.counts[ORDER].tolist() == other.spikes.counts.tolist()
    # The sums over synapses are in another order: rounding, which spikes amplify.
    np.testing.assert_allclose(run.state.neurons["cells"]["V"][ORDER], other.state.neurons["cells"]["V"], rtol=1e-6)


def test_other_values_compile_nothing():
    """Parameters, weights, currents, initial values, dt, duration and seed are arguments of the compiled step."""
    rv.simulate(network(np.arange(6)), duration=1.0)
    compiled = loop.compilations
    rv.simulate(network(np.arange(6), scale=0.7), duration=1.0)
    rv.simulate(network(ORDER), duration=2.0, seed=5)
    rv.simulate(network(ORDER), duration=1.0, dt=0.02)
    assert loop.compilations == compiled


def test_another_structure_does_compile():
    """The counter that the tests rely on does count."""
    compiled = loop.compilations
    rv.simulate(network(np.arange(6)), duration=1.0, integrator=rv.Heun())
    assert loop.compilations == compiled + 1


def test_single_precision_is_single_throughout():
    run = rv.simulate(network(np.arange(6)), duration=20.0, precision="single", record=rv.Record("cells", ["V", "sodium.m", "last_spike"]))
    for part in (run.state.neurons, run.state.synapses):
        for variables in part.values():
            assert {x.dtype for name, x in variables.items() if name != "last_spike"} <= {np.dtype("float32")}
    assert run.V.dtype == np.float32
    assert run.last_spike.dtype == np.float64  # a time
    double = rv.simulate(network(np.arange(6)), duration=20.0, record=rv.Record("cells", "V", every=1.0))
    assert run.spikes.counts.tolist() == double.spikes.counts.tolist()
    # float32 has steps of 4·10⁻⁶ mV, amplified at the spikes. A transmitter pulse of 0.3 ms in float32 would end a stage late: 1.1 mV.
    assert np.abs(run.V.values[::100] - double.V.values).max() < 0.01


def test_the_gradient_through_steps_is_that_of_finite_differences():
    """Of the potential after five steps, by weights, currents and parameters of the whole network."""
    sim = rv.prepare(network(np.arange(6)), integrator=rv.Midpoint())
    with jax.enable_x64(True):

        @jax.jit
        def end(gap, current, sodium):
            parameters = {"gap.weight": gap, "cells.current": current, "cells.sodium.conductance": sodium}
            state, _ = sim.function(steps=5, surrogate=rv.surrogates.FixedSpikes())(parameters, sim.state())
            return jnp.sum(state.neurons["cells"]["V"] * jnp.arange(6.0))

        at = (jnp.ones(np.count_nonzero(GAP + GAP.T)), jnp.asarray(CURRENT), jnp.asarray(100.0))
        gradient = jax.jit(jax.grad(end, argnums=(0, 1, 2)))(*at)
        direction = tuple(jnp.asarray(np.random.default_rng(2).normal(size=np.shape(x))) for x in at)
        h = 1e-4
        ahead, behind = (end(*(x + s * h * d for x, d in zip(at, direction, strict=True))) for s in (1, -1))
        along = sum(float(jnp.sum(g * d)) for g, d in zip(gradient, direction, strict=True))
        assert along == pytest.approx(float(ahead - behind) / (2 * h), rel=1e-6)


@pytest.mark.parametrize(
    ("integrator", "order"),
    [(rv.Euler(), 1), (rv.ExponentialEuler(), 1), (rv.Midpoint(), 2), (rv.Heun(), 2), (rv.RungeKutta4(), 4)],
    ids=lambda x: type(x).__name__,
)
def test_orders_on_a_coupled_network(integrator, order):
    """The orders that DESIGN promises, written out: graded and electrical coupling and a driven population lower none."""
    assert measured_order(integrator) == pytest.approx(order, abs=0.1)
