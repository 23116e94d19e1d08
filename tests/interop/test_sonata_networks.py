"""SONATA networks, in: held against NEST on the same files, and against the format's own reader."""

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import ranvier as rv
from ranvier.interop import read_sonata
from tests.interop.sonata_circuit import write

KEPT = json.loads((Path(__file__).parent / "sonata_nest.json").read_text())


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return write(tmp_path_factory.mktemp("sonata") / "circuit")


@pytest.fixture(scope="module")
def model(config):
    return read_sonata(config)


def test_every_spike_is_that_of_nest(model):
    """`sonata_numbers.py` builds the same files node by node in NEST 3.10."""
    run = rv.simulate(model.network, duration=model.duration, dt=model.dt, record=model.record)
    cells = [name for name in model.nodes if name != "fibres"]
    got = [
        [int(s) + 1, int(model.nodes[p]["node_id"][i])]
        for p in cells
        for s, i in zip(run.spikes[p].steps, run.spikes[p].neurons, strict=True)
    ]
    assert len(KEPT["spikes"]) > 500
    assert sorted(got) == KEPT["spikes"]
    # The report is of the fast cells, and of those in layer 4.
    names, layers = (np.concatenate([model.nodes[p][key] for p in cells]) for key in ("model_name", "layer"))
    assert sum(run[p].V.sizes["neuron"] for p in cells) == ((names == "fast") | (layers == "L4")).sum() == 9
    assert float(run[cells[0]].V.time[1]) == 0.5


def test_the_format_has_the_same_network(config, model):
    """libsonata, the format's reader, finds the same edges, weights and nodes in the files."""
    libsonata = pytest.importorskip("libsonata")
    files = config.parent / "network"
    edges = libsonata.EdgeStorage(str(files / "cortex_cortex_edges.h5")).open_population("cortex_to_cortex")
    everything = edges.select_all()
    pre, post = edges.source_nodes(everything), edges.target_nodes(everything)
    weights = edges.get_attribute("syn_weight", everything) * edges.get_attribute("nsyns", everything)
    wanted = sorted(zip(pre.tolist(), post.tolist(), np.abs(weights).tolist(), strict=True))
    got = []
    for name, projection in model.network.projections.items():
        if name.startswith("cortex"):
            found = model.network.edges(name)
            (source,), (target,) = (
                [model.nodes[model.network.name_of(p)]["node_id"] for p in some] for some in (projection.sources, projection.targets)
            )
            got += zip(source[found.pre].tolist(), target[found.post].tolist(), np.abs(found.weight).tolist(), strict=True)
    assert sorted(got) == wanted and len(wanted) == 160
    assert model.network.populations["fibres"].n == libsonata.NodeStorage(str(files / "fibres_nodes.h5")).open_population("fibres").size


def changed(config, tmp_path, change):
    """A copy of the circuit, with a change made to its files."""
    folder = shutil.copytree(config.parent, tmp_path / "circuit")
    change(folder)
    return folder / config.name


def edit(file, **values):
    """A change of a JSON file: `a__b=value` sets `["a"]["b"]`."""

    def change(folder):
        content = json.loads((folder / file).read_text())
        for key, value in values.items():
            *way, last = key.split("__")
            place = content
            for step in way:
                place = place.setdefault(step, {})
            place[last] = value
        (folder / file).write_text(json.dumps(content))

    return change


def substitute(file, old, new):
    def change(folder):
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new))

    return change


NODES, EDGES = "network/cortex_node_types.csv", "network/cortex_cortex_edge_types.csv"
SIMULATION, CIRCUIT = "simulation_config.json", "circuit_config.json"
CLAMP = {"input_type": "current_clamp", "module": "IClamp", "amp": 1.0, "delay": 0.0, "duration": 1.0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (substitute(NODES, "12 point_neuron", "12 biophysical"), "of the model_type 'biophysical'. Here are point neurons"),
        (
            substitute(NODES, "nest:iaf_cond_exp", "nest:glif_psc"),
            r"model_template 'nest:glif_psc', for which .* There is one for nest:iaf_psc_alpha",
        ),
        (edit("models/slow.json", E_leak=-60.0), "slow.json of .* has the parameter 'E_leak', which nest:iaf_psc_exp .* Did you mean"),
        (edit("models/slow.json", delta=2.0), "has delta = 2.0; nest:iaf_psc_exp is here with delta = 0.0 alone"),
        (edit("models/slow.json", tau_m="long"), "tau_m of .* is not a number everywhere: 'long'"),
        (
            edit("synapses/plain.json", receptor_type=2),
            "plain.json of .* has 'receptor_type': synapses here have a weight and a delay alone",
        ),
        (substitute(EDGES, "static_synapse", "tsodyks_synapse"), "has the model_template 'tsodyks_synapse'"),
        (substitute(NODES, "10 point", "15 point"), "has nodes of the type 10, which its table of types does not have"),
        (substitute(NODES, "node_type_id", "type"), "has no column 'node_type_id'; its first line has type, model_type"),
        (
            edit(CIRCUIT, components__point_neuron_models_dir="$NOWHERE/models"),
            r"its manifest has no \$NOWHERE; it has \$BASE_DIR, \$NETWORK_DIR",
        ),
        (edit(CIRCUIT, manifest={"$BASE_DIR": "$NETWORK_DIR", "$NETWORK_DIR": "$BASE_DIR"}), "goes in a circle"),
        (edit(CIRCUIT, networks={"nodes": [{}]}), "an entry of the nodes of .* has no nodes_file"),
        (edit(SIMULATION, run={"tstop": 10.0}), "has no dt of a run. Give dt= in ms"),
        (edit(SIMULATION, inputs__trains__node_set="fibers"), "Unknown node set of the input 'trains' 'fibers'. Did you mean 'fibres'"),
        (edit(SIMULATION, inputs__trains__module="nwb"), "the input 'trains' has the input_type 'spikes' and the module 'nwb'"),
        (edit(SIMULATION, inputs__trains__input_file="none.h5"), "the spikes of the input 'trains' cannot be read from .*none.h5"),
        (edit(SIMULATION, inputs__more={**CLAMP, "node_set": "fibres"}), "injects a current into 'fibres' .virtual., which takes none"),
        (edit(SIMULATION, inputs__more={**CLAMP, "node_set": {"layer": "L9"}}), "no node is in the node set {'layer': 'L9'}"),
        (edit(SIMULATION, inputs__more={**CLAMP, "node_set": "fast", "amp": "big"}), "amp of the input 'more' is 'big'"),
        (edit(SIMULATION, node_sets__fast=["upper", "both"]), "the node set .* is made of itself"),
        (edit(SIMULATION, network="none.json"), "the configuration .*none.json cannot be read"),
    ],
)
def test_what_is_refused_by_name(config, tmp_path, change, message):
    with pytest.raises(rv.RanvierError, match=message):
        read_sonata(changed(config, tmp_path, change))


def test_a_report_of_something_else_is_left_out(config, tmp_path):
    path = changed(config, tmp_path, edit(SIMULATION, reports__calcium={"cells": "fast", "variable_name": "cai"}))
    with pytest.warns(UserWarning, match="the report 'calcium' is of 'cai' and is left out"):
        assert len(read_sonata(path).record) == 2


def fire_once(folder):
    """One IntFire1 cell, times in seconds as the Allen Institute writes them, and one virtual node."""
    for name in ("network", "models"):
        (folder / name).mkdir(parents=True)
    (folder / "models/cell.json").write_text(json.dumps({"type": "NEURON_IntFire1", "tau": 0.02, "refrac": 0.003}))
    (folder / "models/down.json").write_text(json.dumps({"sign": -1, "level_of_detail": "instanteneous"}))
    lines = ["node_type_id model_type model_template dynamics_params", "1 point_process nrn:IntFire1 cell.json ", "2 virtual NULL NULL"]
    (folder / "types.csv").write_text("\n".join(lines) + "\n")
    lines = ["edge_type_id delay syn_weight weight_function dynamics_params", "1 2.0 0.6 wmax NULL", "2 2.0 0.3 NULL down.json"]
    (folder / "edge_types.csv").write_text("\n".join(lines) + "\n")
    with h5py.File(folder / "nodes.h5", "w") as file:
        file["nodes/cell/node_type_id"], file["nodes/in/node_type_id"] = [1], [2, 2]
    with h5py.File(folder / "edges.h5", "w") as file:
        group = file.create_group("edges/in_to_cell")
        group["source_node_id"], group["target_node_id"], group["edge_type_id"] = [0, 1], [0, 0], [1, 2]
        group["source_node_id"].attrs["node_population"], group["target_node_id"].attrs["node_population"] = "in", "cell"
    (folder / "in.csv").write_text("timestamps population node_ids\n" + "".join(f"{t} in {i}\n" for t, i in FIRED))
    (folder / "config.json").write_text(
        json.dumps(
            {
                "run": {"tstop": 60.0, "dt": 0.1},
                "components": {"point_neuron_models_dir": "models", "synaptic_models_dir": "models"},
                "networks": {
                    "nodes": [{"nodes_file": "nodes.h5", "node_types_file": "types.csv"}],
                    "edges": [{"edges_file": "edges.h5", "edge_types_file": "edge_types.csv"}],
                },
                "inputs": {"in": {"input_type": "spikes", "module": "csv", "input_file": "in.csv", "node_set": {"population": "in"}}},
            }
        )
    )
    return folder / "config.json"


FIRED = [(1.0, 0), (3.0, 0), (4.0, 0), (20.0, 0), (21.0, 1), (22.0, 0), (30.0, 0), (31.0, 0)]


def test_neurons_intfire1_by_hand(tmp_path):
    """0.6 and 0.6·exp(−2/20) + 0.6 > 1 at 5 ms; what comes within the 3 ms after is lost; at 24 ms it was inhibited, at 33 ms not."""
    m, last, expected, deaf = 0.0, 0.0, [], -1.0
    for t, source in FIRED:
        t += 2.0
        if t < deaf:
            continue
        m, last = m * np.exp(-(t - max(last, deaf)) / 20.0) + (0.6, -0.3)[source], t
        if m > 1:
            expected.append(t)
            m, deaf = 0.0, t + 3.0
    model = read_sonata(fire_once(tmp_path / "one"))
    run = rv.simulate(model.network, duration=model.duration, dt=model.dt)
    np.testing.assert_allclose(run.spikes["cell"].times + model.dt, expected)
    assert len(expected) == 2
