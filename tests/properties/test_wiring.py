"""Connections and weights over shapes and forms, against NumPy; nothing is simulated but where it says so."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import ranvier as rv
from ranvier.network.constants import CoupledConstants
from ranvier.random import Key
from ranvier.testing import check_connection_rule

sizes = st.integers(0, 6)
entries = st.sampled_from([0.0, 0.0, 0.5, 1.0, 2.0])


@st.composite
def matrices(draw):
    return draw(arrays(float, (draw(sizes), draw(sizes)), elements=entries))


def wired(matrix, weight=1.0, delay=0.0, synapse=None, **options):
    """The edges of a projection, and its weights as a matrix, as the engine has built them."""
    targets, sources = np.shape(matrix)
    cell = rv.neurons.LeakyIntegrateAndFire()
    before, after = rv.Population(sources, cell, name="before"), rv.Population(targets, cell, name="after")
    projection = rv.Projection(before, after, synapse or rv.synapses.Delta(), matrix, weight=weight, delay=delay, name="it", **options)
    sim = rv.prepare(rv.Network(before, after, projection), dt=0.1, seed=3)
    constants, _ = sim.constants_of(sim.drawn)
    (synapses,) = sim.layout.plan.synapses
    made = constants.synapses[synapses.name]
    weights = np.zeros((targets, sources))
    if isinstance(made, CoupledConstants) and made.matrix is not None:
        weights = np.asarray(made.matrix)
    elif isinstance(made, CoupledConstants):
        edges = sim.drawn.projections["it"].edges
        np.add.at(weights, (edges.post, made.pre[: len(edges)]), made.weight[: len(edges)])
    else:  # neurons are numbered through: those of `before` come first, and both populations are one group
        (onto,) = made.edges
        end = int(onto.segments[-1, -1, -1]) if onto.segments.size else 0
        pre = np.repeat(np.arange(sources + targets), np.diff(onto.segments[0][:, [0, -1]], axis=1)[:, 0])
        np.add.at(weights, (onto.target[:end] - sources, pre), np.broadcast_to(onto.weight, onto.target.shape)[:end])
    return rv.Network(before, after, projection).edges("it", seed=3), weights


@given(matrices())
def test_a_matrix_is_itself(matrix):
    edges, weights = wired(matrix)
    np.testing.assert_array_equal(weights, matrix)
    assert len(edges) == np.count_nonzero(matrix)
    check_connection_rule(rv.connect.matrix(matrix), *matrix.shape[::-1])


@given(matrices(), st.sampled_from(["csr", "csc", "coo", "lil", "dok"]))
def test_sparse_and_dense_are_one(matrix, form):
    dense, sparse = (rv.connect.matrix(m) for m in (matrix, scipy.sparse.csr_array(matrix).asformat(form)))
    targets, sources = matrix.shape
    a, b = (rule.edges(sources, targets, range(targets), None, Key(0)) for rule in (dense, sparse))
    for field in ("pre", "post", "values"):
        np.testing.assert_array_equal(getattr(a, field), getattr(b, field))


@settings(max_examples=30)
@given(matrices(), st.floats(0.1, 10.0), st.data())
def test_the_forms_of_weights_agree(matrix, weight, data):
    """One number, one an edge, a column, a row and a full matrix say the same thing where they can."""
    targets, sources = matrix.shape
    column = np.array(data.draw(st.lists(st.floats(0.1, 5.0), min_size=targets, max_size=targets))).reshape(targets, 1)
    row = np.array(data.draw(st.lists(st.floats(0.1, 5.0), min_size=sources, max_size=sources))).reshape(1, sources)
    post, pre = np.nonzero(matrix)
    np.testing.assert_allclose(wired(matrix, weight)[1], weight * matrix)
    np.testing.assert_allclose(wired(matrix, np.full((targets, sources), weight))[1], weight * matrix)
    np.testing.assert_allclose(wired(matrix, column)[1], column * matrix)
    np.testing.assert_allclose(wired(matrix, row)[1], row * matrix)
    np.testing.assert_allclose(wired(matrix, np.broadcast_to(column, (targets, sources))[post, pre])[1], column * matrix)


@settings(max_examples=30)
@given(matrices(), st.integers(1, 3))
def test_weights_of_another_shape_are_refused(matrix, extra):
    edges = np.count_nonzero(matrix)
    for shape in ((edges + extra,), (matrix.shape[0] + extra + 1, 1), (2, 2, 2)):
        with pytest.raises(rv.ParameterError, match=r"weight.* has the shape"):
            wired(matrix, np.ones(shape))


@given(st.integers(0, 30), st.integers(0, 30), st.floats(0.0, 1.0), st.booleans(), st.integers(0, 2**63))
def test_pairwise_bernoulli(sources, targets, probability, autapses, seed):
    rule = rv.connect.pairwise_bernoulli(probability, autapses)
    check_connection_rule(rule, sources, targets)
    own = 0 if targets >= sources else None
    edges = rule.edges(sources, targets, range(targets), own, Key(seed))
    assert len(set(zip(edges.pre.tolist(), edges.post.tolist(), strict=True))) == len(edges)
    if probability == 1:
        assert len(edges) == sources * targets - (sources if own is not None and not autapses else 0)
    if own is not None and not autapses:
        assert not (edges.pre == edges.post).any()


@settings(max_examples=30)
@given(matrices(), st.floats(0.0, 3.0), st.floats(0.0, 1.0))
def test_drawn_weights_and_delays_are_the_same_however_often_they_are_drawn(matrix, mean, sd):
    weight = rv.normal(mean, sd, low=0.0)
    np.testing.assert_array_equal(wired(matrix, weight)[1], wired(matrix, weight)[1])
    assert (wired(matrix, weight)[1][matrix == 0] == 0).all()


@settings(max_examples=6)
@given(arrays(float, (2, 3), elements=entries), st.sampled_from([None, "edge"]))
def test_what_arrives_is_the_product_with_the_matrix(matrix, site):
    """A run: three cells spike in the first step, and their kicks arrive with its end."""
    before = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -49.0}, name="before")
    after = rv.Population(2, rv.neurons.Passive(leak=0.0), initial={"V": -65.0}, name="after")
    synapse = rv.synapses.ExponentialConductance(reversal=0.0) if site else rv.synapses.Delta()
    projection = rv.Projection(before, after, synapse, matrix, weight=0.5, name="it", site=site)
    run = rv.simulate(rv.Network(before, after, projection), duration=0.1, dt=0.1, record=[])
    if site:
        post, pre = np.nonzero(matrix)
        np.testing.assert_allclose(run.state.synapses["it"]["g"], 0.5 * matrix[post, pre])
    else:
        np.testing.assert_allclose(run.state.neurons["after"]["V"], -65.0 + 0.5 * matrix.sum(axis=1))
