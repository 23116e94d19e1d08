"""What an integrator promises to any system, on its own."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier import integrators
from ranvier.integrators.adams_bashforth import adams_weights
from ranvier.integrators.base import weighted

TABLEAUS = [
    integrators.Euler,
    integrators.Midpoint,
    integrators.Heun,
    integrators.Ralston,
    integrators.RungeKutta4,
    integrators.ThreeEighths,
]


@dataclasses.dataclass
class Recorder:
    """`dx/dt = 1`, and the times it was asked for."""

    array_library = np
    times: list = dataclasses.field(default_factory=list)

    def interval(self, t, t_next):
        return t_next - t

    def rate(self, state, t):
        self.times.append(t)
        return jax.tree.map(np.ones_like, state)


@pytest.mark.parametrize("method", TABLEAUS)
def test_tableau_is_consistent(method):
    assert sum(method.b) == pytest.approx(1)
    for weights, c in zip(method.a, method.c, strict=True):
        assert sum(weights) == pytest.approx(c)
    if method.order >= 2:
        assert sum(b * c for b, c in zip(method.b, method.c, strict=True)) == pytest.approx(1 / 2)
    if method.order >= 4:
        assert sum(b * c**3 for b, c in zip(method.b, method.c, strict=True)) == pytest.approx(1 / 4)


@pytest.mark.parametrize("method", TABLEAUS)
def test_stages_are_at_their_times_and_the_last_at_the_end_bit_for_bit(method):
    t, t_next = 0.1, 0.1 + 0.2  # 0.1 + (t_next − 0.1) is not t_next
    system = Recorder()
    state, memory = method().step(system, np.zeros(2), (), t, t_next)
    assert memory == ()
    np.testing.assert_allclose(state, 0.2)
    np.testing.assert_allclose(system.times, [t + c * 0.2 for c in method.c])
    assert all(time == t_next for time, c in zip(system.times, method.c, strict=True) if c == 1)
    assert all(time == t for time, c in zip(system.times, method.c, strict=True) if c == 0)


@pytest.mark.parametrize("method", [*TABLEAUS, integrators.AdamsBashforth4])
def test_a_tree_is_integrated_as_its_arrays(method):
    tree, _ = method().step(Recorder(), {"a": np.zeros(2), "b": (np.ones(1),)}, (), 0.0, 0.5)
    np.testing.assert_allclose(tree["a"], 0.5)
    np.testing.assert_allclose(tree["b"][0], 1.5)


def test_adams_weights_are_the_classical_ones_and_exact_for_polynomials():
    np.testing.assert_allclose(adams_weights(0.1, (0.1,)), [3 / 2, -1 / 2])
    np.testing.assert_allclose(24 * np.array(adams_weights(0.1, (0.1, 0.1, 0.1))), [55, -59, 37, -9])
    h, earlier = 0.3, (0.1, 0.25, 0.2)
    nodes = -np.cumsum([0.0, *earlier])
    for power in range(4):
        assert h * np.dot(adams_weights(h, earlier), nodes**power) == pytest.approx(h ** (power + 1) / (power + 1))


def test_weighted():
    np.testing.assert_allclose(weighted(jnp.ones(2), 0.5, (1.0, 2.0), (jnp.ones(2), jnp.ones(2))), 2.5)
    np.testing.assert_allclose(weighted({"x": np.ones(2)}, 0.5, (2.0,), ({"x": np.ones(2)},))["x"], 2.0)


def test_methods_are_values():
    assert integrators.RungeKutta4() == integrators.RungeKutta4()
    assert hash(integrators.AdamsBashforth2()) == hash(integrators.AdamsBashforth2())
    assert integrators.Heun() != integrators.Midpoint()


def test_memory_grows_only_while_the_method_starts():
    for method in (integrators.AdamsBashforth2(), integrators.AdamsBashforth4(), integrators.RungeKutta4()):
        system, state = Recorder(), np.zeros(1)
        memory = method.init(system, state, 0.0)
        lengths = []
        for k in range(6):
            state, memory = method.step(system, state, memory, 0.1 * k, 0.1 * (k + 1))
            lengths.append(len(memory))
        assert len(set(lengths[max(method.startup_steps - 1, 0) :])) == 1
        np.testing.assert_allclose(state, 0.6)
