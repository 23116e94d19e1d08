"""Draws in the compiled step: the same bits native, reference and by `Draws`, whatever the segments; counts by their distribution."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads
from scipy import stats

from ranvier.errors import ParameterError
from ranvier.kernels import Streams, add_poisson, bernoulli, normals, poisson_counts, poisson_table, uniforms
from ranvier.random import Key, threefry2x32

module = importlib.import_module("ranvier.kernels.draws")
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
starts = st.sampled_from([0, 1, 31, 33, 64, 1000, 2**32 - 40])
steps = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32 + 7, 2**40])
seeds = st.integers(0, 2**64 - 1)


def segments_of(sizes, most):
    """Segments `(stream's name, size, first index)`, small ones among large ones, empty ones too."""
    segment = st.tuples(st.sampled_from(["exc", "inh", "third"]), sizes, starts)
    return st.lists(segment, min_size=1, max_size=most).map(tuple)


few = segments_of(st.sampled_from([0, 1, 31, 32, 33, 64, 200, 40_000]), 4)
many = segments_of(st.sampled_from([0, 1, 2, 5, 40]), 40)
small = segments_of(st.sampled_from([0, 1, 31, 33, 64, 129]), 4)


def alone(n, name="drive", first=0):
    """All neurons in one stream."""
    return Streams.of([(Key(0).child(name), n, first)])


def streams_of(segments):
    return Streams.of([(Key(0).child(name), n, first) for name, n, first in segments]), sum(n for _, n, _ in segments)


def origin(seed, streams, step, n=1):
    return module._origin("test", Key(seed).seed_words, streams, step, n)


def by_segment(seed, segments, step, numbers):
    """`numbers(draws, n, first)` of each segment, end to end."""
    with np.errstate(over="ignore"):
        return np.concatenate([numbers(Key(seed).child(name).at(step), n, first) for name, n, first in segments])


@modestly
@given(segments=st.one_of(few, many), step=steps, seed=seeds, dtype=st.sampled_from(["float32", "float64"]))
def test_numbers_are_those_of_draws(native, segments, step, seed, dtype):
    streams, n = streams_of(segments)
    for kind, function, method in (("uniforms", uniforms, "uniform"), ("normals", normals, "normal")):
        wanted = by_segment(seed, segments, step, lambda draws, n, first, of=method: getattr(draws, of)(np.zeros(n, dtype), start=first))
        for call in (module._numbers_native, module._numbers_reference):
            one = jax.jit(functools.partial(call, kind=kind, n=n, dtype=jnp.dtype(dtype)))
            np.testing.assert_array_equal(one(*origin(seed, streams, step)), wanted)
        public = function(Key(seed).seed_words, streams, step, n, dtype)
        np.testing.assert_array_equal(public, wanted)
        assert public.dtype == dtype


def test_other_types_take_the_reference(x64):
    np.testing.assert_array_equal(normals((3, 0), alone(4), 5, 4, "float16"), Key(3).child("drive").at(5).normal(np.zeros(4, "float16")))
    assert bernoulli((3, 0), alone(4), 5, jnp.ones(4, "float16"), 4).all()


def test_a_part_draws_the_same_whatever_stands_beside_it(x64):
    exc, inh = (Key(0).child(name) for name in ("exc", "inh"))
    seed, table = Key(1).seed_words, poisson_table(1.3)
    draws = (
        lambda streams, n: uniforms(seed, streams, 4, n),
        lambda streams, n: normals(seed, streams, 4, n),
        lambda streams, n: bernoulli(seed, streams, 4, 0.3, n),
        lambda streams, n: poisson_counts(seed, streams, 4, table, n),
    )
    for draw in draws:
        own = draw(Streams.of([(inh, 70, 0)]), 70)
        behind = draw(Streams.of([(exc, 45, 0), (inh, 70, 0)]), 115)
        cut = draw(Streams.of([(inh, 33, 0), (exc, 9, 0), (inh, 37, 33)]), 79)
        np.testing.assert_array_equal(behind[45:], own)
        np.testing.assert_array_equal(jnp.concatenate([cut[:33], cut[42:]]), own)


def plain_bernoulli(draws, n, first, probability):
    """In whole numbers of any size."""
    with np.errstate(over="ignore"):
        high, low = threefry2x32(draws.key, (np.arange(n, dtype=np.uint32) + np.uint32(first), np.uint32(draws.step % 2**32)))
    bits = [(int(x) << 32) + int(y) for x, y in zip(high, low, strict=True)]
    limit = [2**64 if p >= 1 else int(np.ldexp(np.longdouble(p), 64)) if p > 0 else 0 for p in probability.tolist()]
    return [b < w for b, w in zip(bits, limit, strict=True)]


@modestly
@given(
    segments=small,
    step=steps,
    seed=seeds,
    spread=st.sampled_from(["one", "each"]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_bernoulli_compares_whole_numbers(native, segments, step, seed, spread, dtype):
    streams, n = streams_of(segments)
    rng = np.random.default_rng(seed)
    awkward = [0.0, 1.0, np.nan, -0.5, 2.0, np.inf, -np.inf, 1e-12, 0.5, 0.25, np.nextafter(np.asarray(1, dtype), np.asarray(0, dtype))]
    probability = rng.choice(np.concatenate([awkward, rng.uniform(size=9)]), 1 if spread == "one" else n).astype(dtype)
    each = np.broadcast_to(probability, n)
    ends = np.cumsum([size for _, size, _ in segments])
    wanted = [
        fires
        for (name, size, first), end in zip(segments, ends, strict=True)
        for fires in plain_bernoulli(Key(seed).child(name).at(step), size, first, each[end - size : end])
    ]
    for call in (module._bernoulli_native, module._bernoulli_reference):
        assert jax.jit(functools.partial(call, n=n))(*origin(seed, streams, step), jnp.asarray(probability)).tolist() == wanted
    assert bernoulli(Key(seed).seed_words, streams, step, probability[0] if spread == "one" else probability, n).tolist() == wanted


@modestly
@given(
    seed=seeds,
    index=st.integers(0, 2**32 - 1),
    step=steps,
    dtype=st.sampled_from(["float32", "float64"]),
    n=st.sampled_from([1, 33, 161]),
    spread=st.sampled_from(["one", "each"]),
)
def test_bernoulli_is_right_to_the_last_bit(native, seed, index, step, dtype, n, spread):
    """Probabilities of the first neuron's words themselves: just not, and just above, yes; as near as the precision comes."""
    with np.errstate(over="ignore"):
        high, low = threefry2x32(Key(seed).child("drive").at(step).key, (np.uint32([index]), np.uint32(step % 2**32)))
    at = np.ldexp(np.longdouble((int(high[0]) << 32) + int(low[0])), -64).astype(dtype)
    for p in (np.nextafter(at, np.asarray(0, dtype)), at, np.nextafter(at, np.asarray(1, dtype))):
        probability = np.full(1 if spread == "one" else n, p)
        wanted = plain_bernoulli(Key(seed).child("drive").at(step), n, index, np.full(n, p))
        for call in (module._bernoulli_native, module._bernoulli_reference):
            assert (
                jax.jit(functools.partial(call, n=n))(*origin(seed, alone(n, first=index), step), jnp.asarray(probability)).tolist()
                == wanted
            )


@pytest.mark.parametrize(("probability", "steps"), [(5e-8, 50), (1.7e-7, 50), (1e-3, 1)])
def test_rare_events_happen_in_single_precision(x64, probability, steps):
    n = 4_000_000
    draw = jax.jit(lambda k: bernoulli((1, 0), alone(n), k, jnp.float32(probability), n).sum())
    found = sum(int(draw(k)) for k in range(steps))
    assert stats.binomtest(found, n * steps, probability).pvalue > 1e-3


def plain_counts(draws, table, rate_index, n, start):
    """Word by word, from the definition."""
    counts = []
    for i, row in zip((np.arange(n) + start) % 2**32, np.broadcast_to(rate_index, n), strict=True):
        with np.errstate(over="ignore"):
            words = threefry2x32(draws.key, (np.uint32(i // 64 * 32 + i % 32), np.uint32(draws.step % 2**32)))
        word = min(int(words[i // 32 % 2]), 2**32 - 2)
        counts.append(int((table[row] <= word).sum()) if 0 <= row < len(table) else 0)
    return counts


@modestly
@given(
    segments=small,
    step=steps,
    seed=seeds,
    means=st.sampled_from([[0.0], [1.6], [0.3, 2.3, 40.0], [0.0, 1000.0, 1e-9], [9.0, 9.5, 3.0, 2.0, 700.0]]),
    spread=st.sampled_from(["one", "alike", "each", "wild"]),
    narrow=st.booleans(),
)
def test_counts_are_thresholds_passed(native, segments, step, seed, means, spread, narrow):
    streams, n = streams_of(segments)
    rng = np.random.default_rng(seed)
    table = poisson_table(means)
    if narrow:  # rows of another length than the 8 that are compared at once
        table = np.sort(rng.integers(0, 2**32, (len(means), 13), dtype=np.uint32), axis=1)
        table[:, 11:] = 2**32 - 1
    rate_index = {
        "one": np.int32(len(means) - 1),
        "alike": np.sort(rng.integers(0, len(means), n)).astype(np.int32),
        "each": rng.integers(0, len(means), n).astype(np.int32),
        "wild": rng.integers(-2, len(means) + 2, n).astype(np.int32),
    }[spread]
    ends = np.cumsum([size for _, size, _ in segments])
    wanted = [
        count
        for (name, size, first), end in zip(segments, ends, strict=True)
        for count in plain_counts(Key(seed).child(name).at(step), table, np.broadcast_to(rate_index, n)[end - size : end], size, first)
    ]
    operands = (*origin(seed, streams, step), jnp.asarray(table), jnp.atleast_1d(jnp.asarray(rate_index)))
    for call in (module._counts_native, module._counts_reference):
        assert jax.jit(functools.partial(call, n=n))(*operands).tolist() == wanted
    assert poisson_counts(Key(seed).seed_words, streams, step, table, n, rate_index).tolist() == wanted


@modestly
@given(segments=few, seed=seeds, one_weight=st.booleans(), dtype=st.sampled_from(["float32", "float64"]))
def test_weighted_counts_are_added(native, segments, seed, one_weight, dtype):
    rng = np.random.default_rng(seed)
    streams, n = streams_of(segments)
    where, table = (Key(seed).seed_words, streams, 3), poisson_table([1.5, 0.7, 2.3])
    rate_index = np.sort(rng.integers(0, 3, n)).astype(np.int32)
    weights, before = rng.normal(size=1 if one_weight else n).astype(dtype), rng.normal(size=n).astype(dtype)
    counts = np.asarray(poisson_counts(*where, table, n, rate_index))
    wanted = before + weights * counts.astype(dtype)
    operands = [jnp.asarray(x) for x in (*origin(seed, streams, 3), table, rate_index, weights, before)]
    np.testing.assert_array_equal(jax.jit(module._add_native)(*operands)[0], wanted)
    bound = np.finfo(dtype).eps * (np.abs(weights * counts) + np.abs(wanted))  # where XLA rounds once
    assert (np.abs(jax.jit(module._add_reference)(*operands)[0] - wanted) <= bound).all()
    public = add_poisson(before, *where, table, weights[0] if one_weight else weights, rate_index)
    np.testing.assert_array_equal(public, wanted)
    assert public.dtype == dtype


@pytest.mark.parametrize("mean", [0.0, 1e-9, 0.01, 1.28, 2.32, 22.0, 745.2, 1000.0, 10_000.0])
def test_the_table_is_the_cumulative_distribution(mean):
    row = poisson_table(mean)[0]
    exact = np.minimum(np.rint(stats.poisson.cdf(np.arange(len(row)), mean) * 2.0**32), 2**32 - 1)
    assert np.abs(row.astype(np.float64) - exact).max() <= 1  # SciPy's own error, at large means
    assert (np.diff(row.astype(np.int64)) >= 0).all()
    # What the rounding does to the mean and the variance of the counts.
    mass = np.diff(np.minimum(row, 2**32 - 2) / 2**32, prepend=0, append=1)
    k = np.arange(len(row) + 1)
    found = (k * mass).sum()
    np.testing.assert_allclose(found, mean, rtol=0, atol=2e-8 + 1e-8 * mean)
    np.testing.assert_allclose((k**2 * mass).sum() - found**2, mean, rtol=0, atol=1e-6 + 1e-6 * mean)


@pytest.mark.parametrize("mean", [0.05, 1.6, 30.0, 1000.0])
def test_the_counts_follow_the_distribution(x64, mean):
    n = 200_000
    counts = np.asarray(poisson_counts((1, 0), alone(n), 4, poisson_table(mean), n))
    low, high = int(stats.poisson.ppf(1e-3, mean)), int(stats.poisson.ppf(1 - 1e-3, mean))
    observed = np.bincount(np.clip(counts, low, high) - low, minlength=high - low + 1)
    expected = stats.poisson.pmf(np.arange(low, high + 1), mean)
    expected[0], expected[-1] = stats.poisson.cdf(low, mean), stats.poisson.sf(high - 1, mean)
    assert stats.chisquare(observed, expected / expected.sum() * n).pvalue > 1e-3


def test_the_words_of_neighbours_steps_and_streams_are_independent(x64):
    table = poisson_table(2.0)
    draw = lambda seed, name, step: np.asarray(poisson_counts((seed, 0), alone(100_000, name), step, table, 100_000))
    counts = draw(1, "a", 3)
    others = [np.roll(counts, 1), np.roll(counts, 32), draw(1, "a", 4), draw(1, "b", 3), draw(2, "a", 3)]
    assert np.abs(np.corrcoef([counts, *others])[0, 1:]).max() < 0.012


def test_vmap_is_a_loop(native):
    tables = jnp.asarray(np.stack([poisson_table([m, 2 * m], length=48) for m in (0.5, 2.0, 7.0)]))
    seed, k, weights = jnp.array([1, 2, 3], jnp.uint32), jnp.arange(5, 8), jnp.array([1.0, -2.0, 0.5])
    rate_index, accumulator = jnp.asarray(np.arange(90) // 50, jnp.int32), jnp.zeros(90)
    segments = [streams_of([("exc", 40 + shift, shift), ("inh", 0, 0), ("inh", 50 - shift, 7)])[0] for shift in (0, 3, 29)]
    streams = jax.tree.map(lambda *parts: jnp.stack(parts), *segments)

    def one(seed, k, table, weight, streams):
        where = ((seed, 0), streams, k)
        total = add_poisson(accumulator, *where, table, weight, rate_index)
        counts = poisson_counts(*where, table, 90, rate_index)
        return total, counts, uniforms(*where, 90), normals(*where, 90, "float32"), bernoulli(*where, 0.3 + weight / 10, 90)

    all_axes = ((0, 0, 0, 0, 0), (0, None, None, None, None), (None, 0, None, 0, None), (None, None, 0, None, None), (None,) * 4 + (0,))
    for axes in all_axes:
        values = (seed, k, tables, weights, streams)
        of = lambda x, axis, b: jax.tree.map(lambda leaf: leaf[b], x) if axis == 0 else x
        given_ = [x if axis == 0 else of(x, 0, 1) for x, axis in zip(values, axes, strict=True)]
        got = jax.jit(jax.vmap(one, in_axes=axes))(*given_)
        for b in range(3):
            for g, w in zip(got, one(*(of(x, axis, b) for x, axis in zip(given_, axes, strict=True))), strict=True):
                np.testing.assert_array_equal(g[b], w)


def test_gradients(x64):
    table, rng = poisson_table([1.0, 3.0]), np.random.default_rng(0)
    rate_index, accumulator = jnp.asarray(rng.integers(0, 2, 20), jnp.int32), jnp.asarray(rng.normal(size=20))

    @jax.jit
    def drive(weights, accumulator):
        def step(total, k):
            noise = normals((1, 0), alone(20, "noise"), k, 20) * uniforms((1, 0), alone(20, "gate"), k, 20)
            return 0.9 * add_poisson(total + 0.1 * noise, (1, 0), alone(20), k, table, weights, rate_index), jnp.sum(total**2)

        return jnp.sum(jax.lax.scan(step, accumulator, jnp.arange(5))[1])

    for weights in (jnp.float64(0.3), jnp.asarray(rng.normal(size=20))):
        check_grads(drive, (weights, accumulator), order=1, modes=["fwd", "rev"], rtol=1e-6)


def test_events_have_no_derivative_by_their_probability(x64):
    p = jnp.linspace(0.1, 0.9, 9)
    happens = lambda p: jnp.where(bernoulli((1, 0), alone(9), 2, p, 9), 2.0, 1.0) * p
    _, slope = jax.jvp(happens, (p,), (jnp.ones(9),))
    assert slope.tolist() == jax.grad(lambda p: happens(p).sum())(p).tolist() == (happens(p) / p).round().tolist()


def test_rates_change_without_compiling_anew(x64):
    traced = []

    @jax.jit
    def draw(k, table, streams):
        traced.append(1)
        return poisson_counts((1, 0), streams, k, table, 50_000).mean()

    for mean, cut in ((0.0, 3), (0.8, 49_000), (2.5, 50_000)):
        streams, _ = streams_of([("exc", cut, 0), ("inh", 50_000 - cut, 9)])
        assert abs(float(draw(3, poisson_table(mean, length=40), streams)) - mean) < 0.03
    assert len(traced) == 1


def test_the_accumulator_is_updated_in_place_in_a_loop(native):
    n, table = 100_000, poisson_table(1.6)

    def run(total):
        body = lambda k, total: add_poisson(total, (1, 0), alone(n), k, table, 1.0)
        return jax.lax.fori_loop(0, 20, body, total)

    compiled = jax.jit(run, donate_argnums=0).lower(jnp.zeros(n)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < n
    assert abs(float(compiled(jnp.zeros(n)).mean()) / 32 - 1) < 0.01


@pytest.mark.parametrize("mean", [-1.0, np.nan, np.inf, 20_000.0, [[1.0]]])
def test_means_that_cannot_be_are_refused(mean):
    with pytest.raises(ParameterError, match="means must be"):
        poisson_table(mean)


def test_bad_arguments_are_refused(x64):
    where, table = ((1, 0), alone(3), 0), poisson_table(1.0)
    with pytest.raises(ParameterError, match="rows of"):
        poisson_table(30.0, length=16)
    with pytest.raises(ParameterError, match="from poisson_table"):
        poisson_counts(*where, table.astype(np.int32), 3)
    with pytest.raises(ParameterError, match="rate_index"):
        poisson_counts(*where, table, 3, jnp.zeros(2, jnp.int32))
    with pytest.raises(ParameterError, match="weights"):
        add_poisson(jnp.zeros(3), *where, table, jnp.zeros(2))
    with pytest.raises(ParameterError, match="accumulator"):
        add_poisson(jnp.zeros(3, jnp.int32), *where, table, 1.0)
    with pytest.raises(ParameterError, match="one integer"):
        uniforms((1, 0), alone(3), 0.5, 3)
    with pytest.raises(ParameterError, match=r"probabilities must be real numbers, one or \[3\]"):
        bernoulli(*where, jnp.zeros(2), 3)
    with pytest.raises(ParameterError, match="probabilities must be real"):
        bernoulli(*where, 1, 3)
    with pytest.raises(ParameterError, match="at least one segment"):
        uniforms((1, 0), Streams.of([]), 0, 3)
    with pytest.raises(ParameterError, match=r"first uint32 \[2\]"):
        normals((1, 0), alone(3)._replace(first=np.zeros(2, np.uint32)), 0, 3)
