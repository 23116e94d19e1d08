"""Small loops become one function, and give what they gave."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from ranvier.kernels.one_function import MARKS, MOST_COMPUTED, as_one_function

MARK = next(key for key in MARKS if "small" in key)


def loop(n_steps=40):
    def body(carried, _):
        after = carried + 0.01 * jnp.cos(carried) * jnp.sum(jnp.tanh(carried))
        return after, after[0]

    return lambda start: jax.lax.scan(body, start, length=n_steps)[1]


TRANSFORMED = {
    "run": lambda f: f,
    "backwards": lambda f: jax.grad(lambda x: f(x).sum()),
    "forwards": lambda f: lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1],
    "kept in part": lambda f: jax.grad(lambda x: jax.checkpoint(f)(x).sum()),
    "several": lambda f: lambda x: jax.vmap(f)(jnp.stack([x, 2 * x])),
}


@pytest.mark.parametrize("how", TRANSFORMED)
def test_it_is_one_function_with_the_same_results(how):
    start = jnp.linspace(0.1, 1.0, 5)
    made = jax.jit(TRANSFORMED[how](as_one_function(loop()))).lower(start).compile()
    if jax.devices()[0].platform == "cpu":
        assert MARK in made.as_text()
    np.testing.assert_allclose(made(start), jax.jit(TRANSFORMED[how](loop()))(start), rtol=1e-5)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: loop()(jnp.tile(x, MOST_COMPUTED)),  # it is large
        lambda x: jax.lax.scan(lambda c, _: (jnp.sort(c), c), x, length=3)[1],  # XLA has no such operation in one function
        lambda x: jnp.sin(x),  # nothing is repeated
    ],
)
def test_what_xla_cannot_or_need_not_is_left_alone(function):
    start = jnp.linspace(0.1, 1.0, 5)
    made, plain = (jax.jit(f).lower(start).compile() for f in (as_one_function(function), function))
    assert made.as_text().count(MARK) == plain.as_text().count(MARK)  # from JAX 0.12 on XLA makes such functions by itself
    np.testing.assert_allclose(made(start), function(start), rtol=1e-5)


def moved(start, gain, shift):
    """A loop whose every argument matters."""
    return jax.lax.scan(lambda x, _: (jnp.cos(x) * gain + shift, x[0]), start, length=10)[1]


UNUSED = {
    "a constant": lambda f, x: f(x, jnp.float32(2.0), jnp.zeros(5)),
    "twice the same": lambda f, x: f(x, x, x),
    "constants in a loop": lambda f, x: jax.lax.scan(lambda c, _: (c + f(c, jnp.float32(2.0), jnp.zeros(5))[:5], c), x, length=3)[1],
    "constants for several": lambda f, x: jax.vmap(lambda y: f(y, jnp.float32(2.0), jnp.arange(5.0)))(jnp.stack([x, x])),
    "a constant, backwards": lambda f, x: jax.grad(lambda y: f(x, y, jnp.arange(5.0)).sum())(jnp.float32(2.0)),
    "nothing but constants": lambda f, x: f(jnp.linspace(0.1, 1.0, 5), jnp.float32(2.0), jnp.zeros(5)),
    "simplified away": lambda f, x: f(x, jnp.float32(2.0), x),
}


@pytest.mark.parametrize("how", UNUSED)
def test_an_argument_that_xla_finds_unused_does_not_end_the_process(how):
    start = jnp.linspace(0.1, 1.0, 5)
    of_no_use = lambda shift: jnp.where(jnp.zeros(()) > 1, shift, 0.0)
    without = moved if "away" not in how else lambda a, gain, shift: moved(a, gain, of_no_use(shift))
    made = jax.jit(lambda x: UNUSED[how](as_one_function(without), x)).lower(start).compile()
    if jax.devices()[0].platform == "cpu":
        assert MARK in made.as_text()
    np.testing.assert_allclose(made(start), jax.jit(lambda x: UNUSED[how](without, x))(start), rtol=1e-4)
