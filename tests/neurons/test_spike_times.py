"""Sources of given spikes: when they fire, what they reach, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ranvier as rv

SpikeTimes = rv.neurons.SpikeTimes


@settings(max_examples=8)  # each compiles
@given(st.sets(st.tuples(st.integers(0, 99), st.integers(0, 4)), max_size=40))
def test_what_is_given_is_what_is_recorded(spikes):
    steps, neurons = np.array(sorted(spikes), int).reshape(-1, 2).T
    source = rv.Population(5, SpikeTimes(times=steps * 0.1, neurons=neurons.astype(float)))
    run = rv.simulate(source, duration=10.0, dt=0.1)
    np.testing.assert_array_equal(run.spikes.steps, steps)
    np.testing.assert_array_equal(run.spikes.neurons, neurons)


def test_trains_of_another_run():
    """What one run recorded drives the next, with the delay of its projection and no other."""
    first = rv.simulate(rv.neurons.LeakyIntegrateAndFire(), current=[200.0, 0.0, 300.0], duration=100.0, dt=0.1)
    source = rv.Population(3, SpikeTimes.of_trains(first.spikes.trains), name="source")
    target = rv.Population(3, rv.neurons.Passive(), name="target")
    fibres = rv.Projection(source, target, rv.synapses.Delta(), np.eye(3), weight=1.0, delay=0.5)
    run = rv.simulate(rv.Network(source, target, fibres), duration=100.0, dt=0.1, record=rv.Record(target, "V"))
    np.testing.assert_array_equal(run.spikes["source"].steps, first.spikes.steps)
    jumps = np.diff(run["target"].V.values, axis=0) > 0.5
    for i, train in enumerate(first.spikes.trains):
        arrived = np.flatnonzero(jumps[:, i])
        np.testing.assert_array_equal(arrived, np.rint(train / 0.1).astype(int)[: len(arrived)] + 5)


def test_times_are_rounded_to_steps_and_late_ones_never_come():
    with pytest.warns(UserWarning, match="not a multiple"):
        run = rv.simulate(SpikeTimes(times=[1.04, 2.06, 50.0]), duration=10.0, dt=0.1)
    assert run.spikes.steps.tolist() == [10, 21]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"times": [[1.0, 2.0]]}, "of_trains"),
        ({"times": [1.0, 2.0], "neurons": [0.0]}, "the neuron of each"),
        ({"times": [1.0], "neurons": [0.5]}, "counted from 0"),
        ({"times": [-1.0]}, "must be within"),
        ({"times": [np.inf]}, "finite"),
    ],
)
def test_bad_lists(arguments, message):
    with pytest.raises(rv.ParameterError, match=message):
        SpikeTimes(**arguments)


def test_sources_take_no_input():
    source = rv.Population(2, SpikeTimes(times=[1.0]), name="source")
    with pytest.raises(rv.ParameterError, match="takes no input"):
        rv.simulate(source, current=1.0, duration=1.0)
    cells = rv.Population(2, rv.neurons.LeakyIntegrateAndFire())
    with pytest.raises(rv.ParameterError, match="source"):
        rv.Network(source, cells, rv.Projection(cells, source, rv.synapses.Delta(), np.ones((2, 2))))


def test_a_neuron_that_is_not_there_and_two_spikes_in_a_step():
    with pytest.raises(rv.ParameterError, match="neuron 3"):
        rv.simulate(rv.Population(2, SpikeTimes(times=[1.0], neurons=[3.0])), duration=2.0)
    with pytest.raises(rv.ParameterError, match="two spikes"):
        rv.simulate(SpikeTimes(times=[1.0, 1.0]), duration=2.0, dt=0.1)
