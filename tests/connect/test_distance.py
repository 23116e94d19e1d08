"""Distances, periodic or not, and the profiles of probability."""

import itertools

import numpy as np
import pytest
import scipy.stats

import ranvier as rv
from ranvier.random import Key


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


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.connect.distance_dependent(0.1, [0.0]), "must be a function, such as rv.connect.gaussian"),
        (lambda: rv.connect.distance_dependent(np.exp, [np.nan]), "source positions must be finite"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], np.zeros((2, 2, 2))), "target positions must be finite numbers"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], [[0.0, 1.0]]), "sources have 1 coordinates and targets 2"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], extent=-1.0), "extent must be a positive size"),
        (lambda: rv.connect.distance_dependent(np.exp, [0.0], extent=[1.0, 2.0]), "extent must be a positive size"),
        (lambda: rv.connect.gaussian(0.0), "gaussian: sd must be positive, not 0"),
        (lambda: rv.connect.exponential(np.inf), "exponential: length must be positive"),
        (lambda: rv.connect.exponential(1.0, peak=1.5), "peak is a probability, within"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(rv.ParameterError, match=message):
        make()


def test_what_only_the_network_can_tell():
    rule = rv.connect.distance_dependent(lambda d: d - 1, [0.0, 1.0])
    with pytest.raises(rv.ParameterError, match=r"within \[0, 1\], but one is -1"):
        rule.edges(2, 2, range(2), None, Key(1))
    with pytest.raises(rv.ParameterError, match="there are 2 source positions, but 3 sources"):
        rule.edges(3, 2, range(2), None, Key(1))
    with pytest.raises(rv.ParameterError, match="the probability has the shape"):
        rv.connect.distance_dependent(lambda d: np.zeros(7), [0.0, 1.0]).edges(2, 2, range(2), None, Key(1))
