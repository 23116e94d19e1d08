"""Checks of synapse models."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.model import in_precision
from ranvier.network import loop
from ranvier.network.spec import Network, Population, Projection
from ranvier.neurons.base import NeuronModel
from ranvier.neurons.integrate_and_fire import LeakyIntegrateAndFire
from ranvier.random import Key
from ranvier.record.record import Record
from ranvier.synapses.base import Presynaptic, SynapseModel
from ranvier.testing.common import (
    PRECISIONS,
    check_array,
    check_arrays,
    check_close,
    check_description,
    check_finite,
    check_gradient,
    check_units,
    check_value_semantics,
    is_a,
    require,
    varied,
)
from ranvier.testing.runs import run

N = 3
T = 0.4  # ms


def check_synapse(synapse: SynapseModel, *, published: bool = False, source: NeuronModel | None = None) -> None:
    """Checks a synapse model.

    Its description and units; the names, shapes and types of what each of its functions
    returns, in both precisions and for 0, 1 and many states, times in double precision; that
    what weights multiply is linear; that `vmap` over parameters is a loop; gradients against
    finite differences; and in networks: 0 and 1 neurons on each side, other values without
    compiling anew, sources in another order, and a state at every edge in place of its own site, with delays too.

    Args:
        synapse: the synapse, with any parameters.
        published: whether equations and a source must be stated.
        source: the neuron in front of it, where it reads more than `V`.

    Raises:
        ConformanceError: something does not hold.

    Example:
        >>> import ranvier as rv
        >>> check_synapse(rv.synapses.ExponentialCurrent())
    """
    is_a(synapse, SynapseModel, "synapse model")
    name = type(synapse).__name__
    source = LeakyIntegrateAndFire(refractory=1.0) if source is None else source
    check_description(synapse, published)
    check_units(synapse, None, synapse.variable_units)
    check_value_semantics(synapse)
    require(synapse.site in ("source", "target", "edge"), f"{name}.site is {synapse.site!r}; it must be 'source', 'target' or 'edge'.")
    require(
        synapse.weight in ("conductance", "current", "potential"),
        f"{name}.weight is {synapse.weight!r}; it must be 'conductance', 'current' or 'potential'.",
    )
    with jax.enable_x64(True):
        for dtype in PRECISIONS:
            for n in (0, 1, N):
                _check_shapes(in_precision(synapse, dtype), source, n, dtype, name)
        _check_linear(synapse, source, name)
        _check_states_apart(synapse, source, name)
        finite = {v: x for v, x in _state(synapse, N).items() if np.isfinite(x).all()}
        check_gradient(lambda at: _everything(at[0], source, {**_state(synapse, N), **at[1]}), (synapse, finite), name)
    _check_networks(synapse, source, name)


def _state(synapse: SynapseModel, n: int) -> dict[str, Any]:
    """The initial state, every variable moved a little, differently in each place. Times and what is not finite stay."""
    state = {}
    for i, (name, x) in enumerate(synapse.initial_state(n, Key(0)).items()):
        x = jnp.broadcast_to(jnp.asarray(x, float), (n,))
        state[name] = x if synapse.variable_units.get(name) == "ms" else x + 0.05 * (i + 1) * jnp.asarray(Key(4).child(name).uniform(n))
    return state


def _before(synapse: SynapseModel, source: NeuronModel, n: int, dtype: str = "float64") -> Presynaptic | None:
    if synapse.site == "target":
        return None
    state = source.initial_state(n, Key(0))
    return Presynaptic(
        {v: jnp.broadcast_to(jnp.asarray(x, dtype), (n,)) + jnp.asarray(Key(6).child(v).normal(n), dtype) for v, x in state.items()}
    )


def _everything(synapse: SynapseModel, source: NeuronModel, state: dict[str, Any]) -> dict[str, Any]:
    """What moves, and what reaches a membrane per unit weight."""
    n = len(next(iter(state.values()))) if state else N
    before = _before(synapse, source, n)
    t = jnp.asarray(T)
    result: dict[str, Any] = {"derivatives": synapse.derivatives(state, before, t)}
    sent = synapse.transmit(state, before, t)
    if sent is not None:
        result["membrane_input"] = synapse.membrane_input(sent, jnp.linspace(-70.0, -50.0, n))
    return result


def _check_shapes(synapse: SynapseModel, source: NeuronModel, n: int, dtype: str, name: str) -> None:
    state = jax.eval_shape(lambda: synapse.initial_state(n, Key(0)))
    require(isinstance(state, dict), f"{name}.initial_state returns {type(state).__name__}, not a dict of arrays by name.")
    for variable, x in state.items():
        require(x.shape in ((), (n,)), f"{name}.initial_state: {variable!r} has the shape {x.shape} for {n} states; it must be ({n},).")
    for variable in synapse.variable_units:
        require(variable in state, f"{name}.variable_units has a unit for {variable!r}, which is not in its state: {sorted(state)}.")
    types = {variable: "float64" if synapse.variable_units.get(variable) == "ms" else dtype for variable in state}
    arrays = {variable: jax.ShapeDtypeStruct((n,), types[variable]) for variable in state}
    t = jax.ShapeDtypeStruct((), "float64")
    before = _before(synapse, source, n, dtype)
    rates = jax.eval_shape(lambda s, t: synapse.derivatives(s, before, t), arrays, t)
    require(set(rates) <= set(state), f"{name}.derivatives returns {sorted(set(rates) - set(state))}, which initial_state does not have.")
    check_arrays(rates, None, n, dtype, f"{name}.derivatives", scalars=True)
    after, amplitude = jax.eval_shape(synapse.emit, arrays, jax.ShapeDtypeStruct((n,), "bool"), t)
    require(set(after) == set(state), f"{name}.emit returns the variables {sorted(after)}; it must return all of {sorted(state)}.")
    require(amplitude.shape == (n,), f"{name}.emit returns amplitudes of the shape {amplitude.shape}; there must be one a source ({n},).")
    arriving = jax.ShapeDtypeStruct((n,), dtype)
    received = jax.eval_shape(synapse.receive, arrays, arriving)
    require(set(received) <= set(state), f"{name}.receive returns {sorted(set(received) - set(state))}, which initial_state does not have.")
    for when, values in (("emit", after), ("receive", received)):
        for variable, x in values.items():
            check_array(x, n, types[variable], f"{name}.{when}: {variable!r}")
    kick = jax.eval_shape(synapse.kick, arriving)
    if kick is not None:
        check_array(kick, n, dtype, f"{name}.kick")
        require(
            synapse.weight == "potential", f"{name} kicks the potential, so its weight must be 'potential' (mV), not {synapse.weight!r}."
        )
    sent = jax.eval_shape(lambda s, t: synapse.transmit(s, before, t), arrays, t)
    require(sent is not None or kick is not None, f"{name} has no effect: neither transmit nor kick returns anything.")
    if sent is not None:
        for leaf in jax.tree.leaves(sent):
            check_array(leaf, n, dtype, f"{name}.transmit")
        for part, x in zip(("conductance", "offset"), jax.eval_shape(synapse.membrane_input, sent, arriving), strict=True):
            check_array(x, n, dtype, f"{name}.membrane_input: the {part}", scalars=True)


def _check_linear(synapse: SynapseModel, source: NeuronModel, name: str) -> None:
    """Weights are applied outside, and shared states add up, so what they multiply must be linear."""
    state, before, t = _state(synapse, N), _before(synapse, source, N), jnp.asarray(T)
    V = jnp.linspace(-70.0, -50.0, N)
    sent = synapse.transmit(state, before, t)
    if sent is not None:
        once, thrice = synapse.membrane_input(sent, V), synapse.membrane_input(jax.tree.map(lambda x: 3.0 * x, sent), V)
        check_close(thrice, jax.tree.map(lambda x: 3.0 * x, once), f"{name}.membrane_input is not linear in what was transmitted: ")
    a, b = jnp.asarray([1.0, 0.0, 2.5]), jnp.asarray([0.5, 3.0, -1.0])
    if synapse.site == "target":
        nothing, both = synapse.receive(state, 0.0 * a), synapse.receive(state, a + b)
        for variable, x in both.items():
            parts = synapse.receive(state, a)[variable] + synapse.receive(state, b)[variable] - nothing[variable]
            check_close(x, parts, f"{name}.receive is not linear in the spikes that arrive ({variable})")
    kick = synapse.kick(a + b)
    if kick is not None:
        first, second = synapse.kick(a), synapse.kick(b)
        assert first is not None and second is not None
        check_close(kick, first + second, f"{name}.kick is not linear in the spikes that arrive")


def _check_states_apart(synapse: SynapseModel, source: NeuronModel, name: str) -> None:
    many, single = varied(synapse, N)
    state, before, t = _state(synapse, N), _before(synapse, source, N), jnp.asarray(T)

    @jax.jit
    def at(model: SynapseModel, state: Any, before: Any) -> Any:
        sent = model.transmit(state, before, t)
        V = jnp.full(np.shape(jax.tree.leaves((state, sent))[0]) if jax.tree.leaves((state, sent)) else (1,), -60.0)
        acting = None if sent is None else [jnp.broadcast_to(x, V.shape) for x in model.membrane_input(sent, V)]
        return model.derivatives(state, before, t), acting

    cut = lambda tree, where: jax.tree.map(lambda x: x[where], tree)
    together = at(many, state, before)
    mapped = jax.vmap(at)(many, *jax.tree.map(lambda x: x[:, None], (state, before))) if jax.tree.leaves(many) else None
    for i, one in enumerate(single):
        alone = at(one, *cut((state, before), slice(i, i + 1)))
        check_close(cut(together, slice(i, i + 1)), alone, f"{name}, parameters as an array and one by one: ")
        if mapped is not None:
            check_close(cut(mapped, i), alone, f"{name}, vmap over parameters and a loop: ")


def _network(synapse: SynapseModel, source: NeuronModel, matrix: Any, current: Any, **options: Any) -> Network:
    targets, sources = np.shape(matrix)
    before = Population(sources, source, current=current, name="before", initial={"V": _fires(source)})
    after = Population(targets, LeakyIntegrateAndFire(), name="after")
    return Network(before, after, Projection(before, after, synapse, matrix, name="it", **options))


def _fires(source: NeuronModel) -> float:
    """A potential from which the neuron spikes in the first step, where it has a threshold."""
    threshold = getattr(source, "threshold", 0.0)
    return float(np.max(threshold)) + 0.1


def _check_networks(synapse: SynapseModel, source: NeuronModel, name: str) -> None:
    weight = 0.1
    for targets, sources in ((0, 1), (1, 0)):
        state = run(_network(synapse, source, np.ones((targets, sources)), 0.0, weight=weight)).state
        check_finite(state.neurons["after"], f"{name}, {sources} sources and {targets} targets: ")
    matrix = np.array([[1.0, 0.5, 0.0], [0.0, 2.0, 0.7]])
    current = np.array([0.0, 300.0, 500.0])
    sites = _can_be_at_edges(synapse)
    record = [Record("it", "current"), Record("after", ["V", "synaptic_current"])] if sites else []
    own = run(_network(synapse, source, matrix, current, weight=weight), record=record)
    first = own.state
    check_finite(first.neurons["after"], f"{name} in a network: ")
    compiled = loop.compilations
    order = np.array([2, 0, 1])
    # A matrix of another sparsity would be wired anew, and may well compile anew; its values are the same here.
    other = run(_network(synapse, source, matrix[:, order], current[order], weight=weight), record=record).state
    require(loop.compilations == compiled, f"{name}: running again with other weights compiled the step anew.")
    check_close(first.neurons["after"], other.neurons["after"], f"{name}, permuting the sources: ", rtol=1e-9)
    single = run(_network(synapse, source, matrix, current, weight=weight), precision="single").state
    for variable, x in single.synapses["it"].items():
        expected = "float64" if synapse.variable_units.get(variable) == "ms" else "float32"
        require(x.dtype == expected, f"{name} in single precision: {variable!r} is {x.dtype}; it must be {expected}.")
    if sites:
        where = f"{name}, a state a {synapse.site} and a state a synapse: "
        edges = run(_network(synapse, source, matrix, current, weight=weight, site="edge"), record=record)
        check_close(own.state.neurons["after"], edges.state.neurons["after"], where, rtol=1e-9)
        for part, variable in (("it", "current"), ("after", "V"), ("after", "synaptic_current")):
            mine, theirs = ({variable: run[part][variable].values} for run in (own, edges))
            check_close(mine, theirs, f"{where}the record of {part}, ", rtol=1e-9)
        if not synapse.event_driven:
            later = {"weight": weight, "delay": [0.0, 0.2, 0.1, 0.3]}
            mine, theirs = (run(_network(synapse, source, matrix, current, site=site, **later)).state.neurons for site in (None, "edge"))
            check_close(mine["after"], theirs["after"], f"{where}with delays: ", rtol=1e-9)


def _can_be_at_edges(synapse: SynapseModel) -> bool:
    """Whether the engine keeps its states at the edges where it is asked to."""
    kicks = type(synapse).kick is not SynapseModel.kick
    return synapse.site != "edge" and not kicks and not (synapse.emits and synapse.event_driven)
