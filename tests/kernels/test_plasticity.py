"""Weights that change at events: native against reference and a plain loop, the pair window, batches, derivatives, bad input."""

import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from ranvier.errors import ParameterError
from ranvier.kernels import (
    SpikeHistory,
    WeightChange,
    deliver_and_learn,
    deliver_events,
    empty_history,
    index_by_target,
    learn_at_targets,
    note_spikes,
    sort_edges,
)
from ranvier.kernels.traces import advance_trace, fade

traces = importlib.import_module("ranvier.kernels.traces")
module = importlib.import_module("ranvier.kernels.plasticity")
of_index = importlib.import_module("ranvier.kernels.incoming")
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=12)

SLOTS, STEP = 7, 2**33 + 5


class Case:
    """A random network at some step, and what a plain loop makes of it."""

    def __init__(self, seed, n=9, targets=12, edges=160, blocks=2, n_pre=1, n_post=1, exponent=0.0, amplitudes=False, dtype=np.float64):
        rng = np.random.default_rng(seed)
        pre, post, delay = rng.integers(0, n, edges), rng.integers(0, targets, edges), rng.choice([0, 1, 4, 6], edges)
        self.edges, self.order = sort_edges(pre, post, delay, n, targets, blocks)
        self.source_of, self.target_of, self.delay_of = (x[self.order] for x in (pre, post, delay))
        self.dtype, self.n, self.targets, self.exponent = dtype, n, targets, exponent
        self.incoming = index_by_target(self.edges, targets)
        spiked = rng.random((SLOTS, n)) < 0.4
        history = empty_history(n, SLOTS, dtype, amplitudes=amplitudes)
        self.amplitude = rng.normal(size=(SLOTS, n)).astype(dtype) if amplitudes else np.ones((SLOTS, n), dtype)
        for row, flags in enumerate(spiked):
            who = np.flatnonzero(flags)
            history.source[row, : len(who)], history.count[row] = who, len(who)
            if amplitudes:
                history.amplitude[row, : len(who)] = self.amplitude[row, who]
        self.history, self.spiked = history, spiked
        self.pre, self.post = rng.normal(size=(n_pre, SLOTS, n)).astype(dtype), rng.normal(size=(n_post, targets)).astype(dtype)
        self.gain = rng.normal(scale=0.3, size=(1 + n_pre, 1 + n_post)).astype(dtype)
        self.limits = np.array([-0.8, 0.9, -0.8 if exponent else 0.0, exponent], dtype)
        self.change = WeightChange(self.gain, *self.limits)
        self.weights = rng.uniform(-0.8, 0.9, edges).astype(dtype)
        self.fired = rng.random(targets) < 0.5
        self.accumulator, self.offset = rng.normal(size=targets + 5).astype(dtype), 3

    def changed(self, e):
        """The weight of an edge after one event of it: every product and sum rounded, from the left."""
        row = (STEP - self.delay_of[e]) % SLOTS
        total = self.gain.dtype.type(0)
        by_target = [self.gain[:, t] for t in range(self.gain.shape[1])]
        from_source = []
        for column in by_target:
            total = column[0]
            for s in range(len(self.pre)):
                total = total + column[s + 1] * self.pre[s, row, self.source_of[e]]
            from_source.append(total)
        by = from_source[0]
        for t in range(len(self.post)):
            by = by + from_source[t + 1] * self.post[t, self.target_of[e]]
        return self._limited(e, by)

    def changed_at_target(self, e):
        """The same, added up target first."""
        row = (STEP - self.delay_of[e]) % SLOTS
        from_target = []
        for s in range(self.gain.shape[0]):
            total = self.gain[s, 0]
            for t in range(len(self.post)):
                total = total + self.gain[s, t + 1] * self.post[t, self.target_of[e]]
            from_target.append(total)
        by = from_target[0]
        for s in range(len(self.pre)):
            by = by + from_target[s + 1] * self.pre[s, row, self.source_of[e]]
        return self._limited(e, by)

    def _limited(self, e, by):
        low, high, origin, exponent = self.limits
        distance = abs(self.weights[e] - origin)
        factor = self.dtype(1) if exponent == 0 else distance if exponent == 1 else self.dtype(float(distance) ** float(exponent))
        return min(max(self.weights[e] + factor * by, low), high)

    def arrived(self):
        due = [self.spiked[(STEP - d) % SLOTS, i] for d, i in zip(self.delay_of, self.source_of, strict=True)]
        return np.array([self.changed(e) if now else self.weights[e] for e, now in enumerate(due)], self.dtype)

    def fired_at(self):
        return np.array([self.changed_at_target(e) if self.fired[j] else self.weights[e] for e, j in enumerate(self.target_of)], self.dtype)

    def arrival(self):
        e = self.edges
        operands = (
            *self.history,
            jnp.int64(STEP),
            e.delays,
            e.segments,
            e.target,
            e.bounds,
            self.pre,
            self.post,
            self.gain,
            self.limits,
            self.offset,
        )
        return [jnp.asarray(x) for x in (*operands, self.weights, self.accumulator)]

    def firing(self):
        operands = (
            self.fired,
            jnp.int64(STEP),
            *self.incoming,
            self.edges.bounds,
            self.pre,
            self.post,
            self.gain,
            self.limits,
            self.weights,
        )
        return [jnp.asarray(x) for x in operands]

    def close(self, found, wanted, exact=True):
        if exact and self.exponent in (0, 1):
            np.testing.assert_array_equal(found, wanted)
        else:  # XLA rounds a product and a sum once; all terms are of the size of 1
            np.testing.assert_allclose(found, wanted, rtol=0, atol=16 * np.finfo(self.dtype).eps)


cases = st.builds(
    Case,
    seed=st.integers(0, 2**32 - 1),
    n=st.sampled_from([1, 9]),
    targets=st.sampled_from([1, 12, 70]),
    edges=st.sampled_from([0, 1, 160, 700]),
    blocks=st.sampled_from([1, 2, 5]),
    n_pre=st.integers(0, 3),
    n_post=st.integers(0, 3),
    exponent=st.sampled_from([0.0, 1.0, 0.4]),
    amplitudes=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
)


@modestly
@given(case=cases)
def test_an_arrival_delivers_and_then_changes_the_weight(native, case):
    def every_way(source, amplitude, count, step, delays, segments, target, bounds, pre, post, gain, limits, offset, weights, accumulator):
        operands = (source, amplitude, count, step, delays, segments, target, bounds, pre, post, gain, limits, offset, weights, accumulator)
        edges = case.edges._replace(delays=delays, segments=segments, target=target, bounds=bounds)
        delivered = deliver_events(SpikeHistory(source, amplitude, count), step, edges, weights, accumulator, offset)
        where = (source, count, step, delays, segments, target, bounds, offset, accumulator.shape[0])
        everywhere = module._arrive_everywhere(*where, pre, post, gain, limits, weights)
        return module._arrive_native(*operands), module._arrive_reference(*operands), everywhere, delivered

    native_, reference, everywhere, delivered = jax.jit(every_way)(*case.arrival())
    wanted = case.arrived()
    case.close(native_[0], wanted)
    case.close(reference[0], wanted, exact=False)
    case.close(everywhere, wanted, exact=False)
    for _, accumulator in (native_, reference):
        np.testing.assert_array_equal(accumulator, delivered)


@modestly
@given(case=cases)
def test_a_target_that_fires_changes_all_weights_onto_it(native, case):
    ways = module._fire_native, module._fire_reference, lambda *operands: (module._fire_everywhere(*operands),)
    native_, reference, everywhere = jax.jit(lambda *operands: [way(*operands)[0] for way in ways])(*case.firing())
    wanted = case.fired_at()
    case.close(native_, wanted)
    case.close(reference, wanted, exact=False)
    case.close(everywhere, wanted, exact=False)


@modestly
@given(case=cases, padded=st.booleans())
def test_the_index_has_every_edge_of_a_target_once(native, case, padded):
    edges = case.edges
    if padded:  # room for more delays and edges
        last = np.repeat(edges.segments[..., -1:], 2, axis=-1)
        delays = np.append(edges.delays, [-1, -1]).astype(np.int32)
        edges = edges._replace(
            delays=delays, segments=np.concatenate([edges.segments, last], -1), target=np.append(edges.target, [0, 0, 0])
        )
        edges = edges._replace(target=edges.target.astype(np.int32))
    found = index_by_target(edges, case.targets)
    for j in range(case.targets):
        places = found.position[found.rows[j] : found.rows[j + 1]]
        np.testing.assert_array_equal(places, np.flatnonzero(case.target_of == j))
        np.testing.assert_array_equal(found.lag[found.rows[j] : found.rows[j + 1]], case.delay_of[places] * case.n - case.source_of[places])
    wanted = type(found)(*(np.zeros_like(x) for x in found))
    of_index._reference(edges.delays, edges.segments, edges.target, *wanted)
    for mine, theirs in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_places_that_cannot_be_are_skipped(native):
    case = Case(1)
    position, lag = case.incoming.position.copy(), case.incoming.lag.copy()
    position[::7], lag[3::7] = 2**31 - 1, -(2**31)
    position[1::7], lag[4::7] = -1, 2**31 - 1
    target = case.edges.target.copy()
    target[::5] = -3
    hostile = jnp.asarray(position), jnp.asarray(lag)
    firing, arrival = case.firing(), case.arrival()
    firing[3:5], arrival[6] = hostile, jnp.asarray(target)
    for native_call, reference, operands in (
        (module._fire_native, module._fire_reference, firing),
        (module._arrive_native, module._arrive_reference, arrival),
    ):
        for mine, theirs in zip(jax.jit(native_call)(*operands), jax.jit(reference)(*operands), strict=True):
            case.close(mine, theirs, exact=False)


def test_blocks_of_targets_change_nothing(x64):
    whole, cut = Case(5, targets=70, edges=700, blocks=1), Case(5, targets=70, edges=700, blocks=4)
    for case in (whole, cut):
        case.weights = np.random.default_rng(0).uniform(-0.8, 0.9, 700)[case.order]
        case.arrived_at, arrived = deliver_and_learn(
            case.history, jnp.int64(STEP), case.edges, case.weights, case.accumulator, case.change, case.pre, case.post, case.offset
        )
        learnt = learn_at_targets(case.fired, jnp.int64(STEP), case.incoming, case.edges.bounds, arrived, case.change, case.pre, case.post)
        case.canonical = np.empty(700)
        case.canonical[case.order] = learnt
    np.testing.assert_array_equal(whole.canonical, cut.canonical)
    np.testing.assert_array_equal(whole.arrived_at, cut.arrived_at)


@pytest.mark.parametrize("delay", [0, 3])
@pytest.mark.parametrize("between", [-40, -7, -1, 0, 1, 12, 60])
def test_the_window_of_a_pair_is_the_closed_form(x64, between, delay):
    """One synapse, one spike of either side: post `between` steps after the pre spike has arrived (0: in the same step)."""
    up, down, tau, slots = 0.01, 0.0105, 20.0, delay + 2
    decay = np.exp(-1 / tau)
    edges, _ = sort_edges(np.array([0]), np.array([0]), delay, 1, 1)
    incoming = index_by_target(edges, 1)
    pre_at, post_at = 100, 100 + delay + between
    history, weights, x, y = empty_history(1, slots), jnp.array([0.5]), jnp.zeros((1, slots, 1)), jnp.zeros((1, 1))
    arrival, firing = WeightChange(jnp.array([[0.0, -down]]), 0.0, 1.0), WeightChange(jnp.array([[0.0], [up]]), 0.0, 1.0)

    @jax.jit
    def step(k, carry):
        history, weights, x, y = carry
        spiked, fired = jnp.array([k == pre_at]), jnp.array([k == post_at])
        history = note_spikes(history, spiked, 1.0, k)
        x = x.at[:, k % slots].set(x[:, (k - 1) % slots] * decay + spiked[None])
        y = y * decay
        _, weights = deliver_and_learn(history, k, edges, weights, jnp.zeros(1), arrival, x[:0], y)
        weights = learn_at_targets(fired, k, incoming, edges.bounds, weights, firing, x, y[:0])
        return history, weights, x, y + fired[None]

    _, weights, _, _ = jax.lax.fori_loop(0, 300, step, (history, weights, x, y))
    # Both in one step: the arrival comes first, so it strengthens, and nothing weakens.
    expected = up * np.exp(-between / tau) if between >= 0 else -down * np.exp(between / tau)
    np.testing.assert_allclose(weights[0] - 0.5, expected, rtol=1e-12)


def test_a_batch_is_its_elements(native):
    case, other = Case(3, n_pre=2, amplitudes=True), Case(4, n_pre=2, amplitudes=True)
    for names in (["weights"], ["gain"], ["pre", "post"], ["accumulator"], ["fired"], ["history"], ["weights", "limits", "fired"]):

        def both(given, names=names):
            of = {name: getattr(case, name) for name in ("weights", "gain", "pre", "post", "accumulator", "fired", "history", "limits")}
            of |= dict(zip(names, given, strict=True))
            change = WeightChange(of["gain"], *(of["limits"][i] for i in range(4)))
            arrived = deliver_and_learn(
                SpikeHistory(*of["history"]), jnp.int64(STEP), case.edges, of["weights"], of["accumulator"], change, of["pre"], of["post"]
            )
            fired = learn_at_targets(
                of["fired"], jnp.int64(STEP), case.incoming, case.edges.bounds, of["weights"], change, of["pre"], of["post"]
            )
            return *arrived, fired

        elements = [[getattr(c, name) for name in names] for c in (case, other)]
        stacked = jax.tree.map(lambda *x: jnp.stack(x), *elements)
        together = jax.jit(jax.vmap(both))(stacked)
        for b, element in enumerate(elements):
            for mine, theirs in zip(together, both(element), strict=True):
                np.testing.assert_array_equal(mine[b], theirs)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 0.4])
def test_derivatives(x64, exponent):
    case = Case(7, n_pre=2, n_post=1, exponent=exponent, amplitudes=True, edges=60)
    case.limits[:3] = -5.0, 5.0, -5.0  # nothing is at its bound

    def after(weights, gain, pre, post, accumulator, amplitude):
        change = WeightChange(gain, *case.limits)
        history = SpikeHistory(case.history.source, amplitude, case.history.count)
        accumulator, weights = deliver_and_learn(history, jnp.int64(STEP), case.edges, weights, accumulator, change, pre, post, 3)
        weights = learn_at_targets(case.fired, jnp.int64(STEP), case.incoming, case.edges.bounds, weights, change, pre, post)
        return jnp.sum(accumulator**2) + jnp.sum(weights**3)

    at = case.weights, case.gain, case.pre, case.post, case.accumulator, case.history.amplitude
    check_grads(jax.jit(after), [jnp.asarray(x) for x in at], order=1, modes=["fwd", "rev"], rtol=1e-5)


def test_without_a_change_the_weights_are_handed_on(x64):
    case = Case(2, amplitudes=True)
    accumulator, weights = deliver_and_learn(case.history, jnp.int64(STEP), case.edges, case.weights, case.accumulator, offset=case.offset)
    delivered = deliver_events(case.history, jnp.int64(STEP), case.edges, case.weights, case.accumulator, case.offset)
    np.testing.assert_array_equal(accumulator, delivered)
    np.testing.assert_array_equal(weights, case.weights)


def test_weights_are_updated_in_place_in_a_loop(native):
    case = Case(1, targets=500, edges=100_000)

    def run(weights, accumulator):
        def body(k, carry):
            accumulator, weights = deliver_and_learn(
                case.history, k, case.edges, carry[0], carry[1], case.change, case.pre, case.post, case.offset
            )
            return learn_at_targets(case.fired, k, case.incoming, case.edges.bounds, weights, case.change, case.pre, case.post), accumulator

        return jax.lax.fori_loop(0, 3, body, (weights, accumulator))

    compiled = jax.jit(run, donate_argnums=(0, 1)).lower(jnp.asarray(case.weights), jnp.asarray(case.accumulator)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < case.weights.nbytes / 2


def test_many_traces_take_the_reference(x64):
    case = Case(2, n_pre=5, n_post=5)
    _, weights = deliver_and_learn(
        case.history, jnp.int64(STEP), case.edges, case.weights, case.accumulator, case.change, case.pre, case.post, case.offset
    )
    case.close(weights, case.arrived(), exact=False)


@pytest.mark.parametrize("slots, nearest, both", [(1, False, True), (5, True, True), (5, False, False)])
def test_a_trace_moves_on(native, slots, nearest, both):
    """Native and reference bit for bit, alone and in a batch, as written out; its derivatives."""
    rng = np.random.default_rng(slots)
    ring, before = rng.random((2, slots, 70)).astype(np.float32)
    spiked, kept, jump, step = rng.random((2, 70)) < 0.3, np.float32(0.83), np.float32(1.7), 2**33 + 3
    given = before if both else None
    advance = lambda spiked: advance_trace(ring, spiked, jnp.int64(step), kept, jump, nearest, given)
    wanted = []
    for who in spiked:
        moved = kept * ring[(step - 1) % slots]
        new = ring.copy(), before.copy()
        new[0][step % slots] = np.where(who, jump if nearest else moved + jump, moved)
        new[1][step % slots] = moved
        wanted.append(new)
    for found in (list(map(jax.jit(advance), spiked)), list(zip(*jax.jit(jax.vmap(advance))(spiked), strict=True)) if both else []):
        for new, expected in zip(found, wanted, strict=False):
            np.testing.assert_array_equal(new[0], expected[0])
            assert new[1] is None if not both else (new[1] == expected[1]).all()
    change = jnp.stack([kept, jump, jnp.float32(nearest)])
    other = jnp.asarray(before if both else before[:0])
    reference = jax.jit(traces._advance_reference)(spiked[0], jnp.int64(step), change, ring, other)
    np.testing.assert_array_equal(reference[0], wanted[0][0])
    np.testing.assert_array_equal(fade(ring[0], kept), kept * ring[0])
    wide = ring.astype(np.float64)
    moved = lambda ring, kept, jump: advance_trace(ring, spiked[0], jnp.int64(step), kept, jump, nearest)[0]
    check_grads(moved, (wide, 0.83, 1.7), order=1, modes=["fwd", "rev"], rtol=1e-5)
    with pytest.raises(ParameterError, match="spiked must be bool"):
        advance_trace(ring, spiked[0][:-1], jnp.int64(step), kept)


def test_wrong_operands_are_refused(x64):
    case = Case(1)
    arrive = functools.partial(deliver_and_learn, case.history, jnp.int64(STEP), case.edges)
    good = [case.weights, case.accumulator, case.change, case.pre, case.post]
    arrive(*good)
    for i, bad, message in [
        (0, case.weights[:3], "one an edge"),
        (0, case.weights.astype(np.float32), "one type"),
        (0, jnp.float64(1.0), "one an edge"),
        (2, case.change._replace(gain=case.gain[:1]), r"gain must be \[2, 2\]"),
        (3, case.pre[:, :-1], "as the history"),
        (4, case.post[0], r"must be \[traces, targets\]"),
    ]:
        with pytest.raises(ParameterError, match=message):
            arrive(*[bad if j == i else x for j, x in enumerate(good)])
    right = [case.fired, jnp.int64(STEP), case.incoming, case.edges.bounds, case.weights, case.change, case.pre, case.post]
    learn_at_targets(*right)
    for i, bad, message in [
        (0, case.fired.astype(int), "must be bool"),
        (0, case.fired[:-1], r"rows \[targets \+ 1\]"),
        (2, case.incoming._replace(lag=case.incoming.lag.astype(np.int64)), "int32"),
        (7, case.post[:, :-1], "values of the targets"),
        (6, case.pre[0], "values of the sources"),
    ]:
        with pytest.raises(ParameterError, match=message):
            learn_at_targets(*[bad if j == i else x for j, x in enumerate(right)])
    with pytest.raises(ParameterError, match="more than 32 bits"):
        index_by_target(case.edges._replace(delays=case.edges.delays + 2**30), case.targets)
