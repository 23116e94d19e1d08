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
