"""PSST's state vectors (Mohanta & Assisi 2019), in and out.

PSST keeps a whole network in one vector. Its layouts are, in this order:

- Day 3: V, m, h, n, each for all neurons.
- Days 4 and 5: the same, then the open fraction of each cholinergic synapse, of
  each GABA synapse, and each neuron's last fire time.
- Day 6: V of PNs and LNs, n of both, m and h of the sodium and of the A current
  (PN), m and h of the calcium current, m of the calcium-activated potassium
  current, calcium (LN), open fractions, last fire times.

Synapses are in the order of their matrix's rows (postsynaptic), then columns.
The docstrings of the published code say V, n, m, h; its arithmetic says V, m, h, n.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import numpy as np

from ranvier.connect.base import Edges
from ranvier.errors import ParameterError, UnsupportedError
from ranvier.network.draw import Drawn, draw
from ranvier.network.numbers import numbers_of
from ranvier.network.spec import Network
from ranvier.network.state import NEVER, SimulationState
from ranvier.neurons.bazhenov import BazhenovNeuron, LocalNeuron, ProjectionNeuron
from ranvier.simulation import prepare
from ranvier.synapses.kinetic import Cholinergic, GradedGABA

NOT_YET = -9999999.0
"""What PSST's Day 4 writes for the fire time of a neuron that has not fired."""

_ORDER: dict[tuple[type, ...], list[str]] = {
    (BazhenovNeuron,): ["V", "sodium.m", "sodium.h", "potassium.n"],
    (ProjectionNeuron, LocalNeuron): [
        "V",
        "potassium.n",
        "sodium.m",
        "sodium.h",
        "transient.m",
        "transient.h",
        "calcium_current.m",
        "calcium_current.h",
        "calcium_potassium.m",
        "calcium.concentration",
    ],
}


@dataclasses.dataclass(frozen=True)
class Segment:
    """A stretch of a state vector: one variable of one part (`variable` is `"fire_t"` for fire times)."""

    part: str
    variable: str
    length: int


def layout(network: Network) -> list[Segment]:
    """The stretches of the state vector that PSST would use for a network, in order.

    Raises:
        UnsupportedError: the network is not one of PSST's: one population of
            `BazhenovNeuron`, or `ProjectionNeuron`s and `LocalNeuron`s, with
            cholinergic and graded GABA synapses.

    Example:
        >>> import ranvier as rv
        >>> [(s.variable, s.length) for s in layout(rv.Network(rv.Population(20, rv.neurons.BazhenovNeuron())))]
        [('V', 20), ('sodium.m', 20), ('sodium.h', 20), ('potassium.n', 20)]
    """
    return _layout(network, _drawn(network, 0.01))


def _layout(network: Network, drawn: Drawn) -> list[Segment]:
    kinds = tuple(type(p.model) for p in network.populations.values())
    if kinds not in _ORDER:
        raise UnsupportedError(
            "PSST has no state vector for this network. It knows one population of BazhenovNeuron (Days 3 to 5), "
            f"and a ProjectionNeuron population followed by a LocalNeuron one (Day 6); this has {', '.join(k.__name__ for k in kinds)}."
        )
    segments = [
        Segment(p.name, variable, p.n) for variable in _ORDER[kinds] for p in drawn.populations.values() if variable in p.facts.variables
    ]
    synapses = []
    for kind in (Cholinergic, GradedGABA):
        mine = [name for name, p in network.projections.items() if isinstance(p.synapse, kind)]
        if len(mine) > 1:
            raise UnsupportedError(f"PSST has one matrix of {kind.__name__} synapses; this network has {len(mine)} such projections.")
        synapses += [Segment(name, "open", len(_edges(drawn, name))) for name in mine]
    if len(synapses) != len(network.projections):
        raise UnsupportedError("PSST has cholinergic and graded GABA synapses only.")
    fire = [Segment(p.name, "fire_t", p.n) for p in drawn.populations.values()] if synapses else []
    return segments + synapses + fire


def from_vector(network: Network, vector: Any, *, dt: float = 0.01, time: float = 0.0) -> SimulationState:
    """A PSST state vector as the state to start a run from: `rv.simulate(network, initial=state, ...)`.

    Args:
        network: the network it belongs to, with PSST's own matrices.
        vector: the state vector, `[states]`.
        dt: the time step of the run (ms).
        time: the time of the state (ms); the run goes on from there.

    Raises:
        ParameterError: the vector has another length than the network's, is not
            finite, or has synapses of one source in different states (then give
            the projection `site="edge"`).

    Example:
        >>> import numpy as np, ranvier as rv
        >>> net = rv.Network(rv.Population(1, rv.neurons.BazhenovNeuron(), current=5.0, name="X"))
        >>> run = rv.simulate(net, duration=10.0, initial=from_vector(net, [-71.0, 0.0, 0.0, 0.0]))
        >>> float(run.state.neurons["X"]["V"][0].round())
        37.0
    """
    drawn = _drawn(network, dt)
    segments = _layout(network, drawn)
    vector = np.asarray(vector, np.float64)
    total = sum(s.length for s in segments)
    if vector.shape != (total,):
        parts = ", ".join(f"{s.variable} of {s.part} ({s.length})" for s in segments)
        raise ParameterError(f"The state vector has the shape {vector.shape}, but this network has {total} states: {parts}.")
    if not np.isfinite(vector).all():
        raise ParameterError(f"The state vector is not finite at index {int(np.flatnonzero(~np.isfinite(vector))[0])}.")
    start = prepare(network, dt=dt).state()
    neurons = {p: dict(v) for p, v in start.neurons.items()}
    synapses = {p: dict(v) for p, v in start.synapses.items()}
    last_spike = dict(start.last_spike)
    first = 0
    for s in segments:
        values = vector[first : first + s.length]
        first += s.length
        if s.variable == "fire_t":
            last_spike[s.part] = np.rint(values / dt).astype(np.int64)
            for name, projection in network.projections.items():
                if isinstance(projection.synapse, Cholinergic) and network.name_of(projection.source) == s.part:
                    at_site = values[_edges(drawn, name).pre] if drawn.projections[name].site == "edge" else values
                    synapses[name]["last_spike"] = at_site.copy()
        elif s.part in neurons:
            neurons[s.part][s.variable] = values.copy()
        else:
            synapses[s.part]["open"] = _at_site(drawn, s.part, values)
    return dataclasses.replace(start, step=np.int64(round(time / dt)), neurons=neurons, synapses=synapses, last_spike=last_spike)


def _drawn(network: Network, dt: float) -> Drawn:
    with jax.enable_x64(True):
        return draw(network, numbers_of(network), seed=0, dt=dt)


def _edges(drawn: Drawn, projection: str) -> Edges:
    edges = drawn.projections[projection].edges
    assert edges is not None
    return edges


def _at_site(drawn: Drawn, projection: str, per_edge: np.ndarray) -> np.ndarray:
    if drawn.projections[projection].site == "edge":
        return per_edge.copy()
    pre = _edges(drawn, projection).pre
    values = np.zeros(drawn.projections[projection].projection.source.n)
    values[pre] = per_edge
    if not np.array_equal(values[pre], per_edge):
        source = int(pre[np.flatnonzero(values[pre] != per_edge)[0]])
        raise ParameterError(
            f"The synapses of {projection} that leave source neuron {source} are in different states, "
            "so one state a source cannot hold them. "
            'Give the projection site="edge".'
        )
    return values


def to_vector(network: Network, state: SimulationState, *, dt: float = 0.01) -> np.ndarray:
    """The state of a network as PSST's state vector, float64 `[states]`.

    Args:
        network: the network the state belongs to.
        state: e.g. `run.state`.
        dt: the time step of the run it is from (ms).

    Example:
        >>> import ranvier as rv
        >>> net = rv.Network(rv.Population(1, rv.neurons.BazhenovNeuron(), name="X"))
        >>> to_vector(net, from_vector(net, [-71.0, 0.1, 0.2, 0.3])).tolist()
        [-71.0, 0.1, 0.2, 0.3]
    """
    drawn = _drawn(network, dt)
    parts = []
    for s in _layout(network, drawn):
        if s.variable == "fire_t":
            parts.append(_fire_times(network, drawn, state, s.part, dt))
        elif s.part in state.neurons:
            parts.append(np.asarray(state.neurons[s.part][s.variable], np.float64))
        else:
            values = np.asarray(state.synapses[s.part]["open"], np.float64)
            parts.append(values if drawn.projections[s.part].site == "edge" else values[_edges(drawn, s.part).pre])
    return np.concatenate(parts)


def _fire_times(network: Network, drawn: Drawn, state: SimulationState, population: str, dt: float) -> np.ndarray:
    steps = np.asarray(state.last_spike[population])
    times = np.where(steps > NEVER, steps * dt, NOT_YET)
    for name, projection in network.projections.items():
        if isinstance(projection.synapse, Cholinergic) and network.name_of(projection.source) == population:
            exact = np.asarray(state.synapses[name]["last_spike"], np.float64)
            if drawn.projections[name].site == "edge":
                spread = times.copy()
                spread[_edges(drawn, name).pre] = exact
                exact = spread
            times = np.where(np.isfinite(exact), exact, times)
    return times
