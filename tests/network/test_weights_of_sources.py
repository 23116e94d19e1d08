"""Several projections onto a receptor, each with one weight, keep one weight a source: what that takes, and what it changes not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from ranvier.network import loop


@pytest.fixture(scope="module")
def sim():
    cell = rv.neurons.LeakyIntegrateAndFire(capacitance=200.0, leak=10.0, rest=-60.0, threshold=-50.0, reset=-60.0, refractory=2.0)
    exc, inh = (rv.Population(n, cell, current=np.linspace(110.0, 200.0, n), name=name) for n, name in ((20, "exc"), (10, "inh")))
    cells = rv.Population(3, rv.neurons.Passive(capacitance=1.0, leak=0.1), name="cells")
    synapse = rv.synapses.ExponentialCurrent(tau=5.0)
    wired = (
        rv.Projection(source, cells, synapse, rv.connect.fixed_in_degree(4), weight=weight, delay=delay, name=f"of {source.name}")
        for source, weight, delay in ((exc, 0.2, 1.0), (inh, -0.3, 2.0))
    )
    return rv.prepare(rv.Network(exc, inh, cells, *wired), dt=0.1, record=[rv.Record(cells, "V")])


def test_they_take_no_memory_an_edge():
    """Brunel's network: 4 bytes an edge, in double precision too."""
    edges = rv.prepare(rv.models.brunel(scale=0.1), dt=0.1).bytes
    assert edges < 5 * 1250 * 1250


def test_another_number_compiles_nothing_and_is_as_one_an_edge(sim):
    one = sim.run(60.0)
    compiled = loop.compilations
    other = sim.run(60.0, parameters={"of exc.weight": 0.4})
    assert loop.compilations == compiled
    each = sim.run(60.0, parameters={"of exc.weight": np.full(12, 0.4)})
    assert loop.compilations == compiled + 1
    np.testing.assert_array_equal(other["cells"].V, each["cells"].V)
    assert np.abs(other["cells"].V - one["cells"].V).max() > 0.1


def test_a_gradient_by_one_of_them_is_the_finite_difference(sim):
    with jax.enable_x64(True):
        run = sim.function(steps=600, surrogate=rv.surrogates.FixedSpikes(), gradient_memory="all")
        state = sim.state()
        total = jax.jit(lambda w: jnp.sum(run({"of exc.weight": w[0], "of inh.weight": w[1]}, state)[0].neurons["cells"]["V"]))
        at = jnp.array([0.2, -0.3])
        gradient = jax.jit(jax.grad(total))(at)
        for i in range(2):
            step = jnp.zeros(2).at[i].set(1e-5)
            np.testing.assert_allclose(gradient[i], (total(at + step) - total(at - step)) / 2e-5, rtol=1e-6)
            assert abs(gradient[i]) > 1.0
