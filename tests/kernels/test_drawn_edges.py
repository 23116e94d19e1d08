import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2

from ranvier.kernels import empty_history, note_spikes
from ranvier.kernels.drawn_edges import ALL, DIFFERENT, NORMAL, ONE, REPEATED, UNIFORM, DrawnEdges, deliver_drawn, drawn_targets
from ranvier.kernels.edges import Candidates

WORDS = (123456789, 987654321)


def rows(kind, n_rows, each, candidates):
    row, draw = np.repeat(np.arange(n_rows), each), np.tile(np.arange(each), n_rows)
    return drawn_targets(kind, WORDS, row, draw, candidates).reshape(n_rows, each)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 100, 128, 129])
def test_a_row_in_full_is_every_candidate_once_and_never_its_own(n):
    assert (np.sort(rows(DIFFERENT, 7, n, Candidates(n))) == np.arange(n)).all()
    if n > 1:
        found = np.sort(rows(DIFFERENT, n, n - 1, Candidates(n, 0, True)))
        assert all((found[i] == np.delete(np.arange(n), i)).all() for i in range(n))


@pytest.mark.parametrize("kind", [REPEATED, DIFFERENT])
def test_every_candidate_is_as_likely_for_every_draw_and_pairs_are_independent(kind):
    n, each, rows_ = 50, 4, 20_000
    found = rows(kind, rows_, each, Candidates(n))
    limit = lambda free: chi2.ppf(1 - 1e-6, free)
    for j in range(each):
        counts = np.bincount(found[:, j], minlength=n)
        assert ((counts - rows_ / n) ** 2 / (rows_ / n)).sum() < limit(n - 1)
    # Two draws of a row: each pair (of different ones, where they must differ) is as likely as any other.
    pairs = np.bincount(found[:, 0] * n + found[:, 1], minlength=n * n).reshape(n, n)
    possible = np.ones((n, n), bool) if kind == REPEATED else ~np.eye(n, dtype=bool)
    expected = rows_ / possible.sum()
    assert (pairs[~possible] == 0).all()
    assert ((pairs[possible] - expected) ** 2 / expected).sum() < limit(possible.sum() - 1)


def test_the_draws_of_numpy_are_those_of_jax():
    row, draw = np.repeat(np.arange(5), 20), np.tile(np.arange(20), 5)
    with jax.enable_x64(True):
        for kind in (ALL, REPEATED, DIFFERENT):
            mine = drawn_targets(kind, WORDS, row, draw, Candidates(77, 3, True))
            assert drawn_targets(kind, WORDS, jnp.asarray(row), jnp.asarray(draw), Candidates(77, 3, True)).tolist() == mine.tolist()


def arrival(kind, weights, numbers, dtype, amplitudes, lateness=ONE, n=600, sources=9, each=300):
    """Some spikes over drawn edges onto two of three stretches of targets."""
    degree = np.full(sources, 0 if kind == ALL else each, np.int32)
    degree[:] = n - 1 if kind == ALL else degree
    edges = DrawnEdges(
        delays=np.array([2, 2] if lateness == ONE else [0, 3], np.int32),
        keys=np.array([*WORDS, 5, 6, 7, 8], np.uint32),
        degree=degree,
        begin=np.int64(2**32 - 500) + np.cumsum(degree) - degree,  # across the counter's low word
        first=np.int64(3),
        numbers=jnp.asarray(numbers, jnp.float64),
        late=np.array([*{ONE: [0, 0, 0, 0], UNIFORM: [0.1, 0.2, 0, 0], NORMAL: [0.2, 0.2, 0.1, 0.35]}[lateness], 0.1, 1.0]),
        pieces=np.array([[0, 200, 400], [400, 200, 0]], np.int64),
        kind=kind,
        candidates=n,
        shift=10,
        exclude=True,
        weights=weights,
        lateness=lateness,
    )
    history = empty_history(20, slots=4, dtype=dtype, amplitudes=amplitudes)
    flags = jnp.arange(20) % 3 == 0
    history = note_spikes(history, flags, jnp.linspace(0.5, 1.5, 20, dtype=dtype) if amplitudes else 1.0, jnp.int64(9))
    return deliver_drawn(history, jnp.int64(11), edges, jnp.linspace(0, 1, 650, dtype=dtype))


EDGES = pytest.mark.parametrize(
    ("kind", "weights", "numbers", "amplitudes", "lateness"),
    [
        (ALL, ONE, [0.3, 0, 0, 0], True, UNIFORM),
        (REPEATED, UNIFORM, [-0.4, 1.7, 0, 0], True, NORMAL),
        (DIFFERENT, NORMAL, [0.3, 1.1, -1.0, 2.0], False, UNIFORM),
        (DIFFERENT, ONE, [0.7, 0, 0, 0], False, ONE),
    ],
)


@EDGES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_native_kernel_gives_the_bits_of_the_reference(native, monkeypatch, kind, weights, numbers, amplitudes, lateness, dtype):
    with jax.enable_x64(True):
        of_kernel = np.asarray(arrival(kind, weights, numbers, dtype, amplitudes, lateness))
        monkeypatch.setattr("ranvier.kernels.dispatch.native_available", lambda: False)
        of_reference = np.asarray(arrival(kind, weights, numbers, dtype, amplitudes, lateness))
    assert of_kernel.tobytes() == of_reference.tobytes()
    assert (of_kernel != np.linspace(0, 1, 650, dtype=dtype)).sum() > 50


@EDGES
def test_several_threads_give_the_bits_of_the_reference(native, monkeypatch, kind, weights, numbers, amplitudes, lateness):
    with jax.enable_x64(True):
        several = arrival(
            kind, weights, numbers, np.float32, amplitudes, lateness, n=21_000, each=20_000
        )  # 60 000 draws: more than one thread is given
        monkeypatch.setattr("ranvier.kernels.dispatch.native_available", lambda: False)
        one = arrival(kind, weights, numbers, np.float32, amplitudes, lateness, n=21_000, each=20_000)
    assert np.asarray(several).tobytes() == np.asarray(one).tobytes()


def test_a_batch_is_delivered_one_after_the_other():
    with jax.enable_x64(True):
        one = np.asarray(arrival(DIFFERENT, ONE, [0.7, 0, 0, 0], np.float64, False))
        many = np.asarray(jax.vmap(arrival_with)(jnp.array([0.7, 0.0])))
        nothing = np.asarray(jnp.linspace(0, 1, 650))
    assert (many == [one, nothing]).all()


def arrival_with(weight):
    zero = jnp.zeros(3)
    return arrival(DIFFERENT, ONE, jnp.concatenate([weight[None], zero]), np.float64, False)
