"""Every neuron and every synapse: the derivative of a run by all parameters at once is that of finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from tests.conformance.walk import classes

STEPS = 40
MOMENTS = ("pulse", "delay")  # of Cholinergic: they say in which step something begins and ends


def difference(sim, part):
    """The slope of a smooth number of a run towards other parameters, and what finite differences say; None where spikes move."""
    state, rng = sim.state(), np.random.default_rng(0)
    start = {path: np.asarray(x, np.float64) for path, x in sim.parameters.items() if path.rpartition(".")[2] not in MOMENTS}
    # Towards larger numbers alone, so that none leaves its bounds.
    towards = {path: np.asarray(rng.uniform(0.5, 1.0, x.shape) * (np.abs(x) + 0.01)) for path, x in start.items()}
    with jax.enable_x64(True):
        run = sim.function(STEPS, surrogate=rv.surrogates.FixedSpikes())

        def number(parameters):
            final, recorded = run(parameters, state)
            own = [x for x in (final.neurons[part], *final.synapses.values()) for x in x.values() if x.dtype == np.float64]
            spikes = jnp.concatenate([x["spikes"].ravel() for x in recorded.values()])
            return sum(jnp.where(jnp.isfinite(x), jnp.tanh(x / 50.0), 0.0).sum() for x in own), spikes

        def compute(parameters):
            value, slope = jax.jvp(number, (parameters,), (towards,))
            return *value, slope[0]

        compute, width = jax.jit(compute), 1e-6  # one program for all: compiling is what takes time
        slope = compute(start)[2]
        sides = [compute({path: x + sign * width * towards[path] for path, x in start.items()}) for sign in (1, -1)]
    if not np.array_equal(sides[0][1], sides[1][1]):
        return None
    return float(slope), float(sides[0][0] - sides[1][0]) / (2 * width)


NEURONS = [c for c in classes(rv.NeuronModel) if c.takes_input and c.__name__ != "ConductanceBased"]


@pytest.mark.parametrize("kind", NEURONS, ids=lambda kind: kind.__name__)
def test_of_a_neuron(kind):
    cell = rv.Population(2, kind(), current=rv.stimuli.Constant(np.array([0.5, 1.0])), name="cells")
    found = difference(rv.prepare(cell, dt=0.05), "cells")
    assert found is not None
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("kind", classes(rv.SynapseModel), ids=lambda kind: kind.__name__)
def test_of_a_synapse(kind):
    source = rv.Population(2, rv.neurons.HodgkinHuxley(), initial={"V": -45.0}, name="source")  # it fires at once
    cells = rv.Population(2, rv.neurons.MorrisLecar(), current=10.0, name="cells")
    wires = rv.Projection(source, cells, kind(), rv.connect.all_to_all(), weight=0.3, name="wires")
    found = difference(rv.prepare(rv.Network(source, cells, wires), dt=0.05), "cells")
    assert found is not None
    assert found[0] == pytest.approx(found[1], rel=1e-4, abs=1e-7)
