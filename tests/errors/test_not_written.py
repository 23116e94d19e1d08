"""A class of one's own that lacks a method says which, with what and for what."""

import jax.numpy as jnp
import pytest

import ranvier as rv


class Silent(rv.NeuronModel):
    input_unit = "pA"

    def initial_state(self, n, key):
        return {"V": jnp.full(n, -60.0)}

    def derivatives(self, state, inputs, t):
        return {"V": -1.0 - state["V"]}


def test_what_a_class_must_define_is_named():
    with pytest.raises(NotImplementedError, match=r"Silent must define spiked\(before, after\): Which neurons spike"):
        rv.prepare(rv.Population(2, Silent(), name="cells"))
