"""`spike_timing="interpolated"`: spikes, resets and refractory periods within the step."""

import jax.numpy as jnp
import numpy as np
import pytest

import ranvier as rv

LIF = rv.neurons.LeakyIntegrateAndFire
ADEX = rv.neurons.AdaptiveExponentialIntegrateAndFire(peak=0.0, reset=-60.0)  # NEST's aeif_cond_exp


def times(model, dt, *, duration=300.0, timing="interpolated", **how):
    return rv.simulate(model, duration=duration, dt=dt, record=[], spike_timing=timing, **how).spikes.times


def test_adex_fires_where_its_equations_say_at_any_step():
    """At .1 ms NEST has 57.2, 139.6 and 268.8, with an adaptive solver and spikes on the grid; the limit is 57.1635, 139.5065, 268.7933."""
    limit = [24.61126, 57.16352, 139.50655, 268.79330]
    for dt in (0.4, 0.1, 0.025):
        np.testing.assert_allclose(times(ADEX, dt, current=700.0), limit, rtol=0, atol=1e-5)
    on_the_grid = times(ADEX, 0.1, current=700.0, timing="grid")
    assert abs(on_the_grid[2] - limit[2]) > 0.3


@pytest.mark.parametrize("model", [ADEX, LIF(refractory=2.0), rv.neurons.Izhikevich2003()])
def test_of_second_order_under_a_current_that_changes(model):
    """The grid's order is the first, whatever the method."""
    mean = 12.0 if isinstance(model, rv.neurons.Izhikevich2003) else 650.0 if model is ADEX else 280.0
    current = rv.stimuli.Sine(mean=mean, amplitude=0.4 * mean, frequency=35.0)
    exact = times(model, 0.001, duration=100.0, current=current)
    assert len(exact) >= 2
    errors = []
    for dt in (0.2, 0.1, 0.05):
        found = times(model, dt, duration=100.0, current=current)
        assert len(found) == len(exact)
        errors.append(np.abs(found - exact).max())
    assert np.log2(errors[0] / errors[2]) / 2 > 1.7, errors
    coarse = times(model, 0.1, duration=100.0, current=current, timing="grid")
    assert errors[1] < 0.02 * np.abs(coarse[: len(exact)] - exact[: len(coarse)]).max()


@pytest.mark.parametrize("refractory", [0.0, 0.03, 2.03])
@pytest.mark.parametrize("dt", [0.5, 0.1])
def test_intervals_of_a_leaky_neuron_are_those_of_the_formula(refractory, dt):
    """R counts from the spike itself, and need not be a multiple of the step."""
    cells = LIF(refractory=refractory, capacitance=[250.0, 200.0])
    run = rv.simulate(cells, current=400.0, duration=200.0, dt=dt, record=[], spike_timing="interpolated")
    for i, capacitance in enumerate((250.0, 200.0)):
        tau, end = capacitance / cells.leak, cells.rest + 400.0 / cells.leak
        first = tau * np.log((end - cells.rest) / (end - cells.threshold))
        interval = refractory + tau * np.log((end - cells.reset_potential) / (end - cells.threshold))
        train = run.spikes.trains[i]
        assert len(train) > 10
        np.testing.assert_allclose(train, first + interval * np.arange(len(train)), rtol=0, atol=1e-6)


def driven():
    """Cells under spikes of conductances, kicks and a current."""
    source = rv.Population(20, rv.neurons.PoissonSource(rate=100.0), name="source")
    cells = rv.Population(3, LIF(refractory=1.5), current=[150.0, 250.0, 350.0], name="cells")
    return rv.Network(
        source,
        cells,
        rv.Projection(source, cells, rv.synapses.ExponentialConductance(tau=3.0, reversal=0.0), rv.connect.all_to_all(), weight=1.0),
        rv.Projection(source, cells, rv.synapses.Delta(), rv.connect.pairwise_bernoulli(0.2), weight=1.5, delay=1.0),
    )


@pytest.mark.parametrize("precision", ["double", "single"])
def test_a_run_in_two_halves_is_the_whole(precision):
    how = {"dt": 0.1, "spike_timing": "interpolated", "precision": precision, "seed": 2}
    whole = rv.simulate(driven(), duration=60.0, **how)
    first = rv.simulate(driven(), duration=27.3, **how)
    second = rv.simulate(driven(), duration=60.0 - 27.3, initial=first.state, **how)
    ours = np.concatenate([first["cells"].spikes.times, second["cells"].spikes.times])
    assert len(ours) > 10
    np.testing.assert_array_equal(ours, whole["cells"].spikes.times)
    np.testing.assert_array_equal(second.state.neurons["cells"]["V"], whole.state.neurons["cells"]["V"])
    fractions = whole["cells"].spikes.times / 0.1 - whole["cells"].spikes.steps
    assert ((fractions >= -1e-6) & (fractions <= 1 + 1e-6)).all() and np.ptp(fractions) > 0.5


def test_cells_under_spikes_from_the_grid_fire_as_at_a_short_step():
    """The grid of the sources is the same: given spikes, at multiples of both steps."""
    rng = np.random.default_rng(4)
    given = rv.neurons.SpikeTimes(np.sort(rng.integers(0, 250, 40)) * 0.4, np.arange(40) % 20)

    def run(dt):
        source = rv.Population(20, given, name="source")
        cells = rv.Population(2, LIF(refractory=1.3), current=[170.0, 290.0], name="cells")
        wires = rv.Projection(
            source, cells, rv.synapses.ExponentialConductance(tau=3.0, reversal=0.0), rv.connect.all_to_all(), weight=3.0, delay=0.4
        )
        return rv.simulate(rv.Network(source, cells, wires), duration=100.0, dt=dt, spike_timing="interpolated")["cells"].spikes

    # A spike of step k arrives at the end of step k + D, one step after its time and delay: shifted, to compare.
    fine, coarse = run(0.0125), run(0.1)
    assert len(fine) == len(coarse) > 5
    assert np.abs(fine.times - coarse.times).max() < 0.1


def test_last_spike_is_recorded_exactly_and_parts_of_the_train_keep_their_times():
    cell = rv.Population(1, LIF(), current=300.0, name="cell")
    run = rv.simulate(cell, duration=100.0, dt=0.1, record=rv.Record("cell", "last_spike"), spike_timing="interpolated")
    last = run["cell"].last_spike.values[:, 0]
    np.testing.assert_allclose(np.unique(last[np.isfinite(last)]), run.spikes.times, rtol=0, atol=1e-7)
    np.testing.assert_array_equal(run.spikes.between(20, 60).times, [t for t in run.spikes.times if 20 <= t < 60])
    np.testing.assert_array_equal(run.spikes["cell"].between(20, 60).times, run.spikes.between(20, 60).times)


def test_a_kick_over_the_threshold_is_a_spike_at_the_start_of_the_next_step():
    source = rv.Population(1, rv.neurons.SpikeTimes([1.0]), name="source")
    cell = rv.Population(1, LIF(), name="cell")
    net = rv.Network(source, cell, rv.Projection(source, cell, rv.synapses.Delta(), [[1]], weight=100.0))
    assert rv.simulate(net, duration=3.0, dt=0.1, spike_timing="interpolated")["cell"].spikes.times.tolist() == [pytest.approx(1.1)]


class Diffusing(LIF):
    def diffusion(self, state):
        return {"V": jnp.ones_like(state["V"])}


def recurrent():
    cells = rv.Population(3, LIF(), name="cells")
    return rv.Network(cells, rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), rv.connect.all_to_all(), name="loop"))


@pytest.mark.parametrize(
    ("what", "message"),
    [
        (rv.neurons.HodgkinHuxley, "hodgkin_huxley .HodgkinHuxley. has none"),
        (Diffusing, "noise drives"),
        (recurrent, "loop delivers the spikes of cells"),
        (lambda: rv.Population(2, rv.neurons.PoissonSource()), "the network has none"),
    ],
)
def test_where_it_does_not_apply_it_is_refused_by_name(what, message):
    with pytest.raises(rv.UnsupportedError, match=f"spike_timing='interpolated'.*{message}"):
        rv.simulate(what(), duration=1.0, dt=0.1, spike_timing="interpolated")


def test_stores_gradients_and_other_steps_are_refused_by_name(tmp_path):
    sim = rv.prepare(rv.Population(1, LIF(), current=300.0, name="cell"), dt=0.1, spike_timing="interpolated")
    with pytest.raises(rv.UnsupportedError, match="Leave out store"):
        sim.run(1.0, store=tmp_path / "run.zarr")
    with pytest.raises(rv.UnsupportedError, match="spike_timing"):
        sim.function()
    state = sim.run(50.0).state
    with pytest.raises(rv.ParameterError, match=r"cannot go on with dt = 0\.05 ms"):
        rv.simulate(rv.Population(1, LIF(), current=300.0, name="cell"), duration=1.0, dt=0.05, initial=state, spike_timing="interpolated")
    with pytest.raises(rv.UnknownNameError, match="spike_timing"):
        rv.simulate(LIF(), duration=1.0, dt=0.1, spike_timing="exact")
