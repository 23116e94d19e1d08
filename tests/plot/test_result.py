"""`run.plot()` and its panels, and how a result shows itself in a notebook."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure

import ranvier as rv
from ranvier.errors import ParameterError, UnknownNameError


@pytest.fixture(scope="module")
def cell():
    pulse = rv.stimuli.SquarePulse(10.0, start=5, stop=25)
    return rv.simulate(rv.neurons.HodgkinHuxley(), current=pulse, duration=30.0, dt=0.02)


@pytest.fixture(scope="module")
def lobe():
    net = rv.models.antennal_lobe(seed=1, stimulus=10.0)
    record = [rv.Record("PN", "V", every=1.0), rv.Record("LN", ["V", "calcium.concentration"], every=1.0, neurons=[3, 5])]
    return rv.simulate(net, duration=60.0, dt=0.05, integrator=rv.ExponentialEuler(), record=record)


def labels(figure):
    return [ax.get_ylabel().replace("\n", " ") for ax in figure.axes]


def test_the_usual_figure_of_a_cell(cell):
    figure = cell.plot()
    assert labels(figure) == ["V (mV)", "I (µA/cm²)"]
    V, current = figure.axes
    np.testing.assert_array_equal(V.lines[0].get_ydata(), cell.V.values[:, 0])
    np.testing.assert_array_equal(current.lines[0].get_ydata(), cell.injected_current.values[:, 0])
    assert V.get_xlim() == (0, 30) and current.get_xlabel() == "time (ms)" and V.get_xlabel() == ""


def test_variables_share_the_time_axis_with_the_stimulus_below(cell):
    figure = cell.plot("V", "sodium.current", "n")
    assert labels(figure) == ["V (mV)", "sodium current (µA/cm²)", "potassium n", "I (µA/cm²)"]
    first = figure.axes[0]
    assert all(first.get_shared_x_axes().joined(first, ax) for ax in figure.axes[1:])


def test_the_usual_figure_of_a_network(lobe):
    figure = lobe.plot()
    assert labels(figure) == ["neuron", "rate (Hz)", "V (mV)", "V (mV)", "I (µA/cm²)"]
    raster = figure.axes[0]
    assert sum(len(line.get_xdata()) for line in raster.lines[:2]) >= len(lobe.spikes)
    assert figure.axes[2].get_ylim() == figure.axes[3].get_ylim()
    notes = [t.get_text() for ax in figure.axes for t in ax.texts]
    busiest = int(lobe["PN"].spikes.counts.argmax())
    assert f"PN {busiest}" in notes and ("LN 3" in notes or "LN 5" in notes)


def test_variables_of_several_populations(lobe):
    assert labels(lobe.plot("V")) == ["V (mV)", "V (mV)", "I (µA/cm²)"]
    assert labels(lobe.plot("V", part="LN")) == ["V (mV)", "I (µA/cm²)"]
    assert labels(lobe.plot("concentration", figure=Figure())) == ["calcium concentration (mM)", "I (µA/cm²)"]


def test_panels(lobe, cell):
    assert lobe.plot.heat_map(part="PN").images[0].get_array().shape == (90, 61)
    assert len(lobe.plot.traces("V", part="LN").figure.axes) == 2
    assert len(lobe.plot.traces("V", part="LN", stimulus=None).figure.axes) == 1
    assert lobe.plot.population_rate(bin_width=2.0).get_ylabel() == "rate (Hz)"
    assert lobe.plot.spectrum("V", part="PN").get_ylabel() == "power (mV²/Hz)"
    assert lobe.plot.spectrum().get_ylabel() == "power (Hz²/Hz)"
    assert lobe.plot.raster().get_ylim() == (-0.5, 119.5)
    assert lobe.plot.connectivity().get_xlabel() == "presynaptic neuron"
    assert lobe.plot.stimulus().get_ylabel() == "I (µA/cm²)"
    assert cell.plot.phase_plane("V", "n").get_ylabel() == "potassium n"


def test_the_f_i_curve_of_a_population():
    currents = np.array([0.0, 5.0, 10.0, 20.0])
    run = rv.simulate(rv.neurons.HodgkinHuxley(), current=currents, duration=40.0, dt=0.02)
    line = run.plot.fi_curve().lines[0]
    np.testing.assert_allclose(line.get_xdata(), currents)
    np.testing.assert_array_equal(line.get_ydata(), rv.analysis.steady_rate(run.spikes))
    assert run.spikes.counts[1] == 1 and line.get_ydata()[1] == 0  # the spike that only the beginning makes


def test_the_stimulus_that_was_not_recorded_is_the_one_that_ran():
    pulse = rv.stimuli.SquarePulse(rv.normal(10.0, 2.0), start=2, stop=8)
    cells = rv.Population(4, rv.neurons.Passive(), current=pulse, name="cells")
    recorded = rv.simulate(rv.Network(cells), duration=10.0, dt=0.1, seed=3, record=[rv.Record(cells, "injected_current")])
    silent = rv.simulate(rv.Network(cells), duration=10.0, dt=0.1, seed=3)
    series = silent.plot._stimuli()["cells"]
    np.testing.assert_allclose(series.times, recorded.injected_current.time.values)
    np.testing.assert_allclose(series.values, recorded.injected_current.values)
    assert len(np.unique(series.values)) == 5


def test_spikes_are_drawn_on_models_that_reset():
    run = rv.simulate(rv.neurons.LeakyIntegrateAndFire(refractory=2.0), current=300.0, duration=50.0, dt=0.1)
    V = run.plot().axes[0]
    assert len(V.collections[0].get_segments()) == len(run.spikes) > 0
    assert V.get_ylim()[1] > -32


def test_a_variable_that_was_not_recorded(lobe, cell):
    with pytest.raises(UnknownNameError, match=r"Did you mean 'calcium\.concentration'"):
        lobe.plot("calcium.concentrations")
    with pytest.raises(UnknownNameError, match=r"sodium\.m"):
        cell.plot("sodium.mm")
    with pytest.raises(ParameterError, match="was recorded of PN and LN"):
        lobe.plot.heat_map("V")
    with pytest.raises(ParameterError, match="Say what to draw V against"):
        cell.plot.phase_plane("V")


def test_nothing_to_draw():
    alone = rv.simulate(rv.Network(rv.Population(1, rv.neurons.Passive())), duration=1.0)
    with pytest.raises(ParameterError, match="nothing to draw"):
        alone.plot()
    with pytest.raises(ParameterError, match="no stimulus"):
        alone.plot.stimulus()


def test_no_neurons_and_no_time():
    nobody = rv.simulate(
        rv.Network(rv.Population(0, rv.neurons.Passive(), name="a"), rv.Population(2, rv.neurons.Passive(), name="b")), duration=0.0
    )
    nobody.plot()
    assert "a" in nobody._repr_html_()


def test_the_html_says_what_there_is(lobe):
    html = lobe._repr_html_()
    text = re.sub(r"<[^>]+>", " ", html)
    for word in (
        "PN",
        "LN",
        "ProjectionNeuron",
        "calcium.concentration",
        "mM",
        "61 times × 2 neurons",
        "seed",
        "ExponentialEuler",
        "60 ms of 120 neurons",
    ):
        assert word in text, word
    assert f"{len(lobe.spikes)} spikes" in text
    assert "<script" not in html and "http" not in html


def test_the_html_escapes_names():
    class Model(rv.neurons.Passive):
        pass

    Model.__name__ = "<b>&Model"
    run = rv.simulate(rv.Network(rv.Population(1, Model(), name="cells")), duration=0.1)
    assert "&lt;b&gt;&amp;Model" in run._repr_html_() and "<b>&Model" not in run._repr_html_()


def test_weights_of_a_projection():
    cells = rv.Population(50, rv.neurons.LeakyIntegrateAndFire(), name="cells")
    rule = rv.connect.fixed_in_degree(10)
    wires = rv.Projection(cells, cells, rv.synapses.ExponentialCurrent(), rule, weight=rv.normal(5.0, 1.0), name="wires")
    run = rv.simulate(rv.Network(cells, wires), duration=1.0, dt=0.1, seed=2)
    ax = run.plot.weights("wires")
    counts, edges, _ = ax.patches[0].get_data()
    assert counts.sum() == 500 and ax.get_xlabel() == "weight (pA)"
    assert edges[0] == run.edges("wires").weight.min() and edges[-1] == run.edges("wires").weight.max()
