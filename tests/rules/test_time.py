"""The rules of time, one test or more a rule."""

import re
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv


class Recorder(rv.NeuronModel):
    """V is the integral of the time asked for: shows which stage times a method asks for."""

    def initial_state(self, n, key):
        return {"V": jnp.zeros(n)}

    def derivatives(self, state, inputs, t):
        return {"V": jnp.zeros_like(state["V"]) + inputs.offset}

    def spiked(self, before, after):
        return jnp.zeros(before["V"].shape, bool)


class PulseOnClock(rv.Stimulus):
    """One at exactly one time, to the last bit."""

    at: float = 0.0

    def __call__(self, t):
        return jnp.where(t == self.at, 1.0, 0.0)


@pytest.mark.parametrize("k", [1, 3, 29, 58, 143, 205, 577])
def test_the_last_stage_is_at_the_next_time_bit_for_bit(k):
    """RK4 asks at k·dt as the last stage (weight 1/6) and as the first of the next step (1/6)."""
    run = rv.simulate(Recorder(), current=PulseOnClock(at=k * 0.01), duration=6.0, dt=0.01)
    steps = np.diff(run.V.values[:, 0])
    assert np.flatnonzero(steps).tolist() == [k - 1, k]
    np.testing.assert_allclose(steps[[k - 1, k]], 0.01 / 6, rtol=1e-9)


def test_the_clock_is_a_product_in_double_precision_even_in_single():
    """After 10 000 s single precision cannot tell two steps apart; the clock can."""
    state = rv.simulate(Recorder(), duration=0.0, precision="single").state
    late = rv.SimulationState(**{**vars(state), "step": np.int64(10**9)})
    run = rv.simulate(
        rv.Network(rv.Population(1, Recorder(), current=PulseOnClock(at=(10**9 + 3) * 0.01))),
        initial=late,
        duration=0.1,
        precision="single",
        record=rv.Record("recorder", "V"),
    )
    assert np.flatnonzero(np.diff(run.V.values[:, 0])).tolist() == [2, 3]
    assert run.V.time.values[0] == 10**9 * 0.01


def test_row_zero_is_the_initial_state_and_the_last_row_the_end():
    run = rv.simulate(rv.neurons.Passive(), initial={"V": -50.0}, duration=1.0, dt=0.1)
    assert run.V.values[0, 0] == -50.0
    np.testing.assert_allclose(run.V.time.values, np.arange(11) * 0.1)
    assert run.V.values[-1, 0] == run.state.neurons["passive"]["V"][0]


def lif(**parameters):
    """A neuron that integrates its input alone: 1 mV a step of 0.1 ms at 10 pA."""
    values = {"capacitance": 1.0, "leak": 0.0, "rest": 0.0, "threshold": 10.0, "reset": 0.0, **parameters}
    return rv.neurons.LeakyIntegrateAndFire(**values)


def test_a_spike_has_the_time_of_the_start_of_its_step():
    run = rv.simulate(lif(threshold=9.5), current=10.0, duration=2.0, dt=0.1, integrator=rv.Euler())
    # V is k at t_k; it passes 9.5 in the step from 9 to 10
    assert run.spikes.steps.tolist() == [9, 19]
    np.testing.assert_array_equal(run.spikes.times, [9 * 0.1, 19 * 0.1])


def test_a_model_without_reset_spikes_on_the_upward_crossing_alone():
    sine = rv.stimuli.Function(lambda t: 100 * jnp.cos(2 * jnp.pi * t / 10))

    class Follower(rv.NeuronModel):
        def initial_state(self, n, key):
            return {"V": jnp.zeros(n) - 1.0}

        def derivatives(self, state, inputs, t):
            return {"V": inputs.offset}

        def spiked(self, before, after):
            return rv.neurons.crossed_upward(before["V"], after["V"], 0.0)

    run = rv.simulate(Follower(), current=sine, duration=40.0, dt=0.1)
    assert len(run.spikes) == 4
    V = run.V.values[:, 0]
    assert all(V[k] < 0 <= V[k + 1] for k in run.spikes.steps)


@pytest.mark.parametrize(("refractory", "steps"), [(0.1, 1), (0.5, 5), (5.0, 50)])
def test_refractoriness_is_counted_in_whole_steps(refractory, steps):
    """After a spike in step k the potential is held in the steps k + 1 … k + R, and moves again after."""
    run = rv.simulate(lif(refractory=refractory, threshold=0.5), current=10.0, duration=20.0, dt=0.1, integrator=rv.Euler())
    assert np.unique(np.diff(run.spikes.steps)).tolist() == [steps + 1]


def test_a_duration_that_is_no_multiple_of_the_step_is_rounded_and_said():
    with pytest.warns(UserWarning, match=r"refractory period of .* of 0.25 ms is not a multiple of dt = 0.1 ms; it is rounded to 0.2 ms"):
        rv.simulate(lif(refractory=0.25), current=10.0, duration=1.0, dt=0.1)


def kicked(delay, *, kick=1.0, sources=1, targets=None, connect=None, weight=None, dt=0.1, **target):
    """A source that spikes in step 2 (and every fifth step after) onto a silent target."""
    source = rv.Population(sources, lif(threshold=2.5), current=10.0, name="source", initial={"V": 0.0})
    target = rv.Population(targets or 1, lif(threshold=1e9, **target), name="target")
    projection = rv.Projection(
        source,
        target,
        rv.synapses.Delta(),
        rv.connect.all_to_all() if connect is None else connect,
        weight=kick if weight is None else weight,
        delay=delay,
    )
    return rv.Network(source, target, projection)


@pytest.mark.parametrize("steps", [0, 1, 7, 300])
def test_a_spike_of_step_k_arrives_at_the_end_of_step_k_plus_d(steps):
    net = kicked(steps * 0.1)
    run = rv.simulate(net, duration=60.0, dt=0.1, integrator=rv.Euler(), record=rv.Record("target", "V"))
    V = run["target"].V.values[:, 0]
    spikes = run["source"].spikes.steps
    assert spikes[0] == 2
    arrivals = np.flatnonzero(np.diff(V)) + 1  # row k + 1 is the state at the end of step k
    expected = spikes + steps + 1
    assert arrivals.tolist() == expected[expected <= 600].tolist()


def test_delays_per_edge():
    """Edge (target i) has the delay i steps: each target's first arrival is known by hand."""
    delays = np.array([0.0, 0.1, 0.5, 2.0])
    net = kicked(delays, targets=4)
    run = rv.simulate(net, duration=4.0, dt=0.1, integrator=rv.Euler(), record=rv.Record("target", "V"))
    first = [int(np.flatnonzero(run["target"].V.values[:, i])[0]) for i in range(4)]
    assert first == [2 + d + 1 for d in (0, 1, 5, 20)]


def test_a_delay_longer_than_a_call_of_the_loop_survives_a_resume():
    net = kicked(3.0)
    whole = rv.simulate(net, duration=6.0, dt=0.1, record=rv.Record("target", "V"))
    first = rv.simulate(net, duration=2.0, dt=0.1)
    rest = rv.simulate(net, duration=4.0, dt=0.1, initial=first.state, record=rv.Record("target", "V"))
    np.testing.assert_array_equal(rest["target"].V.values, whole["target"].V.values[20:])


def test_a_kick_into_a_refractory_neuron_is_lost():
    """Source 1 makes the target spike; the kicks of the next steps find it refractory."""
    source = rv.Population(1, lif(threshold=0.5), current=10.0, name="source")  # spikes in every step
    target = rv.Population(1, lif(threshold=2.5, refractory=0.5), name="target")
    net = rv.Network(source, target, rv.Projection(source, target, rv.synapses.Delta(), [[1]], weight=1.0))
    run = rv.simulate(net, duration=2.0, dt=0.1, integrator=rv.Euler(), record=rv.Record("target", "V"))
    V = run["target"].V.values[:, 0]
    # kicks end the steps 0, 1, 2: V = 3 at t_3, a spike in step 3 (level test at its start), whose own kick is lost
    assert V[:5].tolist() == [0, 1, 2, 3, 0]
    assert run["target"].spikes.steps[0] == 3
    assert (V[4:10] == 0).all()  # held in the steps 4 … 8; the kick that ends step 9 is the first to count
    assert V[10] == 1


def test_a_kick_over_threshold_at_the_end_of_a_step_makes_a_spike_in_the_next_even_if_the_leak_pulls_back():
    """Detection looks at both ends of a step."""
    source = rv.Population(1, lif(threshold=0.5), current=rv.stimuli.SquarePulse(10.0, stop=0.1), name="source")
    target = rv.Population(1, lif(threshold=10.0, leak=5.0, capacitance=1.0), name="target")
    net = rv.Network(source, target, rv.Projection(source, target, rv.synapses.Delta(), [[1]], weight=10.5))
    run = rv.simulate(net, duration=1.0, dt=0.1, integrator=rv.RungeKutta4(), record=rv.Record("target", "V"))
    assert run["target"].spikes.steps.tolist() == [1]


def test_a_step_has_its_order():
    """One step: record, integrate, detect, deliver, reset. A spike of this step with no delay reaches a conductance in it."""
    source = rv.Population(1, lif(threshold=0.5), current=rv.stimuli.SquarePulse(10.0, stop=0.1), name="source")
    target = rv.Population(1, lif(threshold=1e9), name="target")
    net = rv.Network(
        source,
        target,
        rv.Projection(source, target, rv.synapses.ExponentialConductance(tau=1.0, reversal=100.0), [[1]], weight=2.0, name="exc"),
    )
    run = rv.simulate(
        net, duration=0.3, dt=0.1, integrator=rv.Euler(), record=[rv.Record("exc", "g"), rv.Record("target", "V"), rv.Record("source", "V")]
    )
    assert run["source"].V.values[:, 0].tolist() == [0, 0, 0, 0]  # reset within the step of the spike
    np.testing.assert_allclose(run["exc"]["g"].values[:, 0], [0, 2, 1.8, 1.62])
    assert run["target"].V.values[1, 0] == 0 and run["target"].V.values[2, 0] > 0


def test_rk4_sees_graded_coupling_at_every_stage():
    """Two cells coupled through a gap junction: the error falls with the fourth power of dt."""

    def end(dt):
        cells = rv.Population(2, rv.neurons.Passive(), initial={"V": [-80.0, -20.0]}, name="cells")
        net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.GapJunction(), [[0, 1], [1, 0]], weight=0.3))
        return rv.simulate(net, duration=8.0, dt=dt).state.neurons["cells"]["V"]

    exact = -65.0 + np.array([1.0, -1.0]) * -30.0 * np.exp(-(0.1 + 0.6) * 8.0) + 15.0 * np.exp(-0.1 * 8.0)
    errors = [np.abs(end(dt) - exact).max() for dt in (0.5, 0.25)]
    assert 3.8 < np.log2(errors[0] / errors[1]) < 4.4


def test_one_compilation_serves_every_length():
    from ranvier.network import loop

    net = kicked(0.2)
    rv.simulate(net, duration=1.0, dt=0.1)
    before = loop.compilations
    for duration in (0.1, 0.7, 3.3):
        rv.simulate(net, duration=duration, dt=0.1)
    assert loop.compilations == before


def test_more_spikes_than_the_list_holds_lose_nothing():
    """Every neuron spikes in every step: the list fills again and again, and the loop stops early each time."""
    n, steps = 3000, 40
    run = rv.simulate(rv.Population(n, lif(threshold=0.5)), current=10.0, duration=steps * 0.1, dt=0.1, integrator=rv.Euler())
    assert len(run.spikes) == n * steps > 2**14
    np.testing.assert_array_equal(run.spikes.steps, np.repeat(np.arange(steps), n))
    np.testing.assert_array_equal(run.spikes.neurons, np.tile(np.arange(n), steps))


def test_a_run_in_two_halves_is_the_whole_bit_for_bit():
    net = rv.models.antennal_lobe(seed=3)
    record = [rv.Record("PN", "V", every=0.5), rv.Record("LN", "V", every=0.07)]
    whole = rv.simulate(net, duration=150.0, record=record)
    first = rv.simulate(net, duration=63.13, record=record)
    second = rv.simulate(net, duration=150.0 - 63.13, record=record, initial=first.state)
    np.testing.assert_array_equal(np.concatenate([first.spikes.steps, second.spikes.steps]), whole.spikes.steps)
    for part in ("PN", "LN"):
        joined = np.concatenate([first[part].V.values, second[part].V.values])
        np.testing.assert_array_equal(joined, whole[part].V.values)
        np.testing.assert_array_equal(np.concatenate([first[part].V.time, second[part].V.time]), whole[part].V.time)
        np.testing.assert_array_equal(second.state.neurons[part]["V"], whole.state.neurons[part]["V"])


@pytest.mark.parametrize("kernels", ["native", "by parts"])
def test_a_potential_that_reaches_the_threshold_exactly_is_a_spike(kernels):
    """Eight steps of a quarter of a millivolt each reach 2 without rounding."""
    how = {} if kernels == "native" else {"integrator": rv.Euler()}
    at = rv.simulate(lif(threshold=2.0), current=2.0, duration=2.0, dt=0.125, **how)
    assert at.spikes.steps.tolist() == [7, 15]
    above = rv.simulate(lif(threshold=np.nextafter(2.0, 3.0)), current=2.0, duration=2.0, dt=0.125, **how)
    assert above.spikes.steps.tolist() == [8]


def test_a_kick_over_the_threshold_of_a_model_without_reset_is_one_spike():
    source = rv.Population(1, rv.neurons.SpikeTimes([1.0, 3.0]), name="source")
    cell = rv.Population(1, rv.neurons.HodgkinHuxley(), name="cell")
    net = rv.Network(source, cell, rv.Projection(source, cell, rv.synapses.Delta(), [[1]], weight=100.0))
    run = rv.simulate(net, duration=2.5, dt=0.01)
    assert run["cell"].spikes.steps.tolist() == [101]


def test_what_acts_continuously_arrives_after_its_delay():
    """What a gap junction brings is the ramp of D steps ago, within the step too: its integral is a parabola."""
    ramp = rv.Population(1, Recorder(), current=1.0, initial={"V": 0.0}, name="ramp")  # V(t) = t
    cell = rv.Population(1, Recorder(), initial={"V": 0.0}, name="cell")
    wire = rv.Projection(ramp, cell, rv.synapses.GapJunction(), [[1.0]], delay=0.5)
    V = rv.simulate(rv.Network(ramp, cell, wire), duration=3.0, dt=0.1, record=rv.Record(cell, "V"))["cell"].V.values[:, 0]
    t = 0.1 * np.arange(31)
    np.testing.assert_allclose(V, np.where(t > 0.5, (t - 0.5) ** 2 / 2, 0.0), atol=1e-12)


def test_a_chain_of_kicks_without_delay_takes_one_step_a_hop():
    source = rv.Population(1, rv.neurons.SpikeTimes([0.3]), name="source")
    chain = rv.Population(5, lif(), name="chain")
    hops = np.diag(np.ones(4), -1)
    net = rv.Network(
        source,
        chain,
        rv.Projection(source, chain, rv.synapses.Delta(), [[1], [0], [0], [0], [0]], weight=20.0),
        rv.Projection(chain, chain, rv.synapses.Delta(), hops, weight=20.0),
    )
    run = rv.simulate(net, duration=2.0, dt=0.1)
    assert run["source"].spikes.steps.tolist() == [3]
    assert run["chain"].spikes.steps.tolist() == [4, 5, 6, 7, 8] and run["chain"].spikes.neurons.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("refractory", [0.0, 0.1, 2.0])
def test_an_interval_is_the_refractory_period_and_the_time_to_the_threshold(refractory):
    """From 0 to the threshold takes T = 10 steps of .95 mV."""
    run = rv.simulate(lif(refractory=refractory, threshold=9.0), current=9.5, duration=20.0, dt=0.1)
    assert np.unique(np.diff(run.spikes.steps)).tolist() == [round(refractory / 0.1) + 10]
    first, V = int(run.spikes.steps[0]), run.V.values[:, 0]
    held = round(refractory / 0.1) + 1  # R + dt from the spike's time on
    assert (V[first + 1 : first + held + 1] == 0).all() and V[first + held + 1] > 0


def test_a_kick_that_ends_the_last_refractory_step_is_lost():
    """A spike in step 2, R of 5 steps: held in 3 … 7. Kicks that end the steps 2 … 7 are lost, that of step 8 stays."""
    for step in range(2, 10):
        source = rv.Population(1, rv.neurons.SpikeTimes([step * 0.1]), name="source")
        target = rv.Population(1, lif(threshold=2.5, refractory=0.5), current=rv.stimuli.SquarePulse(10.0, stop=0.3), name="target")
        net = rv.Network(source, target, rv.Projection(source, target, rv.synapses.Delta(), [[1]], weight=1.0))
        run = rv.simulate(net, duration=1.5, dt=0.1, record=rv.Record("target", "V"))
        assert run["target"].spikes.steps.tolist() == [2]
        assert run["target"].V.values[-1, 0] == (1.0 if step >= 8 else 0.0), step


def test_the_table_of_rules_names_tests_that_are_here():
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "time.md").read_text()
    table = page.split("## At a glance")[1].split("\n## ")[0]
    named = re.findall(r"`([a-z0-9_]{12,})`", table)
    assert len(named) >= 16
    assert [name for name in named if f"test_{name}" not in globals()] == []
