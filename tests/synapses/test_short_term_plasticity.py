"""Short-term plasticity: amplitudes against the steady state in closed form, and against the equations solved between spikes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from ranvier.model import in_precision
from ranvier.random import Key
from ranvier.synapses import TsodyksMarkram
from tests.reproduces import record_reproduction

RULES = {"depressing": TsodyksMarkram.depressing(), "facilitating": TsodyksMarkram.facilitating()}


@jax.jit
def _train(rule, since):
    """A source that spikes every time."""
    return jax.lax.scan(lambda state, ago: rule.emit(state, jnp.array([True]), ago), rule.initial_state(1, Key(0)), since[:, None])[1]


def amplitudes(rule, intervals):
    """The amplitude of each spike of one source, the first after a long silence."""
    with jax.enable_x64(True):
        return np.asarray(_train(in_precision(rule, "float64"), np.array([np.inf, *intervals])))[:, 0]


def steady_amplitude(rule, period):
    forgotten, recovered = (np.exp(-period / tau) if tau else 0.0 for tau in (rule.facilitation, rule.recovery))
    u = rule.utilization / (1 - (1 - rule.utilization) * forgotten)
    return u * (1 - recovered) / (1 - (1 - u) * recovered)


@pytest.mark.parametrize("name", RULES)
def test_the_steady_state(name):
    rule, rates = RULES[name], np.array([5.0, 20.0, 70.0])
    measured = [amplitudes(rule, [1000 / rate] * 2000)[-1] for rate in rates]
    record_reproduction(
        f"Tsodyks–Markram, {name}",
        "Tsodyks, Pawelzik & Markram 1998: the steady state in closed form",
        "amplitude at 5, 20 and 70 Hz",
        [steady_amplitude(rule, 1000 / rate) for rate in rates],
        measured,
        1e-14,
    )


def test_depressing_and_facilitating():
    """The two synapses of the paper at 20 Hz: one falls from U to a ninth of it, the other grows."""
    falling, rising = (amplitudes(rule, [50.0] * 20) for rule in RULES.values())
    assert falling[0] == 0.5
    assert (np.diff(falling) < 0).all()
    assert falling[-1] == pytest.approx(0.5 * (1 - np.exp(-1 / 16)) / (1 - 0.5 * np.exp(-1 / 16)), rel=1e-4)
    assert rising[0] == 0.03
    assert rising.max() > 4 * rising[0]


@settings(max_examples=30)
@given(st.floats(0.01, 1.0), st.floats(1.0, 2000.0), st.floats(1.0, 2000.0), st.lists(st.floats(0.1, 500.0), min_size=1, max_size=5))
def test_between_spikes_it_follows_its_equations(utilization, recovery, facilitation, intervals):
    rule = TsodyksMarkram(utilization, recovery, facilitation)
    u, x, expected = 0.0, 1.0, []
    for since in [0.0, *intervals]:
        if since:
            solved = solve_ivp(lambda t, y: [-y[0] / facilitation, (1 - y[1]) / recovery], (0, since), [u, x], rtol=1e-9, atol=1e-12)
            u, x = solved.y[:, -1]
        u += utilization * (1 - u)
        expected.append(u * x)
        x -= u * x
    np.testing.assert_allclose(amplitudes(rule, intervals), expected, rtol=1e-6)


def test_without_facilitation_or_recovery_time():
    assert amplitudes(TsodyksMarkram(0.3, recovery=0.0, facilitation=0.0), [1.0, 5.0]).tolist() == [0.3] * 3
    grown = amplitudes(TsodyksMarkram(0.3, recovery=0.0, facilitation=100.0), [1e-6] * 50)
    assert grown[-1] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_source_that_does_not_spike_is_left_alone(dtype):
    with jax.enable_x64(True):
        rule = in_precision(TsodyksMarkram(utilization=np.array([0.2, 0.4, 0.6])), dtype)
        state = {"u": jnp.array([0.1, 0.2, 0.3], dtype), "x": jnp.array([0.9, 0.8, 0.7], dtype)}
        since = jnp.array([10.0, 20.0, jnp.inf])
        after, amplitude = rule.emit(state, jnp.array([True, False, True]), since)
        for name, values in after.items():
            assert values.dtype == dtype
            assert values[1] == state[name][1]
            assert values[0] != state[name][0]
        assert amplitude.dtype == dtype
        assert amplitude[1] == 0
        assert amplitude[2] == pytest.approx(0.6, rel=1e-6)  # as after a long silence


def test_gradients_are_finite_where_a_time_constant_is_zero():
    def second(rule):
        state, _ = rule.emit(rule.initial_state(1, Key(0)), jnp.array([True]), jnp.array([jnp.inf]))
        return rule.emit(state, jnp.array([True]), jnp.array([20.0]))[1][0]

    gradient = jax.grad(second)(TsodyksMarkram(0.5, 100.0, 0.0))
    assert all(np.isfinite(g) for g in jax.tree.leaves(gradient))
