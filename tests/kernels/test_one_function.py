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
    made = jax.jit(as_one_function(function)).lower(start).compile()
    assert MARK not in made.as_text()
    np.testing.assert_allclose(made(start), function(start), rtol=1e-5)
