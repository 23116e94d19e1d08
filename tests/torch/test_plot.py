"""The figures of layers: what they draw, where, and what they refuse."""

import matplotlib

matplotlib.use("Agg")

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

import ranvier.torch as rt
from ranvier.errors import ParameterError


def axes():
    return Figure().add_subplot()


@pytest.fixture
def ten():
    inputs = torch.linspace(1.1, 1.5, 10)
    spikes, states = rt.trace(rt.AdaptiveLIF(10), inputs.expand(60, 10))
    assert spikes.sum() > 0
    return inputs, states, spikes


def test_they_draw_into_the_axes_they_are_given(ten):
    import matplotlib.pyplot as plt

    inputs, states, spikes = ten
    open_before = plt.get_fignums()
    one = states.v[:, 0], spikes[:, 0]
    calls = [
        lambda ax: rt.plot.membrane(*one, ax=ax),
        lambda ax: rt.plot.relu_membrane(one[0], *one, ax=ax),
        lambda ax: rt.plot.membranes(states.v, spikes, inputs, ax=ax),
        lambda ax: rt.plot.raster(spikes, ax=ax),
        lambda ax: rt.plot.scaling([10, 100], [1.0, 2.0], label="time", ax=ax),
    ]
    for call in calls:
        ax = axes()
        assert call(ax) is ax
        assert ax.get_ylabel() or call is calls[-1]
    assert plt.get_fignums() == open_before  # the global state of pyplot is left alone


def test_the_threshold_is_dashed_and_follows_the_neuron(ten):
    _, states, spikes = ten
    ax = rt.plot.membrane(states.v[:, 9], spikes[:, 9], states.threshold[:, 9], dt=0.5, ax=axes())
    potential, threshold = ax.lines
    assert threshold.get_linestyle() == "--" and threshold.get_label() == "threshold"
    np.testing.assert_allclose(threshold.get_ydata(), states.threshold[:, 9])
    np.testing.assert_allclose(potential.get_ydata(), states.v[:, 9])
    np.testing.assert_allclose(potential.get_xdata(), 0.5 * np.arange(1, 61))


def test_a_spike_is_drawn_when_its_step_begins(ten):
    _, states, spikes = ten
    ax = rt.plot.membrane(states.v[:, 9], spikes[:, 9], dt=0.5, ax=axes())
    below = ax.figure.axes[-1]
    np.testing.assert_allclose(below.lines[0].get_xdata(), 0.5 * np.flatnonzero(spikes[:, 9]))
    assert below.get_ylabel() == "spikes" and below.get_xlabel() == "time (ms)"
    assert ax.lines[1].get_ydata()[0] == 1.0


def test_the_output_of_the_relu_stands_above():
    x = torch.relu(torch.linspace(-2, 3, 50))[:, None]
    spikes, states = rt.trace(rt.LIF(), x)
    top, middle, bottom = rt.plot.relu_membrane(x, states.v, spikes, ax=axes()).figure.axes
    np.testing.assert_allclose(top.patches[0].get_data().values, x[:, 0])
    np.testing.assert_allclose(middle.lines[0].get_ydata(), states.v[:, 0])
    assert len(bottom.lines[0].get_xdata()) == spikes.sum() > 0
    assert [ax.get_ylabel() for ax in (top, middle, bottom)] == ["ReLU", "membrane potential", "spikes"]


def test_neurons_are_labelled_by_their_input(ten):
    inputs, states, spikes = ten
    ax = rt.plot.membranes(states.v, spikes, inputs, ax=axes())
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"{value:.3g}" for value in inputs.tolist()]
    assert ax.figure.axes[-1].get_ylabel() == "neuron"
    assert rt.plot.membranes(states.v, spikes, ax=axes()).get_ylabel() == "neuron"


def test_a_raster_has_a_mark_for_each_spike(ten):
    _, _, spikes = ten
    line = rt.plot.raster(spikes, dt=2.0, ax=axes()).lines[0]
    drawn = np.zeros(spikes.shape)
    drawn[(line.get_xdata() / 2).astype(int), line.get_ydata().astype(int)] = 1
    np.testing.assert_array_equal(drawn, spikes)


def test_tensors_that_learn_are_drawn():
    layer = rt.LIF(1, learn="threshold")
    spikes, states = rt.trace(layer, torch.full((20, 1), 2.0))
    assert spikes.requires_grad
    assert rt.plot.membrane(states.v, spikes, layer.threshold.value, ax=axes()).lines


def test_the_slope_of_a_power_law_and_the_fixed_cost_below_it():
    n = 10.0 ** np.arange(1, 7)
    cost = 5.0 + 1e-3 * n**1.5
    assert rt.plot.slope(n, 3 * n**1.5) == pytest.approx(1.5)
    assert rt.plot.slope(n, cost) < 1.3 and rt.plot.slope(n, cost, fit_from=1e4) == pytest.approx(1.5, abs=0.01)
    ax = rt.plot.scaling(n, cost, label="LIF", fit_from=1e4, ax=axes())
    rt.plot.scaling(n, np.where(n < 100, 0.0, cost), label="other", ax=ax)
    solid = [line for line in ax.lines if line.get_linestyle() == "-"]
    assert [len(line.get_xdata()) for line in solid] == [6, 5]
    assert solid[0].get_color() != solid[1].get_color()
    assert ax.get_legend().get_texts()[0].get_text() == "LIF, slope 1.50"
    assert ax.get_xscale() == ax.get_yscale() == "log"


def test_what_is_refused(ten):
    inputs, states, spikes = ten
    refused = {
        r"v has the shape \[60, 10\], but it must be \[T\]": lambda: rt.plot.membrane(states.v, spikes),
        r"spikes has the shape \[30\], but v has \[60\]": lambda: rt.plot.membrane(states.v[:, 0], spikes[:30, 0]),
        r"threshold has 7 values": lambda: rt.plot.membrane(states.v[:, 0], spikes[:, 0], torch.ones(7)),
        r"spikes has the shape \[60\], but it must be \[T, N\]": lambda: rt.plot.raster(spikes[:, 0]),
        r"inputs has the shape \[3\]": lambda: rt.plot.membranes(states.v, spikes, inputs[:3]),
        r"needs two points": lambda: rt.plot.scaling([10, 100], [1.0, 0.0], label="time"),
    }
    for message, call in refused.items():
        with pytest.raises(ParameterError, match=message):
            call()
