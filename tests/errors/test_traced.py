"""What jax.jit, vmap and grad are tracing, and what they made of a state, where a simulation takes neither."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv


@pytest.fixture(scope="module")
def sim():
    return rv.prepare(rv.Population(2, rv.neurons.LeakyIntegrateAndFire(), current=300.0, name="cells"), dt=0.1)


@pytest.fixture(scope="module")
def states(sim):
    with jax.enable_x64(True):
        two = jax.tree.map(lambda x: np.stack([x, x]), sim.state())
        return jax.vmap(lambda state: sim.function(steps=5)(sim.parameters, state)[0])(two)


def test_a_traced_parameter_is_refused_by_its_path():
    def spikes(capacitance):
        return rv.simulate(rv.neurons.HodgkinHuxley(capacitance=capacitance), duration=1.0).V.values.sum()

    for transformed in (jax.grad(spikes), lambda c: jax.vmap(spikes)(jnp.stack([c, c]))):
        with pytest.raises(rv.UnsupportedError, match=r"hodgkin_huxley\.capacitance is a value that jax\.jit, vmap or grad is tracing"):
            transformed(jnp.asarray(1.0))


def test_a_traced_state_is_refused(sim, states, tmp_path):
    for use in (lambda state: sim.run(1.0, initial=state).V.values, lambda state: state.save(tmp_path / "state.npz")):
        with pytest.raises(rv.UnsupportedError, match=r"step is a value that jax\.jit, vmap or grad is tracing.*prepare.*function"):
            jax.vmap(use)(states)
    assert not list(tmp_path.iterdir())


def test_the_states_of_several_runs_are_none_to_go_on_from(sim, states, tmp_path):
    assert "of 2 runs" in repr(states)
    for use in (lambda state: sim.run(1.0, initial=state), lambda state: state.save(tmp_path / "state.npz")):
        with pytest.raises(
            rv.ParameterError, match=r"states of 2 runs, as jax\.vmap makes them.*jax\.tree\.map\(lambda x: x\[0\], states\)"
        ):
            use(states)
    assert not list(tmp_path.iterdir())
    assert sim.run(1.0, initial=jax.tree.map(lambda x: x[1], states)).spikes.start == 0.5
