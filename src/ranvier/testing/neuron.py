"""Checks of neuron models."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.channels.base import IonChannel
from ranvier.integrators import Euler, EulerMaruyama
from ranvier.model import Model, in_precision
from ranvier.network.facts import initial_state
from ranvier.network.spec import Population
from ranvier.neurons.base import Inputs, NeuronModel
from ranvier.random import Key
from ranvier.testing.common import (
    PRECISIONS,
    check_array,
    check_arrays,
    check_close,
    check_description,
    check_gradient,
    check_units,
    check_value_semantics,
    is_a,
    require,
    unit,
    varied,
)
from ranvier.testing.runs import check_runs, run

N = 4


def check_neuron(model: NeuronModel, *, published: bool = False) -> None:
    """Checks a neuron model.

    Its description and units, its channels among them; the names, shapes and types of state
    and derivatives, in both precisions and for 0, 1 and many neurons, however precise the
    time is; that `spiked` (or the hazard, or the given times) and `reset` do what they may;
    that neurons do not mix; that `vmap` over parameters is a loop; gradients against finite
    differences; that it runs, alone, in numbers, and with none, without compiling anew for
    other values.

    Args:
        model: the model, with any parameters.
        published: whether equations and a source must be stated.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_neuron(rv.neurons.Passive())
    """
    is_a(model, NeuronModel, "neuron model")
    name = type(model).__name__
    check_description(model, published)
    check_units(model, model.input_unit, model.variable_units)
    check_value_semantics(model)
    for part in jax.tree.leaves(model, is_leaf=lambda x: isinstance(x, Model) and x is not model):
        if isinstance(part, IonChannel):
            check_units(part, model.input_unit)
    given = model.spike_times()
    with jax.enable_x64(True):
        for dtype in PRECISIONS:
            for n in (0, 1, N):
                _check_shapes(in_precision(model, dtype), n, dtype, name)
        _check_spikes(model, name)
        if given is None:
            _check_neurons_apart(model, name)
        start = model.initial_state(N, Key(0))
        for variable, x in initial_state(model, N, Key(0)).items():
            check_close(x, start[variable], f"{name}: what a run starts from, {variable!r}, against initial_state", 1e-12)
        at = (model, _moved(start, N), np.arange(1.0, N + 1))
        check_gradient(lambda at: model_rates(*at), at, f"{name}.derivatives: ")
    least = 0 if given is None else 1 + int(np.max(given[1], initial=-1))
    check_runs(model, name, sizes=(least, least + 1))
    single = run(Population(3, model), precision="single", integrator=EulerMaruyama() if model.noisy else Euler()).state.neurons
    for part in single.values():
        check_arrays(part, None, 3, "float32", f"{name} in single precision")


def model_rates(model: NeuronModel, state: Any, current: Any) -> Any:
    """The derivatives under a current and a little conductance, and the hazard where it has one, at 0.3 ms."""
    rates = model.derivatives(state, Inputs(0.01, current), jnp.asarray(0.3))
    return {**rates, "hazard": model.spike_hazard(state, jnp.asarray(0.3)) + 0.0 * current} if model.fires_by_hazard else rates


def _moved(state: Any, n: int) -> Any:
    """The state with every variable a little off, differently in each neuron."""
    return {
        name: jnp.broadcast_to(jnp.asarray(x, float), (n,)) * (1 + 0.05 * (i + 1) * jnp.asarray(Key(3).child(name).uniform(n)))
        for i, (name, x) in enumerate(state.items())
    }


def _check_shapes(model: NeuronModel, n: int, dtype: str, name: str) -> None:
    state = jax.eval_shape(lambda: model.initial_state(n, Key(0)))
    require(isinstance(state, dict), f"{name}.initial_state returns {type(state).__name__}, not a dict of arrays by name.")
    require(state or not model.takes_input, f"{name} takes input but has no state: set takes_input = False for a source of spikes.")
    for variable, x in state.items():
        require(x.shape in ((), (n,)), f"{name}.initial_state: {variable!r} has the shape {x.shape} for {n} neurons; it must be ({n},).")
    for variable in model.variable_units:
        require(
            variable in state or variable == "V",
            f"{name}.variable_units has a unit for {variable!r}, which is not in its state: {sorted(state)}.",
        )
    for variable in model.held:
        require(variable in state, f"{name}.held names {variable!r}, which is not in its state: {sorted(state)}.")
    arrays = {variable: jax.ShapeDtypeStruct((n,), dtype) for variable in state}
    inputs = Inputs(jax.ShapeDtypeStruct((n,), dtype), jax.ShapeDtypeStruct((n,), dtype))
    t = jax.ShapeDtypeStruct((), "float64")
    rates = jax.eval_shape(model.derivatives, arrays, inputs, t)
    require(set(rates) <= set(state), f"{name}.derivatives returns {sorted(set(rates) - set(state))}, which initial_state does not have.")
    check_arrays(rates, None, n, dtype, f"{name}.derivatives", scalars=True)
    spikes = jax.ShapeDtypeStruct((n,), "bool")
    if model.fires_by_hazard:
        hazard = jax.eval_shape(model.spike_hazard, arrays, t)
        require(hazard.shape in ((), (n,)), f"{name}.spike_hazard has the shape {hazard.shape} for {n} neurons; it must be ({n},).")
        require(np.issubdtype(hazard.dtype, np.floating), f"{name}.spike_hazard is {hazard.dtype}; a rate is a real number.")
    elif model.spike_times() is None:
        check_array(jax.eval_shape(model.spiked, arrays, arrays), n, "bool", f"{name}.spiked")
    for variable, x in jax.eval_shape(model.diffusion, arrays).items():
        require(variable in rates, f"{name}.diffusion has noise for {variable!r}, which has no derivative.")
        check_array(x, n, dtype, f"{name}.diffusion: {variable!r}", scalars=True)
    reset = jax.eval_shape(model.reset, arrays, spikes)
    require(set(reset) <= set(state), f"{name}.reset returns {sorted(set(reset) - set(state))}, which initial_state does not have.")
    check_arrays(reset, None, n, dtype, f"{name}.reset")
    seen = jax.eval_shape(model.observables, arrays, inputs, t)
    require(not set(seen) & set(state), f"{name}.observables repeats variables of the state: {sorted(set(seen) & set(state))}.")
    check_arrays(seen, None, n, dtype, f"{name}.observables", scalars=True)
    for quantity in (*state, *seen):
        unit(model.unit_of(quantity), f"{name}'s {quantity}")


def _check_spikes(model: NeuronModel, name: str) -> None:
    state = {v: jnp.broadcast_to(jnp.asarray(x, float), (N,)) for v, x in model.initial_state(N, Key(0)).items()}
    spiked = jnp.asarray([True, False, True, False])
    for variable, x in model.reset(state, spiked).items():
        moved = np.asarray(x) != np.asarray(state[variable])
        require(
            not moved[~np.asarray(spiked)].any(),
            f"{name}.reset changes {variable!r} of neurons that did not spike: use jnp.where(spiked, …, …).",
        )
    if model.fires_by_hazard:
        hazard = np.asarray(model.spike_hazard(state, jnp.asarray(0.3)))
        require((np.isfinite(hazard) & (hazard >= 0)).all(), f"{name}.spike_hazard is {hazard.ravel()[:3]} in the initial state.")
    elif (given := model.spike_times()) is not None:
        times, neurons = given
        require(np.shape(times) == np.shape(neurons), f"{name}.spike_times has {np.shape(times)} times and {np.shape(neurons)} neurons.")
        require(np.issubdtype(neurons.dtype, np.integer), f"{name}.spike_times numbers neurons by {neurons.dtype}, not by whole numbers.")
    else:
        resting = model.spiked(state, state)
        require(not np.asarray(resting).any(), f"{name}.spiked says that a neuron at rest, in its initial state, spikes.")


def _check_neurons_apart(model: NeuronModel, name: str) -> None:
    state, current = _moved(model.initial_state(N, Key(0)), N), jnp.arange(1.0, N + 1)
    order = np.array([2, 0, 3, 1])
    take = lambda tree, at: jax.tree.map(lambda x: x[at] if np.ndim(x) else x, tree)
    rates = model_rates(model, state, current)
    check_close(model_rates(model, take(state, order), current[order]), take(rates, order), f"{name}.derivatives, permuting the neurons: ")
    many, single = varied(model, N)
    together = model_rates(many, state, current)
    mapped = jax.vmap(model_rates)(many, {v: x[:, None] for v, x in state.items()}, current[:, None])
    for i, one in enumerate(single):
        alone = model_rates(one, take(state, slice(i, i + 1)), current[i : i + 1])
        check_close(take(together, slice(i, i + 1)), alone, f"{name}, parameters as an array and one by one: ")
        check_close(jax.tree.map(lambda x, i=i: x[i], mapped), alone, f"{name}, vmap over parameters and a loop: ")
