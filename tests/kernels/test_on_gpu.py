"""The kernels for a GPU: interpreted against the reference, and lowered for one. Neither needs a GPU."""

import functools
import importlib
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.kernels.an_h200 import on_an_h200
from tests.kernels.test_deliver_events import network

import ranvier as rv
from ranvier.kernels import compact_spikes, deliver_events, dispatch, empty_history, note_spikes, on_gpu, sort_edges

events = importlib.import_module("ranvier.kernels.deliver_events")
spikes = importlib.import_module("ranvier.kernels.compact_spikes")
deliver, note, append = (jax.jit(functools.partial(f, interpret=True)) for f in (on_gpu.deliver, on_gpu.note, on_gpu.append))


def delivery(seed, weighting="edge", plain=False, blocks=1, dtype=np.float64, n_pre=30, n_post=20, edges=700, longest=3, offset=0):
    """Operands of a delivery, as the reference takes them."""
    rng = np.random.default_rng(seed)
    pre, post, delay = network(rng, n_pre, n_post, edges, longest)
    sorted_, order = sort_edges(pre, post, delay, n_pre, n_post, blocks)
    weights = {"one": (1, 1), "source": (n_pre, 1), "edge": (1, len(order))}[weighting]
    flags, shape = rng.random((longest + 1, n_pre)) < 0.3, (longest + 1, 0 if plain else n_pre)
    flags[:, 0] = True
    listed = np.argsort(~flags, axis=1, kind="stable").astype(np.int32)
    history = listed, rng.normal(size=shape).astype(dtype), flags.sum(axis=1).astype(np.int32)
    start = rng.normal(size=n_post + 2 * offset).astype(dtype)
    operands = (*history, 6, *sorted_, rng.normal(size=weights).astype(dtype), offset, start)
    operands = tuple(jnp.asarray(x) for x in operands)
    return on_gpu.most_arriving(operands[6], operands[8], len(start)), *operands


@pytest.mark.parametrize(
    "case",
    [
        {"dtype": np.float32},
        {"weighting": "one", "plain": True, "blocks": 3, "offset": 2},
        {"weighting": "source", "edges": 8000},
        {"edges": 0},
        {"n_pre": 1, "edges": 400, "longest": 0, "plain": True},
    ],
    ids=lambda case: " ".join(map(str, case)) or "plain",
)
def test_what_arrives_is_what_the_reference_adds_up(x64, case):
    operands = delivery(1, **case)
    (got,) = deliver(*operands)
    assert got.dtype == operands[-1].dtype
    wanted = jax.jit(events._deliver_reference)(*operands[1:])[0]
    largest = [np.abs(np.asarray(operands[i], np.float64)).max(initial=1.0) for i in (2, 9, -1)]
    events_at_most = 1000  # of which the reference rounds each sum
    bound = events_at_most * np.finfo(operands[-1].dtype).eps * max(largest[0] * largest[1] * 20, largest[2])
    np.testing.assert_allclose(got, wanted, rtol=0, atol=bound)
    assert np.any(np.asarray(got) != np.asarray(operands[-1])) == (len(operands[7]) > 0)


def test_the_sum_is_exact_where_the_events_are_multiples_of_the_quantum(x64):
    operands = list(delivery(2, plain=True, edges=5000))
    operands[9] = jnp.asarray(np.asarray(operands[9], np.float32), jnp.float64)  # 24 bits each
    got = np.asarray(deliver(*operands)[0])
    _, source, _, count, _, delays, segments, target, _, weights, _, start = map(np.asarray, operands)
    wanted = [Fraction(0)] * len(start)
    for d, delay in enumerate(delays):
        row = (6 - delay) % len(count)
        for s in source[row, : count[row]]:
            for e in range(*segments[0, s, d : d + 2]):
                wanted[target[e]] += Fraction(float(weights[0, e]))
    assert got.tolist() == [float(s) + float(w) for s, w in zip(start, wanted, strict=True)]


def test_the_order_of_events_does_not_matter(x64):
    operands = list(delivery(3, plain=True))
    shuffled = np.array(operands[1])
    for row, n in zip(shuffled, np.asarray(operands[3]), strict=True):
        row[:n] = row[:n][::-1]
    for dtype in (np.float32, np.float64):
        operands[9], operands[2], operands[-1] = (x.astype(dtype) for x in (operands[9], operands[2], operands[-1]))
        one, other = deliver(*operands)[0], deliver(operands[0], jnp.asarray(shuffled), *operands[2:])[0]
        np.testing.assert_array_equal(one, other)


def test_contents_out_of_range_are_skipped(x64):
    history = (jnp.array([[0, 5, -1]], jnp.int32), jnp.ones((1, 3)), jnp.array([90], jnp.int32))
    delays, segments = jnp.array([-1, 0, 1], jnp.int32), jnp.array([[[0, 1, 4, 4]] * 3], jnp.int32)
    target, bounds = jnp.array([0, 1, -1, 2], jnp.int32), jnp.array([0, 2])
    most = on_gpu.most_arriving(target, jnp.ones((1, 4)), 2)
    operands = (most, *history, jnp.int64(0), delays, segments, target, bounds, jnp.ones((1, 4)), jnp.int64(0), jnp.zeros(2))
    assert deliver(*operands)[0].tolist() == [0.0, 1.0]
    for at, wanted in ((1, [0.0, 0.0]), (-1, [0.0, 0.0]), (2**62, [0.0, 0.0])):
        assert deliver(*operands[:-2], jnp.int64(at), operands[-1])[0].tolist() == wanted


@pytest.mark.parametrize("weight", [np.nan, np.inf])
def test_a_weight_that_is_no_number_is_seen(x64, weight):
    operands = list(delivery(4, plain=True))
    operands[9] = operands[9].at[0, 0].set(weight)
    operands[0] = on_gpu.most_arriving(operands[7], operands[9], 20)
    assert not np.isfinite(deliver(*operands)[0]).all()


@pytest.mark.parametrize("most", [0.0, 1e-300, 1e-30, 1.0, 21.0, 2.0**31, 1e300])
def test_no_sum_overflows_and_the_quantum_is_as_fine_as_can_be(x64, most):
    quantum = float(on_gpu.quantum_of(most))
    assert 0 < most / quantum <= 2**53 or most == 0
    assert quantum == 2.0**-1022 or most / quantum >= 2**52


@pytest.mark.parametrize("n", [0, 1, 1024, 3500, 70_000])
@pytest.mark.parametrize(("plain", "amplitudes"), [(True, 1), (False, 1), (False, None)])
def test_spikes_are_noted_with_the_same_bits(x64, n, plain, amplitudes):
    rng = np.random.default_rng(5)
    history = empty_history(n, 3, np.float32, amplitudes=not plain)
    history = [jnp.asarray(x) for x in note_spikes(history, jnp.asarray(rng.random(n) < 0.2), 1.0, 0)]
    amplitude = jnp.asarray(rng.normal(size=amplitudes or n), np.float32)
    for share in (0.0, 0.3, 1.0):
        operands = (jnp.asarray(rng.random(n) < share), amplitude, jnp.int64(7), *history)
        for got, wanted in zip(note(*operands), events._note_reference(*operands), strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize(("count", "capacity"), [(0, 4000), (-3, 4000), (3900, 4000), (2**40, 4000), (0, 0)])
def test_spikes_are_appended_with_the_same_bits(x64, count, capacity):
    flags = jnp.asarray(np.random.default_rng(6).random(1500) < 0.3)
    buffers = jnp.full(capacity, -1, jnp.int64), jnp.full(capacity, -1, jnp.int32), jnp.int64(count)
    operands = (flags, jnp.int64(2**40 + 7), *buffers)
    for got, wanted in zip(append(*operands), spikes._reference(*operands), strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_a_batch_is_a_loop(x64):
    operands = delivery(7, edges=300)
    several = jnp.stack([operands[9], 2 * operands[9]])
    starts = jnp.stack([operands[-1], -operands[-1]])
    got = jax.vmap(lambda weights, start: deliver(*operands[:9], weights, operands[10], start)[0])(several, starts)
    for b in range(2):
        np.testing.assert_array_equal(got[b], deliver(*operands[:9], several[b], operands[10], starts[b])[0])


def text_for_a_gpu(function, *operands):
    with on_an_h200():
        return jax.jit(function).trace(*operands).lower(lowering_platforms=("cuda",)).as_text()


@pytest.fixture
def a_gpu(monkeypatch, x64):
    monkeypatch.setattr(dispatch, "platform", lambda: "gpu")
    monkeypatch.delenv("RANVIER_KERNELS", raising=False)
    return monkeypatch


def test_a_gpu_gets_them_and_a_tpu_does_not(a_gpu):
    _, source, amplitude, count, step, *edges, weights, offset, start = delivery(8)
    flags, empty = jnp.zeros(30, bool), (jnp.zeros(9, jnp.int64), jnp.zeros(9, jnp.int32), jnp.int64(0))
    calls = {
        "deliver": lambda: deliver_events((source, amplitude, count), step, events.DelayedEdges(*edges), weights.ravel(), start, offset),
        "note": lambda: note_spikes((source, amplitude, count), flags, 1.0, step),
        "append": lambda: compact_spikes(flags, step, *empty),
    }
    for name, call in calls.items():
        assert text_for_a_gpu(call).count("custom_call @__gpu$xla.gpu.triton") == 1, name
        assert "custom_call" not in jax.jit(call).trace().lower(lowering_platforms=("tpu",)).as_text()


def test_the_environment_switches_them_off(a_gpu):
    a_gpu.setenv("RANVIER_KERNELS", "reference")
    dispatch.native_available.cache_clear()
    assert "custom_call" not in text_for_a_gpu(
        lambda: compact_spikes(jnp.zeros(3, bool), 1, jnp.zeros(9, jnp.int64), jnp.zeros(9, jnp.int32), 0)
    )
    a_gpu.undo()
    dispatch.native_available.cache_clear()


def test_a_network_runs_on_them_as_on_the_reference(monkeypatch):
    """Interpreted in the place of the reference, where the order of additions alone could tell them apart."""
    net = rv.models.brunel(scale=0.01)
    wanted = rv.simulate(net, duration=15.0, dt=0.1)

    def choose(native, reference, *operands, gpu=None):
        return (reference if gpu is None else functools.partial(gpu, interpret=True))(*operands)

    monkeypatch.setattr(dispatch, "choose", choose)
    got = rv.simulate(rv.models.brunel(scale=0.01), duration=15.0, dt=0.1)
    assert len(wanted.spikes) > 100
    np.testing.assert_array_equal(got.spikes.steps, wanted.spikes.steps)
    np.testing.assert_array_equal(got.spikes.neurons, wanted.spikes.neurons)
