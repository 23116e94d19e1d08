"""Rules with a structure, against the formulas of their papers; a right rule fails a test with a probability of about 10⁻⁴."""

import itertools

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from scipy.sparse.csgraph import shortest_path
from tests.reproduces import record_reproduction

import ranvier as rv
from ranvier.random import Key
from ranvier.testing import check_connection_rule

IMPROBABLE = 1e-4
RULES = {
    "in degrees": lambda n: rv.connect.fixed_in_degree(np.arange(n) % 4),
    "symmetric": lambda n: rv.connect.symmetric_pairs(0.4),
    "small world": lambda n: rv.connect.small_world(4, 0.5),
    "hubs send": lambda n: rv.connect.scale_free(2),
    "hubs receive": lambda n: rv.connect.scale_free(3, "receivers"),
    "hubs do both": lambda n: rv.connect.scale_free(1, "both"),
    "topographic": lambda n: rv.connect.topographic(3, 0.2),
    "torus": lambda n: rv.connect.topographic(2, 0.3, dimensions=2, periodic=True, autapses=False),
    "clustered": lambda n: rv.connect.clustered(0.3, 3, 2.0, autapses=False),
}


def drawn(rule, n, seed=1, own=0, targets=None):
    targets = n if targets is None else targets
    return rule.edges(n, targets, range(targets), own, Key(seed))


def dense(edges, n):
    return np.bincount(edges.post * n + edges.pre, minlength=n * n).reshape(n, n)


@pytest.mark.parametrize("n", [9, 16, 64])
@pytest.mark.parametrize("name", RULES)
def test_conformance(name, n):
    check_connection_rule(RULES[name](n), n, n)


@pytest.mark.parametrize("name", RULES)
def test_they_run(name):
    cells = rv.Population(9, rv.neurons.LeakyIntegrateAndFire(), initial={"V": -49.0}, name="cells")
    wires = rv.Projection(cells, cells, rv.synapses.Delta(), RULES[name](9), name="wires", weight=0.1)
    net = rv.Network(cells, wires)
    run = rv.simulate(net, duration=0.2, dt=0.1, seed=3)
    assert len(run.edges("wires")) == len(net.edges("wires", seed=3)) > 0 and run.spikes.counts.min() >= 1


@pytest.mark.parametrize("name", ["symmetric", "small world", "hubs send", "hubs do both", "clustered", "topographic"])
def test_nobody(name):
    assert len(drawn(RULES[name](0), 0)) == 0


class TestInDegrees:
    def test_each_target_has_its_own(self):
        degrees = np.array([0, 3, 1, 7, 7])
        for multapses in (True, False):
            edges = drawn(rv.connect.fixed_in_degree(degrees, multapses=multapses), 7, own=None, targets=5)
            assert np.bincount(edges.post, minlength=5).tolist() == degrees.tolist()
        assert edges.pre[-7:].tolist() == list(range(7))

    def test_equal_ones_are_one_number(self):
        one, other = (drawn(rv.connect.fixed_in_degree(d), 20) for d in (3, [3] * 20))
        np.testing.assert_array_equal(one.pre, other.pre)


class TestSymmetric:
    @pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6])
    def test_every_pair_is_as_likely_as_any_other(self, n):
        seen = np.array([dense(drawn(rv.connect.symmetric_pairs(0.3), n, seed), n) for seed in range(600)])
        np.testing.assert_array_equal(seen, seen.transpose(0, 2, 1))
        assert not seen[:, np.eye(n, dtype=bool)].any() and seen.max(initial=0) <= 1
        counts = seen.sum(axis=0)[np.triu_indices(n, 1)]
        square = ((counts - 180) ** 2 / (600 * 0.3 * 0.7)).sum()
        assert scipy.stats.chi2(max(len(counts), 1)).sf(square) > IMPROBABLE

    def test_pairs_are_independent(self):
        """The number of pairs is binomial."""
        pairs = [len(drawn(rv.connect.symmetric_pairs(0.2), 12, seed)) // 2 for seed in range(400)]
        dispersion = ((np.array(pairs) - 66 * 0.2) ** 2).sum() / (66 * 0.2 * 0.8)
        assert IMPROBABLE < scipy.stats.chi2(400).cdf(dispersion) < 1 - IMPROBABLE

    def test_all_or_none(self):
        assert len(drawn(rv.connect.symmetric_pairs(1.0), 7)) == 42 and len(drawn(rv.connect.symmetric_pairs(0.0), 7)) == 0


def clustering(edges, n):
    """The share of the pairs of a target's sources that are wired."""
    a = scipy.sparse.csr_array((np.ones(len(edges)), (edges.post, edges.pre)), shape=(n, n))
    k = a.sum(axis=1)
    return float((a @ a * a).sum() / (k * (k - 1)).sum())  # t ← a and t ← b ← a, of ordered pairs


class TestSmallWorld:
    @pytest.mark.parametrize("rewired", [0.0, 0.1, 0.3, 0.6])
    def test_clustering_falls_as_the_formula_says(self, rewired):
        n, k = 4000, 20
        found = clustering(drawn(rv.connect.small_world(k, rewired), n), n)
        wanted = 3 * (k - 2) / (4 * (k - 1)) * (1 - rewired) ** 3
        assert abs(found - wanted) < 3 * k / n + 0.01 * wanted + (0.006 if rewired else 0)

    def test_paths_become_short(self):
        n, k = 600, 10
        lengths = []
        for rewired in (0.0, 0.1, 1.0):
            edges = drawn(rv.connect.small_world(k, rewired), n)
            lengths.append(
                shortest_path(scipy.sparse.csr_array((np.ones(len(edges)), (edges.pre, edges.post)), shape=(n, n)), unweighted=True).mean()
            )
        assert abs(lengths[0] - n / (2 * k)) < 1 and lengths[1] < 0.25 * lengths[0]
        assert abs(lengths[2] - np.log(n) / np.log(k)) < 0.5

    @pytest.mark.parametrize(("n", "k"), [(9, 8), (12, 6), (5, 2)])
    def test_sources_are_different_and_others(self, n, k):
        for seed, rewired in itertools.product(range(20), (0.0, 0.4, 1.0)):
            edges = drawn(rv.connect.small_world(k, rewired), n, seed)
            assert len(set(zip(edges.pre.tolist(), edges.post.tolist(), strict=True))) == n * k and not (edges.pre == edges.post).any()

    def test_all_rewired_is_uniform(self):
        counts = sum(dense(drawn(rv.connect.small_world(4, 1.0), 7, seed), 7) for seed in range(500))
        assert scipy.stats.chisquare(counts[~np.eye(7, dtype=bool)]).pvalue > IMPROBABLE

    def test_half_rewired_is_symmetric_around_the_target(self):
        """Each neighbour alike, each other neuron alike: what is drawn twice is drawn anew without a bias to a side."""
        counts = np.zeros(9)
        for seed in range(600):
            edges = drawn(rv.connect.small_world(4, 0.5), 9, seed)
            counts += np.bincount((edges.pre - edges.post) % 9, minlength=9)
        assert (
            scipy.stats.chisquare(counts[[1, 2, 7, 8]]).pvalue > IMPROBABLE
            and scipy.stats.chisquare(counts[[3, 4, 5, 6]]).pvalue > IMPROBABLE
        )
        assert counts[0] == 0 and counts[1] > 1.5 * counts[4]

    def test_the_published_clustering(self):
        edges = drawn(rv.connect.small_world(20, 0.1), 4000)
        record_reproduction(
            "Small-world network",
            "Watts & Strogatz 1998; Barrat & Weigt 2000",
            "clustering, 20 neighbours, a tenth of them exchanged",
            3 * 18 / (4 * 19) * 0.9**3,
            clustering(edges, 4000),
            0.015,
        )


class TestScaleFree:
    @pytest.mark.parametrize("m", [1, 3])
    def test_degrees_follow_the_formula(self, m):
        n = 60_000
        edges = drawn(rv.connect.scale_free(m), n, seed=2)
        assert (edges.pre < edges.post).all() and (np.bincount(edges.post, minlength=n)[1:] == m).all()
        degrees = m + np.bincount(edges.pre, minlength=n)[1:]
        k = np.arange(m, m + 15)
        wanted = 2 * m * (m + 1) / (k * (k + 1) * (k + 2))
        counts = np.array([(degrees == d).sum() for d in k] + [(degrees >= k[-1] + 1).sum()])
        wanted = np.append(wanted, 1 - wanted.sum()) * (n - 1)
        assert scipy.stats.chisquare(counts, wanted).pvalue > IMPROBABLE
        assert degrees.max() > 20 * m * np.sqrt(m)  # about m·√n: a network without preference has none above 30

    def test_the_published_degrees(self):
        edges = drawn(rv.connect.scale_free(3), 60_000, seed=2)
        degrees = 3 + np.bincount(edges.pre, minlength=60_000)[1:]
        record_reproduction(
            "Scale-free network",
            "Barabási & Albert 1999; Bollobás et al. 2001",
            "share of neurons with 3, 4 and 5 edges, 3 for each that is added",
            [0.4, 0.2, 24 / 210],
            [float((degrees == k).mean()) for k in (3, 4, 5)],
            0.01,
        )

    def test_hubs_send_receive_or_both(self):
        send, receive, both = (dense(drawn(rv.connect.scale_free(3, hubs), 80), 80) for hubs in ("senders", "receivers", "both"))
        np.testing.assert_array_equal(receive, send.T)
        np.testing.assert_array_equal(both, send + send.T)

    def test_the_first_choose_the_first(self):
        edges = drawn(rv.connect.scale_free(2), 3, seed=4)
        assert edges.post.tolist() == [1, 1, 2, 2] and edges.pre[:2].tolist() == [0, 0]
        seen = np.concatenate([drawn(rv.connect.scale_free(1), 3, seed).pre[1:] for seed in range(2000)])
        # Neuron 2 draws among the four ends there are: two that count for neuron 0, one of the edge between 0 and 1 for each.
        assert scipy.stats.chisquare(np.bincount(seen, minlength=2), [1500, 500]).pvalue > IMPROBABLE


class TestTopographic:
    @pytest.mark.parametrize("own", [None, 0])
    def test_sources_are_normal_around_the_target(self, own):
        edges = drawn(rv.connect.topographic(50, 0.05, autapses=own is None), 4000, own=own, targets=4000 if own == 0 else 500)
        targets = 4000 if own == 0 else 500
        middle = (edges.post > 0.3 * targets) & (edges.post < 0.7 * targets)
        offset = (edges.pre[middle] + 0.5) / 4000 - (edges.post[middle] + 0.5) / targets
        assert scipy.stats.kstest(offset[:5000], scipy.stats.norm(0, 0.05).cdf).pvalue > IMPROBABLE
        assert (np.bincount(edges.post) == 50).all()
        assert own is None or not (edges.pre == edges.post).any()

    def test_ends_meet_or_cut_off(self):
        ring = drawn(rv.connect.topographic(400, 0.1, periodic=True), 1000, targets=10, own=None)
        line = drawn(rv.connect.topographic(400, 0.1), 1000, targets=10, own=None)
        assert 0.25 < (ring.pre[ring.post == 0] > 500).mean() < 0.37 and not (line.pre[line.post == 0] > 600).any()
        first = (line.pre[line.post == 0] + 0.5) / 1000 - 0.05
        assert scipy.stats.kstest(first, scipy.stats.truncnorm(-0.5, 9.5, scale=0.1).cdf).pvalue > IMPROBABLE

    def test_on_a_square(self):
        edges = drawn(rv.connect.topographic(200, 0.05, dimensions=2), 2500, targets=9, own=None)
        row, column = np.divmod(edges.pre[edges.post == 5], 50)  # the target at (1/2, 5/6)
        assert (
            scipy.stats.kstest(
                (row + 0.5) / 50 + np.random.default_rng(0).uniform(-0.01, 0.01, 200), scipy.stats.norm(0.5, 0.05).cdf
            ).pvalue
            > IMPROBABLE
        )
        assert abs(column.mean() / 50 - 5 / 6) < 0.02 and abs(np.corrcoef(row, column)[0, 1]) < 0.3


class TestClustered:
    @pytest.mark.parametrize(("own", "autapses"), [(None, True), (0, True), (0, False)])
    def test_probabilities_within_and_between(self, own, autapses):
        """Litwin-Kumar and Doiron's, a quarter of the size."""
        n, size = 1000, 40
        edges = drawn(rv.connect.clustered(0.2, 25, 2.5, autapses=autapses), n, own=own)
        inside = edges.pre // size == edges.post // size
        outside = 0.2 / (2.5 / 25 + 1 - 1 / 25)
        alone = n if not autapses else 0
        for count, pairs, p in (
            (inside.sum(), 25 * size**2 - alone, 2.5 * outside),
            ((~inside).sum(), n**2 - 25 * size**2, outside),
        ):
            assert abs(count - pairs * p) < 4 * np.sqrt(pairs * p * (1 - p))
        assert autapses or not (edges.pre == edges.post).any()
        assert abs(len(edges) / n**2 - 0.2) < 0.003

    def test_the_published_probabilities(self):
        edges = drawn(rv.connect.clustered(0.2, 50, 2.5), 4000)
        inside = edges.pre // 80 == edges.post // 80
        record_reproduction(
            "Clustered network",
            "Litwin-Kumar & Doiron 2012",
            "probability within and between clusters, mean 0.2, ratio 2.5",
            [2.5 * 0.2 / 1.03, 0.2 / 1.03],
            [float(inside.sum() / (50 * 80**2)), float((~inside).sum() / (4000**2 - 50 * 80**2))],
            0.004,
        )

    def test_every_pair_has_its_probability(self):
        """11 neurons in 3 clusters of 3, 4 and 4, onto 7 in clusters of 2, 2 and 3."""
        rule = rv.connect.clustered(0.4, 3, 1.8)
        counts = np.zeros((7, 11))
        for seed in range(600):
            edges = rule.edges(11, 7, range(7), None, Key(seed))
            np.add.at(counts, (edges.post, edges.pre), 1)
        sources, targets = np.repeat([0, 1, 2], [3, 4, 4]), np.repeat([0, 1, 2], [2, 2, 3])
        same = targets[:, None] == sources
        outside = 0.4 * 77 / (1.8 * same.sum() + 77 - same.sum())
        wanted = np.where(same, 1.8 * outside, outside)
        square = ((counts - 600 * wanted) ** 2 / (600 * wanted * (1 - wanted))).sum()
        assert scipy.stats.chi2(77).sf(square) > IMPROBABLE
        by_cluster = rv.connect.by_cluster(1.8 * outside, outside, 3, 11, 7)
        np.testing.assert_allclose(by_cluster(np.tile(np.arange(11), 7), np.repeat(np.arange(7), 11)).reshape(7, 11), wanted)

    def test_a_ratio_of_one_is_no_clusters(self):
        edges = drawn(rv.connect.clustered(0.3, 5, 1.0), 500)
        inside = edges.pre // 100 == edges.post // 100
        assert abs(inside.mean() - 0.2) < 0.006


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rv.connect.fixed_in_degree([1.5, 2.0]), "degree is .* a list of whole numbers"),
        (lambda: rv.connect.fixed_in_degree([1, -2]), "degree holds -2"),
        (lambda: drawn(rv.connect.fixed_in_degree([1, 2]), 3), "there are 2 degrees, but 3 targets"),
        (lambda: drawn(rv.connect.fixed_in_degree([1, 4, 2], multapses=False), 3), "target 1 is to have 4 sources, and there are only 3"),
        (lambda: rv.connect.fixed_in_degree(3, autapses="no"), "fixed_in_degree: autapses is 'no', but it must be True or False"),
        (lambda: rv.connect.pairwise_bernoulli(0.1, autapses=1), "pairwise_bernoulli: autapses is 1"),
        (lambda: rv.connect.symmetric_pairs(1.2), "symmetric_pairs: probability is 1.2"),
        (lambda: drawn(rv.connect.symmetric_pairs(0.2), 3, own=None), "symmetric_pairs wires a population to itself and to no other"),
        (lambda: drawn(rv.connect.symmetric_pairs(0.2), 3, targets=5), "to itself and to no other"),
        (lambda: rv.connect.small_world(3, 0.1), "neighbours is 3, but it must be even"),
        (lambda: rv.connect.small_world(4, -0.1), "small_world: rewired is -0.1"),
        (lambda: drawn(rv.connect.small_world(4, 0.1), 4), "4 neighbours of each neuron are too many among 4"),
        (lambda: drawn(rv.connect.small_world(2, 0.1), 4, targets=5), "as many sources as targets, but there are 4 and 5"),
        (lambda: rv.connect.scale_free(0), "scale_free: edges_each is 0, but it must be a whole number of at least 1"),
        (lambda: rv.connect.scale_free(2, "sender"), "senders"),
        (lambda: drawn(rv.connect.scale_free(2), 4, targets=5), "as many sources as targets"),
        (lambda: rv.connect.topographic(2.5, 0.1), "topographic: degree is 2.5"),
        (lambda: rv.connect.topographic(2, 0.0), "topographic: spread is 0"),
        (lambda: rv.connect.topographic(2, 0.1, dimensions=3), "topographic: dimensions is 3"),
        (lambda: drawn(rv.connect.topographic(2, 0.1, dimensions=2), 10), "10 sources do not fill a square"),
        (lambda: drawn(rv.connect.topographic(2, 0.1), 0, targets=3), "there are no sources"),
        (lambda: drawn(rv.connect.topographic(2, 1e-9, autapses=False), 3), "spread is too small"),
        (lambda: rv.connect.clustered(0.2, 0, 2.0), "clustered: clusters is 0"),
        (lambda: rv.connect.clustered(0.2, 2, -1.0), "clustered: ratio is -1"),
        (lambda: drawn(rv.connect.clustered(0.2, 9, 2.0), 8), "8 sources are too few for 9 clusters"),
        (lambda: drawn(rv.connect.clustered(0.9, 2, 3.0), 8), "needs 1.35 within clusters and 0.45 between them"),
        (lambda: drawn(rv.connect.clustered(0.2, 2, 2.0), 8, own=4, targets=12), "clustered wires a population to itself"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises((rv.ParameterError, rv.UnknownNameError), match=message):
        make()
