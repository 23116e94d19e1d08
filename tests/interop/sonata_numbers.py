"""Runs the circuit of `sonata_circuit.py` in NEST 3.10 and keeps its spikes: `python tests/interop/sonata_numbers.py`."""

import csv
import json
import tempfile
from pathlib import Path

import h5py
import nest
import numpy as np
from sonata_circuit import DT, DURATION, write

HERE = Path(__file__).parent


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file, delimiter=" "))


def simulated(folder):
    """All spikes of the circuit, as `[step that they end, node_id]`."""
    nest.ResetKernel()
    nest.resolution = DT
    types = {int(row["node_type_id"]): row for row in rows(folder / "network/cortex_node_types.csv")}
    with h5py.File(folder / "network/cortex_nodes.h5") as file:
        nodes = file["nodes/cortex"]
        ids, kinds, index = nodes["node_id"][:].astype(int), nodes["node_type_id"][:], nodes["node_group_index"][:].astype(int)
        currents = nodes["0/dynamics_params/I_e"][:]
    cells = {}
    for name, kind, place in zip(ids.tolist(), kinds.tolist(), index, strict=True):
        given = json.loads((folder / "models" / types[kind]["dynamics_params"]).read_text())
        given["V_m"] = given.get("E_L", -70.0)
        if kind != 12:
            given["I_e"] = currents[place]
        cells[name] = nest.Create(types[kind]["model_template"].split(":")[1], params=given)
    with h5py.File(folder / "inputs/fibres.h5") as file:
        times, who = file["spikes/fibres/timestamps"][:], file["spikes/fibres/node_ids"][:].astype(int)
    fibres = {
        i: nest.Create("spike_generator", params={"allow_offgrid_times": True, "spike_times": np.sort(times[who == i])}) for i in range(8)
    }
    pulse = nest.Create("step_current_generator", params={"amplitude_times": [50.0 - DT, 130.0 - DT], "amplitude_values": [120.0, 0.0]})
    for name, kind in zip(ids.tolist(), kinds.tolist(), strict=True):
        if kind == 11:
            nest.Connect(pulse, cells[name], syn_spec={"delay": DT})
    for stem, sources in (("cortex_cortex", cells), ("fibres_cortex", fibres)):
        delays = {int(row["edge_type_id"]): float(row["delay"]) for row in rows(folder / f"network/{stem}_edge_types.csv")}
        with h5py.File(folder / f"network/{stem}_edges.h5") as file:
            edges = next(iter(file["edges"].values()))
            many = edges["0/nsyns"][:] if "nsyns" in edges["0"] else np.ones(len(edges["edge_type_id"]))
            columns = [edges[key][:] for key in ("source_node_id", "target_node_id", "edge_type_id")]
            weights = edges["0/syn_weight"][:] * many
        for pre, post, kind, weight in zip(*(c.tolist() for c in columns), weights.tolist(), strict=True):
            nest.Connect(sources[pre], cells[post], syn_spec={"weight": weight, "delay": delays[kind]})
    recorder = nest.Create("spike_recorder")
    for cell in cells.values():
        nest.Connect(cell, recorder)
    nest.Simulate(DURATION)
    found = {cell.tolist()[0]: name for name, cell in cells.items()}
    return sorted([round(t / DT), found[i]] for t, i in zip(recorder.events["times"], recorder.events["senders"], strict=True))


with tempfile.TemporaryDirectory() as place:
    write(Path(place, "circuit"))
    kept = simulated(Path(place, "circuit"))
(HERE / "sonata_nest.json").write_text(json.dumps({"nest": nest.__version__, "spikes": kept}) + "\n")
print(len(kept), "spikes")
