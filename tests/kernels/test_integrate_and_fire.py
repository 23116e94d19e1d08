"""The step of integrate-and-fire neurons: native against reference, batches, derivatives, bad input."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from ranvier.errors import ParameterError
from ranvier.kernels import LinearForm, Moving, NeuronEquations, integrate_and_fire

module = importlib.import_module("ranvier.kernels.integrate_and_fire")
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)

NOW, REFRACTORY = 1000, 20


def equations_of(rng, variables, copies, either_end, tested):
    """Any equations that the kernel has room for. Unless there are copies, no variable moves before one that reads it."""
    written = int(rng.integers(1, variables + 1))

    def form(first):
        terms = [v for v in range(first, variables) if rng.random() < 0.6]
        return LinearForm(tuple(int(v) for v in rng.permutation(terms)))

    moving = []
    for v in range(int(rng.integers(0, written + 1))):
        first = 0 if copies else v
        relaxes = rng.random() < 0.4
        without = lambda f, v=v: LinearForm(tuple(t for t in f.terms if t != v))
        made = without(form(first)) if relaxes else form(first)
        moving.append(Moving(v, made, without(form(first)) if relaxes else None, held=bool(rng.random() < 0.5)))
    test = LinearForm((int(rng.integers(variables)),)) if tested == "one" else form(0)
    resets = tuple((int(v), form(0)) for v in rng.permutation(written)[: int(rng.integers(0, written + 1))])
    return NeuronEquations(variables, written, tuple(moving), copies, test, either_end, resets)


def operands_of(rng, equations, n, dtype, share_of_each, refractory, members=1):
    """All operands after the equations, but for the last, `ends`."""
    places = [len(form.terms) + 1 for form in equations.forms]
    coefficients = rng.normal(scale=0.4, size=(members, sum(places))).astype(dtype)
    test_at = sum(places[: len(equations.forms) - len(equations.resets) - 1])
    coefficients[rng.random(members) < 0.5, test_at + 1 : test_at + 2] = 1.0
    each = {i: rng.normal(scale=0.4, size=n).astype(dtype) for i in range(sum(places)) if rng.random() < share_of_each}
    variables = [rng.normal(size=n).astype(dtype) for _ in range(equations.variables)]
    recent = rng.integers(NOW - 2 * REFRACTORY, NOW, n).astype(np.int32)
    waits = None if refractory == "none" else rng.integers(0, 2 * REFRACTORY, n if refractory == "each" else (members, 1)).astype(np.int32)
    return variables, coefficients, jnp.int64(NOW), recent, waits, each


def ends_of(rng, n, members):
    """Of members of any size, empty ones too."""
    return np.append(np.sort(rng.integers(0, n + 1, members - 1)), n).astype(np.int32)


def by_reference(equations, variables, coefficients, step, recent, refractory, each, ends):
    waits = np.zeros(0, np.int32) if refractory is None else refractory
    if waits.ndim == 2:
        waits = np.repeat(waits[:, 0], np.diff(ends, prepend=0))
    places, coefficients = tuple(sorted(each)), jnp.asarray(coefficients)
    *moved, recent, fires = module._reference(
        equations,
        places,
        step,
        0,
        jnp.asarray(recent),
        jnp.asarray(waits),
        coefficients,
        jnp.asarray(ends),
        *variables,
        *(each[p] for p in places),
    )
    return moved, recent, fires


@modestly
@given(
    n=st.sampled_from([0, 1, 9, 300, 1100]),
    variables=st.integers(1, 5),
    copies=st.booleans(),
    either_end=st.booleans(),
    tested=st.sampled_from(["one", "several"]),
    share_of_each=st.sampled_from([0.0, 0.3]),
    refractory=st.sampled_from(["none", "member", "each"]),
    members=st.sampled_from([1, 1, 2, 5, 30]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_native_and_reference_agree_within_rounding(
    native, n, variables, copies, either_end, tested, share_of_each, refractory, members, dtype, seed
):
    rng = np.random.default_rng(seed)
    equations = equations_of(rng, variables, copies, either_end, tested)
    operands, ends = operands_of(rng, equations, n, dtype, share_of_each, refractory, members), ends_of(rng, n, members)
    moved, recent, fires = jax.jit(lambda *given, ends: integrate_and_fire(equations, *given, ends=ends))(*operands, ends=ends)
    wanted, wanted_recent, wanted_fires = by_reference(equations, *operands, ends)
    # One rounding a product or a sum less: a form has at most six of each, and a test that close to its threshold may go either way.
    tolerance = 40 * np.finfo(dtype).eps
    same = np.asarray(fires) == np.asarray(wanted_fires)
    assert same.mean() > 0.99 if n else True
    np.testing.assert_array_equal(np.asarray(recent)[same], np.asarray(wanted_recent)[same])
    for mine, theirs in zip(moved, wanted, strict=True):
        np.testing.assert_allclose(np.asarray(mine)[same], np.asarray(theirs)[same], rtol=tolerance, atol=tolerance)


@modestly
@given(
    sizes=st.lists(st.sampled_from([0, 1, 2, 90, 300, 9000]), min_size=1, max_size=4),
    share_of_each=st.sampled_from([0.0, 0.3]),
    refractory=st.sampled_from(["none", "member", "each"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_member_is_the_same_to_the_bit_whoever_stands_beside_it(native, sizes, share_of_each, refractory, dtype, seed):
    """Alone, in one call with the others, and with numbers written out for each neuron because another member needs that."""
    rng = np.random.default_rng(seed)
    equations = equations_of(rng, 4, bool(rng.random() < 0.5), True, "one")
    n, ends = sum(sizes), np.cumsum(sizes).astype(np.int32)
    variables, coefficients, step, recent, waits, each = operands_of(rng, equations, n, dtype, share_of_each, refractory, len(sizes))
    advance = jax.jit(lambda *given: integrate_and_fire(equations, *given))
    together = advance(variables, coefficients, step, recent, waits, each, 0, ends)
    rows = np.repeat(np.arange(len(sizes)), sizes)
    written_out = {i: coefficients[rows, i] for i in range(coefficients.shape[1]) if rng.random() < 0.4}
    same = advance(variables, coefficients, step, recent, waits, {**written_out, **each}, 0, ends)
    jax.tree.map(np.testing.assert_array_equal, together, same)
    for m, (size, end) in enumerate(zip(sizes, ends.tolist(), strict=True)):
        part = slice(end - size, end)
        own_wait = None if waits is None else waits[m : m + 1] if waits.ndim == 2 else waits[part]
        own = (
            [x[part] for x in variables],
            coefficients[m : m + 1],
            step,
            recent[part],
            own_wait,
            {i: x[part] for i, x in each.items()},
        )
        jax.tree.map(lambda mine, all_, part=part: np.testing.assert_array_equal(mine, all_[part]), advance(*own), together)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("slope", [-1e-9, -0.01, -0.95, -0.96, -1.5, -4.0, -200.0, 0.0, 0.026, 0.027, 3.0])
def test_a_variable_that_relaxes_follows_the_exact_exponential(x64, dtype, slope):
    """dx/dt = 2 + slope · x over an interval of 0.3, next to neurons with any other slope: the loop has a short way for small ones."""
    equations = NeuronEquations(2, 1, (Moving(0, LinearForm(), LinearForm((1,))),), False, LinearForm((0,)), False, ())
    slopes = np.array([slope, -0.001, 0.2], dtype)
    x, row = dtype(0.7), np.array([[0.6, 0, 0.3, 1e9, 1]], dtype)
    (moved,), _, _ = integrate_and_fire(equations, [np.full(3, x), slopes], row, jnp.int64(0), jnp.full(3, -100, jnp.int32))
    with np.errstate(divide="ignore", invalid="ignore"):
        s = slopes.astype(float)
        exact = np.where(s == 0, x + 0.6, x * np.exp(0.3 * s) + 2 * np.expm1(0.3 * s) / s)
    np.testing.assert_allclose(moved, exact, rtol=30 * np.finfo(dtype).eps)


def test_a_step_by_hand(x64):
    """One neuron fires, one is refractory and held, one was above its threshold at the start of the step, one does nothing."""
    halves = NeuronEquations(1, 1, (Moving(0, LinearForm((0,)), held=True),), False, LinearForm((0,)), True, ((0, LinearForm()),))
    V, recent = jnp.array([24.0, 24.0, 10.0, 3.0]), jnp.array([-50, 95, -50, -50], jnp.int32)
    (V,), recent, fires = integrate_and_fire(
        halves, [V], jnp.array([[0.0, 0.5, 10.0, 1.0, -1.0]]), jnp.int64(100), recent, jnp.array([[5]], jnp.int32)
    )
    assert fires.tolist() == [True, False, True, False]
    assert V.tolist() == [-1.0, 24.0, -1.0, 1.5] and recent.tolist() == [100, 95, 100, -50]


@pytest.mark.parametrize("waits", [np.array([[9], [5]]), np.array([5, 5])])
def test_as_many_members_as_neurons_may_lie_otherwise(x64, waits):
    """The first of two members is empty: a column has the second's period for both neurons."""
    still = NeuronEquations(1, 1, (), False, LinearForm((0,)), False, ())
    recent = jnp.array([94, 93], jnp.int32)
    _, _, fires = integrate_and_fire(
        still,
        [jnp.ones(2)],
        jnp.array([[0.0, 1.0]] * 2),
        jnp.int64(99),
        recent,
        jnp.asarray(waits, jnp.int32),
        ends=jnp.array([0, 2], jnp.int32),
    )
    assert fires.tolist() == [False, True]


def test_a_batch_is_its_elements(x64):
    rng = np.random.default_rng(3)
    equations = equations_of(rng, 3, False, True, "one")
    shared = (*operands_of(rng, equations, 40, np.float64, 0.3, "member", 3), 0, np.array([11, 11, 40], np.int32))
    batch = [operands_of(rng, equations, 40, np.float64, 0.0, "member") for _ in range(3)]
    variables = [np.stack([b[0][v] for b in batch]) for v in range(3)]
    recent = np.stack([b[3] for b in batch])
    step = lambda variables, recent: integrate_and_fire(equations, variables, *shared[1:3], recent, *shared[4:])
    together = jax.jit(jax.vmap(step))(variables, recent)
    for i in range(3):
        alone = step([v[i] for v in variables], recent[i])
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-14, atol=1e-14), together, alone)
    rows = np.stack([shared[1], 2 * shared[1]])  # coefficients of their own, the state shared
    swept = jax.vmap(lambda c: integrate_and_fire(equations, shared[0], c, *shared[2:]))(rows)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a[0], b, rtol=1e-14, atol=1e-14), swept, integrate_and_fire(equations, *shared))
    cuts = np.array([[11, 11, 40], [0, 39, 40]], np.int32)
    cut = jax.vmap(lambda ends: integrate_and_fire(equations, *shared[:-1], ends))(cuts)
    for i in range(2):
        alone = integrate_and_fire(equations, *shared[:-1], cuts[i])
        jax.tree.map(lambda a, b, i=i: np.testing.assert_allclose(a[i], b, rtol=1e-14, atol=1e-14), cut, alone)


def test_derivatives_are_those_of_the_reference(x64):
    equations = NeuronEquations(
        2, 2, (Moving(0, LinearForm((1,)), LinearForm((1,))), Moving(1, LinearForm((1,)))), False, LinearForm((0,)), False, ()
    )
    rows = np.array([[0.5, 0.2, -0.3, -0.7, 0.1, 0.9, 1e9, 1.0], [0.1, 0.4, -0.2, -0.1, 0.3, 0.7, 1e9, 1.0]])
    at = (np.array([0.3, 0.6, 0.7]), np.array([0.2, 0.4, -0.1])), rows

    def end(variables, coefficients):
        recent, ends = jnp.full(3, -100, jnp.int32), jnp.array([1, 3], jnp.int32)
        moved, _, _ = integrate_and_fire(equations, variables, coefficients, jnp.int64(0), recent, ends=ends)
        return moved[0].sum() + 2 * moved[1].sum()

    check_grads(end, at, order=1, modes=("fwd", "rev"))


def test_wrong_operands_are_refused(x64):
    equations = NeuronEquations(1, 1, (), False, LinearForm((0,)), False, ())
    good = [[jnp.zeros(3)], jnp.zeros((1, 2)), jnp.int64(0), jnp.zeros(3, jnp.int32)]
    integrate_and_fire(equations, *good)
    for i, bad, message in [
        (0, [jnp.zeros(3), jnp.zeros(3)], "1 variables"),
        (0, [jnp.zeros(2)], r"must be \[n\]"),
        (1, jnp.zeros((1, 3)), r"\[members, 2\] coefficients"),
        (1, jnp.zeros(2), r"\[members, 2\] coefficients"),
        (1, jnp.zeros((2, 2)), r"ends of 2 members must be int32 \[2\]"),
        (2, 0.5, "one integer"),
        (3, jnp.zeros(3), "int32"),
    ]:
        with pytest.raises(ParameterError, match=message):
            integrate_and_fire(equations, *[bad if j == i else x for j, x in enumerate(good)])
    with pytest.raises(ParameterError, match="differs among neurons"):
        integrate_and_fire(equations, *good, each={7: jnp.zeros(3)})
