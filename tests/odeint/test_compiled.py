"""What the array libraries do to functions: jit, vmap, grad, autograd, compile, tf.function."""

import collections
import dataclasses
import functools
import importlib
import itertools
import sys
import types
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.integrators import AdamsBashforth4, Euler, RungeKutta4
from ranvier.odeint import Adaptive, Event, odeint

T = np.linspace(0, 1, 51)


# --- JAX


def test_jax_jit_vmap_and_grad():
    def last(a, x0):
        return odeint(lambda x, t, a: -a * x * t, x0, T, args=(a,))[-1].sum()

    x0 = jnp.array([1.0, 2.0])
    value = 3 * np.exp(-1.0)
    np.testing.assert_allclose(jax.jit(last)(2.0, x0), value, rtol=1e-5)
    np.testing.assert_allclose(jax.grad(last)(2.0, x0), -value / 2, rtol=1e-5)
    np.testing.assert_allclose(jax.jit(jax.grad(last, 1))(2.0, x0), np.exp([-1.0, -1.0]), rtol=1e-5)
    np.testing.assert_allclose(jax.vmap(last, (0, None))(jnp.array([0.0, 2.0]), x0), [3, value], rtol=1e-5)
    np.testing.assert_allclose(jax.jvp(lambda a: last(a, x0), (2.0,), (1.0,))[1], -value / 2, rtol=1e-5)


@pytest.mark.parametrize("method", [RungeKutta4(), AdamsBashforth4()], ids=repr)
@pytest.mark.parametrize("save_every", [1, 10])
def test_jax_gradient_is_the_finite_difference(method, save_every):
    def loss(a):
        rows = odeint(lambda x, t: jnp.sin(a * x) + t, jnp.array([0.3, 1.0]), T, method, save_every=save_every)  # a closure
        return (rows**2).sum()

    with jax.enable_x64(True):
        slope = jax.grad(loss)(1.2)
        difference = (loss(1.2 + 1e-6) - loss(1.2 - 1e-6)) / 2e-6
    np.testing.assert_allclose(slope, difference, rtol=1e-7)


def test_jax_gradient_with_respect_to_the_times_and_through_adaptive():
    end = lambda stop: odeint(lambda x, t: -x, jnp.ones(1), jnp.linspace(0.0, stop, 101))[-1, 0]
    np.testing.assert_allclose(jax.grad(end)(1.0), -np.exp(-1), rtol=1e-4)
    pytest.importorskip("diffrax", reason="an optional extra of the package")
    end = lambda a: odeint(lambda x, t, a: -a * x, jnp.ones(1), [0.0, 1.0], Adaptive(1e-5, 1e-6), args=(a,))[-1, 0]
    np.testing.assert_allclose(jax.grad(end)(2.0), -np.exp(-2), rtol=1e-3)


def test_jax_traces_once_for_an_f_and_its_numbers():
    count = itertools.count()  # read, but not looked into: a list that f appends to would be a change that it reads

    def f(x, t, a):
        next(count)
        return -a * x

    def traces():
        return int(repr(count)[6:-1])

    odeint(f, jnp.full(2, 0.0), T, Euler(), args=(0.0,))
    before = traces()
    assert before > 0
    for a in (1.0, 2.0, np.float64(3.0)):
        for x0 in (1.0, 2.0):
            x = odeint(f, jnp.full(2, x0), T, Euler(), args=(a,))
            assert x[1, 0] == pytest.approx(x0 * (1 - a * 0.02))
    odeint(f, jnp.ones(2), T + 1.0, Euler(), args=(1.0,))
    assert traces() == before
    odeint(f, jnp.ones(3), T, Euler(), args=(1.0,))
    assert traces() > before  # another shape


def test_a_lambda_written_again_is_the_same_function():
    count = itertools.count()
    for _ in range(3):
        odeint(lambda x, t: (next(count), -x)[1], jnp.ones(1), T, Euler())
    assert next(count) == 1


RATE = 1.0
SETTINGS = {"rate": [1.0]}
TABLE = np.array([1.0])


def reads_globals(x, t):
    return -helper() * x


def helper():
    return RATE * SETTINGS["rate"][0] * TABLE[0]


@pytest.mark.parametrize("name", ["jax", "tensorflow"])
def test_changed_globals_are_noticed(name, monkeypatch):
    if name == "tensorflow":
        tf = pytest.importorskip("tensorflow", reason="an optional extra of the package")
        y0 = tf.constant([1.0])
    else:
        y0 = jnp.ones(1)

    def step():
        return 1 - float(odeint(reads_globals, y0, [0.0, 0.1], Euler())[-1, 0])

    assert step() == pytest.approx(0.1, rel=1e-5)
    monkeypatch.setitem(globals(), "RATE", 2.0)
    assert step() == pytest.approx(0.2, rel=1e-5)
    monkeypatch.setitem(SETTINGS, "rate", [1.5])
    assert step() == pytest.approx(0.3, rel=1e-5)
    monkeypatch.setitem(globals(), "TABLE", TABLE * 2)
    assert step() == pytest.approx(0.6, rel=1e-5)


def test_changed_objects_and_defaults_are_noticed():
    settings = types.SimpleNamespace(rate=1.0)

    class Decay:
        def __init__(self, rate):
            self.rate = rate

        def __call__(self, x, t):
            return -self.rate * x

        def method(self, x, t):
            return -self.rate * x

    decay = Decay(1.0)
    y0 = jnp.ones(1)
    for f, change in [
        (lambda x, t: -settings.rate * x, lambda: setattr(settings, "rate", 2.0)),
        (decay, lambda: setattr(decay, "rate", 2.0)),
        (decay.method, lambda: setattr(decay, "rate", 3.0)),
    ]:
        before = float(odeint(f, y0, [0.0, 0.1], Euler())[-1, 0])
        change()
        assert float(odeint(f, y0, [0.0, 0.1], Euler())[-1, 0]) < before


def test_whatever_f_reads_is_noticed_when_it_changes(tmp_path, monkeypatch):
    (tmp_path / "settings_of_a_user.py").write_text("rate = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("settings_of_a_user")
    large, words = np.ones(1 << 18), bytearray(b"\x01")

    class Slots:
        __slots__ = ("rate",)

    class Cell:
        rate = 1.0

        def f(self, x, t):
            return -self.rate * x

    class Derived(Cell):
        @property
        def rates(self):
            return self.table["rate"]

    def of_function(x):
        return -of_function.rate * x

    slots, cell, of_function.rate = Slots(), Cell(), 1.0
    slots.rate = 1.0
    derived = Derived()
    derived.table = collections.UserDict(rate=1.0)
    scope = {"module": module}
    of_module = eval("lambda x, t: -module.rate * x", scope)
    for f, change in [
        (cell.f, lambda: setattr(cell, "rate", 2.0)),
        (Derived().f, lambda: setattr(Cell, "rate", 2.0)),
        (lambda x, t: -derived.rates * x, lambda: derived.table.update(rate=2.0)),
        (lambda x, t: of_function(x), lambda: setattr(of_function, "rate", 2.0)),
        (lambda x, t: -slots.rate * x, lambda: setattr(slots, "rate", 2.0)),
        (lambda x, t: -large[0] * x, lambda: large.__setitem__(0, 2.0)),
        (lambda x, t: -words[0] * x, lambda: words.__setitem__(0, 2)),
        (of_module, lambda: setattr(module, "rate", 2.0)),
    ]:
        assert float(odeint(f, jnp.ones(1), [0.0, 0.1], Euler())[-1, 0]) == pytest.approx(0.9)
        change()
        assert float(odeint(f, jnp.ones(1), [0.0, 0.1], Euler())[-1, 0]) == pytest.approx(0.8)


def _two_of_a_kind():
    first, second = types.SimpleNamespace(rate=1.0), types.SimpleNamespace(rate=1.0)
    return lambda x, t: -first.rate * second.rate * x, lambda: setattr(second, "rate", 2.0)


def _closure_cell():
    rate = 1.0

    def change():
        nonlocal rate
        rate = 2.0

    return lambda x, t: -rate * x, change


def _closure_of_a_closure():
    table = {"a": [(1.0, [1.0])]}
    inner = lambda: table["a"][0][1][0]
    return lambda x, t: -inner() * x, lambda: table["a"][0][1].__setitem__(0, 2.0)


def _memory_of_another_array():
    whole = np.ones(4)
    part = whole[::2]
    return lambda x, t: -part[1] * x, lambda: whole.__setitem__(2, 2.0)


def _partial_of_a_method():
    class Cell:
        def f(self, factor, x, t):
            return -factor[0] * self.rate * x

    cell, factor = Cell(), [1.0]
    cell.rate = 1.0
    return functools.partial(cell.f, factor), lambda: factor.__setitem__(0, 2.0)


def _defaults():
    def f(x, t, factor=[1.0], *, more=1.0):  # noqa: B006
        return -factor[0] * more * x

    return f, lambda: f.__defaults__[0].__setitem__(0, 2.0)


def _defaults_by_name():
    def f(x, t, *, factor=1.0):
        return -factor * x

    return f, lambda: f.__kwdefaults__.__setitem__("factor", 2.0)


def _other_code():
    def f(x, t):
        return -1.0 * x

    return f, lambda: setattr(f, "__code__", (lambda x, t: -2.0 * x).__code__)


def _method_of_a_class_replaced():
    class Cell:
        def rate(self):
            return 1.0

        def __call__(self, x, t):
            return -self.rate() * x

    return Cell(), lambda: setattr(Cell, "rate", lambda self: 2.0)


def _frozen():
    @dataclasses.dataclass(frozen=True)
    class Cell:
        rate: float = 1.0

        def f(self, x, t):
            return -self.rate * x

    cell = Cell()
    return cell.f, lambda: object.__setattr__(cell, "rate", 2.0)


def _what_a_defaultdict_makes():
    table = collections.defaultdict(lambda: 1.0)

    def change():
        table.clear()
        table.default_factory = lambda: 2.0

    return lambda x, t: -table["rate"] * x, change


def _weak_reference():
    class Cell:
        rate = 1.0

    cell = Cell()
    weak = weakref.ref(cell)
    return lambda x, t: -weak().rate * x, lambda: setattr(cell, "rate", 2.0)


def _method_of_a_list():
    table = [1.0]
    read = table.__getitem__
    return lambda x, t: -read(0) * x, lambda: table.__setitem__(0, 2.0)


def _table_of_pandas():
    table = pytest.importorskip("pandas", reason="comes with other packages").DataFrame({"rate": [1.0]})
    return lambda x, t: -float(table["rate"].iloc[0]) * x, lambda: table.__setitem__("rate", [2.0])


def _imported_inside():
    module = sys.modules["of_a_user_imported_inside"] = types.ModuleType("of_a_user_imported_inside")
    module.rate = 1.0

    def f(x, t):
        from of_a_user_imported_inside import rate

        return -rate * x

    return f, lambda: setattr(module, "rate", 2.0)


@pytest.mark.parametrize(
    "made",
    [
        _two_of_a_kind,
        _closure_cell,
        _closure_of_a_closure,
        _memory_of_another_array,
        _partial_of_a_method,
        _defaults,
        _defaults_by_name,
        _other_code,
        _method_of_a_class_replaced,
        _frozen,
        _what_a_defaultdict_makes,
        _weak_reference,
        _method_of_a_list,
        _table_of_pandas,
        _imported_inside,
    ],
)
def test_hidden_changes_are_noticed(made):
    f, change = made()
    rate = lambda: (1 - float(odeint(f, jnp.ones(1), [0.0, 0.1], Euler())[-1, 0])) / 0.1
    assert rate() == pytest.approx(1.0, rel=1e-5) and rate() == pytest.approx(1.0, rel=1e-5)
    change()
    assert rate() == pytest.approx(2.0, rel=1e-5)


def test_a_function_defined_again_under_its_name_is_another():
    scope = {}
    for rate in (1.0, 2.0):
        exec(f"def helper(x):\n    return -{rate} * x\ndef f(x, t):\n    return helper(x)", scope)
        x = odeint(scope["f"], jnp.ones(1), [0.0, 0.1], Euler())
        assert float(x[-1, 0]) == pytest.approx(1 - 0.1 * rate)


def test_times_changed_in_place_are_others():
    t = np.array([0.0, 0.1])
    step = lambda: float(odeint(lambda x, t: -x, jnp.ones(1), t, Euler())[-1, 0])
    assert step() == pytest.approx(0.9)
    t[1] = 0.2
    assert step() == pytest.approx(0.8)


def test_what_is_kept_with_a_compiled_loop_is_not_given_to_others():
    rates = []
    for rate in (1.0, 2.0, 3.0):  # each array is gone when the next is made, perhaps where it lay
        held = jnp.full(1, rate)
        rates.append((1 - float(odeint(lambda x, t, held=held: -held * x, jnp.ones(1), [0.0, 0.1], Euler())[-1, 0])) / 0.1)
        del held
    np.testing.assert_allclose(rates, [1.0, 2.0, 3.0], rtol=1e-5)


def test_float64_jax_arrays_stay_so_without_the_flag():
    assert not jax.config.jax_enable_x64
    with jax.enable_x64(True):
        y0 = jnp.array([1.0])
    x = odeint(lambda x, t: -x, y0, T)
    assert x.dtype == np.float64 and not jax.config.jax_enable_x64
    np.testing.assert_allclose(x[-1], np.exp(-1), rtol=1e-8)
    assert odeint(lambda x, t: -x, jnp.ones(1), T).dtype == np.float32
    with jax.enable_x64(True):
        assert odeint(lambda x, t: -x, jnp.ones(1, "float32"), T).dtype == np.float32


def test_gradient_through_a_reset_in_the_state():
    spike = Event(lambda y, t: y - 1.0, lambda y, t, e: jnp.where(e, y - 1.0, y))
    end = lambda rate: odeint(lambda y, t: 0 * y + rate, jnp.zeros(1), T, events=spike)[-1, 0]
    assert jax.grad(end)(2.6) == pytest.approx(1.0, rel=1e-5)


# --- PyTorch


@pytest.fixture
def torch():
    return pytest.importorskip("torch", reason="an optional extra of the package")


def test_torch_autograd(torch):
    a = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    x0 = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    x = odeint(lambda x, t: -a * x * t, x0, T)
    x[-1].sum().backward()
    np.testing.assert_allclose(a.grad, -3 * np.exp(-1) / 2, rtol=1e-6)
    np.testing.assert_allclose(x0.grad, np.exp([-1, -1]), rtol=1e-6)
    assert not odeint(lambda x, t: -x, x0.detach(), T).requires_grad
    with torch.no_grad():
        assert not odeint(lambda x, t: -a * x, x0, T).requires_grad


def test_torch_parameters_that_matter_late_are_followed(torch):
    a = torch.tensor(1.0, requires_grad=True)
    x = odeint(lambda x, t: 0 * x + (a if t > 0.5 else 1.0), torch.zeros(1), T, Euler())
    x[-1].sum().backward()
    assert a.grad.item() == pytest.approx(0.5, abs=0.03)


def test_torch_compile_and_vmap(torch):
    t = T[:6]
    x0 = torch.tensor([1.0, 2.0], dtype=torch.float64)
    f = lambda x, t: torch.sin(x * t)
    plain = odeint(f, x0, t)
    compiled = torch.compile(lambda x: odeint(f, x, t), backend="aot_eager")
    np.testing.assert_allclose(compiled(x0), plain, rtol=1e-12)
    batch = torch.func.vmap(lambda x: odeint(f, x, t), out_dims=1)(x0)
    np.testing.assert_allclose(batch, plain, rtol=1e-12)


# --- TensorFlow


@pytest.fixture
def tf():
    return pytest.importorskip("tensorflow", reason="an optional extra of the package")


def test_tensorflow_gradient_and_function(tf):
    a = tf.Variable(2.0, dtype=tf.float64)
    x0 = tf.constant([1.0, 2.0], tf.float64)
    with tf.GradientTape() as tape:
        last = tf.reduce_sum(odeint(lambda x, t: -a * x * t, x0, T)[-1])
    np.testing.assert_allclose(tape.gradient(last, a), -3 * np.exp(-1) / 2, rtol=1e-6)

    @tf.function
    def solve(x0):
        return odeint(lambda x, t: -a * x * t, x0, T)

    np.testing.assert_allclose(solve(x0)[-1], np.exp(-1) * np.array([1, 2]), rtol=1e-6)


def test_tensorflow_variables_are_read_anew(tf):
    a = tf.Variable(1.0)
    f = lambda x, t: -a * x
    before = odeint(f, tf.constant([1.0]), [0.0, 0.1], Euler())
    a.assign(2.0)
    after = odeint(f, tf.constant([1.0]), [0.0, 0.1], Euler())
    assert float(before[-1, 0]) == pytest.approx(0.9) and float(after[-1, 0]) == pytest.approx(0.8)
