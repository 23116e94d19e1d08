"""What each rule draws, by statistics over fixed seeds: chi-square tests that a right rule fails with a probability of 10⁻⁴."""

import itertools

import numpy as np
import pytest
import scipy.stats

import ranvier as rv
from ranvier.random import Key

IMPROBABLE = 1e-4
RULES = {
    "bernoulli": lambda **o: rv.connect.pairwise_bernoulli(0.3, o["autapses"]),
    "matrix": lambda **o: rv.connect.pairwise_bernoulli(np.full((5, 5), 0.3), o["autapses"]),
    "function": lambda **o: rv.connect.pairwise_bernoulli(lambda pre, post: 0.3, o["autapses"]),
    "in": lambda **o: rv.connect.fixed_in_degree(2, **o),
    "out": lambda **o: rv.connect.fixed_out_degree(2, **o),
    "total": lambda **o: rv.connect.fixed_total_number(9, **o),
    "most of all": lambda **o: rv.connect.fixed_total_number(17, **o),
    "near": lambda **o: rv.connect.distance_dependent(lambda d: np.full(d.shape, 0.3), np.zeros(5), autapses=o["autapses"]),
}


def drawn(rule, sources, targets, seed, own=None):
    return rule.edges(sources, targets, range(targets), own, Key(seed))


def matrix(rule, sources, targets, seed, own=None):
    """How many edges there are between each pair, `[targets, sources]`."""
    edges = drawn(rule, sources, targets, seed, own)
    return np.bincount(edges.post * sources + edges.pre, minlength=targets * sources).reshape(targets, sources)


def assert_as_likely(counts, expected=None):
    counts = np.asarray(counts)
    expected = np.full(counts.shape, counts.sum() / counts.size) if expected is None else np.asarray(expected) * counts.sum()
    assert scipy.stats.chisquare(counts, expected).pvalue > IMPROBABLE


@pytest.mark.parametrize("multapses", [True, False])
@pytest.mark.parametrize("autapses", [True, False])
@pytest.mark.parametrize("name", RULES)
def test_every_allowed_pair_is_as_likely_as_any_other(name, autapses, multapses):
    """Five neurons among themselves, 400 times. Draws without repetition vary less than independent ones: a mild test there."""
    rule = RULES[name](autapses=autapses, multapses=multapses)
    seen = [matrix(rule, 5, 5, seed, own=0) for seed in range(400)]
    total = np.sum(seen, axis=0)
    allowed = np.ones((5, 5), bool) if autapses else ~np.eye(5, dtype=bool)
    assert not total[~allowed].any()
    assert_as_likely(total[allowed])
    if not multapses:
        assert max(m.max() for m in seen) == 1
    elif name not in ("bernoulli", "matrix", "function", "near"):
        assert max(m.max() for m in seen) > 1


def test_degrees_are_exact():
    for multapses in (True, False):
        options = {"autapses": False, "multapses": multapses}
        assert (matrix(rv.connect.fixed_in_degree(4, **options), 7, 9, 1, own=1).sum(axis=1) == 4).all()
        assert (matrix(rv.connect.fixed_out_degree(4, **options), 7, 9, 1, own=1).sum(axis=0) == 4).all()
        assert matrix(rv.connect.fixed_total_number(40, **options), 7, 9, 1, own=1).sum() == 40
    full = matrix(rv.connect.fixed_total_number(7 * 9 - 7, autapses=False, multapses=False), 7, 9, 1, own=1)
    np.testing.assert_array_equal(full, matrix(rv.connect.all_to_all(autapses=False), 7, 9, 1, own=1))


def test_every_set_of_sources_is_as_likely_as_any_other():
    sets = [tuple(np.flatnonzero(row)) for row in matrix(rv.connect.fixed_in_degree(2, multapses=False), 4, 3000, 1)]
    assert_as_likely([sets.count(s) for s in itertools.combinations(range(4), 2)])
    sets = [tuple(np.flatnonzero(row == 0)) for row in matrix(rv.connect.fixed_in_degree(4, multapses=False), 6, 3000, 2)]
    assert_as_likely([sets.count(s) for s in itertools.combinations(range(6), 2)])
    some = rv.connect.fixed_total_number(2, multapses=False)
    sets = [tuple(np.flatnonzero(matrix(some, 2, 2, seed))) for seed in range(600)]
    assert_as_likely([sets.count(s) for s in itertools.combinations(range(4), 2)])


def test_repetitions_are_as_frequent_as_they_should_be():
    times = matrix(rv.connect.fixed_in_degree(3), 4, 3000, 1).max(axis=1)
    assert_as_likely(np.bincount(times, minlength=4)[1:], [24 / 64, 36 / 64, 4 / 64])


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize(
    ("rule", "distribution"),
    [
        (rv.connect.pairwise_bernoulli(0.1), scipy.stats.binom(1000, 0.1)),
        (rv.connect.fixed_total_number(100_000), scipy.stats.binom(100_000, 1 / 1000)),
        (rv.connect.fixed_total_number(100_000, multapses=False), scipy.stats.hypergeom(10**6, 1000, 100_000)),
    ],
    ids=["bernoulli", "multapses", "no multapses"],
)
def test_the_distribution_of_degrees(rule, distribution, axis):
    degrees = matrix(rule, 1000, 1000, 3).sum(axis=axis)
    edges = distribution.ppf(np.linspace(0, 1, 13))
    cumulative = distribution.cdf(edges[1:])
    counts = np.histogram(degrees, np.concatenate([[-1], edges[1:-1], [10**6]]) + 0.5)[0]
    assert_as_likely(counts, np.diff(cumulative, prepend=0))


def test_out_degrees_of_fixed_in_degrees_are_binomial():
    for rule, axis in ((rv.connect.fixed_in_degree(50), 0), (rv.connect.fixed_out_degree(50), 1)):
        degrees = matrix(rule, 800, 800, 5).sum(axis=axis)
        dispersion = ((degrees - 50) ** 2).sum() / (50 * (1 - 1 / 800))
        assert IMPROBABLE < scipy.stats.chi2(799).cdf(dispersion) < 1 - IMPROBABLE


@pytest.mark.parametrize(
    ("rule", "sources", "targets", "own", "message"),
    [
        (
            rv.connect.fixed_in_degree(5, multapses=False),
            4,
            3,
            None,
            r"fixed_in_degree\(5\) cannot be met: .* only 4 sources.*multapses",
        ),
        (rv.connect.fixed_in_degree(4, autapses=False, multapses=False), 4, 4, 0, "a target with only 3 sources"),
        (rv.connect.fixed_in_degree(1), 0, 3, None, r"fixed_in_degree\(1\) cannot be met: there is a target with only 0 sources"),
        (rv.connect.fixed_in_degree(1, autapses=False), 1, 1, 0, "only 0 sources"),
        (rv.connect.fixed_out_degree(5, multapses=False), 3, 4, None, r"fixed_out_degree\(5\) cannot be met: .* only 4 targets"),
        (rv.connect.fixed_out_degree(1), 3, 0, None, "only 0 targets"),
        (rv.connect.fixed_out_degree(10**12), 3, 4, None, r"fixed_out_degree\(1000000000000\) would take .* GiB"),
        (rv.connect.fixed_total_number(13, multapses=False), 3, 4, None, "there are 12 pairs to choose from.*multapses=True"),
        (rv.connect.fixed_total_number(10, autapses=False, multapses=False), 3, 4, 1, "there are 9 pairs"),
        (rv.connect.fixed_total_number(1), 0, 4, None, "there are 0 pairs"),
        (rv.connect.fixed_total_number(10**13), 3, 4, None, "would take .* GiB"),
        (rv.connect.one_to_one(), 3, 4, None, "as many sources as targets, but there are 3 and 4"),
    ],
)
def test_rules_that_cannot_be_met(rule, sources, targets, own, message):
    with pytest.raises(rv.ParameterError, match=message):
        drawn(rule, sources, targets, 1, own)


@pytest.mark.parametrize("given", ["matrix", "function", "row", "column"])
def test_each_pair_has_its_own_probability(given, monkeypatch):
    """800 draws of 3 × 4 pairs; a chi-square test of every count, blocks as small as one target."""
    monkeypatch.setattr(rv.connect.pairs, "PAIRS_AT_ONCE", 4)
    wanted = np.linspace(0.05, 0.9, 12).reshape(3, 4)
    wanted = {"row": np.broadcast_to(wanted[:1], (3, 4)), "column": np.broadcast_to(wanted[:, :1], (3, 4))}.get(given, wanted)
    made = {"matrix": wanted, "function": lambda pre, post: wanted[post, pre], "row": wanted[:1], "column": wanted[:, :1]}[given]
    counts = np.sum([matrix(rv.connect.pairwise_bernoulli(made), 4, 3, seed) for seed in range(800)], axis=0)
    square = ((counts - 800 * wanted) ** 2 / (800 * wanted * (1 - wanted))).sum()
    assert scipy.stats.chi2(12).sf(square) > IMPROBABLE


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: rv.connect.pairwise_bernoulli(1.5), r"probability is 1.5, but it must be within \[0, 1\]"),
        (lambda: rv.connect.pairwise_bernoulli([0.1, 0.2]), r"a number within \[0, 1\], a matrix \[targets, sources\] of them, or"),
        (lambda: rv.connect.pairwise_bernoulli("often"), "probability is 'often', but it must be a number"),
        (lambda: drawn(rv.connect.pairwise_bernoulli(np.ones((3, 4))), 3, 4, 1), r"have the shape \(3, 4\).*a matrix \(4, 3\)"),
        (lambda: drawn(rv.connect.pairwise_bernoulli([[0.1, 0.2, 1.2]]), 3, 4, 1), "it is 1.2 from 2 to 0"),
        (lambda: drawn(rv.connect.pairwise_bernoulli(lambda pre, post: np.where(post == 3, np.nan, 0)), 3, 4, 1), "it is nan from 0 to 3"),
        (lambda: drawn(rv.connect.pairwise_bernoulli(lambda pre, post: np.ones(5)), 3, 4, 1), r"The probability of .* \(5,\)"),
    ],
)
def test_probabilities_that_cannot_be_used(made, message):
    with pytest.raises(rv.ParameterError, match=message):
        made()


@pytest.mark.parametrize("made", [rv.connect.fixed_in_degree, rv.connect.fixed_out_degree, rv.connect.fixed_total_number])
@pytest.mark.parametrize("number", [-1, 2.5, True, "3", np.nan])
def test_numbers_of_edges_are_whole(made, number):
    with pytest.raises(rv.ParameterError, match="must be a whole number of at least 0"):
        made(number)


@pytest.mark.parametrize(("sources", "targets"), [(0, 0), (0, 3), (3, 0)])
def test_nobody_is_wired_to_nobody(sources, targets):
    rules = [rv.connect.pairwise_bernoulli(0.5), rv.connect.all_to_all(autapses=False)]
    rules += [made(0) for made in (rv.connect.fixed_in_degree, rv.connect.fixed_out_degree, rv.connect.fixed_total_number)]
    rules += [rv.connect.distance_dependent(rv.connect.gaussian(1.0), np.zeros(sources), np.zeros(targets))]
    for rule in rules:
        assert len(drawn(rule, sources, targets, 1)) == 0
    assert len(drawn(rv.connect.fixed_in_degree(2), 3, 0, 1)) == len(drawn(rv.connect.fixed_out_degree(2), 0, 3, 1)) == 0


def test_many_pairs_cost_only_their_edges():
    """40 000 × 40 000 pairs: a dense draw would take 12.8 GB."""
    edges = rv.connect.pairwise_bernoulli(1e-4).edges(40_000, 40_000, range(40_000), None, Key(0))
    assert abs(len(edges) - 160_000) < 5 * 400


@pytest.mark.parametrize("low", [-np.inf, 0.5])
def test_a_redrawn_normal_is_a_truncated_one(low):
    drawn = rv.normal(1.0, 0.8, low=low, high=2.0, redraw=True).draw(Key(3), 20_000)
    wanted = scipy.stats.truncnorm((low - 1) / 0.8, 1 / 0.8, loc=1.0, scale=0.8)
    assert scipy.stats.kstest(drawn, wanted.cdf).pvalue > IMPROBABLE
    part = rv.normal(1.0, 0.8, low=low, high=2.0, redraw=True).draw(Key(3), 500, start=700)
    np.testing.assert_array_equal(part, drawn[700:1200])


def test_normals_that_cannot_be_drawn_again():
    with pytest.raises(rv.ParameterError, match="hardly any draw is within"):
        rv.normal(0.0, 1.0, low=4.0, redraw=True)
    with pytest.raises(rv.ParameterError, match="low is above high"):
        rv.normal(0.0, 1.0, low=1.0, high=0.0)
    assert rv.normal(2.0, 0.0, low=1.0, redraw=True).draw(Key(1), 3).tolist() == [2.0, 2.0, 2.0]
