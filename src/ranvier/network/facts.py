"""What follows from the structure of one model, found by tracing it once and remembered.

The key of what is remembered is the model's tree structure (its class, its components, what is
no parameter) and the shapes of its parameters. No value of a parameter decides anything here.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

import jax
import numpy as np

from ranvier.errors import ParameterError, UnsupportedError
from ranvier.model import parameters
from ranvier.network.by_numpy import NotByNumpy, evaluated, is_concrete
from ranvier.network.common import moving_variables, resolve
from ranvier.network.linearity import depends, of_any_length
from ranvier.neurons.base import Inputs, NeuronModel
from ranvier.random import Distribution, Key
from ranvier.synapses.base import Presynaptic, SynapseModel

REMEMBERED = 4096
MOST_BY_NUMPY = 2**14
"""Neurons whose initial state takes NumPy less time than XLA takes to compile it."""
_remembered: collections.OrderedDict[Hashable, Any] = collections.OrderedDict()

Found = TypeVar("Found")


def remembered(key: Hashable, find: Callable[[], Found]) -> Found:
    """What `find` returned when it was first asked for that key."""
    try:
        found = _remembered.get(key)
    except TypeError as error:
        raise UnsupportedError(
            f"A part of the network's structure cannot be hashed ({error}). Fields of a model that are not parameters must be hashable."
        ) from None
    if found is None:
        found = _remembered[key] = find()
        while len(_remembered) > REMEMBERED:
            _remembered.popitem(last=False)
    else:
        _remembered.move_to_end(key)
    return found


def structure(tree: Any) -> tuple[Any, tuple[tuple[int, ...], ...]]:
    """The structure of a tree, and the shapes of its leaves."""
    leaves, definition = jax.tree.flatten(tree)
    return definition, tuple(np.shape(leaf) for leaf in leaves)


def shapes_of(tree: Any) -> Any:
    """The tree with a shape in the place of each leaf, in double precision."""
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), np.float64), tree)


class _KeyUsed(Exception):
    """A model's initial state draws random numbers."""


class _NoKey(Key):
    """Stands for a key where nothing is drawn."""

    def _used(self, *_: Any, **__: Any) -> Any:
        raise _KeyUsed

    child = uniform = normal = normal_at = bits = at = _used


_NO_KEY = _NoKey(0)


def _without_key(model: NeuronModel | SynapseModel, n: int) -> dict[str, Any]:
    return model.initial_state(n, _NO_KEY)


_compiled_without_key = jax.jit(_without_key, static_argnums=1)


def _traced_state(model: NeuronModel | SynapseModel, n: int) -> tuple[Any, dict[str, Any]] | None:
    """A model's initial state, traced, and the shapes of its variables; None where it draws from its key."""

    def find() -> tuple[Any]:
        try:
            return (jax.make_jaxpr(lambda m: _without_key(m, n), return_shape=True)(shapes_of(model)),)
        except _KeyUsed:
            return (None,)

    return remembered(("initial", n, *structure(model)), find)[0]


def initial_state(model: NeuronModel | SynapseModel, n: int, key: Key) -> dict[str, Any]:
    """A model's initial state: float64 `[n]` each, or numbers.

    NumPy computes what was traced, of few neurons; what it does not know, and many, are compiled as one, and once: operations one by one
    would take a second, and memory for each.
    What draws from the key is neither.
    """
    traced = _traced_state(model, n)
    if traced is None:
        return model.initial_state(n, key)
    if n <= MOST_BY_NUMPY and is_concrete(model):
        with contextlib.suppress(NotByNumpy):
            return jax.tree.unflatten(jax.tree.structure(traced[1]), evaluated(traced[0], *jax.tree.leaves(model)))
    with jax.ensure_compile_time_eval():  # also where what is around it is being traced
        return jax.tree.map(np.asarray, _compiled_without_key(model, n))


def draws_at_start(model: NeuronModel | SynapseModel, n: int) -> bool:
    """Whether a model's initial state draws random numbers."""
    return _traced_state(model, n) is None


def _shapes_of_state(model: NeuronModel | SynapseModel, n: int) -> dict[str, Any]:
    """The variables of a model's state, of which only names and shapes are asked."""
    traced = _traced_state(model, n)
    return initial_state(model, n, Key(0)) if traced is None else traced[1]


def count_variables(model: NeuronModel) -> int:
    """How many variables a neuron's state has, found without making one."""
    n = next((np.shape(leaf)[0] for leaf in jax.tree.leaves(model) if np.ndim(leaf)), 1)
    try:
        return len(jax.eval_shape(lambda m: _without_key(m, n), shapes_of(model)))
    except _KeyUsed:
        return 1  # at least


@dataclasses.dataclass(frozen=True)
class NeuronFacts:
    """What the engine knows of a neuron model.

    Attributes:
        variables: the names of its state.
        moving: those that have a derivative.
        held: those that stay as they are while it is refractory.
        fires: `"test"`, `"hazard"` or `"given"`.
        alone: whether its neurons cannot advance with those of another population: something looks across them.
    """

    variables: tuple[str, ...]
    moving: tuple[str, ...]
    held: tuple[str, ...]
    fires: str
    alone: bool


def neuron_facts(name: str, model: NeuronModel, n: int) -> NeuronFacts:
    """The facts of the model of a population of `n` neurons.

    Raises:
        ParameterError: its equations do not fit its state.
    """
    return remembered(("neuron", n, *structure(model)), lambda: _neuron_facts(name, model, n))


def _neuron_facts(name: str, model: NeuronModel, n: int) -> NeuronFacts:
    state = _shapes_of_state(model, n)
    values = {variable: jax.ShapeDtypeStruct((n,), np.float64) for variable in state}
    for variable, value in state.items():
        if np.shape(value) not in ((), (n,)):
            raise ParameterError(
                f"{name}: the initial value of {variable!r} that its model gives has the shape {np.shape(value)}; it must be ({n},)."
            )
    own, t = shapes_of(model), jax.ShapeDtypeStruct((), np.float64)
    zeros = Inputs(jax.ShapeDtypeStruct((n,), np.float64), jax.ShapeDtypeStruct((n,), np.float64))
    traced, shapes = jax.make_jaxpr(lambda m, s, i, t: m.derivatives(s, i, t), return_shape=True)(own, values, zeros, t)
    moving = moving_variables(model, shapes, values, name)
    for variable, shape in shapes.items():
        if shape.shape not in ((), (n,)):
            raise ParameterError(f"{type(model).__name__}.derivatives gives {variable!r} the shape {shape.shape}; it must be ({n},).")
    for variable in model.held:
        resolve(variable, values, f"held variable of {type(model).__name__}")
    fires = "hazard" if model.fires_by_hazard else "given" if type(model).spike_times is not NeuronModel.spike_times else "test"
    one_by_one = of_any_length(traced)
    if fires == "hazard":
        one_by_one = one_by_one and of_any_length(jax.make_jaxpr(lambda m, s, t: m.spike_hazard(s, t))(own, values, t))
    elif fires == "test":
        one_by_one = one_by_one and of_any_length(jax.make_jaxpr(lambda m, s: m.reset(s, m.spiked(s, s)))(own, values))
    sampled = any(info.per == "sample" for _, info, _ in parameters(model))
    return NeuronFacts(tuple(values), moving, tuple(model.held), fires, fires == "given" or sampled or not one_by_one)


@dataclasses.dataclass(frozen=True)
class StimulusFacts:
    """What the engine knows of a current.

    Attributes:
        noisy: whether it has white noise.
        changes: whether it may change within a step.
    """

    noisy: bool
    changes: bool


def stimulus_facts(name: str, stimulus: Any, n: int) -> StimulusFacts:
    """The facts of the current into a population of `n` neurons.

    Raises:
        ParameterError: it has another shape.
    """
    return remembered(("stimulus", n, *structure(stimulus)), lambda: _stimulus_facts(name, stimulus, n))


def _stimulus_facts(name: str, stimulus: Any, n: int) -> StimulusFacts:
    own, t = shapes_of(stimulus), jax.ShapeDtypeStruct((), np.float64)
    traced, shape = jax.make_jaxpr(lambda s, t: s(t), return_shape=True)(own, t)
    if shape.shape not in ((), (n,)):
        raise ParameterError(
            f"The current of {name} has the shape {shape.shape}, but there are {n} neurons. Give one number, one a neuron ({n}), or for a "
            "current that changes in time a function of t, or rv.stimuli.Sampled(values, every=dt) "
            "with values of shape (time,) or (time, neuron)."
        )
    noise = jax.eval_shape(lambda s, t: s.noise(t), own, t)
    within = depends(traced, {len(traced.in_avals) - 1}) and not getattr(stimulus, "piecewise_constant", False)
    return StimulusFacts(noise is not None, within)


@dataclasses.dataclass(frozen=True)
class SynapseFacts:
    """What the engine knows of a synapse model.

    Attributes:
        variables: the names of its state.
        moving: those that have a derivative.
        transmits: whether something continuous goes to the targets.
    """

    variables: tuple[str, ...]
    moving: tuple[str, ...]
    transmits: bool


def synapse_facts(name: str, synapse: SynapseModel, states: int, presynaptic: NeuronModel | None = None) -> SynapseFacts:
    """The facts of a synapse with so many states; `presynaptic` is the source's model where the site is not the target."""
    key = ("synapse", states, *structure(synapse), None if presynaptic is None else structure(presynaptic)[0])
    return remembered(key, lambda: _synapse_facts(name, synapse, states, presynaptic))


def _synapse_facts(name: str, synapse: SynapseModel, states: int, presynaptic: NeuronModel | None) -> SynapseFacts:
    values = {v: jax.ShapeDtypeStruct((states,), np.float64) for v in _shapes_of_state(synapse, states)}
    own, t = shapes_of(synapse), jax.ShapeDtypeStruct((), np.float64)
    pre = None
    if presynaptic is not None:
        presynaptic = jax.tree.map(lambda leaf: 1.0 if isinstance(leaf, Distribution) else leaf, presynaptic)  # only names are asked
        names: Any = _shapes_of_state(presynaptic, 1) if _fits_one(presynaptic) else _names_of(presynaptic)
        each: Any = {v: jax.ShapeDtypeStruct((states,), np.float64) for v in names}
        pre = Presynaptic(each)
    shapes = jax.eval_shape(lambda m, s, p, t: m.derivatives(s, p, t), own, values, pre, t)
    moving = moving_variables(synapse, shapes, values, name)
    sent = jax.eval_shape(lambda m, s, p, t: m.transmit(s, p, t), own, values, pre, t)
    return SynapseFacts(tuple(values), moving, sent is not None)


def _fits_one(model: NeuronModel) -> bool:
    return not any(np.ndim(leaf) for leaf in jax.tree.leaves(model))


def _names_of(model: NeuronModel) -> list[str]:
    n = next(np.shape(leaf)[0] for leaf in jax.tree.leaves(model) if np.ndim(leaf))
    return list(_shapes_of_state(model, n))
