"""What a sweep is, as JSON: a store goes on with the same sweep alone."""

from __future__ import annotations

from typing import Any

import jax

from ranvier.network.numbers import network_with
from ranvier.network.state import SimulationState
from ranvier.random import STREAMS_VERSION
from ranvier.store.description import checksum_of_array, described, described_network, described_record
from ranvier.sweeps.members import Task
from ranvier.sweeps.sets import Sets


def describe(task: Task, sets: Sets) -> dict[str, Any]:
    """A sweep by what must be the same when it goes on; each entry is named as an error would name it."""
    sim = task.sim
    return {
        "the network": described_network(network_with(sim.network, sim.numbers), {}),
        "the sets": [{"name": axis.name, "values": {p: [_value(v) for v in own] for p, own in axis.values.items()}} for axis in sets.axes],
        "duration": task.steps,
        "dt": sim.dt,
        "the integrator": {name: described(one, {}) for name, one in sim.integrators.items()},
        "precision": sim.precision,
        "spike_timing": sim.spike_timing,
        "seed": sim.seed if task.seed is None else task.seed,
        "initial": _value(task.initial),
        "record": [described_record(record, sim.network, {}) for record in sim.recorded],
        "measure": list(task.wanted.measures),
        "functions": [[name, described(function, {})] for name, function in task.wanted.functions],
        "the version of the random streams": STREAMS_VERSION,
    }


def _value(value: Any) -> Any:
    if isinstance(value, SimulationState):
        return {"$state": [checksum_of_array(x) for x in jax.tree.leaves(value.on_host())]}
    return described(value, {})
