"""A small SONATA circuit: cells of two templates, virtual nodes, edges, a simulation. Needs NumPy and h5py alone."""

import json
from pathlib import Path

import h5py
import numpy as np

DT, DURATION = 0.1, 200.0
SLOW = {"tau_m": 20.0, "C_m": 250.0, "E_L": -65.0, "V_th": -50.0, "V_reset": -60.0, "t_ref": 2.0, "tau_syn_ex": 3.0, "tau_syn_in": 8.0}
FAST = {"tau_m": 10.0, "C_m": 120.0, "E_L": -68.0, "V_th": -52.0, "V_reset": -68.0, "t_ref": 1.0, "tau_syn_ex": 1.0, "tau_syn_in": 8.0}
LEAKY = {"g_L": 12.0, "C_m": 200.0, "E_ex": 0.0, "E_in": -80.0, "tau_syn_ex": 2.0, "tau_syn_in": 6.0, "I_e": 150.0}


def write(folder: Path) -> Path:
    """Writes all of it; the path of the simulation's configuration."""
    rng = np.random.default_rng(7)
    for name in ("network", "models", "synapses", "inputs"):
        (folder / name).mkdir(parents=True)
    for name, content in {
        "models/slow.json": SLOW,
        "models/fast.json": FAST,
        "models/leaky.json": LEAKY,
        "synapses/plain.json": {},
    }.items():
        (folder / name).write_text(json.dumps(content))
    lines = [
        "node_type_id model_type model_template dynamics_params model_name ei",
        '10 point_neuron nest:iaf_psc_exp slow.json "slow cell" e',
        "11 point_neuron nest:iaf_psc_exp fast.json fast i",
        "12 point_neuron nest:iaf_cond_exp leaky.json leaky e",
    ]
    (folder / "network/cortex_node_types.csv").write_text("\n".join(lines) + "\n")
    (folder / "network/fibres_node_types.csv").write_text("node_type_id model_type ei\n1 virtual NULL\n")
    types = rng.permutation([10] * 12 + [11] * 6 + [12] * 6)
    with h5py.File(folder / "network/cortex_nodes.h5", "w") as file:
        group = file.create_group("nodes/cortex")
        group["node_type_id"] = types.astype(np.uint64)
        group["node_id"] = (100 + rng.permutation(24)).astype(np.uint64)  # ids are names, not places
        groups = (types == 12).astype(np.uint32)
        group["node_group_id"] = groups
        index = np.zeros(24, np.uint64)
        for g in (0, 1):
            index[groups == g] = np.arange((groups == g).sum())
        group["node_group_index"] = index
        group["0/x"] = rng.uniform(0, 100, 18)
        group["0/dynamics_params/I_e"] = rng.uniform(100, 300, 18).round(1)  # each node its own, over its type's
        group["1/layer"] = np.array([b"L4"] * 3 + [b"L5"] * 3)
    with h5py.File(folder / "network/fibres_nodes.h5", "w") as file:
        group = file.create_group("nodes/fibres")
        for name, values in {"node_type_id": np.ones(8), "node_group_id": np.zeros(8), "node_group_index": np.arange(8)}.items():
            group[name] = values.astype(np.uint64)
        group.create_group("0")
    with h5py.File(folder / "network/cortex_nodes.h5") as file:
        ids = file["nodes/cortex/node_id"][:]
    kinds = dict(zip(ids.tolist(), types.tolist(), strict=True))
    pre, post = (rng.choice(ids, 160) for _ in range(2))
    strength = {10: 40.0, 11: 40.0, 12: 4.0}  # pA, pA and nS
    weights = np.array([(-1.5 if kinds[a] == 11 else 1.0) * strength[kinds[b]] for a, b in zip(pre.tolist(), post.tolist(), strict=True)])
    _edges(folder / "network/cortex_cortex", "cortex", "cortex", pre, post, rng, syn_weight=weights, nsyns=rng.integers(1, 4, 160))
    pre, post = rng.integers(0, 8, 90), rng.choice(ids, 90)
    weights = np.array([2.0 * strength[kinds[b]] for b in post.tolist()])
    _edges(folder / "network/fibres_cortex", "fibres", "cortex", pre, post, rng, syn_weight=weights)
    times = np.sort(rng.uniform(0.5, DURATION, 200)).round(2)
    who = rng.integers(0, 8, 200)
    with h5py.File(folder / "inputs/fibres.h5", "w") as file:
        spikes = file.create_group("spikes/fibres")
        _, once = np.unique(np.stack([who, np.ceil(times / DT - 0.005)]), axis=1, return_index=True)  # one spike a step
        spikes["timestamps"], spikes["node_ids"] = times[np.sort(once)], who[np.sort(once)].astype(np.uint64)
        spikes["timestamps"].attrs["units"] = "ms"
    return _configurations(folder)


def _edges(stem: Path, source: str, target: str, pre, post, rng, **own) -> None:
    """An edges file with two types, of which the second has a delay of its own."""
    n = len(pre)
    name = f"{source}_to_{target}"
    with h5py.File(f"{stem}_edges.h5", "w") as file:
        group = file.create_group(f"edges/{name}")
        for side, ids, population in (("source", pre, source), ("target", post, target)):
            group[f"{side}_node_id"] = np.asarray(ids).astype(np.uint64)
            group[f"{side}_node_id"].attrs["node_population"] = population
        group["edge_type_id"] = rng.integers(1, 3, n).astype(np.uint32)
        group["edge_group_id"], group["edge_group_index"] = np.zeros(n, np.uint16), np.arange(n, dtype=np.uint32)
        for key, values in own.items():
            group[f"0/{key}"] = values
    Path(f"{stem}_edge_types.csv").write_text(
        "edge_type_id target_query source_query delay dynamics_params model_template\n"
        "1 * * 1.5 plain.json static_synapse\n"
        "2 ei=='e' * 3.0 plain.json static_synapse\n"
    )


def _configurations(folder: Path) -> Path:
    entry = lambda kind, stem: {
        f"{kind}s_file": f"$NETWORK_DIR/{stem}_{kind}s.h5",
        f"{kind}_types_file": f"$NETWORK_DIR/{stem}_{kind}_types.csv",
    }
    circuit = {
        "manifest": {"$BASE_DIR": ".", "$NETWORK_DIR": "$BASE_DIR/network"},
        "components": {"point_neuron_models_dir": "$BASE_DIR/models", "synaptic_models_dir": "${BASE_DIR}/synapses"},
        "networks": {
            "nodes": [entry("node", "cortex"), entry("node", "fibres")],
            "edges": [entry("edge", "cortex_cortex"), entry("edge", "fibres_cortex") | {"enabled": True}],
        },
    }
    simulation = {
        "manifest": {"$BASE_DIR": "${configdir}", "$OUTPUT_DIR": "$BASE_DIR/output"},
        "network": "$BASE_DIR/circuit_config.json",
        "target_simulator": "NEST",
        "run": {"tstop": DURATION, "dt": DT},
        "node_sets": {"fast": {"population": "cortex", "model_name": "fast"}, "upper": {"layer": "L4"}, "both": ["fast", "upper"]},
        "inputs": {
            "trains": {"input_type": "spikes", "module": "sonata", "input_file": "$BASE_DIR/inputs/fibres.h5", "node_set": "fibres"},
            "step": {"input_type": "current_clamp", "module": "IClamp", "node_set": "fast", "amp": 120.0, "delay": 50.0, "duration": 80.0},
            "off": {
                "input_type": "current_clamp",
                "module": "IClamp",
                "node_set": "fast",
                "amp": 1e6,
                "delay": 0,
                "duration": 9,
                "enabled": False,
            },
        },
        "output": {"output_dir": "$OUTPUT_DIR"},
        "reports": {"potential": {"cells": "both", "variable_name": "V_m", "module": "multimeter_report", "dt": 0.5}},
    }
    (folder / "circuit_config.json").write_text(json.dumps(circuit))
    (folder / "simulation_config.json").write_text(json.dumps(simulation))
    return folder / "simulation_config.json"
