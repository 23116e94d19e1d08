"""Draws in the compiled step: the same bits native, reference and by `Draws`; Poisson counts by their distribution."""

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
from ranvier.kernels import add_poisson, normals, poisson_counts, poisson_table, uniforms
from ranvier.random import Draws, Key, threefry2x32

module = importlib.import_module("ranvier.kernels.draws")
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=15)
sizes = st.sampled_from([0, 1, 31, 32, 33, 64, 200, 40_000])
starts = st.sampled_from([0, 1, 31, 33, 64, 1000, 2**32 - 40])
steps = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32 + 7, 2**40])
seeds = st.integers(0, 2**64 - 1)


def origin(draws, start):
    return module._origin("test", draws, start)


@modestly
@given(n=sizes, start=starts, step=steps, seed=seeds, dtype=st.sampled_from(["float32", "float64"]))
def test_numbers_are_those_of_draws(native, n, start, step, seed, dtype):
    draws = Key(seed).child("noise").at(step)
    for kind, function, wanted in (("uniforms", uniforms, draws.uniform), ("normals", normals, draws.normal)):
        with np.errstate(over="ignore"):
            wanted = wanted(np.zeros(n, dtype), start=start)
        for call in (module._numbers_native, module._numbers_reference):
            one = jax.jit(functools.partial(call, kind=kind, n=n, dtype=jnp.dtype(dtype)))
            np.testing.assert_array_equal(one(*origin(draws, start)), wanted)
        public = function(draws, n, dtype, start)
        np.testing.assert_array_equal(public, wanted)
        assert public.dtype == dtype


def test_other_types_take_the_reference(x64):
    draws = Key(3).at(5)
    np.testing.assert_array_equal(normals(draws, 4, "float16"), draws.normal(np.zeros(4, "float16")))


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
    n=st.sampled_from([0, 1, 31, 33, 64, 129, 300]),
    start=starts,
    step=steps,
    seed=seeds,
    means=st.sampled_from([[0.0], [1.6], [0.3, 2.3, 40.0], [0.0, 1000.0, 1e-9], [9.0, 9.5, 3.0, 2.0, 700.0]]),
    spread=st.sampled_from(["one", "alike", "each", "wild"]),
    narrow=st.booleans(),
)
def test_counts_are_thresholds_passed(native, n, start, step, seed, means, spread, narrow):
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
    draws = Key(seed).child("drive").at(step)
    wanted = plain_counts(draws, table, rate_index, n, start)
    operands = (*origin(draws, start), jnp.asarray(table), jnp.atleast_1d(jnp.asarray(rate_index)))
    for call in (module._counts_native, module._counts_reference):
        assert jax.jit(functools.partial(call, n=n))(*operands).tolist() == wanted
    assert poisson_counts(draws, table, n, rate_index, start).tolist() == wanted


@modestly
@given(
    n=st.sampled_from([0, 1, 64, 129, 40_000]),
    start=starts,
    seed=seeds,
    one_weight=st.booleans(),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_weighted_counts_are_added(native, n, start, seed, one_weight, dtype):
    rng = np.random.default_rng(seed)
    draws, table = Key(seed).at(3), poisson_table([1.5, 0.7, 2.3])
    rate_index = np.sort(rng.integers(0, 3, n)).astype(np.int32)
    weights, before = rng.normal(size=1 if one_weight else n).astype(dtype), rng.normal(size=n).astype(dtype)
    counts = np.asarray(poisson_counts(draws, table, n, rate_index, start))
    wanted = before + weights * counts.astype(dtype)
    operands = [jnp.asarray(x) for x in (*origin(draws, start), table, rate_index, weights, before)]
    np.testing.assert_array_equal(jax.jit(module._add_native)(*operands)[0], wanted)
    bound = np.finfo(dtype).eps * (np.abs(weights * counts) + np.abs(wanted))  # where XLA rounds once
    assert (np.abs(jax.jit(module._add_reference)(*operands)[0] - wanted) <= bound).all()
    public = add_poisson(before, draws, table, weights[0] if one_weight else weights, rate_index, start)
    np.testing.assert_array_equal(public, wanted)
    assert public.dtype == dtype


def test_counts_do_not_depend_on_blocks(x64):
    draws, table = Key(5).child("drive").at(9), poisson_table(1.7)
    whole = poisson_counts(draws, table, 500)
    for first, last in ((0, 1), (1, 70), (63, 65), (100, 500)):
        np.testing.assert_array_equal(poisson_counts(draws, table, last - first, start=first), whole[first:last])


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
    counts = np.asarray(poisson_counts(Key(1).child("drive").at(4), poisson_table(mean), n))
    low, high = int(stats.poisson.ppf(1e-3, mean)), int(stats.poisson.ppf(1 - 1e-3, mean))
    observed = np.bincount(np.clip(counts, low, high) - low, minlength=high - low + 1)
    expected = stats.poisson.pmf(np.arange(low, high + 1), mean)
    expected[0], expected[-1] = stats.poisson.cdf(low, mean), stats.poisson.sf(high - 1, mean)
    assert stats.chisquare(observed, expected / expected.sum() * n).pvalue > 1e-3


def test_the_words_of_neighbours_steps_and_streams_are_independent(x64):
    table = poisson_table(2.0)
    draw = lambda draws: np.asarray(poisson_counts(draws, table, 100_000))
    key = Key(1).child("a")
    counts = draw(key.at(3))
    others = [np.roll(counts, 1), np.roll(counts, 32), draw(key.at(4)), draw(key.child("b").at(3)), draw(Key(2).child("a").at(3))]
    assert np.abs(np.corrcoef([counts, *others])[0, 1:]).max() < 0.012


def test_vmap_is_a_loop(native):
    tables = jnp.asarray(np.stack([poisson_table([m, 2 * m], length=48) for m in (0.5, 2.0, 7.0)]))
    seed, k, weights = jnp.array([1, 2, 3], jnp.uint32), jnp.arange(5, 8), jnp.array([1.0, -2.0, 0.5])
    rate_index, accumulator = jnp.asarray(np.arange(90) // 50, jnp.int32), jnp.zeros(90)

    def one(seed, k, table, weight):
        draws = Draws((seed, 0), 7, k)
        total = add_poisson(accumulator, draws, table, weight, rate_index)
        return total, poisson_counts(draws, table, 90, rate_index), uniforms(draws, 90), normals(draws, 90, "float32")

    for axes in ((0, 0, 0, 0), (0, None, None, None), (None, 0, None, 0), (None, None, 0, None)):
        given_ = [x if axis == 0 else x[1] for x, axis in zip((seed, k, tables, weights), axes, strict=True)]
        got = jax.jit(jax.vmap(one, in_axes=axes))(*given_)
        for b in range(3):
            alone = one(*(x[b] if axis == 0 else x for x, axis in zip(given_, axes, strict=True)))
            for g, w in zip(got, alone, strict=True):
                np.testing.assert_array_equal(g[b], w)


def test_gradients(x64):
    table, rng = poisson_table([1.0, 3.0]), np.random.default_rng(0)
    rate_index, accumulator = jnp.asarray(rng.integers(0, 2, 20), jnp.int32), jnp.asarray(rng.normal(size=20))

    @jax.jit
    def drive(weights, accumulator):
        def step(total, k):
            draws = Key(1).at(k)
            noise = normals(draws.child("noise"), 20) * uniforms(draws.child("gate"), 20)
            return 0.9 * add_poisson(total + 0.1 * noise, draws, table, weights, rate_index), jnp.sum(total**2)

        return jnp.sum(jax.lax.scan(step, accumulator, jnp.arange(5))[1])

    for weights in (jnp.float64(0.3), jnp.asarray(rng.normal(size=20))):
        check_grads(drive, (weights, accumulator), order=1, modes=["fwd", "rev"], rtol=1e-6)


def test_rates_change_without_compiling_anew(x64):
    traced = []

    @jax.jit
    def draw(k, table):
        traced.append(1)
        return poisson_counts(Key(1).at(k), table, 50_000).mean()

    for mean in (0.0, 0.8, 2.5):
        assert abs(float(draw(3, poisson_table(mean, length=40))) - mean) < 0.03
    assert len(traced) == 1


def test_the_accumulator_is_updated_in_place_in_a_loop(native):
    n, table = 100_000, poisson_table(1.6)

    def run(total):
        body = lambda k, total: add_poisson(total, Key(1).at(k), table, 1.0)
        return jax.lax.fori_loop(0, 20, body, total)

    compiled = jax.jit(run, donate_argnums=0).lower(jnp.zeros(n)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < n
    assert abs(float(compiled(jnp.zeros(n)).mean()) / 32 - 1) < 0.01


@pytest.mark.parametrize("mean", [-1.0, np.nan, np.inf, 20_000.0, [[1.0]]])
def test_means_that_cannot_be_are_refused(mean):
    with pytest.raises(ParameterError, match="means must be"):
        poisson_table(mean)


def test_bad_arguments_are_refused(x64):
    draws, table = Key(1).at(0), poisson_table(1.0)
    with pytest.raises(ParameterError, match="rows of"):
        poisson_table(30.0, length=16)
    with pytest.raises(ParameterError, match="from poisson_table"):
        poisson_counts(draws, table.astype(np.int32), 3)
    with pytest.raises(ParameterError, match="rate_index"):
        poisson_counts(draws, table, 3, jnp.zeros(2, jnp.int32))
    with pytest.raises(ParameterError, match="weights"):
        add_poisson(jnp.zeros(3), draws, table, jnp.zeros(2))
    with pytest.raises(ParameterError, match="accumulator"):
        add_poisson(jnp.zeros(3, jnp.int32), draws, table, 1.0)
    with pytest.raises(ParameterError, match="one integer"):
        uniforms(Key(1).at(0.5), 3)
