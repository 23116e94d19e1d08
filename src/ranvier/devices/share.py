"""A device's share of a network: some neurons of every population, and all that reaches them.

What is drawn is drawn for the whole and then cut, each number by its own neuron's or edge's place in the user's network; so
a share has the numbers of the whole, bit for bit. Edges alone are never drawn for the whole: a rule draws those onto a share's targets.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ranvier.connect.base import Edges
from ranvier.errors import UnsupportedError
from ranvier.model import component, parameter, parameters, with_parameters
from ranvier.network.coupling import one_a_target
from ranvier.network.draw import Drawn, DrawnInput, DrawnPopulation, DrawnProjection
from ranvier.network.exchange import Cut
from ranvier.network.facts import neuron_facts
from ranvier.network.learning import WEIGHT
from ranvier.network.recall import SENT
from ranvier.network.spec import Network, resized
from ranvier.network.state import SimulationState
from ranvier.network.transfer import AT_TARGETS, WIRING
from ranvier.random import Key
from ranvier.stimuli.base import Constant, Stimulus


class Share:
    """What one of several devices has of a network.

    Args:
        network: the whole.
        devices: how many there are.
        device: which of them this is.

    Attributes:
        network: the share, with the names of the whole.
        sites: where the states of each projection lie that acts continuously.
        at_edges: of projections with their states at the edges, the place among all of each that is here.
        edges_of: of those the edges of each device.
    """

    def __init__(self, network: Network, devices: int, device: int):
        self.whole, self.devices, self.device = network, devices, device
        self.cuts = {name: Cut(p.n, devices) for name, p in network.populations.items()}
        self.network = resized(network, {name: cut.room for name, cut in self.cuts.items()})
        self.sites: dict[str, str] = {}
        self.at_edges: dict[str, np.ndarray] = {}
        self.edges_of: dict[str, list[np.ndarray]] = {}

    # -- where things are --------------------------------------------------------------------------

    def neurons(self, population: str) -> np.ndarray:
        """The numbers of a population's neurons in the places of this share."""
        return self.cuts[population].places(self.device)

    def targets(self, wire: str) -> np.ndarray:
        """Likewise of a projection's or input's targets, among all of its targets."""
        first, places = 0, []
        for name in self.target_names(wire):
            places.append(first + self.neurons(name))
            first += self.cuts[name].n
        return np.concatenate(places)

    def target_names(self, wire: str) -> list[str]:
        """The populations that a projection or input reaches."""
        spec = self.whole.projections.get(wire) or self.whole.poisson[wire]
        return [self.whole.name_of(t) for t in spec.targets]

    def source_name(self, projection: str) -> str:
        """The population that a projection leaves."""
        return self.whole.name_of(self.whole.projections[projection].source)

    # -- the network, drawn ------------------------------------------------------------------------

    def drawn(self, drawn: Drawn) -> Drawn:
        """The share of a network that is drawn.

        Raises:
            UnsupportedError: something in it cannot be cut.
        """
        populations = {name: self._population(name, p) for name, p in drawn.populations.items()}
        projections = {name: self._projection(name, p) for name, p in drawn.projections.items()}
        inputs = {name: self._input(name, p) for name, p in drawn.inputs.items()}
        return Drawn(drawn.seed, drawn.dt, drawn.numbers, populations, projections, inputs)

    def _population(self, name: str, own: DrawnPopulation) -> DrawnPopulation:
        if own.given is None and _across(name, own):
            raise UnsupportedError(
                f"The equations of {name} ({type(own.model).__name__}) look across its neurons, so that it cannot lie on several devices. "
                "Run it on one: leave out devices."
            )
        cut, places = self.cuts[name], self.neurons(name)
        given = None
        if own.given is not None:
            steps, neurons = own.given
            first = cut.first(self.device)
            mine = (neurons >= first) & (neurons < first + cut.count(self.device))
            given = steps[mine], neurons[mine] - first
        stimulus = None if own.stimulus is None else _cut_stimulus(own.stimulus, own.n, places)
        whole = self.whole.populations[name].current
        if isinstance(stimulus, _OfSome) and whole is not None:
            self.network.populations[name].current = _OfSome(whole=whole, places=stimulus.places)
        return dataclasses.replace(
            own,
            n=cut.room,
            model=own.model if own.given is not None else self._model(name, own, places),
            stimulus=stimulus,
            values={v: x[places] for v, x in own.values.items()},
            last_spike=own.last_spike[places],
            given=given,
            begin=int(cut.first(self.device)),
        )

    def _model(self, name: str, own: DrawnPopulation, places: np.ndarray) -> Any:
        model = _cut(own.model, own.n, places)
        rates = {field: _cut_stimulus(stimulus, own.n, places) for field, stimulus in _stimuli(own.model).items()}
        model = model.with_values(rates) if rates else model
        try:
            neuron_facts(name, model, len(places))
        except (TypeError, ValueError, IndexError):
            raise UnsupportedError(
                f"{name}: {type(model).__name__} gives one value a neuron in a way that cannot be cut among devices. Give it as a "
                "parameter with one value a neuron, or leave out devices."
            ) from None
        return model

    def _projection(self, name: str, own: DrawnProjection) -> DrawnProjection:
        source, names = self.source_name(name), self.target_names(name)
        targets, n = self.targets(name), sum(self.cuts[t].n for t in names)
        places, sources = self.neurons(source), self.cuts[source].n
        shares = []
        for t in names:
            cut = self.cuts[t]
            first, count = int(cut.first(self.device)), int(cut.count(self.device))
            shares.append((first, count, cut.n - first - count))
        common: dict[str, Any] = {"projection": self.network.projections[name], "shares": tuple(shares)}
        if own.site == "target":
            return dataclasses.replace(
                own,
                **common,
                synapse=_cut(own.synapse, n, targets),
                values={v: x[targets] for v, x in own.values.items()},
                short_term=None if own.short_term is None else _cut(own.short_term, sources, places),
                short_term_values={v: x[places] for v, x in own.short_term_values.items()},
            )
        assert own.edges is not None
        self.sites[name] = own.site
        mine = self.edges(name, own.edges.post)
        firsts = np.cumsum([0, *(self.cuts[t].n for t in names[:-1])])
        here = np.cumsum([0, *(self.cuts[t].room for t in names)])
        population = np.searchsorted(firsts, own.edges.post[mine], side="right") - 1
        begin = np.array([int(self.cuts[t].first(self.device)) for t in names])
        post = own.edges.post[mine] - firsts[population] - begin[population] + here[population]
        pre, weight, delay = own.edges.pre[mine], own.weight[mine], own.delay[mine]
        states, those = sources, np.asarray(places)
        if own.site == "edge":
            # As many on every device: those that are added reach nobody.
            states = len(own.edges)
            self.edges_of[name] = [other.edges(name, own.edges.post) for other in self.others()]
            more = max(map(len, self.edges_of[name])) - len(mine)
            those = self.at_edges[name] = np.pad(mine, (0, more))
            post, pre = np.pad(post, (0, more), constant_values=here[-1]), np.pad(pre, (0, more))
            weight, delay = np.pad(weight, (0, more)), np.pad(delay, (0, more))
        return dataclasses.replace(
            own,
            **common,
            synapse=_cut(own.synapse, states, those, n, targets),
            values={v: x[those] for v, x in own.values.items()},
            edges=Edges(pre.astype(np.int32), post.astype(np.int32)),
            weight=weight,
            delay=delay,
            whole_edges=len(own.edges),
            whole_delay=own.delay,
            one_a_target=one_a_target(own.edges, np.asarray(own.weight), n, sources),
        )

    def others(self) -> list[Share]:
        """The shares of all devices."""
        return [self if d == self.device else _bare(self, d) for d in range(self.devices)]

    def edges(self, projection: str, post: np.ndarray) -> np.ndarray:
        """Which of a projection's edges, given by their targets among all of it, reach this share."""
        first, mine = 0, np.zeros(len(post), bool)
        for t in self.target_names(projection):
            cut = self.cuts[t]
            begin = first + int(cut.first(self.device))
            mine |= (post >= begin) & (post < begin + int(cut.count(self.device)))
            first += cut.n
        return np.flatnonzero(mine)

    def _input(self, name: str, own: DrawnInput) -> DrawnInput:
        names, targets = self.target_names(name), self.targets(name)
        sizes = [self.cuts[t].n for t in names]
        firsts = np.cumsum([0, *sizes[:-1]])
        return dataclasses.replace(
            own,
            input=self.network.poisson[name],
            synapse=_cut(own.synapse, sum(sizes), targets),
            mean=own.mean[targets] if np.ndim(own.mean) else own.mean,
            changing=None if own.changing is None else _cut_stimulus(own.changing, sum(sizes), targets),
            begins=tuple(int(first + self.cuts[t].first(self.device)) for first, t in zip(firsts, names, strict=True)),
        )

    # -- the state ---------------------------------------------------------------------------------

    def state(self, state: SimulationState, edges: Mapping[str, Any]) -> SimulationState:
        """The share of a state, but for spikes in flight, of which each device knows all.

        Args:
            state: of the whole network, on the host.
            edges: which edges of each projection whose edges have values of their own are this share's, to index with.
        """
        net = self.whole
        synapses = {}
        for name, values in state.synapses.items():
            places = self.targets(name)
            n = sum(self.cuts[t].n for t in self.target_names(name))
            synapses[name] = {v: self._of_wire(name, v, x, places, n, edges.get(name)) for v, x in values.items()}
        return dataclasses.replace(
            state,
            neurons={name: {v: np.asarray(x)[self.neurons(name)] for v, x in own.items()} for name, own in state.neurons.items()},
            synapses=synapses,
            last_spike={name: np.asarray(x)[self.neurons(name)] for name, x in state.last_spike.items()},
            crossed={name: np.asarray(x)[self.neurons(name)] for name, x in state.crossed.items()},
            traces={
                name: {v: self._of_trace(name, v, x) for v, x in own.items()}
                for name, own in state.traces.items()
                if name in net.projections
            },
        )

    def _of_wire(self, name: str, variable: str, values: Any, targets: np.ndarray, n: int, edges: Any) -> np.ndarray:
        values = np.asarray(values)
        if self._wiring(name, variable):
            return values
        if edges is not None and self._at_edges(name, variable):
            return values[edges]
        if self._at_sources(name, variable):
            return values[self.neurons(self.source_name(name))]
        if name in self.at_edges:
            return values[self.at_edges[name]]
        return values[targets]

    def _wiring(self, name: str, variable: str) -> bool:
        """Whether this says which edges there are of a projection whose edges come and go: each device knows all of them."""
        projection = self.whole.projections.get(name)
        return projection is not None and projection.structure is not None and variable in WIRING

    def _at_edges(self, name: str, variable: str) -> bool:
        projection = self.whole.projections.get(name)
        if projection is None:
            return False
        if projection.short_term_site == "edge" and self._short_term(name, variable):
            return True
        rule = projection.plasticity
        return rule is not None and variable in (WEIGHT, *rule.edge_state())

    def _at_sources(self, name: str, variable: str) -> bool:
        return self.sites.get(name) == "source" or self._short_term(name, variable)

    def _short_term(self, name: str, variable: str) -> bool:
        short = self.whole.projections[name].short_term_plasticity if name in self.whole.projections else None
        return short is not None and variable in short.initial_state(1, Key(0))

    def _of_trace(self, name: str, variable: str, values: Any) -> Any:
        kind = variable.partition(" ")[0]
        if kind in AT_TARGETS:
            return np.asarray(values)[..., self.targets(name)]
        if kind == SENT and name in self.at_edges:
            return np.asarray(values)[..., self.at_edges[name]]
        return values


def joined(
    lead: Share, states: Sequence[SimulationState], in_flight: dict[str, Any], edges: Sequence[Mapping[str, Any]]
) -> SimulationState:
    """The state of the whole network of those of all shares.

    Args:
        lead: any share of those that are drawn here: it knows how all are cut.
        states: of each device, in their order.
        in_flight: the spikes on their way, of which each device knows all.
        edges: of each device what `Share.state` takes.
    """
    first = states[0]

    def of(parts: Sequence[Any], names: Sequence[str], axis: int = 0) -> np.ndarray:
        """What each has for its neurons of some populations, one after the other."""
        pieces, at = [], 0
        for name in names:
            cut = lead.cuts[name]
            for d, part in enumerate(parts):
                some = slice(at, at + int(cut.count(d)))
                pieces.append(np.asarray(part)[some] if axis == 0 else np.asarray(part)[..., some])
            at += cut.room
        return np.concatenate(pieces, axis=axis)

    def at_edges(parts: Sequence[Any], places: Sequence[np.ndarray]) -> np.ndarray:
        whole = np.empty((*np.shape(parts[0])[:-1], sum(map(len, places))), np.asarray(parts[0]).dtype)
        for some, part in zip(places, parts, strict=True):
            whole[..., some] = np.asarray(part)[..., : len(some)]
        return whole

    def wire(name: str, variable: str) -> np.ndarray:
        parts = [s.synapses[name][variable] for s in states]
        if lead._wiring(name, variable):
            return np.asarray(parts[0])
        if lead._at_edges(name, variable):
            places = [own[name] for own in edges]
            return np.concatenate([np.asarray(p) for p in parts]) if isinstance(places[0], slice) else at_edges(parts, places)
        if lead._at_sources(name, variable):
            return of(parts, [lead.source_name(name)])
        if name in lead.edges_of:
            return at_edges(parts, lead.edges_of[name])
        return of(parts, lead.target_names(name))

    def trace(name: str, variable: str) -> Any:
        parts = [s.traces[name][variable] for s in states]
        kind = variable.partition(" ")[0]
        if kind in AT_TARGETS:
            return of(parts, lead.target_names(name), axis=-1)
        return at_edges(parts, lead.edges_of[name]) if kind == SENT and name in lead.edges_of else parts[0]

    return dataclasses.replace(
        first,
        neurons={name: {v: of([s.neurons[name][v] for s in states], [name]) for v in own} for name, own in first.neurons.items()},
        synapses={name: {v: wire(name, v) for v in own} for name, own in first.synapses.items()},
        last_spike={name: of([s.last_spike[name] for s in states], [name]) for name in first.last_spike},
        in_flight=in_flight,
        crossed={name: of([s.crossed[name] for s in states], [name]) for name in first.crossed},
        traces={name: {v: trace(name, v) for v in own} for name, own in first.traces.items()},
    )


def _stimuli(model: Any) -> dict[str, Stimulus]:
    """The stimuli that a model has as its components, such as the rate of a source."""
    fields = (field.name for field in dataclasses.fields(model) if "component" in field.metadata)
    return {name: getattr(model, name) for name in fields if isinstance(getattr(model, name), Stimulus)}


def _across(name: str, own: DrawnPopulation) -> bool:
    """Whether a population's equations look across its neurons. What is given to each of them in time does not count."""
    if not own.facts.alone:
        return False
    stimuli = _stimuli(own.model)
    return not stimuli or neuron_facts(name, own.model.with_values(dict.fromkeys(stimuli, Constant(0.0))), own.n).alone


def _bare(share: Share, device: int) -> Share:
    """Another device's share, to ask where things are."""
    other = copy.copy(share)
    other.device = device
    return other


def _cut(model: Any, n: int, places: np.ndarray, targets: int | None = None, at_targets: np.ndarray | None = None) -> Any:
    """A model with those of its parameters that are one a neuron (source, edge) cut to some, and those that are one a target."""
    changed = {}
    for path, info, value in parameters(model):
        if info.per == "target" and at_targets is not None:
            if np.shape(value) == (targets,):
                changed[path] = np.asarray(value)[at_targets]
        elif info.per != "sample" and np.shape(value) == (n,):
            changed[path] = np.asarray(value)[places]
    return with_parameters(model, changed) if changed else model


class _OfSome(Stimulus):
    """Some neurons' part of a current that gives one a neuron in a way that cannot be cut, such as a function of the user's own."""

    whole: Stimulus = component()
    places: Any = parameter(unit="1", text="which neurons", per="neuron")

    @property
    def piecewise_constant(self) -> bool:
        return bool(self.whole.piecewise_constant)

    def _of(self, values: Any) -> Any:
        return jnp.asarray(values)[jnp.asarray(self.places).astype(jnp.int32)] if jnp.ndim(values) else values

    def __call__(self, t: Any) -> Any:
        return self._of(self.whole(t))

    def average(self, t: Any, t_next: Any) -> Any:
        return self._of(self.whole.average(t, t_next))

    def over_steps(self, dt: Any) -> Stimulus:
        return self.with_values({"whole": self.whole.over_steps(dt)})

    def noise(self, t: Any) -> Any:
        noise = self.whole.noise(t)
        return None if noise is None else self._of(noise)


def _cut_stimulus(stimulus: Any, n: int, places: np.ndarray) -> Any:
    """A stimulus for some neurons."""
    cut = _cut(stimulus, n, places)
    samples = {p: np.asarray(x)[:, places] for p, info, x in parameters(stimulus) if info.per == "sample" and np.ndim(x) == 2}
    cut = with_parameters(cut, samples) if samples else cut
    try:
        shape = jax.eval_shape(lambda s, t: s(t), cut, jax.ShapeDtypeStruct((), np.float64)).shape
    except (TypeError, ValueError):  # parts that were cut meet one that was not
        shape = (n,)
    return cut if shape in ((), (len(places),)) else _OfSome(whole=stimulus, places=places.astype(np.float64))
