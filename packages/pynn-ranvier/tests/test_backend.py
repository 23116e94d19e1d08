"""Ranvier behind PyNN's interface: what PyNN's scenarios ask of a backend, in our own words, and numbers from outside."""

import numpy as np
import pytest

pytest.importorskip("pyNN", reason="pip install pynn")
import pynn_ranvier as sim
from pyNN.parameters import Sequence

CELL = {"cm": 0.2, "tau_m": 20.0, "v_rest": -60.0, "v_thresh": -50.0, "v_reset": -60.0, "tau_refrac": 2.0, "tau_syn_E": 5.0}
SILENT = {**CELL, "v_thresh": 1000.0}


@pytest.fixture(autouse=True)
def anew():
    sim.setup(timestep=0.1)


def passive(n=1, kind=None, **more):
    cells = sim.Population(n, (kind or sim.IF_curr_exp)(**{**SILENT, **more}), initial_values={"v": -60.0})
    cells.record("v")
    return cells


def voltage(cells, segment=-1):
    return cells.get_data("v").segments[segment].analogsignals[0].magnitude


def fires_at(times, n=1):
    return sim.Population(n, sim.SpikeSourceArray(spike_times=times))


def test_two_cells_are_those_of_nest():
    """Spikes and V as PyNN prints them with NEST, `spike_precision="on_grid"`."""
    first = sim.Population(1, sim.IF_curr_exp(i_offset=0.5, **CELL), initial_values={"v": -60.0})
    second = sim.Population(1, sim.IF_curr_exp(**CELL), initial_values={"v": -60.0})
    sim.Projection(first, second, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.08, delay=1.5))
    first.record("spikes")
    second.record(["spikes", "v"])
    sim.run(60.0)
    train = first.get_data().segments[0].spiketrains[0]
    assert train.magnitude.round(1).tolist() == [4.5, 11.0, 17.5, 24.0, 30.5, 37.0, 43.5, 50.0, 56.5]
    assert float(voltage(second)[400, 0]) == pytest.approx(-55.0669, abs=5e-5)
    assert second.get_spike_counts() == {int(second[0]): 0}


def test_pieces_resets_and_segments():
    cells = sim.Population(3, sim.IF_curr_exp(i_offset=[0.3, 0.5, 0.7], **CELL), initial_values={"v": -60.0})
    cells.record(["v", "spikes"], sampling_interval=0.5)
    sim.run(40.0)
    sim.reset()
    asked = []
    sim.run(20.0, callbacks=[lambda t: asked.append(round(t, 1)) or t + 5.0])
    sim.run_until(40.0)
    assert asked == [0.0, 5.0, 10.0, 15.0, 20.0] and sim.get_current_time() == pytest.approx(40.0)
    whole, pieces = cells.get_data().segments
    assert pieces.analogsignals[0].shape == (81, 3) and str(pieces.analogsignals[0].units.dimensionality) == "mV"
    np.testing.assert_array_equal(whole.analogsignals[0].magnitude, pieces.analogsignals[0].magnitude)
    assert [t.magnitude.tolist() for t in whole.spiketrains] == [t.magnitude.tolist() for t in pieces.spiketrains]
    counts = [len(t) for t in whole.spiketrains]
    assert counts[0] < counts[1] < counts[2] and cells.mean_spike_count() == pytest.approx(np.mean(counts))
    assert [t.annotations["source_index"] for t in whole.spiketrains] == [0, 1, 2]


def test_what_is_cleared_is_gone_and_the_rest_goes_on():
    cells = sim.Population(1, sim.IF_curr_exp(i_offset=0.5, **CELL), initial_values={"v": -60.0})
    cells.record("spikes")
    sim.run(20.0)
    assert [len(s.spiketrains[0]) for s in cells.get_data(clear=True).segments] == [3]
    sim.run(20.0)
    assert cells.get_data().segments[0].spiketrains[0].magnitude.round(1).tolist() == [24.0, 30.5, 37.0]


def test_some_cells_are_recorded_and_more_from_a_moment_on():
    cells = sim.Population(4, sim.IF_curr_exp(**CELL), initial_values={"v": -60.0})
    cells[1:2].set(i_offset=0.6)
    cells[3:4].set(i_offset=0.1)
    cells[3:4].record("v")
    cells.record("spikes")
    sim.run(30.0)
    cells[0:1].record("v")
    sim.run(20.0)
    segment = cells.get_data().segments[0]
    v = segment.filter(name="v")[0].magnitude
    assert v.shape == (501, 2)  # cells 0 and 3
    assert np.isnan(v[:301, 0]).all() and np.allclose(v[301:, 0], -60.0)
    assert np.allclose(v[:, 1], -60 + 10 * (1 - np.exp(-np.arange(501) / 200)) * 0.1 * 20 / 0.2 / 10)
    trains = [np.asarray(train.magnitude) for train in segment.spiketrains]
    assert [len(train) > 0 for train in trains] == [False, True, False, False]
    assert [train.annotations["source_index"] for train in segment.spiketrains] == [0, 1, 2, 3]


def test_parameters_are_read_and_changed_between_runs():
    cells = passive(4)
    cells.set(i_offset=[0.0, 0.1, 0.1, 0.2])
    cells[1:3].set(i_offset=0.05)
    assert cells.get("i_offset").tolist() == [0.0, 0.05, 0.05, 0.2] and cells.get("tau_m") == 20.0
    assert cells[3:].get("i_offset") == 0.2 and cells[2].i_offset == 0.05
    sim.run(200.0)
    cells.set(i_offset=0.0)
    sim.run(20.0)
    v = voltage(cells)
    at_rest = -60.0 + np.array([0.0, 5.0, 5.0, 20.0])
    np.testing.assert_allclose(v[2000], at_rest, atol=2e-3)
    np.testing.assert_allclose(v[-1], -60.0 + (v[2000] + 60.0) * np.exp(-1.0), atol=1e-9)


def test_initial_values():
    cells = passive(5)
    cells.initialize(v=sim.RandomDistribution("uniform", (-70.0, -55.0), rng=sim.NumpyRNG(seed=3)))
    sim.run(0.1)
    v = voltage(cells)[0]
    assert len(np.unique(v)) == 5 and v.min() > -70 and v.max() < -55
    sim.setup(timestep=0.1)
    adapting = sim.Population(1, sim.EIF_cond_exp_isfa_ista(), initial_values={"v": -70.0, "w": 0.1})
    adapting.record("w")
    sim.run(0.1)
    signal = adapting.get_data().segments[0].analogsignals[0]
    assert signal.magnitude[0, 0] == pytest.approx(0.1) and str(signal.units.dimensionality) == "nA"


def test_currents():
    cells = passive(4)
    tau, resistance = 20.0, 100.0  # MΩ: mV per nA
    sim.DCSource(amplitude=0.1, start=10.0, stop=60.0).inject_into(cells[:1])
    step = sim.StepCurrentSource(times=[10.0, 30.0], amplitudes=[0.1, -0.1])
    cells[1].inject(step)
    sim.run(200.0)
    v, t = voltage(cells) + 60.0, np.arange(2001) * 0.1
    up = lambda t: resistance * 0.1 * (1 - np.exp(-np.maximum(t, 0.0) / tau))
    np.testing.assert_allclose(v[:, 0], up(t - 10.0) - up(t - 60.0), atol=1e-9)
    np.testing.assert_allclose(v[:, 1], up(t - 10.0) - 2 * up(t - 30.0), atol=1e-9)
    assert not v[:, 2:].any()


def test_an_alternating_current():
    cells = passive(1)
    sim.ACSource(amplitude=0.1, frequency=50.0, phase=90.0, offset=0.02, start=0.0, stop=1e12).inject_into(cells)
    sim.run(200.0)
    late, gain = voltage(cells)[1000:, 0] + 60.0, 100.0 / np.hypot(1.0, 2 * np.pi * 0.05 * 20.0)
    assert late.mean() == pytest.approx(2.0, abs=0.05) and np.ptp(late) / 2 == pytest.approx(0.1 * gain, rel=0.02)


def test_a_noisy_current_has_its_mean_and_deviation():
    cells = passive(400)
    sim.NoisyCurrentSource(mean=0.1, stdev=0.5, dt=0.1).inject_into(cells)
    sim.run(100.0)
    last, decay = voltage(cells)[-1], np.exp(-0.1 / 20.0)
    expected = 0.5 * 100.0 * (1 - decay) / np.sqrt(1 - decay**2)
    assert last.mean() == pytest.approx(-60 + 10.0 * (1 - np.exp(-5)), abs=5 * expected / 20)
    assert last.std() == pytest.approx(expected, rel=0.18)


@pytest.mark.parametrize("kind", ["IF_curr_exp", "IF_curr_alpha"])
def test_a_current_pulse_moves_the_membrane_as_the_formula_says(kind):
    source, cells = fires_at([5.0]), passive(1, getattr(sim, kind))
    sim.Projection(source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1, delay=2.0))
    sim.run(40.0)
    v, t = voltage(cells)[:, 0] + 60.0, np.maximum(np.arange(401) * 0.1 - 7.0, 0.0)
    rate, slow = 1 / 5.0 - 1 / 20.0, np.exp(-t / 20.0)
    if kind == "IF_curr_exp":
        expected = 0.1 / 0.2 * slow * (1 - np.exp(-rate * t)) / rate
    else:
        expected = 0.1 / 0.2 * np.e / 5.0 * slow * (1 - (1 + rate * t) * np.exp(-rate * t)) / rate**2
    np.testing.assert_allclose(v, expected, atol=2e-6)


def test_conductances_are_recorded_and_inhibit():
    source = fires_at([5.0])
    cells = sim.Population(1, sim.IF_cond_exp(**{**SILENT, "tau_syn_I": 10.0, "e_rev_I": -80.0}), initial_values={"v": -60.0})
    cells.record(["v", "gsyn_exc", "gsyn_inh"])
    sim.Projection(source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.01, delay=1.0), receptor_type="inhibitory")
    sim.run(20.0)
    signals = {s.name: s.magnitude[:, 0] for s in cells.get_data().segments[0].analogsignals}
    t = np.arange(201) * 0.1
    np.testing.assert_allclose(signals["gsyn_inh"], np.where(t > 5.95, 0.01 * np.exp(-(t - 6.0) / 10.0), 0.0), atol=1e-12)
    assert not signals["gsyn_exc"].any() and signals["v"].min() < -60.1


def test_every_cell_type_fires_or_is_a_source():
    fired = {}
    for kind in (
        sim.IF_curr_exp,
        sim.IF_curr_alpha,
        sim.IF_cond_exp,
        sim.IF_cond_alpha,
        sim.EIF_cond_exp_isfa_ista,
        sim.EIF_cond_alpha_isfa_ista,
        sim.HH_cond_exp,
    ):
        fired[kind.__name__] = sim.Population(1, kind(i_offset=1.0))
    fired["Izhikevich"] = sim.Population(1, sim.Izhikevich(i_offset=0.01))
    fired["SpikeSourcePoisson"] = sim.Population(1, sim.SpikeSourcePoisson(rate=500.0))
    fired["SpikeSourceArray"] = fires_at([1.0, 2.0])
    for cells in fired.values():
        cells.record("spikes")
    sim.run(100.0)
    assert set(fired) == set(sim.list_standard_models())
    assert all(cells.mean_spike_count() >= 2 for cells in fired.values())


def test_sources_fire_when_they_are_told_to():
    array = sim.Population(2, sim.SpikeSourceArray(spike_times=[Sequence([1.0, 7.3]), Sequence([2.0])]))
    poisson = sim.Population(200, sim.SpikeSourcePoisson(rate=100.0, start=20.0, duration=50.0))
    array.record("spikes")
    poisson.record("spikes")
    sim.run(100.0)
    assert [t.magnitude.round(1).tolist() for t in array.get_data().segments[0].spiketrains] == [[1.0, 7.3], [2.0]]
    times = np.concatenate([t.magnitude for t in poisson.get_data().segments[0].spiketrains])
    assert times.min() > 20.0 and times.max() <= 70.1 and len(times) == pytest.approx(1000, abs=5 * np.sqrt(1000))


def test_connectors_views_and_assemblies():
    a, b = passive(6), passive(4)
    both, rng = a + b, sim.NumpyRNG(seed=1)
    synapse = sim.StaticSynapse(weight=0.01, delay=0.5)
    made = {
        "all": sim.Projection(a, b, sim.AllToAllConnector(), synapse),
        "others": sim.Projection(a, a, sim.AllToAllConnector(allow_self_connections=False), synapse),
        "in": sim.Projection(a, b, sim.FixedNumberPreConnector(3, rng=rng), synapse),
        "out": sim.Projection(a, b, sim.FixedNumberPostConnector(2, rng=rng), synapse),
        "total": sim.Projection(a, b, sim.FixedTotalNumberConnector(11, rng=rng), synapse),
        "list": sim.Projection(a, b, sim.FromListConnector([(0, 3, 0.02, 1.0), (5, 0, 0.03, 2.0)]), synapse),
        "array": sim.Projection(a, b, sim.ArrayConnector(np.eye(6, 4, dtype=bool)), synapse),
        "view": sim.Projection(a[2:4], b[[0, 3]], sim.OneToOneConnector(), synapse),
        "assembly": sim.Projection(both, both, sim.FixedProbabilityConnector(0.5, rng=rng), synapse, receptor_type="excitatory"),
        "distance": sim.Projection(a, b, sim.DistanceDependentProbabilityConnector("d < 1.5", rng=rng), synapse),
    }
    sizes = {name: len(p) for name, p in made.items()}
    assert sizes["assembly"] == pytest.approx(50, abs=25)
    assert {k: sizes[k] for k in ("all", "others", "in", "out", "total", "list", "array", "view")} == {
        "all": 24,
        "others": 30,
        "in": 12,
        "out": 12,
        "total": 11,
        "list": 2,
        "array": 4,
        "view": 2,
    }
    assert made["list"].get(["weight", "delay"], "list") == [(5, 0, 0.03, 2.0), (0, 3, 0.02, 1.0)]
    assert np.isnan(made["array"].get("weight", "array")).sum() == 20
    sim.run(1.0)
    # What reached Ranvier: a view's edges are between its cells.
    from pynn_ranvier import simulator

    (projection, _), *_ = made["view"].made.values()
    edges = simulator.state.network.edges(projection.name)
    assert (edges.pre.tolist(), edges.post.tolist()) == ([2, 3], [0, 3])
    assert sum(len(simulator.state.network.edges(p.name)) for p, _ in made["assembly"].made.values()) == sizes["assembly"]


def test_weights_are_set_and_each_spike_arrives_on_its_edge():
    source, cells = fires_at([5.0], 2), passive(2)
    wires = sim.Projection(source, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.01, delay=1.0))
    wires.set(weight=np.array([[0.1, 0.0], [0.0, 0.2]]), delay=3.0)
    assert wires.get("weight", "array").tolist() == [[0.1, 0.0], [0.0, 0.2]] and wires[0].delay == 3.0
    sim.run(20.0)
    v = voltage(cells) + 60.0
    assert not v[:81].any() and v[-1, 1] == pytest.approx(2 * v[-1, 0]) and v[-1, 0] > 0.5


def test_short_term_plasticity_scales_spikes():
    source, cells = fires_at([5.0, 25.0, 45.0]), passive(1)
    rule = sim.TsodyksMarkramSynapse(U=0.5, tau_rec=100.0, tau_facil=0.0, weight=0.1, delay=1.0)
    sim.Projection(source, cells, sim.AllToAllConnector(), rule)
    once = passive(1)
    sim.Projection(fires_at([5.0]), once, sim.AllToAllConnector(), sim.StaticSynapse(weight=0.1, delay=1.0))
    sim.run(70.0)
    single = voltage(once)[:, 0] + 60.0
    # Tsodyks, Pawelzik & Markram 1998, with the synapse's time constant as that of inactivation, solved for the three spikes.
    x, y, z, sizes = 1.0, 0.0, 0.0, []
    for since in (np.inf, 20.0, 20.0):
        if np.isfinite(since):
            fade, back = np.exp(-since / 5.0), np.exp(-since / 100.0)
            z, y = z * back + y * 100.0 / (100.0 - 5.0) * (back - fade), y * fade
            x = 1.0 - y - z
        sizes.append(0.5 * x)
        x, y = 0.5 * x, y + 0.5 * x
    expected = sum(
        size * np.concatenate([np.zeros(shift), single[: 701 - shift]]) for size, shift in zip(sizes, (0, 200, 400), strict=True)
    )
    np.testing.assert_allclose(voltage(cells)[:, 0] + 60.0, expected, atol=1e-9)


@pytest.mark.parametrize("fraction", [0.0, 1.0])
def test_weights_learn_by_pairs(fraction):
    """One pair each, s ms apart at the synapse: Δw = w_max A exp(−|s|/τ)."""
    before, after = fires_at([20.0]), fires_at([26.0])
    cells = sim.Population(1, sim.IF_curr_exp(**{**CELL, "tau_refrac": 0.1, "tau_syn_E": 0.1}), initial_values={"v": -60.0})
    cells.record("spikes")
    sim.Projection(after, cells, sim.AllToAllConnector(), sim.StaticSynapse(weight=60.0, delay=0.1))
    rule = sim.STDPMechanism(
        timing_dependence=sim.SpikePairRule(tau_plus=10.0, tau_minus=15.0, A_plus=0.1, A_minus=0.12),
        weight_dependence=sim.AdditiveWeightDependence(w_min=0.0, w_max=0.02),
        weight=0.01,
        delay=2.0,
        dendritic_delay_fraction=fraction,
    )
    wires = sim.Projection(before, cells, sim.AllToAllConnector(), rule)
    sim.run(50.0)
    spike = float(cells.get_data().segments[0].spiketrains[0][0])
    apart = spike - 20.0 + (2.0 if fraction else -2.0)
    assert wires.get("weight", "list")[0][2] == pytest.approx(0.01 + 0.02 * 0.1 * np.exp(-apart / 10.0), rel=1e-6)
    sim.reset()
    assert wires.get("weight", "array")[0, 0] == pytest.approx(0.01)


def test_what_is_not_there_says_so():
    a, b = fires_at([1.0], 2), passive(2)
    differ = sim.TsodyksMarkramSynapse(U=np.array([[0.1, 0.2], [0.3, 0.4]]), weight=0.1)
    sim.Projection(a, b, sim.AllToAllConnector(), differ)
    with pytest.raises(sim.errors.InvalidParameterValueError, match="one for each"):
        sim.run(1.0)
    with pytest.raises(TypeError, match="spike source"):
        sim.DCSource(amplitude=0.1).inject_into(a)


def test_the_procedural_interface():
    with pytest.deprecated_call():
        cells = sim.create(sim.IF_curr_exp, {**CELL, "i_offset": 0.5}, n=2)
        other = sim.create(sim.IF_curr_exp, SILENT)
        sim.connect(cells, other, weight=0.05, delay=1.0)
    other.record("v")
    sim.run(20.0)
    assert voltage(other)[-1, 0] > voltage(other)[0, 0]
