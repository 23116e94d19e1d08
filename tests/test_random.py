"""The random numbers: the published generator, the same bits everywhere, the right distributions."""

import zlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.special import ndtri

from ranvier.random import Draws, Key, _normal, lognormal, normal, normal_table, threefry2x32, uniform
from ranvier.words import words_for


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # the known answers of the authors' Random123 library, threefry2x32 with 20 rounds
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_published_answers(key, counter, expected):
    assert tuple(map(int, threefry2x32(key, tuple(map(np.uint32, counter))))) == expected
    traced = jax.jit(lambda *c: threefry2x32(key, c))(*map(np.uint32, counter))
    assert tuple(map(int, traced)) == expected


def arrays(name, shape, dtype):
    if name == "numpy":
        return np.zeros(shape, dtype)
    if name == "jax":
        with jax.enable_x64(True):
            return jnp.zeros(shape, dtype)
    module = pytest.importorskip(name, reason="an optional extra of the package")
    return module.zeros(shape, dtype=getattr(module, dtype))


@pytest.mark.parametrize("name", ["jax", "torch", "tensorflow"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
@pytest.mark.parametrize("step", [0, 5, 2**32 + 5])
def test_the_same_numbers_on_every_library(name, dtype, step):
    draws = Key(2**40 + 3).child("noise").at(step)
    like, numpy = arrays(name, (4, 3), dtype), np.zeros((4, 3), dtype)
    for kind in ("normal", "uniform"):
        with jax.enable_x64(dtype == "float64"):
            ours = getattr(draws, kind)(like, start=7)
        assert ours.dtype == like.dtype
        assert (np.asarray(ours) == getattr(draws, kind)(numpy, start=7)).all()


def test_a_traced_step_and_seed_give_the_same():
    key = Key(9).child("noise")

    @jax.jit
    def draw(seed, step):
        return Draws((seed, 0), key.stream, step).normal(jnp.zeros(5))

    np.testing.assert_array_equal(draw(9, 3), key.at(3).normal(np.zeros(5, "float32")))


def test_draws_do_not_depend_on_blocks_and_differ_between_steps_streams_and_seeds():
    key = Key(1).child("a")
    whole = key.uniform(10, 0)
    assert (whole[4:7] == key.uniform(3, 4)).all()
    assert (key.normal(3, 2**32 - 1)[1:] == key.normal(2, 2**32)).all()
    like = np.zeros(10)
    assert (key.at(2).normal(like)[4:7] == key.at(2).normal(np.zeros(3), start=4)).all()
    others = [
        Key(2).child("a").at(2),
        Key(1 + 2**32).child("a").at(2),
        Key(1).child("b").at(2),
        key.at(3),
        key.at(2).child("a"),
        key.at(2 + 2**32),
    ]
    for other in others:
        assert not np.isclose(other.normal(like), key.at(2).normal(like)).any()


def test_the_table_is_the_one_that_was_released():
    assert zlib.crc32(normal_table().tobytes()) == TABLE_SUM
    assert normal_table().max() < 2**31 and np.diff(normal_table().astype(np.int64)).max() < 0
    assert -np.diff(normal_table().astype(np.int64)).min() < 2**21  # so that the interpolation fits 32 bits


TABLE_SUM = 3751853358


def test_the_table_follows_the_quantile_function():
    bits = np.random.default_rng(0).integers(0, 2**32, 300_000, dtype=np.uint32)
    bits[::3] >>= np.uint32(16)  # more of the far tails
    bits = np.concatenate([bits, np.array([0, 1, 2**31 - 1, 2**31, 2**32 - 1], np.uint32)])
    tail = ((bits & np.uint32(2**31 - 1)).astype(float) * 2 + 1) / 2**33
    exact = -ndtri(tail) * np.where(bits >> np.uint32(31), -1, 1)
    np.testing.assert_allclose(_normal(words_for(), bits, np.empty(0)), exact, rtol=0, atol=4e-6)


def test_distributions():
    n = 1_000_000
    key = Key(7).child("x")
    assert stats.kstest(key.uniform(n), "uniform").pvalue > 0.001
    assert stats.kstest(key.normal(n), "norm").pvalue > 0.001
    x = key.at(1).normal(np.zeros(n))
    assert abs(x.mean()) < 4e-3 and abs(x.var() - 1) < 6e-3 and abs((x**4).mean() - 3) < 0.04
    pairs = np.corrcoef([x, key.at(2).normal(np.zeros(n)), key.child("y").at(1).normal(np.zeros(n)), np.roll(x, 1)])
    assert np.abs(pairs - np.eye(4)).max() < 4e-3
    assert normal(-65, 5, low=-70).draw(key, 1000).min() == -70
    assert uniform(2, 3).draw(key, 1000).min() >= 2
    assert np.median(lognormal(2.0, 0.5).draw(key, 100_000)) == pytest.approx(2, rel=0.01)


@pytest.mark.parametrize(
    ("make", "message"), [(lambda: uniform(1, 0), "low is above"), (lambda: normal(0, -1), "a standard deviation must be at least 0")]
)
def test_bad_distributions(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "distribution",
    [
        normal(1.5, 0.75, low=0.1, redraw=True),
        normal(0.0, 1.0, low=3.0, redraw=True),  # of 700, most need more attempts than one call makes
        normal(1.0, 2.0),
        normal(1.0, 2.0, low=0.0, high=2.0),
        lognormal(2.0, 0.5),
        uniform(-1.0, 3.0),
    ],
)
def test_draws_are_the_same_natively_and_between_their_ends(distribution, monkeypatch):
    start = 2**32 - 2000  # across the end of a word
    native = distribution.draw(Key(3), 5000, start)
    monkeypatch.setattr("ranvier.random._native_for", lambda n, least=0: None)
    np.testing.assert_array_equal(native, distribution.draw(Key(3), 5000, start))
    low, high = distribution.ends()
    assert low <= native.min() < native.max() <= high and np.isfinite([low, high]).all()
    index = np.array([0, 7, 2**40, 2**33 + 1])
    np.testing.assert_array_equal(Key(5).uniform_at(index)[:2], Key(5).uniform(8)[[0, 7]])


def test_uniform_numbers_of_any_indices():
    index = np.random.default_rng(0).integers(0, 2**62, 2000)
    by_one = Key(5).uniform_at(index)
    np.testing.assert_array_equal(by_one[:10], [Key(5).uniform(1, int(i))[0] for i in index[:10]])
    assert by_one.min() > 0 and by_one.max() < 1 and abs(by_one.mean() - 0.5) < 0.03
