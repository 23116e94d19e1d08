"""Every neuron and every synapse: the derivative of a run by each parameter is that of finite differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv
from tests.conformance.walk import classes

STEPS = 40
WIDTH = 1e-6


def differences(sim, part):
    """The slopes of a smooth number of a run by each parameter, and what finite differences say: none where spikes move."""
    state, rng = sim.state(), np.random.default_rng(0)
    start = {path: np.asarray(x, np.float64) for path, x in sim.parameters.items()}
    # Towards larger numbers alone, so that none leaves its bounds.
    towards = {path: np.asarray(rng.uniform(0.5, 1.0, x.shape) * (np.abs(x) + 0.01)) for path, x in start.items()}
    alone = [{path: x * (path == own) for path, x in towards.items()} for own in start]
    with jax.enable_x64(True):
        run = sim.function(STEPS, surrogate=rv.surrogates.FixedSpikes())

        def number(parameters):
            final, recorded = run(parameters, state)
            own = [x for x in (final.neurons[part], *final.synapses.values()) for x in x.values() if x.dtype == np.float64]
            spikes = jnp.concatenate([x["spikes"].ravel() for x in recorded.values()])
            return sum(jnp.where(jnp.isfinite(x), jnp.tanh(x / 50.0), 0.0).sum() for x in own), spikes

        @jax.jit  # one program for all: compiling is what takes time
        def compute(parameters, directions):
            push = lambda one: jax.jvp(number, (parameters,), (one,))
            value, slopes = jax.vmap(push, out_axes=(None, 0))(directions)
            return *value, slopes[0]

        every = jax.tree.map(lambda *x: np.stack(x), *alone)
        slopes = compute(start, every)[2]
        found = {}
        for own, one, slope in zip(start, alone, slopes, strict=True):
            sides = [compute({path: x + sign * WIDTH * one[path] for path, x in start.items()}, every) for sign in (1, -1)]
            if np.array_equal(sides[0][1], sides[1][1]):
                found[own] = float(slope), float(sides[0][0] - sides[1][0]) / (2 * WIDTH)
    return found


def check(found, parameters):
    """All agree, where hardly any moves a spike."""
    assert len(found) > 0.7 * parameters
    for path, (slope, expected) in found.items():
        assert slope == pytest.approx(expected, rel=1e-4, abs=2e-8), path


NEURONS = [c for c in classes(rv.NeuronModel) if c.takes_input and c.__name__ != "ConductanceBased"]


@pytest.mark.parametrize("kind", NEURONS, ids=lambda kind: kind.__name__)
def test_of_a_neuron(kind):
    cell = rv.Population(2, kind(), current=rv.stimuli.Constant(np.array([0.5, 1.0])), name="cells")
    sim = rv.prepare(cell, dt=0.05)
    check(differences(sim, "cells"), len(sim.parameters))


@pytest.mark.parametrize("kind", classes(rv.SynapseModel), ids=lambda kind: kind.__name__)
def test_of_a_synapse(kind):
    source = rv.Population(2, rv.neurons.HodgkinHuxley(), initial={"V": -45.0}, name="source")  # it fires at once
    cells = rv.Population(2, rv.neurons.MorrisLecar(), current=10.0, name="cells")
    wires = rv.Projection(source, cells, kind(), rv.connect.all_to_all(), weight=0.3, name="wires")
    sim = rv.prepare(rv.Network(source, cells, wires), dt=0.05)
    check(differences(sim, "cells"), len(sim.parameters))
