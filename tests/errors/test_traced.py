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


def test_the_function_refuses_states_and_numbers_that_are_not_its_own():
    sim = rv.prepare(rv.Population(2, rv.neurons.Passive(), current=1.0, name="cells"), dt=0.1)
    finer = rv.prepare(rv.Population(2, rv.neurons.Passive(), current=1.0, name="cells"), dt=0.05)
    other = rv.prepare(rv.Population(3, rv.neurons.Passive(), current=1.0, name="cells"), dt=0.1)
    state = sim.state()
    with jax.enable_x64(True):
        step = sim.function()
        with pytest.raises(rv.ParameterError, match=r"steps of 0\.05 ms, and the function takes steps of 0\.1 ms"):
            step({}, finer.state())
        with pytest.raises(rv.ParameterError, match="of cells, 2 neurons with V here, it has 3 neurons with V"):
            step({}, other.state())
        with pytest.raises(rv.ParameterError, match="those of 2 runs"):
            step({}, jax.tree.map(lambda x: np.stack([x, x]), state))
        with pytest.raises(rv.ParameterError, match=r"cells\.current has the shape \(3,\)"):
            step({"cells.current": np.ones(3)}, state)
        assert step({"cells.current": np.ones(2)}, state).time == 0.1


def test_windows_and_pulses_that_end_before_they_begin():
    with pytest.raises(rv.ParameterError, match=r"Record\.start is -1 ms"):
        rv.Record("cells", "V", start=-1.0)
    with pytest.raises(rv.ParameterError, match="stop is a moment, no duration"):
        rv.stimuli.SquarePulse(10.0, 100.0, 50.0)


@pytest.mark.parametrize(
    ("parameters", "says"),
    [
        ([1.0], "parameters is .*a mapping from paths"),
        (None, "a mapping from paths"),
        ({"cells.leak": "a"}, r"parameters\['cells.leak'\] is 'a'"),
    ],
)
def test_what_are_no_parameters_is_refused_by_the_function(sim, parameters, says):
    with jax.enable_x64(True), pytest.raises(rv.ParameterError, match=says):
        sim.function(steps=5)(parameters, sim.state())
