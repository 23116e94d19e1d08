"""Every plot function: the right artists, labels and data, and refusals."""

import re

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import xarray
from matplotlib.figure import Figure

import ranvier as rv
from ranvier.analysis import power_spectrum
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.plot.appearance import colours_of, in_words, pretty_unit


def potentials(n=3, times=50):
    time = np.arange(times) * 0.5
    return xarray.DataArray(
        np.sin(time)[:, None] * np.arange(1, n + 1) - 60,
        dims=("time", "neuron"),
        coords={"time": ("time", time, {"units": "ms"}), "neuron": np.arange(n) * 10},
        name="V",
        attrs={"units": "mV"},
    )


def axes():
    return Figure().add_subplot()


def spikes(times, neurons, populations, stop=100.0):
    order = np.lexsort((neurons, times))
    n = sum(size for _, size in populations.values())
    steps = np.rint(np.asarray(times) / 0.1).astype(np.int64)[order]
    from ranvier.result import Spikes

    return Spikes(steps, np.asarray(neurons, np.int32)[order], n=n, dt=0.1, start=0.0, stop=stop, populations=populations)


ONE = {"all": (0, 1)}
TWO = {"exc": (0, 8), "inh": (8, 2)}


def test_every_function_draws_into_the_axes_it_is_given():
    V = potentials()
    some = spikes([1.0, 2.0, 30.0], [0, 1, 9], TWO)
    calls = [
        lambda ax: rv.plot.traces(V, ax=ax),
        lambda ax: rv.plot.heat_map(V, ax=ax),
        lambda ax: rv.plot.raster(some, ax=ax),
        lambda ax: rv.plot.population_rate(some, ax=ax),
        lambda ax: rv.plot.fi_curve([0, 1], [0, 10], ax=ax),
        lambda ax: rv.plot.spectrum(V, ax=ax),
        lambda ax: rv.plot.phase_plane(V, V, ax=ax),
        lambda ax: rv.plot.connectivity(np.eye(3), ax=ax),
    ]
    for call in calls:
        ax = axes()
        assert call(ax) is ax
        assert ax.get_xlabel() and ax.get_ylabel()
    import matplotlib.pyplot as plt

    assert not plt.get_fignums()  # given axes, the global state of pyplot is left alone


def test_traces_carry_the_data_and_the_unit():
    V = potentials()
    ax = rv.plot.traces(V, stack=False, ax=axes())
    assert ax.get_ylabel() == "V (mV)" and ax.get_xlabel() == "time (ms)"
    np.testing.assert_array_equal(ax.lines[1].get_ydata(), V.values[:, 1])
    assert [line.get_label() for line in ax.lines] == ["neuron 0", "neuron 10", "neuron 20"]


def test_stacked_traces_do_not_overlap_and_have_a_scale_bar():
    V = potentials()
    ax = rv.plot.traces(V, ax=axes())
    drawn = [line.get_ydata() for line in ax.lines[:3]]
    offsets = np.diff([np.median(y) for y in drawn])
    assert (offsets > max(np.ptp(y) for y in drawn)).all()
    assert [t.get_text() for t in ax.get_yticklabels()] == ["0", "10", "20"]
    assert any(re.fullmatch(r"\S+ mV\nV", t.get_text()) for t in ax.texts)


@pytest.mark.parametrize("stimulus", [lambda t: 3.0 * t, 7.0, rv.stimuli.SquarePulse(10.0, start=5, stop=10), np.arange(50.0)])
def test_the_stimulus_has_a_panel_below_on_the_same_times(stimulus):
    V = potentials()
    ax = rv.plot.traces(V, stimulus, ax=axes())
    below = ax.figure.axes[-1]
    assert below is not ax and below.get_xlabel() == "time (ms)" and ax.get_xlabel() == ""
    assert below.get_shared_x_axes().joined(ax, below)
    values = below.lines[0].get_ydata()
    if stimulus is not None and callable(stimulus) and not isinstance(stimulus, rv.Stimulus):
        np.testing.assert_allclose(values, 3.0 * V.time.values)
    assert len(values) == 50


def test_traces_leave_room_for_the_stimulus_in_axes_without_a_grid():
    figure = Figure()
    ax = rv.plot.traces(potentials(), 1.0, ax=figure.add_axes((0.1, 0.1, 0.8, 0.8)))
    assert figure.axes[-1].get_position().y1 < ax.get_position().y0


def test_arrays_need_times_and_shapes_must_agree():
    with pytest.raises(ParameterError, match=r"give time="):
        rv.plot.traces(np.zeros(5))
    with pytest.raises(ParameterError, match=r"shape \(5, 1\) do not go with 4 times"):
        rv.plot.traces(np.zeros(5), time=np.arange(4))
    with pytest.raises(ParameterError, match="no neuron 3 among those recorded"):
        rv.plot.traces(potentials(), neurons=[3])
    with pytest.raises(ParameterError, match="has 3 values, but there are 50 times"):
        rv.plot.traces(potentials(), [1, 2, 3], ax=axes())


def test_empty_recordings_can_be_drawn():
    for shape in ((0, 3), (5, 0)):
        empty = xarray.DataArray(np.zeros(shape), dims=("time", "neuron"), coords={"time": np.arange(shape[0]) * 1.0}, name="V")
        rv.plot.traces(empty, ax=axes())
        rv.plot.heat_map(empty, ax=axes())


def test_a_heat_map_shows_every_value_with_a_labelled_colour_bar():
    V = potentials()
    ax = rv.plot.heat_map(V, ax=axes())
    np.testing.assert_array_equal(ax.images[0].get_array(), V.values.T)
    assert ax.figure.axes[-1].get_ylabel() == "V (mV)"
    assert ax.get_xlim() == (-0.25, 24.75)


def test_a_long_heat_map_is_averaged_not_thinned():
    V = potentials(2, 10_001)
    V.values[:] = 0.0
    V.values[5003] = 5.0
    image = rv.plot.heat_map(V, ax=axes()).images[0].get_array()
    assert image.shape[1] <= 2001 and image.max() == pytest.approx(1.0)


def test_a_raster_shows_each_spike_in_its_populations_colour():
    ax = rv.plot.raster(spikes([1.0, 2.0, 30.0], [0, 9, 9], TWO), ax=axes())
    exc, inh = ax.lines[:2]
    np.testing.assert_array_equal(exc.get_ydata(), [0])
    np.testing.assert_allclose(inh.get_xdata(), [2.0, 30.0])
    assert exc.get_color() == "#0072B2" and inh.get_color() == "#D55E00"
    assert {t.get_text() for t in ax.texts} == {"exc", "inh"}
    assert ax.get_xlim() == (0, 100) and ax.get_ylim() == (-0.5, 9.5)


def test_a_raster_of_trains_and_of_nothing():
    ax = rv.plot.raster([[1.0, 2.0], [], [3.0]], ax=axes())
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0, 0, 2])
    rv.plot.raster([], ax=axes())
    with pytest.raises(ParameterError, match=r"run\.spikes"):
        rv.plot.raster(3.0)


def test_many_points_are_rasterised():
    many = spikes(np.linspace(0, 99, 30_000), np.arange(30_000) % 10, TWO)
    lines = rv.plot.raster(many, ax=axes()).lines
    assert lines[0].get_rasterized() and not lines[1].get_rasterized()


def test_the_population_rate_is_that_of_the_spikes():
    some = spikes([1.0, 2.0, 3.0, 30.0], [0, 1, 9, 8], TWO)
    ax = rv.plot.population_rate(some, bin_width=10.0, ax=axes())
    exc = ax.patches[0].get_data()
    assert exc.values[0] == pytest.approx(2 / 8 / 0.01) and exc.values[1:].sum() == 0
    np.testing.assert_allclose(exc.edges, np.arange(0, 101, 10))
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["exc", "inh"]
    with pytest.raises(ParameterError, match="bin_width"):
        rv.plot.population_rate(some, bin_width=0)


def test_f_i_curves_in_one_axes_differ_in_more_than_colour():
    ax = rv.plot.fi_curve([2.0, 0.0, 1.0], [20.0, 0.0, 5.0], label="a", ax=axes())
    rv.plot.fi_curve([0.0, 1.0], [0.0, 5.0], label="b", ax=ax)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.0, 5.0, 20.0])
    a, b = ax.lines
    assert a.get_color() != b.get_color() and a.get_marker() != b.get_marker() and a.get_linestyle() != b.get_linestyle()
    with pytest.raises(ParameterError, match="one current and one rate"):
        rv.plot.fi_curve([1.0], [1.0, 2.0])


@pytest.mark.parametrize("frequency", [8.0, 20.0, 43.0])
def test_the_spectrum_finds_a_wave(frequency):
    time = np.arange(0.0, 1000.0, 0.5)
    wave = xarray.DataArray(
        2.0 * np.sin(2e-3 * np.pi * frequency * time), dims="time", coords={"time": time}, name="V", attrs={"units": "mV"}
    )
    density = power_spectrum(wave)
    assert float(density.idxmax()) == pytest.approx(frequency, abs=1)
    if frequency >= 20:  # below, a segment holds too few cycles to tell them from a trend
        assert float(density.sum() * (density.frequency[1] - density.frequency[0])) == pytest.approx(2.0, rel=0.05)  # a²/2
    ax = rv.plot.spectrum(wave, ax=axes())
    assert ax.get_ylabel() == "power (mV²/Hz)" and ax.lines[0].get_xdata().max() <= 100


def test_spectra_refuse_what_has_none():
    with pytest.raises(ParameterError, match="at least 8 values"):
        power_spectrum(potentials(), start=22.0)
    uneven = potentials().assign_coords(time=np.arange(50.0) ** 2)
    with pytest.raises(ParameterError, match="evenly spaced"):
        power_spectrum(uneven)


class Spiral(rv.NeuronModel):
    strength: rv.PerNeuron = rv.parameter(1.0)

    def initial_state(self, n, key):
        return {"V": jnp.ones(n), "w": jnp.zeros(n)}

    def derivatives(self, state, inputs, t):
        return {"V": inputs.offset - state["w"], "w": self.strength * state["V"] - state["w"]}

    def spiked(self, before, after):
        return jnp.zeros(before["V"].shape, bool)


def test_nullclines_are_where_the_models_derivatives_are_zero():
    ax = rv.plot.phase_plane(model=Spiral(), current=0.5, limits=((-2, 2), (-1, 1)), ax=axes())
    by_label = {text.get_text(): None for text in ax.get_legend().get_texts()}
    assert list(by_label) == ["dV/dt = 0", "dw/dt = 0"]
    first, second = (np.concatenate(c.get_paths()[0].to_polygons(closed_only=False)) for c in ax.collections)
    np.testing.assert_allclose(first[:, 1], 0.5, atol=1e-9)  # w = I
    np.testing.assert_allclose(second[:, 0], second[:, 1], atol=1e-9)  # w = V
    assert ax.get_xlabel() == "V (mV)"


def test_phase_planes_refuse_what_they_cannot_draw():
    V = potentials(1)
    with pytest.raises(ParameterError, match="nothing to draw"):
        rv.plot.phase_plane()
    with pytest.raises(UnsupportedError, match="has 4 variables"):
        rv.plot.phase_plane(V, V, model=rv.neurons.HodgkinHuxley(), ax=axes())
    with pytest.raises(ParameterError, match="of the same times and neurons"):
        rv.plot.phase_plane(V, potentials(2), ax=axes())


def pixels(ax):
    return (np.asarray(ax.images[0].get_array()) < 1).any(axis=-1)


def test_connectivity_shows_a_matrix_dense_or_sparse():
    matrix = np.random.default_rng(0).random((7, 5)) < 0.4
    np.testing.assert_array_equal(pixels(rv.plot.connectivity(matrix, ax=axes())), matrix)
    np.testing.assert_array_equal(pixels(rv.plot.connectivity(scipy.sparse.csr_array(matrix), ax=axes())), matrix)
    weighted = rv.plot.connectivity(matrix * np.arange(5.0), ax=axes())
    assert weighted.figure.axes[-1].get_ylabel() == "weight"
    with pytest.raises(ParameterError, match="a network, a projection or a matrix"):
        rv.plot.connectivity("antennal lobe")


def test_connectivity_of_a_network_is_the_one_that_runs():
    ach = np.zeros((8, 8), int)
    ach[6:, :6] = np.random.default_rng(1).random((2, 6)) < 0.5
    gaba = np.zeros((8, 8), int)
    gaba[:, 6:] = 1
    gaba[6, 6] = gaba[7, 7] = 0
    net = rv.models.antennal_lobe(ach_mat=ach, fgaba_mat=gaba)
    ax = rv.plot.connectivity(net, ax=axes())
    np.testing.assert_array_equal(pixels(ax), (ach + gaba) > 0)
    labels = [t.get_text() for t in ax.get_legend().get_texts()]
    assert labels == [f"acetylcholine: {ach.sum()}", f"GABA: {gaba.sum()}"]
    one = rv.plot.connectivity(net.projections["GABA"], ax=axes())
    np.testing.assert_array_equal(pixels(one), gaba[:, 6:] > 0)


def test_large_connectivity_keeps_every_connection_visible():
    matrix = scipy.sparse.coo_array(([1.0], ([4999], [0])), shape=(5000, 5000))
    image = pixels(rv.plot.connectivity(matrix, ax=axes()))
    assert image.sum() == 1 and image[-1, 0] and min(image.shape) >= 145


def spiking(n=(60, 40), rule=None, **weights):
    lif = rv.neurons.LeakyIntegrateAndFire()
    a, b = rv.Population(n[0], lif, name="a"), rv.Population(n[1], lif, name="b")
    rule = rule or rv.connect.pairwise_bernoulli(0.2)
    one = rv.Projection(a, [b, a], rv.synapses.ExponentialCurrent(), rule, name="one", weight=weights.get("one", 1.0))
    two = rv.Projection(b, a, rv.synapses.Delta(), rule, name="two", weight=weights.get("two", 1.0))
    return rv.Network(a, b, one, two)


def test_connectivity_of_spiking_networks_their_runs_and_stores(tmp_path):
    net = spiking()
    wanted = np.zeros((100, 100), bool)
    one, two = net.edges("one", seed=3), net.edges("two", seed=3)
    wanted[(one.post + 60) % 100, one.pre] = True  # b, then a
    wanted[two.post, two.pre + 60] = True
    run = rv.simulate(net, duration=1.0, seed=3, store=tmp_path / "run.zarr")
    for ax in (
        rv.plot.connectivity(net, seed=3),
        rv.plot.connectivity(run),
        run.plot.connectivity(),
        rv.plot.connectivity(rv.open_store(tmp_path / "run.zarr")),
    ):
        np.testing.assert_array_equal(pixels(ax), wanted)
        assert [t.get_text() for t in ax.texts] == ["a", "b", "a", "b"]
    assert ax.images[0].get_array()[60, 0].tolist() != ax.images[0].get_array()[0, 60].tolist() or not (wanted[60, 0] and wanted[0, 60])
    np.testing.assert_array_equal(pixels(rv.plot.connectivity(one)), one.to_sparse().toarray() > 0)


def test_connectivity_by_weight_has_a_bar_with_the_unit():
    net = spiking(one=lambda pre, post: pre - 30.0)
    ax = rv.plot.connectivity(net.projections["one"])
    shown = np.ma.filled(ax.images[0].get_array(), np.nan)
    edges = net.edges("one")
    np.testing.assert_array_equal(shown[edges.post, edges.pre], edges.weight)
    assert np.isnan(shown).sum() == shown.size - len(edges)
    assert ax.figure.axes[-1].get_ylabel() == "weight (pA)"
    assert ax.images[0].get_clim() == (-30.0, 30.0)
    with pytest.raises(ParameterError, match=r"different units \(mV, pA\)"):
        rv.plot.connectivity(net, colour="weight")
    with pytest.raises(ParameterError, match='colour is "source" or "weight"'):
        rv.plot.connectivity(net, colour="delay")
    assert not rv.plot.connectivity(net.projections["two"]).figure.axes[1:]  # one weight, every neuron its own pixel


@pytest.mark.parametrize("most", [10**9, 3000])
def test_large_connectivity_shows_the_share_of_pairs(monkeypatch, most):
    """1 500 neurons, three a pixel, all of them or a sample: blocks of probability .5, .25 and 0."""
    monkeypatch.setattr("ranvier.plot.wiring.MOST_EDGES", most)
    net = spiking((900, 600), rv.connect.pairwise_bernoulli(lambda pre, post: np.where(post < 600, 0.5, 0.25)))
    ax = rv.plot.connectivity(net)
    depth = 1 - np.asarray(ax.images[0].get_array()).min(axis=-1)
    assert depth.shape == (500, 500) and ax.figure.axes[-1].get_ylabel() == "share of pairs connected"
    # "one" goes to b first, 600 targets, then to a: rows 300 on with .5, the rows before with .25. "two" goes to a's first 600 with .5.
    dense, sparse, other, less = depth[300:, :300], depth[:300, :300], depth[:200, 300:], depth[200:300, 300:]
    assert dense.mean() > 1.2 * sparse.mean() > 0.1 and other.mean() > 1.2 * less.mean() > 0.1
    assert not depth[300:, 300:].any()


def test_text_in_svg_stays_text(tmp_path):
    ax = rv.plot.traces(potentials())
    ax.figure.savefig(tmp_path / "figure.svg")
    assert ">time (ms)</text>" in (tmp_path / "figure.svg").read_text()


def test_colours_and_units():
    assert colours_of(["inh", "exc", "other"]) == {"exc": "#0072B2", "inh": "#D55E00", "other": "#E69F00"}
    assert colours_of(["PN", "LN"]) == {"PN": "#0072B2", "LN": "#D55E00"}
    assert len(set(colours_of(f"p{i}" for i in range(7)).values())) == 7
    assert [pretty_unit(u) for u in ("uA/cm^2", "mS/cm^2", "mV", "1", "uS", "1/ms")] == ["µA/cm²", "mS/cm²", "mV", "", "µS", "1/ms"]


def test_a_raster_of_some_of_the_neurons():
    source = rv.Population(100, rv.neurons.SpikeTimes.of_trains([[1.0 + i] for i in range(100)]), name="a")
    other = rv.Population(10, rv.neurons.SpikeTimes.of_trains([[5.0]] * 10), name="b")
    run = rv.simulate(rv.Network(source, other), duration=110.0, dt=0.1)
    ax = rv.plot.raster(run.spikes, neurons=22)
    first, second = ax.lines[0], ax.lines[1]
    np.testing.assert_array_equal(first.get_ydata(), 5 * np.arange(20))  # neurons keep their numbers
    np.testing.assert_allclose(first.get_xdata(), 1.0 + 5 * np.arange(20))
    np.testing.assert_array_equal(second.get_ydata(), [100, 105])
    assert ax.get_ylim() == (-0.5, 109.5) and ax.get_ylabel() == "neuron (22 of 110 drawn)"
    assert len(rv.plot.raster(run.spikes, neurons=1000).lines[0].get_ydata()) == 100
    for wrong in (0, 2.5, True):
        with pytest.raises(ParameterError, match="how many are drawn at most"):
            rv.plot.raster(run.spikes, neurons=wrong)


def test_variation_is_a_share_of_the_neurons():
    trains = [np.arange(1.0, 100.0, 10.0)] * 3 + [[50.0]]
    run = rv.simulate(rv.Population(4, rv.neurons.SpikeTimes.of_trains(trains)), duration=100.0, dt=0.1)
    ax = rv.plot.variation(run.spikes)
    values, edges, _ = ax.patches[0].get_data()
    assert values[0] == 1.0 and values.sum() == 1.0 and edges[0] == 0.0  # clocks; the neuron with one spike has none
    with pytest.raises(ParameterError, match=r"drawn of run\.spikes"):
        rv.plot.variation([[1.0, 2.0]])


def test_a_flat_trace_leaves_room_for_what_is_drawn_later():
    values = xarray.DataArray(np.full(100, -65.0), coords={"time": np.arange(100.0)}, dims="time", name="V", attrs={"units": "mV"})
    ax = rv.plot.traces(values)
    low, high = ax.get_ylim()
    assert low < -65.9 and high > -64.1
    rv.plot.traces(values + np.linspace(-10, 80, 100), ax=ax)
    low, high = ax.get_ylim()
    assert low <= -75 and high >= 15


def test_what_is_drawn_later_is_not_cut_off():
    later = {
        "f–I": lambda ax, scale: rv.plot.fi_curve([0.0, 1.0], [0.0, scale], ax=ax),
        "spectrum": lambda ax, scale: rv.plot.spectrum(scale * potentials(), ax=ax),
        "rate": lambda ax, scale: rv.plot.population_rate(spikes(np.linspace(0, 20, int(scale)), [0] * int(scale), ONE), ax=ax),
        "weights": lambda ax, scale: rv.plot.weights(np.zeros(int(scale)), ax=ax),
    }
    for name, draw in later.items():
        ax = axes()
        for scale in (1.0, 100.0):
            draw(ax, scale)
        assert ax.get_ylim()[0] == 0.0 and ax.get_ylim()[1] >= ax.dataLim.y1 > 0, name


def test_histograms_of_intervals_correlograms_and_events():
    trains = rv.analysis.regular_trains(20.0, duration=1000.0, n=5, phase=0.0)
    ax = rv.plot.intervals(trains, ax=axes())
    heights, edges, _ = ax.patches[0].get_data()
    assert edges[np.argmax(heights)] < 50.0 < edges[np.argmax(heights) + 1]
    np.testing.assert_allclose((heights * np.diff(edges)).sum(), 1.0)
    two = rv.analysis.from_trains([np.arange(10.0, 900.0, 50.0), np.arange(13.0, 900.0, 50.0)], duration=1000.0)
    heights, edges, _ = rv.plot.correlogram(two, 0, 1, longest=10.0, ax=axes()).patches[0].get_data()
    np.testing.assert_allclose(heights, np.where(np.arange(-10, 11) == 3, 1000.0, 0.0))  # one spike each time, in 1 ms
    heights, edges, _ = rv.plot.psth(two, np.arange(100.0, 800.0, 50.0), before=10.0, after=40.0, ax=axes()).patches[0].get_data()
    assert heights[4] == 200.0 and heights.sum() == 200.0  # both neurons 10 ms after, one of them 13 ms
    for wrong in ([], [np.nan]):
        with pytest.raises(ParameterError, match="nothing to draw"):
            rv.plot.weights(wrong)


def test_a_constant_current_is_drawn_beside_zero():
    run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=500.0, duration=20.0, dt=0.1)
    low, high = run.plot.stimulus(ax=axes()).get_ylim()
    assert low <= 0 < 500 < high


def test_the_potential_of_a_model_that_resets_has_its_spikes():
    run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=500.0, duration=50.0, dt=0.1)
    panel = run.plot("V").axes[0]
    assert len(panel.collections[0].get_segments()) == len(run.spikes) > 0


def test_figures_say_what_they_show():
    text = in_words(rv.plot.fi_curve([0.0, 5.0], [0.0, 60.0], label="a").figure)
    assert text == "firing rate (Hz) from 0 to 60 over current (µA/cm²) from 0 to 5: a."
    assert in_words(rv.plot.heat_map(potentials()).figure).startswith("V (mV) as colour, neuron from -0.5 to 2.5 over time (ms)")
    assert in_words(rv.plot.traces(potentials()).figure).startswith("one above the other, each neuron over time (ms) from 0 to 24.5")


def test_receptive_fields():
    """Each target's weights as a picture of its sources, targets from left to right, then down."""
    pixels, cells = (
        rv.Population(6, rv.neurons.PoissonSource(50.0), name="pixels"),
        rv.Population(5, rv.neurons.LeakyIntegrateAndFire(), name="cells"),
    )
    weight = np.arange(30.0).reshape(5, 6)
    wires = rv.Projection(pixels, cells, rv.synapses.ExponentialCurrent(), rv.connect.all_to_all(), weight=weight)
    edges = rv.Network(pixels, cells, wires).edges(wires)
    tiles = rv.plot.receptive_fields(edges, shape=(2, 3)).images[0].get_array()
    assert tiles.shape == (2 * 3 - 1, 3 * 4 - 1)
    np.testing.assert_array_equal(tiles[:2, 4:7], weight[1].reshape(2, 3))
    np.testing.assert_array_equal(tiles[3:, :3], weight[3].reshape(2, 3))
    np.testing.assert_array_equal(rv.plot.receptive_fields(edges, shape=(3, 2), neurons=[4]).images[0].get_array(), weight[4].reshape(3, 2))
    with pytest.raises(ParameterError, match="no square"):
        rv.plot.receptive_fields(edges)
    with pytest.raises(ParameterError, match="whose product is the number of sources, 6"):
        rv.plot.receptive_fields(edges, shape=(2, 2))
    with pytest.raises(ParameterError, match="neurons"):
        rv.plot.receptive_fields(edges, shape=(2, 3), neurons=[5])
