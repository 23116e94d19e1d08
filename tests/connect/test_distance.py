"""Distances, periodic or not, and the profiles of probability."""

import itertools

import numpy as np
import pytest
import scipy.stats

import ranvier as rv
from ranvier.random import Key
from ranvier.testing import check_connection_rule


def test_the_share_of_pairs_follows_the_profile():
    """A chi-square test over ten distances, which a right rule fails with a probability of 10⁻⁴."""
    places = np.random.default_rng(1).random((400, 2)) * 100
    profile = rv.connect.gaussian(20.0, peak=0.8)
    edges = rv.connect.distance_dependent(profile, places, extent=100.0).edges(400, 400, range(400), None, Key(2))
    apart = np.abs(places[:, None] - places[None])
    distance = np.linalg.norm(np.minimum(apart, 100 - apart), axis=-1)
    connected = np.zeros((400, 400), bool)
    connected[edges.post, edges.pre] = True
    square, bins = 0.0, np.quantile(distance, np.linspace(0, 1, 11))
    for low, high in itertools.pairwise(bins):
        p = profile(distance[(distance >= low) & (distance < high)])
        square += (connected[(distance >= low) & (distance < high)].sum() - p.sum()) ** 2 / (p * (1 - p)).sum()
    assert scipy.stats.chi2(10).sf(square) > 1e-4


def test_distances_between_two_populations():
    told = []
    rule = rv.connect.distance_dependent(lambda d: told.append(d) or d < 2.5, [[0.0, 0.0], [3.0, 4.0]], [[0.0, 2.0]])
    assert rule.edges(2, 1, range(1), None, Key(1)).pre.tolist() == [0]
    np.testing.assert_allclose(told[0], [[2.0, np.sqrt(13)]])


@pytest.mark.parametrize("extent", [10.0, [10.0, 4.0]])
def test_the_short_way_round(extent):
    told = []
    rule = rv.connect.distance_dependent(lambda d: told.append(d) or 0.0, [[1.0, 0.0], [5.0, 3.5]], [[9.0, 0.0]], extent=extent)
    rule.edges(2, 1, range(1), None, Key(1))
    np.testing.assert_allclose(told[0], [[2.0, np.hypot(4.0, 3.5 if np.ndim(extent) == 0 else 0.5)]])


@pytest.mark.parametrize(("dimensions", "extent"), [(1, None), (2, None), (2, 1.0), (3, [1.0, 1.0, 2.0])])
@pytest.mark.parametrize("own", [None, 0])
def test_a_cutoff_leaves_out_what_is_farther(dimensions, extent, own, monkeypatch):
    """The draws are those of all pairs: so the edges are, as far as they are short."""
    monkeypatch.setattr("ranvier.connect.distance.NEAR_AT_ONCE", 300)
    places = np.random.default_rng(4).random((120, dimensions))
    profile = rv.connect.gaussian(0.2, peak=0.9)
    given = {"extent": extent, "autapses": False}
    whole = rv.connect.distance_dependent(profile, places, **given).edges(120, 120, range(120), own, Key(3))
    near = rv.connect.by_distance(lambda d: d, places, extent=extent)(whole.pre, whole.post) <= 0.25
    rule = rv.connect.distance_dependent(profile, places, cutoff=0.25, **given)
    edges = rule.edges(120, 120, range(120), own, Key(3))
    np.testing.assert_array_equal(edges.pre, whole.pre[near])
    np.testing.assert_array_equal(edges.post, whole.post[near])
    assert 50 < len(edges) < len(whole)
    check_connection_rule(rv.connect.distance_dependent(profile, places, places[:130], cutoff=0.1), 120, 120)


def test_a_cutoff_with_nobody_near():
    rule = rv.connect.distance_dependent(lambda d: np.ones(d.shape), [0.0, 1.0], [5.0, 0.1], cutoff=0.2)
    edges = rule.edges(2, 2, range(2), None, Key(1))
    assert edges.pre.tolist() == [0] and edges.post.tolist() == [1]
    assert (
        len(
            rv.connect.distance_dependent(rv.connect.gaussian(1.0), np.zeros(0), np.zeros(3), cutoff=1.0).edges(
                0, 3, range(3), None, Key(1)
            )
        )
        == 0
    )
    with pytest.raises(rv.ParameterError, match="it is 2 at the distance 0"):
        rv.connect.distance_dependent(lambda d: d + 2.0, [0.0], cutoff=1.0).edges(1, 1, range(1), None, Key(1))
    with pytest.raises(rv.ParameterError, match="cutoff is -1"):
        rv.connect.distance_dependent(np.exp, [0.0], cutoff=-1.0)


def test_by_distance_is_the_distance_of_the_pair():
    places, others = np.random.default_rng(2).random((2, 5, 3)) * 10
    distance = rv.connect.by_distance(lambda d: d, places, others)
    pre, post = np.array([0, 4, 2]), np.array([1, 1, 4])
    np.testing.assert_allclose(distance(pre, post), np.linalg.norm(places[pre] - others[post], axis=1))
    ring = rv.connect.by_distance(lambda d: 2 * d, np.arange(10.0), extent=10.0)
    assert ring(np.array([0, 0, 9]), np.array([9, 5, 1])).tolist() == [2.0, 10.0, 4.0]


def test_a_probability_by_distance_draws_what_distance_dependent_draws():
    places = np.random.default_rng(3).random((50, 2))
    profile = rv.connect.gaussian(0.3)
    given = 50, 50, range(50), 0, Key(2)
    one = rv.connect.distance_dependent(profile, places, extent=1.0, autapses=False).edges(*given)
    other = rv.connect.pairwise_bernoulli(rv.connect.by_distance(profile, places, extent=1.0), autapses=False).edges(*given)
    np.testing.assert_array_equal(one.pre, other.pre)
    np.testing.assert_array_equal(one.post, other.post)
    assert 300 < len(one) < 1500


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.connect.distance_dependent(0.1, [0.0]), "must be a function, such as rv.connect.gaussian"),
        (lambda: rv.connect.distance_dependent(np.exp, [np.nan]), r"source_positions (is|has)"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], np.zeros((2, 2, 2))), r"target_positions (is|has)"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], [[0.0, 1.0]]), "source_positions have 1 coordinates and target_positions 2"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], extent=-1.0), r"extent (is|has)"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], extent=[1.0, 2.0]), r"extent (is|has)"),
        (lambda: rv.connect.by_distance(1.0, [0.0]), "by_distance: function is 1.0"),
        (
            lambda: rv.connect.by_distance(np.exp, [0.0], [[0.0, 1.0]]),
            "by_distance: source_positions have 1 coord",
        ),
        (lambda: rv.connect.gaussian(0.0), "gaussian: sd is 0, but it must be positive"),
        (lambda: rv.connect.exponential(np.inf), "exponential: length is inf, but it must be positive"),
        (lambda: rv.connect.exponential(1.0, peak=1.5), "peak is 1.5, but it must be within"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(rv.ParameterError, match=message):
        make()


def test_what_only_the_network_can_tell():
    rule = rv.connect.distance_dependent(lambda d: d - 1, [0.0, 1.0])
    with pytest.raises(rv.ParameterError, match=r"within \[0, 1\], but it is -1 from 0 to 0"):
        rule.edges(2, 2, range(2), None, Key(1))
    with pytest.raises(rv.ParameterError, match="there are 2 source positions, but 3 sources"):
        rule.edges(3, 2, range(2), None, Key(1))
    with pytest.raises(rv.ParameterError, match="the probability has the shape"):
        rv.connect.distance_dependent(lambda d: np.zeros(7), [0.0, 1.0]).edges(2, 2, range(2), None, Key(1))
