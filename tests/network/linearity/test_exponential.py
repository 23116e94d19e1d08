"""The exponential of small matrices, against closed forms and SciPy."""

import decimal
import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg

from ranvier.network.linearity.exponential import exponential, exponential_entries, first_difference, second_difference


def both(matrices, entries=None):
    """By NumPy, and traced."""
    matrices = np.asarray(matrices, np.float64)
    entries = np.ones(matrices.shape[1:], bool) if entries is None else entries
    with jax.enable_x64(True):
        one, other = (compute(lambda m: exponential(m, entries)) for compute in (lambda f: f, jax.jit))
        last = np.moveaxis(matrices, 0, -1)
        many = np.tile(last, 40)  # another way to multiply
        few, traced, among_many = one(last), other(last), one(many)
    np.testing.assert_array_equal(among_many, np.tile(few, 40))  # to the bit: no network may depend on what lies beside it
    for i in range(len(matrices)):
        np.testing.assert_array_equal(one(last[..., i : i + 1])[..., 0], few[..., i])
    return [np.moveaxis(np.asarray(x), -1, 0) for x in (few, traced)]


TRIANGLE = np.triu(np.ones((2, 2), bool))


def test_a_decay_towards_a_constant():
    rate = np.array([0.0, 1e-12, 0.01, 1.0, 30.0, 1e3, 1e7])
    gain = np.array([1.0, *(-np.expm1(-rate[1:]) / rate[1:])])
    for found in both([[[-r, 5.0], [0.0, 0.0]] for r in rate], np.array([[1, 1], [0, 0]], bool)):
        np.testing.assert_allclose(found[:, 0], np.stack([np.exp(-rate), 5.0 * gain], axis=1), rtol=2e-14, atol=0)
        np.testing.assert_array_equal(found[:, 1], [[0.0, 1.0]] * len(rate))


def test_an_alpha_function_whose_matrix_has_no_basis_of_eigenvectors():
    x = np.array([1e-9, 0.05, 3.0, 200.0])
    for found in both([[[-y, y], [0.0, -y]] for y in x], TRIANGLE):
        np.testing.assert_allclose(found[:, 0], np.stack([np.exp(-x), x * np.exp(-x)], axis=1), rtol=2e-14, atol=0)
        np.testing.assert_allclose(found[:, 1, 1], np.exp(-x), rtol=1e-15)


def test_a_response_with_two_time_constants_in_units_of_any_size():
    """`(e^−b − e^−a)/(a − b)`, computed to all its digits where the two are near each other."""
    one, other = np.array([[0.1, 0.05], [1.0, 1.0 + 1e-9], [40.0, 1e-3], [1e5, 0.2]] * 3).T
    unit = np.array([1e-9, 1.0, 1e12]).repeat(4)
    response = np.exp(-other) * -np.expm1(other - one) / (one - other)
    for found in both([[[-a, u], [0.0, -b]] for a, b, u in zip(one, other, unit, strict=True)], TRIANGLE):
        np.testing.assert_allclose(found[:, 0, 1], unit * response, rtol=3e-14)


def test_an_oscillation():
    """Two variables that read each other, in whatever units: no variable is alone."""
    angle = 2.5
    for found in both([[[0.0, -angle * unit], [angle / unit, 0.0]] for unit in (1e-8, 1.0, 1e8)]):
        for x, unit in zip(found, (1e-8, 1.0, 1e8), strict=True):
            expected = [[np.cos(angle), -np.sin(angle) * unit], [np.sin(angle) / unit, np.cos(angle)]]
            np.testing.assert_allclose(x, expected, rtol=1e-14)


def in_long_double(matrix):
    """A long series of a small part of a matrix, squared often, with 19 digits."""
    result, term = np.eye(len(matrix), dtype=np.longdouble), np.eye(len(matrix), dtype=np.longdouble)
    small = matrix.astype(np.longdouble) / 2**10
    for k in range(1, 30):
        term = term @ small / k
        result = result + term
    for _ in range(10):
        result = result @ result
    return result.astype(np.float64)


@pytest.mark.parametrize("size", [3, 10])
def test_matrices_of_all_kinds_against_nineteen_digits(size):
    rng = np.random.default_rng(size)
    mask = rng.random((size, size)) < 0.5
    scale = np.array([1e-3, 0.1, 1.0, 5.0]).repeat(5)[:, None, None]
    some = (rng.normal(size=(20, size, size)) - np.eye(size) * size) * scale
    for entries in (np.ones((size, size), bool), np.triu(mask) | np.eye(size, dtype=bool), mask | np.eye(size, dtype=bool)):
        matrices = np.where(entries, some, 0.0)
        truth = np.stack([in_long_double(matrix) for matrix in matrices])
        error = lambda found, truth=truth: (np.abs(found - truth).max(axis=(1, 2)) / np.abs(truth).max(axis=(1, 2))).max()
        for found in both(matrices, entries):
            assert error(found) < 3e-14


def test_where_nothing_leads_is_nothing():
    entries = np.array([[1, 0, 1], [1, 1, 0], [0, 0, 0]], bool)
    for found in both(np.full((1, 3, 3), 0.3) * entries, entries):
        np.testing.assert_array_equal(found[0] != 0, [[True, False, True], [True, True, True], [False, False, True]])


def test_rows_of_very_different_rates_each_keep_their_digits():
    rates = np.array([1e-6, 1.0, 1e4])
    matrices = np.stack([[[-r, r], [0.0, 0.0]] for r in rates])
    for found in both(matrices, np.array([[1, 1], [0, 0]], bool)):
        np.testing.assert_allclose(found[:, 0, 1], -np.expm1(-rates), rtol=2e-14)


def test_its_derivative_is_that_of_the_integral():
    """d exp(M) · dM, by SciPy's Fréchet derivative; forwards and backwards."""
    rng = np.random.default_rng(1)
    matrix, towards = rng.normal(size=(2, 4, 4)) * 0.7
    for entries in (np.ones((4, 4), bool), np.triu(np.ones((4, 4), bool))):
        m, d = matrix * entries, towards * entries
        expected = scipy.linalg.expm_frechet(m, d, compute_expm=False)
        with jax.enable_x64(True):
            compute = lambda x, e=entries: exponential(x[..., None], e)[..., 0]
            found = jax.jit(lambda m, d, c=compute: jax.jvp(c, (m,), (d,))[1])(m, d)
            back = jax.jit(jax.grad(lambda x, c=compute: (c(x) * 1.7).sum()))(m)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13 * np.abs(expected).max())
        np.testing.assert_allclose((np.asarray(back) * d).sum(), 1.7 * expected.sum(), rtol=1e-12)


def test_many_are_computed_in_parts_that_fit_a_cache_and_so_are_their_derivatives():
    count, rng = 5000, np.random.default_rng(0)
    entries = np.array([[1, 1, 1], [0, 1, 0], [0, 0, 0]], bool)
    matrices = np.where(entries[..., None], rng.normal(size=(3, 3, count)) * 2.0 ** rng.integers(-8, 6, count), 0.0)
    matrices[0, 0], matrices[1, 1] = -abs(matrices[0, 0]), -abs(matrices[1, 1])
    weights = rng.normal(size=(3, 3))
    some = np.linspace(0, count - 1, 7).astype(int)
    with jax.enable_x64(True):
        values, slopes = jax.jit(
            lambda m: (exponential(m, entries), jax.grad(lambda m: (exponential(m, entries) * weights[..., None]).sum())(m))
        )(matrices)
    np.testing.assert_allclose(values, exponential(matrices, entries), rtol=1e-13)
    for at in some:
        expected = [
            [(scipy.linalg.expm_frechet(matrices[..., at], _unit(i, j), compute_expm=False) * weights).sum() for j in range(3)]
            for i in range(3)
        ]
        np.testing.assert_allclose(np.where(entries, slopes[..., at], 0), np.where(entries, expected, 0), rtol=1e-10, atol=1e-12)


def _unit(i, j):
    return np.where((np.arange(3)[:, None] == i) & (np.arange(3) == j), 1.0, 0.0)


def with_fifty_digits(points):
    """The divided difference of the exponential at some points, by its series about their mean."""
    with decimal.localcontext(prec=50):
        points = [decimal.Decimal(float(x)) for x in points]
        mean = sum(points) / len(points)
        sums = [decimal.Decimal(1)] + [decimal.Decimal(0)] * 59
        for x in points:  # the sums of all products of k points, one point more each time
            for k in range(1, len(sums)):
                sums[k] += (x - mean) * sums[k - 1]
        return float(mean.exp() * sum(x / math.factorial(k + len(points) - 1) for k, x in enumerate(sums)))


def test_differences_of_the_exponential_to_all_digits():
    steps = [0.0, 1e-14, 1e-9, 1e-4, 1.001e-3, 0.03, 0.3, 0.499, 0.501, 1.7, 8.0]
    start = -1.3
    pairs = np.array([(start + sign * step, start) for step in steps for sign in (1, -1)])
    found = first_difference(*pairs.T)
    np.testing.assert_allclose(found, [with_fifty_digits(p) for p in pairs], rtol=1.5e-15)
    triples = np.array(
        [order for a in steps[::2] for b in steps[1::2] for order in itertools.permutations((start, start - a, start + b / 2))]
    )
    expected = np.array([with_fifty_digits(p) for p in triples])
    np.testing.assert_allclose(second_difference(*triples.T), expected, rtol=5e-15)
    with jax.enable_x64(True):
        np.testing.assert_allclose(jax.jit(lambda *p: second_difference(*p, jnp))(*triples.T), expected, rtol=5e-15)
        # A derivative by one point is the difference with that point twice.
        slopes = jax.jit(jax.vmap(jax.grad(lambda *p: first_difference(*p, jnp), argnums=(0, 1))))(*pairs.T)
        for i, slope in enumerate(slopes):
            np.testing.assert_allclose(slope, [with_fifty_digits([*p, p[i]]) for p in pairs], rtol=2e-11)
        slopes = jax.jit(jax.vmap(jax.grad(lambda *p: second_difference(*p, jnp), argnums=(0, 1, 2))))(*triples.T)
        for i, slope in enumerate(slopes):
            np.testing.assert_allclose(slope, [with_fifty_digits([*p, p[i]]) for p in triples], rtol=2e-11)


def test_an_entry_does_not_depend_on_what_is_not_on_its_paths():
    rng = np.random.default_rng(0)
    values = lambda *at: {(i, j): rng.normal(size=5) - 3.0 * (i == j) for i, j in at}
    chain = values((0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (0, 3), (3, 3), (0, 4), (2, 5), (5, 2), (5, 5))
    more = values((0, 6), (6, 6), (6, 7), (7, 7), (7, 8), (8, 8)) | {(8, 8): np.full(5, -400.0), (0, 7): np.full(5, 1e9)}
    wanted = [(i, j) for i in range(6) for j in range(6)]
    alone, among = exponential_entries(chain, 6, wanted), exponential_entries(chain | more, 9, wanted)
    matrices = np.zeros((5, 6, 6))
    for (i, j), x in chain.items():
        matrices[:, i, j] = x
    for (i, j), one, other, expected in zip(
        wanted, alone, among, scipy.linalg.expm(matrices).transpose(1, 2, 0).reshape(36, 5), strict=True
    ):
        np.testing.assert_array_equal(one, other, err_msg=f"{i}, {j}")
        np.testing.assert_allclose(one, expected, rtol=1e-12, atol=1e-14)
