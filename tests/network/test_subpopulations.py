"""Some neurons of a population, in the place of all of them."""

import numpy as np
import pytest

import ranvier as rv
from tests.errors.wrong_values import WRONG

LIF = rv.neurons.LeakyIntegrateAndFire(refractory=2.0)


def populations():
    return rv.Population(100, LIF, name="exc"), rv.Population(40, LIF, name="inh")


def edges(*parts, of="wire", seed=0):
    found = rv.Network(*parts).edges(of, seed=seed)
    return np.asarray(found.pre), np.asarray(found.post), np.asarray(found.weight)


def test_they_are_chosen_by_slices_numbers_and_masks():
    exc, _ = populations()
    assert exc[:5].neurons.tolist() == [0, 1, 2, 3, 4] and exc[::25].neurons.tolist() == [0, 25, 50, 75]
    assert exc[-1].neurons.tolist() == [99]
    assert exc[[3, 8]].n == 2 and exc[np.arange(100) % 10 == 3].neurons.tolist() == list(range(3, 100, 10))
    assert exc[:].n == 100 and repr(exc[:5]) == "<5 of <Population 'exc': 100 LeakyIntegrateAndFire>>"


@pytest.mark.parametrize("wrong", [[5, 3], [3, 3], [], "a", 1.5, -1.5, [True, False], np.ones(3, bool), slice(5, 5), True, [100], [-1]])
def test_what_chooses_nobody_is_refused(wrong):
    with pytest.raises(rv.ParameterError, match="exc"):
        populations()[0][wrong]


def test_all_wrong_values_are_refused_or_mean_neurons():
    exc, _ = populations()
    for value in WRONG.values():
        try:
            chosen = exc[value]
        except (rv.RanvierError, IndexError) as error:
            assert "exc" in str(error)
        else:
            assert ((chosen.neurons >= 0) & (chosen.neurons < 100)).all()


def test_a_population_is_no_list():
    exc, _ = populations()
    with pytest.raises(TypeError):
        list(exc)
    with pytest.raises(IndexError, match="there is no neuron 100"):
        exc[100]


def test_a_rule_sees_the_chosen_alone():
    exc, inh = populations()
    rule = rv.connect.pairwise_bernoulli(0.5)
    wire = rv.Projection(exc[20:60], [exc[::10], inh[30:]], rv.synapses.Delta(), rule, name="wire")
    pre, post, _ = edges(exc, inh, wire)
    assert pre.min() >= 20 and pre.max() < 60
    assert set(post) <= {*range(0, 100, 10), *range(130, 140)} and len(set(post)) == 20
    assert 320 < len(pre) < 480  # 40 × 20 / 2 ± 5 σ
    alone_exc, alone_inh = rv.Population(40, LIF, name="a"), rv.Population(20, LIF, name="b")
    same = rv.Projection(alone_exc, alone_inh, rv.synapses.Delta(), rule, name="wire")
    alone_pre, alone_post, _ = edges(alone_exc, alone_inh, same)
    chosen = np.array([*range(0, 100, 10), *range(130, 140)])
    assert (alone_pre + 20).tolist() == pre.tolist() and chosen[alone_post].tolist() == post.tolist()


@pytest.mark.parametrize(("source", "target"), [(slice(0, 50), slice(0, 50)), (slice(10, 40), slice(30, 90)), (slice(None), slice(20, 30))])
def test_nobody_is_wired_to_itself_where_that_is_asked_for(source, target):
    exc, _ = populations()
    rule = rv.connect.all_to_all(autapses=False)
    pre, post, _ = edges(exc, rv.Projection(exc[source], exc[target], rv.synapses.Delta(), rule, name="wire"))
    sources, targets = np.arange(100)[source], np.arange(100)[target]
    wanted = {(s, t) for s in sources for t in targets if s != t}
    assert set(zip(pre.tolist(), post.tolist(), strict=True)) == wanted and len(pre) == len(wanted)


def test_who_is_wired_to_itself_must_be_known():
    exc, _ = populations()
    rule = rv.connect.pairwise_bernoulli(0.1, autapses=False)
    with pytest.raises(rv.UnsupportedError, match="choose slices"):
        rv.Projection(exc[::2], exc[::4], rv.synapses.Delta(), rule)
    rv.Projection(exc[::2], exc[1::2], rv.synapses.Delta(), rule)


def test_matrices_weights_and_functions_count_the_chosen():
    exc, inh = populations()
    table = np.arange(1.0, 7.0).reshape(2, 3)
    by_table = rv.Projection(exc[[1, 5, 9]], inh[[0, 7]], rv.synapses.Delta(), [[1, 0, 2], [0, 3, 0]], weight=table, name="wire")
    pre, post, weight = edges(exc, inh, by_table)
    assert (pre.tolist(), post.tolist(), weight.tolist()) == ([1, 9, 5], [0, 0, 7], [1.0, 6.0, 15.0])
    every = rv.connect.all_to_all()
    by_function = rv.Projection(exc[90:], inh[:4], rv.synapses.Delta(), every, weight=lambda pre, post: 10 * pre + post, name="wire")
    pre, post, weight = edges(exc, inh, by_function)
    assert weight.tolist() == (10 * (pre - 90) + post).tolist()
    column = rv.Projection(exc[:2], inh[:3], rv.synapses.Delta(), every, weight=[[1.0], [2.0], [3.0]], name="wire")
    assert edges(exc, inh, column)[2].tolist() == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]
    with pytest.raises(rv.ParameterError, match=r"3 targets \(rows\) and 2 sources"):
        rv.Projection(exc[:2], inh[:3], rv.synapses.Delta(), every, weight=np.ones((2, 3)))
    ring = rv.Projection(exc[40:60], exc[40:60], rv.synapses.Delta(), rv.connect.small_world(4, 0.0), name="wire")
    pre, post, _ = edges(exc, ring)
    assert pre.min() == post.min() == 40 and pre.max() == post.max() == 59 and len(pre) == 80


def network():
    exc, inh = populations()
    excitation, some = rv.synapses.ExponentialConductance(), rv.connect.pairwise_bernoulli(0.5)
    return (
        exc,
        inh,
        rv.Network(
            exc,
            inh,
            rv.PoissonInput(exc[:30], excitation, rate=40.0, sources=[100.0] * 30, weight=3.0, name="drive"),
            rv.Projection(exc[:30], inh[::2], excitation, some, weight=rv.normal(5.0, 0.5), delay=1.0, name="wire"),
        ),
    )


HOW = {"dt": 0.1, "integrator": rv.ExponentialEuler(), "seed": 1}


def test_inputs_records_and_results(tmp_path):
    exc, inh, net = network()
    run = rv.simulate(net, duration=100.0, record=[rv.Record(exc[10:20], "V"), rv.Record(inh[::2], "V", neurons=[0, 1])], **HOW)
    rates = run["exc"].spikes.rate
    assert rates[:30].min() > 0 and rates[30:].max() == 0.0
    assert run["inh"].spikes.counts[::2].sum() > 0 and run["inh"].spikes.counts[1::2].sum() == 0
    assert run["exc"].V.neuron.values.tolist() == list(range(10, 20)) and run["inh"].V.neuron.values.tolist() == [0, 2]
    part = run[exc[15:25]]
    assert part.V.neuron.values.tolist() == list(range(15, 20)) and part.spikes.n == 10
    assert part.spikes.counts.tolist() == run["exc"].spikes.counts[15:25].tolist()
    rv.simulate(net, duration=50.0, store=tmp_path / "a.zarr", **HOW)
    resumed = rv.resume(tmp_path / "a.zarr", duration=100.0)
    np.testing.assert_array_equal(resumed.spikes.times, run.spikes.times)


def test_a_start_of_what_all_share_is_refused():
    exc, inh = populations()
    with pytest.raises(rv.ParameterError, match=r"Projection\.initial would be that of all neurons"):
        rv.Projection(exc, inh[:5], rv.synapses.ExponentialConductance(), rv.connect.all_to_all(), initial={"g": 3.0})


def test_poisson_numbers_must_fit():
    exc, _ = populations()
    with pytest.raises(rv.ParameterError, match="sources has 3 values, but 5 neurons are chosen"):
        rv.PoissonInput(exc[:5], rv.synapses.Delta(), rate=1.0, sources=[1.0, 2.0, 3.0])
    with pytest.raises(rv.ParameterError, match="sources cannot be drawn"):
        rv.PoissonInput(exc[:5], rv.synapses.Delta(), rate=1.0, sources=rv.uniform(1, 2))


def test_figures_and_analysis_of_some():
    import matplotlib.pyplot as plt

    exc, inh, net = network()
    run = rv.simulate(net, duration=60.0, record=[rv.Record(exc, "V", every=1.0)], **HOW)
    ax = run.plot.raster(part=[exc[:20], inh])
    counts = run["exc"].spikes.counts
    assert len(ax.lines[0].get_xdata()) == counts[:20].sum() and ax.get_ylim() == (-0.5, 59.5)
    assert [line.get_label() for line in ax.lines[:2]] == ["exc[:20]", "inh"]
    assert len(run.plot.raster(part=exc[20:]).lines[0].get_xdata()) == counts[20:].sum()
    assert [label.get_text() for label in run.plot.traces(part=exc[3:5], stimulus=None).get_yticklabels()] == ["3", "4"]
    assert run.plot.heat_map(part=exc[90:]).images or run.plot.heat_map(part=exc[90:]).collections
    mean = run[exc[:20]].spikes.rate.mean()
    assert run.plot.population_rate(part=exc[:20], bin_width=60.0).patches[0].get_data().values[0] == pytest.approx(mean)
    with pytest.raises(rv.ParameterError, match="names exc twice"):
        run.plot.raster(part=["exc", exc])
    plt.close("all")


def test_two_records_of_one_variable_by_name():
    exc, _, net = network()
    records = [rv.Record(exc[:2], "V", every=1.0), rv.Record(exc[50:], "V", every=10.0, start=20.0, name="V_late")]
    run = rv.simulate(net, duration=60.0, record=records, **HOW)
    assert run["exc"].V.shape == (61, 2) and run["exc"].V_late.shape == (5, 50)
    assert run["exc"].V_late.attrs["units"] == "mV"
    with pytest.raises(rv.ParameterError, match="another of its variables"):
        rv.simulate(net, duration=1.0, record=[rv.Record(exc, "V", name="last_spike")], **HOW)
    for wrong in ({"variables": ["V", "last_spike"], "name": "two"}, {"variables": "V", "name": "a b"}):
        with pytest.raises(rv.ParameterError, match=r"Record\.name"):
            rv.Record(exc, **wrong)


def several(rule=None, source=None, target=None, **options):
    """A network whose populations stand in another order than a projection's."""
    exc, inh = populations()
    between = rv.Population(7, LIF, initial={"V": -40.0}, name="between")
    source, target = source or (lambda e, i: [i, e]), target or (lambda e, i: [e, i])
    some = rv.connect.pairwise_bernoulli(0.2) if rule is None else rule
    synapse = options.pop("synapse", rv.synapses.ExponentialConductance())
    wire = rv.Projection(source(exc, inh), target(exc, inh), synapse, some, name="wire", **options)
    drive = rv.PoissonInput([exc, inh], rv.synapses.ExponentialConductance(), rate=40.0, sources=100, weight=3.0)
    return rv.Network(exc, between, inh, wire, drive)


def test_several_sources_are_counted_through(tmp_path):
    options = {"weight": lambda pre, post: 1.0 + 0.01 * pre, "delay": 1.0}
    net = several(**options)
    edges = net.edges("wire", seed=3)
    assert edges.source == "inh+exc" and edges.sources == 140 and edges.to_sparse().shape == (140, 140)
    pre, post, weight = (np.asarray(x) for x in (edges.pre, edges.post, edges.weight))
    assert pre.min() == 0 and pre.max() == 139 and np.array_equal(weight, 1.0 + 0.01 * pre)
    # The same by one projection each, from lists.
    exc, inh = populations()
    between = rv.Population(7, LIF, initial={"V": -40.0}, name="between")
    parts = []
    for name, population, mine, first in (("from inh", inh, pre < 40, 0), ("from exc", exc, pre >= 40, 40)):
        rule = rv.connect.edge_list(pre[mine] - first, post[mine])
        synapse = rv.synapses.ExponentialConductance()
        parts.append(rv.Projection(population, [exc, inh], synapse, rule, weight=weight[mine], delay=1.0, name=name))
    drive = rv.PoissonInput([exc, inh], rv.synapses.ExponentialConductance(), rate=40.0, sources=100, weight=3.0)
    how = {"duration": 60.0, "dt": 0.1, "seed": 3, "integrator": rv.ExponentialEuler()}
    each = rv.simulate(rv.Network(exc, between, inh, *parts, drive), **how)
    run = rv.simulate(net, **how, store=tmp_path / "a.zarr")
    assert len(run.spikes) > 500
    np.testing.assert_array_equal(run.spikes.steps, each.spikes.steps)
    np.testing.assert_array_equal(run.spikes.neurons, each.spikes.neurons)
    longer = rv.resume(tmp_path / "a.zarr", net, duration=70.0)
    assert len(longer.spikes) > len(run.spikes)


def test_who_is_itself_among_several():
    rule = rv.connect.all_to_all(autapses=False)
    orders = {
        "both": (lambda e, i: [e, i], 140 * 140 - 140),
        "second": (lambda e, i: i, 140 * 40 - 40),
        "some": (lambda e, i: [e[90:], i[5:10]], 140 * 15 - 15),
    }
    for target, expected in orders.values():
        if expected == 140 * 15 - 15:
            with pytest.raises(rv.UnsupportedError, match="in another order"):
                several(rule, source=lambda e, i: [e, i], target=target).edges("wire")
            continue
        edges = several(rule, source=lambda e, i: [e, i], target=target).edges("wire")
        itself = edges.pre == edges.post + (100 if edges.targets == 40 else 0)
        assert len(edges) == expected and not itself.any()
    ring = several(rv.connect.small_world(4, 0.0), source=lambda e, i: [e, i], synapse=rv.synapses.ExponentialConductance())
    assert len(ring.edges("wire")) == 560


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"short_term_plasticity": rv.synapses.TsodyksMarkram()}, "short_term_plasticity has a state for each source"),
        ({"plasticity": rv.plasticity.PairSTDP(high=10.0), "target": lambda e, i: e}, "plasticity has traces"),
        ({"synapse": rv.synapses.GapJunction()}, "GapJunction has a state for each source or edge"),
        ({"source": lambda e, i: [e, e]}, "names one population twice"),
    ],
)
def test_what_several_sources_cannot_have_is_refused(options, why):
    with pytest.raises(rv.ParameterError, match=why):
        several(**options)


def test_sweeps_of_several_sources():
    table = rv.sweep(several(delay=1.0), {"wire.weight": [0.0, 3.0]}, 30.0, dt=0.1, integrator=rv.ExponentialEuler())
    weak, strong = table["exc.mean_rate"].values
    assert strong > weak > 0 and table.finished.all()
