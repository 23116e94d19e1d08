"""Edges listed for rules that no kernel knows: native against reference, and the loops over them against the fused kernels."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranvier.errors import ParameterError
from ranvier.kernels import (
    WeightChange,
    change_at_targets,
    change_where_due,
    deliver_and_learn,
    due_edges,
    empty_history,
    incoming_edges,
    index_by_target,
    learn_at_targets,
    put,
    sort_edges,
)

module = importlib.import_module("ranvier.kernels.due_edges")
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12)

SLOTS, STEP = 7, 2**33 + 5


class Case:
    def __init__(self, seed, n=9, targets=12, edges=160, blocks=2):
        rng = np.random.default_rng(seed)
        pre, post, delay = rng.integers(0, n, edges), rng.integers(0, targets, edges), rng.choice([0, 1, 4, 6], edges)
        self.edges, order = sort_edges(pre, post, delay, n, targets, blocks)
        self.source_of, self.target_of, self.delay_of = (x[order] for x in (pre, post, delay))
        self.incoming = index_by_target(self.edges, targets)
        self.n, self.targets = n, targets
        self.spiked = rng.random((SLOTS, n)) < 0.4
        self.history = empty_history(n, SLOTS, amplitudes=False)
        for row, flags in enumerate(self.spiked):
            who = np.flatnonzero(flags)
            self.history.source[row, : len(who)], self.history.count[row] = who, len(who)
        self.fired = rng.random(targets) < 0.5
        self.pre, self.post = rng.normal(size=(SLOTS, n)), rng.normal(size=targets)
        self.weights = rng.uniform(0.2, 0.8, edges)

    @property
    def row_of(self):
        return (STEP - self.delay_of) % SLOTS

    def due_operands(self, first):
        e, h = self.edges, self.history
        operands = h.source, h.count, jnp.int64(STEP), e.delays, e.segments, e.target, e.bounds, jnp.int64(self.targets), jnp.int64(first)
        return [jnp.asarray(x) for x in operands]

    def incoming_operands(self, first):
        return [jnp.asarray(x) for x in (self.fired, jnp.int64(STEP), *self.incoming, jnp.int64(first))]


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 9]),
    targets=st.sampled_from([1, 12, 70]),
    edges=st.sampled_from([0, 1, 160, 700]),
    blocks=st.sampled_from([1, 2, 5]),
)


@modestly
@given(case=cases, size=st.sampled_from([1, 8, 64, 1000]), first=st.sampled_from([0, 3, 100]))
def test_the_edges_are_listed_in_order(native, case, size, first):
    due = np.flatnonzero([case.spiked[row, i] for row, i in zip(case.row_of, case.source_of, strict=True)])
    fired = np.flatnonzero(case.fired[case.target_of]) if len(case.target_of) else np.zeros(0, int)
    fired = fired[np.argsort(case.target_of[fired], kind="stable")]
    # Delivery goes by delay before source, within a block.
    block = np.searchsorted(case.edges.bounds, case.target_of, side="right")
    due = due[np.lexsort((due, case.source_of[due], case.delay_of[due], block[due]))]
    attributes = {"slots": SLOTS, "sources": case.n}
    for wanted, kernel, reference, operands, more in (
        (due, "due_edges", module._due_reference, case.due_operands(first), {}),
        (fired, "incoming_edges", module._incoming_reference, case.incoming_operands(first), attributes),
    ):
        some = wanted[first : first + size]
        ways = (
            lambda *given, kernel=kernel, more=more: module._listed_natively(kernel, *given, size=size, **more),
            lambda *given, reference=reference, more=more: reference(*given, size=size, **more),
        )
        for position, source, target, row, total in jax.jit(lambda *given, ways=ways: [way(*given) for way in ways])(*operands):
            assert int(total) == len(wanted)
            np.testing.assert_array_equal(position, np.append(some, np.full(size - len(some), len(case.target_of))))
            for found, of in ((source, case.source_of), (target, case.target_of), (row, case.row_of)):
                np.testing.assert_array_equal(found[: len(some)], of[some])


def pair_rule(edge, pre, post):
    return {"weight": jnp.clip(edge["weight"] - 0.1 * post["y"], 0.0, 1.0), "seen": edge["seen"] + 1}


def at_target_rule(edge, pre, post):
    return {"weight": jnp.clip(edge["weight"] + 0.2 * pre["x"], 0.0, 1.0)}


def both(case, size=module.MOST_AT_ONCE, weights=None, post=None):
    variables = {"weight": case.weights if weights is None else weights, "seen": jnp.zeros(len(case.target_of))}
    where = {"pre": {"x": jnp.asarray(case.pre)}, "post": {"y": jnp.asarray(case.post if post is None else post)}, "size": size}
    after = change_where_due(pair_rule, variables, case.history, jnp.int64(STEP), case.edges, targets=case.targets, **where)
    return change_at_targets(at_target_rule, after, case.fired, jnp.int64(STEP), case.incoming, slots=SLOTS, sources=case.n, **where)


@pytest.mark.parametrize("size", [5, 64, 4096])
def test_a_rule_does_what_the_fused_kernels_do(x64, size):
    case = Case(3, targets=70, edges=700)
    after = jax.jit(lambda: both(case, size))()
    down, up = WeightChange(jnp.array([[0.0, -0.1]]), 0.0, 1.0), WeightChange(jnp.array([[0.0], [0.2]]), 0.0, 1.0)
    x, y = case.pre[None], case.post[None]
    _, weights = deliver_and_learn(case.history, jnp.int64(STEP), case.edges, case.weights, jnp.zeros(case.targets), down, x[:0], y)
    weights = learn_at_targets(case.fired, jnp.int64(STEP), case.incoming, case.edges.bounds, weights, up, x, y[:0])
    np.testing.assert_allclose(after["weight"], weights, rtol=0, atol=1e-15)
    arrived = [case.spiked[row, i] for row, i in zip(case.row_of, case.source_of, strict=True)]
    assert after["seen"].tolist() == [float(a) for a in arrived]


def test_a_batch_is_its_elements(x64):
    case = Case(3)
    weights = jnp.stack([case.weights, 1 - case.weights])
    together = jax.jit(jax.vmap(lambda w: both(case, 16, weights=w)["weight"]))(weights)
    for mine, w in zip(together, weights, strict=True):
        np.testing.assert_allclose(mine, both(case, 16, weights=w)["weight"], rtol=0, atol=1e-15)


def test_derivatives_forward(x64):
    case = Case(5)
    run = jax.jit(lambda w, y: both(case, 32, weights=w, post=y)["weight"])
    at, direction = (jnp.asarray(case.weights), jnp.asarray(case.post)), (jnp.ones(160), jnp.ones(case.targets))
    _, slope = jax.jvp(run, at, direction)
    step = 1e-7
    ends = [run(*(x + sign * step * d for x, d in zip(at, direction, strict=True))) for sign in (1, -1)]
    np.testing.assert_allclose(slope, (ends[0] - ends[1]) / (2 * step), atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_put_leaves_out_what_is_outside(native, dtype):
    values = jnp.arange(5).astype(dtype)
    wanted = [9, 1, 2, 8, 4]
    position, new = jnp.array([3, 5, 0, -1, 2**31 - 1], jnp.int32), jnp.array([8, 7, 9, 6, 5]).astype(dtype)
    assert put(values, position, new).tolist() == module._put_reference(position, new, values)[0].tolist() == wanted


def test_delivery_and_any_rule_work_in_place(native):
    case = Case(1, targets=500, edges=200_000)

    def run(weights, total):
        def body(_, carry):
            weights, total = carry
            total, weights = deliver_and_learn(case.history, jnp.int64(STEP), case.edges, weights, total)
            where = {"pre": {"x": jnp.asarray(case.pre)}, "post": {"y": jnp.asarray(case.post)}, "size": 256}
            down = lambda edge, pre, post: {"weight": edge["weight"] - 0.1 * post["y"]}
            after = change_where_due(down, {"weight": weights}, case.history, jnp.int64(STEP), case.edges, targets=500, **where)
            after = change_at_targets(at_target_rule, after, case.fired, jnp.int64(STEP), case.incoming, slots=SLOTS, sources=9, **where)
            return after["weight"], total

        return jax.lax.fori_loop(0, 3, body, (weights, total))

    compiled = jax.jit(run, donate_argnums=(0, 1)).lower(jnp.asarray(case.weights), jnp.zeros(500)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < case.weights.nbytes / 2


def test_wrong_rules_are_refused(x64):
    case = Case(1)
    start = {"weight": case.weights}, case.history, jnp.int64(STEP), case.edges, {}, {}, case.targets
    with pytest.raises(ParameterError, match="gave 'weight' of shape"):
        change_where_due(lambda edge, pre, post: {"weight": jnp.zeros(3)}, *start)
    with pytest.raises(ParameterError, match="one value an edge of 'weight'"):
        change_where_due(lambda edge, pre, post: {"wieght": edge["weight"]}, *start)
    with pytest.raises(ParameterError, match="32 bits"):
        due_edges(case.history, jnp.int64(1), case.edges._replace(segments=case.edges.segments.astype(np.int64)), 3)
    with pytest.raises(ParameterError, match="32 bits"):
        incoming_edges(case.fired, jnp.int64(1), case.incoming, 2**16, 2**16)
