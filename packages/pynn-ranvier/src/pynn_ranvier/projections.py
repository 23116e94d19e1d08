"""Projections: the edges that PyNN's connectors draw, as Ranvier's."""

from __future__ import annotations

import numpy as np
from pyNN import common
from pyNN.space import Space

import ranvier as rv

from . import simulator
from .standardmodels import StaticSynapse, STDPMechanism


class Connection(common.Connection):
    """One connection."""

    def __init__(self, projection, number):
        self._projection, self._number = projection, number
        self.presynaptic_index = int(projection.edges["pre"][number])
        self.postsynaptic_index = int(projection.edges["post"][number])

    def as_tuple(self, *names):
        """Some of its attributes."""
        return tuple(getattr(self, name) for name in names)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return float(self._projection.values(name)[self._number])


class Projection(common.Projection):
    __doc__ = common.Projection.__doc__
    _simulator = simulator
    _static_synapse_class = StaticSynapse

    def __init__(
        self,
        presynaptic_population,
        postsynaptic_population,
        connector,
        synapse_type=None,
        source=None,
        receptor_type=None,
        space=None,
        label=None,
    ):
        space = Space() if space is None else space
        super().__init__(presynaptic_population, postsynaptic_population, connector, synapse_type, source, receptor_type, space, label)
        self._drawn = []
        connector.connect(self)
        self.edges = self._collected()
        self._learnt = {}
        simulator.state.projections.append(self)
        simulator.state.changed()

    def _convergent_connect(self, presynaptic_indices, postsynaptic_index, location_selector=None, **connection_parameters):
        if location_selector is not None:
            raise NotImplementedError("Cells have one compartment.")
        pre = np.atleast_1d(np.asarray(presynaptic_indices, np.int64))
        self._drawn.append((pre, postsynaptic_index, connection_parameters))

    def _collected(self):
        sizes = np.array([len(pre) for pre, _, _ in self._drawn], np.int64)
        edges = {
            "pre": np.concatenate([np.zeros(0, np.int64), *(pre for pre, _, _ in self._drawn)]),
            "post": np.repeat(np.array([post for _, post, _ in self._drawn], np.int64), sizes),
        }
        for name in self._drawn[0][2] if self._drawn else self.synapse_type.get_native_names():
            each = [np.broadcast_to(np.asarray(given[name], float), (n,)) for (_, _, given), n in zip(self._drawn, sizes, strict=True)]
            edges[name] = np.concatenate([np.zeros(0), *each])
        self._drawn = []
        return edges

    def build(self, made):
        """The projections of Ranvier: one for each pair of populations."""
        state = simulator.state
        if not len(self):
            return []
        pre = np.array([int(i) for i in self.pre.all_cells])[self.edges["pre"]]
        post = np.array([int(i) for i in self.post.all_cells])[self.edges["post"]]
        (source, pre), (target, post) = state.owners(pre), state.owners(post)
        self.made, number = {}, state.projections.index(self)
        for s, t in np.unique(np.stack([source, target], 1), axis=0):
            mine = np.flatnonzero((source == s) & (target == t))
            order = mine[np.lexsort((pre[mine], post[mine]))]
            owner, onto = state.populations[s], state.populations[t]
            edges = {**{name: values[order] for name, values in self.edges.items()}, "pre": pre[order], "post": post[order]}
            options = self.synapse_type.options(edges, owner.size, onto, self.receptor_type)
            weight, delay = onto.celltype.weights * edges["weight"], edges["delay"]
            one = lambda values: float(values[0]) if (values == values[0]).all() else values
            name = f"projection {number} part {len(self.made)}"
            synapse = onto.celltype.synapse(self.receptor_type, onto._parameters)
            rule = rv.connect.edge_list(edges["pre"], edges["post"])
            projection = rv.Projection(
                made[id(owner)], made[id(onto)], synapse, rule, weight=one(weight), delay=one(delay), name=name, **options
            )
            self.made[int(t), int(s)] = (projection, order)
        return [projection for projection, _ in self.made.values()]

    def values(self, name):
        """An attribute of all connections, as it is now."""
        if name == "weight" and isinstance(self.synapse_type, STDPMechanism) and simulator.state.reached is not None:
            values = self.edges["weight"].copy()
            for (target, _), (projection, order) in self.made.items():
                learnt = simulator.state.latest.edges(projection.name).weight
                values[order] = np.asarray(learnt) / simulator.state.populations[target].celltype.weights
            return values
        if name in ("presynaptic_index", "postsynaptic_index"):
            return self.edges[name[: -len("synaptic_index")]]
        return self.edges[name]

    @property
    def connections(self):
        """All connections."""
        return [self[i] for i in range(len(self))]

    def __len__(self):
        return len(self.edges["pre"])

    def __getitem__(self, i):
        return Connection(self, i)

    def _get_attributes_as_list(self, names):
        return list(zip(*(self.values(name).tolist() for name in names), strict=True))

    def _get_attributes_as_arrays(self, names, multiple_synapses="sum"):
        found = []
        for name in names:
            values, array = self.values(name), np.full(self.shape, np.nan)
            pre, post = self.edges["pre"], self.edges["post"]
            if multiple_synapses == "sum":
                array[pre, post] = 0.0
                np.add.at(array, (pre, post), values)
            elif multiple_synapses in ("min", "max"):
                array[pre, post] = np.inf if multiple_synapses == "min" else -np.inf
                (np.minimum if multiple_synapses == "min" else np.maximum).at(array, (pre, post), values)
            else:
                step = -1 if multiple_synapses == "first" else 1
                array[pre[::step], post[::step]] = values[::step]
            found.append(array)
        return found

    def _set_attributes(self, parameter_space):
        if simulator.state.running and isinstance(self.synapse_type, STDPMechanism):
            raise NotImplementedError("Weights that learn can be set before a run, or after reset().")
        parameter_space.evaluate(simplify=False)
        for name, values in parameter_space.items():
            self.edges[name] = np.asarray(values, float)[self.edges["pre"], self.edges["post"]]
        simulator.state.changed()

    def _set_initial_value_array(self, variable, initial_value):
        raise NotImplementedError("Initial values of synapses are their models' own.")
