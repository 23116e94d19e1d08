import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ranvier.errors import ParameterError
from ranvier.kernels import compact_spikes

module = importlib.import_module("ranvier.kernels.compact_spikes")
SIZES = [0, 1, 7, 8, 9, 63, 64, 65, 1000]
modestly = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)


def state(capacity, count=0):
    return jnp.full(capacity, -1, jnp.int64), jnp.full(capacity, -1, jnp.int32), jnp.int64(count)


def expected(flags, step, steps, neurons, count):
    steps, neurons, count = np.array(steps), np.array(neurons), int(count)
    for i in np.flatnonzero(flags):
        if 0 <= count < len(steps):
            steps[count], neurons[count] = step, i
        count += 1
    return steps, neurons, count


@modestly
@given(
    n=st.sampled_from(SIZES),
    capacity=st.sampled_from([0, 1, 8, 2000]),
    count=st.sampled_from([-3, 0, 1, 5, 1999, 2**40]),
    share=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_native_and_reference_append_what_a_loop_appends(native, n, capacity, count, share, seed):
    flags = np.random.default_rng(seed).random(n) < share
    arguments = (jnp.asarray(flags), jnp.int64(2**40 + 7), *state(capacity, count))
    wanted = expected(flags, 2**40 + 7, *arguments[2:])
    for function in (compact_spikes, jax.jit(module._native), jax.jit(module._reference)):
        for got, want in zip(function(*arguments), wanted, strict=True):
            np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("axes", [(0, None, None, None, None), (None, 0, None, None, None), (0, 0, 0, 0, 0), (None, None, 0, 0, None)])
def test_vmap_is_a_loop(native, axes):
    rng = np.random.default_rng(1)
    flags, steps = jnp.asarray(rng.random((3, 70)) < 0.1), jnp.arange(3)
    buffers = [jnp.stack([x + i for i in range(3)]) for x in state(40)]
    arguments = [x if axis == 0 else x[0] for x, axis in zip([flags, steps, *buffers], axes, strict=True)]
    got = jax.jit(jax.vmap(compact_spikes, in_axes=axes))(*arguments)
    for b in range(3):
        wanted = module._reference(*(x[b] if axis == 0 else x for x, axis in zip(arguments, axes, strict=True)))
        for g, w in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(g[b], w)


def test_nested_vmap_with_each_axis_on_another_operand(native):
    flags, steps = jnp.asarray(np.random.default_rng(2).random((3, 20)) < 0.3), jnp.arange(4)
    one = lambda f, k: compact_spikes(f, k, *state(30))
    inner = jax.vmap(one, in_axes=(None, 0))
    got = jax.jit(jax.vmap(inner, in_axes=(0, None)))(flags, steps)
    for i in range(3):
        for j in range(4):
            for g, w in zip(got, one(flags[i], steps[j]), strict=True):
                np.testing.assert_array_equal(g[i, j], w)


def test_a_gradient_passes_by(x64):
    def total(gain):
        def step(carry, k):
            V, spikes = carry
            V = 1.1 * gain * V
            spiked = V > 1.0
            return (jnp.where(spiked, V - 1, V), compact_spikes(spiked, k, *spikes)), jnp.sum(V)

        return jnp.sum(jax.lax.scan(step, (jnp.linspace(0.1, 0.9, 20), state(100)), jnp.arange(10))[1])

    finite_difference = (total(1 + 1e-6) - total(1 - 1e-6)) / 2e-6
    np.testing.assert_allclose(jax.grad(total)(1.0), finite_difference, rtol=1e-6)


def test_buffers_are_updated_in_place_in_a_loop(native):
    def run(spikes):
        def body(carry):
            k, spikes = carry
            return k + 1, compact_spikes(jnp.arange(16) == k % 16, k, *spikes)

        return jax.lax.while_loop(lambda carry: carry[0] < 100, body, (jnp.int64(0), spikes))[1]

    compiled = jax.jit(run, donate_argnums=0).lower(state(1000)).compile()
    assert compiled.memory_analysis().temp_size_in_bytes < 1000
    steps, neurons, count = compiled(state(1000))
    assert int(count) == 100
    np.testing.assert_array_equal(steps[:100], np.arange(100))
    np.testing.assert_array_equal(neurons[:100], np.arange(100) % 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"flags": jnp.zeros(3)}, "flags must be bool"),
        ({"buffer_step": jnp.zeros(4, jnp.int32)}, "int64"),
        ({"buffer_neuron": jnp.zeros(5, jnp.int32)}, "lengths differ"),
        ({"step": 1.5}, "one integer"),
        ({"count": jnp.zeros(2, jnp.int32)}, "one integer"),
    ],
)
def test_bad_arguments_are_refused(x64, change, message):
    steps, neurons, count = state(4)
    arguments = {"flags": jnp.zeros(3, bool), "step": 0, "buffer_step": steps, "buffer_neuron": neurons, "count": count, **change}
    with pytest.raises(ParameterError, match=message):
        compact_spikes(**arguments)


def test_without_int64_it_says_so():
    with pytest.raises(ParameterError, match="enable_x64"):
        compact_spikes(jnp.zeros(3, bool), 0, jnp.zeros(4, jnp.int32), jnp.zeros(4, jnp.int32), 0)
