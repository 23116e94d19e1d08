"""What a network is: populations, and projections between them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ranvier.connect.base import ConnectionRule
from ranvier.connect.matrix import matrix
from ranvier.errors import ParameterError, unknown
from ranvier.neurons.base import NeuronModel
from ranvier.stimuli.base import Stimulus, as_stimulus
from ranvier.synapses.base import SynapseModel

if TYPE_CHECKING:
    from ranvier.network.edges import ProjectionEdges

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_ →+-]*$")


def _checked_name(name: str | None, kind: str) -> str | None:
    if name is not None and (not isinstance(name, str) or not _NAME.match(name)):
        raise ParameterError(f"{name!r} cannot name a {kind}: use letters, digits, spaces and underscores, a letter first.")
    return name


class Population:
    """Neurons of one model.

    Args:
        n: how many.
        model: the neuron model; its parameters are numbers, arrays `[n]` or
            distributions.
        initial: initial values by variable name, each a number, an array `[n]`
            or a distribution. A gate may be named in short (`"m"`) where one
            component alone has it.
        current: what is injected: a number, an array `[n]`, a function of t,
            or a stimulus.
        name: its name in results; by default made from the model's.

    Example:
        >>> import ranvier as rv
        >>> rv.Population(20, rv.neurons.HodgkinHuxley(), initial={"V": rv.normal(-65, 2)}, name="cells")
        <Population 'cells': 20 HodgkinHuxley>
    """

    def __init__(
        self,
        n: int,
        model: NeuronModel,
        *,
        initial: Mapping[str, Any] | None = None,
        current: Any = None,
        name: str | None = None,
    ):
        if not isinstance(n, int | np.integer) or isinstance(n, bool) or n < 0:
            raise ParameterError(f"The number of neurons must be a whole number of at least 0, not {n!r}.")
        if not isinstance(model, NeuronModel):
            hint = f" Did you mean {model.__name__}()?" if isinstance(model, type) and issubclass(model, NeuronModel) else ""
            raise ParameterError(f"A population needs a neuron model such as rv.neurons.HodgkinHuxley(), not {model!r}.{hint}")
        self.n = int(n)
        self.model = model
        self.initial = dict(initial or {})
        self.current: Stimulus | None = None if current is None else as_stimulus(current)
        self.name = _checked_name(name, "population")

    def __repr__(self) -> str:
        return f"<Population {self.name or '(unnamed)'!r}: {self.n} {type(self.model).__name__}>"


class Projection:
    """Synapses of one model from one population onto one or several.

    Args:
        source: the presynaptic population.
        target: the postsynaptic population, or a list of them; their neurons
            are then counted through in that order.
        synapse: the synapse model.
        connect: a rule from `rv.connect`, or a matrix `[targets, sources]`
            (rows postsynaptic), dense or SciPy sparse.
        weight: a number, an array with one weight an edge (in the order of the
            list where edges are given in one, else by target, then source), a
            column `[targets, 1]` or row `[1, sources]` or full matrix
            `[targets, sources]`, a distribution, or a function of the source's
            and the target's numbers, such as `lambda pre, post: 1 / (1 + abs(post - pre))`
            or `rv.connect.by_distance(…)`. In the unit that the synapse says: a
            conductance is in the target's input unit per mV (mS/cm² for a
            membrane per area, nS for pA, µS for nA).
        delay: from the spike to its arrival (ms), given likewise; only for
            synapses that spikes are delivered to.
        initial: initial values of the synapse's variables.
        short_term_plasticity: how the amplitude of a spike depends on those before
            it, such as `rv.synapses.TsodyksMarkram()`; one state a source neuron.
        site: overrides where the state lives (`"edge"` gives every synapse its own).
        name: its name in results; by default `"source→target"`.

    Projections (and Poisson inputs) with equal synapses onto the same neurons share
    one state a neuron where the response is linear: the sum is what matters.
    """

    def __init__(
        self,
        source: Population,
        target: Population | Sequence[Population],
        synapse: SynapseModel,
        connect: Any,
        *,
        weight: Any = 1.0,
        delay: Any = 0.0,
        initial: Mapping[str, Any] | None = None,
        short_term_plasticity: Any = None,
        site: str | None = None,
        name: str | None = None,
    ):
        if not isinstance(source, Population):
            raise ParameterError(f"A projection goes between populations, but {source!r} is not one.")
        targets = _checked_targets(target, "projection")
        _check_synapse(synapse, "projection")
        if site not in (None, "source", "target", "edge"):
            raise unknown("site", site, ("source", "target", "edge"))
        if site not in (None, synapse.site, "edge"):
            raise ParameterError(
                f"{type(synapse).__name__} keeps its state at the site {synapse.site!r}; it can be moved to 'edge' only, not to {site!r}."
            )
        if short_term_plasticity is not None and not (synapse.event_driven and site != "edge" and synapse.site == "target"):
            raise ParameterError(
                f"Short-term plasticity scales the spikes that are delivered to a state of the target; {type(synapse).__name__} "
                f"{'acts continuously' if not synapse.event_driven else 'has its state elsewhere here'}. "
                "Use a synapse such as rv.synapses.ExponentialCurrent()."
            )
        self.source = source
        self.targets = targets
        self.synapse = synapse
        self.short_term_plasticity = short_term_plasticity
        self.rule: ConnectionRule = connect if isinstance(connect, ConnectionRule) else matrix(connect)
        self.weight = weight
        self.delay = delay
        self.initial = dict(initial or {})
        self.site = site or synapse.site
        self.name = _checked_name(name, "projection")

    def __repr__(self) -> str:
        targets = ", ".join(map(repr, self.targets))
        return f"<Projection {self.name or '(unnamed)'!r}: {type(self.synapse).__name__} {self.source!r} → {targets}>"


class PoissonInput:
    """Spikes from outside: each target neuron hears Poisson sources of its own.

    Args:
        target: the population, or a list of them.
        synapse: what the spikes are delivered to, shared with projections of equal kinetics.
        rate: of one source (Hz): a number, an array with one a target neuron, or a distribution.
        sources: how many there are for each target neuron: a number, or an array.
        weight: of one spike, in the unit that the synapse says: one number a population.
        name: its name; by default `"poisson→target"`.

    The sum of the sources is one Poisson process of rate `sources · rate`; the
    number of its spikes in a step is drawn for each neuron anew.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(100, rv.neurons.LeakyIntegrateAndFire(), name="cells")
        >>> drive = rv.PoissonInput(cells, rv.synapses.ExponentialCurrent(tau=2.0), rate=10.0, sources=1000, weight=15.0)
        >>> bool(rv.simulate(rv.Network(cells, drive), duration=200.0, dt=0.1).spikes.rate.mean() > 1)
        True
    """

    def __init__(
        self,
        target: Population | Sequence[Population],
        synapse: SynapseModel,
        *,
        rate: Any,
        sources: Any = 1,
        weight: Any = 1.0,
        name: str | None = None,
    ):
        self.targets = _checked_targets(target, "Poisson input")
        _check_synapse(synapse, "Poisson input")
        if not synapse.event_driven or synapse.site != "target":
            raise ParameterError(
                f"Poisson spikes are delivered to a state of the target; {type(synapse).__name__} has none that takes them. "
                "Use a synapse such as rv.synapses.ExponentialCurrent() or rv.synapses.Delta()."
            )
        self.synapse = synapse
        self.rate = rate
        self.sources = sources
        self.weight = weight
        self.name = _checked_name(name, "Poisson input")

    def __repr__(self) -> str:
        return f"<PoissonInput {self.name or '(unnamed)'!r}: {type(self.synapse).__name__} → {', '.join(map(repr, self.targets))}>"


def _checked_targets(target: Any, kind: str) -> tuple[Population, ...]:
    targets = tuple(target) if isinstance(target, list | tuple) else (target,)
    for population in targets:
        if not isinstance(population, Population):
            raise ParameterError(f"A {kind} goes to populations, but {population!r} is not one.")
        if not population.model.takes_input:
            raise ParameterError(f"A {kind} cannot go to {population!r}: {type(population.model).__name__} takes no input.")
    if not targets:
        raise ParameterError(f"A {kind} needs at least one population to go to.")
    if len(set(map(id, targets))) != len(targets):
        raise ParameterError(f"A {kind} names one population twice among its targets.")
    return targets


def _check_synapse(synapse: Any, kind: str) -> None:
    if not isinstance(synapse, SynapseModel):
        hint = f" Did you mean {synapse.__name__}()?" if isinstance(synapse, type) and issubclass(synapse, SynapseModel) else ""
        raise ParameterError(f"A {kind} needs a synapse model such as rv.synapses.GradedGABA(), not {synapse!r}.{hint}")


class Network:
    """Populations, the projections between them, and what drives them.

    Args:
        parts: `Population`s, `Projection`s and `PoissonInput`s, in any order.
        stands_for: for a population of the network, the one that records may
            name in its place.

    Raises:
        ParameterError: a part is neither, two have one name, or a projection
            goes to a population that is not part of the network.

    Example:
        >>> import ranvier as rv
        >>> cells = rv.Population(2, rv.neurons.BazhenovNeuron(), current=[10.0, 0.0], name="cells")
        >>> net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Cholinergic(), [[0, 0], [1, 0]], weight=0.35))
        >>> run = rv.simulate(net, duration=50.0)
    """

    def __init__(self, *parts: Population | Projection | PoissonInput, stands_for: Mapping[Population, Population] | None = None):
        for part in parts:
            if not isinstance(part, Population | Projection | PoissonInput):
                raise ParameterError(
                    f"A network is made of populations and projections; {part!r} is neither. Give the parts themselves, not a list of them."
                )
        populations = [p for p in parts if isinstance(p, Population)]
        projections = [p for p in parts if isinstance(p, Projection)]
        poisson = [p for p in parts if isinstance(p, PoissonInput)]
        if not populations:
            raise ParameterError("A network needs at least one population.")
        if len(set(map(id, parts))) != len(parts):
            raise ParameterError("A part of the network is given twice.")
        self.populations: dict[str, Population] = _named(populations, lambda p: _snake_case(type(p.model).__name__), "population")
        self._names = {id(p): name for name, p in self.populations.items()}
        wires: list[Projection | PoissonInput] = [*projections, *poisson]
        for wired in wires:
            for population in (*([wired.source] if isinstance(wired, Projection) else []), *wired.targets):
                if id(population) not in self._names:
                    raise ParameterError(
                        f"{wired!r} uses {population!r}, which is not part of the network. Give that population to rv.Network as well."
                    )
        self.projections: dict[str, Projection] = _named(
            projections, lambda p: f"{self.name_of(p.source)}→{'+'.join(self.name_of(t) for t in p.targets)}", "projection"
        )
        self.poisson: dict[str, PoissonInput] = _named(
            poisson, lambda p: f"poisson→{'+'.join(self.name_of(t) for t in p.targets)}", "Poisson input"
        )
        names = [*self.populations, *self.projections, *self.poisson]
        shared = {name for name in names if names.count(name) > 1}
        if shared:
            raise ParameterError(f"Two parts of the network are both named {sorted(shared)[0]!r}.")
        self._names.update({id(p): name for name, p in (*self.projections.items(), *self.poisson.items())})
        self._stands_for = dict(stands_for or {})
        self._names.update({id(other): self._names[id(own)] for own, other in self._stands_for.items()})

    def name_of(self, part: Population | Projection | PoissonInput) -> str:
        """The name that a part has in this network."""
        return self._names[id(part)]

    def find(self, part: Population | Projection | str) -> tuple[str, Population | Projection]:
        """A part by itself or by its name.

        Raises:
            UnknownNameError: there is none.
        """
        everything: dict[str, Population | Projection] = {**self.populations, **self.projections}
        name = part if isinstance(part, str) else self._names.get(id(part))
        if name not in everything:
            raise unknown("population or projection", name or repr(part), everything)
        return name, everything[name]

    def edges(self, projection: Projection | str, *, seed: int = 0, dt: float | None = None) -> ProjectionEdges:
        """Who is wired to whom, with which weights and delays: the edges of a projection, of any kind of synapse.

        Args:
            projection: itself, or its name.
            seed: of the run whose edges they are.
            dt: its step (ms); without one, delays are not rounded to steps.

        Raises:
            UnknownNameError: there is no such projection.

        Example:
            >>> import ranvier as rv
            >>> cells = rv.Population(3, rv.neurons.LeakyIntegrateAndFire(), name="cells")
            >>> net = rv.Network(cells, rv.Projection(cells, cells, rv.synapses.Delta(), [[0, 1, 0], [0, 0, 2], [0, 0, 0]]))
            >>> edges = net.edges("cells→cells")
            >>> edges.pre.tolist(), edges.post.tolist(), edges.weight.tolist()
            ([1, 2], [0, 1], [1.0, 2.0])
        """
        from ranvier.network.edges import edges_of

        return edges_of(self, projection, seed=seed, dt=dt)

    def __repr__(self) -> str:
        lines = [f"<Network of {sum(p.n for p in self.populations.values())} neurons"]
        lines += [f"  {name}: {p.n} {type(p.model).__name__}" for name, p in self.populations.items()]
        lines += [f"  {name}: {type(p.synapse).__name__}" for name, p in self.projections.items()]
        lines += [f"  {name}: {type(p.synapse).__name__}, Poisson" for name, p in self.poisson.items()]
        return "\n".join(lines) + ">"


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def _named(parts: list[Any], default: Any, kind: str) -> dict[str, Any]:
    """The parts by name; names that were not given are made, and numbered where they repeat."""
    result: dict[str, Any] = {}
    for part in parts:
        if part.name is not None and part.name in result:
            raise ParameterError(f"Two {kind}s are named {part.name!r}.")
        base = part.name or default(part)
        name, count = base, 1
        while name in result or (part.name is None and any(p.name == name for p in parts)):
            count += 1
            name = f"{base}_{count}"
        result[name] = part
    return result
