"""Stimuli over their parameters: any times, values, shapes."""

import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import ranvier as rv

amplitudes = st.floats(-1e3, 1e3, allow_subnormal=False)  # XLA takes them for 0
times = st.floats(0.0, 1e4)


def at(stimulus, t):
    with jax.enable_x64(True):
        return np.asarray(stimulus(np.float64(t)), float)


@given(amplitudes, times, st.floats(1e-3, 1e3), times)
def test_a_pulse_is_on_from_start_until_stop(amplitude, start, length, t):
    pulse = rv.stimuli.SquarePulse(amplitude, start=start, stop=start + length)
    for moment in (t, start, start + length, np.nextafter(start + length, 0.0)):
        assert at(pulse, moment) == (amplitude if start <= moment < start + length else 0.0)


@given(st.lists(st.integers(0, 10_000), min_size=1, max_size=8, unique=True), st.data())
def test_steps_take_the_last_value_that_has_begun(starts, data):
    starts = np.sort(starts) / 10.0
    values = np.array(data.draw(st.lists(amplitudes, min_size=len(starts), max_size=len(starts))))
    stairs = rv.stimuli.Steps(times=starts, values=values)
    for t in [*starts, *(starts + 0.05), starts[0] - 0.01]:
        begun = np.flatnonzero(starts <= t)
        assert at(stairs, t) == (values[begun[-1]] if len(begun) else 0.0)


@given(arrays(float, st.tuples(st.integers(1, 7), st.integers(1, 3)), elements=amplitudes), st.floats(0.01, 10.0), st.integers(0, 9))
def test_a_sample_holds_from_its_time_on(values, every, k):
    """At k·every, however it is rounded, sample k holds; just before it, sample k − 1; after the end the last."""
    sampled = rv.stimuli.Sampled(values, every=every)
    last = len(values) - 1
    for t in (k * every, np.nextafter(k * every, 0.0), np.nextafter(k * every, 1e9), (k + 0.5) * every):
        np.testing.assert_array_equal(at(sampled, t), values[min(k, last)])
    if k:
        np.testing.assert_array_equal(at(sampled, (k - 1e-3) * every), values[min(k - 1, last)])


@given(amplitudes, amplitudes, st.floats(-10, 10), times)
def test_sums_and_multiples(a, b, factor, t):
    one, other = rv.stimuli.SquarePulse(a, start=10.0, stop=500.0), rv.stimuli.Ramp(initial=b, final=a)
    np.testing.assert_allclose(at(factor * one + other, t), factor * at(one, t) + at(other, t), rtol=1e-12, atol=1e-12)


@given(arrays(float, 3, elements=amplitudes), arrays(float, 3, elements=st.sampled_from([0.0, 1.0])), times)
def test_a_mask_multiplies_from_either_side(amplitude, mask, t):
    stimulus = rv.stimuli.SquarePulse(amplitude, start=0.0, stop=1e9)
    np.testing.assert_array_equal(at(mask * stimulus, t), mask * amplitude)
    np.testing.assert_array_equal(at(stimulus * mask, t), mask * amplitude)


def test_a_stimulus_times_a_stimulus():
    """The second's numbers are a factor at every time; noise is multiplied too, and not with noise."""
    wave, gate = rv.stimuli.Sine(100.0, amplitude=20.0, frequency=40.0), rv.stimuli.SquarePulse(0.5, start=10.0, stop=20.0)
    for t in (5.0, 12.0, 17.5, 25.0):
        assert float((wave * gate)(t)) == float(wave(t)) * float(gate(t))
    assert (gate * gate).piecewise_constant and not (wave * gate).piecewise_constant
    assert float((gate * gate).average(10.0, 10.1)) == 0.25
    noise = rv.stimuli.WhiteNoise(intensity=3.0) * gate
    assert float(noise.noise(12.0)) == 0.5 * float(rv.stimuli.WhiteNoise(intensity=3.0).noise(12.0)) and float(noise.noise(5.0)) == 0.0
    with pytest.raises(rv.ParameterError, match="white noise times white noise"):
        rv.stimuli.WhiteNoise(intensity=1.0) * rv.stimuli.WhiteNoise(intensity=1.0)
    cells = rv.Population(1, rv.neurons.LeakyIntegrateAndFire(), current=wave * gate, name="cells")
    run = rv.simulate(cells, duration=30.0, dt=0.1, integrator=rv.RungeKutta4(), record=rv.Record(cells, ["V", "injected_current"]))
    assert run.V.sel(time=9.0, method="nearest") == -60.0 and run.V.max() > -59.0
    assert float(run.injected_current.sel(time=15.0, method="nearest")[0]) == pytest.approx(0.5 * float(wave(15.0)))
