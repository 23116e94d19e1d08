"""Short-term plasticity: amplitudes against the steady state in closed form, and against the equations solved between spikes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import ranvier as rv
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
@given(
    st.floats(0.01, 1.0),
    st.floats(1.0, 2000.0),
    st.floats(1.0, 2000.0),
    st.floats(1.0, 50.0),
    st.lists(st.floats(0.1, 500.0), min_size=1, max_size=5),
)
def test_between_spikes_it_follows_its_equations(utilization, recovery, facilitation, inactivation, intervals):
    rule = TsodyksMarkram(utilization, recovery, facilitation, inactivation)
    u, x, y, expected = 0.0, 1.0, 0.0, []
    for since in [0.0, *intervals]:
        if since:
            slope = lambda t, s: [-s[0] / facilitation, (1 - s[1] - s[2]) / recovery, -s[2] / inactivation]
            u, x, y = solve_ivp(slope, (0, since), [u, x, y], rtol=1e-9, atol=1e-12).y[:, -1]
        u += utilization * (1 - u)
        expected.append(u * x)
        x, y = x - u * x, y + u * x
    np.testing.assert_allclose(amplitudes(rule, intervals), expected, rtol=1e-6)


def test_with_inactivation_it_settles_as_in_the_paper():
    """Tsodyks, Pawelzik & Markram 1998, depressing: U = 0.5, τ_rec = 800 ms, τ_in = 3 ms; also where both times are equal."""
    for recovery, inactivation in ((800.0, 3.0), (20.0, 20.0), (5.0, 30.0)):
        rule, period = TsodyksMarkram(0.5, recovery, inactivation=inactivation), 50.0
        faded, recovered = np.exp(-period / inactivation), np.exp(-period / recovery)
        same = recovery == inactivation
        through = period / recovery * recovered if same else recovery / (recovery - inactivation) * (recovered - faded)
        # Unknown: x and y just before a spike. y = (y + x/2) faded; 1 − x − y = (1 − x − y) recovered + (y + x/2) through.
        system = np.array([[-faded / 2, 1 - faded], [-(1 - recovered) - through / 2, -(1 - recovered) - through]])
        x, _ = np.linalg.solve(system, [0.0, -(1 - recovered)])
        assert amplitudes(rule, [period] * 3000)[-1] == pytest.approx(0.5 * x, rel=1e-9)


def test_without_facilitation_or_recovery_time():
    assert amplitudes(TsodyksMarkram(0.3, recovery=0.0, facilitation=0.0), [1.0, 5.0]).tolist() == [0.3] * 3
    grown = amplitudes(TsodyksMarkram(0.3, recovery=0.0, facilitation=100.0), [1e-6] * 50)
    assert grown[-1] == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_source_that_does_not_spike_is_left_alone(dtype):
    with jax.enable_x64(True):
        rule = in_precision(TsodyksMarkram(utilization=np.array([0.2, 0.4, 0.6])), dtype)
        state = {"u": jnp.array([0.1, 0.2, 0.3], dtype), "x": jnp.array([0.9, 0.8, 0.7], dtype), "y": jnp.full(3, 0.05, dtype)}
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


def test_in_a_network():
    """Each spike arrives with its weight times its amplitude, after its delay; every source has its own memory and parameters."""
    trains = [np.array([10.0, 30.0, 31.0, 100.0]), np.array([5.0, 30.0, 150.0])]
    rule = TsodyksMarkram(utilization=np.array([0.5, 0.2]), recovery=np.array([100.0, 300.0]), facilitation=np.array([0.0, 80.0]))
    sources = rv.Population(2, rv.neurons.SpikeTimes.of_trains(trains), name="sources")
    cells = rv.Population(2, rv.neurons.Passive(leak=0.0), initial={"V": 0.0}, name="cells")
    weight, delay = np.array([2.0, 3.0]), np.array([0.5, 7.0])
    fibres = rv.Projection(sources, cells, rv.synapses.Delta(), np.eye(2), weight=weight, delay=delay, short_term_plasticity=rule)
    run = rv.simulate(rv.Network(sources, cells, fibres), duration=200.0, dt=0.1, record=rv.Record(cells, "V"))
    jumps = np.diff(run["cells"].V.values, axis=0)
    for i, train in enumerate(trains):
        one = TsodyksMarkram(*(float(np.asarray(x)[i]) for x in (rule.utilization, rule.recovery, rule.facilitation)))
        steps = np.rint((train + delay[i]) / 0.1).astype(int)
        expected = np.zeros(2000)
        expected[steps] = weight[i] * amplitudes(one, np.diff(train))
        np.testing.assert_allclose(jumps[:, i], expected, atol=1e-12)


def test_spikes_of_one_source_are_plastic_in_one_projection_alone():
    """A second projection of the same source, without plasticity, has full spikes; shared kinetics at the target do not mix them."""
    source = rv.Population(1, rv.neurons.SpikeTimes(times=[10.0, 20.0, 30.0]), name="source")
    cells = rv.Population(2, rv.neurons.Passive(), name="cells")
    synapse = rv.synapses.ExponentialCurrent(tau=2.0)
    tired = rv.Projection(source, cells, synapse, [[1], [0]], weight=1.0, short_term_plasticity=TsodyksMarkram(1.0, 1e6))
    fresh = rv.Projection(source, cells, synapse, [[0], [1]], weight=1.0)
    net = rv.Network(source, cells, tired, fresh)
    V = rv.simulate(net, duration=40.0, dt=0.1, record=rv.Record(cells, "V"))["cells"].V.values
    at = lambda time: V[round(time / 0.1)] - V[0]
    assert at(15.0)[0] == pytest.approx(at(15.0)[1], rel=1e-9)
    assert at(40.0)[1] > 2 * at(40.0)[0]


DYNAMICS = {"EE": (0.5, 1100.0, 50.0), "EI": (0.05, 125.0, 1200.0), "IE": (0.25, 700.0, 20.0), "II": (0.32, 144.0, 60.0)}
"""U, D and F (ms) on average; both of a pair's letters: from, onto (Maass, Natschläger & Markram 2002, their model of a microcircuit)."""


@pytest.fixture(scope="module")
def heterogeneous():
    """Synapses each with its own U, D and F, about the four means, by half of them; irregular spikes of ten sources, with delays."""
    rng = np.random.default_rng(3)
    n, sources = 100, 10
    means = np.repeat(np.array(list(DYNAMICS.values())), n * sources // 4, axis=0)
    use, depression, facilitation = (np.clip(rng.normal(means, means / 2), [0.01, 5, 5], [0.99, 4000, 4000])).T
    trains = [np.unique(np.round(np.cumsum(rng.exponential(40.0, 60)), 1)) + 1.0 for _ in range(sources)]
    trains = [train[train < 900] for train in trains]
    source = rv.Population(sources, rv.neurons.SpikeTimes.of_trains(trains), name="source")
    cells = rv.Population(n, rv.neurons.Passive(leak=0.0, capacitance=1.0), initial={"V": 0.0}, name="cells")
    rule = TsodyksMarkram(utilization=use, recovery=depression, facilitation=facilitation)
    delay = rng.integers(1, 30, n * sources) * 0.1
    fibres = rv.Projection(
        source,
        cells,
        rv.synapses.Delta(),
        rv.connect.all_to_all(),
        delay=delay,
        short_term_plasticity=rule,
        short_term_site="edge",
        name="fibres",
    )
    return rv.Network(source, cells, fibres), trains, (use, depression, facilitation)


def test_heterogeneous_synapses_follow_their_published_recursion(heterogeneous):
    """Each of 1000 synapses by u and R of Markram, Wang & Tsodyks 1998, spike by spike, as Maass et al. give it."""
    net, trains, (use, depression, facilitation) = heterogeneous
    expected = np.zeros(100)
    for edge in range(1000):
        target, source = divmod(edge, 10)
        u, r, total = use[edge], 1.0, use[edge]
        for interval in np.diff(trains[source]):
            r = 1 + (r - u * r - 1) * np.exp(-interval / depression[edge])
            u = use[edge] + u * (1 - use[edge]) * np.exp(-interval / facilitation[edge])
            total += u * r
        expected[target] += total
    run = rv.simulate(net, duration=910.0, dt=0.1)
    found = run.state.neurons["cells"]["V"]
    record_reproduction(
        "heterogeneous dynamic synapses",
        "Maass, Natschläger & Markram 2002, Neural Comput 14:2531; Markram, Wang & Tsodyks 1998: their recursion for each synapse",
        "sum of the amplitudes of ten synapses each, for ten targets of a hundred",
        expected[::10],
        found[::10],
        1e-10,
    )
    np.testing.assert_allclose(found, expected, atol=1e-10)
    np.testing.assert_array_equal(run.edges("fibres").parameter("short_term_plasticity.utilization"), use)


def test_states_at_the_edges_go_on_bit_for_bit(heterogeneous, tmp_path):
    net, _, _ = heterogeneous
    whole = rv.simulate(net, duration=300.0, dt=0.1, store=tmp_path / "whole", checkpoint_every=100.0)
    rv.simulate(net, duration=173.3, dt=0.1, store=tmp_path / "part")
    again = rv.resume(tmp_path / "part", duration=300.0)
    for name, values in whole.state.synapses["fibres"].items():
        np.testing.assert_array_equal(again.state.synapses["fibres"][name], values)
    np.testing.assert_array_equal(again.state.neurons["cells"]["V"], whole.state.neurons["cells"]["V"])


FIGURES = {  # A (pA), U, recovery, facilitation, inactivation, membrane (ms)
    "depressing": (250.0, 0.5, 800.0, 0.0, 3.0, 40.0),
    "facilitating": (1540.0, 0.03, 130.0, 530.0, 1.5, 60.0),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_potential_at_20_hz_as_in_the_papers_first_figure(name):
    """Spikes at 20 Hz into a membrane of 100 MOhm. The current is A times the active share, so it has the time constant τ_in."""
    efficacy, use, recovery, facilitation, inactivation, membrane = FIGURES[name]
    times = np.arange(20) * 50.0 + 50.0

    def rate(_, s):  # x recovered, y active, z inactive; u; the potential in mV
        x, y, _, u, v = s
        z = 1 - x - y
        fades = -u / facilitation if facilitation else 0.0
        return [z / recovery, -y / inactivation, y / inactivation - z / recovery, fades, (-v + 0.1 * efficacy * y) / membrane]

    state, at, peaks = np.array([1.0, 0, 0, 0, 0]), 0.0, []
    for begin, end in zip(times, [*times[1:], times[-1] + 50.0], strict=True):
        state = solve_ivp(rate, (at, begin), state, rtol=1e-9, atol=1e-12).y[:, -1] if begin > at else state
        u = state[3] + use * (1 - state[3]) if facilitation else use
        state = state + np.array([-u * state[0], u * state[0], 0, u - state[3], 0])
        piece = solve_ivp(rate, (begin, end), state, rtol=1e-9, atol=1e-12, t_eval=np.linspace(begin, end, 2001))
        peaks.append(piece.y[4].max())
        state, at = piece.y[:, -1], end
    source = rv.Population(1, rv.neurons.SpikeTimes(times, np.zeros(20, int)))
    model = rv.neurons.LeakyIntegrateAndFire(leak=10.0, capacitance=10.0 * membrane, rest=0.0, threshold=1000.0)
    cell = rv.Population(1, model, initial={"V": 0.0}, name="cell")
    rule = TsodyksMarkram(utilization=use, recovery=recovery, facilitation=facilitation, inactivation=inactivation)
    current = rv.synapses.ExponentialCurrent(tau=inactivation)
    fibre = rv.Projection(source, cell, current, [[1]], weight=efficacy, short_term_plasticity=rule)
    V = rv.simulate(rv.Network(source, cell, fibre), duration=1100.0, dt=0.1, record=rv.Record(cell, "V"))["cell"].V.values[:, 0]
    found = [V[int(t / 0.1) : int(t / 0.1) + 500].max() for t in times]
    record_reproduction(
        f"Tsodyks–Markram, {name}",
        "Tsodyks, Pawelzik & Markram 1998, figure 1: its equations (with inactivation) solved by SciPy",
        "peaks of the potential under 20 spikes at 20 Hz",
        peaks,
        found,
        0.002 * max(peaks),
        "mV",
    )
