"""Equations whose elements do not see each other: the native kernel beside NumPy's loop, and what stays with XLA."""

import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier import integrators
from ranvier.kernels import dispatch
from ranvier.odeint import Event, elementwise, odeint

T = np.linspace(0, 2, 101)
START = np.linspace(0.5, 2.0, 50)
ROWS = np.linspace(-1.0, 1.0, 50)


@pytest.fixture
def native(monkeypatch):
    """Whether the kernel took each problem since."""
    if not dispatch.native_available():
        pytest.skip("without the native module there is nothing to compare")
    found, march = [], elementwise.march

    def noted(*arguments):
        found.append(march(*arguments))
        return found[-1]

    monkeypatch.setattr(elementwise, "march", noted)
    return lambda: [x is not None for x in found]


def both(f, y0, t=T, args=(), tolerance=1e-11, **options):
    """The solution on JAX, once it has been held against that on NumPy."""
    with jax.enable_x64(True):
        given = tuple(jnp.asarray(x) if isinstance(x, np.ndarray) else x for x in args)
        ours = odeint(lambda y, t, *a: f(jnp, y, t, *a), jax.tree.map(jnp.asarray, y0), t, args=given, **options)
        numpys = odeint(lambda y, t, *a: f(np, y, t, *a), y0, t, args=args, **options)
    assert jax.tree.structure(ours) == jax.tree.structure(numpys)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(numpys), strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)
    return ours


@pytest.mark.parametrize("n", [2, 3, 15, 16, 17, 63, 1000, 1025, 5000])
@pytest.mark.parametrize("method", [integrators.Euler(), integrators.RungeKutta4(), integrators.ThreeEighths()], ids=repr)
def test_any_number_of_equations(native, n, method):
    both(lambda m, y, t: m.sin(y * t), np.linspace(0.5, 2.0, n), T[:21], integrator=method)
    assert native() == [True]


@pytest.mark.parametrize(
    "f",
    [
        lambda m, y, t: m.tanh(y) + m.exp(-y) - m.log(y + 2) + m.cos(t * y) + m.expm1(-y) + 1 / (1 + y * y),
        lambda m, y, t: m.where(y > 0.7, -y, t * y),
        lambda m, y, t: 0 * y,
        lambda m, y, t: m.ones_like(y),
        lambda m, y, t: m.full_like(y, t),
        lambda m, y, t: -ROWS * y + m.sqrt(m.abs(y)),
    ],
)
def test_any_function_of_each_element(native, f):
    both(f, START)
    assert native() == [True]


def oscillator(m, y, t):
    return {"a": y["b"], "b": -y["a"] + t}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"save_every": 7},
        {"save_every": 100},
        {"save": lambda y, t: y["a"], "save_every": 3},
        {"save": lambda y, t: {"sum": y["a"] + y["b"], "product": y["a"] * t}},
        {"save": lambda y, t: y["b"] > 0.5},
    ],
)
def test_states_of_several_arrays_and_what_is_kept(native, options):
    both(oscillator, {"a": START, "b": 0 * START}, **options)
    assert native() == [True]


def test_shapes_precisions_and_arguments(native):
    shaped = START.reshape(5, 1, 10)
    for dtype, tolerance in ((np.float64, 1e-11), (np.float32, 1e-4)):
        both(lambda m, y, t: m.sin(y * t), shaped.astype(dtype), tolerance=tolerance)
    both(lambda m, y, t, a, b, c: -a * y**c + b, START, args=(2.0, ROWS, 3))
    both(lambda m, y, t: -y, START, t=[0.0, 0.0, 0.1, 0.1, 0.3])
    assert native() == [True] * 4


@pytest.mark.parametrize("number", [2.0, np.float64(2.0), 2])
def test_a_number_as_argument_takes_the_precision_of_the_state(native, number):
    with jax.enable_x64(True):
        for dtype in (np.float32, np.float64):
            rows = odeint(lambda y, t, a: -a * y, jnp.ones(5, dtype), T, args=(number,))
            assert rows.dtype == dtype
            np.testing.assert_allclose(rows[-1], np.exp(-4.0), rtol=1e-5)
    assert False not in native()


def test_events(native):
    current = np.linspace(0.0, 30.0, 64)
    reset = lambda y, t, spiked: {"V": jnp.where(spiked, -65.0, y["V"]), "last": jnp.where(spiked, t, y["last"])}
    both(
        lambda m, y, t: {"V": (-65.0 - y["V"] + current) / 10, "last": m.zeros(64)},
        {"V": np.full(64, -65.0), "last": np.full(64, -1.0)},
        np.arange(0, 50, 0.1),
        events=Event(lambda y, t: y["V"] + 50, lambda y, t, s: jax.tree.map(type_of(y), reset(y, t, s))),
    )
    assert native() == [True]


def type_of(y):
    return np.asarray if isinstance(y["V"], np.ndarray) else jnp.asarray


@pytest.mark.parametrize(
    ("f", "y0", "options"),
    [
        (lambda m, y, t: m.roll(y, 1) - y, START, {}),
        (lambda m, y, t: -y + y.mean(), START, {}),
        (lambda m, y, t: -y[::-1], START, {}),
        (lambda m, y, t: -y.T, START[:49].reshape(7, 7), {}),
        (lambda m, y, t: -y * y[0], START, {}),
        (lambda m, y, t: -y * START[None, :7], START[:49].reshape(7, 7), {}),
        (lambda m, y, t: {"a": -y["a"], "b": -y["b"]}, {"a": START, "b": START[1:]}, {}),
        (lambda m, y, t: -(y**1.5), START, {}),
        (lambda m, y, t: -y, START, {"integrator": integrators.AdamsBashforth2()}),
        (lambda m, y, t: -y, START, {"save": lambda y, t: y.mean()}),
        (lambda m, y, t: -y, START, {"save": lambda y, t: (y, y)}),
        (lambda m, y, t: -y, START, {"save_every": 1000}),
        (lambda m, y, t: -y, START, {"t": [0.0]}),
        (lambda m, y, t: -y, START[:1], {}),
    ],
)
def test_what_stays_with_xla(native, f, y0, options):
    both(f, y0, **options)
    assert native() == [False]


def test_the_same_bits_whoever_stands_beside():
    f, x0 = lambda x, t: jnp.sin(x * t) - jnp.log(x) * jnp.tanh(x), jnp.linspace(0.5, 2.0, 3000)
    whole = odeint(f, x0, T)
    for begin, end in ((0, 2), (7, 10), (100, 1100), (2990, 3000), (1, 2048)):
        assert np.array_equal(odeint(f, x0[begin:end], T), whole[:, begin:end])


def test_large_and_special_numbers():
    x0 = np.array([1e20, 3e9, 1.0, np.nan, np.inf, -0.0])
    with jax.enable_x64(True):
        rows = odeint(lambda x, t: jnp.sin(x) + 0 * x, jnp.asarray(x0), [0.0, 1.0], integrators.Euler())
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(rows[-1], x0 + np.sin(x0) + 0 * x0, rtol=1e-14)


def test_derivatives_batches_and_other_programs():
    f, x0 = lambda x, t, a: jnp.sin(a * x * t), jnp.linspace(0.5, 2.0, 6)
    end = lambda x, a: odeint(f, x, T, args=(a,))[-1]
    with jax.enable_x64(True):
        x0 = jnp.linspace(0.5, 2.0, 6)
        difference = (end(x0, 1.1 + 1e-6) - end(x0, 1.1 - 1e-6)) / 2e-6
        np.testing.assert_allclose(jax.jacrev(end, 1)(x0, 1.1), difference, rtol=1e-6)
        np.testing.assert_allclose(jax.jacfwd(end, 1)(x0, 1.1), difference, rtol=1e-6)
        np.testing.assert_allclose(jax.grad(lambda a: odeint(lambda x, t: f(x, t, a), x0, T)[-1].sum())(1.1), difference.sum(), rtol=1e-6)
        np.testing.assert_allclose(jax.vmap(lambda x: end(x, 1.1))(x0.reshape(3, 2)), end(x0, 1.1).reshape(3, 2), rtol=1e-12)
        assert np.array_equal(jax.jit(end)(x0, 1.1), end(x0, 1.1))
        later = jax.grad(lambda stop: odeint(lambda x, t: -x, x0, jnp.linspace(0.0, stop, 101))[-1].sum())(1.0)
        np.testing.assert_allclose(later, -np.exp(-1) * x0.sum(), rtol=1e-6)


def test_what_f_prints_and_draws():
    seen = []

    def telling(y, t):
        jax.debug.callback(lambda t: seen.append(float(t)), t)
        return -y

    odeint(telling, jnp.ones(4), [0.0, 0.5, 1.0], integrators.Euler()).block_until_ready()
    jax.effects_barrier()
    assert sorted(seen) == [0.0, 0.5]
    noise = lambda y, t: jax.random.normal(jax.random.fold_in(jax.random.key(0), (10 * t).astype(int)), y.shape)
    assert odeint(noise, jnp.ones(4), T)[-1].std() > 0


def test_derivatives_of_batches_and_batches_of_derivatives():
    x0 = jnp.linspace(0.5, 2.0, 6).reshape(3, 2)
    one = lambda x: odeint(lambda x, t: jnp.sin(x * t), x, T)[-1].sum()
    each = jax.vmap(jax.grad(one))(x0)
    np.testing.assert_allclose(jax.grad(lambda x: jax.vmap(one)(x).sum())(x0), each, rtol=1e-5)
    np.testing.assert_allclose(jnp.stack([jax.grad(one)(x) for x in x0]), each, rtol=1e-5)


SPREAD = """
import jax, jax.numpy as jnp, numpy as np
from ranvier.odeint import odeint
jax.config.update("jax_num_cpu_devices", 2)
mesh, spec = jax.sharding.Mesh(np.array(jax.devices()), ("x",)), jax.sharding.PartitionSpec
solve = lambda y: odeint(lambda y, t: -y, y, np.linspace(0, 1, 11))
y0 = jax.device_put(jnp.linspace(0, 1, 64), jax.sharding.NamedSharding(mesh, spec("x")))
want = solve(jnp.linspace(0, 1, 64))
rows = solve(y0)
assert len(rows.sharding.device_set) == 2 and not rows.sharding.is_fully_replicated, rows.sharding
np.testing.assert_allclose(rows, want, rtol=1e-6)
np.testing.assert_allclose(jax.jit(solve)(y0), want, rtol=1e-6)
np.testing.assert_allclose(jax.shard_map(solve, mesh=mesh, in_specs=spec("x"), out_specs=spec(None, "x"))(y0), want, rtol=1e-6)
there = solve(jax.device_put(jnp.linspace(0, 1, 64), jax.devices()[1]))
assert there.devices() == {jax.devices()[1]}
np.testing.assert_allclose(there, want, rtol=1e-6)
"""


def test_states_on_several_devices():
    subprocess.run([sys.executable, "-c", SPREAD], check=True)


def test_a_bar_that_is_asked_for_is_shown_all_the_same(capsys):
    x = odeint(lambda x, t: -x, jnp.ones(50), T, progress=True)
    np.testing.assert_allclose(x, odeint(lambda x, t: -x, jnp.ones(50), T), rtol=1e-6)
