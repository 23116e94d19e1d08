import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jax.test_util import check_grads

from ranvier.errors import ParameterError
from ranvier.kernels import DelayedEdges, SpikeHistory, deliver_events, empty_history, note_spikes, sort_edges

module = importlib.import_module("ranvier.kernels.deliver_events")
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=20)


def network(rng, n_pre, n_post, n_edges, longest):
    n_edges = n_edges if n_pre and n_post else 0
    pre, post = (rng.integers(0, n or 1, n_edges) for n in (n_pre, n_post))
    return pre, post, rng.integers(0, longest + 1, n_edges)


def record(rng, n, slots, steps, dtype, share=0.3, plain=False):
    """A history after `steps` steps, and what each step's amplitudes were; plain: all are 1, and none is kept."""
    history, amplitudes = empty_history(n, slots, dtype, amplitudes=not plain), []
    for k in range(steps):
        flags, amplitude = rng.random(n) < share, np.ones(n, dtype) if plain else rng.normal(size=n).astype(dtype)
        history = note_spikes(history, flags, 1.0 if plain else amplitude, k)
        amplitudes.append(np.where(flags, amplitude, 0))
    return history, amplitudes


@modestly
@given(
    n_pre=st.sampled_from([0, 1, 9, 70]),
    n_post=st.sampled_from([0, 1, 20]),
    n_edges=st.sampled_from([0, 1, 700]),
    longest=st.sampled_from([0, 1, 5]),
    blocks=st.sampled_from([1, 2, 5]),
    weighting=st.sampled_from(["one", "source", "edge"]),
    plain=st.booleans(),
    wide=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    offset=st.sampled_from([0, 3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_what_arrives_is_what_was_sent_so_many_steps_ago(
    native, n_pre, n_post, n_edges, longest, blocks, weighting, plain, wide, dtype, offset, seed
):
    rng = np.random.default_rng(seed)
    pre, post, delay = network(rng, n_pre, n_post, n_edges, longest)
    edges, order = sort_edges(pre, post, delay, n_pre, n_post, blocks)
    if wide:
        edges = edges._replace(segments=edges.segments.astype(np.int64))
    weights = rng.normal(size={"one": 1, "source": n_pre, "edge": len(pre)}[weighting]).astype(dtype)
    steps, slots = 9, longest + 1
    history, amplitudes = record(rng, n_pre, slots, steps, dtype, plain=plain)
    start = rng.normal(size=n_post + 2 * offset).astype(dtype)

    wanted = start.copy()
    for e in sorted(order, key=lambda e: (delay[e], pre[e], post[e])):
        amplitude = amplitudes[steps - 1 - delay[e]][pre[e]]
        if amplitude != 0:
            wanted[offset + post[e]] += weights[{"one": 0, "source": pre[e], "edge": e}[weighting]] * amplitude
    in_order = {"one": lambda: weights[0], "source": lambda: weights[:, None], "edge": lambda: weights[order]}[weighting]()
    operands = [*history, jnp.int64(steps - 1), *edges, np.atleast_2d(in_order), jnp.int64(offset), start]
    for function in (module._deliver_native, module._deliver_reference):
        np.testing.assert_array_equal(jax.jit(function)(*map(jnp.asarray, operands))[0], wanted)
    public = deliver_events(history, steps - 1, edges, in_order, start, offset)
    np.testing.assert_array_equal(public, wanted)
    assert public.dtype == dtype


@pytest.mark.parametrize("one_weight", [True, False])
def test_blocks_on_several_threads_give_the_same_bits(native, one_weight):
    rng = np.random.default_rng(1)
    n, n_edges = 500, 100_000  # 30 000 events a step: more than one thread is given
    pre, post, delay = network(rng, n, n, n_edges, 3)
    history, _ = record(rng, n, 4, 6, np.float64)
    weights = rng.normal(size=n_edges)
    results = []
    for blocks in (1, 2, 7):
        edges, order = sort_edges(pre, post, delay, n, n, blocks)
        deliver = jax.jit(lambda w, edges=edges: deliver_events(history, 5, edges, w, jnp.zeros(n)))
        results += [np.asarray(deliver(0.3 if one_weight else weights[order])) for _ in range(5)]
    assert all((r == results[0]).all() for r in results) and results[0].any()


@modestly
@given(
    n=st.sampled_from([0, 1, 7, 8, 9, 65, 200]),
    slots=st.sampled_from([1, 3]),
    one_amplitude=st.booleans(),
    plain=st.booleans(),
    dtype=st.sampled_from([np.float32, np.float64]),
    step=st.sampled_from([-4, 0, 2, 2**40 + 1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_native_and_reference_note_the_same(native, n, slots, one_amplitude, plain, dtype, step, seed):
    rng = np.random.default_rng(seed)
    history, _ = record(rng, n, slots, 2, dtype, plain=plain)
    flags, amplitude = jnp.asarray(rng.random(n) < 0.3), jnp.asarray(rng.normal(size=1 if one_amplitude else n), dtype)
    operands = (flags, amplitude, jnp.int64(step), *history)
    native, reference = jax.jit(module._note_native)(*operands), jax.jit(module._note_reference)(*operands)
    for x, y in zip(native, reference, strict=True):
        np.testing.assert_array_equal(x, y)
    spikes = np.flatnonzero(flags)
    np.testing.assert_array_equal(native[0][step % slots, : len(spikes)], spikes)
    assert int(native[2][step % slots]) == len(spikes)


def test_contents_out_of_range_are_skipped(native):
    history = SpikeHistory(jnp.array([[0, 5, -1]], jnp.int32), jnp.ones((1, 3)), jnp.array([90], jnp.int32))
    delays, segments = jnp.array([-1, 0, 1], jnp.int32), jnp.array([[[0, 1, 4, 4]] * 3], jnp.int32)
    target, bounds = jnp.array([0, 1, -1, 2], jnp.int32), jnp.array([0, 2])
    operands = (*history, jnp.int64(0), delays, segments, target, bounds, jnp.ones((1, 4)), jnp.int64(0), jnp.zeros(2))
    for function in (jax.jit(module._deliver_native), jax.jit(module._deliver_reference)):
        assert function(*operands)[0].tolist() == [0.0, 1.0]
        for at, wanted in ((1, [0.0, 0.0]), (-1, [0.0, 0.0]), (2**62, [0.0, 0.0])):
            assert function(*operands[:-2], jnp.int64(at), operands[-1])[0].tolist() == wanted
        for bad, wanted in (([-5, 9], [0.0, 1.0]), ([2, 1], [0.0, 0.0]), ([0, 1], [0.0, 0.0])):
            assert function(*operands[:7], jnp.array(bad), *operands[8:])[0].tolist() == wanted
    wild = (*operands[:5], jnp.array([[[-7, 10**6, -4, 10**9]] * 3], jnp.int32), *operands[6:])
    assert np.all(np.isfinite(module._deliver_native(*wild)[0]))


@pytest.fixture
def example(x64):
    rng = np.random.default_rng(11)
    pre, post, delay = network(rng, 9, 6, 60, 3)
    edges, _ = sort_edges(pre, post, delay, 9, 6, blocks=2)
    history, _ = record(rng, 9, 4, 7, np.float64)
    return history, edges, jnp.asarray(rng.normal(size=60)), jnp.asarray(rng.normal(size=6)), rng


@pytest.mark.parametrize("mapped", ["weights", "accumulator", "flags", "history", "all"])
def test_vmap_is_a_loop(example, mapped):
    history, edges, weights, accumulator, rng = example
    flags = jnp.asarray(rng.random((3, 9)) < 0.4)
    histories = SpikeHistory(*(jnp.stack([x, x, jnp.roll(x, 1, 0)]) for x in history))
    axes = {name: 0 if mapped in (name, "all") else None for name in ("flags", "history", "weights", "accumulator")}
    given_ = {
        "flags": flags,
        "history": histories,
        "weights": jnp.stack([weights, 2 * weights, -weights]),
        "accumulator": jnp.stack([accumulator, accumulator + 1, accumulator * 0]),
    }
    given_ = {name: x if axes[name] == 0 else jax.tree.map(lambda y: y[0], x) for name, x in given_.items()}

    def one(flags, history, weights, accumulator):
        history = note_spikes(history, flags, 2.0, 7)
        return deliver_events(history, 7, edges, weights, accumulator)

    got = jax.jit(jax.vmap(one, in_axes=tuple(axes.values())))(*given_.values())
    for b in range(3):
        alone = [jax.tree.map(lambda y: y[b], x) if axes[name] == 0 else x for name, x in given_.items()]  # noqa: B023
        np.testing.assert_array_equal(got[b], one(*alone))


def test_gradient_is_the_finite_difference(example):
    history, edges, weights, accumulator, rng = example
    flags, amplitude = jnp.asarray(rng.random(9) < 0.6), jnp.asarray(rng.normal(size=9))

    @jax.jit
    def arrived(amplitude, noted, weights, accumulator):
        after = note_spikes(history._replace(amplitude=noted), flags, amplitude, 7)
        return jnp.sin(deliver_events(after, 7, edges, weights, accumulator))

    arguments = (amplitude, history.amplitude, weights, accumulator)
    check_grads(arrived, arguments, order=1, modes=["fwd", "rev"], rtol=1e-6)
    by_source = jnp.asarray(rng.normal(size=(9, 1)))
    check_grads(lambda w: arrived(1.0, history.amplitude, w, accumulator), (by_source,), order=1, modes=["fwd", "rev"], rtol=1e-6)
    check_grads(lambda w: arrived(1.0, history.amplitude, w, accumulator), (jnp.float64(0.7),), order=1, modes=["rev"], rtol=1e-6)
    batch = jnp.stack([weights, 2 * weights])
    gradient = jax.grad(lambda w: jnp.sum(arrived(amplitude, history.amplitude, w, accumulator)))
    np.testing.assert_allclose(jax.vmap(gradient)(batch), jnp.stack([gradient(w) for w in batch]), rtol=1e-12)


def test_gradient_without_amplitudes(example):
    _, edges, weights, accumulator, rng = example
    history, _ = record(rng, 9, 4, 7, np.float64, plain=True)

    @jax.jit
    def arrived(weights, accumulator):
        after = note_spikes(history, jnp.arange(9) % 2 == 0, 1, 7)
        return jnp.sin(deliver_events(after, 7, edges, weights, accumulator))

    check_grads(arrived, (weights, accumulator), order=1, modes=["fwd", "rev"], rtol=1e-6)


def test_a_differentiated_loop(example):
    history, edges, weights, _, rng = example
    flags = jnp.asarray(rng.random((12, 9)) < 0.3)

    def total(weights):
        def step(carry, inputs):
            history, g = carry
            k, flags = inputs
            history = note_spikes(history, flags, 1.0, k)
            g = deliver_events(history, k, edges, weights, 0.9 * g)
            return (history, g), jnp.sum(g**2)

        return jnp.sum(jax.lax.scan(step, (history, jnp.zeros(6)), (jnp.arange(12), flags))[1])

    check_grads(total, (weights,), order=1, modes=["rev"], rtol=1e-6)


def test_state_is_updated_in_place_in_a_loop(native):
    n, slots = 1000, 16
    edges, _ = sort_edges(np.arange(n), np.arange(n)[::-1], np.arange(n) % slots, n, n)

    def run(history, g):
        def body(carry):
            k, history, g = carry
            history = note_spikes(history, jnp.arange(n) % 100 == k % 100, 1.0, k)
            return k + 1, history, deliver_events(history, k, edges, 1.0, g)

        return jax.lax.while_loop(lambda carry: carry[0] < 50, body, (jnp.int64(0), history, g))[1:]

    state = jax.tree.map(jnp.asarray, empty_history(n, slots)), jnp.zeros(n)
    compiled = jax.jit(run, donate_argnums=(0, 1)).lower(*state).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < state[0].amplitude.nbytes / 4


def test_edges_are_sorted_by_source_then_delay_then_target():
    pre, post, delay = (np.array(x) for x in ([1, 1, 0, 1, 1], [3, 1, 0, 2, 0], [5, 2, 5, 2, 5]))
    edges, order = sort_edges(pre, post, delay, 3, 4)
    assert order.tolist() == [2, 1, 3, 4, 0]
    assert edges.delays.tolist() == [2, 5]
    assert edges.segments.tolist() == [[[0, 0, 1], [1, 3, 5], [5, 5, 5]]]
    edges, order = sort_edges(pre, post, delay, 3, 4, blocks=2)
    assert order.tolist() == [2, 1, 4, 3, 0]
    assert edges.segments.tolist() == [[[0, 0, 1], [1, 2, 3], [3, 3, 3]], [[3, 3, 3], [3, 4, 5], [5, 5, 5]]]
    assert edges.bounds.tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    ("pre", "post", "delay"),
    [([3], [0], [0]), ([-1], [0], [0]), ([0], [-1], [0]), ([0], [4], [0]), ([0], [0], [-1])],
)
def test_edges_that_cannot_be_are_refused(pre, post, delay):
    with pytest.raises(ParameterError):
        sort_edges(np.array(pre), np.array(post), np.array(delay), 3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": jnp.ones(3)}, "weights"),
        ({"accumulator": jnp.zeros(6, jnp.float32)}, "history's type"),
        ({"edges": DelayedEdges(np.zeros(1, "i4"), np.zeros((1, 9, 3), "i4"), np.zeros(60, "i4"), np.zeros(2, "i8"))}, "segments"),
        ({"edges": DelayedEdges(np.zeros(1, "i4"), np.zeros((1, 9, 2), "i4"), np.zeros(60, "i4"), np.zeros(3, "i8"))}, "bounds"),
        ({"offset": 0.5}, "one integer"),
        ({"step": 0.5}, "one integer"),
    ],
)
def test_bad_arguments_are_refused(example, change, message):
    history, edges, weights, accumulator, _ = example
    arguments = {"history": history, "step": 0, "edges": edges, "weights": weights, "accumulator": accumulator, **change}
    with pytest.raises(ParameterError, match=message):
        deliver_events(**arguments)


def test_bad_histories_and_flags_are_refused(x64):
    with pytest.raises(ParameterError, match="slots"):
        empty_history(3, 0)
    with pytest.raises(ParameterError, match="flags"):
        note_spikes(empty_history(3, 1), jnp.zeros(4, bool), 1.0, 0)
    with pytest.raises(ParameterError, match="keeps no amplitudes"):
        note_spikes(empty_history(3, 1, amplitudes=False), jnp.zeros(3, bool), 2.0, 0)
    with pytest.raises(ParameterError, match="a history is"):
        note_spikes(SpikeHistory(jnp.zeros(3), jnp.zeros(3), jnp.zeros(3)), jnp.zeros(3, bool), 1.0, 0)
