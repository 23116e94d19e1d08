"""SONATA's edges, as projections."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.connect.lists import edge_list
from ranvier.errors import ParameterError, UnsupportedError, unknown
from ranvier.interop.sonata_in.config import read_json
from ranvier.interop.sonata_in.nodes import NodePopulation
from ranvier.interop.sonata_in.tables import Table, label, read_types
from ranvier.interop.sonata_in.templates import Cells
from ranvier.network.spec import Population, Projection
from ranvier.synapses.delta import Delta

SYNAPSES = (None, "static_synapse", "nest:static_synapse")
WEIGHT_FUNCTIONS = (None, "wmax", "set_syn_weight", "default_weight_fnc")
"""Those that multiply `syn_weight` by `nsyns` and do no more."""
SIGNED = {"sign", "level_of_detail"}
DELAY = 1.0
"""What NEST takes where no delay is given (ms)."""


def read_edges(
    file: Any,
    types_path: Path | None,
    models: Path | None,
    nodes: Mapping[str, NodePopulation],
    populations: Mapping[str, Population],
    dt: float,
) -> list[Projection]:
    """The projections of an edges file.

    Args:
        file: the open HDF5 file.
        types_path: of its table of edge types.
        models: the folder that `dynamics_params` are in.
        nodes: all nodes.
        populations: what they have become, by the names of their groups.
        dt: the time step (ms).

    Raises:
        UnsupportedError: synapses of a kind that there is no model for.
        ParameterError: the file has another layout, or names nodes that do not exist.
    """
    if "edges" not in file:
        raise ParameterError(f"SONATA: {file.filename} has no group 'edges'.")
    made = []
    for name, group in file["edges"].items():
        table = Table(group, "edge", read_types(types_path, "edge", name), f"the edge population {name!r}")
        made += _projections(name, group, table, models, nodes, populations, dt)
    return made


def _projections(
    name: str,
    group: Any,
    table: Table,
    models: Path | None,
    nodes: Mapping[str, NodePopulation],
    populations: Mapping[str, Population],
    dt: float,
) -> list[Projection]:
    what = f"the edge population {name!r}"
    source, sources = _ends(group, table, "source", nodes, what)
    target, targets = _ends(group, table, "target", nodes, what)
    weights, delays = _weights(table, models, what), table.values("delay", DELAY).astype(np.float64)
    made = []
    for there, wired in enumerate(target.groups):
        cells = wired.cells
        for here, from_group in enumerate(source.groups):
            between = (target.group_of[targets] == there) & (source.group_of[sources] == here)
            if not between.any():
                continue
            if cells is None:
                raise ParameterError(f"SONATA: {what} goes to virtual nodes of {target.name!r}, which take no input.")
            ends = [one.template.split(":")[-1] for one, of in ((from_group, source), (wired, target)) if len(of.groups) > 1]
            for sign, chosen in _by_sign(cells, between, weights):
                synapse = cells.synapses[int(sign == "inhibition")]
                made.append(
                    Projection(
                        populations[from_group.name],
                        populations[wired.name],
                        synapse,
                        edge_list(
                            source.place[sources[chosen]],
                            target.place[targets[chosen]],
                            _strengths(cells, weights[chosen]),
                            # A kick that arrives with the end of a step is seen in it there, in the next here.
                            np.maximum(delays[chosen] - dt, 0.0) if isinstance(synapse, Delta) else delays[chosen],
                        ),
                        name=label(name, *ends, sign),
                    )
                )
    return made


def _ends(group: Any, table: Table, side: str, nodes: Mapping[str, NodePopulation], what: str) -> tuple[NodePopulation, np.ndarray]:
    """The population that edges come from or go to, and where in it."""
    ids = table.column(f"{side}_node_id")
    name = group[f"{side}_node_id"].attrs.get("node_population")
    name = name.decode() if isinstance(name, bytes) else name
    if name not in nodes:
        raise unknown(f"{side} population of {what}", name, nodes)
    return nodes[name], nodes[name].rows(ids, what)


def _weights(table: Table, models: Path | None, what: str) -> np.ndarray:
    """The weight of each edge, in its template's unit."""
    for number in table.present:
        _check_type(table.types[int(number)], what)
    weights = table.values("syn_weight")
    if any(value is None for value in weights):
        raise ParameterError(f"SONATA: {what} has edges without syn_weight, in its file and in its table of types.")
    signs = np.ones(table.n)
    for number in table.present:
        given = table.types[int(number)].get("dynamics_params")
        if given is not None and models is not None:
            parameters = read_json(models / str(given), "dynamics_params")
            if strange := sorted(set(parameters) - SIGNED):
                raise UnsupportedError(f"SONATA: {given} of {what} has {strange[0]!r}: synapses here have a weight and a delay alone.")
            signs[table.type_ids == number] = float(parameters.get("sign", 1.0))
    for _, _, own in table.groups():
        if "dynamics_params" in own and len(own["dynamics_params"]):
            strange = sorted(own["dynamics_params"])
            raise UnsupportedError(
                f"SONATA: {what} has the parameter {strange[0]!r} for each edge: synapses here have a weight and a delay alone."
            )
    return signs * weights.astype(np.float64) * table.values("nsyns", 1).astype(np.float64)


def _check_type(row: Mapping[str, Any], what: str) -> None:
    """Refuses edges that do more than deliver a weight.

    Raises:
        UnsupportedError: by name.
    """
    if row.get("model_template") not in SYNAPSES:
        raise UnsupportedError(
            f"SONATA: {what} has the model_template {row['model_template']!r}. Its synapses are those of their targets: 'static_synapse'."
        )
    if row.get("weight_function") not in WEIGHT_FUNCTIONS:
        raise UnsupportedError(
            f"SONATA: {what} has the weight_function {row['weight_function']!r}, which is a program of another simulator. "
            "Write the weights that it gives to syn_weight."
        )


def _by_sign(cells: Cells, between: np.ndarray, weights: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """The edges that excite and those that inhibit, where they have synapses of their own."""
    if cells.synapses[0] is cells.synapses[1]:
        return [("", np.flatnonzero(between))]
    parts = {"excitation": between & (weights >= 0), "inhibition": between & (weights < 0)}
    return [(sign, np.flatnonzero(chosen)) for sign, chosen in parts.items() if chosen.any()]


def _strengths(cells: Cells, weights: np.ndarray) -> np.ndarray:
    """Weights in the unit of the synapse: a conductance has no sign."""
    return cells.weights * (np.abs(weights) if cells.synapses[0].weight == "conductance" else weights)
