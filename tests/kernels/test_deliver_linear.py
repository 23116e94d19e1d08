import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels import deliver_linear, note_spikes, sort_edges
from ranvier.kernels.deliver_events import empty_history

N, POST, SLOTS = 9, 6, 4


@pytest.fixture(params=["listed", "everyone"])
def given(request, x64):
    """Where spikes and edges are: lists of those that spiked, or a place for everyone."""
    rng = np.random.default_rng(3)
    pre, post, delay = (rng.integers(0, n, 60) for n in (N, POST, SLOTS))
    edges, _ = sort_edges(pre, post, delay, N, POST, blocks=2)
    history = empty_history(N, SLOTS)
    for k in range(7):
        flags = rng.random(N) < 0.5 if request.param == "listed" else np.ones(N, bool)
        history = note_spikes(history, flags, rng.normal(size=N), k)
    amplitude = jnp.asarray(history.amplitude)
    amplitude = jnp.where(jnp.asarray(rng.random(amplitude.shape)) < 0.3, 0.0, amplitude)
    operands = (history.source, history.count, jnp.int64(7), *edges, jnp.int64(1))
    return tuple(map(jnp.asarray, operands)), amplitude, rng


def weights_of(kind, rng):
    return jnp.asarray(rng.normal(size={"one": (1, 1), "source": (N, 1), "edge": (1, 60)}[kind]))


@pytest.mark.parametrize(("kind", "dtype"), [("one", jnp.float64), ("source", jnp.float64), ("edge", jnp.float64), ("edge", jnp.float32)])
def test_native_sums_are_those_of_the_reference_and_of_each_other(native, given, kind, dtype):
    where, amplitude, rng = given
    weights, amplitude = weights_of(kind, rng).astype(dtype), amplitude.astype(dtype)
    change = jnp.asarray(rng.normal(size=POST + 2), dtype)
    cases = {
        deliver_linear.ARRIVING: ((POST + 2,), amplitude, weights),
        deliver_linear.TO_WEIGHTS: (weights.shape, amplitude, change),
        deliver_linear.TO_AMPLITUDES: (amplitude.shape, weights, change),
    }
    least = 1e-5 if dtype == jnp.float32 else 1e-12
    near = functools.partial(np.testing.assert_allclose, rtol=10 * least, atol=least)
    found = {}
    for name, (shape, x, y) in cases.items():
        one, other = (jax.jit(functools.partial(f, name, shape))(*where, x, y) for f in (deliver_linear._native, deliver_linear._reference))
        near(one, other)
        found[name] = one
    whole = jnp.vdot(found[deliver_linear.ARRIVING], change)
    near(jnp.vdot(found[deliver_linear.TO_WEIGHTS], weights), whole)
    noted = jnp.arange(N)[None] < where[1][:, None]
    near(jnp.vdot(found[deliver_linear.TO_AMPLITUDES], jnp.where(noted, amplitude, 0)), whole)


def test_derivatives_of_every_order_and_of_batches_are_those_of_plain_jax(given):
    (source, count, _, *rest, offset), amplitude, rng = given
    weights, steps = weights_of("edge", rng), jnp.arange(5, 8)

    def arrived(a, w, k):
        return deliver_linear.arriving(source, a, count, k, *rest, w, offset, POST + 2)

    def plain(a, w, k):
        return deliver_linear._reference(deliver_linear.ARRIVING, (POST + 2,), source, count, k, *rest, offset, a, w)

    def of(sums, at_once):
        def loss(a, w):
            each = jax.vmap(lambda k: sums(a, w, k))(steps) if at_once else jnp.stack([sums(a, w, k) for k in steps])
            return jnp.sin(each).sum()

        def found(a, w, b):
            slope = jax.grad(loss, (0, 1))
            along = jax.jvp(slope, (a, w), (b * a, jnp.cos(w)))[1]  # second derivatives, forwards over backwards
            back = jax.grad(lambda a, w: sum(jnp.vdot(x, jnp.cos(x)) for x in slope(a, w)), (0, 1))(a, w)
            return slope(a, w), along, back

        return jax.jit(jax.vmap(found, in_axes=(None, None, 0)))(amplitude, weights, jnp.array([1.0, -0.5]))

    wanted = of(plain, False)
    for at_once in (True, False):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12), of(arrived, at_once), wanted)
