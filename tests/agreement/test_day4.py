"""PSST Day 4: X1 excites X2, X2 inhibits X3, against what the published code computed."""

import numpy as np
import pytest

import ranvier as rv
from ranvier.interop import psst

TOLERANCE = 1e-9  # rounding alone differs; measured over 700 ms: 2e-10 mV


def three_neurons(site=None):
    pulses = rv.stimuli.Steps(times=[100.0, 200.0, 300.0, 400.0, 500.0, 600.0], values=[2.5, 0.0, 5.0, 0.0, 7.5, 0.0])
    cells = rv.Population(3, rv.neurons.BazhenovNeuron(), current=np.array([1.0, 0.0, 0.0]) * pulses, name="X")
    ach = np.zeros((3, 3))
    ach[1, 0] = 1
    gaba = np.zeros((3, 3))
    gaba[2, 1] = 1
    return rv.Network(
        cells,
        rv.Projection(cells, cells, rv.synapses.Cholinergic(published_rounding=True), ach, weight=0.35, site=site, name="acetylcholine"),
        rv.Projection(cells, cells, rv.synapses.GradedGABA(), gaba, weight=0.8, site=site, name="GABA"),
    )


@pytest.mark.parametrize("site", [None, "edge"])
def test_agrees(published, site):
    day4 = published("day4")
    net = three_neurons(site)
    run = rv.simulate(
        net,
        duration=700.0,
        initial=psst.from_vector(net, day4["y0"]),
        record=[
            rv.Record("X", ["V", "m", "h", "n"], every=0.01 if site is None else 1.0, stop=120.0 if site is None else np.inf),
            rv.Record("acetylcholine", "open", every=1.0),
            rv.Record("GABA", "open", every=1.0),
        ],
    )
    np.testing.assert_array_equal(run.spikes.trains[0], day4["fire_t_values_0"])
    np.testing.assert_array_equal(run.spikes.trains[1], day4["fire_t_values_1"])
    assert run.spikes.counts.tolist() == [18, 18, 0]

    if site is None:  # every step around the first spike
        rows = np.rint(day4["dense_t"] / 0.01).astype(int)
        ours = np.concatenate([run["X"][v].values[rows] for v in ("V", "m", "h", "n")], axis=1)
        np.testing.assert_allclose(ours, day4["dense"][:, :12], rtol=0, atol=TOLERANCE)
        open_ach, open_gaba = run["acetylcholine"]["open"].values[:-1, 0], run["GABA"]["open"].values[:-1, 1]
    else:
        for ours, theirs in (("V", "V"), ("m", "m"), ("h", "h"), ("n", "n")):
            np.testing.assert_allclose(run["X"][ours].values[:-1], day4[theirs], rtol=0, atol=TOLERANCE)
        open_ach, open_gaba = run["acetylcholine"]["open"].values[:-1, 0], run["GABA"]["open"].values[:-1, 0]
    np.testing.assert_allclose(open_ach, day4["o_ach"], rtol=0, atol=TOLERANCE)
    np.testing.assert_allclose(open_gaba, day4["o_gaba"], rtol=0, atol=TOLERANCE)


def test_a_run_goes_on_where_the_published_state_stands(published):
    """From the published state at 350 ms to 450 ms: the state vector of Day 4, in and out."""
    day4 = published("day4")
    net = three_neurons()
    at = day4["state_at_ms"].tolist()
    start, end = day4["state_full"][at.index(350)], day4["state_full"][at.index(450)]
    run = rv.simulate(net, duration=100.0, initial=psst.from_vector(net, start, time=350.0))
    np.testing.assert_allclose(psst.to_vector(net, run.state), end, rtol=0, atol=TOLERANCE)
