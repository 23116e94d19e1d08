"""A bar on long runs, and memory that is what is kept."""

import sys
import tracemalloc

import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.integrators import RungeKutta4
from ranvier.odeint import jax_driver, odeint, progress
from ranvier.odeint.problem import Problem
from ranvier.odeint.recipe import Recipe


class Recorder:
    """Stands where rich's bar does."""

    def __init__(self):
        self.seen = []

    def update(self, task, completed):
        self.seen.append(completed)

    def stop(self):
        self.seen.append("stopped")


@pytest.fixture
def recorder(monkeypatch):
    recorder = Recorder()
    original = progress.Bar.__enter__

    def enter(bar):
        bar.bar = recorder
        bar.task, bar.due = 0, 0.0
        monkeypatch.setattr(progress.time, "monotonic", iter(range(10**6)).__next__)  # each look at the clock is a second
        return original(bar)

    monkeypatch.setattr(progress.Bar, "__enter__", enter)
    return recorder


def test_a_bar_that_was_asked_for(library, recorder):
    x = odeint(lambda x, t: -x, library.array([1.0]), np.linspace(0, 1, 1001), progress=True)
    assert recorder.seen[-1] == "stopped"
    steps = recorder.seen[:-1]
    assert steps and steps == sorted(steps) and 900 <= steps[-1] <= 1000
    np.testing.assert_allclose(library.numpy(x)[-1], np.exp(-1), rtol=1e-9)


def test_no_bar_without_a_terminal_or_on_a_short_run(library, recorder, monkeypatch):
    odeint(lambda x, t: -x, library.array([1.0]), np.linspace(0, 1, 11))
    odeint(lambda x, t: -x, library.array([1.0]), np.linspace(0, 1, 11), progress=False)
    assert [s for s in recorder.seen if s != "stopped"] == []


def test_a_bar_appears_on_a_terminal_after_a_while(monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    bar = progress.Bar(10, None)
    assert bar.active and not progress.Bar(10, False).active
    bar.update(1)
    assert bar.bar is None  # not yet
    bar.due -= progress.PATIENCE + 1
    with bar:
        bar.update(2)
        assert bar.bar is not None


def test_jax_in_parts_is_the_whole(recorder):
    f = lambda x, t: jnp.sin(x * t)
    a = odeint(f, jnp.ones(3), np.linspace(0, 5, 777), save_every=3, progress=True)
    b = odeint(f, jnp.ones(3), np.linspace(0, 5, 777), save_every=3, progress=False)
    assert (a == b).all()


def test_numpy_memory_is_the_result():
    n, points = 10_000, 200
    tracemalloc.start()
    x = odeint(lambda x, t: -x, np.ones(n), np.linspace(0, 1, points))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    few = odeint(lambda x, t: -x, np.ones(n), np.linspace(0, 1, points), save_every=100)
    peak_of_few = tracemalloc.get_traced_memory()[1] - x.nbytes
    tracemalloc.stop()
    assert peak < x.nbytes + 12 * 8 * n
    assert few.shape == (2, n) and peak_of_few < few.nbytes + 12 * 8 * n


def test_jax_memory_is_the_result():
    n, points = 10_000, 200
    problem = Problem(lambda x, t: -x, jnp.ones(n), np.linspace(0, 1, points), (), RungeKutta4(), None, 0, (), None, 1, None, "jax")
    recipe = Recipe(problem)
    numbers = jax_driver._numbers(problem, recipe)
    memory = jax_driver._compiled(recipe, inside=True).lower(*numbers).compile().memory_analysis()
    assert memory.output_size_in_bytes >= 4 * n * points
    assert memory.temp_size_in_bytes < 20 * 4 * n + 4 * n * points * 0.01
