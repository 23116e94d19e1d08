"""A group of neurons with the synapses whose states lie at them: what is advanced as one system of equations."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.network.linearity.expressions import Expressions, Level
from ranvier.network.linearity.polynomials import TIME, Polynomial, Value, read
from ranvier.neurons.base import Inputs

Name = tuple[str, str]
"""(group or synapses, variable)"""
Parts = Mapping[str, Any]
"""The parameters at a group: `{"model": Stacked, "synapses": {name: model whose parameters are numbers or [n]}}`."""

INPUT = "the current"


@dataclasses.dataclass(frozen=True)
class LocalSynapses:
    """Synapses whose states lie at a group's neurons, one a neuron.

    Attributes:
        variables: their names.
        moving: those that have a derivative.
        transmits: whether they act on the membrane without spikes.
    """

    name: str
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    transmits: bool


@dataclasses.dataclass(frozen=True)
class Neighbourhood:
    """The structure of a group and of the synapses at it. Holds no number that may change without a new compilation.

    Attributes:
        sizes: how many neurons each member of the group has.
        moving: the variables that have a derivative.
        held: those that stay as they are while the neuron is refractory.
        fires: what makes a neuron spike: `"test"` (the model's `spiked`), `"hazard"` or `"given"` times.
        resets: whether a spike changes variables.
        refractory: whether there may be a refractory period.
        stimulated: whether a current may be injected.
        diffuses: whether white noise drives a variable.
        synapses: those whose states lie here.
        elsewhere: those that act on the group continuously from states elsewhere, and where: `(name, "source" or "edge")`.
    """

    group: str
    sizes: tuple[int, ...]
    variables: tuple[str, ...]
    moving: tuple[str, ...]
    held: tuple[str, ...] = ()
    fires: str = "test"
    resets: bool = True
    refractory: bool = False
    stimulated: bool = True
    diffuses: bool = False
    synapses: tuple[LocalSynapses, ...] = ()
    elsewhere: tuple[tuple[str, str], ...] = ()

    @property
    def n(self) -> int:
        return sum(self.sizes)

    @property
    def names(self) -> tuple[Name, ...]:
        """All variables at the group's neurons."""
        own = tuple((self.group, v) for v in self.variables)
        return own + tuple((s.name, v) for s in self.synapses for v in s.variables)

    @property
    def moving_names(self) -> tuple[Name, ...]:
        """Those that have a derivative."""
        own = tuple((self.group, v) for v in self.moving)
        return own + tuple((s.name, v) for s in self.synapses for v in s.moving)

    def called(self, name: Name) -> str:
        """A variable's name in a sentence, which no other variable here has."""
        return name[1] if name[0] == self.group else f"{name[1]} of {name[0]}"


@dataclasses.dataclass(frozen=True)
class Equations:
    """What is read of a neighbourhood: its derivatives, its test and its reset, as polynomials.

    Attributes:
        derivatives: of each moving variable.
        test: what `spiked` gives, of `"before V"`, `"after V"` …; None where the model does not spike by a test.
        resets: each variable that a spike changes; empty where it does not spike by a test.
        untouched: whether `reset` leaves a neuron that did not spike as it is.
    """

    near: Neighbourhood
    expressions: Expressions
    dt: int
    derivatives: dict[Name, Value]
    test: Value | None
    resets: dict[str, Value]
    untouched: bool


def before(variable: str) -> str:
    return f"{variable} before"


def after(variable: str) -> str:
    return f"{variable} after"


def _derivatives(near: Neighbourhood) -> Callable[[Parts, dict[str, Any]], dict[str, Any]]:
    def function(parts: Parts, values: dict[str, Any]) -> dict[str, Any]:
        t = values[TIME]
        own = {v: values[v] for v in near.variables}
        offset = values[INPUT] if near.stimulated else jnp.zeros(near.n)
        conductance, conducts = jnp.zeros(near.n), False
        result: dict[str, Any] = {}
        for s in near.synapses:
            synapse = parts["synapses"][s.name]
            states = {v: values[near.called((s.name, v))] for v in s.variables}
            if s.transmits:
                g, i = synapse.membrane_input(synapse.transmit(states, None, t), own[parts["model"].tree.membrane])
                offset = offset + i
                if not (isinstance(g, float) and g == 0.0):
                    conductance, conducts = conductance + g, True
            result.update({near.called((s.name, v)): x for v, x in synapse.derivatives(states, None, t).items() if v in s.moving})
        rates = parts["model"].tree.derivatives(own, Inputs(conductance, offset, conducts=conducts), t)
        result.update({v: x for v, x in rates.items() if v in near.moving})
        return result

    return function


def _levels(parts: Parts) -> list[Level]:
    model = [Level.NEURON if each else Level.MEMBER for each in parts["model"].per_neuron]
    return model + [Level.NEURON if np.ndim(leaf) else Level.ALL for leaf in jax.tree.leaves(parts["synapses"])]


def _shapes(parts: Parts) -> Any:
    """The parameters as the equations of one member take them."""
    model = parts["model"]
    shape = lambda shape: jax.ShapeDtypeStruct(shape, np.float64)
    leaves = [shape(np.shape(leaf) if each else ()) for leaf, each in zip(jax.tree.leaves(model.tree), model.per_neuron, strict=True)]
    model = jax.tree.unflatten(jax.tree.structure(model), leaves)
    return {"model": model, "synapses": jax.tree.map(lambda leaf: shape(np.shape(leaf)), parts["synapses"])}


def _read(near: Neighbourhood, parts: Parts) -> Equations:
    n, rates, tested = near.n, _derivatives(near), near.fires == "test" and near.resets

    def everything(parts: Parts, values: dict[str, Any]) -> dict[str, Any]:
        """All that is read, in one trace."""
        result = {f"rate {name}": x for name, x in rates(parts, values).items()}
        if tested:
            model, own = parts["model"].tree, {v: values[v] for v in near.variables}
            result["test"] = model.spiked(*({v: values[end(v)] for v in near.variables} for end in (before, after)))
            result |= {f"reset {v}": x for v, x in model.reset(dict(own), jnp.ones(n, bool)).items()}
            result |= {f"kept {v}": x for v, x in model.reset(dict(own), jnp.zeros(n, bool)).items()}
        return result

    expressions = Expressions([*_levels(parts), Level.ALL])  # the last is dt
    ends = [end(v) for v in near.variables for end in (before, after)] if tested else []
    variables = dict.fromkeys([*map(near.called, near.names), *ends, INPUT], (n,)) | {TIME: ()}
    found = read(everything, _shapes(parts), variables, n, expressions)
    one = expressions.value(1.0)
    return Equations(
        near,
        expressions,
        expressions.leaf(len(expressions.leaves) - 1),
        derivatives={name: found[f"rate {near.called(name)}"] for name in near.moving_names},
        test=found.get("test"),
        resets={v: found[f"reset {v}"] for v in near.variables if f"reset {v}" in found},
        untouched=all(found.get(f"kept {v}", Polynomial({(v,): one})) == Polynomial({(v,): one}) for v in near.variables),
    )


_Result = TypeVar("_Result")
MOST_KEPT = 256


def remembered(function: Callable[..., _Result]) -> Callable[..., _Result]:
    """A function of a structure and of the shapes of its parameters, with its last results kept.

    The first argument is a `Neighbourhood`, the second the parts; others must be hashable.
    """
    kept: OrderedDict[Hashable, _Result] = OrderedDict()

    def with_memory(near: Neighbourhood, parts: Parts, *others: Hashable) -> _Result:
        leaves, structure = jax.tree.flatten(parts)
        key = (near, structure, tuple(map(np.shape, leaves)), others)
        try:
            found = kept.get(key)
        except TypeError:  # a model holds something that has no hash
            return function(near, parts, *others)
        if found is None:
            found = kept[key] = function(near, parts, *others)
            if len(kept) > MOST_KEPT:
                kept.popitem(last=False)
        return found

    return with_memory


equations: Callable[[Neighbourhood, Parts], Equations] = remembered(_read)
"""The equations of a neighbourhood, read once for a structure."""


def is_traced(values: Iterable[Any]) -> bool:
    """Whether JAX traces one of some values."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def numbers_of(parts: Parts, dt: Any) -> list[Any]:
    """The leaves of the equations' expressions, in double precision (which must be on): NumPy's where all are known, else JAX's."""
    leaves = [*jax.tree.leaves(parts), dt]
    as_array = jnp.asarray if is_traced(leaves) else np.asarray
    return [as_array(leaf, np.float64) for leaf in leaves]


def by_member(values: list[Any], each: Sequence[int], members: int, dtype: Any) -> tuple[Any, dict[str, Any]]:
    """Numbers by their places: a row a member, `[members, count]`, and by `str(place)` those with one a neuron, `[n]`."""
    xp = jnp if is_traced(values) else np
    rows = [xp.zeros(members) if place in each else xp.broadcast_to(x, (members,)) for place, x in enumerate(values)]
    whole = xp.stack(rows, axis=1) if rows else xp.zeros((members, 0))
    return whole.astype(dtype), {str(place): xp.asarray(values[place]).astype(dtype) for place in each}
