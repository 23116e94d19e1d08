"""A SONATA circuit or simulation, as a network."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ranvier import doors
from ranvier.errors import ParameterError, UnsupportedError, warn
from ranvier.interop.sonata_in.config import Config, read_json
from ranvier.interop.sonata_in.edges import read_edges
from ranvier.interop.sonata_in.inputs import Inputs
from ranvier.interop.sonata_in.nodes import NodePopulation, NodeSets, read_nodes
from ranvier.network.spec import Network, Population
from ranvier.neurons.sources import SpikeTimes
from ranvier.record.record import Record
from ranvier.stimuli.base import Constant

SAME = 1e-6
"""Of a step: nearer to its end, a spike is at it."""
TIC = 1e-3
"""What NEST counts time in (ms)."""
POTENTIALS = ("v", "V", "V_m", "w")


@dataclasses.dataclass(frozen=True)
class SonataModel:
    """What a SONATA circuit or simulation says.

    Attributes:
        network: the network.
        duration: of the simulation (ms); None where only a circuit was read.
        dt: its time step (ms).
        record: what its reports ask for, as `rv.simulate` takes it.
        nodes: of each population of the network, what its nodes have, by name: `node_id`, `x`, `model_name` and whatever else is there.
    """

    network: Network
    duration: float | None
    dt: float
    record: list[Record]
    nodes: dict[str, dict[str, np.ndarray]]


@doors.checked(path=doors.path, dt=doors.optional(doors.interval))
def read_sonata(path: str | Path, *, dt: float | None = None) -> SonataModel:
    """A SONATA network of point neurons, with its inputs and reports.

    Nodes whose `model_template` is NEST's `iaf_psc_…`, `iaf_cond_…` or `aeif_…`, PyNN's `IF_…` or `EIF_…`, or NEURON's `IntFire1` become
    populations, one for each template of a SONATA population; what `dynamics_params` leave out has the simulator's default. Virtual nodes
    become sources of the spikes that the inputs give them. An edge weighs `syn_weight · nsyns`; below 0 it inhibits.

    A time in these files is the end of its step, as in NEST: a spike in the step from t_k to t_k+1 is at t_k+1 there and at t_k here, and
    one between steps is rounded up.

    Args:
        path: of a `simulation_config.json`, a `circuit_config.json`, or a file that names both.
        dt: the time step (ms); by default that of the simulation.

    Raises:
        UnsupportedError: h5py is not installed; nodes, synapses or inputs of a kind that there is no model for, by name.
        ParameterError: a file that cannot be read or has another layout; no `dt` anywhere.
        UnknownNameError: a node set or population that does not exist.

    Example:
        >>> import json, tempfile, h5py
        >>> import ranvier as rv
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "types.csv").write_text("node_type_id model_type model_template\\n7 point_neuron nest:iaf_psc_exp\\n")
        >>> with h5py.File(folder / "nodes.h5", "w") as file:
        ...     file["nodes/cells/node_type_id"] = [7, 7, 7]
        >>> step = {"input_type": "current_clamp", "module": "IClamp", "node_set": {"node_id": [1]}, "amp": 500, "delay": 5, "duration": 50}
        >>> files = {"nodes": [{"nodes_file": "nodes.h5", "node_types_file": "types.csv"}]}
        >>> said = {"networks": files, "run": {"tstop": 100.0, "dt": 0.1}, "inputs": {"step": step}}
        >>> _ = (folder / "config.json").write_text(json.dumps(said))
        >>> model = rv.interop.read_sonata(folder / "config.json")
        >>> rv.simulate(model.network, duration=model.duration, dt=model.dt).spikes.counts
        array([0, 3, 0])
    """
    try:
        import h5py
    except ImportError:
        raise UnsupportedError("SONATA files need h5py. Install it with: pip install 'ranvier[sonata]'") from None
    simulation, circuit = _configs(Path(path))
    run = simulation.section("run") if simulation else {}
    duration = doors.duration(run["tstop"] - run.get("tstart", 0.0), "SONATA: tstop of the run") if "tstop" in run else None
    if dt is None:
        if run.get("dt") is None:
            raise ParameterError(f"read_sonata: {path} has no dt of a run. Give dt= in ms.")
        dt = doors.interval(run["dt"], "SONATA: dt of the run")
    models = circuit.section("components")
    folder = lambda key: circuit.place(models[key], key) if key in models else None
    nodes: dict[str, NodePopulation] = {}
    for data, types in _files(circuit, "nodes"):
        with _opened(h5py, data) as file:
            nodes |= read_nodes(file, types, folder("point_neuron_models_dir"))
    if not nodes:
        raise ParameterError(f"SONATA: {circuit.path} names no nodes.")
    sets = NodeSets(nodes, _node_sets(simulation, circuit))
    inputs = Inputs(nodes, sets)
    if simulation:
        inputs.read(simulation)
    populations = {made.name: made for p in nodes.values() for made in _populations(p, inputs, dt) if made.name is not None}
    projections = []
    for data, types in _files(circuit, "edges"):
        with _opened(h5py, data) as file:
            projections += read_edges(file, types, folder("synaptic_models_dir"), nodes, populations, dt)
    return SonataModel(
        Network(*populations.values(), *projections),
        duration,
        dt,
        list(_records(simulation, sets, populations, dt)) if simulation else [],
        {
            group.name: {"node_id": p.ids[group.rows]} | {key: values[group.rows] for key, values in p.attributes.items()}
            for p in nodes.values()
            for group in p.groups
        },
    )


def _configs(path: Path) -> tuple[Config | None, Config]:
    """The simulation and the circuit that a file names or is."""
    first = Config(path)
    if "networks" in first.content:
        return (first if "run" in first.content else None), first
    simulation = Config(first.place(first.content["simulation"], "simulation")) if "simulation" in first.content else first
    named = first if "network" in first.content else simulation
    if "network" not in named.content:
        raise ParameterError(f"SONATA: {path} has no 'networks' (a circuit) and no 'network' (the path of one).")
    return simulation, Config(named.place(named.content["network"], "network"))


def _files(circuit: Config, kind: str) -> Iterator[tuple[Path, Path | None]]:
    """The data and the types of all nodes or edges of a circuit."""
    networks = circuit.section("networks")
    for entry in networks.get(kind) or []:
        if not isinstance(entry, dict) or f"{kind}_file" not in entry:
            raise ParameterError(f"SONATA: an entry of the {kind} of {circuit.path} has no {kind}_file: {entry!r}.")
        types = entry.get(f"{kind[:-1]}_types_file")
        if entry.get("enabled", True) is not False:
            yield (
                circuit.place(entry[f"{kind}_file"], f"{kind}_file"),
                None if types is None else circuit.place(types, f"{kind[:-1]}_types_file"),
            )


def _opened(h5py: Any, path: Path) -> Any:
    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise ParameterError(f"SONATA: {path} cannot be read: {error}") from None


def _node_sets(*configs: Config | None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for config in configs:
        if config is not None:
            if "node_sets_file" in config.content:
                found |= read_json(config.place(config.content["node_sets_file"], "node_sets_file"), "the node sets")
            found |= config.section("node_sets")
    return found


def _populations(nodes: NodePopulation, inputs: Inputs, dt: float) -> Iterator[Population]:
    """What the nodes of a SONATA population become."""
    for group in nodes.groups:
        n = len(group.rows)
        if group.cells is None:
            yield Population(n, _source(nodes, group.rows, inputs, dt), name=group.name)
            continue
        current = group.cells.current
        stimulus = inputs.currents.get(group.name)
        if np.any(np.asarray(current)):
            stimulus = Constant(current) if stimulus is None else stimulus + Constant(current)
        yield Population(n, group.cells.model, initial=group.cells.initial, current=stimulus, name=group.name)


def _source(nodes: NodePopulation, rows: np.ndarray, inputs: Inputs, dt: float) -> SpikeTimes:
    """The spikes of virtual nodes, each at the start of the step that it ends; one at 0 ends none."""
    given = inputs.trains.get(nodes.name, [])
    who = np.concatenate([np.empty(0, np.int64), *(nodes.place[some] for some, _ in given)])
    when = np.concatenate([np.empty(0), *(times for _, times in given)])
    steps = np.ceil(when / dt - max(SAME, TIC / 2 / dt)) - 1  # as NEST rounds
    mine = np.isin(np.concatenate([np.empty(0, np.int64), *(some for some, _ in given)]), rows) & (steps >= 0)
    return SpikeTimes(times=steps[mine] * dt, neurons=who[mine].astype(np.float64))


def _records(simulation: Config, sets: NodeSets, populations: dict[str, Population], dt: float) -> Iterator[Record]:
    """What the reports ask for; what cannot be is left out, with a warning."""
    for name, report in simulation.section("reports").items():
        what = f"the report {name!r}"
        if not isinstance(report, dict) or report.get("enabled", True) is False:
            continue
        variable = report.get("variable_name")
        if variable not in POTENTIALS:
            warn(f"SONATA: {what} is of {variable!r} and is left out: there are 'v' or 'V_m', and 'w'.")
            continue
        for of, rows in sets.find(report.get("cells", report.get("node_set")), what).items():
            nodes = sets.populations[of]
            for group in nodes.groups:
                chosen = np.flatnonzero(np.isin(group.rows, rows))
                if not len(chosen) or group.cells is None:
                    continue
                yield Record(
                    populations[group.name],
                    "w" if variable == "w" else "V",
                    every=report.get("dt", dt),
                    neurons=chosen,
                    start=report.get("start_time", 0.0),
                    name=name if len(populations) == 1 else None,
                )
