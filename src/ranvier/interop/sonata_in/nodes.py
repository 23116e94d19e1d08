"""SONATA's nodes, as populations of one template each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ranvier.errors import ParameterError, UnsupportedError, unknown
from ranvier.interop.sonata_in.config import read_json
from ranvier.interop.sonata_in.tables import Table, label, matches, read_types
from ranvier.interop.sonata_in.templates import Cells, check_parameter, narrowed_to_numbers, template

POINTS = ("point_neuron", "point_process")
VIRTUAL = "virtual"


@dataclasses.dataclass
class NodeGroup:
    """The nodes of a population that are of one template.

    Attributes:
        name: of the population that they become.
        rows: which of the SONATA population's they are.
        template: whose, or `"virtual"`.
        cells: the model and its synapses; None of virtual ones.
    """

    name: str
    rows: np.ndarray
    template: str
    cells: Cells | None


@dataclasses.dataclass
class NodePopulation:
    """A population of SONATA nodes.

    Attributes:
        name: its name.
        ids: the nodes' ids, `[n]`.
        attributes: what each has, by name, `[n]`.
        groups: those of one template each.
    """

    name: str
    ids: np.ndarray
    attributes: dict[str, np.ndarray]
    groups: list[NodeGroup]

    def __post_init__(self) -> None:
        self._order = np.argsort(self.ids, kind="stable")
        self._sorted = self.ids[self._order]
        self.group_of = np.zeros(len(self.ids), np.int64)
        self.place = np.zeros(len(self.ids), np.int64)
        for number, group in enumerate(self.groups):
            self.group_of[group.rows] = number
            self.place[group.rows] = np.arange(len(group.rows))

    def rows(self, ids: np.ndarray, what: str) -> np.ndarray:
        """Where in the population nodes are.

        Raises:
            ParameterError: there is no such node.
        """
        ids = np.asarray(ids).astype(np.int64)
        if not len(self.ids):
            found = np.zeros(len(ids), np.int64)
            wrong = np.arange(len(ids))
        else:
            found = np.minimum(np.searchsorted(self._sorted, ids), len(self._sorted) - 1)
            wrong = np.flatnonzero(self._sorted[found] != ids)
        if len(wrong):
            raise ParameterError(f"SONATA: {what} names the node {ids[wrong[0]]} of {self.name!r}, which does not exist.")
        return self._order[found]


def read_nodes(file: Any, types_path: Path | None, models: Path | None) -> dict[str, NodePopulation]:
    """The populations of a nodes file.

    Args:
        file: the open HDF5 file.
        types_path: of its table of node types.
        models: the folder that `dynamics_params` are in.

    Raises:
        UnsupportedError: nodes are of a kind that there is no model for.
        ParameterError: the file has another layout.
    """
    if "nodes" not in file:
        raise ParameterError(f"SONATA: {file.filename} has no group 'nodes'.")
    return {name: _population(name, group, types_path, models) for name, group in file["nodes"].items()}


def _population(name: str, group: Any, types_path: Path | None, models: Path | None) -> NodePopulation:
    what = f"the population {name!r}"
    table = Table(group, "node", read_types(types_path, "node", name), what)
    ids = table.column("node_id").astype(np.int64) if "node_id" in group else np.arange(table.n)
    if len(np.unique(ids)) != len(ids):
        raise ParameterError(f"SONATA: {what} has two nodes of one node_id.")
    attributes = {"node_type_id": table.type_ids} | {key: table.values(key) for key in table.names() if key != "node_type_id"}
    kinds = np.array([_template(attributes, row, what) for row in range(table.n)], object)
    present = list(dict.fromkeys(kinds))
    groups = []
    for kind in present:
        rows = np.flatnonzero(kinds == kind)
        cells = None if kind == VIRTUAL else _cells(kind, rows, table, attributes, models, what)
        groups.append(NodeGroup(label(name, kind.split(":")[-1] if len(present) > 1 else ""), rows, kind, cells))
    return NodePopulation(name, ids, attributes, groups)


def _template(attributes: Mapping[str, np.ndarray], row: int, what: str) -> str:
    """Of which template a node is."""
    kind = attributes["model_type"][row] if "model_type" in attributes else None
    if kind == VIRTUAL:
        return VIRTUAL
    if kind not in POINTS:
        raise UnsupportedError(
            f"SONATA: {what} has nodes of the model_type {kind!r}. Here are point neurons ('point_neuron') and sources of spikes "
            "('virtual')."
        )
    name = attributes["model_template"][row] if "model_template" in attributes else None
    template(name, what)
    return str(name)


def _cells(kind: str, rows: np.ndarray, table: Table, attributes: Mapping[str, np.ndarray], models: Path | None, what: str) -> Cells:
    """The model of the nodes of one template: a node's own parameters over its type's over the simulator's."""
    n = table.n
    values: dict[str, np.ndarray] = {}

    def put(name: str, where: Any, value: Any) -> None:
        if name not in values:
            values[name] = np.full(n, template(kind, what).defaults[name], object)
        values[name][where] = value

    for number in np.unique(table.type_ids[rows]):
        given = table.types[int(number)].get("dynamics_params")
        if given is not None:
            if models is None:
                raise ParameterError("SONATA: node types have dynamics_params, but the components have no point_neuron_models_dir.")
            for name, value in read_json(models / str(given), "dynamics_params").items():
                if check_parameter(name, value, kind, f"{given} of {what}"):
                    put(name, table.type_ids == number, value)
    for mine, index, group in table.groups():
        if "dynamics_params" in group and hasattr(group["dynamics_params"], "items"):
            for name, data in group["dynamics_params"].items():
                if np.isin(mine, rows).any() and check_parameter(name, None, kind, what):
                    put(name, mine, np.asarray(data[:])[index])
    processing = attributes.get("model_processing")
    if processing is not None and any(v is not None for v in processing[rows]):
        raise UnsupportedError(f"SONATA: {what} has model_processing, which is a program of another simulator.")
    for name, default in template(kind, what).defaults.items():
        if name not in values and default is not None:
            put(name, slice(None), default)
    if "V_m" in values:  # where none is given it is the resting potential
        values["V_m"] = np.where([v is None for v in values["V_m"]], values["E_L"], values["V_m"])
    return template(kind, what).build({name: narrowed_to_numbers(v[rows], f"{name} of {what}") for name, v in values.items()})


class NodeSets:
    """Subsets of nodes by name.

    Args:
        populations: all nodes.
        given: the node sets of the configuration.
    """

    def __init__(self, populations: Mapping[str, NodePopulation], given: Mapping[str, Any]):
        self.populations, self.given = populations, given

    def find(self, wanted: Any, what: str, seen: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
        """Of each population that a node set reaches, the rows.

        Args:
            wanted: a name, a rule `{attribute: value}`, a list of names, or None for all.
            what: who asks.

        Raises:
            UnknownNameError: there is no such set.
            ParameterError: it is made of itself.
        """
        if wanted is None or (wanted == "all" and "all" not in self.given):
            return {name: np.arange(len(p.ids)) for name, p in self.populations.items()}
        if isinstance(wanted, str):
            if wanted in seen:
                raise ParameterError(f"SONATA: the node set {wanted!r} is made of itself.")
            if wanted in self.given:
                return self.find(self.given[wanted], what, (*seen, wanted))
            if wanted in self.populations:
                return {wanted: np.arange(len(self.populations[wanted].ids))}
            raise unknown(f"node set of {what}", wanted, [*self.given, *self.populations])
        if isinstance(wanted, list):
            joined: dict[str, np.ndarray] = {}
            for one in wanted:
                for name, rows in self.find(one, what, seen).items():
                    joined[name] = np.union1d(joined.get(name, np.empty(0, np.int64)), rows)
            return joined
        if not isinstance(wanted, dict):
            raise ParameterError(f"SONATA: a node set of {what} must be a name, a rule or a list of names, not {wanted!r}.")
        return self._by_rule(dict(wanted), what)

    def _by_rule(self, rule: dict[str, Any], what: str) -> dict[str, np.ndarray]:
        of = rule.pop("population", None)
        names = list(self.populations) if of is None else of if isinstance(of, list) else [of]
        found = {}
        for name in names:
            if name not in self.populations:
                raise unknown(f"population of {what}", name, self.populations)
            population = self.populations[name]
            chosen = np.ones(len(population.ids), bool)
            for key, value in rule.items():
                if key in ("node_id", "node_ids"):
                    chosen &= np.isin(population.ids, value)
                else:
                    chosen &= matches(population.attributes, key, value) if key in population.attributes else False
            if chosen.any():
                found[name] = np.flatnonzero(chosen)
        if not found:
            raise ParameterError(f"SONATA: no node is in the node set { ({**({'population': of} if of else {}), **rule})!r} of {what}.")
        return found
