"""Neighbourhoods for the tests of linearity: of built networks, and of a model with synapses."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import scipy.linalg

import ranvier as rv
from ranvier.network.linearity import INPUT, LocalSynapses, Neighbourhood
from ranvier.network.linearity.neighbourhood import _derivatives
from ranvier.network.linearity.polynomials import TIME
from ranvier.network.stacked import Stacked
from ranvier.neurons.base import Inputs, NeuronModel


def of(models, sizes=None, synapses=(), **changes):
    """A group of one or several models with synapses at it: the neighbourhood and its parts."""
    models = list(models) if isinstance(models, list | tuple) else [models]
    sizes = tuple(sizes or (5,) * len(models))
    lead, n = models[0], sum(sizes)
    with jax.enable_x64(True):
        state = {v: np.zeros(n) for v in jax.eval_shape(lambda: lead.initial_state(n, rv.random.Key(0)))}
        inputs = Inputs(np.zeros(n), np.zeros(n))
        moving = jax.eval_shape(lambda: dict(lead.derivatives(state, inputs, np.float64(0))))
        local = []
        for i, s in enumerate(synapses):
            states = {v: np.zeros(n) for v in jax.eval_shape(lambda s=s: s.initial_state(n, rv.random.Key(0)))}
            rates = jax.eval_shape(lambda s=s, x=states: s.derivatives(x, None, np.float64(0)))
            transmits = jax.eval_shape(lambda s=s, x=states: s.transmit(x, None, np.float64(0))) is not None
            local.append(LocalSynapses(f"s{i}", tuple(states), tuple(v for v in states if v in rates), transmits))
    near = Neighbourhood(
        group="cells",
        sizes=sizes,
        variables=tuple(state),
        moving=tuple(v for v in state if v in moving),
        held=tuple(lead.held),
        fires="hazard" if lead.fires_by_hazard else "test",
        resets=type(lead).reset is not NeuronModel.reset,
        refractory=hasattr(lead, "refractory"),
        synapses=tuple(local),
        diffuses=lead.noisy,
    )
    return dataclasses.replace(near, **changes), {
        "model": Stacked.of(models, sizes),
        "synapses": {f"s{i}": s for i, s in enumerate(synapses)},
    }


def matrix_of(near, parts, dt):
    """The step by differentiation of the equations at two points and SciPy's exponential: `[n, variables, variables + 2]`."""
    compute, n = _derivatives(near), near.n
    named = {"model": dataclasses.replace(parts["model"], tree=parts["model"].at_neurons()), "synapses": parts["synapses"]}
    names = [near.called(name) for name in near.names]

    def rates(x):  # [n, variables + 1] -> [n, variables]
        values = {name: x[:, i] for i, name in enumerate(names)} | {INPUT: x[:, -1], TIME: jnp.zeros(())}
        found = compute(named, values)
        return jnp.stack([jnp.broadcast_to(found.get(name, 0.0), (n,)) for name in names], axis=1)

    with jax.enable_x64(True):
        zero = jnp.zeros((n, len(names) + 1))
        at_zero, jacobian = jax.jit(lambda x: (rates(x), jax.jacfwd(rates)(x)))(zero)
        jacobian = np.einsum("ninj->nij", np.asarray(jacobian))
        generator = np.zeros((n, len(names) + 2, len(names) + 2))
        generator[:, :-2, :-1], generator[:, :-2, -1] = jacobian, at_zero
    return scipy.linalg.expm(generator * dt)
