"""From a network as described to what the compiled step works on.

The outcome has three parts: a `Plan` of names and sizes, which is structure and
decides what is compiled; constants, which are arguments of the compiled step;
and the initial state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from ranvier.errors import ParameterError
from ranvier.kernels.deliver_events import empty_history
from ranvier.model import parameters
from ranvier.network.common import resolve as resolve
from ranvier.network.plan import Built, Plan
from ranvier.network.populations import build_populations
from ranvier.network.spec import Network
from ranvier.network.state import SimulationState
from ranvier.network.wiring import Wirer
from ranvier.random import Key

MERGE = True  # benchmarks/populations.py turns it off to show what it is worth


def _cast_stimulus(given: Any, stimulus: Any, unit: str, shared: dict[tuple[int, str], Any]) -> Any:
    """The stimulus in double precision, whatever the run's: its times need it.

    A part that the user gave to several populations, with nothing in it that
    is one a neuron, stays one and the same in all of them.
    """
    if (id(given), unit) in shared:
        return shared[id(given), unit]
    copy = object.__new__(type(stimulus))
    for field in dataclasses.fields(stimulus):
        value = getattr(stimulus, field.name)
        if "component" in field.metadata:
            value = _cast_stimulus(getattr(given, field.name), value, unit, shared)
        elif "parameter" in field.metadata:
            value = np.asarray(value, np.float64)
        object.__setattr__(copy, field.name, value)
    if all(info.per == "sample" or np.ndim(value) == 0 for _, info, value in parameters(stimulus)):
        shared[id(given), unit] = copy
    return copy


def build(net: Network, *, dt: float, seed: int, dtype: str, integrators: Mapping[str, Any] | None = None) -> Built:
    """Draws the network, checks it, and lays out what the compiled step needs.

    Call inside `jax.enable_x64(True)`. Populations with different `integrators` are kept apart.
    """
    key = Key(seed)
    groups, populations, group_constants, members = build_populations(net, key, dt, dtype, MERGE, integrators or {})
    wiring = Wirer(net, populations, groups, key, dt, dtype).build()
    plan = Plan(tuple(populations), tuple(groups), tuple(wiring.synapses), tuple(wiring.projections), tuple(wiring.histories), dtype)
    shared: dict[tuple[int, str], Any] = {}
    for group in groups:
        group_constants[group.name]["stimuli"] = [
            None if stimulus is None else _cast_stimulus(net.populations[name].current, stimulus, members[name].model.input_unit, shared)
            for name, stimulus in zip(group.members, group_constants[group.name]["stimuli"], strict=True)
        ]
    constants = {
        "dt": np.float64(dt),
        "seed": tuple(np.uint32(word) for word in key.seed_words),
        "groups": group_constants,
        "synapses": wiring.constants,
        "feeds": wiring.feeds,
    }
    sizes = {p.name: p.n for p in populations}
    state = SimulationState(
        step=np.int64(0),
        neurons={p.name: {v: x.astype(dtype) for v, x in members[p.name].values.items()} for p in populations},
        synapses=wiring.states,
        last_spike={p.name: members[p.name].last_spike for p in populations},
        in_flight={
            h.name: empty_history(plan.n if h.source is None else sizes[h.source], h.slots, dtype, h.source is not None)._asdict()
            for h in wiring.histories
        },
    )
    return Built(plan, constants, state, wiring.edges)


def continued(built: Built, given: SimulationState) -> SimulationState:
    """A state to go on from, checked against the network and in its precision.

    Raises:
        ParameterError: it is a state of another network.
    """
    own = built.state
    for kind in ("neurons", "synapses"):
        mine, theirs = getattr(own, kind), getattr(given, kind)
        for part, variables in mine.items():
            if part not in theirs:
                raise ParameterError(f"The initial state has nothing for {part!r}; it is of another network.")
            for variable, values in variables.items():
                if variable not in theirs[part]:
                    raise ParameterError(f"The initial state has no {variable!r} of {part!r}; it is of another network.")
                shape = np.shape(theirs[part][variable])
                if shape != values.shape:
                    raise ParameterError(
                        f"The initial state's {variable} of {part} has the shape {shape}; this network needs {values.shape}."
                    )
    for name, history in own.in_flight.items():
        theirs = given.in_flight.get(name, {})
        if {k: np.shape(v) for k, v in theirs.items()} != {k: np.shape(v) for k, v in history.items()}:
            raise ParameterError(f"The initial state's {name} in flight do not fit this network's delays in steps of this dt.")
    like = lambda mine, theirs: jax.tree.map(lambda a, b: np.asarray(b, a.dtype), mine, theirs)
    picked = lambda mine, theirs: {part: {v: theirs[part][v] for v in variables} for part, variables in mine.items()}
    return SimulationState(
        step=np.int64(given.step),
        neurons=like(own.neurons, picked(own.neurons, given.neurons)),
        synapses=like(own.synapses, picked(own.synapses, given.synapses)),
        last_spike=like(own.last_spike, {p: given.last_spike[p] for p in own.last_spike}),
        in_flight=like(own.in_flight, {p: given.in_flight[p] for p in own.in_flight}),
        memory=given.memory,
    )
